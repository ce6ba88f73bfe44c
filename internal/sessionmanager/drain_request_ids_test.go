// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// checkRequestIDs checks that the result has, for each session, the request ID that the
// endpoint sent with its last answer, and none if the last request got no answer. A cancelled
// drain may have returned before an answer came.
func checkRequestIDs(t *testing.T, fake *fakessm.Server, result sessionmanager.DrainResult, err error) {
	t.Helper()

	want := make(map[string]string)
	for _, r := range fake.Requests() {
		if r.Operation != "TerminateSession" || r.Region != region {
			continue
		}
		switch {
		case r.Status == 0, r.Fault == fakessm.FaultTruncated:
			delete(want, r.SessionID)
		default:
			want[r.SessionID] = r.RequestID
		}
		if _, told := result.RequestIDs[r.SessionID]; !told && errors.Is(err, context.Canceled) {
			delete(want, r.SessionID)
		}
	}
	if diff := cmp.Diff(want, result.RequestIDs, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("request IDs (-sent +got):\n%s", diff)
	}
	for id, err := range result.Failures {
		var failure *sessionmanager.Error
		if errors.As(err, &failure) && failure.RequestID != result.RequestIDs[id] {
			t.Errorf("the failure of %s has the request ID %q, the result %q", id, failure.RequestID, result.RequestIDs[id])
		}
	}
}

// sentTo returns the request IDs of the answers to TerminateSession for a session, in order.
func sentTo(fake *fakessm.Server, id string) []string {
	var sent []string
	for _, r := range fake.Requests() {
		if r.Operation == "TerminateSession" && r.SessionID == id {
			sent = append(sent, r.RequestID)
		}
	}

	return sent
}

func TestClient_Drain_requestIDs(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		faults   []fakessm.Fault
		wrap     func(*fakessm.Server) func(http.Handler) http.Handler
		attempts int
		outcome  sessionmanager.Outcome
		requests int
		answer   int // The number of the request with the ID, from 1. 0 for none.
	}{
		"a success": {outcome: terminated, requests: 1, answer: 1},
		"a session that has already ended": {
			wrap:    onTermination(1, func(fake *fakessm.Server) { fake.EndSession("a") }),
			outcome: alreadyEnded, requests: 1, answer: 1,
		},
		"a refusal": {
			faults:  []fakessm.Fault{{Operation: "TerminateSession", SessionID: "a", Kind: fakessm.FaultError, Code: "ValidationException", Message: "No."}},
			outcome: failed, requests: 1, answer: 1,
		},
		"a denial": {
			faults:  []fakessm.Fault{terminateFault("a", fakessm.FaultDenied, -1)},
			outcome: failed, requests: 1, answer: 1,
		},
		"throttling, and then a success": {
			faults:  []fakessm.Fault{terminateFault("a", fakessm.FaultThrottle, 2)},
			outcome: terminated, requests: 3, answer: 3,
		},
		"throttling until the retries are exhausted": {
			faults:  []fakessm.Fault{terminateFault("a", fakessm.FaultThrottle, -1)},
			outcome: failed, requests: maxAttempts, answer: maxAttempts,
		},
		"a lost answer, then a refusal": {
			faults:  []fakessm.Fault{terminateFault("a", fakessm.FaultResetAfter, 1)},
			outcome: terminated, requests: 2, answer: 2,
		},
		"only lost answers": {
			faults: []fakessm.Fault{terminateFault("a", fakessm.FaultResetAfter, 1)}, attempts: 1,
			outcome: terminated, requests: 1,
		},
		"no answer at all": {
			faults:  []fakessm.Fault{terminateFault("a", fakessm.FaultResetBefore, -1)},
			outcome: failed, requests: maxAttempts,
		},
		"throttling, and then no answer": {
			faults:  []fakessm.Fault{terminateFault("a", fakessm.FaultThrottle, 1), terminateFault("a", fakessm.FaultResetBefore, -1)},
			outcome: failed, requests: maxAttempts,
		},
		"an unusable answer": {
			faults:  []fakessm.Fault{terminateFault("a", fakessm.FaultBare, 1)},
			outcome: failed, requests: 1, answer: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(connectedSessions("a", "b")...))
				fake.Inject(tc.faults...)
				ep := newEndpoint(t, fake)
				if tc.wrap != nil {
					ep = newEndpoint(t, fake, tc.wrap(fake))
				}
				if tc.attempts > 0 {
					ep.retries(tc.attempts)
				}

				_, result := runDrainForResult(t, ep, sessionmanager.DrainInput{Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: maxSessions})

				sent := sentTo(fake, "a")
				if len(sent) != tc.requests {
					t.Fatalf("%d requests, want %d", len(sent), tc.requests)
				}
				want := map[string]string{"b": sentTo(fake, "b")[0]}
				if tc.answer > 0 {
					want["a"] = sent[tc.answer-1]
				}
				if diff := cmp.Diff(want, result.RequestIDs); diff != "" {
					t.Errorf("request IDs (-want +got):\n%s", diff)
				}
				if got := result.Outcomes["a"]; got != tc.outcome {
					t.Errorf("the outcome is %q, want %q", got, tc.outcome)
				}
			})
		})
	}
}

// TestClient_Drain_noCalls checks that there is no request ID without a request.
func TestClient_Drain_noCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(connectedSessions("a", "b")...)))

		_, result := runDrainForResult(t, ep, sessionmanager.DrainInput{Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: 1})

		if result.RequestIDs == nil || len(result.RequestIDs) > 0 {
			t.Errorf("the request IDs are %v, want an empty map", result.RequestIDs)
		}
	})
}

// TestClient_requestIDs_hostile checks that an invalid request ID does not reach a result, an
// error or an observed attempt.
func TestClient_requestIDs_hostile(t *testing.T) {
	t.Parallel()

	const fine = "0123abcd-0123-0123-0123-0123456789ab"
	for name, tc := range map[string]struct{ sent, want string }{
		"a UUID":          {fine, fine},
		"nothing":         {"", ""},
		"spaces":          {"        ", ""},
		"words":           {"request refused, see the log", ""},
		"HTML":            {"<script>alert(1)</script>", ""},
		"interpolation":   {"${aws_instance.web.id}%s", ""},
		"another line":    {fine + "\x85Error: forged", ""},
		"no UTF-8":        {"\xff\xfe\xfd0123456789", ""},
		"a session token": {"FwoGZXIvYXdzEBYaDK+/" + strings.Repeat("x", 80) + "==", ""},
		"a URL":           {"https://ssmmessages.us-east-1.amazonaws.com/v1", ""},
		"10 kB":           {strings.Repeat("0123abcd-", 1137), ""},
		"a digit":         {"7", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(connectedSessions("a", "b")...))
				fake.Inject(terminateFault("b", fakessm.FaultDenied, -1))
				ep := newEndpoint(t, fake, func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						next.ServeHTTP(&replacedRequestID{ResponseWriter: w, requestID: tc.sent}, r)
					})
				})
				var seen attemptObserver
				client := ep.client(sessionmanager.Options{Observe: seen.observe})

				result, err := client.Drain(t.Context(), sessionmanager.DrainInput{
					Region: region, Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: maxSessions,
				})

				if !errors.Is(err, sessionmanager.ErrNotDrained) {
					t.Fatal(err)
				}
				want := map[string]string{}
				if tc.want != "" {
					want = map[string]string{"a": tc.want, "b": tc.want}
				}
				if diff := cmp.Diff(want, result.RequestIDs); diff != "" {
					t.Errorf("request IDs (-want +got):\n%s", diff)
				}
				var failure *sessionmanager.Error
				if !errors.As(result.Failures["b"], &failure) || failure.RequestID != tc.want {
					t.Errorf("the error has the request ID %q, want %q", failure.RequestID, tc.want)
				}
				for _, attempt := range seen.attempts {
					if attempt.RequestID != tc.want {
						t.Errorf("the attempt of %s has the request ID %q, want %q", attempt.Operation, attempt.RequestID, tc.want)
					}
				}
				if len(seen.attempts) == 0 {
					t.Error("no attempt was observed")
				}
			})
		})
	}
}

// replacedRequestID is a ResponseWriter that sends another request ID than the handler's.
type replacedRequestID struct {
	http.ResponseWriter

	requestID string
}

// WriteHeader implements http.ResponseWriter.
func (w *replacedRequestID) WriteHeader(status int) {
	w.Header()["X-Amzn-Requestid"] = []string{w.requestID}
	w.ResponseWriter.WriteHeader(status)
}

// TestClient_Drain_cancelledAtNewcomers shows that a drain that is cancelled when it sees
// who came since accounts for those that it has ended.
func TestClient_Drain_cancelledAtNewcomers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithSessions(connectedSessions("a", "b")...))
		ep := newEndpoint(t, fake, onTermination(2, startSessions("n"))(fake))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		client := ep.client(sessionmanager.Options{Observe: func(_ context.Context, attempt sessionmanager.Attempt) {
			if attempt.Operation == sessionmanager.DescribeSessions && fake.Count("TerminateSession") == 2 {
				cancel()
			}
		}})

		result, err := client.Drain(ctx, sessionmanager.DrainInput{Region: region, Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: maxSessions})

		if diff := cmp.Diff([]string{"n"}, result.Left); diff != "" {
			t.Errorf("left (-want +got):\n%s", diff)
		}
		if len(result.Outcomes) != 2 || len(result.RequestIDs) != 2 || err == nil {
			t.Errorf("the outcomes are %v, the request IDs %v, the error %v", result.Outcomes, result.RequestIDs, err)
		}
	})
}
