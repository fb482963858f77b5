// Package load makes events and sends them, as cheaply as it can: it shares the
// machine with what it measures.
//
// A Stream says which event comes next: the n-th event of a stream has an
// identifier and a customer that follow from n alone, so that it can be sent again
// and counted again. A Template is a whole request in which only identifiers and
// customers change; they are patched in place. A Sender sends requests one after
// the other and checks every answer. Drive runs many of them, in a closed loop or
// at a fixed rate, and measures.
package load
