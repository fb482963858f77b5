package raftstore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"drawdown/engine/ledger"
)

// A batch is spread over two entries. The first is on its way when the node stops
// taking writes: what became of it is unknown, and must not be called refused (I6).
func TestSplitBatchRefusedHalfway(t *testing.T) {
	o := testOptions(vfs.NewCrashableMem())
	var n *node
	o.Observer.Entry = func(commands, _ int) {
		if commands == entryCommands {
			n.diskFull.Store(true)
		}
	}
	n, g := startGated(t, o)
	n.submit(meter())
	release := g.hold()
	defer release()
	var large ledger.Batch
	for i := range entryCommands + 1 {
		large.Add(report(fmt.Sprint("e", i)))
	}
	sent := n.submitAsync(t.Context(), &large)
	eventually(t, "the second part is not refused", func() bool { return n.diskFull.Load() && taken(n, 1) || len(sent) > 0 })
	release()
	if a := <-sent; !errors.Is(a.err, ErrUnknown) || classes(a.err) != 1 {
		t.Errorf("the first part was on its way, the answer is %v", a.err)
	}
	n.diskFull.Store(false)
	if got := n.submit(report("e0"), report(fmt.Sprint("e", entryCommands))); got[0].Code != ledger.Duplicate || got[1].Code != ledger.OK {
		t.Errorf("%+v", got)
	}
	if requests, commands, bytes := n.queue.depth(); requests|commands|bytes != 0 {
		t.Errorf("the queue counts %d, %d, %d", requests, commands, bytes)
	}
}
