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
	// maxReason is the maximum length of a reason in the API, in characters.
	maxReason = 256

	// markPrefix and markBytes define the mark of a start: a text and random bytes.
	markPrefix = "terraform-provider-ssm:"
	markBytes  = 16

	// MaxStartReason is the maximum length of StartInput.Reason, in characters. The
	// mark and a space need the rest.
	MaxStartReason = maxReason - len(" "+markPrefix) - 2*markBytes

	// answerGrace is how long to wait for the answer of a running StartSession after its
	// caller gave up. The answer has the ID of the session, which must be ended.
	answerGrace = 500 * time.Millisecond

	// lostTime limits the search for a session whose answer was lost.
	lostTime = 10 * time.Second

	// EndTime limits the end of a session of this process, including the last lookup.
	EndTime = 10 * time.Second

	// closeTime limits the wait for the channel of an ended session to close.
	closeTime = 3 * time.Second
)

// StartInput describes the session to start.
type StartInput struct {
	Region       string
	Target       string
	DocumentName string              // Empty for the account's default, which is a shell.
	Parameters   map[string][]string // Of the document.
	Reason       string              // At most MaxStartReason characters.
}

// failed returns the error of a session that could not be started.
func (in StartInput) failed(kind, cause error) *Error {
	e := newError(StartSession, SessionRef{Region: in.Region}, kind, cause)
	e.Target = in.Target

	return e
}

// Opened is a session that this process has started. Its token and URL are secrets: they
// give access to the session. The print methods show neither.
type Opened struct {
	SessionRef
	Token     string
	StreamURL string // Exactly as the service sent it.
}

// String implements fmt.Stringer.
func (o Opened) String() string {
	return "session " + o.SessionID + " in Region " + o.Region
}

// GoString implements fmt.GoStringer.
func (o Opened) GoString() string { return o.String() }

// LogValue implements slog.LogValuer.
func (o Opened) LogValue() slog.Value { return slog.StringValue(o.String()) }

// LostStart is the fate of a session whose StartSession got no usable answer.
type LostStart struct {
	Mark      string // The end of the session's reason. No other session has it.
	Ended     bool   // The session was found by its mark and has ended, by itself or not.
	SessionID string // Empty if the session was not found.
	Err       error  // Why it was not found or not ended. Nil if it was not listed.

	Result Termination // Of the second request to end it, if the first one failed.
}

// Start starts a session and registers it. From then on this process ends the session,
// with Registry.EndAll at the latest.
//
// StartSession is not idempotent. Start repeats the call only if the service certainly
// did nothing. If an answer is lost, Start finds the session by the mark in its reason
// and ends it. The returned Error reports this in Lost. Start never touches a session
// without the mark of this start.
//
// Errors: ErrTargetNotConnected, ErrInvalidDocument, ErrInvalidParameters,
// ErrAccessDenied, ErrIncompleteAnswer and the errors of a failed call. No error
// contains a token or URL.
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
	if err == nil {
		secrets.add(aws.ToString(output.TokenValue), aws.ToString(output.StreamUrl))
	}
	var failed *Error
	switch {
	case errors.As(err, &failed) && !record.lost:
		c.own.remove(e)

		return Opened{}, failed
	case err == nil && aws.ToString(output.SessionId) == "":
		failed = in.failed(ErrIncompleteAnswer, errors.New("the answer names no session"))
	case err == nil:
		c.own.setSessionID(e, *output.SessionId)
		opened := Opened{
			SessionRef: SessionRef{Region: in.Region, SessionID: *output.SessionId},
			Token:      aws.ToString(output.TokenValue), StreamURL: aws.ToString(output.StreamUrl),
		}
		if failed = in.unusable(starting, opened); failed == nil {
			return opened, nil
		}
	}

	// The session must end even if the caller has given up.
	cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), EndTime)
	defer cancel()
	cleanup, stop := c.own.untilClosing(cleanup)
	defer stop()
	failed.Lost = c.endUnusable(cleanup, e)
	failed.Lost.Mark = e.mark

	return Opened{}, failed
}

// unusable returns an error if the caller cannot use a session that was started, and
// nil otherwise.
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

// newMark returns a text that identifies the session of one start. It reveals neither
// host nor user.
func newMark() string {
	random := make([]byte, markBytes)
	rand.Read(random) //nolint:errcheck // It never fails.

	return markPrefix + hex.EncodeToString(random)
}

// startOnce calls StartSession until the service has started the session, has refused,
// or may have started it.
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
		if failure == nil || record.lost || ctx.Err() != nil || attempt >= c.retryer.MaxAttempts() || !record.retryable {
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

// withoutRetries disables the SDK's retries for StartSession. After a lost answer a retry
// would start a second session.
func withoutRetries(send sendFunc[ssm.StartSessionInput, ssm.StartSessionOutput]) sendFunc[ssm.StartSessionInput, ssm.StartSessionOutput] {
	return func(ctx context.Context, input *ssm.StartSessionInput, options ...func(*ssm.Options)) (*ssm.StartSessionOutput, error) {
		return send(ctx, input, append(options, func(o *ssm.Options) {
			record, _ := ctx.Value(callRecordKey{}).(*callRecord)
			o.Retryer = noRetry{o.Retryer, record}
			o.APIOptions = append(o.APIOptions, awaitAnswer)
		})...)
	}
}

// noRetry is a retryer that never retries, but records whether its Retryer would.
type noRetry struct {
	aws.Retryer
	record *callRecord
}

// IsErrorRetryable implements aws.Retryer.
func (r noRetry) IsErrorRetryable(err error) bool {
	if r.record != nil {
		r.record.retryable = r.Retryer.IsErrorRetryable(err)
	}

	return false
}

// GetAttemptToken implements aws.RetryerV2. An adaptive retryer also delays the first
// attempt.
func (r noRetry) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	if retryer, ok := r.Retryer.(aws.RetryerV2); ok {
		return retryer.GetAttemptToken(ctx)
	}

	return func(error) error { return nil }, nil
}

// awaitAnswer gives a running request some time for its answer after its context ended.
func awaitAnswer(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("AwaitAnswer",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if ctx.Err() != nil {
				return middleware.FinalizeOutput{}, middleware.Metadata{}, ctx.Err()
			}
			extended, cancel := context.WithCancel(context.WithoutCancel(ctx))
			defer cancel()
			stop := context.AfterFunc(ctx, func() {
				if sleep(extended, answerGrace) == nil {
					cancel()
				}
			})
			defer stop()

			return next.HandleFinalize(extended, in)
		}), middleware.After)
}

// newStartError adds to an error what only StartSession can answer.
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

// endUnusable ends a session that the caller cannot use, and returns its fate.
func (c *Client) endUnusable(ctx context.Context, e *entry) *LostStart {
	sessionID, _ := c.own.details(e)
	var err error
	if sessionID == "" {
		sessionID, err = c.endLost(ctx, e)
	} else {
		err = e.endUnwatched(ctx)
	}
	lost := &LostStart{Ended: err == nil && sessionID != "", SessionID: sessionID, Err: err}
	if sessionID != "" && err != nil {
		// The lists may show that it has ended, and a second request may end it.
		lost.Result, lost.Err = c.EndOwn(ctx, SessionRef{Region: e.region, SessionID: sessionID})
		lost.Ended = lost.Err == nil
	}

	return lost
}

// endLost finds and ends the session of a start whose answer was lost. If no such session
// was listed in time, it returns neither an ID nor an error.
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
			c.own.setSessionID(e, session.SessionID)
			if !session.Live() {
				c.own.remove(e)

				return session.SessionID, nil
			}

			return session.SessionID, e.endUnwatched(ctx)
		}
		if sleep(ctx, interval) != nil {
			return "", nil
		}
	}
}

// findMarked looks for the session of a start in one list. It filters by target or,
// because the service's matching rules are undocumented, reads the newest pages.
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

// EndOwn ends a session that Start has started, and checks that it has ended. The Doubt
// of the Termination says why the check failed. EndOwn takes at most EndTime, even if
// the context allows more. A session that may still be live stays registered.
//
// Errors: ErrStillLive, and the errors of the calls.
func (c *Client) EndOwn(ctx context.Context, ref SessionRef) (Termination, error) {
	ctx, cancel := context.WithTimeout(ctx, EndTime)
	defer cancel()

	e, hooks := c.own.lookUp(ref)
	if hooks.Terminate != nil {
		// TerminateSession below ends the session even if this fails.
		_ = hooks.Terminate(ctx)
	}
	t := &termination{
		client: c, in: TerminateInput{SessionRef: ref, Verify: true},
		seenLive: true,
	}
	t.result.Session.SessionID = ref.SessionID
	t.answer = c.requestEndTwice(ctx, ref)
	t.result.Requested = t.answer.accepted() || t.answer.lost
	if hooks.Close != nil {
		closing, cancel := context.WithTimeout(ctx, closeTime)
		// The lookup below decides, so the error does not matter.
		_ = hooks.Close(closing)
		cancel()
	}

	err := t.decide(ctx)
	if err != nil && gone(t.answer.err) && !t.listedLive {
		// No lookup contradicts SSM. That a lookup failed does not matter.
		t.result.Outcome, err = OutcomeAlreadyEnded, nil
	}
	if err == nil && e != nil {
		c.own.remove(e)
	}

	return t.result, err
}

// requestEndTwice calls TerminateSession, and repeats the call if no answer comes in a third of
// EndTime. A single attempt may take longer than EndTime.
func (c *Client) requestEndTwice(ctx context.Context, ref SessionRef) endAnswer {
	first, cancel := context.WithTimeout(ctx, EndTime/3)
	defer cancel()
	answer := c.requestEndOwn(first, ref)
	if answer.err == nil || first.Err() == nil || ctx.Err() != nil {
		return answer
	}

	again := c.requestEndOwn(ctx, ref)
	again.lost = again.lost || answer.lost

	return again
}

// requestEndOwn calls TerminateSession for a session of this process. SSM may not know a session
// yet that has just started, so the call is repeated if SSM says that it does not exist.
func (c *Client) requestEndOwn(ctx context.Context, ref SessionRef) endAnswer {
	answer := c.requestEnd(ctx, ref)
	if errors.Is(answer.err, ErrNotFound) && sleep(ctx, secondLookupPause) == nil {
		answer = c.requestEnd(ctx, ref)
	}

	return answer
}
