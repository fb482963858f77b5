package index

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sort"
)

// bucketEntries is how many identifiers share one row: about 4 KiB, a quarter of an SST block.
const bucketEntries = 170

// digest is a fingerprint as two numbers, which order like its bytes.
type digest struct{ hi, lo uint64 }

func digestOf(f Fingerprint) digest {
	return digest{binary.BigEndian.Uint64(f[:8]), binary.BigEndian.Uint64(f[8:])}
}

func (a digest) less(b digest) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

func (a digest) compare(b digest) int {
	switch {
	case a.less(b):
		return -1
	case b.less(a):
		return 1
	}
	return 0
}

// identifier is one fingerprint and the place of its first use.
type identifier struct {
	digest
	seq     uint64
	account uint32
}

func (i identifier) place() Place { return Place{Account: i.account, Seq: i.seq} }

// earlier orders places by sequence; the account decides between equals, so that the answer never depends on
// which run was asked first.
func earlier(a, b Place) bool { return a.Seq < b.Seq || a.Seq == b.Seq && a.Account < b.Account }

// appendBucket encodes identifiers that are sorted by fingerprint, without repeats, and not empty.
func appendBucket(dst []byte, ids []identifier) []byte {
	low, high := ids[0].seq, ids[0].seq
	for _, id := range ids[1:] {
		low, high = min(low, id.seq), max(high, id.seq)
	}
	width := (bits.Len64(high-low) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(len(ids)))
	dst = binary.AppendUvarint(dst, low)
	dst = append(dst, byte(width))
	for _, id := range ids {
		dst = binary.BigEndian.AppendUint64(dst, id.hi)
		dst = binary.BigEndian.AppendUint64(dst, id.lo)
		dst = binary.LittleEndian.AppendUint32(dst, id.account)
		offset := id.seq - low
		for range width {
			dst = append(dst, byte(offset))
			offset >>= 8
		}
	}
	return dst
}

// bucket is an encoded bucket whose header has been checked; at() cannot fail.
type bucket struct {
	count, stride int
	low           uint64
	entries       []byte
}

func openBucket(value []byte) (bucket, error) {
	r := byteReader{rest: value}
	count, low, width := r.uvarint(), r.uvarint(), r.bytes(1)
	if r.failed || count == 0 || count > bucketEntries || width[0] > 8 {
		return bucket{}, fmt.Errorf("bucket header: %w", errMalformed)
	}
	b := bucket{count: int(count), stride: 20 + int(width[0]), low: low, entries: r.rest}
	if len(b.entries) != b.count*b.stride {
		return bucket{}, fmt.Errorf("bucket of %d bytes for %d entries: %w", len(value), count, errMalformed)
	}
	return b, nil
}

func (b bucket) digest(i int) digest {
	e := b.entries[i*b.stride:]
	return digest{binary.BigEndian.Uint64(e), binary.BigEndian.Uint64(e[8:])}
}

func (b bucket) at(i int) identifier {
	e := b.entries[i*b.stride : (i+1)*b.stride]
	id := identifier{digest: b.digest(i), account: binary.LittleEndian.Uint32(e[16:])}
	for j := len(e) - 1; j >= 20; j-- {
		id.seq = id.seq<<8 | uint64(e[j])
	}
	id.seq += b.low
	return id
}

func (b bucket) find(p digest) (Place, bool) {
	i := sort.Search(b.count, func(i int) bool { return !b.digest(i).less(p) })
	if i == b.count || b.digest(i) != p {
		return Place{}, false
	}
	return b.at(i).place(), true
}

// orderPlaces is how many places share one row of the order section.
const orderPlaces = 512

// appendOrder encodes places sorted by (Seq, Account), without repeats, and not empty.
func appendOrder(dst []byte, places []Place) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(places)))
	seq := uint64(0)
	for _, p := range places {
		dst = binary.AppendUvarint(dst, p.Seq-seq)
		dst = binary.AppendUvarint(dst, uint64(p.Account))
		seq = p.Seq
	}
	return dst
}

// decodeOrder appends the places of an order block to places[:0].
func decodeOrder(value []byte, places []Place) ([]Place, error) {
	r := byteReader{rest: value}
	places = places[:0]
	count := r.uvarint()
	if r.failed || count == 0 || count > orderPlaces {
		return places, fmt.Errorf("order header: %w", errMalformed)
	}
	last := Place{}
	for i := range count {
		step, account := r.uvarint(), r.uvarint()
		p := Place{Account: uint32(account), Seq: last.Seq + step}
		if r.failed || account > 1<<32-1 || p.Seq < last.Seq || i > 0 && !earlier(last, p) {
			return places, fmt.Errorf("order entry %d: %w", i, errMalformed)
		}
		places = append(places, p)
		last = p
	}
	if len(r.rest) != 0 {
		return places, fmt.Errorf("order block with %d bytes left over: %w", len(r.rest), errMalformed)
	}
	return places, nil
}
