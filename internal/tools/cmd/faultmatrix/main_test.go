// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// written returns output of "go test -json" for a matrix, with the given verdict of one
// cell.
func written(verdict string) string {
	lines := []string{`{"Action":"start","Package":"p"}`}
	add := func(test, verdict, attributes string) {
		lines = append(lines,
			`{"Action":"run","Test":"TestFaultMatrix/`+test+`"}`,
			`{"Action":"output","Test":"TestFaultMatrix/`+test+`","Output":"=== RUN   TestFaultMatrix/`+test+`\n"}`,
			`{"Action":"output","Test":"TestFaultMatrix/`+test+`","Output":"    x_test.go:1: what `+test+` wrote\n"}`,
			attributes,
			`{"Action":"`+verdict+`","Test":"TestFaultMatrix/`+test+`","Elapsed":0}`,
		)
	}
	attribute := func(test, key, value string) string {
		return `{"Action":"attr","Test":"TestFaultMatrix/` + test + `","Key":"` + key + `","Value":"` + value + `"}`
	}
	add("reset_before,_once/drain_create/before", "pass", attribute("reset_before,_once/drain_create/before", "calls", "list×2"))
	add("reset_before,_once/drain_create/after", verdict, attribute("reset_before,_once/drain_create/after", "sees", "error: Unable"))
	add("reset_before,_once/drain_destroy/call", "pass", attribute("reset_before,_once/drain_destroy/call", "state", "kept"))
	add("reset_before,_once/data_session/look", "pass", "not JSON")
	add("denied/drain_create/before", "skip", attribute("denied/drain_create/before", "na", "no such call"))
	add("denied/drain_create/after", "pass", "")
	add("denied/drain_destroy/call", "skip", "")
	add("denied/data_session/look", "pass", "")

	return strings.Join(append(lines, `{"Action":"pass","Test":"TestFaultMatrix"}`, `{"Action":"pass","Package":"p"}`), "\n") + "\n"
}

const table = "" +
	"                    drain            data\n" +
	"                    create  destroy  session\n" +
	"reset before, once  ✓✓      ✓        ✓\n" +
	"denied              –✓      n/a      ✓\n" +
	"\n" +
	"drain create: before, after\n" +
	"\n" +
	"✓ holds, ✗ does not, – or n/a makes no sense; one mark for each call, or state of things, that the fault strikes.\n" +
	"6 cells: 5 hold, 0 do not, 1 make no sense (6, 0 and 2 tests).\n"

func TestRun(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		args  []string
		input string
		want  string
		err   string
	}{
		"a matrix that holds": {input: written("pass"), want: table},
		"its details": {
			args: []string{"-details"}, input: written("pass"),
			want: table + "\n" +
				"reset before, once\n" +
				"  ✓ drain create, before: success | calls: list×2\n" +
				"  ✓ drain create, after: error: Unable\n" +
				"  ✓ drain destroy, call: success | state: kept\n" +
				"  ✓ data session, look: success\n" +
				"\n" +
				"denied\n" +
				"  – drain create, before: no such call\n" +
				"  ✓ drain create, after: success\n" +
				"  – drain destroy, call: success\n" +
				"  ✓ data session, look: success\n",
		},
		"a cell that does not hold": {
			input: written("fail"), err: "1 of 6 cells do not hold",
			want: strings.NewReplacer("once  ✓✓", "once  ✓✗", "5 hold, 0", "4 hold, 1", "(6, 0", "(5, 1").Replace(table) +
				"\n✗ reset before, once / drain create / after\n    x_test.go:1: what reset_before,_once/drain_create/after wrote\n",
		},
		"a test that did not end": {
			input: written("output"), err: "1 of 6 cells do not hold",
			want: strings.NewReplacer("once  ✓✓", "once  ✓✗", "5 hold, 0", "4 hold, 1", "(6, 0", "(5, 1").Replace(table) +
				"\n✗ reset before, once / drain create / after\n    x_test.go:1: what reset_before,_once/drain_create/after wrote\n",
		},
		"a failure outside of the cells": {
			input: written("pass") + `{"Action":"output","Output":"panic: no\n"}` + "\n" + `{"Action":"fail","Package":"p"}` + "\n",
			want:  table + "\nnot JSON\npanic: no\n", err: "all cells hold, but the tests failed",
		},
		"a build that failed": {
			input: `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: no\n"}` + "\n" + `{"ImportPath":"p","Action":"build-fail"}` + "\n",
			want:  "\nx.go:1: no\n",
			err:   "there are no cells: no test was run",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var output bytes.Buffer
			err := run(tc.args, strings.NewReader(tc.input), &output)

			if diff := cmp.Diff(tc.want, output.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tc.err {
				t.Errorf("error is %q, want %q", got, tc.err)
			}
		})
	}
}
