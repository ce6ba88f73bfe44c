// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

// Attempt describes one HTTP attempt of a call. It is safe to log: it has no body,
// no header and no credential.
type Attempt struct {
	Operation *Operation
	Region    string        // Region that the request was signed for.
	SessionID string        // The session that the call is about, empty if there is none.
	Number    int           // 1 for the first attempt of the call.
	Status    int           // HTTP status, 0 without an answer.
	ErrorCode string        // The service's error code, empty on success or without an answer. UnknownError if it is none.
	RequestID string        // The service's request ID, if it gave one.
	Duration  time.Duration // From sending the request to decoding the answer.
}

// callRecord collects what the attempts of one call leave behind. The attempts run
// one at a time, so it has no lock.
type callRecord struct {
	operation *Operation
	session   SessionRef
	attempts  int
	// lost is set when the service may have done the work in some attempt, but sent
	// no definite answer.
	lost bool
	// retryable is set when the SDK would have repeated the last attempt. It serves
	// calls that do not use the SDK's own retries.
	retryable bool
	// failure is the error of the last attempt that failed.
	failure error
	// requestID is the one of the last attempt's answer, empty if it had none.
	requestID string
	// flaw says why the last answer is not one of SSM, although its status is a success.
	// Empty if it is one.
	flaw string
	// date is the service's time in the last answer, or the local time if the answer
	// had none.
	date time.Time
}

type callRecordKey struct{}

// call makes one API call in a Region and classifies its failure.
func (a apiCall[I, O]) call(ctx context.Context, session SessionRef, input *I) (output *O, record *callRecord, err error) {
	record = &callRecord{operation: a.operation, session: session}
	defer func() {
		// The SDK's decoder panics on dates that are not numbers.
		if recover() != nil {
			record.lost = true
			output, err = nil, record.failed(newError(a.operation, session, ErrUnavailable, errors.New("the answer could not be decoded")))
		}
	}()

	output, err = a.send(context.WithValue(ctx, callRecordKey{}, record), input, inRegion(session.Region))
	if err != nil {
		return nil, record, record.failed(newCallError(ctx, a.operation, session, err, record))
	}
	missing := record.flaw
	if missing == "" {
		missing = a.missing(input, output)
	}
	if missing != "" {
		record.lost = true

		return nil, record, record.failed(newError(a.operation, session, ErrIncompleteAnswer, errors.New(missing)))
	}

	return output, record, nil
}

// failed adds the request ID of the last attempt to the error of the call.
func (r *callRecord) failed(e *Error) *Error {
	e.RequestID = r.requestID

	return e
}

// inRegion sends one call to a Region, and signs it for that Region.
func inRegion(region string) func(*ssm.Options) {
	return func(o *ssm.Options) {
		o.Region = region
	}
}

// aroundAttempts paces and reports each attempt. It runs inside the SDK's retry loop.
func aroundAttempts(pace *pacer, observe func(context.Context, Attempt)) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		keepBody := middleware.DeserializeMiddlewareFunc("KeepBody",
			func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				out, metadata, err := next.HandleDeserialize(ctx, in)
				kept, ok := ctx.Value(keptBodyKey{}).(*[]byte)
				response, isResponse := out.RawResponse.(*smithyhttp.Response)
				if err != nil || !ok || !isResponse || response.Body == nil {
					return out, metadata, err
				}
				*kept, err = io.ReadAll(response.Body)
				response.Body = io.NopCloser(bytes.NewReader(*kept))

				return out, metadata, err
			})
		if err := stack.Deserialize.Add(keepBody, middleware.After); err != nil {
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
				var body []byte
				start := time.Now()
				recorded, sent := httpclient.WithRecord(context.WithValue(ctx, keptBodyKey{}, &body))
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
				record.flaw = ""
				if answered {
					record.flaw = flawOf(raw.Response, body)
				}
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
					attempt.ErrorCode = safeErrorCode(apiErr.ErrorCode())
				}
				if throttledAnswer(err) && !throttled(attempt.ErrorCode) {
					// A proxy or gateway in front of SSM throttles without an error code.
					err = &tooManyRequestsError{err}
				}
				record.failure = err
				pace.update(ctx, lane, err)
				if observe != nil {
					observe(ctx, attempt)
				}

				return out, metadata, err
			}), "Retry", middleware.After)
	}
}

// keptBodyKey is the key of the body of an attempt's answer.
type keptBodyKey struct{}

// flawOf returns why an answer with the status of a success is not one of SSM, or "". The
// SDK decodes an empty body as an answer without members, and ignores everything after
// the first JSON document.
func flawOf(response *http.Response, body []byte) string {
	var document struct {
		Type json.RawMessage `json:"__type"`
	}

	switch {
	case len(body) == 0:
		return "the answer is empty"
	case response.StatusCode != http.StatusOK:
		return fmt.Sprintf("the answer has HTTP status %d, not 200", response.StatusCode)
	case json.Unmarshal(body, &document) != nil:
		return "the answer is not a single JSON object"
	case response.Header.Get("X-Amzn-Errortype") != "", document.Type != nil && string(document.Type) != "null":
		return "the answer has HTTP status 200 but names an error"
	default:
		return ""
	}
}

// mayHaveBeenDone reports whether a request that arrived and ended in err may still
// have taken effect, because the service did not clearly refuse it.
func mayHaveBeenDone(err error) bool {
	var (
		apiErr         smithy.APIError
		credentialsErr *CredentialsError
	)

	switch status := httpStatus(err); {
	case err == nil, throttledAnswer(err):
		return false
	case errors.As(err, &credentialsErr):
		// The request that arrived was one for credentials.
		return false
	case errors.As(err, &apiErr):
		return status >= 500
	case status > 0:
		return status < 300 || status >= 500
	default:
		return true
	}
}

// httpStatus returns the status of the HTTP answer that err comes from, 0 if there
// was no answer.
func httpStatus(err error) int {
	var respErr *smithyhttp.ResponseError
	if errors.As(err, &respErr) {
		return respErr.HTTPStatusCode()
	}

	return 0
}
