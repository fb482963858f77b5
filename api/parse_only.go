package api

import (
	"fmt"

	"drawdown/engine/ledger"
)

// ScanBatch reads a JSON array of plain events as the batch call does, and does
// nothing with them: what decoding costs by itself. Only the harness uses it. An
// error says at which byte there is no plain event.
func ScanBatch(body []byte) (events int, err error) {
	pos := behindSpace(body, 0)
	if pos == len(body) || body[pos] != '[' {
		return 0, fmt.Errorf("byte %d: an array of events is expected", pos)
	}
	for pos++; ; pos++ {
		pos = behindSpace(body, pos)
		var report ledger.Report
		end := scanEvent(body, pos, ledger.Live, true, &report)
		if end < 0 {
			return events, fmt.Errorf("byte %d: no plain event", pos)
		}
		events++
		if pos = behindSpace(body, end); pos == len(body) || body[pos] != ',' && body[pos] != ']' {
			return events, fmt.Errorf("byte %d: a comma or the end of the array is missing", pos)
		}
		if body[pos] == ']' {
			return events, nil
		}
	}
}
