// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"errors"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
)

// folders are the folders that a registry shows, in the order of its navigation.
var folders = []struct{ name, title string }{
	{".", "Provider"},
	{"guides", "Guides"},
	{"resources", "Resources"},
	{"data-sources", "Data Sources"},
	{"ephemeral-resources", "Ephemeral Resources"},
	{"actions", "Actions"},
}

// page is one page of the documentation.
type page struct {
	path  string // Relative to the directory of the pages, with slashes.
	title string // From the front matter.
	body  string // Markdown without the front matter.
}

// readPages returns the pages that a registry shows.
func readPages(docs string) ([]page, error) {
	var pages []page
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(docs, folder.name, "*.md"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if folder.name == "." && filepath.Base(file) != "index.md" {
				continue
			}
			content, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			p, err := parsePage(path.Join(folder.name, filepath.Base(file)), string(content))
			if err != nil {
				return nil, err
			}
			pages = append(pages, p)
		}
	}
	if len(pages) == 0 {
		return nil, errors.New("there are no pages in " + docs)
	}

	return pages, nil
}

var titleLine = regexp.MustCompile(`(?m)^page_title: "?([^"\n]*)"?$`)

// parsePage splits front matter and body.
func parsePage(path, content string) (page, error) {
	rest, found := strings.CutPrefix(content, "---\n")
	front, body, ended := strings.Cut(rest, "\n---\n")
	title := titleLine.FindStringSubmatch(front)
	if !found || !ended || title == nil {
		return page{}, errors.New(path + ": no front matter with a page_title")
	}

	return page{path: path, title: title[1], body: body}, nil
}

// target returns the path of the page's HTML file.
func (p page) target() string {
	return strings.TrimSuffix(p.path, ".md") + ".html"
}

// Marks of a note, a warning and a danger at the start of a paragraph, as in registries.
var boxes = map[string]string{"-&gt;": "note", "~&gt;": "warning", "!&gt;": "danger"}

var (
	boxStart = regexp.MustCompile(`<p>(-&gt;|~&gt;|!&gt;) ?`)
	pageLink = regexp.MustCompile(`href="([^":]+)\.md(#[^"]*)?"`)
)

var markdown = goldmark.New(
	goldmark.WithExtensions(extension.GFM),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	// The anchors of nested schemas are HTML.
	goldmark.WithRendererOptions(html.WithUnsafe()),
)

// html returns the page as HTML.
func (p page) html(all []page) ([]byte, error) {
	var text bytes.Buffer
	if err := markdown.Convert([]byte(p.body), &text); err != nil {
		return nil, err
	}
	body := boxStart.ReplaceAllStringFunc(text.String(), func(start string) string {
		return `<p class="` + boxes[boxStart.FindStringSubmatch(start)[1]] + `">`
	})
	body = pageLink.ReplaceAllString(body, `href="$1.html$2"`)

	var out bytes.Buffer
	err := layout.Execute(&out, map[string]any{
		"Title":      p.title,
		"Body":       template.HTML(body), //nolint:gosec // Our own pages.
		"Navigation": p.navigation(all),
	})

	return out.Bytes(), err
}

// section is a part of the navigation.
type section struct {
	Title string
	Links []link
}

type link struct {
	Title, Href string
	Here        bool
}

// navigation lists all pages, with links relative to this one.
func (p page) navigation(all []page) []section {
	up := strings.Repeat("../", strings.Count(p.path, "/"))
	var sections []section
	for _, folder := range folders {
		s := section{Title: folder.title}
		for _, other := range all {
			if path.Dir(other.path) == folder.name {
				title, _, _ := strings.Cut(other.title, " - ")
				s.Links = append(s.Links, link{Title: title, Href: up + other.target(), Here: other.path == p.path})
			}
		}
		sections = append(sections, s)
	}

	return sections
}

var layout = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title>
<style>
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #1f2124; display: flex; }
nav { flex: 0 0 250px; padding: 16px; border-right: 1px solid #dedfe3; font-size: 14px; }
nav h4 { margin: 16px 0 4px; }
nav a { display: block; color: #3b3d45; text-decoration: none; padding: 2px 0; }
nav a.here { font-weight: bold; }
main { flex: 1; min-width: 0; max-width: 820px; padding: 16px 32px; }
h1, h2, h3 { overflow-wrap: anywhere; }
pre { background: #f1f2f3; padding: 12px; overflow-x: auto; font-size: 13px; }
code { font-family: ui-monospace, monospace; font-size: 0.9em; background: #f1f2f3; overflow-wrap: anywhere; }
pre code { overflow-wrap: normal; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border: 1px solid #dedfe3; padding: 6px 10px; text-align: left; vertical-align: top; }
.note, .warning, .danger { border-left: 4px solid #1563ff; background: #eff5ff; padding: 10px 14px; }
.warning { border-color: #fa8f37; background: #fff5eb; }
.danger { border-color: #c73445; background: #fceaeb; }
@media (max-width: 700px) { nav { display: none; } main { padding: 12px; } }
</style>
</head>
<body>
<nav>{{range .Navigation}}<h4>{{.Title}}</h4>{{range .Links}}<a href="{{.Href}}"{{if .Here}} class="here"{{end}}>{{.Title}}</a>{{end}}{{end}}</nav>
<main>{{.Body}}</main>
</body>
</html>
`))
