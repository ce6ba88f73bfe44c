// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package workspace runs a real Terraform or OpenTofu, in a directory of its own, with
// the provider as it is built. It answers what cannot be seen within the process of a
// test: what is in logs, in state and in plan files, and what signals do. Such a test
// takes seconds.
//
//	w := workspace.New(t, config)
//	output := w.MustRun("apply", "-auto-approve")
//	for name, content := range w.Files() {
//		...
//	}
//
// A run can be disturbed:
//
//	run := w.Start("apply", "-auto-approve")
//	run.Until(slow.Reached)
//	run.Interrupt()
//	output := run.Fail()
package workspace

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
)

// Workspace is a directory with configuration.
type Workspace struct {
	Dir string
	Env []string // Of Terraform and the provider.

	t   *testing.T
	cli string
}

// New returns a workspace with a configuration in main.tf, without its
// required_providers block. Terraform logs everything to trace.log. New skips the test
// if Terraform cannot read the configuration.
func New(t *testing.T, config string) *Workspace {
	t.Helper()
	cli.NeedsFor(t, config)

	dir := t.TempDir()
	w := &Workspace{t: t, Dir: dir, cli: cli.Path(t)}
	w.Write("cli.tfrc", fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"sessionops/ssm\" = %q\n  }\n  direct {}\n}\n", ProviderDir(t)))
	w.Write("main.tf", "terraform {\n  required_providers {\n    ssm = {\n      source = \"sessionops/ssm\"\n    }\n  }\n}\n"+config)
	w.Env = append(os.Environ(),
		"TF_CLI_CONFIG_FILE="+filepath.Join(dir, "cli.tfrc"),
		"TF_IN_AUTOMATION=1",
		"TF_INPUT=0",
		"TF_LOG=TRACE",
		"TF_LOG_PATH="+filepath.Join(dir, "trace.log"),
	)

	return w
}

// NewFrom returns a workspace with a copy of a directory instead of a main.tf.
func NewFrom(t *testing.T, directory string) *Workspace {
	t.Helper()

	w := New(t, "")
	if err := os.Remove(filepath.Join(w.Dir, "main.tf")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(w.Dir, os.DirFS(directory)); err != nil {
		t.Fatal(err)
	}

	return w
}

// WithoutLog turns the log off, because it takes time, and returns w.
func (w *Workspace) WithoutLog() *Workspace {
	w.Env = append(w.Env, "TF_LOG=", "TF_LOG_PATH=")

	return w
}

// In returns the same workspace for another test, such as a subtest.
func (w *Workspace) In(t *testing.T) *Workspace {
	t.Helper()

	other := *w
	other.t = t

	return &other
}

// Write writes a file of the workspace.
func (w *Workspace) Write(name, content string) {
	w.t.Helper()

	if err := os.WriteFile(filepath.Join(w.Dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// Read returns a file of the workspace, empty if there is none.
func (w *Workspace) Read(name string) string {
	w.t.Helper()

	content, err := os.ReadFile(filepath.Join(w.Dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}

	return string(content)
}

// Files returns the content of all files of the workspace by name, and of all files in
// archives, such as "planned/tfstate" in a saved plan.
func (w *Workspace) Files() map[string]string {
	w.t.Helper()

	files := map[string]string{}
	err := filepath.WalkDir(w.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(w.Dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files[name] = string(content)
		archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return nil //nolint:nilerr // It is no archive.
		}
		for _, member := range archive.File {
			opened, err := member.Open()
			if err != nil {
				return err
			}
			content, err := io.ReadAll(opened)
			if err != nil {
				return err
			}
			files[name+"/"+member.Name] = string(content)
		}

		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}

	return files
}

// Created returns a channel that is closed once a file of the workspace is there.
func (w *Workspace) Created(name string) <-chan struct{} {
	found := make(chan struct{})
	go func() {
		for w.t.Context().Err() == nil {
			if _, err := os.Stat(filepath.Join(w.Dir, name)); err == nil {
				close(found)

				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()

	return found
}

// command prepares a run of Terraform. Standard output and error go to one buffer.
func (w *Workspace) command(arguments ...string) (*exec.Cmd, *bytes.Buffer) {
	var output bytes.Buffer
	cmd := exec.CommandContext(w.t.Context(), w.cli, append(arguments, "-no-color")...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.Dir, w.Env, &output, &output

	return cmd, &output
}

// Run runs Terraform and returns what it printed, on standard output and error.
func (w *Workspace) Run(arguments ...string) (string, error) {
	cmd, output := w.command(arguments...)
	err := cmd.Run()

	return output.String(), err
}

// MustRun runs Terraform, which must succeed.
func (w *Workspace) MustRun(arguments ...string) string {
	w.t.Helper()

	output, err := w.Run(arguments...)
	if err != nil {
		w.t.Fatalf("%s: %s\n%s", strings.Join(arguments, " "), err, output)
	}

	return output
}

// Stdout runs Terraform, which must succeed, and returns its standard output alone.
func (w *Workspace) Stdout(arguments ...string) []byte {
	w.t.Helper()

	cmd := exec.CommandContext(w.t.Context(), w.cli, arguments...)
	cmd.Dir, cmd.Env = w.Dir, w.Env
	output, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%s: %s\n%s", strings.Join(arguments, " "), err, output)
	}

	return output
}
