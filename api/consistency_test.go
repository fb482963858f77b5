package api

import "testing"

// TestConsistency: which state a read is of, and what the answer says about it.
func TestConsistency(t *testing.T) {
	r := newRig(t)
	for target, want := range map[string][2]string{
		"/api/meters":                                       {"98", ""},
		"/api/meters?consistency=linearizable":              {"98", ""},
		"/api/meters?consistency=stale":                     {"97", "1500"},
		"/api/meters?min_index=50":                          {"98", ""},
		"/api/meters?min_index=500":                         {"500", ""},
		"/api/meters?consistency=stale&min_index=50":        {"97", "1500"},
		"/api/customers/cus_a?consistency=stale&min_index=": {"97", "1500"},
	} {
		answer := r.ok(get, target, "")
		if got := [2]string{answer.header.Get(indexHeader), answer.header.Get(ageHeader)}; got != want {
			t.Errorf("%s: index and age %q, want %q", target, got, want)
		}
	}
	r.refused(get, "/api/meters?consistency=strong", "", 400, codeInvalidValue, "consistency")
	r.refused(get, "/api/meters?min_index=-1", "", 400, codeInvalidValue, "min_index")
	// An index that never comes is waited for as long as a request may take, and then
	// the node cannot serve it.
	r.refused(get, "/api/meters?min_index=1001", "", 503, codeUnavailable, "")
	if answer := r.ok(post, "/api/meter-events", goodEvent); answer.header.Get(indexHeader) != "99" {
		t.Error("a write's answer has no index")
	}
}

// TestMembers: what is refused is told with the reason.
func TestMembers(t *testing.T) {
	r := newRig(t)
	for target, body := range map[string]string{
		"/cluster/add": `{"node":"bad","raft":"x:1"}`, "/cluster/remove": `{"node":"bad"}`, "/cluster/transfer": `{"node":"bad"}`,
	} {
		r.refused(post, target, body, 409, "refused", "")
	}
	r.refused(post, "/cluster/add", `{"node":"n4"}`, 400, codeRequired, "raft")
	r.refused(post, "/cluster/remove", `{}`, 400, codeRequired, "node")
	r.submitErr = ErrUnknown
	r.refused(post, "/cluster/remove", `{"node":"n4"}`, 503, codeOutcomeUnknown, "")
}
