package raftstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"reflect"
	"testing"
	"testing/iotest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"drawdown/engine/ledger"
)

// TestFrames: what goes in comes out, in whatever pieces, and damage is found.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := frame{
			number: rapid.Uint64().Draw(t, "number"), kind: rapid.Byte().Draw(t, "kind"), left: rapid.Uint32().Draw(t, "left"),
			payload: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"),
		}
		raw := appendFrame(nil, &f)
		got, err := readFrame(iotest.OneByteReader(bytes.NewReader(raw)))
		if err != nil || got.number != f.number || got.kind != f.kind || got.left != f.left || !bytes.Equal(got.payload, f.payload) {
			t.Fatalf("%+v became %+v (%v)", f, got, err)
		}
		ahead, _ := readAhead(bytes.NewReader(raw))
		if skipped, err := ahead.skip(bytes.NewReader(raw[frameLead:])); err != nil || skipped.number != f.number || skipped.kind != f.kind {
			t.Fatalf("%+v became %+v (%v)", f, skipped, err)
		}
		at := rapid.IntRange(0, len(raw)-1).Draw(t, "at")
		raw[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := readFrame(bytes.NewReader(raw)); err == nil {
			t.Fatalf("a bit was turned at %d and nobody saw it", at)
		}
	})
}

// TestForwardedAnswers: every field of every result survives, and a count that is
// not that of the commands is refused.
func TestForwardedAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Custom(func(t *rapid.T) ledger.Amount {
			return ledger.Amount{Lo: rapid.Uint64().Draw(t, "lo"), Hi: rapid.Uint64Max(math.MaxInt64).Draw(t, "hi")}
		})
		result := rapid.Custom(func(t *rapid.T) ledger.Result {
			return ledger.Result{
				Code: ledger.Code(rapid.IntRange(0, 20).Draw(t, "code")), Account: rapid.Uint32().Draw(t, "account"),
				Ordinal: rapid.Uint32().Draw(t, "ordinal"), Seq: rapid.Uint64().Draw(t, "seq"), Time: rapid.Int64Min(0).Draw(t, "time"),
				Consumed: amount.Draw(t, "consumed"), Pending: amount.Draw(t, "pending"),
			}
		})
		f := &forwarded{
			index: rapid.Uint64().Draw(t, "index"), term: rapid.Uint64().Draw(t, "term"),
			committed: rapid.Uint64().Draw(t, "committed"), results: rapid.SliceOf(result).Draw(t, "results"),
		}
		raw := encodeForwarded(f)
		got, err := decodeForwarded(raw, len(f.results))
		if err != nil || got.index != f.index || got.term != f.term || got.committed != f.committed {
			t.Fatalf("%+v became %+v (%v)", f, got, err)
		}
		for i := range f.results {
			if !reflect.DeepEqual(got.results[i], f.results[i]) {
				t.Fatalf("%+v became %+v", f.results[i], got.results[i])
			}
		}
		if _, err := decodeForwarded(raw, len(f.results)+1); err == nil {
			t.Fatal("a wrong number of results was taken")
		}
		if _, err := decodeForwarded(raw[:len(raw)-1], len(f.results)); err == nil {
			t.Fatal("an answer cut short was taken")
		}
	})
}

// TestForwardedBatches: commands arrive as they were encoded; what no node could
// read, and the command that founds a log, are refused.
func TestForwardedBatches(t *testing.T) {
	b := batchOf(meter(), report("a"), report("0b1e3c5a-1111-4222-8333-123456789abc"))
	got, _, err := decodeBatch(encodeBatch(b))
	if err != nil || got.Len() != b.Len() || got.Size() != b.Size() {
		t.Fatal(err)
	}
	for i := range b.Len() {
		if !bytes.Equal(got.At(i), b.At(i)) {
			t.Fatal(i)
		}
	}
	raw := encodeBatch(b)
	for at := range raw {
		if cut, _, err := decodeBatch(raw[:at]); err == nil {
			t.Fatalf("%d commands from %d of %d bytes", cut.Len(), at, len(raw))
		}
	}
	if _, _, err := decodeBatch(encodeBatch(batchOf(&ledger.Init{}))); !errors.Is(err, ledger.ErrCorrupt) {
		t.Fatal(err)
	}
}

// TestClassesSurvive: an error is of the same class on the other side.
func TestClassesSurvive(t *testing.T) {
	for err, want := range map[error]error{
		ErrOverloaded: ErrOverloaded, ErrNotLeader: ErrUnavailable, ErrDiskFull: ErrUnavailable, ErrClosed: ErrUnavailable,
		ErrFailed: ErrUnavailable, ErrRefused: ErrRefused, ErrClockAhead: ErrUnavailable, fmt.Errorf("%w: x", ErrUnknown): ErrUnknown, io.EOF: ErrUnknown,
		// Were an error ever of two classes, the one that promises less would count (I6).
		fmt.Errorf("%w: %w", ErrUnknown, ErrClosed): ErrUnknown, fmt.Errorf("%w: %w", ErrOverloaded, ErrUnknown): ErrUnknown,
	} {
		_, got := decodeAnswer("n1", encodeAnswer(nil, err))
		classes := 0
		for _, class := range []error{ErrUnavailable, ErrOverloaded, ErrUnknown} {
			if errors.Is(got, class) {
				classes++
			}
		}
		if classes != 1 || !errors.Is(got, want) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

// answering is a link whose other end does what the test says with each frame.
func answering(t *testing.T, serve func(conn net.Conn, f frame)) *link {
	t.Helper()
	l := &link{node: "n2", dial: func(context.Context) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			for {
				f, err := readFrame(there)
				if err != nil {
					return
				}
				serve(there, f)
			}
		}()
		return here, nil
	}}
	t.Cleanup(l.close)
	return l
}

// TestLostConnections: what may have arrived is unknown, what surely has not is not.
func TestLostConnections(t *testing.T) {
	closing := answering(t, func(conn net.Conn, f frame) { conn.Close() })
	if _, err := closing.call(t.Context(), frameSubmit, []byte("x")); !errors.Is(err, ErrUnknown) || errors.Is(err, ErrUnavailable) {
		t.Error("lost after it was sent:", err)
	}
	nowhere := &link{node: "n2", dial: func(context.Context) (net.Conn, error) { return nil, errors.New("no route") }}
	if _, err := nowhere.call(t.Context(), frameSubmit, nil); !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown) {
		t.Error("never connected:", err)
	}
	silent := answering(t, func(net.Conn, frame) {})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := silent.call(ctx, frameSubmit, nil); !errors.Is(err, ErrUnknown) {
		t.Error("no answer in time:", err)
	}
	begin := time.Now()
	if _, err := silent.call(t.Context(), frameSubmit, nil); !errors.Is(err, ErrUnknown) || time.Since(begin) > 2*linkSilence {
		t.Errorf("a node that says nothing: %v after %v", err, time.Since(begin))
	}
	busy := answering(t, func(conn net.Conn, f frame) {
		if f.kind == framePing {
			_, _ = conn.Write(appendFrame(nil, &frame{kind: framePong}))
			return
		}
		go func() {
			time.Sleep(linkSilence + 2*linkPing)
			_, _ = conn.Write(appendFrame(nil, &frame{number: f.number, kind: frameAnswer, payload: encodeAnswer([]byte("ok"), nil)}))
		}()
	})
	if answer, err := busy.call(t.Context(), frameSubmit, nil); err != nil || string(answer) != "ok" {
		t.Error("a node that takes long but lives:", err)
	}
}

// TestCloseWhileAnAnswerIsOwed: a node that stops does not know what became of what it
// has sent (I6).
func TestCloseWhileAnAnswerIsOwed(t *testing.T) {
	arrived := make(chan struct{}, 1)
	l := answering(t, func(_ net.Conn, f frame) {
		if f.kind == frameSubmit {
			arrived <- struct{}{}
		}
	})
	errs := make(chan error, 1)
	go func() {
		_, err := l.call(t.Context(), frameSubmit, []byte("batch"))
		errs <- err
	}()
	<-arrived
	l.close()
	if err := <-errs; !errors.Is(err, ErrUnknown) || classes(err) != 1 {
		t.Fatalf("of %d classes: %v", classes(err), err)
	}
}

// TestSlowDialHoldsNobodyUp: a stopped node takes connections and says nothing. Who asks
// it waits for as long as they want to, and a link that closes waits for nobody.
func TestSlowDialHoldsNobodyUp(t *testing.T) {
	dialled, ended := make(chan struct{}), make(chan struct{})
	l := &link{node: "n2", dial: func(ctx context.Context) (net.Conn, error) {
		close(dialled)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}}
	patient := make(chan error, 1)
	go func() {
		_, err := l.call(t.Context(), frameSubmit, nil)
		patient <- err
	}()
	<-dialled
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if _, err := l.call(ctx, frameSubmit, nil); !errors.Is(err, ErrUnavailable) || time.Since(begin) > time.Second {
		t.Errorf("a caller with 50 ms: %v after %v", err, time.Since(begin))
	}
	l.close()
	<-ended
	if err := <-patient; !errors.Is(err, ErrUnavailable) || time.Since(begin) > time.Second {
		t.Errorf("a caller of a link that closed: %v after %v", err, time.Since(begin))
	}
}

// TestCallersDeadlineIsTheirOwn: that one was in a hurry does not refuse the next.
func TestCallersDeadlineIsTheirOwn(t *testing.T) {
	echo := answering(t, func(conn net.Conn, f frame) {
		_, _ = conn.Write(appendFrame(nil, &frame{number: f.number, kind: frameAnswer, payload: encodeAnswer(nil, nil)}))
	})
	dial := echo.dial
	echo.dial = func(ctx context.Context) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return dial(ctx)
	}
	hurried, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := echo.call(hurried, frameSubmit, nil); err == nil {
		t.Error("a caller that had left was answered")
	}
	if _, err := echo.call(t.Context(), frameSubmit, nil); err != nil {
		t.Error(err)
	}
}

// TestLinkIsBounded: what waits for one node has a limit, and beyond it nothing is
// sent.
func TestLinkIsBounded(t *testing.T) {
	l := answering(t, func(net.Conn, frame) {})
	ctx, cancel := context.WithCancel(t.Context())
	const large = linkBytes / framePayloadMax
	errs := make(chan error, large)
	for range large {
		go func() {
			_, err := l.call(ctx, frameSubmit, make([]byte, framePayloadMax-10/large))
			errs <- err
		}()
	}
	eventually(t, "the first calls wait", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.calls == large
	})
	if _, err := l.call(t.Context(), frameSubmit, make([]byte, 11)); !errors.Is(err, ErrOverloaded) {
		t.Error(err)
	}
	cancel()
	for range large {
		if err := <-errs; !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	}
}

// TestSnapshotStream: a snapshot arrives whole or not at all; no turned bit and no
// cut goes through.
func TestSnapshotStream(t *testing.T) {
	n := start(t, testOptions(vfs.NewMem()))
	n.submit(meter(), report("a"))
	n.snapshot()
	id := n.snapshots.newest().id()
	meta, r, err := n.snapshots.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil || int64(len(raw)) != meta.Size {
		t.Fatalf("%d bytes, announced are %d: %v", len(raw), meta.Size, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	receive := func(raw []byte) error {
		s := openTestSnapshots(t, vfs.NewMem())
		sink, err := s.Create(1, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(sink, bytes.NewReader(raw)); err != nil {
			_ = sink.Cancel()
			return err
		}
		err = sink.Close()
		if (err == nil) != (s.newest() != nil) {
			t.Fatal("what Close says is not what is there")
		}
		return err
	}
	if err := receive(raw); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(raw); at += 1 + len(raw)/200 {
		if receive(raw[:at]) == nil {
			t.Fatalf("cut at %d of %d, and taken", at, len(raw))
		}
		turned := bytes.Clone(raw)
		turned[at] ^= 4
		if receive(turned) == nil {
			t.Fatalf("a bit turned at %d of %d, and taken", at, len(raw))
		}
	}
	if receive(append(bytes.Clone(raw), 0)) == nil {
		t.Fatal("something follows the end, and is taken")
	}
}
