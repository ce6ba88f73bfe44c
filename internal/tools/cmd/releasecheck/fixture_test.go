// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// testVersion is the version of the releases of the tests.
const testVersion = "0.1.0-snapshot-0123456789ab"

// fixture is a release of a small program for three platforms. Tests make variants of
// it.
type fixture struct {
	release  release
	signer   *openpgp.Entity
	programs map[target][]byte
	time     time.Time
}

// newFixture builds the program like a release.
func newFixture(t *testing.T) *fixture {
	t.Helper()

	f := &fixture{
		release:  release{version: testVersion, targets: []target{{"darwin", "arm64"}, {"linux", "amd64"}, {"windows", "386"}}},
		signer:   newSigner(t),
		programs: map[target][]byte{},
		time:     time.Date(2026, time.March, 14, 15, 9, 27, 0, time.UTC),
	}
	f.release.key = publicKey(t, f.signer)

	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":             "module " + module + "\n\ngo 1.26.0\n\nrequire example.com/dependency v1.2.3\n",
		"main.go":            "package main\n\nimport _ \"example.com/dependency\"\n\nfunc main() {}\n",
		"vendor/modules.txt": "# example.com/dependency v1.2.3\n## explicit; go 1.26.0\nexample.com/dependency\n",
		"vendor/example.com/dependency/dependency.go": "package dependency\n",
	} {
		write(t, filepath.Join(dir, name), []byte(content))
	}
	run := func(env []string, arguments ...string) string {
		cmd := exec.CommandContext(t.Context(), arguments[0], arguments[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), env...)
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %s\n%s", strings.Join(arguments, " "), err, output)
		}

		return strings.TrimSpace(string(output))
	}
	// Ignore the user's git configuration.
	env := []string{
		"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull, "GIT_DIR=" + filepath.Join(dir, ".git"),
		"GIT_AUTHOR_NAME=n", "GIT_AUTHOR_EMAIL=e", "GIT_AUTHOR_DATE=" + f.time.Format(time.RFC3339),
		"GIT_COMMITTER_NAME=n", "GIT_COMMITTER_EMAIL=e", "GIT_COMMITTER_DATE=" + f.time.Format(time.RFC3339),
	}
	run(env, "git", "init", "--quiet", ".")
	run(env, "git", "add", ".")
	run(env, "git", "commit", "--quiet", "--message", "m")
	f.release.commit = run(env, "git", "rev-parse", "HEAD")
	for _, target := range f.release.targets {
		built := filepath.Join(t.TempDir(), "program")
		run(
			append(env, "CGO_ENABLED=0", "GOOS="+target.os, "GOARCH="+target.arch, "GOFLAGS=", "GOWORK=off"),
			"go", "build", "-tags=grpcnotrace", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", built,
		)
		program, err := os.ReadFile(built)
		if err != nil {
			t.Fatal(err)
		}
		f.programs[target] = program
	}

	return f
}

func newSigner(t *testing.T) *openpgp.Entity {
	t.Helper()

	signer, err := openpgp.NewEntity("Nobody", "", "nobody@example.com", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA})
	if err != nil {
		t.Fatal(err)
	}

	return signer
}

// file is a file in an archive.
type file struct {
	name    string
	mode    fs.FileMode
	time    time.Time
	content []byte
}

// packed returns the files of an archive as they should be.
func (f *fixture) packed(t target) []file {
	return []file{
		{"LICENSE", 0o644, f.time, []byte("Mozilla Public License")},
		{f.release.binary(t), 0o755, f.time, f.programs[t]},
		{"THIRD_PARTY_LICENSES.md", 0o644, f.time, []byte("MIT")},
	}
}

// files returns the files with checksums. Tests can change the archives.
func (f *fixture) files(t *testing.T, change func(target, []file) []file) map[string][]byte {
	t.Helper()

	files := map[string][]byte{f.release.name("manifest.json"): []byte(`{"version": 1, "metadata": {"protocol_versions": ["6.0"]}}`)}
	for _, target := range f.release.targets {
		packed := f.packed(target)
		if change != nil {
			packed = change(target, packed)
		}
		archive := archiveOf(t, packed)
		files[f.release.archive(target)] = archive
		files[f.release.bill(target)] = f.billOf(t, target, archive)
	}

	return files
}

func archiveOf(t *testing.T, files []file) []byte {
	t.Helper()

	var archive bytes.Buffer
	writer := zip.NewWriter(&archive)
	for _, file := range files {
		header := &zip.FileHeader{Name: file.name, Modified: file.time}
		header.SetMode(file.mode)
		w, err := writer.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(file.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}

	return archive.Bytes()
}

// billOf returns a bill of materials with the parts of syft's format that are checked.
func (f *fixture) billOf(t *testing.T, target target, archive []byte) []byte {
	t.Helper()

	info, err := buildinfo.Read(bytes.NewReader(f.programs[target]))
	if err != nil {
		t.Fatal(err)
	}
	type object map[string]any
	goModule := func(name, version string) object {
		return object{"name": name, "versionInfo": version, "externalRefs": []object{
			{"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:b:c"},
			{"referenceType": "purl", "referenceLocator": "pkg:golang/" + name + "@" + version},
		}}
	}
	document, err := json.Marshal(object{
		"spdxVersion":       "SPDX-2.3",
		"documentNamespace": "https://example.com/1",
		"creationInfo":      object{"created": "2026-03-14T16:00:00Z"},
		"packages": []object{
			goModule("example.com/dependency", "v1.2.3"),
			goModule(module, info.Main.Version),
			goModule("stdlib", info.GoVersion),
			{"name": f.release.binary(target), "versionInfo": "UNKNOWN"},
			{"name": f.release.archive(target), "versionInfo": "sha256:" + sumOfBytes(archive)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	return document
}

// write writes the files as a release, with checksums and their signature. Tests can
// then change them.
func (f *fixture) write(t *testing.T, files map[string][]byte, change func(map[string][]byte)) release {
	t.Helper()

	var sums bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&sums, "%s  %s\n", sumOfBytes(files[name]), name)
	}
	all := maps.Clone(files)
	all[f.release.name("SHA256SUMS")] = sums.Bytes()
	all[f.release.name("SHA256SUMS.sig")] = signatureOf(t, f.signer, sums.Bytes())
	if change != nil {
		change(all)
	}

	r := f.release
	r.dir = t.TempDir()
	for name, content := range all {
		write(t, r.path(name), content)
	}

	return r
}

func signatureOf(t *testing.T, signer *openpgp.Entity, content []byte) []byte {
	t.Helper()

	var signature bytes.Buffer
	if err := openpgp.DetachSign(&signature, signer, bytes.NewReader(content), nil); err != nil {
		t.Fatal(err)
	}

	return signature.Bytes()
}

func publicKey(t *testing.T, owner *openpgp.Entity) []byte {
	t.Helper()

	var key bytes.Buffer
	w, err := armor.Encode(&key, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	return key.Bytes()
}

func sumOfBytes(content []byte) string {
	sum := sha256.Sum256(content)

	return hex.EncodeToString(sum[:])
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()

	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
