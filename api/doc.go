// Package api is the HTTP interface: routes, strict decoding, limits, errors and
// metrics. It knows the ledger's words and sees everything behind them through
// two interfaces that it declares itself, Store (writes, and answers about the
// node) and View (reads of applied state).
//
// # A request's way
//
//	socket -> framing and target checks -> route -> in-flight gate -> handler
//	  reads:  Linearize (I5) -> View -> JSON
//	  writes: strict JSON -> ledger command -> Submit -> verdict -> View -> JSON
//
// # Forms of a batch
//
// By its Content-Type a batch is JSON (an array, or an object that holds one), NDJSON
// or Protocol Buffers (drawdown.proto). Each form has a scanner that takes plain
// events and refuses nothing, and a decoder behind it that reads whatever comes into
// a sentEvent; sentEvent.report alone says what is wrong with an event. In NDJSON and
// Protocol Buffers one that cannot be read at all sinks itself alone.
//
// # Errors
//
// Every error answer is {"error": sentence that names the field, "code":
// snake_case, "param": field}. Refusals (4xx) changed nothing. 503 comes with
// Retry-After and one of three codes: overloaded and unavailable (surely not
// applied), outcome_unknown (may have been applied; an event can be sent again
// under its identifier, I6).
//
// # Memory
//
// fasthttp reuses a request's memory when its handler returns. Text in commands
// may alias it, because ledger.Batch.Add copies; nothing else that outlives the
// handler may (I10).
package api
