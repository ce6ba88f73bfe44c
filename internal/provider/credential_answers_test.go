// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// serveTwice starts a server that gives the first answer until the run is broken, and then
// the second.
func (r *canaryRun) serveTwice(first, second string) string {
	r.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body := first
		if r.broken.Load() {
			body = second
		}
		if strings.HasPrefix(body, "<") {
			w.Header().Set("Content-Type", "text/xml")
		}
		_, _ = io.WriteString(w, body)
	}))
	r.t.Cleanup(server.Close)

	return server.URL
}

// badAnswer is an answer without credentials, and what the error says of it.
type badAnswer struct{ name, body, says string }

// answerSource is a source of credentials that asks an endpoint.
type answerSource struct {
	// use makes the endpoint the source of credentials. It returns changes of the provider block.
	use func(r *canaryRun, url string) map[string]any
	// good is an answer with keys that have expired. Without one, there is no renewal.
	good string
	bad  []badAnswer
}

func answerSources() map[string]answerSource {
	const (
		expired       = "2020-01-01T00:00:00Z"
		noCredentials = "its answer holds no credentials"
		unusable      = "holds no usable credentials"
		emptyKey      = "the access key or the secret key is empty"
	)
	key, secret := fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey
	document := func(key, secret string) string {
		return fmt.Sprintf(`{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`, key, secret, expired)
	}
	portal := func(key, secret string) string {
		return fmt.Sprintf(`{"roleCredentials":{"accessKeyId":%q,"secretAccessKey":%q,"expiration":1577836800000}}`, key, secret)
	}
	roles := func(action string) answerSource {
		answer := func(credentials string) string {
			return fmt.Sprintf(`<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>`, action, credentials)
		}
		keys := func(key, secret string) string {
			return fmt.Sprintf(`<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials>`, key, secret, expired)
		}

		return answerSource{
			good: answer(keys(key, secret)),
			bad: []badAnswer{
				{"no credentials", answer(""), unusable}, {"no keys", answer("<Credentials></Credentials>"), emptyKey},
				{"an empty key", answer(keys("", secret)), emptyKey}, {"an empty secret", answer(keys(key, "")), emptyKey},
				{"a page", "<html>moved</html>", unusable}, {"nothing", "", unusable},
			},
		}
	}
	container := answerSource{
		use: func(r *canaryRun, url string) map[string]any {
			r.t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)

			return nil
		},
		good: document(key, secret),
		bad: []badAnswer{
			{"null", "null", noCredentials}, {"an empty object", "{}", emptyKey}, {"a list", "[]", unusable}, {"a text", `""`, unusable},
			{"null members", `{"AccessKeyId":null,"SecretAccessKey":null}`, emptyKey}, {"an empty key", document("", secret), emptyKey},
			{"an empty secret", document(key, ""), emptyKey}, {"nothing", "", unusable}, {"a page", "<html>moved</html>", unusable},
		},
	}
	profile := roles("AssumeRole")
	profile.use = func(r *canaryRun, url string) map[string]any {
		r.config("[profile role]\nrole_arn = %s\nsource_profile = base\n[profile base]\naws_access_key_id = %s\naws_secret_access_key = %s\n", testRoleARN, key, secret)
		r.t.Setenv("AWS_PROFILE", "role")

		return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": url}}}
	}
	block := roles("AssumeRole")
	block.use = func(r *canaryRun, url string) map[string]any {
		return map[string]any{
			"access_key": key, "secret_key": secret, "endpoints": []any{map[string]any{"ssm": r.url, "sts": url}},
			"assume_role": []any{map[string]any{"role_arn": testRoleARN}},
		}
	}
	web := roles("AssumeRoleWithWebIdentity")
	web.use = func(r *canaryRun, url string) map[string]any {
		setEnvironment(r.t, map[string]string{"AWS_ROLE_ARN": testRoleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": testFile(r.t, "token", "eyJ0ZXN0")})

		return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": url}}}
	}
	webBlock := roles("AssumeRoleWithWebIdentity")
	webBlock.use = func(r *canaryRun, url string) map[string]any {
		return map[string]any{
			"endpoints":                     []any{map[string]any{"ssm": r.url, "sts": url}},
			"assume_role_with_web_identity": []any{map[string]any{"role_arn": testRoleARN, "web_identity_token": "eyJ0ZXN0"}},
		}
	}

	return map[string]answerSource{
		"container": container,
		"SSO": {
			use: func(r *canaryRun, url string) map[string]any {
				r.sso(canarySSO, canarySSOToken)

				return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.url, "sso": url}}}
			},
			good: portal(key, secret),
			bad: []badAnswer{
				{"an empty object", "{}", noCredentials}, {"null", "null", "the sign-in gave none"}, {"null credentials", `{"roleCredentials":null}`, noCredentials},
				{"no keys", `{"roleCredentials":{}}`, emptyKey}, {"an empty key", portal("", secret), emptyKey}, {"an empty secret", portal(key, ""), emptyKey},
				{"a list", "[]", "the sign-in gave none"}, {"nothing", "", noCredentials}, {"a page", "<html>moved</html>", "the sign-in gave none"},
			},
		},
		"a container of a role": {
			use: func(r *canaryRun, url string) map[string]any {
				r.config("[profile role]\nrole_arn = %s\ncredential_source = EcsContainer\n", testRoleARN)
				setEnvironment(r.t, map[string]string{"AWS_PROFILE": "role", "AWS_CONTAINER_CREDENTIALS_FULL_URI": url})

				return nil
			},
			bad: []badAnswer{{"null", "null", noCredentials}, {"an empty object", "{}", emptyKey}, {"an empty key", document("", secret), emptyKey}},
		},
		"a role of a profile":                  profile,
		"a role of the provider block":         block,
		"a web identity":                       web,
		"a web identity of the provider block": webBlock,
	}
}

// TestCredentials_answers checks that an answer without keys is an error in the provider's
// words, at the start and at a renewal, and that no request is signed with an empty key.
func TestCredentials_answers(t *testing.T) { //nolint:paralleltest // It sets the environment.
	for name, source := range answerSources() { //nolint:paralleltest // The environment is shared.
		// The SDK ignores white space before a document.
		if source.good != "" && name != "a web identity of the provider block" { // aws-sdk-go-base reads it, without a limit.
			source.bad = append(source.bad, badAnswer{"too long", strings.Repeat(" ", httpclient.MaxAnswer) + source.good, ""})
		}
		for _, bad := range source.bad {
			for _, renewal := range []bool{false, true} {
				if renewal && source.good == "" {
					continue
				}
				t.Run(fmt.Sprintf("%s: %s, renewal %t", name, bad.name, renewal), func(t *testing.T) {
					r := newCanaryRun(t)
					first := source.good
					if !renewal {
						first = bad.body
					}
					changes := source.use(r, r.serveTwice(first, bad.body))
					if changes == nil {
						changes = map[string]any{}
					}
					changes["skip_requesting_account_id"], changes["skip_credentials_validation"] = true, true

					diags := r.configure(changes, renewal)

					if len(diags) != 1 || diags[0].Severity != "error" {
						t.Fatalf("want one error, got %+v", diags)
					}
					protocol.WantDiagnostic(t, protocol.Error(diags[0].Attribute, diags[0].Summary, bad.says), diags)
					if count := len(r.fake.Requests()); count != 0 {
						t.Errorf("%d requests were sent", count)
					}
				})
			}
		}
	}
}
