// Package ledger is what everything means: amounts, meters, grants, accounts,
// commands, their results, burn-down, expiry, encodings and the state hash.
//
// It is pure. It reads no clock, draws no random number, ranges over no map where
// the order could show, starts no goroutine and does no I/O (I8); it imports the
// standard library alone. Time comes in with the entry, identifiers through an
// interface, and the same entries give the same results everywhere.
//
// # From an entry to its results
//
// A Machine takes an entry apart and decides everything that needs names: it gives
// customers, meters and operations their numbers in entry order, and tells repeats
// from new events (I2). What is left for the accounts are Ops; each is carried out
// by the Book that holds its account:
//
//	entry --Machine.Load, Resolve--> Ops --Book.Apply--> records, results --Machine.Finish--> chain
//
// Books share nothing, so they may work in parallel; whatever their number, the
// results and the running hash are the same (I4).
//
// # Burn-down
//
// An event draws on the customer's grants in the meter's currency that are
// granted, not expired, not empty, and whose scope admits the event, in this
// order: lower priority number, earlier expiry (none last), promotional before
// paid, earlier effective time, older. Each grant drawn on leaves one row. What
// none covers is the event's debt; debts are settled oldest first in the same
// operation that brings credit.
//
// A meter counts the sum of values, the number of events, or the last level
// (level.go): then an event costs the rise, and a fall gives back.
//
// At one instant the order is: expiry, activation, settlement, then the command.
// All by the log's time. Accounts that nobody touches are brought up to date by
// Settle commands, which the leader writes when NextDue says so.
//
// After every operation I3 is checked in constant time for what was touched, and
// a violation panics: a node that cannot add up must not go on.
//
// # Encodings
//
// entry.go draws an entry, command_codec.go its commands, record.go the rows of
// history, snapshot.go the whole state. Each begins with a version; there is one
// encoding of a value, and readers refuse any other (ErrCorrupt).
package ledger
