// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func countedCredentials(calls *atomic.Int64) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		n := calls.Add(1)

		return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret-key", SessionToken: strings.Repeat("s", int(n))}, nil
	})
}

// TestDial_isSigned covers sockets that are refused because their request is not
// signed, or is signed for another address.
func TestDial_isSigned(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	n := newNode(t)
	p := newPeer(t, func(k int, l *peerLine) {
		if k == 1 {
			go func() {
				time.Sleep(50 * time.Millisecond)
				_ = l.ws.CloseNow()
			}()
		}
		n.serve(k, l)
	})
	resumed := make(chan struct{})
	mustOpen(t, p, func(c *Config) {
		c.Credentials = countedCredentials(&calls)
		c.Resume = resumeTo(p)
		c.Observe = func(_ context.Context, e Event) {
			if e.Kind == Resumed {
				close(resumed)
			}
		}
	})
	<-resumed
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range p.requests {
		got := r.Header.Get("Authorization")
		if !strings.Contains(got, "/eu-central-1/ssmmessages/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, ") {
			t.Fatalf("request %d is signed so: %s", i, got)
		}
		if want := strings.Repeat("s", i+1); r.Header.Get("X-Amz-Security-Token") != want {
			t.Errorf("request %d has credentials of another time", i)
		}
		when, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := http.NewRequest(http.MethodGet, "http://"+r.Host+r.RequestURI, nil)
		if err != nil {
			t.Fatal(err)
		}
		signWith := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret-key", SessionToken: strings.Repeat("s", i+1)}
		if err := v4.NewSigner().SignHTTP(t.Context(), signWith, again, emptyDigest, "ssmmessages", "eu-central-1", when); err != nil {
			t.Fatal(err)
		}
		if want := again.Header.Get("Authorization"); got != want {
			t.Errorf("request %d has another signature", i)
		}
	}
	if got := p.requests[0].RequestURI; got != "/v1/data-channel/s-1?role=publish_subscribe&cell-number=a+b/c=" {
		t.Errorf("the URL was changed to %s", got)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	const tail = "/v1/data-channel/a@b,c=d-0123?role=publish_subscribe&cell-number=AAE+/w=="
	for name, test := range map[string]struct {
		streamURL, endpoint string
		url, host           string // If empty, an error is expected.
		presigned           bool
	}{
		"as SSM gives it":                {"wss://ssmmessages.eu-central-1.amazonaws.com" + tail, "", "wss://ssmmessages.eu-central-1.amazonaws.com" + tail, "ssmmessages.eu-central-1.amazonaws.com", false},
		"with the scheme's port":         {"wss://example.com:443" + tail, "", "wss://example.com:443" + tail, "example.com", false},
		"with another port":              {"wss://example.com:8443" + tail, "", "wss://example.com:8443" + tail, "example.com:8443", false},
		"signed already":                 {"wss://example.com/x?X-Amz-Signature=abc", "", "wss://example.com/x?X-Amz-Signature=abc", "example.com", true},
		"plain on loopback":              {"ws://127.0.0.1:80" + tail, "", "ws://127.0.0.1:80" + tail, "127.0.0.1", false},
		"plain on loopback, version 6":   {"ws://[::1]:8080" + tail, "", "ws://[::1]:8080" + tail, "[::1]:8080", false},
		"an escaped ID":                  {"wss://example.com/v1/data-channel/a%2Fb?x=%2f", "", "wss://example.com/v1/data-channel/a%2Fb?x=%2f", "example.com", false},
		"another endpoint":               {"wss://ssmmessages.eu-central-1.amazonaws.com" + tail, "https://vpce-1.example.com/", "wss://vpce-1.example.com" + tail, "vpce-1.example.com", false},
		"an endpoint on loopback":        {"wss://ssmmessages.eu-central-1.amazonaws.com" + tail, "http://localhost:4566", "ws://localhost:4566" + tail, "localhost:4566", false},
		"plain elsewhere":                {"ws://example.com" + tail, "", "", "", false},
		"a plain endpoint elsewhere":     {"wss://example.com" + tail, "http://10.0.0.1", "", "", false},
		"loopback in a name":             {"ws://127.0.0.1.example.com" + tail, "", "", "", false},
		"a user name":                    {"wss://user:password@example.com" + tail, "", "", "", false},
		"a user name like a host":        {"ws://127.0.0.1@example.com" + tail, "", "", "", false},
		"a user name in the endpoint":    {"wss://example.com" + tail, "https://user:password@example.com", "", "", false},
		"a path in the endpoint":         {"wss://example.com" + tail, "https://example.com/path", "", "", false},
		"an endpoint that is no URL":     {"wss://example.com" + tail, "example.com", "", "", false},
		"another scheme":                 {"file:///etc/passwd", "", "", "", false},
		"no scheme":                      {"example.com" + tail, "", "", "", false},
		"nothing":                        {"", "", "", "", false},
		"no host":                        {"wss://" + tail, "", "", "", false},
		"no path":                        {"wss://example.com", "", "", "", false},
		"a fragment":                     {"wss://example.com/x#y", "", "", "", false},
		"bytes that are sent otherwise":  {"wss://example.com/a b", "", "", "", false},
		"control characters":             {"wss://example.com/a\r\nHost: evil", "", "", "", false},
		"a query before the path begins": {"wss://example.com?x=/", "", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := resolve(test.streamURL, test.endpoint)
			if test.url == "" {
				if !errors.Is(err, ErrAddress) {
					t.Errorf("dials %+v, %v", got, err)
				} else if strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "cell-number") {
					t.Errorf("the error shows the URL: %v", err)
				}

				return
			}
			if want := (address{test.url, test.host, test.presigned}); err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// TestDial_throughTheTransport covers a private certificate, a server that
// prefers HTTP/2, a proxy, and a timeout of the client that must not end the
// socket.
func TestDial_throughTheTransport(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.echo = true
	p := &peer{t: t, script: n.serve}
	p.server = httptest.NewUnstartedServer(p)
	p.server.EnableHTTP2 = true
	p.server.StartTLS()
	t.Cleanup(p.server.Close)

	var proxied atomic.Int64
	transport, ok := p.server.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the client of a test server has another transport")
	}
	transport = transport.Clone()
	transport.ForceAttemptHTTP2 = true
	transport.Proxy = func(*http.Request) (*url.URL, error) {
		proxied.Add(1)

		return nil, nil
	}
	c := mustOpen(t, p, func(c *Config) {
		c.HTTPClient = &http.Client{Transport: transport, Timeout: 100 * time.Millisecond}
		c.Access.StreamURL = "wss://ssmmessages.eu-central-1.amazonaws.com/v1/data-channel/s-1?cell-number=a+b"
		c.Endpoint = p.server.URL
	})
	time.Sleep(200 * time.Millisecond)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if proxied.Load() == 0 {
		t.Error("the transport's proxy was not asked")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.requests[0]; r.ProtoMajor != 1 || r.RequestURI != "/v1/data-channel/s-1?cell-number=a+b" {
		t.Errorf("the request: %s %s", r.Proto, r.RequestURI)
	}
}

// TestDial_refused covers the answers to the request for a WebSocket. The token must
// not be sent anywhere else.
func TestDial_refused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status   int
		attempts int64
		text     string
	}{
		"forbidden":   {http.StatusForbidden, 1, "the answer has HTTP status 403"},
		"redirect":    {http.StatusTemporaryRedirect, 1, "HTTP status 307, which is not followed"},
		"not found":   {http.StatusNotFound, 1, "the answer has HTTP status 404"},
		"unavailable": {http.StatusServiceUnavailable, openAttempts, "the answer has HTTP status 503"},
		"no upgrade":  {http.StatusOK, 1, "the answer has HTTP status 200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var attempts, elsewhere atomic.Int64
			other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
			t.Cleanup(other.Close)
			p := &peer{t: t}
			p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				attempts.Add(1)
				w.Header().Set("Location", other.URL+r.RequestURI)
				http.Error(w, "the body may say token-of-the-session", test.status)
			}))
			t.Cleanup(p.server.Close)
			_, err := openChannel(t, p, func(c *Config) { c.Resume = resumeTo(p) })
			var dial *DialError
			if !errors.As(err, &dial) || dial.Status != test.status || !strings.Contains(err.Error(), test.text) {
				t.Errorf("the error is %v", err)
			}
			if attempts.Load() != test.attempts || elsewhere.Load() != 0 {
				t.Errorf("%d attempts, %d elsewhere", attempts.Load(), elsewhere.Load())
			}
			noSecret(t, err)
		})
	}
}

func noSecret(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{"token-", "cell-number", "secret-key", "of-the-session"} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows %q: %v", secret, err)
		}
	}
}

func TestDial_firstAttemptMayFail(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := &peer{t: t, script: n.serve}
	var attempts atomic.Int64
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)

			return
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	mustOpen(t, p, func(c *Config) { c.Resume = resumeTo(p) })
}

func TestDial_errorsShowNoSecret(t *testing.T) {
	t.Parallel()
	p := newPeer(t, nil)
	for name, change := range map[string]func(*Config){
		"nobody listens": func(c *Config) { c.Endpoint = "http://127.0.0.1:1" },
		"no credentials": func(c *Config) {
			c.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{}, errors.New("the program printed secret-key")
			})
		},
		"a proxy with a password": func(c *Config) {
			c.HTTPClient = &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) {
				return nil, errors.New(`invalid proxy address "http://user:secret-key@proxy"`)
			}}}
		},
		"a transport that shows the URL": func(c *Config) {
			c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return nil, errors.New("dialling " + r.URL.String() + " for token-of-the-session")
			})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := openChannel(t, p, change)
			if err == nil {
				t.Fatal("it opens")
			}
			noSecret(t, err)
		})
	}
}

func TestDial_hangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		hangs := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()

			return nil, r.Context().Err()
		})
		_, err := Open(t.Context(), Config{
			SessionType: "Port", Access: Access{StreamURL: "wss://example.com/x", Token: "token-1"}, HTTPClient: &http.Client{Transport: hangs},
			Resume: func(context.Context) (Access, error) {
				return Access{StreamURL: "wss://example.com/y", Token: "token-2"}, nil
			},
		})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNoHandshake) {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(start); took > openTime {
			t.Errorf("it took %s", took)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAccess_isNotPrinted(t *testing.T) {
	t.Parallel()
	a := Access{StreamURL: "wss://example.com/?cell-number", Token: "token-1"}
	for _, text := range []string{a.String(), a.GoString()} {
		noSecret(t, errors.New(text))
	}
}
