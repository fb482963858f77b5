package ledger

import "fmt"

// Totals sums up all accounts. Sums are taken modulo 2^128: they are compared,
// not spent.
type Totals struct {
	Accounts, Grants, Debts uint64
	// Over all currencies.
	Granted, Balance, Reserved, Consumed, Forfeited, Owed Amount
}

// Add puts the totals of other accounts to t.
func (t *Totals) Add(o *Totals) {
	t.Accounts, t.Grants, t.Debts = t.Accounts+o.Accounts, t.Grants+o.Grants, t.Debts+o.Debts
	sums, others := t.amounts(), o.amounts()
	for i := range sums {
		*sums[i], _ = sums[i].Add(*others[i])
	}
}

func (t *Totals) amounts() [6]*Amount {
	return [6]*Amount{&t.Granted, &t.Balance, &t.Reserved, &t.Consumed, &t.Forfeited, &t.Owed}
}

func (t *Totals) appendTo(dst []byte) []byte {
	dst = appendUvarint(appendUvarint(appendUvarint(dst, t.Accounts), t.Grants), t.Debts)
	for _, a := range t.amounts() {
		dst = appendUvarint(appendUvarint(dst, a.Hi), a.Lo)
	}
	return dst
}

func (t *Totals) decode(r *reader) {
	t.Accounts, t.Grants, t.Debts = r.uvarint(), r.uvarint(), r.uvarint()
	for _, a := range t.amounts() {
		a.Hi, a.Lo = r.uvarint(), r.uvarint()
	}
}

// addTotals puts one account to the totals.
func (b *Book) addTotals(number uint32, t *Totals) {
	a := b.lookup(number)
	if a == nil {
		return
	}
	one := Totals{Grants: uint64(a.grants)}
	if a.firstPosition != 0 {
		one.Accounts = 1
	}
	for i := a.firstPosition; i != 0; i = b.positions.at(i).next {
		p := b.positions.at(i)
		sum := Totals{
			Granted: p.granted, Balance: p.balance, Reserved: p.reserved, Consumed: p.consumed, Forfeited: p.forfeited,
			Owed: p.owed,
		}
		for d := p.debtHead; d != 0; d = b.debts.at(d).next {
			sum.Debts++
		}
		one.Add(&sum)
	}
	t.Add(&one)
}

// CheckAccount walks one account and holds it against I3: every grant on its own,
// every position against its grants and its debts. The error names the first
// violation.
func (b *Book) CheckAccount(number uint32) error {
	a := b.lookup(number)
	if a == nil {
		return nil
	}
	sums := map[uint32]*position{}
	count := uint32(0)
	for i := a.lastGrant; i != 0; i = b.grants.at(i).previous {
		count++
		g := b.grants.at(i)
		sum := sums[g.position]
		if sum == nil {
			sum = &position{}
			sums[g.position] = sum
		}
		if !g.sound() || !sum.include(g) {
			return fmt.Errorf("I3: account %d, grant %v: amount %v is not remaining %v + consumed %v + forfeited %v",
				number, GrantID{number, g.ordinal}, g.amount, g.remaining, g.consumed, g.forfeited)
		}
	}
	if count != a.grants {
		return fmt.Errorf("I3: account %d: %d grants, %d expected", number, count, a.grants)
	}
	if err := b.checkLevels(number, a); err != nil {
		return fmt.Errorf("I3: account %d, %w", number, err)
	}
	for i := a.firstPosition; i != 0; i = b.positions.at(i).next {
		sum := sums[i]
		if sum == nil {
			sum = &position{}
		}
		if err := b.checkSums(b.positions.at(i), sum); err != nil {
			return fmt.Errorf("I3: account %d, currency %d: %w", number, b.positions.at(i).currency, err)
		}
	}
	return nil
}

// checkLevels holds every level against what it took and what it owes, and every
// grant against what levels took from it.
func (b *Book) checkLevels(number uint32, a *account) error {
	taken := map[uint32]Amount{}
	for i := a.firstLevel; i != 0; i = b.levels.at(i).next {
		l := b.levels.at(i)
		sum, ok := b.owedFor(a, l.meter), true
		for ti := l.takings; ti != 0 && ok; ti = b.takings.at(ti).below {
			t := b.takings.at(ti)
			if sum, ok = sum.Add(t.amount); ok {
				taken[t.grant], ok = taken[t.grant].Add(t.amount)
			}
			ok = ok && !b.grants.at(t.grant).consumed.Less(taken[t.grant])
		}
		if !ok || sum != l.value {
			return fmt.Errorf("meter %d: the level %v is not what it took and owes", l.meter, l.value)
		}
	}
	return nil
}

// owedFor is what the account owes for a meter.
func (b *Book) owedFor(a *account, meter uint32) (sum Amount) {
	for i := a.firstPosition; i != 0; i = b.positions.at(i).next {
		for di := b.positions.at(i).debtHead; di != 0; di = b.debts.at(di).next {
			if d := b.debts.at(di); d.meter == meter {
				sum, _ = sum.Add(d.amount)
			}
		}
	}
	return sum
}

// sound is I3 of one grant, and that its status agrees with its amounts.
func (g *grant) sound() bool {
	sum, ok := g.remaining.Add(g.consumed)
	if ok {
		sum, ok = sum.Add(g.forfeited)
	}
	live := g.status == GrantPending || g.status == GrantGranted
	return ok && sum == g.amount && live != g.remaining.IsZero() && (g.status != GrantPending || g.consumed.IsZero())
}

// include adds a grant to sums of a position; false when they overflow.
func (p *position) include(g *grant) bool {
	ok := [4]bool{true, true, true, true}
	p.granted, ok[0] = p.granted.Add(g.amount)
	p.consumed, ok[1] = p.consumed.Add(g.consumed)
	p.forfeited, ok[2] = p.forfeited.Add(g.forfeited)
	switch g.status {
	case GrantGranted:
		p.balance, ok[3] = p.balance.Add(g.remaining)
		p.liveLen++
	case GrantPending:
		p.reserved, ok[3] = p.reserved.Add(g.remaining)
		p.liveLen++
	}
	return ok == [4]bool{true, true, true, true}
}

func (b *Book) checkSums(p, sum *position) error {
	switch {
	case p.granted != sum.granted:
		return fmt.Errorf("granted %v, its grants %v", p.granted, sum.granted)
	case p.balance != sum.balance:
		return fmt.Errorf("balance %v, its grants hold %v", p.balance, sum.balance)
	case p.reserved != sum.reserved:
		return fmt.Errorf("reserved %v, its grants hold %v", p.reserved, sum.reserved)
	case p.consumed != sum.consumed:
		return fmt.Errorf("consumed %v, its grants %v", p.consumed, sum.consumed)
	case p.forfeited != sum.forfeited:
		return fmt.Errorf("forfeited %v, its grants %v", p.forfeited, sum.forfeited)
	case p.liveLen != sum.liveLen:
		return fmt.Errorf("%d live grants, %d listed", sum.liveLen, p.liveLen)
	}
	return b.checkQueues(p)
}

// checkQueues walks the live grants and the debts of a position.
func (b *Book) checkQueues(p *position) error {
	live := uint32(0)
	for i := p.live; i != 0; i = b.grants.at(i).nextLive {
		live++
		if next := b.grants.at(i).nextLive; next != 0 && compareGrants(b.grants.at(i), b.grants.at(next)) >= 0 {
			return fmt.Errorf("live grants out of order at grant %d", b.grants.at(i).ordinal)
		}
	}
	if live != p.liveLen {
		return fmt.Errorf("%d live grants in the list, %d expected", live, p.liveLen)
	}
	owed, last := Amount{}, uint64(0)
	for i := p.debtHead; i != 0; i = b.debts.at(i).next {
		d := b.debts.at(i)
		var ok bool
		if owed, ok = owed.Add(d.amount); !ok || d.amount.IsZero() || d.seq <= last {
			return fmt.Errorf("the debt of event %d", d.seq)
		}
		last = d.seq
		if d.next == 0 && p.debtTail != i {
			return fmt.Errorf("the queue of debts has a loose end")
		}
	}
	if owed != p.owed {
		return fmt.Errorf("owed %v, its debts are %v", p.owed, owed)
	}
	return nil
}
