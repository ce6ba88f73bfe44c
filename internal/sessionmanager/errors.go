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

// The kinds of failure, for errors.Is. An error of this package matches at most one
// of them.
var (
	// ErrNotFound: SSM has no such session in this account and Region, neither live nor in its history.
	ErrNotFound = errors.New("session not found")
	// ErrUndetermined: the service's listing did not contain the session, and did not prove its absence.
	ErrUndetermined = errors.New("session could not be looked up by its ID")
	// ErrEnded: the service refused because the session is not in a valid state. The session has ended.
	ErrEnded = errors.New("session is not in a valid state")
	// ErrStillLive: the session is still live after a request to terminate it.
	ErrStillLive = errors.New("session is still live")
	// ErrContradictory: the service refused to terminate the session because it has ended, but still lists it as live.
	ErrContradictory = errors.New("session cannot be terminated, and is listed as live")
	// ErrTimedOut: ResumeSession returned no token. This is how the service says that the session has timed out.
	ErrTimedOut = errors.New("session has timed out")
	// ErrIncompleteAnswer: the service reported success but left out the result.
	ErrIncompleteAnswer = errors.New("incomplete answer")
	// ErrClocks: the service's clock is too far from the local one to tell the age of sessions.
	ErrClocks = errors.New("clocks differ too much")
	// ErrAccessDenied: the credentials do not allow this.
	ErrAccessDenied = errors.New("access denied")
	// ErrCredentials: the service did not accept the credentials or the signature.
	ErrCredentials = errors.New("credentials not accepted")
	// ErrThrottled: the Region's request quota was exhausted in every retry.
	ErrThrottled = errors.New("request quota exhausted")
	// ErrUnavailable: no retry got a usable answer from the endpoint.
	ErrUnavailable = errors.New("service unavailable")
	// ErrDeadline: the time limit was reached, or the work was cancelled.
	ErrDeadline = errors.New("out of time")
	// ErrTargetNotConnected: the node that a session should start on is not connected to Systems Manager.
	ErrTargetNotConnected = errors.New("target is not connected")
	// ErrInvalidDocument: the document does not exist, or is not a session document.
	ErrInvalidDocument = errors.New("document is invalid")
	// ErrInvalidParameters: the document does not accept the parameters.
	ErrInvalidParameters = errors.New("parameters are invalid")
	// ErrRejected: the service rejected the request for another reason.
	ErrRejected = errors.New("request rejected")
)

// Error is a failed operation on a session, or on all sessions of a Region.
type Error struct {
	Operation *Operation
	SessionRef
	Target string // Where a session should have started.
	Kind   error  // One of the Err values of this package.
	Err    error  // Cause, nil if the Kind is enough.

	RequestID string // From the service's last answer, empty without one.

	// OutOfTime is true if the caller's deadline ended the attempts, and false if the
	// number of retries did.
	OutOfTime bool

	Denied Denied     // The resource that StartSession was denied on.
	Lost   *LostStart // The fate of a session that was started but cannot be used.
}

// Denied is a resource that ssm:StartSession must be allowed on.
type Denied string

// A start needs permission on both. Empty means that the denial does not say which.
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

// newError returns the error of a failed operation. The cause is nil if the kind is enough.
func newError(operation *Operation, session SessionRef, kind, cause error) *Error {
	return &Error{Operation: operation, SessionRef: session, Kind: kind, Err: cause}
}

// Error codes of AWS front ends for bad credentials or a bad signature. They come with
// different HTTP statuses.
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

// newCallError classifies the failure of a call by its error code, because status and
// concrete type differ between SDK versions and front ends. If the time ran out, the
// failure of the last attempt in the record is the better cause.
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

// newDeadlineError returns the error of a call whose time ran out. The failure is what
// kept the call from succeeding in time, nil if that is not known. It says more than
// the deadline.
func newDeadlineError(ctx context.Context, operation *Operation, session SessionRef, failure error, attempts int) *Error {
	e := newError(operation, session, ErrDeadline, CauseOf(ctx.Err()))
	e.OutOfTime = true
	if failure == nil {
		return e
	}

	kind, cause := classify(failure)
	e.Kind, e.Err = kind, &lateError{last: cause, attempts: attempts, interruption: ctx.Err()}

	return e
}

// lateError is the cause of a failure when the time ran out or the call was cancelled.
type lateError struct {
	last         error // The failure of the last attempt.
	attempts     int   // Zero if the number is not known.
	interruption error // The context's error.
}

// Error implements error.
func (e *lateError) Error() string {
	end := "the time ran out"
	if errors.Is(e.interruption, context.Canceled) {
		end = "the operation was cancelled"
	}
	switch {
	case errors.Is(e.last, e.interruption) && e.attempts > 0:
		return fmt.Sprintf("no answer came before %s (attempt %d)", end, e.attempts)
	case e.attempts == 0:
		return fmt.Sprintf("%s (until %s)", e.last, end)
	default:
		return fmt.Sprintf("%s (attempt %d, until %s)", e.last, e.attempts, end)
	}
}

// Unwrap returns the last attempt's error and the context's.
func (e *lateError) Unwrap() []error { return []error{e.last, e.interruption} }

// newWaitError returns the error of a lookup whose time ran out while it waited for a
// shared listing. The last failure of such calls is the likely cause.
func (c *Client) newWaitError(ctx context.Context, session SessionRef) *Error {
	return newDeadlineError(ctx, DescribeSessions, session, c.pace.lastFailure(lane{session.Region, DescribeSessions}), 0)
}

// classify returns the kind of an SDK error, and its cause in a form that is safe to
// show.
func classify(err error) (kind, cause error) {
	return kindOf(err), CauseOf(err)
}

// kindOf returns the kind of an SDK error.
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
		// The credential source's answer says nothing about permissions in SSM.
		return ErrCredentials
	case throttledAnswer(err), errors.Is(err, errPaced):
		return ErrThrottled
	case errors.Is(err, errOwnLimit):
		return ErrDeadline
	case errors.As(err, &apiErr):
		return classifyCode(apiErr, status)
	case errors.As(err, &decodeErr), errors.As(err, &sendErr), status >= 500:
		// An attempt that timed out by itself is one of these. It is not the caller's deadline.
		return ErrUnavailable
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ErrDeadline
	case errors.As(err, &netErr):
		return ErrUnavailable
	default:
		return ErrRejected
	}
}

// classifyCode returns the kind of failure that an error code of the service means.
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

// throttledAnswer reports whether an attempt failed because a quota is exhausted. A
// throttling error code counts with any HTTP status.
func throttledAnswer(err error) bool {
	var apiErr smithy.APIError

	return httpStatus(err) == http.StatusTooManyRequests || errors.As(err, &apiErr) && throttled(apiErr.ErrorCode())
}

// tooManyRequestsError gives an HTTP 429 answer without an error code the code that
// the SDK's retryers treat as throttling.
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
