// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Parallel()

	docs, out := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{
		"index.md":           "---\npage_title: \"SSM Provider\"\n---\n\n# SSM\n\n~> **Warning** Sharp.\n\n-> **Note** Good\nto know.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
		"guides/a.md":        "---\npage_title: \"A - ssm\"\n---\n\nSee [the front page](../index.md#ssm) and [elsewhere](https://example.com/x.md).\n",
		"design/0001-why.md": "# Not shown\n",
		"benchmarks.md":      "# Not shown\n",
	} {
		path := filepath.Join(docs, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	if err := run([]string{"-docs", docs, "-out", out}); err != nil {
		t.Fatal(err)
	}

	for name, wanted := range map[string][]string{
		"index.html": {
			"<title>SSM Provider</title>", `<p class="warning"><strong>Warning</strong> Sharp.</p>`, `<p class="note"><strong>Note</strong> Good`,
			"<td>1</td>", `<a href="guides/a.html">A</a>`, `<a href="index.html" class="here">SSM Provider</a>`,
		},
		"guides/a.html": {`href="../index.html#ssm"`, `href="https://example.com/x.md"`, `<a href="../index.html">SSM Provider</a>`},
	} {
		content, err := os.ReadFile(filepath.Join(out, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
		}
		for _, want := range wanted {
			if !strings.Contains(string(content), want) {
				t.Errorf("%s lacks %s:\n%s", name, want, content)
			}
		}
	}
	for _, name := range []string{"design", "benchmarks.html"} {
		if _, err := os.Stat(filepath.Join(out, name)); err == nil {
			t.Errorf("%s is not a page of a registry", name)
		}
	}
}

func TestRun_refused(t *testing.T) {
	t.Parallel()

	bare := t.TempDir()
	if err := os.WriteFile(filepath.Join(bare, "index.md"), []byte("# No front matter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		arguments []string
		want      string
	}{
		"nowhere to write to": {nil, "usage: renderdocs"},
		"too much":            {[]string{"-out", "x", "y"}, "usage: renderdocs"},
		"no pages":            {[]string{"-docs", t.TempDir(), "-out", "x"}, "there are no pages"},
		"no front matter":     {[]string{"-docs", bare, "-out", "x"}, "no front matter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if err := run(tc.arguments); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
