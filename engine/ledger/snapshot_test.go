package ledger

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// small is a driver whose state has a bit of everything in few bytes.
func small(tb testing.TB, shards int) *driver {
	d := newDriver(tb, shards)
	d.named = true // the golden files' chain is that of such entries
	at := func(second int64) int64 { return (epoch + second) * nanosPerSecond }
	one := Decimal{Coef: NewAmount(1)}
	d.do(at(0), &CreateMeter{EventName: "tokens", Name: "Tokens", Unit: "token", Metadata: []byte(`{"m":1}`)},
		&CreateMeter{Mode: Test, EventName: "calls", Name: "Calls", Unit: "call", Aggregation: Count, Decimals: ptr(uint8(0))})
	d.do(at(1), &SetSubscription{Subscription: "s1", Prices: []string{"p1", "p2"}},
		&CreateGrant{
			Customer: "a", Currency: CurrencyID(1), Amount: Decimal{NewAmount(150), 2}, Priority: 50,
			ExpiresAt: epoch + 100, Name: "gift", Metadata: []byte(`{"a":1}`), Applicability: []byte(`{}`),
			Scope: Scope{Prices: []string{"p2"}, Meters: []string{"tokens"}},
		},
		&CreateGrant{Customer: "a", Currency: CurrencyID(1), Amount: one, EffectiveAt: epoch + 50, Category: Promotional},
		&CreateGrant{Mode: Test, Customer: "a", Currency: CurrencyID(2), Amount: one},
		&PutCustomer{Customer: "b", Create: true, Name: ptr("Bea")})
	d.do(at(2), &Report{
		Identifier: "e1", EventName: "tokens", Customer: "a", Value: Decimal{NewAmount(40), 2}, Subscription: "s1",
		HasTimestamp: true, Timestamp: epoch, Metadata: []byte(`{"k":"v"}`), SourceData: []byte(`[]`),
	})
	d.do(at(3), event("e2", "a", 3), &Report{Mode: Test, EventName: "calls", Customer: "c", Identifier: "e1", Value: one},
		&VoidGrant{Mode: Test, Grant: GrantID{2, 1}})
	return d
}

// Whatever byte of a snapshot is changed, Restore refuses it or comes to a state
// that holds I3 and goes on without a panic. (Checksums around the chunks find
// the damage before; this is what stands behind them.)
func TestRestoreDamaged(t *testing.T) {
	d := small(t, 2)
	chunks := d.snapshot()
	mustRestore(t, chunks, 3, d.ids)
	refused, taken := 0, 0
	for i, chunk := range chunks {
		for at := range chunk {
			for _, flip := range []byte{1, 0xff} {
				damaged := slices.Clone(chunks)
				damaged[i] = slices.Clone(chunk)
				if damaged[i][at] ^= flip; damaged[i][at] == chunk[at] {
					continue
				}
				again, err := restore(t, damaged, 2, newIdentifierStore())
				if err != nil {
					refused++
					continue
				}
				taken++
				if err := again.checkAll(); err != nil {
					t.Errorf("chunk %d, byte %d: %v", i, at, err)
				}
				if again.totals() != d.totals() {
					t.Errorf("chunk %d, byte %d: other totals", i, at)
				}
				if err := failure(nil, func(testing.TB, []step) error { return again.goOn() }); err != nil {
					t.Errorf("chunk %d, byte %d (%x): %v", i, at, flip, err)
				}
			}
		}
	}
	t.Logf("%d refused, %d taken", refused, taken)
}

// goOn reads everything there is to read and carries out an entry.
func (d *driver) goOn() error {
	d.tb, d.lenient = stoppingTB{}, true
	d.stateText()
	d.dir().SubscriptionPrices(Live, "s1")
	d.nextDue()
	if _, err := d.tryApply(entryOf(d.machine.Time+1000*nanosPerSecond, event("after", "a", 2), &Settle{Accounts: []uint32{1, 2, 3, 4}},
		&UpdateGrant{Grant: GrantID{1, 1}, Metadata: []byte(`{"x":1}`)},
		&CreateGrant{Customer: "a", Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(1)}})); err != nil {
		return nil // the entry was refused, as after a changed "ready"
	}
	return d.checkAll()
}

// A chunk that is missing, doubled or out of place is refused, or the state is the
// same.
func TestRestoreChunksOutOfPlace(t *testing.T) {
	d := small(t, 2)
	chunks := d.snapshot()
	check := func(what string, list [][]byte) {
		t.Helper()
		again, err := restore(t, list, 2, newIdentifierStore())
		if err != nil {
			return
		}
		if err := sameState(d, again); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range chunks {
		check(fmt.Sprintf("chunk %d (kind %d) missing", i, chunks[i][0]), slices.Delete(slices.Clone(chunks), i, i+1))
		check(fmt.Sprintf("only %d chunks", i), chunks[:i])
		for j := range len(chunks) + 1 {
			check(fmt.Sprintf("chunk %d once more at %d", i, j), slices.Insert(slices.Clone(chunks), j, chunks[i]))
		}
		for j := range chunks {
			if i != j {
				swapped := slices.Clone(chunks)
				swapped[i], swapped[j] = swapped[j], swapped[i]
				check(fmt.Sprintf("chunks %d and %d swapped", i, j), swapped)
			}
		}
		for length := range chunks[i] {
			cut := slices.Clone(chunks)
			cut[i] = chunks[i][:length]
			check(fmt.Sprintf("chunk %d cut to %d bytes", i, length), cut)
		}
		longer := slices.Clone(chunks)
		longer[i] = append(slices.Clone(chunks[i]), 0)
		check(fmt.Sprintf("chunk %d with a byte too many", i), longer)
	}
}

// A count that promises more than a chunk holds is refused before memory is spent
// on it.
func TestRestoreHugeCounts(t *testing.T) {
	d := small(t, 1)
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	for i, chunk := range d.snapshot() {
		for at := 1; at <= len(chunk); at++ {
			chunks := d.snapshot()
			chunks[i] = append(slices.Clone(chunk[:at]), huge...)
			if i == 0 {
				continue
			}
			if again, err := restore(t, chunks, 1, newIdentifierStore()); err == nil {
				if err := again.checkAll(); err != nil {
					t.Errorf("chunk %d, byte %d: %v", i, at, err)
				}
			}
		}
	}
}

// An empty log, and one with nothing but Init, have snapshots too.
func TestSnapshotOfLittle(t *testing.T) {
	m := NewMachine(newIdentifierStore())
	d := &driver{tb: t, machine: m, books: []*Book{NewBook(0, 1)}}
	empty := mustRestore(t, d.snapshot(), 2, newIdentifierStore())
	if err := sameState(d, empty); err != nil {
		t.Error(err)
	}
	if _, ok := empty.machine.Cluster(); ok {
		t.Error("a log without Init has a name")
	}
	fresh := newDriver(t, 1)
	again := mustRestore(t, fresh.snapshot(), 3, newIdentifierStore())
	if name, ok := again.machine.Cluster(); !ok || name != testInit.Cluster {
		t.Errorf("the log's name is %x", name)
	}
}

func TestEncodeStopsAtTheSinksError(t *testing.T) {
	d := small(t, 2)
	var f Frozen
	d.freeze(&f)
	for fail := range 7 {
		n := 0
		err := f.Encode(func([]byte) error {
			if n++; n > fail {
				return errSink
			}
			return nil
		})
		if err != errSink || n != fail+1 {
			t.Errorf("the sink fails at chunk %d: %v after %d", fail, err, n)
		}
	}
}

// Names and accounts that fill several chunks come back, too.
func TestSnapshotOfManyChunks(t *testing.T) {
	d := setUp(t, 3)
	d.lenient = true
	for i := range 30 {
		var commands []Command
		for j := range 500 {
			customer := fmt.Sprintf("%s-%d", strings.Repeat("customer", 10), i*500+j)
			commands = append(commands, &CreateGrant{
				Customer: customer, Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(10)}, Name: strings.Repeat("n", 50),
			}, event(customer, customer, uint64(j%20)))
		}
		d.do(0, commands...)
	}
	chunks := d.snapshot()
	if len(chunks) < 10 {
		t.Fatalf("only %d chunks", len(chunks))
	}
	again := mustRestore(t, chunks, 2, d.ids)
	if err := sameState(d, again); err != nil {
		t.Error("the restored state differs")
	}
	if again.stateText() != d.stateText() {
		t.Error("the restored state reads differently")
	}
}

// The details of customers, meters and currencies survive a snapshot.
func TestSnapshotKeepsObjects(t *testing.T) {
	d := small(t, 2)
	d.do(0, &UpdateCurrency{
		Currency: CurrencyID(1), Name: ptr("Credit"), Symbol: ptr("C"), Logo: ptr("logo"), Description: ptr("money"),
		Metadata: []byte(`{"x":1}`), Recharge: []byte(`{"r":1}`),
	}, &UpdateMeter{Meter: "tokens", Active: ptr(false), Description: ptr("counted"), Metadata: []byte(`{"m":null}`)},
		&PutCustomer{Customer: "b", Email: ptr("b@example.org"), Phone: ptr("1"), Description: ptr("d"), Metadata: []byte(`{"c":1}`)})
	again := mustRestore(t, d.snapshot(), 1, d.ids)
	for _, of := range []func(*Directory) any{
		func(d *Directory) any { m, _ := d.Meter(Live, "tokens"); return m },
		func(d *Directory) any { m, _ := d.Meter(Test, MeterID(2)); return m },
		func(d *Directory) any { c, _ := d.Currency(Live, CurrencyID(1)); return c },
		func(d *Directory) any { c, _ := d.CustomerNumber(d.FindCustomer(Live, "b")); return c },
		func(d *Directory) any { p, ok := d.SubscriptionPrices(Live, "s1"); return fmt.Sprint(p, ok) },
		func(d *Directory) any { return fmt.Sprint(d.Meters(), d.Currencies(), d.Customers()) },
	} {
		if got, want := of(again.dir()), of(d.dir()); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, expected %+v", got, want)
		}
	}
}

// The formats of version 1, byte for byte. go test -rewrite writes them anew, and
// then whatever was written before can no longer be read.
func TestGolden(t *testing.T) {
	d := small(t, 2)
	var snapshot, records bytes.Buffer
	for _, chunk := range d.snapshot() {
		fmt.Fprintf(&snapshot, "%s\n", hex.EncodeToString(chunk))
	}
	for account := uint32(1); account <= 4; account++ {
		for _, rec := range d.records[account] {
			fmt.Fprintf(&records, "%d %d %d %s\n", rec.account, rec.seq, rec.time,
				hex.EncodeToString(appendRecord(nil, rec.time, rec.event, rec.rows)))
		}
	}
	golden(t, "entry-v1.hex", []byte(hex.EncodeToString(goldenEntry())+"\n"))
	golden(t, "report-by-number.hex", []byte(hex.EncodeToString(entryOf(epoch, goldenByNumber...))+"\n"))
	golden(t, "record-v1.hex", records.Bytes())
	golden(t, "snapshot-v1.hex", snapshot.Bytes())
}

// goldenByNumber are reports that name their meter and customer by number.
var goldenByNumber = []Command{
	&Report{
		Mode: Test, Channel: ViaBatch, Identifier: "e1", MeterNumber: 1, CustomerNumber: 300, Value: Decimal{NewAmount(150), 2},
		Timestamp: -epoch, HasTimestamp: true, Subscription: "s1", Metadata: []byte(`{}`), SourceData: []byte(`[]`),
	},
	&Report{
		Identifier: "00000000-0000-4000-8000-0123456789ab", MeterNumber: MaxMeters, CustomerNumber: 1<<32 - 1,
		Value: Decimal{Coef: maxUnits},
	},
}

// goldenEntry has every command in it, with and without what may be left out.
func goldenEntry() []byte {
	return entryOf(epoch*nanosPerSecond+123456789, testInit,
		&Report{
			Mode: Test, Channel: ViaBatch, Identifier: "e1", EventName: "tokens", Customer: "a", Value: Decimal{NewAmount(150), 2},
			Timestamp: -epoch, HasTimestamp: true, Subscription: "s1", Metadata: []byte(`{}`), SourceData: []byte(`[]`),
		},
		&Report{Identifier: "00000000-0000-4000-8000-0123456789ab", EventName: "tokens", Customer: "a", Value: Decimal{Coef: maxUnits}},
		&CreateMeter{EventName: "tokens"},
		&CreateMeter{
			Mode: Test, Name: "n", EventName: "e", Unit: "u", Description: "d", ComponentID: "c", Aggregation: Count,
			Currency: CurrencyID(1), Decimals: ptr(uint8(0)), Metadata: []byte(`{"a":1}`),
		},
		&UpdateMeter{Mode: Test, Meter: "e", Name: ptr(""), Unit: ptr("u"), Description: ptr("d"), Active: ptr(false), Metadata: []byte(`{}`)},
		&UpdateCurrency{Currency: CurrencyID(1), Name: ptr("n"), Symbol: ptr("s"), Description: ptr("d"), Logo: ptr("l"), Metadata: []byte(`{}`), Recharge: []byte(`{}`)},
		&PutCustomer{Mode: Test, Customer: "a", Create: true, Name: ptr("n"), Email: ptr("e"), Phone: ptr("p"), Description: ptr("d"), Metadata: []byte(`{}`)},
		&CreateGrant{
			Mode: Test, Customer: "a", Currency: CurrencyID(1), Amount: Decimal{NewAmount(1), MaxDecimals}, Category: Promotional,
			Priority: MaxPriority, EffectiveAt: epoch, ExpiresAt: epoch + 1, Name: "n", Applicability: []byte(`{}`),
			Scope: Scope{Prices: []string{"p1", "p2"}, Meters: []string{"e"}}, Metadata: []byte(`{}`),
		},
		&UpdateGrant{Mode: Test, Grant: GrantID{1, 2}, Metadata: []byte(`{}`), Expire: true},
		&VoidGrant{Grant: GrantID{1<<32 - 1, 1}},
		&SetSubscription{Mode: Test, Subscription: "s1", Prices: []string{"p1", "p2"}},
		&Settle{Accounts: []uint32{1, 300}},
	)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if f := flag.Lookup("rewrite"); f != nil && f.Value.String() == "true" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: the format has changed\n%s\nexpected:\n%s", name, got, want)
	}
}

// What version 1 wrote is still read.
func TestGoldenIsRead(t *testing.T) {
	lines := func(name string) (list [][]byte) {
		text, err := os.ReadFile(filepath.Join("testdata", "golden", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Fields(string(text)) {
			data, err := hex.DecodeString(line)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, data)
		}
		return list
	}
	e, err := ReadEntry(lines("entry-v1.hex")[0])
	if err != nil || e.Time != epoch*nanosPerSecond+123456789 {
		t.Errorf("entry: %v, time %d", err, e.Time)
	}
	for {
		command, ok := e.Next()
		if !ok {
			break
		}
		if _, err := decodeCommand(command); err != nil {
			t.Errorf("command of kind %d: %v", command[0], err)
		}
	}
	if err := e.Err(); err != nil {
		t.Error(err)
	}
	d := small(t, 1)
	if err := sameState(d, mustRestore(t, lines("snapshot-v1.hex"), 3, d.ids)); err != nil {
		t.Error(err)
	}
}
