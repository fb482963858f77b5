package index

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// ScanAll visits the records of all accounts in order of (Seq, Account), ascending or descending, until fn
// returns false. It begins at from, inclusive; the zero Place means the end in question. Records applied after
// the call has begun may be missed. fn may call the index, but not Close.
//
// Memory in use is bounded: a few hundred records of each run that is open at the same time, which is one or two
// because runs follow each other in Seq. A record costs a chunk's decoding (some microseconds). An error is
// damage or an I/O error; what fn got before it is right.
func (x *Index) ScanAll(from Place, descending bool, fn func(Record) bool) error {
	v, err := x.acquire()
	if err != nil {
		return err
	}
	defer x.release(v)
	if descending && from == (Place{}) {
		from = Place{math.MaxUint32, math.MaxUint64}
	}
	s := scanAll{from: from, descending: descending}
	s.gather(x, v)
	err = errors.Join(s.run(fn), s.close())
	return x.damaged("the history of all accounts", err)
}

// orderSource yields one run's records in the order of the scan.
type orderSource interface {
	// open positions at from. It is called once, before next.
	open(from Place, descending bool) error
	// next returns the next record, whose data is valid until the call after.
	next() (Record, bool, error)
	close() error
}

// orderRun is a run that takes part in a scan.
type orderRun struct {
	source     orderSource
	minSeq     uint64
	maxSeq     uint64
	head       Record
	wasStarted bool
}

type scanAll struct {
	from       Place
	descending bool
	waiting    []*orderRun // not opened yet, in the order of their nearer ends
	open       []*orderRun // each with the record it stands at
	all        []*orderRun
}

// gather lists the runs that reach beyond from.
func (s *scanAll) gather(x *Index, v *view) {
	for _, r := range v.runs {
		if r.records > 0 {
			s.add(&diskOrder{x: x, run: r}, r.minSeq, r.maxSeq)
		}
	}
	for _, m := range append(v.sealed[:len(v.sealed):len(v.sealed)], v.mem) {
		if spans := m.spansNow(); len(spans) > 0 {
			s.add(&memOrder{run: m, spans: spans}, spans[0].minSeq, spans[len(spans)-1].maxSeq)
		}
	}
	slices.SortStableFunc(s.waiting, func(a, b *orderRun) int {
		if s.descending {
			return compare(b.maxSeq, a.maxSeq)
		}
		return compare(a.minSeq, b.minSeq)
	})
}

func (s *scanAll) add(source orderSource, minSeq, maxSeq uint64) {
	if s.descending && minSeq > s.from.Seq || !s.descending && maxSeq < s.from.Seq {
		return
	}
	r := &orderRun{source: source, minSeq: minSeq, maxSeq: maxSeq}
	s.waiting = append(s.waiting, r)
	s.all = append(s.all, r)
}

func (s *scanAll) close() error {
	var err error
	for _, r := range s.all {
		if r.wasStarted {
			err = errors.Join(err, r.source.close())
		}
	}
	return err
}

func (s *scanAll) before(a, b Place) bool {
	if s.descending {
		a, b = b, a
	}
	return earlier(a, b)
}

// run merges the sources. One is opened only when the scan has come to where it may have something to say.
func (s *scanAll) run(fn func(Record) bool) error {
	for {
		best := s.best()
		if len(s.waiting) > 0 && (best < 0 || s.reaches(s.waiting[0], s.open[best].head.Seq)) {
			r := s.waiting[0]
			s.waiting = s.waiting[1:]
			r.wasStarted = true
			if err := r.source.open(s.from, s.descending); err != nil {
				return err
			}
			s.open = append(s.open, r)
			if err := s.advance(len(s.open) - 1); err != nil {
				return err
			}
			continue
		}
		if best < 0 || !fn(s.open[best].head) {
			return nil
		}
		if err := s.advance(best); err != nil {
			return err
		}
	}
}

// best returns the open run that is next in order, -1 if none is open.
func (s *scanAll) best() int {
	best := -1
	for i, r := range s.open {
		if best < 0 || s.before(r.head.Place, s.open[best].head.Place) {
			best = i
		}
	}
	return best
}

// reaches tells whether a waiting run may hold a record at seq or before it in the order of the scan.
func (s *scanAll) reaches(r *orderRun, seq uint64) bool {
	if s.descending {
		return r.maxSeq >= seq
	}
	return r.minSeq <= seq
}

func (s *scanAll) advance(i int) error {
	head, ok, err := s.open[i].source.next()
	if err != nil {
		return err
	}
	if !ok {
		s.open = slices.Delete(s.open, i, i+1)
		return nil
	}
	s.open[i].head = head
	return nil
}

// spansNow copies the run's spans as they are now; rows that come later are not in them.
func (m *memRun) spansNow() []memSpan {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Clone(m.spans)
}

// memOrder yields a memory run's records span by span.
type memOrder struct {
	run        *memRun
	spans      []memSpan
	from       Place
	descending bool
	rows       []uint32
	records    []Record
	at         int
}

func (o *memOrder) open(from Place, descending bool) error {
	o.from, o.descending = from, descending
	if descending {
		slices.Reverse(o.spans)
	}
	return nil
}

func (o *memOrder) close() error { return nil }

func (o *memOrder) next() (Record, bool, error) {
	for o.at == len(o.records) {
		if len(o.spans) == 0 {
			return Record{}, false, nil
		}
		o.load(o.spans[0])
		o.spans = o.spans[1:]
	}
	o.at++
	return o.records[o.at-1], true, nil
}

func (o *memOrder) load(s memSpan) {
	o.records, o.at = o.records[:0], 0
	if o.descending && s.minSeq > o.from.Seq || !o.descending && s.maxSeq < o.from.Seq {
		return
	}
	m := o.run
	m.mu.RLock()
	defer m.mu.RUnlock()
	o.rows = m.sortSpan(s, o.rows[:0])
	for _, n := range o.rows {
		r := m.record(n)
		if r.Place == o.from || o.descending == earlier(r.Place, o.from) {
			o.records = append(o.records, r)
		}
	}
	if o.descending {
		slices.Reverse(o.records)
	}
}

const (
	// A window is the stretch of places whose records are fetched together, in order of account: small at
	// first, because most scans want one page, doubling up to the most.
	firstWindow = 16
	mostWindow  = orderPlaces
)

// diskOrder yields a run's records by its order section: places in order, their records fetched by window.
type diskOrder struct {
	x          *Index
	run        *diskRun
	from       Place
	descending bool

	order    *pebble.Iterator // over the order section
	history  *pebble.Iterator // over the history section
	standing bool             // order stands on a block that has not been read
	places   []Place          // of the block, in the order of the scan, not yet fetched
	block    []Place
	window   int

	records []Record // of the window
	at      int
	perm    []int
	data    []byte
	starts  []int
	rows    []chunkRow
	key     []byte
}

func (o *diskOrder) open(from Place, descending bool) (err error) {
	o.from, o.descending, o.window = from, descending, firstWindow
	o.order, err = o.x.db.NewIter(&pebble.IterOptions{
		LowerBound: appendRunPrefix(nil, o.run.id, sectionOrder), UpperBound: appendRunPrefix(nil, o.run.id, sectionOrder+1),
	})
	if err != nil {
		return err
	}
	o.history, err = o.x.db.NewIter(&pebble.IterOptions{
		LowerBound: appendRunPrefix(nil, o.run.id, sectionHistory), UpperBound: appendRunPrefix(nil, o.run.id, sectionHistory+1),
	})
	if err != nil {
		return err
	}
	o.standing = o.order.SeekLT(append(appendOrderKey(nil, o.run.id, from), 0))
	if !o.standing && !descending && o.order.Error() == nil {
		o.standing = o.order.First()
	}
	return o.order.Error()
}

func (o *diskOrder) close() error {
	var err error
	for _, iter := range []*pebble.Iterator{o.order, o.history} {
		if iter != nil {
			err = errors.Join(err, iter.Close())
		}
	}
	return err
}

func (o *diskOrder) next() (Record, bool, error) {
	if o.at == len(o.records) {
		for len(o.places) == 0 {
			ok, err := o.nextBlock()
			if err != nil {
				return Record{}, false, fmt.Errorf("run %d: %w", o.run.id, err)
			}
			if !ok {
				return Record{}, false, nil
			}
		}
		n := min(o.window, len(o.places))
		o.window = min(2*o.window, mostWindow)
		if err := o.fetch(o.places[:n]); err != nil {
			return Record{}, false, fmt.Errorf("run %d: %w", o.run.id, err)
		}
		o.places = o.places[n:]
	}
	o.at++
	return o.records[o.at-1], true, nil
}

// nextBlock reads the order block that the iterator stands on and moves it to the next one.
func (o *diskOrder) nextBlock() (bool, error) {
	if !o.standing {
		return false, o.order.Error()
	}
	value, err := o.order.ValueAndErr()
	if err != nil {
		return false, err
	}
	if o.block, err = decodeOrder(value, o.block); err != nil {
		return false, err
	}
	o.places = o.block
	at, exact := slices.BinarySearchFunc(o.places, o.from, func(a, b Place) int {
		switch {
		case earlier(a, b):
			return -1
		case earlier(b, a):
			return 1
		}
		return 0
	})
	if o.descending {
		if exact {
			at++
		}
		o.places = o.places[:at]
		slices.Reverse(o.places)
		o.standing = o.order.Prev()
	} else {
		o.places = o.places[at:]
		o.standing = o.order.Next()
	}
	return true, o.order.Error()
}

// fetch reads the records of the given places into the window, in order of account so that a chunk is read once.
func (o *diskOrder) fetch(places []Place) error {
	o.perm, o.records, o.starts, o.data, o.at = o.perm[:0], o.records[:0], o.starts[:0], o.data[:0], 0
	for i, p := range places {
		o.perm = append(o.perm, i)
		o.records = append(o.records, Record{Place: p})
		o.starts = append(o.starts, 0)
	}
	slices.SortFunc(o.perm, func(a, b int) int {
		if d := compare(uint64(places[a].Account), uint64(places[b].Account)); d != 0 {
			return d
		}
		return compare(places[a].Seq, places[b].Seq)
	})
	var data []byte
	o.rows = o.rows[:0]
	for n, i := range o.perm {
		p := places[i]
		row, ok := chunkRow{}, false
		if n > 0 && places[o.perm[n-1]].Account == p.Account {
			row, ok = findRow(o.rows, p.Seq)
		}
		if !ok {
			var err error
			if data, err = o.loadChunk(p); err != nil {
				return err
			}
			if row, ok = findRow(o.rows, p.Seq); !ok {
				return fmt.Errorf("record %d of account %d is missing: %w", p.Seq, p.Account, errMalformed)
			}
		}
		o.starts[i] = len(o.data)
		o.data = append(o.data, data[row.start:row.end]...)
		o.records[i].Time = row.time
		o.records[i].Data = data[:row.end-row.start] // its length, until the buffer stands still
	}
	for i := range o.records {
		start, n := o.starts[i], len(o.records[i].Data)
		o.records[i].Data = o.data[start : start+n : start+n]
	}
	return nil
}

// loadChunk decodes the chunk that can hold p into o.rows.
func (o *diskOrder) loadChunk(p Place) (data []byte, err error) {
	o.key = append(appendHistoryKey(o.key[:0], o.run.id, p.Account, p.Seq), 0)
	if !o.history.SeekLT(o.key) {
		return nil, errors.Join(o.history.Error(), fmt.Errorf("record %d of account %d has no chunk: %w", p.Seq, p.Account, errMalformed))
	}
	if account, _, err := historyKeyTail(o.history.Key()); err != nil || account != p.Account {
		return nil, fmt.Errorf("record %d of account %d has no chunk: %w", p.Seq, p.Account, errMalformed)
	}
	_, o.rows, data, err = readChunk(o.history, o.rows)
	return data, err
}
