// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Outcome says what became of a session that was to be terminated.
type Outcome string

// The outcomes of a termination that did not fail.
const (
	OutcomeTerminated   Outcome = "terminated"    // It was live, and this termination ended it.
	OutcomeAlreadyEnded Outcome = "already_ended" // It had ended without this termination.
	OutcomeNotFound     Outcome = "not_found"     // SSM knows no such session.
	OutcomeUnverified   Outcome = "unverified"    // SSM was asked to end it; its end was not seen.
)

// TerminateInput says which session to terminate, and how sure to be of it.
type TerminateInput struct {
	SessionRef

	// Verify looks the session up before and after; without it, TerminateSession
	// is the only call.
	Verify bool

	// NotFoundOK makes a session that SSM does not know an outcome instead of ErrNotFound.
	NotFoundOK bool
}

// Termination is the result of terminating a session.
type Termination struct {
	Outcome Outcome

	// Session is the session as it was last seen. Its Status is empty if it was in
	// neither list at the end; it is zero but for its ID if it was never seen.
	Session Session

	// Requested tells that TerminateSession reached the service, or may have, also
	// when an error is returned with it.
	Requested bool

	// Doubt says why an unverified termination could not be verified. It is nil if
	// no verification was asked for.
	Doubt error
}

// Terminate ends a session for good, unless it has ended already.
//
// Errors: ErrNotFound, ErrStillLive, and those of the calls. The service refuses
// to terminate a session that has ended since 2026 and accepted it before; both are
// a success here.
//
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_TerminateSession.html.
func (c *Client) Terminate(ctx context.Context, in TerminateInput) (Termination, error) {
	t := &termination{client: c, in: in}
	t.result.Session.SessionID = in.SessionID

	if in.Verify {
		if done, err := t.lookBefore(ctx); done || err != nil {
			return t.result, err
		}
	}
	t.answer = c.end(ctx, in.SessionRef)
	t.result.Requested = t.answer.accepted() || t.answer.lost
	err := t.settle(ctx)

	return t.result, err
}

// termination is the state of one run of Terminate.
type termination struct {
	client *Client
	in     TerminateInput
	result Termination

	seenLive bool // The session was in the active list before.
	absent   bool // The session was in neither list before.

	answer end // What came of the request.
}

// end is what came of one TerminateSession.
type end struct {
	err  error // Nil if the service took the request.
	lost bool  // An attempt may have been carried out without a definite answer.
}

// end calls TerminateSession.
func (c *Client) end(ctx context.Context, ref SessionRef) end {
	output, record, err := c.api.terminateSession.call(ctx, ref,
		&ssm.TerminateSessionInput{SessionId: aws.String(ref.SessionID)})
	c.shared.forget(ref)
	if err == nil && aws.ToString(output.SessionId) != ref.SessionID {
		// An answer that does not name the session is no answer to this request.
		err = newError(TerminateSession, ref, ErrIncompleteAnswer, errors.New("the answer does not name the session"))

		return end{lost: true, err: err}
	}

	return end{err: err, lost: record.lost}
}

// accepted reports whether the service took the request.
func (e end) accepted() bool {
	return e.err == nil
}

// mayShowLate reports whether a session that is listed as live may in truth have ended.
func (e end) mayShowLate() bool {
	return e.accepted() || e.lost || errors.Is(e.err, ErrEnded) || errors.Is(e.err, ErrNotFound)
}

// stillLive returns the error of a session that is live although its termination
// was asked for.
func (e end) stillLive(ref SessionRef) error {
	failed := newError(TerminateSession, ref, ErrStillLive, nil)
	switch {
	case e.accepted():
		return failed
	case errors.Is(e.err, ErrEnded), errors.Is(e.err, ErrNotFound):
		// What SSM says of the session is not so.
		failed.Kind = ErrContradictory
		var refusal *Error
		if errors.As(e.err, &refusal) {
			failed.Err = refusal.Err
		}

		return failed
	default:
		return e.err
	}
}

// lookBefore finds out how things stand; done means that there is nothing to end.
func (t *termination) lookBefore(ctx context.Context) (done bool, err error) {
	session, err := t.client.glance(ctx, t.in.SessionRef)

	switch {
	case err == nil:
		t.result.Session = session
		t.seenLive = session.Live()
		if !t.seenLive {
			t.result.Outcome = OutcomeAlreadyEnded
		}

		return !t.seenLive, nil
	case errors.Is(err, ErrAccessDenied):
		// Ending a session matters more than being able to watch it end.
		t.result.Doubt = err
	case errors.Is(err, ErrNotFound):
		// A session that has just started may not be listed yet.
		t.absent = true
	case errors.Is(err, ErrUndetermined):
	default:
		return false, err
	}

	return false, nil
}

// settle turns what was seen and answered into an outcome or an error.
func (t *termination) settle(ctx context.Context) error {
	switch {
	case !t.in.Verify, t.result.Doubt != nil:
		return t.settleUnseen()
	case ctx.Err() != nil && !t.answer.accepted():
		return t.answer.err
	case t.answer.mayShowLate():
		return t.watch(ctx)
	case t.absent && errors.Is(t.answer.err, ErrAccessDenied):
		// Where IAM decides by the session's tags, one that does not exist is denied.
		return t.watch(ctx)
	default:
		return t.answer.err
	}
}

// settleUnseen judges by the answer to TerminateSession alone.
func (t *termination) settleUnseen() error {
	switch {
	case errors.Is(t.answer.err, ErrNotFound):
		return t.notFound(t.answer.err)
	case t.answer.accepted(), errors.Is(t.answer.err, ErrEnded):
		t.result.Outcome = OutcomeUnverified

		return nil
	default:
		return t.answer.err
	}
}

// watch looks the session up until its end shows, or cannot be expected to show any more.
func (t *termination) watch(ctx context.Context) error {
	var (
		start     = time.Now()
		interval  = pollInterval
		stillLive = false
	)
	for {
		// The history comes first here: that is where the session should be by now.
		session, err := t.client.find(ctx, t.in.SessionRef, StateHistory, StateActive)

		switch {
		case err == nil && !session.Live():
			t.result.Session = session
			t.result.Outcome = t.endedOutcome()

			return nil
		case errors.Is(err, ErrNotFound) && t.seenLive:
			t.result.Session.Status = ""
			t.result.Outcome = t.endedOutcome()

			return nil
		case errors.Is(err, ErrNotFound):
			return t.notFound(t.answer.err)
		case errors.Is(err, ErrUndetermined), errors.Is(err, ErrAccessDenied):
			t.result.Doubt = err

			return t.settleUnseen()
		case ctx.Err() != nil && stillLive:
			return t.outOfTime(ctx)
		case err != nil:
			return err
		}

		stillLive = true
		t.seenLive = true
		t.result.Session = session
		if !t.answer.accepted() && (!t.answer.mayShowLate() || time.Since(start) >= settleTime) {
			return t.notEnded()
		}
		if sleep(ctx, interval) != nil {
			return t.outOfTime(ctx)
		}
		interval = min(2*interval, maxPollInterval)
	}
}

// outOfTime returns the error of a session that was live when the waiting ended.
func (t *termination) outOfTime(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return t.failed(ErrStillLive, ctx.Err())
	}

	return t.failed(ErrStillLive, t.answer.err)
}

// endedOutcome tells whose doing the end of the session was.
func (t *termination) endedOutcome() Outcome {
	if t.answer.accepted() || t.answer.lost {
		return OutcomeTerminated
	}

	return OutcomeAlreadyEnded
}

// notEnded judges a session that was not accepted for termination and stayed live.
func (t *termination) notEnded() error {
	if errors.Is(t.answer.err, ErrEnded) && t.result.Session.disconnected() {
		// The service refuses so when the session's node is gone. Nobody is connected;
		// the session leaves the list by itself.
		t.result.Outcome, t.result.Doubt = OutcomeUnverified, t.answer.err

		return nil
	}

	return t.answer.stillLive(t.in.SessionRef)
}

// notFound applies the caller's choice for a session that SSM does not know.
func (t *termination) notFound(cause error) error {
	if t.in.NotFoundOK {
		t.result.Outcome = OutcomeNotFound

		return nil
	}

	return t.failed(ErrNotFound, cause)
}

// failed returns the termination's error of a kind; it takes the place of the
// kind that the cause had.
func (t *termination) failed(kind, cause error) error {
	var inner *Error
	if errors.As(cause, &inner) {
		cause = inner.Err
	}

	return newError(TerminateSession, t.in.SessionRef, kind, cause)
}
