// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// page holds the links and the link targets of a Markdown file.
type page struct {
	anchors map[string]bool
	links   []link
}

type link struct {
	destination string
	line        int
}

var (
	frontMatter = regexp.MustCompile(`(?s)\A---\n.*?\n---\n`)
	htmlAnchor  = regexp.MustCompile(`<a\s+(?:id|name)="([^"]+)"`)
)

// readPage parses a Markdown file in GitHub's flavour.
func readPage(content []byte) (*page, error) {
	// The parser would read the front matter as a heading. Keep the line numbers.
	content = frontMatter.ReplaceAllFunc(content, func(matter []byte) []byte {
		return bytes.Repeat([]byte("\n"), bytes.Count(matter, []byte("\n")))
	})

	p := &page{anchors: map[string]bool{}}
	document := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(content))
	err := ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch node := node.(type) {
		case *ast.Heading:
			p.addHeading(plainText(node, content))
		case *ast.HTMLBlock:
			p.addHTML(node.Lines(), content)
		case *ast.RawHTML:
			p.addHTML(node.Segments, content)
		case *ast.Link:
			p.addLink(string(node.Destination), "(", node, content)
		case *ast.Image:
			p.addLink(string(node.Destination), "(", node, content)
		case *ast.AutoLink:
			p.addLink(string(node.URL(content)), "", node, content)
		}

		return ast.WalkContinue, nil
	})

	return p, err
}

// addHeading adds the anchor that GitHub gives to a heading.
func (p *page) addHeading(heading string) {
	slug := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsMark(r), unicode.IsDigit(r):
			return r
		default:
			return -1
		}
	}, strings.ToLower(heading))

	anchor := slug
	for n := 1; p.anchors[anchor]; n++ {
		anchor = fmt.Sprintf("%s-%d", slug, n)
	}
	p.anchors[anchor] = true
}

// addHTML adds the anchors that are written as HTML.
func (p *page) addHTML(segments *text.Segments, content []byte) {
	for _, match := range htmlAnchor.FindAllSubmatch(segments.Value(content), -1) {
		p.anchors[string(match[1])] = true
	}
}

// addLink adds a link with its line number. Only blocks know their line, so it comes
// from the block around the link. The prefix is the text before the destination.
func (p *page) addLink(destination, prefix string, node ast.Node, content []byte) {
	for node.Type() == ast.TypeInline {
		node = node.Parent()
	}
	at := 0
	if node.Lines().Len() > 0 {
		at = node.Lines().At(0).Start
	}
	if offset := bytes.Index(content[at:], []byte(prefix+destination)); offset > 0 {
		at += offset
	}
	p.links = append(p.links, link{destination: destination, line: 1 + bytes.Count(content[:at], []byte("\n"))})
}

// plainText returns the text of a heading, including code spans.
func plainText(node ast.Node, content []byte) string {
	var words strings.Builder
	for child := node.FirstChild(); child != nil; child = child.NextSibling() {
		switch child := child.(type) {
		case *ast.Text:
			words.Write(child.Value(content))
		case *ast.String:
			words.Write(child.Value)
		default:
			words.WriteString(plainText(child, content))
		}
	}

	return words.String()
}
