// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package sessionmanager holds what is known of AWS Systems Manager Session
// Manager: how to find, terminate and resume a session, and what the service's
// answers mean. It knows nothing of the tool that it serves.
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
	// defaultAttemptTimeout bounds one HTTP attempt, the reading of its body included.
	defaultAttemptTimeout = 20 * time.Second

	// reaskPause is how long to wait before asking a second time for a session
	// that was in neither list: one that is moving between them can miss both.
	reaskPause = 750 * time.Millisecond

	// settleTime is how long a refused termination may take to show in the lists.
	settleTime = 15 * time.Second

	// pollInterval and maxPollInterval pace the look-ups that wait for an accepted
	// termination to show; the interval doubles from the one to the other.
	pollInterval    = 500 * time.Millisecond
	maxPollInterval = 5 * time.Second
)

// Options configure a Client beyond what its aws.Config says.
type Options struct {
	// Endpoint replaces the SSM endpoint of every Region; empty means the one that
	// the aws.Config resolves to.
	Endpoint string

	// AttemptTimeout bounds a single HTTP attempt; zero means 20 seconds. A client
	// of its own making in the aws.Config keeps its own bound.
	AttemptTimeout time.Duration

	// MaxRequestsPerSecond bounds the calls of each operation in each Region; zero
	// means as many as the service grants, which the Client finds out.
	MaxRequestsPerSecond float64

	// Own is where the sessions that the client starts are registered; nil means a
	// Registry of the client's own.
	Own *Registry

	// Observe, if set, is told of each HTTP attempt after it ended.
	Observe func(context.Context, Attempt)

	// Decided, if set, is told of each decision that an API call alone does not show.
	Decided func(context.Context, Decision)
}

// Client calls Session Manager in one account. It is safe for concurrent use;
// every method takes the Region to call.
type Client struct {
	api     api
	own     *Registry
	retryer aws.Retryer // Of the calls; Start repeats its own.
	pace    *pacer
	shared  sharedListings

	// decided is told of decisions. It is never nil in a Client that New made.
	decided func(context.Context, Decision)
}

// Decision tells of a choice that the Client made, in terms that are safe to log:
// it holds no secret.
type Decision struct {
	What   string         // Such as "Lowered the pace", without values.
	Fields map[string]any // Counts, durations, times, names and IDs that the choice was made by.
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
		cfg.Credentials = tellingCredentials{cfg.Credentials}
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
		// The SDK refuses FIPS and dual-stack together with a custom endpoint,
		// wherever that endpoint was configured. The endpoint counts.
		if o.BaseEndpoint != nil {
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
			o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
		}
		o.HTTPClient = httpclient.Client{HTTPClient: o.HTTPClient}
		// Callers log each attempt through Observe, without bodies.
		o.Logger = logging.Nop{}
		o.APIOptions = append(o.APIOptions, aroundAttempts(pace, options.Observe))
	})

	own := options.Own
	if own == nil {
		own = NewRegistry()
	}

	return &Client{api: newAPI(client), own: own, retryer: client.Options().Retryer, pace: pace, decided: decided}
}

// sleep waits for d, or until the context ends, and then returns its error.
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
