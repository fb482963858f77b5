package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestScanBatch(t *testing.T) {
	event := fmt.Sprintf(benchEvent, 7)
	for _, c := range []struct {
		text   string
		events int
		ok     bool
	}{
		{"[" + event + "]", 1, true}, {" [ " + event + " ,\n" + event + " ] ", 2, true},
		{"[" + strings.Repeat(event+",", 999) + event + "]", 1000, true},
		{"", 0, false}, {"[]", 0, false}, {event, 0, false}, {"[" + event, 1, false}, {"[" + event + ",]", 1, false},
		{"[" + event + event + "]", 1, false}, {"[" + event + `,{"event_name":"e"}]`, 1, false},
	} {
		if events, err := ScanBatch([]byte(c.text)); events != c.events || (err == nil) != c.ok {
			t.Errorf("%.100q: %d events, %v; want %d", c.text, events, err, c.events)
		}
	}
}
