// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	smithydocument "github.com/aws/smithy-go/document"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func sessionFilter(key types.SessionFilterKey, value string) types.SessionFilter {
	return types.SessionFilter{Key: key, Value: &value}
}

func TestDescribeSessions_members(t *testing.T) {
	t.Parallel()

	start := time.Date(2026, 11, 20, 8, 0, 0, 352_000_000, time.UTC)
	fake := fakessm.New(fakessm.WithPageSize(10), fakessm.WithSessions(
		fakessm.Session{SessionID: "bare", Target: "i-1", Owner: "arn:aws:iam::123456789012:user/timmy", StartDate: start},
		fakessm.Session{
			SessionID: "full", Target: "i-2", Status: "Disconnected", Owner: "o", DocumentName: "d", Reason: "r <&>", Details: "x", MaxSessionDuration: "60",
			AccessType: "JustInTime", S3OutputURL: "https://s3", CloudWatchOutputURL: "https://cw", StartDate: start.Add(-time.Hour),
		},
		fakessm.Session{SessionID: "over", Target: "i-3", Status: "Terminated", StartDate: start, EndDate: start.Add(time.Minute)},
	))
	client := newClient(t, fake)
	describe := func(state types.SessionState) []types.Session {
		out, err := client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: state})
		if err != nil {
			t.Fatal(err)
		}

		return out.Sessions
	}
	ignore := cmpopts.IgnoreTypes(smithydocument.NoSerde{})
	wantActive := []types.Session{
		{
			SessionId: aws.String("bare"), Target: aws.String("i-1"), Status: types.SessionStatusConnected,
			Owner: aws.String("arn:aws:iam::123456789012:user/timmy"), StartDate: aws.Time(start), Details: aws.String(""),
			OutputUrl: &types.SessionManagerOutputUrl{S3OutputUrl: aws.String(""), CloudWatchOutputUrl: aws.String("")},
		},
		{
			SessionId: aws.String("full"), Target: aws.String("i-2"), Status: types.SessionStatusDisconnected, Owner: aws.String("o"),
			DocumentName: aws.String("d"), Reason: aws.String("r <&>"), Details: aws.String("x"), MaxSessionDuration: aws.String("60"),
			AccessType: types.AccessTypeJustintime, StartDate: aws.Time(start.Add(-time.Hour)),
			OutputUrl: &types.SessionManagerOutputUrl{S3OutputUrl: aws.String("https://s3"), CloudWatchOutputUrl: aws.String("https://cw")},
		},
	}
	if diff := cmp.Diff(wantActive, describe(types.SessionStateActive), ignore); diff != "" {
		t.Errorf("active (-want +got):\n%s", diff)
	}
	wantHistory := []types.Session{{
		SessionId: aws.String("over"), Target: aws.String("i-3"), Status: types.SessionStatusTerminated,
		StartDate: aws.Time(start), EndDate: aws.Time(start.Add(time.Minute)),
	}}
	if diff := cmp.Diff(wantHistory, describe(types.SessionStateHistory), ignore); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestDescribeSessions_filters(t *testing.T) {
	t.Parallel()

	at := func(hour int) time.Time { return time.Date(2026, 11, 20, hour, 0, 0, 0, time.UTC) }
	sessions := []fakessm.Session{
		{SessionID: "a", Target: "i-1", Owner: "mary", StartDate: at(4), AccessType: "Standard"},
		{SessionID: "b", Target: "i-2", Owner: "mary", StartDate: at(3)},
		{SessionID: "c", Target: "i-1", Owner: "timmy", StartDate: at(2), Status: "Disconnected"},
		{SessionID: "d", Target: "i-1", Owner: "mary", StartDate: at(1), Region: "eu-west-1"},
		{SessionID: "e", Target: "i-1", Owner: "mary", StartDate: at(1), Status: "Failed"},
	}
	cases := map[string]struct {
		filters []types.SessionFilter
		options []fakessm.Option
		want    []string
	}{
		"no filter lists the newest first": {want: []string{"a", "b", "c"}},
		"Target":                           {filters: []types.SessionFilter{sessionFilter("Target", "i-1")}, want: []string{"a", "c"}},
		"Owner is exact":                   {filters: []types.SessionFilter{sessionFilter("Owner", "mar")}, want: []string{}},
		"Owner and Target":                 {filters: []types.SessionFilter{sessionFilter("Owner", "mary"), sessionFilter("Target", "i-1")}, want: []string{"a"}},
		"Status":                           {filters: []types.SessionFilter{sessionFilter("Status", "Disconnected")}, want: []string{"c"}},
		"a Status of the other list":       {filters: []types.SessionFilter{sessionFilter("Status", "Failed")}, want: []string{}},
		"SessionId":                        {filters: []types.SessionFilter{sessionFilter("SessionId", "b")}, want: []string{"b"}},
		"SessionId of another region":      {filters: []types.SessionFilter{sessionFilter("SessionId", "d")}, want: []string{}},
		"SessionId of the history":         {filters: []types.SessionFilter{sessionFilter("SessionId", "e")}, want: []string{}},
		"SessionId and another owner":      {filters: []types.SessionFilter{sessionFilter("SessionId", "b"), sessionFilter("Owner", "timmy")}, want: []string{}},
		"AccessType":                       {filters: []types.SessionFilter{sessionFilter("AccessType", "Standard")}, want: []string{"a"}},
		"InvokedAfter is inclusive":        {filters: []types.SessionFilter{sessionFilter("InvokedAfter", "2026-11-20T03:00:00Z")}, want: []string{"a", "b"}},
		"InvokedBefore is exclusive":       {filters: []types.SessionFilter{sessionFilter("InvokedBefore", "2026-11-20T03:00:00Z")}, want: []string{"c"}},
		"a date without end":               {filters: []types.SessionFilter{sessionFilter("InvokedBefore", "9999-12-31T00:00:00Z")}, want: []string{"a", "b", "c"}},
		"a date before all sessions":       {filters: []types.SessionFilter{sessionFilter("InvokedAfter", "0001-01-01T00:00:00Z")}, want: []string{"a", "b", "c"}},
		"between two dates": {
			filters: []types.SessionFilter{sessionFilter("InvokedAfter", "2026-11-20T03:00:00Z"), sessionFilter("InvokedBefore", "2026-11-20T04:00:00Z")},
			want:    []string{"b"},
		},
		"filters ignored": {
			filters: []types.SessionFilter{sessionFilter("SessionId", "b")}, options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want: []string{"a", "b", "c"},
		},
		"an empty page before each page": {options: []fakessm.Option{fakessm.WithEmptyPages()}, want: []string{"a", "b", "c"}},
		"pages of one":                   {options: []fakessm.Option{fakessm.WithPageSize(1)}, want: []string{"a", "b", "c"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(append(tc.options, fakessm.WithSessions(sessions...))...)
			if diff := cmp.Diff(tc.want, listSessionIDs(t, newClient(t, fake), types.SessionStateActive, tc.filters...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDescribeSessions_refused(t *testing.T) {
	t.Parallel()

	seven := slices.Repeat([]types.SessionFilter{sessionFilter("Target", "i-1")}, 7)
	cases := map[string]struct {
		input   ssm.DescribeSessionsInput
		code    string
		message string
	}{
		"a State that does not exist": {
			ssm.DescribeSessionsInput{State: "Past"}, "ValidationException",
			"1 validation error detected: Value 'Past' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [History, Active]",
		},
		"MaxResults of 0":   {ssm.DescribeSessionsInput{State: "Active", MaxResults: aws.Int32(0)}, "ValidationException", ""},
		"MaxResults of 201": {ssm.DescribeSessionsInput{State: "Active", MaxResults: aws.Int32(201)}, "ValidationException", ""},
		"no filters at all": {ssm.DescribeSessionsInput{State: "Active", Filters: []types.SessionFilter{}}, "ValidationException", ""},
		"seven filters":     {ssm.DescribeSessionsInput{State: "Active", Filters: seven}, "ValidationException", ""},
		"an empty value":    {ssm.DescribeSessionsInput{State: "Active", Filters: []types.SessionFilter{sessionFilter("Target", "")}}, "ValidationException", ""},
		"an invalid date":   {ssm.DescribeSessionsInput{State: "Active", Filters: []types.SessionFilter{sessionFilter("InvokedAfter", "today")}}, "ValidationException", ""},
		"an unknown key":    {ssm.DescribeSessionsInput{State: "Active", Filters: []types.SessionFilter{sessionFilter("Colour", "x")}}, "InvalidFilterKey", ""},
		"a made-up token":   {ssm.DescribeSessionsInput{State: "Active", NextToken: aws.String("x")}, "InvalidNextToken", ""},
	}
	client := newClient(t, fakessm.New())
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := client.DescribeSessions(t.Context(), &tc.input)
			wantCode(t, err, tc.code, tc.message)
		})
	}
}

func TestDescribeSessions_tokenOfAnotherQuery(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithSessions(fakessm.Session{SessionID: "a"}, fakessm.Session{SessionID: "b"}, fakessm.Session{SessionID: "c"}))
	client := newClient(t, fake)
	out, err := client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: types.SessionStateActive})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: types.SessionStateHistory, NextToken: out.NextToken})
	wantCode(t, err, "InvalidNextToken", "")
}

// TestDescribeSessions_changesBetweenPages checks that sessions that start or end during a
// listing do not hide or repeat other sessions.
func TestDescribeSessions_changesBetweenPages(t *testing.T) {
	t.Parallel()

	fake := fakessm.New()
	now := time.Now()
	for i := range 6 {
		fake.AddSessions(fakessm.Session{SessionID: fmt.Sprint("s", i), StartDate: now.Add(-time.Duration(i) * time.Minute)})
	}
	client := newClient(t, fake)
	var ids []string
	input := &ssm.DescribeSessionsInput{State: types.SessionStateActive}
	for pages := ssm.NewDescribeSessionsPaginator(client, input); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range page.Sessions {
			ids = append(ids, *session.SessionId)
		}
		if len(ids) == 2 {
			fake.EndSession("s1")
			fake.RemoveSession("s3")
			fake.AddSessions(fakessm.Session{SessionID: "new", StartDate: now.Add(time.Minute)})
		}
	}
	if diff := cmp.Diff([]string{"s0", "s1", "s2", "s4", "s5"}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSessions_manyInHistory(t *testing.T) {
	t.Parallel()

	const n = 20_000
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	sessions := make([]fakessm.Session, n)
	for i := range sessions {
		// The insertion order differs from the order of dates and IDs.
		j := i * 7919 % n
		sessions[i] = fakessm.Session{SessionID: fmt.Sprintf("s-%05d", j), Status: "Terminated", StartDate: start.Add(time.Duration(j/3) * time.Second)}
	}
	fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(sessions...))
	ids := listSessionIDs(t, newClient(t, fake), types.SessionStateHistory)
	if len(ids) != n || len(slices.Compact(slices.Sorted(slices.Values(ids)))) != n {
		t.Fatalf("%d sessions listed, want %d different ones", len(ids), n)
	}
	if got := fake.Count("DescribeSessions"); got != n/200 {
		t.Errorf("%d pages, want %d", got, n/200)
	}
	all := fake.Sessions()
	if len(all) != n || all[0].SessionID != "s-00000" || all[n-1].SessionID != "s-19999" {
		t.Errorf("Sessions are not in order: %s to %s", all[0].SessionID, all[n-1].SessionID)
	}
}
