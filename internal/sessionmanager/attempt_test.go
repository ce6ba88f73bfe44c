// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// sameOperation compares operations by identity.
var sameOperation = cmp.Comparer(func(a, b *sessionmanager.Operation) bool { return a == b })

// attemptObserver keeps the attempts that are reported to it.
type attemptObserver struct {
	mu       sync.Mutex
	attempts []sessionmanager.Attempt
}

func (o *attemptObserver) observe(_ context.Context, a sessionmanager.Attempt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attempts = append(o.attempts, a)
}

func TestOptions_Observe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithSessions(*knownSession("Disconnected")), fakessm.WithLatency(time.Second))
		fake.Inject(faultsOf("ResumeSession",
			fakessm.FaultThrottle, fakessm.FaultInternal, fakessm.FaultResetBefore, fakessm.FaultProxy)...)
		fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultGarbage})
		var (
			mu         sync.Mutex
			requestIDs []string
		)
		ep := newEndpoint(t, fake, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				mu.Lock()
				defer mu.Unlock()
				requestIDs = append(requestIDs, w.Header().Get("X-Amzn-Requestid"))
			})
		})
		var seen attemptObserver
		client := ep.client(sessionmanager.Options{Observe: seen.observe})

		connection, err := client.Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID}); err != nil {
			t.Fatal(err)
		}
		// Garbage is not retried. A retry would succeed here.
		_, _ = client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}})
		_, _ = client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}})
		_, _ = client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}})

		synctest.Wait()
		took := time.Second + latency
		want := []sessionmanager.Attempt{
			{Operation: sessionmanager.ResumeSession, Number: 1, Status: 400, ErrorCode: "ThrottlingException", RequestID: requestIDs[0]},
			{Operation: sessionmanager.ResumeSession, Number: 2, Status: 500, ErrorCode: "InternalServerError", RequestID: requestIDs[1]},
			{Operation: sessionmanager.ResumeSession, Number: 3},
			{Operation: sessionmanager.ResumeSession, Number: 4, Status: 503, RequestID: requestIDs[3]},
			{Operation: sessionmanager.ResumeSession, Number: 5, Status: 200, RequestID: requestIDs[4]},
			{Operation: sessionmanager.DescribeSessions, Number: 1, Status: 200, RequestID: requestIDs[5]},
			{Operation: sessionmanager.TerminateSession, Number: 1, Status: 200, RequestID: requestIDs[6]},
			{Operation: sessionmanager.TerminateSession, Number: 1, Status: 200, RequestID: requestIDs[7]},
			{Operation: sessionmanager.TerminateSession, Number: 1, Status: 400, ErrorCode: "ValidationException", RequestID: requestIDs[8]},
		}
		for i := range want {
			want[i].Region, want[i].SessionID, want[i].Duration = region, sessionID, took
		}
		if diff := cmp.Diff(want, seen.attempts, sameOperation); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(len(fake.Requests()), len(seen.attempts)); diff != "" {
			t.Errorf("attempts, one for each request (-want +got):\n%s", diff)
		}
		checkSecrets(t, fake, fmt.Sprintf("%+v", seen.attempts))
		if connection.TokenValue == "" {
			t.Error("the test has no secret to search for")
		}
	})
}

func TestOptions_Observe_withoutAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New())
		ep.local.Refuse()
		ep.retries(2)
		var seen attemptObserver

		_, err := ep.client(sessionmanager.Options{Observe: seen.observe}).Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

		if got := kindOf(err); got != unavailable {
			t.Errorf("error is %q, want %q", got, unavailable)
		}
		want := []sessionmanager.Attempt{
			{Operation: sessionmanager.ResumeSession, Region: region, SessionID: sessionID, Number: 1},
			{Operation: sessionmanager.ResumeSession, Region: region, SessionID: sessionID, Number: 2},
		}
		if diff := cmp.Diff(want, seen.attempts, sameOperation); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestOptions_Observe_context checks that an observer gets the context of the call.
func TestOptions_Observe_context(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ep := newEndpoint(t, fakessm.New())
		var mu sync.Mutex
		told := map[any]int{}
		client := ep.client(sessionmanager.Options{Observe: func(ctx context.Context, a sessionmanager.Attempt) {
			mu.Lock()
			defer mu.Unlock()
			told[ctx.Value(key{})] += a.Number
		}})

		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				_, _ = client.Find(context.WithValue(t.Context(), key{}, i), sessionmanager.SessionRef{Region: region, SessionID: sessionID})
			})
		}
		wg.Wait()

		// Four calls with one attempt each.
		want := map[any]int{0: 4, 1: 4, 2: 4, 3: 4, 4: 4, 5: 4, 6: 4, 7: 4, 8: 4, 9: 4}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestOptions_AttemptTimeout(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		timeout time.Duration
		fault   fakessm.Fault
		want    time.Duration
	}{
		"an endpoint that hangs": {
			timeout: 7 * time.Second, fault: fakessm.Fault{Kind: fakessm.FaultHang}, want: 7 * time.Second,
		},
		"an answer that hangs": {
			timeout: 7 * time.Second, fault: fakessm.Fault{Kind: fakessm.FaultSlow, Delay: time.Hour}, want: 7 * time.Second,
		},
		"an endpoint that hangs, by default": {
			fault: fakessm.Fault{Kind: fakessm.FaultHang}, want: 20 * time.Second,
		},
		"an answer that hangs, by default": {
			fault: fakessm.Fault{Kind: fakessm.FaultSlow, Delay: time.Hour}, want: 20 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(*knownSession("Connected")))
				fake.Inject(tc.fault)
				var seen attemptObserver
				client := newEndpoint(t, fake).client(sessionmanager.Options{AttemptTimeout: tc.timeout, Observe: seen.observe})

				session, err := client.Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})
				if err != nil {
					t.Fatal(err)
				}

				if session.Status != "Connected" {
					t.Errorf("status is %q", session.Status)
				}
				want := []sessionmanager.Attempt{
					{Operation: sessionmanager.DescribeSessions, Region: region, SessionID: sessionID, Number: 1, Duration: tc.want},
					{Operation: sessionmanager.DescribeSessions, Region: region, SessionID: sessionID, Number: 2, Status: 200, Duration: latency},
				}
				for i := range seen.attempts {
					seen.attempts[i].RequestID = ""
				}
				if diff := cmp.Diff(want, seen.attempts, sameOperation); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}
