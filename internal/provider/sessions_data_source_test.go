// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

func testSessionsDataSourceConfig_basic(url string, arguments ...string) string {
	return testProviderConfig(url) + fmt.Sprintf(`
data "ssm_sessions" "test" {
  %s
}
`, strings.Join(arguments, "\n  "))
}

// testListings returns the filters of the listings since it was called last, one text for
// each first page.
func testListings(fake *fakessm.Server) []string {
	listings := []string{}
	for _, request := range fake.Requests() {
		if request.Operation == "DescribeSessions" && !request.NextToken {
			listings = append(listings, fmt.Sprint(request.Region, " ", request.State, " ", request.Filters))
		}
	}
	fake.ResetRequests()

	return listings
}

// The IDs are known at plan, so for_each accepts them, and a check can use the sessions.
func TestSessionsDataSource_basic(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	config := func(target string) string {
		return testSessionsDataSourceConfig_basic(url, fmt.Sprintf("targets = [%q]", target)) + `
resource "terraform_data" "test" {
  for_each = toset(data.ssm_sessions.test.session_ids)
  input    = each.value
}
check "nobody" {
  assert {
    condition     = length(data.ssm_sessions.test.sessions) == 0
    error_message = "Open: ${join(", ", data.ssm_sessions.test.sessions[*].owner)}."
  }
}
`
	}
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: config(testTarget),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						checkBlock{"nobody", "fail", "Open: " + testOwner + "."},
						plancheck.ExpectKnownValue(`terraform_data.test["`+testLive+`"]`, tfjsonpath.New("input"), knownvalue.StringExact(testLive)),
					},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.ssm_sessions.test", tfjsonpath.New("state"), knownvalue.StringExact("Active")),
					statecheck.ExpectKnownValue("data.ssm_sessions.test", tfjsonpath.New("region"), knownvalue.StringExact(testRegion)),
					statecheck.ExpectKnownValue("data.ssm_sessions.test", tfjsonpath.New("session_ids"), knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(testLive)})),
					statecheck.ExpectKnownValue("data.ssm_sessions.test", tfjsonpath.New("sessions").AtSliceIndex(0).AtMapKey("start_date"), knownvalue.StringExact("2026-11-20T08:30:15Z")),
				},
			},
			{
				PreConfig: func() { fake.EndSession(testLive) },
				Config:    config(testTarget),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						checkBlock{"nobody", "pass", ""},
						plancheck.ExpectResourceAction(`terraform_data.test["`+testLive+`"]`, plancheck.ResourceActionDestroy),
					},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.ssm_sessions.test", tfjsonpath.New("session_ids"), knownvalue.ListExact(nil)),
					statecheck.ExpectKnownValue("data.ssm_sessions.test", tfjsonpath.New("sessions"), knownvalue.ListExact(nil)),
				},
			},
		},
	})
	// A filter without results proves nothing, so all sessions are listed.
	want := []string{"us-east-1 Active map[Target:" + testTarget + "]", "us-east-1 Active map[]"}
	listings := testListings(fake)
	for i := range listings {
		if i > 0 && listings[i] == want[1] && listings[i-1] == want[0] {
			continue
		}
		if listings[i] != want[0] {
			t.Errorf("listed %s, want %s", listings[i], want)
		}
	}
	if listings[len(listings)-1] != want[1] {
		t.Errorf("no session is listed in the end, and the last listing is %s", listings[len(listings)-1])
	}
}

// Conditions that become known during apply are used then.
func TestSessionsDataSource_unknownConditions(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionsDataSourceConfig_basic(url, "targets = [terraform_data.target.output]", "older_than = terraform_data.age.output", "started_after = terraform_data.date.output") + fmt.Sprintf(`
resource "terraform_data" "target" {
  input = %q
}
resource "terraform_data" "age" {
  input = "1s"
}
resource "terraform_data" "date" {
  input = "2026-11-19T00:00:00Z"
}
`, testTarget),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{planHook(func() { endpoint.WantCalls(t, fake) })},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.ssm_sessions.test", tfjsonpath.New("session_ids"), knownvalue.ListExact([]knownvalue.Check{knownvalue.StringExact(testLive)})),
				},
			},
		},
	})
}

// These conditions are those that only the data source has. TestSelector_... is about the
// others.
func TestSessionsDataSource_conditions(t *testing.T) {
	t.Parallel()

	now := time.Now()
	at := func(age time.Duration) string { return now.Add(-age).UTC().Format(time.RFC3339) }
	for name, tc := range map[string]struct {
		config  map[string]any
		want    []any
		listing string // The filters, in lines.
	}{
		"no condition":               {map[string]any{}, testInventoryIDs, "us-east-1 Active map[]"},
		"any owner":                  {map[string]any{"owners": []any{"*"}}, []any{"eve-1", "ann-1", "dan-1", "cat-1", "gus-1"}, "us-east-1 Active map[]"},
		"any age":                    {map[string]any{"older_than": "0s"}, testInventoryIDs, "us-east-1 Active map[]"},
		"exclusions only":            {map[string]any{"exclude_owners": []any{"*/ann", "*/eve"}, "exclude_session_ids": []any{"dan-1"}}, []any{"cat-1", "gus-1"}, "us-east-1 Active map[]"},
		"the active ones":            {map[string]any{"state": "Active", "targets": []any{"i-0000000a"}}, []any{"ann-1", "cat-1"}, "us-east-1 Active map[Target:i-0000000a]"},
		"the history":                {map[string]any{"state": "History"}, []any{"old-1", "new-1"}, "us-east-1 History map[]"},
		"the history of an owner":    {map[string]any{"state": "History", "owners": []any{"*/ann"}}, []any{"old-1"}, "us-east-1 History map[]"},
		"one owner":                  {map[string]any{"owners": []any{"arn:aws:iam::123456789012:user/gus"}}, []any{"gus-1"}, "us-east-1 Active map[Owner:arn:aws:iam::123456789012:user/gus]"},
		"two targets":                {map[string]any{"targets": []any{"i-0000000a", "i-0000000b"}}, []any{"ann-1", "dan-1", "cat-1", "gus-1"}, "us-east-1 Active map[]"},
		"a target and an owner":      {map[string]any{"targets": []any{"i-0000000a"}, "owners": []any{"arn:aws:iam::123456789012:user/ops/cat"}}, []any{"cat-1"}, "us-east-1 Active map[Target:i-0000000a]"},
		"no target":                  {map[string]any{"targets": []any{}}, []any{}, ""},
		"started after":              {map[string]any{"started_after": at(150 * time.Minute)}, []any{"cat-1", "gus-1", "bare-1"}, "us-east-1 Active map[InvokedAfter:" + at(24*time.Hour+150*time.Minute) + "]"},
		"started before":             {map[string]any{"started_before": at(150 * time.Minute)}, []any{"eve-1", "ann-1", "dan-1"}, "us-east-1 Active map[InvokedBefore:" + at(-24*time.Hour+150*time.Minute) + "]"},
		"started in between":         {map[string]any{"started_after": at(6 * time.Hour), "started_before": at(90 * time.Minute)}, []any{"dan-1", "cat-1"}, "us-east-1 Active map[InvokedAfter:" + at(30*time.Hour) + "]"},
		"started in another zone":    {map[string]any{"started_after": now.Add(-150 * time.Minute).In(time.FixedZone("", -5*3600)).Format(time.RFC3339)}, []any{"cat-1", "gus-1", "bare-1"}, "us-east-1 Active map[InvokedAfter:" + at(24*time.Hour+150*time.Minute) + "]"},
		"started and of an age":      {map[string]any{"started_after": at(11 * time.Hour), "older_than": "3h"}, []any{"ann-1", "dan-1"}, "us-east-1 Active map[InvokedAfter:" + at(35*time.Hour) + "]"},
		"the history before":         {map[string]any{"state": "History", "started_before": at(4 * time.Hour)}, []any{"old-1"}, "us-east-1 History map[InvokedBefore:" + at(-20*time.Hour) + "]"},
		"a target in another Region": {map[string]any{"region": "eu-central-1", "targets": []any{"i-0000000a"}}, []any{}, "eu-central-1 Active map[Target:i-0000000a]\neu-central-1 Active map[]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			got, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_sessions", tc.config)
			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(tc.want, got["session_ids"]); diff != "" {
				t.Errorf("unexpected session_ids (-want +got):\n%s", diff)
			}
			var ids []any
			sessions, _ := got["sessions"].([]any)
			for _, session := range sessions {
				attributes, _ := session.(map[string]any)
				ids = append(ids, attributes["session_id"])
			}
			if diff := cmp.Diff(tc.want, append([]any{}, ids...)); diff != "" {
				t.Errorf("unexpected sessions (-want +got):\n%s", diff)
			}
			var listings []string
			if tc.listing != "" {
				listings = strings.Split(tc.listing, "\n")
			}
			if diff := cmp.Diff(append([]string{}, listings...), testListings(fake)); diff != "" {
				t.Errorf("unexpected listings (-want +got):\n%s", diff)
			}
		})
	}
}

// started_after includes its date, and started_before does not. Sessions of the same date
// are sorted by ID. The attributes are those of ssm_session.
func TestSessionsDataSource_order(t *testing.T) {
	t.Parallel()

	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	fake, url := testFake(t, fakessm.WithPageSize(1), fakessm.WithSessions(
		// Dates are shown, and compared, in whole seconds.
		fakessm.Session{SessionID: "b", Target: "i-00000001", StartDate: noon.Add(500 * time.Millisecond)},
		fakessm.Session{SessionID: "c", Target: "i-00000001", StartDate: noon.Add(900 * time.Millisecond)},
		fakessm.Session{SessionID: "a", Target: "i-00000001", StartDate: noon.Add(100 * time.Millisecond), Owner: testOwner, S3OutputURL: "s3://logs/a"},
		fakessm.Session{SessionID: "z", Target: "i-00000001", StartDate: noon.Add(-time.Second)},
		fakessm.Session{SessionID: "y", Target: "i-00000001", StartDate: noon.Add(time.Second)},
	))
	s := newConfiguredServer(t, testArguments(url))
	read := func(config map[string]any) map[string]any {
		t.Helper()
		all := map[string]any{"targets": []any{"i-00000001"}}
		maps.Copy(all, config)
		got, diags := s.ReadDataSource("ssm_sessions", all)
		protocol.WantNoDiagnostics(t, diags)

		return got
	}

	got := read(nil)
	if diff := cmp.Diff([]any{"z", "a", "b", "c", "y"}, got["session_ids"]); diff != "" {
		t.Errorf("unexpected order (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"a", "b", "c", "y"}, read(map[string]any{"started_after": "2026-11-20T12:00:00Z"})["session_ids"]); diff != "" {
		t.Errorf("unexpected sessions from noon (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"z"}, read(map[string]any{"started_before": "2026-11-20T12:00:00Z"})["session_ids"]); diff != "" {
		t.Errorf("unexpected sessions before noon (-want +got):\n%s", diff)
	}

	sessions, _ := got["sessions"].([]any)
	one, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": "a"})
	protocol.WantNoDiagnostics(t, diags)
	delete(one, "region")
	if diff := cmp.Diff(one, sessions[1]); diff != "" {
		t.Errorf("ssm_sessions shows a session otherwise than ssm_session (-ssm_session +ssm_sessions):\n%s", diff)
	}
	if fake.Count("DescribeSessions") < 5 {
		t.Error("the pages were not small")
	}
}

// A listing with a row that has no session ID is incomplete. Other objects use the IDs, and
// A start that no session can have at this time is told. It is no error: time may make it possible.
func TestSessionsDataSource_emptyRange(t *testing.T) {
	t.Parallel()

	ago := func(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339) }
	for name, tc := range map[string]struct {
		config map[string]any
		want   string
	}{
		"in the future":           {config: map[string]any{"started_after": "2099-01-01T00:00:00Z"}, want: "started_after = \"2099-01-01T00:00:00Z\" is in the future, so no session can match now.\nThe time is\nGive an earlier started_after"},
		"younger than older_than": {config: map[string]any{"started_after": ago(time.Hour), "older_than": "8h"}, want: "is less than older_than = \"8h\" ago, so no session can match now."},
		"older than older_than":   {config: map[string]any{"started_after": ago(9 * time.Hour), "older_than": "8h"}},
		"in the past":             {config: map[string]any{"started_after": ago(time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, url := testFake(t)
			_, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_sessions", tc.config)
			if tc.want == "" {
				protocol.WantNoDiagnostics(t, diags)

				return
			}
			protocol.WantDiagnostic(t, protocol.Warning("started_after", "No Session Can Match", tc.want), diags)
		})
	}
}

// would miss that session.
func TestSessionsDataSource_rowWithoutID(t *testing.T) {
	t.Parallel()

	_, url := testFake(t, fakessm.WithSessions(fakessm.Session{SessionID: "a", Target: "i-00000001"}, fakessm.Session{Target: "i-00000001"}))
	got, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_sessions", map[string]any{"targets": []any{"i-00000001"}})
	protocol.WantDiagnostic(t, protocol.Error("", "Unable to Read Sessions", "SSM's answer is incomplete\nError: the answer lists a session without its ID"), diags)
	if got != nil {
		t.Errorf("the sessions are %v", got)
	}
}

// All pages are read, also after empty ones with a token.
func TestSessionsDataSource_pages(t *testing.T) {
	t.Parallel()

	sessions := make([]fakessm.Session, 0, 25)
	want := []any{}
	for i := range cap(sessions) {
		id := fmt.Sprintf("page-%02d", i)
		sessions = append(sessions, fakessm.Session{SessionID: id, Target: "i-00000001", StartDate: time.Unix(1_700_000_000+int64(i), 0)})
		want = append(want, id)
	}
	for name, tc := range map[string]struct {
		options []fakessm.Option
		pages   int
	}{
		"pages of one":                  {[]fakessm.Option{fakessm.WithPageSize(1)}, 25},
		"pages of ten":                  {[]fakessm.Option{fakessm.WithPageSize(10)}, 3},
		"an empty page before each one": {[]fakessm.Option{fakessm.WithPageSize(10), fakessm.WithEmptyPages()}, 6},
		"one page":                      {[]fakessm.Option{fakessm.WithPageSize(1000)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, append(tc.options, fakessm.WithSessions(sessions...))...)
			got, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_sessions", map[string]any{"targets": []any{"i-00000001"}})
			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(want, got["session_ids"]); diff != "" {
				t.Errorf("unexpected sessions (-want +got):\n%s", diff)
			}
			if got := fake.Count("DescribeSessions"); got != tc.pages {
				t.Errorf("read %d pages, want %d", got, tc.pages)
			}
		})
	}
}

func TestSessionsDataSource_region(t *testing.T) {
	t.Parallel()

	session := testSessions()[0]
	session.Region, session.SessionID = "eu-central-1", "abroad-1"
	fake, url := testFake(t, fakessm.WithSessions(session))
	got, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_sessions", map[string]any{"region": "eu-central-1"})
	protocol.WantNoDiagnostics(t, diags)
	if diff := cmp.Diff([]any{"abroad-1"}, got["session_ids"]); diff != "" || got["region"] != "eu-central-1" {
		t.Errorf("unexpected sessions of %v (-want +got):\n%s", got["region"], diff)
	}
	endpoint.WantCalls(t, fake, "DescribeSessions eu-central-1 Active")
}

func TestSessionsDataSource_failures(t *testing.T) {
	t.Parallel()

	wantDataSourceFails(t, "ssm_sessions", "DescribeSessions", testInventoryFake, map[string]dataSourceFailure{
		"a denied listing": {
			fault: fakessm.Fault{Kind: fakessm.FaultDenied},
			want: protocol.Error("", "Unable to Read Sessions",
				"The sessions in Region us-east-1 of account 123456789012 could not be listed: the credentials do not allow it.\nAllow the IAM action ssm:DescribeSessions on the resource \"*\".\nAccessDeniedException"),
			calls: 1,
		},
		"a listing that is denied on its second page": {
			fault: fakessm.Fault{Kind: fakessm.FaultDenied, Skip: 1},
			want:  protocol.Error("", "Unable to Read Sessions", "could not be listed: the credentials do not allow it."),
			calls: 2,
		},
		"a listing without an end": {
			fault: fakessm.Fault{Kind: fakessm.FaultRepeatToken},
			want:  protocol.Error("", "Unable to Read Sessions", "a page token repeated itself"),
			calls: 2,
		},
		"endless throttling": {
			fault: fakessm.Fault{Kind: fakessm.FaultThrottle},
			want:  protocol.Error("", "Unable to Read Sessions", "quota\nThrottlingException"),
			calls: 2,
		},
		"an unknown state": {
			config: map[string]any{"state": "active"},
			want:   protocol.Error("state", "Invalid Attribute Value Match", "\"Active\" \"History\""),
		},
		"an invalid date": {
			config: map[string]any{"started_after": "yesterday"},
			want:   protocol.Error("started_after", "Invalid Time", "\"yesterday\" is not a date with a time\nsuch as \"2026-11-20T00:00:00Z\""),
		},
		"a day without a time": {
			config: map[string]any{"started_before": "2026-11-20"},
			want:   protocol.Error("started_before", "Invalid Time", "\"2026-11-20\" is not a date with a time\nsuch as \"2026-11-20T00:00:00Z\""),
		},
		"a range that ends before it begins": {
			config: map[string]any{"started_after": "2026-11-21T00:00:00+01:00", "started_before": "2026-11-20T12:00:00Z"},
			want:   protocol.Error("started_after", "Empty Time Range", "No session can have started at \"2026-11-21T00:00:00+01:00\" or later and before started_before = \"2026-11-20T12:00:00Z\".\nExchange the two"),
		},
		"a range without any time": {
			config: map[string]any{"started_after": "2026-11-20T13:00:00+01:00", "started_before": "2026-11-20T12:00:00Z"},
			want:   protocol.Error("started_after", "Empty Time Range", "Exchange the two"),
		},
		"a provider argument that is not known yet": {
			arguments: map[string]any{"access_key": protocol.Unknown},
			want:      protocol.Error("", "Unable to Read Sessions", "\"access_key\""),
		},
	})
}
