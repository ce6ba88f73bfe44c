// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Connection is what a client needs to connect to a session's data channel. Both
// values are secrets. They give access to the session.
type Connection struct {
	TokenValue string // Authenticates the client on the data channel.
	StreamURL  string // The data channel's WebSocket URL, exactly as the service sent it.
}

// Resume requests a new token and stream URL for a live session. This resets the
// session's idle timer and may disturb the client that is connected.
//
// Errors: ErrTimedOut, ErrEnded, ErrNotFound, ErrAccessDenied, ErrIncompleteAnswer, and
// the errors of a failed call. No error contains a token or URL.
//
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ResumeSession.html.
func (c *Client) Resume(ctx context.Context, ref SessionRef) (Connection, error) {
	output, _, err := c.api.resumeSession.call(ctx, ref,
		&ssm.ResumeSessionInput{SessionId: aws.String(ref.SessionID)})
	if err != nil {
		return Connection{}, err
	}

	if aws.ToString(output.TokenValue) == "" {
		return Connection{}, newError(ResumeSession, ref, ErrTimedOut, nil)
	}

	secrets.add(*output.TokenValue, *output.StreamUrl)

	return Connection{TokenValue: *output.TokenValue, StreamURL: *output.StreamUrl}, nil
}
