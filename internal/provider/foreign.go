// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
)

const adviceWay = "Check the network, proxies, certificates and the endpoints that the provider is configured with, and try again."

// transportFailure says in a clause why no usable answer came, empty if something
// else went wrong. It quotes no more than hosts, ports and certificates: what a server
// sent instead of an answer stays out.
func transportFailure(err error) string {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		authority   x509.UnknownAuthorityError
		host        x509.HostnameError
		invalid     x509.CertificateInvalidError
		dns         *net.DNSError
		op          *net.OpError
		sendErr     interface{ ConnectionError() bool }
	)

	switch said := err.Error(); {
	case errors.As(err, &authority), errors.As(err, &host), errors.As(err, &invalid), errors.As(err, &certificate):
		cause := error(certificate)
		switch {
		case errors.As(err, &authority):
			cause = authority
		case errors.As(err, &host):
			cause = host
		case errors.As(err, &invalid):
			cause = invalid
		}

		return "the certificate of the endpoint is not trusted (" + cause.Error() + ")"
	case errors.As(err, &record), strings.Contains(said, "server gave HTTP response to HTTPS client"):
		return "the endpoint does not speak TLS (server gave HTTP response to HTTPS client)"
	case errors.As(err, &dns):
		return "the name of the endpoint was not found (" + dns.Error() + ")"
	case errors.As(err, &op) && op.Err != nil && op.Addr != nil:
		return fmt.Sprintf("the connection to %s failed (%s)", op.Addr, connectionCause(op.Err))
	case errors.As(err, &op) && op.Op == "proxyconnect", strings.Contains(said, "proxyconnect"):
		return "the connection to the proxy failed"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer came in the time allowed"
	case errors.Is(err, context.Canceled):
		return "the operation was cancelled"
	case errors.As(err, &sendErr) && sendErr.ConnectionError():
		return "no usable answer came" + proxyRefusal(said)
	default:
		return ""
	}
}

// connectionCause returns the text of a system's error, such as "connection refused".
func connectionCause(err error) string {
	said := err.Error()
	if i := strings.LastIndex(said, ": "); i >= 0 {
		said = said[i+2:]
	}

	return said
}

// proxyRefusal returns the status with which a proxy refused to connect, if net/http
// says nothing else: it is the last of the text.
func proxyRefusal(said string) string {
	for status := 400; status < 600; status++ {
		if text := http.StatusText(status); text != "" && strings.HasSuffix(said, ": "+text) {
			return fmt.Sprintf(": a proxy on the way refused (%s)", text)
		}
	}

	return ""
}

// awsAnswer quotes an error of AWS: service, operation, code and message.
func awsAnswer(err error) string {
	var (
		operation *smithy.OperationError
		api       smithy.APIError
	)
	said := ""
	if errors.As(err, &operation) {
		said = operation.Service() + " " + operation.Operation() + ": "
	}
	if !errors.As(err, &api) {
		return said + "no usable answer" + statusOf(err)
	}
	said += quotable(api.ErrorCode())
	if message := quotable(api.ErrorMessage()); message != "" {
		said += ": " + message
	}

	return said
}

// longestWord is how long a word may be that is quoted from outside, unless it is an
// ARN or an IAM action. Keys and tokens are longer.
const longestWord = 24

// harmlessWord matches ARNs, IAM actions and request IDs, which may be longer.
var harmlessWord = regexp.MustCompile(`^\W?(arn:aws[a-z-]*:(iam|sts|sso):[a-z0-9-]*:[0-9]{12}:[\w+=,.@/*-]{1,200}|(iam|sts|sso):[A-Za-z*]{1,40}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\W?$`)

// quotable returns the part of a text from outside that can be shown: what follows a
// line break explains a refused signature by what was signed, and long words may be
// secrets that the text repeats.
func quotable(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text, _, _ = strings.Cut(text, "The Canonical String")
	words := strings.Fields(text)
	for i, word := range words {
		if len(word) > longestWord && !harmlessWord.MatchString(word) {
			words[i] = "(not shown)"
		}
	}

	return printable(strings.Join(words, " "))
}

// A refused connection is tried this often: whatever listens there may be starting.
const refusedAttempts = 4

// patient returns retryers that repeat what may get better, and nothing else.
func patient(retryer func() aws.Retryer) func() aws.Retryer {
	return func() aws.Retryer {
		inner, ok := retryer().(aws.RetryerV2)
		if !ok {
			return retryer()
		}

		return patientRetryer{inner}
	}
}

type patientRetryer struct{ aws.RetryerV2 }

// IsErrorRetryable implements aws.Retryer.
func (r patientRetryer) IsErrorRetryable(err error) bool {
	return !hopeless(err) && r.RetryerV2.IsErrorRetryable(err)
}

// RetryDelay implements aws.Retryer.
func (r patientRetryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	if attempt >= refusedAttempts && strings.Contains(err.Error(), "connection refused") {
		return 0, &retry.MaxAttemptsError{Attempt: attempt, Err: err}
	}

	return r.RetryerV2.RetryDelay(attempt, err)
}

// hopeless reports whether an attempt failed for a reason that stays: certificates, a
// port that speaks something else, a header that cannot be sent, credentials.
func hopeless(err error) bool {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		failed      *credentialsError
		said        = err.Error()
	)

	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &failed) ||
		strings.Contains(said, "server gave HTTP response to HTTPS client") || strings.Contains(said, "invalid header field value") ||
		strings.Contains(said, "unsupported protocol scheme") || strings.HasSuffix(proxyRefusal(said), "(Proxy Authentication Required)") ||
		strings.HasSuffix(proxyRefusal(said), "(Forbidden)")
}
