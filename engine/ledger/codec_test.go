package ledger

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// decodeCommand reads one encoded command, as Prepare does.
func decodeCommand(data []byte) (Command, error) {
	if len(data) == 0 {
		return nil, ErrCorrupt
	}
	if data[0] == kindReport || data[0] == kindReportByNumber {
		var l reportList
		err := l.addReport(data[0], 0, data[1:])
		return l.reports[0].command(), err
	}
	c := map[byte]interface {
		Command
		decode([]byte) error
	}{
		kindInit: &Init{}, kindCreateMeter: &CreateMeter{}, kindUpdateMeter: &UpdateMeter{},
		kindUpdateCurrency: &UpdateCurrency{}, kindPutCustomer: &PutCustomer{}, kindCreateGrant: &CreateGrant{},
		kindUpdateGrant: &UpdateGrant{}, kindVoidGrant: &VoidGrant{}, kindSetSubscription: &SetSubscription{},
		kindSettle: &Settle{},
	}[data[0]]
	if c == nil {
		return nil, fmt.Errorf("%w: kind %d", ErrCorrupt, data[0])
	}
	return c, c.decode(data[1:])
}

// command is the Report that r was decoded from.
func (c *report) command() *Report {
	identifier := string(c.identifier)
	if c.packed && len(c.identifier) == uuidBytes {
		identifier = unpackUUID(c.identifier)
	}
	return &Report{
		Mode: c.mode, Channel: c.channel, Identifier: identifier, EventName: string(c.texts.eventName),
		Customer: string(c.texts.customer), Value: c.value, Timestamp: c.timestamp, HasTimestamp: c.hasTimestamp,
		Subscription: string(c.texts.subscription), Metadata: c.texts.metadata, SourceData: c.texts.source,
		MeterNumber: c.meter, CustomerNumber: c.account,
	}
}

// The generators of commands. Texts are anything at all: the ledger takes them as
// bytes.
type drawing struct{ *rapid.T }

func (t drawing) text(label string) string {
	return rapid.OneOf(rapid.StringN(0, 20, 60), rapid.Just("tokens"), rapid.Just("")).Draw(t.T, label)
}

func (t drawing) opt(label string) *string {
	if rapid.Bool().Draw(t.T, label+"?") {
		return ptr(t.text(label))
	}
	return nil
}

func (t drawing) json(label string) []byte {
	return rapid.SampledFrom([][]byte{nil, {}, []byte(`{}`), []byte(`{"a":1,"b":[{"c":"}"}]}`)}).Draw(t.T, label)
}

func (t drawing) mode() Mode { return Mode(rapid.IntRange(0, 1).Draw(t.T, "mode")) }
func (t drawing) decimal(label string) Decimal {
	return Decimal{drawAmount(t.T, label), uint8(rapid.IntRange(0, MaxDecimals).Draw(t.T, label+".scale"))}
}
func (t drawing) texts(label string) []string {
	return rapid.SliceOfN(rapid.StringN(0, 5, 20), 0, 4).Draw(t.T, label)
}
func (t drawing) number(label string) uint32 { return rapid.Uint32().Draw(t.T, label) }
func (t drawing) bool(label string) bool     { return rapid.Bool().Draw(t.T, label) }

func (t drawing) identifier() string {
	const uuid = "0123abcd-ef01-2345-6789-abcdef012345"
	return rapid.OneOf(
		rapid.StringN(0, 60, 255), rapid.StringMatching(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), rapid.Just(uuid),
		rapid.Just("0123ABCD-ef01-2345-6789-abcdef012345"), // not the usual form
		rapid.Just("0123abcd-ef01-2345-6789-abcdef01234g"), rapid.Just(uuid+"0"), rapid.Just("0123456789abcdef"),
	).Draw(t.T, "identifier")
}

func (t drawing) command() Command {
	mode := t.mode()
	switch rapid.IntRange(int(kindInit), int(kindReportByNumber)).Draw(t.T, "kind") {
	case int(kindInit):
		c := &Init{}
		copy(c.Cluster[:], t.text("cluster"))
		copy(c.HashKey[:], t.text("key"))
		return c
	case int(kindReportByNumber):
		c := t.report(mode)
		c.EventName, c.Customer = "", "" // only the numbers are written
		c.MeterNumber, c.CustomerNumber = max(1, t.number("meter")), max(1, t.number("customer"))
		return c
	case int(kindReport):
		return t.report(mode)
	case int(kindCreateMeter):
		c := &CreateMeter{
			Mode: mode, Name: t.text("name"), EventName: t.text("event"), Unit: t.text("unit"),
			Description: t.text("description"), ComponentID: t.text("component"),
			Aggregation: Aggregation(rapid.IntRange(0, 2).Draw(t.T, "aggregation")), Currency: t.text("currency"),
			Metadata: t.json("metadata"),
		}
		if t.bool("decimals?") {
			c.Decimals = ptr(uint8(rapid.IntRange(0, MaxDecimals).Draw(t.T, "decimals")))
		}
		return c
	case int(kindUpdateMeter):
		c := &UpdateMeter{
			Mode: mode, Meter: t.text("meter"), Name: t.opt("name"), Unit: t.opt("unit"),
			Description: t.opt("description"), Metadata: t.json("metadata"),
		}
		if t.bool("active?") {
			c.Active = ptr(t.bool("active"))
		}
		return c
	case int(kindUpdateCurrency):
		return &UpdateCurrency{
			Mode: mode, Currency: t.text("currency"), Name: t.opt("name"), Symbol: t.opt("symbol"),
			Description: t.opt("description"), Logo: t.opt("logo"), Metadata: t.json("metadata"),
			Recharge: t.json("recharge"),
		}
	case int(kindPutCustomer):
		return &PutCustomer{
			Mode: mode, Customer: t.text("customer"), Create: t.bool("create"), Name: t.opt("name"),
			Email: t.opt("email"), Phone: t.opt("phone"), Description: t.opt("description"), Metadata: t.json("metadata"),
		}
	case int(kindCreateGrant):
		return &CreateGrant{
			Mode: mode, Customer: t.text("customer"), Currency: t.text("currency"), Amount: t.decimal("amount"),
			Category:    Category(rapid.IntRange(0, 1).Draw(t.T, "category")),
			Priority:    rapid.Uint32Range(0, MaxPriority).Draw(t.T, "priority"),
			EffectiveAt: rapid.Int64Range(0, 1<<62-1).Draw(t.T, "effective"),
			ExpiresAt:   rapid.Int64Range(0, 1<<62-1).Draw(t.T, "expires"), Name: t.text("name"),
			Applicability: t.json("applicability"), Scope: Scope{t.texts("prices"), t.texts("meters")},
			Metadata: t.json("metadata"),
		}
	case int(kindUpdateGrant):
		return &UpdateGrant{
			Mode: mode, Grant: GrantID{t.number("account"), t.number("ordinal")}, Metadata: t.json("metadata"),
			Expire: t.bool("expire"),
		}
	case int(kindVoidGrant):
		return &VoidGrant{Mode: mode, Grant: GrantID{t.number("account"), t.number("ordinal")}}
	case int(kindSetSubscription):
		return &SetSubscription{Mode: mode, Subscription: t.text("subscription"), Prices: t.texts("prices")}
	}
	return &Settle{Accounts: rapid.SliceOfN(rapid.Uint32(), 0, 5).Draw(t.T, "accounts")}
}

func (t drawing) report(mode Mode) *Report {
	c := &Report{
		Mode: mode, Channel: Channel(rapid.IntRange(0, 1).Draw(t.T, "channel")), Identifier: t.identifier(),
		EventName: t.text("event"), Customer: t.text("customer"), Value: t.decimal("value"),
		Subscription: t.text("subscription"), Metadata: t.json("metadata"), SourceData: t.json("source"),
	}
	if c.HasTimestamp = t.bool("timestamp?"); c.HasTimestamp {
		c.Timestamp = rapid.Int64().Draw(t.T, "timestamp")
	}
	return c
}

func TestCommandRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawing{t}.command()
		data := c.appendTo(nil)
		back, err := decodeCommand(data)
		if err != nil {
			t.Fatalf("%T is not read back: %v", c, err)
		}
		if got := fmt.Sprintf("%#v", dereferenced(back)); got != fmt.Sprintf("%#v", dereferenced(c)) {
			t.Fatalf("came back as %s", got)
		}
		if again := back.appendTo(nil); !bytes.Equal(again, data) {
			t.Fatalf("%x is written again as %x", data, again)
		}
		// Whatever is cut off or put behind is noticed.
		if _, err := decodeCommand(append(data, 0)); err == nil {
			t.Fatalf("a byte too many was not noticed")
		}
		if n := len(data); n > 1 {
			if short, err := decodeCommand(data[:n-1]); err == nil && bytes.Equal(short.appendTo(nil), data) {
				t.Fatalf("a byte too few was not noticed")
			}
		}
	})
}

// dereferenced is c in a form whose text says all that matters: pointers are
// followed, empty lists are all alike.
func dereferenced(c Command) map[string]any {
	fields := map[string]any{}
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		switch {
		case f.Kind() == reflect.Pointer && !f.IsNil():
			fields[v.Type().Field(i).Name] = f.Elem().Interface()
		case f.Kind() == reflect.Struct && f.Type() == reflect.TypeFor[Scope]():
			fields[v.Type().Field(i).Name] = fmt.Sprintf("%q", f.Interface())
		case f.Kind() == reflect.Slice && f.Len() == 0 && f.Type().Elem().Kind() != reflect.Uint8:
		default:
			fields[v.Type().Field(i).Name] = f.Interface()
		}
	}
	return fields
}

// There is one encoding of a command; all others are refused.
func TestCommandsRefused(t *testing.T) {
	grantAmount := []byte{4, 2, 0, 5}
	for _, c := range []struct {
		what string
		data []byte
	}{
		{"nothing", nil},
		{"kind 0", []byte{0}},
		{"an unknown kind", []byte{kindReportByNumber + 1}},
		{"an unknown tag", []byte{kindVoidGrant, 2, 1, 5, 9, 1, 1}},
		{"tags out of order", []byte{kindVoidGrant, 2, 1, 5, 1, 1, 1}},
		{"a tag twice", []byte{kindVoidGrant, 2, 1, 5, 2, 1, 5}},
		{"a zero written out", []byte{kindVoidGrant, 1, 1, 0, 2, 1, 5}},
		{"a padded number", []byte{kindVoidGrant, 2, 2, 0x85, 0}},
		{"a padded length", []byte{kindVoidGrant, 2, 0x81, 0, 5}},
		{"a number of no bytes", []byte{kindVoidGrant, 2, 0}},
		{"a number with a byte too many", []byte{kindVoidGrant, 2, 2, 5, 5}},
		{"a third mode", []byte{kindVoidGrant, 1, 1, 2, 2, 1, 5}},
		{"an empty text", []byte{kindCreateMeter, 2, 0}},
		{"too many decimals", []byte{kindCreateMeter, 9, 1, 19}},
		{"an unknown aggregation", []byte{kindCreateMeter, 7, 1, 3}},
		{"an active of 2", []byte{kindUpdateMeter, 6, 1, 2}},
		{"a grant without amount", []byte{kindCreateGrant, 2, 1, 'a'}},
		{"a grant with a cut amount", []byte{kindCreateGrant, 4, 1, 0}},
		{"a grant with a padded amount", []byte{kindCreateGrant, 4, 3, 0, 0x85, 0}},
		{"a third category", append([]byte{kindCreateGrant}, append(grantAmount, 5, 1, 2)...)},
		{"a priority too large", append([]byte{kindCreateGrant}, append(grantAmount, 6, 3, 0xa0, 0x8d, 0x06)...)},
		{"a length past the end", []byte{kindCreateMeter, 2, 5, 'a'}},
		{"a report that is cut", []byte{kindReport, 0, 1, 'e', 1, 'm', 1, 'c', 0}},
		{"a report with a byte too many", []byte{kindReport, 0, 1, 'e', 1, 'm', 1, 'c', 0, 5, 0}},
		{"a report with the unknown flag", []byte{kindReport, reportUnknown, 1, 'e', 1, 'm', 1, 'c', 0, 5}},
		{"a report with an empty subscription", []byte{kindReport, reportSubscription, 1, 'e', 1, 'm', 1, 'c', 0, 5, 0}},
		{"a report with 19 decimals", []byte{kindReport, 0, 1, 'e', 1, 'm', 1, 'c', 19, 5}},
		{"a report by number 0", []byte{kindReportByNumber, 0, 1, 'e', 0, 1, 0, 5}},
		{"a report by customer 0", []byte{kindReportByNumber, 0, 1, 'e', 1, 0, 0, 5}},
		{"a report by a number of 33 bits", []byte{kindReportByNumber, 0, 1, 'e', 1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 5}},
		{"a report by number that is cut", []byte{kindReportByNumber, 0, 1, 'e', 1, 1, 0}},
		{"a UUID in text", append(append([]byte{kindReport, 0, 36}, "0123abcd-ef01-2345-6789-abcdef012345"...), 1, 'm', 1, 'c', 0, 5)},
		{"a settle with too few accounts", []byte{kindSettle, 3, 1, 2}},
		{"a settle with an account too large", []byte{kindSettle, 1, 0x80, 0x80, 0x80, 0x80, 0x10}},
		{"an Init that is cut", append([]byte{kindInit}, make([]byte, 31)...)},
	} {
		if got, err := decodeCommand(c.data); err == nil {
			t.Errorf("%s was read as %+v", c.what, got)
		}
	}
}

func TestAmountEncoding(t *testing.T) {
	for _, a := range []Amount{{}, {0, 1}, {0, 127}, {0, 128}, {0, 1<<64 - 1}, {1, 0}, {1 << 62, 0}, {maxHi, 0}, maxUnits} {
		data := appendAmount(nil, a)
		r := reader{b: data}
		if got := r.amount(); r.end() != nil || got != a {
			t.Errorf("%v came back as %v (%x)", a, got, data)
		}
	}
	for _, c := range []struct {
		what string
		data []byte
	}{
		{"nothing", nil},
		{"cut", []byte{0x80}},
		{"padded", []byte{0x85, 0}},
		{"zero padded", []byte{0x80, 0}},
		{"2^127", append(bytes.Repeat([]byte{0x80}, 18), 2)},
		{"20 bytes", append(bytes.Repeat([]byte{0xff}, 19), 1)},
	} {
		r := reader{b: c.data}
		if a := r.amount(); r.end() == nil {
			t.Errorf("%s was read as %v", c.what, a)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := drawAmount(t, "a")
		r := reader{b: appendAmount(nil, a)}
		if got := r.amount(); r.end() != nil || got != a {
			t.Fatalf("%v came back as %v", a, got)
		}
		data := rapid.SliceOfN(rapid.Byte(), 0, 22).Draw(t, "data")
		r = reader{b: data}
		if got := r.amount(); !r.bad && !bytes.Equal(appendAmount(nil, got), data[:len(data)-len(r.b)]) {
			t.Fatalf("%x was read as %v, which is written %x", data, got, appendAmount(nil, got))
		}
	})
}

func TestZigzag(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 63, -64, 64, math.MaxInt64, math.MinInt64} {
		r := reader{b: appendZigzag(nil, v)}
		if got := r.zigzag(); r.end() != nil || got != v {
			t.Errorf("%d came back as %d", v, got)
		}
	}
}

func TestEntryRefused(t *testing.T) {
	good := entryOf(1, testInit)
	for _, c := range []struct {
		what string
		data []byte
	}{
		{"nothing", nil},
		{"a cut header", good[:8]},
		{"no count", good[:9]},
		{"another version", append([]byte{2}, good[1:]...)},
		{"a padded count", append(append(bytes.Clone(good[:9]), 0x81, 0), good[10:]...)},
		{"a command too few", append(append(bytes.Clone(good[:9]), 2), good[10:]...)},
		{"a command too many", append(append(bytes.Clone(good[:9]), 0), good[10:]...)},
		{"a byte too many", append(bytes.Clone(good), 0)},
		{"a byte too few", good[:len(good)-1]},
		{"an empty command", AppendCommand(AppendEntry(nil, 1, 1), nil)},
	} {
		m := NewMachine(newIdentifierStore())
		if err := m.Prepare(1, c.data); err == nil {
			t.Errorf("%s was taken", c.what)
		}
	}
	m := NewMachine(newIdentifierStore())
	if err := m.Prepare(1, good); err != nil {
		t.Error(err)
	}
	if err := m.Prepare(2, good); err == nil {
		t.Error("a second Init was taken")
	}
	if err := NewMachine(newIdentifierStore()).Prepare(1, entryOf(1, &Settle{})); err == nil {
		t.Error("a command before Init was taken")
	}
}

// An upper bound is one: EntryOverhead covers what an entry adds to its commands.
func TestEntryOverhead(t *testing.T) {
	for _, count := range []int{0, 1, 127, 128, 1000} {
		var commands []Command
		for range count {
			commands = append(commands, &Settle{Accounts: make([]uint32, 20_000/max(count, 1))})
		}
		var batch Batch
		for _, c := range commands {
			batch.Add(c)
		}
		if got := len(entryOf(1, commands...)); got > batch.Size()+EntryOverhead(count) {
			t.Errorf("%d commands of %d bytes make an entry of %d", count, batch.Size(), got)
		}
	}
}

// A batch owns its bytes: what the caller does to his own afterwards is no
// concern of it (I10).
func TestBatchOwnsItsBytes(t *testing.T) {
	metadata := []byte(`{"a":1}`)
	var batch Batch
	batch.Add(&Report{Identifier: "e1", EventName: "tokens", Customer: "a", Metadata: metadata})
	batch.Add(&Settle{Accounts: []uint32{7}})
	before := bytes.Clone(batch.At(0))
	copy(metadata, "garbage")
	if !bytes.Equal(batch.At(0), before) || batch.Len() != 2 || batch.Size() != len(batch.At(0))+len(batch.At(1)) {
		t.Errorf("the batch holds %x", batch.At(0))
	}
	_ = append(batch.At(0), 0xff) // must not run into the next command
	if c, err := decodeCommand(batch.At(1)); err != nil || c.(*Settle).Accounts[0] != 7 {
		t.Errorf("the second command is %+v, %v", c, err)
	}
	if batch.Reset(); batch.Len() != 0 || batch.Size() != 0 {
		t.Error("a batch that was reset is not empty")
	}
}

func TestIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint32Min(1).Draw(t, "a"), rapid.Uint32Min(1).Draw(t, "b")
		s := rapid.Uint64Min(1).Draw(t, "s")
		if n, ok := ParseMeterID(MeterID(a)); !ok || n != a {
			t.Fatal("meter")
		}
		if n, ok := ParseCurrencyID(CurrencyID(a)); !ok || n != a {
			t.Fatal("currency")
		}
		if id, ok := ParseGrantID(GrantID{a, b}.String()); !ok || id != (GrantID{a, b}) {
			t.Fatal("grant")
		}
		if id, ok := ParseEventID(EventID{a, s}.String()); !ok || id != (EventID{a, s}) {
			t.Fatal("event")
		}
		if id, ok := ParseTransactionID(TransactionID{a, s, b}.String()); !ok || id != (TransactionID{a, s, b}) {
			t.Fatal("transaction")
		}
		// Only the one text is taken: no other letter case, prefix or length.
		text := rapid.StringMatching(`(mtr|pc|cg|me|ct)_[0-9a-wA-V]{12,28}`).Draw(t, "text")
		if id, ok := ParseGrantID(text); ok && id.String() != text {
			t.Fatalf("%s was read as %v", text, id)
		}
		if id, ok := ParseEventID(text); ok && id.String() != text {
			t.Fatalf("%s was read as %v", text, id)
		}
		if id, ok := ParseTransactionID(text); ok && id.String() != text {
			t.Fatalf("%s was read as %v", text, id)
		}
		if n, ok := ParseMeterID(text); ok && MeterID(n) != text {
			t.Fatalf("%s was read as %v", text, n)
		}
	})
	for _, s := range []string{"", "mtr_", MeterID(0), "mtr_" + CurrencyID(1)[3:] + "\n", CurrencyID(1)} {
		if n, ok := ParseMeterID(s); ok {
			t.Errorf("%q was read as meter %d", s, n)
		}
	}
}

func TestMergeObjects(t *testing.T) {
	for _, c := range []struct{ base, patch, merged string }{
		{``, ``, ``}, {`{"a":1}`, ``, `{"a":1}`}, {``, `{"a":1}`, `{"a":1}`}, {`{"a":1}`, `{}`, `{"a":1}`},
		{`{"a":1}`, `{"a":2}`, `{"a":2}`}, {`{"a":1}`, `{"a":null}`, ``}, {`{"b":1}`, `{"a":2}`, `{"a":2,"b":1}`},
		{`{"a":1,"b":2}`, `{"a":null,"c":3}`, `{"b":2,"c":3}`}, {``, `{"a":null}`, ``},
		{`{"a":{"x":1}}`, `{"a":{"y":2}}`, `{"a":{"y":2}}`}, // a value is replaced as a whole
		{`{"a":"null"}`, `{"b":"null"}`, `{"a":"null","b":"null"}`},
		{`{"a,b":"c:d","e":[1,{"f":"]}"}]}`, `{"g":"\"}"}`, `{"a,b":"c:d","e":[1,{"f":"]}"}],"g":"\"}"}`},
		{`{"\"":1}`, `{"\\":2}`, `{"\"":1,"\\":2}`}, {`{"":1}`, `{"":null}`, ``},
	} {
		in := func(s string) []byte {
			if s == "" {
				return nil
			}
			return []byte(s)
		}
		if got := mergeObjects(in(c.base), in(c.patch)); string(got) != c.merged || (got == nil) != (c.merged == "") {
			t.Errorf("%s with %s is %s, expected %s", c.base, c.patch, got, c.merged)
		}
	}
}

// Texts that are no JSON cannot come from the API. Should they be in a log all the
// same, they must do the same on every node, and that is not to panic.
func TestMergeObjectsOfGarbage(t *testing.T) {
	for _, s := range []string{`{`, `{"a`, `{"a\`, `{"a"`, `{"a"}`, `{"a":`, `{"a":1`, `}`, `,`, `{,}`, `{:}`, `{"a":1,`, `{"a":[`, "\xff", `""""`} {
		for _, other := range []string{`{"a":1}`, s} {
			mergeObjects([]byte(s), []byte(other))
			mergeObjects([]byte(other), []byte(s))
			objectText([]byte(s), "a")
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		garbage := rapid.StringMatching(`[{}\[\]":,a\\ ]{0,12}`)
		mergeObjects([]byte(garbage.Draw(t, "base")), []byte(garbage.Draw(t, "patch")))
	})
}
