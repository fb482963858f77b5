package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Grants are credit grants for a range of customers, one call each.
type Grants struct {
	Addr        string // host:port
	Currency    string
	Amount      string // whole tokens, of each grant
	First, End  int    // customers, from First to below End
	Each        int    // grants for each customer; 0 is one
	Connections int    // 0 is enough to keep a node busy
	Progress    io.Writer
}

// grantConnections share the log's syncs: a grant is a call of its own.
const grantConnections = 256

// Make creates the grants. The first error ends it.
func (g Grants) Make(ctx context.Context) error {
	each := max(1, g.Each)
	total := int64((g.End - g.First) * each)
	connections := g.Connections
	if connections == 0 {
		connections = grantConnections
	}
	bar := Bar(g.Progress, int(total), "grants")
	defer bar.Finish()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range connections {
		wait.Go(func() {
			s := newGrantSender(g)
			defer s.conn.close()
			for n := next.Add(1) - 1; n < total && ctx.Err() == nil; n = next.Add(1) - 1 {
				if err := s.send(g.First + int(n)/each); err != nil {
					cancel(fmt.Errorf("a grant: %w", err))
				}
				if n%256 == 0 {
					_ = bar.Set64(n)
				}
			}
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// grantSender creates grants over a connection of its own.
type grantSender struct {
	conn     connection
	request  []byte
	customer int // where its digits are
}

func newGrantSender(g Grants) *grantSender {
	body := `{"customer_id":"` + customerMark + `","currency_id":"` + g.Currency + `","amount":"` + g.Amount + `","category":"paid"}`
	request := fmt.Sprintf("POST /api/credit-grants HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		g.Addr, len(body), body)
	return &grantSender{
		conn: connection{addr: g.Addr}, request: []byte(request), customer: strings.Index(request, customerMark) + len("cus_"),
	}
}

var errNoGrant = errors.New("the answer is no grant")

func (s *grantSender) send(customer int) error {
	putDigits(s.request[s.customer:s.customer+8], uint32(customer))
	status, body, err := s.conn.exchange(time.Now(), s.request)
	switch {
	case err != nil:
		return err
	case status/100 != 2:
		return &StatusError{status, string(body)}
	case !bytes.HasPrefix(body, []byte(`{"id":"`)):
		return errNoGrant
	}
	return nil
}
