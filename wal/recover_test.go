package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// TestEndTable goes through all combinations of facts: exactly one row matches each.
func TestEndTable(t *testing.T) {
	seen := map[Case]bool{}
	for set := range 1 << 7 {
		f := endFacts{set&1 != 0, set&2 != 0, set&4 != 0, set&8 != 0, set&16 != 0, set&32 != 0, set&64 != 0}
		if bits.OnesCount8(f.bits()) != bits.OnesCount(uint(set)) {
			t.Fatal("a fact is missing from bits")
		}
		n := 0
		for _, row := range endTable {
			if row.matches(f) {
				n++
				seen[row.kase] = true
			}
		}
		if n != 1 {
			t.Errorf("%+v: %d rows match", f, n)
		}
	}
	if len(seen) != len(endTable) {
		t.Error("a row is never reached")
	}
}

// disk is a copy of a log's files, for damaging them.
type disk map[string][]byte

func readDisk(t testing.TB, fs vfs.FS) disk {
	t.Helper()
	d := disk{}
	for _, name := range sortedNames(t, fs) {
		b, err := readFile(fs, fs.PathJoin(testDir, name), nil)
		must(t, err)
		d[name] = b
	}
	return d
}

func (d disk) clone() disk {
	c := disk{}
	for name, b := range d {
		c[name] = bytes.Clone(b)
	}
	return c
}

func (d disk) mount(t testing.TB) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	must(t, fs.MkdirAll(testDir, 0o755))
	for name, b := range d {
		f, err := fs.Create(fs.PathJoin(testDir, name), vfs.WriteCategoryUnspecified)
		must(t, err)
		_, err = f.Write(bytes.Clone(b))
		must(t, err)
		must(t, f.Close())
	}
	return fs
}

func (d disk) equal(other disk) bool {
	if len(d) != len(other) {
		return false
	}
	for name, b := range d {
		if o, ok := other[name]; !ok || !bytes.Equal(b, o) {
			return false
		}
	}
	return true
}

// sample is a small log: three full segments, a fourth in use, all batches' places known.
type sample struct {
	disk   disk
	id     logID
	model  *model
	places []place
}

// place is where a batch is, and the log as it was once the batch had been stored.
type place struct {
	file       string
	start, end int64
	after      *model
}

func makeSample(t testing.TB) sample {
	t.Helper()
	fs := vfs.NewMem()
	o := testOptions(fs)
	l, m := mustOpen(t, o), newModel()
	s := sample{model: m, id: l.id}
	must(t, l.SetUint64([]byte("CurrentTerm"), 3))
	m.stable["CurrentTerm"] = string(binary.LittleEndian.AppendUint64(nil, 3))
	for l.active.seq < 4 || l.end < 500 {
		logs := entries(m.next, m.next+2, 2)
		must(t, l.StoreLogs(logs))
		m.store(logs)
		b := l.chainPlace()
		b.after = m.clone()
		s.places = append(s.places, b)
	}
	l.awaitNext(t)
	must(t, l.Close())
	s.disk = readDisk(t, fs)
	return s
}

// awaitNext waits until the segment after the active one has been prepared.
func (l *Log) awaitNext(t testing.TB) {
	t.Helper()
	for len(l.keeper.ready) == 0 {
		must(t, l.usable())
		time.Sleep(time.Millisecond)
	}
}

// compacted is the sample once its first segment has been given up, with that segment's file still there.
func (s sample) compacted(t testing.TB) (disk, *model) {
	t.Helper()
	fs := s.disk.mount(t)
	l, m := mustOpen(t, testOptions(fs)), s.model.clone()
	high := s.lastOf(segmentName(1)).after.next
	must(t, l.DeleteRange(1, high))
	m.delete(1, high)
	for l.Stats().Segments == len(s.disk)-3 {
		time.Sleep(time.Millisecond)
	}
	must(t, l.Close())
	d := readDisk(t, fs)
	d[segmentName(1)] = s.disk[segmentName(1)]
	return d, m
}

func (l *Log) chainPlace() place {
	ref := l.state.refs[len(l.state.refs)-1]
	return place{file: segmentName(ref.segment.seq), start: ref.offset, end: ref.offset + ref.length}
}

func (s sample) last() place { return s.places[len(s.places)-1] }

// seed of the checksums in a segment of the sample.
func (s sample) seed(file string) uint32 {
	seq, _ := parseSegmentName(file)
	return segmentSeed(s.id, seq)
}

// rechecksum makes a changed batch header match its checksum again.
func (s sample) rechecksum(d disk, p place) {
	b := d[p.file][p.start:]
	binary.LittleEndian.PutUint32(b[4:], batchHeaderCRC(b, s.seed(p.file), p.start))
}

func zero(b []byte) { clear(b) }

// TestRecoveryCases makes every case of the table, and fails if one is missing.
func TestRecoveryCases(t *testing.T) {
	s := makeSample(t)
	p := s.last()
	mark := func(d disk) []byte { return d[p.file][p.end : p.end+batchHeaderBytes] }
	whole, shorter := s.model, s.places[len(s.places)-2].after
	next := segmentName(6)
	compactDisk, compact := s.compacted(t)
	tests := []struct {
		kase Case
		name string
		make func(d disk)
		want *model // nil: refused
	}{
		{CaseNew, "empty directory", func(d disk) { clear(d) }, newModel()},
		{CaseUnfinished, "nothing but the manifest", func(d disk) {
			clear(d)
			d[manifestName] = manifest{s.id, 1, 0}.encode()
		}, newModel()},
		{CaseUnfinished, "first segment not in the manifest", func(d disk) {
			first := d[segmentName(1)][:segmentHeaderBytes]
			clear(d)
			d[manifestName] = manifest{s.id, 1, 0}.encode()
			d[stableName] = encodeStable(s.id, nil)
			d[segmentName(1)] = first
		}, newModel()},
		{CaseLeftover, "temporary files", func(d disk) {
			d[preparedName], d[spareName(0)], d[manifestName+temporary] = []byte("x"), nil, []byte("y")
		}, whole},
		{CaseLeftover, "prepared segment not in the manifest", func(d disk) {
			d[next] = encodeSegmentHeader(s.id, 6)
		}, whole},
		{CaseLeftover, "dropped segment not removed", func(d disk) {
			clear(d)
			maps.Copy(d, compactDisk)
		}, compact},
		{CaseSealed, "as it was closed", func(disk) {}, whole},
		{CaseMarkedEnd, "as it was closed", func(disk) {}, whole},
		{CaseEnd, "the mark is lost", func(d disk) { zero(mark(d)) }, whole},
		{CaseUnreadable, "the mark is damaged", func(d disk) { mark(d)[20]++ }, whole},
		{CaseTorn, "half a batch, no mark", func(d disk) {
			zero(mark(d))
			zero(d[p.file][p.end-16 : p.end])
		}, shorter},
		{CaseTorn, "a batch that goes beyond the file", func(d disk) { d[p.file] = d[p.file][:p.end-8] }, shorter},
		{CaseTorn, "in a segment's first batch", func(d disk) { s.tearFirst(d) }, s.before(p.file)},
		{CaseDamagedMiddle, "a payload", func(d disk) { d[p.file][s.batchBefore().start+batchHeaderBytes]++ }, nil},
		{CaseDamagedMiddle, "a header", func(d disk) { d[p.file][s.batchBefore().start+9]++ }, nil},
		{CaseDamagedMiddle, "two batches' headers, a third stands", func(d disk) {
			d[p.file][s.batchBefore().start]++
			d[p.file][p.start+batchHeaderBytes]++
			zero(mark(d))
		}, nil},
		{CaseDamagedAcked, "the payload", func(d disk) { d[p.file][p.end-1]++ }, nil},
		{CaseDamagedAcked, "the header", func(d disk) { d[p.file][p.start+33]++ }, nil},
		{CaseDamagedSealed, "payload of the last batch", func(d disk) { d[segmentName(2)][s.lastOf(segmentName(2)).end-1]++ }, nil},
		{CaseDamagedSealed, "nothing but the header left", func(d disk) { zero(d[segmentName(2)][segmentHeaderBytes:]) }, nil},
		{CaseDamagedSealed, "cut", func(d disk) { d[segmentName(2)] = d[segmentName(2)][:segmentHeaderBytes+5] }, nil},
		{CaseBrokenChain, "an index left out", func(d disk) {
			binary.LittleEndian.PutUint64(d[p.file][p.start+32:], 500)
			s.rechecksum(d, p)
		}, nil},
		{CaseBrokenChain, "another batch as the one before", func(d disk) {
			binary.LittleEndian.PutUint32(d[p.file][p.start+24:], 500)
			s.rechecksum(d, p)
		}, nil},
		{CaseBrokenChain, "entries that do not add up", func(d disk) { s.breakEntries(d, p) }, nil},
		{CaseBrokenChain, "a mark of another batch", func(d disk) {
			h := batchHeader{kind: batchMark, prevCRC: 12345}
			h.encode(mark(d), s.seed(p.file), p.end)
		}, nil},
		{CaseMissing, "the oldest", func(d disk) { delete(d, segmentName(1)) }, nil},
		{CaseMissing, "in the middle", func(d disk) { delete(d, segmentName(2)) }, nil},
		{CaseMissing, "the newest", func(d disk) { delete(d, segmentName(s.newest(d))) }, nil},
		{CaseMissing, "all", func(d disk) {
			for seq := range uint64(9) {
				delete(d, segmentName(seq))
			}
		}, nil},
		{CaseMissing, "the one in use is empty", func(d disk) {
			zero(d[p.file][segmentHeaderBytes:])
		}, nil},
		{CaseForeign, "segment of another log", func(d disk) { copy(d[segmentName(2)], encodeSegmentHeader(logID{9}, 2)) }, nil},
		{CaseForeign, "stable of another log", func(d disk) { d[stableName] = encodeStable(logID{9}, nil) }, nil},
		{CaseForeign, "a leftover of another log", func(d disk) { d[next] = encodeSegmentHeader(logID{9}, 6) }, nil},
		{CaseMisnamed, "two segments changed places", func(d disk) {
			d[segmentName(1)], d[segmentName(2)] = d[segmentName(2)], d[segmentName(1)]
		}, nil},
		{CaseMisnamed, "one segment twice", func(d disk) { d[segmentName(3)] = d[segmentName(2)] }, nil},
		{CaseMisnamed, "a name that is none", func(d disk) { d["old.seg"] = nil }, nil},
		{CaseStray, "far beyond the manifest", func(d disk) { d[segmentName(77)] = encodeSegmentHeader(s.id, 77) }, nil},
		{CaseStray, "an old manifest", func(d disk) {
			delete(d, segmentName(5))
			d[manifestName] = manifest{s.id, 1, 3}.encode() // 4 is in use
		}, nil},
		{CaseBadHeader, "absent", func(d disk) { zero(d[p.file][:segmentHeaderBytes]) }, nil},
		{CaseBadHeader, "damaged", func(d disk) { d[p.file][20]++ }, nil},
		{CaseBadHeader, "empty file", func(d disk) { d[p.file] = nil }, nil},
		{CaseUnknownVersion, "segment", func(d disk) { d[p.file][8]++ }, nil},
		{CaseUnknownVersion, "manifest", func(d disk) { d[manifestName][8]++ }, nil},
		{CaseUnknownVersion, "stable", func(d disk) { d[stableName][8]++ }, nil},
		{CaseManifestMissing, "with segments", func(d disk) { delete(d, manifestName) }, nil},
		{CaseManifestMissing, "with stable only", func(d disk) {
			stable := d[stableName]
			clear(d)
			d[stableName] = stable
		}, nil},
		{CaseManifestDamaged, "a byte", func(d disk) { d[manifestName][40]++ }, nil},
		{CaseManifestDamaged, "empty", func(d disk) { d[manifestName] = nil }, nil},
		{CaseManifestDamaged, "senseless", func(d disk) { d[manifestName] = manifest{s.id, 3, 2}.encode() }, nil},
		{CaseManifestDamaged, "too long", func(d disk) { d[manifestName] = sealFile(manifestMagic, s.id, make([]byte, 17)) }, nil},
		{CaseManifestDamaged, "no segments, and a vote", func(d disk) {
			stable := d[stableName]
			clear(d)
			d[stableName], d[manifestName] = stable, manifest{s.id, 1, 0}.encode()
		}, nil},
		{CaseStableMissing, "", func(d disk) { delete(d, stableName) }, nil},
		{CaseStableDamaged, "a byte", func(d disk) { d[stableName][40]++ }, nil},
		{CaseStableDamaged, "lengths", func(d disk) { d[stableName] = sealFile(stableMagic, s.id, []byte{255, 0, 0, 0, 1, 0, 0, 0}) }, nil},
		{CaseStableDamaged, "cut", func(d disk) { d[stableName] = sealFile(stableMagic, s.id, []byte{1, 0}) }, nil},
	}
	covered := map[Case]bool{}
	for _, test := range tests {
		covered[test.kase] = true
		t.Run(test.kase.String()+"/"+test.name, func(t *testing.T) {
			d := s.disk.clone()
			test.make(d)
			expectCase(t, d, test.kase, test.want)
		})
	}
	for c := range caseCount {
		if !covered[c] || c.String() == "" {
			t.Errorf("the case %q is not tested", c)
		}
	}
}

// expectCase opens the disk. Damage must be named, and leave the disk untouched; anything else must give the model.
func expectCase(t *testing.T, d disk, want Case, m *model) {
	t.Helper()
	fs := d.mount(t)
	l, err := Open(testDir, testOptions(fs))
	if m == nil {
		var damage *CorruptError
		if !errors.As(err, &damage) || !errors.Is(err, ErrCorrupt) || damage.Case != want || damage.Remedy == "" || damage.File == "" {
			t.Fatalf("%v", err)
		}
		if !d.equal(readDisk(t, fs)) {
			t.Fatal("the disk was changed")
		}
		return
	}
	must(t, err)
	check(t, m, l)
	must(t, l.Close())
	for name := range readDisk(t, fs) {
		if seq, _ := parseSegmentName(name); name == manifestName+temporary || seq != 0 && seq < l.keeper.manifest.oldest ||
			seq > l.keeper.manifest.newest {
			t.Fatalf("%s was left behind", name)
		}
	}
	l = mustOpen(t, testOptions(fs)) // and what was put right stays so
	check(t, m, l)
	must(t, l.Close())
}

func (s sample) batchBefore() place { return s.places[len(s.places)-2] }

func (s sample) lastOf(file string) (p place) {
	for _, q := range s.places {
		if q.file == file {
			p = q
		}
	}
	return p
}

// TestTornIsWiped: nothing of a batch that was cut away stays on disk.
func TestTornIsWiped(t *testing.T) {
	s := makeSample(t)
	p := s.last()
	d := s.disk.clone()
	zero(d[p.file][p.end : p.end+batchHeaderBytes])
	d[p.file][p.end-1] ^= 1
	fs := d.mount(t)
	must(t, mustOpen(t, testOptions(fs)).Close())
	for at, b := range readDisk(t, fs)[p.file][p.start+batchHeaderBytes : p.end] { // a new mark stands where it began
		if b != 0 {
			t.Fatalf("byte %d of the cut batch is still there", at)
		}
	}
}

func (s sample) firstOf(file string) place {
	return s.places[slices.IndexFunc(s.places, func(p place) bool { return p.file == file })]
}

// before is the log as it was before anything was written to the file.
func (s sample) before(file string) (m *model) {
	for _, p := range s.places {
		if p.file == file {
			return m
		}
		m = p.after
	}
	return m
}

func (s sample) newest(d disk) (seq uint64) {
	for name := range d {
		if n, ok := parseSegmentName(name); ok {
			seq = max(seq, n)
		}
	}
	return seq
}

// tearFirst leaves of the newest segment in use only half of its first batch.
func (s sample) tearFirst(d disk) {
	file := s.last().file
	for _, p := range s.places {
		if p.file == file {
			zero(d[file][p.end-8:])
			break
		}
	}
	delete(d, segmentName(5)) // is only made once 4 holds something
	d[manifestName] = manifest{s.id, 1, 4}.encode()
}

// breakEntries gives an entry a length that goes beyond its batch, under matching checksums.
func (s sample) breakEntries(d disk, p place) {
	b := d[p.file]
	binary.LittleEndian.PutUint32(b[p.start+batchHeaderBytes:], 1<<30)
	binary.LittleEndian.PutUint32(b[p.start+8:], crc32.Update(s.seed(p.file), castagnoli, b[p.start+batchHeaderBytes:p.end]))
	s.rechecksum(d, p)
}

// TestCutEverywhere cuts the log off at every byte. In a finished segment that is damage; in the last one what remains
// is exactly the batches that are whole.
func TestCutEverywhere(t *testing.T) {
	s := makeSample(t)
	cuts := 0
	for seq := uint64(1); seq <= 4; seq++ {
		file := segmentName(seq)
		for at := range s.lastOf(file).end + batchHeaderBytes {
			d := s.disk.clone()
			d[file] = d[file][:at]
			cuts++
			l, err := Open(testDir, testOptions(d.mount(t)))
			if err != nil {
				if !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				if seq == 4 && at >= s.firstOf(file).end { // before that, a later segment shows that more was there
					t.Fatalf("cut at %d: %v", at, err)
				}
				continue
			}
			want := s.prefix(file, at)
			if seq < 4 {
				want = s.model // what the next segment begins with proves that nothing is missing
			}
			if why := want.differs(l); why != "" {
				t.Fatalf("segment %d cut at %d: %s", seq, at, why)
			}
			must(t, l.Close())
		}
	}
	t.Logf("%d cuts", cuts)
}

// prefix is what the log held when the file reached exactly this far.
func (s sample) prefix(file string, at int64) *model {
	m := newModel()
	for _, p := range s.places {
		if p.file > file || p.file == file && p.end > at {
			break
		}
		m = p.after
	}
	return m
}

// TestFlipEveryBit flips bits. Nothing acknowledged may be lost without an error, and no other entry ever be read. All
// batches of the sample were acknowledged and the mark is on disk, so that only what no longer matters may be damaged
// unnoticed.
func TestFlipEveryBit(t *testing.T) {
	s := makeSample(t)
	rng := rand.New(rand.NewPCG(3, 4))
	flips, refused := 0, 0
	for name, b := range s.disk {
		for at := range b {
			for bit := range 8 {
				if !*long && rng.IntN(20) != 0 {
					continue
				}
				d := disk{}
				for n, c := range s.disk {
					d[n] = c
				}
				d[name] = bytes.Clone(b)
				d[name][at] ^= 1 << bit
				flips++
				if s.flipped(t, d, name, at) {
					refused++
				}
			}
		}
	}
	t.Logf("%d flips, %d refused, the others without effect", flips, refused)
}

func (s sample) flipped(t *testing.T, d disk, name string, at int) (refused bool) {
	t.Helper()
	l, err := Open(testDir, testOptions(d.mount(t)))
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%s byte %d: %v", name, at, err)
		}
		return true
	}
	if why := s.model.differs(l); why != "" {
		t.Fatalf("%s byte %d: %s", name, at, why)
	}
	must(t, l.Close())
	if last := s.lastOf(name); last.file != "" && int64(at) < last.end {
		t.Fatalf("%s byte %d: damage went unnoticed", name, at)
	}
	return false
}

// TestFlipWithoutMark: without the mark, a damaged last batch cannot be told from a torn one. It alone may be lost.
func TestFlipWithoutMark(t *testing.T) {
	s := makeSample(t)
	p := s.last()
	for at := p.start; at < p.end; at++ {
		d := s.disk.clone()
		zero(d[p.file][p.end : p.end+batchHeaderBytes])
		d[p.file][at] ^= 4
		l := mustOpen(t, testOptions(d.mount(t)))
		check(t, s.batchBefore().after, l)
		must(t, l.Close())
	}
}

// TestTornSectors loses, in the batch written last, every set of sectors, of every kind of loss.
func TestTornSectors(t *testing.T) {
	s := makeSample(t)
	p := s.last()
	const sector = 32 // small ones, so that a small batch has many
	n := int((p.end - p.start + sector - 1) / sector)
	rng := rand.New(rand.NewPCG(5, 6))
	for set := 0; set < 1<<min(n, 20); set++ {
		if n > 9 && rng.IntN(1<<(n-9)) != 0 {
			continue
		}
		for _, garbage := range []bool{false, true} {
			d := s.disk.clone()
			zero(d[p.file][p.end : p.end+batchHeaderBytes])
			for i := range n {
				if set&(1<<i) != 0 {
					spoil(d[p.file][p.start+int64(i)*sector:min(p.end, p.start+int64(i+1)*sector)], garbage, rng)
				}
			}
			l, err := Open(testDir, testOptions(d.mount(t)))
			must(t, err)
			if s.model.differs(l) != "" {
				check(t, s.batchBefore().after, l)
			}
			must(t, l.Close())
		}
	}
}

func spoil(b []byte, garbage bool, rng *rand.Rand) {
	for i := range b {
		b[i] = 0
		if garbage {
			b[i] = byte(rng.Uint32())
		}
	}
}

// TestDamageWhileRunning: damage that appears under an open log is found by whoever reads it, and ends the process.
func TestDamageWhileRunning(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	told := make(chan error, 1)
	o.OnFatal = func(err error) { told <- err }
	l := mustOpen(t, o)
	must(t, l.StoreLogs(entries(1, 3, 1)))
	f, err := fs.OpenReadWrite(fs.PathJoin(testDir, segmentName(1)), vfs.WriteCategoryUnspecified)
	must(t, err)
	_, err = f.WriteAt([]byte{77}, segmentHeaderBytes+batchHeaderBytes+30)
	must(t, err)
	var e raft.Log
	if err := l.GetLog(2, &e); !errors.Is(err, ErrCorrupt) {
		t.Fatal(err)
	}
	if err := <-told; !errors.Is(err, ErrCorrupt) || !errors.Is(err, ErrPoisoned) {
		t.Fatal(err)
	}
	if err := l.Close(); !errors.Is(err, ErrPoisoned) {
		t.Fatal(err)
	}
}

var _ io.Closer = (*Log)(nil)
