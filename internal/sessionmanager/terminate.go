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

// Outcome is the result for a session that should be terminated.
type Outcome string

// The outcomes of a termination that did not fail.
const (
	OutcomeTerminated   Outcome = "terminated"    // It was live and this termination ended it.
	OutcomeAlreadyEnded Outcome = "already_ended" // It ended without this termination.
	OutcomeNotFound     Outcome = "not_found"     // SSM has no such session.
	OutcomeUnverified   Outcome = "unverified"    // SSM was asked to end it, but its end was not seen.
)

// TerminateInput selects the session to terminate, and the checks.
type TerminateInput struct {
	SessionRef

	// Verify looks up the session before and after the call. Without Verify,
	// TerminateSession is the only call.
	Verify bool

	// NotFoundOK makes an unknown session an outcome instead of ErrNotFound.
	NotFoundOK bool
}

// Termination is the result of terminating a session.
type Termination struct {
	Outcome Outcome

	// Session is the session when it was last seen. Its Status is empty if it was in
	// neither list at the end. If it was never seen, only its ID is set.
	Session Session

	// Requested tells that TerminateSession reached the service or may have reached it.
	// It is valid even with an error.
	Requested bool

	// Doubt says why the outcome is unverified. It is nil if verification was not
	// requested.
	Doubt error
}

// Terminate ends a session, unless it has already ended.
//
// Errors: ErrNotFound, ErrStillLive, and the errors of the calls. Since 2026 the service
// refuses to terminate a session that has ended. Before, it accepted the request. Both
// are a success here.
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
	t.answer = c.requestEnd(ctx, in.SessionRef)
	t.result.Requested = t.answer.accepted() || t.answer.lost
	err := t.decide(ctx)

	return t.result, err
}

// termination is the state of one run of Terminate.
type termination struct {
	client *Client
	in     TerminateInput
	result Termination

	seenLive bool // The active list contained the session before the call.

	answer     endAnswer // The result of the request.
	listedLive bool      // A list contained the session as live after the request.
}

// endAnswer is the result of one TerminateSession.
type endAnswer struct {
	ref       SessionRef
	err       error     // Nil if the service accepted the request.
	lost      bool      // The service may have done the work without a definite answer.
	requestID string    // From the last answer, empty without one.
	at        time.Time // When the answer came.
}

// requestEnd calls TerminateSession.
func (c *Client) requestEnd(ctx context.Context, ref SessionRef) endAnswer {
	_, record, err := c.api.terminateSession.call(ctx, ref,
		&ssm.TerminateSessionInput{SessionId: aws.String(ref.SessionID)})
	answer := endAnswer{ref: ref, err: err, lost: record.lost, requestID: record.requestID, at: time.Now()}
	c.shared.noteEnd(ref, answer.at)

	return answer
}

// lookBefore looks up the session before the call. It returns done = true if the session
// has already ended.
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
		// Ending a session is more important than seeing it end.
		t.result.Doubt = err
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrUndetermined):
		// The list may not contain a new session yet.
	default:
		return false, err
	}

	return false, nil
}

// decide determines the outcome or error from the answer and the lookups.
func (t *termination) decide(ctx context.Context) error {
	switch {
	case !t.in.Verify, t.result.Doubt != nil:
		return t.conclude(notSeen, t.result.Doubt, nil)
	case !t.answer.worthLooking(), ctx.Err() != nil && !t.answer.accepted():
		return t.answer.err
	default:
		return t.awaitEnd(ctx)
	}
}

// awaitEnd looks up the session until it has ended, or waiting longer is useless.
func (t *termination) awaitEnd(ctx context.Context) error {
	var (
		start    = time.Now()
		interval = pollInterval
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
			// A rejected request says nothing about the session's existence.
			return t.answer.err
		case errors.Is(err, ErrNotFound):
			return t.notFound(t.answer.err)
		case errors.Is(err, ErrUndetermined), errors.Is(err, ErrAccessDenied):
			return t.conclude(notSeen, err, nil)
		case ctx.Err() != nil && t.listedLive:
			return t.conclude(seenLive, nil, ctx.Err())
		case err != nil && !t.answer.listingMayLag():
			// The refusal is more useful than the error of the lookup that should explain it.
			return t.answer.err
		case err != nil:
			return err
		}

		t.listedLive = true
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

// conclude stores the verdict.
func (t *termination) conclude(seen lookResult, doubt, interruption error) error {
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

// notFound applies NotFoundOK to a session that SSM does not have.
func (t *termination) notFound(cause error) error {
	if t.in.NotFoundOK {
		t.result.Outcome = OutcomeNotFound

		return nil
	}

	return t.answer.failed(ErrNotFound, cause)
}
