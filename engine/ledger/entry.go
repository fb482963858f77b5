package ledger

import (
	"encoding/binary"
	"fmt"
)

// An entry is what the log holds: commands under one time stamp.
//
//	+---------+----------------+-------+----------------------------------+
//	| version | time, 8 bytes  | count | count times: length, command     |
//	| 1 byte  | little endian  |uvarint| uvarint, then kind and body      |
//	+---------+----------------+-------+----------------------------------+
//
// The time is the leader's, in Unix nanoseconds. The log's time never goes
// back: where an entry's stamp is not later than the one before, the one before
// plus one counts.
const (
	entryVersion   = 1
	entryTimeAt    = 1
	entryHeaderLen = 9
)

// AppendEntry appends the header of an entry of count commands; the caller
// appends each with AppendCommand.
func AppendEntry(dst []byte, time int64, count int) []byte {
	dst = append(dst, entryVersion)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(time))
	return appendUvarint(dst, uint64(count))
}

// AppendCommand appends one encoded command (Batch.At) to an entry.
func AppendCommand(dst, command []byte) []byte { return appendBytes(dst, command) }

// EntryOverhead is an upper bound of what an entry of count commands holds in
// addition to the commands' own bytes.
func EntryOverhead(count int) int { return entryHeaderLen + 10 + 5*count }

// EntryReader takes an entry apart. What Next returns aliases the entry.
type EntryReader struct {
	Time  int64 // the leader's stamp, Unix nanoseconds
	Count int   // number of commands
	r     reader
	left  int
}

// ReadEntry reads the header of an entry.
func ReadEntry(data []byte) (EntryReader, error) {
	if len(data) < entryHeaderLen {
		return EntryReader{}, fmt.Errorf("%w: entry of %d bytes", ErrCorrupt, len(data))
	}
	if data[0] != entryVersion {
		return EntryReader{}, fmt.Errorf("%w: entry version %d, this program reads %d", ErrCorrupt, data[0], entryVersion)
	}
	e := EntryReader{Time: int64(binary.LittleEndian.Uint64(data[entryTimeAt:])), r: reader{b: data[entryHeaderLen:]}}
	count := e.r.uvarint()
	if e.r.bad || count > uint64(len(data)) {
		return EntryReader{}, fmt.Errorf("%w: entry header", ErrCorrupt)
	}
	e.Count, e.left = int(count), int(count)
	return e, nil
}

// Next is the next command; ok is false after the last one. Err tells whether
// that was the end.
func (e *EntryReader) Next() (command []byte, ok bool) {
	if e.left == 0 || e.r.bad {
		return nil, false
	}
	e.left--
	command = e.r.bytes()
	return command, !e.r.bad
}

// Err is nil when all commands were read and nothing is left over.
func (e *EntryReader) Err() error {
	if e.left != 0 && !e.r.bad {
		return fmt.Errorf("%w: %d commands unread", ErrCorrupt, e.left)
	}
	return e.r.end()
}
