// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// concurrentAsker calls a shared client about its own sessions, and checks that the answers
// are about them.
type concurrentAsker struct {
	t      *testing.T
	ep     *endpoint
	client *sessionmanager.Client
	name   string
	random *rand.Rand
}

// sessionID returns the ID of one of the asker's sessions.
func (a concurrentAsker) sessionID(what string) string { return a.name + "-" + what }

// sessions returns the asker's sessions: some for lookups, resumptions and terminations, a
// group for a drain, and some that must stay live.
func (a concurrentAsker) sessions() []fakessm.Session {
	var sessions []fakessm.Session
	for what, node := range map[string]string{
		"look": "node", "preview": "node", "resume": "", "end": "", "end-unseen": "",
		"group-1": "group", "group-2": "group", "group-3": "group",
	} {
		s := sessionInRegion(a.sessionID(what), "Connected")
		s.Owner, s.Target = "owner of "+s.SessionID, a.sessionID(node)
		sessions = append(sessions, s)
	}

	return sessions
}

// context returns a context that sometimes ends before the work is done.
func (a concurrentAsker) context() (ctx context.Context, cancel context.CancelFunc, shortDeadline bool) {
	if a.random.IntN(3) > 0 {
		return a.t.Context(), func() {}, false
	}
	ctx, cancel = context.WithTimeout(a.t.Context(), time.Duration(a.random.IntN(400))*time.Millisecond)

	return ctx, cancel, true
}

// checkFailure checks an error. Only a call with a short deadline may fail, and the error must
// be about the call's own session.
func (a concurrentAsker) checkFailure(err error, sessionID string, shortDeadline bool) bool {
	if err == nil {
		return false
	}
	var failed *sessionmanager.Error
	switch {
	case !shortDeadline:
		a.t.Errorf("%s: %v", a.name, err)
	case !errors.Is(err, context.DeadlineExceeded):
		a.t.Errorf("%s failed for another reason than its deadline: %v", a.name, err)
	case !errors.As(err, &failed) || failed.SessionID != sessionID || failed.Region != region:
		a.t.Errorf("%s got the error of another session: %v", sessionID, err)
	}

	return true
}

// checkSession checks that the answer is about the session that was asked for.
func (a concurrentAsker) checkSession(got sessionmanager.Session, id string) {
	if got.SessionID != id || got.Owner != "owner of "+id {
		a.t.Errorf("asked for %s, got %s of %q", id, got.SessionID, got.Owner)
	}
}

func (a concurrentAsker) find() {
	ctx, cancel, shortDeadline := a.context()
	defer cancel()
	session, err := a.client.Find(ctx, sessionmanager.SessionRef{Region: region, SessionID: a.sessionID("look")})
	if !a.checkFailure(err, a.sessionID("look"), shortDeadline) {
		a.checkSession(session, a.sessionID("look"))
	}
}

func (a concurrentAsker) preview() {
	ctx, cancel, shortDeadline := a.context()
	defer cancel()
	session, err := a.client.Preview(ctx, sessionmanager.SessionRef{Region: region, SessionID: a.sessionID("preview")})
	if !a.checkFailure(err, a.sessionID("preview"), shortDeadline) {
		a.checkSession(session, a.sessionID("preview"))
	}
}

func (a concurrentAsker) resume() {
	ctx, cancel, shortDeadline := a.context()
	defer cancel()
	id := a.sessionID("resume")
	connection, err := a.client.Resume(ctx, sessionmanager.SessionRef{Region: region, SessionID: id})
	if a.checkFailure(err, id, shortDeadline) {
		return
	}
	at := slices.Index(a.ep.fake.Tokens(id), connection.TokenValue)
	if at < 0 || a.ep.fake.StreamURLs(id)[at] != connection.StreamURL {
		a.t.Errorf("session %s got a token or URL that was not made for it", id)
	}
}

func (a concurrentAsker) list() {
	ctx, cancel, shortDeadline := a.context()
	defer cancel()
	selector := sessionmanager.Selector{Targets: []string{a.sessionID("node")}}
	listing, err := a.client.List(ctx, region, sessionmanager.StateActive, selector, time.Time{})
	if a.checkFailure(err, "", shortDeadline) {
		return
	}
	if diff := cmp.Diff([]string{a.sessionID("look"), a.sessionID("preview")}, idsOf(listing.Sessions)); diff != "" {
		a.t.Errorf("%s listed (-want +got):\n%s", a.name, diff)
	}
}

func (a concurrentAsker) status() {
	ctx, cancel, shortDeadline := a.context()
	defer cancel()
	target, want := a.sessionID("node"), "connected"
	if a.random.IntN(2) == 0 {
		target, want = a.sessionID("no-node"), "notconnected"
	}
	got, err := a.client.ConnectionStatus(ctx, region, target)
	if !a.checkFailure(err, "", shortDeadline) && got != want {
		a.t.Errorf("%s is %s, want %s", target, got, want)
	}
}

func (a concurrentAsker) terminate() {
	ctx, cancel, shortDeadline := a.context()
	defer cancel()
	verify := a.random.IntN(2) == 0
	id, outcome := a.sessionID("end"), sessionmanager.OutcomeTerminated
	if !verify {
		id, outcome = a.sessionID("end-unseen"), sessionmanager.OutcomeUnverified
	}
	result, err := a.client.Terminate(ctx, sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: id}, Verify: verify})
	if result.Session.SessionID != id {
		a.t.Errorf("session %s got the answer of %s", id, result.Session.SessionID)
	}
	now, _ := a.ep.fake.Session(id)
	switch {
	case !a.checkFailure(err, id, shortDeadline) && (result.Outcome != outcome || now.Status == "Connected"):
		a.t.Errorf("session %s: %s, and is %s", id, result.Outcome, now.Status)
	case !result.Requested && now.Status != "Connected":
		a.t.Errorf("session %s is %s without an outcome", id, now.Status)
	}
}

func (a concurrentAsker) drain() {
	ctx, cancel, shortDeadline := a.context()
	defer cancel()
	result, err := a.client.Drain(ctx, sessionmanager.DrainInput{
		Region: region, Selector: sessionmanager.Selector{Targets: []string{a.sessionID("group")}}, MaxSessions: 3,
	})
	if err != nil && !shortDeadline {
		a.t.Errorf("%s: %v", a.name, err)
	}
	for _, what := range []string{"group-1", "group-2", "group-3"} {
		now, _ := a.ep.fake.Session(a.sessionID(what))
		outcome, hasOutcome := result.Outcomes[now.SessionID]
		switch {
		case now.Status != "Connected" && !hasOutcome:
			a.t.Errorf("session %s was ended but has no outcome", now.SessionID)
		case now.Status == "Connected" && (err == nil || hasOutcome && outcome != sessionmanager.OutcomeFailed && outcome != sessionmanager.OutcomeUnverified):
			a.t.Errorf("session %s has the outcome %q but is live", now.SessionID, outcome)
		}
	}
	if len(result.Outcomes) > 3 {
		a.t.Errorf("%s has ended sessions of other askers: %v", a.name, result.Outcomes)
	}
}

// askerTasks are all calls that an asker can make.
var askerTasks = []func(concurrentAsker){
	concurrentAsker.find, concurrentAsker.preview, concurrentAsker.preview, concurrentAsker.resume, concurrentAsker.resume, concurrentAsker.list, concurrentAsker.status, concurrentAsker.terminate, concurrentAsker.drain,
}

// TestClient_concurrent calls one client from many goroutines. Some calls have short
// deadlines, and in some cases the service fails now and then. The synctest bubble fails
// if a goroutine is left over.
func TestClient_concurrent(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		faults  []fakessm.Fault
		options sessionmanager.Options
		fake    []fakessm.Option
	}{
		"without faults": {},
		"with faults": {faults: []fakessm.Fault{
			{Kind: fakessm.FaultThrottle, Times: 100, Skip: 50},
			{Kind: fakessm.FaultResetBefore, Times: 20, Skip: 20},
			{Kind: fakessm.FaultProxy, Times: 20},
			{Kind: fakessm.FaultInternal, Times: 20},
			{Operation: "TerminateSession", Kind: fakessm.FaultResetAfter, Times: 20},
			{Operation: "ResumeSession", Kind: fakessm.FaultHang, Times: 10},
		}},
		"under a quota":           {fake: []fakessm.Option{fakessm.WithQuota("DescribeSessions", 100), fakessm.WithQuota("TerminateSession", 50)}},
		"with a configured limit": {options: sessionmanager.Options{MaxRequestsPerSecond: 80}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const askers = 60
				fake := fakessm.New(append(tc.fake, fakessm.WithPageSize(200))...)
				fake.Inject(tc.faults...)
				ep := newEndpoint(t, fake, delayUnevenly).retryLikeProvider()
				client := ep.client(tc.options)

				var wg sync.WaitGroup
				for i := range askers {
					a := concurrentAsker{t: t, ep: ep, client: client, name: fmt.Sprintf("asker-%03d", i)}
					fake.AddSessions(a.sessions()...)
					for n, task := range askerTasks {
						own := a
						own.random = rand.New(rand.NewPCG(uint64(i), uint64(n)))
						wg.Go(func() { task(own) })
					}
				}
				wg.Wait()
				// Abandoned requests must arrive before the endpoint closes.
				time.Sleep(time.Minute)

				for _, s := range fake.Sessions() {
					_, what, _ := strings.Cut(strings.TrimPrefix(s.SessionID, "asker-"), "-")
					if s.Status != "Connected" && slices.Contains([]string{"look", "preview", "resume"}, what) {
						t.Errorf("session %s is %s without a request", s.SessionID, s.Status)
					}
				}
			})
		})
	}
}

// delayUnevenly delays each request by a random time.
func delayUnevenly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
		next.ServeHTTP(w, r)
	})
}

// TestClient_aMillionSessions checks that a session is found by its ID without reading the
// whole history.
func TestClient_aMillionSessions(t *testing.T) {
	if testing.Short() || raceDetector() {
		t.Skip("a million sessions take three seconds and a gigabyte, and several times that with the race detector")
	}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const million = 1_000_000
		fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(3)...))
		sessions := make([]fakessm.Session, million)
		day := time.Now().Add(-24 * time.Hour)
		for i := range sessions {
			sessions[i] = fakessm.Session{SessionID: fmt.Sprintf("past-%07d", i), Region: region, Status: "Terminated", StartDate: day.Add(time.Duration(i) * time.Millisecond)}
		}
		fake.AddSessions(sessions...)
		client := newEndpoint(t, fake).client()

		for name, tc := range map[string]struct {
			lookUp func() (string, error)
			want   string
			kind   string
			calls  describeCalls
		}{
			"the oldest": {
				lookUp: func() (string, error) {
					return foundStatus(client.Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: "past-0000000"}))
				},
				want: "Terminated", calls: describeCalls{Lookups: 2},
			},
			"one in the middle, with Preview": {
				lookUp: func() (string, error) {
					return foundStatus(client.Preview(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: "past-0500000"}))
				},
				want: "Terminated", calls: describeCalls{Lookups: 2},
			},
			"one that does not exist": {
				lookUp: func() (string, error) {
					return foundStatus(client.Preview(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: "past-none"}))
				},
				kind: notFound, calls: describeCalls{Lookups: 4},
			},
			"a live one that is terminated": {
				lookUp: func() (string, error) {
					result, err := client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: crowdID(0)}, Verify: true})

					return string(result.Outcome), err
				},
				want: "terminated", calls: describeCalls{Lookups: 2},
			},
		} {
			time.Sleep(time.Hour)
			fake.ResetRequests()
			got, err := tc.lookUp()
			if got != tc.want || kindOf(err) != tc.kind {
				t.Errorf("%s: %q, %v, want %q, %q", name, got, err, tc.want, tc.kind)
			}
			var calls describeCalls
			for _, r := range fake.Requests() {
				switch {
				case r.Operation != "DescribeSessions":
				case r.SessionID != "":
					calls.Lookups++
				default:
					calls.Pages++
				}
			}
			if diff := cmp.Diff(tc.calls, calls); diff != "" {
				t.Errorf("%s: calls (-want +got):\n%s", name, diff)
			}
		}
	})
}

// raceDetector reports whether the test was built with the race detector.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()

	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// foundStatus returns the status of a session that was found.
func foundStatus(s sessionmanager.Session, err error) (string, error) {
	return s.Status, err
}
