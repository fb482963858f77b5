package ledger

// Reads of a book, by its own goroutine only (I9). What they answer is copied.

// Grant is one grant as it stands; ok is false if there is none.
func (b *Book) Grant(id GrantID, d *Directory) (Grant, bool) {
	i := b.findGrant(id.Account, id.Ordinal)
	if i == 0 {
		return Grant{}, false
	}
	return b.view(i, d), true
}

func (b *Book) view(i uint32, d *Directory) Grant {
	g, details := b.grants.at(i), b.details.at(i)
	p := b.positions.at(details.position)
	texts := b.texts(i)
	v := Grant{
		ID: GrantID{p.account, g.ordinal}, Currency: p.currency, Amount: g.amount, Remaining: g.remaining(),
		Consumed: g.consumed, Category: g.category, Status: g.status, Priority: g.priority,
		EffectiveAt: details.effective, ExpiresAt: details.expires, VoidedAt: int64(details.ended),
		GrantedAt: int64(details.began), Name: texts.name, Applicability: clone(texts.applicability),
		Metadata: clone(texts.metadata), Created: details.created, Updated: details.updated,
	}
	v.Customer, _, _ = d.CustomerID(p.account)
	switch g.status {
	case GrantExpired:
		v.Expired = g.forfeited()
	case GrantVoided:
		v.Voided = g.forfeited()
	}
	return v
}

// EachGrant visits the grants of an account that the filter selects, newest
// first, until fn returns false. The account's mode and customer are the
// caller's to choose.
func (b *Book) EachGrant(number uint32, f *GrantFilter, d *Directory, fn func(Grant) bool) {
	a := b.lookup(number)
	if a == nil {
		return
	}
	for i := a.lastGrant; i != 0; i = b.details.at(i).previous {
		if !b.selects(i, f, d) {
			continue
		}
		if v := b.view(i, d); f.selectsTexts(&v) && !fn(v) {
			return
		}
	}
}

// selects is the part of the filter that needs no texts, but for the scope.
func (b *Book) selects(i uint32, f *GrantFilter, d *Directory) bool {
	g, details := b.grants.at(i), b.details.at(i)
	if f.Currency != 0 && b.positions.at(details.position).currency != f.Currency ||
		f.Category != nil && g.category != *f.Category || !f.Created.Contains(seconds(details.created)) {
		return false
	}
	if f.Subscription != "" && !b.paysFor(i, d.FindSubscription(f.Mode, f.Subscription), d) {
		return false
	}
	if len(f.Statuses) == 0 {
		return true
	}
	for _, status := range f.Statuses {
		if g.status == status {
			return true
		}
	}
	return false
}

// paysFor says whether the grant may pay for some event of the subscription.
func (b *Book) paysFor(i, subscription uint32, d *Directory) bool {
	if !b.grants.at(i).scoped {
		return true
	}
	scope := b.texts(i).scope
	return scope.paysPricesOf(subscription, d.scopeEpoch, d)
}

func (f *GrantFilter) selectsTexts(v *Grant) bool {
	if f.Query != "" && !ContainsFold(v.Name, f.Query) && !ContainsFold(v.ID.String(), f.Query) {
		return false
	}
	if f.GrantedBy == "" {
		return true
	}
	by, ok := objectText(v.Metadata, "granted_by")
	return ok && by == f.GrantedBy
}

// Summary is what an account can spend at now (Unix nanoseconds), by currency in
// the order of their numbers. With a subscription only the grants count that may
// pay for it.
func (b *Book) Summary(number uint32, subscription string, mode Mode, now int64, d *Directory) (list []BalanceSummary) {
	a := b.lookup(number)
	if a == nil {
		return nil
	}
	for pi := a.firstPosition; pi != 0; pi = b.positions.at(pi).next {
		p := b.positions.at(pi)
		sum := BalanceSummary{Currency: p.currency}
		for i := p.live; i != 0; i = b.grants.at(i).nextLive {
			g := b.grants.at(i)
			if !b.spendable(i, now) || subscription != "" && !b.paysFor(i, d.FindSubscription(mode, subscription), d) {
				continue
			}
			sum.Grants++
			sum.Total = sum.Total.plus(g.amount)
			sum.Remaining = sum.Remaining.plus(g.remaining())
		}
		if sum.Grants > 0 {
			list = append(list, sum)
		}
	}
	return list
}

// spendable says whether a grant can be drawn on at now (Unix nanoseconds).
func (b *Book) spendable(i uint32, now int64) bool {
	expires := b.details.at(i).expires
	return b.grants.at(i).status == GrantGranted && (expires == 0 || seconds(now) < expires)
}

// Pending is what an account owes by currency; currency 0 is all of them, and
// subscription "" all events.
func (b *Book) Pending(number, currency uint32, mode Mode, subscription string, d *Directory) (list []CurrencyAmount) {
	a := b.lookup(number)
	if a == nil {
		return nil
	}
	for pi := a.firstPosition; pi != 0; pi = b.positions.at(pi).next {
		p := b.positions.at(pi)
		owed := b.waiting(p).owed
		if currency != 0 && p.currency != currency || owed.IsZero() {
			continue
		}
		if subscription != "" {
			owed = b.owedBy(p, d.FindSubscription(mode, subscription))
		}
		if !owed.IsZero() {
			list = append(list, CurrencyAmount{p.currency, owed})
		}
	}
	return list
}

func (b *Book) owedBy(p *position, subscription uint32) (sum Amount) {
	for i := b.waiting(p).debtHead; i != 0 && subscription != 0; i = b.debts.at(i).next {
		if d := b.debts.at(i); d.subscription == subscription {
			sum = sum.plus(d.amount)
		}
	}
	return sum
}

// EachDebt visits what is pending of the events of an account, by their sequences.
// Of an event that it does not visit nothing is pending.
func (b *Book) EachDebt(number uint32, fn func(seq uint64, amount Amount)) {
	a := b.lookup(number)
	if a == nil {
		return
	}
	for pi := a.firstPosition; pi != 0; pi = b.positions.at(pi).next {
		for i := b.waiting(b.positions.at(pi)).debtHead; i != 0; i = b.debts.at(i).next {
			fn(b.debts.at(i).seq, b.debts.at(i).amount)
		}
	}
}

// Holder is what an account holds of a currency; ok is false when it can spend
// nothing of it.
func (b *Book) Holder(number, currency uint32, now int64) (h Holder, ok bool) {
	a := b.lookup(number)
	if a == nil {
		return Holder{}, false
	}
	for pi := a.firstPosition; pi != 0; pi = b.positions.at(pi).next {
		p := b.positions.at(pi)
		if p.currency != currency || p.balance.IsZero() {
			continue
		}
		h = Holder{Number: number}
		for i := p.live; i != 0; i = b.grants.at(i).nextLive {
			if b.spendable(i, now) {
				h.Grants++
				h.Balance = h.Balance.plus(b.grants.at(i).remaining())
			}
		}
		return h, h.Grants > 0
	}
	return Holder{}, false
}
