// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// workspace is a directory where Terraform runs with the built provider.
type workspace struct {
	lab *lab
	dir string
	env []string
}

// sample holds the measurements of one run of Terraform.
type sample struct {
	seconds float64
	output  string
}

// workspace writes a configuration. The endpoint may be nil if none is called.
func (l *lab) workspace(config string, e *endpoint) (*workspace, error) {
	dir, err := os.MkdirTemp(l.dir, "work-")
	if err != nil {
		return nil, err
	}
	w := &workspace{lab: l, dir: dir}
	w.env = l.environment(
		"CHECKPOINT_DISABLE=1",
		"TF_CLI_CONFIG_FILE="+w.path("cli.tfrc"),
		"TF_IN_AUTOMATION=1",
	)
	if e != nil {
		w.env = append(w.env, e.Env...)
	}

	overrides := fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"sessionops/idle\" = %[1]q\n    \"sessionops/ssm\" = %[1]q\n  }\n  direct {}\n}\n", filepath.Join(l.dir, "bin"))
	err = errors.Join(
		os.WriteFile(w.path("cli.tfrc"), []byte(overrides), 0o600),
		os.WriteFile(w.path("main.tf"), []byte(config), 0o600),
	)

	return w, err
}

func (w *workspace) path(name string) string {
	return filepath.Join(w.dir, name)
}

// forget removes the state.
func (w *workspace) forget() error {
	return errors.Join(os.RemoveAll(w.path("terraform.tfstate")), os.RemoveAll(w.path("terraform.tfstate.backup")))
}

// remove removes the workspace.
func (w *workspace) remove() {
	os.RemoveAll(w.dir) //nolint:errcheck // The lab is removed as a whole later on.
}

// terraform runs a command, which must succeed, and measures it.
func (w *workspace) terraform(ctx context.Context, arguments ...string) (sample, error) {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, w.lab.cli.path, append(arguments, "-input=false", "-no-color")...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env, &output, &output
	// Terraform ends its providers when it is interrupted, but not when it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second

	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%s %s: %w\n%s", w.lab.cli.name, strings.Join(arguments, " "), err, lastLines(output.String(), 40))
	}
	w.lab.logf("  %s %s: %.2f s", w.lab.cli.name, arguments[0], took.Seconds())

	return sample{seconds: took.Seconds(), output: output.String()}, nil
}

// apply applies the configuration from the beginning.
func (w *workspace) apply(ctx context.Context) (sample, error) {
	if err := w.forget(); err != nil {
		return sample{}, err
	}

	return w.terraform(ctx, "apply", "-auto-approve")
}

// attributes returns the attributes of every resource in state.
func (w *workspace) attributes() ([]json.RawMessage, error) {
	content, err := os.ReadFile(w.path("terraform.tfstate"))
	if err != nil {
		return nil, err
	}
	var state struct {
		Resources []struct {
			Mode      string `json:"mode"`
			Instances []struct {
				Attributes json.RawMessage `json:"attributes"`
			} `json:"instances"`
		} `json:"resources"`
	}
	if err := json.Unmarshal(content, &state); err != nil {
		return nil, fmt.Errorf("decoding the state: %w", err)
	}

	var all []json.RawMessage
	for _, r := range state.Resources {
		for _, instance := range r.Instances {
			if r.Mode == "managed" {
				all = append(all, instance.Attributes)
			}
		}
	}

	return all, nil
}

// requireOutcome checks the outcome of every termination in state. Without it, a failed
// run could count as fast.
func (w *workspace) requireOutcome(count int, outcome string) error {
	all, err := w.attributes()
	if err != nil {
		return err
	}
	if len(all) != count {
		return fmt.Errorf("the state has %d resources, want %d", len(all), count)
	}
	for _, raw := range all {
		var attributes struct {
			SessionID string `json:"session_id"`
			Outcome   string `json:"outcome"`
		}
		if err := json.Unmarshal(raw, &attributes); err != nil {
			return fmt.Errorf("decoding the state: %w", err)
		}
		if attributes.Outcome != outcome {
			return fmt.Errorf("session %s: the outcome is %q, want %q", attributes.SessionID, attributes.Outcome, outcome)
		}
	}

	return nil
}

// stateSize returns the bytes of the state file.
func (w *workspace) stateSize() (float64, error) {
	info, err := os.Stat(w.path("terraform.tfstate"))
	if err != nil {
		return 0, err
	}

	return float64(info.Size()), nil
}

// lastLines returns the end of a text.
func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")

	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
