// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command faultmatrix prints the fault matrix of the provider, with a verdict for each
// cell. It reads the output of "go test -json", and fails if a cell does not hold.
//
//	go test -json -run '^TestFaultMatrix$' ./internal/provider | faultmatrix [-details]
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	err := run(os.Args[1:], os.Stdin, os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "faultmatrix: %s\n", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("faultmatrix", flag.ContinueOnError)
	details := flags.Bool("details", false, "print for each cell what the user sees, the state, the sessions and the calls")
	if err := flags.Parse(args); err != nil {
		return err
	}

	m, err := read(stdin)
	if err != nil {
		return err
	}
	if len(m.cells) > 0 {
		m.print(stdout)
	}
	if *details {
		m.printDetails(stdout)
	}
	m.printFailures(stdout)

	return m.verdict()
}
