package ledger

import "fmt"

// Receiver takes commands that another node's batch has encoded (Batch.At). The zero
// value is ready; it keeps memory from one command to the next.
type Receiver struct {
	reports reportList
	numbers []ReportNumbers
}

// ReportNumbers are the numbers by which a report names its meter and customer.
type ReportNumbers struct {
	Mode            Mode
	Meter, Customer uint32
}

// Numbers are those of all reports so far that have any. A batch must not go into the
// log before all of them are known: no node could carry it out (Directory.Knows).
func (r *Receiver) Numbers() []ReportNumbers { return r.numbers }

// Knows says whether all of the numbers have been given. Once they have, they stay.
func (d *Directory) Knows(numbers []ReportNumbers) bool {
	for _, n := range numbers {
		if d.checkNumbers(&report{mode: n.Mode, meter: n.Meter, account: n.Customer}) != nil {
			return false
		}
	}
	return true
}

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
		return r.checkReport(kind, body)
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

func (r *Receiver) checkReport(kind byte, body []byte) error {
	r.reports.resetReports()
	if err := r.reports.addReport(kind, 0, body); err != nil {
		return err
	}
	if c := &r.reports.reports[0]; kind == kindReportByNumber {
		r.numbers = append(r.numbers, ReportNumbers{c.mode, c.meter, c.account})
	}
	return nil
}
