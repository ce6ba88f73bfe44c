// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command fakessmview prints as plain text what a running fakessm knows: its
// sessions, and the requests that it was sent. It is for scripts on machines
// without curl and jq.
//
//	fakessmview sessions|requests|reset CONTROL_URL
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm/fakecontrol"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "fakessmview: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: fakessmview sessions|requests|reset CONTROL_URL")
	}
	command, control := args[0], fakecontrol.Client{URL: strings.TrimSuffix(args[1], "/")}

	switch command {
	case "sessions":
		return printSessions(ctx, control, stdout)
	case "requests":
		return printRequests(ctx, control, stdout)
	case "reset":
		return control.Forget(ctx)
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}

// printSessions prints a line for each session.
func printSessions(ctx context.Context, control fakecontrol.Client, stdout io.Writer) error {
	sessions, err := control.Sessions(ctx)
	if err != nil {
		return err
	}

	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, s := range sessions {
		// The whole ARN would not fit: what follows the last slash is the person.
		owner := s.Owner[strings.LastIndex(s.Owner, "/")+1:]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", s.SessionID, owner, s.Target, s.Region, s.Status)
	}
	return table.Flush()
}

// printRequests prints, for each operation and session, how often it was called
// and how often that was refused. Calls to STS have no session.
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
