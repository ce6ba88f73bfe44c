// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// sessionInRegion returns a session in the tests' Region.
func sessionInRegion(id, status string, behaviour ...fakessm.Behaviour) fakessm.Session {
	s := fakessm.Session{SessionID: id, Region: region, Status: status, Target: "mi-0123456789abcdef0"}
	if len(behaviour) > 0 {
		s.Behaviour = behaviour[0]
	}

	return s
}

// otherSessions returns other sessions, which are listed first.
func otherSessions(status string, n int) []fakessm.Session {
	sessions := make([]fakessm.Session, n)
	for i := range sessions {
		sessions[i] = sessionInRegion(fmt.Sprintf("other-%s-%d", status, i), status)
		sessions[i].StartDate = time.Now()
	}

	return sessions
}

// findReport is the outcome of Find, as tests compare it.
type findReport struct {
	Status string // Status of the session that was found.
	Kind   string // Kind of the error.
	Calls  string
}

func TestClient_Find(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		sessions func() []fakessm.Session
		options  []fakessm.Option
		faults   []fakessm.Fault
		wrap     func(*fakessm.Server) func(http.Handler) http.Handler
		want     findReport
	}{
		"an active session takes one call": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Connected", 3), sessionInRegion(sessionID, "Connected"))
			},
			want: findReport{Status: "Connected", Calls: "active"},
		},
		"a disconnected session is active": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Disconnected")} },
			want:     findReport{Status: "Disconnected", Calls: "active"},
		},
		"an ended session takes two calls": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Terminated", 3), sessionInRegion(sessionID, "Terminated"))
			},
			want: findReport{Status: "Terminated", Calls: "active history"},
		},
		"a terminating session is in the history": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Terminating")} },
			want:     findReport{Status: "Terminating", Calls: "active history"},
		},
		"an absent session is looked up twice": {
			sessions: func() []fakessm.Session { return append(otherSessions("Connected", 3), otherSessions("Failed", 3)...) },
			want:     findReport{Kind: notFound, Calls: "active history active history"},
		},
		"an endpoint without any session": {
			want: findReport{Kind: notFound, Calls: "active history active history"},
		},
		"a session of another Region is absent": {
			sessions: func() []fakessm.Session {
				s := sessionInRegion(sessionID, "Connected")
				s.Region = "us-west-2"

				return []fakessm.Session{s}
			},
			want: findReport{Kind: notFound, Calls: "active history active history"},
		},
		"an ID that differs in case is another session": {
			sessions: func() []fakessm.Session {
				return []fakessm.Session{sessionInRegion("mary+Major=x,y.z@example-07a16060613c408b5", "Connected")}
			},
			want: findReport{Kind: notFound, Calls: "active history active history"},
		},
		"a session that moves between the lists is found in the second round": {
			sessions: func() []fakessm.Session {
				return []fakessm.Session{sessionInRegion(sessionID, "Connected", fakessm.BehaviourUnlisted)}
			},
			wrap: endAtLookup(2),
			want: findReport{Status: "Terminated", Calls: "active history active history"},
		},
		"filters ignored: found on the first page": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Connected", 1), sessionInRegion(sessionID, "Connected"))
			},
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:    findReport{Status: "Connected", Calls: "active"},
		},
		"filters ignored: found on the third page": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Connected", 5), sessionInRegion(sessionID, "Connected"))
			},
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:    findReport{Status: "Connected", Calls: "active active+ active+"},
		},
		"filters ignored: not found on the fourth page": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Connected", 6), sessionInRegion(sessionID, "Connected"))
			},
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:    findReport{Kind: undetermined, Calls: "active active+ active+ history"},
		},
		"filters ignored: found in the history after three pages of active sessions": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Connected", 9), sessionInRegion(sessionID, "Failed"))
			},
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:    findReport{Status: "Failed", Calls: "active active+ active+ history"},
		},
		"filters ignored: too many active and ended sessions": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Connected", 9), otherSessions("Terminated", 9)...)
			},
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:    findReport{Kind: undetermined, Calls: "active active+ active+ history history+ history+"},
		},
		"filters ignored: a listing of two pages is not a snapshot and proves nothing": {
			sessions: func() []fakessm.Session { return otherSessions("Terminated", 3) },
			options:  []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:     findReport{Kind: undetermined, Calls: "active history history+"},
		},
		"filters ignored: one page of other sessions proves nothing": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Connected", 2), otherSessions("Terminated", 2)...)
			},
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:    findReport{Kind: undetermined, Calls: "active history"},
		},
		"filters ignored and empty pages: found": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Connected", 1), sessionInRegion(sessionID, "Connected"))
			},
			options: []fakessm.Option{fakessm.WithFiltersIgnored(), fakessm.WithEmptyPages()},
			want:    findReport{Status: "Connected", Calls: "active active+"},
		},
		"an empty page with a token is not the end": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Connected")} },
			options:  []fakessm.Option{fakessm.WithEmptyPages()},
			want:     findReport{Status: "Connected", Calls: "active active+"},
		},
		"a rejected page token restarts the listing": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Connected")} },
			options:  []fakessm.Option{fakessm.WithEmptyPages()},
			faults:   []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultError, Code: "InvalidNextToken", Skip: 1}},
			want:     findReport{Status: "Connected", Calls: "active active+:error active active+"},
		},
		"empty pages and no session": {
			options: []fakessm.Option{fakessm.WithEmptyPages()},
			want:    findReport{Kind: notFound, Calls: "active active+ history history+ active active+ history history+"},
		},
		"a token that repeats proves nothing": {
			faults: []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultRepeatToken, Times: -1}},
			want:   findReport{Kind: undetermined, Calls: "active:repeat-token active+:repeat-token history:repeat-token history+:repeat-token"},
		},
		"a token that repeats in one list does not affect the other list": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Terminated")} },
			faults:   []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultRepeatToken, Times: 2}},
			want:     findReport{Status: "Terminated", Calls: "active:repeat-token active+:repeat-token history"},
		},
		"a filter that returns another session": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Connected")} },
			faults:   []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultWrongSession, Times: -1}},
			want:     findReport{Kind: undetermined, Calls: "active:wrong-session history:wrong-session"},
		},
		"a throttled lookup is retried": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Connected")} },
			faults:   []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultThrottle, Times: maxAttempts - 1}},
			want:     findReport{Status: "Connected", Calls: "active:throttle ... active"},
		},
		"a broken lookup is retried": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Connected")} },
			faults:   []fakessm.Fault{{Kind: fakessm.FaultResetBefore}, {Kind: fakessm.FaultInternal}, {Kind: fakessm.FaultProxy}},
			want:     findReport{Status: "Connected", Calls: "active:reset-before active:internal active:proxy active"},
		},
		"a slow answer is accepted": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Connected")} },
			faults:   []fakessm.Fault{{Kind: fakessm.FaultSlow, Delay: 15 * time.Second}},
			want:     findReport{Status: "Connected", Calls: "active:slow"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(tc.options...)
				if tc.sessions != nil {
					fake.AddSessions(tc.sessions()...)
				}
				fake.Inject(tc.faults...)
				ep := newEndpoint(t, fake)
				if tc.wrap != nil {
					ep = newEndpoint(t, fake, tc.wrap(fake))
				}

				session, err := ep.client().Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

				got := findReport{Status: session.Status, Kind: kindOf(err), Calls: ep.calls(t)}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkError(t, err, sessionmanager.DescribeSessions)
				if err == nil && session.SessionID != sessionID {
					t.Errorf("found session %q", session.SessionID)
				}
				if err != nil && !cmp.Equal(session, sessionmanager.Session{}, cmpopts.IgnoreUnexported(session)) {
					t.Errorf("found %+v and an error", session)
				}
			})
		})
	}
}

// TestClient_Find_otherCase checks that a session whose ID differs only in case is named, in either
// list, and is not taken for the session.
func TestClient_Find_otherCase(t *testing.T) {
	t.Parallel()

	for _, status := range []string{"Connected", "Terminated"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				other := strings.ToUpper(sessionID)
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(sessionInRegion(other, status)), fakessm.WithFiltersIgnored()))

				_, err := ep.client().Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

				var named *sessionmanager.OtherCaseError
				if kindOf(err) != undetermined || !errors.As(err, &named) || named.SessionID != other {
					t.Errorf("the error is %q (%v), want one that names %s", kindOf(err), err, other)
				}
			})
		})
	}
}

func TestClient_Find_pausesBetweenRounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New())

		_, err := ep.client().Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

		if got, want := kindOf(err), notFound; got != want {
			t.Errorf("error is %q, want %q", got, want)
		}
		var pauses []bool
		requests := ep.fake.Requests()
		for i := range requests[1:] {
			pauses = append(pauses, requests[i+1].Time.Sub(requests[i].Time) > 10*latency)
		}
		if diff := cmp.Diff([]bool{false, true, false}, pauses); diff != "" {
			t.Errorf("pauses between the calls (-want +got):\n%s", diff)
		}
	})
}

func TestClient_Find_failures(t *testing.T) {
	t.Parallel()

	refusal := func(code string, status int) fakessm.Fault {
		return fakessm.Fault{Kind: fakessm.FaultError, Code: code, Message: "No.", Status: status}
	}
	for name, tc := range map[string]struct {
		fault fakessm.Fault
		want  findReport
	}{
		"denied":                           {fakessm.Fault{Kind: fakessm.FaultDenied}, findReport{Kind: accessDenied, Calls: "active:denied"}},
		"denied with status 403":           {refusal("AccessDeniedException", 403), findReport{Kind: accessDenied, Calls: "active:error"}},
		"denied under its other name":      {refusal("AccessDenied", 403), findReport{Kind: accessDenied, Calls: "active:error"}},
		"expired credentials":              {fakessm.Fault{Kind: fakessm.FaultExpired}, findReport{Kind: credentialsWrong, Calls: "active:expired"}},
		"unknown access key":               {refusal("UnrecognizedClientException", 400), findReport{Kind: credentialsWrong, Calls: "active:error"}},
		"unknown access key, status 403":   {refusal("InvalidClientTokenId", 403), findReport{Kind: credentialsWrong, Calls: "active:error"}},
		"incomplete signature":             {refusal("IncompleteSignatureException", 400), findReport{Kind: credentialsWrong, Calls: "active:error"}},
		"no authentication":                {refusal("MissingAuthenticationTokenException", 403), findReport{Kind: credentialsWrong, Calls: "active:error"}},
		"wrong signature":                  {refusal("SignatureDoesNotMatch", 403), findReport{Kind: credentialsWrong, Calls: "active:error"}},
		"signature expired":                {fakessm.Fault{Kind: fakessm.FaultClockSkew}, findReport{Kind: credentialsWrong, Calls: "active:clock-skew"}},
		"throttled":                        {fakessm.Fault{Kind: fakessm.FaultThrottle}, findReport{Kind: throttled, Calls: "active:throttle ..."}},
		"throttled under another name":     {refusal("TooManyRequestsException", 429), findReport{Kind: throttled, Calls: "active:error ..."}},
		"throttled with status 503":        {refusal("RequestLimitExceeded", 503), findReport{Kind: throttled, Calls: "active:error ..."}},
		"internal error":                   {fakessm.Fault{Kind: fakessm.FaultInternal}, findReport{Kind: unavailable, Calls: "active:internal ..."}},
		"internal error with status 400":   {refusal("InternalServerError", 400), findReport{Kind: unavailable, Calls: "active:error"}},
		"unknown code with status 500":     {refusal("OutOfCoffeeException", 500), findReport{Kind: unavailable, Calls: "active:error ..."}},
		"unknown code with status 400":     {refusal("OutOfCoffeeException", 400), findReport{Kind: rejected, Calls: "active:error"}},
		"no code at all":                   {refusal("", 400), findReport{Kind: rejected, Calls: "active:error"}},
		"unknown filter key":               {refusal("InvalidFilterKey", 400), findReport{Kind: rejected, Calls: "active:error"}},
		"another validation error":         {refusal("ValidationException", 400), findReport{Kind: rejected, Calls: "active:error"}},
		"unknown operation":                {refusal("UnknownOperationException", 404), findReport{Kind: rejected, Calls: "active:error"}},
		"HTML of a proxy, with status 503": {fakessm.Fault{Kind: fakessm.FaultProxy}, findReport{Kind: unavailable, Calls: "active:proxy ..."}},
		"connection reset":                 {fakessm.Fault{Kind: fakessm.FaultResetBefore}, findReport{Kind: unavailable, Calls: "active:reset-before ..."}},
		"connection reset, work done":      {fakessm.Fault{Kind: fakessm.FaultResetAfter}, findReport{Kind: unavailable, Calls: "active:reset-after ..."}},
		"an endpoint that hangs":           {fakessm.Fault{Kind: fakessm.FaultHang}, findReport{Kind: unavailable, Calls: "active:hang ..."}},
		"an answer that hangs":             {fakessm.Fault{Kind: fakessm.FaultSlow, Delay: time.Hour}, findReport{Kind: unavailable, Calls: "active:slow ..."}},
		"half an answer":                   {fakessm.Fault{Kind: fakessm.FaultTruncated}, findReport{Kind: unavailable, Calls: "active:truncated ..."}},
		"garbage":                          {fakessm.Fault{Kind: fakessm.FaultGarbage}, findReport{Kind: unavailable, Calls: "active:garbage"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(sessionInRegion(sessionID, "Connected")))
				tc.fault.Times = -1
				fake.Inject(tc.fault)
				ep := newEndpoint(t, fake)

				session, err := ep.client().Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

				if diff := cmp.Diff(tc.want, findReport{Status: session.Status, Kind: kindOf(err), Calls: ep.calls(t)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkError(t, err, sessionmanager.DescribeSessions)
			})
		})
	}
}

// TestClient_Find_unreadable checks answers that do not come from the service.
func TestClient_Find_unreadable(t *testing.T) {
	t.Parallel()

	const page = "<html><body><h1>Welcome</h1></body></html>"
	for name, tc := range map[string]struct {
		status int
		body   string
		want   findReport
	}{
		"a page of HTML":                 {200, page, findReport{Kind: unavailable, Calls: "active"}},
		"a page of HTML with status 403": {403, page, findReport{Kind: unavailable, Calls: "active"}},
		"a page of HTML with status 502": {502, page, findReport{Kind: unavailable, Calls: "active ..."}},
		"half an answer":                 {200, `{"Sessions":[{"SessionId":`, findReport{Kind: unavailable, Calls: "active"}},
		"a date that is text":            {200, `{"Sessions":[{"SessionId":"` + sessionID + `","StartDate":"2024-08-29"}]}`, findReport{Kind: unavailable, Calls: "active"}},
		"an error without a body":        {400, "", findReport{Kind: rejected, Calls: "active"}},
		"a server error without a body":  {500, "", findReport{Kind: unavailable, Calls: "active ..."}},
		"a gateway error without a body": {504, "", findReport{Kind: unavailable, Calls: "active ..."}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(sessionInRegion(sessionID, "Connected")))
				ep := newEndpoint(t, fake, answerRequests("DescribeSessions", -1, tc.status, tc.body))

				session, err := ep.client().Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

				if diff := cmp.Diff(tc.want, findReport{Status: session.Status, Kind: kindOf(err), Calls: ep.calls(t)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkError(t, err, sessionmanager.DescribeSessions)
				if strings.Contains(fmt.Sprint(err), "Welcome") {
					t.Errorf("the error quotes the unreadable answer: %v", err)
				}
			})
		})
	}
}

func TestClient_Find_outOfTime(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		fault   fakessm.Fault
		timeout time.Duration // Zero cancels the context before the call.
		want    findReport
		says    string
	}{
		"throttled until the deadline": {
			fault: fakessm.Fault{Kind: fakessm.FaultThrottle, Times: -1}, timeout: timeout,
			want: findReport{Kind: throttled, Calls: "active:throttle ..."},
			says: "the time ran out",
		},
		"broken until the deadline": {
			fault: fakessm.Fault{Kind: fakessm.FaultInternal, Times: -1}, timeout: timeout,
			want: findReport{Kind: unavailable, Calls: "active:internal ..."},
			says: "the time ran out",
		},
		"an answer that never comes": {
			fault: fakessm.Fault{Kind: fakessm.FaultHang, Times: -1}, timeout: time.Second,
			want: findReport{Kind: outOfTime, Calls: "active:hang"},
			says: "the time ran out",
		},
		"an answer that is incomplete at the deadline": {
			fault: fakessm.Fault{Kind: fakessm.FaultSlow, Times: -1, Delay: time.Minute}, timeout: time.Second,
			want: findReport{Kind: outOfTime, Calls: "active:slow"},
			says: "the time ran out",
		},
		"between the two rounds": {
			timeout: 100 * time.Millisecond,
			want:    findReport{Kind: outOfTime, Calls: "active history"},
			says:    "the time ran out",
		},
		"cancelled before it begins": {
			want: findReport{Kind: outOfTime},
			says: "context canceled",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New()
				if tc.fault.Kind != "" {
					fake.Inject(tc.fault)
				}
				ep := newEndpoint(t, fake)
				ep.retries(1000)
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), tc.timeout)
				defer cancel()
				if tc.timeout == 0 {
					ctx, cancel = context.WithCancel(t.Context())
					cancel()
				}

				_, err := ep.client().Find(ctx, sessionmanager.SessionRef{Region: region, SessionID: sessionID})

				if took := time.Since(start); took > tc.timeout {
					t.Errorf("took %s, with a timeout of %s", took, tc.timeout)
				}
				if diff := cmp.Diff(tc.want, findReport{Kind: kindOf(err), Calls: ep.calls(t)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkError(t, err, sessionmanager.DescribeSessions)
				if !errors.Is(err, ctx.Err()) || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("error does not contain %q: %v", tc.says, err)
				}
			})
		})
	}
}

func TestClient_Find_connectionRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New())
		ep.local.Refuse()
		var attempts []sessionmanager.Attempt
		client := ep.client(sessionmanager.Options{Observe: func(_ context.Context, a sessionmanager.Attempt) { attempts = append(attempts, a) }})

		_, err := client.Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

		if diff := cmp.Diff(findReport{Kind: unavailable}, findReport{Kind: kindOf(err), Calls: ep.calls(t)}); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// A refused connection is retried less often than other failures.
		if want := 4; len(attempts) != want {
			t.Errorf("%d attempts, want %d", len(attempts), want)
		}
		checkError(t, err, sessionmanager.DescribeSessions)
	})
}
