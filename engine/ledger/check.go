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
	one := Totals{Grants: uint64(b.grantsOf(a))}
	if a.firstPosition != 0 {
		one.Accounts = 1
	}
	for i := a.firstPosition; i != 0; i = b.positions.at(i).next {
		p, w := b.positions.at(i), b.waiting(b.positions.at(i))
		sum := Totals{
			Granted: p.granted, Balance: p.balance, Reserved: w.reserved, Consumed: p.consumed, Forfeited: p.forfeited,
			Owed: w.owed,
		}
		for d := w.debtHead; d != 0; d = b.debts.at(d).next {
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
	sums := map[uint32]*grantSums{}
	expected := b.grantsOf(a) // ordinals are dense: they count down to 1
	for i := a.lastGrant; i != 0; i = b.details.at(i).previous {
		g, pi := b.grants.at(i), b.details.at(i).position
		if g.ordinal != expected {
			return fmt.Errorf("I3: account %d: grant %d where %d is expected", number, g.ordinal, expected)
		}
		expected--
		sum := sums[pi]
		if sum == nil {
			sum = &grantSums{}
			sums[pi] = sum
		}
		if !g.sound() || !sum.include(g) {
			return fmt.Errorf("I3: account %d, grant %v, status %d: amount %v is not consumed %v + remaining or forfeited %v",
				number, GrantID{number, g.ordinal}, g.status, g.amount, g.consumed, g.rest)
		}
	}
	if expected != 0 {
		return fmt.Errorf("I3: account %d: its first %d grants are missing", number, expected)
	}
	if err := b.checkLevels(number, a); err != nil {
		return fmt.Errorf("I3: account %d, %w", number, err)
	}
	for i := a.firstPosition; i != 0; i = b.positions.at(i).next {
		sum := sums[i]
		if sum == nil {
			sum = &grantSums{}
		}
		if err := b.checkSums(i, sum); err != nil {
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
		for di := b.waiting(b.positions.at(i)).debtHead; di != 0; di = b.debts.at(di).next {
			if d := b.debts.at(di); d.meter == meter {
				sum, _ = sum.Add(d.amount)
			}
		}
	}
	return sum
}

// sound is I3 of one grant, and that its status agrees with its amounts.
func (g *grant) sound() bool {
	sum, ok := g.rest.Add(g.consumed)
	if !ok || sum != g.amount {
		return false
	}
	switch g.status {
	case GrantPending:
		return g.consumed.IsZero() && !g.rest.IsZero()
	case GrantGranted:
		return !g.rest.IsZero()
	case GrantDepleted:
		return g.rest.IsZero()
	}
	return true
}

// grantSums is what the grants of a position come to, added up one by one.
type grantSums struct {
	granted, balance, reserved, consumed, forfeited Amount
	live                                            int
}

// include adds a grant to the sums; false when they overflow.
func (s *grantSums) include(g *grant) bool {
	ok := [4]bool{true, true, true, true}
	s.granted, ok[0] = s.granted.Add(g.amount)
	s.consumed, ok[1] = s.consumed.Add(g.consumed)
	s.forfeited, ok[2] = s.forfeited.Add(g.forfeited())
	switch g.status {
	case GrantGranted:
		s.balance, ok[3] = s.balance.Add(g.rest)
		s.live++
	case GrantPending:
		s.reserved, ok[3] = s.reserved.Add(g.rest)
		s.live++
	}
	return ok == [4]bool{true, true, true, true}
}

func (b *Book) checkSums(pi uint32, sum *grantSums) error {
	p, w := b.positions.at(pi), b.waiting(b.positions.at(pi))
	switch {
	case p.granted != sum.granted:
		return fmt.Errorf("granted %v, its grants %v", p.granted, sum.granted)
	case p.balance != sum.balance:
		return fmt.Errorf("balance %v, its grants hold %v", p.balance, sum.balance)
	case w.reserved != sum.reserved:
		return fmt.Errorf("reserved %v, its grants hold %v", w.reserved, sum.reserved)
	case p.consumed != sum.consumed:
		return fmt.Errorf("consumed %v, its grants %v", p.consumed, sum.consumed)
	case p.forfeited != sum.forfeited:
		return fmt.Errorf("forfeited %v, its grants %v", p.forfeited, sum.forfeited)
	}
	if err := b.checkLive(pi, sum.live); err != nil {
		return err
	}
	return b.checkDebts(&w)
}

// checkLive walks the live grants of a position: all of them are there, each is its
// own and lives, and they are in the order in which they are drawn on.
func (b *Book) checkLive(pi uint32, expected int) error {
	live := 0
	for i := b.positions.at(pi).live; i != 0; i = b.grants.at(i).nextLive {
		live++
		g := b.grants.at(i)
		if !g.isLive() || b.details.at(i).position != pi {
			return fmt.Errorf("grant %d, of status %d, is among its live ones", g.ordinal, g.status)
		}
		if g.nextLive != 0 && b.compareGrants(i, g.nextLive) >= 0 {
			return fmt.Errorf("live grants out of order at grant %d", g.ordinal)
		}
	}
	if live != expected {
		return fmt.Errorf("%d live grants in the list, %d expected", live, expected)
	}
	return nil
}

// checkDebts walks the debts of a position.
func (b *Book) checkDebts(w *waiting) error {
	owed, last := Amount{}, uint64(0)
	for i := w.debtHead; i != 0; i = b.debts.at(i).next {
		d := b.debts.at(i)
		var ok bool
		if owed, ok = owed.Add(d.amount); !ok || d.amount.IsZero() || d.seq <= last {
			return fmt.Errorf("the debt of event %d", d.seq)
		}
		last = d.seq
		if d.next == 0 && w.debtTail != i {
			return fmt.Errorf("the queue of debts has a loose end")
		}
	}
	if w.debtHead == 0 && w.debtTail != 0 {
		return fmt.Errorf("the queue of debts has an end and no beginning")
	}
	if owed != w.owed {
		return fmt.Errorf("owed %v, its debts are %v", w.owed, owed)
	}
	return nil
}
