package ledger

import "fmt"

// Receiver takes commands that another node's batch has encoded (Batch.At). The zero
// value is ready; it keeps memory from one command to the next.
type Receiver struct{ reports reportList }

// Add appends a command to the batch, after reading it as every node will: what
// cannot be read is refused here, because in the log it would stop them all. The bytes
// are copied (I10).
func (r *Receiver) Add(b *Batch, command []byte) error {
	if err := r.check(command); err != nil {
		return err
	}
	b.data = append(b.data, command...)
	b.ends = append(b.ends, len(b.data))
	return nil
}

// check reads a command and forgets it.
func (r *Receiver) check(data []byte) error {
	if len(data) == 0 {
		return ErrCorrupt
	}
	kind, body := data[0], data[1:]
	var c interface{ decode([]byte) error }
	switch kind {
	case kindReport, kindReportByNumber:
		r.reports.resetReports()
		return r.reports.addReport(kind, 0, body)
	case kindCreateMeter:
		c = new(CreateMeter)
	case kindUpdateMeter:
		c = new(UpdateMeter)
	case kindUpdateCurrency:
		c = new(UpdateCurrency)
	case kindPutCustomer:
		c = new(PutCustomer)
	case kindCreateGrant:
		c = new(CreateGrant)
	case kindUpdateGrant:
		c = new(UpdateGrant)
	case kindVoidGrant:
		c = new(VoidGrant)
	case kindSetSubscription:
		c = new(SetSubscription)
	case kindSettle:
		c = new(Settle)
	default: // Init too: only the node that founds a log writes it
		return fmt.Errorf("%w: a command of kind %d", ErrCorrupt, kind)
	}
	return c.decode(body)
}
