# Bare make prints what there is.
GO       ?= go
NPM      ?= npm
DATA     ?= ./data
HTTP     ?= 127.0.0.1:8080
KILLS    ?= 50
TORTURE  ?= 15m
FUZZTIME ?= 30s

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0

.PHONY: help build run cluster torture test race test-sdk test-kill demo check lint fuzz bench bench-growth report bench-stages clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

build: ## build bin/drawdown
	$(GO) build -o bin/drawdown ./cmd/drawdown

run: build ## build, and start a node on 127.0.0.1:8080 with its data in ./data
	./bin/drawdown serve --data $(DATA) --http $(HTTP)

cluster: build ## three nodes on this machine, HTTP on 8081 to 8083, until Ctrl-C
	./bin/drawdown cluster local

demo: build ## a throw-away node, a million events, a kill in the middle, and the sums
	./bin/drawdown demo

test: ## all fast tests (a few minutes on 2 cores)
	$(GO) test $$($(GO) list ./... | grep -v '/bench')
	$(GO) test -count 1 -p 1 ./bench/... # builds the program itself: a cached result would be of an older one

race: ## the tests of what is concurrent, under the race detector
	$(GO) test -race ./wal ./engine/... ./raftstore ./api

test-sdk: build ## PaymentKit's own npm client against a real node (needs Node 20)
	cd bench/sdk && $(NPM) ci --no-fund --no-audit && $(NPM) test

test-kill: ## kill -9 in the middle of load, KILLS times in a row
	$(GO) test ./bench -run 'TestKill$$' -count 1 -v -timeout 30m -kills $(KILLS)

torture: ## three nodes under faults drawn by chance, for TORTURE
	$(GO) test ./bench/cluster -run 'TestTorture$$' -count 1 -v -timeout 24h -torture $(TORTURE)

lint: ## formatting, vet, staticcheck
	@test -z "$$(gofmt -l .)" || { echo "not gofmt-ed:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

check: lint test race ## what a change must pass

fuzz: ## every fuzz target for FUZZTIME each
	@$(GO) list ./... | while read -r package; do \
	  $(GO) test -list '^Fuzz' "$$package" | grep '^Fuzz' | while read -r target; do \
	    echo "$$package $$target"; \
	    $(GO) test "$$package" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) || exit 1; \
	  done || exit 1; \
	done

# What results are filed under; SHORT=1 makes small runs that take about two minutes.
COMMIT      = $(shell git describe --always --dirty --exclude '*')
COMPARE     = $(if $(SHORT),--short --rounds 2 --duration 1s --warmup 200ms,)
GROWTH      = $(if $(SHORT),--short --duration 2s,)
GROWTH_RUNS ?= restart,grants,customers,identifiers,history

bench: build ## this engine, PostgreSQL, Redis in turn, then latencies (about 12 minutes; SHORT=1: 2)
	./bin/drawdown bench compare --commit $(COMMIT) $(COMPARE)
	./bin/drawdown bench growth --commit $(COMMIT) $(GROWTH) --run idle-latency,allocations,snapshot-stall

bench-growth: build ## GROWTH_RUNS to full size (half an hour, 8 GB of disk; SHORT=1: a minute)
	./bin/drawdown bench growth --commit $(COMMIT) $(GROWTH) --run $(GROWTH_RUNS)

report: build ## render bench/README.md and its charts from bench/results
	./bin/drawdown bench report

bench-stages: ## ns and allocations of each stage of an event's way
	$(GO) test -run '^$$' -bench . -benchmem ./wal ./engine/... ./api

clean: ## remove what was built (never data)
	rm -rf bin
