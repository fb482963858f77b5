package ledger

// MaxLiveGrants is how many grants an account may have that are pending or
// granted, per currency. Each new one counts them and finds its place among them by
// walking.
const MaxLiveGrants = 10_000

func (b *Book) createGrant(op *Op, now int64, d *Directory, out *Output, result *Result) {
	c := op.create
	pi := b.position(op.Account, op.currency)
	p := b.positions.at(pi)
	b.catchUp(pi, op, now, d, out)
	effective := c.EffectiveAt
	if effective == 0 {
		effective = seconds(now)
	}
	if result.Code = b.checkNewGrant(p, op); result.Code.Refused() {
		out.finish(op, now, nil)
		return
	}
	i := b.addGrant(b.account(op.Account), grant{
		amount: op.amount, rest: op.amount, priority: c.Priority, status: GrantPending, category: c.Category,
	}, grantDetails{position: pi, effective: effective, expires: c.ExpiresAt, created: now, updated: now})
	b.setTexts(i, &grantTexts{name: c.Name, applicability: c.Applicability, metadata: c.Metadata, scope: op.scope})
	p.granted = p.granted.plus(op.amount)
	b.addLive(p, i)
	if seconds(now) >= effective {
		b.activate(p, i, now, out)
		b.settle(p, op, d, out)
	} else {
		w := b.waitingOf(p)
		w.reserved = w.reserved.plus(op.amount)
	}
	b.reschedule(pi, p)
	checkGrant(b.grants.at(i))
	b.checkPosition(p)
	result.Ordinal = b.grants.at(i).ordinal
	out.finish(op, now, nil)
}

// checkNewGrant judges what depends on the account; an account that is new passes.
func (b *Book) checkNewGrant(p *position, op *Op) Code {
	if b.countLive(p, MaxLiveGrants) == MaxLiveGrants {
		return LimitReached
	}
	if _, ok := p.granted.Add(op.amount); !ok {
		return AmountOverflow
	}
	return OK
}

// withGrant brings the grant's position up to the log's time and then changes
// the grant with fn, or refuses.
func (b *Book) withGrant(
	op *Op, now int64, d *Directory, out *Output, result *Result, fn func(p *position, i uint32) Code,
) {
	i := b.findGrant(op.grant.Account, op.grant.Ordinal)
	if i == 0 {
		result.Code = GrantUnknown
		return
	}
	pi := b.details.at(i).position
	p := b.positions.at(pi)
	b.catchUp(pi, op, now, d, out)
	result.Ordinal = op.grant.Ordinal
	result.Code = fn(p, i)
	b.sweepLive(p)
	b.reschedule(pi, p)
	b.checkPosition(p)
	out.finish(op, now, nil)
}

func (b *Book) updateGrant(op *Op, now int64, d *Directory, out *Output, result *Result) {
	b.withGrant(op, now, d, out, result, func(p *position, i uint32) Code {
		if op.update.Expire && !b.grants.at(i).isLive() {
			return GrantEnded
		}
		if op.update.Metadata != nil {
			texts := b.texts(i)
			metadata, code := mergeMetadata(texts.metadata, op.update.Metadata)
			if code.Refused() {
				return code
			}
			texts.metadata = metadata
			b.setTexts(i, &texts)
			b.details.at(i).updated = now
		}
		if op.update.Expire {
			b.forfeit(p, i, GrantExpired, now, out)
		}
		return OK
	})
}

func (b *Book) voidGrant(op *Op, now int64, d *Directory, out *Output, result *Result) {
	b.withGrant(op, now, d, out, result, func(p *position, i uint32) Code {
		switch b.grants.at(i).status {
		case GrantVoided:
			return OK // repeated
		case GrantPending, GrantGranted:
			b.forfeit(p, i, GrantVoided, now, out)
			return OK
		}
		return GrantEnded
	})
}
