package ledger

import (
	"errors"
	"fmt"
	"testing"
)

// A report by number and the same one by name come to the same, and what has no
// number yet goes by name.
func TestReportsByNumber(t *testing.T) {
	for _, by := range []string{"name", "number"} {
		d := setUp(t, 2)
		var reports []Report
		for i := range 3 * probeBlock {
			reports = append(reports, Report{
				Identifier: fmt.Sprint("e", i), EventName: "tokens", Customer: fmt.Sprint("c", i%100), Value: Decimal{Coef: NewAmount(1)},
			})
		}
		reports[5].EventName = "nothing"
		if by == "number" {
			d.apply(entryOf(0, &PutCustomer{Customer: "c7", Create: true}))
			d.dir().Number(reports)
		}
		var commands []Command
		numbered := 0
		for i := range reports {
			commands = append(commands, &reports[i])
			if reports[i].byNumber() {
				numbered++
			}
		}
		if want := map[string]int{"name": 0, "number": 2}[by]; numbered != want { // c7 and its second event
			t.Fatalf("by %s: %d reports go by number, expected %d", by, numbered, want)
		}
		for i, r := range d.apply(entryOf(0, commands...)) {
			if want := map[bool]Code{true: MeterUnknown, false: OK}[i == 5]; r.Code != want {
				t.Fatalf("by %s: report %d: %v, expected %v", by, i, r.Code, want)
			}
		}
		if _, mode, ok := d.dir().CustomerID(d.dir().FindCustomer(Live, "c7")); !ok || mode != Live {
			t.Fatalf("by %s: c7 is not known", by)
		}
	}
}

// A number that the directory does not have, or has in the other mode, is damage: no
// node may carry the entry out (I7).
func TestUnknownNumbers(t *testing.T) {
	for _, r := range []Report{
		{MeterNumber: 1, CustomerNumber: 2},
		{MeterNumber: 99, CustomerNumber: 1},
		{Mode: Test, MeterNumber: 1, CustomerNumber: 1},
	} {
		d := setUp(t, 1)
		d.apply(entryOf(0, &PutCustomer{Customer: "a", Create: true}))
		r.Identifier, r.Value = "e1", Decimal{Coef: NewAmount(1)}
		if _, err := d.tryApply(entryOf(0, &r)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
