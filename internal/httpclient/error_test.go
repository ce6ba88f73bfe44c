// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package httpclient_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

// canary stands for a secret in an answer, a proxy URL or a request.
const canary = "canary-6d0f1c"

// listenLocally serves connections until the test ends, and returns the address.
func listenLocally(t *testing.T, serve func(net.Conn)) string {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close() //nolint:errcheck // The test is over.
				serve(conn)
			}()
		}
	}()

	return listener.Addr().String()
}

// refusingProxy starts a proxy that refuses every CONNECT with a status.
func refusingProxy(t *testing.T, status int) *url.URL {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, canary, status)
	}))
	t.Cleanup(server.Close)
	parsed, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	parsed.User = url.UserPassword("me", canary)

	return parsed
}

// TestClient_errors checks requests without a usable answer: whether they may have arrived,
// whether a retry can help, and that the error quotes nothing from outside.
func TestClient_errors(t *testing.T) {
	t.Parallel()

	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(secure.Certificate())
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			block := []byte(strings.Repeat(canary, 1<<16))
			for {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		case "/declared":
			w.Header().Set("Content-Length", "1073741824")
		default:
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, canary)
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(plain.Close)
	_, plainPort, _ := net.SplitHostPort(plain.Listener.Addr().String())
	closed := listenLocally(t, func(net.Conn) {})
	const refused = "127.0.0.1:1"
	says := func(text string) string {
		return listenLocally(t, func(conn net.Conn) {
			// net/http reports a banner that comes before the request as another error.
			_, _ = io.ReadFull(conn, make([]byte, 1))
			_, _ = io.WriteString(conn, text)
			_, _ = io.Copy(io.Discard, conn)
		})
	}
	ssh := says("SSH-2.0-" + canary + "\r\n")
	picky := httptest.NewUnstartedServer(http.NotFoundHandler())
	picky.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	picky.StartTLS()
	t.Cleanup(picky.Close)

	for name, tc := range map[string]struct {
		url       string
		header    [2]string
		proxy     *url.URL
		tls       *tls.Config
		attempt   string
		want      httpclient.Cause
		permanent bool
		arrived   bool
	}{
		"a certificate that is not trusted":             {url: secure.URL, want: httpclient.CauseAuthority, permanent: true},
		"a certificate for another host name":           {url: strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), tls: &tls.Config{RootCAs: trusted}, want: httpclient.CauseHostname, permanent: true},
		"a certificate that has expired":                {url: secure.URL, tls: &tls.Config{RootCAs: trusted, Time: secure.Certificate().NotAfter.AddDate(1, 0, 0).UTC}, want: httpclient.CauseExpired, permanent: true},
		"a certificate that is not valid yet":           {url: secure.URL, tls: &tls.Config{RootCAs: trusted, Time: secure.Certificate().NotBefore.AddDate(-1, 0, 0).UTC}, want: httpclient.CauseExpired, permanent: true},
		"a port that does not speak TLS":                {url: "https://127.0.0.1:" + plainPort, want: httpclient.CauseNoTLS, permanent: true},
		"a TLS handshake that is refused":               {url: picky.URL, tls: &tls.Config{InsecureSkipVerify: true}, want: httpclient.CauseHandshake, permanent: true},
		"a port that does not speak HTTP":               {url: "http://" + ssh, want: httpclient.CauseNoHTTP, permanent: true, arrived: true},
		"a header without a colon":                      {url: "http://" + says("HTTP/1.1 200 OK\r\n"+canary+" no colon\r\n\r\n"), want: httpclient.CauseNoHTTP, permanent: true, arrived: true},
		"a length that is not a number":                 {url: "http://" + says("HTTP/1.1 200 OK\r\nContent-Length: "+canary+"\r\n\r\n"), want: httpclient.CauseNoHTTP, permanent: true, arrived: true},
		"a proxy that does not speak HTTP":              {url: "https://ssm.test", proxy: &url.URL{Scheme: "http", Host: ssh}, want: httpclient.CauseProxyNoHTTP, permanent: true},
		"a proxy whose header has no colon":             {url: "https://ssm.test", proxy: &url.URL{Scheme: "http", Host: says("HTTP/1.1 200 OK\r\n" + canary + " no colon\r\n\r\n")}, want: httpclient.CauseProxyNoHTTP, permanent: true},
		"a proxy whose refusal quotes a secret":         {url: "https://ssm.test", proxy: &url.URL{Scheme: "http", Host: says("HTTP/1.1 407 " + canary + "\r\nContent-Length: 0\r\n\r\n")}, want: httpclient.CauseProxyLogin, permanent: true},
		"a connection that is refused":                  {url: "http://" + refused, want: httpclient.CauseRefused},
		"a connection that is refused repeatedly":       {url: "http://" + refused, attempt: "attempt=4; max=25", want: httpclient.CauseRefused, permanent: true},
		"a proxy that refuses":                          {url: "https://ssm.test", proxy: refusingProxy(t, http.StatusForbidden), want: httpclient.CauseProxy, permanent: true},
		"a proxy that asks for a password":              {url: "https://ssm.test", proxy: refusingProxy(t, http.StatusProxyAuthRequired), want: httpclient.CauseProxyLogin, permanent: true},
		"a proxy that cannot connect":                   {url: "https://ssm.test", proxy: refusingProxy(t, http.StatusBadGateway), want: httpclient.CauseProxyBroken},
		"a proxy that does not listen":                  {url: "https://ssm.test", proxy: &url.URL{Scheme: "http", Host: refused, User: url.UserPassword("me", canary)}, want: httpclient.CauseRefused},
		"a session token with a line break":             {url: plain.URL, header: [2]string{"X-Amz-Security-Token", canary + "\n"}, want: httpclient.CauseToken, permanent: true},
		"an access key with a line break":               {url: plain.URL, header: [2]string{"Authorization", "AWS4-HMAC-SHA256 Credential=" + canary + "\r\n"}, want: httpclient.CauseSignature, permanent: true},
		"another header with a line break":              {url: plain.URL, header: [2]string{"User-Agent", canary + "\n"}, want: httpclient.CauseHeader, permanent: true},
		"an endpoint without a scheme":                  {url: "//me:" + canary + "@ssm.test", want: httpclient.CauseScheme, permanent: true},
		"an endpoint of another scheme":                 {url: "ftp://me:" + canary + "@ssm.test", want: httpclient.CauseScheme, permanent: true},
		"an endless answer":                             {url: plain.URL + "/long", want: httpclient.CauseTooLong, permanent: true, arrived: true},
		"an answer with a Content-Length of a gigabyte": {url: plain.URL + "/declared", want: httpclient.CauseTooLong, permanent: true, arrived: true},
		"an incomplete answer":                          {url: plain.URL + "/broken", want: httpclient.CauseBroken, arrived: true},
		"a connection that is closed":                   {url: "http://" + closed, want: httpclient.CauseBroken, arrived: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			transport := &http.Transport{TLSClientConfig: tc.tls}
			if tc.proxy != nil {
				transport.Proxy = http.ProxyURL(tc.proxy)
			}
			httpclient.ObserveProxy(transport)
			t.Cleanup(transport.CloseIdleConnections)
			ctx, record := httpclient.WithRecord(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, tc.url, strings.NewReader(canary))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Amz-Sdk-Request", tc.attempt)
			if tc.header[0] != "" {
				r.Header[tc.header[0]] = []string{tc.header[1]}
			}

			response, err := httpclient.Client{HTTPClient: &http.Client{Transport: transport}}.Do(r)

			if err == nil {
				_ = response.Body.Close()
				t.Fatalf("got an answer of status %d", response.StatusCode)
			}
			var failed *httpclient.Error
			if !errors.As(err, &failed) {
				t.Fatalf("error is %T, want *httpclient.Error", err)
			}
			if failed.Cause != tc.want || failed.Permanent() != tc.permanent {
				t.Errorf("cause is %q, permanent %t; want %q, permanent %t", failed.Cause, failed.Permanent(), tc.want, tc.permanent)
			}
			var retryable interface{ RetryableError() bool }
			if stops := errors.As(err, &retryable) && !retryable.RetryableError(); stops != tc.permanent {
				t.Errorf("the SDK must not retry: %t, want %t", stops, tc.permanent)
			}
			if got := record.MayHaveArrived(); got != tc.arrived {
				t.Errorf("the request may have arrived: %t, want %t", got, tc.arrived)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error quotes the answer: %s", err)
			}
		})
	}
}

// TestUpgrade_RoundTrip checks that the connection of an upgraded request stays open for its
// caller, and that a failure is classified as elsewhere.
func TestUpgrade_RoundTrip(t *testing.T) {
	t.Parallel()

	address := listenLocally(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	request := func(url string, header ...string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Authorization"] = header

		return httpclient.Upgrade{RoundTripper: transport}.RoundTrip(r)
	}

	response, err := request("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	conn, ok := response.Body.(io.ReadWriter)
	if !ok {
		t.Fatalf("the body is a %T, which cannot be written to", response.Body)
	}
	got := make([]byte, len(canary))
	if _, err := io.WriteString(conn, canary); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != canary {
		t.Errorf("the connection answers %q, %v", got, err)
	}

	for want, failing := range map[httpclient.Cause]func() (*http.Response, error){
		httpclient.CauseRefused:   func() (*http.Response, error) { return request("http://127.0.0.1:1") },
		httpclient.CauseSignature: func() (*http.Response, error) { return request("http://"+address, canary+"\n") },
	} {
		var failed *httpclient.Error
		if _, err := failing(); !errors.As(err, &failed) || failed.Cause != want { //nolint:bodyclose // There is no body.
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}

// TestClassify_hosts checks that the error of a name says whether it is a proxy's and names only
// hosts of AWS, and that a name that does not exist is not looked up again.
func TestClassify_hosts(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		err       error
		want      string
		permanent bool
	}{
		"of AWS":                {&net.OpError{Op: "dial", Err: &net.DNSError{Name: "ssm.us-east-1.amazonaws.com", IsNotFound: true}}, "no such host (ssm.us-east-1.amazonaws.com)", true},
		"another":               {&net.OpError{Op: "dial", Err: &net.DNSError{Name: canary, IsNotFound: true}}, "no such host", true},
		"a proxy":               {&net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Name: canary, IsNotFound: true}}}, "no such host (proxy)", true},
		"a proxy, at this time": {&net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Name: canary, IsTemporary: true}}}, "the host name could not be looked up (proxy)", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := httpclient.Classify(tc.err)
			if got.Error() != tc.want || got.Permanent() != tc.permanent {
				t.Errorf("got %q, permanent %t; want %q, permanent %t", got, got.Permanent(), tc.want, tc.permanent)
			}
		})
	}
}

// TestClient_unknownTransport checks that a request may have arrived if the transport does not
// report whether it got a connection.
func TestClient_unknownTransport(t *testing.T) {
	t.Parallel()

	ctx, record := httpclient.WithRecord(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ssm.test", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = httpclient.Transport{RoundTripper: failingTransport{}}.RoundTrip(r) //nolint:bodyclose // There is no body.
	if err == nil || !record.MayHaveArrived() {
		t.Errorf("MayHaveArrived is false, with the error %v", err)
	}
}

type failingTransport struct{}

func (failingTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New(canary)
}
