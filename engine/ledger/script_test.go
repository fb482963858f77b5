package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// The scripts in testdata say in the domain's own words what the rules come to.
// Each line is an entry of its own; the lines under "entry" share one. Times are
// counted from the start of the script.
//
//	meter event=tokens decimals=2 [count] [currency=<event>] [mode=test]
//	activate|deactivate <event>
//	grant <name> cus=a credits=100 [currency=<event>] [expires=+30d] [effective=+1d] [priority=10]
//	      [category=promotional] [prices=p1|p2] [meters=tokens|chat] [metadata={...}] [mode=test]
//	report id=e1 cus=a value=10 [meter=tokens] [sub=s1] [at=+1h] [mode=test]
//	subscription s1 prices=p1|p2
//	void|expire <grant>       metadata <grant> {...}      settle [customers]
//	advance 30d               clock
//	balance a   grants a   transactions a   customers   due
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		w := &script{driver: newDriver(t, 3), now: epoch * nanosPerSecond, grants: map[string]GrantID{}, meters: map[modeText]uint32{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "entry" {
				return w.entry(t, strings.Split(d.Input, "\n"))
			}
			return w.line(t, words{d.Cmd, d.CmdArgs})
		})
	})
}

type script struct {
	driver *driver
	now    int64 // Unix nanoseconds
	grants map[string]GrantID
	meters map[modeText]uint32
}

// words is one line of a script, taken apart.
type words struct {
	verb string
	args []datadriven.CmdArg
}

func (w words) has(key string) bool {
	return slices.ContainsFunc(w.args, func(a datadriven.CmdArg) bool { return a.Key == key })
}

func (w words) value(key string) string {
	for _, a := range w.args {
		if a.Key == key && len(a.Vals) > 0 {
			return a.Vals[0]
		}
	}
	return ""
}

func (w words) list(key string) []string {
	if w.value(key) == "" {
		return nil
	}
	return strings.Split(w.value(key), "|")
}

func (w words) subject() string {
	if len(w.args) == 0 {
		return ""
	}
	return w.args[0].Key
}

func (w words) mode() Mode {
	if w.value("mode") == "test" {
		return Test
	}
	return Live
}

func (s *script) line(t *testing.T, w words) string {
	switch w.verb {
	case "advance":
		s.now += int64(span(t, w.subject()))
		return ""
	case "clock":
		return since(s.driver.machine.Time)
	case "balance":
		return s.balance(w.subject(), w.mode())
	case "grants":
		return s.listGrants(w.subject(), w.mode())
	case "transactions":
		return s.transactions(w.subject(), w.mode())
	case "customers":
		return s.customers()
	case "due":
		if due := s.driver.nextDue(); due != 0 {
			return since(due * nanosPerSecond)
		}
		return "never"
	}
	name, c := s.command(t, w)
	results := s.driver.do(s.now, c)
	return s.verdict(name, c, &results[0])
}

func (s *script) entry(t *testing.T, lines []string) string {
	var commands []Command
	var list []string
	for _, line := range lines {
		verb, args, err := datadriven.ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		name, c := s.command(t, words{verb, args})
		commands, list = append(commands, c), append(list, name)
	}
	var out strings.Builder
	results := s.driver.do(s.now, commands...)
	for i := range results {
		out.WriteString(s.verdict(list[i], commands[i], &results[i]) + "\n")
	}
	return out.String()
}

// command is what a line asks for, and the name it is known by afterwards.
func (s *script) command(t *testing.T, w words) (string, Command) {
	mode := w.mode()
	switch w.verb {
	case "meter":
		c := &CreateMeter{Mode: mode, EventName: w.value("event")}
		if w.has("count") {
			c.Aggregation = Count
		}
		if w.has("last") {
			c.Aggregation = Last
		}
		if d := w.value("decimals"); d != "" {
			n, _ := strconv.Atoi(d)
			c.Decimals = ptr(uint8(n))
		}
		if w.has("currency") {
			c.Currency = s.currency(mode, w.value("currency"))
		}
		return w.value("event"), c
	case "activate", "deactivate":
		return w.subject(), &UpdateMeter{Mode: mode, Meter: w.subject(), Active: ptr(w.verb == "activate")}
	case "grant":
		c := &CreateGrant{
			Mode: mode, Customer: w.value("cus"), Currency: s.currency(mode, w.value("currency")),
			Amount: mustDecimal(t, w.value("credits")), Priority: DefaultPriority, EffectiveAt: moment(t, w.value("effective")),
			ExpiresAt: moment(t, w.value("expires")), Scope: Scope{w.list("prices"), w.list("meters")},
		}
		if w.value("category") == "promotional" {
			c.Category = Promotional
		}
		if w.has("priority") {
			n, _ := strconv.Atoi(w.value("priority"))
			c.Priority = uint32(n)
		}
		if w.has("metadata") {
			c.Metadata = []byte(w.value("metadata"))
		}
		if w.has("price_type") {
			c.Applicability = []byte(`{"scope":{"price_type":"metered"}}`)
		}
		return w.subject(), c
	case "report":
		c := &Report{
			Mode: mode, Identifier: w.value("id"), Customer: w.value("cus"), EventName: w.value("meter"),
			Value: mustDecimal(t, w.value("value")), Subscription: w.value("sub"),
		}
		if c.EventName == "" {
			c.EventName = "tokens"
		}
		if w.has("at") {
			c.HasTimestamp, c.Timestamp = true, moment(t, w.value("at"))
		}
		return w.value("id"), c
	case "subscription":
		return w.subject(), &SetSubscription{Mode: mode, Subscription: w.subject(), Prices: w.list("prices")}
	case "void":
		return w.subject(), &VoidGrant{mode, s.grants[w.subject()]}
	case "expire":
		return w.subject(), &UpdateGrant{Mode: mode, Grant: s.grants[w.subject()], Expire: true}
	case "metadata":
		return w.subject(), &UpdateGrant{Mode: mode, Grant: s.grants[w.subject()], Metadata: []byte(w.args[1].Key)}
	case "settle":
		c := &Settle{}
		for number := uint32(1); number <= uint32(s.driver.dir().Customers()); number++ {
			if id, _, _ := s.driver.dir().CustomerID(number); len(w.args) == 0 || w.has(id) {
				c.Accounts = append(c.Accounts, number)
			}
		}
		return "settle", c
	}
	t.Fatalf("a script says %q", w.verb)
	return "", nil
}

// currency is the id of the currency of a meter, of the first meter if none is named.
func (s *script) currency(mode Mode, event string) string {
	if strings.HasPrefix(event, "pc_") {
		return event
	}
	for number := uint32(1); number <= uint32(s.driver.dir().Meters()); number++ {
		if m, _ := s.driver.dir().MeterNumber(number); m.Mode == mode && (event == "" || m.EventName == event) {
			return CurrencyID(m.Currency)
		}
	}
	return "pc_none"
}

func (s *script) verdict(name string, c Command, r *Result) string {
	text := fmt.Sprintf("%s: %v", name, r.Code)
	switch report, isReport := c.(*Report); {
	case r.Code == Duplicate:
		customer, _, _ := s.driver.dir().CustomerID(r.Account)
		text += " of event " + strconv.FormatUint(r.Seq, 10) + " of " + customer
	case isReport && r.Code == OK:
		m, _ := s.driver.dir().Meter(report.Mode, report.EventName)
		decimals := s.decimals(m.Currency)
		text += fmt.Sprintf(", consumed %s", r.Consumed.Tokens(decimals))
		if !r.Pending.IsZero() {
			text += fmt.Sprintf(", pending %s", r.Pending.Tokens(decimals))
		}
	}
	if _, ok := c.(*CreateGrant); ok && r.Code == OK {
		s.grants[name] = r.Grant()
	}
	if err := s.driver.checkAll(); err != nil {
		text += "\n" + err.Error()
	}
	return text
}

func (s *script) decimals(currency uint32) uint8 {
	c, _ := s.driver.dir().CurrencyNumber(currency)
	return c.Decimals
}

func (s *script) account(customer string, mode Mode) (*Book, uint32) {
	number := s.driver.dir().FindCustomer(mode, customer)
	return s.driver.book(number), number
}

func (s *script) balance(customer string, mode Mode) string {
	book, number := s.account(customer, mode)
	if number == 0 {
		return "no such customer"
	}
	var out strings.Builder
	dir := s.driver.dir()
	for currency := uint32(1); currency <= uint32(dir.Currencies()); currency++ {
		var sum BalanceSummary
		for _, one := range book.Summary(number, "", mode, s.driver.machine.Time, dir) {
			if one.Currency == currency {
				sum = one
			}
		}
		var owed Amount
		for _, one := range book.Pending(number, currency, mode, "", dir) {
			owed = one.Amount
		}
		if sum.Grants > 0 || !owed.IsZero() {
			decimals := s.decimals(currency)
			fmt.Fprintf(&out, "currency %d: %s to spend, %s pending\n", currency, sum.Remaining.Tokens(decimals), owed.Tokens(decimals))
		}
	}
	if out.Len() == 0 {
		return "nothing to spend, nothing pending"
	}
	return out.String()
}

var statusNames = []string{"pending", "granted", "depleted", "expired", "voided"}

func (s *script) listGrants(customer string, mode Mode) string {
	book, number := s.account(customer, mode)
	var lines []string
	book.EachGrant(number, &GrantFilter{Mode: mode}, s.driver.dir(), func(g Grant) bool {
		decimals := s.decimals(g.Currency)
		text := fmt.Sprintf("%s: %s, %s of %s left", s.grantName(g.ID), statusNames[g.Status], g.Remaining.Tokens(decimals), g.Amount.Tokens(decimals))
		for _, part := range []struct {
			name   string
			amount Amount
		}{{"consumed", g.Consumed}, {"expired", g.Expired}, {"voided", g.Voided}} {
			if !part.amount.IsZero() {
				text += fmt.Sprintf(", %s %s", part.name, part.amount.Tokens(decimals))
			}
		}
		if g.VoidedAt != 0 {
			text += " at " + since(g.VoidedAt*nanosPerSecond)
		}
		if g.Metadata != nil {
			text += " " + string(g.Metadata)
		}
		lines = append(lines, text)
		return true
	})
	slices.Reverse(lines)
	return strings.Join(lines, "\n")
}

func (s *script) grantName(id GrantID) string {
	for name, g := range s.grants {
		if g == id {
			return name
		}
	}
	return "?"
}

var rowNames = []string{"grant", "consumption", "expiration", "adjustment"}

func (s *script) transactions(customer string, mode Mode) string {
	_, number := s.account(customer, mode)
	identifiers, events := map[uint64]string{}, 0
	var out strings.Builder
	for _, rec := range s.driver.records[number] {
		if rec.event != nil {
			identifiers[rec.seq] = rec.identifier
			events++
		}
		for _, row := range rec.rows {
			decimals, sign := s.decimals(row.Currency), "+"
			if row.Negative {
				sign = "-"
			}
			fmt.Fprintf(&out, "%s %s %s%s %s (%s left), balance %s", since(rec.time), rowNames[row.Type], sign,
				row.Amount.Tokens(decimals), s.grantName(GrantID{number, row.Grant}), row.GrantRemaining.Tokens(decimals),
				row.Balance.Tokens(decimals))
			if row.EventSeq != 0 {
				fmt.Fprintf(&out, ", for %s", identifiers[row.EventSeq])
			}
			out.WriteString("\n")
		}
	}
	fmt.Fprintf(&out, "%d events", events)
	return out.String()
}

func (s *script) customers() string {
	var out strings.Builder
	for number := uint32(1); number <= uint32(s.driver.dir().Customers()); number++ {
		c, _ := s.driver.dir().CustomerNumber(number)
		fmt.Fprintf(&out, "%d %s %s since %s\n", number, c.ID, []string{"live", "test"}[c.Mode], since(c.Created))
	}
	if out.Len() == 0 {
		return "none"
	}
	return out.String()
}

// moment is a time in a script, such as +30d, in Unix seconds; 0 for "".
func moment(t *testing.T, text string) int64 {
	if text == "" {
		return 0
	}
	return epoch + int64(span(t, strings.TrimPrefix(text, "+"))/time.Second)
}

func span(t *testing.T, text string) time.Duration {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n) * 24 * time.Hour
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// since is a log time as a script has it, in whole seconds.
func since(now int64) string {
	s := now/nanosPerSecond - epoch
	if s != 0 && s%86400 == 0 {
		return fmt.Sprintf("+%dd", s/86400)
	}
	return "+" + (time.Duration(s) * time.Second).String()
}
