// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"strings"
	"testing"
)

func TestCheckLock(t *testing.T) {
	t.Parallel()

	const (
		lock = `# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "registry.terraform.io/sessionops/ssm" {
  version     = "1.2.3"
  constraints = "1.2.3"
  hashes = [
    "h1:a=",
    "h1:b=",
  ]
}
`
		provider = "registry.terraform.io/sessionops/ssm"
	)
	known := map[string]bool{"h1:a=": true, "h1:b=": true, "h1:c=": true}
	for name, tc := range map[string]struct {
		before, after string
		want          string // Empty if nothing is wrong.
	}{
		"all right":            {},
		"another host":         {"terraform.io", "opentofu.org", "is not about " + provider + " 1.2.3"},
		"another version":      {`version     = "1.2.3"`, `version     = "1.2.4"`, "is not about " + provider + " 1.2.3"},
		"another provider too": {"provider", "provider \"x\" {\n  version = \"1.2.3\"\n}\n\nprovider", "is not about " + provider + " 1.2.3"},
		"a checksum less":      {`    "h1:b=",` + "\n", "", "has 1 checksums, want 2"},
		"a checksum more":      {"  ]", `    "zh:00",` + "\n  ]", "has 3 checksums, want 2"},
		"an unknown checksum":  {"h1:b=", "h1:d=", "has a checksum that is none of the archives': h1:d="},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			switch err := checkLock(strings.Replace(lock, tc.before, tc.after, 1), provider, "1.2.3", known, 2); {
			case tc.want == "" && err != nil:
				t.Errorf("unexpected problem: %s", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
