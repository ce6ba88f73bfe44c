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
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
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
	command, url := args[0], strings.TrimSuffix(args[1], "/")

	switch command {
	case "sessions":
		return printSessions(ctx, url, stdout)
	case "requests":
		return printRequests(ctx, url, stdout)
	case "reset":
		_, err := call(ctx, http.MethodDelete, url+"/requests")
		return err
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}

// printSessions prints a line for each session.
func printSessions(ctx context.Context, url string, stdout io.Writer) error {
	var sessions []struct {
		SessionID string `json:"SessionId"`
		Region    string
		Target    string
		Status    string
		Owner     string
	}
	if err := get(ctx, url+"/sessions", &sessions); err != nil {
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
func printRequests(ctx context.Context, url string, stdout io.Writer) error {
	var requests []struct {
		Service   string
		Operation string
		SessionID string `json:"sessionId"`
		ErrorCode string
	}
	if err := get(ctx, url+"/requests", &requests); err != nil {
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

func get(ctx context.Context, url string, value any) error {
	content, err := call(ctx, http.MethodGet, url)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("decoding the answer of %s: %w", url, err)
	}
	return nil
}

func call(ctx context.Context, method, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()

	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, content)
	}
	return content, nil
}
