// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"slices"
)

// rule is how a measurement is compared with its limit.
type rule int

const (
	atMost rule = iota // Compares the median.
	ratio              // Compares the median divided by the median of the limit.
	excess             // Compares the median minus the median of the limit.
)

// check is one quantity of a benchmark, and its target.
type check struct {
	quantity   string
	values     []float64 // One for each run. Empty if this system cannot measure it.
	unit       func(float64) string
	rule       rule
	against    string    // Description of the limit.
	limit      []float64 // Values of the limit. A single one if it is not measured.
	target     float64
	untargeted bool // It is reported without a target.
}

// result returns the value that is compared with the target.
func (c check) result() float64 {
	switch c.rule {
	case ratio:
		return median(c.values) / median(c.limit)
	case excess:
		return median(c.values) - median(c.limit)
	default:
		return median(c.values)
	}
}

// measured reports whether there are values.
func (c check) measured() bool {
	return len(c.values) > 0
}

// met reports whether the target is met.
func (c check) met() bool {
	return c.untargeted || c.result() <= c.target
}

// word returns a result or a target as a text.
func (c check) word(result float64) string {
	if c.rule == ratio {
		return inTimes(result)
	}

	return c.unit(result)
}

// verdict returns the verdict as a text.
func (c check) verdict() string {
	switch {
	case !c.measured():
		return "not measured"
	case c.untargeted:
		return "–"
	case c.met():
		return "met"
	default:
		return "missed"
	}
}

// spread returns values as a text: the median, the minimum and the maximum.
func spread(values []float64, unit func(float64) string) string {
	if len(values) == 0 {
		return "–"
	}
	text := unit(median(values))
	if low, high := unit(slices.Min(values)), unit(slices.Max(values)); low != high {
		text += fmt.Sprintf(" (%s to %s)", low, high)
	}

	return text
}

// median returns the median of the values, or 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}

	return (sorted[half-1] + sorted[half]) / 2
}

// Units of measurements.

func inSeconds(v float64) string { return fmt.Sprintf("%.2f s", v) }

func inMilliseconds(v float64) string { return fmt.Sprintf("%.1f ms", v*1000) }

func inMegabytes(v float64) string { return fmt.Sprintf("%.1f MB", v/1e6) }

func inTimes(v float64) string { return fmt.Sprintf("%.2f ×", v) }

func inBytes(v float64) string { return fmt.Sprintf("%.0f bytes", v) }

func inCalls(v float64) string { return fmt.Sprintf("%.0f calls", v) }

func inPages(v float64) string { return fmt.Sprintf("%.0f pages", v) }

func inPercent(v float64) string { return fmt.Sprintf("%.1f %%", v*100) }
