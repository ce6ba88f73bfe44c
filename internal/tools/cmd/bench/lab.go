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
	work string // The measured operation, as in the report.
	// once is true if the benchmark runs no CLI. One run is then enough for all of them.
	once bool
	run  func(context.Context, *lab) ([]check, error)
}

// row is a check in the report.
type row struct {
	Work string
	CLI  string // Empty if the benchmark runs no CLI.
	check
}

// lab is a temporary directory with the built programs, where the benchmarks run.
type lab struct {
	dir  string
	runs int
	log  io.Writer
	clis []cli
	cli  cli // The current CLI.

	versions []version
	notes    []string
}

// cli is an installed Terraform or OpenTofu.
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

// close removes the files of the benchmarks.
func (l *lab) close() {
	if err := os.RemoveAll(l.dir); err != nil {
		l.logf("removing the temporary directory: %s", err)
	}
}

// programs lists the programs to build by name: the module, the package in it, and the
// build tags, which override GOFLAGS.
var programs = map[string][]string{
	"fakessm":                      {"-C=.", "-tags=", "./internal/cmd/fakessm"},
	"terraform-provider-empty":     {"-C=internal/tools/cmd", "-tags=", "./bench/emptyprovider"},
	"terraform-provider-idle":      {"-C=internal/tools/cmd", "-tags=idle", "./bench/emptyprovider"},
	"terraform-provider-libraries": {"-C=internal/tools/cmd", "-tags=libraries", "./bench/emptyprovider"},
	"terraform-provider-ssm":       {"-C=.", "-tags=grpcnotrace", "."},
}

// build builds the programs like a release.
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

// measure runs a benchmark with each CLI.
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

// environment returns the environment of a program: the PATH and the given variables.
func (l *lab) environment(more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + filepath.Join(l.dir, "home"),
		"TMPDIR=" + filepath.Join(l.dir, "tmp"),
	}, more...)
}

// note adds a sentence to the report, unless it is there already.
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
