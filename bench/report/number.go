package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// short is a number with three digits that count, without trailing zeros behind
// the point.
func short(n float64) string {
	switch size := math.Abs(n); {
	case size >= 1000:
		return count(n)
	case size >= 100:
		return fmt.Sprintf("%.0f", n)
	case size >= 10:
		return trim(fmt.Sprintf("%.1f", n))
	case size >= 1 || n == 0:
		return trim(fmt.Sprintf("%.2f", n))
	}
	return trim(fmt.Sprintf("%.4f", n))
}

func trim(text string) string {
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// count is a whole number with commas.
func count(n float64) string {
	text := fmt.Sprintf("%.0f", n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// brief is a number for a chart: 1.2 k, 3.4 M.
func brief(n float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if n >= unit.size*.9995 {
			return three(n/unit.size) + unit.name
		}
	}
	return three(n)
}

func three(n float64) string {
	switch {
	case n >= 100:
		return fmt.Sprintf("%.0f", n)
	case n >= 10:
		return trim(fmt.Sprintf("%.1f", n))
	}
	return trim(fmt.Sprintf("%.2f", n))
}

func sortedKeys(m map[string]float64) []string { return slices.Sorted(maps.Keys(m)) }
