package api

import (
	"strings"
	"testing"
)

// TestMisspeltFields: what is ignored must not cost money. A key that is one
// character away from a field is refused, and so is everything unknown in a scope.
func TestMisspeltFields(t *testing.T) {
	r := newRig(t)
	add := func(body, field string) string { return strings.Replace(body, "{", "{"+field+",", 1) }
	for _, c := range []struct{ target, body, code, param string }{
		{"/api/credit-grants", add(goodGrant, `"expire_at":2000000000`), "misspelt_key", "expires_at"},
		{"/api/credit-grants", add(goodGrant, `"expires__at":2000000000`), "misspelt_key", "expires_at"},
		{"/api/credit-grants", add(goodGrant, `"Expires_at":2000000000`), "misspelt_key", "expires_at"},
		{"/api/credit-grants", add(goodGrant, `"effective_ad":2000000000`), "misspelt_key", "effective_at"},
		{"/api/credit-grants", add(goodGrant, `"applicability_config":{"scope":{"price":["p"]}}`), "misspelt_key",
			"applicability_config.scope.prices"},
		{"/api/credit-grants", add(goodGrant, `"applicability_config":{"scope":{"foo":["p"]}}`), "unknown_field",
			"applicability_config.scope.foo"},
		{"/api/credit-grants", add(goodGrant, `"applicability_config":{"prices":["p"]}`), "unknown_field",
			"applicability_config.prices"},
		{"/api/meters", add(goodMeter, `"decimals":4`), "misspelt_key", "decimal"},
		{"/api/meter-events", add(goodEvent, `"timestamps":1`), "misspelt_key", "timestamp"},
	} {
		r.refused(post, c.target, c.body, 400, c.code, c.param)
	}
	// What resembles nothing is ignored, as clients send more than they must.
	r.ok(post, "/api/credit-grants", add(goodGrant, `"granted_by":"x","locale":"en"`))
	r.ok(post, "/api/meter-events", add(goodEvent, `"note":"x"`))
}
