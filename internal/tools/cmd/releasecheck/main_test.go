// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	write(t, key, nil)
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	write(t, filepath.Join(one, project+"_1.2.3_SHA256SUMS"), nil)
	write(t, filepath.Join(two, project+"_1.2.3_SHA256SUMS"), nil)
	write(t, filepath.Join(two, project+"_1.2.4_SHA256SUMS"), nil)

	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no directory":         {[]string{"-commit", "c", "-key", key}, "usage: releasecheck "},
		"two directories":      {[]string{"-commit", "c", "-key", key, one, two}, "usage: releasecheck "},
		"no commit":            {[]string{"-key", key, one}, "usage: releasecheck "},
		"no key":               {[]string{"-commit", "c", one}, "usage: releasecheck "},
		"an unknown flag":      {[]string{"-x"}, "flag provided but not defined: -x"},
		"an unreadable key":    {[]string{"-commit", "c", "-key", dir, one}, "is a directory"},
		"no version":           {[]string{"-commit", "c", "-key", key, dir}, "has 0 files of checksums, want one"},
		"two versions":         {[]string{"-commit", "c", "-key", key, two}, "has 2 files of checksums, want one"},
		"missing files":        {[]string{"-commit", "c", "-key", key, one}, one + " is no release that could be published:\n- " + project + "_1.2.3_SHA256SUMS.sig: is missing\n- " + project + "_1.2.3_darwin_amd64.zip: is missing\n"},
		"a version of its own": {[]string{"-commit", "c", "-key", key, "-version", "1.2.4", one}, "- " + project + "_1.2.3_SHA256SUMS: does not belong to the release\n"},
		"another build":        {[]string{"-commit", "c", "-key", key, "-same", two, one}, "- " + project + "_1.2.4_SHA256SUMS: does not belong to the release\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if err := run(t.Context(), tc.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
