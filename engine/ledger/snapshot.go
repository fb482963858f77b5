package ledger

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
)

// A snapshot is the whole state at one index, as a sequence of chunks; whoever
// stores them adds lengths and checksums. The first byte of a chunk is its kind:
//
//	head | currencies* | meters* | names* | created* | details* | prices* | accounts* | end
//
// No list is one chunk: each may grow as long as it likes. The end states what must
// have come before it: how many there are of each, and the totals of the accounts.
//
// It does not say how accounts are sharded: a snapshot made with two books can be
// restored into three, and equal states give equal bytes on every node.
const snapshotVersion = 1

const (
	chunkHead byte = iota + 1
	chunkCurrencies
	chunkMeters
	chunkNames
	chunkCreated // customers' times of creation
	chunkDetails // of the customers that have any
	chunkPrices  // of the subscriptions of which they were told
	chunkAccounts
	chunkEnd
)

// chunkBytes is where a chunk is closed; one account or name may go past it.
const chunkBytes = 256 << 10

// Frozen is a copy of the state at one index, to be encoded while the original
// goes on. Its memory is reused from one freeze to the next.
type Frozen struct {
	machine Machine // head, cluster and directory only
	books   []*Book
}

// FreezeMachine copies the machine's part. It is quick: what only grows is shared.
func (f *Frozen) FreezeMachine(m *Machine) {
	f.machine = Machine{Head: m.Head, dir: m.dir.share(), cluster: m.cluster, key: m.key, ready: m.ready}
}

// FreezeBook copies one book's part; books may be frozen in parallel, each by its
// own goroutine, after Reserve.
func (f *Frozen) FreezeBook(b *Book) { f.books[b.shard].copyFrom(b) }

// Reserve makes room for the books.
func (f *Frozen) Reserve(books int) {
	for len(f.books) < books {
		f.books = append(f.books, &Book{})
	}
	f.books = f.books[:books]
}

// Head is where the copy stands.
func (f *Frozen) Head() Head { return f.machine.Head }

func (d *Directory) share() *Directory {
	return &Directory{
		meters: slices.Clone(d.meters), currencies: slices.Clone(d.currencies),
		customers: d.customers.share(),
		created:   d.created.share(),
		details:   maps.Clone(d.details), subscriptions: d.subscriptions.share(), prices: d.prices.share(),
		subscriptionPrices: maps.Clone(d.subscriptionPrices), scopeEpoch: d.scopeEpoch,
	}
}

// copyFrom makes b an exact copy of src for encoding; it shares the texts, which
// only grow, and leaves out the schedule, which follows from the rest.
func (b *Book) copyFrom(src *Book) {
	b.shard, b.shards = src.shard, src.shards
	b.accounts.copyFrom(&src.accounts)
	b.positions.copyFrom(&src.positions)
	b.waits.copyFrom(&src.waits)
	b.grants.copyFrom(&src.grants)
	b.details.copyFrom(&src.details)
	b.debts.copyFrom(&src.debts)
	b.levels.copyFrom(&src.levels)
	b.takings.copyFrom(&src.takings)
	b.text = src.text.share()
}

// Encode hands the chunks of the snapshot to emit, in order. A chunk is only valid
// during the call. The only errors are emit's.
func (f *Frozen) Encode(emit func(chunk []byte) error) error {
	e := chunkWriter{emit: emit}
	e.write(f.machine.appendHead([]byte{chunkHead}))
	d := f.machine.dir
	e.list([]byte{chunkCurrencies}, uint32(len(d.currencies)+1), func(dst []byte, number uint32) []byte {
		return appendBytes(dst, d.currency(number).appendTo(nil))
	})
	e.list([]byte{chunkMeters}, uint32(len(d.meters)+1), func(dst []byte, number uint32) []byte {
		return appendBytes(dst, d.meter(number).appendTo(nil))
	})
	for i, n := range d.nameTables() {
		e.list(append([]byte{chunkNames}, byte(i)), n.refs.used, n.appendName)
	}
	e.list([]byte{chunkCreated}, d.created.used, func(dst []byte, i uint32) []byte {
		return binary.LittleEndian.AppendUint64(dst, uint64(*d.created.at(i)))
	})
	e.some(chunkDetails, slices.Sorted(maps.Keys(d.details)), func(number uint32) []byte {
		details := d.details[number]
		return details.appendTo(nil)
	})
	e.some(chunkPrices, slices.Sorted(maps.Keys(d.subscriptionPrices)), func(number uint32) []byte {
		return appendNumbers(d.subscriptionPrices[number])
	})
	var totals Totals
	e.list([]byte{chunkAccounts}, d.customers.refs.used, func(dst []byte, number uint32) []byte {
		book := f.books[number%uint32(len(f.books))]
		book.addTotals(number, &totals)
		return book.appendAccount(dst, number)
	})
	end := []byte{chunkEnd}
	for _, count := range d.counts() {
		end = appendUvarint(end, uint64(count))
	}
	e.write(totals.appendTo(end))
	return e.err
}

// counts is how many items each of the lists has, accounts aside.
func (d *Directory) counts() []int {
	counts := []int{len(d.currencies), len(d.meters), len(d.details), len(d.subscriptionPrices)}
	for _, n := range d.nameTables() {
		counts = append(counts, n.count())
	}
	return counts
}

// nameTables is the tables of names in the order in which a snapshot has them.
func (d *Directory) nameTables() [3]*names {
	return [3]*names{&d.customers, &d.subscriptions, &d.prices}
}

// chunkWriter cuts lists into chunks.
type chunkWriter struct {
	emit func([]byte) error
	buf  []byte
	err  error
}

func (e *chunkWriter) write(chunk []byte) {
	if e.err == nil {
		e.err = e.emit(chunk)
	}
}

// list writes the items 1 to end-1 as chunks: prefix, first number, count, items.
func (e *chunkWriter) list(prefix []byte, end uint32, item func(dst []byte, i uint32) []byte) {
	for first := uint32(1); first < end && e.err == nil; {
		e.buf = e.buf[:0]
		i := first
		for ; i < end && len(e.buf) < chunkBytes; i++ {
			e.buf = item(e.buf, i)
		}
		chunk := appendUvarint(slices.Clone(prefix), uint64(first))
		chunk = appendUvarint(chunk, uint64(i-first))
		e.write(append(chunk, e.buf...))
		first = i
	}
}

// some writes the items with the given numbers, which ascend, as chunks: number,
// length, item.
func (e *chunkWriter) some(kind byte, numbers []uint32, item func(number uint32) []byte) {
	for len(numbers) > 0 && e.err == nil {
		e.buf = append(e.buf[:0], kind)
		for len(numbers) > 0 && len(e.buf) < chunkBytes {
			e.buf = appendBytes(appendUvarint(e.buf, uint64(numbers[0])), item(numbers[0]))
			numbers = numbers[1:]
		}
		e.write(e.buf)
	}
}

func (m *Machine) appendHead(dst []byte) []byte {
	dst = append(dst, snapshotVersion)
	for _, v := range []uint64{m.Index, uint64(m.Time), m.Seq, m.Chain} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	dst = appendBool(dst, m.ready)
	dst = append(dst, m.cluster[:]...)
	dst = append(dst, m.key[:]...)
	return appendUvarint(dst, uint64(m.dir.scopeEpoch))
}

func (m *Machine) decodeHead(r *reader) error {
	if v := r.byte(); v != snapshotVersion {
		return fmt.Errorf("%w: snapshot version %d, this program reads %d", ErrCorrupt, v, snapshotVersion)
	}
	m.Index, m.Time, m.Seq, m.Chain = r.fixed64(), int64(r.fixed64()), r.fixed64(), r.fixed64()
	m.ready = r.bool()
	copy(m.cluster[:], r.take(16))
	copy(m.key[:], r.take(16))
	m.dir.seed(&m.key)
	m.dir.scopeEpoch = r.uint32()
	return r.end()
}

// Restore builds a machine and its books from the chunks that next answers, io.EOF
// after the last. Nothing of it is used unless everything checks out: encoding,
// order, I3 of every account, and the totals that the snapshot states.
func Restore(ids Identifiers, shards int, next func() ([]byte, error)) (*Machine, []*Book, error) {
	s := restorer{machine: NewMachine(ids)}
	for i := range shards {
		s.books = append(s.books, NewBook(uint32(i), uint32(shards)))
	}
	for {
		chunk, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		if err := s.chunk(chunk); err != nil {
			return nil, nil, fmt.Errorf("snapshot: %w", err)
		}
	}
	if !s.ended {
		return nil, nil, fmt.Errorf("snapshot: %w: it ends early", ErrCorrupt)
	}
	return s.machine, s.books, nil
}

type restorer struct {
	machine  *Machine
	books    []*Book
	last     byte   // kind of the last chunk
	number   uint32 // of the last item, in lists that have gaps
	ended    bool
	accounts uint32
	totals   Totals
}

func (s *restorer) chunk(chunk []byte) error {
	r := reader{b: chunk}
	kind := r.byte()
	if kind < s.last || s.ended || (s.last == 0) != (kind == chunkHead) {
		return fmt.Errorf("%w: chunk %d after %d", ErrCorrupt, kind, s.last)
	}
	if kind != s.last {
		s.last, s.number = kind, 0
	}
	d := s.machine.dir
	switch kind {
	case chunkHead:
		return s.machine.decodeHead(&r)
	case chunkCurrencies:
		return readList(&r, uint32(len(d.currencies)+1), func(number uint32) error { return d.decodeCurrency(&r, number) })
	case chunkMeters:
		return readList(&r, uint32(len(d.meters)+1), func(number uint32) error { return d.decodeMeter(&r, number) })
	case chunkNames:
		tables := d.nameTables()
		n := tables[r.enum(byte(len(tables)))]
		return readList(&r, n.refs.used, func(uint32) error { return n.decodeName(&r) })
	case chunkCreated:
		return readList(&r, d.created.used, func(uint32) error {
			*d.created.at(d.created.add()) = int64(r.fixed64())
			return nil
		})
	case chunkDetails:
		return s.readSome(&r, d.decodeDetails)
	case chunkPrices:
		return s.readSome(&r, d.decodePrices)
	case chunkAccounts:
		return readList(&r, s.accounts+1, s.account(&r))
	case chunkEnd:
		return s.end(&r)
	}
	return fmt.Errorf("%w: chunk kind %d", ErrCorrupt, kind)
}

// readList reads what chunkWriter.list wrote: the items from next on, without a
// gap.
func readList(r *reader, next uint32, item func(i uint32) error) error {
	first, count := r.uint32(), r.uint32()
	if first != max(next, 1) {
		return fmt.Errorf("%w: items from %d on, expected %d", ErrCorrupt, first, next)
	}
	for i := range count {
		if err := item(first + i); err != nil {
			return err
		}
		if r.bad {
			break
		}
	}
	return r.end()
}

// readSome reads what chunkWriter.some wrote.
func (s *restorer) readSome(r *reader, item func(number uint32, data []byte) error) error {
	for len(r.b) > 0 {
		number, data := r.uint32(), r.bytes()
		if r.bad || number <= s.number {
			return fmt.Errorf("%w: item %d after %d", ErrCorrupt, number, s.number)
		}
		s.number = number
		if err := item(number, data); err != nil {
			return fmt.Errorf("item %d: %w", number, err)
		}
	}
	return r.end()
}

func (s *restorer) account(r *reader) func(uint32) error {
	return func(number uint32) error {
		book := s.books[number%uint32(len(s.books))]
		if err := book.decodeAccount(r, number); err != nil {
			return err
		}
		s.accounts = number
		book.addTotals(number, &s.totals)
		return book.CheckAccount(number)
	}
}

func (s *restorer) end(r *reader) error {
	s.ended = true
	d := s.machine.dir
	if customers := d.customers.count(); int(s.accounts) != customers || int(d.created.used) != int(d.customers.refs.used) {
		return fmt.Errorf("%w: %d accounts for %d customers", ErrCorrupt, s.accounts, customers)
	}
	for i, count := range d.counts() {
		if stated := r.uvarint(); stated != uint64(count) {
			return fmt.Errorf("%w: list %d has %d items of %d", ErrCorrupt, i, count, stated)
		}
	}
	var stated Totals
	stated.decode(r)
	if err := r.end(); err != nil {
		return err
	}
	if stated != s.totals {
		return fmt.Errorf("%w: I3: the totals are not those of the accounts", ErrCorrupt)
	}
	return nil
}

// appendName and decodeName are one name of a table.
func (n *names) appendName(dst []byte, i uint32) []byte {
	return appendBytes(append(dst, byte(n.mode(i))), n.name(i))
}

func (n *names) decodeName(r *reader) error {
	mode := Mode(r.enum(2))
	s := r.bytes()
	if r.bad {
		return ErrCorrupt
	}
	if _, fresh := intern(n, mode, s); !fresh {
		return fmt.Errorf("%w: a name stands twice", ErrCorrupt)
	}
	return nil
}

// Check walks the whole copy: I3 of every account. The digest is a hash of the
// encoded state: equal on all nodes at the same index, however they shard (I4).
// The error names the first violation.
func (f *Frozen) Check() (totals Totals, digest uint64, err error) {
	for number := uint32(1); number < f.machine.dir.customers.refs.used; number++ {
		book := f.books[number%uint32(len(f.books))]
		if err := book.CheckAccount(number); err != nil {
			return totals, 0, err
		}
		book.addTotals(number, &totals)
	}
	for _, t := range f.CurrencyTotals() {
		if !t.balanced() {
			return totals, 0, fmt.Errorf("I3: currency %d: the totals do not add up: %+v", t.Currency, t)
		}
	}
	err = f.Encode(func(chunk []byte) error {
		digest = hashBytes(digest, chunk)
		return nil
	})
	return totals, digest, err
}

// Customers is how many customers the copy has.
func (f *Frozen) Customers() int { return f.machine.dir.Customers() }
