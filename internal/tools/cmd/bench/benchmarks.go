// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// benchmarks are the targets, in the order of the report.
var benchmarks = []benchmark{
	{name: "apply", work: "Apply of 1000 terminations, without quotas", run: benchmarkApply},
	{name: "apply-quotas", work: "Apply of 300 terminations under the quotas", run: benchmarkApplyQuotas},
	{name: "apply-terminating", work: "Apply of 120 terminations under the quotas, Terminating sessions listed as active for 1.5 s", run: benchmarkApplyTerminating},
	{name: "plan-quotas", work: "Plan of 1000 terminations under the quotas", run: benchmarkPlanQuotas},
	{name: "refresh", work: "Refresh of 1000 settled terminations", run: benchmarkRefresh},
	{name: "drain", work: "Drain of 10 000 sessions, 20 ms latency, without quotas", run: benchmarkDrain},
	{name: "drain-quotas", work: "Drain of 120 sessions under the quotas", run: benchmarkDrainQuotas},
	{name: "history", work: "Reading and ending one session, with a million in the history", run: benchmarkHistory},
	{name: "forward", work: "Port forward", run: benchmarkForward},
	{name: "forward-paced", work: "Port forward, with an agent that pauses as a real one", run: benchmarkForwardPaced},
	{name: "start", work: "Start of the provider, to its first answer", once: true, run: benchmarkStart},
	{name: "state", work: "State of 1000 terminations", run: benchmarkState},
}

// callsPerSecond is the quota of each operation, for an account and a Region.
const callsPerSecond = 6

// quotaPause restores the burst quota of the endpoint.
const quotaPause = 1500 * time.Millisecond

// benchmarkApply compares with the same number of Terraform's own resources of the same
// size. Their cost is Terraform's own time for its graph and its state.
func benchmarkApply(ctx context.Context, l *lab) ([]check, error) {
	const count = 1000
	sessions := liveSessions(count)
	e, err := l.startEndpoint(ctx, noSessions)
	if err != nil {
		return nil, err
	}
	defer e.Stop()
	ours, err := l.workspace(terminationsConfig(count, true), e)
	if err != nil {
		return nil, err
	}
	defer ours.remove()

	idle, err := l.workspace(idleConfig(count), nil)
	if err != nil {
		return nil, err
	}
	defer idle.remove()

	var (
		took, bare, shape []float64
		theirs            *workspace
	)
	for range l.runs {
		if err := e.renew(ctx, sessions); err != nil {
			return nil, err
		}
		s, err := ours.apply(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, s.seconds)
		if err := ours.requireOutcome(count, "terminated"); err != nil {
			return nil, err
		}

		if theirs == nil {
			if theirs, err = l.paddedWorkspace(ctx, ours, count); err != nil {
				return nil, err
			}
			defer theirs.remove()
		}
		if s, err = theirs.apply(ctx); err != nil {
			return nil, err
		}
		bare = append(bare, s.seconds)

		if s, err = idle.apply(ctx); err != nil {
			return nil, err
		}
		shape = append(shape, s.seconds)
	}
	t, err := e.count(ctx)
	if err != nil {
		return nil, err
	}
	l.note("A provider whose resource has as many attributes and does nothing took %s: %s of `terraform_data`. That is what %s takes for a plug-in of this shape.",
		spread(shape, inSeconds), inTimes(median(shape)/median(bare)), l.cli.name)
	l.note("Each apply of 1000 terminations made %.0f calls of Session Manager; those of `terraform_data` none.", t.calls)

	return []check{{
		quantity: "time", values: took, unit: inSeconds,
		rule: ratio, against: "1000 `terraform_data` of the same size", limit: bare, target: 1.2,
	}}, nil
}

// paddedWorkspace returns a workspace of terraform_data whose state is as large as
// that of another workspace.
func (l *lab) paddedWorkspace(ctx context.Context, like *workspace, count int) (*workspace, error) {
	const probe = 100
	size := func(count, padding int) (float64, error) {
		w, err := l.workspace(dataConfig(count, padding), nil)
		if err != nil {
			return 0, err
		}
		defer w.remove()
		if _, err := w.apply(ctx); err != nil {
			return 0, err
		}

		return w.stateSize()
	}

	want, err := like.stateSize()
	if err != nil {
		return nil, err
	}
	got, err := size(probe, probe)
	if err != nil {
		return nil, err
	}
	// The padding is in state twice, as input and as output.
	padding := probe + int((want/float64(count)-got/probe)/2)
	if padding < 0 {
		return nil, errors.New("a termination takes less state than a terraform_data without padding")
	}
	l.note("A `terraform_data` of %s was padded with %d characters. Its state then has as many bytes as the state of a termination: %.0f.", l.cli.name, padding, want/float64(count))

	return l.workspace(dataConfig(count, padding), nil)
}

// benchmarkApplyQuotas compares with the minimum time under the quota.
func benchmarkApplyQuotas(ctx context.Context, l *lab) ([]check, error) {
	const count = 300
	a, err := l.applyAtQuota(ctx, count)
	if err != nil {
		return nil, err
	}

	return []check{
		{
			quantity: "time", values: a.took, unit: inSeconds,
			rule: ratio, against: "300 calls at 6 a second", limit: []float64{count / callsPerSecond}, target: 1.05,
		},
		{quantity: "throttled answers", values: a.throttled, unit: inPercent, target: 0.02},
	}, nil
}

// benchmarkApplyTerminating is benchmarkApplyQuotas with sessions that stay in the active
// list while they end. A lookup then takes more than one call.
func benchmarkApplyTerminating(ctx context.Context, l *lab) ([]check, error) {
	const count = 120
	a, err := l.applyAtQuota(ctx, count, "-terminating", "active", "-lag", "1500ms")
	if err != nil {
		return nil, err
	}

	return []check{{
		quantity: "time", values: a.took, unit: inSeconds,
		rule: ratio, against: "120 calls at 6 a second", limit: []float64{count / callsPerSecond}, target: 1.1,
	}}, nil
}

// appliedAtQuota holds the times of an apply, and the share of throttled calls.
type appliedAtQuota struct {
	took, throttled []float64
}

// applyAtQuota ends a number of sessions under the quotas in each run, one per resource.
func (l *lab) applyAtQuota(ctx context.Context, count int, arguments ...string) (appliedAtQuota, error) {
	var a appliedAtQuota
	sessions := liveSessions(count)
	e, err := l.startEndpoint(ctx, noSessions, append([]string{"-quotas"}, arguments...)...)
	if err != nil {
		return a, err
	}
	defer e.Stop()
	w, err := l.workspace(terminationsConfig(count, true), e)
	if err != nil {
		return a, err
	}
	defer w.remove()

	for range l.runs {
		if err := e.renew(ctx, sessions); err != nil {
			return a, err
		}
		time.Sleep(quotaPause)
		s, err := w.apply(ctx)
		if err != nil {
			return a, err
		}
		if err := w.requireOutcome(count, "terminated"); err != nil {
			return a, err
		}
		t, err := e.count(ctx)
		if err != nil {
			return a, err
		}
		a.took = append(a.took, s.seconds)
		a.throttled = append(a.throttled, t.throttled/t.calls)
	}

	return a, nil
}

// benchmarkPlanQuotas compares with the same plan without lookups.
func benchmarkPlanQuotas(ctx context.Context, l *lab) ([]check, error) {
	const count = 1000
	e, err := l.startEndpoint(ctx, slices.Values(liveSessions(count)), "-quotas")
	if err != nil {
		return nil, err
	}
	defer e.Stop()
	seeing, err := l.workspace(terminationsConfig(count, true), e)
	if err != nil {
		return nil, err
	}
	defer seeing.remove()
	blind, err := l.workspace(terminationsConfig(count, false), e)
	if err != nil {
		return nil, err
	}
	defer blind.remove()

	var took, bare, described []float64
	for range l.runs {
		s, err := blind.terraform(ctx, "plan")
		if err != nil {
			return nil, err
		}
		bare = append(bare, s.seconds)

		if err := e.renew(ctx, nil); err != nil {
			return nil, err
		}
		time.Sleep(quotaPause)
		if s, err = seeing.terraform(ctx, "plan"); err != nil {
			return nil, err
		}
		if shown := strings.Count(s.output, owner); shown != count {
			return nil, fmt.Errorf("the plan shows %d owners, want %d", shown, count)
		}
		t, err := e.count(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, s.seconds)
		described = append(described, t.calls)
	}

	return []check{
		{quantity: "calls", values: described, unit: inCalls, target: 8},
		{
			quantity: "time", values: took, unit: inSeconds,
			rule: excess, against: "the same with `verify = false`", limit: bare, target: 1,
		},
	}, nil
}

// benchmarkRefresh reads terminations with a final outcome.
func benchmarkRefresh(ctx context.Context, l *lab) ([]check, error) {
	const count = 1000
	e, err := l.startEndpoint(ctx, slices.Values(liveSessions(count)))
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

	var made []float64
	for range l.runs {
		if err := e.renew(ctx, nil); err != nil {
			return nil, err
		}
		if _, err := w.terraform(ctx, "apply", "-refresh-only", "-auto-approve"); err != nil {
			return nil, err
		}
		t, err := e.count(ctx)
		if err != nil {
			return nil, err
		}
		made = append(made, t.calls)
	}

	return []check{{quantity: "calls", values: made, unit: inCalls, target: 0}}, w.requireOutcome(count, "terminated")
}
