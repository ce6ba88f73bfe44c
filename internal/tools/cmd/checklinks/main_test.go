// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	t.Parallel()

	others := map[string]string{
		"LICENSE":                      "",
		"docs/index.md":                "---\npage_title: x\n---\n# The Index\n",
		"docs/design/0001-x.md":        "# Note\n",
		"docs/guides/other.md":         "## Then `verify = false`, *too*\n## Twice\n## Twice\n<a id=\"nestedblock--a\"></a>\n## Größe_2\n## Cafe\u0301\n<div>\n<a name=\"block\"></a>\n</div>\n",
		"docs/resources/a.md":          "",
		"examples/demo/main.tf":        "",
		".github/CONTRIBUTING.md":      "# Contributing\n",
		".terraform/modules/broken.md": "[x](nowhere.md)",
		"internal/testdata/broken.md":  "[x](nowhere.md)",
	}
	tests := map[string]struct {
		name, content string
		want          []string
	}{
		"files, folders and headings are found": {
			name: "README.md",
			content: "# Read me\n[a](docs/index.md) [b](docs/index.md#the-index) [c](examples/) [d](LICENSE) [e](#read-me) [f](.github/CONTRIBUTING.md#contributing)\n" +
				"| table |\n|---|\n| [g](docs/guides/other.md#then-verify--false-too) |\n\n- [h](docs/guides/other.md#twice-1)\n\n" +
				"[i](docs/guides/other.md#nestedblock--a) [j](docs/guides/other.md#gr%C3%B6%C3%9Fe_2) [k](docs/guides/other.md#cafe\u0301) [l](docs/guides/other.md#block) ![m](LICENSE)\n",
		},
		"what is code is no link": {
			name:    "README.md",
			content: "`[a](nowhere.md)`\n\n```text\n[b](nowhere.md)\n```\n",
		},
		"a file that is missing": {
			name:    "README.md",
			content: "# Title\n\nSome\nlines, [a](docs/nowhere.md) and\n[b](../outside.md)\n",
			want:    []string{"README.md:4: docs/nowhere.md: there is no such file", "README.md:5: ../outside.md: there is no such file"},
		},
		"an image that is missing": {
			name:    "README.md",
			content: "![a](nowhere.png)",
			want:    []string{"README.md:1: nowhere.png: there is no such file"},
		},
		"a heading that is missing": {
			name:    "docs/guides/page.md",
			content: "---\npage_title: x\n---\n\n# Title\n[a](#titles) [b](other.md#twice-2)\n[c](../index.md#page_title-x)\n",
			want: []string{
				"docs/guides/page.md:6: #titles: there is no such heading",
				"docs/guides/page.md:6: other.md#twice-2: there is no such heading",
				"docs/guides/page.md:7: ../index.md#page_title-x: there is no such heading",
			},
		},
		"a heading in what has none": {
			name:    "README.md",
			content: "[a](LICENSE#terms)",
			want:    []string{"README.md:1: LICENSE#terms: there is no such heading"},
		},
		"a link in a table": {
			name:    "README.md",
			content: "| table |\n|---|\n| x |\n| [g](nowhere.md) |\n",
			want:    []string{"README.md:4: nowhere.md: there is no such file"},
		},
		"a page of a registry stays among its like": {
			name:    "docs/guides/page.md",
			content: "[a](other.md) [b](../resources/a.md) [c](../index.md)\n[d](../../LICENSE)\n[e](../design/0001-x.md)\n",
			want: []string{
				"docs/guides/page.md:2: ../../LICENSE: leaves what a registry shows: give the full URL",
				"docs/guides/page.md:3: ../design/0001-x.md: leaves what a registry shows: give the full URL",
			},
		},
		"a note on design may leave docs": {
			name:    "docs/design/0002-y.md",
			content: "[a](../../LICENSE)",
		},
		"full URLs": {
			name: "docs/guides/page.md",
			content: "[a](https://example.com/x) <https://example.com>\n[b](http://example.com)\n[c](//example.com/x)\n[d](https:///x)\n[e](mailto:x@example.com) <ftp://example.com>\n" +
				"[f](https://github.com/sessionops/terraform-provider-ssm/blob/main/LICENSE)\n" +
				"[g](https://github.com/sessionops/terraform-provider-ssm/tree/main/examples/nowhere)\n" +
				"[h](https://github.com/sessionops/terraform-provider-ssm/blob/main/.github/CONTRIBUTING.md#contributing)\n" +
				"[i](https://github.com/sessionops/terraform-provider-ssm/blob/main/.github/CONTRIBUTING.md#nowhere)\n",
			want: []string{
				"docs/guides/page.md:2: http://example.com: is no https address",
				"docs/guides/page.md:3: //example.com/x: is no https address",
				"docs/guides/page.md:4: https:///x: is no https address",
				"docs/guides/page.md:5: mailto:x@example.com: is no https address",
				"docs/guides/page.md:5: ftp://example.com: is no https address",
				"docs/guides/page.md:7: https://github.com/sessionops/terraform-provider-ssm/tree/main/examples/nowhere: there is no such file",
				"docs/guides/page.md:9: https://github.com/sessionops/terraform-provider-ssm/blob/main/.github/CONTRIBUTING.md#nowhere: there is no such heading",
			},
		},
		"paths from the root": {
			name:    "README.md",
			content: "[a](/docs/index.md)\n[b](%zz)\n",
			want: []string{
				"README.md:1: /docs/index.md: begins with a slash, which every site reads in its own way",
				"README.md:2: %zz: is no URL",
			},
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			directory := fstest.MapFS{}
			for name, content := range others {
				directory[name] = &fstest.MapFile{Data: []byte(content)}
			}
			directory[test.name] = &fstest.MapFile{Data: []byte(test.content)}
			_, got, err := check(directory)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("unexpected problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRun(t *testing.T) {
	t.Parallel()

	directory := t.TempDir()
	write := func(content string) {
		if err := os.WriteFile(filepath.Join(directory, "README.md"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stdout bytes.Buffer

	write("[a](README.md)")
	if err := run([]string{"-root", directory}, &stdout); err != nil || stdout.Len() > 0 {
		t.Errorf("got %v and %q of links that lead somewhere", err, stdout.String())
	}

	write("[a](README.md) [b](nowhere.md)")
	err := run([]string{"-root", directory}, &stdout)
	if err == nil || err.Error() != "1 of 2 links lead nowhere" {
		t.Errorf("got error %v", err)
	}
	if want := "README.md:1: nowhere.md: there is no such file\n"; stdout.String() != want {
		t.Errorf("got %q, want %q", stdout.String(), want)
	}

	if err := run([]string{"README.md"}, &stdout); err == nil {
		t.Error("an argument was ignored")
	}
}
