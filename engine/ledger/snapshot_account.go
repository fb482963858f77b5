package ledger

import (
	"fmt"
	"slices"
)

// An account in a snapshot:
//
//	number of grants, grants (oldest first) | number of positions, positions | number of levels, levels
//	grant    = currency, priority, category, status, times, amounts, texts
//	position = currency, scope epoch, number of debts, debts (oldest first)
//	debt     = sequence, amount, meter, subscription
//	level    = meter, time, value, number of takings, takings (first first)
//	taking   = grant, amount
//
// Sums, links and the schedule are not written: they follow from the rest.

func (b *Book) appendAccount(dst []byte, number uint32) []byte {
	a := b.lookup(number)
	if a == nil {
		return append(dst, 0, 0, 0)
	}
	var order []uint32
	for i := a.lastGrant; i != 0; i = b.details.at(i).previous {
		order = append(order, i)
	}
	dst = appendUvarint(dst, uint64(len(order)))
	for _, i := range slices.Backward(order) {
		dst = b.appendGrant(dst, i)
	}
	positions := 0
	for i := a.firstPosition; i != 0; i = b.positions.at(i).next {
		positions++
	}
	dst = appendUvarint(dst, uint64(positions))
	for i := a.firstPosition; i != 0; i = b.positions.at(i).next {
		dst = b.appendPosition(dst, b.positions.at(i))
	}
	levels := 0
	for i := a.firstLevel; i != 0; i = b.levels.at(i).next {
		levels++
	}
	dst = appendUvarint(dst, uint64(levels))
	for i := a.firstLevel; i != 0; i = b.levels.at(i).next {
		dst = b.appendLevel(dst, b.levels.at(i))
	}
	return dst
}

func (b *Book) appendLevel(dst []byte, l *level) []byte {
	dst = appendZigzag(appendUvarint(dst, uint64(l.meter)), l.timestamp)
	dst = appendAmount(dst, l.value)
	var order []*taking
	for i := l.takings; i != 0; i = b.takings.at(i).below {
		order = append(order, b.takings.at(i))
	}
	dst = appendUvarint(dst, uint64(len(order)))
	for _, t := range slices.Backward(order) {
		dst = appendAmount(appendUvarint(dst, uint64(b.grants.at(t.grant).ordinal)), t.amount)
	}
	return dst
}

func (b *Book) appendGrant(dst []byte, i uint32) []byte {
	g, details := b.grants.at(i), b.details.at(i)
	dst = appendUvarint(dst, uint64(b.positions.at(details.position).currency))
	dst = appendUvarint(dst, uint64(g.priority))
	dst = append(dst, byte(g.category), byte(g.status))
	for _, t := range []int64{
		details.effective, details.expires, int64(details.ended), int64(details.began), details.created, details.updated,
	} {
		dst = appendZigzag(dst, t)
	}
	for _, a := range []Amount{g.amount, g.remaining(), g.consumed, g.forfeited()} {
		dst = appendAmount(dst, a)
	}
	return appendBytes(dst, b.text.get(details.texts))
}

func (b *Book) appendPosition(dst []byte, p *position) []byte {
	dst = appendUvarint(dst, uint64(p.currency))
	dst = appendUvarint(dst, uint64(p.scopes))
	head, debts := b.waiting(p).debtHead, 0
	for i := head; i != 0; i = b.debts.at(i).next {
		debts++
	}
	dst = appendUvarint(dst, uint64(debts))
	for i := head; i != 0; i = b.debts.at(i).next {
		d := b.debts.at(i)
		dst = appendAmount(appendUvarint(dst, d.seq), d.amount)
		dst = appendUvarint(appendUvarint(dst, uint64(d.meter)), uint64(d.subscription))
	}
	return dst
}

func (b *Book) decodeAccount(r *reader, number uint32) error {
	for range r.uint32() {
		if err := b.decodeGrant(r, number); err != nil {
			return err
		}
	}
	for range r.uint32() {
		if r.bad {
			break
		}
		b.decodePosition(r, number)
	}
	for range r.uint32() {
		if r.bad {
			break
		}
		b.decodeLevel(r, number)
	}
	return r.err()
}

func (b *Book) decodeLevel(r *reader, number uint32) {
	li := b.level(number, r.uint32())
	timestamp, value := r.zigzag(), r.amount()
	for range r.uint32() {
		grant, amount := b.findGrant(number, r.uint32()), r.amount()
		if r.bad || grant == 0 {
			r.fail()
			return
		}
		b.take(li, grant, amount)
	}
	l := b.levels.at(li)
	l.timestamp, l.value = timestamp, value
}

func (b *Book) decodeGrant(r *reader, number uint32) error {
	currency := r.uint32()
	g := grant{priority: r.uint32(), category: Category(r.enum(2)), status: GrantStatus(r.enum(byte(GrantVoided) + 1))}
	details := grantDetails{effective: r.zigzag(), expires: r.zigzag()}
	details.ended, details.began = r.second(), r.second()
	details.created, details.updated = r.zigzag(), r.zigzag()
	g.amount = r.amount()
	remaining := r.amount()
	g.consumed = r.amount()
	forfeited := r.amount()
	if g.rest = remaining; g.hasEnded() {
		g.rest = forfeited
	}
	text := r.bytes()
	var texts grantTexts
	// A grant that lives has forfeited nothing, and nothing remains of one that ended.
	if r.bad || texts.decode(text) != nil || g.remaining() != remaining || g.forfeited() != forfeited {
		return fmt.Errorf("%w: a grant of account %d", ErrCorrupt, number)
	}
	g.scoped, details.texts = texts.scoped(), b.addTexts(&texts)
	details.position = b.position(number, currency)
	return b.restoreGrant(number, g, details)
}

// second is a log time in whole seconds, as a grant keeps it.
func (r *reader) second() second {
	t := r.zigzag()
	if t < 0 || t > lastSecond {
		r.fail()
	}
	return second(t)
}

// restoreGrant puts a grant that was read into the account, and its amounts into the
// position.
func (b *Book) restoreGrant(number uint32, g grant, details grantDetails) error {
	i, p := b.addGrant(b.account(number), g, details), b.positions.at(details.position)
	sums := []amountTo{{&p.granted, g.amount}, {&p.consumed, g.consumed}, {&p.forfeited, g.forfeited()}}
	switch g.status {
	case GrantGranted:
		sums = append(sums, amountTo{&p.balance, g.rest})
	case GrantPending:
		sums = append(sums, amountTo{&b.waitingOf(p).reserved, g.rest})
	}
	for _, sum := range sums {
		var ok bool
		if *sum.to, ok = sum.to.Add(sum.value); !ok {
			return fmt.Errorf("%w: the amounts of account %d", ErrCorrupt, number)
		}
	}
	if g.isLive() {
		b.addLive(p, i)
		b.reschedule(details.position, p)
	}
	return nil
}

// amountTo is an amount and the sum to which it goes.
type amountTo struct {
	to    *Amount
	value Amount
}

func (b *Book) decodePosition(r *reader, number uint32) {
	p := b.positions.at(b.position(number, r.uint32()))
	p.scopes = r.uint32()
	for range r.uint32() {
		d := debt{seq: r.uvarint(), amount: r.amount(), meter: r.uint32(), subscription: r.uint32()}
		if _, ok := b.waiting(p).owed.Add(d.amount); r.bad || !ok {
			r.fail()
			return
		}
		b.addDebt(p, d)
	}
}
