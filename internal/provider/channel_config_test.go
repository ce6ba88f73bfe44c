// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// testChannelConfig returns the configuration of data channels that the arguments lead
// to.
func testChannelConfig(t *testing.T, arguments map[string]any) channelConfig {
	t.Helper()

	endpoint := ""
	if blocks, ok := arguments["endpoints"].([]any); ok {
		if block, ok := blocks[0].(map[string]any); ok {
			endpoint, _ = block["ssmmessages"].(string)
		}
	}

	return newChannelConfig(testAWSConfig(t, arguments), endpoint)
}

func TestChannelConfig_endpoint(t *testing.T) {
	t.Parallel()

	for given, want := range map[string]string{
		"":                                "",
		"wss://channels.example.com":      "wss://channels.example.com",
		"HTTPS://channels.example.com:8/": "wss://channels.example.com:8",
		"http://127.0.0.1:8080":           "ws://127.0.0.1:8080",
		"ws://localhost:8080//":           "ws://localhost:8080",
	} {
		if got := newChannelConfig(testAWSConfig(t, testArguments("", offlineArguments)), given).Endpoint; got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}

// Data channels use the proxies, certificates and credentials of the provider block, as
// calls do.
func TestChannelConfig_client(t *testing.T) {
	t.Parallel()

	_, server, certificate := testTLSFake(t)
	proxy := newTestProxy(t, server.URL)
	arguments := testArguments("", offlineArguments, map[string]any{
		"custom_ca_bundle": certificate, "https_proxy": proxy.withPassword(),
		"endpoints": []any{map[string]any{"ssmmessages": "wss://example.com"}},
	})
	channel := testChannelConfig(t, arguments)

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(channel.Endpoint, "wss://", "https://", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := channel.HTTPClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // Nothing is read.
	if got := proxy.asked(); len(got) != 1 || got[0] != "CONNECT example.com:443" {
		t.Errorf("the proxy was asked for %v", got)
	}
	if channel.HTTPClient.Timeout != 0 {
		t.Errorf("the client ends a channel after %s", channel.HTTPClient.Timeout)
	}

	keys, err := channel.Credentials.Retrieve(t.Context())
	if err != nil || keys.AccessKeyID != fakessm.DefaultAccessKeyID {
		t.Errorf("the credentials are those of %q (%v)", keys.AccessKeyID, err)
	}
}

func TestChannelConfig_redirect(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			t.Error("a redirect was followed")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := testChannelConfig(t, testArguments("", offlineArguments)).HTTPClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // Nothing is read.
	if response.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("the status is %d", response.StatusCode)
	}
}
