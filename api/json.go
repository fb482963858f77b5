package api

import (
	"bytes"
	"fmt"
	"slices"
)

// document reads JSON strictly, in one pass, into a flat list of nodes, without
// a map and, once its slices have grown, without allocating. It refuses whatever
// decoders disagree on: duplicate keys, invalid UTF-8, lone surrogates, NUL, a
// byte order mark, anything behind the value.
//
// There are two kinds of refusal. A syntax error ends the reading. A fault is
// noted (the first one counts), and reading goes on, so that the end of the value
// is known and the other events of a batch can be taken.
type document struct {
	src     []byte
	nodes   []node
	scratch []byte   // texts of strings that had escapes
	keys    []uint32 // nodes of one object's keys, while they are compared
	spaces  int      // runs of white space seen
	syntax  *Error
	fault   *Error
}

type kind uint8

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindArray
	kindObject
)

// node is one value, or one key. A container's children follow it: of an object
// key, value, key, value; next is the node behind them all.
type node struct {
	start, end uint32 // of the text; a string's without its quotes
	next       uint32
	kind       kind
	decoded    bool // the text is in scratch
	spaced     bool // a container with white space in it
}

// parse reads src, which must be exactly one value; it becomes node 0.
func (d *document) parse(src []byte) *Error {
	d.reset(src)
	if bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		return d.fail(0, "begins with a byte order mark").syntax
	}
	pos := d.value(d.space(0), 0)
	if pos < 0 {
		return d.syntax
	}
	if pos = d.space(pos); pos != len(src) {
		return d.fail(pos, "there is something behind the value").syntax
	}
	return d.fault
}

// next reads the value of src that begins at pos; it becomes node 0. end is the
// position behind it. fault leaves end good, syntax does not.
func (d *document) next(src []byte, pos int) (end int, fault, syntax *Error) {
	d.reset(src)
	end = d.value(pos, 0)
	return end, d.fault, d.syntax
}

// member reads the value between start and end of src, which stands inside an
// object, behind what the document holds already. src must be the same every time.
func (d *document) member(src []byte, start, end int) (value, *Error) {
	at := uint32(len(d.nodes))
	d.src = src[:end]
	if pos := d.value(d.space(start), 1); pos >= 0 {
		if pos = d.space(pos); pos != end {
			d.fail(pos, "there is something behind the value")
		}
	}
	d.src = src
	if d.syntax != nil {
		return value{}, d.syntax
	}
	return value{d, at}, d.fault
}

func (d *document) reset(src []byte) {
	*d = document{src: src, nodes: d.nodes[:0], scratch: d.scratch[:0], keys: d.keys[:0]}
}

// root is the value read.
func (d *document) root() value { return value{d, 0} }

// fail notes a syntax error.
func (d *document) fail(pos int, problem string) *document {
	if d.syntax == nil {
		d.syntax = badRequest("invalid_json", "", fmt.Sprintf("is not JSON at byte %d: %s", pos, problem))
	}
	return d
}

// stop is fail for the functions that answer a position.
func (d *document) stop(pos int, problem string) int {
	d.fail(pos, problem)
	return -1
}

// blame notes a fault.
func (d *document) blame(code, format string, args ...any) {
	if d.fault == nil {
		d.fault = badRequest(code, "", fmt.Sprintf(format, args...))
	}
}

func (d *document) peek(pos int) byte {
	if pos < len(d.src) {
		return d.src[pos]
	}
	return 0
}

// space is the position of the first byte from pos on that is not white space.
func (d *document) space(pos int) int {
	start := pos
	for pos < len(d.src) {
		if c := d.src[pos]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			break
		}
		pos++
	}
	if pos != start {
		d.spaces++
	}
	return pos
}

// value reads the value at pos. Like all that follow it answers the position
// behind what it read, or -1 after a syntax error.
func (d *document) value(pos, depth int) int {
	switch c := d.peek(pos); c {
	case '"':
		return d.text(pos)
	case '{', '[':
		switch {
		case depth == maxRecursion:
			return d.tooDeep(pos)
		case c == '{':
			return d.object(pos, depth+1)
		}
		return d.array(pos, depth+1)
	case 't':
		return d.literal(pos, "true", kindTrue)
	case 'f':
		return d.literal(pos, "false", kindFalse)
	case 'n':
		return d.literal(pos, "null", kindNull)
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return d.number(pos)
	}
	if pos >= len(d.src) {
		return d.stop(pos, "it ends where a value should be")
	}
	return d.stop(pos, "no value begins here")
}

func (d *document) literal(pos int, word string, k kind) int {
	end := pos + len(word)
	if end > len(d.src) || string(d.src[pos:end]) != word {
		return d.stop(pos, "no such literal")
	}
	d.add(k, pos, end)
	return end
}

// add appends a node without children.
func (d *document) add(k kind, start, end int) {
	next := uint32(len(d.nodes) + 1)
	d.nodes = append(d.nodes, node{start: uint32(start), end: uint32(end), next: next, kind: k})
}

// number reads -?int frac? exp?, by JSON's grammar and no more.
func (d *document) number(pos int) int {
	i := pos
	if d.peek(i) == '-' {
		i++
	}
	if d.peek(i) == '0' {
		i++
	} else if i = d.digits(i); i < 0 {
		return d.stop(pos, "a number without digits")
	}
	if d.peek(i) == '.' {
		if i = d.digits(i + 1); i < 0 {
			return d.stop(pos, "a number without digits behind its point")
		}
	}
	if c := d.peek(i); c == 'e' || c == 'E' {
		i++
		if c := d.peek(i); c == '+' || c == '-' {
			i++
		}
		if i = d.digits(i); i < 0 {
			return d.stop(pos, "a number without digits in its exponent")
		}
	}
	d.add(kindNumber, pos, i)
	return i
}

// digits is the position behind one or more digits, or -1 when there is none.
func (d *document) digits(pos int) int {
	i := pos
	for i < len(d.src) && d.src[i]-'0' <= 9 {
		i++
	}
	if i == pos {
		return -1
	}
	return i
}

// tooDeep passes over a container without reading it: its document is refused, but
// what follows in a batch is not.
func (d *document) tooDeep(pos int) int {
	d.blame("too_deep", "is nested deeper than %d levels", maxDepth)
	end := skipArray(d.src, pos)
	if end < 0 {
		return d.stop(len(d.src), "it ends where the end of an array or object should be")
	}
	d.nodes = append(d.nodes, node{start: uint32(pos), end: uint32(end), next: uint32(len(d.nodes) + 1), kind: kindArray})
	return end
}

// open appends a container's node, which close completes.
func (d *document) open(k kind, pos, depth int) (at, spaces int) {
	if depth > maxDepth {
		d.blame("too_deep", "is nested deeper than %d levels", maxDepth)
	}
	d.nodes = append(d.nodes, node{start: uint32(pos), kind: k})
	return len(d.nodes) - 1, d.spaces
}

func (d *document) close(at, end, spaces int) int {
	n := &d.nodes[at]
	n.end, n.next, n.spaced = uint32(end), uint32(len(d.nodes)), d.spaces != spaces
	return end
}

func (d *document) array(pos, depth int) int {
	at, spaces := d.open(kindArray, pos, depth)
	if pos = d.space(pos + 1); d.peek(pos) == ']' {
		return d.close(at, pos+1, spaces)
	}
	for {
		if pos = d.value(pos, depth); pos < 0 {
			return -1
		}
		pos = d.space(pos)
		switch d.peek(pos) {
		case ',':
			pos = d.space(pos + 1)
		case ']':
			return d.close(at, pos+1, spaces)
		default:
			return d.stop(pos, "a comma or the end of the array is missing")
		}
	}
}

func (d *document) object(pos, depth int) int {
	at, spaces := d.open(kindObject, pos, depth)
	if pos = d.space(pos + 1); d.peek(pos) == '}' {
		return d.close(at, pos+1, spaces)
	}
	for {
		if d.peek(pos) != '"' {
			return d.stop(pos, "a key in double quotes is missing")
		}
		if pos = d.text(pos); pos < 0 {
			return -1
		}
		if pos = d.space(pos); d.peek(pos) != ':' {
			return d.stop(pos, "a colon is missing")
		}
		if pos = d.value(d.space(pos+1), depth); pos < 0 {
			return -1
		}
		pos = d.space(pos)
		switch d.peek(pos) {
		case ',':
			pos = d.space(pos + 1)
		case '}':
			d.close(at, pos+1, spaces)
			d.compareKeys(at)
			return pos + 1
		default:
			return d.stop(pos, "a comma or the end of the object is missing")
		}
	}
}

// fewKeys is up to how many keys comparing each with each beats sorting.
const fewKeys = 16

// compareKeys blames an object that has a key twice.
func (d *document) compareKeys(at int) {
	d.keys = d.keys[:0]
	for i, end := uint32(at+1), d.nodes[at].next; i < end; i = d.nodes[i+1].next {
		d.keys = append(d.keys, i)
	}
	if len(d.keys) > fewKeys {
		slices.SortFunc(d.keys, func(a, b uint32) int { return bytes.Compare(d.bytes(a), d.bytes(b)) })
		for i := 1; i < len(d.keys); i++ {
			d.sameKey(d.keys[i-1], d.keys[i])
		}
		return
	}
	for i := 1; i < len(d.keys); i++ {
		for _, earlier := range d.keys[:i] {
			d.sameKey(earlier, d.keys[i])
		}
	}
}

func (d *document) sameKey(a, b uint32) {
	m, n := &d.nodes[a], &d.nodes[b]
	if m.end-m.start == n.end-n.start && bytes.Equal(d.bytes(a), d.bytes(b)) {
		d.blame("duplicate_key", "has the key %.64q twice", d.bytes(b))
	}
}

// bytes is a node's text: what a string means, the source of anything else.
func (d *document) bytes(at uint32) []byte {
	n := &d.nodes[at]
	if n.decoded {
		return d.scratch[n.start:n.end:n.end]
	}
	return d.src[n.start:n.end:n.end]
}
