// Package bench is the harness around Drawdown: it runs real nodes as processes,
// speaks to them over HTTP as anybody would, and holds their answers against what
// it knows it sent. It imports nothing of the engine. What it measures goes into
// files (package result), and from there alone into bench/README.md (package
// report).
package bench
