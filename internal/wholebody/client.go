// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package wholebody sends the requests of the AWS SDK in one piece, and receives
// their answers so.
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
package wholebody

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Client sends the requests of an API whose bodies are small: each is read before
// it is sent, and each answer before it is returned.
type Client struct {
	aws.HTTPClient
}

// Do sends a request. An answer that breaks off is an error.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		// The SDK closes the body that it gave; nobody else may touch this request.
		r = r.WithContext(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}

	response, err := c.HTTPClient.Do(r)
	if err != nil {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close() //nolint:errcheck // All that it had is read.
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))

	return response, nil
}
