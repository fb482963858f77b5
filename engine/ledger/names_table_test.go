package ledger

import (
	"math/rand/v2"
	"testing"
)

// lookUp is the number of the one name with the hash, and in how many lines it was
// searched for.
func (t *nameTable) lookUp(hash uint32) (number uint32, lines int) {
	s := t.segment(hash)
	for at := homeOf(s.lines, hash); ; at = after(s.lines, at) {
		lines++
		for _, slot := range &s.lines[at] {
			if slot.number == 0 || slot.hash == hash {
				return slot.number, lines
			}
		}
	}
}

// A new name never waits for more than one segment to be moved, however many names
// there are, and what was there is found after every growth.
func TestNameTableGrowsInSteps(t *testing.T) {
	const count = 1_000_000
	random := rand.New(rand.NewPCG(1, 2))
	numbers := make(map[uint32]uint32, count)
	hashes := make([]uint32, 0, count)
	var table nameTable
	most, total := 0, 0
	for len(hashes) < count {
		hash := random.Uint32()
		if numbers[hash] != 0 {
			continue
		}
		hashes = append(hashes, hash)
		numbers[hash] = uint32(len(hashes))
		moved := table.add(nameSlot{hash, uint32(len(hashes))})
		most, total = max(most, moved), total+moved
		if back := hashes[random.IntN(len(hashes))]; moved > 0 {
			if number, _ := table.lookUp(back); number != numbers[back] {
				t.Fatalf("after %d names: hash %x has the number %d, expected %d", len(hashes), back, number, numbers[back])
			}
		}
	}
	if most > nameMovesMost || most == 0 || total > 10*count {
		t.Errorf("one name moved %d others, of at most %d; all of them %d", most, nameMovesMost, total)
	}
	lines, slots := 0, 0
	for hash, expected := range numbers {
		number, n := table.lookUp(hash)
		if lines += n; number != expected {
			t.Fatalf("hash %x has the number %d, expected %d", hash, number, expected)
		}
	}
	for i, s := range table.segments {
		if i == 0 || s != table.segments[i-1] {
			slots += 8 * len(s.lines)
		}
	}
	if mean := float64(lines) / count; mean > 1.2 {
		t.Errorf("a name is found in %.2f lines", mean)
	}
	if load := float64(count) / float64(slots); load < 0.68 || load > 0.875 {
		t.Errorf("the load is %.2f", load)
	}
	for range 1000 {
		if hash := random.Uint32(); numbers[hash] == 0 {
			if number, _ := table.lookUp(hash); number != 0 {
				t.Errorf("hash %x, of no name, has the number %d", hash, number)
			}
		}
	}
}

// Hashes that nobody could choose all share their first bits: a split leaves one half
// empty, and the list of segments has its bound.
func TestNameTableOfHashesAlike(t *testing.T) {
	const count = 70_000
	var table nameTable
	for i := range uint32(count) {
		table.add(nameSlot{i % 100, i + 1}) // a hundred hashes, each of many names
	}
	if table.depth != nameDepthMost {
		t.Errorf("%d bits choose a segment", table.depth)
	}
	seen := make([]bool, count)
	s := table.segment(0)
	for i := range s.lines {
		for _, slot := range &s.lines[i] {
			if slot.number != 0 {
				seen[slot.number-1] = true
			}
		}
	}
	for i, ok := range seen {
		if !ok {
			t.Fatalf("name %d is lost", i+1)
		}
	}
}
