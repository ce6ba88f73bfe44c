// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// answeringWith makes the endpoint answer every request of an operation with a status
// and a body. An empty operation means all operations.
func answeringWith(operation string, status int, contentType, body string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if operation != "" && !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) {
				next.ServeHTTP(w, r)

				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
}

// everyCall makes each call of the client once, and returns the errors by operation.
func everyCall(ctx context.Context, client *sessionmanager.Client) map[*sessionmanager.Operation]error {
	ref := sessionmanager.SessionRef{Region: region, SessionID: sessionID}
	_, find := client.Find(ctx, ref)
	_, status := client.ConnectionStatus(ctx, region, "i-0123456789abcdef0")
	_, resume := client.Resume(ctx, ref)
	_, terminate := client.Terminate(ctx, sessionmanager.TerminateInput{SessionRef: ref})
	_, start := client.Start(ctx, sessionmanager.StartInput{Region: region, Target: "i-0123456789abcdef0"})

	return map[*sessionmanager.Operation]error{
		sessionmanager.DescribeSessions: find, sessionmanager.GetConnectionStatus: status, sessionmanager.ResumeSession: resume,
		sessionmanager.TerminateSession: terminate, sessionmanager.StartSession: start,
	}
}

// TestClient_successWithoutContent checks that a successful answer without the required members is
// an error in every operation.
func TestClient_successWithoutContent(t *testing.T) {
	t.Parallel()

	for _, body := range []string{
		`{}`, `{"status":"ok"}`, `{"Sessions":null}`, `{"message":"moved"}`, `{"__type":"ThrottlingException"}`,
		`{"SessionId":null,"Target":null,"Status":null}`,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(*knownSession("Connected"))), answeringWith("", http.StatusOK, "application/x-amz-json-1.1", body))

				failures := everyCall(t.Context(), ep.client())

				for _, operation := range sessionmanager.Operations() {
					if err := failures[operation]; !errors.Is(err, sessionmanager.ErrIncompleteAnswer) {
						t.Errorf("%s: error is %v, want an incomplete answer", operation, err)
					}
				}
			})
		})
	}
}

// TestClient_successWithoutContent_provesNothing checks that such an answer to a lookup does not
// make a session count as ended.
func TestClient_successWithoutContent_provesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(*knownSession("Connected"))), answeringWith("DescribeSessions", http.StatusOK, "application/x-amz-json-1.1", "{}"))
		client := ep.client()

		result, err := client.Terminate(t.Context(), sessionmanager.TerminateInput{
			SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}, Verify: true, NotFoundOK: true,
		})
		if !errors.Is(err, sessionmanager.ErrIncompleteAnswer) || result.Outcome != "" {
			t.Errorf("outcome is %q, error %v", result.Outcome, err)
		}
		listing, err := client.List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{}, time.Time{})
		if !errors.Is(err, sessionmanager.ErrIncompleteAnswer) {
			t.Errorf("listed %d sessions, error %v", len(listing.Sessions), err)
		}
		drained, err := client.Drain(t.Context(), sessionmanager.DrainInput{
			Region: region, Selector: sessionmanager.Selector{Targets: []string{"i-0123456789abcdef0"}}, MaxSessions: 10,
		})
		if !errors.Is(err, sessionmanager.ErrIncompleteAnswer) || len(drained.Outcomes) > 0 {
			t.Errorf("outcomes are %v, error %v", drained.Outcomes, err)
		}
		if n := ep.fake.Count("TerminateSession"); n > 0 {
			t.Errorf("%d sessions were asked to end", n)
		}
	})
}

// TestClient_flawedAnswer checks that no operation accepts an answer that only resembles one
// of SSM. An empty list in such an answer would count as proof.
func TestClient_flawedAnswer(t *testing.T) {
	t.Parallel()

	for name, spoil := range map[string]func(*httptest.ResponseRecorder){
		"with a page after the document": func(r *httptest.ResponseRecorder) { r.Body.WriteString("<html>moved</html>") },
		"with a second document":         func(r *httptest.ResponseRecorder) { r.Body.WriteString("{}") },
		"with an error's header":         func(r *httptest.ResponseRecorder) { r.Header().Set("X-Amzn-Errortype", "AccessDeniedException") },
		"with an error's type": func(r *httptest.ResponseRecorder) {
			members := strings.TrimPrefix(r.Body.String(), "{")
			r.Body.Reset()
			r.Body.WriteString(`{"__type":"AccessDeniedException",` + members)
		},
		"of another server":   func(r *httptest.ResponseRecorder) { r.Code = http.StatusNonAuthoritativeInfo },
		"of part of the list": func(r *httptest.ResponseRecorder) { r.Code = http.StatusPartialContent },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(*knownSession("Connected"))), func(next http.Handler) http.Handler {
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						answer := httptest.NewRecorder()
						next.ServeHTTP(answer, r)
						spoil(answer)
						answer.Header().Del("Content-Length")
						maps.Copy(w.Header(), answer.Header())
						w.WriteHeader(answer.Code)
						_, _ = w.Write(answer.Body.Bytes())
					})
				})

				failures := everyCall(t.Context(), ep.client())

				for _, operation := range sessionmanager.Operations() {
					if err := failures[operation]; !errors.Is(err, sessionmanager.ErrIncompleteAnswer) {
						t.Errorf("%s: error is %v, want an incomplete answer", operation, err)
					}
				}
			})
		})
	}
}

// TestClient_throttled checks answers of proxies and gateways that throttle in other ways
// than SSM.
func TestClient_throttled(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		status            int
		contentType, body string
	}{
		"429 with an HTML page":      {http.StatusTooManyRequests, "text/html", "<html>Slow down</html>"},
		"429 without a body":         {http.StatusTooManyRequests, "application/x-amz-json-1.1", ""},
		"429 without a code":         {http.StatusTooManyRequests, "application/x-amz-json-1.1", `{"error":"too many"}`},
		"429 with another code":      {http.StatusTooManyRequests, "application/x-amz-json-1.1", `{"__type":"SlowerPlease","message":"no"}`},
		"429 with a code of SSM":     {http.StatusTooManyRequests, "application/x-amz-json-1.1", `{"__type":"InternalServerError","message":"no"}`},
		"503 with a throttling code": {http.StatusServiceUnavailable, "application/x-amz-json-1.1", `{"__type":"ThrottlingException","message":"Rate exceeded"}`},
		"400 with a throttling code": {http.StatusBadRequest, "application/x-amz-json-1.1", `{"__type":"RequestLimitExceeded","message":"Rate exceeded"}`},
		"429 with a throttling code": {http.StatusTooManyRequests, "application/x-amz-json-1.1", `{"__type":"ThrottlingException","message":"Rate exceeded"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(), answeringWith("", tc.status, tc.contentType, tc.body))
				attempts, lowered := 0, 0
				client := ep.client(sessionmanager.Options{
					Observe: func(context.Context, sessionmanager.Attempt) { attempts++ },
					Decided: func(_ context.Context, d sessionmanager.Decision) {
						if d.What == "Lowered the pace of calls" {
							lowered++
						}
					},
				})
				ref := sessionmanager.SessionRef{Region: region, SessionID: sessionID}

				result, err := client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: ref})

				if !errors.Is(err, sessionmanager.ErrThrottled) || result.Requested {
					t.Errorf("error is %v, requested %t; want the throttled error and requested false", err, result.Requested)
				}
				if attempts != maxAttempts {
					t.Errorf("%d attempts, want %d", attempts, maxAttempts)
				}
				if lowered == 0 {
					t.Error("the pace of calls was not lowered")
				}
			})
		})
	}
}

// TestClient_throttled_whileWaiting checks that lookups report throttling instead of a timeout
// when they wait for the pace or for a shared listing that is throttled.
func TestClient_throttled_whileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(crowdSessions(10)...))).retryLikeProvider()
		ep.fake.Inject(fakessm.Fault{Kind: fakessm.FaultThrottle, Times: -1})
		client := ep.client()
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()

		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				_, preview := client.Preview(ctx, sessionmanager.SessionRef{Region: region, SessionID: crowdID(i)})
				if !errors.Is(preview, sessionmanager.ErrThrottled) || !errors.Is(preview, context.DeadlineExceeded) {
					t.Errorf("lookup %d: %v", i, preview)
				}
			})
		}
		group.Wait()
	})
}

// TestClient_sourceOfCredentials checks that an error of a credential source does not
// count as an answer of SSM, and that its text is not shown.
func TestClient_sourceOfCredentials(t *testing.T) {
	t.Parallel()

	const canary = "canary-91c2"
	denied := &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: &smithy.GenericAPIError{Code: "AccessDenied", Message: "no role/Operator"}}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"STS refuses a renewal":         {err: denied, want: "STS AssumeRole: AccessDenied: no role/Operator"},
		"a process prints its keys":     {err: &processcreds.ProviderError{Err: errors.New("parse failed of process output: " + canary)}, want: "credential_process"},
		"an error that quotes its file": {err: errors.New("unable to parse " + canary), want: "could not be obtained"},
		"an invalid error code":         {err: &smithy.GenericAPIError{Code: canary + " ", Message: canary}, want: "could not be obtained"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(*knownSession("Connected"))))
				ep.config.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, tc.err })

				for operation, err := range everyCall(t.Context(), ep.client()) {
					var source *sessionmanager.CredentialsError
					if !errors.Is(err, sessionmanager.ErrCredentials) || errors.Is(err, sessionmanager.ErrAccessDenied) || !errors.As(err, &source) {
						t.Errorf("%s: error is %v", operation, err)

						continue
					}
					if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), canary) {
						t.Errorf("%s: error must contain %q, and no text of the source: %v", operation, tc.want, err)
					}
				}
				if diff := cmp.Diff("", ep.calls(t)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestClient_neverSent checks that a request that was not sent does not count as sent, and
// that permanent failures are not retried.
func TestClient_neverSent(t *testing.T) {
	t.Parallel()

	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(t.Output(), "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(refusing.Close)
	proxyURL, err := url.Parse(refusing.URL)
	if err != nil {
		t.Fatal(err)
	}

	for name, tc := range map[string]struct {
		endpoint string
		proxy    func(*http.Request) (*url.URL, error)
		token    string
		want     string
	}{
		"an untrusted certificate":     {endpoint: secure.URL, want: "not signed by an authority"},
		"a port that speaks HTTP":      {endpoint: strings.Replace(refusing.URL, "http:", "https:", 1), want: "does not speak TLS"},
		"a proxy that refuses":         {endpoint: "https://ssm.test", proxy: http.ProxyURL(proxyURL), want: "the proxy refused to connect to the endpoint (HTTP status 403)"},
		"a token with a line break":    {endpoint: refusing.URL, token: "token\n", want: "the session token contains a character"},
		"an endpoint without a scheme": {endpoint: "ssm.test", want: "does not begin with https:// or http://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			attempts := 0
			client := sessionmanager.New(aws.Config{
				Credentials: credentials.NewStaticCredentialsProvider("id", "secret", tc.token),
				HTTPClient:  awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) { tr.Proxy = tc.proxy }),
			}, sessionmanager.Options{Endpoint: tc.endpoint, Observe: func(context.Context, sessionmanager.Attempt) { attempts++ }})
			ref := sessionmanager.SessionRef{Region: region, SessionID: sessionID}

			result, err := client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: ref})

			if err == nil || result.Requested || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("requested %t, error %v; want requested false and an error with %q", result.Requested, err, tc.want)
			}
			if attempts > 1 {
				t.Errorf("%d attempts", attempts)
			}
		})
	}
}
