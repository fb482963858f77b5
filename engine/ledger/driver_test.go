package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
)

// identifierStore is an Identifiers in memory. Of two uses of one identifier the
// one with the lower sequence stays, as it must in a store that is flushed more
// than once.
type identifierStore struct{ uses map[Fingerprint]Use }

func newIdentifierStore() *identifierStore { return &identifierStore{map[Fingerprint]Use{}} }

func (s *identifierStore) Fingerprint(key *[16]byte, mode Mode, identifier []byte, packed bool) (f Fingerprint) {
	h := sha256.New()
	h.Write(key[:])
	h.Write(appendBool([]byte{byte(mode)}, packed))
	h.Write(identifier)
	copy(f[:], h.Sum(nil))
	return f
}

func (s *identifierStore) FirstUses(fingerprints []Fingerprint, uses []Use) error {
	for i, f := range fingerprints {
		uses[i] = s.uses[f]
	}
	return nil
}

func (s *identifierStore) put(f Fingerprint, u Use) {
	if old, ok := s.uses[f]; !ok || u.Seq < old.Seq {
		s.uses[f] = u
	}
}

func (s *identifierStore) clone() *identifierStore { return &identifierStore{maps.Clone(s.uses)} }

// storedRecord is a decoded record that owns its memory.
type storedRecord struct {
	account    uint32
	seq        uint64
	time       int64
	event      *RecordEvent
	identifier string
	rows       []Row
}

// driver carries out entries one after the other, on one goroutine.
type driver struct {
	tb      testing.TB
	machine *Machine
	books   []*Book
	outputs []Output
	ids     *identifierStore
	records map[uint32][]storedRecord // by account, in the order of the log
	digests []uint64                  // by entry
	lenient bool                      // leaves out the costly checks and the history
	named   bool                      // no report goes by number
}

var testInit = &Init{Cluster: [16]byte{1, 2, 3}, HashKey: [16]byte{4, 5, 6}}

// newDriver is a driver whose log has only Init in it.
func newDriver(tb testing.TB, shards int) *driver {
	d := &driver{tb: tb, ids: newIdentifierStore()}
	d.machine = NewMachine(d.ids)
	for i := range shards {
		d.books = append(d.books, NewBook(uint32(i), uint32(shards)))
	}
	d.outputs = make([]Output, shards)
	d.records = map[uint32][]storedRecord{}
	d.apply(entryOf(0, testInit))
	return d
}

// entryOf is an entry with the commands under the time stamp (Unix nanoseconds).
func entryOf(time int64, commands ...Command) []byte {
	var batch Batch
	for _, c := range commands {
		batch.Add(c)
	}
	entry := AppendEntry(nil, time, batch.Len())
	for i := range batch.Len() {
		entry = AppendCommand(entry, batch.At(i))
	}
	return entry
}

func (d *driver) apply(entry []byte) []Result {
	d.tb.Helper()
	results, err := d.tryApply(entry)
	if err != nil {
		d.tb.Fatalf("Prepare: %v", err)
	}
	return results
}

// do applies one entry with the commands under the time stamp. About half of the
// reports go by number, where the numbers are known.
func (d *driver) do(time int64, commands ...Command) []Result {
	d.tb.Helper()
	commands = slices.Clone(commands)
	for i, c := range commands {
		if r, ok := c.(*Report); ok && !d.named && len(r.Identifier) > 0 && r.Identifier[len(r.Identifier)-1]%2 == 0 {
			numbered := []Report{*r}
			d.dir().Number(numbered)
			commands[i] = &numbered[0]
		}
	}
	return d.apply(entryOf(time, commands...))
}

func (d *driver) tryApply(entry []byte) ([]Result, error) {
	d.tb.Helper()
	m := d.machine
	if err := m.Prepare(m.Index+1, entry); err != nil {
		return nil, err
	}
	ops, digest := m.Ops(), uint64(0)
	for shard := len(d.books) - 1; shard >= 0; shard-- { // no order between books may matter
		out := &d.outputs[shard]
		out.Reset()
		for i := range ops {
			op := &ops[i]
			if int(op.Account)%len(d.books) != shard {
				continue
			}
			m.SetResult(i, d.books[shard].Apply(op, m.Time, m.Directory(), out))
			if !d.lenient {
				if err := d.books[shard].CheckAccount(op.Account); err != nil {
					d.tb.Fatalf("after operation %d: %v", op.Seq, err)
				}
			}
		}
		digest += out.Digest
		if !d.lenient {
			d.keep(out)
		}
	}
	d.digests = append(d.digests, digest)
	results := m.Finish(entry, digest)
	m.EachUse(d.ids.put)
	return results, nil
}

// keep decodes and stores the records of an output.
func (d *driver) keep(out *Output) {
	d.tb.Helper()
	for _, ref := range out.Records {
		d.records[ref.Account] = append(d.records[ref.Account],
			decodeRecord(d.tb, out.Data[ref.Start:ref.End], ref.Account, ref.Seq, d.machine.Time))
	}
}

func decodeRecord(tb testing.TB, data []byte, account uint32, seq uint64, time int64) storedRecord {
	tb.Helper()
	rec := storedRecord{account: account, seq: seq, time: time}
	var reader RecordReader
	if err := reader.Read(data, seq, time); err != nil {
		tb.Fatalf("record %d: %v", seq, err)
	}
	if reader.Event != nil {
		event := *reader.Event
		event.Metadata, event.SourceData = clone(event.Metadata), clone(event.SourceData)
		event.identifier = clone(event.identifier)
		rec.event, rec.identifier = &event, event.Identifier()
	}
	var row Row
	for reader.Next(&row) {
		rec.rows = append(rec.rows, row)
	}
	if err := reader.Err(); err != nil || len(rec.rows) != reader.RowCount {
		tb.Fatalf("record %d: %v, %d of %d rows", seq, err, len(rec.rows), reader.RowCount)
	}
	return rec
}

func (d *driver) book(account uint32) *Book { return d.books[int(account)%len(d.books)] }

func (d *driver) dir() *Directory { return d.machine.Directory() }

// snapshot freezes the state and encodes it into chunks.
func (d *driver) snapshot() [][]byte {
	var f Frozen
	return d.snapshotInto(&f)
}

func (d *driver) snapshotInto(f *Frozen) [][]byte {
	d.freeze(f)
	return encodeFrozen(d.tb, f)
}

func (d *driver) freeze(f *Frozen) {
	f.Reserve(len(d.books))
	f.FreezeMachine(d.machine)
	for _, b := range d.books {
		f.FreezeBook(b)
	}
}

func encodeFrozen(tb testing.TB, f *Frozen) (chunks [][]byte) {
	tb.Helper()
	if err := f.Encode(func(chunk []byte) error {
		chunks = append(chunks, slices.Clone(chunk))
		return nil
	}); err != nil {
		tb.Fatalf("Encode: %v", err)
	}
	return chunks
}

// restore is a driver that goes on from a snapshot, over the given identifiers.
func restore(tb testing.TB, chunks [][]byte, shards int, ids *identifierStore) (*driver, error) {
	machine, books, err := Restore(ids, shards, chunkSource(chunks))
	if err != nil {
		return nil, err
	}
	return &driver{
		tb: tb, machine: machine, books: books, outputs: make([]Output, shards), ids: ids,
		records: map[uint32][]storedRecord{},
	}, nil
}

func mustRestore(tb testing.TB, chunks [][]byte, shards int, ids *identifierStore) *driver {
	tb.Helper()
	d, err := restore(tb, chunks, shards, ids)
	if err != nil {
		tb.Fatalf("Restore: %v", err)
	}
	return d
}

func chunkSource(chunks [][]byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(chunks) == 0 {
			return nil, io.EOF
		}
		chunk := chunks[0]
		chunks = chunks[1:]
		return chunk, nil
	}
}

// totals sums up all accounts of all books.
func (d *driver) totals() (t Totals) {
	for number := uint32(1); number <= uint32(d.dir().Customers()); number++ {
		d.book(number).addTotals(number, &t)
	}
	return t
}

// checkAll holds every account against I3.
func (d *driver) checkAll() error {
	for number := uint32(1); number <= uint32(d.dir().Customers()); number++ {
		if err := d.book(number).CheckAccount(number); err != nil {
			return err
		}
	}
	return nil
}

// nextDue is the next moment at which time alone changes an account.
func (d *driver) nextDue() (due int64) {
	for _, b := range d.books {
		due = earlier(due, b.NextDue())
	}
	return due
}

func mustDecimal(tb testing.TB, s string) Decimal {
	tb.Helper()
	v, err := ParseDecimal(s)
	if err != nil {
		tb.Fatalf("%q: %v", s, err)
	}
	return v
}

func ptr[T any](v T) *T { return &v }

var errSink = errors.New("the sink is full")

// stateText is what can be read of all accounts, for comparisons between two
// drivers. Log times are in whole seconds: how entries are cut does not show.
func (d *driver) stateText() string {
	var text []byte
	for number := uint32(1); number <= uint32(d.dir().Customers()); number++ {
		customer, _ := d.dir().CustomerNumber(number)
		text = fmt.Appendf(text, "%d %q mode %d\n", number, customer.ID, customer.Mode)
		b := d.book(number)
		b.EachGrant(number, &GrantFilter{Mode: customer.Mode}, d.dir(), func(g Grant) bool {
			g.Created, g.Updated = g.Created/nanosPerSecond, g.Updated/nanosPerSecond
			text = fmt.Appendf(text, "  %+v\n", g)
			return true
		})
		text = fmt.Appendf(text, "  spendable %v\n", b.Summary(number, "", customer.Mode, d.machine.Time, d.dir()))
		text = fmt.Appendf(text, "  pending %v\n", b.Pending(number, 0, customer.Mode, "", d.dir()))
	}
	return string(text)
}
