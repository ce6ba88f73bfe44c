// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// newSlowEndpoint starts an endpoint with the usual sessions and others.
func newSlowEndpoint(t *testing.T, service *endpoint.Slow, sessions ...fakessm.Session) *endpoint.Slow {
	t.Helper()

	return service.Start(t, fakessm.New(fakessm.WithSessions(testSessions()...), fakessm.WithSessions(sessions...), fakessm.WithPageSize(200), fakessm.WithDataChannel("")))
}

// testStored is the only resource in state.
type testStored struct {
	Status     string `json:"status"` // "tainted" or nothing.
	Attributes struct {
		Outcome  string            `json:"outcome"`
		Outcomes map[string]string `json:"outcomes"`
	} `json:"attributes"`
}

// storedResource returns the only resource in state, nil if there is none.
func storedResource(t *testing.T, w *workspace.Workspace) *testStored {
	t.Helper()

	text := w.Read("terraform.tfstate")
	if text == "" {
		return nil
	}
	var state struct {
		Resources []struct {
			Mode      string       `json:"mode"`
			Instances []testStored `json:"instances"`
		} `json:"resources"`
	}
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		t.Fatalf("the state is broken: %s", err)
	}
	for _, resource := range state.Resources {
		if resource.Mode == "managed" && len(resource.Instances) == 1 {
			return &resource.Instances[0]
		}
	}

	return nil
}

// countTerminations counts the requests to end each session, and checks that none was
// refused because the session had ended.
func countTerminations(t *testing.T, fake *fakessm.Server) map[string]int {
	t.Helper()

	counts := map[string]int{}
	for _, r := range endpoint.Requests(fake, "TerminateSession") {
		counts[r.SessionID]++
		if r.ErrorCode != "" {
			t.Errorf("ending session %s was answered with %s", r.SessionID, r.ErrorCode)
		}
	}

	return counts
}

const (
	testCrowd       = 100
	testCrowdTarget = "i-0c0ffee0c0ffee000"
)

// testCrowded returns the sessions of a drain that takes some time.
func testCrowded() []fakessm.Session {
	sessions := make([]fakessm.Session, testCrowd)
	for i := range sessions {
		sessions[i] = fakessm.Session{SessionID: fmt.Sprintf("crowd-%03d", i), Target: testCrowdTarget}
	}

	return sessions
}

// testHalfDrained checks a drain that was stopped half-way. The outcomes in state, if
// any, have to be true. It returns the sessions that are left.
func testHalfDrained(t *testing.T, service *endpoint.Slow, outcomes map[string]string) map[string]int {
	t.Helper()

	left := map[string]int{}
	for _, s := range testCrowded() {
		now, _ := service.Fake.Session(s.SessionID)
		live := now.Status == "Connected"
		if live {
			left[s.SessionID] = 1
		}
		outcome, told := outcomes[s.SessionID]
		switch {
		case outcomes == nil:
		case !told && !live:
			t.Errorf("session %s was ended, and the state does not tell", s.SessionID)
		case live && told && outcome != "failed" && outcome != "unverified":
			t.Errorf("session %s is live, and its outcome is %q", s.SessionID, outcome)
		case !live && outcome == "failed":
			t.Errorf("session %s was ended, and its outcome is %q", s.SessionID, outcome)
		}
	}
	if len(left) == 0 || len(left) == testCrowd {
		t.Fatalf("%d of %d sessions are left: the drain was not stopped half-way", len(left), testCrowd)
	}
	service.Fake.ResetRequests()

	return left
}

// testDrained checks the next run: each session that was left is ended once, and no
// other.
func testDrained(t *testing.T, service *endpoint.Slow, left map[string]int) {
	t.Helper()

	if diff := cmp.Diff(left, countTerminations(t, service.Fake)); diff != "" {
		t.Errorf("unexpected terminations (-want +got):\n%s", diff)
	}
	for _, s := range testCrowded() {
		endpoint.WantStatus(t, service.Fake, s.SessionID, "Terminated")
	}
	for _, s := range testSessions() {
		endpoint.WantStatus(t, service.Fake, s.SessionID, s.Status)
	}
}

func testCrowdConfig(url, when string) string {
	return testSessionDrainResourceConfig_basic(url, fmt.Sprintf("targets = [%q]", testCrowdTarget), fmt.Sprintf("when = %q", when))
}

// TestSignals_interruptedDrain presses Ctrl-C in the middle of a drain. It ends at once,
// the outcomes so far are in state, and the next run ends the rest.
func TestSignals_interruptedDrain(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		when     string
		finishes bool
	}{
		"on create": {"create", false},
		"on create, of a drain for both occasions":                {"both", false},
		"on create, of a service that finishes what it was asked": {"create", true},
		"on destroy": {"destroy", false},
		"on destroy, of a service that finishes what it was asked": {"destroy", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			service := newSlowEndpoint(t, &endpoint.Slow{Operation: "TerminateSession", Delay: 2 * time.Second, SignalAt: 45, Finishes: tc.finishes}, testCrowded()...)
			w := workspace.New(t, testCrowdConfig(service.URL, tc.when)).WithoutLog()
			command := "apply"
			if tc.when == "destroy" {
				w.MustRun("apply", "-auto-approve")
				command = "destroy"
			}

			run := w.Start(command, "-auto-approve")
			run.Until(service.Reached)
			provider := run.ProviderPID()
			run.Interrupt()
			output := run.Fail()

			service.WantQuiet(t)
			workspace.WantGone(t, provider)
			service.Recover()
			if !strings.Contains(output, testDrainError) || !strings.Contains(output, "cancelled") {
				t.Errorf("the output does not tell what happened:\n%s", output)
			}
			stored := storedResource(t, w)
			if stored == nil {
				t.Fatal("nothing is in state")
			}
			// A drain whose create failed is tainted. One whose destroy failed is still
			// there.
			if want := map[string]string{"create": "tainted", "both": "tainted"}[tc.when]; stored.Status != want {
				t.Errorf("the resource is %q, want %q", stored.Status, want)
			}
			left := testHalfDrained(t, service, stored.Attributes.Outcomes)

			w.MustRun(command, "-auto-approve")

			testDrained(t, service, left)
			if tc.when == "destroy" {
				if storedResource(t, w) != nil {
					t.Error("the drain is still in state")
				}

				return
			}
			want := map[string]string{}
			for id := range left {
				want[id] = "terminated"
			}
			stored = storedResource(t, w)
			if diff := cmp.Diff(want, stored.Attributes.Outcomes); diff != "" || stored.Status != "" {
				t.Errorf("unexpected outcomes (-want +got), of a resource that is %q:\n%s", stored.Status, diff)
			}
		})
	}
}

// TestSignals_killedDrain kills the provider in the middle of a drain. Nothing is in
// state, and the next run ends the rest.
func TestSignals_killedDrain(t *testing.T) {
	t.Parallel()

	for _, when := range []string{"create", "destroy"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()

			service := newSlowEndpoint(t, &endpoint.Slow{Operation: "TerminateSession", Delay: 2 * time.Second, SignalAt: 45, Finishes: true}, testCrowded()...)
			w := workspace.New(t, testCrowdConfig(service.URL, when)).WithoutLog()
			command := "apply"
			if when == "destroy" {
				w.MustRun("apply", "-auto-approve")
				command = "destroy"
			}

			run := w.Start(command, "-auto-approve")
			run.Until(service.Reached)
			run.SignalProvider(syscall.SIGKILL)
			run.Fail()

			service.WantQuiet(t)
			service.Recover()
			left := testHalfDrained(t, service, nil)

			w.MustRun(command, "-auto-approve")

			testDrained(t, service, left)
		})
	}
}

// TestSignals_create stops a termination before SSM answers, by Ctrl-C or by killing the
// provider. The next apply gets it right, whether SSM has ended the session or not.
func TestSignals_create(t *testing.T) {
	t.Parallel()

	const interrupted, killed = "interrupted", "killed"
	for name, tc := range map[string]struct {
		how      string
		finishes bool
		argument string
		stored   string // Outcome in state, if there is any.
		want     string // Outcome of the next apply.
		endings  int    // Requests to end the session in it.
		refused  bool   // Whether SSM refuses them.
	}{
		"interrupted, not ended":             {how: interrupted, stored: "unverified", want: "terminated", endings: 1},
		"interrupted, ended":                 {how: interrupted, stored: "unverified", finishes: true, want: "already_ended"},
		"interrupted, not ended, unverified": {how: interrupted, stored: "unverified", argument: "verify = false", want: "unverified", endings: 1},
		"interrupted, ended, unverified":     {how: interrupted, stored: "unverified", finishes: true, argument: "verify = false", want: "unverified", endings: 1, refused: true},
		"killed, not ended":                  {how: killed, want: "terminated", endings: 1},
		"killed, ended":                      {how: killed, finishes: true, want: "already_ended"},
		"killed, not ended, unverified":      {how: killed, argument: "verify = false", want: "unverified", endings: 1},
		"killed, ended, unverified":          {how: killed, finishes: true, argument: "verify = false", want: "unverified", endings: 1, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			service := newSlowEndpoint(t, &endpoint.Slow{Operation: "TerminateSession", Delay: -1, Finishes: tc.finishes})
			w := workspace.New(t, testSessionTerminationResourceConfig_basic(service.URL, testLive, tc.argument)).WithoutLog()

			run := w.Start("apply", "-auto-approve")
			run.Until(service.Reached)
			provider := run.ProviderPID()
			if tc.how == interrupted {
				run.Interrupt()
			} else {
				run.SignalProvider(syscall.SIGKILL)
			}
			output := run.Fail()

			service.WantQuiet(t)
			workspace.WantGone(t, provider)
			service.Recover()
			if tc.how == interrupted && (!strings.Contains(output, "Unable to Terminate Session") || !strings.Contains(output, "cancelled")) {
				t.Errorf("the output does not tell what happened:\n%s", output)
			}
			switch stored := storedResource(t, w); {
			case stored == nil && tc.stored != "":
				t.Error("nothing is in state, although SSM was asked")
			case stored != nil && (stored.Attributes.Outcome != tc.stored || stored.Status != "tainted"):
				t.Errorf("outcome is %q of a resource that is %q, want %q", stored.Attributes.Outcome, stored.Status, tc.stored)
			}
			service.Fake.ResetRequests()

			w.MustRun("apply", "-auto-approve")

			if stored := storedResource(t, w); stored == nil || stored.Attributes.Outcome != tc.want || stored.Status != "" {
				t.Errorf("unexpected state %+v, want %q", stored, tc.want)
			}
			asked := endpoint.Requests(service.Fake, "TerminateSession")
			if len(asked) != tc.endings {
				t.Errorf("SSM was asked %d times, want %d", len(asked), tc.endings)
			}
			for _, r := range asked {
				if (r.ErrorCode != "") != tc.refused {
					t.Errorf("SSM answered with %q", r.ErrorCode)
				}
			}
			endpoint.WantStatus(t, service.Fake, testLive, "Terminated")
			w.MustRun("plan", "-detailed-exitcode")
		})
	}
}

// signalWait is work that waits for an answer that does not come.
type signalWait struct {
	config  string
	slow    string
	before  func(*testing.T, *endpoint.Slow, *workspace.Workspace)
	command []string
}

// signalsWaiting returns all work that can wait, by a name.
func signalsWaiting() map[string]signalWait {
	const (
		termination = "resource \"ssm_session_termination\" \"test\" {\n  session_id = \"" + testLive + "\"\n}\n"
		imported    = "resource \"ssm_session_termination\" \"test\" {\n  session_id = \"" + testEnded + "\"\n}\n" +
			"import {\n  to = ssm_session_termination.test\n  id = \"" + testEnded + "\"\n}\n"
		drain = "resource \"ssm_session_drain\" \"test\" {\n  targets = [\"" + testTarget + "\"]\n  %s\n}\n"
	)

	return map[string]signalWait{
		"credentials":            {config: termination, slow: "GetCallerIdentity", command: []string{"plan"}},
		"the plan's look-up":     {config: termination, slow: "DescribeSessions", command: []string{"plan"}},
		"the plan of a drain":    {config: fmt.Sprintf(drain, ""), slow: "DescribeSessions", command: []string{"plan"}},
		"an import":              {config: imported, slow: "DescribeSessions", command: []string{"plan"}},
		"a data source":          {config: "data \"ssm_session\" \"test\" {\n  session_id = \"" + testLive + "\"\n}\n", slow: "DescribeSessions", command: []string{"plan"}},
		"a list":                 {config: "data \"ssm_sessions\" \"test\" {}\n", slow: "DescribeSessions", command: []string{"plan"}},
		"a connection status":    {config: "data \"ssm_connection_status\" \"test\" {\n  target = \"" + testTarget + "\"\n}\n", slow: "GetConnectionStatus", command: []string{"plan"}},
		"resuming":               {config: "data \"ssm_session_resume\" \"test\" {\n  session_id = \"" + testAway + "\"\n}\n", slow: "ResumeSession", command: []string{"plan"}},
		"a grace period":         {config: fmt.Sprintf(drain, `grace_period = "1h"`), slow: "", command: []string{"apply", "-auto-approve"}},
		"resuming, ephemerally":  {config: "ephemeral \"ssm_session_resume\" \"test\" {\n  session_id = \"" + testAway + "\"\n}\n", slow: "ResumeSession", command: []string{"plan"}},
		"forwarding":             {config: "ephemeral \"ssm_port_forward\" \"test\" {\n  target      = \"" + testOwnTarget + "\"\n  remote_port = 22\n}\n", slow: "StartSession", command: []string{"plan"}},
		"starting":               {config: "ephemeral \"ssm_session\" \"test\" {\n  target = \"" + testOwnTarget + "\"\n}\n", slow: "StartSession", command: []string{"plan"}},
		"refreshing":             {config: termination, slow: "DescribeSessions", command: []string{"plan"}, before: leaveUnverified},
		"waiting for the end":    {config: termination, slow: "", command: []string{"apply", "-auto-approve"}, before: makeUnkillable},
		"the plan of a destroy":  {config: fmt.Sprintf(drain, `when = "destroy"`), slow: "DescribeSessions", command: []string{"plan", "-destroy"}, before: applyFirst},
		"looking before the end": {config: termination, slow: "DescribeSessions", command: []string{"apply", "planned"}, before: planFirst},
	}
}

// TestSignals_waiting presses Ctrl-C while work waits for an answer that does not come.
// (Terraform stops no provider while "apply" plans, and during the import command.)
func TestSignals_waiting(t *testing.T) {
	t.Parallel()

	for name, tc := range signalsWaiting() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "credentials" {
				cli.Needs(t, cli.StopWhileConfiguring)
			}

			service := newSlowEndpoint(t, &endpoint.Slow{Operation: tc.slow, Delay: -1})
			w := workspace.New(t, testProviderConfig(service.URL)+tc.config).WithoutLog()
			service.Off.Store(true)
			if tc.before != nil {
				tc.before(t, service, w)
			}
			stateBefore := w.Read("terraform.tfstate")
			service.Off.Store(false)

			run := w.Start(tc.command...)
			if tc.slow == "" {
				// The provider waits by itself, after some calls.
				run.Until(service.Settled())
			} else {
				run.Until(service.Reached)
			}
			provider := run.ProviderPID()
			run.Interrupt()
			output := run.Wait()

			service.WantQuiet(t)
			workspace.WantGone(t, provider)
			if !strings.Contains(output, "nterrupt") || strings.Contains(output, "panic") {
				t.Errorf("unexpected output:\n%s", output)
			}
			if stateBefore != "" && storedResource(t, w) == nil {
				t.Error("what was in state is gone")
			}
			if tc.before == nil {
				endpoint.WantStatus(t, service.Fake, testLive, "Connected")
			}
		})
	}
}

func TestObjects_inSignals(t *testing.T) {
	t.Parallel()

	// Terraform 1.11 and OpenTofu have no actions. The drain action waits as the resource
	// does.
	exempt := map[string]bool{"action ssm_drain_sessions": true, "action ssm_terminate_session": true}
	wantCovered(t, func(o testObject) []string {
		if exempt[o.name()] {
			return []string{"exempt: " + o.name()}
		}

		return o.waits
	}, append(slices.Collect(maps.Keys(signalsWaiting())), "exempt: action ssm_drain_sessions", "exempt: action ssm_terminate_session"), "credentials")
}

// leaveUnverified leaves an unverified termination, so that the next refresh looks.
func leaveUnverified(t *testing.T, service *endpoint.Slow, w *workspace.Workspace) {
	t.Helper()

	service.Fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1})
	w.MustRun("apply", "-auto-approve")
	service.Fake.ClearFaults()
	if stored := storedResource(t, w); stored == nil || stored.Attributes.Outcome != "unverified" {
		t.Fatalf("unexpected state %+v", stored)
	}
}

// makeUnkillable makes the session stay live for ever.
func makeUnkillable(_ *testing.T, service *endpoint.Slow, _ *workspace.Workspace) {
	session := testSessions()[0]
	session.Behaviour = fakessm.BehaviourUnkillable
	service.Fake.AddSessions(session)
}

func applyFirst(t *testing.T, _ *endpoint.Slow, w *workspace.Workspace) {
	t.Helper()

	w.MustRun("apply", "-auto-approve")
}

func planFirst(t *testing.T, _ *endpoint.Slow, w *workspace.Workspace) {
	t.Helper()

	w.MustRun("plan", "-out=planned")
}

// TestSignals_crash makes the provider crash while it reads a token, and looks for the
// token in all files and outputs.
func TestSignals_crash(t *testing.T) {
	t.Parallel()

	h := newLeakHunt(t)
	h.Configure(h.URL, leakRole, leakObjects, canaryKeysEnv, canarySecretEnv, "GOTRACEBACK=all")
	h.Fake.Inject(fakessm.Fault{Operation: "ResumeSession", Kind: fakessm.FaultSlow, Delay: 2 * workspace.Patience, Times: -1})

	run := h.Workspace.Start("plan", "-out=planned")
	given := make(chan struct{})
	go func() {
		defer close(given)
		for len(h.Fake.Tokens(testAway)) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		// Part of the answer has to arrive.
		time.Sleep(300 * time.Millisecond)
	}()
	run.Until(given)
	run.SignalProvider(syscall.SIGQUIT)
	h.Print(run.Fail())

	if log := h.Workspace.Read("trace.log"); !strings.Contains(log, "SIGQUIT") || !strings.Contains(log, "sessionmanager.(*Client).Resume") {
		t.Error("the log does not show the crash")
	}
	h.Check(nil)
}
