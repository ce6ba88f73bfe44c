// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func terminateSession(t *testing.T, client *ssm.Client, id string) error {
	t.Helper()
	out, err := client.TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: &id})
	if err == nil && aws.ToString(out.SessionId) != id {
		t.Errorf("terminated %s, answer names %s", id, aws.ToString(out.SessionId))
	}

	return err
}

func listSessionIDs(t *testing.T, client *ssm.Client, state types.SessionState, filters ...types.SessionFilter) []string {
	t.Helper()
	input := &ssm.DescribeSessionsInput{State: state}
	if len(filters) > 0 {
		input.Filters = filters
	}
	ids := []string{}
	for pages := ssm.NewDescribeSessionsPaginator(client, input); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, session := range page.Sessions {
			ids = append(ids, aws.ToString(session.SessionId))
		}
	}

	return ids
}

func TestTerminateSession(t *testing.T) {
	t.Parallel()

	ended := fakessm.Session{SessionID: "s", Status: "Terminated"}
	cases := map[string]struct {
		session fakessm.Session
		options []fakessm.Option
		id      string
		code    string
		message string
		status  string
		active  []string
		history []string
	}{
		"a connected session moves to the history": {
			session: fakessm.Session{SessionID: "s"}, status: "Terminated", history: []string{"s"},
		},
		"a disconnected session moves to the history": {
			session: fakessm.Session{SessionID: "s", Status: "Disconnected"}, status: "Terminated", history: []string{"s"},
		},
		"an ended session is refused": {
			session: ended, code: "ValidationException", message: "Session is not in a valid state",
			status: "Terminated", history: []string{"s"},
		},
		"an ended session is accepted, as before 2026": {
			session: ended, options: []fakessm.Option{fakessm.WithEndedAccepted()}, status: "Terminated", history: []string{"s"},
		},
		"an unknown session is refused": {
			id: "x", code: "DoesNotExistException", session: fakessm.Session{SessionID: "s"}, status: "Connected", active: []string{"s"},
		},
		"an unknown session is accepted": {
			id: "x", options: []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownAccepted)},
			session: ended, status: "Terminated", history: []string{"s"},
		},
		"an unknown session is invalid": {
			id: "x", options: []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownInvalid)},
			code: "ValidationException", message: "Session is not in a valid state", session: ended, status: "Terminated", history: []string{"s"},
		},
		"an unknown session is denied": {
			id: "x", options: []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownDenied)},
			code: "AccessDeniedException",
			message: "User: arn:aws:iam::123456789012:user/terraform is not authorized to perform: ssm:TerminateSession on resource: " +
				"arn:aws:ssm:us-east-1:123456789012:session/x because no identity-based policy allows the ssm:TerminateSession action",
			session: ended, status: "Terminated", history: []string{"s"},
		},
		"a session of another region is unknown": {
			session: fakessm.Session{SessionID: "s", Region: "eu-west-1"}, code: "DoesNotExistException", status: "Connected",
		},
		"a stuck session stays Terminating": {
			session: fakessm.Session{SessionID: "s", Behaviour: fakessm.BehaviourStuck}, status: "Terminating", history: []string{"s"},
		},
		"an unreachable session is refused and stays active": {
			session: fakessm.Session{SessionID: "s", Status: "Disconnected", Behaviour: fakessm.BehaviourUnreachable},
			code:    "ValidationException", message: "Session is not in a valid state", status: "Disconnected", active: []string{"s"},
		},
		"an unkillable session stays active": {
			session: fakessm.Session{SessionID: "s", Behaviour: fakessm.BehaviourUnkillable}, status: "Connected", active: []string{"s"},
		},
		"a vanishing session is in neither list": {
			session: fakessm.Session{SessionID: "s", Behaviour: fakessm.BehaviourVanishes}, status: "Terminated",
		},
		"an unlisted session appears in the history": {
			session: fakessm.Session{SessionID: "s", Behaviour: fakessm.BehaviourUnlisted}, status: "Terminated", history: []string{"s"},
		},
		"an empty ID is invalid": {
			session: ended, id: "-empty-", code: "ValidationException", status: "Terminated", history: []string{"s"},
			message: "1 validation error detected: Value '' at 'sessionId' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
		"an ID of 97 characters is invalid": {
			session: ended, id: strings.Repeat("x", 97), code: "ValidationException", status: "Terminated", history: []string{"s"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(append(tc.options, fakessm.WithSessions(tc.session))...)
			client := newClient(t, fake)
			id := tc.id
			switch id {
			case "":
				id = "s"
			case "-empty-":
				id = ""
			}
			err := terminateSession(t, client, id)
			if tc.code == "" && err != nil {
				t.Fatal(err)
			}
			if tc.code != "" {
				wantCode(t, err, tc.code, tc.message)
			}
			wantStatus(t, fake, "s", tc.status)
			if diff := cmp.Diff(append([]string{}, tc.active...), listSessionIDs(t, client, types.SessionStateActive)); diff != "" {
				t.Errorf("active list (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(append([]string{}, tc.history...), listSessionIDs(t, client, types.SessionStateHistory)); diff != "" {
				t.Errorf("history (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTerminatingActive checks that a session moves to the history when it is Terminated.
func TestTerminatingActive(t *testing.T) {
	t.Parallel()

	clock := newClock()
	fake := fakessm.New(fakessm.WithClock(clock.now), fakessm.WithTerminationLag(10*time.Second), fakessm.WithTerminatingActive(),
		fakessm.WithSessions(fakessm.Session{SessionID: "s"}, fakessm.Session{SessionID: "t", Behaviour: fakessm.BehaviourStuck}))
	client := newClient(t, fake)
	for _, id := range []string{"s", "t"} {
		if err := terminateSession(t, client, id); err != nil {
			t.Fatal(err)
		}
	}
	check := func(active, history []string) {
		t.Helper()
		if diff := cmp.Diff(active, listSessionIDs(t, client, types.SessionStateActive)); diff != "" {
			t.Errorf("active (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(history, listSessionIDs(t, client, types.SessionStateHistory)); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(active, append(listSessionIDs(t, client, types.SessionStateActive, sessionFilter("SessionId", "s")), listSessionIDs(t, client, types.SessionStateActive, sessionFilter("SessionId", "t"))...)); diff != "" {
			t.Errorf("active, by ID (-want +got):\n%s", diff)
		}
	}

	clock.advance(9 * time.Second)
	check([]string{"s", "t"}, []string{})
	clock.advance(time.Second)
	check([]string{"t"}, []string{"s"})
	if s, _ := fake.Session("s"); s.Status != "Terminated" || s.EndDate.IsZero() {
		t.Errorf("the session is %+v", s)
	}
}

func TestTerminationLag(t *testing.T) {
	t.Parallel()

	clock := newClock()
	fake := fakessm.New(fakessm.WithClock(clock.now), fakessm.WithTerminationLag(10*time.Second), fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
	client := newClient(t, fake)
	if err := terminateSession(t, client, "s"); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, fake, "s", "Terminating")
	if ids := listSessionIDs(t, client, types.SessionStateActive); len(ids) > 0 {
		t.Errorf("still active: %v", ids)
	}
	byStatus := types.SessionFilter{Key: types.SessionFilterKeyStatus, Value: aws.String("Terminating")}
	if diff := cmp.Diff([]string{"s"}, listSessionIDs(t, client, types.SessionStateHistory, byStatus)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	wantCode(t, terminateSession(t, client, "s"), "ValidationException", "Session is not in a valid state")

	clock.advance(10 * time.Second)
	wantStatus(t, fake, "s", "Terminated")
	if ids := listSessionIDs(t, client, types.SessionStateHistory, byStatus); len(ids) > 0 {
		t.Errorf("still terminating: %v", ids)
	}
	session, _ := fake.Session("s")
	if !session.EndDate.Equal(clock.now()) {
		t.Errorf("ended at %v, want %v", session.EndDate, clock.now())
	}
}

func TestResumeSession(t *testing.T) {
	t.Parallel()

	const id = "Mary-Major-07a16060613c408b5"
	fake := fakessm.New(fakessm.WithSessions(fakessm.Session{SessionID: id, Status: "Disconnected", Region: "eu-central-1"}))
	client := newClient(t, fake, func(o *ssm.Options) { o.Region = "eu-central-1" })
	var tokens, urls []string
	for range 3 {
		out, err := client.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: aws.String(id)})
		if err != nil {
			t.Fatal(err)
		}
		if aws.ToString(out.SessionId) != id {
			t.Errorf("answer names %s", aws.ToString(out.SessionId))
		}
		tokens, urls = append(tokens, *out.TokenValue), append(urls, *out.StreamUrl)
	}
	wantStatus(t, fake, id, "Connected")
	if diff := cmp.Diff(tokens, fake.Tokens(id)); diff != "" {
		t.Errorf("tokens (-received +issued):\n%s", diff)
	}
	if diff := cmp.Diff(urls, fake.StreamURLs(id)); diff != "" {
		t.Errorf("URLs (-received +issued):\n%s", diff)
	}
	if n := len(slices.Compact(slices.Sorted(slices.Values(append(tokens, urls...))))); n != 6 {
		t.Errorf("only %d of 6 tokens and URLs differ", n)
	}
	if len(tokens[0]) != 400 {
		t.Errorf("the token has %d characters", len(tokens[0]))
	}
	cell, ok := strings.CutPrefix(urls[0], "wss://ssmmessages.eu-central-1.amazonaws.com/v1/data-channel/"+id+"?role=publish_subscribe&cell-number=")
	if !ok || !strings.Contains(cell, "+") || !strings.Contains(cell, "/") || !strings.HasSuffix(cell, "=") {
		t.Errorf("unexpected stream URL %s", urls[0])
	}
	if _, err := base64.StdEncoding.DecodeString(cell); err != nil {
		t.Error(err)
	}
}

func TestResumeSession_refused(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		session fakessm.Session
		code    string
		token   *string
	}{
		"an ended session":               {fakessm.Session{SessionID: "s", Status: "Terminated"}, "ValidationException", nil},
		"an unknown session":             {fakessm.Session{SessionID: "x"}, "DoesNotExistException", nil},
		"a session that has timed out":   {fakessm.Session{SessionID: "s", Behaviour: fakessm.BehaviourTimedOut}, "", nil},
		"a session with an empty token":  {fakessm.Session{SessionID: "s", Behaviour: fakessm.BehaviourEmptyToken}, "", aws.String("")},
		"a session in an unknown region": {fakessm.Session{SessionID: "s", Region: "mars-north-1"}, "DoesNotExistException", nil},
		"a session that is Terminating":  {fakessm.Session{SessionID: "s", Status: "Terminating"}, "ValidationException", nil},
		"a session that failed to start": {fakessm.Session{SessionID: "s", Status: "Failed"}, "ValidationException", nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(fakessm.WithSessions(tc.session))
			out, err := newClient(t, fake).ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: aws.String("s")})
			if len(fake.Tokens("s")) > 0 {
				t.Error("a token was issued")
			}
			if tc.code != "" {
				wantCode(t, err, tc.code, "")

				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.token, out.TokenValue); diff != "" {
				t.Errorf("token (-want +got):\n%s", diff)
			}
			if aws.ToString(out.SessionId) != "s" {
				t.Errorf("answer names %s", aws.ToString(out.SessionId))
			}
		})
	}
}

func TestGetConnectionStatus(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithSessions(
		fakessm.Session{SessionID: "a", Target: "i-active"},
		fakessm.Session{SessionID: "b", Target: "i-history", Status: "Terminated"},
	))
	fake.AddTargets(map[string]bool{"i-told": true})
	client := newClient(t, fake)
	status := func(target string) types.ConnectionStatus {
		out, err := client.GetConnectionStatus(t.Context(), &ssm.GetConnectionStatusInput{Target: &target})
		if err != nil {
			t.Fatal(err)
		}

		return out.Status
	}
	got := map[string]types.ConnectionStatus{}
	for _, target := range []string{"i-active", "i-history", "i-told", "i-other"} {
		got[target] = status(target)
	}
	want := map[string]types.ConnectionStatus{
		"i-active": types.ConnectionStatusConnected, "i-history": types.ConnectionStatusNotConnected,
		"i-told": types.ConnectionStatusConnected, "i-other": types.ConnectionStatusNotConnected,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	fake.EndSession("a")
	if got := status("i-active"); got != types.ConnectionStatusNotConnected {
		t.Errorf("%s after its last session", got)
	}
}
