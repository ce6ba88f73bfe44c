// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package leakhunt looks for secrets where none may be. It answers: does a token, a
// stream URL, a credential or a password get into a log, an output, state or a plan?
//
// Find looks through one text. A Hunt gives a real Terraform secrets of every kind, and
// looks through all that it leaves behind:
//
//	h := leakhunt.New(t, fakessm.WithSessions(sessions...))
//	h.Configure(h.URL, providerArguments, objects, "AWS_ACCESS_KEY_ID="+leakhunt.AccessKeyID)
//	if err := h.Run("plan", "-out=planned"); err != nil {
//		t.Fatal(h.Output())
//	}
//	h.Check(nil)
package leakhunt

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// The credentials and passwords of a Hunt. They have the form of real ones.
const (
	AccessKeyID      = "AKIACANARYCANARY4242" // No secret.
	SecretAccessKey  = "canary/Secret+Access/Key=abcdefghijklmno"
	WebIdentity      = "eyJjYW5hcnkiOiJ3ZWIifQ.eyJzdWIiOiJjYW5hcnkifQ.canary-Web_Identity-Signature"
	ProxyPassword    = "canary-proxy-password" // An escaped "!" follows in URLs.
	EndpointPassword = "canary-endpoint-password"
)

// ProxyAuthorization is the proxy password as it is sent, of the user "ops".
var ProxyAuthorization = base64.StdEncoding.EncodeToString([]byte("ops:" + ProxyPassword + "!"))

// Hunt is a workspace with the lowest log level, and an endpoint that notes the secrets
// that it gives out.
type Hunt struct {
	Fake      *fakessm.Server
	URL       string
	Workspace *workspace.Workspace // Set by Configure.

	t       *testing.T
	mu      sync.Mutex
	secrets map[string]string // By what they are.
	printed strings.Builder
}

var issuedCredentials = regexp.MustCompile(`<(AccessKeyId|SecretAccessKey|SessionToken)>([^<]+)<`)

// New starts an endpoint that accepts the credentials of this package.
func New(t *testing.T, options ...fakessm.Option) *Hunt {
	t.Helper()

	h := &Hunt{t: t, secrets: map[string]string{
		"secret access key": SecretAccessKey, "web identity token": WebIdentity, "proxy password": ProxyPassword,
		"proxy password, as it is sent": ProxyAuthorization,
	}}
	h.Fake = fakessm.New(append([]fakessm.Option{
		fakessm.WithDataChannel(""),
		fakessm.WithCredentials(AccessKeyID, SecretAccessKey), fakessm.WithWebIdentityToken(WebIdentity),
	}, options...)...)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.URL = server.URL

	return h
}

// ServeHTTP answers as the fake does, and notes the secrets in the request and in the
// answer.
func (h *Hunt) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.note("security token", r.Header.Get("X-Amz-Security-Token"))
	if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.") || r.Header.Get("Upgrade") != "" {
		h.Fake.ServeHTTP(w, r)

		return
	}
	answer := httptest.NewRecorder()
	h.Fake.ServeHTTP(answer, r)
	for _, found := range issuedCredentials.FindAllStringSubmatch(answer.Body.String(), -1) {
		if found[1] != "AccessKeyId" {
			h.note("issued "+found[1], found[2])
		}
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

func (h *Hunt) note(what, secret string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if secret != "" {
		h.secrets[fmt.Sprintf("%s %d", what, len(h.secrets))] = secret
	}
}

// Configure writes a configuration with a provider block of these lines, with the
// environment of its runs. Lines refer to secrets as var.canary.NAME, and TF_VAR_canary
// has their values.
func (h *Hunt) Configure(endpoint, providerLines, objects string, env ...string) {
	h.t.Helper()

	h.Workspace = workspace.New(h.t, fmt.Sprintf(`
variable "canary" {
  type      = map(string)
  default   = {}
  ephemeral = true
  sensitive = true
}
provider "ssm" {
  region      = %[1]q
  max_retries = 2
  %[2]s
  endpoints {
    ssm = %[3]q
    sts = %[3]q
  }
}
`, fakessm.DefaultRegion, providerLines, endpoint)+objects)
	h.Workspace.Env = append(h.Workspace.Env, env...)
}

// Run runs Terraform and keeps what it printed.
func (h *Hunt) Run(arguments ...string) error {
	h.t.Helper()

	output, err := h.Workspace.Run(arguments...)
	h.printed.WriteString(output)

	return err
}

// Print adds the output of a run that was not made by Run.
func (h *Hunt) Print(text string) {
	h.printed.WriteString(text)
}

// Output returns the output of all runs.
func (h *Hunt) Output() string {
	return h.printed.String()
}

// Add adds a secret.
func (h *Hunt) Add(what, secret string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secrets[what] = secret
}

// Met reports whether there is a secret of a kind, such as "security token" for those in
// requests and "issued SessionToken" for those in answers of STS.
func (h *Hunt) Met(kind string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	return slices.ContainsFunc(slices.Collect(maps.Keys(h.secrets)), func(what string) bool { return strings.HasPrefix(what, kind) })
}

// Known returns all secrets but tokens and stream URLs.
func (h *Hunt) Known() []string {
	h.mu.Lock()
	defer h.mu.Unlock()

	return slices.Collect(maps.Values(h.secrets))
}

// Check looks for secrets in the output and in all files. Tokens and stream URLs may be
// in files for which stored is true, because the documentation says so.
func (h *Hunt) Check(stored func(file string) bool) {
	h.t.Helper()

	h.mu.Lock()
	defer h.mu.Unlock()
	names := slices.Sorted(maps.Keys(h.secrets))
	var secrets []string
	for _, name := range names {
		secrets = append(secrets, h.secrets[name])
	}
	var sessionIDs []string
	for _, session := range h.Fake.Sessions() {
		sessionIDs = append(sessionIDs, session.SessionID)
	}
	tokens := IssuedSecrets(h.Fake, sessionIDs...)
	for _, token := range tokens {
		name := "resume token"
		if strings.HasPrefix(token, "wss://") {
			name = "stream URL"
		}
		names = append(names, name)
	}

	texts := h.Workspace.Files()
	texts["what was printed"] = h.printed.String()
	if len(texts["trace.log"]) < 10_000 {
		h.t.Errorf("the log has %d bytes only", len(texts["trace.log"]))
	}
	for file, text := range texts {
		wanted := append(slices.Clone(secrets), tokens...)
		if stored != nil && stored(file) {
			wanted = secrets
		}
		if i, line, found := find(text, wanted); found {
			h.t.Errorf("the %s is in line %d of %s", names[i], line, file)
		}
	}
}
