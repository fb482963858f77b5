package index

import (
	"encoding/binary"
	"fmt"
)

const (
	// chunkRecords is the most records one chunk holds: a page of an account costs one or two chunks.
	chunkRecords = 128
	// chunkBytes closes a chunk early once its records' data passes it, so that a chunk of large records
	// stays within an SST block or two.
	chunkBytes = 16 << 10
	// chunkFull is from how many records on a merge copies a chunk as it is instead of filling it up.
	chunkFull = 96
)

// chunkHeader is what can be known of a chunk without decoding its rows.
type chunkHeader struct {
	count               int
	firstSeq, lastSeq   uint64
	firstTime, lastTime int64
}

// chunkRow is one record within a chunk; start and end delimit its data in the chunk's data area.
type chunkRow struct {
	seq        uint64
	time       int64
	start, end uint32
}

// chunkBuilder collects one account's records, in Seq order, until they are encoded together.
type chunkBuilder struct {
	rows []chunkRow
	data []byte
}

func (c *chunkBuilder) reset() { c.rows, c.data = c.rows[:0], c.data[:0] }

func (c *chunkBuilder) full() bool { return len(c.rows) >= chunkRecords || len(c.data) >= chunkBytes }

func (c *chunkBuilder) add(seq uint64, time int64, data []byte) {
	start := uint32(len(c.data))
	c.data = append(c.data, data...)
	c.rows = append(c.rows, chunkRow{seq, time, start, uint32(len(c.data))})
}

// appendTo encodes the chunk; it must hold at least one record.
func (c *chunkBuilder) appendTo(dst []byte) []byte {
	first, last := c.rows[0], c.rows[len(c.rows)-1]
	dst = binary.AppendUvarint(dst, uint64(len(c.rows)))
	dst = binary.AppendUvarint(dst, first.seq)
	dst = binary.AppendUvarint(dst, last.seq-first.seq)
	dst = appendZigzag(dst, first.time)
	dst = appendZigzag(dst, last.time-first.time)
	seq, time := first.seq, first.time
	for i, r := range c.rows {
		if i > 0 {
			dst = binary.AppendUvarint(dst, r.seq-seq)
			dst = appendZigzag(dst, r.time-time)
		}
		dst = binary.AppendUvarint(dst, uint64(r.end-r.start))
		seq, time = r.seq, r.time
	}
	return append(dst, c.data...)
}

func readChunkHeader(r *byteReader) (h chunkHeader, err error) {
	count := r.uvarint()
	h.firstSeq = r.uvarint()
	h.lastSeq = h.firstSeq + r.uvarint()
	h.firstTime = r.varint()
	h.lastTime = h.firstTime + r.varint()
	if r.failed || count < 1 || count > chunkRecords || h.lastSeq < h.firstSeq {
		return chunkHeader{}, fmt.Errorf("chunk header: %w", errMalformed)
	}
	h.count = int(count)
	return h, nil
}

// decodeChunk reads a whole chunk. The rows are appended to rows[:0], data aliases value. Every relation that
// the encoder guarantees is checked.
func decodeChunk(value []byte, rows []chunkRow) (h chunkHeader, _ []chunkRow, data []byte, err error) {
	r := byteReader{rest: value}
	rows = rows[:0]
	if h, err = readChunkHeader(&r); err != nil {
		return h, rows, nil, err
	}
	seq, time, end := h.firstSeq, h.firstTime, uint64(0)
	for i := range h.count {
		if i > 0 {
			step := r.uvarint()
			if step == 0 || seq+step < seq {
				return h, rows, nil, fmt.Errorf("chunk row %d out of order: %w", i, errMalformed)
			}
			seq += step
			time += r.varint()
		}
		start := end
		if end += r.uvarint(); end < start || end > uint64(len(value)) || r.failed {
			return h, rows, nil, fmt.Errorf("chunk row %d: %w", i, errMalformed)
		}
		rows = append(rows, chunkRow{seq, time, uint32(start), uint32(end)})
	}
	if seq != h.lastSeq || time != h.lastTime || end != uint64(len(r.rest)) {
		return h, rows, nil, fmt.Errorf("chunk of %d bytes does not add up: %w", len(value), errMalformed)
	}
	return h, rows, r.rest, nil
}
