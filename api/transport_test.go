package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// raw sends bytes over a connection of their own and returns the answers that
// come back until it is closed, or until there are want of them.
func (r *rig) raw(text string, want int) (answers []reply, closed bool) {
	r.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		r.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		r.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for len(answers) < want {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers, true
		}
		body, _ := io.ReadAll(response.Body)
		answer := reply{status: response.StatusCode, header: response.Header, text: string(body)}
		_ = json.Unmarshal(body, &answer.object)
		answers = append(answers, answer)
		if response.Close {
			_, err := reader.ReadByte()
			return answers, err == io.EOF
		}
	}
	return answers, false
}

// TestSmuggling is a table of requests that two readers on one way could cut or
// route differently. Behind each comes another request, hidden or not, which must
// not be answered on the same connection once its beginning is in doubt.
func TestSmuggling(t *testing.T) {
	r := newRig(t)
	const hidden = "GET /api/customers/cus_a HTTP/1.1\r\nHost: x\r\n\r\n"
	event := func(header, body string) string {
		return "POST /api/meter-events HTTP/1.1\r\nHost: x\r\n" + header + "\r\n" + body
	}
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(goodEvent), goodEvent)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(goodEvent))
	for _, c := range []struct{ name, text string }{
		{"length and chunks", event(length+"Transfer-Encoding: chunked\r\n", chunked)},
		{"chunks and length", event("Transfer-Encoding: chunked\r\n"+length, chunked)},
		{"length and identity", event(length+"Transfer-Encoding: identity\r\n", goodEvent)},
		{"identity alone", event("Transfer-Encoding: identity\r\n", "")},
		{"unknown encoding", event("Transfer-Encoding: xchunked\r\n", chunked)},
		{"two encodings", event("Transfer-Encoding: gzip, chunked\r\n", chunked)},
		{"encoding twice", event("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked)},
		{"space before the colon", event("Transfer-Encoding : chunked\r\n"+length, goodEvent)},
		{"length twice", event(length+length, goodEvent)},
		{"two lengths", event(length+"Content-Length: 0\r\n", goodEvent)},
		{"length with a sign", event("Content-Length: +5\r\n", "     ")},
		{"length in hexadecimal", event("Content-Length: 0x5\r\n", "     ")},
		{"negative length", event("Content-Length: -5\r\n", "     ")},
		{"continued line", event("X-A: b\r\n c: d\r\n"+length, goodEvent)},
		{"continued encoding", event("Transfer-Encoding:\r\n chunked\r\n", chunked)},
		{"NUL in a header", event("X-A: b\x00c\r\n"+length, goodEvent)},
		{"lone CR in a header", event("X-A: b\rTransfer-Encoding: chunked\r\n"+length, goodEvent)},
		{"two hosts", "GET /api/meters HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
		{"no host", "GET /api/meters HTTP/1.1\r\n\r\n"},
		{"small letters in the method", "get /api/meters HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"method with a digit", "GET1 /api/meters HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"bad chunk", event("Transfer-Encoding: chunked\r\n", "zz\r\n")},
		{"HTTP/1.0 with chunks", "POST /api/meter-events HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked},
		{"no version", "GET /api/meters\r\n\r\n"},
		{"version 9", "GET /api/meters HTTP/9.9\r\nHost: x\r\n\r\n"},
	} {
		answers, closed := r.raw(c.text+hidden, 2)
		if len(answers) != 1 || answers[0].status < 400 || answers[0].status >= 500 || !closed {
			t.Errorf("%s: %d answers, closed %v: %+v", c.name, len(answers), closed, answers)
			continue
		}
		if answers[0].object["error"] == nil || answers[0].object["code"] == nil {
			t.Errorf("%s: the answer is %s", c.name, answers[0].text)
		}
	}
	if r.commands != nil {
		t.Error("one of them was counted")
	}
}

// TestTargets is that targets which readers clean in different ways are refused,
// and that the connection can be used after it.
func TestTargets(t *testing.T) {
	r := newRig(t)
	const next = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, target := range []string{
		"/api/meters/../customers", "/api/./meters", "//api/meters", "/api//meters", "/api/meters/%2e%2e", "/api/meters/%2E",
		"/api/meters\\x", "/..\\api", "/api/meters/%zz", "/api/meters/%4", "/api/meters/%", "/api/meters/%00", "/api/meters/%0a",
		"/api/meters/%ff", "/api/meters/%c0%ae", "http://x/api/meters", "http://evil/healthz", "/api/meters#x", "/api/meters?a=%zz",
		"/api/meters?q=%ff", "/api/meters?q=%00",
	} {
		answers, _ := r.raw("GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n"+next, 2)
		if len(answers) != 2 || answers[0].status != 400 || answers[1].status != 200 {
			t.Errorf("%s: %+v", target, answers)
		}
	}
	for _, target := range []string{"*", "api/meters", "x:80"} {
		answers, _ := r.raw("GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n", 1)
		if len(answers) != 1 || answers[0].status != 400 {
			t.Errorf("%s: %+v", target, answers)
		}
	}
	answers, _ := r.raw("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"+next, 2)
	if len(answers) != 2 || answers[0].status != 204 {
		t.Errorf("OPTIONS *: %+v", answers)
	}
}

// TestConnectionAfterRefusal is that a refusal, of whatever kind, leaves the
// connection usable when the request itself was whole.
func TestConnectionAfterRefusal(t *testing.T) {
	r := newRig(t)
	request := func(method, target, body string) string {
		return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, target, len(body), body)
	}
	text := request(post, "/api/meter-events", "{") + request(post, "/api/nothing", goodEvent) + request("DELETE", "/api/meters", "x") +
		request(get, "/api/meters/none", "") + request(post, "/api/meter-events", "[]") + request(post, "/api/meter-events", goodEvent)
	answers, _ := r.raw(text, 6)
	for i, want := range []int{400, 404, 405, 404, 400, 200} {
		if i >= len(answers) || answers[i].status != want {
			t.Fatalf("answer %d of %+v, want %d", i, answers, want)
		}
	}
}

func TestChunkedBody(t *testing.T) {
	r := newRig(t)
	half := len(goodEvent) / 2
	text := fmt.Sprintf("POST /api/meter-events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
		half, goodEvent[:half], len(goodEvent)-half, goodEvent[half:])
	if answers, _ := r.raw(text, 1); len(answers) != 1 || answers[0].status != 200 {
		t.Errorf("%+v", answers)
	}
	huge := fmt.Sprintf("POST /api/meter-events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
		maxBody+1, strings.Repeat(" ", maxBody+1))
	if answers, _ := r.raw(huge, 1); len(answers) != 1 || answers[0].status != 413 {
		t.Errorf("too large in chunks: %+v", answers)
	}
}

func TestExpectContinue(t *testing.T) {
	r := newRig(t)
	text := fmt.Sprintf("POST /api/meter-events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n%s", len(goodEvent), goodEvent)
	answers, _ := r.raw(text, 2)
	if len(answers) != 2 || answers[0].status != 100 || answers[1].status != 200 {
		t.Errorf("%+v", answers)
	}
}

func TestBodyWithGet(t *testing.T) {
	r := newRig(t)
	r.absent = true
	text := "GET /api/customers/cus_a?livemode=true HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"create\":true}"
	if answers, _ := r.raw(text, 1); len(answers) != 1 || answers[0].at("id") != "cus_a" {
		t.Errorf("%+v", answers)
	}
}

func TestContentEncoding(t *testing.T) {
	r := newRig(t)
	if answer := r.do(post, "/api/meter-events", goodEvent, "Content-Encoding", "gzip"); answer.status != 415 {
		t.Errorf("gzip: %d", answer.status)
	}
	if answer := r.do(post, "/api/meter-events", goodEvent, "Content-Encoding", "identity"); answer.status != 200 {
		t.Errorf("identity: %d", answer.status)
	}
	if answer := r.do(put, "/api/meters/tokens/activate", "", "Content-Type", "application/x-www-form-urlencoded"); answer.status != 200 {
		t.Errorf("a form without fields: %d", answer.status)
	}
}

func TestCrossOrigin(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		method, header, value string
		status                int
	}{
		{post, "Origin", "http://evil.example", 403}, {post, "Origin", "null", 403}, {post, "Origin", "http://" + r.addr, 200},
		{post, "Sec-Fetch-Site", "cross-site", 403}, {post, "Sec-Fetch-Site", "same-site", 403}, {post, "Sec-Fetch-Site", "same-origin", 200},
		{post, "Sec-Fetch-Site", "none", 200},
	} {
		if answer := r.do(c.method, "/api/meter-events", goodEvent, c.header, c.value); answer.status != c.status {
			t.Errorf("%s: %s: %d, want %d", c.header, c.value, answer.status, c.status)
		}
	}
	if answer := r.do(get, "/api/meters", "", "Origin", "http://evil.example"); answer.status != 200 {
		t.Errorf("a read: %d", answer.status) // its answer is not shown to the page
	}
}

// TestTrickle is that a sender who stops in the middle is answered and cut off.
func TestTrickle(t *testing.T) {
	const patience = 100 * time.Millisecond
	r := newRigWith(t, Options{}, func(s *Server) {
		s.http.ReadTimeout = patience
		s.http.HeaderReceived = func(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
			config := requestConfig(h)
			config.ReadTimeout = patience
			return config
		}
	})
	for _, text := range []string{
		"POST /api/meter-events HTTP/1.1\r\nHost: x\r\nX-A: b",
		"POST /api/meter-events HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n" + goodEvent,
		"POST /api/meter-events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	} {
		start := time.Now()
		answers, closed := r.raw(text, 2)
		if len(answers) != 1 || answers[0].status != 408 || !closed || time.Since(start) > 2*time.Second {
			t.Errorf("%.60q: closed %v after %v: %+v", text, closed, time.Since(start), answers)
		}
	}
	if r.commands != nil {
		t.Error("half a request was counted")
	}
}

// TestShutdown is that a call in flight is answered before the server ends.
func TestShutdown(t *testing.T) {
	r := newRig(t)
	r.block = make(chan struct{})
	first := make(chan reply)
	go func() { first <- r.do(post, "/api/meter-events", goodEvent) }()
	for r.server.inFlight.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ended := make(chan error)
	go func() { ended <- r.server.Shutdown(t.Context()) }()
	time.Sleep(50 * time.Millisecond)
	close(r.block)
	if answer := <-first; answer.status != 200 {
		t.Errorf("%d %s", answer.status, answer.text)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestRequireLoopback(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:8080": true, "127.9.9.9:80": true, "[::1]:8080": true, "localhost:0": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:8080": false, ":8080": false, "[::]:8080": false, "10.0.0.1:80": false, "example.com:80": false, "127.0.0.1": false, "": false,
	} {
		if err := RequireLoopback(addr); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
