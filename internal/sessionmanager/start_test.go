// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const startTarget = "i-0123456789abcdef0"

// The kinds of error that only a start has.
const (
	notConnected  = "target is not connected"
	badDocument   = "document is invalid"
	badParameters = "parameters are invalid"
)

// startInput returns an input for a session on startTarget.
func startInput() sessionmanager.StartInput {
	return sessionmanager.StartInput{Region: region, Target: startTarget, Reason: "on call"}
}

// bystandersOf returns sessions on the target that a start must not touch, although they
// resemble its own session.
func bystandersOf(target string) []fakessm.Session {
	mark := "terraform-provider-ssm:" + strings.Repeat("0", 32)

	return []fakessm.Session{
		{SessionID: "bystander-plain", Region: region, Target: target},
		{SessionID: "bystander-same-reason", Region: region, Target: target, Reason: "on call"},
		{SessionID: "bystander-other-mark", Region: region, Target: target, Reason: "on call " + mark},
		{SessionID: "bystander-prefix", Region: region, Target: target, Reason: "terraform-provider-ssm:"},
	}
}

// checkStart checks that the bystanders are unchanged, and returns the live sessions that
// were started.
func checkStart(t *testing.T, fake *fakessm.Server) []fakessm.Session {
	t.Helper()

	var live []fakessm.Session
	for _, s := range fake.Sessions() {
		ended := s.Status != "Connected" && s.Status != "Disconnected"
		switch {
		case strings.HasPrefix(s.SessionID, "bystander-") && ended:
			t.Errorf("session %s of another user is %s", s.SessionID, s.Status)
		case strings.HasPrefix(s.SessionID, "bystander-"), ended:
		default:
			live = append(live, s)
		}
	}

	return live
}

// callCounts counts the requests that reached the endpoint, by operation.
func callCounts(fake *fakessm.Server) map[string]int {
	counts := map[string]int{}
	for _, r := range fake.Requests() {
		counts[r.Operation]++
	}

	return counts
}

func TestStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(bystandersOf(startTarget)...)))
		registry := sessionmanager.NewRegistry()
		client := ep.client(sessionmanager.Options{Own: registry})

		seen := map[string]bool{}
		for _, reason := range []string{"on call", "", strings.Repeat("ü", sessionmanager.MaxStartReason)} {
			in := startInput()
			in.Reason, in.DocumentName = reason, "AWS-StartPortForwardingSession"
			in.Parameters = map[string][]string{"portNumber": {"5432"}}
			opened, err := client.Start(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}

			session, _ := ep.fake.Session(opened.SessionID)
			if session.Region != region || session.Target != startTarget || session.DocumentName != in.DocumentName {
				t.Errorf("unexpected session %+v", session)
			}
			text, mark := session.Reason, session.Reason
			if at := strings.LastIndex(text, " "); at >= 0 {
				text, mark = text[:at], text[at+1:]
			} else {
				text = ""
			}
			if text != reason || !regexp.MustCompile(`^terraform-provider-ssm:[0-9a-f]{32}$`).MatchString(mark) || seen[mark] {
				t.Errorf("the reason is %q", session.Reason)
			}
			if n := len([]rune(session.Reason)); n > 256 {
				t.Errorf("the reason has %d characters", n)
			}
			seen[mark] = true
			if diff := cmp.Diff(ep.fake.Tokens(opened.SessionID), []string{opened.Token}); diff != "" {
				t.Error("the token is not the one that was issued")
			}
			if diff := cmp.Diff(ep.fake.StreamURLs(opened.SessionID), []string{opened.StreamURL}); diff != "" {
				t.Error("the stream URL is not the one that was issued")
			}
		}
		if registry.Len() != 3 {
			t.Errorf("%d sessions are registered, want 3", registry.Len())
		}

		in := startInput()
		in.Reason = strings.Repeat("x", sessionmanager.MaxStartReason+1)
		if _, err := client.Start(t.Context(), in); kindOf(err) != rejected {
			t.Errorf("error of a reason that is too long: %v", err)
		}
		if diff := cmp.Diff(map[string]int{"StartSession": 3}, callCounts(ep.fake)); diff != "" {
			t.Errorf("unexpected calls (-want +got):\n%s", diff)
		}
	})
}

// TestOpened_printed prints a session with every print method.
func TestOpened_printed(t *testing.T) {
	t.Parallel()

	opened := sessionmanager.Opened{
		SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID},
		Token:      "canary-token", StreamURL: "wss://canary-url",
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("opened", "session", opened, "pointer", &opened)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", opened, opened, opened, opened), fmt.Sprint(&opened), log.String()} {
		if strings.Contains(text, "canary") {
			t.Error("printing shows a secret")
		}
		if !strings.Contains(text, sessionID) {
			t.Errorf("printing does not show the session: %s", text)
		}
	}
}

// TestStart_fails checks all failures of StartSession. When Start returns, a session that was
// started has ended, unless the service did not list it. StartSession is called once,
// unless the service certainly did nothing.
func TestStart_fails(t *testing.T) {
	t.Parallel()

	refused := func(code, message string) fakessm.Fault {
		return fakessm.Fault{Kind: fakessm.FaultError, Code: code, Message: message, Times: -1}
	}
	fault := func(kind fakessm.FaultKind) fakessm.Fault { return fakessm.Fault{Kind: kind, Times: -1} }
	const (
		nothing = ""          // No session was started.
		ended   = "ended"     // A session was started, found and ended.
		unknown = "not found" // A session may have been started, but none is listed.
	)
	for name, tc := range map[string]struct {
		fault  fakessm.Fault
		kind   string
		starts int
		lost   string
		denied sessionmanager.Denied
	}{
		"the node is not connected":     {refused("TargetNotConnected", "i-1 is not connected."), notConnected, 1, nothing, ""},
		"no such document":              {refused("InvalidDocument", "Document with name x does not exist."), badDocument, 1, nothing, ""},
		"a document of another version": {refused("InvalidDocumentVersion", ""), badDocument, 1, nothing, ""},
		"unknown parameters":            {refused("InvalidParameters", ""), badParameters, 1, nothing, ""},
		"a bad parameter":               {refused("ValidationException", `Parameter "portNumber" is not a number`), badParameters, 1, nothing, ""},
		"another validation error":      {refused("ValidationException", "1 validation error detected: Value 'x' at 'target'"), rejected, 1, nothing, ""},
		"denied on the node": {refused("AccessDeniedException",
			"User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: ssm:StartSession on resource: arn:aws:ec2:eu-central-1:1:instance/i-1 because no identity-based policy allows the ssm:StartSession action"), accessDenied, 1, nothing, sessionmanager.DeniedTarget},
		"denied on the document": {refused("AccessDeniedException",
			"User: x is not authorized to perform: ssm:StartSession on resource: arn:aws:ssm:eu-central-1::document/AWS-StartSSHSession because no identity-based policy allows the ssm:StartSession action"), accessDenied, 1, nothing, sessionmanager.DeniedDocument},
		"denied without a message":          {refused("AccessDeniedException", ""), accessDenied, 1, nothing, ""},
		"expired credentials":               {fault(fakessm.FaultExpired), credentialsWrong, 1, nothing, ""},
		"throttled":                         {fault(fakessm.FaultThrottle), throttled, maxAttempts, nothing, ""},
		"an internal error":                 {fault(fakessm.FaultInternal), unavailable, 1, unknown, ""},
		"a proxy's error page":              {fault(fakessm.FaultProxy), unavailable, 1, unknown, ""},
		"a reset before the work":           {fault(fakessm.FaultResetBefore), unavailable, 1, unknown, ""},
		"a reset after the work":            {fault(fakessm.FaultResetAfter), unavailable, 1, ended, ""},
		"half of the answer":                {fault(fakessm.FaultTruncated), unavailable, 1, ended, ""},
		"no answer":                         {fault(fakessm.FaultHang), unavailable, 1, unknown, ""},
		"an empty answer":                   {fault(fakessm.FaultEmpty), incomplete, 1, unknown, ""},
		"garbage":                           {fault(fakessm.FaultGarbage), unavailable, 1, unknown, ""},
		"an answer without a token":         {fault(fakessm.FaultNoToken), incomplete, 1, ended, ""},
		"an answer without a URL":           {fault(fakessm.FaultNoURL), incomplete, 1, ended, ""},
		"an answer that takes half an hour": {fakessm.Fault{Kind: fakessm.FaultSlow, Delay: 30 * time.Minute, Times: -1}, unavailable, 1, ended, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(bystandersOf(startTarget)...), fakessm.WithPageSize(2)))
				tc.fault.Operation = "StartSession"
				ep.fake.Inject(tc.fault)
				registry := sessionmanager.NewRegistry()

				_, err := ep.client(sessionmanager.Options{Own: registry}).Start(t.Context(), startInput())

				var failed *sessionmanager.Error
				if !errors.As(err, &failed) || kindOf(err) != tc.kind || failed.Target != startTarget || failed.Region != region || failed.Denied != tc.denied {
					t.Fatalf("unexpected error of the kind %q: %#v", kindOf(err), err)
				}
				if !strings.HasPrefix(err.Error(), "starting a session on "+startTarget+": ") {
					t.Errorf("unexpected text: %s", err)
				}
				synctest.Wait()
				if live := checkStart(t, ep.fake); len(live) > 0 {
					t.Errorf("sessions are left: %+v", live)
				}
				counts := callCounts(ep.fake)
				if counts["StartSession"] != tc.starts {
					t.Errorf("StartSession was called %d times, want %d", counts["StartSession"], tc.starts)
				}
				switch {
				case tc.lost == nothing && (failed.Lost != nil || counts["DescribeSessions"]+counts["TerminateSession"] > 0):
					t.Errorf("Start searched for a session: %+v, %v", failed.Lost, counts)
				case tc.lost == nothing:
				case failed.Lost == nil || failed.Lost.Ended != (tc.lost == ended) || failed.Lost.Err != nil || failed.Lost.Mark == "":
					t.Errorf("unexpected %+v", failed.Lost)
				case tc.lost == ended && counts["TerminateSession"] != 1, tc.lost == unknown && counts["TerminateSession"] != 0:
					t.Errorf("TerminateSession was called %d times", counts["TerminateSession"])
				}
				if want := map[bool]int{true: 1}[tc.lost == unknown]; registry.Len() != want {
					t.Errorf("%d sessions are registered, want %d", registry.Len(), want)
				}
			})
		})
	}
}

// TestStart_repeated checks that a start is retried if the service certainly did nothing.
func TestStart_repeated(t *testing.T) {
	t.Parallel()

	for name, prepare := range map[string]func(*endpoint){
		"throttled": func(ep *endpoint) {
			ep.fake.Inject(fakessm.Fault{Operation: "StartSession", Kind: fakessm.FaultThrottle, Times: 2})
		},
		"connection refused": func(ep *endpoint) {
			dials := 0
			ep.transport(func(tr *http.Transport) {
				tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					if dials++; dials <= 2 {
						return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
					}

					return ep.local.DialContext(ctx, network, address)
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New())
				prepare(ep)

				opened, err := ep.client().Start(t.Context(), startInput())
				if err != nil {
					t.Fatal(err)
				}
				if sessions := ep.fake.Sessions(); len(sessions) != 1 || sessions[0].SessionID != opened.SessionID {
					t.Errorf("unexpected sessions %+v", sessions)
				}
			})
		})
	}
}

// TestStart_lost checks lost answers together with further failures.
func TestStart_lost(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		fault fakessm.Fault
		wrap  func(http.Handler) http.Handler
		check func(*testing.T, *sessionmanager.LostStart)
		left  int
	}{
		"DescribeSessions is denied": {
			fault: fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1}, left: 1,
			check: func(t *testing.T, lost *sessionmanager.LostStart) {
				if lost.Ended || lost.SessionID != "" || kindOf(lost.Err) != accessDenied {
					t.Errorf("unexpected %+v", lost)
				}
			},
		},
		"TerminateSession is denied": {
			fault: fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1}, left: 1,
			check: func(t *testing.T, lost *sessionmanager.LostStart) {
				if lost.Ended || lost.SessionID == "" || kindOf(lost.Err) != accessDenied {
					t.Errorf("unexpected %+v", lost)
				}
			},
		},
		"DescribeSessions fails for a while": {
			fault: fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultInternal, Times: 3},
			check: func(t *testing.T, lost *sessionmanager.LostStart) {
				if !lost.Ended || lost.Err != nil {
					t.Errorf("unexpected %+v", lost)
				}
			},
		},
		"the lists stay empty": {
			wrap: func(next http.Handler) http.Handler {
				return answerRequests("DescribeSessions", -1, 200, `{"Sessions":[]}`)(next)
			},
			left: 1,
			check: func(t *testing.T, lost *sessionmanager.LostStart) {
				if lost.Ended || lost.SessionID != "" || lost.Err != nil {
					t.Errorf("unexpected %+v", lost)
				}
			},
		},
		"the session is listed late": {
			wrap: func(next http.Handler) http.Handler {
				return answerRequests("DescribeSessions", 4, 200, `{"Sessions":[]}`)(next)
			},
			check: func(t *testing.T, lost *sessionmanager.LostStart) {
				if !lost.Ended {
					t.Errorf("unexpected %+v", lost)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var wrap []func(http.Handler) http.Handler
				if tc.wrap != nil {
					wrap = append(wrap, tc.wrap)
				}
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(bystandersOf(startTarget)...)), wrap...)
				ep.fake.Inject(fakessm.Fault{Operation: "StartSession", Kind: fakessm.FaultResetAfter})
				if tc.fault.Kind != "" {
					ep.fake.Inject(tc.fault)
				}
				registry := sessionmanager.NewRegistry()

				start := time.Now()
				_, err := ep.client(sessionmanager.Options{Own: registry}).Start(t.Context(), startInput())

				var failed *sessionmanager.Error
				if !errors.As(err, &failed) || failed.Lost == nil {
					t.Fatalf("unexpected %#v", err)
				}
				tc.check(t, failed.Lost)
				if took := time.Since(start); took > sessionmanager.EndTime+time.Second {
					t.Errorf("it took %s", took)
				}
				if live := checkStart(t, ep.fake); len(live) != tc.left || registry.Len() != tc.left {
					t.Errorf("%d sessions are left and %d registered, want %d", len(live), registry.Len(), tc.left)
				}
			})
		})
	}
}

// TestStart_gone starts sessions that cannot be used, and that SSM does not know when they
// should end. Only one that is still listed as live may be reported.
func TestStart_gone(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		start fakessm.FaultKind
		ends  bool // The session ends by itself.
		fault fakessm.Fault
		kind  string
	}{
		"it has ended":                    {start: fakessm.FaultNoToken, ends: true},
		"it has ended, and no lists":      {start: fakessm.FaultNoToken, ends: true, fault: fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1}},
		"it is listed as live":            {start: fakessm.FaultNoToken, kind: stillLive},
		"found by its mark and has ended": {start: fakessm.FaultResetAfter, ends: true},
		"found by its mark, and is live":  {start: fakessm.FaultResetAfter, kind: stillLive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var ep *endpoint
				ep = newEndpoint(t, fakessm.New(), func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if operationOf(r) == "TerminateSession" && tc.ends {
							for _, session := range ep.fake.Sessions() {
								ep.fake.EndSession(session.SessionID)
							}
						}
						next.ServeHTTP(w, r)
					})
				})
				ep.fake.Inject(fakessm.Fault{Operation: "StartSession", Kind: tc.start},
					fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "DoesNotExistException", Times: -1})
				if tc.fault.Kind != "" {
					ep.fake.Inject(tc.fault)
				}
				registry := sessionmanager.NewRegistry()

				_, err := ep.client(sessionmanager.Options{Own: registry}).Start(t.Context(), startInput())

				var failed *sessionmanager.Error
				if !errors.As(err, &failed) || failed.Lost == nil {
					t.Fatalf("unexpected %#v", err)
				}
				if lost := failed.Lost; lost.Ended != tc.ends || lost.SessionID == "" || kindOf(lost.Err) != tc.kind {
					t.Errorf("unexpected %+v", lost)
				}
				if want := map[bool]int{false: 1}[tc.ends]; registry.Len() != want {
					t.Errorf("%d sessions are registered, want %d", registry.Len(), want)
				}
			})
		})
	}
}

// TestStart_cancelled cancels a running start. No session may be left.
func TestStart_cancelled(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		latency time.Duration
		after   time.Duration
		starts  int
	}{
		"before it is sent":              {0, 0, 0},
		"while the answer is on its way": {300 * time.Millisecond, 200 * time.Millisecond, 1},
		"while no answer comes in time":  {3 * time.Second, 200 * time.Millisecond, 1},
		"after the answer":               {10 * time.Millisecond, time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithLatency(tc.latency)))
				registry := sessionmanager.NewRegistry()
				ctx, cancel := context.WithTimeout(t.Context(), tc.after)
				defer cancel()

				_, err := ep.client(sessionmanager.Options{Own: registry}).Start(ctx, startInput())

				synctest.Wait()
				live := checkStart(t, ep.fake)
				if tc.after == time.Minute {
					if err != nil || len(live) != 1 || registry.Len() != 1 {
						t.Errorf("unexpected %v, %d live, %d registered", err, len(live), registry.Len())
					}

					return
				}
				if !errors.Is(err, context.DeadlineExceeded) || len(live) > 0 {
					t.Errorf("unexpected %v, %d live", err, len(live))
				}
				if got := callCounts(ep.fake)["StartSession"]; got != tc.starts {
					t.Errorf("StartSession was called %d times, want %d", got, tc.starts)
				}
			})
		})
	}
}
