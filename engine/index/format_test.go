package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// TestGolden holds the encodings of the newest format against a file: what is written once must stay readable.
// format-1.golden has those of version 1, which differ in the filter and in the description's first byte.
func TestGolden(t *testing.T) {
	var out strings.Builder
	line := func(name string, b []byte) { fmt.Fprintf(&out, "%-12s %s\n", name, hex.EncodeToString(b)) }
	var c chunkBuilder
	c.add(1000, 1_700_000_000_000_000_000, []byte("first"))
	c.add(1001, 1_700_000_000_000_000_000, nil)
	c.add(5000, 1_699_999_999_000_000_000, []byte("third"))
	line("chunk", c.appendTo(nil))
	line("bucket", appendBucket(nil, []identifier{
		{digest{1, 2}, 70000, 7}, {digest{1, 3}, 69000, 1<<32 - 1}, {digest{1 << 63, 0}, 69001, 0},
	}))
	line("order", appendOrder(nil, []Place{{9, 4}, {10, 4}, {1, 300}}))
	f := newFilter(20)
	for i := range uint64(20) {
		f.add(digest{mix(i), mix(^i)}.hash())
	}
	line("filter", f.appendTo(nil))
	m := meta{version: formatVersion, after: 1, last: 2, records: 3, identifiers: 4, accounts: 5, bytes: 6, minSeq: 7, maxSeq: 8}
	line("meta", m.appendTo(nil))
	line("history key", appendHistoryKey(nil, 1, 2, 3))
	line("order key", appendOrderKey(nil, 1, Place{2, 3}))
	line("bucket key", appendIdentifierKey(nil, 1, digest{2, 3}))
	line("part key", appendPartKey(nil, 1, sectionFilter, 2))
	line("meta key", appendRunPrefix(nil, 1, sectionMeta))
	line("note key", appendNoteKey(nil, Place{1, 2}))
	const file = "testdata/format-2.golden"
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("format changed:\n%s\nwant:\n%s", out.String(), want)
	}
}

// TestOtherVersionIsRefused reads a description of a later format.
func TestOtherVersionIsRefused(t *testing.T) {
	m := meta{version: formatVersion, last: 1}
	value := m.appendTo(nil)
	value[0]++
	if _, err := decodeMeta(value); err == nil || !strings.Contains(err.Error(), "version 3") {
		t.Fatalf("error %v", err)
	}
}

// TestVersion1IsRead opens a store that a program of format version 1 wrote, finds everything in it, and merges it
// with what is new into the newest format.
func TestVersion1IsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS("testdata/store-v1")); err != nil {
		t.Fatal(err)
	}
	x := mustOpen(t, dir, Options{RunRecords: 100})
	const stored, fresh = 300, 400
	for _, r := range x.view.runs {
		if r.version != 1 {
			t.Fatalf("a run of version %d", r.version)
		}
	}
	checkVersion1(t, x, stored)
	var b Batch
	for seq := uint64(stored + 1); seq <= stored+fresh; seq++ {
		b.Reset(seq)
		b.AddIdentifier(version1Print(seq), Place{uint32(seq % 7), seq})
		b.AddRecord(Place{uint32(seq % 7), seq}, int64(seq), []byte{byte(seq)})
		if err := x.Apply(&b); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	checkVersion1(t, x, stored+fresh)
	settle(t, x)
	x.mu.Lock()
	runs := x.view.runs
	x.mu.Unlock()
	run, paths, err := x.writeMerged(runs, 1000)
	if err != nil || run.version != formatVersion || run.identifiers != stored+fresh || len(paths) == 0 {
		t.Fatalf("merged into %+v, %d tables, error %v", run.meta, len(paths), err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkVersion1 holds the store against the identifiers 1 to last.
func checkVersion1(t *testing.T, x *Index, last uint64) {
	t.Helper()
	var prints []Fingerprint
	for seq := uint64(1); seq <= 2*last; seq++ {
		prints = append(prints, version1Print(seq))
	}
	places, found := make([]Place, len(prints)), make([]bool, len(prints))
	if err := x.Lookup(prints, places, found); err != nil {
		t.Fatal(err)
	}
	for i := range prints {
		seq := uint64(i + 1)
		if want := (Place{uint32(seq % 7), seq}); found[i] != (seq <= last) || found[i] && places[i] != want {
			t.Fatalf("identifier %d: found %v at %v", seq, found[i], places[i])
		}
	}
}

// version1Print is how the stored identifiers were made.
func version1Print(seq uint64) (f Fingerprint) {
	binary.BigEndian.PutUint64(f[:8], mix(seq))
	binary.BigEndian.PutUint64(f[8:], mix(^seq))
	return f
}

func TestCodecsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		var c chunkBuilder
		seq := rng.Uint64() >> rng.IntN(64)
		n := 1 + rng.IntN(chunkRecords)
		for range n {
			if seq > 1<<63 {
				seq = 5
				c.reset()
			}
			seq += 1 + rng.Uint64N(1<<rng.IntN(40))
			c.add(seq, int64(rng.Uint64()), bytes.Repeat([]byte{1}, rng.IntN(50)))
		}
		value := c.appendTo(nil)
		_, rows, data, err := decodeChunk(value, nil)
		if err != nil || !slices.Equal(rows, c.rows) || !bytes.Equal(data, c.data) {
			t.Fatalf("chunk: %v", err)
		}
		ids := make([]identifier, 1+rng.IntN(bucketEntries))
		shift := rng.IntN(64)
		for i := range ids {
			ids[i] = identifier{digest{uint64(i), rng.Uint64()}, rng.Uint64() >> shift, rng.Uint32()}
		}
		b, err := openBucket(appendBucket(nil, ids))
		if err != nil || b.count != len(ids) {
			t.Fatalf("bucket: %v", err)
		}
		for i, id := range ids {
			if p, ok := b.find(id.digest); !ok || p != id.place() || b.at(i) != id {
				t.Fatalf("bucket entry %d: %v %v, want %v", i, p, ok, id)
			}
		}
	}
}

// TestFilterRate measures how many absent keys the filter lets through, and that it never hides a present one.
func TestFilterRate(t *testing.T) {
	const n = 100_000
	f := newFilter(n)
	for i := range uint64(n) {
		f.add(digest{mix(i), mix(^i)}.hash())
	}
	wrong := 0
	for i := range uint64(n) {
		if !f.has(digest{mix(i), mix(^i)}.hash()) {
			t.Fatal("a present key is hidden")
		}
		if f.has(digest{mix(i + n), mix(^(i + n))}.hash()) {
			wrong++
		}
	}
	t.Logf("%.3f %% of absent keys pass", float64(wrong)*100/n)
	if wrong > n/400 {
		t.Fatalf("%d of %d absent keys pass", wrong, n)
	}
	if g, err := readFilter(f.appendTo(nil)); err != nil || !slices.Equal(g.blocks, f.blocks) {
		t.Fatalf("filter does not come back: %v", err)
	}
}

// FuzzDecoders feeds the decoders arbitrary bytes: they never panic, and what they accept encodes back to a
// value they accept again.
func FuzzDecoders(f *testing.F) {
	var c chunkBuilder
	c.add(5, 6, []byte("data"))
	c.add(7, 6, []byte("more"))
	f.Add(c.appendTo(nil))
	f.Add(appendBucket(nil, []identifier{{digest{1, 2}, 3, 4}, {digest{1, 3}, 300, 4}}))
	f.Add(appendOrder(nil, []Place{{1, 2}, {3, 4}}))
	f.Add((&meta{version: formatVersion, last: 4}).appendTo(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		if _, rows, data, err := decodeChunk(value, nil); err == nil {
			again := chunkBuilder{rows: rows, data: data}
			if _, other, _, err := decodeChunk(again.appendTo(nil), nil); err != nil || !slices.Equal(rows, other) {
				t.Fatalf("chunk does not come back: %v", err)
			}
		}
		if b, err := openBucket(value); err == nil {
			for i := range b.count {
				b.at(i)
			}
			b.find(digest{1, 2})
		}
		if places, err := decodeOrder(value, nil); err == nil {
			if other, err := decodeOrder(appendOrder(nil, places), nil); err != nil || !slices.Equal(places, other) {
				t.Fatalf("order does not come back: %v", err)
			}
		}
		_, _ = decodeMeta(value)
		_, _ = readFilter(value)
		_, _, _ = historyKeyTail(value)
		_, _ = runOfKey(value)
	})
}
