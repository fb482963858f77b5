//go:build race

package index

// effort divides the length of long tests: under the race detector Pebble checks its invariants too, and all is
// about fifteen times slower.
const effort = 5
