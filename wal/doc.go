// Package wal is Drawdown's write-ahead log: bytes on disk in segment files, and the term and vote. It implements
// raft's LogStore and StableStore. DESIGN.md says why it is as it is.
//
// # Files
//
//	manifest               which log this is, and which segments must exist
//	stable                 term, vote and whatever else raft wants to keep
//	0000000000000007.seg   segments, named by sequence number (hexadecimal), without a gap from the manifest's oldest
//	0000000000000008.seg   to its newest; the newest may be one that is prepared and not used yet
//	*.tmp                  being prepared, or waiting to be used again; removed when the log is opened
//
// All numbers are little endian, all checksums CRC-32C. Format version 1.
//
// # Segment
//
//	0                 64                                                      file's end
//	┌─────────────────┬─────────┬─────────┬─────┬─────────┬──────┬─────────────────┐
//	│ segment header  │ batch   │ batch   │  …  │ batch   │ mark │ zeros or remains│
//	└─────────────────┴─────────┴─────────┴─────┴─────────┴──────┴─────────────────┘
//
// Batches begin at multiples of 8. The mark is overwritten by the next batch. What follows is zeros, or, in a file that
// serves once more, what it held before; under the new seed (see below) none of that has a matching checksum.
//
//	segment header, 64 bytes
//	┌───────────┬──────────┬──────┬──────────┬────────────┬────────┐
//	│ magic     │ version  │ crc  │ log id   │ sequence   │ zero   │
//	│ DRWDSEG\n │ 4        │ 4    │ 16       │ number 8   │ 24     │   crc: of all that follows it
//	└───────────┴──────────┴──────┴──────────┴────────────┴────────┘
//
// The index of the segment's first entry is in its first batch: a segment is prepared before that index is known.
//
// # Batch
//
// What one StoreLogs call stored, or a note that entries were deleted. It is written at once and synced once.
//
//	batch header, 56 bytes
//	┌────────┬─────────────┬─────────────┬───────┬───────┬────────┐
//	│ magic  │ header crc  │ payload crc │ kind  │ count │ length │  4 bytes each
//	│ DRWB   │             │             │       │       │        │
//	├────────┴────┬────────┴┬────────────┴───────┴┬──────┴────────┴───┐
//	│ previous    │ zero    │ first               │ head              │  4, 4, 8, 8 bytes
//	│ crc         │         │                     │                   │
//	├─────────────┴─────────┼─────────────────────┴───────────────────┘
//	│ previous end          │  8 bytes
//	├───────────────────────┴──────────────────────┐
//	│ payload: count entries, zeros to a multiple of 8   (length bytes)
//	└──────────────────────────────────────────────┘
//
//	header crc    of the offset in the file (8 bytes) and of the header from payload crc on
//	payload crc   of the payload
//	kind          1 data: entries that follow the last one
//	              2 jump: entries that need not follow; all older ones are dropped
//	              3 truncate: entries with an index >= first are dropped; count is 0
//	              4 head: entries with an index < head are dropped; count is 0
//	              5 mark: no batch. All that stands before it has been synced; previous crc names the last batch
//	count         entries
//	previous crc  header crc of the batch before, also across segments: the batches form a chain
//	first         index of the first entry; if there is none, of the entry that will come next
//	head          first index of the log once this batch is applied
//	previous end  in a segment's first batch, where the segment before ended; otherwise 0
//
// Both checksums start from a seed, the CRC-32C of log id and sequence number. So a batch matches only in its own log,
// in its own segment, in this life of the file, and at its own offset.
//
//	entry, 28 bytes and its data
//	┌─────────────┬──────────────────┬──────┬──────────────┬──────┬──────┬────────────┐
//	│ data length │ extension length │ term │ appended at  │ type │ data │ extensions │
//	│ 4           │ 4                │ 8    │ 8            │ 4    │      │            │
//	└─────────────┴──────────────────┴──────┴──────────────┴──────┴──────┴────────────┘
//
// "Appended at" is in nanoseconds since 1970, the least number standing for no time.
//
// # Manifest and stable
//
//	┌───────────┬──────────┬──────┬──────────┬──────────────────────────────────────────────┐
//	│ magic     │ version  │ crc  │ log id   │ body                                         │
//	│ 8         │ 4        │ 4    │ 16       │                                              │  crc: of all that follows it
//	└───────────┴──────────┴──────┴──────────┴──────────────────────────────────────────────┘
//
//	manifest, magic DRWDMAN\n   sequence numbers of the oldest and the newest segment, 8 bytes each
//	stable, magic DRWDSTB\n     for each key, in order: key length 4, value length 4, key, value
//
// Both are replaced as a whole: written under another name, synced, renamed, and the directory synced.
package wal
