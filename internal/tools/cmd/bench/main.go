// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command bench measures the provider against its targets. It builds the provider like a
// release, and runs it with the Terraform and OpenTofu on the PATH against a fake
// endpoint in a separate process. It prints the median of several runs for each target:
//
//	bench [-run REGEXP] [-runs N] [-out FILE]
//
// It fails if a target is missed. Run it in the root of the repository, on an idle
// machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// errMissed reports that a target is missed.
var errMissed = errors.New("a target is missed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "bench: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 4 && args[0] == "forward-client" {
		size, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil {
			return err
		}

		return forwardClient(ctx, args[1], size, args[3])
	}

	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	pattern := flags.String("run", "", "`regexp` of the names of the benchmarks to run; all when empty")
	runs := flags.Int("runs", 3, "how often to run each of them")
	out := flags.String("out", "", "`file` to write the report to, as Markdown")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *runs < 1 {
		return errors.New("-runs: at least one is needed")
	}
	wanted, err := regexp.Compile(*pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}

	began := time.Now()
	l, err := newLab(ctx, *runs, stderr)
	if err != nil {
		return err
	}
	defer l.close()

	report := report{Date: began, Runs: *runs, Machine: thisMachine()}
	for _, b := range benchmarks {
		if !wanted.MatchString(b.name) {
			continue
		}
		rows, err := l.measure(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		report.Rows = append(report.Rows, rows...)
	}
	if len(report.Rows) == 0 {
		return fmt.Errorf("-run: no benchmark is called %q", *pattern)
	}
	report.Versions = l.versions
	report.Notes = l.notes
	report.Took = time.Since(began)

	if err := report.print(stdout); err != nil {
		return err
	}
	if *out != "" {
		if err := report.write(*out); err != nil {
			return err
		}
	}
	if report.missed() {
		return errMissed
	}

	return nil
}
