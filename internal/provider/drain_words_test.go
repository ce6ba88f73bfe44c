// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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
	(&providerMeta{}).reportDrain(in, drainOnDestroy, result, denied, &diags)
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
	(&providerMeta{}).reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnCreate, sessionmanager.DrainResult{
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
	(&providerMeta{}).reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnCreate, sessionmanager.DrainResult{}, stopped, &diags)
	if got := diags[0].Detail(); strings.Count(got, "cancel") != 1 || strings.Contains(got, "Error:") {
		t.Errorf("it was cancelled: want this once:\n%s", got)
	}
}

// The summaries of warnings differ for each two drains that may end different sessions.
// Terraform shows only one of the warnings with the same summary.
func TestDrainSummary_distinct(t *testing.T) {
	t.Parallel()

	type drain struct {
		account string
		in      sessionmanager.DrainInput
	}
	var (
		long      = strings.Repeat("x", 70)
		age       = 8 * time.Hour
		older     = 9 * time.Hour
		selecting = func(selector sessionmanager.Selector) drain {
			return drain{"123456789012", sessionmanager.DrainInput{Region: testRegion, Selector: selector}}
		}
	)
	drains := map[string]drain{
		"a target":                  selecting(sessionmanager.Selector{Targets: []string{"i-0000000a"}}),
		"another target":            selecting(sessionmanager.Selector{Targets: []string{"i-0000000b"}}),
		"two targets":               selecting(sessionmanager.Selector{Targets: []string{"i-0000000a", "i-0000000b"}}),
		"two targets, other second": selecting(sessionmanager.Selector{Targets: []string{"i-0000000a", "i-0000000c"}}),
		"a target and an owner":     selecting(sessionmanager.Selector{Targets: []string{"i-0000000a"}, Owners: []string{"*/mary"}}),
		"a target, another owner":   selecting(sessionmanager.Selector{Targets: []string{"i-0000000a"}, Owners: []string{"*/bob"}}),
		"a target, no owner":        selecting(sessionmanager.Selector{Targets: []string{"i-0000000a"}, Owners: []string{}}),
		"a target and an exclusion": selecting(sessionmanager.Selector{Targets: []string{"i-0000000a"}, ExcludeOwners: []string{"*/mary"}}),
		"an excluded ID":            selecting(sessionmanager.Selector{Targets: []string{"i-0000000a"}, ExcludeSessionIDs: []string{"*/mary"}}),
		"an owner":                  selecting(sessionmanager.Selector{Owners: []string{"*/mary"}}),
		"a document":                selecting(sessionmanager.Selector{DocumentNames: []string{"One"}}),
		"another document":          selecting(sessionmanager.Selector{DocumentNames: []string{"Two"}}),
		"an access type":            selecting(sessionmanager.Selector{AccessTypes: []string{"Standard"}}),
		"an age":                    selecting(sessionmanager.Selector{OlderThan: &age}),
		"another age":               selecting(sessionmanager.Selector{OlderThan: &older}),
		"a long value":              selecting(sessionmanager.Selector{Targets: []string{long + "1"}}),
		"another long value":        selecting(sessionmanager.Selector{Targets: []string{long + "2"}}),
		"another account":           {"210987654321", sessionmanager.DrainInput{Region: testRegion, Selector: sessionmanager.Selector{Targets: []string{"i-0000000a"}}}},
		"an unknown account":        {"", sessionmanager.DrainInput{Region: testRegion, Selector: sessionmanager.Selector{Targets: []string{"i-0000000a"}}}},
		"another Region":            {"123456789012", sessionmanager.DrainInput{Region: "eu-central-1", Selector: sessionmanager.Selector{Targets: []string{"i-0000000a"}}}},
	}

	named := make(map[string]string)
	for name, d := range drains {
		summary := drainSummary("Sessions To Be Ended", d.in, d.account)
		if !strings.HasPrefix(summary, "Sessions To Be Ended in "+d.in.Region+": ") || utf8.RuneCountInString(summary) > 200 {
			t.Errorf("%s: the summary is %q", name, summary)
		}
		if other, taken := named[summary]; taken {
			t.Errorf("%s and %s have the summary %q", name, other, summary)
		}
		named[summary] = name
	}
}

// A drain that was interrupted tells those who were asked to end from those who were not.
func TestReportDrain_asked(t *testing.T) {
	t.Parallel()

	cancelled := func(id string) error {
		return &sessionmanager.Error{
			Operation: sessionmanager.TerminateSession, SessionRef: sessionmanager.SessionRef{Region: testRegion, SessionID: id},
			Kind: sessionmanager.ErrDeadline, Err: sessionmanager.CauseOf(context.Canceled),
		}
	}
	result := sessionmanager.DrainResult{
		Outcomes: map[string]sessionmanager.Outcome{"asked-1": sessionmanager.OutcomeUnverified, "asked-2": sessionmanager.OutcomeUnverified, "never-1": sessionmanager.OutcomeFailed, "gone-1": sessionmanager.OutcomeTerminated},
		Failures: map[string]error{"asked-1": cancelled("asked-1"), "asked-2": cancelled("asked-2"), "never-1": cancelled("never-1")},
	}
	var diags diag.Diagnostics
	(&providerMeta{accountID: "123456789012"}).reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnInvoke, result, sessionmanager.ErrNotDrained, &diags)
	wantInOrder(t, diags[0].Detail(),
		"1 session in Region us-east-1 of account 123456789012 could not be ended (1 known to have ended):\n\n  never-1: the operation was cancelled\n\n",
		"2 sessions in Region us-east-1 of account 123456789012 were asked to terminate, but no usable answer came. They may have ended (1 known to have ended):\n\n  asked-1: the operation was cancelled\n  asked-2: the operation was cancelled\n\n")

	for _, id := range []string{"never-1", "asked-2"} {
		delete(result.Failures, id)
		delete(result.Outcomes, id)
	}
	diags = nil
	(&providerMeta{}).reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnInvoke, result, sessionmanager.ErrNotDrained, &diags)
	if want := "1 session in Region us-east-1 was asked to terminate, but no usable answer came. It may have ended (1 known to have ended):\n\n  asked-1: "; !strings.HasPrefix(diags[0].Detail(), want) {
		t.Errorf("want %q, got:\n%s", want, diags[0].Detail())
	}
}

// A drain counts as ended only what it ended.
func TestReportDrain_endedWithoutIt(t *testing.T) {
	t.Parallel()

	result := sessionmanager.DrainResult{Outcomes: map[string]sessionmanager.Outcome{"a": sessionmanager.OutcomeAlreadyEnded, "b": sessionmanager.OutcomeAlreadyEnded, "c": sessionmanager.OutcomeTerminated}}
	var diags diag.Diagnostics
	(&providerMeta{}).reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnDestroy, result, nil, &diags)
	want := "The drain that was destroyed ended 1 session in Region us-east-1. Ended without the drain: 2.\n\nSelection: none.\n\n  a: already_ended\n  b: already_ended\n  c: terminated"
	if len(diags) != 1 || diags[0].Detail() != want {
		t.Errorf("want %q, got %v", want, diags)
	}
	if got, want := drainedMessage("Region us-east-1", result), "Drained 1 session in Region us-east-1. Ended without the drain: 2."; got != want {
		t.Errorf("the last message is %q, want %q", got, want)
	}
}
