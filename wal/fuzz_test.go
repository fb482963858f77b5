package wal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/hashicorp/raft"
)

// FuzzRecover opens a log whose first segment holds what the fuzzer likes. It is refused as damaged, or every entry that it
// says it has can be read, and it goes on working. The first byte chooses how much of the format is put right, so
// that the code behind the checksums is reached too.
func FuzzRecover(f *testing.F) {
	s := makeSample(f)
	body := s.disk[segmentName(1)]
	f.Add(byte(0), body)
	f.Add(byte(1), body[segmentHeaderBytes:])
	f.Add(byte(2), []byte{1, 0, 0, 0, 1, 0, 0, 0, 32, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, mode byte, b []byte) {
		id := logID{1, 2, 3}
		segment := append(encodeSegmentHeader(id, 1), b...)
		switch mode % 3 {
		case 0:
			segment = b
		case 2:
			segment = append(encodeSegmentHeader(id, 1), plausible(b, segmentSeed(id, 1))...)
		}
		d := disk{
			manifestName: manifest{id, 1, 1}.encode(), stableName: encodeStable(id, nil), segmentName(1): segment,
		}
		l, err := Open(testDir, testOptions(d.mount(t)))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		readAll(t, l)
		next := l.state.next
		if next < 1<<63 {
			must(t, l.StoreLogs(entries(next, next+3, 1)))
			readAll(t, l)
		}
		must(t, l.Close())
	})
}

func readAll(t *testing.T, l *Log) {
	t.Helper()
	first, err := l.FirstIndex()
	must(t, err)
	last, err := l.LastIndex()
	must(t, err)
	var e raft.Log
	for i := first; i <= last && i != 0; i++ {
		must(t, l.GetLog(i, &e))
	}
}

// plausible makes batches of the bytes: kind, count, length, first and head are the fuzzer's, the checksums are right.
func plausible(b []byte, seed uint32) (out []byte) {
	le := binary.LittleEndian
	var chain uint32
	for len(b) >= 24 {
		h := batchHeader{
			kind: batchKind(le.Uint16(b)), count: uint32(le.Uint16(b[4:])), length: uint32(alignUp(int64(b[8]))),
			first: uint64(le.Uint16(b[12:])), head: uint64(le.Uint16(b[20:])), prevCRC: chain,
		}
		b = b[24:]
		payload := make([]byte, h.length)
		b = b[copy(payload, b):]
		h.payloadCRC = crc32.Update(seed, castagnoli, payload)
		header := make([]byte, batchHeaderBytes)
		h.encode(header, seed, int64(segmentHeaderBytes+len(out)))
		if h.kind != batchMark {
			chain = h.crc
		}
		out = append(append(out, header...), payload...)
	}
	return append(out, make([]byte, 200)...)
}
