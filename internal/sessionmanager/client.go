// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package sessionmanager contains all knowledge of AWS Systems Manager Session
// Manager: how to find, terminate and resume a session, and what the service's
// answers mean. It does not depend on Terraform.
package sessionmanager

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go/logging"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

const (
	// defaultAttemptTimeout limits one HTTP attempt, including reading its body.
	defaultAttemptTimeout = 20 * time.Second

	// secondLookupPause is the wait before the second lookup of a session that was in neither
	// list. A session that moves between the lists can be missing from both.
	secondLookupPause = 750 * time.Millisecond

	// settleTime is how long the lists may still show a session as live after a refused
	// termination.
	settleTime = 15 * time.Second

	// pollInterval and maxPollInterval pace the lookups that wait for an accepted
	// termination to show. The interval doubles from the first to the second.
	pollInterval    = 500 * time.Millisecond
	maxPollInterval = 5 * time.Second
)

// Options configure a Client in addition to its aws.Config.
type Options struct {
	// Endpoint replaces the SSM endpoint of every Region. If empty, the aws.Config
	// determines the endpoint.
	Endpoint string

	// Account is the number of the account that the credentials belong to. Empty means
	// that it is unknown.
	Account string

	// AttemptTimeout limits one HTTP attempt. Zero means 20 seconds. An HTTP client
	// that is neither the SDK's nor an *http.Client keeps its own timeout.
	AttemptTimeout time.Duration

	// MaxRequestsPerSecond limits the calls of each operation in each Region. Zero
	// means the rate that the service grants, which the Client measures.
	MaxRequestsPerSecond float64

	// Own registers the sessions that the Client starts. Nil means a new Registry.
	Own *Registry

	// Observe, if set, is called after each HTTP attempt.
	Observe func(context.Context, Attempt)

	// Decided, if set, is called for each decision that the API calls alone do not show.
	Decided func(context.Context, Decision)
}

// Client calls Session Manager in one account. It is safe for concurrent use. Every
// method takes the Region to call.
type Client struct {
	api     api
	account string // Empty if unknown.
	own     *Registry
	retryer aws.Retryer // For all calls. Start makes its own retries with it.
	pace    *pacer
	shared  sharedListings

	// decided is never nil in a Client that New returned.
	decided func(context.Context, Decision)
}

// Decision is a choice that the Client made. It is safe to log: it contains no secret.
type Decision struct {
	What   string         // For example "Lowered the pace". It contains no values.
	Fields map[string]any // The counts, durations, times, names and IDs behind the choice.
}

// New returns a Client that calls SSM with the credentials, retryer and transport of cfg.
func New(cfg aws.Config, options Options) *Client {
	timeout := options.AttemptTimeout
	if timeout == 0 {
		timeout = defaultAttemptTimeout
	}
	switch client := cfg.HTTPClient.(type) {
	case nil:
		cfg.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(httpclient.ObserveProxy).WithTimeout(timeout)
	case *awshttp.BuildableClient:
		cfg.HTTPClient = client.WithTransportOptions(httpclient.ObserveProxy).WithTimeout(timeout)
	case *http.Client:
		bounded := *client
		bounded.Timeout = timeout
		cfg.HTTPClient = &bounded
	}

	if cfg.Credentials != nil && !aws.IsCredentialsProvider(cfg.Credentials, (*aws.AnonymousCredentials)(nil)) {
		cfg.Credentials = markedCredentials{cfg.Credentials}
	}

	decided := options.Decided
	if decided == nil {
		decided = func(context.Context, Decision) {}
	}
	pace := newPacer(options.MaxRequestsPerSecond, decided)
	client := ssm.NewFromConfig(cfg, func(o *ssm.Options) {
		if options.Endpoint != "" {
			o.BaseEndpoint = aws.String(options.Endpoint)
		}
		// The SDK refuses FIPS and dual-stack together with a custom endpoint, wherever
		// that endpoint is configured. The custom endpoint takes precedence.
		if o.BaseEndpoint != nil {
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
		}
		o.HTTPClient = httpclient.Client{HTTPClient: o.HTTPClient}
		// Observe reports each attempt, and the SDK's log could contain bodies.
		o.Logger = logging.Nop{}
		o.APIOptions = append(o.APIOptions, aroundAttempts(pace, options.Observe))
	})

	own := options.Own
	if own == nil {
		own = NewRegistry()
	}

	return &Client{api: newAPI(client), account: options.Account, own: own, retryer: client.Options().Retryer, pace: pace, decided: decided}
}

// sleep waits for d. If the context ends first, sleep returns its error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()

	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
