package api

import (
	"drawdown/engine/ledger"
)

var meterFields = fieldNames{meter: "id", currency: "currency_id", limit: "event_name"}

func createMeter(c *call) (any, *Error) {
	command, err := c.decodeMeter()
	if err != nil {
		return nil, err
	}
	at := meterFields
	at.meter = "event_name"
	result, err := c.submitOne(command, at)
	if err != nil {
		return nil, err
	}
	meter, ok := c.view.MeterNumber(result.Ordinal)
	if !ok {
		return nil, c.lost("meter")
	}
	return c.renderMeter(&meter)
}

func (c *call) decodeMeter() (*ledger.CreateMeter, *Error) {
	v, err := c.body("name", "event_name", "unit", "aggregation_method", "currency_id", "decimal", "description",
		"component_did", "metadata")
	if err != nil {
		return nil, err
	}
	m := &ledger.CreateMeter{Mode: c.mode}
	if m.Name, err = v[0].str("name", meterNameRule); err != nil {
		return nil, err
	}
	if m.EventName, err = v[1].str("event_name", eventNameRule); err != nil {
		return nil, err
	}
	if m.Unit, err = v[2].str("unit", unitRule); err != nil {
		return nil, err
	}
	if m.Aggregation, err = decodeAggregation(v[3]); err != nil {
		return nil, err
	}
	if m.Currency, err = v[4].str("currency_id", optionalIDRule); err != nil {
		return nil, err
	}
	decimals, set, err := v[5].integer("decimal", 0, ledger.MaxDecimals)
	if err != nil {
		return nil, err
	}
	if set {
		d := uint8(decimals)
		m.Decimals = &d
	}
	if m.Description, err = v[6].str("description", descriptionRule); err != nil {
		return nil, err
	}
	if m.ComponentID, err = v[7].str("component_did", optionalIDRule); err != nil {
		return nil, err
	}
	m.Metadata, err = v[8].object("metadata")
	return m, err
}

func decodeAggregation(v value) (ledger.Aggregation, *Error) {
	text, err := v.str("aggregation_method", optionalIDRule)
	if err != nil || text == "" {
		return ledger.Sum, err
	}
	i, ok := indexOf(aggregationNames[:], text)
	if !ok {
		return 0, invalid("aggregation_method", "must be sum, count or last")
	}
	return ledger.Aggregation(i), nil
}

func getMeter(c *call) (any, *Error) {
	meter, ok := c.view.Meter(c.mode, c.id)
	if !ok {
		return nil, refusal(ledger.MeterUnknown, meterFields)
	}
	return c.renderMeter(&meter)
}

func updateMeter(c *call) (any, *Error) {
	v, err := c.body("name", "description", "status", "metadata", "unit")
	if err != nil {
		return nil, err
	}
	m := &ledger.UpdateMeter{Mode: c.mode, Meter: c.id}
	if m.Name, err = v[0].optStr("name", meterNameRule.optional()); err != nil {
		return nil, err
	}
	if m.Description, err = v[1].optStr("description", descriptionRule); err != nil {
		return nil, err
	}
	if m.Active, err = decodeMeterStatus(v[2]); err != nil {
		return nil, err
	}
	if m.Metadata, err = v[3].object("metadata"); err != nil {
		return nil, err
	}
	if m.Unit, err = v[4].optStr("unit", unitRule.optional()); err != nil {
		return nil, err
	}
	return c.changeMeter(m)
}

func decodeMeterStatus(v value) (*bool, *Error) {
	text, err := v.str("status", optionalIDRule)
	if err != nil || text == "" {
		return nil, err
	}
	active := text == "active"
	if !active && text != "inactive" {
		return nil, invalid("status", "must be active or inactive")
	}
	return &active, nil
}

func activateMeter(c *call) (any, *Error)   { return c.switchMeter(true) }
func deactivateMeter(c *call) (any, *Error) { return c.switchMeter(false) }

func (c *call) switchMeter(active bool) (any, *Error) {
	return c.changeMeter(&ledger.UpdateMeter{Mode: c.mode, Meter: c.id, Active: &active})
}

func (c *call) changeMeter(m *ledger.UpdateMeter) (any, *Error) {
	// The id came in over the path, without the bounds of a field.
	if err := optionalIDRule.check("id", []byte(m.Meter)); err != nil {
		return nil, err
	}
	if _, err := c.submitOne(m, meterFields); err != nil {
		return nil, err
	}
	meter, ok := c.view.Meter(c.mode, m.Meter)
	if !ok {
		return nil, c.lost("meter")
	}
	return c.renderMeter(&meter)
}

func listMeters(c *call) (any, *Error) {
	p, err := c.query.page()
	if err != nil {
		return nil, err
	}
	f := ledger.MeterFilter{Mode: c.mode}
	if f.EventName, err = c.query.id("event_name", optionalIDRule); err != nil {
		return nil, err
	}
	if f.Query, err = c.query.search("q"); err != nil {
		return nil, err
	}
	meters, total, readErr := c.view.Meters(f, p)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	return listOf(meters, total, p, c.renderMeter)
}

func (c *call) renderMeter(m *ledger.Meter) (*meterAnswer, *Error) {
	return &meterAnswer{
		ID: ledger.MeterID(m.Number), Object: "meter", Name: m.Name, EventName: m.EventName,
		AggregationMethod: aggregationNames[m.Aggregation], Status: statusOfMeter(m.Active), Unit: m.Unit,
		Description: m.Description, ComponentDID: orNull(m.ComponentID), Livemode: m.Mode == ledger.Live,
		Metadata: jsonOr(m.Metadata, emptyObject), CurrencyID: ledger.CurrencyID(m.Currency), CreatedVia: "api",
		CreatedAt: isoTime(m.Created), UpdatedAt: isoTime(m.Updated), PaymentCurrency: c.expanded.currency(m.Currency),
	}, nil
}

// lost answers for an object that a write made or changed, and that is not there
// to be read: the write has happened, so that only its answer is unknown.
func (c *call) lost(what string) *Error {
	c.log.Error("an object just written cannot be read", "object", what, "index", c.index)
	return errOutcomeUnknown
}
