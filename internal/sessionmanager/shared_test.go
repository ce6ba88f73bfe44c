// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// TestClient_Terminate_lookupsShared ends 120 sessions with as many workers as Terraform, with
// verification. The endpoints differ in the list that contains sessions that are ending.
func TestClient_Terminate_lookupsShared(t *testing.T) {
	t.Parallel()

	const count = 120
	quota := fakessm.WithDefaultQuotas()
	lag := fakessm.WithTerminationLag
	for name, tc := range map[string]struct {
		options []fakessm.Option
		most    time.Duration
		looks   int // Maximum number of DescribeSessions.
	}{
		"Terminating is active for 1.5 s": {
			options: []fakessm.Option{quota, lag(1500 * time.Millisecond), fakessm.WithTerminatingActive()}, most: 22 * time.Second, looks: 90,
		},
		"Terminating stays active": {
			options: []fakessm.Option{quota, lag(time.Hour), fakessm.WithTerminatingActive()}, most: 22 * time.Second, looks: 90,
		},
		"Terminating stays active, without quotas": {
			options: []fakessm.Option{lag(time.Hour), fakessm.WithTerminatingActive()}, most: 22 * time.Second, looks: 90,
		},
		"the history shows it at once": {
			options: []fakessm.Option{quota}, most: 21 * time.Second, looks: 140,
		},
		"the history shows it as Terminating": {
			options: []fakessm.Option{quota, lag(time.Hour)}, most: 21 * time.Second, looks: 140,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(append(tc.options, fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(count)...))...)
				ep := newEndpoint(t, fake).retryLikeProvider()

				got := ep.runCalls(t, 10, count, terminateNext(ep.client(), region, true))

				wantBetween(t, got.took, 0, tc.most)
				if looks := fake.Count("DescribeSessions"); looks > tc.looks {
					t.Errorf("%d lookups of %d sessions, want %d at most", looks, count, tc.looks)
				}
				for _, s := range fake.Sessions() {
					if s.Status == "Connected" {
						t.Errorf("session %s is live", s.SessionID)
					}
				}
			})
		})
	}
}

// TestClient_Terminate_lookupsAlone checks a single lookup. It does not wait for others, and
// begins with the list where sessions that are ending were seen.
func TestClient_Terminate_lookupsAlone(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		options       []fakessm.Option
		first, second describeCalls // Including the lookup before the call.
	}{
		"Terminating is active":         {[]fakessm.Option{fakessm.WithTerminatingActive()}, describeCalls{Lookups: 3}, describeCalls{Lookups: 2}},
		"Terminating is in the history": {nil, describeCalls{Lookups: 2}, describeCalls{Lookups: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(append(tc.options, fakessm.WithTerminationLag(time.Hour), fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(20)...))...)
				ep := newEndpoint(t, fake)
				client := ep.client()
				for i, want := range []describeCalls{tc.first, tc.second, tc.second} {
					start := time.Now()
					if err := terminateNext(client, region, true)(t.Context(), i); err != nil {
						t.Fatal(err)
					}
					wantBetween(t, time.Since(start), 0, 100*time.Millisecond)
					if diff := cmp.Diff(want, ep.takeDescribeCalls(t)); diff != "" {
						t.Errorf("termination %d (-want +got):\n%s", i+1, diff)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// TestClient_Terminate_lookupsOfManyPages checks that lookups do not share a listing that has
// more pages than it saves lookups.
func TestClient_Terminate_lookupsOfManyPages(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		options []fakessm.Option
		most    int // Maximum number of DescribeSessions for 40 terminations.
	}{
		"five pages": {[]fakessm.Option{fakessm.WithPageSize(200)}, 100},
		"more pages": {[]fakessm.Option{fakessm.WithPageSize(50)}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(append(tc.options, fakessm.WithTerminatingActive(), fakessm.WithTerminationLag(time.Hour), fakessm.WithSessions(crowdSessions(1000)...))...)

				got := newEndpoint(t, fake).runCalls(t, 10, 40, terminateNext(newEndpoint(t, fake).client(), region, true))

				wantBetween(t, got.took, 0, 10*time.Second)
				if calls := fake.Count("DescribeSessions"); calls > tc.most {
					t.Errorf("%d calls, want %d at most", calls, tc.most)
				}
			})
		})
	}
}

// TestClient_Terminate_lookupsProve checks that a lookup counts only if it began after the
// answer. A session that stays live must show as live in a shared listing too.
func TestClient_Terminate_lookupsProve(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sessions := crowdSessions(30)
		for i := range 5 {
			sessions[20+i].Behaviour = fakessm.BehaviourUnkillable
		}
		fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithTerminatingActive(), fakessm.WithTerminationLag(time.Hour), fakessm.WithSessions(sessions...))
		client := newEndpoint(t, fake).client()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()

		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				err := terminateNext(client, region, true)(ctx, i)
				want := ""
				if sessions[i].Behaviour == fakessm.BehaviourUnkillable {
					want = stillLive
				}
				if got := kindOf(err); got != want {
					t.Errorf("session %d: error is %q, want %q: %v", i, got, want, err)
				}
			})
		}
		wg.Wait()
	})
}
