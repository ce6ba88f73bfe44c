// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command renderdocs writes the pages of docs/ as HTML in the style of a registry: with
// boxes for notes and warnings, tables, and a list of all pages. Use it to look at pages
// before they are published.
//
//	renderdocs -out DIRECTORY
//
// Run it in the root of the repository. It skips files that a registry does not show,
// such as docs/design.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "renderdocs: %s\n", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	flags := flag.NewFlagSet("renderdocs", flag.ContinueOnError)
	docs := flags.String("docs", "docs", "directory of the pages")
	out := flags.String("out", "", "directory to write to")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *out == "" || flags.NArg() > 0 {
		return errors.New("usage: renderdocs [-docs DIRECTORY] -out DIRECTORY")
	}

	pages, err := readPages(*docs)
	if err != nil {
		return err
	}
	for _, page := range pages {
		html, err := page.html(pages)
		if err != nil {
			return fmt.Errorf("%s: %w", page.path, err)
		}
		path := filepath.Join(*out, filepath.FromSlash(page.target()))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, html, 0o644); err != nil {
			return err
		}
	}

	return nil
}
