// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// listReport is the outcome of List, as tests compare it.
type listReport struct {
	IDs   []string
	Kind  string // Kind of the error.
	Calls string
}

// listCalls lists the requests that reached the fake, and checks that all of them are
// DescribeSessions. Each entry has the list, "+" for a further page, the filters and, after
// a colon, the fault or error.
func listCalls(t *testing.T, fake *fakessm.Server) string {
	t.Helper()

	synctest.Wait()
	var calls []string
	for _, r := range fake.Requests() {
		want := fakessm.Request{Service: "ssm", Operation: "DescribeSessions", Region: region, MaxResults: 200}
		got := fakessm.Request{Service: r.Service, Operation: r.Operation, Region: r.Region, MaxResults: r.MaxResults}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("request (-want +got):\n%s", diff)
		}
		name := strings.ToLower(r.State)
		if r.NextToken {
			name += "+"
		}
		for _, key := range slices.Sorted(maps.Keys(r.Filters)) {
			name += fmt.Sprintf("[%s=%s]", key, r.Filters[key])
		}
		switch {
		case r.Fault != "":
			name += ":" + string(r.Fault)
		case r.ErrorCode != "":
			name += ":" + r.ErrorCode
		}
		calls = append(calls, name)
	}

	return strings.Join(collapseRepetitions(calls), " ")
}

// checkListError checks an error of a listing.
func checkListError(t *testing.T, err error) {
	t.Helper()
	checkErrorOf(t, err, sessionmanager.DescribeSessions, "", "looking up sessions: ")
}

// idsOf returns the IDs of sessions in order.
func idsOf(sessions []sessionmanager.Session) []string {
	var ids []string
	for _, s := range sessions {
		ids = append(ids, s.SessionID)
	}

	return ids
}

// answerPages answers the requests of DescribeSessions with one body after the other,
// and then always with the last. The answers have no Date.
func answerPages(bodies ...string) func(http.Handler) http.Handler {
	var mu sync.Mutex

	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			mu.Lock()
			body := bodies[0]
			if len(bodies) > 1 {
				bodies = bodies[1:]
			}
			mu.Unlock()
			w.Header()["Date"] = nil
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			if strings.Contains(body, "__type") {
				w.WriteHeader(http.StatusBadRequest)
			}
			_, _ = io.WriteString(w, body)
		})
	}
}

// sessionStartedAgo returns a session in the tests' Region with a given age.
func sessionStartedAgo(id string, ago time.Duration) fakessm.Session {
	s := sessionInRegion(id, "Connected")
	s.StartDate = time.Now().Add(-ago)

	return s
}

func TestClient_List(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		sessions func() []fakessm.Session
		options  []fakessm.Option
		faults   []fakessm.Fault
		wrap     []func(http.Handler) http.Handler
		state    sessionmanager.State // The active list if empty.
		selector sessionmanager.Selector
		want     listReport
	}{
		"no sessions": {
			want: listReport{Calls: "active"},
		},
		"all pages are read, and sorted by start date and ID": {
			sessions: func() []fakessm.Session {
				return []fakessm.Session{
					sessionStartedAgo("d", time.Hour), sessionStartedAgo("b", 2*time.Hour), sessionStartedAgo("a", 2*time.Hour),
					sessionStartedAgo("c", 3*time.Hour), sessionStartedAgo("e", time.Minute),
				}
			},
			want: listReport{IDs: []string{"c", "a", "b", "d", "e"}, Calls: "active active+ active+"},
		},
		"an empty page with a token is not the end": {
			sessions: func() []fakessm.Session {
				return []fakessm.Session{sessionStartedAgo("a", 3), sessionStartedAgo("b", 2), sessionStartedAgo("c", 1)}
			},
			options: []fakessm.Option{fakessm.WithEmptyPages()},
			want:    listReport{IDs: []string{"a", "b", "c"}, Calls: "active active+ ..."},
		},
		"a page without a match is not the end": {
			sessions: func() []fakessm.Session {
				sessions := otherSessions("Connected", 5)
				mine := sessionStartedAgo("a", time.Hour)
				mine.DocumentName = "Mine"

				return append(sessions, mine)
			},
			selector: sessionmanager.Selector{DocumentNames: []string{"Mine"}},
			want:     listReport{IDs: []string{"a"}, Calls: "active active+ active+"},
		},
		"the history": {
			sessions: func() []fakessm.Session {
				return []fakessm.Session{sessionInRegion("a", "Connected"), sessionInRegion("b", "Terminated"), sessionInRegion("c", "Failed"), sessionInRegion("d", "Terminating"), sessionInRegion("e", "Disconnected")}
			},
			state: sessionmanager.StateHistory,
			want:  listReport{IDs: []string{"b", "c", "d"}, Calls: "history history+"},
		},
		"the active list": {
			sessions: func() []fakessm.Session {
				return []fakessm.Session{sessionInRegion("a", "Connected"), sessionInRegion("b", "Terminated"), sessionInRegion("c", "Connecting"), sessionInRegion("d", "Terminating"), sessionInRegion("e", "Disconnected")}
			},
			want: listReport{IDs: []string{"a", "c", "e"}, Calls: "active active+"},
		},
		"sessions of another Region are not listed": {
			sessions: func() []fakessm.Session {
				s := sessionInRegion("a", "Connected")
				s.Region = "us-west-2"

				return []fakessm.Session{s, sessionInRegion("b", "Connected")}
			},
			want: listReport{IDs: []string{"b"}, Calls: "active"},
		},
		"a session that moved to a later page is listed once": {
			wrap: []func(http.Handler) http.Handler{answerPages(
				`{"Sessions":[{"SessionId":"b","StartDate":20,"Status":"Connected"},{"SessionId":"a","StartDate":10}],"NextToken":"2"}`,
				`{"Sessions":[{"SessionId":"a","StartDate":10},{"SessionId":"c","StartDate":5}],"NextToken":""}`,
			)},
			want: listReport{IDs: []string{"c", "a", "b"}, Calls: "active active+:InvalidNextToken"},
		},
		"sessions without a start date come first": {
			wrap: []func(http.Handler) http.Handler{answerPages(
				`{"Sessions":[{"SessionId":"c","StartDate":0},{"SessionId":"b"},{"SessionId":"a"}]}`)},
			want: listReport{IDs: []string{"a", "b", "c"}, Calls: "active"},
		},
		"a throttled page is requested again": {
			sessions: func() []fakessm.Session { return otherSessions("Connected", 3) },
			faults:   []fakessm.Fault{{Kind: fakessm.FaultThrottle, Skip: 1, Times: 2}},
			want:     listReport{IDs: []string{"other-Connected-0", "other-Connected-1", "other-Connected-2"}, Calls: "active active+:throttle active+:throttle active+"},
		},
		"a page token that repeats itself": {
			sessions: func() []fakessm.Session { return otherSessions("Connected", 5) },
			faults:   []fakessm.Fault{{Kind: fakessm.FaultRepeatToken, Times: -1}},
			want:     listReport{Kind: incomplete, Calls: "active:repeat-token active+:repeat-token"},
		},
		"a later page token that repeats itself": {
			sessions: func() []fakessm.Session { return otherSessions("Connected", 5) },
			faults:   []fakessm.Fault{{Kind: fakessm.FaultRepeatToken, Skip: 2, Times: -1}},
			want:     listReport{Kind: incomplete, Calls: "active active+ active+:repeat-token"},
		},
		"page tokens that form a loop": {
			wrap: []func(http.Handler) http.Handler{answerPages(`{"Sessions":[],"NextToken":"1"}`, `{"Sessions":[],"NextToken":"2"}`, `{"Sessions":[],"NextToken":"3"}`, `{"Sessions":[],"NextToken":"1"}`)},
			want: listReport{Kind: incomplete, Calls: "active active+:InvalidNextToken ..."},
		},
		"denied": {
			sessions: func() []fakessm.Session { return otherSessions("Connected", 5) },
			faults:   []fakessm.Fault{{Kind: fakessm.FaultDenied}},
			want:     listReport{Kind: accessDenied, Calls: "active:denied"},
		},
		"a failure of a later page fails the listing": {
			sessions: func() []fakessm.Session { return otherSessions("Connected", 5) },
			faults:   []fakessm.Fault{{Kind: fakessm.FaultInternal, Skip: 2, Times: -1}},
			want:     listReport{Kind: unavailable, Calls: "active active+ active+:internal ..."},
		},
		"a rejected page token restarts the listing": {
			sessions: func() []fakessm.Session { return otherSessions("Connected", 5) },
			faults:   []fakessm.Fault{{Kind: fakessm.FaultError, Code: "InvalidNextToken", Skip: 1}},
			want: listReport{
				IDs:   []string{"other-Connected-0", "other-Connected-1", "other-Connected-2", "other-Connected-3", "other-Connected-4"},
				Calls: "active active+:error active active+ active+",
			},
		},
		"the listing fails if every token is rejected": {
			sessions: func() []fakessm.Session { return otherSessions("Connected", 5) },
			wrap:     []func(http.Handler) http.Handler{answerRequestsWith("NextToken", 400, `{"__type":"InvalidNextToken"}`)},
			want:     listReport{Kind: rejected, Calls: "active active+ ..."},
		},
		"a restarted listing keeps the sessions seen before": {
			sessions: func() []fakessm.Session { return otherSessions("Connected", 3) },
			wrap: []func(http.Handler) http.Handler{answerPages(
				`{"Sessions":[{"SessionId":"a","Status":"Connected"},{"SessionId":"b","Status":"Connected"}],"NextToken":"1"}`,
				`{"__type":"InvalidNextToken"}`,
				`{"Sessions":[{"SessionId":"b","Status":"Connected"}]}`,
			)},
			want: listReport{IDs: []string{"a", "b"}, Calls: "active active+:InvalidNextToken active"},
		},
		"the same session twice, the second time excluded": {
			wrap: []func(http.Handler) http.Handler{answerPages(
				`{"Sessions":[{"SessionId":"a","Status":"Connected","Owner":"x"},{"SessionId":"a","Status":"Connected","Owner":"y"}]}`,
			)},
			selector: sessionmanager.Selector{ExcludeOwners: []string{"y"}},
			want:     listReport{Calls: "active"},
		},
		"the same session twice, the first time excluded": {
			wrap: []func(http.Handler) http.Handler{answerPages(
				`{"Sessions":[{"SessionId":"a","Status":"Connected","Owner":"y"},{"SessionId":"a","Status":"Connected","Owner":"x"}]}`,
			)},
			selector: sessionmanager.Selector{ExcludeOwners: []string{"y"}},
			want:     listReport{Calls: "active"},
		},
		"a rejected token in the first request is not retried": {
			faults: []fakessm.Fault{{Kind: fakessm.FaultError, Code: "InvalidNextToken"}},
			want:   listReport{Kind: rejected, Calls: "active:error"},
		},
		"an empty answer": {
			faults: []fakessm.Fault{{Kind: fakessm.FaultEmpty}},
			want:   listReport{Kind: incomplete, Calls: "active:empty"},
		},
		"an empty answer without a Content-Length": {
			sessions: func() []fakessm.Session { return otherSessions("Connected", 1) },
			wrap: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					next.ServeHTTP(httptest.NewRecorder(), r)
					w.Header().Set("Content-Type", "application/x-amz-json-1.1")
					_ = http.NewResponseController(w).Flush()
				})
			}},
			want: listReport{Kind: incomplete, Calls: "active"},
		},
		"garbage": {
			faults: []fakessm.Fault{{Kind: fakessm.FaultGarbage}},
			want:   listReport{Kind: unavailable, Calls: "active:garbage"},
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
				ep := newEndpoint(t, fake, tc.wrap...)
				state := sessionmanager.StateActive
				if tc.state != "" {
					state = tc.state
				}

				result, err := ep.client().List(t.Context(), region, state, tc.selector, time.Time{})

				if diff := cmp.Diff(tc.want, listReport{idsOf(result.Sessions), kindOf(err), listCalls(t, fake)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkListError(t, err)
			})
		})
	}
}

// A listing whose page tokens are always rejected restarts three times.
func TestClient_List_restarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithSessions(otherSessions("Connected", 5)...))
		ep := newEndpoint(t, fake, answerRequestsWith("NextToken", 400, `{"__type":"InvalidNextToken"}`))

		_, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{}, time.Time{})

		checkListError(t, err)
		// Each of the four listings has a first page, and asks once for the second.
		if calls, want := fake.Count("DescribeSessions"), 8; err == nil || calls != want {
			t.Errorf("error %v after %d calls, want one after %d calls", err, calls, want)
		}
	})
}

// TestClient_List_emptyPages checks that a listing that consists of empty pages ends, and that
// a listing whose time runs out says that pages were read.
func TestClient_List_emptyPages(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		limit time.Duration
		kind  string
		want  string
	}{
		"in time": {time.Hour, incomplete, "the endpoint sent 500 pages without a session, one after the other, and offers more"},
		"late":    {100 * time.Millisecond, outOfTime, " pages: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				ep := newEndpoint(t, fakessm.New(), func(http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						fmt.Fprintf(w, `{"Sessions":[],"NextToken":"%d"}`, asked.Add(1))
					})
				})
				ctx, cancel := context.WithTimeout(t.Context(), tc.limit)
				defer cancel()

				_, err := ep.client().List(ctx, region, sessionmanager.StateActive, sessionmanager.Selector{Targets: []string{"i-x"}}, time.Time{})

				if kindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("after %d pages the error is %v, want %s", asked.Load(), err, tc.want)
				}
			})
		})
	}
}

// TestClient_List_clocks checks that an answer whose date is far from the local time does not
// decide about the age of sessions.
func TestClient_List_clocks(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		ahead   time.Duration
		refused bool
	}{
		"ten years ahead":  {10 * 365 * 24 * time.Hour, true},
		"ten years behind": {-10 * 365 * 24 * time.Hour, true},
		"a time zone off":  {14 * time.Hour, false},
		"the same":         {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(sessionStartedAgo("a", time.Minute)))
				ep := newEndpoint(t, fake, func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						answer := httptest.NewRecorder()
						next.ServeHTTP(answer, r)
						maps.Copy(w.Header(), answer.Header())
						w.Header().Set("Date", time.Now().Add(tc.ahead).UTC().Format(http.TimeFormat))
						w.WriteHeader(answer.Code)
						_, _ = w.Write(answer.Body.Bytes())
					})
				})
				// A client signs with the time of the last answer, so each call has its own.
				_, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{OlderThan: olderThan(30 * 24 * time.Hour)}, time.Time{})
				if errors.Is(err, sessionmanager.ErrClocks) != tc.refused || !tc.refused && err != nil {
					t.Errorf("the error of an age is %v", err)
				}
				result, err := ep.client().Drain(t.Context(), sessionmanager.DrainInput{Region: region, Selector: sessionmanager.Selector{OlderThan: olderThan(30 * 24 * time.Hour)}, MaxSessions: 1})
				if errors.Is(err, sessionmanager.ErrClocks) != tc.refused || len(result.Outcomes) != 0 {
					t.Errorf("the error of a drain is %v, its outcomes are %v", err, result.Outcomes)
				}
				if _, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{}, time.Time{}); err != nil {
					t.Errorf("the error without an age is %v", err)
				}
			})
		})
	}
}

// TestClient_List_filters checks which part of a selector is sent as a filter, and that the
// result does not depend on the service's handling of filters.
func TestClient_List_filters(t *testing.T) {
	t.Parallel()

	// The time in a synctest bubble.
	bubble := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	west := time.FixedZone("west", -5*3600)
	inventory := func() []fakessm.Session {
		session := func(id, target, owner, document, access string, ago time.Duration) fakessm.Session {
			s := sessionStartedAgo(id, ago)
			s.Target, s.Owner, s.DocumentName, s.AccessType = target, owner, document, access

			return s
		}

		return []fakessm.Session{
			session("a", "i-1", ownerMary, "Shell", "Standard", 50*time.Hour),
			session("b", "i-1", ownerJohn, "Port", "JustInTime", 30*time.Hour),
			session("c", "i-2", ownerMary, "Shell", "JustInTime", 20*time.Hour),
			session("d", "i-2", ownerRoot, "", "", 10*time.Hour),
			session("e", "i-3", "", "Port", "Standard", time.Hour),
			session("f", "", ownerJohn, "Shell", "Standard", time.Minute),
		}
	}

	for name, tc := range map[string]struct {
		selector sessionmanager.Selector
		filter   string
		want     []string
	}{
		"no condition":                             {sessionmanager.Selector{}, "", []string{"a", "b", "c", "d", "e", "f"}},
		"a target":                                 {sessionmanager.Selector{Targets: []string{"i-1"}}, "[Target=i-1]", []string{"a", "b"}},
		"several targets":                          {sessionmanager.Selector{Targets: []string{"i-1", "i-3"}}, "", []string{"a", "b", "e"}},
		"a target without sessions":                {sessionmanager.Selector{Targets: []string{"i-9"}}, "[Target=i-9]", nil},
		"an owner":                                 {sessionmanager.Selector{Owners: []string{ownerMary}}, "[Owner=" + ownerMary + "]", []string{"a", "c"}},
		"several owners":                           {sessionmanager.Selector{Owners: []string{ownerMary, ownerRoot}}, "", []string{"a", "c", "d"}},
		"a pattern of owners":                      {sessionmanager.Selector{Owners: []string{"*/john"}}, "", []string{"b", "f"}},
		"an owner and a pattern":                   {sessionmanager.Selector{Owners: []string{ownerRoot, "*/john"}}, "", []string{"b", "d", "f"}},
		"any owner":                                {sessionmanager.Selector{Owners: []string{"*"}}, "", []string{"a", "b", "c", "d", "f"}},
		"a target and an owner":                    {sessionmanager.Selector{Targets: []string{"i-1"}, Owners: []string{ownerMary}}, "[Target=i-1]", []string{"a"}},
		"a target and a pattern":                   {sessionmanager.Selector{Targets: []string{"i-2"}, Owners: []string{"*:root"}}, "[Target=i-2]", []string{"d"}},
		"several targets and an owner":             {sessionmanager.Selector{Targets: []string{"i-1", "i-2"}, Owners: []string{ownerMary}}, "[Owner=" + ownerMary + "]", []string{"a", "c"}},
		"several targets and owners":               {sessionmanager.Selector{Targets: []string{"i-1", "i-2"}, Owners: []string{ownerMary, ownerRoot}}, "", []string{"a", "c", "d"}},
		"a document":                               {sessionmanager.Selector{DocumentNames: []string{"Shell"}}, "", []string{"a", "c", "f"}},
		"a target and a document":                  {sessionmanager.Selector{Targets: []string{"i-1"}, DocumentNames: []string{"Shell"}}, "[Target=i-1]", []string{"a"}},
		"several access types":                     {sessionmanager.Selector{AccessTypes: []string{"Standard", "JustInTime"}}, "", []string{"a", "b", "c", "e", "f"}},
		"an access type":                           {sessionmanager.Selector{AccessTypes: []string{"Standard"}}, "", []string{"a", "e", "f"}},
		"an age":                                   {sessionmanager.Selector{OlderThan: olderThan(20 * time.Hour)}, "", []string{"a", "b", "c"}},
		"an age slightly above the oldest session": {sessionmanager.Selector{OlderThan: olderThan(50*time.Hour + time.Second)}, "", nil},
		"an age and a target":                      {sessionmanager.Selector{OlderThan: olderThan(40 * time.Hour), Targets: []string{"i-1"}}, "[Target=i-1]", []string{"a"}},
		"an excluded owner":                        {sessionmanager.Selector{ExcludeOwners: []string{ownerMary}}, "", []string{"b", "d", "f"}},
		"excluded sessions":                        {sessionmanager.Selector{ExcludeSessionIDs: []string{"a", "f"}}, "", []string{"b", "c", "d", "e"}},
		"started after":                            {sessionmanager.Selector{StartedAfter: bubble.Add(-20 * time.Hour)}, "[InvokedAfter=1999-12-30T04:00:00Z]", []string{"c", "d", "e", "f"}},
		"started before":                           {sessionmanager.Selector{StartedBefore: bubble.Add(-20 * time.Hour)}, "[InvokedBefore=2000-01-01T04:00:00Z]", []string{"a", "b"}},
		"started between":                          {sessionmanager.Selector{StartedAfter: bubble.Add(-40 * time.Hour), StartedBefore: bubble.Add(-15 * time.Hour)}, "[InvokedAfter=1999-12-29T08:00:00Z]", []string{"b", "c"}},
		"started after, in another zone":           {sessionmanager.Selector{StartedAfter: bubble.Add(-20 * time.Hour).In(west)}, "[InvokedAfter=1999-12-30T04:00:00Z]", []string{"c", "d", "e", "f"}},
		"started after, with a fraction":           {sessionmanager.Selector{StartedAfter: bubble.Add(-time.Hour - 1)}, "[InvokedAfter=1999-12-30T22:59:59Z]", []string{"e", "f"}},
		"started in a year without sessions":       {sessionmanager.Selector{StartedBefore: time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)}, "[InvokedBefore=1970-01-02T00:00:00Z]", nil},
		"a target and a date":                      {sessionmanager.Selector{Targets: []string{"i-2"}, StartedAfter: bubble.Add(-15 * time.Hour)}, "[Target=i-2]", []string{"d"}},
		"an owner and a date":                      {sessionmanager.Selector{Owners: []string{ownerMary}, StartedBefore: bubble.Add(-24 * time.Hour)}, "[Owner=" + ownerMary + "]", []string{"a"}},
		"a pattern and a date":                     {sessionmanager.Selector{Owners: []string{"*mary"}, StartedBefore: bubble.Add(-24 * time.Hour)}, "[InvokedBefore=2000-01-01T00:00:00Z]", []string{"a"}},
	} {
		for mode, options := range map[string][]fakessm.Option{
			"joined by AND":   nil,
			"ignored":         {fakessm.WithFiltersIgnored()},
			"and empty pages": {fakessm.WithEmptyPages()},
		} {
			t.Run(name+", filters "+mode, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					fake := fakessm.New(options...)
					fake.AddSessions(inventory()...)
					ep := newEndpoint(t, fake)

					result, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, tc.selector, time.Time{})
					if err != nil {
						t.Fatal(err)
					}

					if diff := cmp.Diff(tc.want, idsOf(result.Sessions)); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
					var asked []string
					for call := range strings.FieldsSeq(listCalls(t, fake)) {
						if call != "..." {
							asked = append(asked, strings.Replace(call, "+", "", 1))
						}
					}
					want := []string{"active" + tc.filter}
					if tc.filter != "" && tc.want == nil {
						// An empty result of a filter is not reliable.
						want = append(want, "active")
					}
					if diff := cmp.Diff(want, slices.Compact(asked)); diff != "" {
						t.Errorf("asks for (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// TestClient_List_historyFilter checks that the newest pages of the history show whether a filter
// hides sessions, and that a long history is read only if it does.
func TestClient_List_historyFilter(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		sessions int
		matching []int // The numbers of sessions on the target, from the newest.
		hides    bool
		calls    int
		want     []string
	}{
		"a filter that works":                 {sessions: 9, matching: []int{0, 8}, calls: 1, want: []string{"s-8", "s-0"}},
		"a filter that hides, a short list":   {sessions: 4, matching: []int{0, 3}, hides: true, calls: 1 + 2, want: []string{"s-3", "s-0"}},
		"a filter that hides, a long list":    {sessions: 20, matching: []int{0, 19}, hides: true, calls: 1 + 3 + 10, want: []string{"s-19", "s-0"}},
		"no session on the target, long list": {sessions: 20, calls: 1 + 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithPageSize(2))
				for i := range tc.sessions {
					s := sessionStartedAgo(fmt.Sprint("s-", i), time.Duration(i+1)*time.Hour)
					s.Status, s.Target, s.EndDate = "Terminated", "i-other", time.Now()
					if slices.Contains(tc.matching, i) {
						s.Target = "i-x"
					}
					fake.AddSessions(s)
				}
				calls := 0
				ep := newEndpoint(t, fake, func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						calls++
						body, _ := io.ReadAll(r.Body)
						r.Body = io.NopCloser(bytes.NewReader(body))
						if tc.hides && bytes.Contains(body, []byte(`"Filters"`)) {
							answerRequests("DescribeSessions", 1, 200, `{"Sessions":[]}`)(next).ServeHTTP(w, r)

							return
						}
						next.ServeHTTP(w, r)
					})
				})

				result, err := ep.client().List(t.Context(), region, sessionmanager.StateHistory, sessionmanager.Selector{Targets: []string{"i-x"}}, time.Time{})
				if err != nil {
					t.Fatal(err)
				}

				if diff := cmp.Diff(tc.want, idsOf(result.Sessions)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if calls != tc.calls {
					t.Errorf("listed %d times, want %d", calls, tc.calls)
				}
			})
		})
	}
}

// TestClient_List_property compares whole listings with the reference, with every handling
// of filters.
func TestClient_List_property(t *testing.T) {
	t.Parallel()

	n := uint64(60)
	if testing.Short() {
		n = 10
	}
	for seed := range n {
		synctest.Test(t, func(t *testing.T) {
			c := randomChooser(seed)
			var (
				now      = time.Now().Truncate(time.Second)
				sessions = make([]fakessm.Session, c(40))
				want     = make(map[string]bool)
				selector = sessionmanager.Selector{
					Targets:           c.set(c.oneOf("i-1", "i-2", "i-3")),
					Owners:            c.set(c.oneOf("a", "b", "a*", "*é", "*")),
					DocumentNames:     c.set(c.oneOf("Shell", "Port")),
					AccessTypes:       c.set(c.oneOf("Standard", "JustInTime")),
					ExcludeOwners:     c.set(c.oneOf("a", "*b*")),
					ExcludeSessionIDs: c.set(c.oneOf("s-1", "s-2", "s-3")),
				}
			)
			switch c(4) {
			case 0:
				selector.StartedAfter = now.Add(-time.Duration(c(100)) * time.Hour)
			case 1:
				selector.StartedBefore = now.Add(-time.Duration(c(100)) * time.Hour)
			case 2:
				selector.OlderThan = olderThan(time.Duration(c(100)) * time.Hour)
			}
			for i := range sessions {
				s := fakessm.Session{
					SessionID: fmt.Sprintf("s-%d", i), Region: region, StartDate: now.Add(-time.Duration(c(100)) * time.Hour),
					Target: c.oneOf("", "i-1", "i-2", "i-3")(), Owner: c.text("abé"),
					DocumentName: c.oneOf("", "Shell", "Port")(), AccessType: c.oneOf("", "Standard", "JustInTime")(),
				}
				sessions[i] = s
				if referenceMatches(selector, sessionmanager.Session{
					SessionID: s.SessionID, StartDate: s.StartDate, Target: s.Target, Owner: s.Owner, DocumentName: s.DocumentName, AccessType: s.AccessType,
				}, now) {
					want[s.SessionID] = true
				}
			}

			for _, options := range [][]fakessm.Option{
				{fakessm.WithPageSize(1 + c(10))},
				{fakessm.WithPageSize(1 + c(10)), fakessm.WithFiltersIgnored(), fakessm.WithEmptyPages()},
			} {
				ep := newEndpoint(t, fakessm.New(append(options, fakessm.WithSessions(sessions...))...))
				result, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, selector, time.Time{})
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				got := make(map[string]bool)
				for i, s := range result.Sessions {
					got[s.SessionID] = true
					if i > 0 && s.StartDate.Before(result.Sessions[i-1].StartDate) {
						t.Errorf("seed %d: not sorted by start date", seed)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" || len(got) != len(result.Sessions) {
					t.Errorf("seed %d: %+v (-want +got):\n%s", seed, selector, diff)
				}
			}
		})
	}
}

// TestClient_List_unfit checks conditions that the service rejects as filters.
func TestClient_List_unfit(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		selector sessionmanager.Selector
		want     []string
	}{
		"an owner of more than 256 characters":        {sessionmanager.Selector{Owners: []string{ownerMary + strings.Repeat("y", 400)}}, nil},
		"started before the last second of year 9999": {sessionmanager.Selector{StartedBefore: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, []string{"a"}},
		"started after the first second of year 1":    {sessionmanager.Selector{StartedAfter: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)}, []string{"a"}},
		"started after the last second of year 9999":  {sessionmanager.Selector{StartedAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, nil},
		"started before the first second of year 1":   {sessionmanager.Selector{StartedBefore: time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(sessionStartedAgo("a", time.Hour))))

				result, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, tc.selector, time.Time{})
				if err != nil {
					t.Fatal(err)
				}

				if diff := cmp.Diff(tc.want, idsOf(result.Sessions)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestClient_List_emptySet(t *testing.T) {
	t.Parallel()

	for name, selector := range map[string]sessionmanager.Selector{
		"targets":              {Targets: []string{}},
		"owners":               {Owners: []string{}},
		"documents":            {DocumentNames: []string{}},
		"access types":         {AccessTypes: []string{}},
		"one of several given": {Targets: []string{"mi-0123456789abcdef0"}, Owners: []string{}, OlderThan: olderThan(0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(sessionInRegion("a", "Connected"))))

				result, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, selector, time.Time{})

				if diff := cmp.Diff(listReport{}, listReport{idsOf(result.Sessions), kindOf(err), listCalls(t, ep.fake)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestClient_List_clock checks that the service's clock determines the age of a session.
func TestClient_List_clock(t *testing.T) {
	t.Parallel()

	for name, ahead := range map[string]time.Duration{
		"the service's clock is ahead":  9*time.Hour + 250*time.Millisecond,
		"the service's clock is behind": -9 * time.Hour,
		"the clocks agree":              0,
		"the clocks differ a little":    -2 * time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				theirs := func() time.Time { return time.Now().Add(ahead) }
				fake := fakessm.New(fakessm.WithClock(theirs))
				for id, age := range map[string]time.Duration{"old": 8*time.Hour + time.Second, "young": 8*time.Hour - time.Minute, "new": 0} {
					s := sessionInRegion(id, "Connected")
					s.StartDate = theirs().Add(-age)
					fake.AddSessions(s)
				}
				client := newEndpoint(t, fake).client()
				selector := sessionmanager.Selector{OlderThan: olderThan(8 * time.Hour)}

				result, err := client.List(t.Context(), region, sessionmanager.StateActive, selector, time.Time{})

				want := listReport{IDs: []string{"old"}, Calls: "active active+"}
				if ahead.Abs() > 5*time.Minute {
					want.Calls = "active:InvalidSignatureException active active+"
				}
				if diff := cmp.Diff(want, listReport{idsOf(result.Sessions), kindOf(err), listCalls(t, fake)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if off := theirs().Sub(result.Now); off < 0 || off > 2*time.Second {
					t.Errorf("the listing's clock is %s, the service's %s", result.Now, theirs())
				}

				again, err := client.List(t.Context(), region, sessionmanager.StateActive, selector, result.Now.Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]string{"old", "young"}, idsOf(again.Sessions)); diff != "" {
					t.Errorf("with the caller's time (-want +got):\n%s", diff)
				}
				if !again.Now.Equal(result.Now.Add(time.Hour)) {
					t.Errorf("the listing's clock is %s, want the caller's time", again.Now)
				}
			})
		})
	}
}

// TestClient_List_clockAtTheBeginning lets an hour pass between two pages.
func TestClient_List_clockAtTheBeginning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithPageSize(1), fakessm.WithSessions(sessionStartedAgo("a", 90*time.Minute), sessionStartedAgo("b", 30*time.Minute), sessionStartedAgo("c", time.Minute)))
		ep := newEndpoint(t, fake, afterRequest("DescribeSessions", func() { time.Sleep(10 * time.Second) }))
		start := time.Now()

		result, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{OlderThan: olderThan(90*time.Minute + 5*time.Second)}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}

		if len(result.Sessions) != 0 {
			t.Errorf("lists %v, which reached the age during the listing", idsOf(result.Sessions))
		}
		if !result.Now.Equal(start.UTC().Truncate(time.Second)) {
			t.Errorf("the listing's clock is %s, it began at %s", result.Now, start)
		}
	})
}

func TestClient_List_withoutDate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(), answerPages(fmt.Sprintf(
			`{"Sessions":[{"SessionId":"a","StartDate":%d},{"SessionId":"b","StartDate":%d},{"SessionId":"c"}]}`,
			time.Now().Add(-time.Hour).Unix(), time.Now().Add(-time.Minute).Unix())))

		result, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{OlderThan: olderThan(time.Hour)}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff([]string{"a"}, idsOf(result.Sessions)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if off := time.Since(result.Now); off < 0 || off > time.Second {
			t.Errorf("the listing's clock is %s, ours %s", result.Now, time.Now())
		}
	})
}

func TestClient_List_outOfTime(t *testing.T) {
	t.Parallel()

	endless := func(next http.Handler) http.Handler {
		n := 0

		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n++
			answerPages(fmt.Sprintf(`{"Sessions":[],"NextToken":"%d"}`, n))(next).ServeHTTP(w, r)
		})
	}
	for name, tc := range map[string]struct {
		wrap  func(http.Handler) http.Handler
		fault fakessm.FaultKind
		want  string
	}{
		"endless pages":                {wrap: endless, want: outOfTime},
		"no answer":                    {fault: fakessm.FaultHang, want: outOfTime},
		"throttled until the deadline": {fault: fakessm.FaultThrottle, want: throttled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const patience = 50 * time.Second
				fake := fakessm.New(fakessm.WithLatency(time.Second))
				ep := newEndpoint(t, fake)
				if tc.wrap != nil {
					ep = newEndpoint(t, fake, tc.wrap)
				}
				if tc.fault != "" {
					fake.Inject(fakessm.Fault{Kind: tc.fault, Times: -1})
				}
				ep.retries(1000)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				start := time.Now()

				result, err := ep.client().List(ctx, region, sessionmanager.StateActive, sessionmanager.Selector{}, time.Time{})

				if took := time.Since(start); took > patience {
					t.Errorf("took %s, with a timeout of %s", took, patience)
				}
				if got := kindOf(err); got != tc.want || !errors.Is(err, context.DeadlineExceeded) || len(result.Sessions) > 0 {
					t.Errorf("error is %v, want %q; sessions %v", err, tc.want, result.Sessions)
				}
				checkListError(t, err)
			})
		})
	}
}

func TestClient_List_shows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sessionStartedAgo("a", 90*time.Minute)
		s.Owner, s.DocumentName, s.AccessType, s.Reason = ownerMary, "Shell", "Standard", "audit"
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(s)))

		result, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}

		want := sessionmanager.Session{
			SessionID: "a", Target: s.Target, Status: "Connected", Owner: ownerMary, DocumentName: "Shell",
			AccessType: "Standard", Reason: "audit", StartDate: s.StartDate.UTC(),
		}
		if len(result.Sessions) != 1 || result.Sessions[0] != want {
			t.Errorf("lists %+v, want %+v", result.Sessions, want)
		}
	})
}

// cannedHTTPClient is an HTTP client that answers every request with the same body.
type cannedHTTPClient []byte

func (c cannedHTTPClient) Do(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode:    http.StatusOK,
		Header:        http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body:          io.NopCloser(bytes.NewReader(c)),
		ContentLength: int64(len(c)),
	}, nil
}

// cannedPage is one full page of sessions, mary-0 to mary-199.
var cannedPage = sync.OnceValue(func() cannedHTTPClient {
	var rows []string
	for i := range 200 {
		rows = append(rows, fmt.Sprintf(
			`{"SessionId":"mary-%d","Target":"i-%d","Status":"Connected","StartDate":1700000000.123,"Owner":%q,"DocumentName":"Shell","Details":"","OutputUrl":{"S3OutputUrl":"","CloudWatchOutputUrl":""},"MaxSessionDuration":"60","AccessType":"Standard"}`,
			i, i%10, ownerMary))
	}

	return cannedHTTPClient(`{"Sessions":[` + strings.Join(rows, ",") + `]}`)
})

// cannedClient returns a client of an endpoint that always answers with that page.
func cannedClient() *sessionmanager.Client {
	return sessionmanager.New(aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(endpointURL),
		Credentials:  credentials.NewStaticCredentialsProvider(fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, ""),
		HTTPClient:   cannedPage(),
	}, sessionmanager.Options{})
}

// BenchmarkClient_List decodes one full page. One session in ten matches.
func BenchmarkClient_List(b *testing.B) {
	client := cannedClient()
	selector := sessionmanager.Selector{Targets: []string{"i-3"}, Owners: []string{"*/mary"}, OlderThan: olderThan(time.Hour)}

	b.ReportAllocs()
	for b.Loop() {
		result, err := client.List(b.Context(), region, sessionmanager.StateActive, selector, time.Time{})
		if err != nil || len(result.Sessions) != 20 {
			b.Fatalf("%d sessions, %v", len(result.Sessions), err)
		}
	}
}

// TestClient_List_noID checks that an entry without an ID makes a listing incomplete, whether
// it matches or not.
func TestClient_List_noID(t *testing.T) {
	t.Parallel()

	for name, entry := range map[string]string{
		"a matching session": `{"Target":"i-x"}`,
		"another session":    `{"Target":"i-y"}`,
		"an empty entry":     `{}`,
		"null":               `null`,
	} {
		for _, state := range []sessionmanager.State{sessionmanager.StateActive, sessionmanager.StateHistory} {
			t.Run(name+", "+string(state), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					ep := newEndpoint(t, fakessm.New(), answerRequests("DescribeSessions", -1, 200, `{"Sessions":[{"SessionId":"a","Target":"i-x"},`+entry+`]}`))

					listing, err := ep.client().List(t.Context(), region, state, sessionmanager.Selector{Targets: []string{"i-x"}}, time.Time{})

					if kindOf(err) != incomplete || len(listing.Sessions) != 0 {
						t.Errorf("got %d sessions and the error %v, want an incomplete answer", len(listing.Sessions), err)
					}
				})
			})
		}
	}
}

// TestClient_List_again checks that a session that occurs twice is listed once.
func TestClient_List_again(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(), answerRequests("DescribeSessions", 1, 200,
			`{"Sessions":[{"SessionId":"a","Target":"i-x"},{"SessionId":"a","Target":"i-x"}]}`))

		listing, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{Targets: []string{"i-x"}}, time.Time{})
		if err != nil {
			t.Fatal(err)
		}

		var ids []string
		for _, session := range listing.Sessions {
			ids = append(ids, session.SessionID)
		}
		if diff := cmp.Diff([]string{"a"}, ids); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
