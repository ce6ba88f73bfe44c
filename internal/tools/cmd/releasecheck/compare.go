// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
)

// compare returns how the release differs from another build of the same commit. It
// skips signatures, which depend on the time, and checksums, which depend on the other
// files.
func (r release) compare(dir string) problems {
	other := r
	other.dir = dir
	found := other.checkNames()
	if len(found) > 0 {
		return found
	}

	for _, name := range r.listed() {
		ours, err := r.lasting(name)
		if err != nil {
			found.add("%s", err)

			continue
		}
		theirs, err := other.lasting(name)
		if err != nil {
			found.add("%s", err)

			continue
		}
		if !bytes.Equal(ours, theirs) {
			found.add("%s: is another one in %s", name, dir)
		}
	}

	return found
}

// lasting returns the part of a file that must be the same in every build.
func (r release) lasting(name string) ([]byte, error) {
	content, err := os.ReadFile(r.path(name))
	if err != nil || !strings.HasSuffix(name, billSuffix) {
		return content, err
	}
	if content, err = mask(content); err != nil {
		return nil, fmt.Errorf("%s: %w", r.path(name), err)
	}

	return content, nil
}

// forced matches the members that SPDX requires to be new in every document: the time of
// creation and a unique name.
var forced = regexp.MustCompile(`"(created|documentNamespace)":\s*"[^"]*"`)

// mask hides these two values.
func mask(document []byte) ([]byte, error) {
	if len(forced.FindAll(document, -1)) != 2 {
		return nil, errors.New("does not have exactly one time of creation and one name space")
	}

	return forced.ReplaceAll(document, []byte(`"$1": ""`)), nil
}
