// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	// registryPage matches the files that registries show.
	registryPage = regexp.MustCompile(`^docs/(index\.md|(actions|data-sources|ephemeral-resources|functions|guides|list-resources|resources)/[^/]+\.md)$`)

	// ownFile matches the full URL of a file of this repository.
	ownFile = regexp.MustCompile(`^https://github\.com/sessionops/terraform-provider-ssm/(?:blob|tree)/main/(.+)$`)
)

// check returns the number of links in the pages of a directory, and a line for each
// broken link.
func check(directory fs.FS) (int, []string, error) {
	pages, err := readPages(directory)
	if err != nil {
		return 0, nil, err
	}

	links, problems := 0, []string(nil)
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		for _, link := range pages[name].links {
			links++
			if err := follow(directory, pages, name, link.destination); err != nil {
				problems = append(problems, fmt.Sprintf("%s:%d: %s: %s", name, link.line, link.destination, err))
			}
		}
	}

	return links, problems, nil
}

// readPages reads every Markdown file. It skips hidden directories except .github.
func readPages(directory fs.FS) (map[string]*page, error) {
	pages := map[string]*page{}
	err := fs.WalkDir(directory, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if hidden := strings.HasPrefix(name, ".") && name != "." && name != ".github"; hidden || entry.Name() == "testdata" {
				return fs.SkipDir
			}

			return nil
		case path.Ext(name) != ".md":
			return nil
		}
		content, err := fs.ReadFile(directory, name)
		if err != nil {
			return err
		}
		pages[name], err = readPage(content)

		return err
	})

	return pages, err
}

// follow returns what is wrong with a link on the page name, or nil.
func follow(directory fs.FS, pages map[string]*page, name, destination string) error {
	parsed, err := url.Parse(destination)
	if err != nil {
		return errors.New("is no URL")
	}

	target := path.Join(path.Dir(name), parsed.Path)
	switch own := ownFile.FindStringSubmatch(destination); {
	case own != nil:
		target, _, _ = strings.Cut(own[1], "#")
	case parsed.Scheme != "" || parsed.Host != "":
		if parsed.Scheme != "https" || parsed.Host == "" {
			return errors.New("is no https address")
		}

		return nil
	case parsed.Path == "":
		target = name
	case path.IsAbs(parsed.Path):
		return errors.New("begins with a slash, which every site reads in its own way")
	case registryPage.MatchString(name) && !registryPage.MatchString(target):
		return errors.New("leaves what a registry shows: give the full URL")
	}

	if _, err := fs.Stat(directory, target); err != nil {
		return errors.New("there is no such file")
	}
	if parsed.Fragment == "" {
		return nil
	}
	if page, ok := pages[target]; !ok || !page.anchors[parsed.Fragment] {
		return errors.New("there is no such heading")
	}

	return nil
}
