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
	"net/textproto"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// refusedAttempts is how often to send a request whose connection is refused. A service that is
// restarting needs a moment. More attempts do not help if there is no service.
const refusedAttempts = 4

// Cause says why a request got no usable answer. Its text quotes nothing from outside.
type Cause string

// Causes that a retry cannot cure.
const (
	CauseHeader      Cause = "a header of the request contains a character that is not allowed there, such as a line break"
	CauseToken       Cause = "the session token contains a character that is not allowed in an HTTP header, such as a line break"
	CauseSignature   Cause = "the access key ID or the Region contains a character that is not allowed in an HTTP header, such as a line break"
	CauseScheme      Cause = "the endpoint's URL does not begin with https:// or http://, or has no host"
	CauseAuthority   Cause = "the TLS certificate of the endpoint, or of a proxy on the way, is not signed by an authority that this machine trusts"
	CauseHostname    Cause = "the TLS certificate of the endpoint, or of a proxy on the way, is for another host name"
	CauseExpired     Cause = "the TLS certificate of the endpoint, or of a proxy on the way, has expired or is not valid yet"
	CauseCertificate Cause = "the TLS certificate of the endpoint, or of a proxy on the way, is not valid"
	CauseNoTLS       Cause = "the endpoint's port does not speak TLS: its URL may have to begin with http://"
	CauseHandshake   Cause = "the endpoint, or a proxy on the way, refused the TLS handshake"
	CauseNoHTTP      Cause = "the answer from the endpoint's port is not valid HTTP"
	CauseProxyNoHTTP Cause = "the answer of the proxy is not valid HTTP"
	CauseProxy       Cause = "the proxy refused to connect to the endpoint"
	CauseProxyLogin  Cause = "the proxy did not accept the request without a valid user name and password"
	CauseTooLong     Cause = "the answer is longer than 8 MB, so the endpoint cannot be AWS"
	CauseNoSuchHost  Cause = "no such host"
)

// Causes that a retry may cure.
const (
	CauseRefused     Cause = "connection refused"
	CauseProxyBroken Cause = "the proxy could not connect to the endpoint"
	CauseLookup      Cause = "the host name could not be looked up"
	CauseTimeout     Cause = "no answer arrived in the time for one attempt"
	CauseBroken      Cause = "the connection broke before the answer was complete"
	CauseConnect     Cause = "the connection could not be made"
	CauseOther       Cause = "the request could not be sent, or its answer could not be received"
)

// permanent are the causes that a retry cannot cure.
var permanent = map[Cause]bool{
	CauseHeader: true, CauseToken: true, CauseSignature: true, CauseScheme: true,
	CauseAuthority: true, CauseHostname: true, CauseExpired: true, CauseCertificate: true,
	CauseNoTLS: true, CauseHandshake: true, CauseNoHTTP: true, CauseProxyNoHTTP: true,
	CauseProxy: true, CauseProxyLogin: true, CauseTooLong: true, CauseNoSuchHost: true,
}

// Error is the failure of a request that got no usable answer.
type Error struct {
	Cause  Cause
	Detail string // Further information such as an address. May be empty.

	attempt int
	err     error
}

// Error implements error. The text quotes nothing from outside.
func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Cause)
	}

	return string(e.Cause) + " (" + e.Detail + ")"
}

// Unwrap returns the transport's error. Its text may quote the answer.
func (e *Error) Unwrap() error { return e.err }

// Permanent reports whether a retry is useless.
func (e *Error) Permanent() bool {
	return permanent[e.Cause] || e.Cause == CauseRefused && e.attempt >= refusedAttempts
}

// permanentError tells the SDK's retryers to give up.
type permanentError struct {
	error
}

// Unwrap returns the Error.
func (e permanentError) Unwrap() error { return e.error }

// RetryableError implements the SDK's interface for errors that decide about retries.
func (permanentError) RetryableError() bool { return false }

// newError classifies the failure of a request. The endpoint did not answer a request that was
// not sent: an answer is then the proxy's.
func newError(r *http.Request, err error, sent bool) error {
	cause, detail := classify(err)
	if cause == CauseNoHTTP && !sent {
		cause = CauseProxyNoHTTP
	}

	return wrapForSDK(&Error{Cause: cause, Detail: detail, attempt: attempt(r), err: err})
}

// Classify returns the cause of a failed request that another client sent.
func Classify(err error) *Error {
	cause, detail := classify(err)

	return &Error{Cause: cause, Detail: detail, attempt: 1, err: err}
}

// wrapForSDK wraps an Error for the SDK's retryers.
func wrapForSDK(e *Error) error {
	if e.Permanent() {
		return permanentError{e}
	}

	return e
}

// attempt returns the number of the attempt from the SDK's header.
func attempt(r *http.Request) int {
	_, rest, _ := strings.Cut(r.Header.Get("Amz-Sdk-Request"), "attempt=")
	digits, _, _ := strings.Cut(rest, ";")
	n, err := strconv.Atoi(strings.TrimSpace(digits))
	if err != nil {
		return 1
	}

	return n
}

// checkRequest finds requests that net/http would reject with an error that quotes the value.
func checkRequest(r *http.Request) error {
	if r.URL == nil || r.URL.Host == "" || r.URL.Scheme != "http" && r.URL.Scheme != "https" {
		return wrapForSDK(&Error{Cause: CauseScheme})
	}
	for name, values := range r.Header {
		for _, value := range values {
			switch {
			case validHeaderValue(value):
			case strings.EqualFold(name, "X-Amz-Security-Token"):
				return wrapForSDK(&Error{Cause: CauseToken})
			case strings.EqualFold(name, "Authorization"):
				return wrapForSDK(&Error{Cause: CauseSignature})
			default:
				return wrapForSDK(&Error{Cause: CauseHeader})
			}
		}
	}

	return nil
}

// validHeaderValue reports whether a header value has no control character except tabs.
func validHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

var errTooLong = errors.New("the answer is too long")

// proxyError is a proxy's refusal of CONNECT, as an HTTP status.
type proxyError int

// Error implements error.
func (e proxyError) Error() string {
	return "the proxy answered with HTTP status " + strconv.Itoa(int(e))
}

// ObserveProxy makes a transport return a distinct error if a proxy refuses CONNECT.
func ObserveProxy(t *http.Transport) {
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
		if response.StatusCode == http.StatusOK {
			return nil
		}

		return proxyError(response.StatusCode)
	}
}

// classify returns the cause of a failure, and a detail that is safe to show.
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
		syntax      textproto.ProtocolError
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
		// crypto/tls reports alerts this way. Their texts are from a fixed list.
		return CauseHandshake, strings.TrimPrefix(op.Err.Error(), "tls: ")
	case errors.As(err, &dns) && dns.IsNotFound:
		return CauseNoSuchHost, host(err, dns.Name)
	case errors.As(err, &dns):
		return CauseLookup, host(err, dns.Name)
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
	case errors.As(err, &op) && (op.Op == "read" || op.Op == "write"):
		return CauseBroken, ""
	case errors.As(err, &syntax), strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "transport connection broken"):
		// net/http has no type for most answers that it cannot parse.
		return CauseNoHTTP, ""
	default:
		return CauseOther, ""
	}
}

// address returns the network address of a failed connection, if it is an IP address. Names come
// from the configuration and may contain anything.
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

// host returns what is safe to show of a host that was looked up in vain: the name of
// one of AWS, or that it is a proxy.
func host(err error, name string) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "proxyconnect" {
		return "proxy"
	}

	return awsHost(name)
}

var awsHostShape = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazonaws\.eu|api\.aws|amazonwebservices\.com\.cn|amazonwebservices\.eu)$`)
})

// awsHost returns a host name of AWS, and nothing for other names.
func awsHost(name string) string {
	if name = strings.ToLower(strings.TrimSuffix(name, ".")); awsHostShape().MatchString(name) {
		return name
	}

	return ""
}
