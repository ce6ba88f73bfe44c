// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
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
	// Got is empty if the type is none that AWS documents.
	Want, Got string
}

// Error includes both types.
func (e *SessionTypeError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("the session is of an unknown type, but %q is needed", e.Want)
	}

	return fmt.Sprintf("the session is of type %q, but %q is needed", e.Got, e.Want)
}

// sessionTypes are the types of sessions that AWS documents.
var sessionTypes = []string{"Standard_Stream", "Port", "InteractiveCommands", "NonInteractiveCommands"}

func newSessionTypeError(want, got string) *SessionTypeError {
	if !slices.Contains(sessionTypes, got) {
		got = ""
	}

	return &SessionTypeError{Want: want, Got: got}
}

// An EncryptionError reports that the agent requires encryption with a KMS key,
// which this package does not support.
type EncryptionError struct {
	// Key is the ID, alias or ARN of the KMS key. It is empty if the agent sends something else.
	Key string
}

// Error includes the key.
func (e *EncryptionError) Error() string {
	if e.Key == "" {
		return "the agent asks for encryption with a KMS key, which is not supported"
	}

	return fmt.Sprintf("the agent asks for encryption with the KMS key %q, which is not supported", e.Key)
}

var keyShape = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(arn:aws[a-z-]*:kms:[a-z0-9-]{1,32}:[0-9]{12}:key/)?(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$|^(arn:aws[a-z-]*:kms:[a-z0-9-]{1,32}:[0-9]{12}:)?alias/[A-Za-z0-9/_-]{1,64}$`)
})

func newEncryptionError(key string) *EncryptionError {
	if !keyShape().MatchString(key) {
		key = ""
	}

	return &EncryptionError{Key: key}
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

// A DialError reports that the service did not open a WebSocket. Its text quotes nothing
// from outside.
type DialError struct {
	// Status is the HTTP status code of the service's answer, or 0 if there was none.
	// The answer of a proxy does not count.
	Status int

	// Failure is why the request got no usable answer, or nil if it got one.
	Failure *httpclient.Error

	text      string
	temporary bool
}

// newDialError returns why a WebSocket was not opened. The status is that of the service's
// answer, or 0. The text of err may quote a proxy or the service.
func newDialError(err error, status int) *DialError {
	switch {
	case status == http.StatusSwitchingProtocols:
		return &DialError{Status: status, text: "the answer agrees to a WebSocket, but does not keep to its protocol: something between may have changed it"}
	case status >= 300 && status < 400:
		return &DialError{Status: status, text: fmt.Sprintf("the answer is a redirect, HTTP status %d, which is not followed", status)}
	case status != 0:
		return &DialError{
			Status:    status,
			text:      fmt.Sprintf("the answer has HTTP status %d", status),
			temporary: status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout,
		}
	}
	failure := httpclient.Classify(err)

	return &DialError{Failure: failure, text: failure.Error(), temporary: !failure.Permanent()}
}

// Error includes the cause.
func (e *DialError) Error() string { return "opening the WebSocket: " + e.text }

// Reason returns the cause, as a clause.
func (e *DialError) Reason() string { return e.text }

// Permanent reports whether another attempt is useless.
func (e *DialError) Permanent() bool { return !e.temporary }

// interruption is the end of a context, in words of this package.
type interruption struct{ error }

// Interruption puts the error or the cause of an ended context into words, and wraps it.
func Interruption(err error) error { return interruption{err} }

// Error does not use the words of package context.
func (e interruption) Error() string {
	switch {
	case errors.Is(e.error, context.Canceled):
		return "the operation was cancelled"
	case errors.Is(e.error, context.DeadlineExceeded):
		return "the time allowed ran out"
	default:
		return e.error.Error()
	}
}

// Unwrap returns the context's error.
func (e interruption) Unwrap() error { return e.error }

var userinfo = regexp.MustCompile(`//[^/@\s"]*@`)

// clean prepares a text of the agent for an error: one line of limited length, without the
// secrets and without the passwords of URLs.
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
