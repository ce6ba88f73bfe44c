// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	// ErrSessionOver means that the session cannot be resumed. Config.Resume wraps it.
	ErrSessionOver = errors.New("the session is over")

	// ErrClosed is returned by calls after Close.
	ErrClosed = errors.New("the data channel is closed")

	// ErrProtocol means that the other side violates the protocol.
	ErrProtocol = errors.New("the other side of the data channel violates the protocol")

	// ErrNoHandshake means that the agent did not complete the handshake.
	ErrNoHandshake = errors.New("the agent did not complete the handshake")

	// ErrUnreachable means that the service could not be reached again within five
	// minutes.
	ErrUnreachable = errors.New("the data channel could not be opened again")

	// ErrNotAcknowledged means that the agent did not acknowledge a flag in time.
	ErrNotAcknowledged = errors.New("the agent did not acknowledge the flag")

	// ErrFlagUnknown means that the agent is too old for a flag.
	ErrFlagUnknown = errors.New("the agent is too old for the flag")

	// ErrAddress means that a stream URL or the endpoint cannot be used. The error
	// does not show the URL.
	ErrAddress = errors.New("the address of the data channel cannot be used")
)

// A ClosedError reports that the service has closed the channel. The session has
// then ended.
type ClosedError struct {
	// Reason comes from the other side. It may be empty.
	Reason string
}

// Error includes the reason.
func (e *ClosedError) Error() string {
	if e.Reason == "" {
		return "the service has closed the data channel"
	}

	return "the service has closed the data channel: " + e.Reason
}

// A SessionTypeError reports that the session has the wrong type. The document of
// the session sets the type.
type SessionTypeError struct {
	Want, Got string
}

// Error includes both types.
func (e *SessionTypeError) Error() string {
	return fmt.Sprintf("the session is of type %q, but %q is needed", e.Got, e.Want)
}

// An EncryptionError reports that the agent requires encryption with a KMS key,
// which this package does not support.
type EncryptionError struct {
	// Key is the KMS key.
	Key string
}

// Error includes the key.
func (e *EncryptionError) Error() string {
	return fmt.Sprintf("the agent asks for encryption with the KMS key %q, which is not supported", e.Key)
}

// A CredentialsError reports that there are no credentials for a signature. It does
// not show the cause, which may contain secrets.
type CredentialsError struct {
	err error
}

// Error does not include the cause.
func (e *CredentialsError) Error() string {
	return "there are no credentials for the signature of the data channel"
}

// Unwrap returns the cause.
func (e *CredentialsError) Unwrap() error { return e.err }

// A DialError reports that the service did not open a WebSocket.
type DialError struct {
	// Status is the HTTP status code of the answer, or 0 if there was none.
	Status int

	text      string
	cause     error // Of package context, or nil: other causes may show the URL.
	temporary bool
}

// Error includes the cause, but not the URL and the token.
func (e *DialError) Error() string {
	switch {
	case e.Status >= 300 && e.Status < 400:
		return fmt.Sprintf("opening the WebSocket: the answer is a redirect, status %d, which is not followed", e.Status)
	case e.Status != 0:
		return fmt.Sprintf("opening the WebSocket: the answer has status %d", e.Status)
	}

	return "opening the WebSocket: " + e.text
}

// Unwrap returns the error of the context if that ended the attempt, or nil.
func (e *DialError) Unwrap() error { return e.cause }

var userinfo = regexp.MustCompile(`//[^/@\s"]*@`)

// clean prepares a text from outside for an error: one line of limited length,
// without the secrets.
func clean(text string, secrets ...string) string {
	const longest = 1024
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "...")
		}
	}
	text = userinfo.ReplaceAllString(strings.ToValidUTF8(text, "?"), "//...@")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if len(text) <= longest {
		return text
	}
	cut := longest
	for !utf8.RuneStart(text[cut]) {
		cut--
	}

	return text[:cut] + " ..."
}
