package ledger

import (
	"fmt"
	"strings"
	"testing"
)

// object is a JSON object with one key whose value has the length.
func object(key string, length int) []byte {
	return fmt.Appendf(nil, `{"%s":"%s"}`, key, strings.Repeat("x", length))
}

// TestMergedMetadataIsBounded: patch by patch, each within what the API takes, an
// object's metadata must not grow without end.
func TestMergedMetadataIsBounded(t *testing.T) {
	const half = MaxMetadata/2 + 1
	d := newDriver(t, 2)
	d.do(1, &CreateMeter{EventName: "e", Name: "m", Unit: "u"})
	created := d.do(2, &CreateGrant{Customer: "c", Currency: CurrencyID(1), Amount: mustDecimal(t, "1")})[0]
	merges := map[string]func(metadata []byte) Command{
		"grant":    func(b []byte) Command { return &UpdateGrant{Grant: created.Grant(), Metadata: b} },
		"meter":    func(b []byte) Command { return &UpdateMeter{Meter: "e", Metadata: b} },
		"currency": func(b []byte) Command { return &UpdateCurrency{Currency: CurrencyID(1), Metadata: b} },
		"customer": func(b []byte) Command { return &PutCustomer{Customer: "c", Metadata: b} },
	}
	for name, merge := range merges {
		if got := d.do(3, merge(object("a", half)))[0]; got.Code != OK {
			t.Fatalf("%s: %v", name, got.Code)
		}
		if got := d.do(4, merge(object("b", half)))[0]; got.Code != MetadataTooLong {
			t.Errorf("%s: more than there may be: %v", name, got.Code)
		}
		if got := d.do(5, merge([]byte(`{"a":null}`)), merge(object("b", half)))[1]; got.Code != OK {
			t.Errorf("%s: after making room: %v", name, got.Code)
		}
	}
}

// TestRefusedUpdateChangesNothing: an update that also ends the grant is refused as
// a whole, and so is one that would create a customer.
func TestRefusedUpdateChangesNothing(t *testing.T) {
	d := newDriver(t, 1)
	d.do(1, &CreateMeter{EventName: "e", Name: "m", Unit: "u"})
	id := d.do(2, &CreateGrant{Customer: "c", Currency: CurrencyID(1), Amount: mustDecimal(t, "1")})[0].Grant()
	before := d.stateText()
	results := d.do(3,
		&UpdateGrant{Grant: id, Metadata: object("a", MaxMetadata), Expire: true},
		&PutCustomer{Customer: "new", Create: true, Metadata: object("a", MaxMetadata)})
	for i, r := range results {
		if r.Code != MetadataTooLong {
			t.Errorf("command %d: %v", i, r.Code)
		}
	}
	if after := d.stateText(); after != before {
		t.Errorf("before %s\nafter %s", before, after)
	}
}

// TestHugeMetadata: more than a grant's texts can ever hold is refused. It used to
// stop the node, and every node again at every start.
func TestHugeMetadata(t *testing.T) {
	d := newDriver(t, 1)
	d.lenient = true
	d.do(1, &CreateMeter{EventName: "e", Name: "m", Unit: "u"})
	id := d.do(2, &CreateGrant{Customer: "c", Currency: CurrencyID(1), Amount: mustDecimal(t, "1")})[0].Grant()
	for i := range 3 {
		if got := d.do(int64(3+i), &UpdateGrant{Grant: id, Metadata: object(fmt.Sprint("k", i), 8<<20)})[0]; got.Code != MetadataTooLong {
			t.Error(got.Code)
		}
	}
}
