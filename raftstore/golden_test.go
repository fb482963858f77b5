package raftstore

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var rewrite = flag.Bool("rewrite", false, "write testdata anew")

// What version 1 looks like on disk never changes.
func TestGoldenSnapshot(t *testing.T) {
	fs := vfs.NewMem()
	s := openTestSnapshots(t, fs)
	if err := s.write(t, 12); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{manifestName, stateName} {
		got, err := readFile(fs, s.path("3-12", name))
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", "snapshot-v1-"+name)
		if *rewrite {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s (%v)", name, golden, err)
		}
	}
}
