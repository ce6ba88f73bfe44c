// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package cli finds the Terraform or OpenTofu that tests run, and skips tests that
// need what it lacks. It answers: can this test run here?
//
//	cli.Needs(t, cli.Actions)
//	if program, minor := cli.Program(t); program == cli.OpenTofu && minor < 12 {
//		...
//	}
//
// A skipped test leaves a note for scripts/test.sh, which prints the notes at its end.
package cli

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// Feature is something that not every Terraform and OpenTofu has.
type Feature struct {
	Name string // As in the guide on compatibility.

	// The first Terraform 1.x and the first OpenTofu 1.x with it.
	Terraform, OpenTofu int

	// Matches configuration that uses it. Empty if configuration does not show it.
	pattern string
}

// noVersion is the version of a feature that no release has.
const noVersion = math.MaxInt

// The features, from the oldest Terraform that the tests run on.
var (
	Actions         = Feature{"actions", 14, noVersion, `(?m)^ *action(_trigger)? .*\{`}
	DestroyEvents   = Feature{"before_destroy", 16, noVersion, `\bbefore_destroy\b`}
	Ephemerals      = Feature{"ephemeral resources", 10, 11, `(?m)^ephemeral "|\bterraform\.applying\b`}
	IdentityImports = Feature{"import by identity", 12, 12, `(?m)^ +identity += \{`}
	Mocks           = Feature{"mock_provider", 7, 8, ""}
	RemovedBlocks   = Feature{"removed without destroying", 7, 10, `(?m)^removed \{`}
	// OpenTofu 1.12 tells a provider to stop only after it has been configured.
	StopWhileConfiguring = Feature{"stopping a provider that is being configured", 0, noVersion, ""}
)

// Features are those in the tables of the guide on compatibility.
var Features = []Feature{Actions, DestroyEvents, Ephemerals, IdentityImports, Mocks, RemovedBlocks}

// OpenTofu is the name that Program returns for OpenTofu.
const OpenTofu = "OpenTofu"

// Path returns the path of the Terraform that plugin-testing would use, or of OpenTofu.
func Path(t *testing.T) string {
	t.Helper()

	if path := os.Getenv("TF_ACC_TERRAFORM_PATH"); path != "" {
		return path
	}
	for _, name := range []string{"terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("neither terraform nor tofu is on the PATH")

	return ""
}

var (
	askVersion     sync.Once
	versionOutput  []byte
	errVersion     error
	versionPattern = regexp.MustCompile(`(?m)^(Terraform|OpenTofu) v1\.(\d+)\.`)
)

// Program returns what the tests run, "Terraform" or "OpenTofu", and its minor version.
// It asks the program, whose file may have any name.
func Program(t *testing.T) (name string, minor int) {
	t.Helper()

	path := Path(t)
	askVersion.Do(func() { versionOutput, errVersion = exec.Command(path, "version").Output() })
	if errVersion != nil {
		t.Fatalf("%s version: %s", path, errVersion)
	}
	found := versionPattern.FindSubmatch(versionOutput)
	if found == nil {
		t.Fatalf("%s is neither a Terraform 1 nor an OpenTofu 1:\n%s", path, versionOutput)
	}
	minor, err := strconv.Atoi(string(found[2]))
	if err != nil {
		t.Fatal(err)
	}

	return string(found[1]), minor
}

// ListsEphemerals reports whether plans list ephemeral resources even if nothing
// changes, as OpenTofu 1.11 does. The testing library then finds no plan empty.
func ListsEphemerals(t *testing.T) bool {
	t.Helper()

	program, minor := Program(t)

	return program == OpenTofu && minor == 11
}

// Needs skips the test on a Terraform or OpenTofu that lacks a feature.
func Needs(t *testing.T, feature Feature) {
	t.Helper()

	program, minor := Program(t)
	since := feature.Terraform
	if program == OpenTofu {
		since = feature.OpenTofu
	}
	if minor < since {
		skip(t, feature.Name, fmt.Sprintf("%s 1.%d lacks %s", program, minor, feature.Name))
	}
}

// NeedsFor skips the test on a Terraform or OpenTofu that lacks a feature which the
// configuration uses.
func NeedsFor(t *testing.T, config string) {
	t.Helper()

	for _, feature := range Features {
		if feature.pattern != "" && regexp.MustCompile(feature.pattern).MatchString(config) {
			Needs(t, feature)
		}
	}
}

// SkipWithout skips the test, because the machine lacks something, such as a program.
func SkipWithout(t *testing.T, what string) {
	t.Helper()
	skip(t, what, "this machine has no "+what)
}

// skip skips the test and adds what is lacking to the notes of scripts/test.sh.
func skip(t *testing.T, lacking, message string) {
	t.Helper()

	if name := os.Getenv("TEST_SKIPPED_FILE"); name != "" {
		file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintln(file, lacking+": "+t.Name())
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	t.Skip(message)
}
