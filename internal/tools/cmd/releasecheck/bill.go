// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// bill is the content of a bill of materials.
type bill struct {
	SPDXVersion string `json:"spdxVersion"`
	Packages    []struct {
		Name       string `json:"name"`
		Version    string `json:"versionInfo"`
		References []struct {
			Type    string `json:"referenceType"`
			Locator string `json:"referenceLocator"`
		} `json:"externalRefs"`
	} `json:"packages"`
}

// checkBill checks that the bill of materials belongs to the archive with the given
// checksum, and lists exactly the modules of the program.
func checkBill(document []byte, archive, sum string, info *debug.BuildInfo) error {
	var b bill
	if err := json.Unmarshal(document, &b); err != nil {
		return err
	}
	if !strings.HasPrefix(b.SPDXVersion, "SPDX-2.") {
		return fmt.Errorf("its format is %q, want SPDX 2", b.SPDXVersion)
	}

	want := map[string]string{
		archive:        "sha256:" + sum,
		info.Main.Path: info.Main.Version,
		"stdlib":       info.GoVersion,
	}
	for _, dependency := range info.Deps {
		if dependency.Replace != nil {
			dependency = dependency.Replace
		}
		want[dependency.Path] = dependency.Version
	}
	got := map[string]string{}
	for _, p := range b.Packages {
		known := p.Name == archive
		for _, r := range p.References {
			known = known || r.Type == "purl" && strings.HasPrefix(r.Locator, "pkg:golang/")
		}
		if known {
			got[p.Name] = p.Version
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("lists something else (-want +got):\n%s", diff)
	}

	return nil
}
