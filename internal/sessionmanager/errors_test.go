// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

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
