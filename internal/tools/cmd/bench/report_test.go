// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		check  check
		row    string
		missed bool
	}{
		"a bound that is kept": {
			check: check{quantity: "calls", values: []float64{7, 5, 6}, unit: inCalls, target: 8},
			row:   "| Work | Terraform | calls | 6 calls (5 calls to 7 calls) | – | 6 calls | ≤ 8 calls | met |",
		},
		"a bound that is just kept": {
			check: check{quantity: "calls", values: []float64{8}, unit: inCalls, target: 8},
			row:   "| Work | Terraform | calls | 8 calls | – | 8 calls | ≤ 8 calls | met |",
		},
		"a bound that is not kept": {
			check:  check{quantity: "memory", values: []float64{151e6}, unit: inMegabytes, target: 150e6},
			row:    "| Work | Terraform | memory | 151.0 MB | – | 151.0 MB | ≤ 150.0 MB | missed |",
			missed: true,
		},
		"a multiple of another median that is kept": {
			check: check{quantity: "time", values: []float64{12, 11, 99}, unit: inSeconds, rule: ratio, against: "theirs", limit: []float64{1, 10, 11}, target: 1.2},
			row:   "| Work | Terraform | time | 12.00 s (11.00 s to 99.00 s) | theirs: 10.00 s (1.00 s to 11.00 s) | 1.20 × | ≤ 1.20 × | met |",
		},
		"a multiple of another median that is not kept": {
			check:  check{quantity: "time", values: []float64{0.0131}, unit: inMilliseconds, rule: ratio, against: "theirs", limit: []float64{0.01}, target: 1.3},
			row:    "| Work | Terraform | time | 13.1 ms | theirs: 10.0 ms | 1.31 × | ≤ 1.30 × | missed |",
			missed: true,
		},
		"an excess of an even number of runs that is not kept": {
			check:  check{quantity: "time", values: []float64{3, 4}, unit: inSeconds, rule: excess, against: "theirs", limit: []float64{2, 2.5}, target: 1},
			row:    "| Work | Terraform | time | 3.50 s (3.00 s to 4.00 s) | theirs: 2.25 s (2.00 s to 2.50 s) | 1.25 s | ≤ 1.00 s | missed |",
			missed: true,
		},
		"what has no target": {
			check: check{quantity: "memory", values: []float64{151e6}, unit: inMegabytes, untargeted: true},
			row:   "| Work | Terraform | memory | 151.0 MB | – | 151.0 MB | – | – |",
		},
		"nothing, where the system does not tell": {
			check: check{quantity: "memory", unit: inMegabytes, target: 150e6},
			row:   "| Work | Terraform | memory | – | – | – | ≤ 150.0 MB | not measured |",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := report{
				Rows: []row{{Work: "Work", CLI: "Terraform", check: tc.check}}, Notes: []string{"A `note`."},
				Date: time.Date(2026, 3, 14, 23, 0, 0, 0, time.FixedZone("", -7200)), Took: 10 * time.Minute, Runs: 3,
				Machine: "a machine", Versions: []version{{Name: "Go", Version: "go1.99"}},
			}
			if got := r.missed(); got != tc.missed {
				t.Errorf("missed: %t", got)
			}
			page := string(r.markdown())
			for _, want := range []string{tc.row, "Measured on 15 March 2026, in 10m0s, 3 runs each.", "\n- A `note`.\n", "\n- a machine\n- Go go1.99\n"} {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q:\n%s", want, page)
				}
			}
			var screen strings.Builder
			if err := r.print(&screen); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(screen.String(), tc.check.verdict()) || !strings.Contains(screen.String(), "A note.") {
				t.Errorf("the table is\n%s", screen.String())
			}
		})
	}
}
