package engine

import (
	"container/heap"

	"drawdown/engine/ledger"
)

// key is an item's place in a list. Lists are ordered by it: newest first unless
// the page asks for the oldest first.
type key [3]uint64

func (k key) less(o key) bool {
	for i := range k {
		if k[i] != o[i] {
			return k[i] < o[i]
		}
	}
	return false
}

// window is the part of a list that a page selects.
type window struct {
	ascending bool
	cursor    *key // of After or Before
	before    bool
	skip      int
	size      int
}

// newWindow resolves a page; cursor looks up the key of the item with an id.
func newWindow(p ledger.Page, cursor func(id string) (key, bool)) (window, error) {
	w := window{ascending: p.Ascending, size: max(p.Size, 1)}
	id := p.After
	if p.Before != "" {
		id, w.before = p.Before, true
	}
	if id == "" {
		w.skip = (max(p.Number, 1) - 1) * w.size
		return w, nil
	}
	k, ok := cursor(id)
	if !ok {
		return w, ledger.ErrCursor
	}
	w.cursor = &k
	return w, nil
}

// precedes says whether a comes before b in the list.
func (w *window) precedes(a, b key) bool {
	if w.ascending {
		return a.less(b)
	}
	return b.less(a)
}

// admits says whether the cursor lets the key into the page.
func (w *window) admits(k key) bool {
	switch {
	case w.cursor == nil:
		return true
	case w.before:
		return w.precedes(k, *w.cursor)
	}
	return w.precedes(*w.cursor, k)
}

// ordered collects a page from items that are offered in the order of the list.
type ordered[T any] struct {
	window
	total  int
	passed int
	items  []T
}

// offer counts an item, and takes it if it is on the page. build is only called
// for items that are taken.
func (o *ordered[T]) offer(k key, build func() (T, error)) error {
	o.total++
	if !o.admits(k) {
		return nil
	}
	if o.before {
		return o.push(build)
	}
	if o.passed++; o.passed <= o.skip || len(o.items) == o.size {
		return nil
	}
	return o.push(build)
}

// push adds an item; a page that ends at a cursor keeps the last ones only.
func (o *ordered[T]) push(build func() (T, error)) error {
	item, err := build()
	if err != nil {
		return err
	}
	if len(o.items) == o.size {
		copy(o.items, o.items[1:])
		o.items = o.items[:o.size-1]
	}
	o.items = append(o.items, item)
	return nil
}

// unordered collects a page from items that are offered in any order. It keeps no
// more of them than the page reaches into the list.
type unordered[T any] struct {
	window
	total int
	best  rankedHeap[T]
}

func (u *unordered[T]) offer(k key, item T) {
	u.total++
	if !u.admits(k) {
		return
	}
	// The page is at the front of what the cursor admits, or, before a cursor, at
	// its end.
	u.best.worst = func(a, b key) bool { return u.precedes(b, a) != u.before }
	heap.Push(&u.best, ranked[T]{k, item})
	if u.best.Len() > u.skip+u.size {
		heap.Pop(&u.best)
	}
}

// page is the items of the page, in the order of the list.
func (u *unordered[T]) page() []T {
	n := u.best.Len()
	items := make([]T, n)
	for i := range n {
		item := heap.Pop(&u.best).(ranked[T]).item
		if u.before {
			items[i] = item
		} else {
			items[n-1-i] = item
		}
	}
	return items[min(u.skip, n):]
}

type ranked[T any] struct {
	key  key
	item T
}

// rankedHeap has on top the item that a full page would leave out first.
type rankedHeap[T any] struct {
	items []ranked[T]
	worst func(a, b key) bool
}

func (h *rankedHeap[T]) Len() int           { return len(h.items) }
func (h *rankedHeap[T]) Less(i, j int) bool { return h.worst(h.items[i].key, h.items[j].key) }
func (h *rankedHeap[T]) Swap(i, j int)      { h.items[i], h.items[j] = h.items[j], h.items[i] }
func (h *rankedHeap[T]) Push(x any)         { h.items = append(h.items, x.(ranked[T])) }
func (h *rankedHeap[T]) Pop() any {
	last := len(h.items) - 1
	x := h.items[last]
	h.items = h.items[:last]
	return x
}
