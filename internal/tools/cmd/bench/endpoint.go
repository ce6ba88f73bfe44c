// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"iter"
	"os"
	"slices"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/fakessm/fakeprocess"
)

// endpoint is a fake Session Manager in a separate process.
type endpoint struct {
	*fakeprocess.Process
}

// noSessions is for an endpoint that gets its sessions later.
var noSessions = slices.Values([]fakessm.Session(nil))

// startEndpoint starts an endpoint with pages of 200 and the given arguments.
// Without quotas and latency it is as fast as it can be.
func (l *lab) startEndpoint(ctx context.Context, sessions iter.Seq[fakessm.Session], arguments ...string) (_ *endpoint, err error) {
	file, err := os.CreateTemp(l.dir, "sessions-*.json")
	if err != nil {
		return nil, err
	}
	// The endpoint has read the sessions when it starts to listen.
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	if err := writeSessions(file, sessions); err != nil {
		return nil, err
	}

	// The real service runs elsewhere, so the fake should use little of this machine.
	env := l.environment("GOMAXPROCS=1")
	process, err := fakeprocess.Start(ctx, l.bin("fakessm"), env,
		append([]string{"-page-size", "200", "-quotas=false", "-sessions", file.Name()}, arguments...)...)

	return &endpoint{process}, err
}

// renew makes the sessions live again, and clears the requests.
func (e *endpoint) renew(ctx context.Context, sessions []fakessm.Session) error {
	if len(sessions) > 0 {
		if err := e.AddSessions(ctx, sessions); err != nil {
			return err
		}
	}

	return e.Forget(ctx)
}

// tally counts the requests of an endpoint.
type tally struct {
	calls      float64
	throttled  float64
	unfiltered float64 // Calls of DescribeSessions without a session ID.
}

// count returns the requests since the last renew.
func (e *endpoint) count(ctx context.Context) (tally, error) {
	requests, err := e.Requests(ctx)
	if err != nil {
		return tally{}, err
	}

	var t tally
	for _, r := range requests {
		if r.Service != "ssm" {
			continue
		}
		t.calls++
		if r.ErrorCode == "ThrottlingException" {
			t.throttled++
		}
		if r.Operation == "DescribeSessions" && r.SessionID == "" {
			t.unfiltered++
		}
	}

	return t, nil
}
