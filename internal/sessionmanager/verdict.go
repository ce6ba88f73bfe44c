// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"time"
)

// sight is what a look at a session showed after its end was asked for.
type sight int

const (
	notSeen sight = iota // Nobody could look, or what was seen proves nothing.
	seenLive
	confirmedGone // Listed as ended, or absent in a way that proves it.
)

// verdict is what became of a session whose end was asked for.
type verdict struct {
	outcome Outcome
	doubt   error // Why an unverified outcome could not be verified.
	err     error // Why the session is not known to have ended. Nil without a failure.
}

// judge says what an answer of TerminateSession and the look after it mean. It is
// the only place that does, for a single termination and for a drain.
//
// The session is as it was last seen. The doubt says why it was not seen. The
// interruption is the context's error if the waiting for the end was cut short.
func (e end) judge(seen sight, session Session, doubt, interruption error) verdict {
	switch {
	case seen == confirmedGone && (e.accepted() || e.lost):
		return verdict{outcome: OutcomeTerminated}
	case seen == confirmedGone:
		// Whatever SSM answered: it may deny or reject what has ended, too.
		return verdict{outcome: OutcomeAlreadyEnded}
	case seen == notSeen && (e.accepted() || errors.Is(e.err, ErrEnded)):
		return verdict{outcome: OutcomeUnverified, doubt: doubt}
	case seen == notSeen && e.lost:
		// It may have been done. That no answer came is reported all the same.
		return verdict{outcome: OutcomeUnverified, doubt: doubt, err: e.err}
	case seen == notSeen:
		return verdict{outcome: OutcomeFailed, err: e.err}
	case interruption != nil:
		return verdict{outcome: OutcomeFailed, err: e.interrupted(interruption)}
	case errors.Is(e.err, ErrEnded) && session.disconnected():
		// The service refuses so when the session's node is gone. Nobody is connected;
		// the session leaves the list by itself.
		return verdict{outcome: OutcomeUnverified, doubt: e.err}
	default:
		return verdict{outcome: OutcomeFailed, err: e.stillLive()}
	}
}

// accepted reports whether the service took the request.
func (e end) accepted() bool {
	return e.err == nil
}

// listingMayLag reports whether a session that is listed as live may have ended.
func (e end) listingMayLag() bool {
	return e.accepted() || e.lost || errors.Is(e.err, ErrEnded) || errors.Is(e.err, ErrNotFound)
}

// worthLooking reports whether a look can change what the answer says. Answers
// such as throttling say nothing about the session.
func (e end) worthLooking() bool {
	return e.listingMayLag() || errors.Is(e.err, ErrAccessDenied) || errors.Is(e.err, ErrRejected)
}

// worthWaiting reports whether a session that is listed as live may still leave
// the list because of this answer.
func (e end) worthWaiting(waited time.Duration) bool {
	return e.accepted() || e.listingMayLag() && waited < settleTime
}

// interrupted returns the error of a session that was live when the waiting for
// its end was cut short.
func (e end) interrupted(interruption error) error {
	if errors.Is(interruption, context.Canceled) {
		return e.failed(ErrStillLive, interruption)
	}

	return e.failed(ErrStillLive, e.err)
}

// stillLive returns the error of a session that is live although its end was asked
// for.
func (e end) stillLive() error {
	switch {
	case e.accepted():
		return e.failed(ErrStillLive, nil)
	case errors.Is(e.err, ErrEnded), errors.Is(e.err, ErrNotFound):
		// What SSM says of the session is not so.
		return e.failed(ErrContradictory, e.err)
	default:
		return e.err
	}
}

// failed returns the termination's error of a kind. The kind replaces the one that
// the cause has.
func (e end) failed(kind, cause error) error {
	var inner *Error
	if errors.As(cause, &inner) {
		cause = inner.Err
	}

	failure := newError(TerminateSession, e.ref, kind, cause)
	failure.RequestID = e.requestID

	return failure
}
