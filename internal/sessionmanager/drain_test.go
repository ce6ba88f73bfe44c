// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	// node is the target that is drained. sessionInRegion uses it too.
	node = "mi-0123456789abcdef0"

	// maxSessions is the cap of most drains in these tests.
	maxSessions = 10

	// Short names of the outcomes.
	terminated   = sessionmanager.OutcomeTerminated
	alreadyEnded = sessionmanager.OutcomeAlreadyEnded
	unverified   = sessionmanager.OutcomeUnverified
	failed       = sessionmanager.OutcomeFailed
)

// Errors of a whole drain.
const (
	noCondition = "no condition narrows down the sessions to end"
	notDrained  = "not all sessions could be ended"
)

// outcomes has the outcomes of a DrainResult.
type outcomes = map[string]sessionmanager.Outcome

// drainReport is the outcome of a drain, as tests compare it.
type drainReport struct {
	Outcomes outcomes
	Failures map[string]string // Kinds of the errors.
	Left     []string
	Kind     string   // Kind of the error.
	Live     []string // Sessions of the node that are live at the endpoint.
	Waited   string   // How long the drain waited after the last TerminateSession.
}

// drainKind returns the kind of an error of a drain.
func drainKind(err error) string {
	var tooMany *sessionmanager.TooManyError
	switch {
	case errors.As(err, &tooMany):
		return fmt.Sprintf("%d instead of %d", tooMany.Matching, tooMany.MaxSessions)
	case errors.Is(err, sessionmanager.ErrNoCondition):
		return noCondition
	case errors.Is(err, sessionmanager.ErrNotDrained):
		return notDrained
	default:
		return kindOf(err)
	}
}

// runDrain runs a drain, makes the common checks, and returns how long it took.
func runDrain(ctx context.Context, t *testing.T, ep *endpoint, in sessionmanager.DrainInput) (drainReport, time.Duration) {
	t.Helper()

	start := time.Now()
	got, _ := drainUntil(ctx, t, ep, in)

	return got, time.Since(start)
}

// runDrainForResult runs a drain, and also returns its full result.
func runDrainForResult(t *testing.T, ep *endpoint, in sessionmanager.DrainInput) (drainReport, sessionmanager.DrainResult) {
	t.Helper()

	return drainUntil(t.Context(), t, ep, in)
}

func drainUntil(ctx context.Context, t *testing.T, ep *endpoint, in sessionmanager.DrainInput) (drainReport, sessionmanager.DrainResult) {
	t.Helper()

	in.Region = region
	ctx, cancel := context.WithTimeout(ctx, sessionmanager.DrainTimeout(in.GracePeriod, in.MaxSessions))
	defer cancel()
	result, err := ep.client().Drain(ctx, in)

	synctest.Wait()
	got := drainReport{Outcomes: result.Outcomes, Left: result.Left, Kind: drainKind(err), Waited: waitedAfterTermination(ctx, ep.fake)}
	for id, err := range result.Failures {
		if got.Failures == nil {
			got.Failures = make(map[string]string)
		}
		got.Failures[id] = kindOf(err)
	}
	for _, s := range ep.fake.Sessions() {
		if s.Region == region && s.Target == node && !strings.HasPrefix(s.Status, "Terminat") && s.Status != "Failed" {
			got.Live = append(got.Live, s.SessionID)
		}
	}
	checkDrain(t, ep.fake, result, err)

	return got, result
}

// checkDrain checks that a result is consistent and agrees with the requests.
func checkDrain(t *testing.T, fake *fakessm.Server, result sessionmanager.DrainResult, err error) {
	t.Helper()

	if result.Outcomes == nil {
		t.Error("Outcomes is nil, want an empty map")
	}
	var failures, doubtful []string
	for id, outcome := range result.Outcomes {
		switch outcome {
		case failed:
			failures = append(failures, id)
		case unverified:
			doubtful = append(doubtful, id)
		case terminated, alreadyEnded:
		default:
			t.Errorf("session %s has the invalid outcome %q", id, outcome)
		}
		if slices.Contains(result.Left, id) {
			t.Errorf("session %s is in Left but has the outcome %q", id, outcome)
		}
	}
	// Failures also contains lost answers, even if the session may have ended.
	for id := range result.Failures {
		if result.Outcomes[id] == unverified {
			failures = append(failures, id)
		}
	}
	slices.Sort(failures)
	slices.Sort(doubtful)
	for what, lists := range map[string][2][]string{
		"failures":       {failures, slices.Sorted(maps.Keys(result.Failures))},
		"FailedSessions": {failures, result.FailedSessions()},
		"Unverified":     {doubtful, result.Unverified()},
	} {
		if diff := cmp.Diff(lists[0], lists[1], cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s does not agree with the outcomes (-outcomes +result):\n%s", what, diff)
		}
	}
	for id, err := range result.Failures {
		if err == nil {
			t.Errorf("session %s failed without an error", id)
		}
	}
	for id, outcome := range result.Outcomes {
		if (outcome == unverified) != (result.Doubts[id] != nil) {
			t.Errorf("session %s has the outcome %q, with the doubt %v", id, outcome, result.Doubts[id])
		}
	}
	if incomplete := len(failures)+len(result.Left) > 0; err == nil && incomplete {
		t.Errorf("no error, although %v failed and %v are left", failures, result.Left)
	} else if errors.Is(err, sessionmanager.ErrNotDrained) && !incomplete {
		t.Error("an error, although no session failed or is left")
	}

	checkRequestIDs(t, fake, result, err)

	accepted := make(map[string]int)
	for _, r := range fake.Requests() {
		if r.Region != region {
			t.Errorf("a request went to Region %s", r.Region)
		}
		if r.Operation != "TerminateSession" {
			continue
		}
		if _, recorded := result.Outcomes[r.SessionID]; !recorded {
			t.Errorf("session %s was asked to end but has no outcome", r.SessionID)
		}
		if r.Status == http.StatusOK {
			accepted[r.SessionID]++
		}
	}
	for id, n := range accepted {
		if n > 1 {
			t.Errorf("session %s was ended %d times", id, n)
		}
	}
}

// bystanders returns sessions that a drain must not touch.
func bystanders() []fakessm.Session {
	sessions := []fakessm.Session{sessionInRegion("bystander-1", "Connected"), sessionInRegion("bystander-2", "Disconnected"), sessionInRegion("bystander-3", "Connected")}
	sessions[0].Target = "mi-other"
	sessions[1].Target = ""
	sessions[2].Region = "us-west-2"

	return sessions
}

// checkBystanders checks that the bystanders are unchanged.
func checkBystanders(t *testing.T, fake *fakessm.Server) {
	t.Helper()

	for _, s := range bystanders() {
		if now, _ := fake.Session(s.SessionID); now.Status != s.Status {
			t.Errorf("%s is %s, and was %s", s.SessionID, now.Status, s.Status)
		}
	}
	for _, r := range fake.Requests() {
		if strings.HasPrefix(r.SessionID, "bystander") {
			t.Errorf("%s of %s", r.Operation, r.SessionID)
		}
	}
}

// connectedSessions returns connected sessions on the node that is drained.
func connectedSessions(ids ...string) []fakessm.Session {
	sessions := make([]fakessm.Session, len(ids))
	for i, id := range ids {
		sessions[i] = sessionInRegion(id, "Connected")
	}

	return sessions
}

// terminateFault makes a number of requests to end a session fail.
func terminateFault(id string, kind fakessm.FaultKind, times int) fakessm.Fault {
	return fakessm.Fault{Operation: "TerminateSession", SessionID: id, Kind: kind, Times: times}
}

// sessionOfNode returns one session on the node that is drained.
func sessionOfNode(id, status string, behaviour ...fakessm.Behaviour) []fakessm.Session {
	return []fakessm.Session{sessionInRegion(id, status, behaviour...)}
}

// onTermination calls event before the n-th TerminateSession arrives.
func onTermination(n int, event func(*fakessm.Server)) func(*fakessm.Server) func(http.Handler) http.Handler {
	return func(fake *fakessm.Server) func(http.Handler) http.Handler {
		var count atomic.Int32

		return beforeRequest("TerminateSession", func() {
			if int(count.Add(1)) == n {
				event(fake)
			}
		})
	}
}

// startSessions returns an event that starts sessions.
func startSessions(ids ...string) func(*fakessm.Server) {
	return func(fake *fakessm.Server) { fake.AddSessions(connectedSessions(ids...)...) }
}

// drainCase is a drain and its expected result.
type drainCase struct {
	sessions []fakessm.Session
	options  []fakessm.Option
	faults   []fakessm.Fault
	wrap     func(*fakessm.Server) func(http.Handler) http.Handler
	selector sessionmanager.Selector // All sessions of the node if empty.
	most     int                     // The cap. maxSessions if 0.
	attempts int                     // The maximum number of attempts. maxAttempts if 0.
	want     drainReport
}

func (tc drainCase) run(t *testing.T, options ...fakessm.Option) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(slices.Concat([]fakessm.Option{fakessm.WithPageSize(200)}, options, tc.options)...)
		fake.AddSessions(bystanders()...)
		fake.AddSessions(tc.sessions...)
		fake.Inject(tc.faults...)
		ep := newEndpoint(t, fake)
		if tc.wrap != nil {
			ep = newEndpoint(t, fake, tc.wrap(fake))
		}
		if tc.attempts > 0 {
			ep.retries(tc.attempts)
		}
		in := sessionmanager.DrainInput{Selector: tc.selector, MaxSessions: maxSessions}
		if cmp.Equal(in.Selector, sessionmanager.Selector{}) {
			in.Selector.Targets = []string{node}
		}
		if tc.most > 0 {
			in.MaxSessions = tc.most
		}

		got, _ := runDrain(t.Context(), t, ep, in)

		if tc.want.Outcomes == nil {
			tc.want.Outcomes = outcomes{}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		checkBystanders(t, fake)
	})
}

func TestClient_Drain(t *testing.T) {
	t.Parallel()

	of := terminateFault
	for name, tc := range map[string]drainCase{
		"every session on the node is ended": {
			sessions: slices.Concat(connectedSessions("a", "b"), sessionOfNode("c", "Connecting"), sessionOfNode("d", "Disconnected"), sessionOfNode("e", "Terminated")),
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated, "d": terminated}},
		},
		"no session": {
			want: drainReport{},
		},
		"only ended sessions": {
			sessions: slices.Concat(sessionOfNode("a", "Terminated"), sessionOfNode("b", "Terminating"), sessionOfNode("c", "Failed")),
			want:     drainReport{},
		},
		"as many as allowed": {
			sessions: connectedSessions("a", "b", "c"),
			most:     3,
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated}},
		},
		"one more than allowed": {
			sessions: connectedSessions("a", "b", "c", "d"),
			most:     3,
			want:     drainReport{Kind: "4 instead of 3", Live: []string{"a", "b", "c", "d"}},
		},
		"an ended session does not count": {
			sessions: slices.Concat(connectedSessions("a", "b", "c"), sessionOfNode("d", "Terminated"), sessionOfNode("e", "Terminating")),
			most:     3,
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated}},
		},
		"sessions stay terminating for a while": {
			sessions: connectedSessions("a", "b"),
			options:  []fakessm.Option{fakessm.WithTerminationLag(time.Hour)},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
		},
		"a session that stays terminating": {
			sessions: slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", fakessm.BehaviourStuck)),
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
		},
		"a session that vanishes": {
			sessions: slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", fakessm.BehaviourVanishes)),
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
		},
		"several conditions and exclusions": {
			sessions: func() []fakessm.Session {
				sessions := connectedSessions("a", "b", "c", "d")
				sessions[0].Owner, sessions[1].Owner, sessions[2].Owner = ownerMary, ownerJohn, ownerMary

				return sessions
			}(),
			selector: sessionmanager.Selector{Targets: []string{node, "mi-x"}, Owners: []string{"*:assumed-role/*"}, ExcludeOwners: []string{"*/john"}, ExcludeSessionIDs: []string{"c"}},
			want:     drainReport{Outcomes: outcomes{"a": terminated}, Live: []string{"b", "c", "d"}},
		},
		"the sessions of an owner on all targets": {
			sessions: func() []fakessm.Session {
				sessions := connectedSessions("a", "b", "c")
				sessions[0].Owner, sessions[1].Owner, sessions[2].Owner = ownerMary, ownerJohn, ownerMary
				sessions[2].Target = "mi-another"

				return sessions
			}(),
			selector: sessionmanager.Selector{Owners: []string{ownerMary}},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "c": terminated}, Live: []string{"b"}},
		},

		// Partial failures.
		"some are denied": {
			sessions: connectedSessions("a", "b", "c", "d"),
			faults:   []fakessm.Fault{of("b", fakessm.FaultDenied, -1), of("d", fakessm.FaultDenied, -1)},
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed, "c": terminated, "d": failed},
				Failures: map[string]string{"b": accessDenied, "d": accessDenied},
				Kind:     notDrained, Live: []string{"b", "d"},
			},
		},
		"all are denied": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1}},
			want: drainReport{
				Outcomes: outcomes{"a": failed, "b": failed},
				Failures: map[string]string{"a": accessDenied, "b": accessDenied},
				Kind:     notDrained, Live: []string{"a", "b"},
			},
		},
		"different failures": {
			sessions: slices.Concat(connectedSessions("a", "b", "c", "d"), sessionOfNode("e", "Connected", fakessm.BehaviourUnkillable), connectedSessions("f")),
			faults: []fakessm.Fault{
				of("a", fakessm.FaultDenied, -1), of("b", fakessm.FaultThrottle, -1), of("c", fakessm.FaultInternal, -1),
				{Operation: "TerminateSession", SessionID: "d", Kind: fakessm.FaultError, Code: "ValidationException", Message: "No."},
			},
			want: drainReport{
				Outcomes: outcomes{"a": failed, "b": failed, "c": failed, "d": failed, "e": failed, "f": terminated},
				Failures: map[string]string{"a": accessDenied, "b": throttled, "c": unavailable, "d": rejected, "e": stillLive},
				Kind:     notDrained, Live: []string{"a", "b", "c", "d", "e"}, Waited: waitedForDeadline,
			},
		},
		"one is throttled until the retries are exhausted": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultThrottle, -1)},
			want: drainReport{
				Outcomes: outcomes{"a": failed, "b": terminated}, Failures: map[string]string{"a": throttled},
				Kind: notDrained, Live: []string{"a"},
			},
		},
		"one is throttled for a while": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultThrottle, maxAttempts-1)},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
		},
		"a session that cannot be ended": {
			sessions: slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", fakessm.BehaviourUnkillable)),
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": stillLive},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedForDeadline,
			},
		},
		"a disconnected session whose node is gone": {
			sessions: slices.Concat(connectedSessions("a"), sessionOfNode("b", "Disconnected", fakessm.BehaviourUnreachable)),
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": unverified}, Live: []string{"b"}, Waited: waitedToSettle},
		},
		"a connected session that the service refuses to end": {
			sessions: slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", fakessm.BehaviourUnreachable)),
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": contradictory},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedToSettle,
			},
		},

		// Sessions that end during the drain.
		"one has ended, and the service refuses": {
			sessions: connectedSessions("a", "b"),
			wrap:     onTermination(1, func(fake *fakessm.Server) { fake.EndSession("a") }),
			want:     drainReport{Outcomes: outcomes{"a": alreadyEnded, "b": terminated}},
		},
		"one has ended, and the service accepts": {
			sessions: connectedSessions("a", "b"),
			options:  []fakessm.Option{fakessm.WithEndedAccepted()},
			wrap:     onTermination(1, func(fake *fakessm.Server) { fake.EndSession("a") }),
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
		},
		"one is no longer listed": {
			sessions: connectedSessions("a", "b"),
			wrap:     onTermination(1, func(fake *fakessm.Server) { fake.RemoveSession("a") }),
			want:     drainReport{Outcomes: outcomes{"a": alreadyEnded, "b": terminated}},
		},

		// Lost and unusable answers.
		"a lost answer, then a refusal": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultResetAfter, 1)},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
		},
		"only lost answers": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultResetAfter, 1)},
			attempts: 1,
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
		},
		"lost answers for all, then refusals": {
			sessions: connectedSessions("a", "b", "c"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultResetAfter, 1), of("b", fakessm.FaultTruncated, 1), of("c", fakessm.FaultSlow, 1)},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated}},
		},
		"a request that never arrives": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultResetBefore, -1)},
			want: drainReport{
				Outcomes: outcomes{"a": failed, "b": terminated}, Failures: map[string]string{"a": unavailable},
				Kind: notDrained, Live: []string{"a"}, Waited: waitedToSettle,
			},
		},
		"a lost request, then a denial": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultResetBefore, 1), of("a", fakessm.FaultDenied, -1)},
			want: drainReport{
				Outcomes: outcomes{"a": failed, "b": terminated}, Failures: map[string]string{"a": accessDenied},
				Kind: notDrained, Live: []string{"a"}, Waited: waitedToSettle,
			},
		},
		"an answer about another session": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultWrongSession, 1)},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
		},
		"an answer about another session, and nothing done": {
			sessions: slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", fakessm.BehaviourUnkillable)),
			faults:   []fakessm.Fault{of("b", fakessm.FaultWrongSession, 1)},
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": incomplete},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedToSettle,
			},
		},
		"an empty answer, and nothing done": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultEmpty, 1)},
			want: drainReport{
				Outcomes: outcomes{"a": failed, "b": terminated}, Failures: map[string]string{"a": incomplete},
				Kind: notDrained, Live: []string{"a"}, Waited: waitedToSettle,
			},
		},
		"garbage, and nothing done": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultGarbage, 1)},
			want: drainReport{
				Outcomes: outcomes{"a": failed, "b": terminated}, Failures: map[string]string{"a": unavailable},
				Kind: notDrained, Live: []string{"a"}, Waited: waitedToSettle,
			},
		},

		// Failing listings.
		"the first listing is denied": {
			sessions: connectedSessions("a"),
			faults:   []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultDenied}},
			want:     drainReport{Kind: accessDenied, Live: []string{"a"}},
		},
		"the first listing repeats its page token": {
			sessions: connectedSessions("a"),
			faults:   faultAlways("DescribeSessions", fakessm.FaultRepeatToken, 0),
			want:     drainReport{Kind: incomplete, Live: []string{"a"}},
		},
		"the listing after the terminations is denied": {
			sessions: connectedSessions("a", "b", "c", "d"),
			faults: append(faultAlways("DescribeSessions", fakessm.FaultDenied, 1),
				of("b", fakessm.FaultDenied, -1), of("c", fakessm.FaultThrottle, -1)),
			wrap: onTermination(1, func(fake *fakessm.Server) { fake.EndSession("d") }),
			want: drainReport{
				Outcomes: outcomes{"a": unverified, "b": failed, "c": failed, "d": unverified},
				Failures: map[string]string{"b": accessDenied, "c": throttled},
				Kind:     accessDenied, Live: []string{"b", "c"},
			},
		},
		"the listing after the terminations is throttled": {
			sessions: connectedSessions("a"),
			faults:   faultAlways("DescribeSessions", fakessm.FaultThrottle, 1),
			want:     drainReport{Outcomes: outcomes{"a": unverified}, Kind: throttled},
		},
		"a listing shows another session by mistake": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultWrongSession}},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "Someone-Else-0fedcba9876543210": alreadyEnded}},
		},

		// Sessions that start during the drain.
		"a newcomer": {
			sessions: connectedSessions("a", "b", "c"),
			wrap:     onTermination(2, startSessions("n")),
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated, "n": terminated}},
		},
		"a newcomer that does not match": {
			sessions: connectedSessions("a", "b", "c"),
			wrap: onTermination(2, func(fake *fakessm.Server) {
				s := sessionInRegion("n", "Connected")
				s.Target = "mi-other"
				fake.AddSessions(s)
			}),
			want: drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated}},
		},
		"a newcomer that is not old enough": {
			sessions: connectedSessions("a"),
			selector: sessionmanager.Selector{Targets: []string{node}, OlderThan: olderThan(0)},
			wrap: onTermination(1, func(fake *fakessm.Server) {
				time.Sleep(1500 * time.Millisecond)
				s := sessionInRegion("n", "Connected")
				s.StartDate = time.Now()
				fake.AddSessions(s)
			}),
			want: drainReport{Outcomes: outcomes{"a": terminated}, Live: []string{"n"}},
		},
		"a newcomer on an empty node": {
			wrap: func(fake *fakessm.Server) func(http.Handler) http.Handler {
				return afterRequest("DescribeSessions", func() {
					if fake.Count("DescribeSessions") == 1 {
						fake.AddSessions(connectedSessions("n")...)
					}
				})
			},
			want: drainReport{Outcomes: outcomes{"n": terminated}},
		},
		"as many newcomers as allowed": {
			sessions: connectedSessions("a", "b", "c"),
			wrap:     onTermination(2, startSessions("m", "n")),
			most:     5,
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated, "m": terminated, "n": terminated}},
		},
		"more newcomers than allowed": {
			sessions: connectedSessions("a", "b", "c"),
			wrap:     onTermination(2, startSessions("m", "n")),
			most:     4,
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated}, Left: []string{"m", "n"}, Kind: notDrained, Live: []string{"m", "n"}},
		},
		"newcomers during the second pass": {
			sessions: connectedSessions("a", "b", "c"),
			wrap: func(fake *fakessm.Server) func(http.Handler) http.Handler {
				return func(next http.Handler) http.Handler {
					return onTermination(2, startSessions("m"))(fake)(onTermination(4, startSessions("o", "n"))(fake)(next))
				}
			},
			want: drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated, "m": terminated}, Left: []string{"n", "o"}, Kind: notDrained, Live: []string{"n", "o"}},
		},
		"a newcomer that is denied": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("n", fakessm.FaultDenied, -1)},
			wrap:     onTermination(2, startSessions("n")),
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": terminated, "n": failed}, Failures: map[string]string{"n": accessDenied},
				Kind: notDrained, Live: []string{"n"},
			},
		},
		"a failure in the first pass, then a newcomer": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultDenied, -1)},
			wrap:     onTermination(2, startSessions("n")),
			want: drainReport{
				Outcomes: outcomes{"a": failed, "b": terminated, "n": terminated}, Failures: map[string]string{"a": accessDenied},
				Kind: notDrained, Live: []string{"a"},
			},
		},
		"a session that could not be ended ends later": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("a", fakessm.FaultHang, 1)},
			attempts: 1,
			wrap: func(fake *fakessm.Server) func(http.Handler) http.Handler {
				return func(next http.Handler) http.Handler {
					// The first pass gives up on a after 15 seconds. It ends during the pass for n.
					return onTermination(2, startSessions("n"))(fake)(onTermination(3, func(fake *fakessm.Server) { fake.EndSession("a") })(fake)(next))
				}
			},
			want: drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "n": terminated}},
		},
		"a newcomer, then listings fail": {
			sessions: connectedSessions("a", "b"),
			faults:   faultAlways("DescribeSessions", fakessm.FaultDenied, 2),
			wrap:     onTermination(2, startSessions("n")),
			// The results of the second listing are kept.
			want: drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "n": unverified}, Kind: accessDenied},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("filters joined by AND", func(t *testing.T) { tc.run(t) })
			t.Run("filters ignored", func(t *testing.T) { tc.run(t, fakessm.WithFiltersIgnored()) })
		})
	}
}

// TestClient_Drain_withoutACall checks drains that need no call of TerminateSession.
func TestClient_Drain_withoutACall(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		selector sessionmanager.Selector
		kind     string
	}{
		"no condition":         {sessionmanager.Selector{}, noCondition},
		"any owner":            {sessionmanager.Selector{Owners: []string{"*"}}, noCondition},
		"a part of an account": {sessionmanager.Selector{Owners: []string{"*1*"}}, noCondition},
		"an age of zero":       {sessionmanager.Selector{OlderThan: olderThan(0)}, noCondition},
		"exclusions only":      {sessionmanager.Selector{ExcludeOwners: []string{ownerMary}}, noCondition},
		"an empty set":         {sessionmanager.Selector{Targets: []string{}}, ""},
		"an empty set of two":  {sessionmanager.Selector{Targets: []string{node}, Owners: []string{}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(connectedSessions("a", "b")...)))

				got, _ := runDrain(t.Context(), t, ep, sessionmanager.DrainInput{Selector: tc.selector, MaxSessions: maxSessions, GracePeriod: time.Minute})

				if diff := cmp.Diff(drainReport{Outcomes: outcomes{}, Kind: tc.kind, Live: []string{"a", "b"}}, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if requests := ep.fake.Requests(); len(requests) > 0 {
					t.Errorf("requests %+v", requests)
				}
			})
		})
	}
}

// TestClient_Drain_account checks that a client judges patterns of owners by the account of
// its credentials.
func TestClient_Drain_account(t *testing.T) {
	t.Parallel()

	for account, want := range map[string]drainReport{
		"123456789012": {Outcomes: outcomes{}, Kind: noCondition, Live: []string{"a"}},
		"345678934567": {Outcomes: outcomes{"a": terminated}},
	} {
		t.Run(account, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				owned := fakessm.Session{SessionID: "a", Target: node, Owner: "arn:aws:iam::" + account + ":user/user12", Region: region}
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(owned)))
				in := sessionmanager.DrainInput{Region: region, Selector: sessionmanager.Selector{Owners: []string{"*12*"}}, MaxSessions: maxSessions}

				result, err := ep.client(sessionmanager.Options{Account: account}).Drain(t.Context(), in)

				got := drainReport{Outcomes: result.Outcomes, Kind: drainKind(err), Live: want.Live}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if called := len(ep.fake.Requests()) > 0; called != (want.Kind == "") {
					t.Errorf("requests %+v", ep.fake.Requests())
				}
			})
		})
	}
}

// TestClient_Drain_capOfZero checks that a cap of zero does not mean unlimited.
func TestClient_Drain_capOfZero(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(connectedSessions("a")...)))

		got, _ := runDrain(t.Context(), t, ep, sessionmanager.DrainInput{Selector: sessionmanager.Selector{Targets: []string{node}}})

		if diff := cmp.Diff(drainReport{Outcomes: outcomes{}, Kind: "1 instead of 0", Live: []string{"a"}}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestClient_Drain_gracePeriod lets sessions start and end during the grace period.
func TestClient_Drain_gracePeriod(t *testing.T) {
	t.Parallel()

	leave := func(ids ...string) func(*fakessm.Server) {
		return func(fake *fakessm.Server) {
			for _, id := range ids {
				fake.EndSession(id)
			}
		}
	}
	for name, tc := range map[string]struct {
		sessions []fakessm.Session
		faults   []fakessm.Fault
		events   map[time.Duration]func(*fakessm.Server)
		selector sessionmanager.Selector // All sessions of the node if empty.
		grace    time.Duration
		most     int
		want     drainReport
		seconds  int   // How long it takes.
		lists    int   // How often the sessions are listed.
		waiting  []int // The number of sessions at each waiting step.
	}{
		"no session": {
			grace: time.Hour,
			lists: 2,
		},
		"all sessions end one by one": {
			sessions: connectedSessions("a", "b"),
			events:   map[time.Duration]func(*fakessm.Server){25 * time.Second: leave("a"), 35 * time.Second: leave("b")},
			grace:    time.Hour,
			want:     drainReport{},
			seconds:  40,
			lists:    6,
			waiting:  []int{2, 2, 2, 1},
		},
		"all sessions end at once": {
			sessions: connectedSessions("a", "b"),
			events:   map[time.Duration]func(*fakessm.Server){time.Second: leave("a", "b")},
			grace:    5 * time.Second,
			want:     drainReport{},
			seconds:  5,
			lists:    3,
			waiting:  []int{2},
		},
		"the remaining sessions are ended": {
			sessions: connectedSessions("a", "b", "c"),
			events:   map[time.Duration]func(*fakessm.Server){15 * time.Second: leave("a")},
			grace:    25 * time.Second,
			want:     drainReport{Outcomes: outcomes{"b": terminated, "c": terminated}},
			seconds:  25,
			lists:    5,
			waiting:  []int{3, 3, 2},
		},
		"a newcomer during the grace period is ended": {
			sessions: connectedSessions("a"),
			events:   map[time.Duration]func(*fakessm.Server){12 * time.Second: startSessions("n")},
			grace:    25 * time.Second,
			want:     drainReport{Outcomes: outcomes{"a": terminated, "n": terminated}},
			seconds:  25,
			lists:    5,
			waiting:  []int{1, 1, 2},
		},
		"too many at the end, so none is ended": {
			sessions: connectedSessions("a"),
			events:   map[time.Duration]func(*fakessm.Server){12 * time.Second: startSessions("m", "n")},
			grace:    25 * time.Second,
			most:     2,
			want:     drainReport{Kind: "3 instead of 2", Live: []string{"a", "m", "n"}},
			seconds:  25,
			lists:    4,
			waiting:  []int{1, 1, 3},
		},
		"too many at first, but not at the end": {
			sessions: connectedSessions("a", "b", "c"),
			events:   map[time.Duration]func(*fakessm.Server){12 * time.Second: leave("a")},
			grace:    25 * time.Second,
			most:     2,
			want:     drainReport{Outcomes: outcomes{"b": terminated, "c": terminated}},
			seconds:  25,
			lists:    5,
			waiting:  []int{3, 3, 2},
		},
		"an age is measured once": {
			sessions: func() []fakessm.Session {
				bubble := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
				sessions := connectedSessions("old", "nearly")
				sessions[0].StartDate = bubble.Add(-time.Hour)
				sessions[1].StartDate = bubble.Add(-time.Hour + 10*time.Second)

				return sessions
			}(),
			selector: sessionmanager.Selector{OlderThan: olderThan(time.Hour)},
			grace:    time.Minute,
			want:     drainReport{Outcomes: outcomes{"old": terminated}, Live: []string{"nearly"}},
			seconds:  60,
			lists:    8,
			waiting:  []int{1, 1, 1, 1, 1, 1},
		},
		"a listing fails, so none is ended": {
			sessions: connectedSessions("a"),
			faults:   []fakessm.Fault{{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Skip: 1}},
			grace:    time.Minute,
			want:     drainReport{Kind: accessDenied, Live: []string{"a"}},
			seconds:  10,
			lists:    2,
			waiting:  []int{1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(tc.sessions...))
				fake.Inject(tc.faults...)
				for at, event := range tc.events {
					time.AfterFunc(at, func() { event(fake) })
				}
				var waiting []int
				in := sessionmanager.DrainInput{
					Selector: tc.selector, GracePeriod: tc.grace, MaxSessions: maxSessions,
					Progress: func(p sessionmanager.DrainProgress) {
						if p.Waiting {
							waiting = append(waiting, p.Matching)
						}
					},
				}
				if cmp.Equal(in.Selector, sessionmanager.Selector{}) {
					in.Selector.Targets = []string{node}
				}
				if tc.most > 0 {
					in.MaxSessions = tc.most
				}

				got, took := runDrain(t.Context(), t, newEndpoint(t, fake), in)

				if tc.want.Outcomes == nil {
					tc.want.Outcomes = outcomes{}
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if seconds := int(took / time.Second); seconds != tc.seconds {
					t.Errorf("took %s, want %d s", took, tc.seconds)
				}
				if diff := cmp.Diff(tc.waiting, waiting); diff != "" {
					t.Errorf("waiting steps (-want +got):\n%s", diff)
				}
				if got := fake.Count("DescribeSessions"); got != tc.lists {
					t.Errorf("listed %d times, want %d", got, tc.lists)
				}
			})
		})
	}
}

// TestClient_Drain_clock checks a service whose clock differs from the local one.
func TestClient_Drain_clock(t *testing.T) {
	t.Parallel()

	for name, ahead := range map[string]time.Duration{"ahead": 9 * time.Hour, "behind": -9 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				theirs := func() time.Time { return time.Now().Add(ahead) }
				sessions := connectedSessions("old", "young")
				sessions[0].StartDate, sessions[1].StartDate = theirs().Add(-8*time.Hour), theirs().Add(-8*time.Hour+10*time.Second)
				fake := fakessm.New(fakessm.WithClock(theirs), fakessm.WithSessions(sessions...))

				got, _ := runDrain(t.Context(), t, newEndpoint(t, fake), sessionmanager.DrainInput{
					Selector: sessionmanager.Selector{OlderThan: olderThan(8 * time.Hour)}, GracePeriod: 30 * time.Second, MaxSessions: maxSessions,
				})

				// The fake's request times follow the service's clock.
				got.Waited = ""
				want := drainReport{Outcomes: outcomes{"old": terminated}, Live: []string{"young"}}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestClient_Drain_cancelled cancels a drain at different moments.
func TestClient_Drain_cancelled(t *testing.T) {
	t.Parallel()

	const count = 100
	crowd := func() []fakessm.Session {
		ids := make([]string, count)
		for i := range ids {
			ids[i] = fmt.Sprintf("s-%03d", i)
		}

		return connectedSessions(ids...)
	}

	t.Run("before it begins", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			fake := fakessm.New(fakessm.WithSessions(connectedSessions("a")...))
			ctx, cancel := context.WithCancel(t.Context())
			cancel()

			got, _ := runDrain(ctx, t, newEndpoint(t, fake), sessionmanager.DrainInput{Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: 1})

			if diff := cmp.Diff(drainReport{Outcomes: outcomes{}, Kind: outOfTime, Live: []string{"a"}, Waited: waitedForDeadline}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := len(fake.Requests()); n > 0 {
				t.Errorf("%d requests", n)
			}
		})
	})

	for name, slow := range map[string]time.Duration{"during the grace period": 0, "during a listing of the grace period": 4 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithLatency(slow), fakessm.WithSessions(connectedSessions("a")...))
				// The first listing starts at once, the second one after ten seconds.
				limit := 13*time.Second + slow/2
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(limit, cancel)
				start := time.Now()

				result, err := newEndpoint(t, fake).client().Drain(ctx, sessionmanager.DrainInput{
					Region: region, Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: 1, GracePeriod: time.Hour,
				})

				var stopped *sessionmanager.WaitError
				if !errors.As(err, &stopped) || stopped.Waiting != 1 || !errors.Is(err, context.Canceled) || kindOf(err) != outOfTime {
					t.Errorf("error is %v", err)
				}
				if len(result.Outcomes) > 0 || fake.Count("TerminateSession") > 0 {
					t.Errorf("sessions were asked to end: %v", result.Outcomes)
				}
				if took := time.Since(start); took != limit {
					t.Errorf("took %s, want %s", took, limit)
				}
			})
		})
	}

	for name, slow := range map[string][]fakessm.Option{
		"while sessions are being ended":               {fakessm.WithLatency(10 * time.Millisecond)},
		"while sessions are being ended, at the quota": {fakessm.WithQuota("TerminateSession", 6)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(append(slow, fakessm.WithPageSize(200), fakessm.WithSessions(crowd()...))...)
				ctx, cancel := context.WithCancel(t.Context())
				var (
					mu      sync.Mutex
					seen    int
					stopped time.Time
				)
				ep := newEndpoint(t, fake, afterRequest("TerminateSession", func() {
					mu.Lock()
					defer mu.Unlock()
					if seen++; seen == 50 {
						stopped = time.Now()
						cancel()
					}
				}))
				ep.retries(1000)

				var reported, late int
				result, err := ep.client().Drain(ctx, sessionmanager.DrainInput{
					Region: region, Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: count,
					Progress: func(sessionmanager.DrainProgress) {
						reported++
						if ctx.Err() != nil {
							late++
						}
					},
				})
				took := time.Since(stopped)
				synctest.Wait()

				if took > 100*time.Millisecond {
					t.Errorf("the drain took %s", took)
				}
				if got := kindOf(err); got != outOfTime || !errors.Is(err, context.Canceled) {
					t.Errorf("error is %v", err)
				}
				checkDrain(t, fake, result, err)
				if reported == 0 || late != 0 {
					t.Errorf("of %d reports of progress %d came after the cancellation, want none", reported, late)
				}
				var accepted, cutOff, live int
				for _, s := range fake.Sessions() {
					switch outcome := result.Outcomes[s.SessionID]; {
					case outcome == unverified && s.Status == "Connected":
						// The request was cut off, so its effect is unknown.
						cutOff++
						if slices.ContainsFunc(fake.Requests(), func(r fakessm.Request) bool {
							return r.Operation == "TerminateSession" && r.SessionID == s.SessionID
						}) {
							t.Errorf("session %s is connected, and %s", s.SessionID, outcome)
						}
					case outcome == unverified:
						accepted++
					case outcome != failed:
						t.Errorf("session %s has the outcome %q", s.SessionID, outcome)
					case s.Status == "Connected":
						live++
					}
				}
				if cutOff > 40 {
					t.Errorf("%d sessions were cut off, more than run at once", cutOff)
				}
				if accepted == 0 || live == 0 || len(result.Outcomes) != count {
					t.Errorf("of %d sessions %d were accepted and %d are live: the cancellation did not hit the middle of the drain", len(result.Outcomes), accepted, live)
				}
				for _, r := range fake.Requests() {
					if r.Time.After(stopped.Add(20 * time.Millisecond)) {
						t.Errorf("%s of %s, %s after the end", r.Operation, r.SessionID, r.Time.Sub(stopped))
					}
				}
			})
		})
	}

	t.Run("while the last session stays live", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", fakessm.BehaviourUnkillable))...))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()

			got, took := runDrain(ctx, t, newEndpoint(t, fake), sessionmanager.DrainInput{Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: 2})

			want := drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": stillLive},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedForDeadline,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if took != 5*time.Second {
				t.Errorf("took %s", took)
			}
		})
	})

	t.Run("before the settle time of an unreachable node is over", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(sessionOfNode("a", "Disconnected", fakessm.BehaviourUnreachable)...))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()

			got, took := runDrain(ctx, t, newEndpoint(t, fake), sessionmanager.DrainInput{Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: 1})

			if got.Kind == "" || took != 5*time.Second {
				t.Errorf("success after 5 of 15 seconds: %+v", got)
			}
		})
	})

	t.Run("while a session stays live and a newcomer has started", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", fakessm.BehaviourUnkillable))...))
			time.AfterFunc(time.Second, func() { fake.AddSessions(connectedSessions("n")...) })
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()

			result, err := newEndpoint(t, fake).client().Drain(ctx, sessionmanager.DrainInput{
				Region: region, Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: 3,
			})

			if err == nil {
				t.Error("error is nil")
			}
			if result.Outcomes["a"] != terminated || result.Outcomes["b"] != failed {
				t.Errorf("earlier outcomes are lost: %v", result.Outcomes)
			}
			if s, _ := fake.Session("n"); s.Status != "Terminated" || result.Outcomes["n"] != terminated {
				t.Errorf("the newcomer is %s: %v", s.Status, result.Outcomes)
			}
		})
	})
}

// TestClient_Drain_atOnce checks the number of concurrent calls.
func TestClient_Drain_atOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count = 300
		fake := fakessm.New(fakessm.WithLatency(time.Second), fakessm.WithPageSize(200))
		for i := range count {
			fake.AddSessions(connectedSessions(fmt.Sprintf("s-%03d", i))...)
		}
		var underway, peak atomic.Int32
		ep := newEndpoint(t, fake, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := underway.Add(1)
				defer underway.Add(-1)
				for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
				}
				next.ServeHTTP(w, r)
			})
		})

		_, err := ep.client().Drain(t.Context(), sessionmanager.DrainInput{
			Region: region, Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: count,
		})
		if err != nil {
			t.Fatal(err)
		}

		// Enough to hide latency at the quota, and not too many for the service.
		if n := peak.Load(); n < 6 || n > 100 {
			t.Errorf("%d calls at once", n)
		}
	})
}

func TestClient_Drain_progress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count = 90
		fake := fakessm.New(fakessm.WithPageSize(200))
		for i := range count {
			fake.AddSessions(connectedSessions(fmt.Sprintf("s-%03d", i))...)
			if i%10 == 0 {
				fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: fmt.Sprintf("s-%03d", i), Kind: fakessm.FaultDenied, Times: -1})
			}
		}
		ep := newEndpoint(t, fake, onTermination(count, func(fake *fakessm.Server) {
			fake.AddSessions(connectedSessions("n-1", "n-2")...)
			fake.EndSession("s-001")
		})(fake))
		var (
			busy  atomic.Int32
			steps []sessionmanager.DrainProgress
		)

		_, err := ep.client().Drain(t.Context(), sessionmanager.DrainInput{
			Region: region, Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: 2 * count, GracePeriod: 15 * time.Second,
			Progress: func(p sessionmanager.DrainProgress) {
				if busy.Add(1) > 1 {
					t.Error("two progress calls at once")
				}
				runtime.Gosched()
				steps = append(steps, p)
				busy.Add(-1)
			},
		})

		if !errors.Is(err, sessionmanager.ErrNotDrained) {
			t.Errorf("error is %v", err)
		}
		want := []sessionmanager.DrainProgress{{Waiting: true, Matching: count}, {Waiting: true, Matching: count}}
		for n := range count + 1 {
			want = append(want, sessionmanager.DrainProgress{Matching: count, Answered: n})
		}
		for n := range 3 {
			want = append(want, sessionmanager.DrainProgress{Matching: 2, Answered: n})
		}
		for i := range min(len(steps), len(want)) {
			// The order of failures is not determined.
			want[i].Failed = steps[i].Failed
			if i > 0 && !steps[i].Waiting && steps[i].Matching == steps[i-1].Matching && steps[i].Failed < steps[i-1].Failed {
				t.Errorf("step %d: %d failed, after %d", i, steps[i].Failed, steps[i-1].Failed)
			}
		}
		if diff := cmp.Diff(want, steps); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
		if last := steps[len(steps)-4]; last.Failed != count/10 {
			t.Errorf("%d failed in the first pass, want %d", last.Failed, count/10)
		}
	})
}

// effectiveEnds counts the accepted terminations of each session.
func effectiveEnds(fake *fakessm.Server) map[string]int {
	ends := make(map[string]int)
	for _, r := range fake.Requests() {
		if r.Operation == "TerminateSession" && r.Status == http.StatusOK {
			ends[r.SessionID]++
		}
	}

	return ends
}

// TestClient_Drain_manyAtTheQuota ends 500 of 700 sessions at six calls per second, with
// 20 sessions on a page.
func TestClient_Drain_manyAtTheQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			total = 700
			meant = 500
		)
		var (
			sessions = make([]fakessm.Session, total)
			wantEnds = make(map[string]int)
			selector = sessionmanager.Selector{
				Targets:           []string{node, "mi-another"},
				OlderThan:         olderThan(time.Hour),
				ExcludeOwners:     []string{"*/root"},
				ExcludeSessionIDs: []string{"spared"},
			}
		)
		for i := range sessions {
			s := sessionStartedAgo(fmt.Sprintf("s-%03d", i), time.Hour+time.Duration(i*37%total)*time.Minute)
			s.Owner = ownerMary
			if i%2 == 0 {
				s.Target = "mi-another"
			}
			if i%7 < 5 {
				wantEnds[s.SessionID] = 1
			} else {
				switch i % 5 {
				case 0:
					s.Target = "mi-other"
				case 1:
					s.Owner = "arn:aws:sts::123456789012:assumed-role/Operator/root"
				case 2:
					s.StartDate = time.Now().Add(-time.Hour + 5*time.Second)
				case 3:
					s.Owner = ""
				case 4:
					s.Region = "us-west-2"
				}
			}
			sessions[i] = s
		}
		if len(wantEnds) != meant {
			t.Fatalf("%d sessions match, want %d", len(wantEnds), meant)
		}
		fake := fakessm.New(fakessm.WithPageSize(20), fakessm.WithDefaultQuotas(), fakessm.WithSessions(sessions...))
		ep := newEndpoint(t, fake)
		ep.retryLikeProvider()
		limit := sessionmanager.DrainTimeout(0, meant)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		start := time.Now()

		result, err := ep.client().Drain(ctx, sessionmanager.DrainInput{Region: region, Selector: selector, MaxSessions: meant})
		took := time.Since(start)

		if err != nil {
			t.Fatalf("after %s: %v; failures %v", took, err, result.Failures)
		}
		wantOutcomes := make(outcomes)
		for id := range wantEnds {
			wantOutcomes[id] = terminated
		}
		if diff := cmp.Diff(wantOutcomes, result.Outcomes); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(wantEnds, effectiveEnds(fake)); diff != "" {
			t.Errorf("how often each session was ended (-want +got):\n%s", diff)
		}
		for _, s := range sessions {
			if now, _ := fake.Session(s.SessionID); (now.Status != "Connected") != (wantEnds[s.SessionID] > 0) {
				t.Errorf("session %s is %s", s.SessionID, now.Status)
			}
		}
		for _, r := range fake.Requests() {
			if r.Operation == "TerminateSession" && wantEnds[r.SessionID] == 0 {
				t.Errorf("session %s was asked to end", r.SessionID)
			}
		}
		checkDrain(t, fake, result, err)
		if floor := (meant - 6) * time.Second / 6; took < floor {
			t.Errorf("took %s: the quota requires at least %s", took, floor)
		}
	})
}

// TestClient_Drain_tenThousand counts the calls of a large drain without faults.
func TestClient_Drain_tenThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const count = 10_000
		sessions := make([]fakessm.Session, count)
		for i := range sessions {
			sessions[i] = sessionInRegion(fmt.Sprintf("s-%05d", i), "Connected")
		}
		fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(sessions...))
		ep := newEndpoint(t, fake)
		ep.transport(func(tr *http.Transport) { tr.MaxIdleConnsPerHost = 100 })

		result, err := ep.client().Drain(t.Context(), sessionmanager.DrainInput{
			Region: region, Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: count,
		})
		if err != nil {
			t.Fatal(err)
		}

		if got := len(result.Outcomes); got != count {
			t.Errorf("%d outcomes", got)
		}
		for id, outcome := range result.Outcomes {
			if outcome != terminated {
				t.Errorf("session %s: %s", id, outcome)
			}
		}
		if got := len(effectiveEnds(fake)); got != count {
			t.Errorf("%d sessions were ended", got)
		}
		if calls := len(fake.Requests()); calls > count+150 {
			t.Errorf("%d calls", calls)
		}
		checkDrain(t, fake, result, err)
	})
}

func TestClient_Matching(t *testing.T) {
	t.Parallel()

	const statuses = `{"Sessions":[
		{"SessionId":"connecting","Status":"Connecting","Target":"` + node + `","StartDate":30},
		{"SessionId":"connected","Status":"Connected","Target":"` + node + `","StartDate":20},
		{"SessionId":"disconnected","Status":"Disconnected","Target":"` + node + `","StartDate":20},
		{"SessionId":"terminating","Status":"Terminating","Target":"` + node + `"},
		{"SessionId":"terminated","Status":"Terminated","Target":"` + node + `"},
		{"SessionId":"failed","Status":"Failed","Target":"` + node + `"},
		{"SessionId":"","Status":"Connected","Target":"` + node + `"},
		{"Status":"Connected","Target":"` + node + `"},
		{"SessionId":"unknown-status","Status":"Hibernating","Target":"` + node + `","StartDate":40},
		{"SessionId":"no-status","Target":"` + node + `","StartDate":10},
		{"SessionId":"elsewhere","Status":"Connected","Target":"mi-other"},
		{"SessionId":"nowhere","Status":"Connected"}
	]}`
	for name, tc := range map[string]struct {
		faults   []fakessm.Fault
		wrap     []func(http.Handler) http.Handler
		selector sessionmanager.Selector
		want     []string
		excluded []string
		kind     string
		calls    int
	}{
		"the sessions of the node": {selector: sessionmanager.Selector{Targets: []string{node}}, want: []string{"a", "b"}, calls: 1},
		"an exclusion":             {selector: sessionmanager.Selector{Targets: []string{node}, ExcludeSessionIDs: []string{"b", "c"}}, want: []string{"a"}, excluded: []string{"b"}, calls: 1},
		"no match":                 {selector: sessionmanager.Selector{Targets: []string{"mi-nobody"}}, want: []string{}, calls: 2},
		"an empty set":             {selector: sessionmanager.Selector{Targets: []string{}}, want: []string{}},
		"only live sessions":       {wrap: []func(http.Handler) http.Handler{answerPages(statuses)}, selector: sessionmanager.Selector{Targets: []string{node}}, want: []string{"no-status", "connected", "disconnected", "connecting", "unknown-status"}, calls: 1},
		"denied":                   {faults: []fakessm.Fault{{Kind: fakessm.FaultDenied}}, selector: sessionmanager.Selector{Targets: []string{node}}, kind: accessDenied, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(slices.Concat(bystanders(), connectedSessions("b", "a"))...))
				fake.Inject(tc.faults...)
				ep := newEndpoint(t, fake, tc.wrap...)

				listing, err := ep.client().Matching(t.Context(), region, tc.selector)
				var ids []string
				if err == nil {
					ids = append([]string{}, idsOf(listing.Sessions)...)
				}

				if diff := cmp.Diff(tc.want, ids); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tc.excluded, idsOf(listing.Excluded)); diff != "" {
					t.Errorf("excluded (-want +got):\n%s", diff)
				}
				if got := kindOf(err); got != tc.kind {
					t.Errorf("error is %v, want %q", err, tc.kind)
				}
				checkListError(t, err)
				synctest.Wait()
				if got := len(fake.Requests()); got != tc.calls {
					t.Errorf("%d requests, want %d", got, tc.calls)
				}
			})
		})
	}
}

// TestClient_Drain_listsOnItsOwn starts a session between Matching and the drain. The
// drain must count it, because it makes its own listing.
func TestClient_Drain_listsOnItsOwn(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		grace time.Duration
		most  int
		want  drainReport
	}{
		"within the cap":      {most: 10, want: drainReport{Outcomes: outcomes{"crowd-00000": terminated, "crowd-00001": terminated, "newcomer": terminated}}},
		"over the cap":        {most: 2, want: drainReport{Outcomes: outcomes{}, Kind: "3 instead of 2", Live: []string{"crowd-00000", "crowd-00001", "newcomer"}}},
		"with a grace period": {most: 10, grace: time.Minute, want: drainReport{Outcomes: outcomes{"crowd-00000": terminated, "crowd-00001": terminated, "newcomer": terminated}}},
		"too many, later":     {most: 2, grace: time.Minute, want: drainReport{Outcomes: outcomes{}, Kind: "3 instead of 2", Live: []string{"crowd-00000", "crowd-00001", "newcomer"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithPageSize(1), fakessm.WithSessions(crowdSessions(2)...))
				for i := range 20 {
					s := sessionInRegion(fmt.Sprint("else-", i), "Connected")
					s.Target = "mi-other"
					fake.AddSessions(s)
				}
				ep := newEndpoint(t, fake)
				client := ep.client()
				selector := sessionmanager.Selector{Targets: []string{node, "mi-nobody"}}
				if listing, err := client.Matching(t.Context(), region, selector); err != nil || len(listing.Sessions) != 2 {
					t.Fatalf("Matching returned %v: %v", listing.Sessions, err)
				}
				startSessions("newcomer")(fake)
				start := time.Now()

				result, err := client.Drain(t.Context(), sessionmanager.DrainInput{Region: region, Selector: selector, GracePeriod: tc.grace, MaxSessions: tc.most})

				got := drainReport{Outcomes: result.Outcomes, Kind: drainKind(err), Live: tc.want.Live}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for _, r := range fake.Requests() {
					if r.Operation == "TerminateSession" && r.Time.Sub(start) < tc.grace {
						t.Errorf("%s was asked to end after %s", r.SessionID, r.Time.Sub(start))
					}
				}
				if len(tc.want.Live) > 0 && fake.Count("TerminateSession") > 0 {
					t.Error("a session was asked to end")
				}
			})
		})
	}
}

// hideFromFilter makes DescribeSessions list nothing for a filter of this key.
func hideFromFilter(key string) func(*fakessm.Server) func(http.Handler) http.Handler {
	return func(*fakessm.Server) func(http.Handler) http.Handler {
		return answerRequestsWith(`"`+key+`"`, 200, `{"Sessions":[]}`)
	}
}

// TestClient_Drain_noID checks that a drain does not report success while SSM lists a
// session that has no ID. The drain ends the others.
func TestClient_Drain_noID(t *testing.T) {
	t.Parallel()

	for name, entry := range map[string]string{
		"a session of the node": `{"Status":"Connected","Target":"` + node + `"}`,
		"an empty entry":        `{}`,
		"null":                  `null`,
		"an ended session":      `{"Status":"Terminated"}`,
	} {
		list := func(*fakessm.Server) func(http.Handler) http.Handler { return listToo(entry) }
		t.Run(name+", alone", func(t *testing.T) {
			drainCase{wrap: list, want: drainReport{Kind: incomplete}}.run(t)
		})
		t.Run(name+", with others", func(t *testing.T) {
			drainCase{
				sessions: connectedSessions("a", "b"), wrap: list,
				want: drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}, Kind: incomplete},
			}.run(t)
		})
	}
}

// TestClient_Drain_deniedAndNotListed checks that an empty listing does not prove the end of
// sessions that SSM refused to end.
func TestClient_Drain_deniedAndNotListed(t *testing.T) {
	t.Parallel()

	tc := drainCase{
		sessions: connectedSessions("a", "b"), faults: []fakessm.Fault{{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1}},
		wrap: func(fake *fakessm.Server) func(http.Handler) http.Handler {
			return func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					question, _ := io.ReadAll(r.Body)
					r.Body = io.NopCloser(bytes.NewReader(question))
					byID := bytes.Contains(question, []byte(`"SessionId"`))
					if operationOf(r) == "DescribeSessions" && !byID && fake.Count("TerminateSession") > 0 {
						answerRequests("DescribeSessions", -1, http.StatusOK, `{"Sessions":[]}`)(next).ServeHTTP(w, r)

						return
					}
					next.ServeHTTP(w, r)
				})
			}
		},
		want: drainReport{
			Outcomes: outcomes{"a": failed, "b": failed}, Failures: map[string]string{"a": accessDenied, "b": accessDenied},
			Kind: notDrained, Live: []string{"a", "b"},
		},
	}
	t.Run("of a node", func(t *testing.T) { tc.run(t) })
}

// listToo adds an entry to each answer that lists active sessions.
func listToo(entry string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			question, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(question))
			if operationOf(r) != "DescribeSessions" || !bytes.Contains(question, []byte(`"Active"`)) {
				next.ServeHTTP(w, r)

				return
			}
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			body := strings.Replace(answer.Body.String(), `"Sessions":[`, `"Sessions":[`+entry+`,`, 1)
			_, _ = io.WriteString(w, strings.Replace(body, entry+",]", entry+"]", 1))
		})
	}
}

// TestClient_Drain_blindFilter checks a service whose filters match nothing.
func TestClient_Drain_blindFilter(t *testing.T) {
	t.Parallel()

	withOwner := func() []fakessm.Session {
		sessions := connectedSessions("a", "b", "c")
		for i := range sessions {
			sessions[i].Owner = ownerMary
		}

		return sessions
	}
	for name, tc := range map[string]drainCase{
		"targets": {
			sessions: connectedSessions("a", "b", "c"), wrap: hideFromFilter("Target"),
			want: drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated}},
		},
		"owners": {
			sessions: withOwner(), wrap: hideFromFilter("Owner"), selector: sessionmanager.Selector{Owners: []string{ownerMary}},
			want: drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "c": terminated}},
		},
		"with more than the cap": {
			sessions: connectedSessions("a", "b", "c"), wrap: hideFromFilter("Target"), most: 2,
			want: drainReport{Kind: "3 instead of 2", Live: []string{"a", "b", "c"}},
		},
		"with a newcomer": {
			sessions: connectedSessions("a", "b"),
			wrap: func(fake *fakessm.Server) func(http.Handler) http.Handler {
				return func(next http.Handler) http.Handler {
					return hideFromFilter("Target")(fake)(onTermination(2, startSessions("n"))(fake)(next))
				}
			},
			want: drainReport{Outcomes: outcomes{"a": terminated, "b": terminated, "n": terminated}},
		},
		"with a session that stays live": {
			sessions: slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", fakessm.BehaviourUnreachable)), wrap: hideFromFilter("Target"),
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": contradictory},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedToSettle,
			},
		},
	} {
		t.Run(name, func(t *testing.T) { tc.run(t) })
	}

	t.Run("in the grace period", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(connectedSessions("a")...))
			start := time.Now()

			got, _ := runDrain(t.Context(), t, newEndpoint(t, fake, hideFromFilter("Target")(fake)), sessionmanager.DrainInput{
				Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: 1, GracePeriod: time.Minute,
			})

			if diff := cmp.Diff(drainReport{Outcomes: outcomes{"a": terminated}}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, r := range fake.Requests() {
				if r.Operation == "TerminateSession" && r.Time.Sub(start) < time.Minute {
					t.Errorf("ended after %s", r.Time.Sub(start))
				}
			}
		})
	})

	t.Run("what a drain would end", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(connectedSessions("a", "b")...))

			listing, err := newEndpoint(t, fake, hideFromFilter("Target")(fake)).client().Matching(t.Context(), region, sessionmanager.Selector{Targets: []string{node}})

			if diff := cmp.Diff([]string{"a", "b"}, idsOf(listing.Sessions)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	})
}

// TestClient_Drain_severalFailures checks drains with several kinds of failure.
func TestClient_Drain_severalFailures(t *testing.T) {
	t.Parallel()

	// Two targets cannot be sent as a filter.
	selector := sessionmanager.Selector{Targets: []string{node, "i-nothing"}}
	elsewhere := func() []fakessm.Session {
		sessions := make([]fakessm.Session, 20)
		for i := range sessions {
			sessions[i] = fakessm.Session{SessionID: fmt.Sprint("else-", i), Region: region, Target: "i-elsewhere"}
		}

		return sessions
	}
	of := func(operation, id string, kind fakessm.FaultKind) fakessm.Fault {
		return fakessm.Fault{Operation: operation, SessionID: id, Kind: kind, Times: -1}
	}
	for name, tc := range map[string]struct {
		sessions []fakessm.Session
		options  []fakessm.Option
		faults   []fakessm.Fault
		wrap     func(*fakessm.Server) func(http.Handler) http.Handler
		most     int
		want     drainReport
		doubts   map[string]string
	}{
		"one lookup is denied": {
			sessions: connectedSessions("a", "b", "c"),
			faults:   []fakessm.Fault{of("DescribeSessions", "b", fakessm.FaultDenied)},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": unverified, "c": terminated}},
			doubts:   map[string]string{"b": accessDenied},
		},
		"lookups are impossible and one session vanishes": {
			sessions: slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", fakessm.BehaviourVanishes), connectedSessions("c"), otherSessions("Terminated", 13)),
			options:  []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": unverified, "c": terminated}},
			doubts:   map[string]string{"b": undetermined},
		},
		"one lookup is throttled": {
			sessions: connectedSessions("a", "b", "c"),
			faults:   []fakessm.Fault{of("DescribeSessions", "b", fakessm.FaultThrottle)},
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": unverified, "c": terminated}, Kind: throttled},
			doubts:   map[string]string{"b": throttled},
		},
		"one lookup and one termination are denied": {
			sessions: connectedSessions("a", "b", "c"),
			faults:   []fakessm.Fault{of("DescribeSessions", "b", fakessm.FaultDenied), of("TerminateSession", "c", fakessm.FaultDenied)},
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": unverified, "c": failed}, Failures: map[string]string{"c": accessDenied},
				Kind: notDrained, Live: []string{"c"},
			},
			doubts: map[string]string{"b": accessDenied},
		},
		"a newcomer is left and a lookup fails": {
			sessions: connectedSessions("a", "b"),
			faults:   []fakessm.Fault{of("DescribeSessions", "b", fakessm.FaultThrottle)},
			wrap:     onTermination(2, startSessions("n")),
			most:     2,
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": unverified}, Left: []string{"n"},
				Kind: throttled, Live: []string{"n"},
			},
			doubts: map[string]string{"b": throttled},
		},
		"a disconnected session whose node is gone": {
			sessions: slices.Concat(connectedSessions("a"), sessionOfNode("b", "Disconnected", fakessm.BehaviourUnreachable)),
			want:     drainReport{Outcomes: outcomes{"a": terminated, "b": unverified}, Live: []string{"b"}, Waited: waitedToSettle},
			doubts:   map[string]string{"b": hasEnded},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(append(tc.options, fakessm.WithPageSize(4), fakessm.WithSessions(slices.Concat(tc.sessions, elsewhere())...))...)
				fake.Inject(tc.faults...)
				ep := newEndpoint(t, fake)
				if tc.wrap != nil {
					ep = newEndpoint(t, fake, tc.wrap(fake))
				}
				in := sessionmanager.DrainInput{Region: region, Selector: selector, MaxSessions: max(tc.most, 3)}
				if tc.most > 0 {
					in.MaxSessions = tc.most
				}

				got, result := runDrainForResult(t, ep, in)

				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				doubts := make(map[string]string)
				for id, err := range result.Doubts {
					doubts[id] = kindOf(err)
				}
				if diff := cmp.Diff(tc.doubts, doubts); diff != "" {
					t.Errorf("doubts (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestDrainTimeout(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		grace time.Duration
		most  int
		want  time.Duration
	}{
		{0, 0, 2 * time.Minute},
		{0, 6, 2*time.Minute + time.Second},
		{0, sessionmanager.DefaultMaxSessions, 2*time.Minute + 100*time.Second/6},
		{time.Hour, 600, time.Hour + 100*time.Second + 2*time.Minute},
		{0, 1_000_000, 1_000_000*time.Second/6 + 2*time.Minute},
	} {
		if got := sessionmanager.DrainTimeout(tc.grace, tc.most); got != tc.want {
			t.Errorf("a grace period of %s and %d sessions: %s, want %s", tc.grace, tc.most, got, tc.want)
		}
	}
}

func TestWaitError(t *testing.T) {
	t.Parallel()

	err := &sessionmanager.WaitError{Waiting: 2, Err: context.Canceled}
	if got, want := err.Error(), "waiting for 2 sessions to end by themselves: context canceled"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDrainResult_Ended(t *testing.T) {
	t.Parallel()

	result := sessionmanager.DrainResult{Outcomes: outcomes{"a": terminated, "b": alreadyEnded, "c": unverified, "d": failed}}
	if got := result.Ended(); got != 2 {
		t.Errorf("%d have ended, want 2", got)
	}
}

func TestTooManyError(t *testing.T) {
	t.Parallel()

	err := &sessionmanager.TooManyError{Matching: 101, MaxSessions: 100}
	if got, want := err.Error(), "101 sessions match, 100 may be ended"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestClient_Drain_noSnapshot checks listings of many pages. Sessions end while the pages
// are read, so other sessions move between pages and are missed.
func TestClient_Drain_noSnapshot(t *testing.T) {
	t.Parallel()

	const some = -1 // Any number.

	elsewhere := func(n int) []fakessm.Session {
		sessions := make([]fakessm.Session, n)
		for i := range sessions {
			sessions[i] = fakessm.Session{SessionID: fmt.Sprint("else-", i), Region: region, Target: "i-elsewhere"}
		}

		return sessions
	}
	for name, tc := range map[string]struct {
		behaviour fakessm.Behaviour
		fault     fakessm.FaultKind // In the termination of b.
		slips     int               // How many listings miss b although it is live.
		leave     int               // The number of listings during which a session ends.

		want    drainReport
		lookUps int // Lookups by session ID.
		lists   int
	}{
		"no session ends": {
			want:    drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
			lookUps: 2,
			lists:   1,
		},
		"a session ends during one listing": {
			leave:   1,
			want:    drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
			lookUps: 2,
			lists:   1,
		},
		"a session ends during every listing": {
			leave:   9,
			want:    drainReport{Outcomes: outcomes{"a": terminated, "b": terminated}},
			lookUps: 2,
			lists:   1,
		},
		"a session ends during every listing and b stays live": {
			behaviour: fakessm.BehaviourUnkillable, leave: 50,
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": stillLive},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedForDeadline,
			},
			lookUps: 1,
			lists:   some,
		},
		"one listing misses a session": {
			behaviour: fakessm.BehaviourUnkillable, slips: 1, leave: 1,
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": stillLive},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedForDeadline,
			},
			lookUps: some,
			lists:   some,
		},
		"every listing misses a session": {
			behaviour: fakessm.BehaviourUnkillable, slips: 9, leave: 9,
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": stillLive},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedForDeadline,
			},
			lookUps: some,
			lists:   some,
		},
		"a denied session is missed": {
			fault: fakessm.FaultDenied, slips: 9, leave: 9,
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": accessDenied},
				Kind: notDrained, Live: []string{"b"},
			},
			lookUps: some,
			lists:   1,
		},
		"a refused session is missed": {
			behaviour: fakessm.BehaviourUnreachable, slips: 9, leave: 9,
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": contradictory},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedToSettle,
			},
			lookUps: some,
			lists:   some,
		},
		"a session without an answer is missed": {
			fault: fakessm.FaultInternal, slips: 9, leave: 9,
			want: drainReport{
				Outcomes: outcomes{"a": terminated, "b": failed}, Failures: map[string]string{"b": unavailable},
				Kind: notDrained, Live: []string{"b"}, Waited: waitedToSettle,
			},
			lookUps: some,
			lists:   some,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithPageSize(4), fakessm.WithSessions(slices.Concat(connectedSessions("a"), sessionOfNode("b", "Connected", tc.behaviour), elsewhere(60))...))
				if tc.fault != "" {
					fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: "b", Kind: tc.fault, Times: -1})
				}
				var left int
				ep := newEndpoint(t, fake, hideFromListings("b", tc.slips, func(listing int) {
					if listing <= tc.leave {
						fake.EndSession(fmt.Sprint("else-", left))
						left++
					}
				}))

				got, _ := runDrain(t.Context(), t, ep, sessionmanager.DrainInput{
					// Two targets cannot be sent as a filter.
					Selector: sessionmanager.Selector{Targets: []string{node, "i-nothing"}}, MaxSessions: 2,
				})

				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				var lists, lookUps int
				ended := false
				for _, r := range fake.Requests() {
					ended = ended || r.Operation == "TerminateSession"
					switch {
					case r.Operation != "DescribeSessions" || !ended:
					case r.SessionID != "":
						lookUps++
					case !r.NextToken:
						lists++
					}
				}
				if lookUps != tc.lookUps && (tc.lookUps != some || lookUps == 0) || lists != tc.lists && tc.lists != some {
					t.Errorf("%d lookups and %d listings, want %d and %d", lookUps, lists, tc.lookUps, tc.lists)
				}
			})
		})
	}
}

// hideFromListings hides a session from the first listings of active sessions that begin
// after the first TerminateSession, and calls reading during each such listing.
func hideFromListings(sessionID string, slips int, reading func(listing int)) func(http.Handler) http.Handler {
	var (
		mutex   sync.Mutex
		ended   bool
		listing int
	)

	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mutex.Lock()
			defer mutex.Unlock()

			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			ended = ended || operationOf(r) == "TerminateSession"
			if !ended || operationOf(r) != "DescribeSessions" || bytes.Contains(body, []byte("SessionId")) {
				next.ServeHTTP(w, r)

				return
			}
			begins := !bytes.Contains(body, []byte("NextToken"))
			if begins {
				listing++
			}
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			if begins {
				reading(listing)
			}

			var page struct {
				Sessions  []map[string]any
				NextToken string `json:",omitempty"`
			}
			if json.Unmarshal(recorder.Body.Bytes(), &page) != nil {
				return
			}
			if listing <= slips {
				page.Sessions = slices.DeleteFunc(page.Sessions, func(s map[string]any) bool { return s["SessionId"] == sessionID })
			}
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.Header().Set("Date", recorder.Header().Get("Date"))
			json.NewEncoder(w).Encode(page) //nolint:errcheck,errchkjson // A lost answer makes the test fail.
		})
	}
}
