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
	for i := a.lastGrant; i != 0; i = b.grants.at(i).previous {
		order = append(order, i)
	}
	dst = appendUvarint(dst, uint64(len(order)))
	for _, i := range slices.Backward(order) {
		dst = b.appendGrant(dst, b.grants.at(i))
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

func (b *Book) appendGrant(dst []byte, g *grant) []byte {
	dst = appendUvarint(dst, uint64(b.positions.at(g.position).currency))
	dst = appendUvarint(dst, uint64(g.priority))
	dst = append(dst, byte(g.category), byte(g.status))
	for _, t := range []int64{g.effective, g.expires, g.ended, g.began, g.created, g.updated} {
		dst = appendZigzag(dst, t)
	}
	for _, a := range []Amount{g.amount, g.remaining, g.consumed, g.forfeited} {
		dst = appendAmount(dst, a)
	}
	return appendBytes(dst, b.text.get(g.cold))
}

func (b *Book) appendPosition(dst []byte, p *position) []byte {
	dst = appendUvarint(dst, uint64(p.currency))
	dst = appendUvarint(dst, uint64(p.scopes))
	debts := 0
	for i := p.debtHead; i != 0; i = b.debts.at(i).next {
		debts++
	}
	dst = appendUvarint(dst, uint64(debts))
	for i := p.debtHead; i != 0; i = b.debts.at(i).next {
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
	for _, t := range []*int64{&g.effective, &g.expires, &g.ended, &g.began, &g.created, &g.updated} {
		*t = r.zigzag()
	}
	for _, a := range []*Amount{&g.amount, &g.remaining, &g.consumed, &g.forfeited} {
		*a = r.amount()
	}
	text := r.bytes()
	var texts grantTexts
	if r.bad || texts.decode(text) != nil {
		return fmt.Errorf("%w: a grant of account %d", ErrCorrupt, number)
	}
	b.setTexts(&g, &texts)
	return b.addGrant(number, currency, g)
}

// addGrant puts a grant that was read into the account, and its amounts into the
// position.
func (b *Book) addGrant(number, currency uint32, g grant) error {
	g.position = b.position(number, currency)
	a, p := b.account(number), b.positions.at(g.position)
	a.grants++
	g.ordinal, g.previous = a.grants, a.lastGrant
	i := b.grants.add()
	*b.grants.at(i) = g
	a.lastGrant = i
	spendable, reserved := Amount{}, Amount{}
	switch g.status {
	case GrantGranted:
		spendable = g.remaining
	case GrantPending:
		reserved = g.remaining
	}
	for _, sum := range []struct {
		to    *Amount
		value Amount
	}{
		{&p.granted, g.amount}, {&p.balance, spendable}, {&p.reserved, reserved}, {&p.consumed, g.consumed},
		{&p.forfeited, g.forfeited},
	} {
		var ok bool
		if *sum.to, ok = sum.to.Add(sum.value); !ok {
			return fmt.Errorf("%w: the amounts of account %d", ErrCorrupt, number)
		}
	}
	if g.status == GrantPending || g.status == GrantGranted {
		b.addLive(p, i)
		b.reschedule(g.position, p)
	}
	return nil
}

func (b *Book) decodePosition(r *reader, number uint32) {
	p := b.positions.at(b.position(number, r.uint32()))
	p.scopes = r.uint32()
	for range r.uint32() {
		d := debt{seq: r.uvarint(), amount: r.amount(), meter: r.uint32(), subscription: r.uint32()}
		owed, ok := p.owed.Add(d.amount)
		if r.bad || !ok {
			r.fail()
			return
		}
		p.owed = owed
		b.addDebt(p, d)
	}
}
