// Package index stores what is derived from the log and too large for memory: for each identifier's fingerprint
// where it was first used, and each account's history as opaque records. The log is the truth; replaying it
// over the index changes nothing (I11), and rebuilds an index that is lost.
//
// Data comes in batches, one per log entry. The newest are held in the memory run. At an entry boundary the run
// is sealed, written as SSTs by a goroutine in the background and ingested into Pebble in one atomic, durable
// step; from then on it is a run of the store. Neighbouring small runs are merged, also in the background.
//
//	Apply --> memory run --seal--> sealed runs --flush--> runs in Pebble --merge--> fewer, larger runs
//	          (after, last]        at most MaxSealedRuns + 1
//
// # Keys
//
// All numbers in keys are big-endian, so that keys order like numbers. A run's rows share its number, which is
// never used again. The sections are written in the order of their numbers.
//
//	+-----+---------+---+-------------+--------------+
//	| 'R' | run (8) | 1 | account (4) | first Seq (8)|  history: one chunk
//	+-----+---------+---+-------------+-+------------+
//	| 'R' | run (8) | 2 | first Seq (8) | account (4)|  order: one block of places
//	+-----+---------+---+---------------+------------+
//	| 'R' | run (8) | 3 | first fingerprint (16)     |  identifiers: one bucket
//	+-----+---------+---+----------+-----------------+
//	| 'R' | run (8) | 4 | part (4) |                    filter over the fingerprints
//	+-----+---------+---+----------+
//	| 'R' | run (8) | 5 | part (4) |                    filter over the accounts
//	+-----+---------+---+----------+
//	| 'R' | run (8) | 6 |                               description
//	+-----+---------+---+
//
//	+-----+-------------+---------+
//	| 'N' | account (4) | Seq (8) |                     note; the value is the note's bytes
//	+-----+-------------+---------+
//
// # Values
//
// uv is an unsigned varint, zz a zigzag varint; (n) is a fixed number of bytes.
//
// Chunk: up to 128 records of one account, by Seq. The header alone is enough to count and to skip.
//
//	+----------+--------------+---------------+---------------+----------------+
//	| count uv | first Seq uv | last-first uv | first time zz | last - first zz|
//	+----------+--------------+---------------+---------------+----------------+
//	| per record: Seq step uv, time step zz (both not for the first), length uv|
//	+--------------------------------------------------------------------------+
//	| the records' data, one after the other                                   |
//	+--------------------------------------------------------------------------+
//
// Order: up to 512 places by (Seq, Account); the first step counts from 0.
//
//	+----------+----------------------------------+
//	| count uv | per place: Seq step uv, account uv|
//	+----------+----------------------------------+
//
// Bucket: up to 170 identifiers by fingerprint. Offsets are little-endian, of the width (0 to 8) that the largest
// needs; the account is little-endian.
//
//	+----------+---------------+-----------+-----------------------------------------------------------+
//	| count uv | lowest Seq uv | width (1) | per entry: fingerprint (16), account (4), Seq offset (width)|
//	+----------+---------------+-----------+-----------------------------------------------------------+
//
// Filter: blocks of eight 32-bit words, little-endian; the parts' values one after the other. A key's hash
// chooses the block by its upper bits, and by its lower 32 bits times eight constants one bit in each word.
//
// The filters of a run of version 1 go by another hash (digest.hashV1); all else is as in version 2.
//
// Description: the version, then eight numbers of 8 bytes, big-endian. The run holds the batches with
// after < Index <= last; minSeq and maxSeq are those of its records.
//
//	+-------------+-------+------+---------+-------------+----------+-------+--------+--------+
//	| version (1) | after | last | records | identifiers | accounts | bytes | minSeq | maxSeq |
//	+-------------+-------+------+---------+-------------+----------+-------+--------+--------+
//
// DESIGN.md beside this file says why it is so.
package index
