package ledger

// A meter with the aggregation Last reports levels: how much of something a
// customer has in use. An event costs the rise since the latest level by the
// events' own time; a fall gives back what was taken last, first; an event older
// than the latest level changes nothing. At any index a level's value is what it
// took from grants, and did not give back, plus what it still owes.

// level is the latest level of one account on one meter.
type level struct {
	meter     uint32
	next      uint32 // of the account's levels, in the order of the meters' numbers
	takings   uint32 // what was taken for it, the last one first
	timestamp int64  // Unix seconds, of the event that set it
	value     Amount // in the smallest unit
}

// taking is an amount that a level took from one grant. A second taking in a row
// from the same grant adds to the first, so that usually there are about as many as
// grants. Levels that rise and fall in turn over the same grants leave more; there
// are never more than the level has smallest units.
type taking struct {
	grant  uint32
	below  uint32
	amount Amount
}

// findLevel is the index of an account's level on a meter, 0 if there is none.
func (b *Book) findLevel(number, meter uint32) uint32 {
	a := b.lookup(number)
	if a == nil {
		return 0
	}
	i := a.firstLevel
	for i != 0 && b.levels.at(i).meter != meter {
		i = b.levels.at(i).next
	}
	return i
}

// level is findLevel, made if missing.
func (b *Book) level(number, meter uint32) uint32 {
	if i := b.findLevel(number, meter); i != 0 {
		return i
	}
	i := b.levels.add()
	link := &b.account(number).firstLevel
	for *link != 0 && b.levels.at(*link).meter < meter {
		link = &b.levels.at(*link).next
	}
	*b.levels.at(i) = level{meter: meter, next: *link, timestamp: -1 << 63}
	*link = i
	return i
}

// change is how far an event moves a level: up or down, one of them zero.
func (l *level) change(op *Op) (rise, fall Amount) {
	if op.timestamp < l.timestamp {
		return Amount{}, Amount{}
	}
	if rise, ok := op.cost.Sub(l.value); ok {
		return rise, Amount{}
	}
	return Amount{}, l.value.minus(op.cost)
}

// set moves the level to an event that is not older than it.
func (l *level) set(op *Op) {
	if op.timestamp >= l.timestamp {
		l.value, l.timestamp = op.cost, op.timestamp
	}
}

// take notes that the level with the index took an amount from a grant.
func (b *Book) take(li, grant uint32, amount Amount) {
	l := b.levels.at(li)
	if l.takings != 0 {
		if top := b.takings.at(l.takings); top.grant == grant {
			top.amount = top.amount.plus(amount)
			return
		}
	}
	i := b.freeTaking
	if i != 0 {
		b.freeTaking = b.takings.at(i).below
	} else {
		i = b.takings.add()
	}
	*b.takings.at(i) = taking{grant, l.takings, amount}
	l.takings = i
}

// giveBack undoes a level's fall: first what it still owes, the newest first, then
// what it took, the last first. The credit settles what else is owed.
func (b *Book) giveBack(pi, li uint32, fall Amount, op *Op, now int64, d *Directory, out *Output) {
	p, l := b.positions.at(pi), b.levels.at(li)
	fall = b.waive(p, l.meter, fall)
	for !fall.IsZero() {
		if l.takings == 0 {
			panic("ledger: I3: a level falls by more than it took")
		}
		top := b.takings.at(l.takings)
		x := top.amount.Min(fall)
		fall, top.amount = fall.minus(x), top.amount.minus(x)
		b.refund(p, top.grant, x, now, out)
		if top.amount.IsZero() {
			i := l.takings
			l.takings = top.below
			*top = taking{below: b.freeTaking}
			b.freeTaking = i
		}
	}
	b.reschedule(pi, p)
	b.settle(p, op, d, out)
}

// waive takes up to fall off what is owed for the meter, the newest debt first,
// and answers what is left of it. Nothing was taken for a debt, so nothing moves.
func (b *Book) waive(p *position, meter uint32, fall Amount) Amount {
	var owed []uint32
	for i := b.waiting(p).debtHead; i != 0; i = b.debts.at(i).next {
		if b.debts.at(i).meter == meter {
			owed = append(owed, i)
		}
	}
	for n := len(owed) - 1; n >= 0 && !fall.IsZero(); n-- {
		d := b.debts.at(owed[n])
		x := d.amount.Min(fall)
		w := b.waitingOf(p)
		d.amount, fall, w.owed = d.amount.minus(x), fall.minus(x), w.owed.minus(x)
	}
	if len(owed) > 0 {
		b.sweepDebts(b.waitingOf(p))
	}
	return fall
}

// sweepDebts takes the debts out of the queue of which nothing is owed any more.
func (b *Book) sweepDebts(w *waiting) {
	link, last := &w.debtHead, uint32(0)
	for *link != 0 {
		i := *link
		d := b.debts.at(i)
		if !d.amount.IsZero() {
			last, link = i, &d.next
			continue
		}
		*link = d.next
		*d = debt{next: b.freeDebt}
		b.freeDebt = i
	}
	w.debtTail = last
}

// refund gives an amount back to the grant that it came from. A grant that has
// ended meanwhile, or whose time is over, cannot hold it: the amount is forfeited
// at once, and a second row says so.
func (b *Book) refund(p *position, gi uint32, x Amount, now int64, out *Output) {
	g, details := b.grants.at(gi), b.details.at(gi)
	g.consumed, p.consumed = g.consumed.minus(x), p.consumed.minus(x)
	g.rest, details.updated = g.rest.plus(x), now
	row := Row{Type: RowAdjustment, Own: true, Currency: p.currency, Grant: g.ordinal, Amount: x}
	row.Balance = p.balance.plus(x)
	if g.status == GrantDepleted && details.expires != 0 && seconds(now) >= details.expires {
		g.status = GrantExpired
	}
	if !g.hasEnded() {
		p.balance = row.Balance
		if g.status == GrantDepleted {
			g.status = GrantGranted
			b.addLive(p, gi)
		}
		row.GrantRemaining = g.rest
		out.rows = append(out.rows, row)
		checkGrant(g)
		return
	}
	row.GrantRemaining = x
	out.rows = append(out.rows, row)
	p.forfeited = p.forfeited.plus(x)
	row.Negative, row.GrantRemaining, row.Balance = true, Amount{}, p.balance
	if g.status == GrantExpired {
		row.Type = RowExpiration
	}
	out.rows = append(out.rows, row)
	checkGrant(g)
}
