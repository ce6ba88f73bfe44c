// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// testSentRequestIDs returns the request IDs that the endpoint sent with its last answer
// to TerminateSession for each session. A last request without an answer has none.
func testSentRequestIDs(fake *fakessm.Server) map[string]any {
	sent := map[string]any{}
	for _, request := range endpoint.Requests(fake, "TerminateSession") {
		sent[request.SessionID] = request.RequestID
		if request.RequestID == "" {
			delete(sent, request.SessionID)
		}
	}

	return sent
}

// sentRequestIDs checks that a value is what the endpoint has sent for these sessions,
// when it is checked.
type sentRequestIDs struct {
	fake     *fakessm.Server
	sessions []string
}

// CheckValue implements knownvalue.Check.
func (c sentRequestIDs) CheckValue(value any) error {
	sent := testSentRequestIDs(c.fake)
	want := map[string]any{}
	for _, id := range c.sessions {
		if sent[id] == nil {
			return fmt.Errorf("no request ID was sent for session %s", id)
		}
		want[id] = sent[id]
	}
	if diff := cmp.Diff(any(want), value); diff != "" {
		return errors.New("request IDs (-sent +stored):\n" + diff)
	}

	return nil
}

// String implements knownvalue.Check.
func (c sentRequestIDs) String() string { return fmt.Sprint(testSentRequestIDs(c.fake)) }

func TestSessionDrainResource_requestIDs(t *testing.T) {
	t.Parallel()

	var (
		fake, url = testInventoryFake(t)
		ids       = tfjsonpath.New("request_ids")
		stored    = func(sessions ...string) []statecheck.StateCheck {
			return []statecheck.StateCheck{statecheck.ExpectKnownValue(testDrain, ids, sentRequestIDs{fake, sessions})}
		}
	)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				// Nothing is drained before the end.
				Config: testSessionDrainResourceConfig_basic(url, `targets = ["i-00000002"]`, `when = "destroy"`),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply:             []plancheck.PlanCheck{plancheck.ExpectKnownValue(testDrain, ids, knownvalue.MapExact(nil))},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: stored(),
			},
			{
				Config: testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`, `triggers = { shift = "night" }`),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(testDrain, plancheck.ResourceActionDestroyBeforeCreate),
						plancheck.ExpectUnknownValue(testDrain, ids),
					},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: stored("ann-1", "cat-1"),
			},
			{
				// Another limit calls nobody, and keeps what is known.
				Config: testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`, `triggers = { shift = "night" }`, `max_sessions = 7`),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(testDrain, plancheck.ResourceActionUpdate),
						plancheck.ExpectKnownValue(testDrain, ids, sentRequestIDs{fake, []string{"ann-1", "cat-1"}}),
					},
				},
				ConfigStateChecks: stored("ann-1", "cat-1"),
			},
			{
				// Another selection is drained.
				PreConfig: func() {
					if got := fake.Count("TerminateSession"); got != 2 {
						t.Errorf("TerminateSession was called %d times, want twice", got)
					}
					fake.AddSessions(fakessm.Session{SessionID: "hal-1", Target: "i-0000000a", Owner: "arn:aws:iam::123456789012:user/hal"})
				},
				Config: testSessionDrainResourceConfig_basic(url, `targets = ["i-0000000a"]`, `triggers = { shift = "night" }`, `max_sessions = 7`, `owners = ["*/hal"]`),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(testDrain, plancheck.ResourceActionUpdate),
						plancheck.ExpectUnknownValue(testDrain, ids),
					},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: stored("hal-1"),
			},
		},
	})
}

// After a failure in part, state and error tell the request ID of each answer: of a
// success, of a refusal, of the answer that came after throttling, and none where none
// came. An update that fails keeps what was stored.
func TestSessionDrainResource_requestIDsOfFailures(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithSessions(testInventory()...), fakessm.WithSessions(
			fakessm.Session{SessionID: "hal-1", Target: "i-0000000a"}, fakessm.Session{SessionID: "ida-1", Target: "i-0000000a"}, fakessm.Session{SessionID: "jim-1", Target: "i-0000000a"},
		))
		fake.Inject(
			fakessm.Fault{Operation: "TerminateSession", SessionID: "cat-1", Kind: fakessm.FaultDenied, Times: -1},
			fakessm.Fault{Operation: "TerminateSession", SessionID: "hal-1", Kind: fakessm.FaultThrottle},
			fakessm.Fault{Operation: "TerminateSession", SessionID: "ida-1", Kind: fakessm.FaultResetBefore, Times: -1},
			fakessm.Fault{Operation: "TerminateSession", SessionID: "jim-1", Kind: fakessm.FaultBare, Times: -1},
		)
		s := newBubbleServer(t, endpoint.NewBubble(t, fake), mergeConfig(offlineArguments, map[string]any{"max_retries": 2}))

		state, diags := s.Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}})

		sent := testSentRequestIDs(fake)
		if len(sent) != 4 || sent["ida-1"] != nil {
			t.Fatalf("the endpoint sent %v", sent)
		}
		if diff := cmp.Diff(any(sent), state.Values["request_ids"]); diff != "" {
			t.Errorf("request IDs (-sent +stored):\n%s", diff)
		}
		diags = testWithoutDrainWarnings(diags)
		if len(diags) != 1 {
			t.Fatalf("the diagnostics are %+v", diags)
		}
		for _, want := range []string{
			fmt.Sprintf("\n  cat-1: the credentials do not allow it\n    Its owner is arn:aws:iam::123456789012:user/ops/cat, its target i-0000000a.\n    Request ID: %s\n", sent["cat-1"]),
			"\n  ida-1: the SSM endpoint gave no usable answer\n",
			fmt.Sprintf("\n  jim-1: SSM's answer is incomplete\n    Its target is i-0000000a.\n    Request ID: %s\n", sent["jim-1"]),
		} {
			if !strings.Contains(diags[0].Detail, want) {
				t.Errorf("%q is missing in:\n%s", want, diags[0].Detail)
			}
		}
		if got := strings.Count(diags[0].Detail, "Request ID: "); got != 2 {
			t.Errorf("%d request IDs are shown, want 2:\n%s", got, diags[0].Detail)
		}

		fake.ResetRequests()
		plan, diags := s.Plan(state, map[string]any{"targets": []any{"i-0000000a"}, "exclude_session_ids": []any{"x"}})
		protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
		kept, _ := s.Apply(plan)
		if fake.Count("TerminateSession") == 0 {
			t.Error("the update drains nobody")
		}
		if diff := cmp.Diff(state.Values, kept.Values); diff != "" {
			t.Errorf("after an update that failed (-before +after):\n%s", diff)
		}
	})
}

// A state of a time before there were request IDs is as good as any: nothing changes,
// and nobody is ended.
func TestSessionDrainResource_stateWithoutRequestIDs(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	config := func(more ...string) string {
		return "terraform {\n  required_providers {\n    ssm = {\n      source = \"sessionops/ssm\"\n    }\n  }\n}\n" +
			testSessionDrainResourceConfig_basic(url, append(more, `targets = ["i-0000000a"]`, `when = "both"`)...)
	}
	w := workspace.New(t, "")
	w.Write("main.tf", config())
	w.MustRun("apply", "-auto-approve")
	old := regexp.MustCompile(`\s*"request_ids": \{[^}]*\},`).ReplaceAllString(w.Read("terraform.tfstate"), "")
	if strings.Contains(old, "request_ids") || !strings.Contains(old, `"outcomes"`) || !json.Valid([]byte(old)) {
		t.Fatalf("no state of old is made: %s", old)
	}
	w.Write("terraform.tfstate", old)
	fake.AddSessions(testInventory()...)
	fake.ResetRequests()

	w.MustRun("plan", "-detailed-exitcode")
	w.MustRun("apply", "-refresh-only", "-auto-approve")
	w.MustRun("plan", "-detailed-exitcode")
	w.Write("main.tf", config("max_sessions = 7"))
	if text := w.MustRun("apply", "-auto-approve"); strings.Contains(text, "request_ids") || !strings.Contains(text, "1 changed") {
		t.Errorf("the change of a limit shows something else:\n%s", text)
	}
	w.MustRun("plan", "-detailed-exitcode")
	if calls := endpoint.TakeCalls(fake); len(calls) > 0 {
		t.Errorf("calls were made: %v", calls)
	}

	w.Write("main.tf", config("max_sessions = 7", `exclude_owners = ["*/nobody"]`))
	w.MustRun("apply", "-auto-approve")
	sent := testSentRequestIDs(fake)
	for _, id := range []string{"ann-1", "cat-1"} {
		if text := fmt.Sprint(sent[id]); sent[id] == nil || !strings.Contains(w.Read("terraform.tfstate"), text) {
			t.Errorf("the request ID %v of session %s is not stored by the next drain", sent[id], id)
		}
	}
}

// What is no request ID is neither stored nor shown.
func TestSessionDrainResource_hostileRequestIDs(t *testing.T) {
	t.Parallel()

	for name, sent := range map[string]string{
		"10 kB":           strings.Repeat("0123abcd-", 1137),
		"interpolation":   "${path.module}%{ for x in [] }",
		"words":           "Error: all sessions were ended",
		"a session token": "FwoGZXIvYXdzEBYaDK+/" + strings.Repeat("x", 80) + "==",
		"no UTF-8":        "\xff\xfe\xfd0123456789",
		"a control":       "0123abcd-0123\u009b2J",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, _ := testInventoryFake(t)
			fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: "cat-1", Kind: fakessm.FaultDenied, Times: -1})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recorder := httptest.NewRecorder()
				fake.ServeHTTP(recorder, r)
				recorder.Header()["X-Amzn-Requestid"] = []string{sent}
				for key, values := range recorder.Header() {
					w.Header()[key] = values
				}
				w.WriteHeader(recorder.Code)
				_, _ = w.Write(recorder.Body.Bytes())
			}))
			t.Cleanup(server.Close)

			state, diags := newConfiguredServer(t, testArguments(server.URL)).Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000000a"}})

			if diff := cmp.Diff(any(map[string]any{}), state.Values["request_ids"]); diff != "" {
				t.Errorf("request IDs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(any(map[string]any{"ann-1": "terminated", "cat-1": "failed"}), state.Values["outcomes"]); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
			if text := fmt.Sprintf("%+v", diags); !strings.Contains(text, "cat-1: the credentials do not allow it") || strings.Contains(text, "Request ID") || strings.Contains(text, sent) {
				t.Errorf("the diagnostics are %s", text)
			}
		})
	}
}

// A list of very many failures is cut, and says so. Those who came late are told all
// the same.
func TestDrainFailures_many(t *testing.T) {
	t.Parallel()

	result := sessionmanager.DrainResult{Failures: map[string]error{}, Left: []string{"late-1"}}
	for i := range 150 {
		id := fmt.Sprintf("crowd-%03d", i)
		result.Failures[id] = &sessionmanager.Error{
			Operation: sessionmanager.TerminateSession, SessionRef: sessionmanager.SessionRef{Region: testRegion, SessionID: id},
			Kind: sessionmanager.ErrStillLive, RequestID: "0123abcd-" + id,
		}
	}

	lines := strings.Split(drainFailures("Region us-east-1", result, "", ""), "\n")

	if !strings.HasPrefix(lines[0], "151 sessions in Region us-east-1 could not be ended (0 ended):") {
		t.Errorf("the first line is %q", lines[0])
	}
	first, last := slices.Index(lines, "  crowd-000: it is still live after the time allowed"), slices.Index(lines, "  crowd-099: it is still live after the time allowed")
	if first < 0 || last != first+2*99 {
		t.Fatalf("the first hundred are in the lines from %d to %d", first, last)
	}
	want := []string{"    Request ID: 0123abcd-crowd-099", "  and 50 more", "  late-1: it began while the others were being ended, and is live"}
	if diff := cmp.Diff(want, lines[last+1:last+4]); diff != "" {
		t.Errorf("after the hundredth (-want +got):\n%s", diff)
	}
}

// An error without a cause has the request ID of an answer that was no error.
func TestFailureDetail_requestID(t *testing.T) {
	t.Parallel()

	detail := failureDetail("It lives.", &sessionmanager.Error{Operation: sessionmanager.TerminateSession, Kind: sessionmanager.ErrContradictory, RequestID: "0123abcd-0123"})
	if !strings.HasSuffix(detail, "\n\nRequest ID: 0123abcd-0123") {
		t.Errorf("the detail is %q", detail)
	}
	detail = failureDetail("It was refused.", &sessionmanager.Error{Operation: sessionmanager.TerminateSession, Kind: sessionmanager.ErrRejected, Err: errors.New("no"), RequestID: "0123abcd-0123"})
	if !strings.HasSuffix(detail, "\n\nError: no\nRequest ID: 0123abcd-0123") {
		t.Errorf("the detail is %q", detail)
	}
}

// wantRecord checks an output that says what became of the sessions: that they were
// ended, and by which request.
func wantRecord(t *testing.T, w *workspace.Workspace, fake *fakessm.Server, output string, sessions ...string) {
	t.Helper()

	got := map[string]any{}
	if err := json.Unmarshal(w.Stdout("output", "-json", output), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{}
	for _, id := range sessions {
		want[id] = map[string]any{"outcome": "terminated", "request_id": testSentRequestIDs(fake)[id]}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the output %s (-want +got):\n%s", output, diff)
	}
}

// The log of a termination tells which request ended the session: its state does not.
func TestSessionTerminationResource_requestIDInLog(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	w := workspace.New(t, testSessionTerminationResourceConfig_basic(url, testLive))
	w.MustRun("apply", "-auto-approve")

	sent, ok := testSentRequestIDs(fake)[testLive].(string)
	if !ok {
		t.Fatal("the endpoint sent no request ID")
	}
	if !slices.ContainsFunc(strings.Split(w.Read("trace.log"), "\n"), func(line string) bool {
		return strings.Contains(line, "Called SSM") && strings.Contains(line, "operation=TerminateSession") &&
			strings.Contains(line, "session_id="+testLive) && strings.Contains(line, "request_id="+sent)
	}) {
		t.Errorf("no line of the log has the session and the request ID %s", sent)
	}
	if state := w.Read("terraform.tfstate"); strings.Contains(state, sent) || !strings.Contains(state, testLive) {
		t.Errorf("the state has the request ID:\n%s", state)
	}
}
