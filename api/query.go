package api

import (
	"fmt"
	"strconv"
	"strings"

	"drawdown/engine/ledger"
)

// query is a parsed query string in the encoding of the npm package qs: arrays
// are a[0]=x&a[1]=y, nested fields a[b]=c. Empty values count as left out.
type query []parameter

type parameter struct {
	name  string // up to the first bracket
	path  string // the brackets, "" for a plain parameter
	value string
}

func parseQuery(raw string) (query, *Error) {
	var q query
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, text, _ := strings.Cut(pair, "=")
		key, err := decodeText(key, true)
		if err != nil {
			return nil, err
		}
		text, err = decodeText(text, true)
		if err != nil {
			return nil, err
		}
		if key == "" || text == "" {
			continue
		}
		p := parameter{name: key, value: text}
		if bracket := strings.IndexByte(key, '['); bracket > 0 {
			p.name, p.path = key[:bracket], key[bracket:]
		}
		q = append(q, p)
	}
	return q, nil
}

// text is a plain parameter; "" if it is left out. Given twice or as an array it
// is refused: which one should count?
func (q query) text(name string) (string, *Error) {
	found := ""
	for _, p := range q {
		if p.name != name {
			continue
		}
		if p.path != "" || found != "" {
			return "", invalid(name, "must be given once, as a plain value")
		}
		found = p.value
	}
	return found, nil
}

// id is text that has to obey the rule of ids.
func (q query) id(name string, r textRule) (string, *Error) {
	text, err := q.text(name)
	if err != nil {
		return "", err
	}
	if text == "" {
		if r.required {
			return "", required(name)
		}
		return "", nil
	}
	return text, r.check(name, []byte(text))
}

// list is a parameter that may be repeated, given as an array, or hold several
// values between commas.
func (q query) list(name string) []string {
	var items []string
	for _, p := range q {
		if p.name != name {
			continue
		}
		for _, item := range strings.Split(p.value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
	}
	return items
}

// integer is a whole number from low to high; set is false if it is left out.
func (q query) integer(name string, low, high int64) (n int64, set bool, err *Error) {
	text, err := q.text(name)
	if err != nil || text == "" {
		return 0, false, err
	}
	n, parseErr := strconv.ParseInt(text, 10, 64)
	if parseErr != nil || text[0] == '+' || n < low || n > high {
		return 0, false, invalid(name, fmt.Sprintf("must be a whole number from %d to %d", low, high))
	}
	return n, true, nil
}

// boolean is true or false; set is false if it is left out.
func (q query) boolean(name string) (is, set bool, err *Error) {
	switch text, err := q.text(name); {
	case err != nil:
		return false, false, err
	case text == "":
		return false, false, nil
	case text == "true":
		return true, true, nil
	case text == "false":
		return false, true, nil
	}
	return false, false, invalid(name, "must be true or false")
}

// interval is the span of time between two parameters in Unix seconds. Callers
// mean the last second to be included, so the end is one later.
func (q query) interval(start, end string) (ledger.Interval, *Error) {
	from, _, err := q.integer(start, 0, maxTime)
	if err != nil {
		return ledger.Interval{}, err
	}
	to, set, err := q.integer(end, 0, maxTime)
	if err != nil {
		return ledger.Interval{}, err
	}
	if !set {
		return ledger.Interval{Start: from}, nil
	}
	if to < from {
		return ledger.Interval{}, invalid(end, "must not be before "+start)
	}
	return ledger.Interval{Start: from, End: to + 1}, nil
}

// search is the free text that a list may be searched by.
func (q query) search(name string) (string, *Error) {
	text, err := q.text(name)
	if err == nil && len(text) > maxSearch {
		err = badRequest(codeTooLong, name, fmt.Sprintf("must be at most %d bytes long", maxSearch))
	}
	return text, err
}

// page reads which part of a list is asked for.
func (q query) page() (ledger.Page, *Error) {
	p := ledger.Page{Size: defaultPageSize}
	number, numbered, err := q.integer("page", 1, maxPage)
	if err != nil {
		return p, err
	}
	p.Number = int(number)
	if p.Size, err = q.pageSize(); err != nil {
		return p, err
	}
	if p.After, err = q.id("starting_after", optionalIDRule); err != nil {
		return p, err
	}
	if p.Before, err = q.id("ending_before", optionalIDRule); err != nil {
		return p, err
	}
	switch {
	case p.After != "" && p.Before != "":
		return p, invalid("ending_before", "cannot be given together with starting_after")
	case numbered && (p.After != "" || p.Before != ""):
		return p, invalid("page", "cannot be given together with a cursor")
	case p.After == "" && p.Before == "" && !numbered:
		p.Number = 1
	}
	p.Ascending, err = q.ascending()
	return p, err
}

// pageSize is pageSize or its synonym limit, cut down to maxPageSize.
func (q query) pageSize() (int, *Error) {
	const huge = 1 << 31
	size, sized, err := q.integer("pageSize", 1, huge)
	if err != nil {
		return 0, err
	}
	limit, limited, err := q.integer("limit", 1, huge)
	if err != nil {
		return 0, err
	}
	switch {
	case sized && limited && size != limit:
		return 0, invalid("limit", "differs from pageSize, which means the same")
	case limited:
		size = limit
	case !sized:
		size = defaultPageSize
	}
	return int(min(size, maxPageSize)), nil
}

// ascending reads order, which is "created_at:DESC", an array of such, or an
// array of pairs: order[0][0]=created_at&order[0][1]=DESC. Lists are ordered by
// creation; the first criterion decides, because it leaves no ties.
func (q query) ascending() (bool, *Error) {
	field, direction := "", ""
	for _, p := range q {
		if p.name != "order" {
			continue
		}
		switch p.path {
		case "", "[]", "[0]":
			if field != "" {
				continue
			}
			first, _, _ := strings.Cut(p.value, ",")
			field, direction, _ = strings.Cut(first, ":")
		case "[0][0]":
			field = p.value
		case "[0][1]":
			direction = p.value
		}
	}
	if direction == "" && field != "" {
		direction = "ASC"
	}
	if field != "" && field != "created_at" {
		return false, invalid("order", "can be by created_at only")
	}
	switch strings.ToUpper(direction) {
	case "", "DESC":
		return false, nil
	case "ASC":
		return true, nil
	}
	return false, invalid("order", "must end in ASC or DESC")
}
