// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command releasecheck checks the files of a release in a directory. They must meet
// the requirements of the registries, Terraform and OpenTofu:
//
//	releasecheck -commit SHA -key FILE [-version VERSION] [-same DIR] [-install CLI]... DIR
//
// It checks names, checksums, the signature, the manifest, the binary in each archive
// and its bill of materials. With -same, it also compares the release with another
// build of the same commit. With -install, a Terraform or OpenTofu installs the
// provider from the archives and ends a session on a fake endpoint. Run it in the root
// of the repository.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "releasecheck: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var (
		flags   = flag.NewFlagSet("releasecheck", flag.ContinueOnError)
		commit  = flags.String("commit", "", "full `hash` of the commit that was built")
		key     = flags.String("key", "", "`file` with the public key, armored")
		version = flags.String("version", "", "the `version`; that of the file of checksums when empty")
		same    = flags.String("same", "", "`directory` with another build of the commit")
		install []string
	)
	flags.SetOutput(stderr)
	flags.Func("install", "`path` of a Terraform or OpenTofu that is to install the provider; may be repeated", func(path string) error {
		install = append(install, path)

		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || *commit == "" || *key == "" {
		return errors.New("usage: releasecheck -commit SHA -key FILE [-version VERSION] [-same DIR] [-install CLI]... DIR")
	}

	r := release{dir: flags.Arg(0), version: *version, commit: *commit, targets: targets}
	var err error
	if r.key, err = os.ReadFile(*key); err != nil {
		return err
	}
	if r.version == "" {
		if r.version, err = findVersion(r.dir); err != nil {
			return err
		}
	}

	found := r.check()
	if *same != "" {
		found = append(found, r.compare(*same)...)
	}
	if len(found) > 0 {
		return fmt.Errorf("%s is no release that could be published:\n- %s", r.dir, strings.Join(found, "\n- "))
	}
	fmt.Fprintf(stdout, "%s: names, checksums, signature, manifest, %d binaries and their bills of materials are right\n", r.version, len(r.targets))
	if *same != "" {
		fmt.Fprintf(stdout, "%s: another build of the commit gave the same files\n", r.version)
	}

	return r.install(ctx, install, stdout)
}
