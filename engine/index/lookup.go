package index

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// lookupBlock is how many fingerprints are probed together: first what each needs is loaded, then looked at, so
// that the waits for memory overlap.
const lookupBlock = 64

// gatherSink keeps the compiler from dropping loads that only warm the cache.
var gatherSink atomic.Uint32

// Lookup finds where each fingerprint was first used: found[i] tells whether fps[i] was ever added, places[i]
// where. Of several places the lowest Seq is given, whatever run it stands in (I2, I11). The three slices have
// the same length, without bound. It may be called by several
// goroutines at once, but not beside Apply.
//
// A fingerprint that no run's filter knows costs no I/O. An error is damage or an I/O error; nothing in places
// and found is to be used then.
func (x *Index) Lookup(fps []Fingerprint, places []Place, found []bool) error {
	if len(places) != len(fps) || len(found) != len(fps) {
		return fmt.Errorf("index: lookup of %d fingerprints into %d places, %d flags", len(fps), len(places), len(found))
	}
	v, err := x.acquireNow()
	if err != nil {
		return err
	}
	defer x.release(v)
	l := lookup{x: x, view: v}
	for len(fps) > 0 && err == nil {
		n := min(len(fps), lookupBlock)
		err = l.block(fps[:n], places[:n], found[:n])
		fps, places, found = fps[n:], places[n:], found[n:]
	}
	gatherSink.Store(l.sink)
	return x.damaged("the identifiers", errors.Join(err, l.close()))
}

type lookup struct {
	x       *Index
	view    *view
	iter    *pebble.Iterator // over all runs; opened when first needed
	digests [lookupBlock]digest
	hashes  [lookupBlock]uint64
	perhaps []uint8 // of a block: those that a run's filter lets through
	sink    uint32  // keeps the compiler from dropping loads that only warm the cache
	key     []byte
}

func (l *lookup) close() error {
	if l.iter == nil {
		return nil
	}
	return l.iter.Close()
}

func (l *lookup) block(fps []Fingerprint, places []Place, found []bool) error {
	for i, f := range fps {
		l.digests[i] = digestOf(f)
		l.hashes[i] = l.digests[i].hash()
		places[i], found[i] = Place{}, false
	}
	hashes := l.hashes[:len(fps)]
	l.inMemory(l.view.mem, hashes, places, found)
	for _, m := range l.view.sealed {
		l.inMemory(m, hashes, places, found)
	}
	for _, r := range l.view.runs {
		if err := l.inRun(r, hashes, places, found); err != nil {
			return err
		}
	}
	return nil
}

// take records a place for fingerprint i unless a lower one is known.
func take(i int, p Place, places []Place, found []bool) {
	if !found[i] || earlier(p, places[i]) {
		places[i], found[i] = p, true
	}
}

// hashesV1 are the block's hashes as format version 1 has them.
func (l *lookup) hashesV1(count int) []uint64 {
	hashes := make([]uint64, count)
	for i := range hashes {
		hashes[i] = l.digests[i].hashV1()
	}
	return hashes
}

func (l *lookup) inMemory(m *memRun, hashes []uint64, places []Place, found []bool) {
	t := &m.identifiers
	if len(t.entries) == 0 {
		return
	}
	sink := uint64(0)
	for _, h := range hashes {
		sink ^= t.touch(h)
	}
	l.sink ^= uint32(sink)
	for i, h := range hashes {
		if p, ok := t.find(l.digests[i], h); ok {
			take(i, p, places, found)
		}
	}
}

func (l *lookup) inRun(r *diskRun, hashes []uint64, places []Place, found []bool) error {
	if len(r.identifierFilter.blocks) == 0 {
		return nil
	}
	if r.version == 1 {
		hashes = l.hashesV1(len(hashes))
	}
	sink := uint32(0)
	for _, h := range hashes {
		sink ^= r.identifierFilter.block(h)[0]
	}
	l.sink ^= sink
	l.perhaps = l.perhaps[:0]
	for i, h := range hashes {
		if r.identifierFilter.has(h) {
			l.perhaps = append(l.perhaps, uint8(i))
		}
	}
	if len(l.perhaps) == 0 {
		return nil
	}
	// In key order the seeks of one block go forward only.
	slices.SortFunc(l.perhaps, func(a, b uint8) int { return l.digests[a].compare(l.digests[b]) })
	for _, i := range l.perhaps {
		p, ok, err := l.inBucket(r, l.digests[i])
		if err != nil {
			return fmt.Errorf("run %d: %w", r.id, err)
		}
		if ok {
			take(int(i), p, places, found)
		}
	}
	return nil
}

// inBucket reads the one bucket of the run that can hold d: the last that starts at or before it.
func (l *lookup) inBucket(r *diskRun, d digest) (Place, bool, error) {
	if l.iter == nil {
		iter, err := l.x.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceRun}, UpperBound: []byte{spaceRun + 1}})
		if err != nil {
			return Place{}, false, err
		}
		l.iter = iter
	}
	l.key = append(appendIdentifierKey(l.key[:0], r.id, d), 0) // just above the key, if it is one
	if !l.iter.SeekLT(l.key) {
		return Place{}, false, l.iter.Error()
	}
	if k := l.iter.Key(); len(k) != runPrefixLength+16 || string(k[:runPrefixLength]) != string(l.key[:runPrefixLength]) {
		return Place{}, false, nil // below the run's first bucket
	}
	value, err := l.iter.ValueAndErr()
	if err != nil {
		return Place{}, false, err
	}
	b, err := openBucket(value)
	if err != nil {
		return Place{}, false, err
	}
	p, ok := b.find(d)
	return p, ok, nil
}
