// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// benchmarkDrain ends many sessions with one resource, without quotas: only the latency
// and the provider take time.
func benchmarkDrain(ctx context.Context, l *lab) ([]check, error) {
	d, err := l.drain(ctx, 10_000, "-latency", "20ms")
	if err != nil {
		return nil, err
	}

	return []check{
		{quantity: "calls", values: d.calls, unit: inCalls, target: 10_160},
		{quantity: "time", values: d.took, unit: inSeconds, target: 12},
		{quantity: "memory of the provider", values: d.memory, unit: inMegabytes, target: 150e6},
	}, nil
}

// benchmarkDrainQuotas compares with the minimum time under the quota.
func benchmarkDrainQuotas(ctx context.Context, l *lab) ([]check, error) {
	const count = 120
	d, err := l.drain(ctx, count, "-quotas")
	if err != nil {
		return nil, err
	}

	return []check{{
		quantity: "time", values: d.took, unit: inSeconds,
		rule: ratio, against: "120 calls at 6 a second", limit: []float64{count / callsPerSecond}, target: 1.05,
	}}, nil
}

// drained holds the measurements of a drain.
type drained struct {
	took, calls, memory []float64
}

// drain ends a number of sessions in each run.
func (l *lab) drain(ctx context.Context, count int, arguments ...string) (drained, error) {
	var d drained
	sessions := liveSessions(count)
	e, err := l.startEndpoint(ctx, noSessions, arguments...)
	if err != nil {
		return d, err
	}
	defer e.Stop()
	w, err := l.workspace(drainConfig(count), e)
	if err != nil {
		return d, err
	}
	defer w.remove()

	for range l.runs {
		if err := e.renew(ctx, sessions); err != nil {
			return d, err
		}
		time.Sleep(quotaPause)
		watch := watchMemory(l.bin("terraform-provider-ssm"))
		s, err := w.apply(ctx)
		memory := watch.stop()
		if err != nil {
			return d, err
		}
		if err := w.requireDrained(count); err != nil {
			return d, err
		}
		t, err := e.count(ctx)
		if err != nil {
			return d, err
		}
		d.took = append(d.took, s.seconds)
		d.calls = append(d.calls, t.calls)
		if memory > 0 {
			d.memory = append(d.memory, memory)
		}
	}

	return d, nil
}

// requireDrained checks that the drain in state has ended every session.
func (w *workspace) requireDrained(count int) error {
	all, err := w.attributes()
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return fmt.Errorf("the state has %d resources, want 1", len(all))
	}
	var attributes struct {
		Outcomes map[string]string `json:"outcomes"`
	}
	if err := json.Unmarshal(all[0], &attributes); err != nil {
		return fmt.Errorf("decoding the state: %w", err)
	}
	if len(attributes.Outcomes) != count {
		return fmt.Errorf("the drain has %d outcomes, want %d", len(attributes.Outcomes), count)
	}
	for id, outcome := range attributes.Outcomes {
		if outcome != "terminated" {
			return fmt.Errorf("session %s: the outcome is %q, want terminated", id, outcome)
		}
	}

	return nil
}
