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
	// ErrSessionOver says that the session cannot be resumed. Config.Resume
	// wraps it to say so.
	ErrSessionOver = errors.New("the session is over")

	// ErrClosed is returned by calls on a channel that Close was called on.
	ErrClosed = errors.New("the data channel is closed")

	// ErrProtocol says that the other side does not keep to the protocol.
	ErrProtocol = errors.New("the other side of the data channel breaks the protocol")

	// ErrNoHandshake says that the agent did not finish the handshake.
	ErrNoHandshake = errors.New("the agent did not complete the handshake")

	// ErrUnreachable says that the service could not be reached again for
	// minutes.
	ErrUnreachable = errors.New("the data channel could not be opened again")

	// ErrNotAcknowledged says that the agent did not acknowledge a flag in time.
	ErrNotAcknowledged = errors.New("the agent did not acknowledge the flag")

	// ErrFlagUnknown says that the agent is too old for a flag.
	ErrFlagUnknown = errors.New("the agent is too old for the flag")

	// ErrAddress says that a stream URL, or the endpoint in its place, must not
	// be dialled. The error does not show it.
	ErrAddress = errors.New("the address of the data channel cannot be used")
)

// A ClosedError says that the service has closed the channel, and with it the
// session.
type ClosedError struct {
	// Reason is what the other side says. It may be empty.
	Reason string
}

// Error tells the reason.
func (e *ClosedError) Error() string {
	if e.Reason == "" {
		return "the service has closed the data channel"
	}

	return "the service has closed the data channel: " + e.Reason
}

// A SessionTypeError says that the session is of another type than it is
// needed for. Its document is the cause.
type SessionTypeError struct {
	Want, Got string
}

// Error names both types.
func (e *SessionTypeError) Error() string {
	return fmt.Sprintf("the session is of type %q, but %q is needed", e.Got, e.Want)
}

// An EncryptionError says that the agent asks for encryption with a KMS key,
// which this package does not do.
type EncryptionError struct {
	// Key is the key that was asked for.
	Key string
}

// Error names the key.
func (e *EncryptionError) Error() string {
	return fmt.Sprintf("the agent asks for encryption with the KMS key %q, which is not supported", e.Key)
}

// A CredentialsError says that there are no credentials for a signature. It
// does not show what the source of the credentials says: that may be secret.
type CredentialsError struct {
	err error
}

// Error does not tell the cause.
func (e *CredentialsError) Error() string {
	return "there are no credentials for the signature of the data channel"
}

// Unwrap returns the cause.
func (e *CredentialsError) Unwrap() error { return e.err }

// A DialError says that the service did not open a WebSocket.
type DialError struct {
	// Status is the status code of the answer, 0 if there was none.
	Status int

	text      string
	cause     error // Of package context, or nil: other causes may show the URL.
	temporary bool
}

// Error tells the cause without URL and token.
func (e *DialError) Error() string {
	switch {
	case e.Status >= 300 && e.Status < 400:
		return fmt.Sprintf("opening the WebSocket: the answer is a redirect, status %d, which is not followed", e.Status)
	case e.Status != 0:
		return fmt.Sprintf("opening the WebSocket: the answer has status %d", e.Status)
	}

	return "opening the WebSocket: " + e.text
}

// Unwrap returns the error of the context that ended the attempt, if any.
func (e *DialError) Unwrap() error { return e.cause }

var userinfo = regexp.MustCompile(`//[^/@\s"]*@`)

// clean makes words of the other side, or of a library, fit for an error: one
// line of bounded length, without the secrets.
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
