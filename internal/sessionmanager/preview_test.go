// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// listingAge is the maximum age of a shared listing.
const listingAge = 10 * time.Second

// crowdSessions returns n live sessions with the IDs of crowdID.
func crowdSessions(n int) []fakessm.Session {
	sessions := make([]fakessm.Session, n)
	for i := range sessions {
		sessions[i] = sessionInRegion(crowdID(i), "Connected")
		sessions[i].Owner = "owner of " + crowdID(i)
	}

	return sessions
}

func crowdID(i int) string { return fmt.Sprintf("crowd-%05d", i) }

// describeCalls counts the calls of DescribeSessions: lookups of one session, and pages of the whole
// active list.
type describeCalls struct{ Lookups, Pages int }

// takeDescribeCalls counts the calls of DescribeSessions since its last call, and checks that each
// is of one of the two kinds.
func (e *endpoint) takeDescribeCalls(t *testing.T) describeCalls {
	t.Helper()

	synctest.Wait()
	var got describeCalls
	for _, r := range e.fake.Requests() {
		switch {
		case r.Operation != "DescribeSessions":
		case r.SessionID != "" && len(r.Filters) == 1:
			got.Lookups++
		case len(r.Filters) == 0 && r.State == "Active" && r.MaxResults == 200:
			got.Pages++
		default:
			t.Errorf("neither a lookup of one session nor a page of the active list: %+v", r)
		}
	}
	e.fake.ResetRequests()

	return got
}

// previewAtOnce previews n sessions of the crowd at once, and checks that each answer is
// about the session that was asked for.
func previewAtOnce(t *testing.T, client *sessionmanager.Client, from, n int) {
	t.Helper()

	var wg sync.WaitGroup
	for i := from; i < from+n; i++ {
		wg.Go(func() {
			session, err := client.Preview(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: crowdID(i)})
			if err != nil {
				t.Error(err)
			}
			if session.SessionID != crowdID(i) || session.Owner != "owner of "+crowdID(i) {
				t.Errorf("asked for %s, got %s of %q", crowdID(i), session.SessionID, session.Owner)
			}
		})
	}
	wg.Wait()
}

// TestClient_Preview_together counts the calls of concurrent previews.
func TestClient_Preview_together(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		live, previews int
		want           describeCalls
	}{
		"one":                                   {live: 1000, previews: 1, want: describeCalls{Lookups: 1}},
		"two":                                   {live: 1000, previews: 2, want: describeCalls{Lookups: 2}},
		"three":                                 {live: 1000, previews: 3, want: describeCalls{Lookups: 3}},
		"four share a listing of one page":      {live: 200, previews: 4, want: describeCalls{Pages: 1}},
		"four share a listing of two pages":     {live: 201, previews: 4, want: describeCalls{Pages: 2}},
		"a hundred share a listing of one page": {live: 100, previews: 100, want: describeCalls{Pages: 1}},
		"ten share a listing of five pages":     {live: 1000, previews: 10, want: describeCalls{Pages: 5}},
		"ten share a listing of ten pages":      {live: 2000, previews: 10, want: describeCalls{Pages: 10}},
		"six give up on a listing of ten pages": {live: 2000, previews: 6, want: describeCalls{Lookups: 6, Pages: 6}},
		"four give up on a listing of six":      {live: 1200, previews: 4, want: describeCalls{Lookups: 4, Pages: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(tc.live)...)))

				previewAtOnce(t, ep.client(), 0, tc.previews)

				if diff := cmp.Diff(tc.want, ep.takeDescribeCalls(t)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestClient_Preview_plan looks up the sessions of a large plan with as many workers as
// Terraform.
func TestClient_Preview_plan(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		live, pageSize int
		maxCalls       int // Maximum number of calls for 1000 previews.
	}{
		"five pages": {live: 1000, pageSize: 200, maxCalls: 5},
		"one page":   {live: 200, pageSize: 200, maxCalls: 1},
		// The number of pages and previews is unknown at the start, so twice the optimum is
		// acceptable.
		"five hundred pages": {live: 1000, pageSize: 2, maxCalls: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const previews, workers = 1000, 10
				ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(tc.pageSize), fakessm.WithSessions(crowdSessions(tc.live)...)))
				client := ep.client()

				next := make(chan int)
				var wg sync.WaitGroup
				for range workers {
					wg.Go(func() {
						for i := range next {
							session, err := client.Preview(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: crowdID(i % tc.live)})
							if err != nil || session.Owner != "owner of "+crowdID(i%tc.live) {
								t.Errorf("session %d is of %q: %v", i, session.Owner, err)
							}
						}
					})
				}
				for i := range previews {
					next <- i
				}
				close(next)
				wg.Wait()

				got := ep.takeDescribeCalls(t)
				if calls := got.Lookups + got.Pages; calls > tc.maxCalls {
					t.Errorf("%d calls (%+v), want %d at most", calls, got, tc.maxCalls)
				}
				if got.Pages == 0 {
					t.Error("no page of the active list was read")
				}
			})
		})
	}
}

// TestClient_Preview_age checks how long a listing is used, and when a new one is made.
func TestClient_Preview_age(t *testing.T) {
	t.Parallel()

	// clientWithListing returns a client with a shared listing that has just begun, and the time.
	clientWithListing := func(t *testing.T, ep *endpoint) (*sessionmanager.Client, time.Time) {
		t.Helper()

		client, began := ep.client(), time.Now()
		previewAtOnce(t, client, 0, 4)
		if diff := cmp.Diff(describeCalls{Pages: 1}, ep.takeDescribeCalls(t)); diff != "" {
			t.Fatalf("calls (-want +got):\n%s", diff)
		}

		return client, began
	}

	for name, tc := range map[string]struct {
		after    time.Duration // Time since the start of the listing.
		previews int
		want     describeCalls
	}{
		"one preview shortly afterwards":                                 {after: time.Second, previews: 1, want: describeCalls{}},
		"ninety previews shortly afterwards":                             {after: time.Second, previews: 90, want: describeCalls{}},
		"at the maximum age":                                             {after: listingAge, previews: 5, want: describeCalls{}},
		"beyond the maximum age, with few previews":                      {after: listingAge + time.Millisecond, previews: 3, want: describeCalls{Lookups: 3}},
		"beyond the maximum age, with enough previews for a new listing": {after: listingAge + time.Millisecond, previews: 4, want: describeCalls{Pages: 1}},
		"far beyond the maximum age":                                     {after: time.Hour, previews: 2, want: describeCalls{Lookups: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(100)...)))
				client, began := clientWithListing(t, ep)

				time.Sleep(time.Until(began.Add(tc.after)))
				previewAtOnce(t, client, 5, tc.previews)

				if diff := cmp.Diff(tc.want, ep.takeDescribeCalls(t)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}

	t.Run("the age of a slow listing counts from its start", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(100)...), fakessm.WithLatency(4*time.Second)))
			client, began := clientWithListing(t, ep)

			time.Sleep(time.Until(began.Add(listingAge + time.Millisecond)))
			previewAtOnce(t, client, 5, 1)

			// Both kinds of call are acceptable here.
			if got := ep.takeDescribeCalls(t); got.Lookups+got.Pages != 1 {
				t.Errorf("%+v calls, want one", got)
			}
		})
	})

	t.Run("one preview every two seconds", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(100)...)))
			client := ep.client()
			for i := range 60 {
				previewAtOnce(t, client, i, 1)
				time.Sleep(2 * time.Second)
			}

			// A dozen listings are enough for two minutes.
			if got := ep.takeDescribeCalls(t); got.Lookups > 3 || got.Pages > 12 {
				t.Errorf("60 previews took %+v", got)
			}
		})
	})

	t.Run("one preview per minute", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(100)...)))
			client := ep.client()
			for i := range 60 {
				previewAtOnce(t, client, i, 1)
				time.Sleep(time.Minute)
			}

			if diff := cmp.Diff(describeCalls{Lookups: 60}, ep.takeDescribeCalls(t)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	})
}

// TestClient_Preview_proves checks that a shared listing can only prove that a session is
// there.
func TestClient_Preview_proves(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		change func(*testing.T, *endpoint, *sessionmanager.Client) // Called after the listing.
		id     string
		want   string // The expected status.
		calls  describeCalls
	}{
		"a listed session is live": {
			id: crowdID(9), want: "Connected",
		},
		"a missing session may be in the history": {
			change: func(_ *testing.T, ep *endpoint, _ *sessionmanager.Client) {
				ep.fake.AddSessions(sessionInRegion("ended", "Failed"))
			},
			id: "ended", want: "Failed", calls: describeCalls{Lookups: 1},
		},
		"a missing session may have started since": {
			change: func(_ *testing.T, ep *endpoint, _ *sessionmanager.Client) {
				ep.fake.AddSessions(sessionInRegion("new", "Connecting"))
			},
			id: "new", want: "Connecting", calls: describeCalls{Lookups: 2},
		},
		"a missing session may not exist": {
			id: "unknown", calls: describeCalls{Lookups: 4},
		},
		"a session that this client has ended is looked up": {
			change: func(t *testing.T, ep *endpoint, client *sessionmanager.Client) {
				t.Helper()
				in := sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: crowdID(9)}}
				if _, err := client.Terminate(t.Context(), in); err != nil {
					t.Error(err)
				}
				ep.takeDescribeCalls(t)
			},
			id: crowdID(9), want: "Terminated", calls: describeCalls{Lookups: 1},
		},
		"a session that could not be ended is looked up": {
			change: func(t *testing.T, ep *endpoint, client *sessionmanager.Client) {
				t.Helper()
				ep.fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied})
				in := sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: crowdID(9)}}
				if _, err := client.Terminate(t.Context(), in); !errors.Is(err, sessionmanager.ErrAccessDenied) {
					t.Error(err)
				}
				ep.takeDescribeCalls(t)
			},
			id: crowdID(9), want: "Connected", calls: describeCalls{Lookups: 2},
		},
		"a session that ended since then is shown as live until the listing is too old": {
			change: func(_ *testing.T, ep *endpoint, _ *sessionmanager.Client) { ep.fake.EndSession(crowdID(9)) },
			id:     crowdID(9), want: "Connected",
		},
		"an ended session is shown as ended when the listing is too old": {
			change: func(_ *testing.T, ep *endpoint, _ *sessionmanager.Client) {
				ep.fake.EndSession(crowdID(9))
				time.Sleep(listingAge)
			},
			id: crowdID(9), want: "Terminated", calls: describeCalls{Lookups: 2},
		},
		"a listing covers one Region": {
			change: func(t *testing.T, ep *endpoint, client *sessionmanager.Client) {
				t.Helper()
				session, err := client.Preview(t.Context(), sessionmanager.SessionRef{Region: "us-east-1", SessionID: crowdID(9)})
				if kindOf(err) != notFound || session.Status != "" {
					t.Errorf("session %+v of another Region, %v", session, err)
				}
				if diff := cmp.Diff(describeCalls{Lookups: 4}, ep.takeDescribeCalls(t)); diff != "" {
					t.Errorf("calls in another Region (-want +got):\n%s", diff)
				}
			},
			id: crowdID(9), want: "Connected",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(100)...)))
				client := ep.client()
				previewAtOnce(t, client, 0, 4)
				ep.takeDescribeCalls(t)
				if tc.change != nil {
					tc.change(t, ep, client)
				}

				session, err := client.Preview(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: tc.id})

				if missing := tc.want == ""; (kindOf(err) == notFound) != missing || err != nil && !missing {
					t.Fatal(err)
				}
				if err == nil && session.SessionID != tc.id || session.Status != tc.want {
					t.Errorf("session %s is %q, want %s to be %q", session.SessionID, session.Status, tc.id, tc.want)
				}
				if diff := cmp.Diff(tc.calls, ep.takeDescribeCalls(t)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestClient_Terminate_sharedListing checks terminations that use a shared listing before the
// call. The lookup afterwards must not use it.
func TestClient_Terminate_sharedListing(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		change func(*fakessm.Server)
		want   sessionmanager.Outcome
		calls  describeCalls
	}{
		"a live session":                      {want: sessionmanager.OutcomeTerminated, calls: describeCalls{Lookups: 1}},
		"a session that has ended since then": {change: func(f *fakessm.Server) { f.EndSession(crowdID(9)) }, want: sessionmanager.OutcomeAlreadyEnded, calls: describeCalls{Lookups: 1}},
		"a session that is no longer listed":  {change: func(f *fakessm.Server) { f.RemoveSession(crowdID(9)) }, want: sessionmanager.OutcomeAlreadyEnded, calls: describeCalls{Lookups: 4}},
		"a session that ended, with a lost answer": {
			change: func(f *fakessm.Server) {
				f.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultResetAfter})
			},
			want: sessionmanager.OutcomeTerminated, calls: describeCalls{Lookups: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(100)...)))
				client := ep.client()
				previewAtOnce(t, client, 0, 4)
				ep.takeDescribeCalls(t)
				if tc.change != nil {
					tc.change(ep.fake)
				}

				got, err := client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: crowdID(9)}, Verify: true})
				if err != nil {
					t.Fatal(err)
				}

				if got.Outcome != tc.want || got.Session.Owner != "owner of "+crowdID(9) {
					t.Errorf("outcome is %q of a session of %q, want %q", got.Outcome, got.Session.Owner, tc.want)
				}
				if diff := cmp.Diff(tc.calls, ep.takeDescribeCalls(t)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// waitingPreview is a preview that waits for its answer.
type waitingPreview struct {
	cancel  context.CancelFunc
	done    chan struct{}
	session sessionmanager.Session
	err     error
}

// startPreview starts a preview of a session of the crowd, and returns once it waits.
func startPreview(t *testing.T, client *sessionmanager.Client, i int) *waitingPreview {
	t.Helper()

	w := &waitingPreview{done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	t.Cleanup(cancel)
	go func() {
		defer close(w.done)
		w.session, w.err = client.Preview(ctx, sessionmanager.SessionRef{Region: region, SessionID: crowdID(i)})
	}()
	time.Sleep(10 * latency)

	return w
}

// answered reports whether the preview has returned.
func (w *waitingPreview) answered() bool {
	synctest.Wait()
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// slowListing returns an endpoint where pages of the active list are slow and lookups of one
// session are fast. The function returns how many pages are being read.
func slowListing(t *testing.T, fake *fakessm.Server) (ep *endpoint, running func() int) {
	t.Helper()

	var reading atomic.Int32
	ep = newEndpoint(t, fake, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			if operationOf(r) == "DescribeSessions" && !bytes.Contains(body, []byte("Filters")) {
				reading.Add(1)
				defer reading.Add(-1)
				select {
				case <-time.After(listingTime):
				case <-r.Context().Done():
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	})

	// Abandoned requests must arrive before the endpoint closes.
	t.Cleanup(func() { time.Sleep(time.Second) })

	return ep, func() int {
		time.Sleep(10 * latency)
		synctest.Wait()

		return int(reading.Load())
	}
}

// listingTime is how long one page takes at a slowListing.
const listingTime = 5 * time.Second

// TestClient_Preview_waiting checks several previews that wait for one listing.
func TestClient_Preview_waiting(t *testing.T) {
	t.Parallel()

	// startWaiting starts n previews that wait for a listing.
	startWaiting := func(t *testing.T, client *sessionmanager.Client, n int) []*waitingPreview {
		t.Helper()

		previewAtOnce(t, client, 0, 3)
		waiters := make([]*waitingPreview, n)
		for i := range waiters {
			waiters[i] = startPreview(t, client, i)
		}

		return waiters
	}
	for name, body := range map[string]func(*testing.T, *endpoint, *sessionmanager.Client, func() int){
		"all previews share one listing": func(t *testing.T, ep *endpoint, client *sessionmanager.Client, running func() int) {
			waiters := startWaiting(t, client, 50)
			if n := running(); n != 1 {
				t.Errorf("%d listings are running, want 1", n)
			}
			for i, w := range waiters {
				if w.answered() {
					t.Errorf("preview %d did not wait: %v", i, w.err)
				}
			}
			time.Sleep(listingTime + time.Second)
			for i, w := range waiters {
				if !w.answered() || w.err != nil || w.session.Owner != "owner of "+crowdID(i) {
					t.Errorf("preview %d got %+v, %v", i, w.session, w.err)
				}
			}
			if diff := cmp.Diff(describeCalls{Lookups: 3, Pages: 1}, ep.takeDescribeCalls(t)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		},
		"a cancelled preview does not affect the others, even if it is the first": func(t *testing.T, ep *endpoint, client *sessionmanager.Client, running func() int) {
			waiters := startWaiting(t, client, 10)
			for _, i := range []int{0, 7} {
				waiters[i].cancel()
				if !waiters[i].answered() || kindOf(waiters[i].err) != outOfTime || !errors.Is(waiters[i].err, context.Canceled) {
					t.Errorf("preview %d did not end when it was cancelled: %v", i, waiters[i].err)
				}
			}
			if n := running(); n != 1 {
				t.Errorf("%d listings are running, want 1", n)
			}
			time.Sleep(listingTime + time.Second)
			for i, w := range waiters {
				if i != 0 && i != 7 && (!w.answered() || w.err != nil || w.session.Owner != "owner of "+crowdID(i)) {
					t.Errorf("preview %d got %+v, %v", i, w.session, w.err)
				}
			}
			if diff := cmp.Diff(describeCalls{Lookups: 3, Pages: 1}, ep.takeDescribeCalls(t)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		},
		"a listing ends when its last preview is cancelled": func(t *testing.T, ep *endpoint, client *sessionmanager.Client, running func() int) {
			for _, w := range startWaiting(t, client, 5) {
				if n := running(); n != 1 {
					t.Errorf("%d listings are running, want 1", n)
				}
				w.cancel()
				<-w.done
			}
			if n := running(); n != 0 {
				t.Errorf("%d listings still run", n)
			}
			time.Sleep(time.Minute)
			if got := ep.takeDescribeCalls(t); got.Pages > 1 {
				t.Errorf("the listing continues: %+v", got)
			}
		},
		"a preview after a cancelled listing starts a new one": func(t *testing.T, _ *endpoint, client *sessionmanager.Client, running func() int) {
			for _, w := range startWaiting(t, client, 5) {
				w.cancel()
			}
			later := startPreview(t, client, 8)
			if n := running(); n != 1 || later.answered() {
				t.Fatalf("%d listings are running, want 1; the answer is %v", n, later.err)
			}
			time.Sleep(listingTime + time.Second)
			if !later.answered() || later.err != nil || later.session.Owner != "owner of "+crowdID(8) {
				t.Errorf("the preview got %+v, %v", later.session, later.err)
			}
		},
		"a preview right after the last cancellation does not join the cancelled listing": func(t *testing.T, _ *endpoint, client *sessionmanager.Client, _ func() int) {
			last := startWaiting(t, client, 1)[0]
			for i := range 20 {
				last.cancel()
				<-last.done
				next := &waitingPreview{done: make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				next.cancel = cancel
				defer cancel()
				left := time.AfterFunc(listingTime/2, cancel)
				next.session, next.err = client.Preview(ctx, sessionmanager.SessionRef{Region: region, SessionID: crowdID(i)})
				close(next.done)
				if kindOf(next.err) != outOfTime || left.Stop() {
					t.Fatalf("preview %d did not wait for a listing of its own: %v", i, next.err)
				}
				last = startPreview(t, client, i)
			}
			<-last.done
			if last.err != nil || last.session.Owner != "owner of "+crowdID(19) {
				t.Errorf("the last preview got %+v, %v", last.session, last.err)
			}
		},
		"a preview during the last cancellation gets an answer": func(t *testing.T, _ *endpoint, client *sessionmanager.Client, _ func() int) {
			// The order of cancellation and preview is random.
			last := startWaiting(t, client, 1)[0]
			for i := range 40 {
				left := make(chan struct{})
				go func() {
					defer close(left)
					last.cancel()
					<-last.done
				}()
				next := startPreview(t, client, i)
				<-left
				if next.answered() {
					t.Errorf("preview %d ended at once: %v", i, next.err)
				}
				last = next
			}
			<-last.done
			if last.err != nil || last.session.Owner != "owner of "+crowdID(39) {
				t.Errorf("the last preview got %+v, %v", last.session, last.err)
			}
		},
		"a preview ends at its deadline": func(t *testing.T, ep *endpoint, client *sessionmanager.Client, _ func() int) {
			waiters := startWaiting(t, client, 1)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := client.Preview(ctx, sessionmanager.SessionRef{Region: region, SessionID: crowdID(1)})
			if kindOf(err) != outOfTime || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error is %v", err)
			}
			var failed *sessionmanager.Error
			if !errors.As(err, &failed) || failed.SessionID != crowdID(1) || failed.Region != region {
				t.Errorf("error is not about the session: %v", err)
			}
			<-waiters[0].done
			if waiters[0].err != nil {
				t.Error(waiters[0].err)
			}
			if diff := cmp.Diff(describeCalls{Lookups: 3, Pages: 1}, ep.takeDescribeCalls(t)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		},
		"an expired preview does not leave a listing running": func(t *testing.T, ep *endpoint, client *sessionmanager.Client, running func() int) {
			previewAtOnce(t, client, 0, 3)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := client.Preview(ctx, sessionmanager.SessionRef{Region: region, SessionID: crowdID(1)})
			if kindOf(err) != outOfTime {
				t.Errorf("error is %v", err)
			}
			if n := running(); n != 0 {
				t.Errorf("%d listings still run", n)
			}
			ep.takeDescribeCalls(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep, running := slowListing(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(100)...)))

				body(t, ep, ep.client(), running)
			})
		})
	}
}

// TestClient_Preview_sharedFailure checks a listing that fails. All previews that wait for it
// fail, each with its own session ID. Later previews are not affected.
func TestClient_Preview_sharedFailure(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		fault fakessm.FaultKind
		want  string // Kind of the error.
		pages int
	}{
		"throttled":      {fakessm.FaultThrottle, throttled, maxAttempts},
		"internal error": {fakessm.FaultInternal, unavailable, maxAttempts},
		"reset":          {fakessm.FaultResetBefore, unavailable, maxAttempts},
		"garbage":        {fakessm.FaultGarbage, unavailable, 1},
		"nothing":        {fakessm.FaultEmpty, incomplete, 1},
		"expired":        {fakessm.FaultExpired, credentialsWrong, 1},
		"hanging":        {fakessm.FaultHang, unavailable, maxAttempts},
		"denied":         {fakessm.FaultDenied, accessDenied, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep, _ := slowListing(t, fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(100)...)))
				client := ep.client()
				previewAtOnce(t, client, 0, 3)
				ep.fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: tc.fault, Times: -1})
				ep.fake.ResetRequests()

				var waiters []*waitingPreview
				for i := range 8 {
					waiters = append(waiters, startPreview(t, client, i))
				}
				for i, w := range waiters {
					<-w.done
					if got := kindOf(w.err); got != tc.want {
						t.Errorf("preview %d: error is %q, want %q", i, got, tc.want)
					}
					var failed *sessionmanager.Error
					if !errors.As(w.err, &failed) || failed.SessionID != crowdID(i) {
						t.Errorf("preview %d got the error of another preview: %v", i, w.err)
					}
					if w.session.Status != "" {
						t.Errorf("preview %d got %+v", i, w.session)
					}
				}
				if diff := cmp.Diff(describeCalls{Pages: tc.pages}, ep.takeDescribeCalls(t)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}

				ep.fake.ClearFaults()
				time.Sleep(listingAge)
				previewAtOnce(t, client, 0, 8)
				if diff := cmp.Diff(describeCalls{Pages: 1}, ep.takeDescribeCalls(t)); diff != "" {
					t.Errorf("calls afterwards (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestClient_Preview_strangeListings checks listings that violate the API's contract.
func TestClient_Preview_strangeListings(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		options  []fakessm.Option
		fault    fakessm.FaultKind
		refused  bool // The service rejects page tokens.
		maxCalls int  // Maximum number of calls for 20 previews.
	}{
		"empty pages before the full ones": {options: []fakessm.Option{fakessm.WithEmptyPages()}, maxCalls: 40},
		"filters are ignored":              {options: []fakessm.Option{fakessm.WithFiltersIgnored()}, maxCalls: 20},
		"a page token that repeats itself": {fault: fakessm.FaultRepeatToken, maxCalls: 80},
		"page tokens that are refused":     {options: []fakessm.Option{fakessm.WithPageSize(100)}, refused: true, maxCalls: 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(append([]fakessm.Option{fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(150)...)}, tc.options...)...)
				ep := newEndpoint(t, fake)
				if tc.refused {
					ep = newEndpoint(t, fake, answerRequestsWith("NextToken", 400, `{"__type":"InvalidNextToken"}`))
				}
				if tc.fault != "" {
					ep.fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: tc.fault, Times: -1})
				}

				previewAtOnce(t, ep.client(), 0, 20)

				if n := ep.fake.Count("DescribeSessions"); n > tc.maxCalls {
					t.Errorf("%d calls, want %d at most", n, tc.maxCalls)
				}
			})
		})
	}
}

// BenchmarkClient_Preview looks up the sessions of one full page, ten at a time like
// Terraform. All lookups except the first few share one listing.
func BenchmarkClient_Preview(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		client := cannedClient()
		var group errgroup.Group
		group.SetLimit(10)
		for i := range 200 {
			group.Go(func() error {
				id := fmt.Sprintf("mary-%d", i)
				session, err := client.Preview(b.Context(), sessionmanager.SessionRef{Region: region, SessionID: id})
				if err == nil && (session.SessionID != id || session.Owner != ownerMary) {
					err = fmt.Errorf("%s is shown as %+v", id, session)
				}

				return err
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}

func TestClient_Preview(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		sessions func() []fakessm.Session
		options  []fakessm.Option
		fault    fakessm.FaultKind
		want     findReport
	}{
		"a live session is shown": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Connected")} },
			want:     findReport{Status: "Connected", Calls: "active"},
		},
		"an ended session is shown": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Failed")} },
			want:     findReport{Status: "Failed", Calls: "active history"},
		},
		"a session that is not found is not shown": {
			want: findReport{Kind: notFound, Calls: "active history active history"},
		},
		"a session that cannot be looked up is not shown": {
			sessions: func() []fakessm.Session {
				return append(otherSessions("Connected", 9), sessionInRegion(sessionID, "Connected"))
			},
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:    findReport{Kind: undetermined, Calls: "active active+ active+ history"},
		},
		"nothing is shown without permission": {
			sessions: func() []fakessm.Session { return []fakessm.Session{sessionInRegion(sessionID, "Connected")} },
			fault:    fakessm.FaultDenied,
			want:     findReport{Kind: accessDenied, Calls: "active:denied"},
		},
		"throttling is an error": {
			fault: fakessm.FaultThrottle,
			want:  findReport{Kind: throttled, Calls: "active:throttle ..."},
		},
		"an internal error is an error": {
			fault: fakessm.FaultInternal,
			want:  findReport{Kind: unavailable, Calls: "active:internal ..."},
		},
		"expired credentials are an error": {
			fault: fakessm.FaultExpired,
			want:  findReport{Kind: credentialsWrong, Calls: "active:expired"},
		},
		"garbage is an error": {
			fault: fakessm.FaultGarbage,
			want:  findReport{Kind: unavailable, Calls: "active:garbage"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(tc.options...)
				if tc.sessions != nil {
					fake.AddSessions(tc.sessions()...)
				}
				if tc.fault != "" {
					fake.Inject(fakessm.Fault{Kind: tc.fault, Times: -1})
				}
				ep := newEndpoint(t, fake)

				session, err := ep.client().Preview(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

				if diff := cmp.Diff(tc.want, findReport{Status: session.Status, Kind: kindOf(err), Calls: ep.calls(t)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkError(t, err, sessionmanager.DescribeSessions)
				nothing := slices.Contains([]string{notFound, undetermined, accessDenied}, tc.want.Kind)
				if got := sessionmanager.NothingToShow(err); got != nothing {
					t.Errorf("there is nothing to show: %t, want %t", got, nothing)
				}
			})
		})
	}
}

func TestClient_Preview_outOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithLatency(time.Hour)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		_, err := ep.client().Preview(ctx, sessionmanager.SessionRef{Region: region, SessionID: sessionID})

		if got, want := kindOf(err), outOfTime; got != want {
			t.Errorf("error is %q, want %q", got, want)
		}
	})
}
