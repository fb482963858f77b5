package ledger

// MaxLiveGrants is how many grants an account may have that are pending or
// granted, per currency. Each new one finds its place among them by walking.
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
	if result.Code = checkNewGrant(p, op); result.Code.Refused() {
		out.finish(op, now, nil)
		return
	}
	a := b.account(op.Account)
	a.grants++
	i := b.grants.add()
	g := b.grants.at(i)
	*g = grant{
		position: pi, ordinal: a.grants, previous: a.lastGrant, priority: c.Priority, status: GrantPending,
		category: c.Category, amount: op.amount, remaining: op.amount, effective: effective, expires: c.ExpiresAt,
		created: now, updated: now,
	}
	a.lastGrant = i
	b.setTexts(g, &grantTexts{name: c.Name, applicability: c.Applicability, metadata: c.Metadata, scope: op.scope})
	p.granted = p.granted.plus(op.amount)
	p.reserved = p.reserved.plus(op.amount)
	b.addLive(p, i)
	if seconds(now) >= effective {
		b.activate(p, g, now, out)
		b.settle(p, op, d, out)
	}
	b.reschedule(pi, p)
	checkGrant(g)
	checkPosition(p)
	result.Ordinal = g.ordinal
	out.finish(op, now, nil)
}

// checkNewGrant judges what depends on the account; an account that is new passes.
func checkNewGrant(p *position, op *Op) Code {
	if p.liveLen >= MaxLiveGrants {
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
	op *Op, now int64, d *Directory, out *Output, result *Result, fn func(p *position, g *grant) Code,
) {
	i := b.findGrant(op.grant.Account, op.grant.Ordinal)
	if i == 0 {
		result.Code = GrantUnknown
		return
	}
	g := b.grants.at(i)
	pi := g.position
	p := b.positions.at(pi)
	b.catchUp(pi, op, now, d, out)
	result.Ordinal = g.ordinal
	result.Code = fn(p, g)
	b.sweepLive(p)
	b.reschedule(pi, p)
	checkPosition(p)
	out.finish(op, now, nil)
}

func (b *Book) updateGrant(op *Op, now int64, d *Directory, out *Output, result *Result) {
	b.withGrant(op, now, d, out, result, func(p *position, g *grant) Code {
		if op.update.Expire && g.status != GrantPending && g.status != GrantGranted {
			return GrantEnded
		}
		if op.update.Metadata != nil {
			texts := b.texts(g)
			metadata, code := mergeMetadata(texts.metadata, op.update.Metadata)
			if code.Refused() {
				return code
			}
			texts.metadata = metadata
			b.setTexts(g, &texts)
			g.updated = now
		}
		if op.update.Expire {
			b.forfeit(p, g, GrantExpired, now, out)
		}
		return OK
	})
}

func (b *Book) voidGrant(op *Op, now int64, d *Directory, out *Output, result *Result) {
	b.withGrant(op, now, d, out, result, func(p *position, g *grant) Code {
		switch g.status {
		case GrantVoided:
			return OK // repeated
		case GrantPending, GrantGranted:
			b.forfeit(p, g, GrantVoided, now, out)
			return OK
		}
		return GrantEnded
	})
}
