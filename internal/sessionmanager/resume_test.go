// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

func TestClient_Resume(t *testing.T) {
	t.Parallel()

	for _, status := range []string{"Connected", "Connecting", "Disconnected"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(*knownSession(status))))
				client := ep.client()

				var tokens, urls []string
				for range 2 {
					connection, err := client.Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})
					if err != nil {
						t.Fatal(err)
					}
					tokens = append(tokens, connection.TokenValue)
					urls = append(urls, connection.StreamURL)
				}

				// Failed comparisons must not print the secrets.
				if !slices.Equal(tokens, ep.fake.Tokens(sessionID)) || tokens[0] == tokens[1] || tokens[0] == "" {
					t.Error("the tokens are not the issued ones, or not new")
				}
				if !slices.Equal(urls, ep.fake.StreamURLs(sessionID)) || urls[0] == urls[1] || !strings.Contains(urls[0], "+") {
					t.Error("the stream URLs are not exactly the issued ones, or not new")
				}
				if diff := cmp.Diff("resume resume", ep.calls(t)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestClient_Resume_byteForByte checks that characters with a meaning in URLs are not decoded.
func TestClient_Resume_byteForByte(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			token = `AAEAAfe+/w== %2B é`
			url   = `wss://ssmmessages.eu-central-1.amazonaws.com/v1/data-channel/Mary+Major=x,y.z@example?role=publish_subscribe&cell-number=AAEAAfe+%2B//+==&b=1;a#+ <>`
		)
		body := fmt.Sprintf(`{"SessionId":%q,"TokenValue":%q,"StreamUrl":%q}`, sessionID, token, url)
		ep := newEndpoint(t, fakessm.New(), answerRequests("ResumeSession", 1, 200, body))

		got, err := ep.client().Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(sessionmanager.Connection{TokenValue: token, StreamURL: url}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// resumeReport is the outcome of a failed Resume, as tests compare it.
type resumeReport struct {
	Kind  string
	Calls string
}

func TestClient_Resume_failures(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		session *fakessm.Session
		faults  []fakessm.Fault
		wrap    func(http.Handler) http.Handler
		want    resumeReport
	}{
		"an answer without a token": {
			session: knownSession("Connected", fakessm.BehaviourTimedOut),
			want:    resumeReport{timedOut, "resume"},
		},
		"an answer with an empty token": {
			session: knownSession("Disconnected", fakessm.BehaviourEmptyToken),
			want:    resumeReport{timedOut, "resume"},
		},
		"an answer with a URL but no token": {
			session: knownSession("Connected"),
			wrap:    answerRequests("ResumeSession", 1, 200, `{"SessionId":"`+sessionID+`","StreamUrl":"wss://secret"}`),
			want:    resumeReport{timedOut, "resume"},
		},
		"an answer with a null token": {
			session: knownSession("Connected"),
			wrap:    answerRequests("ResumeSession", 1, 200, `{"SessionId":"`+sessionID+`","TokenValue":null,"StreamUrl":"wss://secret"}`),
			want:    resumeReport{timedOut, "resume"},
		},
		"an answer with a token but no URL": {
			session: knownSession("Connected"),
			faults:  faultsOf("ResumeSession", fakessm.FaultNoURL),
			want:    resumeReport{incomplete, "resume:no-url"},
		},
		"an answer with a token but an empty URL": {
			session: knownSession("Connected"),
			wrap:    answerRequests("ResumeSession", 1, 200, `{"SessionId":"`+sessionID+`","TokenValue":"secret","StreamUrl":""}`),
			want:    resumeReport{incomplete, "resume"},
		},
		"an answer about another session": {
			session: knownSession("Connected"),
			faults:  faultsOf("ResumeSession", fakessm.FaultWrongSession),
			want:    resumeReport{incomplete, "resume:wrong-session"},
		},
		"an answer about a session that differs in case": {
			session: knownSession("Connected"),
			wrap:    answerRequests("ResumeSession", 1, 200, `{"SessionId":"`+strings.ToLower(sessionID)+`","TokenValue":"secret","StreamUrl":"wss://secret"}`),
			want:    resumeReport{incomplete, "resume"},
		},
		"an answer about no session": {
			session: knownSession("Connected"),
			wrap:    answerRequests("ResumeSession", 1, 200, `{"TokenValue":"secret","StreamUrl":"wss://secret"}`),
			want:    resumeReport{incomplete, "resume"},
		},
		"an empty answer": {
			session: knownSession("Connected"),
			faults:  faultsOf("ResumeSession", fakessm.FaultEmpty),
			want:    resumeReport{incomplete, "resume:empty"},
		},
		"garbage": {
			session: knownSession("Connected"),
			faults:  faultsOf("ResumeSession", fakessm.FaultGarbage),
			want:    resumeReport{unavailable, "resume:garbage"},
		},
		"an answer that is not JSON but contains a token": {
			session: knownSession("Connected"),
			wrap:    answerRequests("ResumeSession", -1, 200, `TokenValue=secret&StreamUrl=wss://secret`),
			want:    resumeReport{unavailable, "resume"},
		},
		"an answer that is only a token": {
			session: knownSession("Connected"),
			wrap:    answerRequests("ResumeSession", -1, 200, `"secret"`),
			want:    resumeReport{unavailable, "resume"},
		},
		"an answer with a token of the wrong type": {
			session: knownSession("Connected"),
			wrap:    answerRequests("ResumeSession", -1, 200, `{"SessionId":"`+sessionID+`","TokenValue":["secret"],"StreamUrl":"wss://secret"}`),
			want:    resumeReport{unavailable, "resume"},
		},
		"an error that is not JSON but contains a token": {
			session: knownSession("Connected"),
			wrap:    answerRequests("ResumeSession", -1, 503, `TokenValue=secret&StreamUrl=wss://secret`),
			want:    resumeReport{unavailable, "resume ..."},
		},
		"half an answer, each time": {
			session: knownSession("Connected"),
			faults:  []fakessm.Fault{{Operation: "ResumeSession", Kind: fakessm.FaultTruncated, Times: -1}},
			want:    resumeReport{unavailable, "resume:truncated ..."},
		},
		"connection reset after the work, each time": {
			session: knownSession("Connected"),
			faults:  faultAlways("ResumeSession", fakessm.FaultResetAfter, 0),
			want:    resumeReport{unavailable, "resume:reset-after ..."},
		},
		"no answer": {
			session: knownSession("Connected"),
			faults:  faultAlways("ResumeSession", fakessm.FaultHang, 0),
			want:    resumeReport{unavailable, "resume:hang ..."},
		},
		"a session that has ended": {
			session: knownSession("Terminated"),
			want:    resumeReport{hasEnded, "resume:ValidationException"},
		},
		"a session that is ending": {
			session: knownSession("Terminating"),
			want:    resumeReport{hasEnded, "resume:ValidationException"},
		},
		"an unknown session": {
			want: resumeReport{notFound, "resume:DoesNotExistException"},
		},
		"another validation error": {
			session: knownSession("Connected"),
			faults:  []fakessm.Fault{{Kind: fakessm.FaultError, Code: "ValidationException", Message: "1 validation error detected"}},
			want:    resumeReport{rejected, "resume:error"},
		},
		"denied": {
			session: knownSession("Connected"),
			faults:  faultsOf("ResumeSession", fakessm.FaultDenied),
			want:    resumeReport{accessDenied, "resume:denied"},
		},
		"credentials expired": {
			session: knownSession("Connected"),
			faults:  faultsOf("ResumeSession", fakessm.FaultExpired),
			want:    resumeReport{credentialsWrong, "resume:expired"},
		},
		"throttled until the retries are exhausted": {
			session: knownSession("Connected"),
			faults:  faultAlways("ResumeSession", fakessm.FaultThrottle, 0),
			want:    resumeReport{throttled, "resume:throttle ..."},
		},
		"an internal error, each time": {
			session: knownSession("Connected"),
			faults:  faultAlways("ResumeSession", fakessm.FaultInternal, 0),
			want:    resumeReport{unavailable, "resume:internal ..."},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New()
				if tc.session != nil {
					fake.AddSessions(*tc.session)
				}
				fake.Inject(tc.faults...)
				ep := newEndpoint(t, fake)
				if tc.wrap != nil {
					ep = newEndpoint(t, fake, tc.wrap)
				}

				connection, err := ep.client().Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

				if diff := cmp.Diff(tc.want, resumeReport{Kind: kindOf(err), Calls: ep.calls(t)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkError(t, err, sessionmanager.ResumeSession)
				if connection != (sessionmanager.Connection{}) {
					t.Error("a connection and an error")
				}
				checkSecrets(t, fake, fmt.Sprintf("%v %+v %#v", err, err, err))
			})
		})
	}
}

// checkSecrets checks that a text contains no secret of a session or of the account, not even
// a part of one.
func checkSecrets(t *testing.T, fake *fakessm.Server, text string) {
	t.Helper()

	secrets := []string{"secret", "wss://", "ssmmessages", fakessm.DefaultSecretAccessKey, "It works!", "AWS4-HMAC"}
	for _, token := range fake.Tokens(sessionID) {
		secrets = append(secrets, token[:40])
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("a secret that begins with %q is in a text of %d characters", secret[:5], len(text))
		}
	}
}

func TestClient_Resume_retried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithSessions(*knownSession("Disconnected")))
		fake.Inject(faultsOf("ResumeSession", fakessm.FaultThrottle, fakessm.FaultResetAfter)...)
		ep := newEndpoint(t, fake)

		connection, err := ep.client().Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff("resume:throttle resume:reset-after resume", ep.calls(t)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		// The token of the lost answer is lost.
		tokens := fake.Tokens(sessionID)
		if len(tokens) != 2 || connection.TokenValue != tokens[1] {
			t.Errorf("the token is not the last one of %d", len(tokens))
		}
	})
}

func TestClient_Resume_outOfTime(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		fault fakessm.Fault
		want  resumeReport
	}{
		"no answer in time":            {fakessm.Fault{Kind: fakessm.FaultHang}, resumeReport{outOfTime, "resume:hang"}},
		"half an answer":               {fakessm.Fault{Kind: fakessm.FaultSlow, Delay: 2 * time.Second}, resumeReport{outOfTime, "resume:slow"}},
		"throttled until the deadline": {fakessm.Fault{Kind: fakessm.FaultThrottle, Times: -1}, resumeReport{throttled, "resume:throttle resume:throttle"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(*knownSession("Connected")))
				fake.Inject(tc.fault)
				ep := newEndpoint(t, fake)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()

				_, err := ep.client().Resume(ctx, sessionmanager.SessionRef{Region: region, SessionID: sessionID})

				if diff := cmp.Diff(tc.want, resumeReport{kindOf(err), ep.calls(t)}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				checkError(t, err, sessionmanager.ResumeSession)
				checkSecrets(t, fake, err.Error())
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error does not mention the deadline: %v", err)
				}
			})
		})
	}
}

// TestClient_Resume_concurrent checks that no answer reaches the wrong caller.
func TestClient_Resume_concurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const calls = 200
		sessions := otherSessions("Connected", 50)
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(sessions...)))
		client := ep.client()

		var wg sync.WaitGroup
		for i := range calls {
			id := sessions[i%len(sessions)].SessionID
			wg.Go(func() {
				connection, err := client.Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: id})
				if err != nil {
					t.Error(err)

					return
				}
				at := slices.Index(ep.fake.Tokens(id), connection.TokenValue)
				if at < 0 || ep.fake.StreamURLs(id)[at] != connection.StreamURL {
					t.Errorf("session %s: the answer belongs to another call", id)
				}
			})
		}
		wg.Wait()

		if got := ep.fake.Count("ResumeSession"); got != calls {
			t.Errorf("%d calls, want %d", got, calls)
		}
	})
}
