// Package raftstore replicates the engine: it gathers commands into entries, has
// raft commit them, carries them out, and keeps the snapshots that let the log be
// short. One node is a cluster of one voter, on the same path.
//
//	Submit -> queue -> batcher -> raft -> wal (synced) -> fsm -> engine
//	   ^                                                    |
//	   +------------- deliverAll: verdicts, in order <------+
//
// # Data directory
//
//	FORMAT      what this is, its version, the node's name, whether a log was begun, the cluster's name
//	LOCK        held by the process
//	wal/        the log (package wal)
//	index/      identifiers and history (package engine/index)
//	snapshots/  one directory each, <term>-<index>
//
// # Snapshot, version 1
//
//	MANIFEST    written last; a directory without one is no snapshot
//	state       the engine's chunks
//	index/      a copy of the index, durable at least up to the state (I11)
//
// A snapshot is written in <term>-<index>.tmp, synced, read back, and becomes one
// by a rename; its parent directory is synced before it counts. The index in its
// name is raft's and may be higher than the engine's own in the manifest's head:
// raft's no-ops, barriers and configurations never reach the engine.
//
// The state file, numbers little endian, checksums CRC-32C:
//
//	+------------+-------------+---------------------+
//	| "DRWDSTA\n"| version 4   | checksum 4 of these |
//	+------------+-------------+---------------------+
//	| length 4   | checksum 4 of length and chunk | chunk |   repeated
//	+------------+--------------------------------+-------+
//	| 0          | checksum 4 of the length       |           the end
//	+------------+--------------------------------+
//
// MANIFEST is a line and a JSON object, the struct manifest:
//
//	drawdown snapshot <version> <checksum of all that follows this line>
//	{ index, term, configuration, configuration_index, meta_version,
//	  head: {index, time, seq, chain}, created,
//	  files: [{name, bytes, crc32c}] }
//
// It lists every file with its length, and with its checksum all but the index's
// large tables, which have checksums inside.
package raftstore
