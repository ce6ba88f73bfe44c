// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm/fakecontrol"
)

// viewTimeout limits the wait for a running fakessm.
const viewTimeout = 10 * time.Second

const viewUsage = "usage: fakessm view sessions|requests|reset CONTROL_URL"

// view prints the sessions and the recorded requests of a running fakessm as plain text. It is for
// scripts on machines without curl and jq.
func view(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("fakessm view", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprintln(stderr, viewUsage) }
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New(viewUsage)
	}
	ctx, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()

	control := fakecontrol.Client{URL: strings.TrimSuffix(flags.Arg(1), "/")}
	switch what := flags.Arg(0); what {
	case "sessions":
		return printSessions(ctx, control, stdout)
	case "requests":
		return printRequests(ctx, control, stdout)
	case "reset":
		return control.Forget(ctx)
	default:
		return fmt.Errorf("%q cannot be viewed; %s", what, viewUsage)
	}
}

// printSessions prints one line per session.
func printSessions(ctx context.Context, control fakecontrol.Client, stdout io.Writer) error {
	sessions, err := control.Sessions(ctx)
	if err != nil {
		return err
	}

	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, s := range sessions {
		// The whole ARN is too long. The part after the last slash is the person.
		owner := s.Owner[strings.LastIndex(s.Owner, "/")+1:]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.SessionID, owner, s.Target, s.Region, s.Status)
	}

	return table.Flush()
}

// printRequests prints how often each operation was called for each session, with a separate line
// per error code. Calls to STS have no session.
func printRequests(ctx context.Context, control fakecontrol.Client, stdout io.Writer) error {
	requests, err := control.Requests(ctx)
	if err != nil {
		return err
	}

	counts := map[string]int{}
	for _, r := range requests {
		line := []string{strings.ToLower(r.Service), r.Operation, r.SessionID}
		if r.ErrorCode != "" {
			line = append(line, r.ErrorCode)
		}
		counts[strings.Join(line, "\t")]++
	}

	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, line := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(table, "%d\t%s\n", counts[line], line)
	}

	return table.Flush()
}
