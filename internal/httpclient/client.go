// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package httpclient sends the requests of the AWS SDK in one piece, receives their
// answers so, and says what a failure to do so means: whether the request can have
// reached the endpoint, whether it is worth repeating, and why it failed, in words
// that quote nothing from outside.
//
// The SDK hides from net/http that a request's body is in memory. net/http then
// sends the header by itself, and the body after it. It also looks for more of the
// body once all has been sent, and the SDK closes the body as soon as the answer
// begins: an answer that comes before that look makes net/http close the connection,
// and the rest of the answer is lost.
// See https://github.com/aws/aws-sdk-go-v2/issues/2737.
//
// The SDK repeats an attempt whose connection breaks before the answer, and not one
// whose answer breaks off while it is decoded.
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

// MaxAnswer is how long an answer may be, in bytes. The largest one that AWS gives,
// a page of 200 sessions, is a small part of it.
const MaxAnswer = 8 << 20

// Client sends the requests of an API whose bodies are small: each is read before
// it is sent, and each answer before it is returned. Its errors are of type *Error.
type Client struct {
	aws.HTTPClient
}

// Do sends a request. An answer that breaks off, or is longer than MaxAnswer, is an error.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	return do(r, c.HTTPClient.Do)
}

// Transport does what Client does, for an http.Client.
type Transport struct {
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return do(r, t.RoundTripper.RoundTrip)
}

// Record tells what became of the requests that were sent with its context.
type Record struct {
	sent atomic.Bool
}

// MayHaveArrived reports whether a request, or a part of it, can have reached the
// endpoint. It is false only with proof: no request got a connection.
func (r *Record) MayHaveArrived() bool { return r.sent.Load() }

type recordKey struct{}

// WithRecord returns a context with a Record of the requests that are sent with it.
func WithRecord(ctx context.Context) (context.Context, *Record) {
	record := &Record{}

	return context.WithValue(ctx, recordKey{}, record), record
}

// do sends a request by a function, in one piece.
func do(r *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if err := checkRequest(r); err != nil {
		return nil, err
	}

	// net/http calls GetConn when it begins to look for a connection, and GotConn
	// before it writes to one.
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
		// The SDK closes the body that it gave; nobody else may touch this request.
		r.Body = io.NopCloser(bytes.NewReader(body))
	}

	response, err := next(r)
	if got.Load() || !asked.Load() {
		// A transport that tells neither proves nothing.
		if record, ok := r.Context().Value(recordKey{}).(*Record); ok {
			record.sent.Store(true)
		}
	}
	if err != nil {
		return response, newError(original, err)
	}
	body, err := readAnswer(response)
	if err != nil {
		return nil, newError(original, err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))

	return response, nil
}

// readAnswer reads and closes the body of an answer.
func readAnswer(response *http.Response) ([]byte, error) {
	defer response.Body.Close() //nolint:errcheck // All that is needed of it is read.

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
