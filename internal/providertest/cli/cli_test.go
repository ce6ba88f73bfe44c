// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package cli_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
)

// The tables of the guide on compatibility say the same as Features, for the versions
// that the workflow runs the tests with.
func TestFeatures_inGuide(t *testing.T) {
	t.Parallel()

	guide := readFile(t, "../../../templates/guides/compatibility.md.tmpl")
	workflow := readFile(t, "../../../.github/workflows/test.yml")
	features := map[string]cli.Feature{}
	for _, feature := range cli.Features {
		features[feature.Name] = feature
	}

	for program, since := range map[string]func(cli.Feature) int{
		"Terraform":  func(f cli.Feature) int { return f.Terraform },
		cli.OpenTofu: func(f cli.Feature) int { return f.OpenTofu },
	} {
		table := regexp.MustCompile(`(?m)^\| ` + program + ` \|.*\n(?:\|.*\n)+`).FindString(guide)
		rows := strings.Split(strings.TrimSpace(strings.ReplaceAll(table, "`", "")), "\n")
		if len(rows) < 3 {
			t.Fatalf("the guide has no table of %s", program)
		}
		versions := strings.Split(strings.Trim(rows[0], "| "), " | ")[1:]
		matrix := regexp.MustCompile(`(?m)^ +` + strings.ToLower(program) + `: \[.*\]$`).FindString(workflow)
		if diff := cmp.Diff(regexp.MustCompile(`\b1\.\d+`).FindAllString(matrix, -1), versions); diff != "" {
			t.Errorf("the workflow runs other versions of %s (-workflow +guide):\n%s", program, diff)
		}

		told := map[string]bool{}
		for _, row := range rows[2:] {
			cells := strings.Split(strings.Trim(row, "| "), " | ")
			told[cells[0]] = true
			for i, version := range versions {
				minor, err := strconv.Atoi(strings.TrimPrefix(version, "1."))
				if err != nil {
					t.Fatal(err)
				}
				// What is not in Features works everywhere.
				want := "–"
				if feature, ok := features[cells[0]]; !ok || minor >= since(feature) {
					want = "yes"
				}
				if cells[i+1] != want {
					t.Errorf("%s %s has %q for %s, want %q", program, version, cells[i+1], cells[0], want)
				}
			}
		}
		for name := range features {
			if !told[name] {
				t.Errorf("the table of %s lacks %s", program, name)
			}
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()

	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}

	return string(content)
}
