// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"time"
)

// lookResult is what a look at a session showed after it was asked to end.
type lookResult int

const (
	notSeen lookResult = iota // The lookup failed or proves nothing.
	seenLive
	confirmedGone // Listed as ended, or missing from a listing that proves its end.
)

// verdict is the result for a session that was asked to end.
type verdict struct {
	outcome Outcome
	doubt   error // Why the outcome is unverified.
	err     error // Why the session may not have ended. Nil without a failure.
}

// judge combines the answer of TerminateSession and the last look at the session. It is
// the only place that does so, for single terminations and for drains.
//
// The session is as last seen. The doubt says why it was not seen. The interruption is
// the context's error if the wait was cut short.
func (e endAnswer) judge(seen lookResult, session Session, doubt, interruption error) verdict {
	switch {
	case seen == confirmedGone && (e.accepted() || e.lost):
		return verdict{outcome: OutcomeTerminated}
	case seen == confirmedGone:
		// SSM's answer does not matter: it also denies or rejects ended sessions.
		return verdict{outcome: OutcomeAlreadyEnded}
	case seen == notSeen && (e.accepted() || errors.Is(e.err, ErrEnded)):
		return verdict{outcome: OutcomeUnverified, doubt: doubt}
	case seen == notSeen && e.lost:
		// The request may have succeeded. The lost answer is still an error.
		return verdict{outcome: OutcomeUnverified, doubt: doubt, err: e.err}
	case seen == notSeen:
		return verdict{outcome: OutcomeFailed, err: e.err}
	case interruption != nil:
		return verdict{outcome: OutcomeFailed, err: e.interrupted(interruption)}
	case errors.Is(e.err, ErrEnded) && session.disconnected():
		// The service answers this way when the session's node is gone. No client is
		// connected, and the session will leave the list by itself.
		return verdict{outcome: OutcomeUnverified, doubt: e.err}
	default:
		return verdict{outcome: OutcomeFailed, err: e.stillLive()}
	}
}

// accepted reports whether the service accepted the request.
func (e endAnswer) accepted() bool {
	return e.err == nil
}

// listingMayLag reports whether a session that is listed as live may have ended.
func (e endAnswer) listingMayLag() bool {
	return e.accepted() || e.lost || errors.Is(e.err, ErrEnded) || errors.Is(e.err, ErrNotFound)
}

// worthLooking reports whether a lookup can add to the answer. It cannot after answers
// such as throttling, which say nothing about the session.
func (e endAnswer) worthLooking() bool {
	return e.listingMayLag() || errors.Is(e.err, ErrAccessDenied) || errors.Is(e.err, ErrRejected)
}

// worthWaiting reports whether a session that is listed as live may still leave the list
// because of this answer.
func (e endAnswer) worthWaiting(waited time.Duration) bool {
	return e.accepted() || e.listingMayLag() && waited < settleTime
}

// interrupted returns the error of a session that was live when the wait for its end was
// cut short.
func (e endAnswer) interrupted(interruption error) error {
	if errors.Is(interruption, context.Canceled) {
		return e.failed(ErrStillLive, interruption)
	}

	return e.failed(ErrStillLive, e.err)
}

// stillLive returns the error of a session that is live after it was asked to end.
func (e endAnswer) stillLive() error {
	switch {
	case e.accepted():
		return e.failed(ErrStillLive, nil)
	case errors.Is(e.err, ErrEnded), errors.Is(e.err, ErrNotFound):
		// The listing contradicts the answer.
		return e.failed(ErrContradictory, e.err)
	default:
		return e.err
	}
}

// failed returns the termination's error with a kind. The kind replaces the kind of the
// cause.
func (e endAnswer) failed(kind, cause error) error {
	var inner *Error
	if errors.As(cause, &inner) {
		cause = inner.Err
	}

	failure := newError(TerminateSession, e.ref, kind, cause)
	failure.RequestID = e.requestID

	return failure
}
