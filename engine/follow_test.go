package engine

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"drawdown/engine/ledger"
)

// TestEventsTogetherAndAlone: what a page tells of events is what each tells alone,
// whatever became of them since: nothing, a part settled, all of it, a level fallen.
func TestEventsTogetherAndAlone(t *testing.T) {
	r := newRig(t, 3)
	tokens, seats := r.meter("tokens"), r.level("seats")
	random := rand.New(rand.NewPCG(1, 2))
	var ids []ledger.EventID
	for i := range 400 {
		customer := fmt.Sprint("c", random.IntN(4))
		switch random.IntN(8) {
		case 0:
			r.apply(grant(customer, tokens, uint64(1+random.IntN(60))))
		case 1:
			r.apply(grant(customer, seats, uint64(1+random.IntN(20))))
		case 2, 3:
			ids = append(ids, r.apply(report(customer, fmt.Sprint("e", i), seats, uint64(random.IntN(40))))[0].Event())
		default:
			ids = append(ids, r.apply(report(customer, fmt.Sprint("e", i), tokens, uint64(random.IntN(20))))[0].Event())
		}
	}
	alone := map[ledger.EventID]ledger.Event{}
	counted := 0
	for _, id := range ids {
		ev, ok, err := r.e.Event(t.Context(), ledger.Live, id)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		alone[id] = ev
		first, ok, err := r.e.EventAsCounted(ledger.Live, id)
		if err != nil || !ok || first.Identifier != ev.Identifier || first.Pending.Less(ev.Pending) {
			t.Fatalf("as counted %+v, now %+v, %v", first, ev, err)
		}
		if !reflect.DeepEqual(first, ev) {
			counted++
		}
	}
	if counted < 20 {
		t.Fatalf("only %d of %d events changed: not much of a test", counted, len(ids))
	}
	for _, p := range []ledger.Page{
		{Size: 500}, {Size: 500, Ascending: true}, {Size: 30, Number: 3}, {Size: 50, Before: ids[10].String()},
		{Size: 50, After: ids[200].String(), Ascending: true},
	} {
		events, total, err := r.e.Events(t.Context(), ledger.EventFilter{}, p)
		if err != nil || total != len(ids) || len(events) == 0 {
			t.Fatal(len(events), total, err)
		}
		for _, ev := range events {
			if !reflect.DeepEqual(ev, alone[ev.ID]) {
				t.Errorf("page %+v: %+v, alone %+v", p, ev, alone[ev.ID])
			}
		}
	}
}
