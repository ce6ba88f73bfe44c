// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// testDrainSessionsActionConfig_basic returns a drain. Its arguments are lines of HCL.
func testDrainSessionsActionConfig_basic(url string, arguments ...string) string {
	return testProviderConfig(url) + fmt.Sprintf(`
action "ssm_drain_sessions" "test" {
  config {
    %s
  }
}
`, strings.Join(arguments, "\n    "))
}

func TestDrainSessionsAction_basic(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Actions)
	fake, url := testInventoryFake(t)
	config := testDrainSessionsActionConfig_basic(url, `targets = ["i-0000000a"]`) + testTrigger("one", "after_create", "ssm_drain_sessions")
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: config,
				PostApplyFunc: func() {
					testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
					if got := fake.Count("TerminateSession"); got != 2 {
						t.Errorf("TerminateSession was called %d times for 2 sessions", got)
					}
					fake.AddSessions(testInventory()...)
					fake.ResetRequests()
				},
			},
			{
				// Nothing has changed, so nothing is invoked.
				Config:        config,
				PostApplyFunc: func() { endpoint.WantCalls(t, fake) },
			},
			{
				// An action that fails stops the apply.
				Config:      testDrainSessionsActionConfig_basic(url, `targets = ["i-0000000a"]`, "max_sessions = 1") + testTrigger("two", "after_create", "ssm_drain_sessions"),
				ExpectError: testWrapped(testDrainError + `.*2 sessions in Region us-east-1 of account 123456789012 match, but max_sessions allows 1 to be ended. Nothing was ended.`),
			},
		},
	})
	testSpared(t, fake, testInventoryIDs...)
}

// An action is invoked without a resource. Terraform shows the sessions that it will end,
// and its progress.
func TestDrainSessionsAction_invoke(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Actions)
	fake, url := testInventoryFake(t)
	w := workspace.New(t, testDrainSessionsActionConfig_basic(url, `owners = ["*:assumed-role/Operator/*"]`))
	w.MustRun("apply", "-auto-approve")
	endpoint.WantCalls(t, fake)

	output := w.MustRun("plan", "-invoke=action.ssm_drain_sessions.test")
	if !testWrapped(`Sessions To Be Ended in us-east-1.*2 sessions in Region us-east-1 of account 123456789012 matched when looked at .*ann-1.*dan-1`).MatchString(output) {
		t.Errorf("the plan does not say who is to be ended:\n%s", output)
	}
	testSpared(t, fake, testInventoryIDs...)

	output = w.MustRun("apply", "-auto-approve", "-invoke=action.ssm_drain_sessions.test")
	testSpared(t, fake, "eve-1", "cat-1", "gus-1", "bare-1")
	for _, progress := range []string{"Asked for the end of 0 of 2 sessions.", "Asked for the end of 2 of 2 sessions.", "Drained 2 sessions in Region us-east-1 of account 123456789012."} {
		if !strings.Contains(output, progress) {
			t.Errorf("Terraform does not show %q:\n%s", progress, output)
		}
	}

	// If the action fails, Terraform fails.
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: "eve-1", Kind: fakessm.FaultDenied, Times: -1})
	w.Write("main.tf", strings.Replace(w.Read("main.tf"), "*:assumed-role/Operator/*", "*", 1)+"\n")
	if output, err := w.Run("apply", "-auto-approve", "-invoke=action.ssm_drain_sessions.test"); err == nil || !testWrapped(`The patterns in owners match every owner`).MatchString(output) {
		t.Errorf("a drain without a condition was invoked: %v\n%s", err, output)
	}
	w.Write("main.tf", strings.Replace(w.Read("main.tf"), `["*"]`, `["*/eve", "*/cat"]`, 1))
	if output, err := w.Run("apply", "-auto-approve", "-invoke=action.ssm_drain_sessions.test"); err == nil || !testWrapped(`could not be ended \(1 ended\).*eve-1: the credentials do not allow it`).MatchString(output) {
		t.Errorf("a failure did not fail: %v\n%s", err, output)
	}
	testSpared(t, fake, "eve-1", "gus-1", "bare-1")
}

// testCallerConfig returns a resource whose node is drained before it is destroyed. Its
// destruction ends the sessions on i-0000000b, which shows at the endpoint.
func testCallerConfig(url, node string) string {
	return testDrainSessionsActionConfig_basic(url, `targets = [caller.triggers["node"]]`) + fmt.Sprintf(`
resource "ssm_session_drain" "caller" {
  when     = "destroy"
  targets  = ["i-0000000b"]
  triggers = { node = %q }

  lifecycle {
    action_trigger {
      events  = [before_destroy]
      actions = [action.ssm_drain_sessions.test]
    }
  }
}
`, node)
}

// testEndings returns the sessions that were asked to end, in order, and makes the fake
// forget all requests.
func testEndings(fake *fakessm.Server) []string {
	endings := []string{}
	for _, request := range fake.Requests() {
		if request.Operation == "TerminateSession" {
			endings = append(endings, request.SessionID)
		}
	}
	fake.ResetRequests()

	return endings
}

// Since Terraform 1.16 an action can run before a resource is replaced or destroyed.
func TestDrainSessionsAction_beforeDestroy(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.DestroyEvents)
	fake, url := testInventoryFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config:        testCallerConfig(url, "i-0000000a"),
				PostApplyFunc: func() { endpoint.WantCalls(t, fake) },
			},
			{
				Config: testCallerConfig(url, "i-0000000c"),
				PostApplyFunc: func() {
					endings := testEndings(fake)
					if len(endings) != 4 {
						t.Fatalf("sessions %v were ended, want 4", endings)
					}
					slices.Sort(endings[:2])
					slices.Sort(endings[2:])
					if diff := cmp.Diff([]string{"ann-1", "cat-1", "dan-1", "gus-1"}, endings); diff != "" {
						t.Errorf("unexpected sessions, or order (-want +got):\n%s", diff)
					}
					testSpared(t, fake, "eve-1", "bare-1")
				},
			},
			{
				Config:  testCallerConfig(url, "i-0000000c"),
				Destroy: true,
			},
		},
	})
	if diff := cmp.Diff([]string{"eve-1"}, testEndings(fake)); diff != "" {
		t.Errorf("unexpected sessions ended (-want +got):\n%s", diff)
	}
	testSpared(t, fake, "bare-1")
}

// If an action fails, Terraform stops a replacement, but not "terraform destroy". So the
// resource is the safer choice.
func TestDrainSessionsAction_beforeDestroyFailing(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.DestroyEvents)
	fake, url := testInventoryFake(t)
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: "cat-1", Kind: fakessm.FaultDenied, Times: -1})
	w := workspace.New(t, testCallerConfig(url, "i-0000000a"))
	w.MustRun("apply", "-auto-approve")

	config := w.Read("main.tf")
	w.Write("main.tf", strings.ReplaceAll(config, `"i-0000000a"`, `"i-0000000c"`))
	output, err := w.Run("apply", "-auto-approve")
	if err == nil || !testWrapped(`Error: `+testDrainError+`.*cat-1: the credentials do not allow it`).MatchString(output) {
		t.Errorf("the replacement went on, or says nothing: %v\n%s", err, output)
	}
	testSpared(t, fake, "eve-1", "dan-1", "cat-1", "gus-1", "bare-1")

	w.Write("main.tf", config)
	output, err = w.Run("destroy", "-auto-approve")
	if err != nil || !testWrapped(`Warning: `+testDrainError+`.*cat-1: the credentials do not allow it`).MatchString(output) {
		t.Errorf("the destruction was held up, or says nothing: %v\n%s", err, output)
	}
	testSpared(t, fake, "eve-1", "cat-1", "bare-1")
}

// The sessions that a drain ends, its progress and its diagnostics.
func TestDrainSessionsAction_outcomes(t *testing.T) {
	t.Parallel()

	planned := func(summary, detail string) []protocol.Diagnostic {
		return []protocol.Diagnostic{protocol.Warning("", summary, detail)}
	}
	both := planned("Sessions To Be Ended in us-east-1: i-0000000a (account 123456789012)", testMatched("2 sessions", "us-east-1", `targets = ["i-0000000a"]`, "when this action is invoked")+testLines("ann-1", "cat-1"))
	abroad := fakessm.Session{SessionID: "abroad-1", Target: "i-0000000a", Region: "eu-central-1"}
	for name, tc := range map[string]struct {
		config   map[string]any
		faults   []fakessm.Fault
		planned  []protocol.Diagnostic // With their whole detail.
		progress []string              // Others, with counts, may come between them.
		diags    []protocol.Diagnostic
		spared   []any
	}{
		"some sessions": {
			config:   map[string]any{"targets": []any{"i-0000000a"}},
			planned:  both,
			progress: []string{"Asked for the end of 0 of 2 sessions.", "Asked for the end of 2 of 2 sessions.", "Drained 2 sessions in Region us-east-1 of account 123456789012."},
			spared:   []any{"eve-1", "dan-1", "gus-1", "bare-1"},
		},
		"one session": {
			config:   map[string]any{"targets": []any{"i-0000000a"}, "owners": []any{"*/ann"}},
			planned:  planned("Sessions To Be Ended in us-east-1: i-0000000a; */ann (account 123456789012)", testMatched("1 session", "us-east-1", `targets = ["i-0000000a"]; owners = ["*/ann"]`, "when this action is invoked")+testLines("ann-1")),
			progress: []string{"Asked for the end of 0 of 1 session.", "Asked for the end of 1 of 1 session.", "Drained 1 session in Region us-east-1 of account 123456789012."},
			spared:   []any{"eve-1", "dan-1", "cat-1", "gus-1", "bare-1"},
		},
		"no session": {
			config: map[string]any{"targets": []any{"i-00000002"}},
			planned: planned("No Sessions Match in us-east-1: i-00000002 (account 123456789012)", "No session in Region us-east-1 of account 123456789012 matched when looked at TIME UTC. The drain ends nobody when this action is invoked, unless a matching session starts before then."+
				"\n\nSelection: targets = [\"i-00000002\"].\n\nCheck the selection, the Region and the account."),
			progress: []string{"Drained 0 sessions in Region us-east-1 of account 123456789012."},
			spared:   testInventoryIDs,
		},
		"another Region": {
			config:   map[string]any{"targets": []any{"i-0000000a"}, "region": "eu-central-1"},
			planned:  planned("Sessions To Be Ended in eu-central-1: i-0000000a (account 123456789012)", testMatched("1 session", "eu-central-1", `targets = ["i-0000000a"]`, "when this action is invoked")+"abroad-1: an owner that SSM does not report on i-0000000a"),
			progress: []string{"Asked for the end of 0 of 1 session.", "Asked for the end of 1 of 1 session.", "Drained 1 session in Region eu-central-1 of account 123456789012."},
			spared:   testInventoryIDs,
		},
		"more than may be ended": {
			config: map[string]any{"targets": []any{"i-0000000a"}, "max_sessions": int64(1)},
			planned: planned("Too Many Sessions Match in us-east-1: i-0000000a (account 123456789012)", "2 sessions in Region us-east-1 of account 123456789012 matched when looked at TIME UTC, which is more than max_sessions = 1. "+
				"If as many match when this action is invoked, the drain fails and ends nobody.\n\nSelection: targets = [\"i-0000000a\"].\n\n  "+testLines("ann-1", "cat-1")),
			diags: []protocol.Diagnostic{protocol.Error("max_sessions", testDrainError,
				"2 sessions in Region us-east-1 of account 123456789012 match, but max_sessions allows 1 to be ended. Nothing was ended.\nSelection: targets = [\"i-0000000a\"].\nNarrow the selection, or raise max_sessions.")},
			spared: testInventoryIDs,
		},
		"a session that may not be ended": {
			config:   map[string]any{"targets": []any{"i-0000000a"}},
			faults:   []fakessm.Fault{{Operation: "TerminateSession", SessionID: "cat-1", Kind: fakessm.FaultDenied, Times: -1}},
			planned:  both,
			progress: []string{"Asked for the end of 0 of 2 sessions.", "Asked for the end of 1 of 2 sessions, 1 failed."},
			diags: []protocol.Diagnostic{protocol.Error("", testDrainError,
				"1 session in Region us-east-1 of account 123456789012 could not be ended (1 ended):\ncat-1: the credentials do not allow it\nAllow the IAM action ssm:TerminateSession\nAccessDeniedException")},
			spared: []any{"eve-1", "dan-1", "cat-1", "gus-1", "bare-1"},
		},
		"sessions that may not be listed": {
			config:  map[string]any{"targets": []any{"i-0000000a"}},
			faults:  []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Skip: 1, Times: -1}},
			planned: both,
			diags: []protocol.Diagnostic{protocol.Error("", testDrainError,
				"The sessions in Region us-east-1 of account 123456789012 could not be listed: the credentials do not allow it. Nothing was ended.\nAllow the IAM action ssm:DescribeSessions")},
			spared: testInventoryIDs,
		},
		"a grace period": {
			config:   map[string]any{"targets": []any{"i-0000000a"}, "grace_period": "100ms"},
			planned:  both,
			progress: []string{"Waiting for 2 sessions to end within the grace period ...", "Asked for the end of 0 of 2 sessions.", "Asked for the end of 2 of 2 sessions.", "Drained 2 sessions in Region us-east-1 of account 123456789012."},
			spared:   []any{"eve-1", "dan-1", "gus-1", "bare-1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t, fakessm.WithSessions(abroad))
			fake.Inject(tc.faults...)
			got := newConfiguredServer(t, testArguments(url)).InvokeAction("ssm_drain_sessions", tc.config)
			for i := range got.Planned {
				got.Planned[i].Detail = testStarted(testAtTime(got.Planned[i].Detail))
			}
			if diff := cmp.Diff(append([]protocol.Diagnostic{}, tc.planned...), got.Planned); diff != "" {
				t.Errorf("unexpected diagnostics of the plan (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{}, tc.progress...), testMilestones(got.Progress)); diff != "" {
				t.Errorf("unexpected progress (-want +got):\n%s", diff)
			}
			if len(got.Diagnostics) != len(tc.diags) {
				t.Fatalf("unexpected diagnostics: %+v", got.Diagnostics)
			}
			for i, want := range tc.diags {
				protocol.WantDiagnostic(t, want, got.Diagnostics[i:i+1])
			}
			testSpared(t, fake, tc.spared...)
			wantAbroad := "Connected"
			if tc.config["region"] != nil {
				wantAbroad = "Terminated"
			}
			endpoint.WantStatus(t, fake, "abroad-1", wantAbroad)
		})
	}
}

var testCounts = regexp.MustCompile(`^Asked for the end of (\d+) of (\d+) sessions?(, (\d+) failed)?\.$`)

// testMilestones removes the progress messages that only a slow machine causes.
func testMilestones(progress []string) []string {
	milestones := []string{}
	for i, message := range progress {
		if match := testCounts.FindStringSubmatch(message); match != nil {
			last := i+1 == len(progress) || !testCounts.MatchString(progress[i+1])
			if match[1] != "0" && !last {
				continue
			}
		}
		milestones = append(milestones, message)
	}

	return milestones
}

// Progress has counts and no session IDs, and few messages.
func TestDrainSessionsAction_progress(t *testing.T) {
	t.Parallel()

	const count = 200
	sessions := make([]fakessm.Session, count)
	for i := range sessions {
		sessions[i] = fakessm.Session{SessionID: fmt.Sprintf("many-%03d", i), Target: "i-00000100", StartDate: time.Unix(1_700_000_000+int64(i), 0)}
	}
	fake, url := testInventoryFake(t, fakessm.WithSessions(sessions...), fakessm.WithPageSize(50))
	start := time.Now()
	got := newConfiguredServer(t, testArguments(url)).InvokeAction("ssm_drain_sessions", map[string]any{"targets": []any{"i-00000100"}, "max_sessions": int64(count)})
	protocol.WantNoDiagnostics(t, slices.Concat(testWithoutDrainWarnings(got.Planned), got.Diagnostics))

	if diff := cmp.Diff([]string{"Asked for the end of 0 of 200 sessions.", "Asked for the end of 200 of 200 sessions.", "Drained 200 sessions in Region us-east-1 of account 123456789012."}, testMilestones(got.Progress)); diff != "" {
		t.Errorf("unexpected progress (-want +got):\n%s", diff)
	}
	if most := 3 + int(time.Since(start)/progressInterval); len(got.Progress) > most {
		t.Errorf("%d messages within %s, want %d at most:\n%s", len(got.Progress), time.Since(start), most, strings.Join(got.Progress, "\n"))
	}
	for _, message := range got.Progress {
		if strings.Contains(message, "many-") {
			t.Errorf("progress names a session: %s", message)
		}
	}
	if ended := fake.Count("TerminateSession"); ended != count {
		t.Errorf("TerminateSession was called %d times for %d sessions", ended, count)
	}
	testSpared(t, fake, testInventoryIDs...)
}

// An action with a wrong or unknown configuration is not invoked, and makes no call.
func TestDrainSessionsAction_notInvoked(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		config map[string]any
		want   protocol.Diagnostic // Empty if the configuration is only unknown.
	}{
		"a limit of zero":                 {map[string]any{"max_sessions": int64(0)}, protocol.Error("max_sessions", "Invalid Attribute Value", "between 1")},
		"an invalid grace period":         {map[string]any{"grace_period": "a while"}, protocol.Error("grace_period", "Invalid Duration", "a while")},
		"a negative grace period":         {map[string]any{"grace_period": "-1s"}, protocol.Error("grace_period", "Invalid Duration", "\"-1s\"")},
		"a grace period like the timeout": {map[string]any{"grace_period": "1m", "timeouts": map[string]any{"invoke": "60s"}}, protocol.Error("grace_period", "Grace Period Exceeds Timeout", "1m0s\ntimeouts.invoke = \"60s\"")},
		"an invalid timeout":              {map[string]any{"timeouts": map[string]any{"invoke": "soon"}}, protocol.Error("timeouts.invoke", "Invalid Attribute Value Time Duration", "soon")},
		"a timeout of zero":               {map[string]any{"timeouts": map[string]any{"invoke": "0s"}}, protocol.Error("timeouts.invoke", "Invalid Timeout", "above zero")},
		"unknown targets":                 {map[string]any{"targets": protocol.Unknown}, protocol.Diagnostic{}},
		"an unknown target":               {map[string]any{"targets": []any{protocol.Unknown}}, protocol.Diagnostic{}},
		"an unknown owner beside any":     {map[string]any{"targets": nil, "owners": []any{"*", protocol.Unknown}}, protocol.Diagnostic{}},
		"an unknown age":                  {map[string]any{"targets": nil, "older_than": protocol.Unknown}, protocol.Diagnostic{}},
		"an unknown grace period":         {map[string]any{"grace_period": protocol.Unknown, "timeouts": map[string]any{"invoke": "1s"}}, protocol.Diagnostic{}},
		"an unknown limit":                {map[string]any{"max_sessions": protocol.Unknown}, protocol.Diagnostic{}},
		"an unknown Region":               {map[string]any{"region": protocol.Unknown}, protocol.Diagnostic{}},
		"an unknown timeout":              {map[string]any{"targets": []any{"i-00000002"}, "timeouts": map[string]any{"invoke": protocol.Unknown}}, protocol.Diagnostic{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			got := newConfiguredServer(t, testArguments(url)).InvokeAction("ssm_drain_sessions", mergeConfig(map[string]any{"targets": []any{"i-0000000a"}}, tc.config))
			if name == "an unknown timeout" {
				// The plan warns of the sessions that will be ended.
				got.Planned = testWithoutDrainWarnings(got.Planned)
			} else {
				endpoint.WantCalls(t, fake)
			}
			wantNotInvoked(t, got, tc.want)
			testSpared(t, fake, testInventoryIDs...)
		})
	}
}

// Values that become known at the invocation are checked before any session is ended.
func TestDrainSessionsAction_foundOutWhenInvoked(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		planned, invoked map[string]any
		want             protocol.Diagnostic
	}{
		"no condition": {
			map[string]any{"targets": protocol.Unknown}, map[string]any{"targets": nil},
			protocol.Error("targets", testDrainError, "No condition says which sessions to end.\nNothing was ended."),
		},
		"any owner": {
			map[string]any{"owners": []any{protocol.Unknown}}, map[string]any{"owners": []any{"*"}},
			protocol.Error("owners", testDrainError, "match every owner"),
		},
		"any age": {
			map[string]any{"older_than": protocol.Unknown}, map[string]any{"older_than": "0s"},
			protocol.Error("older_than", testDrainError, "An age of 0s"),
		},
		"an exclusion of nobody": {
			map[string]any{"targets": []any{"i-0000000a"}, "exclude_owners": protocol.Unknown}, map[string]any{"targets": []any{"i-0000000a"}, "exclude_owners": []any{"arn:aws:iam::123456789012:user/an?"}},
			protocol.Error("exclude_owners[...]", "Invalid Owner", "excludes nobody: it contains the character \"?\""),
		},
		"a session's ARN to spare": {
			map[string]any{"targets": []any{"i-0000000a"}, "exclude_session_ids": protocol.Unknown}, map[string]any{"targets": []any{"i-0000000a"}, "exclude_session_ids": []any{"arn:aws:ssm:us-east-1:123456789012:session/ann-1"}},
			protocol.Error("exclude_session_ids[...]", "ARN Instead of Session ID", "exclude no session"),
		},
		"a long grace period": {
			map[string]any{"targets": []any{"i-00000002"}, "grace_period": protocol.Unknown, "timeouts": map[string]any{"invoke": "1m"}},
			map[string]any{"targets": []any{"i-00000002"}, "grace_period": "2m", "timeouts": map[string]any{"invoke": "1m"}},
			protocol.Error("grace_period", "Grace Period Exceeds Timeout", "2m0s\ntimeouts.invoke"),
		},
		"no session at all": {
			map[string]any{"targets": []any{"i-0000000a"}, "max_sessions": protocol.Unknown}, map[string]any{"targets": []any{"i-0000000a"}, "max_sessions": int64(0)},
			protocol.Error("max_sessions", "Invalid Attribute Value", "between 1 and"),
		},
		"a negative grace period": {
			map[string]any{"targets": []any{"i-0000000a"}, "grace_period": protocol.Unknown}, map[string]any{"targets": []any{"i-0000000a"}, "grace_period": "-1s"},
			protocol.Error("grace_period", "Invalid Duration", "-1s"),
		},
		"a Region of another partition": {
			map[string]any{"targets": []any{"i-0000000a"}, "region": protocol.Unknown}, map[string]any{"targets": []any{"i-0000000a"}, "region": "cn-north-1"},
			protocol.Error("region", "Invalid AWS Region", "aws-cn"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			got := newConfiguredServer(t, testArguments(url)).InvokeAction("ssm_drain_sessions", tc.planned, tc.invoked)
			protocol.WantNoDiagnostics(t, got.Planned)
			protocol.WantDiagnostic(t, tc.want, got.Diagnostics)
			endpoint.WantCalls(t, fake)
		})
	}
}

// timeouts.invoke bounds the time of the action.
func TestDrainSessionsAction_timeout(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t, fakessm.WithSessions(fakessm.Session{SessionID: "stays-1", Target: "i-00000001", Behaviour: fakessm.BehaviourUnkillable}))
	s := newConfiguredServer(t, testArguments(url))
	got := s.InvokeAction("ssm_drain_sessions", map[string]any{"targets": []any{"i-00000001"}, "timeouts": map[string]any{"invoke": "1s"}})
	protocol.WantDiagnostic(t, protocol.Error("", testDrainError, "1 session in Region us-east-1 of account 123456789012 could not be ended (0 ended):\nstays-1: it is still live after the time allowed\nlonger time"), got.Diagnostics)
	if strings.Contains(got.Diagnostics[0].Detail, "timeouts.create") {
		t.Errorf("the action has no timeouts.create: %s", got.Diagnostics[0].Detail)
	}
	testSpared(t, fake, testInventoryIDs...)
}

// A provider with unknown arguments plans, but makes no call.
func TestDrainSessionsAction_providerUnknown(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	s := newConfiguredServer(t, testArguments(url, map[string]any{"access_key": protocol.Unknown}))
	got := s.InvokeAction("ssm_drain_sessions", map[string]any{"targets": []any{"i-0000000a"}, "region": testRegion})
	protocol.WantNoDiagnostics(t, got.Planned)
	protocol.WantDiagnostic(t, protocol.Error("", testDrainError, "The provider argument \"access_key\" has a value that is not known yet"), got.Diagnostics)
	endpoint.WantCalls(t, fake)
	testSpared(t, fake, testInventoryIDs...)
}
