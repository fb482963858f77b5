package api

import (
	"fmt"

	"github.com/goccy/go-json"

	"drawdown/engine/ledger"
)

// list is the answer of the list calls. Clients of two generations read it, so
// that the total and the items stand in it under two names each.
type list struct {
	items any // a slice, not nil
	total int
	page  ledger.Page
}

// paging is the part of a list that its page is. Page is left out where a cursor
// was used.
type paging struct {
	Page       int `json:"page,omitempty"`
	PageSize   int `json:"pageSize"`
	TotalPages int `json:"totalPages"`
}

func pagingOf(total int, p ledger.Page) paging {
	return paging{Page: p.Number, PageSize: p.Size, TotalPages: (total + p.Size - 1) / p.Size}
}

// encode encodes the items once for both names.
func (l *list) encode() ([]byte, error) {
	items, err := json.Marshal(l.items)
	if err != nil {
		return nil, err
	}
	part, err := json.Marshal(pagingOf(l.total, l.page))
	if err != nil {
		return nil, err
	}
	text := make([]byte, 0, 2*len(items)+128)
	text = fmt.Appendf(text, `{"count":%d,"list":`, l.total)
	text = append(text, items...)
	text = fmt.Appendf(text, `,"total":%d,"data":`, l.total)
	text = append(text, items...)
	text = append(text, `,"paging":`...)
	text = append(text, part...)
	return append(text, '}'), nil
}

// listOf renders a page of rows.
func listOf[T, R any](rows []T, total int, p ledger.Page, render func(*T) (R, *Error)) (any, *Error) {
	items := make([]R, 0, len(rows))
	for i := range rows {
		item, err := render(&rows[i])
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return &list{items, total, p}, nil
}

// emptyList is the page of a list in which a filter names something that does
// not exist.
func emptyList(p ledger.Page) (any, *Error) {
	return &list{[]struct{}{}, 0, p}, nil
}
