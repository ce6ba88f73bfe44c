// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// testTerminateSessionActionConfig_basic returns an action that ends a session when
// another resource is created.
func testTerminateSessionActionConfig_basic(url, sessionID string, arguments ...string) string {
	return testProviderConfig(url) + fmt.Sprintf(`
action "ssm_terminate_session" "test" {
  config {
    session_id = %q
    %s
  }
}
`, sessionID, strings.Join(arguments, "\n    "))
}

// testTrigger returns a resource that invokes an action.
func testTrigger(input, events, action string) string {
	return fmt.Sprintf(`
resource "terraform_data" "trigger" {
  input            = %[1]q
  triggers_replace = %[1]q

  lifecycle {
    action_trigger {
      events  = [%[2]s]
      actions = [action.%[3]s.test]
    }
  }
}
`, input, events, action)
}

func TestTerminateSessionAction_basic(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Actions)
	fake, url := testFake(t)
	config := testTerminateSessionActionConfig_basic(url, testLive) + testTrigger("one", "after_create", "ssm_terminate_session")
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: config,
				PostApplyFunc: func() {
					endpoint.WantStatus(t, fake, testLive, "Terminated")
					endpoint.WantStatus(t, fake, testAway, "Disconnected")
					if got := fake.Count("TerminateSession"); got != 1 {
						t.Errorf("TerminateSession was called %d times, want once", got)
					}
					fake.ResetRequests()
				},
			},
			{
				// Nothing has changed, so nothing is invoked.
				Config:        config,
				PostApplyFunc: func() { endpoint.WantCalls(t, fake) },
			},
			{
				Config: testTerminateSessionActionConfig_basic(url, testNobody) + testTrigger("two", "after_create", "ssm_terminate_session"),
				// An action that fails stops the apply.
				ExpectError: testWrapped(`Session Not Found.*` + testNobody + `.*if_not_found`),
			},
			{
				Config: testTerminateSessionActionConfig_basic(url, testNobody, `if_not_found = "succeed"`) + testTrigger("three", "after_create", "ssm_terminate_session"),
			},
		},
	})
}

// An action is invoked without a resource.
func TestTerminateSessionAction_invoke(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Actions)
	fake, url := testFake(t)
	w := workspace.New(t, testTerminateSessionActionConfig_basic(url, testLive))
	w.MustRun("apply", "-auto-approve")
	endpoint.WantCalls(t, fake)

	output := w.MustRun("apply", "-auto-approve", "-invoke=action.ssm_terminate_session.test")
	endpoint.WantStatus(t, fake, testLive, "Terminated")
	for _, progress := range []string{
		"Ending session " + testLive + " in Region us-east-1 ...",
		"Session " + testLive + " of " + testOwner + " on " + testTarget + " in Region us-east-1: terminated.",
	} {
		if !strings.Contains(output, progress) {
			t.Errorf("Terraform does not show %q:\n%s", progress, output)
		}
	}
	endpoint.WantCalls(t, fake,
		"DescribeSessions us-east-1 Active "+testLive,
		"TerminateSession us-east-1 "+testLive,
		"DescribeSessions us-east-1 History "+testLive)

	w.MustRun("apply", "-auto-approve", "-invoke=action.ssm_terminate_session.test")
	endpoint.WantCalls(t, fake,
		"DescribeSessions us-east-1 Active "+testLive,
		"DescribeSessions us-east-1 History "+testLive)
}

// The plan makes no call. The invocation does what the resource does on create, and
// reports its progress.
func TestTerminateSessionAction_outcomes(t *testing.T) {
	t.Parallel()

	abroad := testSessions()[0]
	abroad.Region, abroad.SessionID = "eu-central-1", "abroad-1"
	gone := testSessions()[1]
	gone.SessionID, gone.Behaviour = "gone-1", fakessm.BehaviourUnreachable
	bare := fakessm.Session{SessionID: "bare-1"}
	begin := func(sessionID string) string { return "Ending session " + sessionID + " in Region us-east-1 ..." }

	for name, tc := range map[string]struct {
		config   map[string]any
		fault    fakessm.Fault
		progress []string
		diags    []protocol.Diagnostic // Each with lines of its detail.
		calls    []string
		status   string // At the endpoint, afterwards.
	}{
		"a live session": {
			config:   map[string]any{"session_id": testLive},
			progress: []string{begin(testLive), "Session " + testLive + " of " + testOwner + " on " + testTarget + " in Region us-east-1: terminated."},
			calls:    []string{"DescribeSessions us-east-1 Active " + testLive, "TerminateSession us-east-1 " + testLive, "DescribeSessions us-east-1 History " + testLive},
			status:   "Terminated",
		},
		"a live session of which little is known": {
			config:   map[string]any{"session_id": "bare-1"},
			progress: []string{begin("bare-1"), "Session bare-1 in Region us-east-1: terminated."},
			calls:    []string{"DescribeSessions us-east-1 Active bare-1", "TerminateSession us-east-1 bare-1", "DescribeSessions us-east-1 History bare-1"},
			status:   "Terminated",
		},
		"a session that has ended already": {
			config:   map[string]any{"session_id": testEnded},
			progress: []string{begin(testEnded), "Session " + testEnded + " of arn:aws:iam::123456789012:user/John-Doe on " + testTarget + " in Region us-east-1: already_ended."},
			calls:    []string{"DescribeSessions us-east-1 Active " + testEnded, "DescribeSessions us-east-1 History " + testEnded},
			status:   "Terminated",
		},
		"a session that SSM does not know": {
			config:   map[string]any{"session_id": testNobody},
			progress: []string{begin(testNobody)},
			diags: []protocol.Diagnostic{protocol.Error("session_id", "Session Not Found",
				"Session \""+testNobody+"\" in Region us-east-1 of account 123456789012 was not terminated: SSM knows no such session\nCheck session_id, region\nIf a session that is gone is good enough, set if_not_found = \"succeed\".")},
		},
		"a session that SSM does not know, and need not": {
			config:   map[string]any{"session_id": testNobody, "if_not_found": "succeed"},
			progress: []string{begin(testNobody), "Session " + testNobody + " in Region us-east-1: not_found."},
		},
		"a session of another Region": {
			config:   map[string]any{"session_id": "abroad-1", "region": "eu-central-1"},
			progress: []string{"Ending session abroad-1 in Region eu-central-1 ...", "Session abroad-1 of " + testOwner + " on " + testTarget + " in Region eu-central-1: terminated."},
			calls:    []string{"DescribeSessions eu-central-1 Active abroad-1", "TerminateSession eu-central-1 abroad-1", "DescribeSessions eu-central-1 History abroad-1"},
			status:   "Terminated",
		},
		"without looking": {
			config:   map[string]any{"session_id": testLive, "verify": false},
			progress: []string{begin(testLive), "Session " + testLive + " in Region us-east-1: unverified."},
			calls:    []string{"TerminateSession us-east-1 " + testLive},
			status:   "Terminated",
		},
		"without looking, a session that has ended already": {
			config:   map[string]any{"session_id": testEnded, "verify": false},
			progress: []string{begin(testEnded), "Session " + testEnded + " in Region us-east-1: unverified."},
			calls:    []string{"TerminateSession us-east-1 " + testEnded},
			status:   "Terminated",
		},
		"without looking, a session that SSM does not know": {
			config:   map[string]any{"session_id": testNobody, "verify": false},
			progress: []string{begin(testNobody)},
			diags:    []protocol.Diagnostic{protocol.Error("session_id", "Session Not Found", testNobody)},
			calls:    []string{"TerminateSession us-east-1 " + testNobody},
		},
		"a session that may not be ended": {
			config:   map[string]any{"session_id": testLive},
			fault:    fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1},
			progress: []string{begin(testLive)},
			diags: []protocol.Diagnostic{protocol.Error("session_id", "Unable to Terminate Session",
				"Session \""+testLive+"\" in Region us-east-1 of account 123456789012 was not terminated: the credentials do not allow it.\nAllow the IAM action ssm:TerminateSession\nAccessDeniedException")},
			status: "Connected",
		},
		"a session that may not be looked up": {
			config:   map[string]any{"session_id": testLive},
			fault:    fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1},
			progress: []string{begin(testLive), "Session " + testLive + " in Region us-east-1: unverified."},
			diags:    []protocol.Diagnostic{protocol.Warning("session_id", "Termination Not Verified: "+testLive, "was asked to terminate\nssm:DescribeSessions")},
			calls:    []string{"DescribeSessions us-east-1 Active " + testLive, "TerminateSession us-east-1 " + testLive},
			status:   "Terminated",
		},
		"endless throttling": {
			config:   map[string]any{"session_id": testLive},
			fault:    fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultThrottle, Times: -1},
			progress: []string{begin(testLive)},
			diags:    []protocol.Diagnostic{protocol.Error("session_id", "Unable to Terminate Session", "quota\nThrottlingException")},
			status:   "Connected",
		},
		"a reply that gets lost": {
			config:   map[string]any{"session_id": testLive},
			fault:    fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultResetAfter},
			progress: []string{begin(testLive), "Session " + testLive + " of " + testOwner + " on " + testTarget + " in Region us-east-1: terminated."},
			status:   "Terminated",
		},
		"a session on a missing node": {
			config:   map[string]any{"session_id": "gone-1"},
			progress: []string{begin("gone-1"), "Session gone-1 of arn:aws:iam::123456789012:user/timmy on i-0fedcba9876543210 in Region us-east-1: unverified."},
			diags:    []protocol.Diagnostic{protocol.Warning("session_id", "Termination Not Verified: gone-1", "Session \"gone-1\" in Region us-east-1 of account 123456789012 is still listed as Disconnected")},
			status:   "Disconnected",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, fakessm.WithSessions(abroad, gone, bare))
			if tc.fault.Kind != "" {
				fake.Inject(tc.fault)
			}
			s := newConfiguredServer(t, testArguments(url, map[string]any{"max_retries": int64(2)}))
			got := s.InvokeAction("ssm_terminate_session", tc.config)
			protocol.WantNoDiagnostics(t, got.Planned)
			if diff := cmp.Diff(tc.progress, got.Progress); diff != "" {
				t.Errorf("unexpected progress (-want +got):\n%s", diff)
			}
			if len(got.Diagnostics) != len(tc.diags) {
				t.Fatalf("unexpected diagnostics: %+v", got.Diagnostics)
			}
			for i, want := range tc.diags {
				protocol.WantDiagnostic(t, want, got.Diagnostics[i:i+1])
				if strings.Contains(got.Diagnostics[i].Detail, "next plan") {
					t.Errorf("no plan looks after an action: %s", got.Diagnostics[i].Detail)
				}
			}
			sessionID := fmt.Sprint(tc.config["session_id"])
			endpoint.WantStatus(t, fake, sessionID, tc.status)
			if tc.calls != nil {
				endpoint.WantCalls(t, fake, tc.calls...)
			}
			for _, session := range []string{testLive, testAway, "abroad-1", "bare-1"} {
				if found, _ := fake.Session(session); session != sessionID && found.Status == "Terminated" {
					t.Errorf("session %s was ended", session)
				}
			}
		})
	}
}

// timeouts.invoke bounds the time of the action.
func TestTerminateSessionAction_timeout(t *testing.T) {
	t.Parallel()

	session := testSessions()[0]
	session.Behaviour = fakessm.BehaviourUnkillable
	_, url := testFake(t, fakessm.WithSessions(session))
	s := newConfiguredServer(t, testArguments(url))
	got := s.InvokeAction("ssm_terminate_session", map[string]any{"session_id": testLive, "timeouts": map[string]any{"invoke": "1s"}})
	protocol.WantDiagnostic(t, protocol.Error("session_id", "Unable to Terminate Session",
		"Session \""+testLive+"\" in Region us-east-1 of account 123456789012 was asked to terminate, but its end could not be confirmed: it is still live after the time allowed.\nlonger time"), got.Diagnostics)
	if strings.Contains(got.Diagnostics[0].Detail, "timeouts.create") {
		t.Errorf("the action has no timeouts.create: %s", got.Diagnostics[0].Detail)
	}
}

// An action with a wrong or unknown configuration is not invoked, and makes no call.
func TestTerminateSessionAction_notInvoked(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		config map[string]any
		want   protocol.Diagnostic // Empty if the configuration is only unknown.
	}{
		"an empty session ID":              {map[string]any{"session_id": ""}, protocol.Error("session_id", "Empty Value", "no session ID is.")},
		"a session ID of 97 characters":    {map[string]any{"session_id": strings.Repeat("x", 97)}, protocol.Error("session_id", "Value Too Long", "97 characters")},
		"an unknown choice":                {map[string]any{"session_id": testLive, "if_not_found": "ignore"}, protocol.Error("if_not_found", "Invalid Attribute Value Match", "\"fail\" \"succeed\"")},
		"an unknown Region":                {map[string]any{"session_id": testLive, "region": "us-esat-1"}, protocol.Error("region", "Invalid AWS Region", "us-esat-1")},
		"a Region of another partition":    {map[string]any{"session_id": testLive, "region": "cn-north-1"}, protocol.Error("region", "Invalid AWS Region", "aws-cn")},
		"an invalid timeout":               {map[string]any{"session_id": testLive, "timeouts": map[string]any{"invoke": "soon"}}, protocol.Error("timeouts.invoke", "Invalid Attribute Value Time Duration", "soon")},
		"a timeout of zero":                {map[string]any{"session_id": testLive, "timeouts": map[string]any{"invoke": "0s"}}, protocol.Error("timeouts.invoke", "Invalid Timeout", "above zero")},
		"an unknown session ID":            {map[string]any{"session_id": protocol.Unknown}, protocol.Diagnostic{}},
		"a Region that is unknown at plan": {map[string]any{"session_id": testLive, "region": protocol.Unknown}, protocol.Diagnostic{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			wantNotInvoked(t, newConfiguredServer(t, testArguments(url)).InvokeAction("ssm_terminate_session", tc.config), tc.want)
			endpoint.WantCalls(t, fake)
		})
	}
}

// Values that are unknown at plan are checked at the invocation.
func TestTerminateSessionAction_foundOutWhenInvoked(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url))
	planned := map[string]any{"session_id": testLive, "region": protocol.Unknown}
	got := s.InvokeAction("ssm_terminate_session", planned, map[string]any{"session_id": testLive, "region": "cn-north-1"})
	protocol.WantNoDiagnostics(t, got.Planned)
	protocol.WantDiagnostic(t, protocol.Error("region", "Invalid AWS Region", "aws-cn"), got.Diagnostics)
	endpoint.WantCalls(t, fake)

	for argument, tc := range map[string]struct {
		value any
		want  protocol.Diagnostic
	}{
		"session_id":   {testLive + "\n", protocol.Error("session_id", "White Space Around Value", "a line break")},
		"if_not_found": {"ignore", protocol.Error("if_not_found", "Invalid Attribute Value Match", "ignore")},
		"timeouts":     {map[string]any{"invoke": "-1s"}, protocol.Error("timeouts.invoke", "Invalid Timeout", "-1s")},
	} {
		planned := map[string]any{"session_id": testLive, argument: protocol.Unknown}
		if argument == "timeouts" {
			planned["timeouts"] = map[string]any{"invoke": protocol.Unknown}
		}
		got := s.InvokeAction("ssm_terminate_session", planned, map[string]any{"session_id": testLive, argument: tc.value})
		protocol.WantNoDiagnostics(t, got.Planned)
		protocol.WantDiagnostic(t, tc.want, got.Diagnostics)
		endpoint.WantCalls(t, fake)
	}

	got = s.InvokeAction("ssm_terminate_session", planned, map[string]any{"session_id": testLive, "region": testRegion})
	protocol.WantNoDiagnostics(t, slices.Concat(got.Planned, got.Diagnostics))
	endpoint.WantStatus(t, fake, testLive, "Terminated")
}

// A provider with unknown arguments plans, but makes no call.
func TestTerminateSessionAction_providerUnknown(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url, map[string]any{"secret_key": protocol.Unknown}))
	got := s.InvokeAction("ssm_terminate_session", map[string]any{"session_id": testLive, "region": testRegion})
	protocol.WantNoDiagnostics(t, got.Planned)
	protocol.WantDiagnostic(t, protocol.Error("", "Unable to Terminate Session", "The provider argument \"secret_key\" has a value that is not known yet"), got.Diagnostics)
	endpoint.WantCalls(t, fake)
}
