package api

import (
	"drawdown/engine/ledger"
)

var customerFields = fieldNames{customer: "id", limit: "id"}

// getCustomer reads a customer, and makes it when it is missing and the caller
// says so, in the query or in a body, which clients send with GET as well.
func getCustomer(c *call) (any, *Error) {
	create, err := c.wantsCreate()
	if err != nil {
		return nil, err
	}
	customer, ok := c.view.Customer(c.mode, c.id)
	if ok {
		return c.renderCustomer(&customer)
	}
	if !create {
		return nil, refusal(ledger.CustomerUnknown, customerFields)
	}
	return c.putCustomer(&ledger.PutCustomer{Mode: c.mode, Customer: c.id, Create: true})
}

func (c *call) wantsCreate() (bool, *Error) {
	create, _, err := c.query.boolean("create")
	if err != nil || create {
		return create, err
	}
	v, err := c.body("create")
	if err != nil {
		return false, err
	}
	create, _, err = v[0].boolean("create")
	return create, err
}

func updateCustomer(c *call) (any, *Error) {
	v, err := c.body("name", "email", "phone", "description", "metadata")
	if err != nil {
		return nil, err
	}
	p := &ledger.PutCustomer{Mode: c.mode, Customer: c.id}
	if p.Name, err = v[0].optStr("name", nameRule); err != nil {
		return nil, err
	}
	if p.Email, err = v[1].optStr("email", nameRule); err != nil {
		return nil, err
	}
	if p.Phone, err = v[2].optStr("phone", nameRule); err != nil {
		return nil, err
	}
	if p.Description, err = v[3].optStr("description", descriptionRule); err != nil {
		return nil, err
	}
	if p.Metadata, err = v[4].object("metadata"); err != nil {
		return nil, err
	}
	return c.putCustomer(p)
}

func (c *call) putCustomer(p *ledger.PutCustomer) (any, *Error) {
	if err := idRule.check("id", []byte(p.Customer)); err != nil {
		return nil, err
	}
	if _, err := c.submitOne(p, customerFields); err != nil {
		return nil, err
	}
	customer, ok := c.view.Customer(c.mode, p.Customer)
	if !ok {
		return nil, c.lost("customer")
	}
	return c.renderCustomer(&customer)
}

func listCustomers(c *call) (any, *Error) {
	id, err := c.query.id("did", optionalIDRule)
	if err != nil {
		return nil, err
	}
	return c.findCustomers(ledger.CustomerFilter{Mode: c.mode, ID: id}, "q")
}

func searchCustomers(c *call) (any, *Error) {
	return c.findCustomers(ledger.CustomerFilter{Mode: c.mode}, "query")
}

func (c *call) findCustomers(f ledger.CustomerFilter, search string) (any, *Error) {
	p, err := c.query.page()
	if err != nil {
		return nil, err
	}
	if f.Query, err = c.query.search(search); err != nil {
		return nil, err
	}
	customers, total, readErr := c.view.Customers(f, p)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	return listOf(customers, total, p, c.renderCustomer)
}

func (c *call) renderCustomer(m *ledger.Customer) (*customerAnswer, *Error) {
	return &customerAnswer{
		ID: m.ID, Object: "customer", DID: m.ID, Livemode: m.Mode == ledger.Live, Name: m.Name, Email: m.Email,
		Phone: m.Phone, Description: m.Description, Metadata: jsonOr(m.Metadata, emptyObject), Balance: "0",
		CreatedAt: isoTime(m.Created), UpdatedAt: isoTime(m.Updated),
	}, nil
}
