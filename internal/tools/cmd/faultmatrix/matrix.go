// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// prefix begins the name of each phase of a cell: row, column and phase follow.
const prefix = "TestFaultMatrix/"

// event is a line in the output of "go test -json".
type event struct {
	Action string
	Test   string
	Output string
	Key    string
	Value  string
}

// matrix is the fault matrix, its rows and columns in the order of the tests.
type matrix struct {
	rows    []string
	columns []string
	cells   map[[2]string][]*phase
	tests   map[string]*phase
	stray   []string // Output outside of the cells.
	failed  bool     // A test or the package failed.
}

// phase is one test.
type phase struct {
	row, column, name string

	verdict    string // Of the test: pass, fail or skip; empty if it did not end.
	attributes map[string]string
	output     []string
}

// read reads a matrix from the output of "go test -json".
func read(r io.Reader) (*matrix, error) {
	m := &matrix{cells: map[[2]string][]*phase{}, tests: map[string]*phase{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			m.stray = append(m.stray, lines.Text()+"\n")

			continue
		}
		m.add(e)
	}

	return m, lines.Err()
}

func (m *matrix) add(e event) {
	p := m.phase(e.Test)
	if p == nil {
		switch e.Action {
		case "fail", "build-fail":
			m.failed = true
		case "output", "build-output":
			m.stray = append(m.stray, e.Output)
		}

		return
	}

	switch e.Action {
	case "pass", "fail", "skip":
		p.verdict = e.Action
	case "attr":
		p.attributes[e.Key] = e.Value
	case "output":
		// Keep the output of the test, without the progress lines of go test.
		if !strings.HasPrefix(e.Output, "=== ") {
			p.output = append(p.output, e.Output)
		}
	}
}

// phase returns the phase of a test, or nil if the test is not a phase of a cell.
func (m *matrix) phase(test string) *phase {
	if p := m.tests[test]; p != nil {
		return p
	}
	name, ok := strings.CutPrefix(test, prefix)
	parts := strings.Split(strings.ReplaceAll(name, "_", " "), "/")
	if !ok || len(parts) != 3 {
		return nil
	}

	p := &phase{row: parts[0], column: parts[1], name: parts[2], attributes: map[string]string{}}
	m.tests[test] = p
	if !slices.Contains(m.rows, p.row) {
		m.rows = append(m.rows, p.row)
	}
	if !slices.Contains(m.columns, p.column) {
		m.columns = append(m.columns, p.column)
	}
	at := [2]string{p.row, p.column}
	m.cells[at] = append(m.cells[at], p)

	return p
}

// mark returns a phase's verdict as a character.
func (p *phase) mark() string {
	switch p.verdict {
	case "pass":
		return "✓"
	case "skip":
		return "–"
	default:
		return "✗"
	}
}

// mark returns a cell's verdict: a character for each phase, or "n/a".
func mark(cell []*phase) string {
	var marks strings.Builder
	for _, p := range cell {
		marks.WriteString(p.mark())
	}
	if strings.Trim(marks.String(), "–") == "" {
		return "n/a"
	}

	return marks.String()
}

// count counts the cells that hold, that do not hold, and that are not applicable. It
// counts the phases in the same way.
func (m *matrix) count() (cells, phases [3]int) {
	verdicts := []string{"✓", "✗", "–"}
	for _, cell := range m.cells {
		marks := mark(cell)
		switch {
		case strings.Contains(marks, "✗"):
			cells[1]++
		case marks == "n/a":
			cells[2]++
		default:
			cells[0]++
		}
		for _, p := range cell {
			phases[slices.Index(verdicts, p.mark())]++
		}
	}

	return cells, phases
}

// verdict returns an error unless all cells hold.
func (m *matrix) verdict() error {
	cells, _ := m.count()
	switch {
	case len(m.cells) == 0:
		return errors.New("there are no cells: no test was run")
	case cells[1] > 0:
		return fmt.Errorf("%d of %d cells do not hold", cells[1], len(m.cells))
	case m.failed:
		return errors.New("all cells hold, but the tests failed")
	default:
		return nil
	}
}

// print prints the table.
func (m *matrix) print(w io.Writer) {
	const gap = "  "
	margin := 0
	for _, row := range m.rows {
		margin = max(margin, utf8.RuneCountInString(row))
	}
	widths := make([]int, len(m.columns))
	for i, column := range m.columns {
		_, name, _ := strings.Cut(column, " ")
		widths[i] = utf8.RuneCountInString(name)
		for _, row := range m.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(mark(m.cells[[2]string{row, column}])))
		}
	}

	// A column's first word is the heading of all columns that begin with it.
	groups, names := strings.Repeat(" ", margin), strings.Repeat(" ", margin)
	last := ""
	for i, column := range m.columns {
		group, name, _ := strings.Cut(column, " ")
		if group != last {
			groups = padded(groups, utf8.RuneCountInString(names)) + gap + group
			names = padded(names, 0)
		}
		last = group
		names += gap + padded(name, widths[i])
	}
	fmt.Fprintln(w, strings.TrimRight(groups, " "))
	fmt.Fprintln(w, strings.TrimRight(names, " "))
	for _, row := range m.rows {
		line := padded(row, margin)
		for i, column := range m.columns {
			line += gap + padded(mark(m.cells[[2]string{row, column}]), widths[i])
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}

	fmt.Fprintln(w)
	for _, column := range m.columns {
		var phases []string
		for _, row := range m.rows {
			for _, p := range m.cells[[2]string{row, column}] {
				if !slices.Contains(phases, p.name) {
					phases = append(phases, p.name)
				}
			}
		}
		if len(phases) > 1 {
			fmt.Fprintf(w, "%s: %s\n", column, strings.Join(phases, ", "))
		}
	}
	cells, phases := m.count()
	fmt.Fprintf(w, "\n✓ holds, ✗ does not, – or n/a makes no sense; one mark for each call, or state of things, that the fault strikes.\n"+
		"%d cells: %d hold, %d do not, %d make no sense (%d, %d and %d tests).\n",
		len(m.cells), cells[0], cells[1], cells[2], phases[0], phases[1], phases[2])
}

// padded pads a text to a width.
func padded(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// printDetails prints the expected result of each fault.
func (m *matrix) printDetails(w io.Writer) {
	for _, row := range m.rows {
		fmt.Fprintf(w, "\n%s\n", row)
		for _, column := range m.columns {
			for _, p := range m.cells[[2]string{row, column}] {
				fmt.Fprintf(w, "  %s %s, %s: %s\n", p.mark(), column, p.name, p.expectation())
			}
		}
	}
}

// expectation returns a text about what a phase's test expects.
func (p *phase) expectation() string {
	if reason, ok := p.attributes["na"]; ok {
		return reason
	}
	sees := p.attributes["sees"]
	if sees == "" {
		sees = "success"
	}
	text := sees
	for _, part := range []struct{ name, key string }{{"state", "state"}, {"endpoint", "left"}, {"calls", "calls"}} {
		if value := p.attributes[part.key]; value != "" {
			text += " | " + part.name + ": " + value
		}
	}

	return text
}

// printFailures prints the output of failed tests. If the package failed without a failed
// test, it prints the output outside of tests.
func (m *matrix) printFailures(w io.Writer) {
	found := false
	for _, row := range m.rows {
		for _, column := range m.columns {
			for _, p := range m.cells[[2]string{row, column}] {
				if p.mark() == "✗" {
					found = true
					fmt.Fprintf(w, "\n✗ %s / %s / %s\n%s", row, column, p.name, strings.Join(p.output, ""))
				}
			}
		}
	}
	if !found && (m.failed || len(m.cells) == 0) {
		fmt.Fprintf(w, "\n%s", strings.Join(m.stray, ""))
	}
}
