// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	testDrain      = "ssm_session_drain.test"
	testDrainError = "Unable to Drain Sessions"
)

// testSessionDrainResourceConfig_basic returns a drain. Its arguments are lines of HCL.
func testSessionDrainResourceConfig_basic(url string, arguments ...string) string {
	return testProviderConfig(url) + fmt.Sprintf(`
resource "ssm_session_drain" "test" {
  %s
}
`, strings.Join(arguments, "\n  "))
}

// testOutcomes checks the outcomes in state, given as ID and outcome in turn.
func testOutcomes(pairs ...string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(testDrain, tfjsonpath.New("outcomes"), testOutcomesValue(pairs...))
}

func testOutcomesValue(pairs ...string) knownvalue.Check {
	outcomes := map[string]knownvalue.Check{}
	for pair := range slices.Chunk(pairs, 2) {
		outcomes[pair[0]] = knownvalue.StringExact(pair[1])
	}

	return knownvalue.MapExact(outcomes)
}

// testHookedFake starts an endpoint with the inventory that calls a function before each
// request.
func testHookedFake(t *testing.T, ahead func(fake *fakessm.Server, operation string), options ...fakessm.Option) (*fakessm.Server, string) {
	t.Helper()

	fake, _ := testInventoryFake(t, options...)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		ahead(fake, operation)
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)

	return fake, server.URL
}

// testSpared checks which sessions of the inventory are still live, by age.
func testSpared(t *testing.T, fake *fakessm.Server, want ...any) {
	t.Helper()

	if diff := cmp.Diff(append([]any{}, want...), testLiveIDs(fake)); diff != "" {
		t.Errorf("unexpected live sessions (-want +got):\n%s", diff)
	}
}

// testWithoutDrainWarnings removes the warnings about sessions that a plan will end, and
// that a destroyed drain has ended.
func testWithoutDrainWarnings(diags []protocol.Diagnostic) []protocol.Diagnostic {
	for _, summary := range []string{"Sessions To Be Ended in ", "No Sessions Match in ", "Too Many Sessions Match in ", "Sessions Ended in "} {
		diags = protocol.Without(diags, summary)
	}

	return diags
}

// testMatched returns the beginning of the warning of a drain's plan. testAtTime makes
// the time in such a warning comparable.
func testMatched(count, region, selection, occasion string) string {
	return fmt.Sprintf("%s in Region %s of account 123456789012 matched when looked at TIME UTC. Every session that matches %s is ended.\n\nSelection: %s.\n\n  ", count, region, occasion, selection)
}

func testAtTime(text string) string {
	return regexp.MustCompile(`at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`).ReplaceAllString(text, "at TIME UTC")
}

// testLines returns sessions of the inventory as a warning shows them.
func testLines(ids ...string) string {
	var lines []string
	for _, id := range ids {
		for _, session := range testInventory() {
			if session.SessionID == id {
				lines = append(lines, fmt.Sprintf("%s: %s on %s", id, session.Owner, session.Target))
			}
		}
	}

	return strings.Join(lines, "\n  ")
}

// testStarted removes the start times from the lines of sessions.
func testStarted(text string) string {
	return regexp.MustCompile(`, started \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`).ReplaceAllString(text, "")
}

// mergeConfig returns a copy of a configuration with changes.
func mergeConfig(config map[string]any, changes map[string]any) map[string]any {
	out := maps.Clone(config)
	maps.Copy(out, changes)

	return out
}

func TestSessionDrainResource_basic(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	config := testSessionDrainResourceConfig_basic(url, fmt.Sprintf("targets = [%q]", testTarget))
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: config,
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectKnownValue(testDrain, tfjsonpath.New("region"), knownvalue.StringExact(testRegion)),
						plancheck.ExpectUnknownValue(testDrain, tfjsonpath.New("outcomes")),
						planHook(func() {
							endpoint.WantStatus(t, fake, testLive, "Connected")
							endpoint.WantCalls(t, fake, "DescribeSessions us-east-1 Active")
						}),
					},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					testOutcomes(testLive, "terminated"),
					statecheck.ExpectKnownValue(testDrain, tfjsonpath.New("when"), knownvalue.StringExact("create")),
					statecheck.ExpectKnownValue(testDrain, tfjsonpath.New("grace_period"), knownvalue.StringExact("0s")),
					statecheck.ExpectKnownValue(testDrain, tfjsonpath.New("max_sessions"), knownvalue.Int64Exact(100)),
				},
			},
			{
				PreConfig: func() {
					endpoint.WantStatus(t, fake, testLive, "Terminated")
					endpoint.WantStatus(t, fake, testAway, "Disconnected")
					// The plan during apply, the drain and its lookup afterwards. The
					// next plan makes no call.
					endpoint.WantCalls(t, fake,
						"DescribeSessions us-east-1 Active",
						"DescribeSessions us-east-1 Active",
						"TerminateSession us-east-1 "+testLive,
						"DescribeSessions us-east-1 Active")
					fake.AddSessions(testSessions()...)
				},
				Config:   config,
				PlanOnly: true,
			},
			{
				// Another value of a trigger drains again.
				Config: testSessionDrainResourceConfig_basic(url, fmt.Sprintf("targets = [%q]", testTarget), `triggers = { shift = "night" }`),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(testDrain, plancheck.ResourceActionDestroyBeforeCreate)},
				},
				ConfigStateChecks: []statecheck.StateCheck{testOutcomes(testLive, "terminated")},
			},
			{
				PreConfig: fake.ResetRequests,
				Config:    testSessionDrainResourceConfig_basic(url, fmt.Sprintf("targets = [%q]", testTarget), `triggers = { shift = "night" }`, `max_sessions = 1`),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(testDrain, plancheck.ResourceActionUpdate)},
				},
				ConfigStateChecks: []statecheck.StateCheck{testOutcomes(testLive, "terminated")},
			},
		},
	})
	endpoint.WantStatus(t, fake, testLive, "Terminated")
	// Neither the update nor the destroy makes a call.
	endpoint.WantCalls(t, fake)
}

// testNodeConfig returns a node that is drained before it is destroyed. Its destruction
// writes a file.
func testNodeConfig(url, node, destroyed string, arguments ...string) string {
	return testSessionDrainResourceConfig_basic(url, append(arguments, `when = "destroy"`, "targets = [terraform_data.node.output]")...) + fmt.Sprintf(`
resource "terraform_data" "node" {
  input            = %[1]q
  triggers_replace = [%[1]q, %[2]q]

  provisioner "local-exec" {
    when    = destroy
    command = "echo destroyed >> '${self.triggers_replace[1]}'"
  }
}
`, node, destroyed)
}

// A node's sessions end before the node is replaced or destroyed. Those of the new node,
// and of others, stay.
func TestSessionDrainResource_order(t *testing.T) {
	t.Parallel()

	var (
		destroyed = filepath.Join(t.TempDir(), "destroyed")
		early     atomic.Int32 // Requests to end a session while its node was still there.
		late      atomic.Int32
	)
	fake, url := testHookedFake(t, func(_ *fakessm.Server, operation string) {
		if operation != "TerminateSession" {
			return
		}
		if _, err := os.Stat(destroyed); err == nil {
			late.Add(1)
		} else {
			early.Add(1)
		}
	})
	expect := func(sessions int32) {
		t.Helper()
		if early.Swap(0) != sessions || late.Swap(0) != 0 {
			t.Error("the sessions did not end before their node was destroyed")
		}
		if content, err := os.ReadFile(destroyed); err != nil || string(content) != "destroyed\n" {
			t.Errorf("the node was not destroyed once: %q, %v", content, err)
		}
		if err := os.Remove(destroyed); err != nil {
			t.Error(err)
		}
	}
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testNodeConfig(url, "i-0000000a", destroyed),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectKnownValue(testDrain, tfjsonpath.New("outcomes"), testOutcomesValue()),
					},
				},
				ConfigStateChecks: []statecheck.StateCheck{testOutcomes()},
			},
			{
				PreConfig: func() {
					endpoint.WantCalls(t, fake)
					testSpared(t, fake, testInventoryIDs...)
				},
				Config: testNodeConfig(url, "i-0000000b", destroyed),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(testDrain, plancheck.ResourceActionDestroyBeforeCreate),
						plancheck.ExpectResourceAction("terraform_data.node", plancheck.ResourceActionDestroyBeforeCreate),
					},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					testOutcomes(),
					statecheck.ExpectKnownValue(testDrain, tfjsonpath.New("targets"), knownvalue.SetExact([]knownvalue.Check{knownvalue.StringExact("i-0000000b")})),
				},
			},
			{
				PreConfig: func() {
					testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
					expect(2)
				},
				Config:  testNodeConfig(url, "i-0000000b", destroyed),
				Destroy: true,
			},
		},
	})
	testSpared(t, fake, "eve-1", "bare-1")
	expect(2)
}

// A failed drain stops the destruction of its node, and the next attempt ends the rest.
func TestSessionDrainResource_orderFailing(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		after string // Node of the next configuration, empty to destroy.
	}{
		"when the node is replaced": {"i-00000002"},
		"when all is destroyed":     {""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			destroyed := filepath.Join(t.TempDir(), "destroyed")
			fake, url := testInventoryFake(t)
			before := testNodeConfig(url, "i-0000000a", destroyed)
			after, destroy := before, true
			if tc.after != "" {
				after, destroy = testNodeConfig(url, tc.after, destroyed), false
			}
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{
					{
						Config: before,
					},
					{
						PreConfig: func() {
							fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: "cat-1", Kind: fakessm.FaultDenied, Times: -1})
						},
						Config:      after,
						Destroy:     destroy,
						ExpectError: testWrapped(testDrainError + `.*1 session in Region us-east-1 of account 123456789012 could not be ended \(1 ended\).*cat-1: the credentials do not allow it.*ssm:TerminateSession`),
					},
					{
						PreConfig: func() {
							if _, err := os.Stat(destroyed); err == nil {
								t.Error("the node was destroyed although one of its sessions is live")
							}
							testSpared(t, fake, "eve-1", "dan-1", "cat-1", "gus-1", "bare-1")
						},
						RefreshState:       true,
						ExpectNonEmptyPlan: tc.after != "",
						Check: resource.ComposeAggregateTestCheckFunc(
							resource.TestCheckResourceAttr("terraform_data.node", "output", "i-0000000a"),
							resource.TestCheckResourceAttr(testDrain, "outcomes.%", "2"),
							resource.TestCheckResourceAttr(testDrain, "outcomes.ann-1", "terminated"),
							resource.TestCheckResourceAttr(testDrain, "outcomes.cat-1", "failed"),
						),
					},
					{
						PreConfig: fake.ClearFaults,
						Config:    after,
						Destroy:   destroy,
					},
				},
			})
			testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
			if content, err := os.ReadFile(destroyed); err != nil || !strings.HasPrefix(string(content), "destroyed\n") {
				t.Errorf("the node was never destroyed: %v", err)
			}
		})
	}
}

// A drain whose create failed in part is tainted and has the outcomes. Its replacement
// drains once, and not also for the destroy of the old drain.
func TestSessionDrainResource_partialFailure(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: "cat-1", Kind: fakessm.FaultDenied, Times: -1})
	config := testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`, `when = "both"`)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: config,
				ExpectError: testWrapped(testDrainError + `.*1 session in Region us-east-1 of account 123456789012 could not be ended \(1 ended\):.*cat-1: the credentials do not allow it` +
					`.*Allow the IAM action ssm:TerminateSession.*AccessDeniedException`),
			},
			{
				PreConfig:    func() { testSpared(t, fake, "eve-1", "dan-1", "cat-1", "gus-1", "bare-1") },
				RefreshState: true,
				Check: resource.ComposeAggregateTestCheckFunc(
					resource.TestCheckResourceAttr(testDrain, "outcomes.%", "2"),
					resource.TestCheckResourceAttr(testDrain, "outcomes.ann-1", "terminated"),
					resource.TestCheckResourceAttr(testDrain, "outcomes.cat-1", "failed"),
				),
				ExpectNonEmptyPlan: true,
			},
			{
				PreConfig: func() {
					fake.ClearFaults()
					fake.ResetRequests()
				},
				Config: config,
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(testDrain, plancheck.ResourceActionDestroyBeforeCreate)},
				},
				ConfigStateChecks: []statecheck.StateCheck{testOutcomes("cat-1", "terminated")},
			},
			{
				PreConfig: func() {
					if got := fake.Count("TerminateSession"); got != 1 {
						t.Errorf("TerminateSession was called %d times, want once, by the new drain", got)
					}
					fake.AddSessions(testInventory()...)
				},
				// A drain that succeeded also drains on its destroy.
				Config:  config,
				Destroy: true,
			},
		},
	})
	testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
}

// testLate is a value that becomes known during apply.
const testLate = `
resource "terraform_data" "late" {
  input = {
    owner  = "*"
    age    = "0s"
    role   = "arn:aws:iam::123456789012:role/Operator"
    grace  = "60s"
    max    = 1
    region = "cn-north-1"
    target = "i-0000000a"
    key    = "AKIAIOSFODNN7EXAMPLE"
  }
}
`

// Values that become known during apply are checked before any session is ended.
func TestSessionDrainResource_foundOutAtApply(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		arguments []string
		want      string
	}{
		"no condition":                   {[]string{`targets = terraform_data.late.id == "" ? ["i-0000000a"] : null`}, testDrainError + `.*No condition says which sessions to end.*Nothing was ended`},
		"any owner":                      {[]string{`owners = [terraform_data.late.output.owner]`}, testDrainError + `.*The patterns in owners match every owner.*Nothing was ended`},
		"any age":                        {[]string{`older_than = terraform_data.late.output.age`}, testDrainError + `.*An age of 0s is below a minute, which is no condition.*Nothing was ended`},
		"a role for an owner":            {[]string{`owners = [terraform_data.late.output.role]`}, `Invalid Owner.*arn:aws:sts::123456789012:assumed-role/Operator/\*`},
		"a long grace period":            {[]string{`targets = ["i-0000000a"]`, `grace_period = terraform_data.late.output.grace`, `timeouts { create = "1m" }`}, `Grace Period Exceeds Timeout.*timeouts\.create`},
		"a long grace period at the end": {[]string{`targets = ["i-0000000a"]`, `when = "destroy"`, `grace_period = terraform_data.late.output.grace`, `timeouts { delete = "1m" }`}, `Grace Period Exceeds Timeout.*timeouts\.delete`},
		"too many":                       {[]string{`targets = ["i-0000000a"]`, `max_sessions = terraform_data.late.output.max`}, testDrainError + `.*2 sessions in Region us-east-1 of account 123456789012 match, but max_sessions allows 1`},
		"a Region of another partition":  {[]string{`targets = ["i-0000000a"]`, `region = terraform_data.late.output.region`}, `Invalid AWS Region.*aws-cn`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{
					{
						// The plan accepts it.
						Config:             testSessionDrainResourceConfig_basic(url, tc.arguments...) + testLate,
						PlanOnly:           true,
						ExpectNonEmptyPlan: true,
					},
					{
						Config:      testSessionDrainResourceConfig_basic(url, tc.arguments...) + testLate,
						ExpectError: testWrapped(tc.want),
					},
				},
			})
			if got := fake.Count("TerminateSession"); got != 0 {
				t.Errorf("TerminateSession was called %d times", got)
			}
		})
	}
}

// While targets or the provider's arguments are unknown, the plan makes no call. The
// apply drains.
func TestSessionDrainResource_unknownAtPlan(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		config func(url string) string
		region knownvalue.Check // In the plan, nil if it is unknown.
	}{
		"targets": {
			func(url string) string {
				return testSessionDrainResourceConfig_basic(url, `targets = [terraform_data.late.output.target]`)
			},
			knownvalue.StringExact(testRegion),
		},
		"an argument of the provider": {
			func(url string) string {
				return strings.Replace(testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`), fmt.Sprintf("%q", fakessm.DefaultAccessKeyID), "terraform_data.late.output.key", 1)
			},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			region := plancheck.ExpectUnknownValue(testDrain, tfjsonpath.New("region"))
			if tc.region != nil {
				region = plancheck.ExpectKnownValue(testDrain, tfjsonpath.New("region"), tc.region)
			}
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{
					{
						Config: tc.config(url) + testLate,
						ConfigPlanChecks: resource.ConfigPlanChecks{
							PreApply: []plancheck.PlanCheck{
								region,
								plancheck.ExpectUnknownValue(testDrain, tfjsonpath.New("outcomes")),
								planHook(func() { endpoint.WantCalls(t, fake) }),
							},
							PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
						},
						ConfigStateChecks: []statecheck.StateCheck{
							testOutcomes("ann-1", "terminated", "cat-1", "terminated"),
							statecheck.ExpectKnownValue(testDrain, tfjsonpath.New("region"), knownvalue.StringExact(testRegion)),
						},
					},
				},
			})
			testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
		})
	}
}

// A drain takes place when "when" says so.
func TestSessionDrainResource_when(t *testing.T) {
	t.Parallel()

	drained := map[string]any{"ann-1": "terminated", "cat-1": "terminated"}
	for name, tc := range map[string]struct {
		when            any
		create, destroy bool
	}{
		"by default": {nil, true, false},
		"on create":  {"create", true, false},
		"on destroy": {"destroy", false, true},
		"on both":    {"both", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			s := newConfiguredServer(t, testArguments(url))
			state, diags := s.Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}, "when": tc.when})
			protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			want, spared := map[string]any{}, testInventoryIDs
			if tc.create {
				want, spared = drained, []any{"eve-1", "dan-1", "gus-1", "bare-1"}
			}
			if diff := cmp.Diff(want, state.Values["outcomes"]); diff != "" {
				t.Errorf("unexpected outcomes (-want +got):\n%s", diff)
			}
			testSpared(t, fake, spared...)
			if got := len(endpoint.TakeCalls(fake)); tc.create != (got > 0) {
				t.Errorf("%d requests by create", got)
			}

			refreshed, diags := s.Read(state)
			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(state.Values, refreshed.Values); diff != "" {
				t.Errorf("the refresh changed something (-before +after):\n%s", diff)
			}
			endpoint.WantCalls(t, fake)

			fake.AddSessions(testInventory()...)
			state, diags = s.Destroy(refreshed)
			protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			spared = testInventoryIDs
			if tc.destroy {
				spared = []any{"eve-1", "dan-1", "gus-1", "bare-1"}
			}
			testSpared(t, fake, spared...)
			if got := len(endpoint.TakeCalls(fake)); tc.destroy != (got > 0) {
				t.Errorf("%d requests by destroy", got)
			}
			if state.Values != nil {
				t.Errorf("the drain is still there: %v", state.Values)
			}
		})
	}
}

// The plan warns of the sessions that it will end, whenever there are any.
func TestSessionDrainResource_planWarning(t *testing.T) {
	t.Parallel()

	const onCreate = "when this drain is created"
	many := make([]fakessm.Session, 0, 12)
	for i := range cap(many) {
		many = append(many, fakessm.Session{SessionID: fmt.Sprintf("many-%02d", i+1), Target: "i-00000100", Owner: testOwner, StartDate: time.Unix(1_700_000_000+int64(i), 0)})
	}
	ten := ""
	for i := range 10 {
		ten += fmt.Sprintf("many-%02d: %s on i-00000100\n  ", i+1, testOwner)
	}
	ten += "and 2 more"
	warning := func(summary, detail string) []protocol.Diagnostic {
		return []protocol.Diagnostic{protocol.Warning("", summary, detail)}
	}

	for name, tc := range map[string]struct {
		config map[string]any
		fault  fakessm.FaultKind
		want   []protocol.Diagnostic
		calls  []string
	}{
		"no session": {
			config: map[string]any{"targets": []any{"i-00000002"}, "exclude_session_ids": []any{"ann-1"}},
			want: warning("No Sessions Match in us-east-1: i-00000002; exclude_session_ids ann-1 (account 123456789012)", "No session in Region us-east-1 of account 123456789012 matched when looked at TIME UTC. The drain ends nobody when this drain is created, unless a matching session starts before then.\n\n"+
				`Selection: targets = ["i-00000002"]; exclude_session_ids = ["ann-1"].`+"\n\nCheck the selection, the Region and the account."),
			// A filter without results proves nothing, so all pages are read.
			calls: slices.Repeat([]string{"DescribeSessions us-east-1 Active"}, 10),
		},
		"an owner in other letters": {
			config: map[string]any{"owners": []any{"arn:aws:sts::123456789012:assumed-role/Operator/Ann"}, "older_than": "1h"},
			want: warning("No Sessions Match in us-east-1: arn:aws:sts::123456789012:assumed-role/Operator/Ann; older_than 1h0m0s (account 123456789012)", "No session in Region us-east-1 of account 123456789012 matched when looked at TIME UTC. The drain ends nobody when this drain is created, unless a matching session starts before then.\n\n"+
				`Selection: owners = ["arn:aws:sts::123456789012:assumed-role/Operator/Ann"]; older_than = "1h0m0s".`+"\n\nCheck the selection, the Region and the account.\n\n"+
				"Owners are case-sensitive. These owners differ only in case, and have sessions:\n\n  arn:aws:sts::123456789012:assumed-role/Operator/ann"),
		},
		"an empty set": {
			config: map[string]any{"targets": []any{}, "exclude_session_ids": []any{}},
			want: warning("No Sessions Match in us-east-1: targets []; exclude_session_ids [] (account 123456789012)", "targets is empty, and an empty set matches nothing. The drain ends nobody when this drain is created.\n\n"+
				"Selection: targets = []; exclude_session_ids = [].\n\nAdd values to targets, or remove it."),
			calls: []string{},
		},
		"an empty set beside another": {
			config: map[string]any{"targets": []any{"i-0000000a"}, "owners": []any{}},
			want: warning("No Sessions Match in us-east-1: i-0000000a; owners [] (account 123456789012)", "owners is empty, and an empty set matches nothing. The drain ends nobody when this drain is created.\n\n"+
				"Selection: targets = [\"i-0000000a\"]; owners = [].\n\nAdd values to owners, or remove it."),
			calls: []string{},
		},
		"values that match no session": {
			config: map[string]any{
				"targets": []any{"i-0000000a", "i-00000002"}, "owners": []any{"*/ann", "*/cat", "*/bobb", "*/eve"},
				"exclude_owners": []any{"*/cat", "*/BreakGlass/*"}, "exclude_session_ids": []any{"ann-2"},
			},
			want: warning("Sessions To Be Ended in us-east-1: i-0000000a and 1 more; */ann and 3 more; exclude_owners */cat and 1 more; exclude_session_ids ann-2 (account 123456789012, selection bdc818c9)",
				testMatched("1 session", "us-east-1", `targets = ["i-0000000a", "i-00000002"]; owners = ["*/ann", "*/cat", "*/bobb", "*/eve"]; exclude_owners = ["*/cat", "*/BreakGlass/*"]; exclude_session_ids = ["ann-2"]`, onCreate)+testLines("ann-1")+
					"\n\nThese values match no session now, given the other arguments: targets = [\"i-00000002\"]; owners = [\"*/bobb\", \"*/eve\"]; exclude_owners = [\"*/BreakGlass/*\"]; exclude_session_ids = [\"ann-2\"]."),
		},
		"many values that match no session": {
			config: map[string]any{"targets": []any{"i-0000000c"}, "max_sessions": int64(1), "exclude_session_ids": []any{"x-1", "x-2", "x-3", "x-4", "x-5", "x-6", "x-7"}},
			want: warning("Sessions To Be Ended in us-east-1: i-0000000c; exclude_session_ids x-1 and 6 more (account 123456789012, selection c48dc5cc)",
				testMatched("1 session", "us-east-1", `targets = ["i-0000000c"]; exclude_session_ids = ["x-1", "x-2", "x-3", "x-4", "x-5", and 2 more]`, onCreate)+testLines("eve-1")+
					"\n\nThese values match no session now, given the other arguments: exclude_session_ids = [\"x-1\", \"x-2\", \"x-3\", \"x-4\", \"x-5\", and 2 more]."),
		},
		"one session": {config: map[string]any{"targets": []any{"i-0000000c"}}, want: warning("Sessions To Be Ended in us-east-1: i-0000000c (account 123456789012)", testMatched("1 session", "us-east-1", `targets = ["i-0000000c"]`, onCreate)+testLines("eve-1")), calls: []string{"DescribeSessions us-east-1 Active"}},
		"some sessions, by age": {
			config: map[string]any{"targets": []any{"i-0000000a", "i-0000000c"}, "when": "both"},
			want:   warning("Sessions To Be Ended in us-east-1: i-0000000a and 1 more (account 123456789012, selection a20a6484)", testMatched("3 sessions", "us-east-1", `targets = ["i-0000000a", "i-0000000c"]`, onCreate)+testLines("eve-1", "ann-1", "cat-1")),
		},
		"more than the plan names": {
			config: map[string]any{"targets": []any{"i-00000100"}, "max_sessions": int64(12)},
			want:   warning("Sessions To Be Ended in us-east-1: i-00000100 (account 123456789012)", testMatched("12 sessions", "us-east-1", `targets = ["i-00000100"]`, onCreate)+ten),
		},
		"more than may be ended": {
			config: map[string]any{"targets": []any{"i-00000100"}, "max_sessions": int64(11)},
			want: warning("Too Many Sessions Match in us-east-1: i-00000100 (account 123456789012)", "12 sessions in Region us-east-1 of account 123456789012 matched when looked at TIME UTC, which is more than max_sessions = 11. "+
				"If as many match when this drain is created, the drain fails and ends nobody.\n\nSelection: targets = [\"i-00000100\"].\n\n  "+ten),
		},
		"another Region": {
			config: map[string]any{"targets": []any{"i-0000000a"}, "region": "eu-central-1"},
			want:   warning("Sessions To Be Ended in eu-central-1: i-0000000a (account 123456789012)", testMatched("1 session", "eu-central-1", `targets = ["i-0000000a"]`, onCreate)+"abroad-1: an owner that SSM does not report on i-0000000a"),
			calls:  []string{"DescribeSessions eu-central-1 Active"},
		},
		"a drain on destroy":  {config: map[string]any{"targets": []any{"i-0000000a"}, "when": "destroy"}, want: []protocol.Diagnostic{}, calls: []string{}},
		"an unknown target":   {config: map[string]any{"targets": []any{"i-0000000a", protocol.Unknown}}, want: []protocol.Diagnostic{}, calls: []string{}},
		"unknown targets":     {config: map[string]any{"targets": protocol.Unknown}, want: []protocol.Diagnostic{}, calls: []string{}},
		"an unknown age":      {config: map[string]any{"targets": []any{"i-0000000a"}, "older_than": protocol.Unknown}, want: []protocol.Diagnostic{}, calls: []string{}},
		"an unknown Region":   {config: map[string]any{"targets": []any{"i-0000000a"}, "region": protocol.Unknown}, want: []protocol.Diagnostic{}, calls: []string{}},
		"an unknown limit":    {config: map[string]any{"targets": []any{"i-0000000a"}, "max_sessions": protocol.Unknown}, want: []protocol.Diagnostic{}, calls: []string{}},
		"an unknown \"when\"": {config: map[string]any{"targets": []any{"i-0000000a"}, "when": protocol.Unknown}, want: []protocol.Diagnostic{}, calls: []string{}},
		"a denied listing": {
			config: map[string]any{"targets": []any{"i-0000000a"}},
			fault:  fakessm.FaultDenied,
			want:   []protocol.Diagnostic{protocol.Warning("", "Sessions Not Counted in us-east-1: i-0000000a (account 123456789012)", "")},
			calls:  []string{"DescribeSessions us-east-1 Active"},
		},
		"a throttled listing": {
			config: map[string]any{"targets": []any{"i-0000000a"}},
			fault:  fakessm.FaultThrottle,
			want:   []protocol.Diagnostic{protocol.Warning("", "Sessions Not Counted in us-east-1: i-0000000a (account 123456789012)", "")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t, fakessm.WithSessions(many...), fakessm.WithSessions(fakessm.Session{SessionID: "abroad-1", Target: "i-0000000a", Region: "eu-central-1"}))
			if tc.fault != "" {
				fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: tc.fault, Times: -1})
			}
			s := newConfiguredServer(t, testArguments(url, map[string]any{"max_retries": int64(2)}))
			plan, diags := s.PlanCreate("ssm_session_drain", tc.config)
			if tc.fault != "" {
				for _, part := range []string{"us-east-1", "when this drain is created", "could not be counted", "Exception"} {
					if len(diags) == 1 && !strings.Contains(diags[0].Detail, part) {
						t.Errorf("the warning does not say %q: %s", part, diags[0].Detail)
					}
				}
				tc.want[0].Detail = diags[0].Detail
			} else if len(diags) == 1 {
				if strings.Contains(diags[0].Detail, "Ended") && !strings.Contains(diags[0].Detail, ", started 20") {
					t.Errorf("the warning does not say when the sessions started: %s", diags[0].Detail)
				}
				diags[0].Detail = testStarted(testAtTime(diags[0].Detail))
			}
			if diff := cmp.Diff(tc.want, diags); diff != "" {
				t.Errorf("unexpected diagnostics (-want +got):\n%s", diff)
			}
			if plan == nil {
				t.Fatal("there is no plan")
			}
			if len(plan.Private) > 0 {
				t.Errorf("the plan stores %s", plan.Private)
			}
			calls := endpoint.TakeCalls(fake)
			if tc.calls != nil {
				if diff := cmp.Diff(tc.calls, calls); diff != "" {
					t.Errorf("unexpected requests (-want +got):\n%s", diff)
				}
			}
			for _, call := range calls {
				if strings.HasPrefix(call, "Terminate") {
					t.Error("the plan ended a session")
				}
			}
		})
	}
}

// A plan that destroys or replaces a drain warns of the sessions that the drain in state
// selects, and of those that the new one selects.
func TestSessionDrainResource_planWarningOfEnd(t *testing.T) {
	t.Parallel()

	var (
		ended   = testMatched("2 sessions", "us-east-1", `targets = ["i-0000000a"]`, "before this drain is destroyed") + testLines("ann-1", "cat-1")
		created = func(target string, ids ...string) string {
			return testMatched("2 sessions", "us-east-1", fmt.Sprintf("targets = [%q]", target), "when this drain is created") + testLines(ids...)
		}
	)
	for name, tc := range map[string]struct {
		config map[string]any
		next   map[string]any // Changes of the next configuration, nil to destroy.
		want   []string
	}{
		"destroyed": {map[string]any{"when": "destroy"}, nil, []string{ended}},
		"destroyed, more than allowed": {map[string]any{"when": "destroy", "max_sessions": int64(1)}, nil, []string{"2 sessions in Region us-east-1 of account 123456789012 matched when looked at TIME UTC, which is more than max_sessions = 1. " +
			"If as many match before this drain is destroyed, the drain fails and ends nobody.\n\nSelection: targets = [\"i-0000000a\"].\n\n  " + testLines("ann-1", "cat-1")}},
		"destroyed without effect":           {map[string]any{"when": "create"}, nil, nil},
		"replaced by its targets":            {map[string]any{"when": "destroy"}, map[string]any{"targets": []any{"i-0000000b"}}, []string{ended}},
		"replaced by unknown targets":        {map[string]any{"when": "destroy"}, map[string]any{"targets": []any{protocol.Unknown}}, []string{ended}},
		"replaced by a trigger":              {map[string]any{"when": "destroy"}, map[string]any{"triggers": map[string]any{"shift": "night"}}, []string{ended}},
		"replaced by its Region":             {map[string]any{"when": "destroy"}, map[string]any{"region": "eu-central-1"}, []string{ended}},
		"replaced to drain again":            {map[string]any{"when": "create"}, map[string]any{"triggers": map[string]any{"shift": "night"}}, []string{created("i-0000000a", "ann-1", "cat-1")}},
		"replaced by one that drains":        {map[string]any{"when": "destroy"}, map[string]any{"when": "both", "targets": []any{"i-0000000b"}}, []string{ended, created("i-0000000b", "dan-1", "gus-1")}},
		"replaced by one that ends the same": {map[string]any{"when": "both"}, map[string]any{"triggers": map[string]any{"shift": "night"}}, []string{created("i-0000000a", "ann-1", "cat-1")}},
		"replaced by one that ends some of the same": {map[string]any{"when": "both"}, map[string]any{"targets": []any{"i-0000000a", "i-0000000b"}, "owners": []any{"*/ann", "*/dan"}},
			[]string{
				testMatched("1 session", "us-east-1", `targets = ["i-0000000a"]`, "before this drain is destroyed") + testLines("cat-1"),
				testMatched("2 sessions", "us-east-1", `targets = ["i-0000000a", "i-0000000b"]; owners = ["*/ann", "*/dan"]`, "when this drain is created") + testLines("ann-1", "dan-1"),
			}},
		"changed in place to other owners": {map[string]any{"when": "create", "owners": []any{"*/ann"}}, map[string]any{"owners": []any{"*/cat"}},
			[]string{testMatched("1 session", "us-east-1", `targets = ["i-0000000a"]; owners = ["*/cat"]`, "when this drain is updated") + testLines("cat-1")}},
		"replaced and not to drain": {map[string]any{"when": "create"}, map[string]any{"when": "destroy", "targets": []any{"i-0000000b"}}, nil},
		"changed in place":          {map[string]any{"when": "destroy"}, map[string]any{"max_sessions": int64(5)}, nil},
		"changed in place to drain": {map[string]any{"when": "destroy"}, map[string]any{"when": "both"}, nil},
		"not changed":               {map[string]any{"when": "destroy"}, map[string]any{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			s := newConfiguredServer(t, testArguments(url))
			config := mergeConfig(map[string]any{"targets": []any{"i-0000000a"}}, tc.config)
			state, diags := s.Create("ssm_session_drain", config)
			protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			fake.AddSessions(testInventory()...)
			endpoint.TakeCalls(fake)

			var next map[string]any
			if tc.next != nil {
				next = mergeConfig(config, tc.next)
			}
			// Terraform plans a replacement a second time, as a create, and drops the
			// warnings of that plan. So the first plan has to warn of everything.
			_, diags = s.Plan(state, next)
			var said []string
			for _, d := range diags {
				if d.Severity != "warning" || !strings.HasPrefix(d.Summary, "Sessions To Be Ended in us-east-1: i-") && !strings.Contains(name, "more than allowed") || d.Attribute != "" {
					t.Errorf("unexpected diagnostic: %+v", d)
				}
				said = append(said, testStarted(testAtTime(d.Detail)))
			}
			if diff := cmp.Diff(strings.Join(tc.want, "\n\n"), strings.Join(said, "\n\n")); diff != "" {
				t.Errorf("unexpected warnings (-want +got):\n%s", diff)
			}
			if tc.want == nil {
				endpoint.WantCalls(t, fake)
			}
			testSpared(t, fake, testInventoryIDs...)
		})
	}
}

// Terraform shows the warnings of all drains. It would show only the first of several
// warnings with the same summary.
func TestSessionDrainResource_warningsShown(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	config := func(shift string) string {
		return testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`, `when = "both"`, fmt.Sprintf("triggers = { shift = %q }", shift))
	}
	w := workspace.New(t, config("day"))
	shows := func(output string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !testWrapped(`Sessions To Be Ended in us-east-1.*2 sessions in Region us-east-1 of account 123456789012 matched when looked at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\. Every session that matches ` + want + ` is ended\..*ann-1: \S+ on i-0000000a, started .*cat-1: `).MatchString(output) {
				t.Errorf("the warning of sessions that are to be ended %s is not shown:\n%s", want, output)
			}
		}
	}
	shows(w.MustRun("plan"), "when this drain is created")
	shows(w.MustRun("apply", "-auto-approve"), "when this drain is created")
	testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")

	fake.AddSessions(testInventory()...)
	shows(w.MustRun("plan", "-destroy"), "before this drain is destroyed")
	w.Write("main.tf", strings.Replace(w.Read("main.tf"), `"day"`, `"night"`, 1))
	// Sessions that both drains end are named once.
	shows(w.MustRun("plan"), "when this drain is created")
	testSpared(t, fake, testInventoryIDs...)
}

// Targets, Region and triggers replace the drain. Other changes make no call, and count
// for the next drain.
func TestSessionDrainResource_changes(t *testing.T) {
	t.Parallel()

	base := map[string]any{"targets": []any{"i-0000000a"}, "region": "us-east-1", "triggers": map[string]any{"shift": "day"}}
	for name, tc := range map[string]struct {
		change  map[string]any
		replace []string
		drains  bool
	}{
		"other targets":          {map[string]any{"targets": []any{"i-0000000a", "i-0000000b"}}, []string{"targets"}, false},
		"no targets":             {map[string]any{"targets": nil, "owners": []any{"*/ann"}}, []string{"targets"}, false},
		"unknown targets":        {map[string]any{"targets": protocol.Unknown}, []string{"targets"}, false},
		"another trigger":        {map[string]any{"triggers": map[string]any{"shift": "night"}}, []string{"triggers"}, false},
		"no trigger":             {map[string]any{"triggers": nil}, []string{"triggers"}, false},
		"another Region":         {map[string]any{"region": "eu-central-1"}, []string{"region"}, false},
		"an unknown Region":      {map[string]any{"region": protocol.Unknown}, []string{"region"}, false},
		"no Region":              {map[string]any{"region": nil}, nil, false},
		"all three":              {map[string]any{"targets": []any{}, "region": "eu-central-1", "triggers": nil}, []string{"region", "targets", "triggers"}, false},
		"when":                   {map[string]any{"when": "both"}, nil, false},
		"a grace period":         {map[string]any{"grace_period": "10s"}, nil, false},
		"a limit":                {map[string]any{"max_sessions": int64(1)}, nil, false},
		"owners":                 {map[string]any{"owners": []any{"*/nobody"}}, nil, true},
		"documents":              {map[string]any{"document_names": []any{"Shell"}}, nil, true},
		"access types":           {map[string]any{"access_types": []any{"Standard"}}, nil, true},
		"an age":                 {map[string]any{"older_than": "1h"}, nil, true},
		"owners to spare":        {map[string]any{"exclude_owners": []any{"*/ann"}}, nil, true},
		"sessions to spare":      {map[string]any{"exclude_session_ids": []any{"ann-1"}}, nil, true},
		"timeouts":               {map[string]any{"timeouts": map[string]any{"create": "7m", "delete": "8m"}}, nil, false},
		"everything of that":     {map[string]any{"when": "destroy", "grace_period": "1m", "max_sessions": int64(7), "owners": []any{"*/a*"}, "older_than": "5m"}, nil, false},
		"targets in other order": {map[string]any{"targets": []any{"i-0000000a"}}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			s := newConfiguredServer(t, testArguments(url))
			state, diags := s.Create("ssm_session_drain", base)
			protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			endpoint.TakeCalls(fake)
			fake.AddSessions(testInventory()...)

			config := mergeConfig(base, tc.change)
			plan, diags := s.Plan(state, config)
			protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			if tc.replace == nil && tc.drains != (len(diags) > 0) {
				t.Errorf("unexpected warnings: %+v", diags)
			}
			if diff := cmp.Diff(tc.replace, plan.Replace); diff != "" {
				t.Errorf("unexpected reasons to replace (-want +got):\n%s", diff)
			}
			if tc.replace != nil {
				return
			}
			if tc.drains {
				if plan.Values["outcomes"] != protocol.Unknown {
					t.Errorf("the plan knows the outcomes: %v", plan.Values["outcomes"])
				}
				endpoint.TakeCalls(fake)
			} else if diff := cmp.Diff(state.Values["outcomes"], plan.Values["outcomes"]); diff != "" {
				t.Errorf("the plan changes the outcomes (-before +after):\n%s", diff)
			}
			state, diags = s.Apply(plan)
			protocol.WantNoDiagnostics(t, diags)
			for attribute, value := range tc.change {
				if attribute == "region" {
					value = testRegion
				}
				if diff := cmp.Diff(value, state.Values[attribute]); diff != "" {
					t.Errorf("unexpected %s (-want +got):\n%s", attribute, diff)
				}
			}
			if tc.drains {
				if got := fake.Count("DescribeSessions"); got == 0 {
					t.Error("the new selection was not looked for")
				}
				endpoint.TakeCalls(fake)
			} else {
				endpoint.WantCalls(t, fake)
				testSpared(t, fake, testInventoryIDs...)
			}

			plan, diags = s.Plan(state, config)
			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(state.Values, plan.Values); diff != "" {
				t.Errorf("the next plan is not empty (-state +plan):\n%s", diff)
			}
		})
	}
}

// Changes in place count for the drain on destroy.
func TestSessionDrainResource_changedBeforeDestroy(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	s := newConfiguredServer(t, testArguments(url))
	config := map[string]any{"targets": []any{"i-0000000a"}, "when": "create", "owners": []any{}}
	state, diags := s.Create("ssm_session_drain", config)
	protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))

	plan, diags := s.Plan(state, mergeConfig(config, map[string]any{"when": "destroy", "owners": []any{"*/ann"}}))
	protocol.WantNoDiagnostics(t, diags)
	state, diags = s.Apply(plan)
	protocol.WantNoDiagnostics(t, diags)
	endpoint.WantCalls(t, fake)

	state, diags = s.Destroy(state)
	protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
	if state.Values != nil {
		t.Error("the drain is still there")
	}
	testSpared(t, fake, "eve-1", "dan-1", "cat-1", "gus-1", "bare-1")
}

// A drain keeps its Region when the provider's Region changes, also for its destroy.
// Removing the condition is refused.
func TestSessionDrainResource_defaultRegion(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t, fakessm.WithSessions(fakessm.Session{SessionID: "west-1", Target: "i-0000000a", Region: "us-west-2"}))
	config := map[string]any{"targets": []any{"i-0000000a"}, "when": "destroy"}
	state, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_drain", config)
	protocol.WantNoDiagnostics(t, diags)
	if state.Values["region"] != testRegion {
		t.Errorf("the Region is %v", state.Values["region"])
	}

	moved := newConfiguredServer(t, testArguments(url, map[string]any{"region": "us-west-2"}))
	plan, diags := moved.Plan(state, config)
	protocol.WantNoDiagnostics(t, diags)
	if diff := cmp.Diff(state.Values, plan.Values); diff != "" || len(plan.Replace) > 0 {
		t.Errorf("the drain moves with the provider, to be replaced for %v (-state +plan):\n%s", plan.Replace, diff)
	}
	endpoint.WantCalls(t, fake)

	state, diags = moved.Destroy(state)
	protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
	if state.Values != nil {
		t.Error("the drain is still there")
	}
	for _, call := range endpoint.TakeCalls(fake) {
		if !strings.Contains(call, " us-east-1") {
			t.Errorf("unexpected request %q", call)
		}
	}
	testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
	endpoint.WantStatus(t, fake, "west-1", "Connected")
}

// A drain cannot lose its condition by an update.
func TestSessionDrainResource_conditionTakenAway(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	s := newConfiguredServer(t, testArguments(url))
	state, diags := s.Create("ssm_session_drain", map[string]any{"owners": []any{"*/ann"}, "when": "destroy"})
	protocol.WantNoDiagnostics(t, diags)

	for _, pattern := range []string{"*", "*1*"} {
		_, diags = s.Plan(state, map[string]any{"owners": []any{pattern}, "when": "destroy"})
		protocol.WantDiagnostic(t, protocol.Error("owners", testDrainError, "The patterns in owners match every owner\nNothing was ended."), diags)

		// It is also refused if it becomes known during apply.
		plan, diags := s.Plan(state, map[string]any{"owners": []any{protocol.Unknown}, "when": "destroy"})
		protocol.WantNoDiagnostics(t, diags)
		known := mergeConfig(state.Values, map[string]any{"owners": []any{pattern}})
		plan.Config = s.Encode(s.Schemas.ResourceSchemas["ssm_session_drain"], map[string]any{"owners": []any{pattern}, "when": "destroy"})
		plan.Planned = s.Encode(s.Schemas.ResourceSchemas["ssm_session_drain"], known)
		after, diags := s.Apply(plan)
		protocol.WantDiagnostic(t, protocol.Error("owners", testDrainError, "match every owner"), diags)
		if diff := cmp.Diff(state.Values, after.Values); diff != "" {
			t.Errorf("the refused update changed the state (-before +after):\n%s", diff)
		}
	}
	endpoint.WantCalls(t, fake)
}

// The outcome of each session is in state.
func TestSessionDrainResource_outcomes(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		sessions []fakessm.Session
		options  []fakessm.Option
		faults   []fakessm.Fault
		ahead    func(fake *fakessm.Server, operation string)
		timeout  any
		want     map[string]any
		diags    []protocol.Diagnostic // Each with lines of its detail.
	}{
		"sessions of every status that is live": {
			sessions: []fakessm.Session{{SessionID: "a", Status: "Connecting"}, {SessionID: "b", Status: "Disconnected"}, {SessionID: "c", Status: "Hibernating"}},
			want:     map[string]any{"a": "terminated", "b": "terminated", "c": "terminated"},
		},
		"sessions that have ended before": {
			sessions: []fakessm.Session{{SessionID: "a", Status: "Terminating"}, {SessionID: "b", Status: "Failed"}},
			want:     map[string]any{},
		},
		"a session that takes its time": {
			sessions: []fakessm.Session{{SessionID: "a"}},
			options:  []fakessm.Option{fakessm.WithTerminationLag(time.Hour)},
			want:     map[string]any{"a": "terminated"},
		},
		"a session that ends by itself meanwhile": {
			sessions: []fakessm.Session{{SessionID: "a"}},
			ahead: func(fake *fakessm.Server, operation string) {
				if operation == "TerminateSession" {
					fake.EndSession("a")
				}
			},
			want: map[string]any{"a": "already_ended"},
		},
		"a session that is forgotten meanwhile": {
			sessions: []fakessm.Session{{SessionID: "a"}},
			ahead: func(fake *fakessm.Server, operation string) {
				if operation == "TerminateSession" {
					fake.RemoveSession("a")
				}
			},
			want: map[string]any{"a": "already_ended"},
		},
		"a session that stays in spite of all": {
			sessions: []fakessm.Session{{SessionID: "a", Behaviour: fakessm.BehaviourUnkillable}, {SessionID: "b"}},
			timeout:  "2s",
			want:     map[string]any{"a": "failed", "b": "terminated"},
			diags:    []protocol.Diagnostic{protocol.Error("", testDrainError, "1 session in Region us-east-1 of account 123456789012 could not be ended (1 ended):\na: it is still live after the time allowed\nlonger time")},
		},
		"sessions that SSM refuses to end": {
			sessions: []fakessm.Session{{SessionID: "a"}, {SessionID: "b"}, {SessionID: "c"}},
			faults: []fakessm.Fault{
				{Operation: "TerminateSession", SessionID: "a", Kind: fakessm.FaultDenied, Times: -1},
				{Operation: "TerminateSession", SessionID: "c", Kind: fakessm.FaultThrottle, Times: -1},
			},
			want: map[string]any{"a": "failed", "b": "terminated", "c": "failed"},
			diags: []protocol.Diagnostic{protocol.Error("", testDrainError, "2 sessions in Region us-east-1 of account 123456789012 could not be ended (1 ended):\na: the credentials do not allow it\n"+
				"c: the account's request quota for this Region stayed exhausted\nAllow the IAM action ssm:TerminateSession\nAWS shares 6 calls a second\nAccessDeniedException")},
		},
		"sessions that may not be listed": {
			sessions: []fakessm.Session{{SessionID: "a"}},
			faults:   []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1}},
			diags: []protocol.Diagnostic{
				protocol.Warning("", "Sessions Not Counted in us-east-1: i-00000001 (account 123456789012)", "could not be counted: the credentials do not allow it.\nssm:DescribeSessions"),
				protocol.Error("", testDrainError, "The sessions in Region us-east-1 of account 123456789012 could not be listed: the credentials do not allow it. Nothing was ended.\nAllow the IAM action ssm:DescribeSessions on the resource \"*\".\nAccessDeniedException"),
			},
		},
		"sessions that may not be listed any more afterwards": {
			sessions: []fakessm.Session{{SessionID: "a"}, {SessionID: "b"}},
			faults:   []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Skip: 2, Times: -1}},
			want:     map[string]any{"a": "unverified", "b": "unverified"},
			diags:    []protocol.Diagnostic{protocol.Error("", testDrainError, "2 sessions in Region us-east-1 of account 123456789012 were asked to terminate, but whether they are gone could not be seen: the credentials do not allow it.")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if tc.ahead == nil {
				tc.ahead = func(*fakessm.Server, string) {}
			}
			for i := range tc.sessions {
				tc.sessions[i].Target = "i-00000001"
			}
			fake, url := testHookedFake(t, tc.ahead, append(tc.options, fakessm.WithSessions(tc.sessions...))...)
			fake.Inject(tc.faults...)
			s := newConfiguredServer(t, testArguments(url, map[string]any{"max_retries": int64(2)}))
			state, diags := s.Create("ssm_session_drain", map[string]any{"targets": []any{"i-00000001"}, "timeouts": map[string]any{"create": tc.timeout}})

			diags = testWithoutDrainWarnings(diags)
			if len(diags) != len(tc.diags) {
				t.Fatalf("unexpected diagnostics: %+v", diags)
			}
			for i, want := range tc.diags {
				protocol.WantDiagnostic(t, want, diags[i:i+1])
			}
			var got any
			if state.Values != nil {
				got = state.Values["outcomes"]
			}
			var want any
			if tc.want != nil {
				want = tc.want
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("unexpected outcomes (-want +got):\n%s", diff)
			}
			for id, outcome := range tc.want {
				session, listed := fake.Session(id)
				ended := !listed || session.Status == "Terminating" || session.Status == "Terminated"
				if ended != (outcome == "terminated" || outcome == "already_ended" || outcome == "unverified") {
					t.Errorf("the outcome of session %s is %q, at the endpoint it is %q", id, outcome, session.Status)
				}
			}
			testSpared(t, fake, testInventoryIDs...)
		})
	}
}

// Sessions that begin during the drain are ended too, within the limit. Those that are
// left are named.
func TestSessionDrainResource_newcomers(t *testing.T) {
	t.Parallel()

	newcomers := func(ids ...string) func(*fakessm.Server, string) {
		var came atomic.Int32

		return func(fake *fakessm.Server, operation string) {
			if n := int(came.Load()); operation == "TerminateSession" && n < len(ids) {
				came.Add(1)
				fake.AddSessions(fakessm.Session{SessionID: ids[n], Target: "i-0000000c"})
			}
		}
	}
	for name, tc := range map[string]struct {
		ahead func(*fakessm.Server, string)
		limit int64
		want  map[string]any
		left  string
	}{
		"one newcomer":             {newcomers("n-1"), 100, map[string]any{"eve-1": "terminated", "n-1": "terminated"}, ""},
		"one newcomer too many":    {newcomers("n-1"), 1, map[string]any{"eve-1": "terminated"}, "n-1: it began while the others were being ended, and is live; more than max_sessions match now, and this one was not asked to end\nraise max_sessions"},
		"newcomers without an end": {newcomers("n-1", "n-2", "n-3"), 100, map[string]any{"eve-1": "terminated", "n-1": "terminated"}, "n-2: it began"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testHookedFake(t, tc.ahead)
			state, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000c"}, "max_sessions": tc.limit})
			diags = testWithoutDrainWarnings(diags)
			if tc.left == "" {
				protocol.WantNoDiagnostics(t, diags)
			} else {
				protocol.WantDiagnostic(t, protocol.Error("", testDrainError, "1 session in Region us-east-1 of account 123456789012 could not be ended\n"+tc.left), diags)
			}
			if diff := cmp.Diff(tc.want, state.Values["outcomes"]); diff != "" {
				t.Errorf("unexpected outcomes (-want +got):\n%s", diff)
			}
			testSpared(t, fake, "ann-1", "dan-1", "cat-1", "gus-1", "bare-1")
		})
	}
}

// With more matches than allowed no session is ended, and the error gives the count and
// the remedy. On destroy the drain stays in state.
func TestSessionDrainResource_tooMany(t *testing.T) {
	t.Parallel()

	const count = "2 sessions in Region us-east-1 of account 123456789012 match, but max_sessions allows 1 to be ended. Nothing was ended.\n"
	config := map[string]any{"targets": []any{"i-0000000a"}, "max_sessions": int64(1), "when": "create"}

	t.Run("on create", func(t *testing.T) {
		t.Parallel()

		fake, url := testInventoryFake(t)
		state, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_drain", config)
		protocol.WantDiagnostic(t, protocol.Error("max_sessions", testDrainError, count+"Narrow the selection, or raise max_sessions."), testWithoutDrainWarnings(diags))
		if state.Values != nil {
			t.Errorf("there is a state: %v", state.Values)
		}
		testSpared(t, fake, testInventoryIDs...)
	})
	t.Run("on destroy", func(t *testing.T) {
		t.Parallel()

		fake, url := testInventoryFake(t)
		s := newConfiguredServer(t, testArguments(url))
		state, diags := s.Create("ssm_session_drain", mergeConfig(config, map[string]any{"when": "destroy"}))
		protocol.WantNoDiagnostics(t, diags)

		kept, diags := s.Destroy(state)
		protocol.WantDiagnostic(t, protocol.Error("max_sessions", testDrainError,
			count+"first apply a higher max_sessions\na removed block with lifecycle { destroy = false }"), testWithoutDrainWarnings(diags))
		if diff := cmp.Diff(state.Values, kept.Values); diff != "" {
			t.Errorf("the refused destruction changed the state (-before +after):\n%s", diff)
		}
		testSpared(t, fake, testInventoryIDs...)

		// The remedy that the error gives works.
		plan, diags := s.Plan(kept, mergeConfig(config, map[string]any{"when": "destroy", "max_sessions": int64(2)}))
		protocol.WantNoDiagnostics(t, diags)
		raised, diags := s.Apply(plan)
		protocol.WantNoDiagnostics(t, diags)
		gone, diags := s.Destroy(raised)
		protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
		if gone.Values != nil {
			t.Error("the drain is still there")
		}
		testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
	})
	t.Run("on destroy, after a create that drained", func(t *testing.T) {
		t.Parallel()

		fake, url := testInventoryFake(t)
		s := newConfiguredServer(t, testArguments(url))
		state, diags := s.Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}, "max_sessions": int64(1), "when": "both", "owners": []any{"*/ann"}})
		protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
		plan, diags := s.Plan(state, map[string]any{"targets": []any{"i-0000000a"}, "max_sessions": int64(1), "when": "both"})
		protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
		state, diags = s.Apply(plan)
		protocol.WantNoDiagnostics(t, diags)
		fake.AddSessions(testInventory()...)

		kept, diags := s.Destroy(state)
		protocol.WantDiagnostic(t, protocol.Error("max_sessions", testDrainError, count), testWithoutDrainWarnings(diags))
		if diff := cmp.Diff(map[string]any{"cat-1": "terminated"}, kept.Values["outcomes"]); diff != "" {
			t.Errorf("what the update did is forgotten although nothing else was done (-want +got):\n%s", diff)
		}
	})
}

// A drain whose create failed in part is tainted. With "both" its destroy drains, but not
// as part of a replacement, because the create drains.
func TestSessionDrainResource_deleteAfterFailedCreate(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		when    string
		destroy bool
		spared  []any
	}{
		"both, then destroyed":   {"both", true, []any{"eve-1", "dan-1", "gus-1", "bare-1"}},
		"create, then destroyed": {"create", true, []any{"eve-1", "dan-1", "cat-1", "gus-1", "bare-1"}},
		"both, then replaced":    {"both", false, []any{"eve-1", "dan-1", "gus-1", "bare-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: "cat-1", Kind: fakessm.FaultDenied, Times: -1})
			w := workspace.New(t, testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`, fmt.Sprintf("when = %q", tc.when)))
			if output, err := w.Run("apply", "-auto-approve"); err == nil || !strings.Contains(output, "cat-1") {
				t.Fatalf("the apply did not fail: %v\n%s", err, output)
			}
			fake.ClearFaults()
			endpoint.TakeCalls(fake)

			command := "apply"
			if tc.destroy {
				command = "destroy"
			}
			output := w.MustRun(command, "-auto-approve")
			testSpared(t, fake, tc.spared...)
			wantEnded := tc.destroy && tc.when == "both"
			if got := testWrapped(`Sessions Ended in us-east-1.*ended 1 session in Region us-east-1 of account 123456789012\..*targets = \["i-0000000a"\].*cat-1: terminated`).MatchString(output); got != wantEnded {
				t.Errorf("the destroy tells whom it ended: %t\n%s", got, output)
			}
			terminated := slices.DeleteFunc(endpoint.TakeCalls(fake), func(call string) bool { return !strings.HasPrefix(call, "TerminateSession") })
			if want := min(1, 6-len(tc.spared)-1); len(terminated) != want {
				t.Errorf("the sessions were asked to end by %v, want %d calls", terminated, want)
			}
		})
	}
}

// A forced replacement, or one by another resource, drains for the destroy of the old
// drain, because Terraform does not report it to the provider.
func TestSessionDrainResource_forcedReplacement(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	w := workspace.New(t, testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`, `when = "destroy"`))
	w.MustRun("apply", "-auto-approve")
	endpoint.WantCalls(t, fake)
	w.MustRun("apply", "-auto-approve", "-replace="+testDrain)
	testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")

	fake.AddSessions(testInventory()...)
	w.MustRun("taint", testDrain)
	w.MustRun("apply", "-auto-approve")
	testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
}

// An update that changes the selection drains. If it fails, the next plan shows the
// change again.
func TestSessionDrainResource_updateDrains(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	config := func(owner string) string {
		return testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`, fmt.Sprintf("owners = [%q]", owner), `max_sessions = 1`)
	}
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config:            config("*/ann"),
				ConfigStateChecks: []statecheck.StateCheck{testOutcomes("ann-1", "terminated")},
			},
			{
				PreConfig: func() {
					testSpared(t, fake, "eve-1", "dan-1", "cat-1", "gus-1", "bare-1")
					fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: "cat-1", Kind: fakessm.FaultDenied, Times: -1})
				},
				Config:      config("*/cat"),
				ExpectError: testWrapped(testDrainError + `.*cat-1: the credentials do not allow it.*Selection: targets = \["i-0000000a"\]; owners = \["\*/cat"\]`),
			},
			{
				PreConfig: fake.ClearFaults,
				Config:    config("*/cat"),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(testDrain, plancheck.ResourceActionUpdate),
						plancheck.ExpectUnknownValue(testDrain, tfjsonpath.New("outcomes")),
					},
				},
				ConfigStateChecks: []statecheck.StateCheck{testOutcomes("cat-1", "terminated")},
			},
		},
	})
	testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
}

// A selection that is unknown at plan, and turns out to be unchanged, ends no session.
func TestSessionDrainResource_updateUnchanged(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	config := func(round int) string {
		return testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`, `owners = [terraform_data.owner.id == "" ? "" : "*/ann"]`) + fmt.Sprintf(`
resource "terraform_data" "owner" {
  triggers_replace = %d
}
`, round)
	}
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: config(1),
			},
			{
				PreConfig: func() {
					fake.AddSessions(testInventory()...)
					endpoint.TakeCalls(fake)
				},
				Config: config(2),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{plancheck.ExpectUnknownValue(testDrain, tfjsonpath.New("outcomes"))},
				},
				ConfigStateChecks: []statecheck.StateCheck{testOutcomes("ann-1", "terminated")},
			},
		},
	})
	testSpared(t, fake, testInventoryIDs...)
	if got := fake.Count("TerminateSession"); got != 0 {
		t.Errorf("TerminateSession was called %d times", got)
	}
}

// A replacement plans and drains in the provider's present Region.
func TestSessionDrainResource_providerMoves(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct{ when, region, elsewhere string }{
		"to another Region":                       {"create", "eu-west-1", ""},
		"to another partition":                    {"create", "us-gov-west-1", ""},
		"to another partition, with a drain left": {"both", "us-gov-west-1", "Sessions Not Counted in us-east-1: i-00000010"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, fakessm.WithSessions(
				fakessm.Session{SessionID: "here-1", Target: "i-00000011", Region: tc.region},
				fakessm.Session{SessionID: "there-1", Target: "i-00000011", Region: testRegion}))
			s := newConfiguredServer(t, testArguments(url))
			config := map[string]any{"targets": []any{"i-00000010"}, "when": tc.when}
			state, diags := s.Create("ssm_session_drain", config)
			protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			endpoint.TakeCalls(fake)

			moved := newConfiguredServer(t, testArguments(url, map[string]any{"region": tc.region, "skip_requesting_account_id": true, "skip_credentials_validation": true}))
			_, diags = moved.Plan(state, mergeConfig(config, map[string]any{"targets": []any{"i-00000011"}}))
			var shown, elsewhere bool
			for _, d := range diags {
				if d.Severity != "warning" {
					t.Errorf("unexpected diagnostic: %+v", d)
				}
				shown = shown || d.Summary == "Sessions To Be Ended in "+tc.region+": i-00000011" && strings.Contains(d.Detail, "here-1") && !strings.Contains(d.Detail, "there-1")
				elsewhere = elsewhere || d.Summary == tc.elsewhere && strings.Contains(d.Detail, `targets = ["i-00000010"]`)
			}
			if !shown || elsewhere != (tc.elsewhere != "") {
				t.Errorf("unexpected warnings: %+v", diags)
			}
			endpoint.WantCalls(t, fake, "DescribeSessions "+tc.region+" Active")

			// The plan of the destroy accepts it as well.
			_, diags = moved.Plan(state, nil)
			if protocol.HasErrors(diags) {
				t.Errorf("the destroy cannot be planned: %+v", diags)
			}
		})
	}
}

// Null and empty triggers are the same.
func TestSessionDrainResource_emptyTriggers(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	s := newConfiguredServer(t, testArguments(url))
	config := map[string]any{"targets": []any{"i-0000000a"}, "when": "both"}
	state, diags := s.Create("ssm_session_drain", config)
	protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
	endpoint.TakeCalls(fake)
	for _, triggers := range []any{map[string]any{}, nil, map[string]any{}} {
		plan, diags := s.Plan(state, mergeConfig(config, map[string]any{"triggers": triggers}))
		protocol.WantNoDiagnostics(t, diags)
		if len(plan.Replace) > 0 {
			t.Errorf("triggers = %v replaces the drain", triggers)
		}
		state, diags = s.Apply(plan)
		protocol.WantNoDiagnostics(t, diags)
	}
	endpoint.WantCalls(t, fake)
}

// Each of several drains has a warning of its own, in one Region and in two.
func TestSessionDrainResource_severalDrains(t *testing.T) {
	t.Parallel()

	_, url := testInventoryFake(t, fakessm.WithSessions(fakessm.Session{SessionID: "abroad-1", Target: "i-0000000a", Region: "eu-central-1"}))
	w := workspace.New(t, testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`)+`
resource "ssm_session_drain" "abroad" {
  region  = "eu-central-1"
  targets = ["i-0000000a"]
}
resource "ssm_session_drain" "neighbour" {
  targets = ["i-0000000c"]
}
`)
	output := w.MustRun("plan")
	for _, want := range []string{"Sessions To Be Ended in us-east-1", "Sessions To Be Ended in eu-central-1", "abroad-1", "ann-1", "eve-1"} {
		if !strings.Contains(output, want) {
			t.Errorf("the plan does not show %q:\n%s", want, output)
		}
	}
}

// A failed destroy keeps the drain and its outcomes, and can be repeated.
func TestSessionDrainResource_deleteFails(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		fault fakessm.Fault
		want  protocol.Diagnostic
		done  map[string]any
	}{
		"a session may not be ended": {
			fakessm.Fault{Operation: "TerminateSession", SessionID: "cat-1", Kind: fakessm.FaultDenied, Times: -1},
			protocol.Error("", testDrainError, "1 session in Region us-east-1 of account 123456789012 could not be ended (1 ended):\ncat-1: the credentials do not allow it\nssm:TerminateSession"),
			map[string]any{"ann-1": "terminated", "cat-1": "failed"},
		},
		"sessions may not be listed": {
			fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1},
			protocol.Error("", testDrainError, "could not be listed: the credentials do not allow it. Nothing was ended.\nssm:DescribeSessions"),
			map[string]any{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			s := newConfiguredServer(t, testArguments(url))
			state, diags := s.Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}, "when": "destroy"})
			protocol.WantNoDiagnostics(t, diags)

			fake.Inject(tc.fault)
			kept, diags := s.Destroy(state)
			protocol.WantDiagnostic(t, tc.want, protocol.Without(testWithoutDrainWarnings(diags), "Sessions Not Counted in "))
			if diff := cmp.Diff(mergeConfig(state.Values, map[string]any{"outcomes": tc.done, "request_ids": testSentRequestIDs(fake)}), kept.Values); diff != "" {
				t.Errorf("unexpected state (-want +got):\n%s", diff)
			}

			fake.ClearFaults()
			gone, diags := s.Destroy(kept)
			protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			if gone.Values != nil {
				t.Errorf("the drain is still there: %v", gone.Values)
			}
			testSpared(t, fake, "eve-1", "dan-1", "gus-1", "bare-1")
		})
	}
}

// Sessions that end during the grace period are not ended by the drain.
func TestSessionDrainResource_gracePeriod(t *testing.T) {
	t.Parallel()

	var looks atomic.Int32
	fake, url := testHookedFake(t, func(fake *fakessm.Server, operation string) {
		// The plan lists once, the drain before and after the wait.
		if operation == "DescribeSessions" && looks.Add(1) == 3 {
			fake.EndSession("cat-1")
		}
	})
	start := time.Now()
	state, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}, "grace_period": "1s"})
	protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
	if diff := cmp.Diff(map[string]any{"ann-1": "terminated"}, state.Values["outcomes"]); diff != "" {
		t.Errorf("unexpected outcomes (-want +got):\n%s", diff)
	}
	if spent := time.Since(start); spent < time.Second {
		t.Errorf("people were given %s", spent)
	}
	if got := fake.Count("TerminateSession"); got != 1 {
		t.Errorf("TerminateSession was called %d times", got)
	}
}

// Sessions that SSM neither ends nor stops listing cause a warning, and no error. (One
// takes 15 seconds.)
func TestSessionDrainResource_unverified(t *testing.T) {
	t.Parallel()

	in := sessionmanager.DrainInput{Region: testRegion, Selector: sessionmanager.Selector{Targets: []string{"i-0000000a"}}}
	var diags diag.Diagnostics
	(&providerMeta{}).reportDrain(in, drainOnCreate, sessionmanager.DrainResult{Outcomes: map[string]sessionmanager.Outcome{
		"b": sessionmanager.OutcomeUnverified, "c": sessionmanager.OutcomeTerminated, "a": sessionmanager.OutcomeUnverified,
	}, Doubts: map[string]error{"a": sessionmanager.ErrEnded, "b": sessionmanager.ErrEnded}}, nil, &diags)
	if len(diags) != 1 || diags[0].Severity() != diag.SeverityWarning || diags[0].Summary() != "Termination Not Verified in us-east-1: i-0000000a" ||
		!strings.Contains(diags[0].Detail(), "Region us-east-1") || !strings.HasSuffix(diags[0].Detail(), "\n\n  a\n  b") {
		t.Errorf("unexpected diagnostics: %v", diags)
	}

	// A failed drain warns of them as well.
	var failed diag.Diagnostics
	(&providerMeta{}).reportDrain(in, drainOnCreate, sessionmanager.DrainResult{
		Outcomes: map[string]sessionmanager.Outcome{"b": sessionmanager.OutcomeUnverified, "c": sessionmanager.OutcomeFailed},
		Failures: map[string]error{"c": sessionmanager.ErrStillLive},
		Doubts:   map[string]error{"b": sessionmanager.ErrEnded},
	}, sessionmanager.ErrNotDrained, &failed)
	if len(failed) != 2 || failed[0].Summary() != testDrainError || !strings.HasSuffix(failed[1].Detail(), "\n\n  b") {
		t.Errorf("unexpected diagnostics: %v", failed)
	}

	// One warning has each reason, and what to do: Terraform shows only one of several with
	// the same summary.
	var reasons diag.Diagnostics
	(&providerMeta{}).reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnCreate, sessionmanager.DrainResult{
		Outcomes: map[string]sessionmanager.Outcome{"a": sessionmanager.OutcomeUnverified, "b": sessionmanager.OutcomeUnverified, "c": sessionmanager.OutcomeUnverified},
		Doubts: map[string]error{
			"a": sessionmanager.ErrEnded, "c": sessionmanager.ErrUndetermined,
			"b": &sessionmanager.Error{Operation: sessionmanager.DescribeSessions, Kind: sessionmanager.ErrAccessDenied},
		},
	}, nil, &reasons)
	if len(reasons) != 1 || !strings.Contains(reasons[0].Detail(), "nobody is connected.\n\n  a\n\n") ||
		!strings.Contains(reasons[0].Detail(), "b: the credentials do not allow it\n  c: SSM did not filter") ||
		!strings.Contains(reasons[0].Detail(), "ssm:DescribeSessions") {
		t.Errorf("unexpected diagnostics: %v", reasons)
	}
}

// A drain that fails in two ways names all sessions.
func TestSessionDrainResource_everybodyNamed(t *testing.T) {
	t.Parallel()

	var diags diag.Diagnostics
	(&providerMeta{}).reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnCreate, sessionmanager.DrainResult{
		Outcomes: map[string]sessionmanager.Outcome{
			"gone-1": sessionmanager.OutcomeTerminated, "denied-1": sessionmanager.OutcomeFailed, "unseen-1": sessionmanager.OutcomeUnverified,
		},
		Failures: map[string]error{"denied-1": sessionmanager.ErrAccessDenied},
		Doubts:   map[string]error{"unseen-1": sessionmanager.ErrThrottled},
		Left:     []string{"late-1"},
	}, &sessionmanager.Error{Operation: sessionmanager.DescribeSessions, Kind: sessionmanager.ErrThrottled}, &diags)

	if len(diags) != 1 {
		t.Fatalf("unexpected diagnostics: %v", diags)
	}
	for _, part := range []string{"1 session in Region us-east-1 was asked to terminate", "unseen-1", "denied-1: the credentials", "late-1: it began", "1 ended", "quota"} {
		if !strings.Contains(diags[0].Detail(), part) {
			t.Errorf("the error lacks %q:\n%s", part, diags[0].Detail())
		}
	}
}

// A drain that is stopped in the grace period says so, and that no session was ended.
func TestSessionDrainResource_stoppedWhileWaiting(t *testing.T) {
	t.Parallel()

	var diags diag.Diagnostics
	(&providerMeta{}).reportDrain(sessionmanager.DrainInput{Region: testRegion}, drainOnCreate, sessionmanager.DrainResult{}, &sessionmanager.WaitError{Waiting: 2, Err: &sessionmanager.Error{
		Operation: sessionmanager.DescribeSessions, Kind: sessionmanager.ErrDeadline, Err: context.Canceled,
	}}, &diags)

	const want = "The drain in Region us-east-1 stopped while it waited for 2 sessions to end within the grace period: the operation was cancelled. Nothing was ended."
	if len(diags) != 1 || !strings.HasPrefix(diags[0].Detail(), want) {
		t.Errorf("unexpected diagnostics: %v", diags)
	}
}

// Sessions that were seen to end are not in doubt because of others.
func TestSessionDrainResource_unseenNewcomer(t *testing.T) {
	t.Parallel()

	var came atomic.Bool
	fake, url := testHookedFake(t, func(fake *fakessm.Server, operation string) {
		if operation == "TerminateSession" && !came.Swap(true) {
			fake.AddSessions(fakessm.Session{SessionID: "new-1", Target: "i-0000000a"})
			// The plan and the drain list the sessions. Another listing shows which are
			// gone, and which are new.
			fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Skip: 1, Times: -1})
		}
	}, fakessm.WithPageSize(50))
	state, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}})
	if diff := cmp.Diff(map[string]any{"ann-1": "terminated", "cat-1": "terminated", "new-1": "unverified"}, state.Values["outcomes"]); diff != "" {
		t.Errorf("unexpected outcomes (-want +got):\n%s", diff)
	}
	protocol.WantDiagnostic(t, protocol.Error("", testDrainError, "1 session in Region us-east-1 of account 123456789012 was asked to terminate, but whether it is gone could not be seen: the credentials do not allow it. 2 ended."), testWithoutDrainWarnings(diags))
	if n := fake.Count("TerminateSession"); n != 3 {
		t.Errorf("%d calls of TerminateSession, want 3", n)
	}
}

// The error of a drain that runs out of time says so.
func TestSessionDrainResource_timeout(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultHang, Times: -1})
	s := newConfiguredServer(t, testArguments(url))
	state, diags := s.Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}, "timeouts": map[string]any{"create": "1s"}})
	protocol.WantDiagnostic(t, protocol.Error("", testDrainError, "2 sessions in Region us-east-1 of account 123456789012\nthe time allowed ran out"), testWithoutDrainWarnings(diags))
	if diff := cmp.Diff(map[string]any{"ann-1": "unverified", "cat-1": "unverified"}, state.Values["outcomes"]); diff != "" {
		t.Errorf("unexpected outcomes (-want +got):\n%s", diff)
	}
}

func TestSessionDrainResource_badInput(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		config map[string]any
		want   protocol.Diagnostic
	}{
		"an unknown occasion":               {map[string]any{"when": "update"}, protocol.Error("when", "Invalid Attribute Value Match", "\"create\" \"destroy\" \"both\"")},
		"a limit of zero":                   {map[string]any{"max_sessions": int64(0)}, protocol.Error("max_sessions", "Invalid Attribute Value", "between 1")},
		"a negative limit":                  {map[string]any{"max_sessions": int64(-1)}, protocol.Error("max_sessions", "Invalid Attribute Value", "between 1")},
		"an invalid grace period":           {map[string]any{"grace_period": "a while"}, protocol.Error("grace_period", "Invalid Duration", "a while")},
		"a negative grace period":           {map[string]any{"grace_period": "-1s"}, protocol.Error("grace_period", "Invalid Duration", "\"-1s\"")},
		"a grace period beyond the create":  {map[string]any{"grace_period": "2m", "timeouts": map[string]any{"create": "1m"}}, protocol.Error("grace_period", "Grace Period Exceeds Timeout", "2m0s\ntimeouts.create = \"1m\"\nShorten the grace period, or lengthen the timeout.")},
		"a grace period like the create":    {map[string]any{"grace_period": "60s", "timeouts": map[string]any{"create": "1m", "delete": "2m"}}, protocol.Error("grace_period", "Grace Period Exceeds Timeout", "timeouts.create = \"1m\"")},
		"a grace period beyond the destroy": {map[string]any{"grace_period": "2m", "when": "destroy", "timeouts": map[string]any{"delete": "1m"}}, protocol.Error("grace_period", "Grace Period Exceeds Timeout", "timeouts.delete = \"1m\"")},
		"an invalid timeout":                {map[string]any{"timeouts": map[string]any{"create": "2 minutes"}}, protocol.Error("timeouts.create", "Invalid Attribute Value Time Duration", "2 minutes")},
		"a timeout of zero":                 {map[string]any{"timeouts": map[string]any{"delete": "0s"}}, protocol.Error("timeouts.delete", "Invalid Timeout", "above zero")},
		"a negative timeout":                {map[string]any{"timeouts": map[string]any{"create": "-1m"}}, protocol.Error("timeouts.create", "Invalid Timeout", "above zero")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			_, diags := newConfiguredServer(t, testArguments(url)).PlanCreate("ssm_session_drain", mergeConfig(map[string]any{"targets": []any{"i-0000000a"}}, tc.config))
			protocol.WantDiagnostic(t, tc.want, diags)
			endpoint.WantCalls(t, fake)
		})
	}
}

// A provider with unknown arguments ends no session.
func TestSessionDrainResource_providerUnknown(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	known := newConfiguredServer(t, testArguments(url))
	state, diags := known.Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}, "when": "destroy"})
	protocol.WantNoDiagnostics(t, diags)

	unknown := newConfiguredServer(t, testArguments(url, map[string]any{"region": protocol.Unknown}))
	plan, diags := unknown.PlanCreate("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}})
	protocol.WantNoDiagnostics(t, diags)
	if plan.Values["region"] != protocol.Unknown {
		t.Errorf("the plan takes Region %v", plan.Values["region"])
	}
	plan, diags = unknown.PlanCreate("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}, "region": "eu-central-1"})
	protocol.WantNoDiagnostics(t, diags)
	if plan.Values["region"] != "eu-central-1" {
		t.Errorf("the plan takes Region %v", plan.Values["region"])
	}
	_, diags = unknown.Apply(plan)
	protocol.WantDiagnostic(t, protocol.Error("", testDrainError, "The provider argument \"region\" has a value that is not known yet"), diags)

	kept, diags := unknown.Destroy(state)
	protocol.WantDiagnostic(t, protocol.Error("", testDrainError, "The provider argument \"region\" has a value that is not known yet"), diags)
	if diff := cmp.Diff(state.Values, kept.Values); diff != "" {
		t.Errorf("unexpected state (-want +got):\n%s", diff)
	}
	endpoint.WantCalls(t, fake)
	testSpared(t, fake, testInventoryIDs...)
}

// TestSessionDrainResource_letGo replaces a drain by a removed block, which avoids a
// drain on destroy.
func TestSessionDrainResource_letGo(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.RemovedBlocks)

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testProviderConfig(url) + fmt.Sprintf("resource \"ssm_session_drain\" \"test\" {\n  targets = [%q]\n  when    = \"destroy\"\n}\n", testTarget),
			},
			{
				Config: testProviderConfig(url) + "removed {\n  from = ssm_session_drain.test\n  lifecycle {\n    destroy = false\n  }\n}\n",
			},
		},
	})
	endpoint.WantStatus(t, fake, testLive, "Connected")
}
