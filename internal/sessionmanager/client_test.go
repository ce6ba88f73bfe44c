// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// TestNew_endpoint checks the host that is called, and the Region of the signature.
func TestNew_endpoint(t *testing.T) {
	t.Parallel()

	everything := config.LoadOptions{
		UseFIPSEndpoint:      aws.FIPSEndpointStateEnabled,
		UseDualStackEndpoint: aws.DualStackEndpointStateEnabled,
	}
	for name, tc := range map[string]struct {
		base    string // The BaseEndpoint of the aws.Config.
		sources []any  // Other configuration sources of the SDK.
		options sessionmanager.Options
		want    string
	}{
		"nothing configured": {
			want: "https://ssm.eu-central-1.amazonaws.com/",
		},
		"FIPS": {
			sources: []any{config.LoadOptions{UseFIPSEndpoint: aws.FIPSEndpointStateEnabled}},
			want:    "https://ssm-fips.eu-central-1.amazonaws.com/",
		},
		"dual-stack": {
			sources: []any{config.LoadOptions{UseDualStackEndpoint: aws.DualStackEndpointStateEnabled}},
			want:    "https://ssm.eu-central-1.api.aws/",
		},
		"FIPS and dual-stack": {
			sources: []any{everything},
			want:    "https://ssm-fips.eu-central-1.api.aws/",
		},
		"an endpoint in the options": {
			options: sessionmanager.Options{Endpoint: "http://localhost:4566"},
			want:    "http://localhost:4566/",
		},
		"an endpoint in the options, with FIPS and dual-stack": {
			sources: []any{everything},
			options: sessionmanager.Options{Endpoint: "http://localhost:4566"},
			want:    "http://localhost:4566/",
		},
		"an endpoint in the configuration, with FIPS and dual-stack": {
			base:    "https://vpce-1.ssm.eu-central-1.vpce.amazonaws.com",
			sources: []any{everything},
			want:    "https://vpce-1.ssm.eu-central-1.vpce.amazonaws.com/",
		},
		"an endpoint in the environment, with FIPS and dual-stack": {
			sources: []any{everything, config.LoadOptions{BaseEndpoint: "http://127.0.0.1:4566"}},
			want:    "http://127.0.0.1:4566/",
		},
		"the options take precedence": {
			base:    "https://config.test",
			sources: []any{everything, config.LoadOptions{BaseEndpoint: "https://environment.test"}},
			options: sessionmanager.Options{Endpoint: "https://options.test"},
			want:    "https://options.test/",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var called string
				cfg := newEndpoint(t, fakessm.New()).config
				cfg.ConfigSources = tc.sources
				cfg.BaseEndpoint = nil
				if tc.base != "" {
					cfg.BaseEndpoint = aws.String(tc.base)
				}
				cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
				cfg.HTTPClient = smithyhttp.ClientDoFunc(func(r *http.Request) (*http.Response, error) {
					called = r.URL.String()

					return nil, errors.New("connection refused")
				})

				_, err := sessionmanager.New(cfg, tc.options).Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

				if diff := cmp.Diff(tc.want, called); diff != "" {
					t.Errorf("called (-want +got):\n%s\nerror: %v", diff, err)
				}
				if got := kindOf(err); got != unavailable {
					t.Errorf("error is %q, want %q", got, unavailable)
				}
				checkError(t, err, sessionmanager.DescribeSessions)
			})
		})
	}
}

// TestClient_regions calls several Regions with one client. The same session has a
// different state in each Region. The fake checks the signature of each request.
func TestClient_regions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		regions := []string{"us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"}
		statuses := []string{"Connected", "Disconnected", "Terminated", "Failed", "Connecting"}
		fake := fakessm.New()
		for i := range regions {
			fake.AddSessions(fakessm.Session{SessionID: sessionID, Region: regions[i], Status: statuses[i]})
		}
		client := newEndpoint(t, fake).client()

		var found, called []string
		for _, r := range regions {
			fake.ResetRequests()
			session, err := client.Find(t.Context(), sessionmanager.SessionRef{Region: r, SessionID: sessionID})
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, session.Status)
			called = append(called, fake.Requests()[0].Region)
		}

		if diff := cmp.Diff(statuses, found); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(regions, called); diff != "" {
			t.Errorf("called (-want +got):\n%s", diff)
		}

		if _, err := client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: "cn-north-1", SessionID: sessionID}, Verify: true}); err != nil {
			t.Error(err)
		}
		if _, err := client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: "us-east-1", SessionID: sessionID}, Verify: true}); err != nil {
			t.Error(err)
		}
		found = nil
		for _, r := range regions {
			session, err := client.Find(t.Context(), sessionmanager.SessionRef{Region: r, SessionID: sessionID})
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, session.Status)
		}
		if diff := cmp.Diff([]string{"Terminated", "Disconnected", "Terminated", "Failed", "Connecting"}, found); diff != "" {
			t.Errorf("found after the termination in us-east-1 (-want +got):\n%s", diff)
		}
	})
}

// TestClient_nothingSent checks requests that fail before they are sent.
func TestClient_nothingSent(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		spoil func(*aws.Config)
		says  string
	}{
		"the Region is not a valid host name": {
			spoil: func(cfg *aws.Config) { cfg.BaseEndpoint = nil },
			says:  "the request could not be made",
		},
		"there are no credentials": {
			spoil: func(cfg *aws.Config) {
				cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{}, errors.New("the SSO session has expired")
				})
			},
			says: "the credentials could not be obtained or renewed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(fakessm.WithSessions(*knownSession("Connected"))))
				tc.spoil(&ep.config)
				where := region
				if ep.config.BaseEndpoint == nil {
					where = "not/a/region"
				}

				for _, verify := range []bool{true, false} {
					result, err := ep.client().Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: sessionmanager.SessionRef{Region: where, SessionID: sessionID}, Verify: verify})

					if result.Requested || result.Outcome != "" {
						t.Errorf("verify %t: result is %+v", verify, result)
					}
					if err == nil || !strings.Contains(err.Error(), tc.says) {
						t.Errorf("verify %t: error does not contain %q: %v", verify, tc.says, err)
					}
					if err != nil && strings.Contains(err.Error(), "SSO") {
						t.Errorf("verify %t: error quotes the credential source: %v", verify, err)
					}
					if kind := kindOf(err); kind == "none of the kinds" || kind == unavailable {
						t.Errorf("verify %t: error is %q", verify, kind)
					}
				}
				if diff := cmp.Diff("", ep.calls(t)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}
