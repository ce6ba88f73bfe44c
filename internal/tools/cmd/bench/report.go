// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// report holds the results of the benchmarks.
type report struct {
	Date     time.Time
	Took     time.Duration
	Runs     int
	Machine  string
	Versions []version
	Rows     []row
	Notes    []string
}

// missed reports whether a target is missed.
func (r report) missed() bool {
	for _, row := range r.Rows {
		if row.measured() && !row.met() {
			return true
		}
	}

	return false
}

var columns = []string{"Work", "With", "Measured", "Median", "Held against", "Result", "Target", "Verdict"}

// cells returns the columns of a row.
func (r row) cells() []string {
	against := "–"
	if r.against != "" {
		against = r.against + ": " + spread(r.limit, r.unit)
	}
	result := "–"
	if r.measured() {
		result = r.word(r.result())
	}
	target := "–"
	if !r.untargeted {
		target = "≤ " + r.word(r.target)
	}
	with := r.CLI
	if with == "" {
		with = "–"
	}

	return []string{r.Work, with, r.quantity, spread(r.values, r.unit), against, result, target, r.verdict()}
}

// print writes the table for a terminal.
func (r report) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, strings.Join(columns, "\t"))
	for _, row := range r.Rows {
		fmt.Fprintln(table, strings.ReplaceAll(strings.Join(row.cells(), "\t"), "`", ""))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, strings.ReplaceAll(note, "`", ""))
	}
	_, err := fmt.Fprintf(w, "%s; %d runs; %s\n", r.Machine, r.Runs, r.Took.Round(time.Second))

	return err
}

const introduction = `# Benchmarks

Written by ` + "`make bench`" + `, which drives a real Terraform and the provider, built as it is
released, against the [fake endpoint](design/0003-a-fake-of-the-service.md) in a process of its own.
A target is held against the median of the runs; what a result is a multiple of was measured in the
same hour, in turn with it. In brackets are the lowest and the highest of the runs. Calls are those
of Session Manager, counted at the endpoint; memory is the most that a process of the provider
held, as the system tells.

`

// markdown returns the report as a page.
func (r report) markdown() []byte {
	var b bytes.Buffer
	b.WriteString(introduction)
	fmt.Fprintf(&b, "Measured on %s, in %s, %d runs each.\n\n", r.Date.UTC().Format("2 January 2006"), r.Took.Round(time.Minute).String(), r.Runs)

	line := func(cells []string) {
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	line(columns)
	b.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
	for _, row := range r.Rows {
		line(row.cells())
	}

	b.WriteString("\n")
	for _, note := range r.Notes {
		b.WriteString("- " + note + "\n")
	}

	b.WriteString("\n## Measured with\n\n")
	b.WriteString("- " + r.Machine + "\n")
	for _, v := range r.Versions {
		fmt.Fprintf(&b, "- %s %s\n", v.Name, v.Version)
	}

	return b.Bytes()
}

// write writes the page.
func (r report) write(name string) error {
	return os.WriteFile(name, r.markdown(), 0o644)
}
