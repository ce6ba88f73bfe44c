// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// refusedAttempts is how often to send a request whose connection is refused: a
// service that restarts needs a moment, one that is not there does not come.
const refusedAttempts = 4

// Cause is why a request got no usable answer. Its text quotes nothing that was
// read from outside.
type Cause string

// Causes that do not pass by themselves.
const (
	CauseHeader      Cause = "a header of the request holds a character that is not allowed there, such as a line break"
	CauseToken       Cause = "the session token holds a character that is not allowed in an HTTP header, such as a line break"
	CauseSignature   Cause = "the access key ID or the Region holds a character that is not allowed in an HTTP header, such as a line break"
	CauseScheme      Cause = "the endpoint's URL does not begin with https:// or http://, or has no host"
	CauseAuthority   Cause = "the TLS certificate of the endpoint, or of a proxy on the way, is not signed by an authority that this machine trusts"
	CauseHostname    Cause = "the TLS certificate of the endpoint, or of a proxy on the way, is for another host name"
	CauseExpired     Cause = "the TLS certificate of the endpoint, or of a proxy on the way, has expired or is not valid yet"
	CauseCertificate Cause = "the TLS certificate of the endpoint, or of a proxy on the way, is not valid"
	CauseNoTLS       Cause = "the endpoint's port does not speak TLS: its URL may have to begin with http://"
	CauseHandshake   Cause = "the endpoint, or a proxy on the way, refused the TLS handshake"
	CauseNoHTTP      Cause = "what answers at the endpoint's port does not speak HTTP"
	CauseProxy       Cause = "the proxy refused to connect to the endpoint"
	CauseProxyLogin  Cause = "the proxy did not accept the request without a valid user name and password"
	CauseTooLong     Cause = "the answer is longer than 8 MB, so that the endpoint cannot be AWS"
	CauseNoSuchHost  Cause = "no such host"
)

// Causes that may pass.
const (
	CauseRefused     Cause = "connection refused"
	CauseProxyBroken Cause = "the proxy could not connect to the endpoint"
	CauseLookup      Cause = "the host name could not be looked up"
	CauseTimeout     Cause = "no answer came in the time for one attempt"
	CauseBroken      Cause = "the connection broke before the answer was complete"
	CauseConnect     Cause = "the connection could not be made"
	CauseOther       Cause = "the request could not be sent, or its answer could not be received"
)

// lasting are the causes that a repetition cannot cure.
var lasting = map[Cause]bool{
	CauseHeader: true, CauseToken: true, CauseSignature: true, CauseScheme: true,
	CauseAuthority: true, CauseHostname: true, CauseExpired: true, CauseCertificate: true,
	CauseNoTLS: true, CauseHandshake: true, CauseNoHTTP: true,
	CauseProxy: true, CauseProxyLogin: true, CauseTooLong: true, CauseNoSuchHost: true,
}

// Error is a request that got no usable answer.
type Error struct {
	Cause  Cause
	Detail string // What is known besides, such as an address; empty for nothing.

	attempt int
	err     error
}

// Error implements error. It quotes nothing that was read from outside.
func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Cause)
	}

	return string(e.Cause) + " (" + e.Detail + ")"
}

// Unwrap returns the error of the transport. Its text may quote what was read.
func (e *Error) Unwrap() error { return e.err }

// Lasting reports whether the request is not worth repeating.
func (e *Error) Lasting() bool {
	return lasting[e.Cause] || e.Cause == CauseRefused && e.attempt >= refusedAttempts
}

// lastingError tells the retryers of the SDK to give up.
type lastingError struct {
	error
}

// Unwrap returns the Error.
func (e lastingError) Unwrap() error { return e.error }

// RetryableError implements the SDK's interface of errors that know whether they
// are worth repeating.
func (lastingError) RetryableError() bool { return false }

// newError classifies the failure of a request.
func newError(r *http.Request, err error) error {
	cause, detail := classify(err)

	return told(&Error{Cause: cause, Detail: detail, attempt: attempt(r), err: err})
}

// Classify returns what is known of a failed request that another client sent.
func Classify(err error) *Error {
	cause, detail := classify(err)

	return &Error{Cause: cause, Detail: detail, attempt: 1, err: err}
}

// told returns an Error as the SDK is to see it.
func told(e *Error) error {
	if e.Lasting() {
		return lastingError{e}
	}

	return e
}

// attempt returns the number of an attempt, which the SDK sends as a header.
func attempt(r *http.Request) int {
	_, rest, _ := strings.Cut(r.Header.Get("Amz-Sdk-Request"), "attempt=")
	digits, _, _ := strings.Cut(rest, ";")
	n, err := strconv.Atoi(strings.TrimSpace(digits))
	if err != nil {
		return 1
	}

	return n
}

// checkRequest finds what net/http would refuse to send, with the values in its error.
func checkRequest(r *http.Request) error {
	if r.URL == nil || r.URL.Host == "" || r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return told(&Error{Cause: CauseScheme})
	}
	for name, values := range r.Header {
		for _, value := range values {
			switch {
			case legal(value):
			case strings.EqualFold(name, "X-Amz-Security-Token"):
				return told(&Error{Cause: CauseToken})
			case strings.EqualFold(name, "Authorization"):
				return told(&Error{Cause: CauseSignature})
			default:
				return told(&Error{Cause: CauseHeader})
			}
		}
	}

	return nil
}

// legal reports whether a header's value has no control character but tabs.
func legal(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

var errTooLong = errors.New("the answer is too long")

// proxyError is a proxy's refusal of CONNECT.
type proxyError int

// Error implements error.
func (e proxyError) Error() string {
	return "the proxy answered with HTTP status " + strconv.Itoa(int(e))
}

// ObserveProxy makes a transport tell the refusal of a proxy from other failures.
func ObserveProxy(t *http.Transport) {
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
		if response.StatusCode == http.StatusOK {
			return nil
		}

		return proxyError(response.StatusCode)
	}
}

// classify returns why a request failed, and a detail that is safe to show.
func classify(err error) (Cause, string) {
	var (
		own         *Error
		proxy       proxyError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		invalid     x509.CertificateInvalidError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		dns         *net.DNSError
		errno       syscall.Errno
		op          *net.OpError
		netErr      net.Error
	)

	switch {
	case errors.As(err, &own):
		return own.Cause, own.Detail
	case errors.Is(err, errTooLong):
		return CauseTooLong, ""
	case errors.As(err, &proxy) && proxy == http.StatusProxyAuthRequired:
		return CauseProxyLogin, "HTTP status 407"
	case errors.As(err, &proxy) && proxy < 500:
		return CauseProxy, fmt.Sprintf("HTTP status %d", int(proxy))
	case errors.As(err, &proxy):
		return CauseProxyBroken, fmt.Sprintf("HTTP status %d", int(proxy))
	case errors.As(err, &authority):
		return CauseAuthority, ""
	case errors.As(err, &hostname):
		return CauseHostname, ""
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return CauseExpired, ""
	case errors.As(err, &certificate), errors.As(err, &invalid):
		return CauseCertificate, ""
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return CauseNoTLS, ""
	case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
		// So crypto/tls tells of an alert, of a fixed list.
		return CauseHandshake, strings.TrimPrefix(op.Err.Error(), "tls: ")
	case errors.As(err, &dns) && dns.IsNotFound:
		return CauseNoSuchHost, awsHost(dns.Name)
	case errors.As(err, &dns):
		return CauseLookup, awsHost(dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return CauseRefused, address(err)
	case errors.As(err, &netErr) && netErr.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return CauseTimeout, address(err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		strings.Contains(err.Error(), "server closed idle connection"), strings.Contains(err.Error(), "use of closed network connection"):
		return CauseBroken, ""
	case errors.As(err, &op) && op.Op == "dial" && errors.As(err, &errno):
		return CauseConnect, errno.Error()
	case strings.Contains(err.Error(), "malformed HTTP"):
		return CauseNoHTTP, ""
	default:
		return CauseOther, ""
	}
}

// address returns the network address that a connection was to be made to, if it
// is an IP address: names are configured, and may hold anything.
func address(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) {
		return ""
	}
	who := ""
	if op.Op == "proxyconnect" {
		who = "proxy "
		if !errors.As(op.Err, &op) {
			return "proxy"
		}
	}
	tcp, ok := op.Addr.(*net.TCPAddr)
	if !ok {
		return strings.TrimSpace(who)
	}

	return who + tcp.String()
}

var awsHostShape = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazonaws\.eu|api\.aws|amazonwebservices\.com\.cn|amazonwebservices\.eu)$`)
})

// awsHost returns a host name of AWS, empty for any other.
func awsHost(name string) string {
	if name = strings.ToLower(strings.TrimSuffix(name, ".")); awsHostShape().MatchString(name) {
		return name
	}

	return ""
}
