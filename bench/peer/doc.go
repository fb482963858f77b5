// Package peer runs the systems that Drawdown is measured beside, on loopback and
// in directories of their own.
//
// PostgreSQL and Redis do the same work as Drawdown does for an event, durably
// before they answer: the identifier is unique, the balance is lowered atomically,
// and a row of the ledger is written. They are given their best chance:
//
//   - PostgreSQL runs one function for an event, prepared, or one for many that
//     works on whole sets. Rows of the ledger have no index and, in the form for
//     many, hold the balance behind the batch, not behind each event. Memory is
//     ample, checkpoints are rare, vacuuming is off, WAL is at its least.
//     synchronous_commit and fsync are on.
//   - Redis runs one Lua script, by its hash, one event a call, many calls in a
//     pipeline, or many events a call. The ledger is one list. appendfsync is
//     always; there are no snapshots and no rewrites.
//   - Both are spoken to over a Unix socket, which is the faster way for them
//     (Drawdown is spoken to over TCP), by clients that patch prepared requests in
//     binary form.
//
// Echo and ParseOnly are HTTP servers that keep nothing: what the sockets, and the
// sockets and the decoding of a batch, allow at most.
package peer
