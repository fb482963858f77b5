package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"
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
