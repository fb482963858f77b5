package report

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// The charts are SVG by hand. They bring their own background and follow the
// reader's light or dark scheme, so that text can always be read.
const svgStyle = `<style>
.back{fill:#ffffff}.text{fill:#1f2328}.dim{fill:#59636e}.grid{stroke:#d1d9e0}.mark{fill:#0969da}.line{stroke:#0969da}.other{fill:#818b98}.spread{stroke:#59636e}
@media (prefers-color-scheme:dark){.back{fill:#0d1117}.text{fill:#f0f6fc}.dim{fill:#9198a1}.grid{stroke:#3d444d}.mark{fill:#4493f8}.line{stroke:#4493f8}.other{fill:#656c76}.spread{stroke:#9198a1}}
text{font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}.title{font-weight:600;font-size:15px}.small{font-size:12px}
</style>
`

// drawing is an SVG that is being made.
type drawing struct {
	strings.Builder
	width, height int
}

func newDrawing(width, height int, title string) *drawing {
	d := &drawing{width: width, height: height}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s">`+"\n",
		width, height, width, height, html.EscapeString(title))
	d.WriteString(svgStyle)
	fmt.Fprintf(d, `<rect class="back" width="%d" height="%d" rx="6"/>`+"\n", width, height)
	d.text(16, 28, "text title", "start", title)
	return d
}

func (d *drawing) text(x, y float64, class, anchor, text string) {
	fmt.Fprintf(d, `<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(text))
}

func (d *drawing) line(class string, width, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" stroke-width="%.1f" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", class, width, x1, y1, x2, y2)
}

func (d *drawing) end() string {
	d.WriteString("</svg>\n")
	return d.String()
}

// bar is one figure of a bar chart.
type bar struct {
	label       string
	value       float64
	least, most float64 // the spread
	note        string  // instead of a value
	ours        bool    // drawn in the colour that counts
}

const (
	chartWidth = 760
	rowHeight  = 28
	labelWidth = 210
	chartTop   = 48
	valueRoom  = 120
)

// bars draws figures from the top to the bottom. On a logarithmic axis they are
// dots, because a bar's length would mean nothing.
func bars(title, unit string, all []bar, logarithmic bool) string {
	d := newDrawing(chartWidth, chartTop+rowHeight*len(all)+40, title)
	left, right := float64(labelWidth), float64(chartWidth-valueRoom)
	most, least := 0.0, math.MaxFloat64
	for _, b := range all {
		if b.value > 0 {
			most, least = max(most, b.most), min(least, b.least)
		}
	}
	bottom := float64(chartTop + rowHeight*len(all))
	place := func(n float64) float64 { return left + (right-left)*n/nice(most) }
	ticks := linearTicks(nice(most))
	if logarithmic {
		low, high := math.Floor(math.Log10(least)), math.Log10(nice(most))
		place = func(n float64) float64 { return left + (right-left)*(math.Log10(n)-low)/(high-low) }
		ticks = nil
		for p := low; p <= high; p++ {
			ticks = append(ticks, math.Pow(10, p))
		}
	}
	for _, tick := range ticks {
		d.line("grid", 1, place(tick), chartTop-6, place(tick), bottom)
		d.text(place(tick), bottom+16, "dim small", "middle", brief(tick))
	}
	// The largest stand on top, what has no figure at the bottom.
	all = slices.SortedStableFunc(slices.Values(all), func(a, b bar) int { return cmp.Compare(b.value, a.value) })
	for i, b := range all {
		d.bar(b, float64(chartTop+rowHeight*i), left, place, logarithmic)
	}
	d.text(left, bottom+33, "dim small", "start", unit)
	return d.end()
}

func (d *drawing) bar(b bar, top, left float64, place func(float64) float64, dot bool) {
	middle := top + rowHeight/2 - 3
	d.text(left-10, middle+4, "text", "end", b.label)
	if b.value <= 0 {
		d.text(left+6, middle+4, "dim small", "start", b.note)
		return
	}
	class := "other"
	if b.ours {
		class = "mark"
	}
	x := place(b.value)
	if dot {
		fmt.Fprintf(d, `<circle class="%s" cx="%.1f" cy="%.1f" r="6"/>`+"\n", class, x, middle)
	} else {
		fmt.Fprintf(d, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="16" rx="2"/>`+"\n", class, left, middle-8, x-left)
	}
	d.line("spread", 1.5, place(b.least), middle, place(b.most), middle)
	for _, end := range []float64{b.least, b.most} {
		d.line("spread", 1.5, place(end), middle-4, place(end), middle+4)
	}
	d.text(max(x, place(b.most))+12, middle+4, "text", "start", brief(b.value))
}

// nice is the next number that is not below n and can be parted in four.
func nice(n float64) float64 {
	if n <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(n)))
	for _, step := range []float64{1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10} {
		if step*power >= n {
			return step * power
		}
	}
	return 10 * power
}

func linearTicks(most float64) (ticks []float64) {
	for i := range 5 {
		ticks = append(ticks, most*float64(i)/4)
	}
	return ticks
}

// lines draws a curve from zero.
func lines(title, horizontal, vertical string, xs, ys []float64) string {
	const height = 300
	d := newDrawing(chartWidth, height, title)
	left, right, top, bottom := 70.0, float64(chartWidth-30), 66.0, float64(height-50)
	mostX, mostY := nice(maximum(xs)), nice(maximum(ys))
	placeX := func(n float64) float64 { return left + (right-left)*n/mostX }
	placeY := func(n float64) float64 { return bottom - (bottom-top)*n/mostY }
	d.text(left, top-14, "dim small", "start", vertical)
	for _, tick := range linearTicks(mostY) {
		d.line("grid", 1, left, placeY(tick), right, placeY(tick))
		d.text(left-8, placeY(tick)+4, "dim small", "end", brief(tick))
	}
	for _, tick := range linearTicks(mostX) {
		d.text(placeX(tick), bottom+18, "dim small", "middle", brief(tick))
	}
	d.text((left+right)/2, bottom+36, "dim small", "middle", horizontal)
	var points []string
	for i := range xs {
		points = append(points, fmt.Sprintf("%.1f,%.1f", placeX(xs[i]), placeY(ys[i])))
	}
	fmt.Fprintf(d, `<polyline class="line" fill="none" stroke-width="2" points="%s"/>`+"\n", strings.Join(points, " "))
	return d.end()
}

func maximum(values []float64) (most float64) {
	for _, v := range values {
		most = max(most, v)
	}
	return most
}
