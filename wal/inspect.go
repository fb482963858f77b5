package wal

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// inspection is what a look at the directory found, and what is to be done about it.
type inspection struct {
	kase     Case // CaseNew, CaseUnfinished, or how the log ends
	manifest manifest
	stable   map[string][]byte
	leftover []string // names of files to remove

	segments []*segment // from the oldest, files not opened yet
	active   int        // the segment that the next batch goes to; one unused segment may follow it
	state    state
	end      int64  // where the next batch goes in the active segment
	last     int64  // offset of the last batch in the active segment, 0 if it has none
	chain    uint32 // the last batch's checksum
	proven   bool   // the last batch is known to have been synced
	cut      cutRange
}

// cutRange is what is left of a write of which nothing says that it was synced.
type cutRange struct {
	segment  int
	from, to int64
}

// inspector reads a log's directory and changes nothing in it.
type inspector struct {
	fs       vfs.FS
	dir      string
	buf      []byte // of one segment, used again for the next
	scans    []scanned
	segments map[uint64]bool
	inspection
}

// inspect finds out what is in the directory. A *CorruptError is damage, any other error one of reading.
func inspect(fs vfs.FS, dir string) (*inspection, error) {
	in := &inspector{fs: fs, dir: dir, segments: make(map[uint64]bool)}
	err := in.run()
	return &in.inspection, err
}

func (in *inspector) run() error {
	hasManifest, hasStable, err := in.list()
	if err != nil {
		return err
	}
	switch {
	case !hasManifest && (hasStable || len(in.segments) > 0):
		return corrupt(in.path(manifestName), 0, CaseManifestMissing, "the file is missing")
	case !hasManifest:
		in.kase = CaseNew
		return nil
	}
	if err := in.readManifest(); err != nil {
		return err
	}
	in.kase = CaseUnfinished // unless there are segments
	if hasStable {
		if err := in.readStable(); err != nil {
			return err
		}
	} else if in.manifest.newest != 0 {
		return corrupt(in.path(stableName), 0, CaseStableMissing, "the file with term and vote is missing")
	}
	if in.manifest.newest == 0 && len(in.stable) > 0 {
		return corrupt(in.path(manifestName), 0, CaseManifestDamaged, "it names no segment, and a term or vote is stored")
	}
	if err := in.sortOut(); err != nil || in.manifest.newest == 0 {
		return err
	}
	return in.readLog()
}

func (in *inspector) path(name string) string { return in.fs.PathJoin(in.dir, name) }

// list sorts the directory's names. Names that are not the log's own are left alone.
func (in *inspector) list() (hasManifest, hasStable bool, err error) {
	names, err := in.fs.List(in.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, false, err
	}
	for _, name := range names {
		switch {
		case name == manifestName:
			hasManifest = true
		case name == stableName:
			hasStable = true
		case isTemporary(name):
			in.leftover = append(in.leftover, name)
		case strings.HasSuffix(name, segmentSuffix):
			seq, ok := parseSegmentName(name)
			if !ok {
				return false, false, corrupt(in.path(name), 0, CaseMisnamed, "no segment has such a name")
			}
			in.segments[seq] = true
		}
	}
	return hasManifest, hasStable, nil
}

func (in *inspector) readManifest() error {
	path := in.path(manifestName)
	b, err := readFile(in.fs, path, nil)
	if err != nil {
		return err
	}
	in.manifest, err = decodeManifest(path, b)
	return err
}

func (in *inspector) readStable() error {
	path := in.path(stableName)
	b, err := readFile(in.fs, path, nil)
	if err != nil {
		return err
	}
	id, values, err := decodeStable(path, b)
	if err == nil && id != in.manifest.id {
		err = corrupt(path, 16, CaseForeign, "the file belongs to another log than the manifest")
	}
	in.stable = values
	return err
}

// sortOut compares the segments that are there with those that the manifest names.
func (in *inspector) sortOut() error {
	oldest, newest := in.manifest.oldest, in.manifest.newest
	for seq := range in.segments {
		var err error
		switch {
		case seq > newest+1:
			err = corrupt(in.path(segmentName(seq)), 0, CaseStray, "the manifest knows of no segment after %d", newest)
		case seq == newest+1, seq < oldest:
			err = in.checkLeftover(seq)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *inspector) missing(seq uint64) error {
	return corrupt(in.path(segmentName(seq)), 0, CaseMissing, "the segment is missing, the manifest names %d to %d",
		in.manifest.oldest, in.manifest.newest)
}

// checkLeftover looks at a segment outside the manifest's range: dropped before a crash could remove it, or prepared
// and not yet entered in the manifest. It holds nothing that is needed, but one of another log means that something is
// wrong with the directory, and one newer than the manifest that has been written to that the manifest is an old one.
func (in *inspector) checkLeftover(seq uint64) error {
	name := segmentName(seq)
	b, err := readFile(in.fs, in.path(name), in.buf)
	if err != nil {
		return err
	}
	in.buf = b
	id, _, fault := decodeSegmentHeader(b)
	if fault == nil && id != in.manifest.id {
		return corrupt(in.path(name), 16, CaseForeign, "the segment belongs to another log")
	}
	if seq > in.manifest.newest && in.manifest.newest != 0 {
		if _, written := decodeBatchHeader(b, segmentHeaderBytes, segmentSeed(id, seq)); written {
			return corrupt(in.path(name), 0, CaseStray, "the segment is in use and the manifest ends at %d", in.manifest.newest)
		}
	}
	in.leftover = append(in.leftover, name)
	return nil
}

// readLog reads all segments, then judges how each ends.
func (in *inspector) readLog() error {
	for seq := in.manifest.oldest; seq <= in.manifest.newest; seq++ {
		if !in.segments[seq] {
			return in.missing(seq)
		}
		if err := in.readSegment(seq); err != nil {
			return err
		}
	}
	tail := 0 // the last segment that has been written to
	for i := range in.scans {
		if _, ok := in.scans[i].firstHeader(); ok {
			tail = i
		}
	}
	in.state = state{head: 1, next: 1}
	for i := range in.scans {
		if err := in.judge(i, tail); err != nil {
			return err
		}
	}
	return in.conclude()
}

func (in *inspector) readSegment(seq uint64) error {
	path := in.path(segmentName(seq))
	b, err := readFile(in.fs, path, in.buf)
	if err != nil {
		return err
	}
	in.buf = b
	id, says, fault := decodeSegmentHeader(b)
	switch {
	case fault != nil:
		return corrupt(path, 0, fault.kase, "%s", fault.what)
	case id != in.manifest.id:
		return corrupt(path, 16, CaseForeign, "the segment belongs to another log")
	case says != seq:
		return corrupt(path, 32, CaseMisnamed, "the segment's header says that it is number %d", says)
	}
	seed := segmentSeed(id, seq)
	in.inspection.segments = append(in.inspection.segments, newSegment(seq, seed, int64(len(b))))
	in.scans = append(in.scans, scanSegment(b, seed))
	return nil
}

// judge decides what the end of segment i means and applies its batches.
func (in *inspector) judge(i, tail int) error {
	s, seg := &in.scans[i], in.inspection.segments[i]
	path := in.path(segmentName(seg.seq))
	if s.fault != "" {
		return corrupt(path, s.end, CaseBrokenChain, "%s", s.fault)
	}
	if i < tail {
		next, ok := in.scans[i+1].firstHeader()
		s.facts.sealed = true
		s.facts.linked = ok && len(s.batches) > 0 && next.prevEnd == uint64(s.end) &&
			next.prevCRC == s.batches[len(s.batches)-1].crc
	} else {
		b, err := readFile(in.fs, path, in.buf)
		if err != nil {
			return err
		}
		in.buf = b
		s.lookBeyond(b, seg.seed)
	}
	if err := in.applyAll(i); err != nil {
		return err
	}
	switch kase := classifyEnd(s.facts); kase {
	case CaseDamagedSealed:
		return corrupt(path, s.end, kase, "the segment's good part ends before, or elsewhere than, the next segment says")
	case CaseDamagedMiddle:
		return corrupt(path, s.end, kase, "a batch is damaged and others that were written later follow it")
	case CaseDamagedAcked:
		return corrupt(path, s.end, kase, "the last batch is damaged and had been stored safely before")
	default:
		if i == tail {
			in.kase = kase
			in.planCut(i)
		}
	}
	return nil
}

// planCut notes what must be wiped so that it can never come to life again.
func (in *inspector) planCut(i int) {
	s, size := in.scans[i], in.inspection.segments[i].size.Load()
	switch in.kase {
	case CaseTorn:
		in.cut = cutRange{i, s.end, min(size, s.end+s.stop.bytes())}
	case CaseUnreadable:
		in.cut = cutRange{i, s.end, min(size, s.end+batchHeaderBytes)}
	}
}

func (in *inspector) applyAll(i int) error {
	seg := in.inspection.segments[i]
	for n, b := range in.scans[i].batches {
		if in.last == 0 { // the oldest batch there is
			if seg.seq > 1 {
				in.state.begin(b.batchHeader)
			} else if b.prevCRC != 0 || b.prevEnd != 0 {
				return corrupt(in.path(segmentName(seg.seq)), b.offset, CaseBrokenChain, "the log's first batch is not a first one")
			}
		} else if n == 0 && b.prevCRC != in.chain {
			return corrupt(in.path(segmentName(seg.seq)), b.offset, CaseBrokenChain, "the segment does not follow the one before it")
		}
		if why := in.state.follows(b.batchHeader); why != "" {
			return corrupt(in.path(segmentName(seg.seq)), b.offset, CaseBrokenChain, "%s", why)
		}
		in.state.apply(b.batchHeader, seg, b.offset)
		in.active, in.last, in.chain = i, b.offset, b.crc
	}
	return nil
}

// conclude checks what only the whole log shows.
func (in *inspector) conclude() error {
	in.end = in.scans[in.active].end
	// A torn batch proves the one before it: it was not written before that one's sync had succeeded.
	in.proven = in.kase == CaseMarkedEnd || in.kase == CaseTorn
	newest := in.inspection.segments[len(in.inspection.segments)-1].seq
	written := len(in.scans[in.active].batches) > 0
	if unused := len(in.scans) - 1 - in.active; unused > 1 || (!written && newest > 1) {
		seq := in.inspection.segments[in.active].seq + 1
		return corrupt(in.path(segmentName(seq)), segmentHeaderBytes, CaseMissing,
			"the segment is empty, and a later one was only made when it had been written to")
	}
	if !in.state.complete() {
		return corrupt(in.path(segmentName(in.manifest.oldest)), segmentHeaderBytes, CaseMissing,
			"entries from index %d on are missing", in.state.head)
	}
	return nil
}
