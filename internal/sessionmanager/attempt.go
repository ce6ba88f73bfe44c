// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"io"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

// Attempt tells of one HTTP attempt of a call, in terms that are safe to log:
// never a body, a header or a credential.
type Attempt struct {
	Operation *Operation
	Region    string        // Region that the request was signed for.
	SessionID string        // Of the session that the call is about, empty if it is about none.
	Number    int           // 1 for the first attempt of the call.
	Status    int           // HTTP status, 0 without an answer.
	ErrorCode string        // The service's error code, empty on success or without an answer.
	RequestID string        // The service's request ID, if it gave one.
	Duration  time.Duration // From sending the request to having decoded the answer.
}

// callRecord gathers what the attempts of one call leave behind. They come one
// after the other, so that it needs no lock.
type callRecord struct {
	operation *Operation
	session   SessionRef
	attempts  int
	// lost is set when an attempt ended such that the service may have done the
	// work although no answer, or no definite one, came back.
	lost bool
	// passes is set when the SDK would repeat the last attempt, of a call whose
	// attempts are repeated otherwise.
	passes bool
	// failure is the error of the last attempt that got as far as failing.
	failure error
	// requestID is that of the last attempt's answer, empty if it had none.
	requestID string
	// empty is set when the last answer had no body at all.
	empty bool
	// date is the service's clock at the last answer, or ours if it told none.
	date time.Time
}

type callRecordKey struct{}

// call makes one API call in a Region and classifies its failure.
func (a apiCall[I, O]) call(ctx context.Context, session SessionRef, input *I) (output *O, record *callRecord, err error) {
	record = &callRecord{operation: a.operation, session: session}
	defer func() {
		// The SDK's decoder panics on dates that are no numbers.
		if recover() != nil {
			record.lost = true
			output, err = nil, record.failed(newError(a.operation, session, ErrUnavailable, errors.New("the answer could not be decoded")))
		}
	}()

	output, err = a.send(context.WithValue(ctx, callRecordKey{}, record), input, inRegion(session.Region))
	if err != nil {
		return nil, record, record.failed(newCallError(ctx, a.operation, session, err, record))
	}
	missing := a.missing(input, output)
	if record.empty {
		// The SDK takes an empty body for an answer without members.
		missing = "the answer is empty"
	}
	if missing != "" {
		record.lost = true

		return nil, record, record.failed(newError(a.operation, session, ErrIncompleteAnswer, errors.New(missing)))
	}

	return output, record, nil
}

// failed returns the error of the call with the request ID of its last attempt.
func (r *callRecord) failed(e *Error) *Error {
	e.RequestID = r.requestID

	return e
}

// inRegion directs one call, its signature included, at a Region.
func inRegion(region string) func(*ssm.Options) {
	return func(o *ssm.Options) {
		o.Region = region
	}
}

// aroundAttempts paces and reports each attempt, inside of the SDK's retry loop.
func aroundAttempts(pace *pacer, observe func(context.Context, Attempt)) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		countBody := middleware.DeserializeMiddlewareFunc("CountBody",
			func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				out, metadata, err := next.HandleDeserialize(ctx, in)
				response, isResponse := out.RawResponse.(*smithyhttp.Response)
				if body, ok := ctx.Value(countedBodyKey{}).(*countedBody); ok && isResponse && response.Body != nil {
					body.ReadCloser, response.Body = response.Body, body
				}

				return out, metadata, err
			})
		if err := stack.Deserialize.Add(countBody, middleware.After); err != nil {
			return err
		}

		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("AroundAttempt",
			func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				record, ok := ctx.Value(callRecordKey{}).(*callRecord)
				if !ok {
					return middleware.FinalizeOutput{}, middleware.Metadata{}, errors.New("a request was made outside of a call")
				}
				lane := lane{region: awsmiddleware.GetRegion(ctx), operation: record.operation}
				if err := pace.admit(ctx, lane); err != nil {
					if record.failure == nil {
						record.failure = err
					}

					return middleware.FinalizeOutput{}, middleware.Metadata{}, err
				}

				record.requestID = ""
				body := &countedBody{}
				start := time.Now()
				recorded, sent := httpclient.WithRecord(context.WithValue(ctx, countedBodyKey{}, body))
				out, metadata, err := next.HandleFinalize(recorded, in)
				record.attempts++
				attempt := Attempt{
					Operation: lane.operation,
					Region:    lane.region,
					SessionID: record.session.SessionID,
					Number:    record.attempts,
					Duration:  time.Since(start),
				}
				raw, answered := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response)
				if answered {
					attempt.Status = raw.StatusCode
				}
				record.empty = answered && body.read == 0
				record.lost = record.lost || sent.MayHaveArrived() && mayHaveBeenDone(err)
				record.date = time.Now()
				if date, ok := awsmiddleware.GetServerTime(metadata); ok && !date.IsZero() {
					record.date = date
				}
				requestID, _ := awsmiddleware.GetRequestIDMetadata(metadata)
				record.requestID = safeRequestID(requestID)
				attempt.RequestID = record.requestID
				var apiErr smithy.APIError
				if errors.As(err, &apiErr) {
					attempt.ErrorCode = apiErr.ErrorCode()
				}
				if throttledAnswer(err) && !throttled(attempt.ErrorCode) {
					// What is between the client and SSM throttles without a code.
					err = &tooManyRequestsError{err}
				}
				record.failure = err
				pace.learn(ctx, lane, err)
				if observe != nil {
					observe(ctx, attempt)
				}

				return out, metadata, err
			}), "Retry", middleware.After)
	}
}

// countedBody is an answer's body that knows how much of it was read. An answer
// need not tell its length.
type countedBody struct {
	io.ReadCloser
	read int
}

type countedBodyKey struct{}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += n

	return n, err
}

// mayHaveBeenDone reports whether a request that arrived, and ended in err, can
// nevertheless have taken effect: nobody definitely said no.
func mayHaveBeenDone(err error) bool {
	var (
		apiErr         smithy.APIError
		credentialsErr *CredentialsError
	)

	switch status := httpStatus(err); {
	case err == nil, throttledAnswer(err):
		return false
	case errors.As(err, &credentialsErr):
		// What arrived was a request for credentials.
		return false
	case errors.As(err, &apiErr):
		return status >= 500
	case status > 0:
		return status < 300 || status >= 500
	default:
		return true
	}
}

// httpStatus returns the status of the HTTP answer behind err, 0 if there was none.
func httpStatus(err error) int {
	var respErr *smithyhttp.ResponseError
	if errors.As(err, &respErr) {
		return respErr.HTTPStatusCode()
	}

	return 0
}
