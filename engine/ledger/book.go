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
	waits      arena[waiting]
	grants     arena[grant]
	details    arena[grantDetails] // index: that of the grant
	debts      arena[debt]
	freeDebt   uint32 // list of debts to use again
	levels     arena[level]
	takings    arena[taking]
	freeTaking uint32
	text       textArena
	schedule   schedule
}

// scopeNumbers is a Scope in numbers; empty lists restrict nothing.
type scopeNumbers struct{ prices, meters []uint32 }

// grantTexts is what a grant says in words, and its scope.
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
		i = b.details.at(i).previous
	}
	return i
}

// grantsOf is how many grants the account has; the next one's ordinal is one more.
func (b *Book) grantsOf(a *account) uint32 {
	if a.lastGrant == 0 {
		return 0
	}
	return b.grants.at(a.lastGrant).ordinal
}

// addGrant puts a grant at the end of its account's.
func (b *Book) addGrant(a *account, g grant, details grantDetails) uint32 {
	g.ordinal, details.previous = b.grantsOf(a)+1, a.lastGrant
	a.lastGrant = b.grants.add()
	b.details.add()
	*b.grants.at(a.lastGrant), *b.details.at(a.lastGrant) = g, details
	return a.lastGrant
}

// waiting is a copy of what of a position waits.
func (b *Book) waiting(p *position) (w waiting) {
	if p.waits != 0 {
		w = *b.waits.at(p.waits)
	}
	return w
}

// waitingOf is waiting to be changed, made if missing.
func (b *Book) waitingOf(p *position) *waiting {
	if p.waits == 0 {
		p.waits = b.waits.add()
	}
	return b.waits.at(p.waits)
}

// compareGrants is the order of burn-down: lower priority number, earlier expiry
// (none last), promotional before paid, earlier effective, older.
func (b *Book) compareGrants(i, j uint32) int {
	g, other := b.grants.at(i), b.grants.at(j)
	if g.priority != other.priority {
		return compare(g.priority, other.priority)
	}
	d, details := b.details.at(i), b.details.at(j)
	switch {
	case d.expires != details.expires:
		return compare(uint64(d.expires-1), uint64(details.expires-1)) // 0, never, wraps to the end
	case g.category != other.category:
		return compare(other.category, g.category)
	case d.effective != details.effective:
		return compare(d.effective, details.effective)
	}
	return compare(g.ordinal, other.ordinal)
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
	link := &p.live
	for *link != 0 && b.compareGrants(*link, i) < 0 {
		link = &b.grants.at(*link).nextLive
	}
	b.grants.at(i).nextLive = *link
	*link = i
}

// countLive is how many live grants the position has, counted as far as limit.
func (b *Book) countLive(p *position, limit int) (n int) {
	for i := p.live; i != 0 && n < limit; i = b.grants.at(i).nextLive {
		n++
	}
	return n
}

// sweepLive takes out the live grants that have ended.
func (b *Book) sweepLive(p *position) {
	link := &p.live
	for *link != 0 {
		g := b.grants.at(*link)
		if g.isLive() {
			link = &g.nextLive
			continue
		}
		*link, g.nextLive = g.nextLive, 0
	}
}

// reschedule finds the next moment at which time alone changes the position.
func (b *Book) reschedule(pi uint32, p *position) {
	due := int64(0)
	for i := p.live; i != 0; i = b.grants.at(i).nextLive {
		details := b.details.at(i)
		due = earlier(due, details.expires)
		if b.grants.at(i).status == GrantPending {
			due = earlier(due, details.effective)
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
func (b *Book) applies(i, meter, subscription, epoch uint32, d *Directory) bool {
	if !b.grants.at(i).scoped {
		return true
	}
	scope := b.texts(i).scope
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

func (b *Book) setTexts(i uint32, t *grantTexts) {
	b.grants.at(i).scoped = t.scoped()
	b.details.at(i).texts = b.addTexts(t)
}

// addTexts keeps the texts of a grant; 0 is a grant without any.
func (b *Book) addTexts(t *grantTexts) textRef {
	if !t.scoped() && t.name == "" && t.applicability == nil && t.metadata == nil {
		return 0
	}
	return b.text.add(t.appendTo(nil))
}

func (t *grantTexts) scoped() bool { return len(t.scope.prices)+len(t.scope.meters) > 0 }

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

// texts reads the texts of a grant. The bytes in it belong to the book.
func (b *Book) texts(i uint32) grantTexts {
	var t grantTexts
	if err := t.decode(b.text.get(b.details.at(i).texts)); err != nil {
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

// addDebt puts a debt at the end of the queue; the caller has made sure that what is
// owed has room for it.
func (b *Book) addDebt(p *position, d debt) {
	i := b.freeDebt
	if i != 0 {
		b.freeDebt = b.debts.at(i).next
	} else {
		i = b.debts.add()
	}
	*b.debts.at(i) = d
	w := b.waitingOf(p)
	w.owed = w.owed.plus(d.amount)
	if w.debtTail != 0 {
		b.debts.at(w.debtTail).next = i
	} else {
		w.debtHead = i
	}
	w.debtTail = i
}

// checkPosition is the cheap half of I3, run after every operation.
func (b *Book) checkPosition(p *position) {
	sum := p.balance.plus(p.consumed).plus(p.forfeited)
	if p.waits != 0 {
		sum = sum.plus(b.waits.at(p.waits).reserved)
	}
	if p.granted != sum {
		panic("ledger: I3: a position's amounts do not add up")
	}
}

func checkGrant(g *grant) {
	if g.amount != g.rest.plus(g.consumed) || g.status == GrantDepleted && !g.rest.IsZero() {
		panic("ledger: I3: a grant's amounts do not add up")
	}
}
