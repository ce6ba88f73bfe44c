// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
)

// benchmarkHistory reads one session of a long history, and terminates one that has
// already ended. Listing the whole history would take five thousand pages.
func benchmarkHistory(ctx context.Context, l *lab) ([]check, error) {
	const count = 1_000_000
	e, err := l.startEndpoint(ctx, endedSessions(count))
	if err != nil {
		return nil, err
	}
	defer e.Stop()

	some := endedSessionID(count / 2)
	var listed []float64
	for _, config := range []string{sessionConfig(some), terminationConfig(some)} {
		w, err := l.workspace(config, e)
		if err != nil {
			return nil, err
		}
		defer w.remove()
		for range l.runs {
			if err := e.renew(ctx, nil); err != nil {
				return nil, err
			}
			if _, err := w.apply(ctx); err != nil {
				return nil, err
			}
			t, err := e.count(ctx)
			if err != nil {
				return nil, err
			}
			listed = append(listed, t.unfiltered)
		}
		if strings.HasPrefix(config, requirements+"resource") {
			if err := w.requireOutcome(1, "already_ended"); err != nil {
				return nil, err
			}
		}
	}

	return []check{{quantity: "pages listed without a session ID", values: listed, unit: inPages, target: 0}}, nil
}

// benchmarkStart compares with a provider that registers one empty resource.
func benchmarkStart(ctx context.Context, l *lab) ([]check, error) {
	const starts = 10

	var (
		ours, empty, oursPlain, emptyPlain, librariesPlain started

		all = []struct {
			program, name string
			encrypted     bool
			*started
		}{
			{"terraform-provider-ssm", "provider", true, &ours},
			{"terraform-provider-empty", "empty provider", true, &empty},
			{"terraform-provider-ssm", "provider", false, &oursPlain},
			{"terraform-provider-empty", "empty provider", false, &emptyPlain},
			{"terraform-provider-libraries", "empty provider with the libraries", false, &librariesPlain},
		}
	)
	for i := range starts*l.runs + 1 {
		for _, s := range all {
			took, memory, err := l.startProvider(s.program, s.encrypted)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				// The first run reads the programs from disk.
				continue
			}
			s.took = append(s.took, took.Seconds())
			if memory > 0 {
				s.memory = append(s.memory, memory)
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	for _, s := range all {
		info, err := os.Stat(l.bin(s.program))
		if err != nil {
			return nil, err
		}
		l.note("The binary of the %s has %s.", s.name, inMegabytes(float64(info.Size())))
	}
	l.note("Terraform makes providers encrypt the connection, and creating the key takes most of a start. Without encryption, the provider starts in %s and uses %s, the empty one %s and %s: %s and %s.",
		inMilliseconds(median(oursPlain.took)), inMegabytes(median(oursPlain.memory)),
		inMilliseconds(median(emptyPlain.took)), inMegabytes(median(emptyPlain.memory)),
		inTimes(median(oursPlain.took)/median(emptyPlain.took)), inTimes(median(oursPlain.memory)/median(emptyPlain.memory)))
	l.note("An empty provider that links the same libraries, the SDK of SSM and aws-sdk-go-base, starts in %s without encryption and uses %s: %s and %s.",
		inMilliseconds(median(librariesPlain.took)), inMegabytes(median(librariesPlain.memory)),
		inTimes(median(librariesPlain.took)/median(emptyPlain.took)), inTimes(median(librariesPlain.memory)/median(emptyPlain.memory)))

	const against = "a provider of one empty resource"

	return []check{
		{quantity: "time", values: ours.took, unit: inMilliseconds, rule: ratio, against: against, limit: empty.took, target: 1.3},
		{quantity: "resident memory", values: ours.memory, unit: inMegabytes, rule: ratio, against: against, limit: empty.memory, untargeted: true},
	}, nil
}

// started holds the measurements of starting a program.
type started struct {
	took, memory []float64
}

// benchmarkState measures the size of the state.
func benchmarkState(ctx context.Context, l *lab) ([]check, error) {
	const count = 1000
	// A node takes a moment to end a session. Until then, SSM has no end date.
	e, err := l.startEndpoint(ctx, slices.Values(liveSessions(count)), "-lag", "1h")
	if err != nil {
		return nil, err
	}
	defer e.Stop()
	w, err := l.workspace(terminationsConfig(count, true), e)
	if err != nil {
		return nil, err
	}
	defer w.remove()
	if _, err := w.apply(ctx); err != nil {
		return nil, err
	}
	size, err := w.stateSize()
	if err != nil {
		return nil, err
	}
	all, err := w.attributes()
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, all[0]); err != nil {
		return nil, err
	}
	l.note("The provider's part of the state of a termination is %d bytes of JSON. %s indents it and adds its own part. The session was `%s` of `%s`, without a reason. Longer values take more.", compact.Len(), l.cli.name, sessionID(0), owner)

	return []check{{quantity: "size, for each", values: []float64{size / count}, unit: inBytes, target: 700}}, nil
}
