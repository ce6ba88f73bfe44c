// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"os"
	"strings"
	"testing"
)

// TestGuide_kinds checks that the guide lists each kind of fault.
func TestGuide_kinds(t *testing.T) {
	t.Parallel()

	guide, err := os.ReadFile("../../templates/guides/testing-without-aws.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	row := func(path string) string {
		_, rest, _ := strings.Cut(string(guide), "| `"+path+"` |")
		line, _, _ := strings.Cut(rest, "\n")

		return line
	}
	faults, channelFaults := row("/faults"), row("/channel-faults")
	for _, kind := range faultKinds {
		if !strings.Contains(faults, "`"+string(kind)+"`") {
			t.Errorf("the kind %s is missing", kind)
		}
	}
	for _, kind := range channelFaultKinds {
		if !strings.Contains(channelFaults, "`"+string(kind)+"`") {
			t.Errorf("the kind %s of channels is missing", kind)
		}
	}
}
