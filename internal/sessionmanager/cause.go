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
// of transports and of credential sources may quote a secret. A Cause therefore
// contains only texts of this package, known codes, and the code, message and request
// ID of AWS errors.
type Cause struct { //nolint:errname // An Error wraps it.
	Text      string // A clause, without a period.
	RequestID string // From the AWS service that refused, empty if none did.

	err error
}

// Error implements error.
func (c *Cause) Error() string { return c.Text }

// Unwrap returns the original error, for errors.Is and errors.As. Its text must not
// be shown.
func (c *Cause) Unwrap() error { return c.err }

// CauseOf returns the part of an error from outside this package that is safe to
// show. It returns nil for nil.
func CauseOf(err error) *Cause {
	var cause *Cause
	switch {
	case err == nil:
		return nil
	case errors.As(err, &cause) && error(cause) == err: //nolint:errorlint // It must not be wrapped.
		return cause
	case cause != nil:
		// Keep the wrapping error for errors.Is and errors.As.
		return &Cause{Text: cause.Text, RequestID: cause.RequestID, err: err}
	}
	text, requestID := safeText(err)

	return &Cause{Text: text, RequestID: requestID, err: err}
}

// CredentialsError is a failure to obtain or renew credentials. It is not the refusal
// of credentials by a service.
type CredentialsError struct {
	err error
}

// Error implements error.
func (e *CredentialsError) Error() string {
	return CauseOf(e).Text
}

// Unwrap returns the source's error. Its text must not be shown.
func (e *CredentialsError) Unwrap() error { return e.err }

// markedCredentials turns each error of a credential source into a CredentialsError, and
// keeps the secrets of the source from being shown.
type markedCredentials struct {
	aws.CredentialsProvider
}

// Retrieve implements aws.CredentialsProvider.
func (c markedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	credentials, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return credentials, &CredentialsError{err: err}
	}
	secrets.add(credentials.SecretAccessKey, credentials.SessionToken)

	return credentials, nil
}

// IsCredentialsProvider lets the SDK recognize the wrapped source.
func (c markedCredentials) IsCredentialsProvider(target aws.CredentialsProvider) bool {
	return aws.IsCredentialsProvider(c.CredentialsProvider, target)
}

// safeText returns a safe text for an error, and the request ID of the service that sent it.
func safeText(err error) (text, requestID string) {
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
		return "the time ran out", ""
	case errors.As(err, &path) && errors.As(err, &errno):
		return "a file could not be read: " + errno.Error(), ""
	default:
		return during + "the request could not be made; the message is not shown because it may contain a secret", ""
	}
}

var (
	nameShape      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 ]{0,63}$`) })
	codeShape      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.]{0,127}$`) })
	requestIDShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9-]{8,128}$`) })
)

// safeName reports whether a text has the form of a service or operation name of the SDK.
func safeName(name string) bool { return nameShape().MatchString(name) }

// fromAWS reports whether the SDK's client of an AWS service decoded the error. The
// alternative is a client that reads credentials from a local endpoint.
func fromAWS(err smithy.APIError) bool {
	decoded := reflect.TypeOf(err)
	if decoded.Kind() == reflect.Pointer {
		decoded = decoded.Elem()
	}

	return strings.HasPrefix(decoded.PkgPath(), "github.com/aws/smithy-go") ||
		strings.HasPrefix(decoded.PkgPath(), "github.com/aws/aws-sdk-go-v2/service/")
}

// wellFormed reports whether an error comes from AWS and has an AWS error code.
func wellFormed(err smithy.APIError) bool {
	return fromAWS(err) && safeErrorCode(err.ErrorCode()) != "UnknownError"
}

// safeErrorCode returns an error code, or UnknownError if the text does not have the form of
// one. An endpoint can send any text.
func safeErrorCode(sent string) string {
	if !codeShape().MatchString(sent) || secrets.overlaps(sent) {
		return "UnknownError"
	}

	return sent
}

// message returns the message of an AWS error on one line.
func message(err smithy.APIError) string {
	const longest = 1000

	// If AWS refuses a signature, its message quotes the signed request, which includes
	// the session token. Secrets are hidden before the text is cut.
	text, _, _ := strings.Cut(secrets.hide(err.ErrorMessage()), "The Canonical String")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + " ..."
	}
	if text == "" {
		return "no message"
	}

	return text
}

// requestIDOf returns the request ID of the service that refused, empty if it sent none.
func requestIDOf(err error) string {
	var answered interface{ ServiceRequestID() string }
	if errors.As(err, &answered) {
		return safeRequestID(answered.ServiceRequestID())
	}

	return ""
}

// safeRequestID returns a request ID, or nothing if the text does not have the form of
// one. An endpoint can send any text, and request IDs are shown, logged and stored.
func safeRequestID(sent string) string {
	if !requestIDShape().MatchString(sent) || secrets.overlaps(sent) {
		return ""
	}

	return sent
}
