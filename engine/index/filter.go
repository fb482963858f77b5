package index

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

const (
	// filterBits is the filter's size per key. With eight bits set per key inside one block of 256 bits it
	// lets about one absent key in three thousand through. Each that is let through costs a search in the store, and a
	// new identifier asks every run: four bits less would cost more time than they save memory.
	filterBits  = 20
	filterBlock = 8 // words of 32 bits: half a cache line, so that a probe costs one memory access
	// filterPart is the most bytes of a filter that one row carries.
	filterPart = 64 << 10
)

// filter says "surely absent" or "perhaps present" of a 64-bit hash. The zero value says absent to all.
type filter struct {
	blocks [][filterBlock]uint32
}

func newFilter(keys int) filter {
	if keys <= 0 {
		return filter{}
	}
	return filter{blocks: make([][filterBlock]uint32, (keys*filterBits+255)/256)}
}

// The odd multipliers that spread 32 bits of hash over the eight words (as in the Parquet format's filter).
var filterSalts = [filterBlock]uint32{
	0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
}

func (f *filter) block(hash uint64) *[filterBlock]uint32 {
	i, _ := bits.Mul64(hash, uint64(len(f.blocks)))
	return &f.blocks[i]
}

func (f *filter) add(hash uint64) {
	b, low := f.block(hash), uint32(hash)
	for i, salt := range filterSalts {
		b[i] |= 1 << (low * salt >> 27)
	}
}

func (f *filter) has(hash uint64) bool {
	if len(f.blocks) == 0 {
		return false
	}
	b, low := f.block(hash), uint32(hash)
	for i, salt := range filterSalts {
		if b[i]&(1<<(low*salt>>27)) == 0 {
			return false
		}
	}
	return true
}

// bytes is the filter's size in memory and on disk.
func (f *filter) bytes() int { return len(f.blocks) * filterBlock * 4 }

func (f *filter) appendTo(dst []byte) []byte {
	dst = slices.Grow(dst, f.bytes())
	for i := range f.blocks {
		for _, word := range f.blocks[i] {
			dst = binary.LittleEndian.AppendUint32(dst, word)
		}
	}
	return dst
}

// readFilter decodes what appendTo wrote.
func readFilter(data []byte) (filter, error) {
	if len(data)%(filterBlock*4) != 0 {
		return filter{}, fmt.Errorf("filter of %d bytes: %w", len(data), errMalformed)
	}
	f := filter{blocks: make([][filterBlock]uint32, len(data)/(filterBlock*4))}
	for i := range f.blocks {
		for j := range f.blocks[i] {
			f.blocks[i][j] = binary.LittleEndian.Uint32(data)
			data = data[4:]
		}
	}
	return f, nil
}

// mix spreads a number over 64 bits (the finalizer of SplitMix64).
func mix(v uint64) uint64 {
	v ^= v >> 30
	v *= 0xbf58476d1ce4e5b9
	v ^= v >> 27
	v *= 0x94d049bb133111eb
	return v ^ v>>31
}

// hash is what tables and filters place a fingerprint by: its first four bytes and its last four. A fingerprint
// is a hash itself, and one that nobody can aim. A filter's block follows from the upper bits, so that a run's
// fingerprints, which come in order, fill its filter from front to back and not all over memory.
func (a digest) hash() uint64 { return a.hi&^(1<<32-1) | a.lo&(1<<32-1) }

// hashV1 is what filters of format version 1 go by.
func (a digest) hashV1() uint64 { return mix(a.hi ^ mix(a.lo+0x9e3779b97f4a7c15)) }

func accountHash(account uint32) uint64 { return mix(uint64(account) + 0x9e3779b97f4a7c15) }
