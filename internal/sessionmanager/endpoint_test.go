// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"errors"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	// region is the Region of the test sessions. It differs from the Region of the aws.Config.
	region = "eu-central-1"

	// sessionID is the session under test. It has every character that AWS uses in IDs.
	sessionID = "Mary+Major=x,y.z@example-07a16060613c408b5"

	// endpointURL leads to the fake, whatever its host.
	endpointURL = "http://ssm.test"

	// maxAttempts is the number of attempts of a call.
	maxAttempts = 5

	// latency is how long a request takes to arrive.
	latency = fakessm.LocalLatency

	// timeout limits the code under test, in the time of the synctest bubble.
	timeout = 2 * time.Minute
)

// TestMain removes the AWS configuration of the user who runs the tests.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name)
		}
	}
	m.Run()
}

// endpoint is an SSM endpoint and its clients. Tests use it in a synctest bubble, where
// waiting takes no time.
type endpoint struct {
	fake   *fakessm.Server
	config aws.Config
	local  *fakessm.Local
}

// newEndpoint returns an endpoint with a fake behind the handlers of wrap.
func newEndpoint(t *testing.T, fake *fakessm.Server, wrap ...func(http.Handler) http.Handler) *endpoint {
	t.Helper()

	var handler http.Handler = fake
	for _, w := range wrap {
		handler = w(handler)
	}
	ep := &endpoint{
		fake:  fake,
		local: serveLocally(t, handler),
		config: aws.Config{
			Region:       "us-west-2",
			BaseEndpoint: aws.String(endpointURL),
			Credentials:  credentials.NewStaticCredentialsProvider(fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, ""),
		},
	}
	ep.retries(maxAttempts)
	ep.transport(func(tr *http.Transport) {})

	return ep
}

// client returns a client of the endpoint.
func (e *endpoint) client(options ...sessionmanager.Options) *sessionmanager.Client {
	return sessionmanager.New(e.config, append(options, sessionmanager.Options{})[0])
}

// retries sets the number of attempts of the endpoint's clients, with a constant delay.
func (e *endpoint) retries(attempts int) {
	e.config.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			o.RateLimiter = ratelimit.None
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 500 * time.Millisecond, nil })
		})
	}
}

// transport sets how the endpoint's clients connect.
func (e *endpoint) transport(options func(*http.Transport)) {
	e.config.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
		tr.Proxy = nil
		tr.DialContext = e.local.DialContext
		options(tr)
	})
}

// calls lists what reached the endpoint, in order, and checks the common properties of all
// requests. "active" and "history" stand for DescribeSessions with that State. "+" stands
// for a request of a further page. A colon precedes an injected fault or an error. A call
// or pair of calls that occurs more than twice in a row is listed once, followed by "...".
func (e *endpoint) calls(t *testing.T) string {
	t.Helper()

	synctest.Wait()
	var calls []string
	for _, r := range e.fake.Requests() {
		want := fakessm.Request{Service: "ssm", Region: region, SessionID: sessionID}
		got := fakessm.Request{
			Service: r.Service, Region: r.Region, SessionID: r.SessionID,
			Target: r.Target, Filters: r.Filters, MaxResults: r.MaxResults,
		}
		name := strings.ToLower(strings.TrimSuffix(r.Operation, "Session"))
		if r.Operation == "DescribeSessions" {
			want.Filters = map[string]string{"SessionId": sessionID}
			want.MaxResults = 200
			name = strings.ToLower(r.State)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("request %s (-want +got):\n%s", r.Operation, diff)
		}
		if r.NextToken {
			name += "+"
		}
		switch {
		case r.Fault != "":
			name += ":" + string(r.Fault)
		case r.ErrorCode != "":
			name += ":" + r.ErrorCode
		}
		calls = append(calls, name)
	}

	return strings.Join(collapseRepetitions(calls), " ")
}

// collapseRepetitions shortens repetitions of one call, or of two alternating calls.
func collapseRepetitions(calls []string) []string {
	var short []string
	for i := 0; i < len(calls); {
		end := i
		for size := 1; size <= 2 && end == i && i+size <= len(calls); size++ {
			unit, n := calls[i:i+size], 1
			for at := i + size; at+size <= len(calls) && slices.Equal(unit, calls[at:at+size]); at += size {
				n++
			}
			if n > 2 {
				short = append(append(short, unit...), "...")
				end = i + n*size
			}
		}
		if end == i {
			short = append(short, calls[i])
			end++
		}
		i = end
	}

	return short
}

// serveLocally runs a handler until the test ends.
func serveLocally(t *testing.T, handler http.Handler) *fakessm.Local {
	t.Helper()

	local := fakessm.ServeLocally(handler, log.New(t.Output(), "", 0))
	t.Cleanup(func() { _ = local.Close() })

	return local
}

// operationOf returns the operation of a request.
func operationOf(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.")
}

// beforeRequest calls event just before a request of an operation arrives.
func beforeRequest(name string, event func()) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if operationOf(r) == name {
				event()
			}
			next.ServeHTTP(w, r)
		})
	}
}

// afterRequest calls event once a request of an operation is answered.
func afterRequest(name string, event func()) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			if operationOf(r) == name {
				event()
			}
		})
	}
}

// answerRequests replaces the answers to the first requests of an operation, after the
// endpoint has done its work. A negative number means all requests.
func answerRequests(name string, times, status int, body string) func(http.Handler) http.Handler {
	var mu sync.Mutex

	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			hit := operationOf(r) == name && times != 0
			if hit {
				times--
			}
			mu.Unlock()
			if !hit {
				next.ServeHTTP(w, r)

				return
			}
			next.ServeHTTP(httptest.NewRecorder(), r)
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
}

// errorKinds are all sentinel errors of the package.
var errorKinds = []error{
	sessionmanager.ErrNotFound, sessionmanager.ErrUndetermined, sessionmanager.ErrEnded, sessionmanager.ErrStillLive, sessionmanager.ErrContradictory,
	sessionmanager.ErrTimedOut, sessionmanager.ErrIncompleteAnswer, sessionmanager.ErrClocks, sessionmanager.ErrAccessDenied, sessionmanager.ErrCredentials,
	sessionmanager.ErrThrottled, sessionmanager.ErrUnavailable, sessionmanager.ErrDeadline, sessionmanager.ErrRejected,
	sessionmanager.ErrTargetNotConnected, sessionmanager.ErrInvalidDocument, sessionmanager.ErrInvalidParameters,
}

// The texts of the kinds.
const (
	accessDenied     = "access denied"
	credentialsWrong = "credentials not accepted"
	hasEnded         = "session is not in a valid state"
	incomplete       = "incomplete answer"
	notFound         = "session not found"
	outOfTime        = "out of time"
	rejected         = "request rejected"
	stillLive        = "session is still live"
	contradictory    = "session cannot be terminated, and is listed as live"
	throttled        = "request quota exhausted"
	timedOut         = "session has timed out"
	unavailable      = "service unavailable"
	undetermined     = "session could not be looked up by its ID"
)

// kindOf returns the kind of an error. An error of several kinds fails the comparison.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	var matching []string
	for _, kind := range errorKinds {
		if errors.Is(err, kind) {
			matching = append(matching, kind.Error())
		}
	}
	if len(matching) == 0 {
		return "none of the kinds"
	}

	return strings.Join(matching, " and also ")
}

// checkError checks an error of a call that is about the session.
func checkError(t *testing.T, err error, operation *sessionmanager.Operation) {
	t.Helper()

	doing := map[*sessionmanager.Operation]string{
		sessionmanager.DescribeSessions: "looking up",
		sessionmanager.ResumeSession:    "resuming",
		sessionmanager.TerminateSession: "terminating",
	}[operation]
	checkErrorOf(t, err, operation, sessionID, doing+" session "+sessionID+": ")
}

// checkErrorOf checks the operation and the session of an error, and that its text
// begins with the words. No error passes.
func checkErrorOf(t *testing.T, err error, operation *sessionmanager.Operation, sessionID, words string) {
	t.Helper()

	if err == nil {
		return
	}
	var failed *sessionmanager.Error
	if !errors.As(err, &failed) {
		t.Fatalf("%T is not a *sessionmanager.Error", err)
	}
	want := sessionmanager.Error{Operation: operation, SessionRef: sessionmanager.SessionRef{Region: region, SessionID: sessionID}}
	got := sessionmanager.Error{Operation: failed.Operation, SessionRef: failed.SessionRef}
	if got != want {
		t.Errorf("error of %s for %+v, want of %s for %+v", got.Operation, got.SessionRef, want.Operation, want.SessionRef)
	}
	if !strings.HasPrefix(err.Error(), words) || strings.Count(err.Error(), words) != 1 {
		t.Errorf("error text does not begin with %q, or says it twice: %s", words, err)
	}
	if strings.Contains(err.Error(), fakessm.DefaultSecretAccessKey) {
		t.Error("error text holds the secret access key")
	}
}
