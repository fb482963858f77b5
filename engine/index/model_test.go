package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// entry is one log entry in plain values: what a Batch is built from, and what the model is.
type entry struct {
	index   uint64
	ids     []modelID
	records []modelRecord
	notes   []modelNote
}

type modelID struct {
	f Fingerprint
	p Place
}

type modelRecord struct {
	Place
	time int64
	data []byte
}

type modelNote struct {
	Place
	data []byte
}

func (e *entry) batch(b *Batch) *Batch {
	b.Reset(e.index)
	for _, id := range e.ids {
		b.AddIdentifier(id.f, id.p)
	}
	for _, r := range e.records {
		b.AddRecord(r.Place, r.time, r.data)
	}
	for _, n := range e.notes {
		b.AddNote(n.Place, n.data)
	}
	return b
}

// generator makes log entries. Seqs ascend; some are shared by several accounts, some fingerprints return.
type generator struct {
	rng      *rand.Rand
	accounts int
	index    uint64
	seq      uint64
	prints   []Fingerprint
	places   []Place
}

func newGenerator(seed uint64, accounts int) *generator {
	return &generator{rng: rand.New(rand.NewPCG(seed, 7)), accounts: accounts}
}

func (g *generator) bytes(most int) []byte {
	b := make([]byte, g.rng.IntN(most+1))
	for i := range b {
		b[i] = byte(g.rng.Uint32())
	}
	return b
}

func (g *generator) entry() *entry {
	g.index += 1 + uint64(g.rng.IntN(10)/9) // some indexes carry no batch
	e := &entry{index: g.index}
	for range g.rng.IntN(12) {
		g.seq += uint64(g.rng.IntN(3) + 1)
		p := Place{uint32(g.skewed()), g.seq}
		size := 60
		if g.rng.IntN(100) == 0 {
			size = 20 << 10
		}
		e.records = append(e.records, modelRecord{p, g.rng.Int64N(1 << 40), g.bytes(size)})
		g.places = append(g.places, p)
		if g.rng.IntN(4) == 0 {
			twin := Place{p.Account + 1000, p.Seq}
			e.records = append(e.records, modelRecord{twin, 5, nil})
		}
		e.ids = append(e.ids, modelID{g.print(), p})
	}
	g.rng.Shuffle(len(e.records), func(i, j int) { e.records[i], e.records[j] = e.records[j], e.records[i] })
	for range g.rng.IntN(3) {
		if len(g.places) > 0 {
			e.notes = append(e.notes, modelNote{g.places[g.rng.IntN(len(g.places))], g.bytes(10)})
		}
	}
	return e
}

// skewed prefers low accounts, so that some are hot.
func (g *generator) skewed() int { return g.rng.IntN(g.rng.IntN(g.accounts) + 1) }

func (g *generator) print() Fingerprint {
	if len(g.prints) > 0 && g.rng.IntN(10) == 0 {
		return g.prints[g.rng.IntN(len(g.prints))]
	}
	var f Fingerprint
	binary.BigEndian.PutUint64(f[:], g.rng.Uint64())
	if g.rng.IntN(3) == 0 {
		f[0] = 0 // a poor hash must do no harm
		f[1] = 0
	}
	binary.BigEndian.PutUint64(f[8:], uint64(len(g.prints)))
	g.prints = append(g.prints, f)
	return f
}

// model is the whole truth in maps: the entries up to an index, applied the obvious way.
type model struct {
	ids     map[Fingerprint]Place
	records []modelRecord // by (Seq, Account)
	notes   map[Place][]byte
	last    uint64
}

func modelOf(log []*entry, upTo uint64) *model {
	m := &model{ids: map[Fingerprint]Place{}, notes: map[Place][]byte{}}
	for _, e := range log {
		if e.index > upTo {
			break
		}
		m.last = e.index
		for _, id := range e.ids {
			if p, ok := m.ids[id.f]; !ok || id.p.Seq < p.Seq {
				m.ids[id.f] = id.p
			}
		}
		m.records = append(m.records, e.records...)
		for _, n := range e.notes {
			m.notes[n.Place] = n.data
		}
	}
	slices.SortFunc(m.records, func(a, b modelRecord) int {
		if a.Seq != b.Seq {
			return compare(a.Seq, b.Seq)
		}
		return int(a.Account) - int(b.Account)
	})
	return m
}

// scan is the obvious form of Scan (account >= 0) and ScanAll (account < 0).
func (m *model) scan(account int, from Place, descending bool, most int) (out []modelRecord) {
	all := slices.Clone(m.records)
	if descending {
		slices.Reverse(all)
	}
	for _, r := range all {
		switch {
		case account >= 0 && int(r.Account) != account:
		case from.Seq == 0 && (account >= 0 || from.Account == 0):
			out = append(out, r)
		case account >= 0 && (descending && r.Seq > from.Seq || !descending && r.Seq < from.Seq):
		case account < 0 && r.Place != from && earlier(r.Place, from) != descending:
		default:
			out = append(out, r)
		}
	}
	return out[:min(most, len(out))]
}

func sameRecord(a modelRecord, b Record) error {
	if a.Place != b.Place || a.time != b.Time || !bytes.Equal(a.data, b.Data) {
		return fmt.Errorf("want %v at %d with %d bytes, got %v at %d with %d bytes", a.Place, a.time, len(a.data), b.Place, b.Time, len(b.Data))
	}
	return nil
}

// checkScan compares one scan with the model's.
func checkScan(x *Index, m *model, account int, from Place, descending bool, most int) error {
	want := m.scan(account, from, descending, most)
	n := 0
	var wrong error
	visit := func(r Record) bool {
		if n >= len(want) {
			wrong = fmt.Errorf("record %v too many", r.Place)
		} else {
			wrong = sameRecord(want[n], r)
		}
		n++
		return wrong == nil && n < most
	}
	var err error
	if account >= 0 {
		err = x.Scan(uint32(account), from.Seq, descending, visit)
	} else {
		err = x.ScanAll(from, descending, visit)
	}
	if err == nil {
		err = wrong
	}
	if err == nil && n != len(want) {
		err = fmt.Errorf("%d records of %d", n, len(want))
	}
	if err != nil {
		return fmt.Errorf("scan of %d from %v descending %v, at record %d: %w", account, from, descending, n, err)
	}
	return nil
}

// check compares every read method with the model: samples of them, or everything if full.
func check(x *Index, m *model, g *generator, rng *rand.Rand, full bool) error {
	var fps []Fingerprint
	for _, f := range g.prints {
		if full || rng.IntN(10) == 0 {
			fps = append(fps, f)
		}
	}
	fps = append(fps, Fingerprint{1}, Fingerprint{0xff, 0xff})
	places, found := make([]Place, len(fps)), make([]bool, len(fps))
	if err := x.Lookup(fps, places, found); err != nil {
		return err
	}
	for i, f := range fps {
		if p, ok := m.ids[f]; ok != found[i] || p != places[i] {
			return fmt.Errorf("lookup of %x: want %v %v, got %v %v", f, p, ok, places[i], found[i])
		}
	}
	for _, r := range m.records {
		if !full && rng.IntN(50) != 0 {
			continue
		}
		data, time, ok, err := x.Record(r.Place)
		if err == nil && !ok {
			err = fmt.Errorf("record %v is missing", r.Place)
		}
		if err == nil {
			err = sameRecord(r, Record{r.Place, time, data})
		}
		if err != nil {
			return err
		}
		note, ok, err := x.Note(r.Place)
		if want, has := m.notes[r.Place]; err != nil || has != ok || !bytes.Equal(want, note) {
			return fmt.Errorf("note of %v: want %x %v, got %x %v, error %v", r.Place, want, has, note, ok, err)
		}
	}
	if _, _, ok, err := x.Record(Place{1 << 30, 1}); ok || err != nil {
		return fmt.Errorf("record of nobody: %v %v", ok, err)
	}
	for _, descending := range []bool{false, true} {
		for account := -1; account < g.accounts; account++ {
			most := 1 + rng.IntN(200)
			if full {
				if err := checkScan(x, m, account, Place{}, descending, 1<<30); err != nil {
					return err
				}
			}
			from := Place{uint32(rng.IntN(g.accounts)), rng.Uint64N(g.seq + 3)}
			if err := checkScan(x, m, account, from, descending, most); err != nil {
				return err
			}
		}
	}
	return nil
}

// smallOptions make runs, tables and merges that a few hundred entries exercise.
func smallOptions(fs vfs.FS, rng *rand.Rand) Options {
	return Options{
		FS: fs, Logger: slog.New(slog.DiscardHandler),
		RunRecords: 20 + rng.IntN(200), RunBytes: 100 << 10, MaxSealedRuns: 1 + rng.IntN(3),
		MaxMergedRecords: 500 + rng.IntN(2000), CacheBytes: 1 << 20, tableBytes: 8 << 10,
	}
}

func mustOpen(t testing.TB, dir string, o Options) *Index {
	t.Helper()
	x, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// crashFS is a file system that can be cloned at any moment. MemFS itself deadlocks when a clone meets a Link.
type crashFS struct {
	vfs.FS
	mem *vfs.MemFS
	mu  *sync.Mutex
}

func newCrashFS(mem *vfs.MemFS) crashFS { return crashFS{mem, mem, new(sync.Mutex)} }

func (f crashFS) Link(from, to string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.FS.Link(from, to)
}

// clone returns the disk as a power cut might leave it; percent is how much of what was not synced survives.
func (f crashFS) clone(percent int, rng *rand.Rand) crashFS {
	f.mu.Lock()
	defer f.mu.Unlock()
	return newCrashFS(f.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng}))
}
