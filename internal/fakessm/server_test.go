// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"errors"
	"net/http/httptest"
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
