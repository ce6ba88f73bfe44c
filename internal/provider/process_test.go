// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
)

// testWorkspace is a directory in which a real Terraform runs with the built
// provider, for what cannot be seen of a provider inside of the test's process:
// logs, files, signals.
type testWorkspace struct {
	t   *testing.T
	dir string
	cli string
	env []string
}

// buildProvider builds the provider once for all tests.
var buildProvider = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "terraform-provider-ssm-")
	if err != nil {
		return "", err
	}
	testCleanups = append(testCleanups, func() { os.RemoveAll(dir) }) //nolint:errcheck // A temporary directory.

	build := exec.Command("go", "build", "-o", filepath.Join(dir, "terraform-provider-ssm"), "../..")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the provider: %w\n%s", err, output)
	}

	return dir, nil
})

// newTestWorkspace writes a configuration, given without its provider requirements.
func newTestWorkspace(t *testing.T, config string) *testWorkspace {
	t.Helper()
	cli.NeedsFor(t, config)

	provider, err := buildProvider()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w := &testWorkspace{t: t, dir: dir, cli: cli.Path(t)}
	w.write("cli.tfrc", fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"sessionops/ssm\" = %q\n  }\n  direct {}\n}\n", provider))
	w.write("main.tf", "terraform {\n  required_providers {\n    ssm = {\n      source = \"sessionops/ssm\"\n    }\n  }\n}\n"+config)
	w.env = append(os.Environ(),
		"TF_CLI_CONFIG_FILE="+filepath.Join(dir, "cli.tfrc"),
		"TF_IN_AUTOMATION=1",
		"TF_INPUT=0",
		"TF_LOG=TRACE",
		"TF_LOG_PATH="+filepath.Join(dir, "trace.log"),
	)

	return w
}

func (w *testWorkspace) write(name, content string) {
	w.t.Helper()

	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// read returns a file of the workspace, empty if there is none.
func (w *testWorkspace) read(name string) string {
	w.t.Helper()

	content, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}

	return string(content)
}

// command prepares a run of Terraform, its output joined in one buffer.
func (w *testWorkspace) command(arguments ...string) (*exec.Cmd, *bytes.Buffer) {
	var output bytes.Buffer
	cmd := exec.CommandContext(w.t.Context(), w.cli, append(arguments, "-no-color")...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env, &output, &output

	return cmd, &output
}

// run runs Terraform and returns what it printed.
func (w *testWorkspace) run(arguments ...string) (string, error) {
	cmd, output := w.command(arguments...)
	err := cmd.Run()

	return output.String(), err
}

// mustRun runs Terraform, which must succeed.
func (w *testWorkspace) mustRun(arguments ...string) string {
	w.t.Helper()

	output, err := w.run(arguments...)
	if err != nil {
		w.t.Fatalf("%s: %s\n%s", strings.Join(arguments, " "), err, output)
	}

	return output
}

// issued returns the secrets that the endpoint gave out for the sessions.
func issued(fake *fakessm.Server, sessionIDs ...string) []string {
	var secrets []string
	for _, id := range sessionIDs {
		secrets = append(secrets, fake.Tokens(id)...)
		secrets = append(secrets, fake.StreamURLs(id)...)
	}

	return secrets
}

// files returns all that is in the workspace by its name. What is in an archive, such
// as a saved plan, is named by both.
func (w *testWorkspace) files() map[string]string {
	w.t.Helper()

	files := map[string]string{}
	err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(w.dir, path)
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

// leaked reports which of the secrets a text holds, by number and not by value:
// as they are, cut off after their first part, escaped for JSON, HTML or a URL, or in
// base64 as part of something longer.
func leaked(text string, secrets []string) error {
	for i, secret := range secrets {
		// A stream URL is recognised by its secret part, the cell number.
		if _, cell, ok := strings.Cut(secret, "cell-number="); ok {
			secret = cell
		}
		for _, form := range []string{secret, secret[:min(len(secret), 24)]} {
			for _, escaped := range escapedForms(form) {
				if at := strings.Index(text, escaped); at >= 0 {
					line := strings.Count(text[:at], "\n") + 1

					return fmt.Errorf("secret number %d of %d stands in line %d", i+1, len(secrets), line)
				}
			}
		}
	}

	return nil
}

// escapedForms returns how a secret can be written.
func escapedForms(secret string) []string {
	quoted := strconv.Quote(secret)
	forms := []string{
		secret,
		quoted[1 : len(quoted)-1],
		url.QueryEscape(secret),
		url.PathEscape(secret),
		strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(secret),
		strings.NewReplacer("+", `\u002b`, "=", `\u003d`).Replace(secret),
		strings.NewReplacer("&", `\u0026`, "<", `\u003c`, ">", `\u003e`).Replace(secret),
		strings.NewReplacer("+", "&#43;", "=", "&#61;", "/", "&#47;").Replace(secret),
		hex.EncodeToString([]byte(secret)),
	}
	// Three bytes are four characters: how the secret is written depends on where it
	// begins, and at its ends on what is next to it.
	const group = 4
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			encoded := encoding.EncodeToString([]byte("..."[:before] + secret))
			if len(encoded) >= 4*group {
				forms = append(forms, encoded[group:len(encoded)/group*group-group])
			}
		}
	}

	return forms
}
