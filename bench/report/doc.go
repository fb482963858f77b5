// Package report renders bench/README.md and its charts from results files and
// hand-written notes, and from nothing else. The same files give the same report,
// to the byte.
package report
