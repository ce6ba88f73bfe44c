// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"

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

	failed := newError(ResumeSession, ref, nil, nil)
	switch {
	case output.SessionId == nil:
		failed.Kind, failed.Err = ErrIncompleteAnswer, errors.New("the answer names no session")
	case *output.SessionId != ref.SessionID:
		failed.Kind, failed.Err = ErrIncompleteAnswer, errors.New("the answer names another session")
	case aws.ToString(output.TokenValue) == "":
		// AWS's own client reads an answer without a token as a time-out.
		failed.Kind = ErrTimedOut
	case aws.ToString(output.StreamUrl) == "":
		failed.Kind, failed.Err = ErrIncompleteAnswer, errors.New("the answer has a token but no stream URL")
	default:
		return Connection{TokenValue: *output.TokenValue, StreamURL: *output.StreamUrl}, nil
	}

	return Connection{}, failed
}
