package api

import (
	"fmt"

	"drawdown/engine/ledger"
)

type batchAnswer struct {
	Accepted   int           `json:"accepted"`
	Duplicates int           `json:"duplicates"`
	Rejected   int           `json:"rejected"`
	Results    []batchResult `json:"results"`
}

type batchResult struct {
	Index          int    `json:"index"`
	Code           string `json:"code"`
	Error          string `json:"error,omitempty"`
	Param          string `json:"param,omitempty"`
	ID             string `json:"id,omitempty"`
	CreditConsumed string `json:"credit_consumed,omitempty"`
	CreditPending  string `json:"credit_pending,omitempty"`
}

// answer sums up the verdicts, in the order of the items.
func (b *batch) answer(results []ledger.Result, all bool) (*batchAnswer, *Error) {
	a := &batchAnswer{Results: []batchResult{}}
	if all {
		a.Results = make([]batchResult, 0, len(b.items))
	}
	refused := b.refused
	for i, item := range b.items {
		if item.command == refusedBefore {
			a.reject(i, refused[0].err)
			refused = refused[1:]
			continue
		}
		result := &results[item.command]
		switch {
		case result.Code == ledger.Duplicate:
			differs, err := b.compareAgain(item, result)
			if err != nil {
				return nil, err
			}
			if differs != nil {
				b.metrics.conflict.Inc()
				a.reject(i, differs)
				continue
			}
			a.Duplicates++
		case result.Code.Refused():
			b.metrics.verdict(result.Code)
			a.reject(i, refusal(result.Code, eventFields))
			continue
		default:
			a.Accepted++
		}
		b.metrics.verdict(result.Code)
		if all {
			a.Results = append(a.Results, counted(i, result))
		}
	}
	return a, nil
}

func (a *batchAnswer) reject(index int, err *Error) {
	a.Rejected++
	named := err.under(fmt.Sprintf("events[%d]", index))
	a.Results = append(a.Results, batchResult{Index: index, Code: err.Code, Error: named.Error(), Param: named.Param})
}

func counted(index int, r *ledger.Result) batchResult {
	result := batchResult{Index: index, Code: r.Code.String(), ID: r.Event().String()}
	if r.Code == ledger.OK {
		result.CreditConsumed, result.CreditPending = r.Consumed.String(), r.Pending.String()
	}
	return result
}

// compareAgain reads a repeated event once more and says in which field it
// differs from the first event that had its identifier.
func (b *batch) compareAgain(item batchItem, result *ledger.Result) (differs, err *Error) {
	report, err := b.decodeAgain(item)
	if err != nil {
		return nil, err // cannot be: it was read before
	}
	// An event may tell a mode of its own; the call's is put back behind it.
	if mode := b.mode; report.Mode != mode {
		b.setMode(report.Mode == ledger.Live)
		defer b.setMode(mode == ledger.Live)
	}
	// What became of the event since does not count, and to find out may take longer
	// for ten thousand events than a request may take.
	first, ok, readErr := b.view.EventAsCounted(b.mode, result.Event())
	if err := b.unlessRead(result, ok, readErr); err != nil {
		return nil, err
	}
	return b.compare(&report, &first), nil
}

func (b *batch) decodeAgain(item batchItem) (r ledger.Report, err *Error) {
	if b.protobuf {
		return b.decodeMessage(int(item.start), int(item.end))
	}
	if err := b.doc.parse(b.text[item.start:item.end]); err != nil {
		return r, err
	}
	return decodeEvent(&b.doc, b.mode, b.modeKnown)
}
