// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/echoprovider"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// TestMain hides the AWS configuration of the user, unless the tests run against AWS.
func TestMain(m *testing.M) {
	if os.Getenv(resource.EnvTfAcc) == "" {
		for _, variable := range os.Environ() {
			name, _, _ := strings.Cut(variable, "=")
			if strings.HasPrefix(name, "AWS_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
				os.Unsetenv(name) //nolint:errcheck // There is nothing to do about it.
			}
		}
		for name, value := range map[string]string{
			"AWS_CONFIG_FILE":             os.DevNull,
			"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
			"AWS_EC2_METADATA_DISABLED":   "true",
			"TF_CLI_CONFIG_FILE":          os.DevNull,
			"CHECKPOINT_DISABLE":          "1",
		} {
			os.Setenv(name, value) //nolint:errcheck // There is nothing to do about it.
		}
	}
	resource.TestMain(cleaningUp{m})
}

// cleaningUp runs the tests, and removes the provider that they built.
type cleaningUp struct {
	*testing.M
}

func (c cleaningUp) Run() int {
	code := c.M.Run()
	if err := workspace.RemoveProvider(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}

	return code
}

var testFactories = map[string]func() (tfprotov6.ProviderServer, error){
	"ssm": providerserver.NewProtocol6WithError(New("test", nil, nil)()),
}

var testFactoriesWithEcho = map[string]func() (tfprotov6.ProviderServer, error){
	"echo": echoprovider.NewProviderServer(),
	"ssm":  providerserver.NewProtocol6WithError(New("test", nil, nil)()),
}

// The owners, nodes and sessions of testSessions.
const (
	testRegion    = "us-east-1"
	testAccountID = "123456789012"
	testLive      = "Mary-Major-07a16060613c408b5"
	testAway      = "timmy-01cd54a0c8322733a" // Disconnected.
	testEnded     = "John-Doe-0402960697c9ac1d2"
	testTarget    = "i-0123456789abcdef0"
	testOwner     = "arn:aws:sts::123456789012:assumed-role/Administrator/Mary-Major"
)

func testSessions() []fakessm.Session {
	started := time.Date(2026, 11, 20, 8, 30, 15, 352000000, time.UTC)

	return []fakessm.Session{
		{SessionID: testLive, Target: testTarget, Owner: testOwner, Status: "Connected", DocumentName: "SSM-SessionManagerRunShell", Reason: "incident 42", StartDate: started},
		{SessionID: testAway, Target: "i-0fedcba9876543210", Owner: "arn:aws:iam::123456789012:user/timmy", Status: "Disconnected", StartDate: started.Add(time.Minute)},
		{SessionID: testEnded, Target: testTarget, Owner: "arn:aws:iam::123456789012:user/John-Doe", Status: "Terminated", StartDate: started.Add(-time.Hour), EndDate: started},
	}
}

// testFake starts an endpoint with the usual sessions.
func testFake(t *testing.T, options ...fakessm.Option) (fake *fakessm.Server, url string) {
	t.Helper()

	fake = fakessm.New(append([]fakessm.Option{fakessm.WithSessions(testSessions()...)}, options...)...)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)

	return fake, server.URL
}

// testProviderConfig returns a provider block for the endpoint at url. Arguments are
// lines of HCL.
func testProviderConfig(url string, arguments ...string) string {
	return fmt.Sprintf(`
provider "ssm" {
  region     = %[2]q
  access_key = %[3]q
  secret_key = %[4]q
  %[5]s
  endpoints {
    ssm = %[1]q
    sts = %[1]q
  }
}
`, url, testRegion, fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, strings.Join(arguments, "\n  "))
}

// testArguments returns arguments of the provider block for the endpoint at url, with
// changes. A nil removes an argument.
func testArguments(url string, changes ...map[string]any) map[string]any {
	arguments := map[string]any{
		"region":     testRegion,
		"access_key": fakessm.DefaultAccessKeyID,
		"secret_key": fakessm.DefaultSecretAccessKey,
		"endpoints":  []any{map[string]any{"ssm": url, "sts": url}},
	}
	for _, change := range changes {
		maps.Copy(arguments, change)
	}

	return arguments
}

// newTestServer returns a provider that is not configured yet.
func newTestServer(t *testing.T, arguments map[string]any) *protocol.Server {
	t.Helper()

	return newServerOf(t, New("test", nil, nil)(), arguments)
}

// newServerWithClient is newTestServer with an HTTP client for all calls of AWS.
func newServerWithClient(t *testing.T, client *http.Client, arguments map[string]any) *protocol.Server {
	t.Helper()

	return newServerOf(t, &ssmProvider{version: "test", httpClient: client}, arguments)
}

func newServerOf(t *testing.T, p provider.Provider, arguments map[string]any) *protocol.Server {
	t.Helper()

	s := protocol.NewServer(t, providerserver.NewProtocol6(p)(), arguments)
	// TestSessionResume_planWarns is about these warnings.
	s.Ignored = []string{summaryPlanResumes}

	return s
}

// newConfiguredServer returns a provider that is validated and configured, without
// diagnostics.
func newConfiguredServer(t *testing.T, arguments map[string]any) *protocol.Server {
	t.Helper()

	s := newTestServer(t, arguments)
	protocol.WantNoDiagnostics(t, s.ValidateProvider())
	protocol.WantNoDiagnostics(t, s.Configure())

	return s
}

// newBubbleServer returns a provider that is configured for an endpoint in a bubble.
func newBubbleServer(t *testing.T, ep *endpoint.Bubble, arguments map[string]any) *protocol.Server {
	t.Helper()

	s := newServerWithClient(t, ep.Client(), testArguments(endpoint.BubbleURL, arguments))
	protocol.WantNoDiagnostics(t, s.Configure())

	return s
}
