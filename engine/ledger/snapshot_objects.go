package ledger

import "fmt"

// What a snapshot holds of the directory's objects. Each is a length and its
// fields; its number is its place in the list, or written in front.

func (d *Directory) decodeCurrency(r *reader, number uint32) error {
	currency := Currency{Number: number}
	if err := currency.decode(r.bytes()); err != nil {
		return fmt.Errorf("currency %d: %w", number, err)
	}
	d.currencies = append(d.currencies, currency)
	return nil
}

func (d *Directory) decodeMeter(r *reader, number uint32) error {
	meter := Meter{Number: number}
	if err := meter.decode(r.bytes()); err != nil {
		return fmt.Errorf("meter %d: %w", number, err)
	}
	if _, ok := d.CurrencyNumber(meter.Currency); !ok || d.eventNames[meter.Mode][meter.EventName] != 0 {
		return fmt.Errorf("%w: meter %d", ErrCorrupt, number)
	}
	d.meters = append(d.meters, meter)
	d.eventNames[meter.Mode][meter.EventName] = number
	return nil
}

func (d *Directory) decodeDetails(number uint32, data []byte) error {
	if !d.customers.refs.has(number) {
		return fmt.Errorf("%w: details of no customer", ErrCorrupt)
	}
	var details customerDetails
	err := details.decode(data)
	d.details[number] = details
	return err
}

func (d *Directory) decodePrices(number uint32, data []byte) error {
	prices := reader{b: data}
	list := readNumbers(&prices)
	for _, price := range list {
		if !d.prices.refs.has(price) {
			return fmt.Errorf("%w: a price without a name", ErrCorrupt)
		}
	}
	if prices.bad || !d.subscriptions.refs.has(number) {
		return fmt.Errorf("%w: prices of a subscription", ErrCorrupt)
	}
	d.subscriptionPrices[number] = list
	return nil
}

func (c *Currency) appendTo(dst []byte) []byte {
	w := fieldWriter{dst}
	w.number(1, uint64(c.Mode))
	w.text(2, c.Name)
	w.text(3, c.Symbol)
	w.text(4, c.Description)
	w.text(5, c.Logo)
	w.number(6, uint64(c.Decimals))
	w.raw(7, c.Metadata)
	w.raw(8, c.Recharge)
	w.number(9, uint64(c.Created))
	w.number(10, uint64(c.Updated))
	return w.b
}

func (c *Currency) decode(data []byte) error {
	f := fieldReader{reader{b: data}}
	*c = Currency{
		Number: c.Number, Mode: Mode(f.below(1, 2)), Name: f.text(2), Symbol: f.text(3), Description: f.text(4),
		Logo: f.text(5), Decimals: uint8(f.below(6, MaxDecimals+1)), Metadata: clone(f.raw(7)), Recharge: clone(f.raw(8)),
		Created: int64(f.number(9)), Updated: int64(f.number(10)),
	}
	return f.r.end()
}

func (m *Meter) appendTo(dst []byte) []byte {
	w := fieldWriter{dst}
	w.number(1, uint64(m.Mode))
	w.text(2, m.Name)
	w.text(3, m.EventName)
	w.text(4, m.Unit)
	w.text(5, m.Description)
	w.text(6, m.ComponentID)
	w.number(7, uint64(m.Aggregation))
	if m.Active {
		w.number(8, 1)
	}
	w.number(9, uint64(m.Currency))
	w.raw(10, m.Metadata)
	w.number(11, uint64(m.Created))
	w.number(12, uint64(m.Updated))
	return w.b
}

func (m *Meter) decode(data []byte) error {
	f := fieldReader{reader{b: data}}
	*m = Meter{
		Number: m.Number, Mode: Mode(f.below(1, 2)), Name: f.text(2), EventName: f.text(3), Unit: f.text(4),
		Description: f.text(5), ComponentID: f.text(6), Aggregation: Aggregation(f.below(7, 3)),
		Active: f.below(8, 2) == 1, Currency: uint32(f.below(9, 1<<32)), Metadata: clone(f.raw(10)),
		Created: int64(f.number(11)), Updated: int64(f.number(12)),
	}
	return f.r.end()
}

func (c *customerDetails) appendTo(dst []byte) []byte {
	w := fieldWriter{dst}
	w.text(1, c.name)
	w.text(2, c.email)
	w.text(3, c.phone)
	w.text(4, c.description)
	w.raw(5, c.metadata)
	w.number(6, uint64(c.updated))
	return w.b
}

func (c *customerDetails) decode(data []byte) error {
	f := fieldReader{reader{b: data}}
	*c = customerDetails{
		name: f.text(1), email: f.text(2), phone: f.text(3), description: f.text(4), metadata: clone(f.raw(5)),
		updated: int64(f.number(6)),
	}
	return f.r.end()
}
