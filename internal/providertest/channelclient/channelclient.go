// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package channelclient is a client of data channels that shares no code with the
// product. It answers: do the token and the stream URL that the provider returns open
// the session?
//
//	client := channelclient.MustDial(t, channelclient.Access{URL: url, Token: token})
//	// End the session.
//	client.WantEnd(t, sessionID)
package channelclient

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

// Access opens a data channel.
type Access struct {
	URL   string
	Token string
}

// Client is a client that is connected to the data channel of its session.
type Client struct {
	conn *websocket.Conn
}

// RefusedError is the refusal of a data channel.
type RefusedError struct {
	Status int                  // Of the answer to the handshake, 0 if that went well.
	Code   websocket.StatusCode // With which the connection was closed afterwards.
}

// Error names no URL and no token.
func (e *RefusedError) Error() string {
	if e.Code != 0 {
		return fmt.Sprintf("the connection was closed with code %d", e.Code)
	}

	return fmt.Sprintf("the handshake was answered with status %d", e.Status)
}

// Dial connects to the URL, sends the token in the first message, and waits until the
// service lets the client start. A refusal is a *RefusedError.
func Dial(ctx context.Context, c Access) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()

	conn, resp, err := websocket.Dial(ctx, c.URL, nil)
	switch {
	case err != nil && resp == nil:
		return nil, errors.New("there is nothing at the stream URL, or it is no URL")
	case err != nil:
		return nil, &RefusedError{Status: resp.StatusCode}
	}

	first, err := json.Marshal(map[string]string{
		"MessageSchemaVersion": "1.0",
		"RequestId":            "c2f7b1de-3d0c-4f0a-9f58-4f6d1c0a6b1e",
		"TokenValue":           c.Token,
		"ClientId":             "0b9b1f0e-6d0a-4b7e-8f1c-2a54a4a1f9d3",
		"ClientVersion":        "1.2.764.0",
	})
	if err != nil {
		return nil, err
	}
	channel := &Client{conn: conn}
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
func (c *Client) next(ctx context.Context) (kind string, payload []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()

	frame, message, err := c.conn.Read(ctx)
	if code := websocket.CloseStatus(err); code > 0 {
		return "", nil, &RefusedError{Code: code}
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

// WantEnd waits for the message that tells a client of the end of its session, and for
// the end of the connection.
func (c *Client) WantEnd(t *testing.T, sessionID string) {
	t.Helper()

	kind, payload, err := c.next(t.Context())
	if err != nil || kind != "channel_closed" {
		t.Fatalf("want channel_closed, got %q, %v", kind, err)
	}
	var closed struct {
		SessionID string `json:"SessionId"`
	}
	if err := json.Unmarshal(payload, &closed); err != nil || closed.SessionID != sessionID {
		t.Errorf("the message is about the end of %q, %v", closed.SessionID, err)
	}
	if _, _, err := c.next(t.Context()); !errors.As(err, new(*RefusedError)) {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// MustDial is Dial for a channel that has to open. It is closed with the test.
func MustDial(t *testing.T, c Access) *Client {
	t.Helper()

	channel, err := Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = channel.conn.CloseNow() })

	return channel
}
