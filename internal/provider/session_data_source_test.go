// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

const testNobody = "nobody-00000000000000000"

func testSessionDataSourceConfig_basic(url, sessionID string, arguments ...string) string {
	return testProviderConfig(url) + fmt.Sprintf(`
data "ssm_session" "test" {
  session_id = %q
  %s
}
`, sessionID, strings.Join(arguments, "\n  "))
}

// checkBlock expects the status of a check block in a plan, and its problem, if any.
type checkBlock struct {
	name, status, problem string
}

func (c checkBlock) CheckPlan(_ context.Context, req plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	for _, check := range req.Plan.Checks {
		if check.Address.Kind != tfjson.CheckKindCheckBlock || check.Address.Name != c.name {
			continue
		}
		var problems strings.Builder
		for _, instance := range check.Instances {
			for _, problem := range instance.Problems {
				problems.WriteString(problem.Message + "\n")
			}
		}
		if string(check.Status) != c.status || !strings.Contains(problems.String(), c.problem) {
			resp.Error = fmt.Errorf("check.%s is %q, saying %q; want %q, saying %q", c.name, check.Status, problems.String(), c.status, c.problem)
		}

		return
	}
	resp.Error = fmt.Errorf("the plan has no check.%s", c.name)
}

func TestSessionDataSource_basic(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionDataSourceConfig_basic(url, testLive) + `
check "connected" {
  assert {
    condition     = data.ssm_session.test.status == "Connected"
    error_message = "The session is ${data.ssm_session.test.status}."
  }
}
`,
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{checkBlock{"connected", "pass", ""}},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.ssm_session.test", tfjsonpath.New("owner"), knownvalue.StringExact(testOwner)),
					statecheck.ExpectKnownValue("data.ssm_session.test", tfjsonpath.New("region"), knownvalue.StringExact(testRegion)),
					statecheck.ExpectKnownValue("data.ssm_session.test", tfjsonpath.New("end_date"), knownvalue.Null()),
					statecheck.ExpectKnownValue("data.ssm_session.test", tfjsonpath.New("output_url"), knownvalue.Null()),
				},
			},
		},
	})
	calls := endpoint.TakeCalls(fake)
	if len(calls) == 0 {
		t.Error("the session was not looked up")
	}
	for _, call := range calls {
		if call != "DescribeSessions us-east-1 Active "+testLive {
			t.Errorf("unexpected request %q", call)
		}
	}
}

// Terraform shows what the service sends. Members that are missing or empty are null, and
// unknown values are passed on.
func TestSessionDataSource_attributes(t *testing.T) {
	t.Parallel()

	started := time.Date(2026, 11, 20, 9, 30, 15, 999000000, time.FixedZone("CET", 3600))
	for name, tc := range map[string]struct {
		session fakessm.Session
		want    map[string]any
		lists   []string
	}{
		"a live session with everything": {
			fakessm.Session{
				Target: testTarget, Status: "Disconnected", Owner: testOwner, DocumentName: "SSM-SessionManagerRunShell", Reason: "incident 42",
				Details: "none", MaxSessionDuration: "1044", AccessType: "JustInTime", S3OutputURL: "s3://logs/1", CloudWatchOutputURL: "https://logs/1",
			},
			map[string]any{
				"target": testTarget, "status": "Disconnected", "owner": testOwner, "document_name": "SSM-SessionManagerRunShell", "reason": "incident 42",
				"details": "none", "max_session_duration": "1044", "access_type": "JustInTime",
				"output_url": map[string]any{"s3_output_url": "s3://logs/1", "cloudwatch_output_url": "https://logs/1"},
			},
			[]string{"Active"},
		},
		"a session of the history, with one URL of two": {
			fakessm.Session{Status: "Failed", Target: testTarget, EndDate: started.Add(90 * time.Second), CloudWatchOutputURL: "https://logs/1"},
			map[string]any{
				"status": "Failed", "target": testTarget, "end_date": "2026-11-20T08:31:45Z",
				"output_url": map[string]any{"s3_output_url": nil, "cloudwatch_output_url": "https://logs/1"},
			},
			[]string{"Active", "History"},
		},
		"a live session with empty strings": {
			fakessm.Session{},
			map[string]any{"status": "Connected"},
			[]string{"Active"},
		},
		"a session that is ending": {
			fakessm.Session{Status: "Terminating"},
			map[string]any{"status": "Terminating"},
			[]string{"Active", "History"},
		},
		"values that are newer than the provider": {
			fakessm.Session{Status: "Hibernating", AccessType: "Quantum", MaxSessionDuration: "soon"},
			map[string]any{"status": "Hibernating", "access_type": "Quantum", "max_session_duration": "soon"},
			[]string{"Active"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			tc.session.SessionID, tc.session.StartDate = "ann-1", started
			want := map[string]any{
				"session_id": "ann-1", "region": testRegion, "start_date": "2026-11-20T08:30:15Z", "target": nil, "status": nil, "owner": nil,
				"document_name": nil, "reason": nil, "end_date": nil, "max_session_duration": nil, "access_type": nil, "details": nil, "output_url": nil,
			}
			maps.Copy(want, tc.want)
			var calls []string
			for _, list := range tc.lists {
				calls = append(calls, "DescribeSessions us-east-1 "+list+" ann-1")
			}

			fake, url := testFake(t, fakessm.WithSessions(tc.session))
			got, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_session", map[string]any{"session_id": "ann-1"})
			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("unexpected attributes (-want +got):\n%s", diff)
			}
			endpoint.WantCalls(t, fake, calls...)
		})
	}
}

// The session is looked up in the given Region only.
func TestSessionDataSource_region(t *testing.T) {
	t.Parallel()

	session := testSessions()[0]
	session.Region, session.Reason = "eu-central-1", "abroad"
	fake, url := testFake(t, fakessm.WithSessions(session))
	s := newConfiguredServer(t, testArguments(url))

	got, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": testLive, "region": "eu-central-1"})
	protocol.WantNoDiagnostics(t, diags)
	if got["region"] != "eu-central-1" || got["reason"] != "abroad" {
		t.Errorf("read the session of another Region: %v", got)
	}
	endpoint.WantCalls(t, fake, "DescribeSessions eu-central-1 Active "+testLive)
}

// Each failure has its diagnostic, and makes no unnecessary call.
func TestSessionDataSource_failures(t *testing.T) {
	t.Parallel()

	wantDataSourceFails(t, "ssm_session", "DescribeSessions", testFake, map[string]dataSourceFailure{
		"a session that SSM does not know": {
			config: map[string]any{"session_id": testNobody},
			want: protocol.Error("session_id", "Session Not Found",
				"Session \""+testNobody+"\" in Region us-east-1 of account 123456789012 could not be read: SSM knows no such session\nCheck session_id, region"),
			calls: 4,
		},
		"a session of another Region": {
			config: map[string]any{"session_id": testLive, "region": "us-west-2"},
			want:   protocol.Error("session_id", "Session Not Found", "Region us-west-2"),
			calls:  4,
		},
		"a denied look-up": {
			config: map[string]any{"session_id": testLive},
			fault:  fakessm.Fault{Kind: fakessm.FaultDenied},
			want: protocol.Error("session_id", "Unable to Read Session",
				"Session \""+testLive+"\" in Region us-east-1 of account 123456789012 could not be read: the credentials do not allow it.\nAllow the IAM action ssm:DescribeSessions on the resource \"*\".\nAccessDeniedException"),
			calls: 1,
		},
		"endless throttling": {
			config: map[string]any{"session_id": testLive},
			fault:  fakessm.Fault{Kind: fakessm.FaultThrottle},
			want:   protocol.Error("session_id", "Unable to Read Session", testLive+"\nquota\nThrottlingException"),
			calls:  2,
		},
		"expired credentials": {
			config: map[string]any{"session_id": testLive},
			fault:  fakessm.Fault{Kind: fakessm.FaultExpired},
			want:   protocol.Error("session_id", "Unable to Read Session", "did not accept the credentials\nRenew the credentials"),
			calls:  1,
		},
		"an answer that is no JSON": {
			config: map[string]any{"session_id": testLive},
			fault:  fakessm.Fault{Kind: fakessm.FaultGarbage},
			want:   protocol.Error("session_id", "Unable to Read Session", "no usable answer\ncould not be decoded"),
			calls:  1,
		},
		"an empty session ID": {
			config: map[string]any{"session_id": ""},
			want:   protocol.Error("session_id", "Empty Value", "no session ID is."),
		},
		"a session ID of 97 characters": {
			config: map[string]any{"session_id": strings.Repeat("x", 97)},
			want:   protocol.Error("session_id", "Value Too Long", "97 characters"),
		},
		"an unknown Region": {
			config: map[string]any{"session_id": testLive, "region": "us-esat-1"},
			want:   protocol.Error("region", "Invalid AWS Region", "us-esat-1"),
		},
		"a Region of another partition": {
			config: map[string]any{"session_id": testLive, "region": "eusc-de-east-1"},
			want:   protocol.Error("region", "Invalid AWS Region", "\"aws-eusc\""),
		},
		"a provider argument that is not known yet": {
			arguments: map[string]any{"secret_key": protocol.Unknown},
			config:    map[string]any{"session_id": testLive},
			want:      protocol.Error("", "Unable to Read Session", "\"secret_key\""),
		},
	})
}

// The ID of a node instead of a session causes a warning, and not an error.
func TestSessionDataSource_nodeID(t *testing.T) {
	t.Parallel()

	_, url := testFake(t)
	_, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_session", map[string]any{"session_id": testTarget})
	if len(diags) != 2 || diags[0].Severity != "warning" || diags[0].Summary != "Node ID Instead of Session ID" || diags[1].Summary != "Session Not Found" {
		t.Errorf("unexpected diagnostics: %+v", diags)
	}
}

// An ID in other capitals is not that of the session. The error names the one that SSM lists.
func TestSessionDataSource_otherCase(t *testing.T) {
	t.Parallel()

	_, url := testFake(t, fakessm.WithFiltersIgnored(), fakessm.WithSessions(fakessm.Session{SessionID: "MARY-0a1b2c3d4e5f60718", StartDate: time.Now()}))
	s := newConfiguredServer(t, testArguments(url))

	_, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": "mary-0a1b2c3d4e5f60718"})
	protocol.WantDiagnostic(t, protocol.Error("session_id", "Unable to Read Session",
		"SSM lists \"MARY-0a1b2c3d4e5f60718\", which differs only in upper and lower case.\nGive the session ID exactly as SSM lists it."), diags)
}

// Without a filter by ID, an answer can show that a session exists, but not that it is
// absent.
func TestSessionDataSource_filtersIgnored(t *testing.T) {
	t.Parallel()

	options := []fakessm.Option{fakessm.WithFiltersIgnored(), fakessm.WithPageSize(1)}
	for i := range 5 {
		options = append(options, fakessm.WithSessions(fakessm.Session{SessionID: fmt.Sprint("other-", i), StartDate: time.Now()}))
	}
	fake, url := testFake(t, options...)
	s := newConfiguredServer(t, testArguments(url))

	_, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": testNobody})
	protocol.WantDiagnostic(t, protocol.Error("session_id", "Unable to Read Session",
		"SSM did not filter its listing by session ID\nCheck the endpoint"), diags)
	if got := fake.Count("DescribeSessions"); got > 6 {
		t.Errorf("read %d pages of other people's sessions", got)
	}

	got, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": "other-4"})
	protocol.WantNoDiagnostics(t, diags)
	if got["session_id"] != "other-4" {
		t.Errorf("read %v", got["session_id"])
	}
}

// An ID that becomes known during apply is looked up then.
func TestSessionDataSource_unknownSessionID(t *testing.T) {
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
data "ssm_session" "test" {
  session_id = terraform_data.id.output
}
`, testEnded),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{planHook(func() { endpoint.WantCalls(t, fake) })},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.ssm_session.test", tfjsonpath.New("status"), knownvalue.StringExact("Terminated")),
					statecheck.ExpectKnownValue("data.ssm_session.test", tfjsonpath.New("end_date"), knownvalue.StringExact("2026-11-20T08:30:15Z")),
				},
			},
		},
	})
}

// In a check block a missing session is reported, and the plan goes on.
func TestSessionDataSource_scopedToCheck(t *testing.T) {
	t.Parallel()

	_, url := testFake(t)
	check := func(sessionID string) string {
		return testProviderConfig(url) + fmt.Sprintf(`
check "session" {
  data "ssm_session" "test" {
    session_id = %q
  }
  assert {
    condition     = data.ssm_session.test.status == "Terminated"
    error_message = "${data.ssm_session.test.owner} is still there."
  }
}
`, sessionID)
	}
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: check(testLive),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{checkBlock{"session", "fail", testOwner + " is still there."}},
				},
				ExpectNonEmptyPlan: true, // Terraform reads it during each apply.
			},
			{
				Config: check(testEnded),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{checkBlock{"session", "pass", ""}},
				},
				ExpectNonEmptyPlan: true,
			},
			{
				Config: check(testNobody),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{checkBlock{"session", "fail", ""}},
				},
				ExpectNonEmptyPlan: true,
			},
		},
	})
}

// The error about a missing session names the account.
func TestSessionDataSource_notFoundNamesAccount(t *testing.T) {
	t.Parallel()

	_, url := testFake(t)
	_, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_session", map[string]any{"session_id": "nobody-1"})
	protocol.WantDiagnostic(t, protocol.Error("session_id", "Session Not Found", "of account 123456789012\nSSM knows no such session in this account and Region."), diags)
}
