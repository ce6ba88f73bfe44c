// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package httpclient sends the requests of the AWS SDK, and classifies failures: whether the
// request may have reached the endpoint, whether a retry can help, and why it failed. The
// errors quote nothing from outside.
//
// The SDK does not tell net/http that a request's body is in memory. net/http then sends the
// header and the body separately, and afterwards tries to read more of the body. The SDK
// closes the body when the answer begins. If the answer begins before net/http has tried to
// read more, net/http closes the connection, and the rest of the answer is lost.
// See https://github.com/aws/aws-sdk-go-v2/issues/2737.
//
// The SDK also does not retry if the connection breaks while it decodes the answer. This
// package reads the whole answer first, so the SDK retries.
package httpclient

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// MaxAnswer is the maximum length of an answer, in bytes. The largest answer of AWS, a page of
// 200 sessions, is much smaller.
const MaxAnswer = 8 << 20

// Client sends requests with small bodies. It reads the whole body before it sends the request,
// and the whole answer before it returns. Its errors wrap *Error.
type Client struct {
	aws.HTTPClient
}

// Do sends a request. An incomplete answer, or one longer than MaxAnswer, is an error.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	return do(r, c.HTTPClient.Do)
}

// Transport does the same as Client, for an http.Client.
type Transport struct {
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return do(r, t.RoundTripper.RoundTrip)
}

// Record observes the requests that are sent with its context.
type Record struct {
	sent atomic.Bool
}

// MayHaveArrived reports whether any part of a request may have reached the endpoint. It is
// false only if no request got a connection.
func (r *Record) MayHaveArrived() bool { return r.sent.Load() }

type recordKey struct{}

// WithRecord returns a context with a Record of the requests that use it.
func WithRecord(ctx context.Context) (context.Context, *Record) {
	record := &Record{}

	return context.WithValue(ctx, recordKey{}, record), record
}

// Upgrade sends requests that turn their connection into another one, such as a WebSocket's. It
// does not read the answer. Its errors wrap *Error.
type Upgrade struct {
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (u Upgrade) RoundTrip(r *http.Request) (*http.Response, error) {
	return send(r, u.RoundTripper.RoundTrip)
}

// do sends a request with next and reads the whole answer.
func do(r *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	response, err := send(r, next)
	if err != nil {
		return response, err
	}
	body, err := readAnswer(response)
	if err != nil {
		return nil, newError(r, err, true)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))

	return response, nil
}

// send sends a request with next. It reads the whole body of the request first.
func send(r *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if err := checkRequest(r); err != nil {
		return nil, err
	}

	// net/http calls GetConn when it starts to look for a connection, and GotConn before it
	// writes to one.
	var asked, got atomic.Bool
	ctx := httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { got.Store(true) },
	})
	original := r
	r = r.WithContext(ctx)
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		// The SDK closes its own body. This request must not share it.
		r.Body = io.NopCloser(bytes.NewReader(body))
	}

	response, err := next(r)
	// A transport that calls neither hook may have sent the request.
	sent := got.Load() || !asked.Load()
	if record, ok := r.Context().Value(recordKey{}).(*Record); ok && sent {
		record.sent.Store(true)
	}
	if err != nil {
		return response, newError(original, err, sent)
	}

	return response, nil
}

// readAnswer reads and closes the body of an answer.
func readAnswer(response *http.Response) ([]byte, error) {
	defer response.Body.Close() //nolint:errcheck // The body has been read.

	if response.ContentLength > MaxAnswer {
		return nil, errTooLong
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > MaxAnswer:
		return nil, errTooLong
	default:
		return body, nil
	}
}
