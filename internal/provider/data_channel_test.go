// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/channelclient"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/leakhunt"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// testChannelFake starts an endpoint with data channels on the network, because the
// client is not the provider.
func testChannelFake(t *testing.T) (*fakessm.Server, string) {
	t.Helper()

	fake := fakessm.New(fakessm.WithDataChannel(""), fakessm.WithSessions(testSessions()...))
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)

	return fake, server.URL
}

// testResumers are the two ways in which the provider resumes a session.
var testResumers = map[string]func(*protocol.Server, map[string]any) (map[string]any, []protocol.Diagnostic){
	"data source": func(s *protocol.Server, config map[string]any) (map[string]any, []protocol.Diagnostic) {
		return s.ReadDataSource("ssm_session_resume", config)
	},
	"ephemeral resource": func(s *protocol.Server, config map[string]any) (map[string]any, []protocol.Diagnostic) {
		return s.OpenEphemeral("ssm_session_resume", config)
	},
}

// testConnect resumes a session and returns the connection.
func testConnect(t *testing.T, s *protocol.Server, kind, sessionID string) channelclient.Access {
	t.Helper()

	values, diags := testResumers[kind](s, map[string]any{"session_id": sessionID})
	protocol.WantNoDiagnostics(t, diags)
	url, _ := values["stream_url"].(string)
	token, _ := values["token_value"].(string)

	return channelclient.Access{URL: url, Token: token}
}

// A client opens a channel with what the provider returns, and hears when the provider
// ends the session.
func TestDataChannel_opened(t *testing.T) {
	t.Parallel()

	for kind := range testResumers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()

			fake, url := testChannelFake(t)
			s := newConfiguredServer(t, testArguments(url))
			mine := channelclient.MustDial(t, testConnect(t, s, kind, testAway))
			other := channelclient.MustDial(t, testConnect(t, s, kind, testLive))

			_, diags := s.Create("ssm_session_termination", map[string]any{"session_id": testAway})
			protocol.WantNoDiagnostics(t, diags)
			mine.WantEnd(t, testAway)

			// The other client is still connected.
			fake.EndSession(testLive)
			other.WantEnd(t, testLive)
		})
	}
}

// testAltered returns a text in which one byte differs.
func testAltered(text string, at int) string {
	other := "x"
	if text[at:at+1] == other {
		other = "y"
	}

	return text[:at] + other + text[at+1:]
}

// Altered values, and those of another session, open nothing. So a provider that altered
// them would be noticed.
func TestDataChannel_refused(t *testing.T) {
	t.Parallel()

	forbidden := channelclient.RefusedError{Status: http.StatusForbidden}
	violation := channelclient.RefusedError{Code: websocket.StatusPolicyViolation}
	token := func(alter func(own, other string) string) func(own, other channelclient.Access) channelclient.Access {
		return func(own, other channelclient.Access) channelclient.Access {
			return channelclient.Access{URL: own.URL, Token: alter(own.Token, other.Token)}
		}
	}
	url := func(alter func(own, other string) string) func(own, other channelclient.Access) channelclient.Access {
		return func(own, other channelclient.Access) channelclient.Access {
			return channelclient.Access{URL: alter(own.URL, other.URL), Token: own.Token}
		}
	}
	replaced := func(from, to string) func(own, other channelclient.Access) channelclient.Access {
		return url(func(own, _ string) string { return strings.Replace(own, from, to, 1) })
	}

	for name, tc := range map[string]struct {
		alter func(own, other channelclient.Access) channelclient.Access
		want  channelclient.RefusedError
	}{
		"the first byte of the token": {token(func(own, _ string) string { return testAltered(own, 0) }), violation},
		"the last byte of the token":  {token(func(own, _ string) string { return testAltered(own, len(own)-1) }), violation},
		"no token":                    {token(func(string, string) string { return "" }), violation},
		"another session's token":     {token(func(_, other string) string { return other }), violation},
		"another session's URL":       {url(func(_, other string) string { return other }), violation},
		"the first byte of the cell number": {url(func(own, _ string) string {
			return testAltered(own, strings.Index(own, "cell-number=")+len("cell-number="))
		}), forbidden},
		"the last byte of the cell number": {url(func(own, _ string) string { return testAltered(own, len(own)-1) }), forbidden},
		"a plus that was escaped":          {replaced("+", "%2B"), forbidden},
		"a plus that became a space":       {replaced("+", "%20"), forbidden},
		"a plus that became a raw space":   {replaced("+", " "), channelclient.RefusedError{Status: http.StatusBadRequest}},
		"another role":                     {replaced("role=p", "role=q"), forbidden},
		"another session in the URL":       {replaced(testAway, testLive), forbidden},
		"an ended session in the URL":      {replaced(testAway, testEnded), channelclient.RefusedError{Status: http.StatusGone}},
		"an unknown session in the URL":    {replaced(testAway, "nobody"), channelclient.RefusedError{Status: http.StatusNotFound}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, endpoint := testChannelFake(t)
			s := newConfiguredServer(t, testArguments(endpoint))
			for kind := range testResumers {
				own, other := testConnect(t, s, kind, testAway), testConnect(t, s, kind, testLive)
				_, err := channelclient.Dial(t.Context(), tc.alter(own, other))
				var refused *channelclient.RefusedError
				if !errors.As(err, &refused) || *refused != tc.want {
					t.Errorf("%s: want %q, got %v", kind, tc.want.Error(), err)
				}
				// The unaltered values still work.
				channelclient.MustDial(t, own)
			}
		})
	}
}

// The values pass through Terraform's protocol, state and outputs unchanged.
func TestDataChannel_dataSource(t *testing.T) {
	t.Parallel()

	fake, url := testChannelFake(t)
	w := workspace.New(t, testProviderConfig(url))
	w.Write("resume.tf", fmt.Sprintf(`
data "ssm_session_resume" "test" {
  session_id = %q
}
output "stream_url" {
  value     = data.ssm_session_resume.test.stream_url
  sensitive = true
}
output "token_value" {
  value     = data.ssm_session_resume.test.token_value
  sensitive = true
}
`, testAway))
	w.MustRun("apply", "-auto-approve")
	channel := channelclient.MustDial(t, channelclient.Access{
		URL:   w.MustRun("output", "-raw", "stream_url"),
		Token: w.MustRun("output", "-raw", "token_value"),
	})

	w.Write("resume.tf", fmt.Sprintf(`
resource "ssm_session_termination" "test" {
  session_id = %q
}
`, testAway))
	w.MustRun("apply", "-auto-approve")
	channel.WantEnd(t, testAway)
	testExpectChannels(t, fake, "ResumeSession 200", "OpenDataChannel 101", "TerminateSession 200")
}

// The ephemeral resource passes its values to a client that Terraform starts. The client
// is this test binary.
func TestDataChannel_ephemeral(t *testing.T) {
	t.Parallel()

	client, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	fake, url := testChannelFake(t)
	w := workspace.New(t, testAmbientProviderConfig(url)+fmt.Sprintf(`
ephemeral "ssm_session_resume" "test" {
  session_id = %q
  enabled    = terraform.applying
}
resource "terraform_data" "client" {
  provisioner "local-exec" {
    command = "'%s' '-test.run=^TestDataChannel_client$'"

    environment = {
      TEST_STREAM_URL  = ephemeral.ssm_session_resume.test.stream_url
      TEST_TOKEN_VALUE = ephemeral.ssm_session_resume.test.token_value
    }
  }
}
`, testAway, client))
	w.Env = append(w.Env, "AWS_ACCESS_KEY_ID="+fakessm.DefaultAccessKeyID, "AWS_SECRET_ACCESS_KEY="+fakessm.DefaultSecretAccessKey)
	output := w.MustRun("apply", "-auto-approve")
	testExpectChannels(t, fake, "ResumeSession 200", "OpenDataChannel 101")

	if err := leakhunt.Find(output+w.Read("terraform.tfstate")+w.Read("trace.log"), leakhunt.IssuedSecrets(fake, testAway)); err != nil {
		t.Error(err)
	}
}

// TestDataChannel_client is the client that TestDataChannel_ephemeral starts.
func TestDataChannel_client(t *testing.T) {
	t.Parallel()

	c := channelclient.Access{URL: os.Getenv("TEST_STREAM_URL"), Token: os.Getenv("TEST_TOKEN_VALUE")}
	if c.URL == "" {
		t.Skip("is run by TestDataChannel_ephemeral")
	}
	channelclient.MustDial(t, c)
}

// testExpectChannels compares the requests for the session and its data channels.
func testExpectChannels(t *testing.T, fake *fakessm.Server, want ...string) {
	t.Helper()

	var got []string
	for _, request := range fake.Requests() {
		switch request.Operation {
		case "ResumeSession", "TerminateSession", fakessm.OpenDataChannel:
			if request.SessionID != testAway || request.ErrorCode != "" {
				t.Errorf("unexpected request: %+v", request)
			}
			got = append(got, fmt.Sprint(request.Operation, " ", request.Status))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected requests (-want +got):\n%s", diff)
	}
}
