package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"drawdown/engine/ledger"
)

const (
	logSecond = int64(1_700_000_000)
	logTime   = logSecond * int64(time.Second)
)

// fake is a Store and a View with one object of each kind. It carries nothing
// out: submissions are recorded and answered with what the test says.
type fake struct {
	mu        sync.Mutex
	commands  [][]byte
	verdict   func(i int) ledger.Result // nil: OK
	submitErr error
	readErr   error
	block     chan struct{} // Submit waits for it
	panics    bool

	filter any         // of the last list call
	page   ledger.Page // likewise
	offset int64       // likewise

	meter    ledger.Meter
	currency ledger.Currency
	customer ledger.Customer
	grant    ledger.Grant
	event    ledger.Event
	row      ledger.Transaction
	absent   bool // the customer is not there until something is submitted
	eventGot int  // calls of Event
}

func newFake() *fake {
	grant := ledger.GrantID{Account: 7, Ordinal: 1}
	event := ledger.EventID{Account: 7, Seq: 42}
	return &fake{
		meter: ledger.Meter{
			Number: 3, Name: "Tokens", EventName: "tokens", Unit: "tk", Active: true, Currency: 5,
			Metadata: []byte(`{"a":1}`), Created: logTime, Updated: logTime,
		},
		currency: ledger.Currency{Number: 5, Name: "Tokens", Symbol: "tk", Decimals: 2, Created: logTime, Updated: logTime},
		customer: ledger.Customer{Number: 7, ID: "cus_a", Name: "Ann", Created: logTime, Updated: logTime},
		grant: ledger.Grant{
			ID: grant, Customer: "cus_a", Currency: 5, Amount: ledger.NewAmount(1000), Remaining: ledger.NewAmount(990),
			Consumed: ledger.NewAmount(10), Status: ledger.GrantGranted, Priority: 50, EffectiveAt: logSecond, Name: "Welcome",
			Metadata: []byte(`{"granted_by":"me"}`), Created: logTime, Updated: logTime,
		},
		event: ledger.Event{
			ID: event, Identifier: "id-1", Meter: 3, Customer: "cus_a", Currency: 5, Value: ledger.Decimal{Coef: ledger.NewAmount(15), Scale: 1},
			Cost: ledger.NewAmount(150), Consumed: ledger.NewAmount(150), Timestamp: logSecond - 10, HasTimestamp: true, Created: logTime, Processed: logTime,
		},
		row: ledger.Transaction{
			ID: ledger.TransactionID{Account: 7, Seq: 42}, Type: ledger.RowConsumption, Customer: "cus_a", Currency: 5, Grant: grant,
			Amount: ledger.NewAmount(150), GrantRemaining: ledger.NewAmount(840), Balance: ledger.NewAmount(840), Negative: true,
			Meter: 3, Event: event, Quantity: ledger.NewAmount(150), Created: logTime,
		},
	}
}

func (f *fake) Submit(ctx context.Context, b *ledger.Batch) ([]ledger.Result, uint64, error) {
	if f.block != nil {
		<-f.block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("planted")
	}
	if f.submitErr != nil {
		return nil, 0, f.submitErr
	}
	f.commands, f.absent = nil, false
	results := make([]ledger.Result, b.Len())
	for i := range results {
		f.commands = append(f.commands, bytes.Clone(b.At(i)))
		results[i] = ledger.Result{
			Account: 7, Ordinal: 1, Seq: 42, Time: logTime, Consumed: ledger.NewAmount(150),
		}
		if f.verdict != nil {
			results[i] = f.verdict(i)
		}
		if len(results) == 1 && b.At(0)[0] == encode(&ledger.CreateMeter{})[0] {
			results[i].Ordinal = f.meter.Number
		}
	}
	return results, 99, nil
}

func (f *fake) Linearize(context.Context) (uint64, error) { return 98, f.readErr }
func (f *fake) Ready() error                              { return f.readErr }
func (f *fake) Status(context.Context) Status             { return Status{Node: "n1", Role: "leader"} }
func (f *fake) Stale() (uint64, time.Duration, error)     { return 97, 1500 * time.Millisecond, f.readErr }
func (f *fake) WaitIndex(_ context.Context, index uint64) error {
	if index > 1000 {
		return ErrUnavailable
	}
	return f.readErr
}
func (f *fake) AddMember(_ context.Context, node, _ string) error { return f.member(node) }
func (f *fake) RemoveMember(_ context.Context, node string) error { return f.member(node) }
func (f *fake) TransferLeadership(_ context.Context, node string) error {
	return f.member(node)
}
func (f *fake) member(node string) error {
	if node == "bad" {
		return fmt.Errorf("%w: because", ErrRefused)
	}
	return f.submitErr
}
func (f *fake) Hash(context.Context) (uint64, uint64, error) {
	return 98, 0xabc, f.readErr
}
func (f *fake) Check(context.Context, bool) (CheckReport, error) {
	return CheckReport{OK: true, Index: 98}, f.readErr
}
func (f *fake) Snapshot(context.Context) (uint64, error) { return 98, f.readErr }

func (f *fake) Meter(mode ledger.Mode, ref string) (ledger.Meter, bool) {
	return f.meter, mode == f.meter.Mode && (ref == f.meter.EventName || ref == ledger.MeterID(f.meter.Number))
}
func (f *fake) Number([]ledger.Report)                    {}
func (f *fake) MeterNumber(n uint32) (ledger.Meter, bool) { return f.meter, n == f.meter.Number }
func (f *fake) Meters(filter ledger.MeterFilter, p ledger.Page) ([]ledger.Meter, int, error) {
	f.filter, f.page = filter, p
	return []ledger.Meter{f.meter}, 41, f.readErr
}
func (f *fake) Currency(mode ledger.Mode, id string) (ledger.Currency, bool) {
	return f.currency, mode == f.currency.Mode && id == ledger.CurrencyID(f.currency.Number)
}
func (f *fake) CurrencyNumber(n uint32) (ledger.Currency, bool) {
	return f.currency, n == f.currency.Number
}
func (f *fake) Currencies(ledger.Mode) []ledger.Currency { return []ledger.Currency{f.currency} }
func (f *fake) Customer(mode ledger.Mode, id string) (ledger.Customer, bool) {
	if f.absent || id != f.customer.ID || mode != f.customer.Mode {
		return ledger.Customer{}, false
	}
	return f.customer, true
}
func (f *fake) CustomerNumber(n uint32) (ledger.Customer, bool) {
	return f.customer, n == f.customer.Number
}
func (f *fake) Customers(filter ledger.CustomerFilter, p ledger.Page) ([]ledger.Customer, int, error) {
	f.filter, f.page = filter, p
	return []ledger.Customer{f.customer}, 1, f.readErr
}
func (f *fake) Grant(_ context.Context, _ ledger.Mode, id ledger.GrantID) (ledger.Grant, bool, error) {
	return f.grant, id == f.grant.ID, f.readErr
}
func (f *fake) Grants(_ context.Context, filter ledger.GrantFilter, p ledger.Page) ([]ledger.Grant, int, error) {
	f.filter, f.page = filter, p
	return []ledger.Grant{f.grant}, 1, f.readErr
}
func (f *fake) GrantStats(_ context.Context, filter ledger.GrantFilter, offset int64) ([]ledger.GrantStat, error) {
	f.filter, f.offset = filter, offset
	one := ledger.TotalOf(ledger.NewAmount(100))
	return []ledger.GrantStat{
		{Day: 19675, Grants: 1, Granted: one, Remaining: one},
		{Day: 19676, Grants: 2, Granted: one, Consumed: one},
	}, f.readErr
}
func (f *fake) Summary(_ context.Context, _ ledger.Mode, customer, _ string) ([]ledger.BalanceSummary, error) {
	if customer != f.customer.ID {
		return nil, f.readErr
	}
	return []ledger.BalanceSummary{{Currency: 5, Total: ledger.NewAmount(1000), Remaining: ledger.NewAmount(990), Grants: 1}}, f.readErr
}
func (f *fake) Pending(context.Context, ledger.Mode, string, uint32, string) ([]ledger.CurrencyTotal, error) {
	return []ledger.CurrencyTotal{{Currency: 5, Total: ledger.TotalOf(ledger.NewAmount(77))}}, f.readErr
}
func (f *fake) Holders(_ context.Context, _ ledger.Mode, _ uint32, p ledger.Page) ([]ledger.Holder, int, error) {
	f.page = p
	return []ledger.Holder{{Customer: "cus_a", Number: 7, Balance: ledger.NewAmount(990), Grants: 1}}, 21, f.readErr
}
func (f *fake) Event(_ context.Context, _ ledger.Mode, id ledger.EventID) (ledger.Event, bool, error) {
	f.eventGot++
	return f.event, id == f.event.ID, f.readErr
}
func (f *fake) EventAsCounted(_ ledger.Mode, id ledger.EventID) (ledger.Event, bool, error) {
	f.eventGot++
	return f.event, id == f.event.ID, f.readErr
}
func (f *fake) Events(_ context.Context, filter ledger.EventFilter, p ledger.Page) ([]ledger.Event, int, error) {
	f.filter, f.page = filter, p
	return []ledger.Event{f.event}, 1, f.readErr
}
func (f *fake) EventStats(_ context.Context, filter ledger.EventFilter, interval int64) ([]ledger.EventStat, error) {
	f.filter, f.offset = filter, interval
	start := logSecond / interval * interval
	return []ledger.EventStat{{Start: start, Events: 2, Value: ledger.TotalOf(ledger.NewAmount(150))}}, f.readErr
}
func (f *fake) Transaction(_ context.Context, _ ledger.Mode, id ledger.TransactionID) (ledger.Transaction, bool, error) {
	return f.row, id == f.row.ID, f.readErr
}
func (f *fake) Transactions(_ context.Context, filter ledger.TransactionFilter, p ledger.Page) ([]ledger.Transaction, int, error) {
	f.filter, f.page = filter, p
	return []ledger.Transaction{f.row}, 1, f.readErr
}
func (f *fake) TransactionTotals(_ context.Context, filter ledger.TransactionFilter) (ledger.TransactionTotals, error) {
	f.filter = filter
	return ledger.TransactionTotals{Drawn: ledger.TotalOf(ledger.NewAmount(150)), Rows: 1}, f.readErr
}

// encode is a command as a store receives it.
func encode(c ledger.Command) []byte {
	var b ledger.Batch
	b.Add(c)
	return b.At(0)
}

// submitted fails the test unless the last submission was exactly these commands.
func (f *fake) submitted(t *testing.T, want ...ledger.Command) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.commands) != len(want) {
		t.Fatalf("%d commands submitted, want %d", len(f.commands), len(want))
	}
	for i, c := range want {
		if got := f.commands[i]; !bytes.Equal(got, encode(c)) {
			t.Errorf("command %d is\n%q, want\n%q", i, got, encode(c))
		}
	}
}

// rig is a server on a loopback port with a client of its own.
type rig struct {
	*fake
	*testing.T
	server *Server
	addr   string
	client http.Client
}

func newRig(t *testing.T) *rig { return newRigWith(t, Options{}) }

func newRigWith(t *testing.T, o Options, change ...func(*Server)) *rig {
	t.Helper()
	f := newFake()
	o.Store, o.View = f, f
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	r := &rig{fake: f, T: t, server: New(o)}
	for _, f := range change {
		f(r.server)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(ln) }()
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = r.server.Shutdown(ctx)
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

type reply struct {
	status int
	header http.Header
	text   string
	object map[string]any // nil if the body is not an object
}

func (r *rig) do(method, target, body string, header ...string) reply {
	r.Helper()
	request, err := http.NewRequest(method, "http://"+r.addr+target, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := r.client.Do(request)
	if err != nil {
		r.Fatalf("%s %s: %v", method, target, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	answer := reply{status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &answer.object)
	return answer
}

// ok is do for a call that has to succeed.
func (r *rig) ok(method, target, body string) reply {
	r.Helper()
	answer := r.do(method, target, body)
	if answer.status != http.StatusOK {
		r.Fatalf("%s %s: %d %s", method, target, answer.status, answer.text)
	}
	return answer
}

// refused is do for a call that has to fail with the status, code and field.
func (r *rig) refused(method, target, body string, status int, code, param string) reply {
	r.Helper()
	answer := r.do(method, target, body)
	got, _ := answer.object["param"].(string)
	sentence, _ := answer.object["error"].(string)
	if answer.status != status || answer.object["code"] != code || got != param {
		r.Errorf("%s %s %.200s:\n got %d %s\nwant %d code %s param %q", method, target, body, answer.status, answer.text, status, code, param)
	}
	if sentence == "" || !strings.HasPrefix(sentence, param) {
		r.Errorf("%s %s: the sentence %q does not begin with the field %q", method, target, sentence, param)
	}
	return answer
}

// at is a value deep in an answer: at("paging.page").
func (a reply) at(path string) any {
	var v any = a.object
	for _, key := range strings.Split(path, ".") {
		switch step := v.(type) {
		case map[string]any:
			v = step[key]
		case []any:
			if key != "0" || len(step) == 0 {
				return nil
			}
			v = step[0]
		default:
			return nil
		}
	}
	return v
}

// expect holds values of an answer against what they should be.
func (r *rig) expect(a reply, want map[string]any) {
	r.Helper()
	for path, value := range want {
		if n, ok := value.(int); ok {
			value = float64(n)
		}
		if got := a.at(path); got != value {
			r.Errorf("%s is %v (%T), want %v in %s", path, got, got, value, a.text)
		}
	}
}
