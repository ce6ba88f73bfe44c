// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// retryLikeProvider gives the endpoint's clients the provider's retry settings: up to 26
// attempts with the SDK's delays, without the SDK's retry quota.
func (e *endpoint) retryLikeProvider() *endpoint {
	e.config.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 26
			o.RateLimiter = ratelimit.None
		})
	}

	return e
}

// paceReport is the result of runCalls, as tests compare it.
type paceReport struct {
	took      time.Duration
	calls     int
	throttled int
}

// runCalls makes n calls with a number of workers, and reports what reached the endpoint. It
// leaves out the calls of the other client.
func (e *endpoint) runCalls(t *testing.T, workers, n int, call func(ctx context.Context, i int) error) paceReport {
	t.Helper()

	var (
		wg    sync.WaitGroup
		next  atomic.Int32
		start = time.Now()
	)
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := call(t.Context(), i); err != nil {
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()

	seen := paceReport{took: time.Since(start)}
	for _, r := range e.fake.Requests() {
		if r.SessionID == "other-client" {
			continue
		}
		seen.calls++
		if r.ErrorCode == "ThrottlingException" {
			seen.throttled++
		}
	}
	t.Logf("%d calls, %d throttled, in %s", seen.calls, seen.throttled, seen.took)

	return seen
}

// terminateNext returns a function that ends the sessions of the crowd one by one.
func terminateNext(client *sessionmanager.Client, where string, verify bool) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		result, err := client.Terminate(ctx, sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: where, SessionID: crowdID(i)}, Verify: verify})
		if err == nil && verify && result.Outcome != sessionmanager.OutcomeTerminated {
			return fmt.Errorf("outcome %s", result.Outcome)
		}

		return err
	}
}

// wantBetween checks how long something took.
func wantBetween(t *testing.T, took, least, most time.Duration) {
	t.Helper()

	if took < least || took > most {
		t.Errorf("took %s, want between %s and %s", took, least, most)
	}
}

// TestClient_pace_noDelay checks that calls are not delayed without throttling.
func TestClient_pace_noDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(500)...)))

		got := ep.runCalls(t, 50, 500, terminateNext(ep.client(), region, false))

		wantBetween(t, got.took, 0, time.Second)
	})
}

// TestClient_pace_quota ends sessions at the service's quota, with as many workers as
// Terraform or more. The time must be close to the minimum that the quota allows, and few
// calls may be throttled.
func TestClient_pace_quota(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		workers, sessions int
		verify            bool
		least, most       time.Duration
		throttled         float64 // The maximum fraction of the calls.
	}{
		"ten workers, verified":   {workers: 10, sessions: 300, verify: true, least: 49 * time.Second, most: 52500 * time.Millisecond, throttled: 0.025},
		"ten workers":             {workers: 10, sessions: 300, least: 49 * time.Second, most: 52500 * time.Millisecond, throttled: 0.06},
		"one worker":              {workers: 1, sessions: 60, least: 9 * time.Second, most: 12 * time.Second, throttled: 0.06},
		"the calls of one second": {workers: 6, sessions: 6, most: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithDefaultQuotas(), fakessm.WithSessions(crowdSessions(tc.sessions)...))).retryLikeProvider()

				got := ep.runCalls(t, tc.workers, tc.sessions, terminateNext(ep.client(), region, tc.verify))

				wantBetween(t, got.took, tc.least, tc.most)
				if most := int(tc.throttled * float64(got.calls)); got.throttled > most {
					t.Errorf("%d of %d calls were throttled, want %d at most", got.throttled, got.calls, most)
				}
			})
		})
	}
}

// TestClient_pace_drain ends sessions with one drain, which runs more calls at once than
// the quota allows per second.
func TestClient_pace_drain(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		sessions    int
		least, most time.Duration
		throttled   int
	}{
		"the calls of one second": {6, 0, time.Second, 0},
		"120":                     {120, 19 * time.Second, 21 * time.Second, 45},
		"300":                     {300, 49 * time.Second, 52500 * time.Millisecond, 55},
		"1200":                    {1200, 199 * time.Second, 210 * time.Second, 80},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithDefaultQuotas(), fakessm.WithSessions(crowdSessions(tc.sessions)...))).retryLikeProvider()
				client := ep.client()

				got := ep.runCalls(t, 1, 1, func(ctx context.Context, _ int) error {
					result, err := client.Drain(ctx, sessionmanager.DrainInput{
						Region: region, Selector: sessionmanager.Selector{Targets: []string{"mi-0123456789abcdef0"}}, MaxSessions: tc.sessions,
					})
					if len(result.Outcomes) != tc.sessions {
						t.Errorf("%d outcomes, want %d", len(result.Outcomes), tc.sessions)
					}

					return err
				})

				wantBetween(t, got.took, tc.least, tc.most)
				if got.throttled > tc.throttled {
					t.Errorf("%d of %d calls were throttled, want %d at most", got.throttled, got.calls, tc.throttled)
				}
			})
		})
	}
}

// TestClient_pace_adapts checks quotas that differ from the usual one.
func TestClient_pace_adapts(t *testing.T) {
	t.Parallel()

	t.Run("a larger quota is used", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const granted = 20
			ep := newEndpoint(t, fakessm.New(fakessm.WithQuota("TerminateSession", granted), fakessm.WithSessions(crowdSessions(1200)...))).retryLikeProvider()
			client := ep.client()

			got := ep.runCalls(t, 40, 1200, terminateNext(client, region, false))

			// The quota needs one minute. 6 calls per second would need 200 seconds.
			wantBetween(t, got.took, 59*time.Second, 110*time.Second)
			if got.throttled > 100 {
				t.Errorf("%d calls were throttled", got.throttled)
			}
		})
	})

	t.Run("a smaller quota is respected", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithQuota("TerminateSession", 2), fakessm.WithSessions(crowdSessions(200)...))).retryLikeProvider()

			got := ep.runCalls(t, 10, 200, terminateNext(ep.client(), region, false))

			wantBetween(t, got.took, 99*time.Second, 125*time.Second)
			if got.throttled > 40 {
				t.Errorf("%d calls were throttled", got.throttled)
			}
		})
	})

	t.Run("a quota is shared with another client until it stops", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithQuota("TerminateSession", 6), fakessm.WithSessions(crowdSessions(600)...)))
			ep.retries(1)
			other := ep.client(sessionmanager.Options{MaxRequestsPerSecond: 3})
			client := ep.retryLikeProvider().client()

			// For one minute another client uses half of the quota and ignores throttling.
			var wg sync.WaitGroup
			wg.Go(func() {
				for range 180 {
					_, _ = other.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: "other-client"}})
				}
			})
			got := ep.runCalls(t, 10, 600, terminateNext(client, region, false))
			wg.Wait()

			// The full quota needs 100 seconds, half of it 200.
			wantBetween(t, got.took, 99*time.Second, 150*time.Second)
			if got.throttled > 60 {
				t.Errorf("%d calls were throttled", got.throttled)
			}
		})
	})

	t.Run("the pace recovers from a short period of throttling", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(1000)...))).retryLikeProvider()
			ep.fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultThrottle, Times: 20})

			got := ep.runCalls(t, 10, 1000, terminateNext(ep.client(), region, false))

			// 167 seconds at 6 calls per second.
			wantBetween(t, got.took, 0, 90*time.Second)
		})
	})
}

// TestClient_pace_fixed checks max_requests_per_second.
func TestClient_pace_fixed(t *testing.T) {
	t.Parallel()

	t.Run("calls are evenly spaced", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(21)...)))
			client := ep.client(sessionmanager.Options{MaxRequestsPerSecond: 2})

			got := ep.runCalls(t, 10, 21, terminateNext(client, region, false))

			wantBetween(t, got.took, 10*time.Second, 10*time.Second+10*latency)
			requests := ep.fake.Requests()
			for i := range requests[1:] {
				if gap := requests[i+1].Time.Sub(requests[i].Time); gap < 490*time.Millisecond {
					t.Errorf("call %d came %s after the previous call", i+1, gap)
				}
			}
		})
	})

	t.Run("a throttled call counts but does not change the pace", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(31)...)))
			ep.fake.Inject(fakessm.Fault{Kind: fakessm.FaultThrottle, Times: 10})
			client := ep.client(sessionmanager.Options{MaxRequestsPerSecond: 4})

			got := ep.runCalls(t, 10, 31, terminateNext(client, region, false))

			wantBetween(t, got.took, 10*time.Second, 10*time.Second+10*latency)
			if got.calls != 41 {
				t.Errorf("%d calls, want 41", got.calls)
			}
		})
	})

	// A limit above the quota must not switch adaptation off.
	t.Run("more than the quota", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(300)...), fakessm.WithDefaultQuotas())).retryLikeProvider()
			client := ep.client(sessionmanager.Options{MaxRequestsPerSecond: 50})

			got := ep.runCalls(t, 10, 300, terminateNext(client, region, false))

			if most := got.calls / 10; got.throttled > most {
				t.Errorf("%d of %d calls were throttled, want at most %d", got.throttled, got.calls, most)
			}
		})
	})

	t.Run("less than one call per second", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(4)...)))
			client := ep.client(sessionmanager.Options{MaxRequestsPerSecond: 0.1})

			got := ep.runCalls(t, 4, 4, terminateNext(client, region, false))

			wantBetween(t, got.took, 30*time.Second, 31*time.Second)
		})
	})
}

// TestClient_pace_lanes checks that each operation in each Region has its own pace, because
// the service counts calls this way.
func TestClient_pace_lanes(t *testing.T) {
	t.Parallel()

	elsewhere := func(n int) []fakessm.Session {
		sessions := crowdSessions(n)
		for i := range sessions {
			sessions[i].Region = "us-west-2"
		}

		return sessions
	}
	for name, options := range map[string]sessionmanager.Options{
		"a fixed pace":     {MaxRequestsPerSecond: 6},
		"an adaptive pace": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithDefaultQuotas(), fakessm.WithSessions(crowdSessions(60)...), fakessm.WithSessions(elsewhere(60)...))
				ep := newEndpoint(t, fake).retryLikeProvider()
				client := ep.client(options)

				// The first half dozen calls are immediate. The rest needs ten seconds per lane.
				var wg sync.WaitGroup
				for what, call := range map[string]func(context.Context, int) error{
					"terminating":           terminateNext(client, region, false),
					"terminating elsewhere": terminateNext(client, "us-west-2", false),
					"looking up": func(ctx context.Context, i int) error {
						_, err := client.Find(ctx, sessionmanager.SessionRef{Region: region, SessionID: crowdID(i)})
						if errors.Is(err, sessionmanager.ErrNotFound) {
							err = nil
						}

						return err
					},
				} {
					wg.Go(func() {
						got := ep.runCalls(t, 5, 60, call)
						if what == "looking up" {
							// A lookup of an ended session takes two calls.
							wantBetween(t, got.took, 8*time.Second, 25*time.Second)
						} else {
							wantBetween(t, got.took, 8*time.Second, 13*time.Second)
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

// TestClient_pace_cancelled checks that a cancelled call stops waiting at once, is not
// sent, and does not use up its turn.
func TestClient_pace_cancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(40)...)))
		client := ep.client(sessionmanager.Options{MaxRequestsPerSecond: 1})
		if err := terminateNext(client, region, false)(t.Context(), 0); err != nil {
			t.Fatal(err)
		}

		var (
			wg     sync.WaitGroup
			leave  []context.CancelFunc
			before = time.Now()
		)
		for i := 1; i < 31; i++ {
			ctx, cancel := context.WithCancel(t.Context())
			leave = append(leave, cancel)
			wg.Go(func() {
				result, err := client.Terminate(ctx, sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: crowdID(i)}})
				if kindOf(err) != outOfTime || !errors.Is(err, context.Canceled) {
					t.Errorf("session %d: %v", i, err)
				}
				if result.Requested {
					t.Errorf("the call for session %d was sent", i)
				}
			})
			synctest.Wait()
		}
		for _, cancel := range leave {
			cancel()
			synctest.Wait()
		}
		wg.Wait()
		wantBetween(t, time.Since(before), 0, 0)
		if got := ep.fake.Count("TerminateSession"); got != 1 {
			t.Errorf("%d calls, want 1", got)
		}

		// The turns of the thirty cancelled calls are not used up.
		got := ep.runCalls(t, 5, 5, func(ctx context.Context, i int) error {
			return terminateNext(client, region, false)(ctx, 31+i)
		})
		wantBetween(t, got.took, 4*time.Second, 6*time.Second)
	})
}

// TestClient_pace_outOfTime checks the error of a call whose turn does not come in time.
func TestClient_pace_outOfTime(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		patience time.Duration
		want     string
		calls    int
	}{
		"in time":  {patience: time.Minute, calls: 2},
		"too late": {patience: 5 * time.Second, want: outOfTime, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(2)...)))
				client := ep.client(sessionmanager.Options{MaxRequestsPerSecond: 0.1})
				if err := terminateNext(client, region, false)(t.Context(), 0); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), tc.patience)
				defer cancel()

				err := terminateNext(client, region, false)(ctx, 1)

				if got := kindOf(err); got != tc.want || err != nil && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error is %q, want %q: %v", got, tc.want, err)
				}
				if got := ep.fake.Count("TerminateSession"); got != tc.calls {
					t.Errorf("%d calls, want %d", got, tc.calls)
				}
			})
		})
	}

	t.Run("after a throttled call", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(2)...))).retryLikeProvider()
			ep.fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultThrottle, Times: -1})
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()

			result, err := ep.client().Terminate(ctx, sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: crowdID(1)}})

			// The failure of the last attempt is more useful than the deadline.
			if got := kindOf(err); got != throttled || result.Requested {
				t.Errorf("error is %q, want %q; requested: %t: %v", got, throttled, result.Requested, err)
			}
		})
	})
}

// TestClient_pace_idle checks that a pace stays unchanged while calls come more slowly. Such
// calls say nothing about the quota.
func TestClient_pace_idle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(1)...))).retryLikeProvider()
		var lifted int
		client := ep.client(sessionmanager.Options{Decided: func(_ context.Context, d sessionmanager.Decision) {
			if d.What == "Raised the pace of calls" {
				lifted++
			}
		}})
		ep.fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultThrottle})
		for range 120 {
			_ = terminateNext(client, region, false)(t.Context(), 0)
			time.Sleep(2500 * time.Millisecond)
		}
		// The pause after the throttled call may delay its retry.
		if lifted > 1 {
			t.Errorf("the pace was raised %d times although it delayed no call", lifted)
		}
	})
}

// TestClient_pace_highest checks the limit of the pace with a service that never throttles
// again.
func TestClient_pace_highest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(1)...))).retryLikeProvider()
		var (
			mu      sync.Mutex
			fastest float64
		)
		client := ep.client(sessionmanager.Options{Decided: func(_ context.Context, d sessionmanager.Decision) {
			mu.Lock()
			defer mu.Unlock()
			if rate, ok := d.Fields["calls_per_second"].(float64); ok {
				fastest = max(fastest, rate)
			}
		}})
		ep.fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultThrottle})
		ep.runCalls(t, 20, 3000, func(ctx context.Context, _ int) error { return terminateNext(client, region, false)(ctx, 0) })

		if want := 10 * sessionmanager.TerminateSession.Quota(); fastest != want {
			t.Errorf("the pace grew to %g calls a second, want %g", fastest, want)
		}
	})
}
