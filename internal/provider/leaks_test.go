// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-log/tflogtest"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/leakhunt"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// newLeakHunt starts a hunt with the usual sessions.
func newLeakHunt(t *testing.T, options ...fakessm.Option) *leakhunt.Hunt {
	t.Helper()

	return leakhunt.New(t, append([]fakessm.Option{fakessm.WithSessions(testSessions()...)}, options...)...)
}

// leakObjects are all objects that every Terraform can read, without the data source
// whose results are in state.
const leakObjects = `
data "ssm_connection_status" "test" {
  target = "` + testTarget + `"
}
data "ssm_session" "test" {
  session_id = "` + testAway + `"
}
data "ssm_sessions" "test" {
  state = "History"
}
ephemeral "ssm_session_resume" "test" {
  session_id = "` + testAway + `"
}
ephemeral "ssm_port_forward" "test" {
  target      = "` + testOwnTarget + `"
  remote_port = 22
  probe       = false
}
ephemeral "ssm_session" "test" {
  target = "` + testOwnTarget + `"
}
resource "ssm_session_termination" "test" {
  session_id = "` + testLive + `"
}
resource "ssm_session_drain" "test" {
  owners     = ["*/nobody"]
  when       = "both"
  depends_on = [ssm_session_termination.test]
}
`

// leakStored is the data source whose results are in state.
const leakStored = `
data "ssm_session_resume" "test" {
  session_id = "` + testAway + `"
}
output "token" {
  value     = data.ssm_session_resume.test.token_value
  sensitive = true
}
`

// leakActions are the actions, which not every Terraform can read.
const leakActions = `
action "ssm_terminate_session" "test" {
  config {
    session_id = "` + testAway + `"
  }
}
action "ssm_drain_sessions" "test" {
  config {
    owners = ["*/nobody"]
  }
}
`

// useEverything runs all that Terraform can do with the objects, or most of it.
func useEverything(t *testing.T, h *leakhunt.Hunt, all bool) {
	t.Helper()

	commands := [][]string{{"plan", "-out=planned"}, {"show", "-json", "planned"}, {"apply", "planned"}, {"destroy", "-auto-approve"}}
	if all {
		commands = [][]string{
			{"validate"}, {"plan", "-out=planned"}, {"show", "planned"}, {"show", "-json", "planned"}, {"apply", "planned"}, {"show", "-json"},
			{"state", "pull"}, {"apply", "-auto-approve", "-refresh-only"}, {"plan", "-destroy", "-out=destruction"}, {"output", "-json"}, {"providers", "schema", "-json"},
			{"state", "rm", "ssm_session_termination.test"}, {"import", "ssm_session_termination.test", testLive}, {"destroy", "-auto-approve"},
		}
	}
	for _, arguments := range commands {
		if err := h.Run(arguments...); err != nil {
			printed := h.Output()
			t.Fatalf("%s: %s\n%s", strings.Join(arguments, " "), err, printed[max(0, len(printed)-2000):])
		}
	}
	if len(leakhunt.IssuedSecrets(h.Fake, testAway)) == 0 {
		t.Fatal("the endpoint gave out nothing that could leak")
	}
	if len(issuedOwn(h.Fake)) == 0 {
		t.Fatal("no session was started")
	}
	if live, _ := ownSessions(h.Fake); len(live) > 0 {
		t.Errorf("%d sessions are left behind", len(live))
	}
}

const (
	canaryKeysEnv   = "AWS_ACCESS_KEY_ID=" + leakhunt.AccessKeyID
	canarySecretEnv = "AWS_SECRET_ACCESS_KEY=" + leakhunt.SecretAccessKey
	leakRole        = "assume_role {\n    role_arn = \"" + testRoleARN + "\"\n    session_name = \"canary\"\n  }"
)

// canaryVariables returns an environment variable with secrets for the provider block.
// Terraform does not store the variables.
func canaryVariables(t *testing.T, values map[string]string) string {
	t.Helper()

	encoded, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}

	return "TF_VAR_canary=" + string(encoded)
}

// TestLeaks_everything uses every object with every kind of credentials, and looks for
// secrets in all files and outputs.
func TestLeaks_everything(t *testing.T) {
	t.Parallel()

	tokenFile := testFile(t, "token", leakhunt.WebIdentity)
	webIdentity := "assume_role_with_web_identity {\n    role_arn = \"" + testRoleARN + "\"\n    session_name = \"canary\"\n    %s\n  }"
	for name, tc := range map[string]struct {
		provider string
		env      []string
		before   func(*testing.T, *leakhunt.Hunt) // Adds to the environment.
		secret   string                           // Kind of secret that the run has to use, besides tokens and URLs.
	}{
		"keys of the environment": {env: []string{canaryKeysEnv, canarySecretEnv}},
		"keys of the configuration": {
			provider: "access_key = var.canary.id\n  secret_key = var.canary.secret",
			env:      []string{canaryVariables(t, map[string]string{"id": leakhunt.AccessKeyID, "secret": leakhunt.SecretAccessKey})},
		},
		"a session token of the environment": {secret: "security token", before: func(t *testing.T, h *leakhunt.Hunt) {
			t.Helper()
			keys := leakRoleKeys(t, h)
			h.Workspace.Env = append(h.Workspace.Env, "AWS_ACCESS_KEY_ID="+keys["access_key"], "AWS_SECRET_ACCESS_KEY="+keys["secret_key"], "AWS_SESSION_TOKEN="+keys["token"])
		}},
		"a session token of the configuration": {
			secret:   "security token",
			provider: "access_key = var.canary.access_key\n  secret_key = var.canary.secret_key\n  token = var.canary.token",
			before: func(t *testing.T, h *leakhunt.Hunt) {
				t.Helper()
				h.Workspace.Env = append(h.Workspace.Env, canaryVariables(t, leakRoleKeys(t, h)))
			},
		},
		"a role":                       {provider: leakRole, env: []string{canaryKeysEnv, canarySecretEnv}, secret: "issued SessionToken"},
		"a web identity in a file":     {provider: fmt.Sprintf(webIdentity, fmt.Sprintf("web_identity_token_file = %q", tokenFile)), secret: "issued SessionToken"},
		"a web identity, in line":      {provider: fmt.Sprintf(webIdentity, "web_identity_token = var.canary.token"), env: []string{canaryVariables(t, map[string]string{"token": leakhunt.WebIdentity})}, secret: "issued SessionToken"},
		"a web identity, by variables": {env: []string{"AWS_WEB_IDENTITY_TOKEN_FILE=" + tokenFile, "AWS_ROLE_ARN=" + testRoleARN, "AWS_ROLE_SESSION_NAME=canary"}, secret: "issued SessionToken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			h := newLeakHunt(t)
			h.Configure(h.URL, tc.provider, leakObjects, tc.env...)
			if tc.before != nil {
				tc.before(t, h)
			}

			useEverything(t, h, name == "a role")

			h.Check(nil)
			if tc.secret != "" && !h.Met(tc.secret) {
				t.Errorf("there was no %s that could leak", tc.secret)
			}
		})
	}
}

// leakRoleKeys returns temporary credentials that the endpoint issued.
func leakRoleKeys(t *testing.T, h *leakhunt.Hunt) map[string]string {
	t.Helper()

	client := sts.New(sts.Options{
		Region:       testRegion,
		BaseEndpoint: aws.String(h.URL),
		Credentials:  credentials.NewStaticCredentialsProvider(leakhunt.AccessKeyID, leakhunt.SecretAccessKey, ""),
	})
	out, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(testRoleARN), RoleSessionName: aws.String("canary")})
	if err != nil {
		t.Fatal(err)
	}

	return map[string]string{
		"access_key": aws.ToString(out.Credentials.AccessKeyId),
		"secret_key": aws.ToString(out.Credentials.SecretAccessKey),
		"token":      aws.ToString(out.Credentials.SessionToken),
	}
}

// The results of the data source are in state and in plans, as its page says, and nowhere
// else. No other secret is there.
func TestLeaks_stored(t *testing.T) {
	t.Parallel()

	h := newLeakHunt(t)
	h.Configure(h.URL, leakRole, leakObjects+leakStored, canaryKeysEnv, canarySecretEnv)
	for _, arguments := range [][]string{{"plan", "-out=planned"}, {"show", "planned"}, {"apply", "planned"}, {"output"}, {"plan"}, {"state", "show", "data.ssm_session_resume.test"}, {"apply", "-auto-approve", "-refresh-only"}} {
		if err := h.Run(arguments...); err != nil {
			t.Fatalf("%s: %s\n%s", strings.Join(arguments, " "), err, h.Output())
		}
	}

	stored := map[string]bool{}
	h.Check(func(file string) bool {
		documented := strings.HasPrefix(file, "terraform.tfstate") || slices.Contains([]string{"tfstate", "tfstate-prev", "tfplan"}, path.Base(file)) && strings.HasPrefix(file, "planned/")
		if documented && leakhunt.Find(h.Workspace.Files()[file], leakhunt.IssuedSecrets(h.Fake, testAway)) != nil {
			stored[file] = true
		}

		return documented
	})
	if !stored["terraform.tfstate"] {
		t.Error("the token is not even in state: this test looks at the wrong place")
	}

	// In state, two attributes and the output hold them.
	var state map[string]any
	if err := json.Unmarshal([]byte(h.Workspace.Read("terraform.tfstate")), &state); err != nil {
		t.Fatal(err)
	}
	delete(state, "outputs")
	removeValues(state, "token_value", "stream_url")
	rest, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	if err := leakhunt.Find(string(rest), leakhunt.IssuedSecrets(h.Fake, testAway)); err != nil {
		t.Errorf("the state holds it in yet another place: %s", err)
	}
}

// removeValues removes the values of these names from a document.
func removeValues(document any, names ...string) {
	switch document := document.(type) {
	case map[string]any:
		for name, value := range document {
			if slices.Contains(names, name) {
				document[name] = nil
			}
			removeValues(value, names...)
		}
	case []any:
		for _, value := range document {
			removeValues(value, names...)
		}
	}
}

// TestLeaks_proxy sends everything through a proxy with a password.
func TestLeaks_proxy(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		provider string
		env      func(proxy string) []string
	}{
		"of the configuration": {"http_proxy = var.canary.proxy\n  https_proxy = var.canary.proxy", func(proxy string) []string {
			return []string{canaryVariables(t, map[string]string{"proxy": proxy})}
		}},
		"of the environment": {"", func(proxy string) []string {
			return []string{"HTTP_PROXY=" + proxy, "HTTPS_PROXY=" + proxy, "NO_PROXY="}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			h := newLeakHunt(t)
			// Channels without TLS are allowed on loopback only, whatever the name of the
			// endpoint of SSM is.
			fakessm.WithDataChannel(strings.Replace(h.URL, "http://", "ws://", 1))(h.Fake)
			proxy := newTestProxy(t, h.URL)
			address := strings.Replace(proxy.url, "http://", "http://ops:"+leakhunt.ProxyPassword+"%21@", 1)
			h.Configure("http://ssm.example.com", tc.provider, leakObjects, append(tc.env(address), canaryKeysEnv, canarySecretEnv)...)

			useEverything(t, h, false)

			h.Check(nil)
			if !strings.HasSuffix(proxy.authorization, leakhunt.ProxyAuthorization) {
				t.Error("the proxy got no password, or another")
			}
		})
	}
}

// TestLeaks_endpoint gives the endpoints a password. The framework logs elements of sets
// by their values.
func TestLeaks_endpoint(t *testing.T) {
	t.Parallel()

	h := newLeakHunt(t)
	h.Add("endpoint password", leakhunt.EndpointPassword)
	h.Configure("${var.canary.endpoint}", "", leakObjects, canaryKeysEnv, canarySecretEnv,
		canaryVariables(t, map[string]string{"endpoint": strings.Replace(h.URL, "http://", "http://ops:"+leakhunt.EndpointPassword+"@", 1)}))

	useEverything(t, h, false)

	h.Check(nil)
}

// repeatRequest returns an endpoint that refuses everything, and repeats the request in
// its refusal, as AWS does with what was signed.
func repeatRequest(code, prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		said := prefix
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			said += "\n" + strings.ToLower(name) + ":" + strings.Join(r.Header[name], ",")
		}
		for name, values := range r.PostForm {
			said += "\n" + name + "=" + strings.Join(values, ",")
		}
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.") {
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": said})

			return
		}
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, said)
	})
}

// TestLeaks_failures makes everything fail that has to do with a secret. The errors do
// not repeat it.
func TestLeaks_failures(t *testing.T) {
	t.Parallel()

	const explained = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.\n\n" +
		"The Canonical String for this request should have been\n'POST\n/\n"
	tokenFile := testFile(t, "token", leakhunt.WebIdentity)
	webIdentity := "assume_role_with_web_identity {\n    role_arn = \"" + testRoleARN + "\"\n    session_name = \"canary\"\n    %s\n  }"
	skip := "skip_credentials_validation = true\n  skip_requesting_account_id = true"
	keys := []string{canaryKeysEnv, canarySecretEnv}
	token := append(slices.Clone(keys), "AWS_SESSION_TOKEN=canary-session-token-"+strings.Repeat("+/", 50))
	proxied := "http://ops:" + leakhunt.ProxyPassword + "%21@"
	proxyVariable := func(address string) string {
		return canaryVariables(t, map[string]string{"proxy": address, "token": leakhunt.WebIdentity})
	}
	refusingProxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Proxy-Authenticate", "Basic realm="+r.Header.Get("Proxy-Authorization"))
		http.Error(w, "wrong: "+r.Header.Get("Proxy-Authorization"), http.StatusProxyAuthRequired)
	}))
	t.Cleanup(refusingProxy.Close)
	_, tlsServer, _ := testTLSFake(t)
	tlsProxy := newTestProxy(t, tlsServer.URL)

	for name, tc := range map[string]struct {
		provider string
		env      []string
		options  []fakessm.Option
		fault    fakessm.Fault
		endpoint string       // Instead of the fake's.
		handler  http.Handler // Instead of the fake.
		want     string       // Part of the error.
	}{
		"a wrong secret":                   {env: []string{canaryKeysEnv, "AWS_SECRET_ACCESS_KEY=" + leakhunt.SecretAccessKey + "wrong"}, want: "SignatureDoesNotMatch"},
		"a wrong secret, for SSM only":     {provider: skip, env: []string{canaryKeysEnv, "AWS_SECRET_ACCESS_KEY=" + leakhunt.SecretAccessKey + "wrong"}, want: "InvalidSignatureException"},
		"an unknown session token":         {env: token, want: "InvalidClientTokenId"},
		"expired credentials":              {provider: leakRole, env: keys, fault: fakessm.Fault{Kind: fakessm.FaultExpired}, want: "Expired"},
		"an expired web identity, in line": {provider: fmt.Sprintf(webIdentity, "web_identity_token = var.canary.token"), env: []string{proxyVariable("")}, options: []fakessm.Option{fakessm.WithWebIdentityToken("another")}, want: "InvalidIdentityToken"},
		"an expired web identity, in a file": {
			provider: fmt.Sprintf(webIdentity, fmt.Sprintf("web_identity_token_file = %q", tokenFile)), options: []fakessm.Option{fakessm.WithWebIdentityToken("another")}, want: "InvalidIdentityToken",
		},
		"STS repeats a web identity, in line":   {provider: fmt.Sprintf(webIdentity, "web_identity_token = var.canary.token"), env: []string{proxyVariable("")}, handler: repeatRequest("ExpiredTokenException", "Token expired: "), want: "ExpiredTokenException"},
		"STS repeats a web identity, in a file": {provider: fmt.Sprintf(webIdentity, fmt.Sprintf("web_identity_token_file = %q", tokenFile)), handler: repeatRequest("ExpiredTokenException", "Token expired: "), want: "ExpiredTokenException"},
		"STS explains a signature":              {env: token, handler: repeatRequest("SignatureDoesNotMatch", explained), want: "SignatureDoesNotMatch"},
		"SSM explains a signature":              {provider: skip, env: token, handler: repeatRequest("InvalidSignatureException", explained), want: "InvalidSignatureException"},
		"a process that fails": {
			env:  []string{"AWS_PROFILE=broker", "AWS_CONFIG_FILE=" + testFile(t, "config", "[profile broker]\ncredential_process = echo "+leakhunt.SecretAccessKey+"; echo "+leakhunt.SecretAccessKey+" >&2; sleep 1; exit 3\n")},
			want: "the process ended with status 3",
		},
		"a proxy refuses": {
			provider: "http_proxy = var.canary.proxy\n  https_proxy = var.canary.proxy", env: append(slices.Clone(keys), proxyVariable(strings.Replace(refusingProxy.URL, "http://", proxied, 1))),
			endpoint: "https://ssm.example.com", want: "valid user name and password",
		},
		"a proxy refuses, without TLS": {
			provider: "http_proxy = var.canary.proxy\n  https_proxy = var.canary.proxy", env: append(slices.Clone(keys), proxyVariable(strings.Replace(refusingProxy.URL, "http://", proxied, 1))),
			endpoint: "http://ssm.example.com", want: "407",
		},
		"a proxy of the environment refuses": {
			env: append(slices.Clone(keys), "HTTPS_PROXY="+strings.Replace(refusingProxy.URL, "http://", proxied, 1)), endpoint: "https://ssm.example.com", want: "valid user name and password",
		},
		"a proxy refuses connections": {
			provider: "http_proxy = var.canary.proxy\n  https_proxy = var.canary.proxy", env: append(slices.Clone(keys), proxyVariable(strings.Replace(endpoint.RefusedURL, "http://", proxied, 1))),
			endpoint: "https://ssm.example.com", want: "refused",
		},
		"a proxy of the environment refuses connections": {
			env: append(slices.Clone(keys), "HTTPS_PROXY="+strings.Replace(endpoint.RefusedURL, "http://", proxied, 1)), endpoint: "https://ssm.example.com", want: "refused",
		},
		"an invalid proxy of the environment": {
			env: append(slices.Clone(keys), "HTTPS_PROXY=http://ops:"+leakhunt.ProxyPassword+"%zz@proxy.example.com"), endpoint: "https://ssm.example.com",
		},
		"an invalid proxy of the environment, for SSM": {
			provider: skip, env: append(slices.Clone(keys), "HTTPS_PROXY=http://ops:"+leakhunt.ProxyPassword+"%zz@proxy.example.com"), endpoint: "https://ssm.example.com",
		},
		"an invalid proxy of the configuration": {
			provider: "http_proxy = var.canary.proxy\n  https_proxy = var.canary.proxy", env: append(slices.Clone(keys), proxyVariable("http://ops:"+leakhunt.ProxyPassword+"%zz@proxy.example.com")),
			endpoint: "https://ssm.example.com", want: "Invalid Proxy",
		},
		"an endpoint with a password refuses connections": {
			env:      append(slices.Clone(keys), canaryVariables(t, map[string]string{"endpoint": strings.Replace(endpoint.RefusedURL, "http://", "http://ops:"+leakhunt.EndpointPassword+"@", 1)})),
			endpoint: "${var.canary.endpoint}", want: "refused",
		},
		"an unknown authority behind a proxy": {
			provider: "http_proxy = var.canary.proxy\n  https_proxy = var.canary.proxy", env: append(slices.Clone(keys), proxyVariable(strings.Replace(tlsProxy.url, "http://", proxied, 1))),
			endpoint: "https://ssm.example.com", want: "certificate",
		},
		"an answer that is cut off":     {provider: leakRole, env: keys, fault: fakessm.Fault{Operation: "ResumeSession", Kind: fakessm.FaultTruncated}, want: "the connection broke"},
		"an answer without a URL":       {provider: leakRole, env: keys, fault: fakessm.Fault{Operation: "ResumeSession", Kind: fakessm.FaultNoURL}, want: "stream URL"},
		"an answer for another session": {provider: leakRole, env: keys, fault: fakessm.Fault{Operation: "ResumeSession", Kind: fakessm.FaultWrongSession}, want: "another session"},
		"a role that is denied":         {provider: leakRole, env: keys, fault: fakessm.Fault{Operation: "AssumeRole", Kind: fakessm.FaultDenied}, want: "AccessDenied"},
		"a role's answer, cut off":      {provider: leakRole, env: keys, fault: fakessm.Fault{Operation: "AssumeRole", Kind: fakessm.FaultTruncated}},
		"a role's answer, garbage":      {provider: leakRole, env: keys, fault: fakessm.Fault{Operation: "AssumeRole", Kind: fakessm.FaultGarbage}},
		"an answer that never comes":    {provider: leakRole, env: keys, fault: fakessm.Fault{Operation: "ResumeSession", Kind: fakessm.FaultResetAfter}, want: "no usable answer"},
		"a missing session":             {provider: leakRole, env: keys, fault: fakessm.Fault{Operation: "ResumeSession", Kind: fakessm.FaultError, Code: "DoesNotExistException", Message: "gone"}, want: "DoesNotExist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			h := newLeakHunt(t, tc.options...)
			h.Add("session token", "canary-session-token-"+strings.Repeat("+/", 50))
			h.Add("endpoint password", leakhunt.EndpointPassword)
			if tc.fault.Kind != "" {
				tc.fault.Times = -1
				h.Fake.Inject(tc.fault)
			}
			endpoint := h.URL
			if tc.handler != nil {
				server := httptest.NewServer(tc.handler)
				t.Cleanup(server.Close)
				endpoint = server.URL
			}
			if tc.endpoint != "" {
				endpoint = tc.endpoint
			}
			// Retries would add nothing.
			h.Configure(endpoint, strings.TrimSpace(tc.provider), leakObjects, tc.env...)
			h.Workspace.Write("main.tf", strings.Replace(h.Workspace.Read("main.tf"), "max_retries = 2", "max_retries = 0", 1))

			if err := h.Run("plan"); err == nil {
				t.Errorf("the plan went well:\n%s", h.Output())
			}
			printed := h.Output()
			if _, after, found := strings.Cut(printed, "Error: "); !found || !strings.Contains(strings.Join(strings.Fields(after), " "), tc.want) {
				t.Errorf("nothing is said of %q:\n%s", tc.want, printed)
			}

			h.Check(nil)
		})
	}
}

// TestLeaks_actions invokes the actions, with a log at the lowest level.
func TestLeaks_actions(t *testing.T) {
	t.Parallel()

	h := newLeakHunt(t)
	keys := map[string]any{"access_key": leakhunt.AccessKeyID, "secret_key": leakhunt.SecretAccessKey, "assume_role": testRole()}
	s := newConfiguredServer(t, testArguments(h.URL, keys))
	var log strings.Builder
	ctx := tflogtest.RootLogger(t.Context(), &log)
	for action, config := range map[string]map[string]any{
		"ssm_terminate_session": {"session_id": testLive},
		"ssm_drain_sessions":    {"targets": []any{"i-0fedcba9876543210"}},
	} {
		said := invokeLogged(ctx, t, s, action, config)
		if !strings.Contains(said, testRegion) {
			t.Errorf("%s says nothing: %q", action, said)
		}
		if err := leakhunt.Find(said, h.Known()); err != nil {
			t.Errorf("%s says a secret: %s", action, err)
		}
	}
	if calls := strings.Count(log.String(), "Called SSM"); calls < 5 {
		t.Errorf("the log tells of %d calls", calls)
	}
	if err := leakhunt.Find(log.String(), h.Known()); err != nil {
		t.Errorf("in the log: %s", err)
	}
	if !h.Met("issued SessionToken") {
		t.Error("there was no session token that could leak")
	}
}

// invokeLogged plans and invokes an action, and returns its diagnostics and messages.
func invokeLogged(ctx context.Context, t *testing.T, s *protocol.Server, action string, config map[string]any) string {
	t.Helper()

	server, ok := s.Provider.(tfprotov6.ActionServer)
	if !ok {
		t.Fatal("the provider serves no actions")
	}
	raw := s.Encode(s.Schemas.ActionSchemas[action].Schema, config)
	plan, err := server.PlanAction(ctx, &tfprotov6.PlanActionRequest{ActionType: action, Config: raw})
	s.Must(err)
	said := fmt.Sprintf("%+v", protocol.PlainDiagnostics(plan.Diagnostics))
	stream, err := server.InvokeAction(ctx, &tfprotov6.InvokeActionRequest{ActionType: action, Config: raw})
	s.Must(err)
	for event := range stream.Events {
		switch event := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			said += event.Message
		case tfprotov6.CompletedInvokeActionEventType:
			said += fmt.Sprintf("%+v", protocol.PlainDiagnostics(event.Diagnostics))
		}
	}

	return said
}

// TestLeaks_terraformActions is TestLeaks_actions through Terraform.
func TestLeaks_terraformActions(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Actions)
	h := newLeakHunt(t)
	h.Configure(h.URL, leakRole, leakObjects+leakActions, canaryKeysEnv, canarySecretEnv)
	for _, arguments := range [][]string{
		{"plan", "-out=planned"}, {"apply", "planned"}, {"apply", "-auto-approve", "-invoke=action.ssm_drain_sessions.test"}, {"apply", "-auto-approve", "-invoke=action.ssm_terminate_session.test"},
	} {
		if err := h.Run(arguments...); err != nil {
			t.Fatalf("%s: %s\n%s", strings.Join(arguments, " "), err, h.Output())
		}
	}
	endpoint.WantStatus(t, h.Fake, testAway, "Terminated")
	h.Check(nil)
}
