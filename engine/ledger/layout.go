package ledger

// What an account is made of. A customer with one grant takes an account, a position,
// a grant and its details: 12 + 96 + 64 + 56 bytes. A deduction from it meets four
// cache lines of these: of the details it needs nothing.

// account is all that one customer holds. How many grants it has is the ordinal of
// the last one.
type account struct {
	firstPosition uint32
	lastGrant     uint32
	firstLevel    uint32
}

// position is what one account holds and owes in one currency, in 96 bytes: two
// cache lines. I3: granted = balance + reserved + consumed + forfeited.
type position struct {
	account  uint32
	currency uint32
	next     uint32 // of the account's positions
	live     uint32 // first of the live grants: pending or granted, in order of burn-down
	waits    uint32 // index of its waiting, 0 while nothing ever waited
	scopes   uint32 // the directory's scope epoch at the last settlement
	due      int64  // Unix seconds of the next expiry or activation, 0 if none

	granted   Amount // sum of the amounts of all grants
	balance   Amount // what remains of granted grants: what can be spent
	consumed  Amount
	forfeited Amount // expired and voided
}

// waiting is what of a position waits: credit for its time, cost for credit. Most
// positions never have any.
type waiting struct {
	reserved Amount // what remains of pending grants
	owed     Amount // sum of the debts
	debtHead uint32
	debtTail uint32
}

// grant is the part of a Grant that a deduction looks at, in 64 bytes: one cache
// line. I3: amount = remaining + consumed + forfeited, and of remaining and forfeited
// at least one is zero: a grant that lives has forfeited nothing, and nothing remains
// of one that has ended. So both are rest, and the status says which.
type grant struct {
	amount   Amount
	rest     Amount // what was not consumed; see remaining and forfeited
	consumed Amount
	nextLive uint32
	ordinal  uint32
	priority uint32
	status   GrantStatus
	category Category
	scoped   bool
}

// grantDetails is the other part of a Grant.
type grantDetails struct {
	position  uint32
	previous  uint32  // of all the account's grants, newest first
	texts     textRef // see grantTexts
	effective int64   // Unix seconds, as expires: the caller's, who may look far ahead
	expires   int64   // 0 is never
	created   int64
	updated   int64
	ended     second // of the void, 0 unless voided
	began     second // at which it was granted, 0 until then
}

// second is the log's time in Unix seconds, in 32 bits: they last until February of
// the year 2106. Whatever is later becomes their last, the same on every node.
type second uint32

const lastSecond = 1<<32 - 1

func secondOf(now int64) second { return second(min(seconds(now), lastSecond)) }

// remaining is what the grant still holds.
func (g *grant) remaining() Amount {
	if g.hasEnded() {
		return Amount{}
	}
	return g.rest
}

// forfeited is what expired or was voided, as status says.
func (g *grant) forfeited() Amount {
	if g.hasEnded() {
		return g.rest
	}
	return Amount{}
}

func (g *grant) hasEnded() bool { return g.status == GrantExpired || g.status == GrantVoided }

func (g *grant) isLive() bool { return g.status == GrantPending || g.status == GrantGranted }

// debt is the part of an event's cost that no grant covered yet.
type debt struct {
	seq          uint64
	amount       Amount
	meter        uint32
	subscription uint32
	next         uint32
}
