package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// answering serves every request with what the function says.
func answering(t *testing.T, answer func(w http.ResponseWriter, body []byte)) (addr string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer(w, body)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

var tenEvents = Events{Name: "tokens", Customers: 10}

func sender(t *testing.T, addr string, e Events, batch int) *HTTPSender {
	t.Helper()
	s, err := NewHTTPSender(addr, "json", e, batch, NewStream(e, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestAnswers: only an answer that accounts for every event is one.
func TestAnswers(t *testing.T) {
	repeating := tenEvents
	repeating.Repeats = .5
	for _, c := range []struct {
		status int
		body   string
		events Events
		batch  int
		want   Answer
		fails  string
	}{
		{200, `{"accepted":5,"duplicates":0,"rejected":0,"results":[]}`, tenEvents, 5, Answer{5, 0}, ""},
		{200, `{"accepted":3,"duplicates":2,"rejected":0,"results":[]}`, repeating, 5, Answer{3, 2}, ""},
		{200, `{"accepted":3,"duplicates":2,"rejected":0,"results":[]}`, tenEvents, 5, Answer{}, "duplicates"},
		{200, `{"accepted":4,"duplicates":0,"rejected":1,"results":[]}`, tenEvents, 5, Answer{}, "1 rejected"},
		{200, `{"accepted":4,"duplicates":0,"rejected":0,"results":[]}`, tenEvents, 5, Answer{}, "of 5 events 4"},
		{200, `{}`, tenEvents, 5, Answer{}, "accepted"},
		{503, `{"error":"busy"}`, tenEvents, 5, Answer{}, "status 503: {\"error\":\"busy\"}"},
		{200, `{"id":"evt_1","duplicate":true}`, repeating, 1, Answer{0, 1}, ""},
		{201, `{"id":"evt_1"}`, tenEvents, 1, Answer{1, 0}, ""},
		{200, `{"id":"evt_1","duplicate":true}`, tenEvents, 1, Answer{}, "duplicates"},
		{200, `[]`, tenEvents, 1, Answer{}, "no event"},
		{200, strings.Repeat(" ", 100_000) + `{"accepted":5,"duplicates":0,"rejected":0}`, tenEvents, 5, Answer{5, 0}, ""},
	} {
		addr := answering(t, func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Content-Length", fmt.Sprint(len(c.body)))
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		got, err := sender(t, addr, c.events, c.batch).Send(time.Now())
		switch {
		case c.fails == "" && (err != nil || got != c.want):
			t.Errorf("%.80s: %v %v, want %v", c.body, got, err, c.want)
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("%.80s: %v, want an error with %q", c.body, err, c.fails)
		}
	}
}

// TestConnectsAgain: a broken connection fails one request and no more.
func TestConnectsAgain(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1<<16))
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\ncontent-length:  7\r\n\r\n{\"id\":\""))
			_, _ = conn.Read(make([]byte, 1<<16))
			_ = conn.Close()
		}
	}()
	s := sender(t, listener.Addr().String(), tenEvents, 1)
	for i, fails := range []bool{false, true, false, true} {
		if _, err := s.Send(time.Now()); (err != nil) != fails {
			t.Fatalf("request %d: %v", i, err)
		}
	}
}

// TestHeads: what is no answer is not taken for one.
func TestHeads(t *testing.T) {
	for head, ok := range map[string]bool{
		"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n": true, "HTTP/1.1 200 OK\r\nA: b\r\nCONTENT-LENGTH:12\r\n": true,
		"HTTP/1.1 200 OK\r\n": false, "HTTP/1.1 200 OK\r\nX-Content-Length: 12\r\n": false, "HTTP/2 200 OK\r\nContent-Length: 12\r\n": false,
		"HTTP/1.1 099 OK\r\nContent-Length: 12\r\n": false, "HTTP/1.1 200 OK\r\nContent-Length: x\r\n": false, "": false,
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n": false,
	} {
		status, length, err := parseHead([]byte(head))
		if (err == nil) != ok || ok && (status != 200 || length != 12) {
			t.Errorf("%q: %d %d %v", head, status, length, err)
		}
	}
}

// slowSender takes a time for each request.
type slowSender struct {
	takes time.Duration
	sent  atomic.Int64
	fails bool
}

func (s *slowSender) Send(time.Time) (Answer, error) {
	s.sent.Add(1)
	time.Sleep(s.takes)
	if s.fails {
		return Answer{}, errors.New("no")
	}
	return Answer{Accepted: 10}, nil
}

func (s *slowSender) Close() error { return nil }

// TestOpenLoopShowsWaiting: at a rate that the system cannot take, latency grows
// with the requests that wait; in a closed loop it does not.
func TestOpenLoopShowsWaiting(t *testing.T) {
	const takes = 20 * time.Millisecond
	run := func(rate float64) Measured {
		m, err := Drive(context.Background(), Options{
			Senders: []Sender{&slowSender{takes: takes}}, Batch: 10, Duration: 600 * time.Millisecond, Rate: rate,
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	closed, open := run(0), run(10*1000) // 1,000 requests a second; 50 are possible
	if open.Latency.Max < 200 || open.Latency.Max < 3*closed.Latency.P50 {
		t.Errorf("the longest wait was %.0f ms, in a closed loop the median %.0f ms", open.Latency.Max, closed.Latency.P50)
	}
	// One request may have been under way when the measurement began.
	if closed.Acknowledged-closed.Events > 10 || closed.Events != closed.Requests*10 {
		t.Errorf("%+v", closed)
	}
}

// TestDrive: what settling takes and leaves undone counts against the rate, and
// failures are told.
func TestDrive(t *testing.T) {
	good, bad := &slowSender{takes: time.Millisecond}, &slowSender{takes: time.Millisecond, fails: true}
	began := false
	m, err := Drive(context.Background(), Options{
		Senders: []Sender{good, bad}, Batch: 10, Warmup: 50 * time.Millisecond, Duration: 200 * time.Millisecond,
		Begin: func() error { began = true; return nil },
		Settle: func() (int64, error) {
			time.Sleep(50 * time.Millisecond)
			return 30, nil
		},
	})
	if err != nil || !began {
		t.Fatal(err, began)
	}
	if m.Acknowledged != good.sent.Load()*10 || m.Undone != 30 || m.Events >= m.Acknowledged || m.SettleSeconds < .05 || m.Seconds < .25 {
		t.Errorf("%+v, %d sent", m, good.sent.Load())
	}
	if m.Failed != bad.sent.Load() || m.FirstFailure != "no" {
		t.Errorf("%d failures (%s), want %d", m.Failed, m.FirstFailure, bad.sent.Load())
	}
	for _, o := range []Options{{Begin: func() error { return io.EOF }}, {Settle: func() (int64, error) { return 0, io.EOF }}} {
		o.Senders, o.Duration = []Sender{good}, 10*time.Millisecond
		if _, err := Drive(context.Background(), o); !errors.Is(err, io.EOF) {
			t.Errorf("%v", err)
		}
	}
}
