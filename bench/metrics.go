package bench

import (
	"fmt"
	"strconv"
	"strings"
)

// Figures of a node's /metrics that the harness needs.
const (
	metricLag      = "drawdown_index_lag_records"
	metricRecords  = "drawdown_index_records"
	metricMallocs  = "go_memstats_mallocs_total"
	metricHeap     = "go_memstats_heap_inuse_bytes"
	metricGC       = "go_cpu_classes_gc_total_cpu_seconds_total"
	metricCPU      = "process_cpu_seconds_total"
	metricSnapshot = "drawdown_snapshot_bytes"
	metricApplied  = "drawdown_applied_index"
)

// metrics are a node's figures without labels, by name.
type metrics map[string]float64

// Metrics asks for the node's figures.
func (c *Client) Metrics() (metrics, error) {
	text, err := c.text("/metrics")
	if err != nil {
		return nil, err
	}
	m := metrics{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || strings.HasPrefix(line, "#") || strings.Contains(name, "{") {
			continue
		}
		if m[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("/metrics: %s: %w", name, err)
		}
	}
	return m, nil
}

// need is a figure that must be there: without it a measurement would be wrong.
func (m metrics) need(name string) (float64, error) {
	value, ok := m[name]
	if !ok {
		return 0, fmt.Errorf("the node's /metrics has no %s, which this measurement needs; if it was renamed, mend bench/metrics.go", name)
	}
	return value, nil
}

// figures asks for several figures at once.
func (c *Client) figures(names ...string) ([]float64, error) {
	m, err := c.Metrics()
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(names))
	for i, name := range names {
		if values[i], err = m.need(name); err != nil {
			return nil, err
		}
	}
	return values, nil
}
