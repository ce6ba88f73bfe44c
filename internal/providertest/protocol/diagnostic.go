// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package protocol

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Diagnostic is a diagnostic in plain form.
type Diagnostic struct {
	Severity  string // "error" or "warning".
	Attribute string // As in "assume_role[0].role_arn". Empty if it names none.
	Summary   string
	Detail    string
}

// Error returns an error.
func Error(attribute, summary, detail string) Diagnostic {
	return Diagnostic{Severity: "error", Attribute: attribute, Summary: summary, Detail: detail}
}

// Warning returns a warning.
func Warning(attribute, summary, detail string) Diagnostic {
	return Diagnostic{Severity: "warning", Attribute: attribute, Summary: summary, Detail: detail}
}

// PlainDiagnostics returns diagnostics of the protocol in plain form.
func PlainDiagnostics(in []*tfprotov6.Diagnostic) []Diagnostic {
	out := make([]Diagnostic, 0, len(in))
	for _, d := range in {
		out = append(out, Diagnostic{
			Severity:  strings.ToLower(d.Severity.String()),
			Attribute: attributeName(d.Attribute),
			Summary:   d.Summary,
			Detail:    d.Detail,
		})
	}

	return out
}

// attributeName spells a path as one would in a configuration.
func attributeName(at *tftypes.AttributePath) string {
	var name strings.Builder
	for _, step := range at.Steps() {
		switch step := step.(type) {
		case tftypes.AttributeName:
			if name.Len() > 0 {
				name.WriteString(".")
			}
			name.WriteString(string(step))
		case tftypes.ElementKeyInt:
			fmt.Fprintf(&name, "[%d]", int64(step))
		case tftypes.ElementKeyString:
			fmt.Fprintf(&name, "[%q]", string(step))
		case tftypes.ElementKeyValue:
			name.WriteString("[...]") // Elements of sets have no name.
		}
	}

	return name.String()
}

// HasErrors reports whether there is an error among the diagnostics.
func HasErrors(diags []Diagnostic) bool {
	return slices.ContainsFunc(diags, func(d Diagnostic) bool { return d.Severity == "error" })
}

// WantNoDiagnostics ends the test if there is a diagnostic.
func WantNoDiagnostics(t *testing.T, got []Diagnostic) {
	t.Helper()

	if len(got) > 0 {
		t.Fatalf("unexpected diagnostics: %+v", got)
	}
}

// WantDiagnostic checks that there is exactly one diagnostic, the wanted one. Each line
// of the wanted detail has to be somewhere in the detail.
func WantDiagnostic(t *testing.T, want Diagnostic, got []Diagnostic) {
	t.Helper()

	if len(got) != 1 {
		t.Fatalf("want one diagnostic, got %d: %+v", len(got), got)
	}
	for line := range strings.Lines(want.Detail) {
		if !strings.Contains(got[0].Detail, strings.TrimSpace(line)) {
			t.Errorf("the detail lacks %q:\n%s", line, got[0].Detail)
		}
	}
	want.Detail = got[0].Detail
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("unexpected diagnostic (-want +got):\n%s", diff)
	}
}

// Without returns the diagnostics whose summary does not begin with the given text.
func Without(diags []Diagnostic, summary string) []Diagnostic {
	return slices.DeleteFunc(slices.Clone(diags), func(d Diagnostic) bool { return strings.HasPrefix(d.Summary, summary) })
}
