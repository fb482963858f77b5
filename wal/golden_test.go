package wal

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var rewrite = flag.Bool("wal.rewrite", false, "write testdata/v1 anew; a changed format needs a new version and a new directory")

const goldenDir = "testdata/v1"

// goldenCalls make the log in testdata/v1: several segments, all kinds of batches, entries of all types.
func goldenCalls() []call {
	return []call{
		setCall("CurrentTerm", "two"), setCall("LastVoteCand", "node 1"),
		storeCall(1, 9, 1), storeCall(10, 12, 1), deleteCall(11, 12), storeCall(11, 19, 2), deleteCall(1, 5),
		floorCall(29), storeCall(30, 33, 3), storeCall(34, 46, 3), deleteCall(30, 31), storeCall(47, 47, 4),
	}
}

// TestGolden opens a log that format version 1 left behind, byte for byte.
func TestGolden(t *testing.T) {
	if *rewrite {
		writeGolden(t)
	}
	d := disk{}
	files, err := os.ReadDir(goldenDir)
	must(t, err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(goldenDir, f.Name()))
		must(t, err)
		d[f.Name()] = b
	}
	m := newModel()
	for _, c := range goldenCalls() {
		c.apply(m)
	}
	fs := d.mount(t)
	l := mustOpen(t, testOptions(fs))
	check(t, m, l)
	must(t, l.Close())
	if !d.equal(readDisk(t, fs)) {
		t.Error("opening and closing changed the log")
	}
	sameEncoding(t, d)
}

// sameEncoding: the same calls on a log with the same id write the same bytes today. Behind a segment's end there may be
// remains of its former life.
func sameEncoding(t *testing.T, golden disk) {
	t.Helper()
	m, err := decodeManifest(manifestName, golden[manifestName])
	must(t, err)
	written := makeGolden(t, m.id)
	if string(written[stableName]) != string(golden[stableName]) {
		t.Error("stable is written in another way")
	}
	compared := 0
	for seq := m.oldest; seq <= m.newest; seq++ {
		old, now := golden[segmentName(seq)], written[segmentName(seq)]
		end := scanSegment(old, segmentSeed(m.id, seq)).end
		if int64(len(now)) < end || string(old[:end]) != string(now[:end]) {
			t.Errorf("segment %d is written in another way", seq)
		}
		compared += int(end)
	}
	if compared < 1000 {
		t.Errorf("only %d bytes compared", compared)
	}
}

func makeGolden(t *testing.T, id logID) disk {
	t.Helper()
	fs := disk{manifestName: manifest{id, 1, 0}.encode()}.mount(t)
	l := mustOpen(t, testOptions(fs))
	for _, c := range goldenCalls() {
		must(t, c.do(l))
	}
	l.awaitNext(t)
	must(t, l.Close())
	return readDisk(t, fs)
}

func writeGolden(t *testing.T) {
	must(t, os.RemoveAll(goldenDir))
	must(t, os.MkdirAll(goldenDir, 0o755))
	for name, b := range makeGolden(t, logID([]byte("drawdown's test."))) {
		must(t, os.WriteFile(filepath.Join(goldenDir, name), b, 0o644))
	}
}
