package index

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// mergeFan is what separates one tier from the next.
	mergeFan = 4
	// mergeGrowth is how much larger a merged run must be than the largest of those it is made of. A record is
	// rewritten once for each such step; fewer steps leave more runs, and a lookup asks every run's filter.
	mergeGrowth = 6
	// mergeGrowthOfMany is mergeGrowth while more than manyLooseRuns runs are not full: sizes that come in an
	// unlucky order gather too slowly otherwise.
	mergeGrowthOfMany = 2
	manyLooseRuns     = 16
	// lowestTierShare is the part of RunRecords below which all runs count as equally small: where snapshots
	// come often, runs of any size do.
	lowestTierShare = 16 << 10
	// maxLooseRuns is how many runs may wait for a merge before the flush waits too, so that what a lookup and
	// a scan have to ask stays bounded however fast data comes (I12).
	maxLooseRuns = 64
)

// tier sorts run sizes into powers of mergeFan.
func (x *Index) tier(size uint64) int {
	t := 0
	lowest := max(1, uint64(x.options.RunRecords)/lowestTierShare)
	for limit := lowest * mergeFan; size >= limit; limit *= mergeFan {
		t++
	}
	return t
}

// full tells that a run is large enough never to be merged again.
func (x *Index) full(r *diskRun) bool { return r.size() >= uint64(x.options.MaxMergedRecords)/4 }

// pickMerge returns the bounds of the neighbouring runs to merge next; none if from == to. It takes the smallest
// tier of which so much has gathered side by side that the result is mergeGrowth times the largest of them, or
// as large as a run may be. In the lowest tier a number of runs is enough, however small they are.
func (x *Index) pickMerge(runs []*diskRun) (from, to int) {
	top, growth := x.tier(uint64(x.options.MaxMergedRecords)), uint64(mergeGrowth)
	if x.loose(runs) > manyLooseRuns {
		growth = mergeGrowthOfMany
	}
	for t := 0; t <= top; t++ {
		for i := 0; i < len(runs); {
			w := x.window(runs, i, t)
			grown := w.size >= growth*w.largest || w.whole
			if w.to-i >= 2 && grown || t == 0 && w.to-i >= mergeFan {
				return i, w.to
			}
			i = max(w.to, i+1)
		}
	}
	return 0, 0
}

// mergeWindow is a stretch of runs that may be merged.
type mergeWindow struct {
	to            int // the first run behind it
	size, largest uint64
	whole         bool // the next run would have fitted in, were there room in one run
}

// window extends from run i over neighbours of tier t and below, as long as they fit into one run together.
func (x *Index) window(runs []*diskRun, i, t int) (w mergeWindow) {
	for w.to = i; w.to < len(runs); w.to++ {
		n := runs[w.to].size()
		if x.full(runs[w.to]) || x.tier(n) > t {
			return w
		}
		if w.size+n > uint64(x.options.MaxMergedRecords) {
			w.whole = true
			return w
		}
		w.size, w.largest = w.size+n, max(w.largest, n)
	}
	return w
}

// loose counts the runs that are not full.
func (x *Index) loose(runs []*diskRun) (count int) {
	for _, r := range runs {
		if !x.full(r) {
			count++
		}
	}
	return count
}

// mergeLags tells that the flush should wait for a merge. The caller holds mu.
func (x *Index) mergeLags() bool {
	if x.loose(x.view.runs) < maxLooseRuns {
		return false
	}
	from, to := x.pickMerge(x.view.runs)
	return from < to
}

// mergeLoop merges runs, and removes from the store those that a merge has replaced once nobody reads them.
func (x *Index) mergeLoop() {
	defer x.background.Done()
	for {
		x.mu.Lock()
		from, to := 0, 0
		for !x.stopped() && x.err == nil && len(x.drop) == 0 {
			if from, to = x.pickMerge(x.view.runs); from < to {
				break
			}
			x.changed.Wait()
		}
		if x.stopped() || x.err != nil {
			x.mu.Unlock()
			return
		}
		drop := x.drop
		x.drop = nil
		var v *view
		var id uint64
		if from < to {
			v, id = x.view, x.takeRunID()
			v.refs++ // holds the runs in the store; not a reader that Close waits for
		}
		x.mu.Unlock()
		err := x.dropRuns(drop)
		if err == nil && v != nil {
			err = x.merge(v, v.runs[from:to], id)
		}
		if err != nil && !errors.Is(err, ErrClosed) {
			x.fatal(fmt.Errorf("merge: %w", err))
		}
		if err != nil {
			return
		}
	}
}

func (x *Index) dropRuns(runs []*diskRun) error {
	for _, r := range runs {
		if x.stopped() {
			return ErrClosed
		}
		if err := x.excise(r.id); err != nil {
			return err
		}
	}
	return nil
}

// merge writes the given neighbouring runs of view v as run id, and publishes it in their place. The merged run
// is ingested beside them: a crash before they are dropped leaves runs whose range lies within another's, which
// Open knows to drop. It gives up the reference to v.
func (x *Index) merge(v *view, runs []*diskRun, id uint64) error {
	defer since(x.options.OnMerge, time.Now())
	merged, paths, err := x.writeMerged(runs, id)
	if err == nil {
		err = x.ingest(paths)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err == nil {
		x.replace(runs, merged)
	}
	x.unref(v)
	if err != nil {
		err = fmt.Errorf("runs %d to %d: %w", runs[0].id, runs[len(runs)-1].id, err)
	}
	return err
}

// replace publishes merged in the place of runs. The flush may have appended others meanwhile. The caller holds mu.
func (x *Index) replace(runs []*diskRun, merged *diskRun) {
	old := x.view
	next := &view{mem: old.mem, sealed: old.sealed}
	for _, r := range old.runs {
		switch {
		case r == runs[0]:
			next.runs = append(next.runs, merged)
		case r.after > merged.after && r.last <= merged.last:
		default:
			next.runs = append(next.runs, r)
		}
	}
	x.install(next)
}

func (x *Index) writeMerged(runs []*diskRun, id uint64) (*diskRun, []string, error) {
	identifiers := uint64(0)
	for _, r := range runs {
		identifiers += r.identifiers
	}
	w := x.newRunWriter(id, identifiers)
	run, paths, err := w.merge(runs)
	if err != nil {
		w.abort()
		return nil, nil, err
	}
	return run, paths, nil
}

func (w *runWriter) merge(runs []*diskRun) (*diskRun, []string, error) {
	for _, part := range []struct {
		section section
		write   func([]*mergeInput) error
	}{
		{sectionHistory, w.mergeHistory},
		{sectionOrder, w.mergeOrder},
		{sectionIdentifiers, w.mergeIdentifiers},
	} {
		if err := w.mergeSection(runs, part.section, part.write); err != nil {
			return nil, nil, err
		}
	}
	records := uint64(0)
	for _, r := range runs {
		records += r.records
	}
	if w.run.records != records {
		return nil, nil, fmt.Errorf("%d records merged into %d: %w", records, w.run.records, errMalformed)
	}
	return w.finish(runs[0].after, runs[len(runs)-1].last)
}

// mergeInput is one run's section under way, with the decoded row it stands in.
type mergeInput struct {
	iter *pebble.Iterator
	ok   bool

	account uint32 // history: of the row
	rows    []chunkRow

	places []Place // order: those of the row not yet taken
	block  []Place

	bucket bucket // identifiers: the row, and the entry it stands at
	at     int
	head   identifier
}

func (w *runWriter) mergeSection(runs []*diskRun, s section, write func([]*mergeInput) error) (err error) {
	var inputs []*mergeInput
	defer func() {
		for _, in := range inputs {
			err = errors.Join(err, in.iter.Close())
		}
	}()
	for _, r := range runs {
		iter, err := w.x.db.NewIter(&pebble.IterOptions{
			LowerBound: appendRunPrefix(nil, r.id, s), UpperBound: appendRunPrefix(nil, r.id, s+1),
		})
		if err != nil {
			return err
		}
		in := &mergeInput{iter: iter}
		inputs = append(inputs, in)
		in.ok = iter.First()
	}
	if err := write(inputs); err != nil {
		return err
	}
	for _, in := range inputs {
		if err := in.iter.Error(); err != nil {
			return err
		}
	}
	return nil
}

// mergeHistory concatenates each account's chunks, run after run: within an account, runs follow each other in
// Seq. Short chunks are filled up, full ones copied.
func (w *runWriter) mergeHistory(inputs []*mergeInput) error {
	for _, in := range inputs {
		if err := in.readAccount(); err != nil {
			return err
		}
	}
	for {
		if w.x.stopped() {
			return ErrClosed
		}
		account, found := uint32(0), false
		for _, in := range inputs {
			if in.ok && (!found || in.account < account) {
				account, found = in.account, true
			}
		}
		if !found {
			return w.closeChunk()
		}
		for _, in := range inputs {
			for in.ok && in.account == account {
				if err := w.mergeChunk(in); err != nil {
					return err
				}
			}
		}
	}
}

func (in *mergeInput) readAccount() (err error) {
	if in.ok {
		in.account, _, err = historyKeyTail(in.iter.Key())
	}
	return err
}

// mergeChunk takes the chunk that the input stands on.
func (w *runWriter) mergeChunk(in *mergeInput) error {
	h, rows, data, err := readChunk(in.iter, in.rows)
	in.rows = rows
	if err != nil {
		return err
	}
	pending := len(w.chunk.rows) > 0 && w.account == in.account
	if h.count >= chunkFull && (!pending || len(w.chunk.rows) >= chunkFull) {
		value, err := in.iter.ValueAndErr()
		if err == nil {
			err = w.addChunk(in.account, h, len(data), value)
		}
		if err != nil {
			return err
		}
	} else {
		for _, r := range rows {
			if err := w.addRecord(in.account, r.seq, r.time, data[r.start:r.end]); err != nil {
				return err
			}
		}
	}
	in.ok = in.iter.Next()
	return in.readAccount()
}

func (w *runWriter) mergeOrder(inputs []*mergeInput) error {
	for _, in := range inputs {
		if err := in.readPlaces(); err != nil {
			return err
		}
	}
	for n := 0; ; n++ {
		if n%4096 == 0 && w.x.stopped() {
			return ErrClosed
		}
		var best *mergeInput
		for _, in := range inputs {
			if len(in.places) > 0 && (best == nil || earlier(in.places[0], best.places[0])) {
				best = in
			}
		}
		if best == nil {
			return w.closeOrder()
		}
		if err := w.addPlace(best.places[0]); err != nil {
			return err
		}
		if best.places = best.places[1:]; len(best.places) == 0 {
			best.ok = best.iter.Next()
			if err := best.readPlaces(); err != nil {
				return err
			}
		}
	}
}

func (in *mergeInput) readPlaces() error {
	if !in.ok {
		return nil
	}
	value, err := in.iter.ValueAndErr()
	if err != nil {
		return err
	}
	in.block, err = decodeOrder(value, in.block)
	in.places = in.block
	return err
}

func (w *runWriter) mergeIdentifiers(inputs []*mergeInput) error {
	for _, in := range inputs {
		if err := in.readBucket(); err != nil {
			return err
		}
	}
	var last identifier
	have := false
	for n := 0; ; n++ {
		if n%4096 == 0 && w.x.stopped() {
			return ErrClosed
		}
		var best *mergeInput
		for _, in := range inputs {
			if in.ok && (best == nil || in.head.less(best.head.digest)) {
				best = in
			}
		}
		if best == nil {
			break
		}
		id := best.head
		if err := best.step(); err != nil {
			return err
		}
		switch {
		case have && id.digest == last.digest:
			if earlier(id.place(), last.place()) {
				last = id
			}
			continue
		case have:
			if err := w.addIdentifier(last); err != nil {
				return err
			}
		}
		last, have = id, true
	}
	if have {
		if err := w.addIdentifier(last); err != nil {
			return err
		}
	}
	return w.closeBucket()
}

func (in *mergeInput) readBucket() error {
	if !in.ok {
		return nil
	}
	value, err := in.iter.ValueAndErr()
	if err != nil {
		return err
	}
	if in.bucket, err = openBucket(value); err != nil {
		return err
	}
	in.at, in.head = 0, in.bucket.at(0)
	return nil
}

func (in *mergeInput) step() error {
	if in.at++; in.at < in.bucket.count {
		in.head = in.bucket.at(in.at)
		return nil
	}
	in.ok = in.iter.Next()
	return in.readBucket()
}
