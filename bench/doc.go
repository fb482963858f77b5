// Package bench is the harness around Drawdown: it runs real nodes as processes,
// speaks to them over HTTP as anybody would, and holds their answers against what
// it knows it sent. It imports nothing of the engine.
package bench
