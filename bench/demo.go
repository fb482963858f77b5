package bench

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"github.com/schollz/progressbar/v3"
)

// The size of the demonstration.
const (
	demoEvents      = 1_000_000
	demoBatch       = 1_000
	demoCustomers   = 1_000
	demoConnections = 4
	demoGrant       = 10_000 // whole tokens for each customer, more than anyone uses
	demoDecimals    = 2
	demoUnit        = 100 // 10^demoDecimals
)

// Demo shows on a throw-away node what Drawdown promises: the four steps, then a
// million events, the node killed in the middle of them, and the sums at the end.
func Demo(ctx context.Context, binary string, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "drawdown-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	node, err := NewNode(binary, dir)
	if err != nil {
		return err
	}
	if _, err := node.Start(ctx); err != nil {
		return err
	}
	defer func() {
		if stopErr := node.Stop(10 * time.Second); err == nil {
			err = stopErr
		}
	}()
	d := demo{ctx: ctx, node: node, client: NewClient(node.URL()), out: out}
	d.say("A node on %s, its data in %s.\n", node.Addr, dir)
	if err := d.fourSteps(); err != nil {
		return err
	}
	if err := d.million(); err != nil {
		return fmt.Errorf("%w\nthe node's log: %s", err, tail(node.LogPath()))
	}
	return nil
}

type demo struct {
	ctx    context.Context
	node   *Node
	client *Client
	out    io.Writer
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// fourSteps is the guide's way: a meter, a grant, an event, the balance and the
// transactions.
func (d *demo) fourSteps() error {
	meter, err := d.client.CreateMeter("api_calls", demoDecimals)
	if err != nil {
		return err
	}
	d.say("1. a meter        %s, paid for in %s", meter.ID, meter.CurrencyID)
	if err := d.client.Grant("alice", meter.CurrencyID, "1000"); err != nil {
		return err
	}
	d.say("2. a grant        1000 credits for alice")
	event := map[string]any{
		"event_name": "api_calls", "identifier": "request-1", "payload": map[string]any{"customer_id": "alice", "value": "10"},
	}
	for range 2 {
		var answer struct {
			Status    string `json:"status"`
			Duplicate bool   `json:"duplicate"`
		}
		if err := d.client.Call("POST", "/api/meter-events", event, &answer); err != nil {
			return err
		}
		d.say("3. an event       10 credits under request-1: %s, duplicate: %v", answer.Status, answer.Duplicate)
	}
	balance, err := d.client.Balance("alice", meter.CurrencyID)
	if err != nil {
		return err
	}
	d.say("4. the balance    %s in units of 0.01 credits", balance)
	if balance != "99000" {
		return fmt.Errorf("alice holds %s, expected 99000", balance)
	}
	return d.showTransactions()
}

func (d *demo) showTransactions() error {
	var list struct {
		Data []struct {
			Type    string `json:"type"`
			Amount  string `json:"amount"`
			Balance string `json:"running_balance"`
		} `json:"data"`
	}
	if err := d.client.Send("GET", "/api/credit-transactions?customer_id=alice", nil, &list); err != nil {
		return err
	}
	for _, tx := range list.Data {
		d.say("   transaction    %-12s %8s, balance %s", tx.Type, tx.Amount, tx.Balance)
	}
	return nil
}

// million sends a million events, kills the node in the middle and checks what it
// still knows.
func (d *demo) million() error {
	w := Workload{Seed: 1, EventName: "tokens", Customers: demoCustomers, Batch: demoBatch}
	meter, err := d.client.CreateMeter(w.EventName, demoDecimals)
	if err != nil {
		return err
	}
	for i := range w.Customers {
		if err := d.client.Grant(w.Customer(i), meter.CurrencyID, fmt.Sprint(demoGrant)); err != nil {
			return err
		}
	}
	run := NewRun(w, d.client, demoConnections, demoEvents/demoBatch)
	begin := time.Now()
	if err := d.sendWithKill(run); err != nil {
		return err
	}
	d.say("All %d events acknowledged, %.1f s with the restart.", demoEvents, time.Since(begin).Seconds())
	return d.verify(run, meter)
}

func (d *demo) sendWithKill(run *Run) error {
	bar := progressbar.NewOptions(demoEvents, progressbar.OptionSetWriter(d.out), progressbar.OptionSetWidth(40), progressbar.OptionSetDescription("events"),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("events"),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true))
	var acked atomic.Int64
	half := make(chan struct{})
	run.OnBatch = func() {
		if n := acked.Add(1); n == demoEvents/demoBatch/2 {
			close(half)
		}
		_ = bar.Add(demoBatch)
	}
	killed := make(chan error, 1)
	go func() {
		<-half
		killed <- d.node.Kill()
	}()
	failed := run.Send(d.ctx)
	if acked.Load() < demoEvents/demoBatch/2 {
		return fmt.Errorf("the node failed before it was killed: %w", failed)
	}
	if err := <-killed; err != nil {
		return err
	}
	d.say("\nKilled with SIGKILL after %d acknowledged events (%d calls were cut off).", run.Acked()*demoBatch, demoConnections)
	took, err := d.node.Start(d.ctx)
	if err != nil {
		return err
	}
	d.client.Forget()
	d.say("Ready again after %d ms. Sending what was never acknowledged.", took.Milliseconds())
	if err := run.Send(d.ctx); err != nil {
		return err
	}
	return bar.Finish()
}

func (d *demo) verify(run *Run, meter Meter) error {
	d.say("")
	count, err := d.client.EventCount(meter.ID)
	if err != nil {
		return err
	}
	d.say("counted           %d events, each exactly once", count)
	if count != demoEvents {
		return fmt.Errorf("%d events counted, %d sent", count, demoEvents)
	}
	if err := run.VerifyBalances(meter.CurrencyID, demoGrant*demoUnit, demoUnit); err != nil {
		return err
	}
	d.say("balances          %d customers hold exactly what they must", run.Customers)
	check, err := d.client.Check()
	if err != nil {
		return err
	}
	if !check.OK {
		return fmt.Errorf("the node's own check: %v", check.Violations)
	}
	d.say("own check         every account adds up, at log index %d", check.Index)
	var list struct {
		Count int `json:"count"`
	}
	path := "/api/credit-transactions?customer_id=" + url.QueryEscape(run.Customer(0))
	if err := d.client.Send("GET", path, nil, &list); err != nil {
		return err
	}
	d.say("transactions      %d of %s", list.Count, run.Customer(0))
	return nil
}

// tail is the end of a file, for an error message.
func tail(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}
