package ledger

import "slices"

// A Book holds the accounts of one shard: customer numbers n with
// n % shards == shard. One goroutine writes it (I9); everything in it is in
// arenas without pointers.
//
//	account --- position (one per currency) --- live grants, in the order in which they are drawn on
//	   |                 '--------------------- debts, oldest first
//	   |------- all grants, newest first
//	   '------- levels, of meters that report levels
type Book struct {
	shard, shards uint32

	accounts   arena[account] // index: customer number / shards + 1
	positions  arena[position]
	grants     arena[grant]
	debts      arena[debt]
	freeDebt   uint32 // list of debts to use again
	levels     arena[level]
	takings    arena[taking]
	freeTaking uint32
	text       textArena
	schedule   schedule
}

// account is all that one customer holds.
type account struct {
	firstPosition uint32
	lastGrant     uint32
	grants        uint32 // how many there are; the next ordinal is one more
	firstLevel    uint32
}

// position is what one account holds and owes in one currency.
// I3: granted = balance + reserved + consumed + forfeited.
type position struct {
	account  uint32
	currency uint32
	next     uint32 // of the account's positions
	live     uint32 // first of the live grants: pending or granted, in order of burn-down
	liveLen  uint32
	debtHead uint32
	debtTail uint32
	scopes   uint32 // the directory's scope epoch at the last settlement
	due      int64  // Unix seconds of the next expiry or activation, 0 if none

	granted   Amount // sum of the amounts of all grants
	balance   Amount // what remains of granted grants: what can be spent
	reserved  Amount // what remains of pending grants
	consumed  Amount
	forfeited Amount // expired and voided
	owed      Amount // sum of the debts
}

// grant is the hot part of a Grant. I3: amount = remaining + consumed + forfeited.
type grant struct {
	position uint32
	ordinal  uint32
	nextLive uint32
	previous uint32 // of all the account's grants, newest first
	priority uint32
	status   GrantStatus
	category Category
	scoped   bool
	cold     textRef // name, scope, metadata: see grantTexts

	amount    Amount
	remaining Amount
	consumed  Amount
	forfeited Amount // expired or voided, as status says

	effective int64 // Unix seconds
	expires   int64 // Unix seconds, 0 is never
	ended     int64 // Unix seconds of the void, 0 unless voided
	began     int64 // Unix seconds at which it was granted, 0 until then
	created   int64
	updated   int64
}

// debt is the part of an event's cost that no grant covered yet.
type debt struct {
	seq          uint64
	amount       Amount
	meter        uint32
	subscription uint32
	next         uint32
}

// scopeNumbers is a Scope in numbers; empty lists restrict nothing.
type scopeNumbers struct{ prices, meters []uint32 }

// grantTexts is the cold part of a grant.
type grantTexts struct {
	name          string
	applicability []byte
	metadata      []byte
	scope         scopeNumbers
}

// NewBook is an empty book for one of the shards.
func NewBook(shard, shards uint32) *Book { return &Book{shard: shard, shards: shards} }

// account is the account of a customer number of this shard, made if missing.
func (b *Book) account(number uint32) *account {
	slot := number/b.shards + 1
	for b.accounts.used <= slot {
		b.accounts.add()
	}
	return b.accounts.at(slot)
}

// lookup is account, or nil where nothing was ever written.
func (b *Book) lookup(number uint32) *account {
	if slot := number/b.shards + 1; number%b.shards == b.shard && b.accounts.has(slot) {
		return b.accounts.at(slot)
	}
	return nil
}

// position is the account's position in a currency, made if missing. An
// account's positions are in the order of their currencies' numbers.
func (b *Book) position(number, currency uint32) uint32 {
	link := &b.account(number).firstPosition
	for *link != 0 {
		p := b.positions.at(*link)
		if p.currency == currency {
			return *link
		}
		if p.currency > currency {
			break
		}
		link = &p.next
	}
	i := b.positions.add()
	*b.positions.at(i) = position{account: number, currency: currency, next: *link}
	*link = i
	return i
}

// findGrant is the index of a grant by its ordinal, 0 if there is none.
func (b *Book) findGrant(number, ordinal uint32) uint32 {
	a := b.lookup(number)
	if a == nil {
		return 0
	}
	i := a.lastGrant
	for i != 0 && b.grants.at(i).ordinal != ordinal {
		i = b.grants.at(i).previous
	}
	return i
}

// compareGrants is the order of burn-down: lower priority number, earlier expiry
// (none last), promotional before paid, earlier effective, older.
func compareGrants(a, b *grant) int {
	switch {
	case a.priority != b.priority:
		return compare(a.priority, b.priority)
	case a.expires != b.expires:
		return compare(uint64(a.expires-1), uint64(b.expires-1)) // 0, never, wraps to the end
	case a.category != b.category:
		return compare(b.category, a.category)
	case a.effective != b.effective:
		return compare(a.effective, b.effective)
	}
	return compare(a.ordinal, b.ordinal)
}

func compare[T uint32 | uint64 | int64 | Category](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// addLive puts a grant into its place among the position's live grants.
func (b *Book) addLive(p *position, i uint32) {
	g := b.grants.at(i)
	link := &p.live
	for *link != 0 && compareGrants(b.grants.at(*link), g) < 0 {
		link = &b.grants.at(*link).nextLive
	}
	g.nextLive = *link
	*link = i
	p.liveLen++
}

// sweepLive takes out the live grants that have ended.
func (b *Book) sweepLive(p *position) {
	link := &p.live
	for *link != 0 {
		g := b.grants.at(*link)
		if g.status == GrantPending || g.status == GrantGranted {
			link = &g.nextLive
			continue
		}
		*link, g.nextLive = g.nextLive, 0
		p.liveLen--
	}
}

// reschedule finds the next moment at which time alone changes the position.
func (b *Book) reschedule(pi uint32, p *position) {
	due := int64(0)
	for i := p.live; i != 0; i = b.grants.at(i).nextLive {
		g := b.grants.at(i)
		due = earlier(due, g.expires)
		if g.status == GrantPending {
			due = earlier(due, g.effective)
		}
	}
	if due != p.due {
		p.due = due
		if due != 0 {
			b.schedule.push(appointment{due, pi})
		}
	}
}

// earlier is the lesser of two moments, of which 0 is none.
func earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// applies says whether a grant may pay for an event of the meter and subscription,
// by the subscription's prices at the epoch.
func (b *Book) applies(g *grant, meter, subscription, epoch uint32, d *Directory) bool {
	if !g.scoped {
		return true
	}
	scope := b.texts(g).scope
	if len(scope.meters) > 0 && !slices.Contains(scope.meters, meter) {
		return false
	}
	return scope.paysPricesOf(subscription, epoch, d)
}

// paysPricesOf says whether the scope's prices allow the subscription's events.
func (s *scopeNumbers) paysPricesOf(subscription, epoch uint32, d *Directory) bool {
	if len(s.prices) == 0 {
		return true
	}
	for _, price := range d.pricesAt(epoch, subscription) {
		if slices.Contains(s.prices, price) {
			return true
		}
	}
	return false
}

func (b *Book) setTexts(g *grant, t *grantTexts) {
	g.scoped = len(t.scope.prices)+len(t.scope.meters) > 0
	if !g.scoped && t.name == "" && t.applicability == nil && t.metadata == nil {
		g.cold = 0
		return
	}
	g.cold = b.text.add(t.appendTo(nil))
}

func (t *grantTexts) appendTo(dst []byte) []byte {
	w := fieldWriter{dst}
	w.text(1, t.name)
	w.raw(2, t.applicability)
	w.raw(3, t.metadata)
	w.raw(4, appendNumbers(t.scope.prices))
	w.raw(5, appendNumbers(t.scope.meters))
	return w.b
}

func (t *grantTexts) decode(data []byte) error {
	f := fieldReader{reader{b: data}}
	t.name, t.applicability, t.metadata = f.text(1), f.raw(2), f.raw(3)
	prices, meters := reader{b: f.raw(4)}, reader{b: f.raw(5)}
	t.scope = scopeNumbers{readNumbers(&prices), readNumbers(&meters)}
	if prices.bad || meters.bad {
		f.r.fail()
	}
	return f.r.end()
}

// texts reads the cold part of a grant. The bytes in it belong to the book.
func (b *Book) texts(g *grant) grantTexts {
	var t grantTexts
	if err := t.decode(b.text.get(g.cold)); err != nil {
		panic("ledger: a grant's texts: " + err.Error())
	}
	return t
}

func appendNumbers(list []uint32) (dst []byte) {
	for _, n := range list {
		dst = appendUvarint(dst, uint64(n))
	}
	return dst
}

func readNumbers(r *reader) (list []uint32) {
	for len(r.b) > 0 {
		list = append(list, r.uint32())
	}
	return list
}

func (b *Book) addDebt(p *position, d debt) {
	i := b.freeDebt
	if i != 0 {
		b.freeDebt = b.debts.at(i).next
	} else {
		i = b.debts.add()
	}
	*b.debts.at(i) = d
	if p.debtTail != 0 {
		b.debts.at(p.debtTail).next = i
	} else {
		p.debtHead = i
	}
	p.debtTail = i
}

// checkPosition is the cheap half of I3, run after every operation.
func checkPosition(p *position) {
	if p.granted != p.balance.plus(p.reserved).plus(p.consumed).plus(p.forfeited) {
		panic("ledger: I3: a position's amounts do not add up")
	}
}

func checkGrant(g *grant) {
	if g.amount != g.remaining.plus(g.consumed).plus(g.forfeited) {
		panic("ledger: I3: a grant's amounts do not add up")
	}
}
