// Package engine carries out the entries of the replicated log on the state in
// memory, and answers reads of it.
//
// The state is cut into shards by customer number. Each shard is owned by one
// goroutine, which alone touches its accounts (I9); what others want of an
// account they ask of that goroutine through a bounded mailbox (I12).
//
//	Apply:  entry -> Machine.Prepare (names, repeats) -> mailboxes -> barrier
//	              -> index (identifiers, history) -> results
//	reads:  directory under a read lock, accounts through their mailbox,
//	        history from the index
//
// Within an entry the shards work in parallel, between entries there is a
// barrier: after Apply has returned, every read sees all of the entry.
package engine
