// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

// countedConn counts the writes to its connection.
type countedConn struct {
	net.Conn
	writes *atomic.Int32
}

func (c countedConn) Write(data []byte) (int, error) {
	c.writes.Add(1)

	return c.Conn.Write(data)
}

func TestClient_Do(t *testing.T) {
	t.Parallel()

	bodies := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(w, `{"SessionId":"s"}`)
	}))
	t.Cleanup(server.Close)
	var writes atomic.Int32
	client := ssm.New(ssm.Options{
		BaseEndpoint: aws.String(server.URL),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer:      aws.NopRetryer{},
		HTTPClient: httpclient.Client{HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)

				return countedConn{conn, &writes}, err
			}
		})},
	})

	out, err := client.TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: aws.String("s")})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.SessionId) != "s" {
		t.Errorf("answered for session %q", aws.ToString(out.SessionId))
	}
	if body := <-bodies; body != `{"SessionId":"s"}` {
		t.Errorf("the body that arrived is %q", body)
	}
	if n := writes.Load(); n != 1 {
		t.Errorf("the request was sent in %d writes", n)
	}
}

func TestClient_Do_withoutBody(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method)
	}))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}

	response, err := httpclient.Client{HTTPClient: server.Client()}.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != http.MethodGet {
		t.Errorf("answered %q, %v", body, err)
	}
}

// TestClient_Do_halfAnAnswer checks that an incomplete answer is a transport error, which the
// SDK retries, and not a decoding error.
func TestClient_Do_halfAnAnswer(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
	}))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}

	response, err := httpclient.Client{HTTPClient: server.Client()}.Do(request)
	if response != nil {
		response.Body.Close()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func TestClient_Do_unreadableBody(t *testing.T) {
	t.Parallel()

	broken := errors.New("broken")
	body := io.MultiReader(strings.NewReader("half"), readerFunc(func([]byte) (int, error) { return 0, broken }))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1", body)
	if err != nil {
		t.Fatal(err)
	}

	sent := false
	response, err := httpclient.Client{HTTPClient: doFunc(func(*http.Request) (*http.Response, error) {
		sent = true

		return nil, errors.New("sent")
	})}.Do(request)
	if response != nil {
		response.Body.Close()
	}
	if !errors.Is(err, broken) || sent {
		t.Errorf("error %v, sent: %t", err, sent)
	}
}

// TestClient_Do_endlessAnswer checks that only some megabytes of an answer are read, that its
// body is closed, and that the error says that no service of AWS answers this way.
func TestClient_Do_endlessAnswer(t *testing.T) {
	t.Parallel()

	const enough = 16 << 20
	for name, length := range map[string]int64{"of unknown length": -1, "with its length": 1 << 40} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			read, closed := 0, false
			body := struct {
				io.Reader
				io.Closer
			}{
				readerFunc(func(data []byte) (int, error) {
					if read += len(data); read > enough {
						return 0, errors.New("read too much")
					}

					return len(data), nil
				}),
				closerFunc(func() error {
					closed = true

					return nil
				}),
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://ssm.test", nil)
			if err != nil {
				t.Fatal(err)
			}

			_, err = httpclient.Client{HTTPClient: doFunc(func(*http.Request) (*http.Response, error) { //nolint:bodyclose // There is an error.
				return &http.Response{StatusCode: http.StatusOK, ContentLength: length, Body: body}, nil
			})}.Do(request)

			if want := "the answer is longer than 8 MB, so the endpoint cannot be AWS"; err == nil || err.Error() != want {
				t.Errorf("error is %v, want %s", err, want)
			}
			if read > enough || !closed {
				t.Errorf("%d bytes were read, closed: %t", read, closed)
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(data []byte) (int, error) { return f(data) }

type closerFunc func() error

func (f closerFunc) Close() error { return f() }

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }
