package ledger

import (
	"fmt"
	"maps"
	"slices"
)

// The objects chunk: meters, currencies, customers' details, subscriptions'
// prices. Each object is a length and its fields.

func (d *Directory) appendObjects(dst []byte) []byte {
	dst = appendUvarint(dst, uint64(len(d.currencies)))
	for i := range d.currencies {
		dst = appendBytes(dst, d.currencies[i].appendTo(nil))
	}
	dst = appendUvarint(dst, uint64(len(d.meters)))
	for i := range d.meters {
		dst = appendBytes(dst, d.meters[i].appendTo(nil))
	}
	dst = appendUvarint(dst, uint64(len(d.details)))
	for _, number := range slices.Sorted(maps.Keys(d.details)) {
		details := d.details[number]
		dst = appendBytes(appendUvarint(dst, uint64(number)), details.appendTo(nil))
	}
	dst = appendUvarint(dst, uint64(len(d.subscriptionPrices)))
	for _, number := range slices.Sorted(maps.Keys(d.subscriptionPrices)) {
		dst = appendBytes(appendUvarint(dst, uint64(number)), appendNumbers(d.subscriptionPrices[number]))
	}
	return appendUvarint(dst, uint64(d.scopeEpoch))
}

func (d *Directory) decodeObjects(r *reader) error {
	// A count may promise anything: each loop ends with the bytes.
	for range r.uint32() {
		if r.bad {
			return ErrCorrupt
		}
		currency := Currency{Number: uint32(len(d.currencies) + 1)}
		if err := currency.decode(r.bytes()); err != nil {
			return fmt.Errorf("currency %d: %w", currency.Number, err)
		}
		d.currencies = append(d.currencies, currency)
	}
	for range r.uint32() {
		if r.bad {
			return ErrCorrupt
		}
		meter := Meter{Number: uint32(len(d.meters) + 1)}
		if err := meter.decode(r.bytes()); err != nil {
			return fmt.Errorf("meter %d: %w", meter.Number, err)
		}
		if _, ok := d.CurrencyNumber(meter.Currency); !ok || d.eventNames[meter.Mode][meter.EventName] != 0 {
			return fmt.Errorf("%w: meter %d", ErrCorrupt, meter.Number)
		}
		d.meters = append(d.meters, meter)
		d.eventNames[meter.Mode][meter.EventName] = meter.Number
	}
	for range r.uint32() {
		number := r.uint32()
		if r.bad {
			return ErrCorrupt
		}
		var details customerDetails
		if err := details.decode(r.bytes()); err != nil {
			return fmt.Errorf("customer %d: %w", number, err)
		}
		d.details[number] = details
	}
	for range r.uint32() {
		number := r.uint32()
		prices := reader{b: r.bytes()}
		d.subscriptionPrices[number] = readNumbers(&prices)
		if r.bad || prices.bad {
			return fmt.Errorf("%w: subscription %d", ErrCorrupt, number)
		}
	}
	d.scopeEpoch = r.uint32()
	return r.end()
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
