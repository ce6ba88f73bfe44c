// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

// Cause is the cause of a failure in a form that is safe to show. Errors of the SDK,
// of transports and of credential sources quote what they read, which may be a
// secret: a Cause holds words of ours, known codes, and code, message and request ID
// of the errors of AWS, and nothing else that came from outside.
type Cause struct { //nolint:errname // It is the cause of an Error.
	Text      string // A clause, without a period.
	RequestID string // Of the AWS service that refused, empty if none did.

	err error
}

// Error implements error.
func (c *Cause) Error() string { return c.Text }

// Unwrap returns the error behind the cause, for errors.Is and errors.As. Its text
// must not be shown.
func (c *Cause) Unwrap() error { return c.err }

// CauseOf returns what is safe to show of an error that came from outside of this
// package, nil for nil.
func CauseOf(err error) *Cause {
	var cause *Cause
	switch {
	case err == nil:
		return nil
	case errors.As(err, &cause) && error(cause) == err: //nolint:errorlint // Whether it is wrapped is the question.
		return cause
	case cause != nil:
		// What wraps the cause stays recognizable.
		return &Cause{Text: cause.Text, RequestID: cause.RequestID, err: err}
	}
	text, requestID := tell(err)

	return &Cause{Text: text, RequestID: requestID, err: err}
}

// CredentialsError is a failure to obtain or renew the credentials of a call, as
// opposed to a service that does not accept them.
type CredentialsError struct {
	err error
}

// Error implements error.
func (e *CredentialsError) Error() string {
	return CauseOf(e).Text
}

// Unwrap returns the error of the source. Its text must not be shown.
func (e *CredentialsError) Unwrap() error { return e.err }

// tellingCredentials mark the errors of a source of credentials.
type tellingCredentials struct {
	aws.CredentialsProvider
}

// Retrieve implements aws.CredentialsProvider.
func (c tellingCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	credentials, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return credentials, &CredentialsError{err: err}
	}

	return credentials, nil
}

// IsCredentialsProvider lets the SDK find out what kind of source it has.
func (c tellingCredentials) IsCredentialsProvider(target aws.CredentialsProvider) bool {
	return aws.IsCredentialsProvider(c.CredentialsProvider, target)
}

// RepeatUseless reports whether a failure is one that a repetition cannot cure, such
// as a certificate that is not trusted or a proxy that refuses.
func RepeatUseless(err error) bool {
	var sent *httpclient.Error

	return errors.As(err, &sent) && sent.Lasting()
}

// tell words an error, and returns the request ID of the service that gave it.
func tell(err error) (text, requestID string) {
	var source *CredentialsError
	if errors.As(err, &source) {
		cause := CauseOf(source.err)

		return "the credentials could not be obtained or renewed: " + cause.Text, cause.RequestID
	}

	var (
		sent      *httpclient.Error
		process   *processcreds.ProviderError
		sso       *ssocreds.InvalidTokenError
		exit      *exec.ExitError
		path      *fs.PathError
		errno     syscall.Errno
		decode    *smithy.DeserializationError
		apiErr    smithy.APIError
		operation *smithy.OperationError
	)
	during := ""
	if errors.As(err, &operation) && operation.Service() != ssm.ServiceID &&
		safeName(operation.Service()) && safeName(operation.Operation()) {
		during = operation.Service() + " " + operation.Operation() + ": "
	}

	switch status := httpStatus(err); {
	case errors.As(err, &sent):
		return sent.Error(), ""
	case errors.Is(err, context.Canceled):
		return context.Canceled.Error(), ""
	case status == http.StatusTooManyRequests && (!errors.As(err, &apiErr) || !wellFormed(apiErr)):
		return "HTTP status 429, too many requests", requestIDOf(err)
	case errors.As(err, &process) && errors.As(err, &exit):
		return fmt.Sprintf("the credential_process ended with status %d", exit.ExitCode()), ""
	case errors.As(err, &process) && errors.Is(err, context.DeadlineExceeded):
		return "the credential_process did not end in time", ""
	case errors.As(err, &process):
		return "the credential_process could not be run, or its output is not what the AWS SDK expects", ""
	case errors.As(err, &sso):
		return "the SSO session has expired, was revoked or was never opened", ""
	case errors.As(err, &apiErr) && wellFormed(apiErr):
		return during + apiErr.ErrorCode() + ": " + message(apiErr), requestIDOf(err)
	case errors.As(err, &apiErr) && !fromAWS(apiErr):
		return "the endpoint for container credentials refused the request", ""
	case errors.As(err, &decode):
		return during + fmt.Sprintf("the answer (HTTP status %d) could not be decoded", status), ""
	case status > 0:
		return during + fmt.Sprintf("HTTP status %d", status), requestIDOf(err)
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded.Error(), ""
	case errors.As(err, &path) && errors.As(err, &errno):
		return "a file could not be read: " + errno.Error(), ""
	default:
		return during + "the request could not be made; what was said is not shown, as it may quote a secret", ""
	}
}

var (
	nameShape      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 ]{0,63}$`) })
	codeShape      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.]{0,127}$`) })
	requestIDShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9-]{8,128}$`) })
)

// safeName reports whether a text is shaped like the SDK's name of a service or operation.
func safeName(name string) bool { return nameShape().MatchString(name) }

// fromAWS reports whether an error was decoded by the SDK's client of an AWS service,
// and not by one that reads credentials from an endpoint of the machine.
func fromAWS(err smithy.APIError) bool {
	decoded := reflect.TypeOf(err)
	if decoded.Kind() == reflect.Pointer {
		decoded = decoded.Elem()
	}

	return strings.HasPrefix(decoded.PkgPath(), "github.com/aws/smithy-go") ||
		strings.HasPrefix(decoded.PkgPath(), "github.com/aws/aws-sdk-go-v2/service/")
}

// wellFormed reports whether an error is one of AWS and has a code as AWS gives it.
func wellFormed(err smithy.APIError) bool {
	return fromAWS(err) && codeShape().MatchString(err.ErrorCode()) && err.ErrorCode() != "UnknownError"
}

// message returns the message of an error of AWS on one line.
func message(err smithy.APIError) string {
	const longest = 1000

	// A refused signature is explained by what was signed, session token included.
	text, _, _ := strings.Cut(err.ErrorMessage(), "The Canonical String")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + " ..."
	}
	if text == "" {
		return "no message"
	}

	return text
}

// requestIDOf returns the request ID of the service that refused, empty if it gave none.
func requestIDOf(err error) string {
	var answered interface{ ServiceRequestID() string }
	if errors.As(err, &answered) {
		return safeRequestID(answered.ServiceRequestID())
	}

	return ""
}

// safeRequestID returns a request ID as an endpoint sent it, empty if it is not shaped
// like one: an endpoint can send anything, and request IDs are shown, logged and stored.
func safeRequestID(sent string) string {
	if !requestIDShape().MatchString(sent) {
		return ""
	}

	return sent
}
