// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/google/go-cmp/cmp"
)

// project is the prefix of every file's name.
const project = "terraform-provider-ssm"

// target is a platform of a release.
type target struct {
	os, arch string
}

func (t target) String() string {
	return t.os + "_" + t.arch
}

// targets are the platforms in .goreleaser.yml.
var targets = []target{
	{"darwin", "amd64"},
	{"darwin", "arm64"},
	{"freebsd", "386"},
	{"freebsd", "amd64"},
	{"linux", "386"},
	{"linux", "amd64"},
	{"linux", "arm"},
	{"linux", "arm64"},
	{"linux", "s390x"},
	{"windows", "386"},
	{"windows", "amd64"},
	{"windows", "arm64"},
}

// release is a directory with the files of a release, and their expected properties.
type release struct {
	dir     string
	version string
	commit  string
	key     []byte
	targets []target
}

// problems are sentences about what is wrong with a release.
type problems []string

func (p *problems) add(format string, arguments ...any) {
	*p = append(*p, fmt.Sprintf(format, arguments...))
}

// name returns the name of a file of the release.
func (r release) name(suffix string) string {
	return project + "_" + r.version + "_" + suffix
}

func (r release) path(name string) string {
	return filepath.Join(r.dir, name)
}

func (r release) archive(t target) string {
	return r.name(t.String() + ".zip")
}

// billSuffix is the suffix of an archive's bill of materials.
const billSuffix = ".spdx.json"

func (r release) bill(t target) string {
	return r.archive(t) + billSuffix
}

// listed returns the names of the files that must have checksums.
func (r release) listed() []string {
	names := []string{r.name("manifest.json")}
	for _, t := range r.targets {
		names = append(names, r.archive(t), r.bill(t))
	}
	slices.Sort(names)

	return names
}

// findVersion returns the version in the name of the only file of checksums.
func findVersion(dir string) (string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, project+"_*_SHA256SUMS"))
	if err != nil {
		return "", err
	}
	if len(paths) != 1 {
		return "", fmt.Errorf("%s has %d files of checksums, want one", dir, len(paths))
	}

	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(paths[0]), project+"_"), "_SHA256SUMS"), nil
}

// semantic matches a version without upper-case letters. Terraform changes them to
// lower case in the names of archives, and then does not find the version.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9a-z-]+(\.[0-9a-z-]+)*)?$`)

// check returns what is wrong with the release.
func (r release) check() problems {
	var found problems
	if !semantic.MatchString(r.version) {
		found.add("%q is no semantic version in small letters", r.version)
	}
	found = append(found, r.checkNames()...)
	if len(found) > 0 {
		// The other checks would only report the missing file again.
		return found
	}

	found = append(found, r.checkSums()...)
	found = append(found, r.checkSignature()...)
	found = append(found, r.checkManifest()...)
	for _, t := range r.targets {
		found = append(found, r.checkTarget(t)...)
	}

	return found
}

func (r release) checkNames() problems {
	var found problems
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		found.add("%s", err)

		return found
	}

	missing := map[string]bool{}
	for _, name := range append(r.listed(), r.name("SHA256SUMS"), r.name("SHA256SUMS.sig")) {
		missing[name] = true
	}
	for _, entry := range entries {
		if !missing[entry.Name()] {
			found.add("%s: does not belong to the release", entry.Name())
		}
		delete(missing, entry.Name())
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		found.add("%s: is missing", name)
	}

	return found
}

// sumLine is a line of sha256sum(1).
var sumLine = regexp.MustCompile(`^([0-9a-f]{64})  (\S+)$`)

// sums returns the checksums by file name.
func (r release) sums() (map[string]string, problems) {
	var (
		name  = r.name("SHA256SUMS")
		sums  = map[string]string{}
		found problems
	)
	content, err := os.ReadFile(r.path(name))
	if err != nil {
		found.add("%s", err)
	}
	for line := range strings.Lines(string(content)) {
		parts := sumLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if parts == nil {
			found.add("%s: %q is no checksum and name", name, line)

			continue
		}
		if _, ok := sums[parts[2]]; ok {
			found.add("%s: %s is listed twice", name, parts[2])
		}
		sums[parts[2]] = parts[1]
	}

	return sums, found
}

func (r release) checkSums() problems {
	sums, found := r.sums()
	if diff := cmp.Diff(r.listed(), slices.Sorted(maps.Keys(sums))); diff != "" {
		found.add("%s: lists other files (-want +got):\n%s", r.name("SHA256SUMS"), diff)
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		switch sum, err := sumOf(r.path(name)); {
		case err != nil:
			found.add("%s", err)
		case sum != sums[name]:
			found.add("%s: has another checksum than %s says", name, r.name("SHA256SUMS"))
		}
	}

	return found
}

func sumOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()

	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}

	return hex.EncodeToString(hash.Sum(nil)), nil
}

// checkSignature verifies the signature with the library that Terraform uses.
func (r release) checkSignature() problems {
	var found problems
	name := r.name("SHA256SUMS.sig")
	sums, err := os.ReadFile(r.path(r.name("SHA256SUMS")))
	if err != nil {
		found.add("%s", err)
	}
	signature, err := os.ReadFile(r.path(name))
	if err != nil {
		found.add("%s", err)
	}
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(r.key))
	if err != nil {
		found.add("reading the public key: %s", err)
	}
	if len(found) > 0 {
		return found
	}

	if bytes.HasPrefix(signature, []byte("-----BEGIN")) {
		found.add("%s: is armored, and has to be binary", name)
	} else if _, err := openpgp.CheckDetachedSignature(keys, bytes.NewReader(sums), bytes.NewReader(signature), nil); err != nil {
		found.add("%s: %s", name, err)
	}

	return found
}

// manifest is the content of terraform-registry-manifest.json.
type manifest struct {
	Version  int `json:"version"`
	Metadata struct {
		ProtocolVersions []string `json:"protocol_versions"`
	} `json:"metadata"`
}

func (r release) checkManifest() problems {
	var (
		name  = r.name("manifest.json")
		want  manifest
		got   manifest
		found problems
	)
	want.Version = 1
	want.Metadata.ProtocolVersions = []string{"6.0"}

	content, err := os.ReadFile(r.path(name))
	if err != nil {
		found.add("%s", err)

		return found
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		found.add("%s: %s", name, err)
	} else if diff := cmp.Diff(want, got); diff != "" {
		found.add("%s: says something else (-want +got):\n%s", name, diff)
	}

	return found
}
