// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/dirhash"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/fakessm/fakeprocess"
)

// sessionID is the ID of a session that the fake endpoint has at the start.
const sessionID = "Mary-Major-07a16060613c408b5"

// installation is a directory in which a Terraform or OpenTofu works.
type installation struct {
	release release
	dir     string
	cli     string // Path of the program.
	name    string // "Terraform" or "OpenTofu".
	host    string // That of its registry.
	env     []string
}

// install makes each CLI install the provider and use it.
func (r release) install(ctx context.Context, clis []string, stdout io.Writer) error {
	for _, cli := range clis {
		if err := r.installWith(ctx, cli, stdout); err != nil {
			return fmt.Errorf("%s: %w", cli, err)
		}
	}

	return nil
}

func (r release) installWith(ctx context.Context, cli string, stdout io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "ssm-install-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	i := installation{release: r, dir: dir, cli: cli}
	if err := i.prepare(ctx); err != nil {
		return err
	}
	program := filepath.Join(dir, "fakessm")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./internal/cmd/fakessm").CombinedOutput(); err != nil {
		return fmt.Errorf("building the fake endpoint: %w\n%s", err, output)
	}
	fake, err := fakeprocess.Start(ctx, program, i.env)
	if err != nil {
		return err
	}
	defer fake.Stop()
	i.env = append(i.env, fake.Env...)

	if err := i.initialise(ctx); err != nil {
		return err
	}
	if err := i.apply(ctx, fake); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %s installed it and ended a session\n", r.version, i.name)

	return nil
}

// prepare creates a mirror of the archives, and writes a configuration.
func (i *installation) prepare(ctx context.Context) error {
	i.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + i.dir, "TMPDIR=" + i.dir,
		"CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_CLI_CONFIG_FILE=" + i.path("cli.tfrc"),
	}
	mirror := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", i.path("mirror"))
	config := fmt.Sprintf(`terraform {
  required_providers {
    ssm = {
      source  = "sessionops/ssm"
      version = "= %s"
    }
  }
}

provider "ssm" {}

resource "ssm_session_termination" "test" {
  session_id = %q
}

output "outcome" {
  value = ssm_session_termination.test.outcome
}
`, i.release.version, sessionID)
	err := errors.Join(
		os.Mkdir(i.path("work"), 0o700),
		os.WriteFile(i.path("cli.tfrc"), []byte(mirror), 0o600),
		os.WriteFile(i.path("work/main.tf"), []byte(config), 0o600),
	)
	if err != nil {
		return err
	}

	version, err := i.run(ctx, "version")
	if err != nil {
		return err
	}
	i.name, i.host = "Terraform", "registry.terraform.io"
	if strings.HasPrefix(version, "OpenTofu ") {
		i.name, i.host = "OpenTofu", "registry.opentofu.org"
	}
	archives := i.path("mirror/" + i.host + "/sessionops/ssm")
	if err := os.MkdirAll(archives, 0o700); err != nil {
		return err
	}
	for _, t := range i.release.targets {
		content, err := os.ReadFile(i.release.path(i.release.archive(t)))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(archives, i.release.archive(t)), content, 0o600); err != nil {
			return err
		}
	}

	return nil
}

func (i *installation) path(name string) string {
	return filepath.Join(i.dir, filepath.FromSlash(name))
}

// run runs a command, which must succeed, and returns what it printed.
func (i *installation) run(ctx context.Context, arguments ...string) (string, error) {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, i.cli, arguments...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = i.path("work"), i.env, &output, &output
	// Terraform ends its providers when it is interrupted, but not when it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(arguments, " "), err, output.String())
	}

	return output.String(), nil
}

// lockFile locks a provider to a version and checksums.
const lockFile = ".terraform.lock.hcl"

// initialise installs the provider from the mirror, and again with the lock file of
// the first installation.
func (i *installation) initialise(ctx context.Context) error {
	if _, err := i.run(ctx, "init", "-input=false", "-no-color"); err != nil {
		return err
	}
	if err := i.checkLock(1); err != nil {
		return err
	}

	// Lock the provider for all platforms, to read every archive.
	arguments := []string{"providers", "lock", "-no-color", "-fs-mirror=" + i.path("mirror")}
	for _, t := range i.release.targets {
		arguments = append(arguments, "-platform="+t.String())
	}
	if _, err := i.run(ctx, arguments...); err != nil {
		return err
	}
	if err := i.checkLock(len(i.release.targets)); err != nil {
		return err
	}

	if err := os.RemoveAll(i.path("work/.terraform")); err != nil {
		return err
	}
	_, err := i.run(ctx, "init", "-input=false", "-no-color", "-lockfile=readonly")

	return err
}

// checkLock checks that the lock file names the provider and has checksums of the
// given number of archives.
func (i *installation) checkLock(archives int) error {
	content, err := os.ReadFile(i.path("work/" + lockFile))
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, t := range i.release.targets {
		sum, err := dirhash.HashZip(i.release.path(i.release.archive(t)), dirhash.Hash1)
		if err != nil {
			return err
		}
		known[sum] = true
	}

	return checkLock(string(content), i.host+"/sessionops/ssm", i.release.version, known, archives)
}

var (
	lockedProvider = regexp.MustCompile(`(?m)^provider "(.*)" \{\n +version += "(.*)"$`)
	lockedSum      = regexp.MustCompile(`(?m)^ +"(.*)",$`)
)

// checkLock checks that a lock file names one version of one provider, and has the
// given number of checksums, all of them known.
func checkLock(content, provider, version string, known map[string]bool, count int) error {
	providers := lockedProvider.FindAllStringSubmatch(content, -1)
	if len(providers) != 1 || providers[0][1] != provider || providers[0][2] != version {
		return fmt.Errorf("%s is not about %s %s:\n%s", lockFile, provider, version, content)
	}
	sums := lockedSum.FindAllStringSubmatch(content, -1)
	if len(sums) != count {
		return fmt.Errorf("%s has %d checksums, want %d:\n%s", lockFile, len(sums), count, content)
	}
	for _, sum := range sums {
		if !known[sum[1]] {
			return fmt.Errorf("%s has a checksum that is none of the archives': %s", lockFile, sum[1])
		}
	}

	return nil
}

// apply ends a session. Only the installed provider can have done that.
func (i *installation) apply(ctx context.Context, fake *fakeprocess.Process) error {
	if _, err := i.run(ctx, "apply", "-input=false", "-no-color", "-auto-approve"); err != nil {
		return err
	}
	outcome, err := i.run(ctx, "output", "-no-color", "-raw", "outcome")
	if err != nil {
		return err
	}
	if outcome != "terminated" {
		return fmt.Errorf("the outcome is %q, want %q", outcome, "terminated")
	}

	requests, err := fake.Requests(ctx)
	if err != nil {
		return err
	}
	// The user agent contains the version of the program.
	product := fmt.Sprintf(" %s/%s (", project, i.release.version)
	if !slices.ContainsFunc(requests, func(r fakessm.Request) bool {
		return r.Operation == "TerminateSession" && r.SessionID == sessionID && r.Status == 200 && strings.Contains(r.UserAgent, product)
	}) {
		return fmt.Errorf("the endpoint was not asked to end %s by%s: %+v", sessionID, strings.TrimSuffix(product, " ("), requests)
	}

	return nil
}
