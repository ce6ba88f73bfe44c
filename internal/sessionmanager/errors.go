// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// What went wrong with a call, for errors.Is. An error of this package matches
// at most one of them.
var (
	// ErrNotFound: SSM knows no such session, live or in its history, in this account and Region.
	ErrNotFound = errors.New("session not found")
	// ErrUndetermined: the service's listing could neither show the session nor prove that it is absent.
	ErrUndetermined = errors.New("session could not be looked up by its ID")
	// ErrEnded: the service refused because the session is not in a valid state, which means that it has ended.
	ErrEnded = errors.New("session is not in a valid state")
	// ErrStillLive: the session is still live although its termination was asked for.
	ErrStillLive = errors.New("session is still live")
	// ErrContradictory: the service refused to terminate the session as if it had ended, and goes on listing it as live.
	ErrContradictory = errors.New("session cannot be terminated, and is listed as live")
	// ErrTimedOut: ResumeSession answered without a token, the service's way to say that the session has timed out.
	ErrTimedOut = errors.New("session has timed out")
	// ErrIncompleteAnswer: the service answered with success but left out what was asked for.
	ErrIncompleteAnswer = errors.New("incomplete answer")
	// ErrAccessDenied: the credentials may not do this.
	ErrAccessDenied = errors.New("access denied")
	// ErrCredentials: the service did not accept the credentials or the signature.
	ErrCredentials = errors.New("credentials not accepted")
	// ErrThrottled: the Region's request quota was exhausted through all retries.
	ErrThrottled = errors.New("request quota exhausted")
	// ErrUnavailable: no usable answer from the endpoint through all retries.
	ErrUnavailable = errors.New("service unavailable")
	// ErrDeadline: the time allowed ran out, or the work was cancelled.
	ErrDeadline = errors.New("out of time")
	// ErrTargetNotConnected: the node of a session that was to be started is not connected to Systems Manager.
	ErrTargetNotConnected = errors.New("target is not connected")
	// ErrInvalidDocument: the document does not exist, or is not for sessions.
	ErrInvalidDocument = errors.New("document is invalid")
	// ErrInvalidParameters: the document does not take the parameters.
	ErrInvalidParameters = errors.New("parameters are invalid")
	// ErrRejected: the service rejected the request for another reason.
	ErrRejected = errors.New("request rejected")
)

// Error is a failed operation on a session, or on the sessions of a Region.
type Error struct {
	Operation *Operation
	SessionRef
	Target string // Target of a session that was to be started.
	Kind   error  // One of the Err values of this package.
	Err    error  // Cause, nil if the Kind says it all.

	RequestID string // Of the service's last answer to the operation, empty without one.

	// OutOfTime tells that it was the caller's deadline that ended the attempts, and
	// not the number of retries.
	OutOfTime bool

	Denied Denied     // What StartSession was denied on.
	Lost   *LostStart // What became of a session that was started but cannot be used.
}

// Denied is what ssm:StartSession has to be allowed on.
type Denied string

// A session needs both. Empty stands for a denial that does not tell.
const (
	DeniedTarget   Denied = "target"
	DeniedDocument Denied = "document"
)

// Error implements error.
func (e *Error) Error() string {
	cause := e.Kind
	if e.Err != nil {
		cause = e.Err
	}

	return e.Operation.doing(e) + ": " + cause.Error()
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}

	return []error{e.Kind, e.Err}
}

// newError returns the error of a failed operation; the cause is nil where the kind says it all.
func newError(operation *Operation, session SessionRef, kind, cause error) *Error {
	return &Error{Operation: operation, SessionRef: session, Kind: kind, Err: cause}
}

// Codes by which AWS front ends say that the credentials or the signature are
// not good enough, whatever the HTTP status.
var credentialErrorCodes = map[string]bool{
	"ExpiredToken":                        true,
	"ExpiredTokenException":               true,
	"IncompleteSignature":                 true,
	"IncompleteSignatureException":        true,
	"InvalidClientTokenId":                true,
	"InvalidSignatureException":           true,
	"MissingAuthenticationToken":          true,
	"MissingAuthenticationTokenException": true,
	"RequestExpired":                      true,
	"RequestTimeTooSkewed":                true,
	"SignatureDoesNotMatch":               true,
	"UnrecognizedClientException":         true,
	"InvalidAccessKeyId":                  true,
}

// newCallError classifies the failure of a call by its error code: status and
// concrete type differ between SDK versions and front ends. If the time ran out, it
// is the failure of the last attempt that tells why: that of the record, if there is one.
func newCallError(ctx context.Context, operation *Operation, session SessionRef, err error, record *callRecord) *Error {
	if ctx.Err() == nil {
		kind, cause := classify(err)

		return newError(operation, session, kind, cause)
	}

	var source *CredentialsError
	switch {
	case record != nil && record.failure != nil:
		return newDeadlineError(ctx, operation, session, record.failure, record.attempts)
	case errors.As(err, &source):
		return newDeadlineError(ctx, operation, session, err, 0)
	default:
		return newDeadlineError(ctx, operation, session, nil, 0)
	}
}

// newDeadlineError returns the error of a call whose time ran out. What kept it from
// succeeding in time tells more than the clock does; nil stands for nothing that is known.
func newDeadlineError(ctx context.Context, operation *Operation, session SessionRef, failure error, attempts int) *Error {
	e := newError(operation, session, ErrDeadline, ctx.Err())
	e.OutOfTime = true
	if failure == nil {
		return e
	}

	kind, cause := classify(failure)
	e.Kind = kind
	if attempts == 0 {
		e.Err = fmt.Errorf("%w (until the time ran out: %w)", cause, ctx.Err())
	} else {
		e.Err = fmt.Errorf("%w (attempt %d, until the time ran out: %w)", cause, attempts, ctx.Err())
	}

	return e
}

// newWaitError returns the error of a look-up whose time ran out while it waited for
// others: what they met is what it would have met.
func (c *Client) newWaitError(ctx context.Context, session SessionRef) *Error {
	return newDeadlineError(ctx, DescribeSessions, session, c.pace.lastFailure(lane{session.Region, DescribeSessions}), 0)
}

// classify returns what kind of failure an error of the SDK is, and its cause in a
// form that is safe to show.
func classify(err error) (kind, cause error) {
	return kindOf(err), CauseOf(err)
}

// kindOf returns what kind of failure an error of the SDK is.
func kindOf(err error) error {
	var (
		credentialsErr *CredentialsError
		apiErr         smithy.APIError
		netErr         net.Error
		sendErr        *smithyhttp.RequestSendError
		decodeErr      *smithy.DeserializationError
	)

	switch status := httpStatus(err); {
	case errors.As(err, &credentialsErr) && !errors.Is(err, context.Canceled):
		// The source's own answer says nothing of what SSM allows.
		return ErrCredentials
	case throttledAnswer(err), errors.Is(err, errHeldBack):
		return ErrThrottled
	case errors.Is(err, errOwnLimit):
		return ErrDeadline
	case errors.As(err, &apiErr):
		return classifyCode(apiErr, status)
	case errors.As(err, &decodeErr), errors.As(err, &sendErr), status >= 500:
		// The bound on a single attempt is one of these, and no deadline of the caller's.
		return ErrUnavailable
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ErrDeadline
	case errors.As(err, &netErr):
		return ErrUnavailable
	default:
		return ErrRejected
	}
}

// classifyCode returns what kind of failure the service's error code stands for.
func classifyCode(err smithy.APIError, status int) error {
	switch code := err.ErrorCode(); {
	case code == "AccessDeniedException", code == "AccessDenied":
		return ErrAccessDenied
	case code == "DoesNotExistException":
		return ErrNotFound
	case code == "ValidationException" && strings.Contains(strings.ToLower(err.ErrorMessage()), "not in a valid state"):
		return ErrEnded
	case throttled(code):
		return ErrThrottled
	case credentialErrorCodes[code]:
		return ErrCredentials
	case status >= 500, code == "InternalServerError":
		return ErrUnavailable
	default:
		return ErrRejected
	}
}

// throttled reports whether an error code says that a quota is exhausted.
func throttled(code string) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code]

	return ok
}

// throttledAnswer reports whether an attempt failed because a quota is exhausted,
// whatever the status of an answer that has a code for it.
func throttledAnswer(err error) bool {
	var apiErr smithy.APIError

	return httpStatus(err) == http.StatusTooManyRequests || errors.As(err, &apiErr) && throttled(apiErr.ErrorCode())
}

// tooManyRequestsError makes an answer of HTTP status 429 without a code one that the
// SDK's retryers know as throttling.
type tooManyRequestsError struct {
	error
}

// Unwrap returns the SDK's error.
func (e *tooManyRequestsError) Unwrap() error { return e.error }

// ErrorCode implements smithy.APIError.
func (*tooManyRequestsError) ErrorCode() string { return "TooManyRequestsException" }

// ErrorMessage implements smithy.APIError.
func (*tooManyRequestsError) ErrorMessage() string { return "HTTP status 429" }

// ErrorFault implements smithy.APIError.
func (*tooManyRequestsError) ErrorFault() smithy.ErrorFault { return smithy.FaultServer }
