// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package wholebody sends the requests of the AWS SDK in one piece.
//
// The SDK hides from net/http that a request's body is in memory. net/http then
// sends the header by itself, and the body after it. It also looks for more of the
// body once all has been sent, and the SDK closes the body as soon as the answer
// begins: an answer that comes before that look makes net/http close the connection,
// and the rest of the answer is lost.
// See https://github.com/aws/aws-sdk-go-v2/issues/2737.
package wholebody

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Client sends the requests of an API whose bodies are small: each is read before
// it is sent.
type Client struct {
	aws.HTTPClient
}

// Do sends a request.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return c.HTTPClient.Do(r)
	}

	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	// The SDK closes the body that it gave; nobody else may touch this request.
	r = r.WithContext(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))

	return c.HTTPClient.Do(r)
}
