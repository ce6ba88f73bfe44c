// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
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

// startOwnSessions starts n sessions and returns references to them.
func startOwnSessions(t *testing.T, client *sessionmanager.Client, n int) []sessionmanager.SessionRef {
	t.Helper()

	var refs []sessionmanager.SessionRef
	for range n {
		opened, err := client.Start(t.Context(), startInput())
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, opened.SessionRef)
	}

	return refs
}

// TestRegistry_endAll ends all sessions within the time that a process has after its
// server has stopped.
func TestRegistry_endAll(t *testing.T) {
	t.Parallel()

	const limit = 1500 * time.Millisecond
	for name, tc := range map[string]struct {
		open    int
		latency time.Duration
		fault   fakessm.Fault
		left    int
		want    map[string]int
	}{
		"nothing": {want: map[string]int{}},
		"one":     {open: 1, want: map[string]int{"TerminateSession": 1}},
		"many at once": {
			open: 40, latency: 500 * time.Millisecond, want: map[string]int{"TerminateSession": 40},
		},
		"a session that has ended": {
			open: 1, fault: fakessm.Fault{Kind: fakessm.FaultError, Code: "ValidationException", Message: "Session is not in a valid state"},
			left: 1, want: map[string]int{"TerminateSession": 1},
		},
		"a session that SSM does not know yet": {
			open: 1, fault: fakessm.Fault{Kind: fakessm.FaultError, Code: "DoesNotExistException"},
			want: map[string]int{"TerminateSession": 2},
		},
		"a lost answer": {
			open: 3, fault: fakessm.Fault{Kind: fakessm.FaultResetAfter}, want: map[string]int{"TerminateSession": 4},
		},
		"a service that hangs": {
			open: 3, fault: fakessm.Fault{Kind: fakessm.FaultHang, Times: -1}, left: 3, want: map[string]int{"TerminateSession": 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(bystandersOf(startTarget)...), fakessm.WithLatency(tc.latency)))
				registry := sessionmanager.NewRegistry()
				client := ep.client(sessionmanager.Options{Own: registry})
				startOwnSessions(t, client, tc.open)
				ep.fake.ResetRequests()
				if tc.fault.Kind != "" {
					tc.fault.Operation = "TerminateSession"
					ep.fake.Inject(tc.fault)
				}

				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				err := registry.EndAll(ctx)

				if took := time.Since(start); took > limit || tc.open == 0 && took > 0 {
					t.Errorf("it took %s", took)
				}
				if (err != nil) != (tc.fault.Kind == fakessm.FaultHang) {
					t.Errorf("unexpected error %v", err)
				}
				synctest.Wait()
				if live := checkStart(t, ep.fake); len(live) != tc.left {
					t.Errorf("%d sessions are left, want %d", len(live), tc.left)
				}
				if diff := cmp.Diff(tc.want, callCounts(ep.fake)); diff != "" {
					t.Errorf("unexpected calls (-want +got):\n%s", diff)
				}

				ep.fake.ResetRequests()
				if _, err := client.Start(t.Context(), startInput()); kindOf(err) != outOfTime || len(ep.fake.Requests()) > 0 {
					t.Errorf("a session could be started afterwards: %v", err)
				}
			})
		})
	}
}

// TestRegistry_endAllWhileStarting calls EndAll at different moments of several starts. No
// session may be left.
func TestRegistry_endAllWhileStarting(t *testing.T) {
	t.Parallel()

	for _, after := range []int{0, 20, 60, 100, 140, 200, 300} {
		after := time.Duration(after) * time.Millisecond
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// The answer of every third start is lost.
				var (
					mutex  sync.Mutex
					starts int
				)
				lossy := func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						lose := false
						if operationOf(r) == "StartSession" {
							mutex.Lock()
							starts++
							lose = starts%3 == 0
							mutex.Unlock()
						}
						if lose {
							answerRequests("StartSession", 1, 200, "{")(next).ServeHTTP(w, r)

							return
						}
						next.ServeHTTP(w, r)
					})
				}
				ep := newEndpoint(t, fakessm.New(fakessm.WithLatency(80*time.Millisecond)), lossy)
				registry := sessionmanager.NewRegistry()
				client := ep.client(sessionmanager.Options{Own: registry})
				var group sync.WaitGroup
				for i := range 30 {
					group.Go(func() {
						time.Sleep(time.Duration(i) * 10 * time.Millisecond)
						_, _ = client.Start(t.Context(), startInput())
					})
				}

				time.Sleep(after)
				ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
				defer cancel()
				if err := registry.EndAll(ctx); err != nil {
					t.Error(err)
				}

				settled := len(ep.fake.Requests())
				group.Wait()
				synctest.Wait()
				if live := checkStart(t, ep.fake); len(live) > 0 || registry.Len() > 0 {
					t.Errorf("%d sessions are left, %d registered", len(live), registry.Len())
				}
				if after := len(ep.fake.Requests()); after != settled {
					t.Errorf("%d calls after EndAll", after-settled)
				}
			})
		})
	}
}

// TestRegistry_hooks checks the order of the steps that end a session with a channel.
func TestRegistry_hooks(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		end  func(context.Context, *sessionmanager.Client, *sessionmanager.Registry, sessionmanager.SessionRef) error
		want []string
	}{
		"one": {
			end: func(ctx context.Context, client *sessionmanager.Client, _ *sessionmanager.Registry, ref sessionmanager.SessionRef) error {
				_, err := client.EndOwn(ctx, ref)

				return err
			},
			want: []string{"flag", "TerminateSession", "close"},
		},
		"all": {
			end: func(ctx context.Context, _ *sessionmanager.Client, registry *sessionmanager.Registry, _ sessionmanager.SessionRef) error {
				return registry.EndAll(ctx)
			},
			want: []string{"flag", "TerminateSession"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var (
					mutex sync.Mutex
					order []string
				)
				note := func(what string) {
					mutex.Lock()
					defer mutex.Unlock()
					order = append(order, what)
				}
				ep := newEndpoint(t, fakessm.New(), beforeRequest("TerminateSession", func() { note("TerminateSession") }))
				registry := sessionmanager.NewRegistry()
				client := ep.client(sessionmanager.Options{Own: registry})
				ref := startOwnSessions(t, client, 1)[0]
				client.Attach(ref, sessionmanager.Hooks{
					Terminate: func(context.Context) error {
						note("flag")

						return errors.New("connection lost")
					},
					Close: func(ctx context.Context) error {
						note("close")
						<-ctx.Done()

						return ctx.Err()
					},
				})

				if err := tc.end(t.Context(), client, registry, ref); err != nil {
					t.Error(err)
				}

				if diff := cmp.Diff(tc.want, order); diff != "" {
					t.Errorf("unexpected order (-want +got):\n%s", diff)
				}
				if len(checkStart(t, ep.fake)) > 0 || registry.Len() > 0 {
					t.Error("the session is left")
				}
			})
		})
	}
}

// TestEndOwn ends one session and checks that it has ended.
func TestEndOwn(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		fault   fakessm.Fault
		refuses bool // The service refuses, as it does after the agent ended the session.

		forgotten  bool
		unkillable bool
		kind       string
		outcome    sessionmanager.Outcome
		left       int
	}{
		"a session":                        {outcome: "terminated"},
		"a session that has ended":         {refuses: true, outcome: "already_ended"},
		"DescribeSessions is denied":       {fault: fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1}, outcome: "unverified"},
		"TerminateSession is denied":       {fault: fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1}, kind: accessDenied, left: 1},
		"the answer names another session": {fault: fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultWrongSession, Times: -1}, outcome: "terminated"},
		"no answer":                        {fault: fakessm.Fault{Kind: fakessm.FaultHang, Times: -1}, kind: outOfTime, left: 1},
		"SSM no longer knows it":           {forgotten: true, outcome: "already_ended"},
		"SSM does not know it yet":         {fault: fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "DoesNotExistException"}, outcome: "terminated"},
		"SSM no longer knows it, and DescribeSessions is denied": {
			forgotten: true, fault: fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1}, outcome: "already_ended",
		},
		"SSM no longer knows it, and DescribeSessions fails": {
			forgotten: true, fault: fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultInternal, Times: -1}, outcome: "already_ended",
		},
		"it has ended, and DescribeSessions fails": {
			refuses: true, fault: fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultInternal, Times: -1}, outcome: "already_ended",
		},
		"SSM does not know it, and lists it as live": {
			fault: fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "DoesNotExistException", Times: -1}, kind: stillLive, left: 1,
		},
		"no answer, once":           {fault: fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultHang}, outcome: "terminated"},
		"a session that stays live": {unkillable: true, kind: stillLive, left: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(bystandersOf(startTarget)...)))
				registry := sessionmanager.NewRegistry()
				client := ep.client(sessionmanager.Options{Own: registry})
				ref := startOwnSessions(t, client, 1)[0]
				if tc.unkillable {
					session, _ := ep.fake.Session(ref.SessionID)
					session.Behaviour = fakessm.BehaviourUnkillable
					ep.fake.AddSessions(session)
				}
				if tc.refuses {
					ep.fake.EndSession(ref.SessionID)
				}
				if tc.forgotten {
					ep.fake.EndSession(ref.SessionID)
					ep.fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "DoesNotExistException", Times: -1})
				}
				if tc.fault.Kind != "" {
					ep.fake.Inject(tc.fault)
				}

				start := time.Now()
				result, err := client.EndOwn(t.Context(), ref)

				if took := time.Since(start); took > sessionmanager.EndTime {
					t.Errorf("it took %s", took)
				}
				if kindOf(err) != tc.kind || err == nil && result.Outcome != tc.outcome {
					t.Errorf("unexpected %+v, %v", result, err)
				}
				if live := checkStart(t, ep.fake); len(live) != tc.left || registry.Len() != tc.left {
					t.Errorf("%d sessions are left, %d registered, want %d", len(live), registry.Len(), tc.left)
				}
			})
		})
	}
}

// TestOwnSession_endedByItself checks that every way to end a session of this process takes a session
// that has ended by itself as ended, whichever words SSM has for it, but not one that is listed as live.
func TestOwnSession_endedByItself(t *testing.T) {
	t.Parallel()

	end := func(ctx context.Context, client *sessionmanager.Client, _ *sessionmanager.Registry, ref sessionmanager.SessionRef) error {
		result, err := client.EndOwn(ctx, ref)
		if err == nil && result.Outcome != sessionmanager.OutcomeAlreadyEnded && result.Outcome != sessionmanager.OutcomeUnverified {
			return fmt.Errorf("the outcome is %s", result.Outcome)
		}

		return err
	}
	endAll := func(ctx context.Context, _ *sessionmanager.Client, registry *sessionmanager.Registry, _ sessionmanager.SessionRef) error {
		return registry.EndAll(ctx)
	}
	endUnusable := func(ctx context.Context, client *sessionmanager.Client, _ *sessionmanager.Registry, _ sessionmanager.SessionRef) error {
		_, err := client.Start(ctx, startInput())
		var failed *sessionmanager.Error
		if !errors.As(err, &failed) || failed.Lost == nil {
			return fmt.Errorf("the session is usable: %w", err)
		}
		if !failed.Lost.Ended {
			return fmt.Errorf("it has not ended: %w", failed.Lost.Err)
		}

		return nil
	}
	denied := fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1}
	for name, tc := range map[string]struct {
		end    func(context.Context, *sessionmanager.Client, *sessionmanager.Registry, sessionmanager.SessionRef) error
		faults []fakessm.Fault
		live   bool // The session is still listed as live.
	}{
		"at its end":                        {end: end},
		"at its end, without looks":         {end: end, faults: []fakessm.Fault{denied}},
		"at its end, contradicted":          {end: end, live: true},
		"at the end of the process":         {end: endAll},
		"after a start without a usable ID": {end: endUnusable},
	} {
		for answer, code := range map[string]string{"is not in a valid state": "ValidationException", "does not exist": "DoesNotExistException"} {
			t.Run(name+", it "+answer, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					withoutToken := func(next http.Handler) http.Handler {
						if name != "after a start without a usable ID" {
							return next
						}

						return answerRequests("StartSession", 1, 200, `{"SessionId":"own-1","StreamUrl":"wss://example.com"}`)(next)
					}
					ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(bystandersOf(startTarget)...)), withoutToken)
					registry := sessionmanager.NewRegistry()
					client := ep.client(sessionmanager.Options{Own: registry})
					var ref sessionmanager.SessionRef
					if name != "after a start without a usable ID" {
						ref = startOwnSessions(t, client, 1)[0]
						if !tc.live {
							ep.fake.RemoveSession(ref.SessionID)
						}
					}
					ep.fake.Inject(append(tc.faults, fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultError, Code: code, Message: "Session " + answer, Times: -1})...)

					err := tc.end(t.Context(), client, registry, ref)

					if tc.live {
						if kindOf(err) != stillLive || registry.Len() != 1 {
							t.Errorf("unexpected error %q (%v), %d sessions are registered", kindOf(err), err, registry.Len())
						}

						return
					}
					if err != nil || registry.Len() != 0 {
						t.Errorf("unexpected error %v, %d sessions are registered", err, registry.Len())
					}
				})
			})
		}
	}
}

// TestDrain_own drains a target with sessions of this process. They must stay live.
func TestDrain_own(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(1)))
		for _, s := range connectedSessions("a", "b", "c", "d", "e", "f", "g", "h") {
			s.Target, s.Region = startTarget, region
			ep.fake.AddSessions(s)
		}
		registry := sessionmanager.NewRegistry()
		client := ep.client(sessionmanager.Options{Own: registry})
		selector := sessionmanager.Selector{Targets: []string{startTarget}}
		first := startOwnSessions(t, client, 2)

		shown, err := client.Matching(t.Context(), region, selector)
		if err != nil || len(shown.Sessions) != 8 {
			t.Fatalf("%d sessions match, %v", len(shown.Sessions), err)
		}
		second := startOwnSessions(t, client, 1)
		// The answer is lost and the session cannot be looked up. Only its mark identifies it.
		ep.fake.Inject(fakessm.Fault{Operation: "StartSession", Kind: fakessm.FaultResetAfter})
		ep.fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied})
		if _, err := client.Start(t.Context(), startInput()); err == nil {
			t.Fatal("the answer was not lost")
		}

		result, err := client.Drain(t.Context(), sessionmanager.DrainInput{Region: region, Selector: selector, MaxSessions: 8})

		if err != nil || result.Ended() != 8 {
			t.Errorf("unexpected %+v, %v", result, err)
		}
		live := map[string]bool{}
		for _, s := range checkStart(t, ep.fake) {
			live[s.SessionID] = true
		}
		for _, ref := range append(first, second...) {
			if !live[ref.SessionID] {
				t.Errorf("session %s of this process was ended", ref.SessionID)
			}
		}
		if len(live) != 4 {
			t.Errorf("%d sessions are live, want 4", len(live))
		}

		// Another process does not know these sessions.
		others, err := ep.client().Matching(t.Context(), region, selector)
		if err != nil || len(others.Sessions) != 4 {
			t.Errorf("another process sees %v, %v", others.Sessions, err)
		}
	})
}
