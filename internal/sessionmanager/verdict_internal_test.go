// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEnd_judge combines every answer with every look. Terminations and drains both use this
// function.
func TestEnd_judge(t *testing.T) {
	t.Parallel()

	ref := SessionRef{Region: "eu-central-1", SessionID: "mary-1"}
	answer := func(kind error, lost bool) endAnswer {
		e := endAnswer{ref: ref, lost: lost}
		if kind != nil {
			e.err = newError(TerminateSession, ref, kind, errors.New("the cause"))
		}

		return e
	}
	const (
		gone     = "gone"
		live     = "live"
		noClient = "disconnected"
		cut      = "cancelled"
		late     = "out of time"
		unseen   = "unseen"
	)
	doubt := newError(DescribeSessions, ref, ErrAccessDenied, nil)
	for name, tc := range map[string]struct {
		answer endAnswer
		want   map[string]string // Outcome, doubt and error, by sight.
	}{
		"accepted": {answer(nil, false), map[string]string{
			gone: "terminated", unseen: "unverified, doubt: access denied",
			live: "failed: session is still live", noClient: "failed: session is still live",
			cut: "failed: session is still live", late: "failed: session is still live",
		}},
		"lost": {answer(ErrUnavailable, true), map[string]string{
			gone: "terminated", unseen: "unverified, doubt: access denied: service unavailable",
			live: "failed: service unavailable", noClient: "failed: service unavailable",
			cut: "failed: session is still live", late: "failed: session is still live",
		}},
		"refused as ended": {answer(ErrEnded, false), map[string]string{
			gone: "already_ended", unseen: "unverified, doubt: access denied",
			live: "failed: session cannot be terminated, and is listed as live", noClient: "unverified, doubt: session is not in a valid state",
			cut: "failed: session is still live", late: "failed: session is still live",
		}},
		"refused as ended, after a lost answer": {answer(ErrEnded, true), map[string]string{
			gone: "terminated", unseen: "unverified, doubt: access denied",
			live: "failed: session cannot be terminated, and is listed as live", noClient: "unverified, doubt: session is not in a valid state",
			cut: "failed: session is still live", late: "failed: session is still live",
		}},
		"not known": {answer(ErrNotFound, false), map[string]string{
			gone: "already_ended", unseen: "failed: session not found",
			live: "failed: session cannot be terminated, and is listed as live", noClient: "failed: session cannot be terminated, and is listed as live",
			cut: "failed: session is still live", late: "failed: session is still live",
		}},
		"denied": {answer(ErrAccessDenied, false), map[string]string{
			gone: "already_ended", unseen: "failed: access denied", live: "failed: access denied", noClient: "failed: access denied",
		}},
		"rejected": {answer(ErrRejected, false), map[string]string{
			gone: "already_ended", unseen: "failed: request rejected", live: "failed: request rejected", noClient: "failed: request rejected",
		}},
		"throttled": {answer(ErrThrottled, false), map[string]string{
			gone: "already_ended", unseen: "failed: request quota exhausted", live: "failed: request quota exhausted", noClient: "failed: request quota exhausted",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for sees, want := range tc.want {
				var v verdict
				connected, disconnected := Session{Status: "Connected"}, Session{Status: "Disconnected"}
				switch sees {
				case gone:
					v = tc.answer.judge(confirmedGone, Session{}, nil, nil)
				case live:
					v = tc.answer.judge(seenLive, connected, nil, nil)
				case noClient:
					v = tc.answer.judge(seenLive, disconnected, nil, nil)
				case cut:
					v = tc.answer.judge(seenLive, disconnected, nil, context.Canceled)
					if !errors.Is(v.err, context.Canceled) {
						t.Errorf("%s: the error does not mention the cancellation: %v", sees, v.err)
					}
				case late:
					v = tc.answer.judge(seenLive, disconnected, nil, context.DeadlineExceeded)
				case unseen:
					v = tc.answer.judge(notSeen, Session{}, doubt, nil)
				}

				got := string(v.outcome)
				if v.doubt != nil {
					got += ", doubt: " + kindText(v.doubt)
				}
				if v.err != nil {
					got += ": " + kindText(v.err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", sees, diff)
				}
			}
		})
	}
	if got := kindText(errors.New("something else")); got != "" {
		t.Errorf("the kind of a foreign error is %q", got)
	}
}

// TestSharedListings_noteEnd checks that entries older than every listing are dropped.
func TestSharedListings_noteEnd(t *testing.T) {
	t.Parallel()

	var s sharedListings
	long := time.Now().Add(-2 * listingAge)
	for i := range 1023 {
		s.noteEnd(SessionRef{Region: "eu-central-1", SessionID: fmt.Sprint("old-", i)}, long)
	}
	s.noteEnd(SessionRef{Region: "eu-central-1", SessionID: "new"}, time.Now())
	if got := len(s.region("eu-central-1").ends); got != 1 {
		t.Errorf("%d ends are known, want 1", got)
	}

	// A running listing began before these entries.
	s.region("eu-central-1").flight = &listingFlight{began: long.Add(-time.Second)}
	for i := range 1023 {
		s.noteEnd(SessionRef{Region: "eu-central-1", SessionID: fmt.Sprint("old-", i)}, long)
	}
	if got := len(s.region("eu-central-1").ends); got != 1024 {
		t.Errorf("%d ends are known, want 1024", got)
	}
}
