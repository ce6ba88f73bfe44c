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

	answer end // What came of the request.
}

// end is what came of one TerminateSession.
type end struct {
	ref       SessionRef
	err       error     // Nil if the service took the request.
	lost      bool      // An attempt may have been carried out without a definite answer.
	requestID string    // Of the last answer, empty without one.
	at        time.Time // When the answer came.
}

// end calls TerminateSession.
func (c *Client) end(ctx context.Context, ref SessionRef) end {
	_, record, err := c.api.terminateSession.call(ctx, ref,
		&ssm.TerminateSessionInput{SessionId: aws.String(ref.SessionID)})
	answer := end{ref: ref, err: err, lost: record.lost, requestID: record.requestID, at: time.Now()}
	c.shared.noteEnd(ref, answer.at)

	return answer
}

// lookBefore finds out how things stand; done means that there is nothing to end.
func (t *termination) lookBefore(ctx context.Context) (done bool, err error) {
	session, err := t.client.findShared(ctx, t.in.SessionRef)

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
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrUndetermined):
		// A session that has just started may not be listed yet.
	default:
		return false, err
	}

	return false, nil
}

// settle turns what was seen and answered into an outcome or an error.
func (t *termination) settle(ctx context.Context) error {
	switch {
	case !t.in.Verify, t.result.Doubt != nil:
		return t.conclude(notSeen, t.result.Doubt, nil)
	case !t.answer.worthLooking(), ctx.Err() != nil && !t.answer.accepted():
		return t.answer.err
	default:
		return t.watch(ctx)
	}
}

// watch looks the session up until its end shows, or cannot be expected to show any more.
func (t *termination) watch(ctx context.Context) error {
	var (
		start    = time.Now()
		interval = pollInterval
		live     = false
	)
	for {
		session, err := t.client.findAfterEnd(ctx, t.answer)

		switch {
		case err == nil && !session.Live():
			t.result.Session = session

			return t.conclude(confirmedGone, nil, nil)
		case errors.Is(err, ErrNotFound) && t.seenLive:
			t.result.Session.Status = ""

			return t.conclude(confirmedGone, nil, nil)
		case errors.Is(err, ErrNotFound) && errors.Is(t.answer.err, ErrRejected):
			// A request that is not valid says nothing about whether the session exists.
			return t.answer.err
		case errors.Is(err, ErrNotFound):
			return t.notFound(t.answer.err)
		case errors.Is(err, ErrUndetermined), errors.Is(err, ErrAccessDenied):
			return t.conclude(notSeen, err, nil)
		case ctx.Err() != nil && live:
			return t.conclude(seenLive, nil, ctx.Err())
		case err != nil && !t.answer.listingMayLag():
			// The refusal tells more than the look that was to explain it.
			return t.answer.err
		case err != nil:
			return err
		}

		live = true
		t.seenLive = true
		t.result.Session = session
		if !t.answer.worthWaiting(time.Since(start)) {
			return t.conclude(seenLive, nil, nil)
		}
		if sleep(ctx, interval) != nil {
			return t.conclude(seenLive, nil, ctx.Err())
		}
		interval = min(2*interval, maxPollInterval)
	}
}

// conclude records the verdict.
func (t *termination) conclude(seen sight, doubt, interruption error) error {
	if seen == notSeen && errors.Is(t.answer.err, ErrNotFound) {
		return t.notFound(t.answer.err)
	}
	v := t.answer.judge(seen, t.result.Session, doubt, interruption)
	t.result.Doubt = v.doubt
	if v.err == nil {
		t.result.Outcome = v.outcome
	}

	return v.err
}

// notFound applies the caller's choice for a session that SSM does not know.
func (t *termination) notFound(cause error) error {
	if t.in.NotFoundOK {
		t.result.Outcome = OutcomeNotFound

		return nil
	}

	return t.answer.failed(ErrNotFound, cause)
}
