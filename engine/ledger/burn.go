package ledger

// Op is one operation on one account: a command after its names have become
// numbers. Ops are made in entry order and carried out by the books, each book
// its own in order.
type Op struct {
	Account   uint32
	slot      int32  // of the command in the entry
	Seq       uint64 // place in the order of all operations
	scopeSeen uint32 // the directory's scope epoch
	kind      byte

	// Of a Report.
	isLevel      bool
	number       int32 // among the entry's reports
	meter        uint32
	currency     uint32 // also of a CreateGrant
	subscription uint32
	cost         Amount // of a level: the level itself
	timestamp    int64
	report       *report

	*grantOp // of a command on a grant
}

// grantOp is what an operation on a grant has in addition. It is apart because
// most operations are reports, and what they do not touch need not be in the cache.
type grantOp struct {
	grant  GrantID
	amount Amount
	create *CreateGrant
	update *UpdateGrant
	scope  scopeNumbers
}

// Output is what a book's share of an entry brought forth. It is reused from
// entry to entry.
type Output struct {
	Records []RecordRef
	Data    []byte
	Digest  uint64 // sum of the records' hashes: the same however accounts are sharded
	rows    []Row
}

// RecordRef is one record within an Output.
type RecordRef struct {
	Account    uint32
	Seq        uint64
	Start, End int // in Data
}

// Reset empties the output.
func (o *Output) Reset() { o.Records, o.Data, o.Digest = o.Records[:0], o.Data[:0], 0 }

// finish writes the rows collected since the last call, with the event if there
// is one, as the operation's record. An operation that did nothing leaves none.
func (o *Output) finish(op *Op, now int64, event *RecordEvent) {
	if event == nil && len(o.rows) == 0 {
		return
	}
	start := len(o.Data)
	o.Data = appendRecord(o.Data, now, event, o.rows)
	o.rows = o.rows[:0]
	o.Records = append(o.Records, RecordRef{op.Account, op.Seq, start, len(o.Data)})
	o.Digest += hashBytes(mix(uint64(op.Account), op.Seq), o.Data[start:])
}

// Apply carries out one operation at the log's time now (Unix nanoseconds) and
// writes its record to out. Only the book's goroutine may call it.
func (b *Book) Apply(op *Op, now int64, d *Directory, out *Output) Result {
	result := Result{Account: op.Account, Seq: op.Seq, Time: now}
	switch op.kind {
	case kindReport:
		b.report(op, now, d, out, &result)
	case kindCreateGrant:
		b.createGrant(op, now, d, out, &result)
	case kindUpdateGrant:
		b.updateGrant(op, now, d, out, &result)
	case kindVoidGrant:
		b.voidGrant(op, now, d, out, &result)
	case kindSettle:
		b.settleAccount(op, now, d, out)
	default:
		panic("ledger: an operation of unknown kind")
	}
	return result
}

func (b *Book) report(op *Op, now int64, d *Directory, out *Output, result *Result) {
	pi := b.position(op.Account, op.currency)
	p := b.positions.at(pi)
	b.catchUp(pi, op, now, d, out)
	cost, fall, li := op.cost, Amount{}, uint32(0)
	if op.isLevel {
		li = b.level(op.Account, op.meter)
		cost, fall = b.levels.at(li).change(op)
	}
	// Checked before anything moves: a refused event has changed nothing.
	owed, ok := b.waiting(p).owed.Add(cost)
	if ok {
		_, ok = p.consumed.Add(owed)
	}
	if !ok {
		result.Code = AmountOverflow
		out.finish(op, now, nil)
		return
	}
	use := use{meter: op.meter, subscription: op.subscription, level: li}
	rest := b.draw(p, use, cost, d, out, Row{Own: true})
	if !rest.IsZero() {
		b.addDebt(p, debt{seq: op.Seq, amount: rest, meter: op.meter, subscription: op.subscription})
	}
	if op.isLevel {
		b.levels.at(li).set(op)
		if !fall.IsZero() {
			b.giveBack(pi, li, fall, op, now, d, out)
		}
	}
	b.checkPosition(p)
	result.Consumed, result.Pending = cost.minus(rest), rest
	out.finish(op, now, &RecordEvent{
		Meter: op.meter, Currency: op.currency, Subscription: op.subscription, Value: op.report.value, Cost: cost,
		Pending: rest, Timestamp: op.timestamp, HasTimestamp: op.report.hasTimestamp, Channel: op.report.channel,
		packed: op.report.packed, identifier: op.report.identifier,
		Metadata: op.report.texts.metadata, SourceData: op.report.texts.source,
	})
}

// use is what credit is drawn for.
type use struct {
	meter, subscription uint32
	level               uint32 // index of the level that remembers what was taken; 0 if none does
}

// draw takes up to cost from the live grants that apply, in order of burn-down,
// and answers what none covered. Each grant drawn on leaves a copy of row. The
// position has caught up with the operation: its scope epoch is the operation's.
func (b *Book) draw(p *position, u use, cost Amount, d *Directory, out *Output, row Row) Amount {
	depleted := false
	for i := p.live; i != 0 && !cost.IsZero() && !p.balance.IsZero(); {
		gi, g := i, b.grants.at(i)
		i = g.nextLive
		if g.status != GrantGranted || !b.applies(gi, u.meter, u.subscription, p.scopes, d) {
			continue
		}
		take := g.rest.Min(cost)
		cost = cost.minus(take)
		g.rest = g.rest.minus(take)
		g.consumed = g.consumed.plus(take)
		p.balance = p.balance.minus(take)
		p.consumed = p.consumed.plus(take)
		if g.rest.IsZero() {
			g.status, depleted = GrantDepleted, true
		}
		if u.level != 0 {
			b.take(u.level, gi, take)
		}
		checkGrant(g)
		row.Type, row.Negative, row.Currency = RowConsumption, true, p.currency
		row.Grant, row.Amount, row.GrantRemaining, row.Balance = g.ordinal, take, g.rest, p.balance
		out.rows = append(out.rows, row)
	}
	if depleted {
		b.sweepLive(p)
	}
	return cost
}

// catchUp brings a position to the log's time: expiry, then activation, then
// settlement of what is owed, in this order.
func (b *Book) catchUp(pi uint32, op *Op, now int64, d *Directory, out *Output) {
	p := b.positions.at(pi)
	credited := false
	if p.due != 0 && seconds(now) >= p.due {
		b.expireDue(p, now, out)
		credited = b.activateDue(p, now, out)
		b.sweepLive(p)
		b.reschedule(pi, p)
	}
	if credited || p.scopes != op.scopeSeen {
		b.settle(p, op, d, out)
	}
	b.checkPosition(p)
}

func (b *Book) expireDue(p *position, now int64, out *Output) {
	for i := p.live; i != 0; i = b.grants.at(i).nextLive {
		if expires := b.details.at(i).expires; expires != 0 && seconds(now) >= expires {
			b.forfeit(p, i, GrantExpired, now, out)
		}
	}
}

func (b *Book) activateDue(p *position, now int64, out *Output) (credited bool) {
	for i := p.live; i != 0; i = b.grants.at(i).nextLive {
		if g := b.grants.at(i); g.status == GrantPending && seconds(now) >= b.details.at(i).effective {
			w := b.waitingOf(p)
			w.reserved = w.reserved.minus(g.rest)
			b.activate(p, i, now, out)
			credited = true
		}
	}
	return credited
}

// activate makes the credit of a grant available, which was pending or is new.
func (b *Book) activate(p *position, i uint32, now int64, out *Output) {
	g, details := b.grants.at(i), b.details.at(i)
	g.status, details.began, details.updated = GrantGranted, secondOf(now), now
	p.balance = p.balance.plus(g.rest)
	out.rows = append(out.rows, Row{
		Type: RowGrant, Currency: p.currency, Grant: g.ordinal, Amount: g.rest, GrantRemaining: g.rest,
		Balance: p.balance,
	})
}

// forfeit ends a live grant: what remains of it is lost. A pending grant never
// was in the balance, so its row moves nothing.
func (b *Book) forfeit(p *position, i uint32, status GrantStatus, now int64, out *Output) {
	g, details := b.grants.at(i), b.details.at(i)
	lost, moved := g.remaining(), g.remaining()
	if g.status == GrantPending {
		w := b.waitingOf(p)
		w.reserved, moved = w.reserved.minus(lost), Amount{}
	} else {
		p.balance = p.balance.minus(lost)
	}
	p.forfeited = p.forfeited.plus(lost)
	g.status, details.updated = status, now // the rest is forfeited
	kind := RowExpiration
	if status == GrantVoided {
		kind, details.ended = RowAdjustment, secondOf(now)
	}
	checkGrant(g)
	out.rows = append(out.rows, Row{
		Type: kind, Negative: true, Currency: p.currency, Grant: g.ordinal, Amount: moved, Balance: p.balance,
	})
}

// settle pays what is owed from what can be spent, oldest first. A debt to which
// no grant applies stays in the queue and does not hold up the ones behind it. What
// was not paid in full leaves nothing for others of its kind: they are not tried.
func (b *Book) settle(p *position, op *Op, d *Directory, out *Output) {
	p.scopes = op.scopeSeen
	if p.waits == 0 {
		return
	}
	w := b.waits.at(p.waits)
	link, last := &w.debtHead, uint32(0)
	type kind struct{ meter, subscription uint32 }
	var dry map[kind]bool
	for *link != 0 && !p.balance.IsZero() {
		i := *link
		owed := b.debts.at(i)
		if dry[kind{owed.meter, owed.subscription}] {
			last, link = i, &owed.next
			continue
		}
		row := Row{EventSeq: owed.seq, Meter: owed.meter, Subscription: owed.subscription}
		u := use{owed.meter, owed.subscription, b.findLevel(p.account, owed.meter)}
		rest := b.draw(p, u, owed.amount, d, out, row)
		w.owed = w.owed.minus(owed.amount.minus(rest))
		owed.amount = rest
		if !rest.IsZero() {
			if dry == nil {
				dry = map[kind]bool{}
			}
			dry[kind{owed.meter, owed.subscription}] = true
			last, link = i, &owed.next
			continue
		}
		*link = owed.next
		if w.debtTail == i {
			w.debtTail = last
		}
		*owed = debt{next: b.freeDebt}
		b.freeDebt = i
	}
}

func (b *Book) settleAccount(op *Op, now int64, d *Directory, out *Output) {
	a := b.lookup(op.Account)
	if a == nil {
		return
	}
	for i := a.firstPosition; i != 0; i = b.positions.at(i).next {
		b.catchUp(i, op, now, d, out)
	}
	out.finish(op, now, nil)
}
