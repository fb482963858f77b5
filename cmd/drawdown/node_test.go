package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"drawdown/api"
	"drawdown/raftstore"
)

// TestStatusTellsTheShards: what the status names must be filled in.
func TestStatusTellsTheShards(t *testing.T) {
	addr := freeAddress(t)
	p := serve(t, addr, nil, "--data", filepath.Join(t.TempDir(), "data"), "--http", addr, "--shards", "3")
	defer p.stop(t)
	response, err := http.Get("http://" + addr + "/cluster/status")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var status struct{ Shards int }
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil || status.Shards != 3 {
		t.Fatalf("%+v %v", status, err)
	}
}

// TestClassed: every class keeps its meaning, and an error that were of two has the one
// that promises less (I6).
func TestClassed(t *testing.T) {
	for err, want := range map[error]error{
		raftstore.ErrOverloaded: api.ErrOverloaded, raftstore.ErrClosed: api.ErrUnavailable, raftstore.ErrUnknown: api.ErrUnknown,
		errors.New("of no class"): api.ErrUnknown,
		fmt.Errorf("%w: %w", raftstore.ErrUnknown, raftstore.ErrClosed):     api.ErrUnknown,
		fmt.Errorf("%w: %w", raftstore.ErrOverloaded, raftstore.ErrUnknown): api.ErrUnknown,
	} {
		got := classed(err)
		for _, class := range []error{api.ErrOverloaded, api.ErrUnavailable, api.ErrUnknown} {
			if errors.Is(got, class) != (class == want) {
				t.Errorf("%v became %v", err, got)
			}
		}
	}
}
