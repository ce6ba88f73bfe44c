// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// TLS.

// testTLSFake starts an endpoint with TLS. Its certificate, for 127.0.0.1 and
// example.com, is in a file.
func testTLSFake(t *testing.T) (fake *fakessm.Server, server *httptest.Server, certificate string) {
	t.Helper()

	fake = fakessm.New(fakessm.WithSessions(testSessions()...))
	server = httptest.NewUnstartedServer(fake)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // Handshakes fail on purpose.
	server.StartTLS()
	t.Cleanup(server.Close)

	return fake, server, testFile(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
}

func TestConfigure_tls(t *testing.T) {
	t.Parallel()

	fake, server, certificate := testTLSFake(t)

	t.Run("unknown authority", func(t *testing.T) {
		t.Parallel()

		protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "certificate"),
			newTestServer(t, testArguments(server.URL, map[string]any{"max_retries": 1})).Configure())
	})
	for name, change := range map[string]map[string]any{
		"custom_ca_bundle": {"custom_ca_bundle": certificate},
		"custom_ca_bundle, credentials from a file": {
			"custom_ca_bundle": certificate, "access_key": nil, "secret_key": nil,
			"shared_credentials_files": []any{testCredentialsFile(t, "default")}, "assume_role": testRole(),
		},
		"insecure": {"insecure": true},
		"insecure, credentials from a file": {
			"insecure": true, "access_key": nil, "secret_key": nil,
			"shared_credentials_files": []any{testCredentialsFile(t, "default")}, "assume_role": testRole(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			before := fake.Count("ResumeSession")
			testResume(t, newConfiguredServer(t, testArguments(server.URL, change)))
			if fake.Count("ResumeSession") == before {
				t.Error("SSM was not called")
			}
		})
	}
	t.Run("custom_ca_bundle not there", func(t *testing.T) {
		t.Parallel()

		protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "custom CA bundle\n"+certificate+".missing"),
			newTestServer(t, testArguments(server.URL, map[string]any{"custom_ca_bundle": certificate + ".missing"})).Configure())
	})
}

func TestConfigure_envCABundle(t *testing.T) {
	fake, server, certificate := testTLSFake(t)
	t.Setenv("AWS_CA_BUNDLE", certificate)
	testResume(t, newConfiguredServer(t, testArguments(server.URL)))
	wantCaller(t, fake, testUserARN)
}

// Proxies.

// testProxy is a forward proxy that sends all requests to one server, for any host.
type testProxy struct {
	url string // Without credentials.

	mu            sync.Mutex
	hosts         []string
	authorization string // Of the last request.
}

func newTestProxy(t *testing.T, target string) *testProxy {
	t.Helper()

	p := &testProxy{}
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = to.Scheme, to.Host, r.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.hosts = append(p.hosts, r.Method+" "+r.Host)
		p.authorization = r.Header.Get("Proxy-Authorization")
		p.mu.Unlock()
		if r.Method != http.MethodConnect {
			forward.ServeHTTP(w, r)

			return
		}
		connectTunnel(w, to.Host)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL

	return p
}

// connectTunnel connects the client of a CONNECT with an address.
func connectTunnel(w http.ResponseWriter, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)

		return
	}
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
}

// withPassword returns the proxy's URL with credentials.
func (p *testProxy) withPassword() string {
	return strings.Replace(p.url, "http://", "http://ops:"+testProxyPassword+"@", 1)
}

// authorized reports whether the last request came with credentials.
func (p *testProxy) authorized() bool {
	p.mu.Lock()
	defer p.mu.Unlock()

	return p.authorization != ""
}

// asked returns the hosts that the proxy was asked for, each once, sorted.
func (p *testProxy) asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()

	hosts := slices.Clone(p.hosts)
	slices.Sort(hosts)

	return slices.Compact(hosts)
}

func TestConfigure_proxy(t *testing.T) {
	t.Parallel()

	plainFake, plainURL := testFake(t)
	tlsFake, tlsServer, certificate := testTLSFake(t)
	cases := map[string]struct {
		fake     *fakessm.Server
		target   string // Where the proxy leads to.
		endpoint string
		argument string
		more     map[string]any
		want     []string
		warning  bool
	}{
		"http_proxy for http": {
			fake: plainFake, target: plainURL, endpoint: "http://ssm.example.com", argument: "http_proxy", more: map[string]any{"https_proxy": ""},
			want: []string{"POST ssm.example.com"},
		},
		"http_proxy for https, too": {
			fake: tlsFake, target: tlsServer.URL, endpoint: "https://example.com", argument: "http_proxy",
			more: map[string]any{"custom_ca_bundle": certificate}, want: []string{"CONNECT example.com:443"}, warning: true,
		},
		"https_proxy": {
			fake: tlsFake, target: tlsServer.URL, endpoint: "https://example.com", argument: "https_proxy",
			more: map[string]any{"custom_ca_bundle": certificate}, want: []string{"CONNECT example.com:443"},
		},
		"https_proxy, credentials from a file": {
			fake: tlsFake, target: tlsServer.URL, endpoint: "https://example.com", argument: "https_proxy",
			more: map[string]any{
				"custom_ca_bundle": certificate, "access_key": nil, "secret_key": nil,
				"shared_credentials_files": []any{testCredentialsFile(t, "default")}, "assume_role": testRole(),
			},
			want: []string{"CONNECT example.com:443"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			proxy := newTestProxy(t, tc.target)
			s := newTestServer(t, testArguments(tc.endpoint, map[string]any{tc.argument: proxy.withPassword()}, tc.more))
			protocol.WantNoDiagnostics(t, s.ValidateProvider())
			diags := s.Configure()
			wantNoSecrets(t, []string{testProxyPassword}, diags)
			if tc.warning {
				protocol.WantDiagnostic(t, protocol.Warning("", "Missing HTTPS Proxy", "no HTTPS proxy was\nempty string"), diags)
			} else {
				protocol.WantNoDiagnostics(t, diags)
			}

			before := tc.fake.Count("ResumeSession")
			testResume(t, s)
			if tc.fake.Count("ResumeSession") == before {
				t.Error("SSM was not called")
			}
			if diff := cmp.Diff(tc.want, proxy.asked()); diff != "" {
				t.Errorf("unexpected requests to the proxy (-want +got):\n%s", diff)
			}
			if !proxy.authorized() {
				t.Error("the proxy got no password")
			}
		})
	}
}

// The error of a proxy that fails or refuses does not show the proxy's password.
func TestConfigure_proxyFailing(t *testing.T) {
	t.Parallel()

	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "ask "+testProxyPassword, http.StatusProxyAuthRequired)
	}))
	t.Cleanup(refusing.Close)
	for name, address := range map[string]string{"refusing": refusing.URL, "gone": endpoint.RefusedURL} {
		for _, argument := range []string{"http_proxy", "https_proxy"} {
			t.Run(name+" "+argument, func(t *testing.T) {
				t.Parallel()

				diags := newTestServer(t, testArguments("https://ssm.example.com", map[string]any{
					argument: strings.Replace(address, "http://", "http://ops:"+testProxyPassword+"@", 1), "max_retries": 1,
				})).Configure()
				if !protocol.HasErrors(diags) {
					t.Error("want an error")
				}
				wantNoSecrets(t, []string{testProxyPassword}, diags)
			})
		}
	}
}

// proxyFor returns the proxy that an aws.Config uses for a URL, empty for none.
func proxyFor(t *testing.T, cfg aws.Config, address string) string {
	t.Helper()

	client, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		t.Fatalf("the HTTP client is a %T", cfg.HTTPClient)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := client.GetTransport().Proxy(req)
	if err != nil {
		t.Fatal(err)
	}
	if proxy == nil {
		return ""
	}

	return proxy.String()
}

type testProxyChoice struct{ HTTP, HTTPS string }

func chosenProxies(t *testing.T, arguments map[string]any) testProxyChoice {
	t.Helper()

	cfg := testAWSConfig(t, testArguments("", offlineArguments, arguments))

	return testProxyChoice{proxyFor(t, cfg, "http://ssm.example.com/"), proxyFor(t, cfg, "https://ssm.example.com/")}
}

func TestConfigure_proxyChoice(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		arguments map[string]any
		want      testProxyChoice
	}{
		"none":                    {},
		"http_proxy serves both":  {arguments: map[string]any{"http_proxy": "http://one:1"}, want: testProxyChoice{"http://one:1", "http://one:1"}},
		"one for each":            {arguments: map[string]any{"http_proxy": "http://one:1", "https_proxy": "http://two:2"}, want: testProxyChoice{"http://one:1", "http://two:2"}},
		"none for https":          {arguments: map[string]any{"http_proxy": "http://one:1", "https_proxy": ""}, want: testProxyChoice{HTTP: "http://one:1"}},
		"https_proxy alone":       {arguments: map[string]any{"https_proxy": "socks5://two:2"}, want: testProxyChoice{HTTPS: "socks5://two:2"}},
		"no_proxy for this host":  {arguments: map[string]any{"http_proxy": "http://one:1", "no_proxy": "other.example.com,ssm.example.com"}},
		"no_proxy for its domain": {arguments: map[string]any{"http_proxy": "http://one:1", "no_proxy": ".example.com"}},
		"no_proxy for another":    {arguments: map[string]any{"https_proxy": "http://two:2", "no_proxy": "other.example.com"}, want: testProxyChoice{HTTPS: "http://two:2"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(tc.want, chosenProxies(t, tc.arguments)); diff != "" {
				t.Errorf("unexpected proxies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfigure_envProxyChoice(t *testing.T) {
	cases := map[string]struct {
		env       map[string]string
		arguments map[string]any
		want      testProxyChoice
	}{
		"HTTP_PROXY serves http only": {env: map[string]string{"HTTP_PROXY": "http://one:1"}, want: testProxyChoice{HTTP: "http://one:1"}},
		"HTTPS_PROXY":                 {env: map[string]string{"HTTPS_PROXY": "http://two:2"}, want: testProxyChoice{HTTPS: "http://two:2"}},
		"lower case":                  {env: map[string]string{"http_proxy": "http://one:1", "https_proxy": "http://two:2"}, want: testProxyChoice{"http://one:1", "http://two:2"}},
		"NO_PROXY":                    {env: map[string]string{"HTTPS_PROXY": "http://two:2", "NO_PROXY": "ssm.example.com"}},
		"the arguments beat the environment": {
			env:       map[string]string{"HTTP_PROXY": "http://one:1", "HTTPS_PROXY": "http://two:2", "NO_PROXY": "ssm.example.com"},
			arguments: map[string]any{"http_proxy": "http://three:3", "https_proxy": "http://four:4", "no_proxy": "other.example.com"},
			want:      testProxyChoice{"http://three:3", "http://four:4"},
		},
		"the argument http_proxy leaves HTTPS_PROXY alone": {
			env: map[string]string{"HTTPS_PROXY": "http://two:2"}, arguments: map[string]any{"http_proxy": "http://three:3"},
			want: testProxyChoice{"http://three:3", "http://two:2"},
		},
	}
	for name, tc := range cases { //nolint:paralleltest // The environment is shared.
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, tc.env)
			if diff := cmp.Diff(tc.want, chosenProxies(t, tc.arguments)); diff != "" {
				t.Errorf("unexpected proxies (-want +got):\n%s", diff)
			}
		})
	}
}

// Instance metadata.

// testInstance starts an instance metadata service that counts its requests.
func testInstance(t *testing.T) (address string, asked func() int) {
	t.Helper()

	var (
		mu    sync.Mutex
		count int
	)
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			count++
			mu.Unlock()
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			_, _ = io.WriteString(w, body)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /latest/api/token", answer("token"))
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/", answer("Instance"))
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/Instance", answer(fmt.Sprintf(
		`{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":"2099-01-01T00:00:00Z"}`,
		fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey)))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	return server.URL, func() int {
		mu.Lock()
		defer mu.Unlock()

		return count
	}
}

func TestConfigure_envInstanceMetadata(t *testing.T) {
	cases := map[string]struct {
		disabled  string // AWS_EC2_METADATA_DISABLED.
		arguments map[string]any
		inEnv     bool // Whether the address is in the environment rather than in an argument.
		want      bool // Whether the metadata are asked.
	}{
		"by default":                        {disabled: "", want: true},
		"address in the environment":        {disabled: "", inEnv: true, want: true},
		"disabled by the environment":       {disabled: "true"},
		"disabled by an argument":           {disabled: "", arguments: map[string]any{"skip_metadata_api_check": "true"}},
		"enabled by an argument":            {disabled: "true", arguments: map[string]any{"skip_metadata_api_check": "false"}, want: true},
		"with an empty argument":            {disabled: "true", arguments: map[string]any{"skip_metadata_api_check": ""}},
		"and then a role":                   {disabled: "", arguments: map[string]any{"assume_role": testRole()}, want: true},
		"not needed with keys":              {disabled: "", arguments: map[string]any{"access_key": fakessm.DefaultAccessKeyID, "secret_key": fakessm.DefaultSecretAccessKey}},
		"address that the mode cannot harm": {disabled: "", arguments: map[string]any{"ec2_metadata_service_endpoint_mode": "IPv6"}, want: true},
	}
	for name, tc := range cases { //nolint:paralleltest // The environment is shared.
		t.Run(name, func(t *testing.T) {
			// aws-sdk-go-base sets it, too; it is restored after the test.
			t.Setenv("AWS_EC2_METADATA_DISABLED", tc.disabled)
			address, asked := testInstance(t)
			fake, url := testFake(t)
			arguments := testArguments(url, withoutKeys)
			if tc.inEnv {
				t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
			} else {
				arguments["ec2_metadata_service_endpoint"] = address
			}
			maps.Copy(arguments, tc.arguments)
			s := newTestServer(t, arguments)
			protocol.WantNoDiagnostics(t, s.ValidateProvider())
			diags := s.Configure()

			if got := asked() > 0; got != tc.want {
				t.Errorf("metadata were asked: %t, want %t", got, tc.want)
			}
			if arguments["access_key"] != nil {
				protocol.WantNoDiagnostics(t, diags)

				return
			}
			if !tc.want {
				if len(diags) != 1 || diags[0].Summary != "No Valid AWS Credentials" {
					t.Errorf("want an error for lack of credentials, got %+v", diags)
				}

				return
			}
			protocol.WantNoDiagnostics(t, diags)
			testResume(t, s)
			if got := endpoint.Requests(fake, "ResumeSession"); len(got) != 1 {
				t.Errorf("want one ResumeSession, got %d", len(got))
			}
		})
	}
}

func TestConfigure_metadataEndpointMode(t *testing.T) {
	t.Parallel()

	for value, want := range map[any]imds.EndpointModeState{
		nil: imds.EndpointModeStateUnset, "IPv4": imds.EndpointModeStateIPv4, "IPv6": imds.EndpointModeStateIPv6,
	} {
		cfg := testAWSConfig(t, testArguments("", offlineArguments, map[string]any{"ec2_metadata_service_endpoint_mode": value}))
		got := imds.EndpointModeStateUnset
		for _, source := range cfg.ConfigSources {
			if options, ok := source.(config.LoadOptions); ok {
				got = options.EC2IMDSEndpointMode
			}
		}
		if got != want {
			t.Errorf("with %v the mode is %v, want %v", value, got, want)
		}
	}
}

// Retries.

func TestConfigure_maxRetries(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		argument any
		want     int
	}{
		"default":                    {want: 25},
		"set":                        {argument: 7, want: 7},
		"zero is the SDK's own, too": {argument: 0, want: retry.DefaultMaxAttempts}, // As in provider "aws".
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			cfg := testAWSConfig(t, testArguments("", offlineArguments, map[string]any{"max_retries": tc.argument}))
			if got := cfg.Retryer().MaxAttempts(); got != tc.want {
				t.Errorf("got %d attempts, want %d", got, tc.want)
			}
		})
	}

	t.Run("counted at the endpoint", func(t *testing.T) {
		t.Parallel()

		fake, url := testFake(t)
		s := newConfiguredServer(t, testArguments(url, map[string]any{"max_retries": 2}))
		fake.Inject(fakessm.Fault{Operation: "ResumeSession", Kind: fakessm.FaultInternal, Times: -1})
		_, diags := s.ReadDataSource("ssm_session_resume", map[string]any{"session_id": testAway})
		protocol.WantDiagnostic(t, protocol.Error("session_id", summaryResume, "InternalServerError"), diags)
		if got := fake.Count("ResumeSession"); got != 2 {
			t.Errorf("%d attempts reached the endpoint, want 2", got)
		}
	})
	t.Run("counted at STS", func(t *testing.T) {
		t.Parallel()

		fake, url := testFake(t)
		fake.Inject(fakessm.Fault{Operation: "GetCallerIdentity", Kind: fakessm.FaultThrottle, Times: -1})
		diags := newTestServer(t, testArguments(url, map[string]any{"max_retries": 2})).Configure()
		protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "Throttling"), diags)
		if got := fake.Count("GetCallerIdentity"); got != 2 {
			t.Errorf("%d attempts reached the endpoint, want 2", got)
		}
	})
}

func TestConfigure_maxRequestsPerSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithSessions(testSessions()...))
		s := newBubbleServer(t, endpoint.NewBubble(t, fake), map[string]any{"max_requests_per_second": 12.5})
		for range 5 {
			testResume(t, s)
		}
		resumed := endpoint.Requests(fake, "ResumeSession")
		if got, want := resumed[4].Time.Sub(resumed[0].Time), 4*80*time.Millisecond; got != want {
			t.Errorf("five calls within %s, want %s", got, want)
		}
	})
}

// retryerOf returns the SDK's retryer, without wrappers.
func retryerOf(t *testing.T, cfg aws.Config) any {
	t.Helper()

	var retryer any = cfg.Retryer()
	for {
		wrapper := reflect.Indirect(reflect.ValueOf(retryer))
		if wrapper.Kind() != reflect.Struct || !wrapper.FieldByName("RetryerV2").IsValid() {
			return retryer
		}
		retryer = wrapper.FieldByName("RetryerV2").Interface()
	}
}

func TestConfigure_retryMode(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		argument any
		want     any
	}{
		"default":  {want: &retry.Standard{}},
		"standard": {argument: "standard", want: &retry.Standard{}},
		"adaptive": {argument: "adaptive", want: &retry.AdaptiveMode{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			cfg := testAWSConfig(t, testArguments("", offlineArguments, map[string]any{"retry_mode": tc.argument}))
			if got, want := fmt.Sprintf("%T", retryerOf(t, cfg)), fmt.Sprintf("%T", tc.want); got != want {
				t.Errorf("the retryer is a %s, want a %s", got, want)
			}
		})
	}
}

func TestConfigure_envRetryMode(t *testing.T) {
	t.Setenv("AWS_RETRY_MODE", "adaptive")
	if got := retryerOf(t, testAWSConfig(t, testArguments("", offlineArguments))); reflect.TypeOf(got) != reflect.TypeOf(&retry.AdaptiveMode{}) {
		t.Errorf("the retryer is a %T", got)
	}
	if got := retryerOf(t, testAWSConfig(t, testArguments("", offlineArguments, map[string]any{"retry_mode": "standard"}))); reflect.TypeOf(got) != reflect.TypeOf(&retry.Standard{}) {
		t.Errorf("the retryer is a %T", got)
	}
}

func TestConfigure_tokenBucket(t *testing.T) {
	t.Parallel()

	t.Run("capacity", func(t *testing.T) {
		t.Parallel()

		const capacity = 3 * int(retry.DefaultThrottlingRetryCost)
		throttled := &smithy.GenericAPIError{Code: "ThrottlingException"}
		for argument, want := range map[any]int{nil: 100, 0: 100, capacity: 3} {
			retryer := testAWSConfig(t, testArguments("", offlineArguments, map[string]any{"token_bucket_rate_limiter_capacity": argument})).Retryer()
			got := 0
			for ; got < 100; got++ {
				if _, err := retryer.GetRetryToken(t.Context(), throttled); err != nil {
					break
				}
			}
			if got != want {
				t.Errorf("with %v there are %d retries, want %d", argument, got, want)
			}
		}
	})
	t.Run("counted at the endpoint", func(t *testing.T) {
		t.Parallel()

		fake, url := testFake(t)
		s := newConfiguredServer(t, testArguments(url, map[string]any{"token_bucket_rate_limiter_capacity": 1}))
		fake.Inject(fakessm.Fault{Operation: "ResumeSession", Kind: fakessm.FaultInternal, Times: -1})
		if _, diags := s.ReadDataSource("ssm_session_resume", map[string]any{"session_id": testAway}); !protocol.HasErrors(diags) {
			t.Error("want an error")
		}
		if got := fake.Count("ResumeSession"); got != 1 {
			t.Errorf("%d attempts reached the endpoint, want 1: a retry costs more than the bucket holds", got)
		}
	})
}

// Endpoints.

// hostsCalled configures the provider and resumes a session. All requests go to a proxy,
// and it returns the hosts that they are for.
func hostsCalled(t *testing.T, arguments map[string]any) (*fakessm.Server, []string) {
	t.Helper()

	fake, server, _ := testTLSFake(t)
	proxy := newTestProxy(t, server.URL)
	testResume(t, newConfiguredServer(t, testArguments("", map[string]any{"endpoints": nil, "https_proxy": proxy.url, "insecure": true}, arguments)))

	var hosts []string
	for _, asked := range proxy.asked() {
		hosts = append(hosts, strings.TrimSuffix(strings.TrimPrefix(asked, "CONNECT "), ":443"))
	}

	return fake, hosts
}

func TestConfigure_awsEndpoints(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		arguments map[string]any
		want      []string
		sts       string // Region that STS requests are signed for.
	}{
		"plain":      {want: []string{"ssm.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"}, sts: "us-east-1"},
		"FIPS":       {arguments: map[string]any{"use_fips_endpoint": true}, want: []string{"ssm-fips.us-east-1.amazonaws.com", "sts-fips.us-east-1.amazonaws.com"}, sts: "us-east-1"},
		"dual-stack": {arguments: map[string]any{"use_dualstack_endpoint": true}, want: []string{"ssm.us-east-1.api.aws", "sts.us-east-1.api.aws"}, sts: "us-east-1"},
		"both": {
			arguments: map[string]any{"use_fips_endpoint": true, "use_dualstack_endpoint": true},
			want:      []string{"ssm-fips.us-east-1.api.aws", "sts-fips.us-east-1.api.aws"}, sts: "us-east-1",
		},
		"neither":      {arguments: map[string]any{"use_fips_endpoint": false, "use_dualstack_endpoint": false}, want: []string{"ssm.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"}, sts: "us-east-1"},
		"sts_region":   {arguments: map[string]any{"sts_region": "eu-west-1"}, want: []string{"ssm.us-east-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"}, sts: "eu-west-1"},
		"empty block":  {arguments: map[string]any{"endpoints": []any{map[string]any{}}}, want: []string{"ssm.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"}, sts: "us-east-1"},
		"empty values": {arguments: map[string]any{"endpoints": []any{map[string]any{"ssm": "", "sts": ""}}}, want: []string{"ssm.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"}, sts: "us-east-1"},
		"sts_region for a role": {
			arguments: map[string]any{"sts_region": "eu-west-1", "assume_role": testRole()},
			want:      []string{"ssm.us-east-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"}, sts: "eu-west-1",
		},
		"sts_region for a role with credentials from a file": {
			arguments: map[string]any{
				"sts_region": "eu-west-1", "assume_role": testRole(), "access_key": nil, "secret_key": nil,
				"shared_credentials_files": []any{testCredentialsFile(t, "default")},
			},
			want: []string{"ssm.us-east-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"}, sts: "eu-west-1",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, hosts := hostsCalled(t, tc.arguments)
			if diff := cmp.Diff(tc.want, hosts); diff != "" {
				t.Errorf("unexpected hosts (-want +got):\n%s", diff)
			}
			for _, request := range fake.Requests() {
				if want := map[string]string{"ssm": testRegion, "sts": tc.sts}[request.Service]; request.Region != want {
					t.Errorf("%s was signed for %s, want %s", request.Operation, request.Region, want)
				}
			}
		})
	}
}

func TestConfigure_envAWSEndpoints(t *testing.T) {
	setEnvironment(t, map[string]string{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"})
	_, hosts := hostsCalled(t, nil)
	if diff := cmp.Diff([]string{"ssm-fips.us-east-1.api.aws", "sts-fips.us-east-1.api.aws"}, hosts); diff != "" {
		t.Errorf("unexpected hosts (-want +got):\n%s", diff)
	}
}

// endpointVariants are the arguments that the SDK refuses together with a custom endpoint.
var endpointVariants = map[string]map[string]any{
	"plain":      {},
	"FIPS":       {"use_fips_endpoint": true},
	"dual-stack": {"use_dualstack_endpoint": true},
	"both":       {"use_fips_endpoint": true, "use_dualstack_endpoint": true},
}

// endpointCredentials are arguments for every kind of credentials.
func endpointCredentials(t *testing.T) map[string]map[string]any {
	t.Helper()

	file := []any{testCredentialsFile(t, "default")}

	return map[string]map[string]any{
		"keys":          {},
		"role":          {"assume_role": testRole()},
		"role, by file": {"assume_role": testRole(), "access_key": nil, "secret_key": nil, "shared_credentials_files": file},
		"web identity":  {"assume_role_with_web_identity": testWebIdentity(nil), "access_key": nil, "secret_key": nil},
	}
}

func TestConfigure_customEndpoint(t *testing.T) {
	t.Parallel()

	for variant, change := range endpointVariants {
		for credentials, more := range endpointCredentials(t) {
			t.Run(variant+" "+credentials, func(t *testing.T) {
				t.Parallel()

				fake, url := testFake(t)
				testResume(t, newConfiguredServer(t, testArguments(url, change, more)))
				if len(endpoint.Requests(fake, "GetCallerIdentity")) != 1 || len(endpoint.Requests(fake, "ResumeSession")) != 1 {
					t.Errorf("the endpoint saw %v", endpoint.Operations(fake))
				}
			})
		}
	}
}

func TestConfigure_envCustomEndpoint(t *testing.T) {
	sources := map[string]func(*testing.T, string){
		"AWS_ENDPOINT_URL": func(t *testing.T, url string) { t.Setenv("AWS_ENDPOINT_URL", url) },
		"AWS_ENDPOINT_URL_SSM and AWS_ENDPOINT_URL_STS": func(t *testing.T, url string) {
			setEnvironment(t, map[string]string{"AWS_ENDPOINT_URL_SSM": url, "AWS_ENDPOINT_URL_STS": url})
		},
		"the profile's endpoint_url": func(t *testing.T, url string) {
			t.Setenv("AWS_CONFIG_FILE", testFile(t, "config", "[default]\nendpoint_url = "+url+"\n"))
		},
		"the profile's services": func(t *testing.T, url string) {
			t.Setenv("AWS_CONFIG_FILE", testFile(t, "config",
				fmt.Sprintf("[default]\nservices = here\n[services here]\nssm =\n  endpoint_url = %[1]s\nsts =\n  endpoint_url = %[1]s\n", url)))
		},
	}
	for source, set := range sources { //nolint:paralleltest // The environment is shared.
		for variant, change := range endpointVariants {
			for credentials, more := range endpointCredentials(t) {
				t.Run(source+" "+variant+" "+credentials, func(t *testing.T) {
					fake, url := testFake(t)
					set(t, url)
					testResume(t, newConfiguredServer(t, testArguments("", map[string]any{"endpoints": nil}, change, more)))
					if len(endpoint.Requests(fake, "GetCallerIdentity")) != 1 || len(endpoint.Requests(fake, "ResumeSession")) != 1 {
						t.Errorf("the endpoint saw %v", endpoint.Operations(fake))
					}
				})
			}
		}
	}
}

// The file and profile arguments lead to the endpoint as well.
func TestConfigure_customEndpointInFile(t *testing.T) {
	t.Parallel()

	for variant, change := range endpointVariants {
		t.Run(variant, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			testResume(t, newConfiguredServer(t, testArguments("", map[string]any{
				"endpoints": nil, "profile": "here",
				"shared_config_files": []any{testFile(t, "config", "[profile here]\nendpoint_url = "+url+"\n")},
			}, change)))
			wantCaller(t, fake, testUserARN)
		})
	}
}

func TestConfigure_envEndpointArgumentWins(t *testing.T) {
	other, otherURL := testFake(t)
	setEnvironment(t, map[string]string{"AWS_ENDPOINT_URL": otherURL, "AWS_ENDPOINT_URL_SSM": otherURL, "AWS_ENDPOINT_URL_STS": otherURL})
	fake, url := testFake(t)
	testResume(t, newConfiguredServer(t, testArguments(url)))
	wantCaller(t, fake, testUserARN)
	if got := endpoint.Operations(other); len(got) > 0 {
		t.Errorf("the environment's endpoint was called: %v", got)
	}
}

func TestConfigure_endpointsOneByOne(t *testing.T) {
	t.Parallel()

	ssmFake, ssmURL := testFake(t)
	stsFake, stsURL := testFake(t)
	s := newConfiguredServer(t, testArguments("", map[string]any{"endpoints": []any{map[string]any{"ssm": ssmURL, "sts": stsURL}}}))
	testResume(t, s)
	_, diags := s.ReadDataSource("ssm_session_resume", map[string]any{"session_id": testAway, "region": testRegion})
	protocol.WantNoDiagnostics(t, diags)
	if diff := cmp.Diff([]string{"ResumeSession", "ResumeSession"}, endpoint.Operations(ssmFake)); diff != "" {
		t.Errorf("unexpected requests of SSM (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"GetCallerIdentity"}, endpoint.Operations(stsFake)); diff != "" {
		t.Errorf("unexpected requests of STS (-want +got):\n%s", diff)
	}
}

// testIAM starts an IAM endpoint whose user is in the account 222233334444.
func testIAM(t *testing.T) (address string, asked func() []string) {
	t.Helper()

	var (
		mu      sync.Mutex
		actions []string
	)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		actions = append(actions, r.FormValue("Action"))
		mu.Unlock()
		w.Header().Set("Content-Type", "text/xml")
		_, _ = io.WriteString(w, `<GetUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetUserResult><User>`+
			`<Path>/</Path><UserName>terraform</UserName><UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><CreateDate>2020-01-01T00:00:00Z</CreateDate>`+
			`<Arn>arn:aws:iam::222233334444:user/terraform</Arn></User></GetUserResult></GetUserResponse>`)
	}))
	t.Cleanup(server.Close)

	return server.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()

		return slices.Clone(actions)
	}
}

func TestConfigure_iamEndpoint(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	iamURL, asked := testIAM(t)
	// Without the validation of the credentials, IAM is asked for the account first.
	s := newConfiguredServer(t, testArguments("", map[string]any{
		"endpoints":                   []any{map[string]any{"ssm": url, "sts": url, "iam": iamURL}},
		"skip_credentials_validation": true,
		"allowed_account_ids":         []any{"222233334444"},
	}))
	testResume(t, s)
	if diff := cmp.Diff([]string{"GetUser"}, asked()); diff != "" {
		t.Errorf("unexpected requests of IAM (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ResumeSession"}, endpoint.Operations(fake)); diff != "" {
		t.Errorf("unexpected other requests (-want +got):\n%s", diff)
	}
}

func TestConfigure_envSSOEndpoint(t *testing.T) {
	const start = "https://sessionops.awsapps.com/start"
	home := t.TempDir()
	setEnvironment(t, map[string]string{"HOME": home, "USERPROFILE": home})
	sum := sha1.Sum([]byte(start)) //nolint:gosec // The name of the AWS CLI's cache file.
	cache := filepath.Join(home, ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json")
	if err := os.MkdirAll(filepath.Dir(cache), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cache, []byte(`{"accessToken":"sso-access-token","expiresAt":"2099-01-01T00:00:00Z"}`), 0o600); err != nil {
		t.Fatal(err)
	}

	var (
		mu    sync.Mutex
		asked []string
	)
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path+" "+r.FormValue("role_name"))
		mu.Unlock()
		fmt.Fprintf(w, `{"roleCredentials":{"accessKeyId":%q,"secretAccessKey":%q,"sessionToken":"","expiration":4070908800000}}`,
			fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey)
	}))
	t.Cleanup(portal.Close)

	fake, url := testFake(t)
	testResume(t, newConfiguredServer(t, testArguments("", withoutKeys, map[string]any{
		"endpoints": []any{map[string]any{"ssm": url, "sts": url, "sso": portal.URL}},
		"profile":   "sso",
		"shared_config_files": []any{testFile(t, "config",
			"[profile sso]\nsso_start_url = "+start+"\nsso_region = us-east-1\nsso_account_id = 123456789012\nsso_role_name = Operator\n")},
	})))
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"/federation/credentials Operator"}, slices.Compact(asked)); diff != "" {
		t.Errorf("unexpected requests of the SSO portal (-want +got):\n%s", diff)
	}
	wantCaller(t, fake, testUserARN)
}

// Failures that stay.

// countingServer starts a server that counts its connections and answers each with a
// text, once the client has sent something. net/http sometimes retries after an answer
// that comes earlier.
func countingServer(t *testing.T, says string) (address string, count func() int) {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var connections atomic.Int64
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer connection.Close()
				_, _ = io.ReadFull(connection, make([]byte, 1))
				_, _ = io.WriteString(connection, says)
				// A close with a request unread is a reset, which can overtake what was said.
				_, _ = io.Copy(io.Discard, connection)
			}()
		}
	}()

	return listener.Addr().String(), func() int { return int(connections.Load()) }
}

// A lasting failure is reported after one attempt, with the cause first, for every
// service that credentials come from.
func TestConfigure_lastingFailures(t *testing.T) {
	t.Parallel()

	const gigabyte = "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"
	_, tlsServer, _ := testTLSFake(t)
	type failure struct {
		arguments func(address string) map[string]any
		says      string
		want      string
		attempts  int
	}
	keys := func(scheme string, more map[string]any) func(string) map[string]any {
		return func(address string) map[string]any { return testArguments(scheme+address, more) }
	}
	for name, tc := range map[string]failure{
		"no TLS":                      {arguments: keys("https://", nil), says: "HTTP/1.1 400 Bad Request\r\n\r\n", want: "STS could not be asked whose credentials these are: the endpoint's port does not speak TLS", attempts: 1},
		"no TLS, with a role":         {arguments: keys("https://", map[string]any{"assume_role": testRole()}), says: "HTTP/1.1 400 Bad Request\r\n\r\n", want: "was not assumed: the endpoint's port does not speak TLS", attempts: 1},
		"no TLS, with a web identity": {arguments: keys("https://", map[string]any{"access_key": nil, "secret_key": nil, "assume_role_with_web_identity": testWebIdentity(nil)}), says: "HTTP/1.1 400 Bad Request\r\n\r\n", want: "the endpoint's port does not speak TLS", attempts: 3},
		"no HTTP":                     {arguments: keys("http://", nil), says: "SSH-2.0-OpenSSH_9.6\r\n", want: "is not valid HTTP", attempts: 1},
		"a gigabyte":                  {arguments: keys("http://", nil), says: gigabyte, want: "STS could not be asked whose credentials these are: the answer is longer than 8 MB", attempts: 1},
		"no TLS, when IAM is asked": {arguments: func(address string) map[string]any {
			return testArguments("", map[string]any{"skip_credentials_validation": true, "endpoints": []any{map[string]any{"iam": "https://" + address, "sts": "https://" + address}}})
		}, says: "HTTP/1.1 400 Bad Request\r\n\r\n", want: "Neither IAM nor STS gave the account\nskip_requesting_account_id = true\ndoes not speak TLS", attempts: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			address, count := countingServer(t, tc.says)
			diags := newTestServer(t, tc.arguments(address)).Configure()
			if len(diags) != 1 {
				t.Fatalf("want one error, got %+v", diags)
			}
			protocol.WantDiagnostic(t, protocol.Error("", diags[0].Summary, tc.want), diags)
			if got := count(); got != tc.attempts {
				t.Errorf("%d attempts, want %d", got, tc.attempts)
			}
		})
	}

	t.Run("an answer of a gigabyte, of SSM", func(t *testing.T) {
		t.Parallel()

		address, count := countingServer(t, gigabyte)
		s := newConfiguredServer(t, testArguments("http://"+address, offlineArguments))
		_, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": testLive})
		protocol.WantDiagnostic(t, protocol.Error("session_id", summaryRead, "could not be read: the answer is longer than 8 MB, so the endpoint cannot be AWS\nCheck the endpoint that the provider is configured with."), diags)
		if got := count(); got != 1 {
			t.Errorf("%d attempts, want 1", got)
		}
	})
	t.Run("a certificate that nobody signed", func(t *testing.T) {
		t.Parallel()

		protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "STS could not be asked whose credentials these are: the TLS certificate of the endpoint\nCheck the network, proxies, certificates"),
			newTestServer(t, testArguments(tlsServer.URL)).Configure())
	})
	t.Run("connection refused", func(t *testing.T) {
		t.Parallel()

		diags := newTestServer(t, testArguments(endpoint.RefusedURL)).Configure()
		protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "STS could not be asked whose credentials these are: connection refused (127.0.0.1:"), diags)
		if strings.Contains(diags[0].Detail, "expired") {
			t.Errorf("the credentials are blamed for the endpoint: %s", diags[0].Detail)
		}
	})
}

// The error of a process that does not end names the process, and not the time that it
// took.
func TestConfigure_envProcessHangs(t *testing.T) {
	r := newCanaryRun(t)
	r.process("sleep 3; echo\n")
	s := newTestServer(t, testArguments(r.url, withoutKeys))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	response, err := s.Provider.ConfigureProvider(ctx, &tfprotov6.ConfigureProviderRequest{TerraformVersion: "1.11.4", Config: s.Encode(s.Schemas.Provider, s.Arguments)})
	s.Must(err)
	protocol.WantDiagnostic(t, protocol.Error("", summaryCredentials, "No credentials came from the profile \"broker\", which runs a credential_process: the process did not end\nsecond factor"), protocol.PlainDiagnostics(response.Diagnostics))
}

// The error of an STS that cannot be reached does not blame the process whose keys are used.
func TestConfigure_envProcessAndRole(t *testing.T) {
	r := newCanaryRun(t)
	r.prints(keysDocument(""))
	file := os.Getenv("AWS_CONFIG_FILE")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.config("%s[profile role]\nrole_arn = %s\nsource_profile = broker\n", content, testRoleARN)
	t.Setenv("AWS_PROFILE", "role")
	r.check(r.configure(map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": endpoint.RefusedURL}}}, false),
		"STS could not be asked for the role "+testRoleARN+": connection refused (127.0.0.1:")
}

// The SDK ends a process after a minute. Its error also says that a signal killed the
// process.
func TestCredentialSource_processTooSlow(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the command needs a shell")
	}

	slow := processcreds.NewProvider("exec sleep 60", func(o *processcreds.Options) { o.Timeout = 10 * time.Millisecond })
	_, err := slow.Retrieve(t.Context())
	if got := (credentialSource{kind: sourceProcess}).failure(err).String(); got != processTooSlow {
		t.Errorf("got %q, want %q; the SDK says: %v", got, processTooSlow, err)
	}
}

// A profile's ca_bundle is used if neither the argument nor the environment variable is
// set.
func TestConfigure_envCABundleInFile(t *testing.T) {
	fake, server, certificate := testTLSFake(t)
	t.Setenv("AWS_CONFIG_FILE", testFile(t, "config", "[default]\nca_bundle = "+certificate+"\n[profile corp]\nca_bundle = "+certificate+"\n[profile other]\nca_bundle = "+certificate+".missing\n"))
	for name, change := range map[string]map[string]any{
		"of the default profile":    nil,
		"of the argument's profile": {"profile": "corp"},
		"with a role":               {"assume_role": testRole()},
		"beside custom_ca_bundle":   {"profile": "other", "custom_ca_bundle": certificate},
	} { //nolint:paralleltest // The environment is shared.
		t.Run(name, func(t *testing.T) {
			fake.ResetRequests()
			testResume(t, newConfiguredServer(t, testArguments(server.URL, change)))
			if fake.Count("ResumeSession") != 1 {
				t.Error("SSM was not called")
			}
		})
	}
	t.Run("that is not there", func(t *testing.T) {
		protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, certificate+".missing"),
			newTestServer(t, testArguments(server.URL, map[string]any{"profile": "other"})).Configure())
	})
}

// AWS endpoints blame the credentials when a request is signed for another Region. The
// provider names the Region.
func TestConfigure_endpointOfAnotherRegion(t *testing.T) {
	t.Parallel()

	t.Run("SSM", func(t *testing.T) {
		t.Parallel()

		fake, url := testFake(t)
		s := newConfiguredServer(t, testArguments(url))
		fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultError, Code: "InvalidSignatureException", Message: "Credential should be scoped to a valid region.", Times: -1})
		_, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": testLive, "region": "eu-west-1"})
		protocol.WantDiagnostic(t, protocol.Error("session_id", summaryRead, "in Region eu-west-1\nthe endpoint belongs to another Region\nRemove region, or set it to the Region of the endpoint\nscoped to a valid region"), diags)
	})
	t.Run("STS", func(t *testing.T) {
		t.Parallel()

		fake, url := testFake(t)
		fake.Inject(fakessm.Fault{Operation: "GetCallerIdentity", Kind: fakessm.FaultError, Code: "SignatureDoesNotMatch", Message: "Credential should be scoped to a valid region.", Times: -1})
		protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "The endpoint for STS belongs to another Region\nSet sts_region\nSignatureDoesNotMatch"), newTestServer(t, testArguments(url)).Configure())
	})
}
