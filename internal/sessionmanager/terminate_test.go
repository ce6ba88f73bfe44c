// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
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

// terminationReport is the outcome of Terminate, as tests compare it.
type terminationReport struct {
	Outcome   sessionmanager.Outcome
	Status    string // Status of the session in the result.
	Requested bool
	Doubt     string // Kind of the doubt.
	Kind      string // Kind of the error.
	Calls     string
	Waited    string // Wait after the last TerminateSession: "settling", "deadline", or empty if it was short.
	Left      string // Status of the session at the endpoint, "gone" if there is none.
}

// The wait of a termination after its last TerminateSession.
const (
	waitedToSettle    = "settling"
	waitedForDeadline = "deadline"
)

// terminationCase is a termination and its expected result.
type terminationCase struct {
	session    *fakessm.Session // Nil means that the session does not exist.
	others     int              // How many other sessions each list has before it.
	options    []fakessm.Option
	faults     []fakessm.Fault
	wrap       func(*fakessm.Server) func(http.Handler) http.Handler
	notFoundOK bool
	operation  *sessionmanager.Operation // Operation of the error. TerminateSession if nil.
	want       terminationReport
}

func (tc terminationCase) run(t *testing.T, verify bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(tc.options...)
		fake.AddSessions(otherSessions("Connected", tc.others)...)
		fake.AddSessions(otherSessions("Terminated", tc.others)...)
		if tc.session != nil {
			fake.AddSessions(*tc.session)
		}
		fake.Inject(tc.faults...)
		ep := newEndpoint(t, fake)
		if tc.wrap != nil {
			ep = newEndpoint(t, fake, tc.wrap(fake))
		}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()

		result, err := ep.client().Terminate(ctx, sessionmanager.TerminateInput{
			SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}, Verify: verify, NotFoundOK: tc.notFoundOK,
		})

		got := terminationReport{
			Outcome: result.Outcome, Status: result.Session.Status, Requested: result.Requested,
			Kind: kindOf(err), Waited: waitedAfterTermination(ctx, fake), Calls: ep.calls(t), Left: "gone",
		}
		if err == nil && result.Outcome != "not_found" {
			got.Doubt = kindOf(result.Doubt)
		}
		if session, ok := fake.Session(sessionID); ok {
			got.Left = session.Status
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if result.Session.SessionID != sessionID {
			t.Errorf("the result is about session %q", result.Session.SessionID)
		}
		if tc.operation == nil {
			tc.operation = sessionmanager.TerminateSession
		}
		checkError(t, err, tc.operation)
	})
}

// waitedAfterTermination classifies the time since the last TerminateSession.
func waitedAfterTermination(ctx context.Context, fake *fakessm.Server) string {
	if ctx.Err() != nil {
		return waitedForDeadline
	}
	var last time.Time
	for _, r := range fake.Requests() {
		if r.Operation == "TerminateSession" {
			last = r.Time
		}
	}
	switch ago := time.Since(last); {
	case last.IsZero(), ago < 5*time.Second:
		return ""
	case ago >= 15*time.Second && ago < 25*time.Second:
		return waitedToSettle
	default:
		return ago.String()
	}
}

// knownSession returns a session that exists.
func knownSession(status string, behaviour ...fakessm.Behaviour) *fakessm.Session {
	s := sessionInRegion(sessionID, status, behaviour...)

	return &s
}

// faultsOf returns faults that each affect one request.
func faultsOf(operation string, kinds ...fakessm.FaultKind) []fakessm.Fault {
	faults := make([]fakessm.Fault, len(kinds))
	for i, kind := range kinds {
		faults[i] = fakessm.Fault{Operation: operation, Kind: kind}
	}

	return faults
}

// faultAlways returns a fault for every request except the first few.
func faultAlways(operation string, kind fakessm.FaultKind, skip int) []fakessm.Fault {
	return []fakessm.Fault{{Operation: operation, Kind: kind, Times: -1, Skip: skip}}
}

// otherRefusal returns the refusal of an ended session with an unknown message.
func otherRefusal() []fakessm.Fault {
	return []fakessm.Fault{{
		Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "ValidationException", Message: "Session is in an invalid state",
	}}
}

// withoutList makes DescribeSessions answer without a list, after a number of answers.
func withoutList(skip int) func(http.Handler) http.Handler {
	var count atomic.Int32

	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if operationOf(r) == "DescribeSessions" && int(count.Add(1)) > skip {
				answerRequests("DescribeSessions", -1, 200, `{"status":"ok"}`)(next).ServeHTTP(w, r)

				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// answerRequestsWith replaces the answer to each DescribeSessions request that contains a text.
func answerRequestsWith(text string, status int, body string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			question, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(question))
			if operationOf(r) == "DescribeSessions" && bytes.Contains(question, []byte(text)) {
				answerRequests("DescribeSessions", -1, status, body)(next).ServeHTTP(w, r)

				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// endBeforeTermination ends the session between the lookup and its termination.
func endBeforeTermination(fake *fakessm.Server) func(http.Handler) http.Handler {
	return beforeRequest("TerminateSession", func() { fake.EndSession(sessionID) })
}

// endAtLookup ends the session after its n-th lookup.
func endAtLookup(n int) func(*fakessm.Server) func(http.Handler) http.Handler {
	return func(fake *fakessm.Server) func(http.Handler) http.Handler {
		return afterRequest("DescribeSessions", func() {
			if fake.Count("DescribeSessions") == n {
				fake.EndSession(sessionID)
			}
		})
	}
}

// replaceTerminateAnswer makes the endpoint terminate the session, but replaces the answer.
func replaceTerminateAnswer(times, status int, body string) func(*fakessm.Server) func(http.Handler) http.Handler {
	return func(*fakessm.Server) func(http.Handler) http.Handler {
		return answerRequests("TerminateSession", times, status, body)
	}
}

func TestClient_Terminate(t *testing.T) {
	t.Parallel()

	// terminated is the usual result, after the given calls.
	terminated := func(calls string) terminationReport {
		return terminationReport{Outcome: "terminated", Status: "Terminated", Requested: true, Calls: calls, Left: "Terminated"}
	}
	alreadyEnded := func(status, calls string) terminationReport {
		return terminationReport{Outcome: "already_ended", Status: status, Calls: calls, Left: status}
	}

	for name, tc := range map[string]terminationCase{
		"a live session": {
			session: knownSession("Connected"),
			want:    terminated("active terminate history"),
		},
		"a disconnected session": {
			session: knownSession("Disconnected"),
			want:    terminated("active terminate history"),
		},
		"a connecting session": {
			session: knownSession("Connecting"),
			want:    terminated("active terminate history"),
		},
		"a session with an unknown status": {
			session: knownSession("Hibernating"),
			want:    terminated("active terminate history"),
		},
		"a Terminating session counts as ended": {
			session: knownSession("Connected"),
			options: []fakessm.Option{fakessm.WithTerminationLag(time.Hour)},
			want:    terminationReport{Outcome: "terminated", Status: "Terminating", Requested: true, Calls: "active terminate history", Left: "Terminating"},
		},
		"a session that stays Terminating": {
			session: knownSession("Disconnected", fakessm.BehaviourStuck),
			want:    terminationReport{Outcome: "terminated", Status: "Terminating", Requested: true, Calls: "active terminate history", Left: "Terminating"},
		},
		"a session that vanishes": {
			session: knownSession("Connected", fakessm.BehaviourVanishes),
			want:    terminationReport{Outcome: "terminated", Requested: true, Calls: "active terminate history active history active", Left: "Terminated"},
		},
		"a session that is not listed yet": {
			session: knownSession("Connected", fakessm.BehaviourUnlisted),
			want:    terminated("active history active history terminate history"),
		},
		"a session whose end shows late": {
			session: knownSession("Connected", fakessm.BehaviourUnkillable),
			wrap:    endAtLookup(7),
			want:    terminated("active terminate history active ... history"),
		},

		"terminated before": {
			session: knownSession("Terminated"),
			want:    alreadyEnded("Terminated", "active history"),
		},
		"terminating before": {
			session: knownSession("Terminating"),
			want:    alreadyEnded("Terminating", "active history"),
		},
		"failed before": {
			session: knownSession("Failed"),
			want:    alreadyEnded("Failed", "active history"),
		},
		"ended between lookup and call": {
			session: knownSession("Connected"),
			wrap:    endBeforeTermination,
			want:    alreadyEnded("Terminated", "active terminate:ValidationException history"),
		},
		"ended between lookup and call, with the service's behaviour before 2026": {
			session: knownSession("Connected"),
			options: []fakessm.Option{fakessm.WithEndedAccepted()},
			wrap:    endBeforeTermination,
			want:    terminated("active terminate history"),
		},
		"ended between lookup and call, and vanished": {
			session: knownSession("Connected", fakessm.BehaviourVanishes),
			wrap:    endBeforeTermination,
			want: terminationReport{
				Outcome: "already_ended", Calls: "active terminate:ValidationException history active history active", Left: "Terminated",
			},
		},
		"no longer known between lookup and call": {
			session: knownSession("Connected"),
			wrap: func(fake *fakessm.Server) func(http.Handler) http.Handler {
				return beforeRequest("TerminateSession", func() { fake.RemoveSession(sessionID) })
			},
			want: terminationReport{
				Outcome: "already_ended", Calls: "active terminate:DoesNotExistException history active history active", Left: "gone",
			},
		},

		"connection reset after the work": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultResetAfter),
			want:    terminated("active terminate:reset-after terminate:ValidationException history"),
		},
		"connection reset after the work, with the service's behaviour before 2026": {
			session: knownSession("Connected"),
			options: []fakessm.Option{fakessm.WithEndedAccepted()},
			faults:  faultsOf("TerminateSession", fakessm.FaultResetAfter),
			want:    terminated("active terminate:reset-after terminate history"),
		},
		"connection reset after the work, each time": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultResetAfter, 0),
			want:    terminated("active terminate:reset-after ... history"),
		},
		"connection reset after the work, and the session vanishes": {
			session: knownSession("Connected", fakessm.BehaviourVanishes),
			faults:  faultsOf("TerminateSession", fakessm.FaultResetAfter),
			want: terminationReport{
				Outcome: "terminated", Requested: true, Left: "Terminated",
				Calls: "active terminate:reset-after terminate:ValidationException history active history active",
			},
		},
		"answer lost, and the retry is denied": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultResetAfter, fakessm.FaultDenied),
			want:    terminated("active terminate:reset-after terminate:denied history"),
		},
		"answer lost, and every retry is throttled": {
			session: knownSession("Connected"),
			faults: append(faultsOf("TerminateSession", fakessm.FaultResetAfter),
				faultAlways("TerminateSession", fakessm.FaultThrottle, 0)...),
			want: terminated("active terminate:reset-after terminate:throttle ... history"),
		},
		"answer truncated": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultTruncated),
			want:    terminated("active terminate:truncated terminate:ValidationException history"),
		},
		"answer too slow": {
			session: knownSession("Connected"),
			faults:  []fakessm.Fault{{Operation: "TerminateSession", Kind: fakessm.FaultSlow, Delay: time.Hour}},
			want:    terminated("active terminate:slow terminate:ValidationException history"),
		},
		"an internal error after the work": {
			session: knownSession("Connected"),
			wrap:    replaceTerminateAnswer(1, 500, `{"__type":"InternalServerError"}`),
			want:    terminated("active terminate terminate:ValidationException history"),
		},
		"an HTML error of a proxy after the work": {
			session: knownSession("Connected"),
			wrap:    replaceTerminateAnswer(1, 504, "<html><body><h1>504 Gateway Time-out</h1></body></html>"),
			want:    terminated("active terminate terminate:ValidationException history"),
		},
		"an empty answer after the work": {
			session: knownSession("Connected"),
			wrap:    replaceTerminateAnswer(1, 200, ""),
			want:    terminated("active terminate history"),
		},
		"garbage after the work": {
			session: knownSession("Connected"),
			wrap:    replaceTerminateAnswer(1, 200, "It works!"),
			want:    terminated("active terminate history"),
		},
		"an answer about another session after the work": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultWrongSession),
			want:    terminated("active terminate:wrong-session history"),
		},

		"connection reset before the work": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultResetBefore),
			want:    terminated("active terminate:reset-before terminate history"),
		},
		"no answer, then one": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultHang),
			want:    terminated("active terminate:hang terminate history"),
		},
		"throttled, then not": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultThrottle, fakessm.FaultThrottle),
			want:    terminated("active terminate:throttle terminate:throttle terminate history"),
		},
		"an internal error, a proxy's error, then neither": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultInternal, fakessm.FaultProxy),
			want:    terminated("active terminate:internal terminate:proxy terminate history"),
		},
		"throttled, and ended by its user during the retries": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultThrottle),
			wrap:    endBeforeTermination,
			want:    alreadyEnded("Terminated", "active terminate:throttle terminate:ValidationException history"),
		},
		"lookups retried": {
			session: knownSession("Connected"),
			faults: []fakessm.Fault{
				{Operation: "DescribeSessions", Kind: fakessm.FaultThrottle},
				{Operation: "DescribeSessions", Kind: fakessm.FaultResetAfter, Skip: 1},
			},
			want: terminated("active:throttle active terminate history:reset-after history"),
		},

		"connection reset before the work, each time": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultResetBefore, 0),
			want: terminationReport{
				Kind: unavailable, Status: "Connected", Requested: true, Waited: waitedToSettle, Left: "Connected",
				Calls: "active terminate:reset-before ... history active ...",
			},
		},
		"an internal error, each time": {
			session: knownSession("Disconnected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultInternal, 0),
			want: terminationReport{
				Kind: unavailable, Status: "Disconnected", Requested: true, Waited: waitedToSettle, Left: "Disconnected",
				Calls: "active terminate:internal ... history active ...",
			},
		},
		"an empty answer does not count": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultEmpty, 0),
			want: terminationReport{
				Kind: incomplete, Status: "Connected", Requested: true, Waited: waitedToSettle, Left: "Connected",
				Calls: "active terminate:empty history active ...",
			},
		},
		"an answer about another session does not count": {
			session: knownSession("Connected", fakessm.BehaviourUnkillable),
			faults:  faultAlways("TerminateSession", fakessm.FaultWrongSession, 0),
			want: terminationReport{
				Kind: incomplete, Status: "Connected", Requested: true, Waited: waitedToSettle, Left: "Connected",
				Calls: "active terminate:wrong-session history active ...",
			},
		},
		"garbage does not count": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultGarbage, 0),
			want: terminationReport{
				Kind: unavailable, Status: "Connected", Requested: true, Waited: waitedToSettle, Left: "Connected",
				Calls: "active terminate:garbage history active ...",
			},
		},

		"denied": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultDenied, 0),
			want:    terminationReport{Kind: accessDenied, Status: "Connected", Calls: "active terminate:denied active", Left: "Connected"},
		},
		"throttled until the retries are exhausted": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultThrottle, 0),
			want:    terminationReport{Kind: throttled, Status: "Connected", Calls: "active terminate:throttle ...", Left: "Connected"},
		},
		"credentials expired after the lookup": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultExpired, 0),
			want:    terminationReport{Kind: credentialsWrong, Status: "Connected", Calls: "active terminate:expired", Left: "Connected"},
		},
		"another validation error": {
			session: knownSession("Connected"),
			faults: []fakessm.Fault{{
				Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "ValidationException",
				Message: "1 validation error detected: Value at 'sessionId' failed to satisfy constraint: Member must have length less than or equal to 96",
			}},
			want: terminationReport{Kind: rejected, Status: "Connected", Calls: "active terminate:error active", Left: "Connected"},
		},
		"refused with another message, and ended": {
			session: knownSession("Connected"),
			faults:  otherRefusal(),
			wrap:    endBeforeTermination,
			want: terminationReport{
				Outcome: "already_ended", Status: "Terminated", Left: "Terminated",
				Calls: "active terminate:error active history",
			},
		},
		"refused with another message after a lost answer": {
			session: knownSession("Connected"),
			faults:  append(faultsOf("TerminateSession", fakessm.FaultResetAfter), otherRefusal()...),
			want:    terminated("active terminate:reset-after terminate:error history"),
		},
		"refused with another message, and gone": {
			session: knownSession("Connected", fakessm.BehaviourVanishes),
			faults:  otherRefusal(),
			wrap:    endBeforeTermination,
			want: terminationReport{
				Outcome: "already_ended", Left: "Terminated",
				Calls: "active terminate:error active history active history",
			},
		},
		"refused with another message, and lookups fail": {
			session: knownSession("Connected"),
			faults:  append(otherRefusal(), faultAlways("DescribeSessions", fakessm.FaultThrottle, 1)...),
			wrap:    endBeforeTermination,
			want: terminationReport{
				Kind: rejected, Status: "Connected", Left: "Terminated",
				Calls: "active terminate:error active:throttle ...",
			},
		},
		"denied, and ended": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultDenied),
			wrap:    endBeforeTermination,
			want: terminationReport{
				Outcome: "already_ended", Status: "Terminated", Left: "Terminated",
				Calls: "active terminate:denied active history",
			},
		},
		"denied, and gone": {
			session: knownSession("Connected", fakessm.BehaviourVanishes),
			faults:  faultsOf("TerminateSession", fakessm.FaultDenied),
			wrap:    endBeforeTermination,
			want: terminationReport{
				Outcome: "already_ended", Left: "Terminated",
				Calls: "active terminate:denied active history active history",
			},
		},
		"denied, and an answer without a list": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultDenied),
			wrap: func(*fakessm.Server) func(http.Handler) http.Handler {
				return withoutList(1)
			},
			want: terminationReport{Kind: accessDenied, Status: "Connected", Left: "Connected", Calls: "active terminate:denied active"},
		},
		"accepted, and an answer without a list": {
			session: knownSession("Connected"),
			wrap: func(*fakessm.Server) func(http.Handler) http.Handler {
				return withoutList(1)
			},
			operation: sessionmanager.DescribeSessions,
			want: terminationReport{
				Kind: incomplete, Status: "Connected", Requested: true, Left: "Terminated",
				Calls: "active terminate history",
			},
		},
		"an unknown status in the history": {
			session: knownSession("Connected"),
			wrap: func(fake *fakessm.Server) func(http.Handler) http.Handler {
				return answerRequestsWith("History", 200, `{"Sessions":[{"SessionId":"`+sessionID+`","Status":"Expired"}]}`)
			},
			want: terminationReport{
				Outcome: "terminated", Status: "Expired", Requested: true, Left: "Terminated",
				Calls: "active terminate history",
			},
		},
		"another validation error, and the session is not listed": {
			faults: []fakessm.Fault{{Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "ValidationException", Message: "No."}},
			want:   terminationReport{Kind: rejected, Calls: "active history active history terminate:error active history active history", Left: "gone"},
		},

		"a session that cannot be ended": {
			session: knownSession("Connected", fakessm.BehaviourUnkillable),
			want: terminationReport{
				Kind: stillLive, Status: "Connected", Requested: true, Waited: waitedForDeadline, Left: "Connected",
				Calls: "active terminate history active ...",
			},
		},
		"refused and still connected": {
			session: knownSession("Connected", fakessm.BehaviourUnreachable),
			want: terminationReport{
				Kind: contradictory, Status: "Connected", Waited: waitedToSettle, Left: "Connected",
				Calls: "active terminate:ValidationException history active ...",
			},
		},
		"refused and still connecting": {
			session: knownSession("Connecting", fakessm.BehaviourUnreachable),
			want: terminationReport{
				Kind: contradictory, Status: "Connecting", Waited: waitedToSettle, Left: "Connecting",
				Calls: "active terminate:ValidationException history active ...",
			},
		},
		"refused and still disconnected": {
			session: knownSession("Disconnected", fakessm.BehaviourUnreachable),
			want: terminationReport{
				Outcome: "unverified", Doubt: hasEnded, Status: "Disconnected", Waited: waitedToSettle, Left: "Disconnected",
				Calls: "active terminate:ValidationException history active ...",
			},
		},
		"refused and disconnected, and ended by itself": {
			session: knownSession("Disconnected", fakessm.BehaviourUnreachable),
			wrap:    endAtLookup(5),
			want: terminationReport{
				Outcome: "already_ended", Status: "Terminated", Left: "Terminated",
				Calls: "active terminate:ValidationException history active history active history",
			},
		},

		"unknown and refused": {
			want: terminationReport{
				Kind: notFound, Left: "gone",
				Calls: "active history active history terminate:DoesNotExistException history active history active",
			},
		},
		"unknown and refused, with NotFoundOK": {
			notFoundOK: true,
			want: terminationReport{
				Outcome: "not_found", Left: "gone",
				Calls: "active history active history terminate:DoesNotExistException history active history active",
			},
		},
		"unknown and accepted": {
			options: []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownAccepted)},
			want: terminationReport{
				Kind: notFound, Requested: true, Left: "gone",
				Calls: "active history active history terminate history active history active",
			},
		},
		"unknown and accepted, with NotFoundOK": {
			options:    []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownAccepted)},
			notFoundOK: true,
			want: terminationReport{
				Outcome: "not_found", Requested: true, Left: "gone",
				Calls: "active history active history terminate history active history active",
			},
		},
		"unknown and in no valid state": {
			options: []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownInvalid)},
			want: terminationReport{
				Kind: notFound, Left: "gone",
				Calls: "active history active history terminate:ValidationException history active history active",
			},
		},
		"unknown and in no valid state, with NotFoundOK": {
			options:    []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownInvalid)},
			notFoundOK: true,
			want: terminationReport{
				Outcome: "not_found", Left: "gone",
				Calls: "active history active history terminate:ValidationException history active history active",
			},
		},
		"unknown and denied": {
			options: []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownDenied)},
			want: terminationReport{
				Kind: notFound, Left: "gone",
				Calls: "active history active history terminate:AccessDeniedException active history active history",
			},
		},
		"unknown and denied, with NotFoundOK": {
			options:    []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownDenied)},
			notFoundOK: true,
			want: terminationReport{
				Outcome: "not_found", Left: "gone",
				Calls: "active history active history terminate:AccessDeniedException active history active history",
			},
		},
		"not listed at first, and denied": {
			session:    knownSession("Connected", fakessm.BehaviourUnlisted),
			faults:     faultAlways("TerminateSession", fakessm.FaultDenied, 0),
			notFoundOK: true,
			wrap: func(fake *fakessm.Server) func(http.Handler) http.Handler {
				return afterRequest("TerminateSession", func() { fake.AddSessions(sessionInRegion(sessionID, "Connected")) })
			},
			want: terminationReport{
				Kind: accessDenied, Status: "Connected", Left: "Connected",
				Calls: "active history active history terminate:denied active",
			},
		},
		"not listed at first, then live, then gone": {
			options: []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownAccepted)},
			wrap: func(fake *fakessm.Server) func(http.Handler) http.Handler {
				return func(next http.Handler) http.Handler {
					appear := afterRequest("TerminateSession", func() { fake.AddSessions(sessionInRegion(sessionID, "Connecting")) })
					disappear := afterRequest("DescribeSessions", func() {
						if fake.Count("DescribeSessions") == 6 {
							fake.RemoveSession(sessionID)
						}
					})

					return appear(disappear(next))
				}
			},
			want: terminationReport{
				Outcome: "terminated", Requested: true, Left: "gone",
				Calls: "active history active history terminate history active ...",
			},
		},
		"unknown and throttled until the retries are exhausted": {
			faults:     faultAlways("TerminateSession", fakessm.FaultThrottle, 0),
			notFoundOK: true,
			want:       terminationReport{Kind: throttled, Left: "gone", Calls: "active history active history terminate:throttle ..."},
		},

		"lookups denied": {
			session: knownSession("Connected"),
			faults:  faultAlways("DescribeSessions", fakessm.FaultDenied, 0),
			want: terminationReport{
				Outcome: "unverified", Doubt: accessDenied, Requested: true, Left: "Terminated",
				Calls: "active:denied terminate",
			},
		},
		"lookups denied, and ended before": {
			session: knownSession("Terminated"),
			faults:  faultAlways("DescribeSessions", fakessm.FaultDenied, 0),
			want: terminationReport{
				Outcome: "unverified", Doubt: accessDenied, Left: "Terminated",
				Calls: "active:denied terminate:ValidationException",
			},
		},
		"lookups denied, and the answer lost": {
			session: knownSession("Connected"),
			faults:  append(faultAlways("DescribeSessions", fakessm.FaultDenied, 0), faultsOf("TerminateSession", fakessm.FaultResetAfter)...),
			want: terminationReport{
				Outcome: "unverified", Doubt: accessDenied, Requested: true, Left: "Terminated",
				Calls: "active:denied terminate:reset-after terminate:ValidationException",
			},
		},
		"lookups denied, and unknown": {
			faults: faultAlways("DescribeSessions", fakessm.FaultDenied, 0),
			want: terminationReport{
				Kind: notFound, Left: "gone",
				Calls: "active:denied terminate:DoesNotExistException",
			},
		},
		"lookups denied, and unknown, with NotFoundOK": {
			faults:     faultAlways("DescribeSessions", fakessm.FaultDenied, 0),
			notFoundOK: true,
			want: terminationReport{
				Outcome: "not_found", Left: "gone",
				Calls: "active:denied terminate:DoesNotExistException",
			},
		},
		"everything denied": {
			session: knownSession("Connected"),
			faults:  faultAlways("", fakessm.FaultDenied, 0),
			want: terminationReport{
				Kind: accessDenied, Left: "Connected",
				Calls: "active:denied terminate:denied",
			},
		},
		"lookups denied, and throttled until the retries are exhausted": {
			session: knownSession("Connected"),
			faults:  append(faultAlways("DescribeSessions", fakessm.FaultDenied, 0), faultAlways("TerminateSession", fakessm.FaultThrottle, 0)...),
			want: terminationReport{
				Kind: throttled, Left: "Connected",
				Calls: "active:denied terminate:throttle ...",
			},
		},
		"lookups in the history denied": {
			session: knownSession("Terminated"),
			faults:  faultAlways("DescribeSessions", fakessm.FaultDenied, 1),
			want: terminationReport{
				Outcome: "unverified", Doubt: accessDenied, Left: "Terminated",
				Calls: "active history:denied terminate:ValidationException",
			},
		},
		"lookups denied after the request": {
			session: knownSession("Connected"),
			faults:  faultAlways("DescribeSessions", fakessm.FaultDenied, 1),
			want: terminationReport{
				Outcome: "unverified", Doubt: accessDenied, Status: "Connected", Requested: true, Left: "Terminated",
				Calls: "active terminate history:denied",
			},
		},
		"lookups denied after a refused request": {
			session: knownSession("Connected"),
			faults:  faultAlways("DescribeSessions", fakessm.FaultDenied, 1),
			wrap:    endBeforeTermination,
			want: terminationReport{
				Outcome: "unverified", Doubt: accessDenied, Status: "Connected", Left: "Terminated",
				Calls: "active terminate:ValidationException history:denied",
			},
		},

		"lookups impossible": {
			session: knownSession("Connected"),
			others:  9,
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want: terminationReport{
				Outcome: "unverified", Doubt: undetermined, Requested: true, Left: "Terminated",
				Calls: "active active+ active+ history history+ history+ terminate history history+ history+ active active+ active+",
			},
		},
		"lookups impossible, and denied": {
			session: knownSession("Connected"),
			others:  9,
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			faults:  faultAlways("TerminateSession", fakessm.FaultDenied, 0),
			want: terminationReport{
				Kind: accessDenied, Left: "Connected",
				Calls: "active active+ active+ history history+ history+ terminate:denied active active+ active+ history history+ history+",
			},
		},
		"lookups possible because there are few sessions": {
			session: knownSession("Connected"),
			others:  1,
			options: []fakessm.Option{fakessm.WithFiltersIgnored()},
			want:    terminated("active terminate history"),
		},

		"lookup before the call throttled until the retries are exhausted": {
			session:   knownSession("Connected"),
			faults:    faultAlways("DescribeSessions", fakessm.FaultThrottle, 0),
			operation: sessionmanager.DescribeSessions,
			want:      terminationReport{Kind: throttled, Left: "Connected", Calls: "active:throttle ..."},
		},
		"lookup before the call fails": {
			session:   knownSession("Connected"),
			faults:    faultAlways("DescribeSessions", fakessm.FaultInternal, 0),
			operation: sessionmanager.DescribeSessions,
			want:      terminationReport{Kind: unavailable, Left: "Connected", Calls: "active:internal ..."},
		},
		"lookup before the call with expired credentials": {
			session:   knownSession("Connected"),
			faults:    faultAlways("", fakessm.FaultExpired, 0),
			operation: sessionmanager.DescribeSessions,
			want:      terminationReport{Kind: credentialsWrong, Left: "Connected", Calls: "active:expired"},
		},
		"lookup after the call throttled until the retries are exhausted": {
			session:   knownSession("Connected"),
			faults:    faultAlways("DescribeSessions", fakessm.FaultThrottle, 1),
			operation: sessionmanager.DescribeSessions,
			want: terminationReport{
				Kind: throttled, Status: "Connected", Requested: true, Left: "Terminated",
				Calls: "active terminate history:throttle ...",
			},
		},
		"lookup after the call fails": {
			session:   knownSession("Connected"),
			faults:    faultAlways("DescribeSessions", fakessm.FaultInternal, 1),
			operation: sessionmanager.DescribeSessions,
			want: terminationReport{
				Kind: unavailable, Status: "Connected", Requested: true, Left: "Terminated",
				Calls: "active terminate history:internal ...",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.run(t, true)
		})
	}
}

func TestClient_Terminate_withoutVerification(t *testing.T) {
	t.Parallel()

	// unverified is the usual result without a lookup.
	unverified := func(requested bool, calls, left string) terminationReport {
		return terminationReport{Outcome: "unverified", Requested: requested, Calls: calls, Left: left}
	}

	for name, tc := range map[string]terminationCase{
		"a live session": {
			session: knownSession("Connected"),
			want:    unverified(true, "terminate", "Terminated"),
		},
		"a session that cannot be ended": {
			session: knownSession("Connected", fakessm.BehaviourUnkillable),
			want:    unverified(true, "terminate", "Connected"),
		},
		"ended before": {
			session: knownSession("Terminated"),
			want:    unverified(false, "terminate:ValidationException", "Terminated"),
		},
		"ended before, with the service's behaviour before 2026": {
			session: knownSession("Terminated"),
			options: []fakessm.Option{fakessm.WithEndedAccepted()},
			want:    unverified(true, "terminate", "Terminated"),
		},
		"refused although disconnected": {
			session: knownSession("Disconnected", fakessm.BehaviourUnreachable),
			want:    unverified(false, "terminate:ValidationException", "Disconnected"),
		},
		"answer lost": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultResetAfter),
			want:    unverified(true, "terminate:reset-after terminate:ValidationException", "Terminated"),
		},
		"connection reset before the work": {
			session: knownSession("Connected"),
			faults:  faultsOf("TerminateSession", fakessm.FaultResetBefore),
			want:    unverified(true, "terminate:reset-before terminate", "Terminated"),
		},
		"unknown and refused": {
			want: terminationReport{Kind: notFound, Calls: "terminate:DoesNotExistException", Left: "gone"},
		},
		"unknown and refused, with NotFoundOK": {
			notFoundOK: true,
			want:       terminationReport{Outcome: "not_found", Calls: "terminate:DoesNotExistException", Left: "gone"},
		},
		"unknown and accepted": {
			options: []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownAccepted)},
			want:    unverified(true, "terminate", "gone"),
		},
		"unknown and in no valid state": {
			options: []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownInvalid)},
			want:    unverified(false, "terminate:ValidationException", "gone"),
		},
		"unknown and denied": {
			options:    []fakessm.Option{fakessm.WithUnknownSession(fakessm.UnknownDenied)},
			notFoundOK: true,
			want:       terminationReport{Kind: accessDenied, Calls: "terminate:AccessDeniedException", Left: "gone"},
		},
		"denied": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultDenied, 0),
			want:    terminationReport{Kind: accessDenied, Calls: "terminate:denied", Left: "Connected"},
		},
		"throttled until the retries are exhausted": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultThrottle, 0),
			want:    terminationReport{Kind: throttled, Calls: "terminate:throttle ...", Left: "Connected"},
		},
		"an internal error, each time": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultInternal, 0),
			want:    terminationReport{Kind: unavailable, Requested: true, Calls: "terminate:internal ...", Left: "Connected"},
		},
		"connection reset after the work, each time": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultResetAfter, 0),
			want:    terminationReport{Kind: unavailable, Requested: true, Calls: "terminate:reset-after ...", Left: "Terminated"},
		},
		"an empty answer does not count": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultEmpty, 0),
			want:    terminationReport{Kind: incomplete, Requested: true, Calls: "terminate:empty", Left: "Connected"},
		},
		"an answer about another session does not count": {
			session: knownSession("Connected"),
			faults:  faultAlways("TerminateSession", fakessm.FaultWrongSession, 0),
			want:    terminationReport{Kind: incomplete, Requested: true, Calls: "terminate:wrong-session", Left: "Terminated"},
		},
		"another validation error": {
			session: knownSession("Connected"),
			faults: []fakessm.Fault{{
				Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "ValidationException", Message: "1 validation error detected",
			}},
			want: terminationReport{Kind: rejected, Calls: "terminate:error", Left: "Connected"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.run(t, false)
		})
	}
}

func TestClient_Terminate_outOfTime(t *testing.T) {
	t.Parallel()

	const soon = 3 * time.Second // Well before settleTime is over.
	for name, tc := range map[string]struct {
		session   *fakessm.Session
		faults    []fakessm.Fault
		options   []fakessm.Option
		unseen    bool // Without verification.
		timeout   time.Duration
		operation *sessionmanager.Operation
		want      terminationReport
	}{
		"while an accepted termination does not show": {
			session: knownSession("Connected", fakessm.BehaviourUnkillable), timeout: soon, operation: sessionmanager.TerminateSession,
			want: terminationReport{Kind: stillLive, Status: "Connected", Requested: true, Calls: "active terminate history active ..."},
		},
		"while a refused termination settles": {
			session: knownSession("Disconnected", fakessm.BehaviourUnreachable), timeout: soon, operation: sessionmanager.TerminateSession,
			want: terminationReport{Kind: stillLive, Status: "Disconnected", Calls: "active terminate:ValidationException history active ..."},
		},
		"while a lost termination settles": {
			session: knownSession("Connected", fakessm.BehaviourUnkillable), timeout: soon, operation: sessionmanager.TerminateSession,
			faults: faultAlways("TerminateSession", fakessm.FaultGarbage, 0),
			want:   terminationReport{Kind: stillLive, Status: "Connected", Requested: true, Calls: "active terminate:garbage history active ..."},
		},
		"while a lookup hangs after the session was seen live": {
			session: knownSession("Connected", fakessm.BehaviourUnkillable), timeout: soon, operation: sessionmanager.TerminateSession,
			faults: faultAlways("DescribeSessions", fakessm.FaultHang, 3),
			want:   terminationReport{Kind: stillLive, Status: "Connected", Requested: true, Calls: "active terminate history active history:hang"},
		},
		"while the first lookup after the request hangs": {
			session: knownSession("Connected"), timeout: soon, operation: sessionmanager.DescribeSessions,
			faults: faultAlways("DescribeSessions", fakessm.FaultHang, 1),
			want:   terminationReport{Kind: outOfTime, Status: "Connected", Requested: true, Calls: "active terminate history:hang"},
		},
		"while the lookup before the request hangs": {
			session: knownSession("Connected"), timeout: soon, operation: sessionmanager.DescribeSessions,
			faults: faultAlways("DescribeSessions", fakessm.FaultHang, 0),
			want:   terminationReport{Kind: outOfTime, Calls: "active:hang"},
		},
		"while a termination without verification hangs": {
			session: knownSession("Connected"), timeout: soon, unseen: true, operation: sessionmanager.TerminateSession,
			faults: faultAlways("TerminateSession", fakessm.FaultHang, 0),
			want:   terminationReport{Kind: outOfTime, Requested: true, Calls: "terminate:hang"},
		},
		"while a termination without verification is throttled": {
			session: knownSession("Connected"), timeout: timeout, unseen: true, operation: sessionmanager.TerminateSession,
			faults: faultAlways("TerminateSession", fakessm.FaultThrottle, 0),
			want:   terminationReport{Kind: throttled, Calls: "terminate:throttle ..."},
		},
		"cancelled before it begins": {
			session: knownSession("Connected"), operation: sessionmanager.DescribeSessions,
			want: terminationReport{Kind: outOfTime},
		},
		"cancelled before it begins, without verification": {
			session: knownSession("Connected"), unseen: true, operation: sessionmanager.TerminateSession,
			want: terminationReport{Kind: outOfTime},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(append(tc.options, fakessm.WithSessions(*tc.session))...)
				fake.Inject(tc.faults...)
				ep := newEndpoint(t, fake)
				ep.retries(1000)
				start := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tc.timeout == 0 {
					cancel()
				}
				time.AfterFunc(tc.timeout, cancel)

				result, err := ep.client().Terminate(ctx, sessionmanager.TerminateInput{
					SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}, Verify: !tc.unseen, NotFoundOK: true,
				})

				if took := time.Since(start); took != tc.timeout {
					t.Errorf("took %s, cancelled after %s", took, tc.timeout)
				}
				got := terminationReport{
					Outcome: result.Outcome, Status: result.Session.Status, Requested: result.Requested,
					Kind: kindOf(err), Calls: ep.calls(t),
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkError(t, err, tc.operation)
			})
		})
	}
}

// TestClient_Terminate_connectionRefused checks a refused connection. Such a request certainly
// had no effect.
func TestClient_Terminate_connectionRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithSessions(*knownSession("Connected")))
		var ep *endpoint
		ep = newEndpoint(t, fake, afterRequest("DescribeSessions", func() { ep.local.Refuse() }))
		ep.transport(func(tr *http.Transport) { tr.DisableKeepAlives = true })

		result, err := ep.client().Terminate(t.Context(), sessionmanager.TerminateInput{
			SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}, Verify: true, NotFoundOK: true,
		})

		want := terminationReport{Kind: unavailable, Status: "Connected", Calls: "active"}
		got := terminationReport{
			Outcome: result.Outcome, Status: result.Session.Status, Requested: result.Requested,
			Kind: kindOf(err), Calls: ep.calls(t),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		checkError(t, err, sessionmanager.TerminateSession)
	})
}

// TestClient_Terminate_shows checks which fields of an ended session the result has.
func TestClient_Terminate_shows(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		behaviour fakessm.Behaviour
		status    string
		ended     bool // The end date is known.
	}{
		"a session that ended":    {"", "Terminated", true},
		"a session that is stuck": {fakessm.BehaviourStuck, "Terminating", false},
		"a session that vanishes": {fakessm.BehaviourVanishes, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now().Add(-time.Hour).UTC()
				fake := fakessm.New(fakessm.WithSessions(fakessm.Session{
					SessionID: sessionID, Region: region, Target: "i-02573cafcfEXAMPLE", Status: "Connected",
					Owner: "arn:aws:iam::123456789012:user/mary", DocumentName: "SSM-SessionManagerRunShell", Reason: "INC-7",
					MaxSessionDuration: "60", AccessType: "Standard", StartDate: start, Behaviour: tc.behaviour,
				}))
				ep := newEndpoint(t, fake)
				time.Sleep(90 * time.Second)

				result, err := ep.client().Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}, Verify: true})
				if err != nil {
					t.Fatal(err)
				}

				want := sessionmanager.Session{
					SessionID: sessionID, Target: "i-02573cafcfEXAMPLE", Status: tc.status,
					Owner: "arn:aws:iam::123456789012:user/mary", DocumentName: "SSM-SessionManagerRunShell", Reason: "INC-7",
					MaxSessionDuration: "60", AccessType: "Standard", StartDate: start,
				}
				if tc.ended {
					want.EndDate = start.Add(time.Hour + 90*time.Second)
				}
				if diff := cmp.Diff(want, result.Session, cmpopts.IgnoreUnexported(want)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestClient_Terminate_tooLongAnID checks that the endpoint, not the client, rejects the ID.
func TestClient_Terminate_tooLongAnID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New())
		id := strings.Repeat("x", 97)

		for _, verify := range []bool{true, false} {
			result, err := ep.client().Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: id}, Verify: verify, NotFoundOK: true})

			if kind := kindOf(err); kind != rejected || result.Outcome != "" || result.Requested {
				t.Errorf("verify %t: error is %q and result is %+v", verify, kind, result)
			}
		}
	})
}

// TestClient_Terminate_oneOfMany ends sessions of one Region concurrently.
func TestClient_Terminate_oneOfMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sessions := otherSessions("Connected", 60)
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(sessions...), fakessm.WithDefaultQuotas()))
		ep.retries(25)
		client := ep.client()

		var wg sync.WaitGroup
		for _, session := range sessions[:30] {
			wg.Go(func() {
				result, err := client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: session.SessionID}, Verify: true})
				if err != nil || result.Outcome != "terminated" || result.Session.SessionID != session.SessionID {
					t.Errorf("session %s: outcome %q of %q, error %v", session.SessionID, result.Outcome, result.Session.SessionID, err)
				}
			})
		}
		wg.Wait()

		for i, session := range sessions {
			want := "Connected"
			if i < 30 {
				want = "Terminated"
			}
			if left, _ := ep.fake.Session(session.SessionID); left.Status != want {
				t.Errorf("session %s is %s, want %s", session.SessionID, left.Status, want)
			}
		}
	})
}
