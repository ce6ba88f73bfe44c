// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Connection is what a client needs to connect to a session's data channel. Both
// values are secrets: whoever holds them can take part in the session.
type Connection struct {
	TokenValue string // Authenticates the client on the data channel.
	StreamURL  string // The data channel's WebSocket URL, byte for byte as the service gave it.
}

// Resume gives a live session a fresh token and stream URL. Doing so resets the
// session's idle timer and may disturb the client that holds the session.
//
// Errors: ErrTimedOut, ErrEnded, ErrNotFound, ErrAccessDenied, ErrIncompleteAnswer,
// and those of a failed call. None ever holds a token or URL.
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

	return Connection{TokenValue: *output.TokenValue, StreamURL: *output.StreamUrl}, nil
}
