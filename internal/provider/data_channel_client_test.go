// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// testConnection is what the provider returns of a resumed session.
type testConnection struct {
	url   string
	token string
}

// testChannel is a client of a session, connected to its data channel.
type testChannel struct {
	conn *websocket.Conn
}

// testChannelError is how a data channel was refused: by the status of the
// handshake, or by the code with which the connection was closed afterwards.
type testChannelError struct {
	status int
	code   websocket.StatusCode
}

// Error names no URL and no token.
func (e *testChannelError) Error() string {
	if e.code != 0 {
		return fmt.Sprintf("the connection was closed with code %d", e.code)
	}

	return fmt.Sprintf("the handshake was answered with status %d", e.status)
}

// openTestChannel does what a client has to do: connect to the URL as it is, send
// the token in the first message, and wait until the service lets it start.
func openTestChannel(ctx context.Context, c testConnection) (*testChannel, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()

	conn, resp, err := websocket.Dial(ctx, c.url, nil)
	switch {
	case err != nil && resp == nil:
		return nil, errors.New("there is nothing at the stream URL, or it is no URL")
	case err != nil:
		return nil, &testChannelError{status: resp.StatusCode}
	}

	first, err := json.Marshal(map[string]string{
		"MessageSchemaVersion": "1.0",
		"RequestId":            "c2f7b1de-3d0c-4f0a-9f58-4f6d1c0a6b1e",
		"TokenValue":           c.token,
		"ClientId":             "0b9b1f0e-6d0a-4b7e-8f1c-2a54a4a1f9d3",
		"ClientVersion":        "1.2.764.0",
	})
	if err != nil {
		return nil, err
	}
	channel := &testChannel{conn: conn}
	if err := conn.Write(ctx, websocket.MessageText, first); err != nil {
		return nil, errors.Join(err, conn.CloseNow())
	}
	kind, _, err := channel.next(ctx)
	if err != nil {
		return nil, errors.Join(err, conn.CloseNow())
	}
	if kind != "start_publication" {
		return nil, errors.Join(fmt.Errorf("the first message is %q", kind), conn.CloseNow())
	}

	return channel, nil
}

// next waits for a message, and returns its type and its payload.
func (c *testChannel) next(ctx context.Context) (kind string, payload []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()

	frame, message, err := c.conn.Read(ctx)
	if code := websocket.CloseStatus(err); code > 0 {
		return "", nil, &testChannelError{code: code}
	}
	if err != nil {
		return "", nil, err
	}
	if frame != websocket.MessageBinary || len(message) < 120 {
		return "", nil, fmt.Errorf("a %v of %d bytes is no message", frame, len(message))
	}
	// The payload follows its length, and that follows the header.
	header := binary.BigEndian.Uint32(message)
	if header != 116 {
		return "", nil, fmt.Errorf("a header of %d bytes", header)
	}

	return strings.TrimSpace(string(message[4:36])), message[header+4:], nil
}

// wantEnd waits for the message that tells a client of the end of its session.
func (c *testChannel) wantEnd(t *testing.T, sessionID string) {
	t.Helper()

	kind, payload, err := c.next(t.Context())
	if err != nil || kind != "channel_closed" {
		t.Fatalf("want channel_closed, got %q, %v", kind, err)
	}
	var closed struct {
		SessionID string `json:"SessionId"`
	}
	if err := json.Unmarshal(payload, &closed); err != nil || closed.SessionID != sessionID {
		t.Errorf("the end of %q is told, %v", closed.SessionID, err)
	}
	if _, _, err := c.next(t.Context()); !errors.As(err, new(*testChannelError)) {
		t.Errorf("the service did not take its leave: %v", err)
	}
}

// mustOpenTestChannel opens a data channel for the time of a test.
func mustOpenTestChannel(t *testing.T, c testConnection) *testChannel {
	t.Helper()

	channel, err := openTestChannel(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = channel.conn.CloseNow() })

	return channel
}
