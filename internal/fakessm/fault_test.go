// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func TestFault_terminateSession(t *testing.T) {
	t.Parallel()

	cases := map[fakessm.FaultKind]struct {
		code    string
		message string
		// plain means that the error does not come from the service. fine means no error.
		plain, fine bool
		done        bool
		status      int
	}{
		fakessm.FaultError:    {code: "TeapotException", message: "short and stout", status: 418},
		fakessm.FaultThrottle: {code: "ThrottlingException", message: "Rate exceeded", status: 400},
		fakessm.FaultInternal: {code: "InternalServerError", status: 500},
		fakessm.FaultDenied: {
			code: "AccessDeniedException", status: 400,
			message: "User: arn:aws:iam::123456789012:user/terraform is not authorized to perform: ssm:TerminateSession on resource: " +
				"arn:aws:ssm:us-east-1:123456789012:session/s because no identity-based policy allows the ssm:TerminateSession action",
		},
		fakessm.FaultExpired:      {code: "ExpiredTokenException", status: 400},
		fakessm.FaultClockSkew:    {code: "InvalidSignatureException", status: 400},
		fakessm.FaultProxy:        {plain: true, status: 503},
		fakessm.FaultResetBefore:  {plain: true},
		fakessm.FaultResetAfter:   {plain: true, done: true},
		fakessm.FaultHang:         {plain: true},
		fakessm.FaultEmpty:        {fine: true, status: 200},
		fakessm.FaultGarbage:      {plain: true, status: 200},
		fakessm.FaultTruncated:    {plain: true, done: true, status: 200},
		fakessm.FaultSlow:         {fine: true, done: true, status: 200},
		fakessm.FaultWrongSession: {fine: true, done: true, status: 200},
	}
	for kind, tc := range cases {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
			fault := fakessm.Fault{Operation: "TerminateSession", Kind: kind, Delay: time.Millisecond}
			if kind == fakessm.FaultError {
				fault.Code, fault.Message, fault.Status = "TeapotException", "short and stout", 418
			}
			fake.Inject(fault)
			client := newClient(t, fake)
			_, err := client.TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: aws.String("s")})
			var apiError smithy.APIError
			switch {
			case tc.fine:
				if err != nil {
					t.Error(err)
				}
			case tc.plain:
				if err == nil || errors.As(err, &apiError) {
					t.Errorf("want an error that is not the service's, got %v", err)
				}
			default:
				wantCode(t, err, tc.code, tc.message)
			}
			want := "Connected"
			if tc.done {
				want = "Terminated"
			}
			wantStatus(t, fake, "s", want)
			requests := fake.Requests()
			if len(requests) != 1 || requests[0].Fault != kind || requests[0].Status != tc.status {
				t.Errorf("recorded as %+v", requests)
			}
			if requestID := requests[0].RequestID; (requestID != "") != (tc.status != 0) || !tc.plain && err != nil && !strings.Contains(err.Error(), "RequestID: "+requestID+",") {
				t.Errorf("the recorded request ID is %q: %v", requestID, err)
			}
			// By default a fault hits only once.
			if _, err := client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: "Active"}); err != nil {
				t.Error(err)
			}
			if err := terminateSession(t, client, "s"); (err != nil) != tc.done {
				t.Errorf("second call: %v", err)
			}
		})
	}
}

func TestFault_hangsUntilTheClientLeaves(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
	fake.Inject(fakessm.Fault{Kind: fakessm.FaultHang})
	client := newClient(t, fake)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := client.TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: aws.String("s")})
	if err == nil {
		t.Error("an answer arrived")
	}
	wantStatus(t, fake, "s", "Connected")
}

func TestLatency_endsWithTheClient(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithLatency(time.Hour), fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
	client := newClient(t, fake)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := client.TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: aws.String("s")})
	if err == nil {
		t.Error("an answer arrived")
	}
	wantStatus(t, fake, "s", "Connected")
}

func TestFault_resumeSession(t *testing.T) {
	t.Parallel()

	cases := map[fakessm.FaultKind]struct{ id, token, url bool }{
		fakessm.FaultNoToken:      {id: true},
		fakessm.FaultNoURL:        {id: true, token: true},
		fakessm.FaultWrongSession: {token: true, url: true},
		fakessm.FaultEmpty:        {},
	}
	for kind, tc := range cases {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
			fake.Inject(fakessm.Fault{Operation: "ResumeSession", SessionID: "s", Kind: kind})
			out, err := newClient(t, fake).ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: aws.String("s")})
			if err != nil {
				t.Fatal(err)
			}
			if (aws.ToString(out.SessionId) == "s") != tc.id || (out.TokenValue != nil) != tc.token || (out.StreamUrl != nil) != tc.url {
				t.Errorf("got session %v, token %v, URL %v", out.SessionId, out.TokenValue != nil, out.StreamUrl != nil)
			}
		})
	}
}

func TestFault_repeatToken(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithSessions(fakessm.Session{SessionID: "a"}, fakessm.Session{SessionID: "b"}, fakessm.Session{SessionID: "c"}))
	fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultRepeatToken, Times: -1})
	client := newClient(t, fake)
	input := &ssm.DescribeSessionsInput{State: types.SessionStateActive}
	var tokens []string
	for range 4 {
		out, err := client.DescribeSessions(t.Context(), input)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Sessions) != 2 {
			t.Errorf("page of %d", len(out.Sessions))
		}
		tokens = append(tokens, aws.ToString(out.NextToken))
		input.NextToken = out.NextToken
	}
	for _, token := range tokens {
		if token == "" || token != tokens[0] {
			t.Errorf("tokens are %v", tokens)
		}
	}
	fake.ClearFaults()
	if ids := listSessionIDs(t, client, types.SessionStateActive); len(ids) != 3 {
		t.Errorf("afterwards: %v", ids)
	}
}

func TestFault_matching(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		fault fakessm.Fault
		want  []string
	}{
		"once by default":                 {fakessm.Fault{}, []string{"a1"}},
		"twice":                           {fakessm.Fault{Times: 2}, []string{"a1", "b1"}},
		"always":                          {fakessm.Fault{Times: -1}, []string{"a1", "b1", "a2", "b2"}},
		"after two requests":              {fakessm.Fault{Skip: 2}, []string{"a2"}},
		"one session":                     {fakessm.Fault{SessionID: "b", Times: -1}, []string{"b1", "b2"}},
		"one session, after one":          {fakessm.Fault{SessionID: "b", Skip: 1}, []string{"b2"}},
		"one operation":                   {fakessm.Fault{Operation: "ResumeSession", Times: -1}, []string{"a1", "b1"}},
		"another operation":               {fakessm.Fault{Operation: "TerminateSession", Times: -1}, nil},
		"another region":                  {fakessm.Fault{Region: "eu-west-1", Times: -1}, nil},
		"the region":                      {fakessm.Fault{Region: "us-east-1", SessionID: "a"}, []string{"a1"}},
		"a lookup of a session by its ID": {fakessm.Fault{Operation: "DescribeSessions", SessionID: "b"}, []string{"b2"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(fakessm.WithSessions(fakessm.Session{SessionID: "a"}, fakessm.Session{SessionID: "b"}))
			tc.fault.Kind = fakessm.FaultInternal
			fake.Inject(tc.fault)
			client := newClient(t, fake)
			var hit []string
			note := func(name string, err error) {
				if err != nil {
					hit = append(hit, name)
				}
			}
			for _, id := range []string{"a", "b"} {
				_, err := client.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: &id})
				note(id+"1", err)
			}
			for _, id := range []string{"a", "b"} {
				_, err := client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: "Active", Filters: []types.SessionFilter{sessionFilter("SessionId", id)}})
				note(id+"2", err)
			}
			if diff := cmp.Diff(tc.want, hit); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFault_json(t *testing.T) {
	t.Parallel()

	fault := fakessm.Fault{
		Operation: "o", SessionID: "s", Region: "r", Kind: fakessm.FaultError, Code: "c", Message: "m",
		Status: 400, Skip: 1, Times: -1, Delay: 250 * time.Millisecond,
	}
	data, err := json.Marshal(fault)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"operation":"o","sessionId":"s","region":"r","kind":"error","code":"c","message":"m","status":400,"skip":1,"times":-1,"delay":"250ms"}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var back fakessm.Fault
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fault, back); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{`{"kind":"meteor"}`, `{}`, `{"kind":"error","colour":1}`, `{"kind":"slow","delay":"soon"}`} {
		if json.Unmarshal([]byte(bad), &back) == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}
