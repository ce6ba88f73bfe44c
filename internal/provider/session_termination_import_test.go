// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/aws-sdk-go-base/v2/endpoints"
)

// looksLikeRegion is a second implementation of sessionmanager.LooksLikeRegion: two to four letters, one to
// three words, a number of one or two digits, with hyphens between them.
func looksLikeRegion(s string) bool {
	of := func(part, alphabet string, least, most int) bool {
		return len(part) >= least && len(part) <= most && strings.Trim(part, alphabet) == ""
	}
	const letters, digits = "abcdefghijklmnopqrstuvwxyz", "0123456789"

	parts := strings.Split(s, "-")
	if len(parts) < 3 || len(parts) > 5 || !of(parts[0], letters, 2, 4) || !of(parts[len(parts)-1], digits, 1, 2) {
		return false
	}

	return !slices.ContainsFunc(parts[1:len(parts)-1], func(word string) bool { return !of(word, letters, 1, len(word)) })
}

// FuzzParseImportID parses arguments of `terraform import`. Only a suffix in the form of
// a Region is cut off. Everything else is the session ID.
func FuzzParseImportID(f *testing.F) {
	for _, id := range []string{
		"", "@", "@@", testLive, testLive + "@", "@eu-west-1", testLive + "@eu-west-1", testLive + "@eu-west-1@eu-west-1", testLive + "@us-gov-west-1",
		"mary@example.com-07a16060613c408b5", "mary@example.com-07a16060613c408b5@eu-central-1", "mary@eu-central-1-07a16060613c408b5", "mary@EU-WEST-1",
		testLive + "@eu-west-1 ", testLive + "@ eu-west-1", testLive + "@eu-west-1\n", testLive + "\n@eu-west-1", "a\x00@eu-west-1", "\xff@eu-west-1", "😀@eu-west-1",
		testLive + "@nowhere-at-all-9", testLive + "@eu-west-123", testLive + "@eu--1", testLive + "@e-west-1", "${x}@eu-west-1", "%s@%s", "a\"b@eu-west-1",
		strings.Repeat("@eu-west-1", 1000), strings.Repeat("x", 10_240) + "@eu-west-1",
	} {
		f.Add(id)
	}

	var regions []string
	for _, partition := range endpoints.DefaultPartitions() {
		for name := range partition.Regions() {
			regions = append(regions, name)
		}
	}
	slices.Sort(regions)
	if len(regions) < 30 {
		f.Fatalf("there are %d Regions only", len(regions))
	}

	f.Fuzz(func(t *testing.T, id string) {
		sessionID, region := parseImportID(id)

		at := strings.LastIndex(id, "@")
		switch {
		case at < 0, !looksLikeRegion(id[at+1:]):
			if sessionID != id || region != "" {
				t.Errorf("%q, which names no Region, is taken for session %q in Region %q", id, sessionID, region)
			}
		case sessionID != id[:at] || region != id[at+1:]:
			t.Errorf("%q is taken for session %q in Region %q", id, sessionID, region)
		}

		for _, want := range regions {
			if gotID, got := parseImportID(id + "@" + want); gotID != id || got != want {
				t.Errorf("session %q in Region %s is taken for session %q in Region %q", id, want, gotID, got)
			}
		}
	})
}
