package ledger

// CurrencyTotals sums up one currency over all accounts.
// I3: Granted = Balance + Reserved + Consumed + Forfeited.
type CurrencyTotals struct {
	Currency  uint32
	Granted   Total
	Balance   Total // what can be spent
	Reserved  Total // of grants that are not effective yet
	Consumed  Total
	Forfeited Total // expired and voided
	Owed      Total // pending of events
}

// CurrencyTotals sums up the copy by currency, in the order of their numbers.
func (f *Frozen) CurrencyTotals() []CurrencyTotals {
	sums := make([]CurrencyTotals, f.machine.dir.Currencies())
	for i := range sums {
		sums[i].Currency = uint32(i + 1)
	}
	for _, book := range f.books {
		for i := uint32(1); i < book.positions.used; i++ {
			p, w := book.positions.at(i), book.waiting(book.positions.at(i))
			sum := &sums[p.currency-1]
			sum.Granted.Add(p.granted)
			sum.Balance.Add(p.balance)
			sum.Reserved.Add(w.reserved)
			sum.Consumed.Add(p.consumed)
			sum.Forfeited.Add(p.forfeited)
			sum.Owed.Add(w.owed)
		}
	}
	return sums
}

// balanced says whether the totals add up (I3).
func (t *CurrencyTotals) balanced() bool {
	var sum Total
	for _, part := range []Total{t.Balance, t.Reserved, t.Consumed, t.Forfeited} {
		sum.AddTotal(part)
	}
	return sum == t.Granted
}
