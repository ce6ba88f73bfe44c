// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

const testTermination = "ssm_session_termination.test"

// testSessionTerminationResourceConfig_basic returns a termination. Its arguments are
// lines of HCL.
func testSessionTerminationResourceConfig_basic(url, sessionID string, arguments ...string) string {
	return testProviderConfig(url) + fmt.Sprintf(`
resource "ssm_session_termination" "test" {
  session_id = %q
  %s
}
`, sessionID, strings.Join(arguments, "\n  "))
}

// testValue checks one attribute of the termination in state.
func testValue(attribute, want string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(testTermination, tfjsonpath.New(attribute), knownvalue.StringExact(want))
}

// testNull checks that an attribute of the termination is null in state.
func testNull(attribute string) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(testTermination, tfjsonpath.New(attribute), knownvalue.Null())
}

// planHook is a plan check that calls a function between plan and apply.
type planHook func()

func (h planHook) CheckPlan(context.Context, plancheck.CheckPlanRequest, *plancheck.CheckPlanResponse) {
	h()
}

func TestSessionTerminationResource_basic(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionTerminationResourceConfig_basic(url, testLive),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectKnownValue(testTermination, tfjsonpath.New("owner"), knownvalue.StringExact(testOwner)),
						plancheck.ExpectKnownValue(testTermination, tfjsonpath.New("target"), knownvalue.StringExact(testTarget)),
						plancheck.ExpectKnownValue(testTermination, tfjsonpath.New("start_date"), knownvalue.StringExact("2026-11-20T08:30:15Z")),
						plancheck.ExpectKnownValue(testTermination, tfjsonpath.New("region"), knownvalue.StringExact(testRegion)),
						plancheck.ExpectUnknownValue(testTermination, tfjsonpath.New("outcome")),
						plancheck.ExpectUnknownValue(testTermination, tfjsonpath.New("status")),
						plancheck.ExpectUnknownValue(testTermination, tfjsonpath.New("reason")),
						planHook(func() {
							endpoint.WantStatus(t, fake, testLive, "Connected")
							endpoint.WantCalls(t, fake, "DescribeSessions us-east-1 Active "+testLive)
						}),
					},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					testValue("outcome", "terminated"),
					testValue("status", "Terminated"),
					testValue("owner", testOwner),
					testValue("target", testTarget),
					testValue("document_name", "SSM-SessionManagerRunShell"),
					testValue("reason", "incident 42"),
					testValue("start_date", "2026-11-20T08:30:15Z"),
					testValue("if_not_found", "fail"),
					statecheck.ExpectKnownValue(testTermination, tfjsonpath.New("verify"), knownvalue.Bool(true)),
				},
			},
			{
				PreConfig: func() {
					endpoint.WantStatus(t, fake, testLive, "Terminated")
					// Terraform plans a create a second time during apply. The next plan,
					// with its refresh, makes no call.
					endpoint.WantCalls(t, fake,
						"DescribeSessions us-east-1 Active "+testLive,
						"DescribeSessions us-east-1 Active "+testLive,
						"TerminateSession us-east-1 "+testLive,
						"DescribeSessions us-east-1 History "+testLive)
					fake.RemoveSession(testLive)
				},
				Config:   testSessionTerminationResourceConfig_basic(url, testLive),
				PlanOnly: true,
			},
			{
				// Arguments that only the provider uses change in place.
				Config: testSessionTerminationResourceConfig_basic(url, testLive, `if_not_found = "succeed"`, `verify = false`, `timeouts { create = "5m" }`),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(testTermination, plancheck.ResourceActionUpdate),
						plancheck.ExpectKnownValue(testTermination, tfjsonpath.New("outcome"), knownvalue.StringExact("terminated")),
					},
				},
				ConfigStateChecks: []statecheck.StateCheck{testValue("outcome", "terminated"), testValue("if_not_found", "succeed")},
			},
		},
	})
	// Neither the update nor the destroy makes a call.
	endpoint.WantCalls(t, fake)
}

func TestSessionTerminationResource_alreadyEnded(t *testing.T) {
	t.Parallel()

	for name, option := range map[string]fakessm.Option{
		"SSM refuses to terminate an ended session": fakessm.WithPageSize(1),
		"SSM accepts to terminate an ended session": fakessm.WithEndedAccepted(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, option)
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{
					{
						Config: testSessionTerminationResourceConfig_basic(url, testEnded),
						ConfigPlanChecks: resource.ConfigPlanChecks{
							PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
						},
						ConfigStateChecks: []statecheck.StateCheck{
							testValue("outcome", "already_ended"),
							testValue("status", "Terminated"),
							testValue("end_date", "2026-11-20T08:30:15Z"),
							testNull("reason"),
							testNull("document_name"),
						},
					},
				},
			})
			if got := fake.Count("TerminateSession"); got != 0 {
				t.Errorf("TerminateSession was called %d times for an ended session", got)
			}
		})
	}
}

// A session that ends between plan and apply keeps the facts that were planned.
func TestSessionTerminationResource_endsBetweenPlanAndApply(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionTerminationResourceConfig_basic(url, testLive),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{planHook(func() { fake.EndSession(testLive) })},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					testValue("outcome", "already_ended"),
					testValue("owner", testOwner),
				},
			},
		},
	})
	if got := fake.Count("TerminateSession"); got != 0 {
		t.Errorf("TerminateSession was called %d times for an ended session", got)
	}
}

func TestSessionTerminationResource_notFound(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config:      testSessionTerminationResourceConfig_basic(url, "nobody-00000000000000000"),
				ExpectError: regexp.MustCompile(`(?s)Session Not Found.*session_id.*"nobody-00000000000000000".*us-east-1.*if_not_found`),
			},
			{
				PreConfig: fake.ResetRequests,
				Config:    testSessionTerminationResourceConfig_basic(url, "nobody-00000000000000000", `if_not_found = "succeed"`),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply:             []plancheck.PlanCheck{plancheck.ExpectUnknownValue(testTermination, tfjsonpath.New("owner"))},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					testValue("outcome", "not_found"),
					testNull("status"),
					testNull("owner"),
					testNull("target"),
					testNull("start_date"),
				},
			},
		},
	})
	if got := fake.Count("TerminateSession"); got != 1 {
		t.Errorf("TerminateSession was called %d times, want 1: the listing may lag behind", got)
	}
}

func TestSessionTerminationResource_verifyFalse(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionTerminationResourceConfig_basic(url, testLive, "verify = false"),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply:             []plancheck.PlanCheck{plancheck.ExpectUnknownValue(testTermination, tfjsonpath.New("owner"))},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					testValue("outcome", "unverified"),
					testNull("status"),
					testNull("owner"),
				},
			},
		},
	})
	endpoint.WantStatus(t, fake, testLive, "Terminated")
	endpoint.WantCalls(t, fake, "TerminateSession us-east-1 "+testLive)
}

// Without ssm:DescribeSessions the session is ended, but unverified. A refresh with the
// permission verifies it.
func TestSessionTerminationResource_describeDenied(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1})
	config := testSessionTerminationResourceConfig_basic(url, testLive)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: config,
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply:             []plancheck.PlanCheck{plancheck.ExpectUnknownValue(testTermination, tfjsonpath.New("owner"))},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: []statecheck.StateCheck{testValue("outcome", "unverified")},
			},
			{
				PreConfig: func() {
					endpoint.WantStatus(t, fake, testLive, "Terminated")
					fake.ClearFaults()
				},
				Config: config,
				ConfigStateChecks: []statecheck.StateCheck{
					testValue("outcome", "terminated"),
					testValue("owner", testOwner),
				},
			},
			{
				PreConfig: fake.ResetRequests,
				Config:    config,
				PlanOnly:  true,
			},
		},
	})
	endpoint.WantCalls(t, fake)
}

// A request whose answer is lost may have ended the session. If a refresh finds it ended,
// the outcome is "terminated".
func TestSessionTerminationResource_answerLost(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1})
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultResetAfter, Times: 1})
	config := testSessionTerminationResourceConfig_basic(url, testLive)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{Config: config, ConfigStateChecks: []statecheck.StateCheck{testValue("outcome", "unverified")}},
			{
				PreConfig: func() {
					endpoint.WantStatus(t, fake, testLive, "Terminated")
					fake.ClearFaults()
				},
				Config:            config,
				ConfigStateChecks: []statecheck.StateCheck{testValue("outcome", "terminated")},
			},
		},
	})
	if n := fake.Count("TerminateSession"); n != 2 {
		t.Errorf("%d calls of TerminateSession, want one and its repetition", n)
	}
}

// Planned values stay, although SSM words them differently once the session has ended.
func TestSessionTerminationResource_factsReworded(t *testing.T) {
	t.Parallel()

	start := time.Date(2026, 11, 20, 8, 30, 35, 0, time.UTC)
	session := fakessm.Session{SessionID: "reworded", Owner: testOwner, Target: testTarget, StartDate: start}
	_, url := testHookedFake(t, func(fake *fakessm.Server, operation string) {
		if operation == "TerminateSession" {
			session.StartDate, session.Owner = start.Add(time.Second), ""
			fake.AddSessions(session)
		}
	}, fakessm.WithSessions(session))
	state, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_termination", map[string]any{"session_id": "reworded"})
	protocol.WantNoDiagnostics(t, diags)
	want := map[string]any{"outcome": "terminated", "owner": testOwner, "target": testTarget, "start_date": "2026-11-20T08:30:35Z"}
	for name, value := range want {
		if state.Values[name] != value {
			t.Errorf("%s is %v, want %v", name, state.Values[name], value)
		}
	}
}

func TestSessionTerminationResource_terminateDenied(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1})
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config:      testSessionTerminationResourceConfig_basic(url, testLive),
				ExpectError: regexp.MustCompile(`(?s)Unable to Terminate Session.*` + testLive + `.*us-east-1.*ssm:TerminateSession.*AccessDeniedException`),
			},
			{
				// Nothing was done, so nothing is in state.
				PreConfig: func() {
					endpoint.WantStatus(t, fake, testLive, "Connected")
					fake.ClearFaults()
				},
				Config: testSessionTerminationResourceConfig_basic(url, testLive),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(testTermination, plancheck.ResourceActionCreate)},
				},
			},
		},
	})
	endpoint.WantStatus(t, fake, testLive, "Terminated")
}

// A temporary failure of the plan's lookup is an error. Terraform would reject an
// incomplete plan during apply.
func TestSessionTerminationResource_planFails(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		fault fakessm.FaultKind
		want  string
	}{
		"endless throttling":       {fakessm.FaultThrottle, `Unable to Read Session.*session_id.*` + testLive + `.*quota.*ThrottlingException`},
		"endless internal errors":  {fakessm.FaultInternal, `Unable to Read Session.*` + testLive + `.*no usable answer.*InternalServerError`},
		"expired credentials":      {fakessm.FaultExpired, `Unable to Read Session.*` + testLive + `.*credentials.*ExpiredTokenException`},
		"an answer of a proxy":     {fakessm.FaultProxy, `Unable to Read Session.*` + testLive + `.*no usable answer.*503`},
		"an answer that is no API": {fakessm.FaultGarbage, `Unable to Read Session.*` + testLive + `.*could not be decoded`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: tc.fault, Times: -1})
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{
					{
						Config: strings.Replace(testSessionTerminationResourceConfig_basic(url, testLive),
							"region ", "max_retries = 2\n  region ", 1),
						PlanOnly:    true,
						ExpectError: testWrapped(tc.want),
					},
				},
			})
			endpoint.WantStatus(t, fake, testLive, "Connected")
			if got := fake.Count("TerminateSession"); got != 0 {
				t.Errorf("TerminateSession was called %d times by a plan", got)
			}
		})
	}
}

// A session that stays live is an error. The next plan removes it from state, and plans
// to end it again.
func TestSessionTerminationResource_timeout(t *testing.T) {
	t.Parallel()

	session := testSessions()[0]
	session.Behaviour = fakessm.BehaviourUnkillable
	fake, url := testFake(t, fakessm.WithSessions(session))
	config := testSessionTerminationResourceConfig_basic(url, testLive, `timeouts { create = "2s" }`)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config:      config,
				ExpectError: regexp.MustCompile(`(?s)Unable to Terminate Session.*` + testLive + `.*still\s+live.*longer\s+timeout`),
			},
			{
				PreConfig: func() {
					session.Behaviour = ""
					fake.AddSessions(session)
				},
				Config: config,
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(testTermination, plancheck.ResourceActionCreate)},
				},
				ConfigStateChecks: []statecheck.StateCheck{testValue("outcome", "terminated")},
			},
		},
	})
	endpoint.WantStatus(t, fake, testLive, "Terminated")
}

// If the connection is reset after the session was ended, the outcome is still
// "terminated".
func TestSessionTerminationResource_lostReply(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultResetAfter})
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config:            testSessionTerminationResourceConfig_basic(url, testLive),
				ConfigStateChecks: []statecheck.StateCheck{testValue("outcome", "terminated")},
			},
		},
	})
	if got := fake.Count("TerminateSession"); got != 2 {
		t.Errorf("TerminateSession was called %d times, want the lost one and one retry", got)
	}
}

// The plan of a termination whose session ID is unknown makes no call.
func TestSessionTerminationResource_unknownSessionID(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testProviderConfig(url) + fmt.Sprintf(`
resource "terraform_data" "id" {
  input = %q
}
resource "ssm_session_termination" "test" {
  session_id = terraform_data.id.output
}
`, testLive),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectUnknownValue(testTermination, tfjsonpath.New("session_id")),
						plancheck.ExpectUnknownValue(testTermination, tfjsonpath.New("owner")),
						planHook(func() { endpoint.WantCalls(t, fake) }),
					},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: []statecheck.StateCheck{testValue("outcome", "terminated"), testValue("session_id", testLive)},
			},
		},
	})
}

func TestSessionTerminationResource_region(t *testing.T) {
	t.Parallel()

	session := testSessions()[0]
	session.Region = "eu-central-1"
	fake, url := testFake(t, fakessm.WithSessions(session))
	unset := testSessionTerminationResourceConfig_basic(url, testLive)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionTerminationResourceConfig_basic(url, testLive, `region = "eu-central-1"`),
				ConfigStateChecks: []statecheck.StateCheck{
					testValue("region", "eu-central-1"),
					testValue("outcome", "terminated"),
				},
			},
			{
				// Without the argument the Region stays as it was, also if the default
				// changes.
				PreConfig: func() {
					endpoint.WantCalls(t, fake,
						"DescribeSessions eu-central-1 Active "+testLive,
						"DescribeSessions eu-central-1 Active "+testLive,
						"DescribeSessions eu-central-1 Active "+testLive,
						"TerminateSession eu-central-1 "+testLive,
						"DescribeSessions eu-central-1 History "+testLive)
				},
				Config:   strings.Replace(unset, `"us-east-1"`, `"us-west-2"`, 1),
				PlanOnly: true,
			},
			{
				Config: testSessionTerminationResourceConfig_basic(url, testLive, `region = "us-east-1"`),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectResourceAction(testTermination, plancheck.ResourceActionDestroyBeforeCreate),
						plancheck.ExpectKnownValue(testTermination, tfjsonpath.New("owner"), knownvalue.StringExact(testOwner)),
					},
				},
				ConfigStateChecks: []statecheck.StateCheck{testValue("region", "us-east-1")},
			},
		},
	})
}

func TestSessionTerminationResource_badInput(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		sessionID string
		argument  string
		want      string
	}{
		"an empty session ID":              {"", "", `Empty Value.*session_id`},
		"a session ID of 97 characters":    {strings.Repeat("x", 97), "", `Value Too Long.*session_id.*97\s+characters`},
		"an unknown region":                {testLive, `region = "us-esat-1"`, `Invalid AWS Region.*region = "us-esat-1".*skip_region_validation`},
		"a region of another partition":    {testLive, `region = "cn-north-1"`, `Invalid AWS Region.*"aws-cn".*partition`},
		"an empty region":                  {testLive, `region = ""`, `region = "".*The Region is empty`},
		"an unknown choice":                {testLive, `if_not_found = "ignore"`, `if_not_found.*"fail"\s+"succeed"`},
		"a timeout that is no duration":    {testLive, `timeouts { create = "2 minutes" }`, `timeouts.*create`},
		"a timeout that leaves no time":    {testLive, `timeouts { create = "0s" }`, `Invalid Timeout.*create.*above zero`},
		"a timeout for something unknown":  {testLive, `timeouts { destroy = "2m" }`, `"destroy" is not expected`},
		"an attribute that only SSM gives": {testLive, `owner = "me"`, `owner`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{
					{
						Config:      testSessionTerminationResourceConfig_basic(url, tc.sessionID, tc.argument),
						PlanOnly:    true,
						ExpectError: regexp.MustCompile(`(?s)` + tc.want),
					},
				},
			})
			endpoint.WantCalls(t, fake)
		})
	}
}

func TestSessionTerminationResource_import(t *testing.T) {
	t.Parallel()

	withAt := testSessions()[2]
	withAt.SessionID = "ops@example.com-0402960697c9ac1d2"
	abroad := testSessions()[2]
	abroad.Region = "eu-central-1"

	for name, tc := range map[string]struct {
		sessionID string
		importID  string
		region    string
		calls     []string
	}{
		"by session ID":                          {testEnded, testEnded, "us-east-1", []string{"us-east-1 Active " + testEnded, "us-east-1 History " + testEnded}},
		"by session ID and Region":               {testEnded, testEnded + "@eu-central-1", "eu-central-1", []string{"eu-central-1 Active " + testEnded, "eu-central-1 History " + testEnded}},
		"by a session ID with an at sign":        {withAt.SessionID, withAt.SessionID, "us-east-1", []string{"us-east-1 Active " + withAt.SessionID, "us-east-1 History " + withAt.SessionID}},
		"by a session ID with an at sign, twice": {withAt.SessionID, withAt.SessionID + "@us-east-1", "us-east-1", []string{"us-east-1 Active " + withAt.SessionID, "us-east-1 History " + withAt.SessionID}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, fakessm.WithSessions(withAt, abroad))
			config := testSessionTerminationResourceConfig_basic(url, tc.sessionID)
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{
					{
						Config:             config,
						ResourceName:       testTermination,
						ImportState:        true,
						ImportStateId:      tc.importID,
						ImportStatePersist: true,
						ImportStateCheck: func(states []*terraform.InstanceState) error {
							want := map[string]string{
								"session_id": tc.sessionID, "region": tc.region, "outcome": "already_ended", "status": "Terminated",
								"if_not_found": "fail", "verify": "true", "owner": "arn:aws:iam::123456789012:user/John-Doe",
							}
							for attribute, value := range want {
								if got := states[0].Attributes[attribute]; got != value {
									return fmt.Errorf("%s is %q, want %q", attribute, got, value)
								}
							}

							return nil
						},
					},
					{
						Config:   config,
						PlanOnly: true,
					},
				},
			})
			var want []string
			for _, call := range tc.calls {
				want = append(want, "DescribeSessions "+call)
			}
			endpoint.WantCalls(t, fake, want...)
		})
	}
}

func TestSessionTerminationResource_importByIdentity(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.IdentityImports)

	fake, url := testFake(t)
	importBlock := fmt.Sprintf(`
import {
  to = ssm_session_termination.test
  identity = {
    session_id = %q
    region     = "us-east-1"
    account_id = %q
  }
}
`, testEnded, testAccountID)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionTerminationResourceConfig_basic(url, testEnded) + importBlock,
				ConfigStateChecks: []statecheck.StateCheck{
					testValue("outcome", "already_ended"),
					statecheck.ExpectIdentity(testTermination, map[string]knownvalue.Check{
						"session_id": knownvalue.StringExact(testEnded),
						"region":     knownvalue.StringExact(testRegion),
						"account_id": knownvalue.StringExact(testAccountID),
					}),
				},
			},
			{
				Config:      testSessionTerminationResourceConfig_basic(url, testEnded) + strings.Replace(strings.Replace(importBlock, testAccountID, "999999999999", 1), ".test", ".other", 1) + strings.Replace(strings.SplitN(testSessionTerminationResourceConfig_basic(url, testEnded), "\nresource", 2)[1], ` "ssm_session_termination" "test"`, "\nresource \"ssm_session_termination\" \"other\"", 1),
				ExpectError: regexp.MustCompile(`(?s)Unable to Import Session Termination.*999999999999.*123456789012`),
			},
		},
	})
	if got := fake.Count("TerminateSession"); got != 0 {
		t.Errorf("TerminateSession was called %d times by an import", got)
	}
}

func TestSessionTerminationResource_importRefused(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		importID string
		fault    fakessm.FaultKind
		want     string
	}{
		"a live session":           {testLive, "", `Session Still Live.*` + testLive + `.*us-east-1.*Connected`},
		"a disconnected session":   {testAway, "", `Session Still Live.*` + testAway + `.*Disconnected`},
		"a session that is absent": {"nobody-00000000000000000", "", `Session Not Found.*nobody.*30 days`},
		"an unknown Region":        {testEnded + "@us-esat-1", "", `Invalid AWS Region.*us-esat-1`},
		"an overlong ID":           {strings.Repeat("x", 97), "", `Value Too Long`},
		"a denied look-up":         {testEnded, fakessm.FaultDenied, `Unable to Import Session Termination.*ssm:DescribeSessions`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			if tc.fault != "" {
				fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: tc.fault, Times: -1})
			}
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{
					{
						Config:        testSessionTerminationResourceConfig_basic(url, testEnded),
						ResourceName:  testTermination,
						ImportState:   true,
						ImportStateId: tc.importID,
						ExpectError:   regexp.MustCompile(`(?s)` + tc.want),
					},
				},
			})
			if got := fake.Count("TerminateSession"); got != 0 {
				t.Errorf("TerminateSession was called %d times by an import", got)
			}
		})
	}
}

// `terraform import` accepts an empty ID, and sends no identity then.
func TestSessionTerminationResource_importEmptyID(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	_, diags := newConfiguredServer(t, testArguments(url, offlineArguments)).Import("ssm_session_termination", "", nil)
	protocol.WantDiagnostic(t, protocol.Error("session_id", "Empty Value", "no session ID is."), diags)
	endpoint.WantCalls(t, fake)
}

// A session that a refresh finds live is removed from state, so the next apply ends it.
func TestSessionTerminationResource_foundLive(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1})
	config := testSessionTerminationResourceConfig_basic(url, testLive)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config:            config,
				ConfigStateChecks: []statecheck.StateCheck{testValue("outcome", "unverified")},
			},
			{
				PreConfig: func() {
					fake.ClearFaults()
					fake.AddSessions(testSessions()[0])
				},
				Config: config,
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(testTermination, plancheck.ResourceActionCreate)},
				},
				ConfigStateChecks: []statecheck.StateCheck{testValue("outcome", "terminated")},
			},
		},
	})
	endpoint.WantStatus(t, fake, testLive, "Terminated")
}

// The plan of a termination says if the session has ended already.
func TestSessionTerminationResource_planOfEnded(t *testing.T) {
	t.Parallel()

	ended := time.Date(2026, time.November, 20, 10, 30, 0, 0, time.UTC)
	fake, url := testFake(t, fakessm.WithSessions(fakessm.Session{
		SessionID: "over-1", Target: "i-0000000a", Owner: testOwner, Status: "Terminated", StartDate: ended.Add(-time.Hour), EndDate: ended,
	}))
	config := func(id string) string {
		return testProviderConfig(url) + fmt.Sprintf("resource \"ssm_session_termination\" \"test\" {\n  session_id = %q\n}\n", id)
	}

	output := workspace.New(t, config("over-1")).MustRun("plan")
	if !testWrapped(`Session Has Ended Already.*"over-1" of ` + testOwner + ` on i-0000000a in Region us-east-1 ended at 2026-11-20T10:30:00Z \(status Terminated\)\. Nothing is called to end it; the outcome is "already_ended"\.`).MatchString(output) {
		t.Errorf("the plan does not say that the session has ended:\n%s", output)
	}
	if output := workspace.New(t, config(testLive)).MustRun("plan"); strings.Contains(output, "Ended Already") {
		t.Errorf("the plan says that a live session has ended:\n%s", output)
	}
	if got := fake.Count("TerminateSession"); got != 0 {
		t.Errorf("TerminateSession was called %d times", got)
	}
}

// A plan that cannot show the session warns with the reason, unless the lookup is turned
// off.
func TestSessionTerminationResource_planNotShown(t *testing.T) {
	t.Parallel()

	const nobody = "nobody-00000000000000000"
	for name, tc := range map[string]struct {
		arguments map[string]any
		denied    bool
		want      string // Lines of the warning.
		calls     int
	}{
		"not found": {
			arguments: map[string]any{"session_id": nobody},
			want:      "Session \"" + nobody + "\" in Region us-east-1 cannot be shown in the plan: SSM knows no such session\nCheck session_id, region and the account",
			calls:     4,
		},
		"not found, which is good enough": {
			arguments: map[string]any{"session_id": nobody, "if_not_found": "succeed"},
			calls:     4,
		},
		"denied": {
			arguments: map[string]any{"session_id": testLive},
			denied:    true,
			want:      "Session \"" + testLive + "\" in Region us-east-1 cannot be shown in the plan: the credentials do not allow it\nssm:DescribeSessions",
			calls:     1,
		},
		"not looked up": {arguments: map[string]any{"session_id": nobody, "verify": false}},
		"shown":         {arguments: map[string]any{"session_id": testLive}, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(testSessions()...))
				if tc.denied {
					fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1})
				}

				plan, diags := newBubbleServer(t, endpoint.NewBubble(t, fake), offlineArguments).PlanCreate("ssm_session_termination", tc.arguments)

				if plan == nil {
					t.Fatalf("nothing is planned: %+v", diags)
				}
				if tc.want == "" {
					protocol.WantNoDiagnostics(t, diags)
				} else {
					protocol.WantDiagnostic(t, protocol.Warning("session_id", "Session Not Shown", tc.want), diags)
				}
				if calls := len(fake.Requests()); calls != tc.calls {
					t.Errorf("%d calls, want %d", calls, tc.calls)
				}
			})
		})
	}
}
