// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"slices"
)

// rule is how what was measured is held against its limit.
type rule int

const (
	atMost rule = iota // The median itself is bounded.
	ratio              // The median, as a multiple of that of the limit.
	excess             // The median, less that of the limit.
)

// check is one quantity of a benchmark, and its target.
type check struct {
	quantity   string
	values     []float64 // One for each run; none if this system does not tell.
	unit       func(float64) string
	rule       rule
	against    string    // What the limit is, in words.
	limit      []float64 // Its values; a single one if it is no measurement.
	target     float64
	untargeted bool // It is reported, and held against nothing.
}

// result is what the target bounds.
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

// measured tells whether there is anything to judge.
func (c check) measured() bool {
	return len(c.values) > 0
}

// met tells whether the target is met.
func (c check) met() bool {
	return c.untargeted || c.result() <= c.target
}

// word words a result or a target.
func (c check) word(result float64) string {
	if c.rule == ratio {
		return inTimes(result)
	}

	return c.unit(result)
}

// verdict words the judgement.
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

// spread words values: their median, and between what they lie.
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

// median returns the middle of some values, 0 of none.
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

// The units of what is measured.

func inSeconds(v float64) string { return fmt.Sprintf("%.2f s", v) }

func inMilliseconds(v float64) string { return fmt.Sprintf("%.1f ms", v*1000) }

func inMegabytes(v float64) string { return fmt.Sprintf("%.1f MB", v/1e6) }

func inTimes(v float64) string { return fmt.Sprintf("%.2f ×", v) }

func inBytes(v float64) string { return fmt.Sprintf("%.0f bytes", v) }

func inCalls(v float64) string { return fmt.Sprintf("%.0f calls", v) }

func inPages(v float64) string { return fmt.Sprintf("%.0f pages", v) }

func inPercent(v float64) string { return fmt.Sprintf("%.1f %%", v*100) }
