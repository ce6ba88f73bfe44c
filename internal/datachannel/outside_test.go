// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/coder/websocket"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

// canary stands for a secret that a proxy, the service or the agent repeats.
const canary = "pw-CANARY"

// says starts a server that answers each request with a text, and hangs up.
func says(t *testing.T, text string) string {
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
				defer conn.Close()                             //nolint:errcheck // The test is over.
				_, _ = http.ReadRequest(bufio.NewReader(conn)) // It may be one of TLS.
				_, _ = io.WriteString(conn, text)
			}()
		}
	}()

	return listener.Addr().String()
}

// observed collects the causes of events.
type observed struct {
	mu    sync.Mutex
	texts []string
}

func (o *observed) add(_ context.Context, e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.Cause != nil {
		o.texts = append(o.texts, e.Cause.Error())
	}
}

// wantNothingQuoted checks that neither an error nor an event quotes the canary or has the words
// of a library.
func wantNothingQuoted(t *testing.T, err error, events *observed) {
	t.Helper()
	events.mu.Lock()
	defer events.mu.Unlock()
	for _, text := range append(events.texts, err.Error()) {
		for _, quoted := range []string{"CANARY", "WebSocket protocol violation", "malformed", "dial tcp", "proxyconnect", "lookup", "context deadline", "context canceled", "failed to"} {
			if strings.Contains(text, quoted) {
				t.Errorf("the text quotes %q: %s", quoted, text)
			}
		}
	}
}

// TestDial_quotesNothing covers everything that may refuse a WebSocket: its error and events are
// in words of this package, a failure that lasts is not tried again, and others are.
func TestDial_quotesNothing(t *testing.T) {
	t.Parallel()
	const silence = "(nothing)"
	const upgraded = "HTTP/1.1 101 " + canary + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	proxied := func(answer string) (string, *url.URL) {
		return "wss://ssmmessages.test", &url.URL{Scheme: "http", Host: says(t, strings.TrimPrefix(answer, silence)), User: url.UserPassword("u", canary)}
	}
	type way struct {
		answer string // Of the service.
		proxy  string // Answer of a proxy.
		url    string
		header string // Value of the session token.
		fails  error  // Error of the transport.
		text   string
		cause  httpclient.Cause
		again  bool
	}
	for name, test := range map[string]way{
		"a proxy that asks for a password":      {proxy: "HTTP/1.1 407 bad login u " + canary + "\r\nContent-Length: 0\r\n\r\n", cause: httpclient.CauseProxyLogin},
		"a proxy that forbids":                  {proxy: "HTTP/1.1 403 " + canary + "\r\nX-Why: " + canary + "\r\n\r\n" + canary, cause: httpclient.CauseProxy},
		"a proxy that cannot connect":           {proxy: "HTTP/1.1 502 " + canary + "\r\nContent-Length: 0\r\n\r\n", cause: httpclient.CauseProxyBroken, again: true},
		"a proxy that is no proxy":              {proxy: "SSH-2.0-" + canary + "\r\n", cause: httpclient.CauseProxyNoHTTP},
		"a proxy whose header has no colon":     {proxy: "HTTP/1.1 200 OK\r\n" + canary + " no colon\r\n\r\n", cause: httpclient.CauseProxyNoHTTP},
		"a proxy that hangs up":                 {proxy: silence, cause: httpclient.CauseBroken, again: true},
		"a port that does not speak HTTP":       {answer: "SSH-2.0-" + canary + "\r\n", cause: httpclient.CauseNoHTTP},
		"a header without a colon":              {answer: upgraded + canary + " no colon\r\n\r\n", cause: httpclient.CauseNoHTTP},
		"a length that is no number":            {answer: "HTTP/1.1 200 OK\r\nContent-Length: " + canary + "\r\n\r\n", cause: httpclient.CauseNoHTTP},
		"a connection without an answer":        {answer: silence, cause: httpclient.CauseBroken, again: true},
		"a refusal":                             {answer: "HTTP/1.1 403 " + canary + "\r\nX-Amzn-Errortype: " + canary + "\r\n\r\n" + canary, text: "HTTP status 403"},
		"a fault":                               {answer: "HTTP/1.1 503 " + canary + "\r\nRetry-After: " + canary + "\r\n\r\n" + canary, text: "HTTP status 503", again: true},
		"a status out of range":                 {answer: "HTTP/1.1 999 " + canary + "\r\n\r\n", text: "HTTP status 999", again: true},
		"an answer to something else":           {answer: "HTTP/1.1 200 " + canary + "\r\nContent-Length: 9\r\n\r\n" + canary, text: "HTTP status 200"},
		"a redirect":                            {answer: "HTTP/1.1 307 " + canary + "\r\nLocation: https://" + canary + ".test/\r\n\r\n", text: "a redirect, HTTP status 307"},
		"a redirect to no URL":                  {answer: "HTTP/1.1 302 " + canary + "\r\nLocation: https://%zz-" + canary + "\r\n\r\n", text: "a redirect, HTTP status 302"},
		"another key":                           {answer: upgraded + "Sec-WebSocket-Accept: " + canary + "\r\n\r\n", text: "does not keep to its protocol"},
		"no key":                                {answer: upgraded + "\r\n", text: "does not keep to its protocol"},
		"no header for the upgrade":             {answer: "HTTP/1.1 101 " + canary + "\r\nConnection: Upgrade\r\nUpgrade: " + canary + "\r\n\r\n", text: "does not keep to its protocol"},
		"no header for the connection":          {answer: "HTTP/1.1 101 " + canary + "\r\nConnection: " + canary + "\r\nUpgrade: websocket\r\n\r\n", text: "does not keep to its protocol"},
		"a port that does not speak TLS":        {url: "wss://" + says(t, canary), cause: httpclient.CauseNoTLS},
		"a certificate that is not trusted":     {url: strings.Replace(secure.URL, "https", "wss", 1), cause: httpclient.CauseAuthority},
		"nobody listens":                        {url: "ws://127.0.0.1:1", cause: httpclient.CauseRefused, again: true},
		"a session token with a line break":     {answer: "", header: canary + "\n", cause: httpclient.CauseToken},
		"a host that does not exist":            {fails: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Name: canary + ".test", Server: canary, IsNotFound: true}}, cause: httpclient.CauseNoSuchHost},
		"a name server that does not answer":    {fails: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Name: canary + ".test", Server: canary, IsTimeout: true, Err: canary}}, cause: httpclient.CauseLookup, again: true},
		"a time-out":                            {fails: context.DeadlineExceeded, cause: httpclient.CauseTimeout, again: true},
		"an error that nobody knows":            {fails: errors.New(canary), cause: httpclient.CauseOther, again: true},
		"a transport that shows the URL":        {fails: &url.Error{Op: "Get", URL: "https://" + canary, Err: errors.New(canary)}, cause: httpclient.CauseOther, again: true},
		"a URL with another scheme":             {url: canary + "://ssmmessages.test", text: "its scheme is not wss"},
		"a URL that is none":                    {url: "wss://%zz" + canary, text: "it is not a URL"},
		"a URL with a password":                 {url: "wss://u:" + canary + "@ssmmessages.test", text: "a user name"},
		"a URL that is not sent as it is given": {url: "wss://ssmmessages.test/ " + canary, text: "cannot be sent unchanged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			transport := &http.Transport{}
			httpclient.ObserveProxy(transport)
			t.Cleanup(transport.CloseIdleConnections)
			base := http.RoundTripper(transport)
			target := test.url
			switch {
			case test.answer != "":
				target = "ws://" + says(t, strings.TrimPrefix(test.answer, silence))
			case test.proxy != "":
				var proxy *url.URL
				target, proxy = proxied(test.proxy)
				transport.Proxy = http.ProxyURL(proxy)
			case test.header != "":
				target = "ws://127.0.0.1:1"
			case test.fails != nil:
				target = "wss://ssmmessages.test"
				base = roundTripper(func(*http.Request) (*http.Response, error) { return nil, test.fails })
			}
			access := Access{StreamURL: target + "/v1/data-channel/s-1?role=publish_subscribe", Token: "token-1"}
			var (
				resumes int64
				events  observed
			)
			_, err := Open(t.Context(), Config{
				Access: access, Region: "eu-central-1", SessionType: "Port", HTTPClient: &http.Client{Transport: base}, Observe: events.add,
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret-key", SessionToken: test.header}, nil
				}),
				Resume: func(context.Context) (Access, error) {
					resumes++

					return access, nil
				},
			})
			if err == nil {
				t.Fatal("it opens")
			}
			wantNothingQuoted(t, err, &events)
			var (
				dial *DialError
				want int64
			)
			if test.cause != "" && (!errors.As(err, &dial) || dial.Failure == nil || dial.Failure.Cause != test.cause || dial.Status != 0) {
				t.Errorf("got %v, want %q", err, test.cause)
			}
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %q", err, test.text)
			}
			if test.again {
				want = openAttempts - 1
			}
			if resumes != want {
				t.Errorf("the session is resumed %d times, want %d: %v", resumes, want, err)
			}
		})
	}
}

// TestChannel_quotesNothing covers what the service and the agent send over an open WebSocket.
// Only the text with which the agent closes the channel is shown.
func TestChannel_quotesNothing(t *testing.T) {
	t.Parallel()
	handshake := func(version, kind, more string) wireMessage {
		return handshakeRequestOf(version, fmt.Sprintf(`[{"ActionType":"SessionType","ActionParameters":{"SessionType":%q,"Properties":{"type":%q}}}`, kind, canary)+more+"]")
	}
	for name, test := range map[string]struct {
		send   []wireMessage
		code   websocket.StatusCode // Of a close frame that follows.
		reason string
		text   string
	}{
		"a close frame":             {code: 4001, reason: canary, text: "has closed the socket with code 4001"},
		"a close frame of a policy": {code: websocket.StatusPolicyViolation, reason: canary, text: "has closed the socket with code 1008"},
		"another type of session":   {send: []wireMessage{handshake(modernAgent, canary, "")}, text: `the session is of an unknown type, but "Port" is needed`},
		"a shell":                   {send: []wireMessage{handshake(modernAgent, "Standard_Stream", "")}, text: `the session is of type "Standard_Stream", but "Port" is needed`},
		"a key that is none":        {send: []wireMessage{handshake(modernAgent, "Port", `,{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"`+canary+`"}}`)}, text: "encryption with a KMS key, which is not supported"},
		"an action that is unknown": {send: []wireMessage{handshake(modernAgent, "Port", `,{"ActionType":"`+canary+`","ActionParameters":{}}`)}, text: "an action that this version of the provider does not know"},
		"a version that is none":    {send: slices.Repeat([]wireMessage{handshake(canary, "Port", "")}, maxRejected+1), text: "the agent's version is not one to four numbers"},
		"a message that is none":    {send: slices.Repeat([]wireMessage{outputMessage(0, canary)}, maxRejected+1), text: "data before the handshake"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, func(_ int, l *peerLine) {
				l.send(test.send...)
				if test.code != 0 {
					_ = l.ws.Close(test.code, test.reason)

					return
				}
				l.drain()
			})
			var events observed
			_, err := openChannel(t, p, func(c *Config) { c.Observe = events.add })
			if err == nil {
				t.Fatal("it opens")
			}
			wantNothingQuoted(t, err, &events)
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %q", err, test.text)
			}
		})
	}
}

// TestChannel_agentsWords checks that the agent's last words are shown without the secrets that it
// or somebody between may repeat: all tokens of the session, and the token of the credentials.
func TestChannel_agentsWords(t *testing.T) {
	t.Parallel()
	const words = "Connection to destination port failed"
	const sessionToken = "token-of-the-credentials"
	p := newPeer(t, func(n int, l *peerLine) {
		if n == 1 {
			_ = l.ws.CloseNow()

			return
		}
		l.send(wireMessage{kind: "channel_closed", data: []byte(fmt.Sprintf(
			`{"Output":"%s\n[31m token-of-the-session token-1 cell-number=a+b/c= only a+b/c= wss://user:password@example.com/x %s"}`, words, sessionToken))})
		l.drain()
	})
	var events observed
	_, err := openChannel(t, p, func(c *Config) {
		c.Credentials = credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret-key", sessionToken)
		c.Resume = resumeTo(p)
		c.Observe = events.add
	})
	var closed *ClosedError
	if !errors.As(err, &closed) || !strings.HasPrefix(closed.Reason, words) {
		t.Fatalf("got %v, want %q", err, words)
	}
	for _, text := range append(events.texts, err.Error()) {
		for _, secret := range []string{"token-of-the-session", "token-1", "a+b/c=", "user:password", sessionToken, "\n", "\x1b"} {
			if strings.Contains(text, secret) {
				t.Errorf("the text shows %q: %q", secret, text)
			}
		}
	}
}

// TestOpen_interrupted checks the words for the end of the caller's context.
func TestOpen_interrupted(t *testing.T) {
	t.Parallel()
	p := newPeer(t, func(_ int, l *peerLine) { l.drain() })
	for name, test := range map[string]struct {
		ctx  func() (context.Context, context.CancelFunc)
		want error
		text string
	}{
		"cancelled": {func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()

			return ctx, cancel
		}, context.Canceled, "and the operation was cancelled"},
		"out of time": {func() (context.Context, context.CancelFunc) { return context.WithTimeout(context.Background(), 1) }, context.DeadlineExceeded, "and the time allowed ran out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := test.ctx()
			defer cancel()
			var events observed
			_, err := Open(ctx, Config{Access: p.access(), SessionType: "Port", Observe: events.add})
			if !errors.Is(err, test.want) || !strings.HasSuffix(err.Error(), test.text) {
				t.Fatalf("got %v, want %q", err, test.text)
			}
			wantNothingQuoted(t, err, &events)
		})
	}
}
