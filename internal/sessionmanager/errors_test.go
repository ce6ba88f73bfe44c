// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

func TestError(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		err  sessionmanager.Error
		want string
	}{
		"a lookup": {
			err:  sessionmanager.Error{Operation: sessionmanager.DescribeSessions, SessionRef: sessionmanager.SessionRef{Region: region, SessionID: "s"}, Kind: sessionmanager.ErrNotFound},
			want: "looking up session s: session not found",
		},
		"a termination": {
			err:  sessionmanager.Error{Operation: sessionmanager.TerminateSession, SessionRef: sessionmanager.SessionRef{Region: region, SessionID: "s"}, Kind: sessionmanager.ErrStillLive},
			want: "terminating session s: session is still live",
		},
		"a resumption": {
			err:  sessionmanager.Error{Operation: sessionmanager.ResumeSession, SessionRef: sessionmanager.SessionRef{Region: region, SessionID: "s"}, Kind: sessionmanager.ErrTimedOut},
			want: "resuming session s: session has timed out",
		},
		"a lookup of all sessions": {
			err:  sessionmanager.Error{Operation: sessionmanager.DescribeSessions, SessionRef: sessionmanager.SessionRef{Region: region}, Kind: sessionmanager.ErrThrottled},
			want: "looking up sessions: request quota exhausted",
		},
		"a connection status": {
			err:  sessionmanager.Error{Operation: sessionmanager.GetConnectionStatus, SessionRef: sessionmanager.SessionRef{Region: region}, Kind: sessionmanager.ErrAccessDenied},
			want: "asking for the connection status: access denied",
		},
		"the cause is more specific than the kind": {
			err: sessionmanager.Error{
				Operation: sessionmanager.ResumeSession, SessionRef: sessionmanager.SessionRef{Region: region, SessionID: "s"},
				Kind: sessionmanager.ErrDeadline, Err: context.DeadlineExceeded,
			},
			want: "resuming session s: context deadline exceeded",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := fmt.Errorf("wrapped: %w", &tc.err)

			if diff := cmp.Diff("wrapped: "+tc.want, err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, kind := range errorKinds {
				if got, want := errors.Is(err, kind), errors.Is(tc.err.Kind, kind); got != want {
					t.Errorf("is %q: %t, want %t", kind, got, want)
				}
			}
			if tc.err.Err != nil && !errors.Is(err, tc.err.Err) {
				t.Error("errors.Is does not find the cause")
			}
			var failed *sessionmanager.Error
			if !errors.As(err, &failed) || failed != &tc.err {
				t.Error("errors.As does not find the error")
			}
		})
	}
}

func TestError_kindsAreDistinct(t *testing.T) {
	t.Parallel()

	texts := map[string]bool{}
	for _, kind := range errorKinds {
		texts[kind.Error()] = true
		if got := kindOf(kind); got != kind.Error() {
			t.Errorf("%q is also %q", kind, got)
		}
	}
	if len(texts) != len(errorKinds) {
		t.Errorf("%d texts for %d kinds", len(texts), len(errorKinds))
	}
}

// TestError_requestID checks that every error of a call has the request ID of the service's
// last answer.
func TestError_requestID(t *testing.T) {
	t.Parallel()

	calls := map[string]func(*testing.T, *sessionmanager.Client) error{
		"DescribeSessions": func(t *testing.T, c *sessionmanager.Client) error {
			_, err := c.List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{}, time.Time{})

			return err
		},
		"GetConnectionStatus": func(t *testing.T, c *sessionmanager.Client) error {
			_, err := c.ConnectionStatus(t.Context(), region, node)

			return err
		},
		"ResumeSession": func(t *testing.T, c *sessionmanager.Client) error {
			_, err := c.Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

			return err
		},
		"TerminateSession": func(t *testing.T, c *sessionmanager.Client) error {
			_, err := c.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}})

			return err
		},
	}
	for _, operation := range slices.Sorted(maps.Keys(calls)) {
		for kind, answered := range map[fakessm.FaultKind]bool{
			fakessm.FaultDenied: true, fakessm.FaultInternal: true, fakessm.FaultProxy: true, fakessm.FaultTooMany: true, fakessm.FaultThrottle503: true,
			fakessm.FaultBare: true, fakessm.FaultGarbage: true, fakessm.FaultEmpty: true,
			fakessm.FaultResetBefore: false, fakessm.FaultTruncated: false,
		} {
			t.Run(operation+", "+string(kind), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					fake := fakessm.New(fakessm.WithSessions(*knownSession("Connected")))
					fake.Inject(fakessm.Fault{Kind: kind, Times: -1})
					ep := newEndpoint(t, fake)
					ep.retries(2)

					err := calls[operation](t, ep.client())

					var failure *sessionmanager.Error
					if !errors.As(err, &failure) {
						t.Fatalf("the error is %v", err)
					}
					want := ""
					if requests := fake.Requests(); answered {
						want = requests[len(requests)-1].RequestID
					}
					if failure.RequestID != want {
						t.Errorf("the request ID is %q, want %q", failure.RequestID, want)
					}
				})
			})
		}
	}
}

// TestError_requestID_undecodable checks that an error does not get the request ID of an
// earlier attempt if the SDK's decoder panics on the last answer.
func TestError_requestID_undecodable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New()
		fake.Inject(fakessm.Fault{Kind: fakessm.FaultThrottle})
		ep := newEndpoint(t, fake, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if fake.Count("DescribeSessions") == 0 {
					next.ServeHTTP(w, r)

					return
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				_, _ = w.Write([]byte(`{"Sessions":[{"SessionId":"a","StartDate":"NaN"}]}`))
			})
		})

		_, err := ep.client().List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{}, time.Time{})

		var failure *sessionmanager.Error
		if !errors.As(err, &failure) || failure.RequestID != "" || !strings.Contains(err.Error(), "could not be decoded") {
			t.Errorf("the error is %v, with the request ID %q", err, failure.RequestID)
		}
	})
}
