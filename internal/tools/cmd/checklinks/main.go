// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command checklinks checks the links of every Markdown file in a directory tree.
// The file and the heading of a link must exist. Links to other sites must be
// complete URLs; the command fetches nothing.
//
// A registry shows only a part of docs/. Pages of that part must not have relative
// links to other files.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	err := run(os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "checklinks: %s\n", err)
		os.Exit(1)
	}
}

// run writes a line to stdout for each broken link.
func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("checklinks", flag.ContinueOnError)
	root := flags.String("root", ".", "`directory` with the pages")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}

	links, problems, err := check(os.DirFS(*root))
	if err != nil {
		return err
	}
	for _, problem := range problems {
		fmt.Fprintln(stdout, problem)
	}
	if len(problems) > 0 {
		return fmt.Errorf("%d of %d links lead nowhere", len(problems), links)
	}

	return nil
}
