// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// wantInOrder checks that a text holds others, one after the other.
func wantInOrder(t *testing.T, text string, parts ...string) {
	t.Helper()

	rest := text
	for _, part := range parts {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Errorf("%q is missing, or comes too early:\n%s", part, text)

			return
		}
		rest = after
	}
}

// An error of a drain at its destroy says what happened, whom it was for, what mends
// it, and only then how to do without the drain.
func TestSessionDrainResource_wayOutComesLast(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		fault fakessm.Fault
		want  []string
	}{
		"denied terminations": {
			fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1},
			[]string{"could not be ended", "Selection: ", "Allow the IAM action ssm:TerminateSession", drainWayOut, "\n\nError: "},
		},
		"a denied listing": {
			fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1},
			[]string{"could not be listed", "Selection: ", "Allow the IAM action ssm:DescribeSessions", drainWayOut, "\n\nError: "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			s := newConfiguredServer(t, testArguments(url))
			state, diags := s.Create("ssm_session_drain", map[string]any{"targets": []any{testTarget}, "when": "destroy"})
			protocol.WantNoDiagnostics(t, diags)
			fake.Inject(tc.fault)
			_, diags = s.Destroy(state)
			errors := slices.DeleteFunc(diags, func(d protocol.Diagnostic) bool { return d.Summary != summaryDrain })
			if len(errors) != 1 {
				t.Fatalf("want one error, got %+v", diags)
			}
			wantInOrder(t, errors[0].Detail, tc.want...)
		})
	}
}

// What a drain could not see, and what it could not end, are told in one order as well.
func TestReportDrain_order(t *testing.T) {
	t.Parallel()

	denied := &sessionmanager.Error{Operation: sessionmanager.DescribeSessions, Kind: sessionmanager.ErrAccessDenied, Err: &sessionmanager.Cause{Text: "AccessDeniedException: no"}}
	in := sessionmanager.DrainInput{Region: testRegion, Selector: sessionmanager.Selector{Targets: []string{testTarget}}}
	result := sessionmanager.DrainResult{Outcomes: map[string]sessionmanager.Outcome{"a": sessionmanager.OutcomeUnverified}}
	var diags diag.Diagnostics
	reportDrain(in, drainOnDestroy, result, denied, &diags)
	if len(diags) != 1 {
		t.Fatalf("want one diagnostic, got %+v", diags)
	}
	wantInOrder(t, diags[0].Detail(), "1 session in Region us-east-1 was asked to terminate", "\n  a", "Selection: ", "Allow the IAM action ssm:DescribeSessions", drainWayOut, "\n\nError: ")
	if strings.Contains(diags[0].Detail(), "\n\n\n") {
		t.Errorf("there is an empty paragraph:\n%s", diags[0].Detail())
	}
}

// An exclusion that misses somebody by a capital letter is told at plan, with whom it
// would have excluded.
func TestSessionDrainResource_nearlyExcluded(t *testing.T) {
	t.Parallel()

	const hint = "They miss these sessions only by case:\n\n  " + testLive + ": " + testOwner
	for name, tc := range map[string]struct {
		config  map[string]any
		summary string
		hint    bool
	}{
		"an owner":            {map[string]any{"exclude_owners": []any{"*/mary-MAJOR"}}, "Sessions To Be Ended in us-east-1", true},
		"an ID":               {map[string]any{"exclude_session_ids": []any{strings.ToLower(testLive)}}, "Sessions To Be Ended in us-east-1", true},
		"too many":            {map[string]any{"exclude_owners": []any{"*/mary-MAJOR"}, "targets": []any{testTarget, "i-0fedcba9876543210"}, "max_sessions": int64(1)}, "Too Many Sessions Match in us-east-1", true},
		"nobody near":         {map[string]any{"exclude_owners": []any{"*/nobody"}}, "Sessions To Be Ended in us-east-1", false},
		"excluded as written": {map[string]any{"exclude_owners": []any{"*/Mary-Major"}}, "No Sessions Match in us-east-1", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, url := testFake(t)
			config := map[string]any{"targets": []any{testTarget}}
			maps.Copy(config, tc.config)
			_, diags := newConfiguredServer(t, testArguments(url)).PlanCreate("ssm_session_drain", config)
			if len(diags) != 1 || !strings.HasPrefix(diags[0].Summary, tc.summary+": ") {
				t.Fatalf("want one warning %q, got %+v", tc.summary, diags)
			}
			if strings.Contains(diags[0].Detail, hint) != tc.hint || strings.Contains(diags[0].Detail, "case-sensitive") != tc.hint {
				t.Errorf("the hint: want %t:\n%s", tc.hint, diags[0].Detail)
			}
		})
	}
}

// TestReportDrain_whose checks that the report of the sessions that a drain left names their
// owners.
func TestReportDrain_whose(t *testing.T) {
	t.Parallel()

	denied := fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1}
	blind := fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Skip: 2, Times: -1}
	for name, tc := range map[string]struct {
		faults []fakessm.Fault
		want   string
	}{
		"could not be ended": {[]fakessm.Fault{denied}, "\n  " + testLive + ": the credentials do not allow it\n    Its owner is " + testOwner + ", its target " + testTarget + ".\n    Request ID: "},
		"could not be seen":  {[]fakessm.Fault{blind}, "\n  " + testLive + "\n    Its owner is " + testOwner + ", its target " + testTarget + ".\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			fake.Inject(tc.faults...)
			_, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_drain", map[string]any{"targets": []any{testTarget}})
			errors := slices.DeleteFunc(diags, func(d protocol.Diagnostic) bool { return d.Summary != summaryDrain })
			if len(errors) != 1 || !strings.Contains(errors[0].Detail, tc.want) {
				t.Errorf("want an error that holds %q, got %+v", tc.want, diags)
			}
		})
	}

	var diags diag.Diagnostics
	reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnCreate, sessionmanager.DrainResult{
		Left: []string{"late-1"}, Seen: map[string]sessionmanager.Session{"late-1": {SessionID: "late-1", Owner: testOwner}},
	}, sessionmanager.ErrNotDrained, &diags)
	if got := diags[0].Detail(); !strings.Contains(got, "and is live\n    Its owner is "+testOwner+".\n") {
		t.Errorf("whose session came late is not told:\n%s", got)
	}
}

// A drain that was interrupted says so once, and not in the words of a library.
func TestReportDrain_interrupted(t *testing.T) {
	t.Parallel()

	stopped := &sessionmanager.WaitError{Waiting: 1, Err: &sessionmanager.Error{
		Operation: sessionmanager.DescribeSessions, Kind: sessionmanager.ErrDeadline, Err: sessionmanager.CauseOf(context.Canceled),
	}}
	var diags diag.Diagnostics
	reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnCreate, sessionmanager.DrainResult{}, stopped, &diags)
	if got := diags[0].Detail(); strings.Count(got, "cancel") != 1 || strings.Contains(got, "Error:") {
		t.Errorf("it was cancelled: want this once:\n%s", got)
	}
}
