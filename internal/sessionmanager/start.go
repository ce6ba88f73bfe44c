// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

const (
	// maxReason is how long the API lets a reason be, in characters.
	maxReason = 256

	// markPrefix and markBytes make the mark of a start: text and random bytes.
	markPrefix = "terraform-provider-ssm:"
	markBytes  = 16

	// MaxStartReason is how long StartInput.Reason can be, in characters: the mark
	// and the space before it come on top.
	MaxStartReason = maxReason - len(" "+markPrefix) - 2*markBytes

	// answerGrace is how long a StartSession that was sent may still be answered when
	// its caller gives up. An answer names the session that is to be ended.
	answerGrace = 500 * time.Millisecond

	// lostTime bounds the search for a session whose answer was lost.
	lostTime = 10 * time.Second

	// EndTime bounds the end of a session of this process, the look afterwards included.
	EndTime = 10 * time.Second

	// closeTime bounds the wait for the channel of a session that was ended.
	closeTime = 3 * time.Second
)

// StartInput says which session to start.
type StartInput struct {
	Region       string
	Target       string
	DocumentName string              // Empty for the account's default, a shell.
	Parameters   map[string][]string // Of the document.
	Reason       string              // At most MaxStartReason characters.
}

// failed returns the error of a session that could not be started.
func (in StartInput) failed(kind, cause error) *Error {
	e := newError(StartSession, SessionRef{Region: in.Region}, kind, cause)
	e.Target = in.Target

	return e
}

// Opened is a session that this process has started. Whoever holds token and URL
// can take part in the session: printing an Opened shows neither.
type Opened struct {
	SessionRef
	Token     string
	StreamURL string // Byte for byte as the service gave it.
}

// String implements fmt.Stringer.
func (o Opened) String() string {
	return "session " + o.SessionID + " in Region " + o.Region
}

// GoString implements fmt.GoStringer.
func (o Opened) GoString() string { return o.String() }

// LogValue implements slog.LogValuer.
func (o Opened) LogValue() slog.Value { return slog.StringValue(o.String()) }

// LostStart is what became of a session whose StartSession got no usable answer.
type LostStart struct {
	Mark      string // Ends the session's reason, and no other's.
	Ended     bool   // The session was found by its mark and has ended.
	SessionID string // The session that was found, if it was.
	Err       error  // Why it was not found or not ended; nil if it was merely not listed.
}

// Start starts a session and registers it: from now on this process ends it, at
// the latest by Registry.EndAll.
//
// StartSession is not idempotent. Start calls it again only where the service
// certainly did nothing. If an answer is lost, Start looks for the session by the
// mark in its reason and ends it; the returned Error then tells so in Lost. No
// session without the mark of this very start is ever touched.
//
// Errors: ErrTargetNotConnected, ErrInvalidDocument, ErrInvalidParameters,
// ErrAccessDenied, ErrIncompleteAnswer and those of a failed call. None ever holds
// a token or URL.
//
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_StartSession.html.
func (c *Client) Start(ctx context.Context, in StartInput) (Opened, error) {
	if utf8.RuneCountInString(in.Reason) > MaxStartReason {
		return Opened{}, in.failed(ErrRejected, fmt.Errorf("the reason has more than %d characters", MaxStartReason))
	}

	e := &entry{client: c, region: in.Region, target: in.Target, mark: newMark()}
	starting, done, err := c.own.begin(ctx, e)
	if err != nil {
		return Opened{}, in.failed(ErrDeadline, err)
	}
	defer done()

	output, record, err := c.startOnce(starting, in, e.mark)
	var failed *Error
	switch {
	case errors.As(err, &failed) && !record.lost:
		c.own.remove(e)

		return Opened{}, failed
	case err == nil && aws.ToString(output.SessionId) == "":
		failed = in.failed(ErrIncompleteAnswer, errors.New("the answer names no session"))
	case err == nil:
		c.own.opened(e, *output.SessionId)
		opened := Opened{
			SessionRef: SessionRef{Region: in.Region, SessionID: *output.SessionId},
			Token:      aws.ToString(output.TokenValue), StreamURL: aws.ToString(output.StreamUrl),
		}
		if failed = in.unusable(starting, opened); failed == nil {
			return opened, nil
		}
	}

	// The caller may have given up; what it began is ended all the same.
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), EndTime)
	defer cancel()
	cleanup, stop := c.own.untilClosing(cleanup)
	defer stop()
	failed.Lost = c.endUnusable(cleanup, e)
	failed.Lost.Mark = e.mark

	return Opened{}, failed
}

// unusable returns the error of a session that was started, but that the caller
// cannot use; nil if it can.
func (in StartInput) unusable(ctx context.Context, opened Opened) *Error {
	failed := in.failed(ErrIncompleteAnswer, nil)
	failed.SessionID = opened.SessionID
	switch {
	case ctx.Err() != nil:
		failed.Kind, failed.Err, failed.OutOfTime = ErrDeadline, ctx.Err(), true
	case opened.Token == "":
		failed.Err = errors.New("the answer has no token")
	case opened.StreamURL == "":
		failed.Err = errors.New("the answer has no stream URL")
	default:
		return nil
	}

	return failed
}

// newMark returns what tells the sessions of one start from all others. It says
// nothing of host or user.
func newMark() string {
	random := make([]byte, markBytes)
	rand.Read(random) //nolint:errcheck // It never fails.

	return markPrefix + hex.EncodeToString(random)
}

// startOnce calls StartSession until the service has taken, refused or possibly
// done it.
func (c *Client) startOnce(ctx context.Context, in StartInput, mark string) (*ssm.StartSessionOutput, *callRecord, error) {
	input := &ssm.StartSessionInput{
		Target:     aws.String(in.Target),
		Reason:     aws.String(strings.TrimSpace(in.Reason + " " + mark)),
		Parameters: in.Parameters,
	}
	if in.DocumentName != "" {
		input.DocumentName = aws.String(in.DocumentName)
	}

	release := func(error) error { return nil }
	for attempt := 1; ; attempt++ {
		output, record, err := c.api.startSession.call(ctx, SessionRef{Region: in.Region}, input)
		_ = release(err)
		if err == nil {
			return output, record, nil
		}
		failed := newStartError(err, in)
		failure := record.failure
		if failure == nil || record.lost || ctx.Err() != nil || attempt >= c.retryer.MaxAttempts() || !record.passes {
			return nil, record, failed
		}
		if release, err = c.retryer.GetRetryToken(ctx, failure); err != nil {
			return nil, record, failed
		}
		delay, err := c.retryer.RetryDelay(attempt, failure)
		if err != nil {
			return nil, record, failed
		}
		if sleep(ctx, delay) != nil {
			return nil, record, newStartError(newDeadlineError(ctx, StartSession, failed.SessionRef, failure, attempt), in)
		}
	}
}

// withoutRetries takes the SDK's retries from its call of StartSession: after a lost
// answer they would start a second session.
func withoutRetries(send sendFunc[ssm.StartSessionInput, ssm.StartSessionOutput]) sendFunc[ssm.StartSessionInput, ssm.StartSessionOutput] {
	return func(ctx context.Context, input *ssm.StartSessionInput, options ...func(*ssm.Options)) (*ssm.StartSessionOutput, error) {
		return send(ctx, input, append(options, func(o *ssm.Options) {
			record, _ := ctx.Value(callRecordKey{}).(*callRecord)
			o.Retryer = once{o.Retryer, record}
			o.APIOptions = append(o.APIOptions, awaitAnswer)
		})...)
	}
}

// once is a retryer that repeats nothing, but notes what it would have repeated.
type once struct {
	aws.Retryer
	record *callRecord
}

// IsErrorRetryable implements aws.Retryer.
func (o once) IsErrorRetryable(err error) bool {
	if o.record != nil {
		o.record.passes = o.Retryer.IsErrorRetryable(err)
	}

	return false
}

// GetAttemptToken implements aws.RetryerV2: a retryer that adapts also brakes the
// first attempt.
func (o once) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	if retryer, ok := o.Retryer.(aws.RetryerV2); ok {
		return retryer.GetAttemptToken(ctx)
	}

	return func(error) error { return nil }, nil
}

// awaitAnswer lets a request that is on its way be answered for a moment when its
// context ends.
func awaitAnswer(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("AwaitAnswer",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if ctx.Err() != nil {
				return middleware.FinalizeOutput{}, middleware.Metadata{}, ctx.Err()
			}
			patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
			defer cancel()
			stop := context.AfterFunc(ctx, func() {
				if sleep(patient, answerGrace) == nil {
					cancel()
				}
			})
			defer stop()

			return next.HandleFinalize(patient, in)
		}), middleware.After)
}

// newStartError completes an error of a call with what only StartSession answers.
func newStartError(err error, in StartInput) *Error {
	var failed *Error
	if !errors.As(err, &failed) {
		failed = in.failed(ErrRejected, err)
	}
	failed.Target = in.Target

	var apiErr smithy.APIError
	if !errors.As(err, &apiErr) {
		return failed
	}
	message := apiErr.ErrorMessage()
	switch code := apiErr.ErrorCode(); {
	case errors.Is(failed, ErrAccessDenied) && strings.Contains(message, ":document/"):
		failed.Denied = DeniedDocument
	case errors.Is(failed, ErrAccessDenied) && strings.Contains(message, "on resource: "):
		failed.Denied = DeniedTarget
	case !errors.Is(failed, ErrRejected):
	case code == "TargetNotConnected":
		failed.Kind = ErrTargetNotConnected
	case strings.HasPrefix(code, "InvalidDocument"), code == "DocumentNotFound":
		failed.Kind = ErrInvalidDocument
	case code == "InvalidParameters", code == "ValidationException" && strings.Contains(strings.ToLower(message), "parameter"):
		failed.Kind = ErrInvalidParameters
	}

	return failed
}

// endUnusable ends a session that nobody can use, and tells what became of it.
func (c *Client) endUnusable(ctx context.Context, e *entry) *LostStart {
	if sessionID, _ := c.own.details(e); sessionID != "" {
		err := e.leave(ctx)

		return &LostStart{Ended: err == nil, SessionID: sessionID, Err: err}
	}
	sessionID, err := c.endLost(ctx, e)

	return &LostStart{Ended: err == nil && sessionID != "", SessionID: sessionID, Err: err}
}

// endLost looks for the session of a start whose answer was lost, and ends it. It
// returns no ID and no error if no such session was ever listed.
func (c *Client) endLost(ctx context.Context, e *entry) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lostTime)
	defer cancel()

	for interval := pollInterval; ; interval = min(2*interval, maxPollInterval) {
		for _, state := range []State{StateActive, StateHistory} {
			session, found, err := c.findMarked(ctx, e, state, interval == pollInterval)
			switch {
			case err != nil && ctx.Err() != nil:
				return "", nil
			case err != nil:
				return "", err
			case !found:
				continue
			}
			c.own.opened(e, session.SessionID)
			if !session.Live() {
				c.own.remove(e)

				return session.SessionID, nil
			}

			return session.SessionID, e.leave(ctx)
		}
		if sleep(ctx, interval) != nil {
			return "", nil
		}
	}
}

// findMarked looks for the session of a start in one list: filtered by its target
// or, since what filters match is not documented, in the newest pages of all.
func (c *Client) findMarked(ctx context.Context, e *entry, state State, filtered bool) (found Session, ok bool, err error) {
	input := &ssm.DescribeSessionsInput{State: state, MaxResults: aws.Int32(pageSize)}
	if filtered {
		input.Filters = []types.SessionFilter{{Key: types.SessionFilterKeyTargetId, Value: aws.String(e.target)}}
	}
	pages := 0
	err = c.eachPage(ctx, SessionRef{Region: e.region}, input, func(page *ssm.DescribeSessionsOutput, _ *callRecord) bool {
		pages++
		for _, listed := range page.Sessions {
			if session := newSession(listed, state); session.SessionID != "" && strings.HasSuffix(session.Reason, e.mark) {
				found, ok = session, true
			}
		}

		return !ok && pages < maxUnfilteredPages
	})

	return found, ok, err
}

// Attach gives a session of this process the hooks of its channel.
func (c *Client) Attach(ref SessionRef, hooks Hooks) {
	c.own.mutex.Lock()
	defer c.own.mutex.Unlock()

	for e := range c.own.entries {
		if e.sessionID == ref.SessionID && e.region == ref.Region {
			e.hooks = hooks
		}
	}
}

// EndOwn ends a session that Start has started, and sees to it that it has ended.
// The Termination's Doubt says why its end could not be seen. It takes EndTime at
// most, whatever the context allows. A session that may still be live stays
// registered.
//
// Errors: ErrStillLive, and those of the calls.
func (c *Client) EndOwn(ctx context.Context, ref SessionRef) (Termination, error) {
	ctx, cancel := context.WithTimeout(ctx, EndTime)
	defer cancel()

	e, hooks := c.own.lookUp(ref)
	if hooks.Terminate != nil {
		// Whatever comes of it, the call below ends the session.
		_ = hooks.Terminate(ctx)
	}
	t := &termination{
		client: c, in: TerminateInput{SessionRef: ref, Verify: true},
		seenLive: true,
	}
	t.result.Session.SessionID = ref.SessionID
	t.answer = c.endSoon(ctx, ref)
	t.result.Requested = t.answer.accepted() || t.answer.lost
	if hooks.Close != nil {
		closing, cancel := context.WithTimeout(ctx, closeTime)
		// The look below tells what counts.
		_ = hooks.Close(closing)
		cancel()
	}

	err := t.settle(ctx)
	if err == nil && e != nil {
		c.own.remove(e)
	}

	return t.result, err
}

// endSoon calls TerminateSession, and once more if no answer comes for a while: a
// single attempt may take longer than a session of this process has for its end.
func (c *Client) endSoon(ctx context.Context, ref SessionRef) end {
	first, cancel := context.WithTimeout(ctx, EndTime/3)
	defer cancel()
	answer := c.end(first, ref)
	if answer.err == nil || first.Err() == nil || ctx.Err() != nil {
		return answer
	}

	again := c.end(ctx, ref)
	again.lost = again.lost || answer.lost

	return again
}
