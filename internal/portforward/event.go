// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import "time"

// Kind is the kind of an event.
type Kind string

const (
	// SessionOpened: a session is ready for connections.
	SessionOpened Kind = "session opened"
	// SessionOver: a session has ended while the forward is open. Err is the cause, or nil after a regular end.
	SessionOver Kind = "session over"
	// SessionFailed: a session could not be opened. Err is the cause. Pause is the time to the next attempt, or 0.
	SessionFailed Kind = "session failed"
	// ConnectionOpened: a client has connected, and its stream is open.
	ConnectionOpened Kind = "connection opened"
	// ConnectionClosed: a connection has ended regularly.
	ConnectionClosed Kind = "connection closed"
	// ConnectionReset: a connection has been reset. Err is the cause.
	ConnectionReset Kind = "connection reset"
	// TargetRefused: the agent could not connect to the target, and the connection has been reset.
	TargetRefused Kind = "target refused"
	// AcceptFailed: a connection could not be accepted. Err is the cause.
	AcceptFailed Kind = "accept failed"
)

// Event is an event of a forward, for a log. It has counts and causes, and never the data.
type Event struct {
	Kind      Kind
	SessionID string
	Target    string
	// Connection counts the connections of a forward from 1. It is 0 in events of sessions.
	Connection uint64
	// Open is the number of connections that are open now.
	Open int
	// Up and Down are the bytes that went to the target and to the client.
	Up, Down int64
	// Waiting is the number of bytes that the client did not read.
	Waiting int64
	// Duration is how long the connection or the session has lived.
	Duration time.Duration
	// Attempt counts the attempts to open one session from 1, and Pause is the time to the next one.
	Attempt int
	Pause   time.Duration
	Err     error
}
