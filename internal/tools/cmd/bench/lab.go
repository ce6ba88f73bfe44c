// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// benchmark is one line of the table of targets.
type benchmark struct {
	name string // For -run.
	work string // What is measured, in the words of the report.
	// once tells that no Terraform takes part, so that one time is enough.
	once bool
	run  func(context.Context, *lab) ([]check, error)
}

// row is a check as the report shows it.
type row struct {
	Work string
	CLI  string // Empty if no Terraform took part.
	check
}

// lab is where the benchmarks run: a temporary directory with the built programs.
type lab struct {
	dir  string
	runs int
	log  io.Writer
	clis []cli
	cli  cli // The one that drives the provider now.

	versions []version
	notes    []string
}

// cli is a Terraform or OpenTofu.
type cli struct {
	name string // "Terraform" or "OpenTofu".
	path string
}

// newLab builds the programs.
func newLab(ctx context.Context, runs int, log io.Writer) (_ *lab, err error) {
	dir, err := os.MkdirTemp("", "ssm-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, runs: runs, log: log}
	defer func() {
		if err != nil {
			l.close()
		}
	}()

	for _, sub := range []string{"home", "tmp", "bin"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	for _, known := range []cli{{name: "Terraform", path: "terraform"}, {name: "OpenTofu", path: "tofu"}} {
		if path, err := exec.LookPath(known.path); err == nil {
			l.clis = append(l.clis, cli{name: known.name, path: path})
		}
	}
	if len(l.clis) == 0 {
		return nil, errors.New("neither terraform nor tofu is on the PATH")
	}
	if err := l.build(ctx); err != nil {
		return nil, err
	}

	return l, l.readVersions(ctx)
}

// close removes what the benchmarks have left.
func (l *lab) close() {
	if err := os.RemoveAll(l.dir); err != nil {
		l.logf("removing the temporary directory: %s", err)
	}
}

// programs are built from the repository: by the name of the binary, the module and
// the package in it, with build tags of their own, whatever GOFLAGS says.
var programs = map[string][]string{
	"fakessm":                      {"-C=.", "-tags=", "./internal/cmd/fakessm"},
	"terraform-provider-empty":     {"-C=internal/tools/cmd", "-tags=", "./bench/emptyprovider"},
	"terraform-provider-idle":      {"-C=internal/tools/cmd", "-tags=idle", "./bench/emptyprovider"},
	"terraform-provider-libraries": {"-C=internal/tools/cmd", "-tags=libraries", "./bench/emptyprovider"},
	"terraform-provider-ssm":       {"-C=.", "-tags=grpcnotrace", "."},
}

// build builds the programs as a release is built.
func (l *lab) build(ctx context.Context) error {
	l.logf("building the provider, those that it is held against, and the fake endpoint")
	for name, pkg := range programs {
		cmd := exec.CommandContext(ctx, "go", append([]string{"build", pkg[0], "-trimpath", "-ldflags", "-s -w", "-o", l.bin(name)}, pkg[1:]...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", name, err, output)
		}
	}

	return nil
}

// bin returns the path of a built program.
func (l *lab) bin(name string) string {
	return filepath.Join(l.dir, "bin", name)
}

// measure runs a benchmark with each Terraform that there is.
func (l *lab) measure(ctx context.Context, b benchmark) ([]row, error) {
	var rows []row
	for _, c := range l.clis {
		l.cli = c
		l.logf("%s (%s)", b.name, c.name)
		checks, err := b.run(ctx, l)
		if err != nil {
			return nil, err
		}
		for _, check := range checks {
			r := row{Work: b.work, CLI: c.name, check: check}
			if b.once {
				r.CLI = ""
			}
			rows = append(rows, r)
		}
		if b.once {
			break
		}
	}

	return rows, nil
}

// environment returns what a program is to know: nothing of the caller's but the
// PATH, and what is given.
func (l *lab) environment(more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + filepath.Join(l.dir, "home"),
		"TMPDIR=" + filepath.Join(l.dir, "tmp"),
	}, more...)
}

// note adds a sentence to the report, once.
func (l *lab) note(format string, arguments ...any) {
	text := fmt.Sprintf(format, arguments...)
	for _, known := range l.notes {
		if known == text {
			return
		}
	}
	l.notes = append(l.notes, text)
}

func (l *lab) logf(format string, arguments ...any) {
	fmt.Fprintf(l.log, "bench: %s\n", strings.TrimSpace(fmt.Sprintf(format, arguments...)))
}
