package api

import (
	"testing"

	"drawdown/engine/ledger"
)

func TestQueryText(t *testing.T) {
	for _, c := range []struct{ raw, name, want, code string }{
		{"a=1&b=2", "b", "2", ""}, {"a=x%20y", "a", "x y", ""}, {"a=x+y", "a", "x y", ""}, {"a=%C3%BC", "a", "ü", ""},
		{"a=", "a", "", ""}, {"a", "a", "", ""}, {"", "a", "", ""}, {"&&a=1&", "a", "1", ""}, {"=x&a=1", "a", "1", ""},
		{"a=&a=1", "a", "1", ""}, {"%61=1", "a", "1", ""}, {"a=b=c", "a", "b=c", ""}, {"A=1", "a", "", ""},
		{"a=1&a=2", "a", "", codeInvalidValue}, {"a[0]=1", "a", "", codeInvalidValue}, {"a%5B0%5D=1", "a", "", codeInvalidValue},
		{"a=%", "a", "", "invalid_target"}, {"a=%4", "a", "", "invalid_target"}, {"a=%zz", "a", "", "invalid_target"},
		{"b=%ff", "a", "", "invalid_target"}, {"b=%1f", "a", "", "invalid_target"}, {"%zz=1", "a", "", "invalid_target"},
	} {
		q, err := parseQuery(c.raw)
		got := ""
		if err == nil {
			got, err = q.text(c.name)
		}
		if codeOf(err) != c.code || got != c.want {
			t.Errorf("%q: %q, %v", c.raw, got, err)
		}
	}
}

func TestQueryList(t *testing.T) {
	for raw, want := range map[string]int{
		"": 0, "s=": 0, "s=a": 1, "s=a,b": 2, "s=a%2Cb": 2, "s[0]=a&s[1]=b": 2, "s[]=a&s[]=b": 2, "s=a&s=b": 2, "s=,a,,": 1,
	} {
		q, err := parseQuery(raw)
		if err != nil || len(q.list("s")) != want {
			t.Errorf("%q: %q, %v", raw, q.list("s"), err)
		}
	}
}

func TestQueryOrder(t *testing.T) {
	for _, c := range []struct {
		raw       string
		ascending bool
		ok        bool
	}{
		{"", false, true}, {"order=created_at:DESC", false, true}, {"order=created_at:ASC", true, true}, {"order=created_at:asc", true, true},
		{"order=created_at", true, true}, {"order[0]=created_at:ASC&order[1]=id:DESC", true, true}, {"order[]=created_at:ASC", true, true},
		{"order[0][0]=created_at&order[0][1]=DESC", false, true}, {"order[0][0]=created_at&order[0][1]=ASC&order[1][0]=id", true, true},
		{"order%5B0%5D%5B0%5D=created_at&order%5B0%5D%5B1%5D=ASC", true, true}, {"order=created_at:ASC,id:DESC", true, true},
		{"order=amount:ASC", false, false}, {"order=created_at:UP", false, false}, {"order[0][0]=name", false, false},
	} {
		q, err := parseQuery(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		p, err := q.page()
		if (err == nil) != c.ok || p.Ascending != c.ascending {
			t.Errorf("%q: ascending %v, %v", c.raw, p.Ascending, err)
		}
	}
}

func TestPaging(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		query string
		want  ledger.Page
	}{
		{"", ledger.Page{Number: 1, Size: 20}}, {"page=3&pageSize=10", ledger.Page{Number: 3, Size: 10}},
		{"starting_after=x&limit=5", ledger.Page{After: "x", Size: 5}}, {"ending_before=x", ledger.Page{Before: "x", Size: 20}},
		{"order=created_at:ASC", ledger.Page{Number: 1, Size: 20, Ascending: true}},
	} {
		answer := r.ok(get, "/api/customers?"+c.query, "")
		if r.page != c.want {
			t.Errorf("%q: %+v", c.query, r.page)
		}
		if page := answer.at("paging.page"); (page == nil) != (c.want.Number == 0) {
			t.Errorf("%q: paging.page is %v", c.query, page)
		}
	}
	for query, param := range map[string]string{
		"page=0": "page", "page=x": "page", "page=1&starting_after=x": "page", "page=1&ending_before=x": "page",
		"starting_after=x&ending_before=y": "ending_before",
	} {
		r.refused(get, "/api/customers?"+query, "", 400, codeInvalidValue, param)
	}
	r.readErr = nil
	r.refused(get, "/api/meters?livemode=maybe", "", 400, codeInvalidValue, "livemode")
}

// TestCursors is that an unknown cursor is blamed on the parameter that held it.
func TestCursors(t *testing.T) {
	for _, parameter := range []string{"starting_after", "ending_before"} {
		q, err := parseQuery(parameter + "=x")
		if err != nil {
			t.Fatal(err)
		}
		c := &call{Server: &Server{}, query: q}
		if got := c.readFailed(ledger.ErrCursor); got.Status != 400 || got.Param != parameter {
			t.Errorf("%s: %+v", parameter, got)
		}
	}
}

// TestMode is where the mode is read: in the query, else in the body, else live.
func TestMode(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		query, body string
		want        ledger.Mode
	}{
		{"", `{}`, ledger.Live}, {"?livemode=false", `{}`, ledger.Test}, {"", `{"livemode":false}`, ledger.Test},
		{"?livemode=true", `{"livemode":false}`, ledger.Live}, {"?livemode=", `{"livemode":false}`, ledger.Test}, {"", `{"livemode":null}`, ledger.Live},
	} {
		r.customer.Mode = c.want
		r.ok(put, "/api/customers/cus_a"+c.query, c.body)
		r.submitted(t, &ledger.PutCustomer{Mode: c.want, Customer: "cus_a"})
	}
	r.refused(put, "/api/customers/cus_a", `{"livemode":"false"}`, 400, codeInvalidType, "livemode")
}
