// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

var staticCredentials = credentials.NewStaticCredentialsProvider(fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, "")

func serveFake(t *testing.T, fake *fakessm.Server) string {
	t.Helper()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)

	return server.URL
}

// newClient returns a client without retries by default. Unlike the SDK's own HTTP client it
// never loses the rest of an answer that begins early. See package httpclient.
func newClient(t *testing.T, fake *fakessm.Server, options ...func(*ssm.Options)) *ssm.Client {
	t.Helper()

	return ssm.New(ssm.Options{
		BaseEndpoint: aws.String(serveFake(t, fake)),
		Region:       "us-east-1",
		Credentials:  staticCredentials,
		Retryer:      aws.NopRetryer{},
		HTTPClient:   httpclient.Client{HTTPClient: awshttp.NewBuildableClient()},
	}, options...)
}

func newSTSClient(t *testing.T, fake *fakessm.Server, options ...func(*sts.Options)) *sts.Client {
	t.Helper()

	return sts.New(sts.Options{
		BaseEndpoint: aws.String(serveFake(t, fake)),
		Region:       "us-east-1",
		Credentials:  staticCredentials,
		Retryer:      aws.NopRetryer{},
	}, options...)
}

func wantCode(t *testing.T, err error, code, message string) {
	t.Helper()
	var apiError smithy.APIError
	if !errors.As(err, &apiError) {
		t.Fatalf("want %s, got %v", code, err)
	}
	if apiError.ErrorCode() != code || (message != "" && apiError.ErrorMessage() != message) {
		t.Fatalf("want %s %q, got %s %q", code, message, apiError.ErrorCode(), apiError.ErrorMessage())
	}
}

func wantStatus(t *testing.T, fake *fakessm.Server, id, status string) {
	t.Helper()
	session, ok := fake.Session(id)
	if !ok || session.Status != status {
		t.Errorf("session %s: want %s, got %q", id, status, session.Status)
	}
}

// testClock stands still unless a test advances it.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *testClock {
	return &testClock{t: time.Now()}
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.t
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func TestServeHTTP_notAnAPIRequest(t *testing.T) {
	t.Parallel()

	json := map[string]string{"Content-Type": "application/x-amz-json-1.1"}
	cases := map[string]struct {
		method, path string
		header       map[string]string
		body         string
		status       int
		want         string
	}{
		"a browser":                {"GET", "/", nil, "", 404, "<UnknownOperationException/>"},
		"another path":             {"POST", "/x", json, "{}", 404, "<UnknownOperationException/>"},
		"no target":                {"POST", "/", json, "{}", 404, "<UnknownOperationException/>"},
		"another content type":     {"POST", "/", map[string]string{"Content-Type": "application/json", "X-Amz-Target": "AmazonSSM.ResumeSession"}, "{}", 404, "<UnknownOperationException/>"},
		"an unknown operation":     {"POST", "/", map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.Dance"}, "{}", 400, `{"__type":"UnknownOperationException"}`},
		"an unknown action of STS": {"POST", "/", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, "Action=Dance&Version=2011-06-15", 400, "<Code>InvalidAction</Code>"},
		"an oversized body":        {"POST", "/", json, strings.Repeat("x", 2<<20), 413, "RequestEntityTooLargeException"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequestWithContext(t.Context(), tc.method, tc.path, bytes.NewBufferString(tc.body))
			for k, v := range tc.header {
				req.Header.Set(k, v)
			}
			rec := httptest.NewRecorder()
			fakessm.New().ServeHTTP(rec, req)
			if rec.Code != tc.status || !strings.Contains(rec.Body.String(), tc.want) {
				t.Errorf("want %d %s, got %d %s", tc.status, tc.want, rec.Code, rec.Body)
			}
			if rec.Header().Get("X-Amzn-Requestid") == "" {
				t.Error("no request ID")
			}
		})
	}
}

func TestServeHTTP_serialization(t *testing.T) {
	t.Parallel()

	cases := map[string]struct{ body, want string }{
		"not JSON":                         {`x`, "SerializationException"},
		"a list":                           {`[]`, "SerializationException"},
		"a number instead of a string":     {`{"State":1}`, "SerializationException"},
		"a string instead of a number":     {`{"State":"Active","MaxResults":"1"}`, "SerializationException"},
		"a string instead of a list":       {`{"State":"Active","Filters":"x"}`, "SerializationException"},
		"no parameter":                     {`{}`, "Value null at 'state' failed to satisfy constraint: Member must not be null"},
		"a null":                           {`{"State":null}`, "Value null at 'state' failed to satisfy constraint: Member must not be null"},
		"a name in lower case":             {`{"state":"Active"}`, "Value null at 'state' failed to satisfy constraint: Member must not be null"},
		"a filter with Key instead of key": {`{"State":"Active","Filters":[{"Key":"Target","value":"x"}]}`, "Value null at 'filters.1.member.key'"},
		"two errors":                       {`{"MaxResults":0}`, "2 validation errors detected: "},
		"an unknown member":                {`{"State":"Active","Colour":"red"}`, `{"Sessions":[]}`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, answer := sendRequest(t, signedRequest(t, serveFake(t, fakessm.New()), tc.body, time.Now(), "ssm"))
			if !strings.Contains(answer, tc.want) {
				t.Errorf("want %s, got %s", tc.want, answer)
			}
		})
	}
}

func TestServer_concurrentUse(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithPageSize(10))
	client := newClient(t, fake)
	ids := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	for _, id := range ids {
		fake.AddSessions(fakessm.Session{SessionID: id})
	}
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			for range 5 {
				out, err := client.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: &id})
				if err != nil || *out.SessionId != id {
					t.Errorf("resuming %s: %v", id, err)
				}
				if _, err := client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: "Active"}); err != nil {
					t.Error(err)
				}
				fake.Requests()
			}
			if err := terminateSession(t, client, id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := fake.Count("ResumeSession"); got != 40 {
		t.Errorf("Count is %d", got)
	}
}
