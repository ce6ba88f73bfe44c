// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-log/tflogtest"
	"github.com/hashicorp/terraform-plugin-log/tfsdklogtest"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/leakhunt"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// canary is what a source of credentials prints, stores or answers, and a password in a
// URL. It must show up nowhere.
const canary = "canary-Broker_Output-abcdefghijklmnopqrstuvwxyz"

// canaryRun is a provider with its own environment. Tests look at its diagnostics, its
// log at the lowest level, and the standard error that processes inherit.
type canaryRun struct {
	t    *testing.T
	fake *fakessm.Server
	url  string
	home string

	broken atomic.Bool // Set after the provider is configured: renewals fail from then on.
	log    bytes.Buffer
}

func newCanaryRun(t *testing.T) *canaryRun {
	t.Helper()

	r := &canaryRun{t: t, home: t.TempDir()}
	r.fake, r.url = testFake(t)
	setEnvironment(t, map[string]string{"HOME": r.home, "USERPROFILE": r.home})

	return r
}

// config writes the shared configuration file.
func (r *canaryRun) config(format string, arguments ...any) {
	r.t.Helper()
	r.t.Setenv("AWS_CONFIG_FILE", testFile(r.t, "config", fmt.Sprintf(format, arguments...)))
}

// process makes the profile "broker" run a shell script for its credentials.
func (r *canaryRun) process(script string) {
	r.t.Helper()
	if runtime.GOOS == "windows" {
		r.t.Skip("the script needs a shell")
	}
	r.config("[profile broker]\ncredential_process = sh %s --password %s\n", testFile(r.t, "broker.sh", script), canary)
	r.t.Setenv("AWS_PROFILE", "broker")
}

// prints makes the process print a document.
func (r *canaryRun) prints(document string) {
	r.t.Helper()
	r.process("cat " + testFile(r.t, "output", document) + "\n")
}

// printsLater makes the process print keys that have expired, and the document at their
// renewal.
func (r *canaryRun) printsLater(document string) {
	r.t.Helper()
	expired := testFile(r.t, "expired", keysDocument(`,"Expiration":"2020-01-01T00:00:00Z"`))
	r.process("if [ -e " + r.home + "/broken ]; then cat " + testFile(r.t, "output", document) + "; else cat " + expired + "; fi\n")
}

// cacheSSO writes the cache of `aws sso login`.
func (r *canaryRun) cacheSSO(name, content string) {
	r.t.Helper()
	sum := sha1.Sum([]byte(name)) //nolint:gosec // The name of the AWS CLI's cache file.
	file := filepath.Join(r.home, ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

const (
	canarySSOStart  = "https://sessionops.awsapps.com/start"
	canarySSOLegacy = "[profile sso]\nsso_start_url = " + canarySSOStart + "\nsso_region = us-east-1\nsso_account_id = 123456789012\nsso_role_name = Operator\n"
	canarySSO       = "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Operator\n" +
		"[sso-session corp]\nsso_region = us-east-1\nsso_start_url = " + canarySSOStart + "\nsso_registration_scopes = sso:account:access\n"
	canarySSOToken = `{"accessToken":"` + canary + `","expiresAt":"2099-01-01T00:00:00Z"}`
)

// sso selects the profile "sso". Its cache has the content, unless that is empty.
func (r *canaryRun) sso(config, cache string) {
	r.t.Helper()
	r.config("%s", config)
	r.t.Setenv("AWS_PROFILE", "sso")
	name := canarySSOStart
	if strings.Contains(config, "sso_session") {
		name = "corp"
	}
	if cache != "" {
		r.cacheSSO(name, cache)
	}
}

// serve starts a server that always gives the same answer.
func (r *canaryRun) serve(status int, body string, header ...string) string {
	r.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	r.t.Cleanup(server.Close)

	return server.URL
}

// instance makes an instance metadata service the only source of credentials.
func (r *canaryRun) instance(role, document string) {
	r.t.Helper()
	mux := http.NewServeMux()
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			_, _ = io.WriteString(w, body)
		}
	}
	mux.HandleFunc("PUT /latest/api/token", answer("token"))
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/", answer(role))
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/"+role, answer(document))
	server := httptest.NewServer(mux)
	r.t.Cleanup(server.Close)
	setEnvironment(r.t, map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL, "AWS_EC2_METADATA_DISABLED": "false"})
}

// sts starts an STS in front of the fake's. Credentials of roles have expired when it
// issues them. It refuses to renew them, and repeats the request in the refusal.
func (r *canaryRun) sts() string {
	r.t.Helper()
	refusal := repeatRequest("AccessDenied", "not you: "+canary)
	expiration := regexp.MustCompile(`<Expiration>[^<]+</Expiration>`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.broken.Load() {
			refusal.ServeHTTP(w, req)

			return
		}
		answer := httptest.NewRecorder()
		r.fake.ServeHTTP(answer, req)
		maps.Copy(w.Header(), answer.Header())
		body := expiration.ReplaceAllString(answer.Body.String(), "<Expiration>2020-01-01T00:00:00Z</Expiration>")
		w.Header().Del("Content-Length")
		w.WriteHeader(answer.Code)
		_, _ = io.WriteString(w, body)
	}))
	r.t.Cleanup(server.Close)

	return server.URL
}

// keysDocument is what a process prints.
func keysDocument(more string) string {
	return fmt.Sprintf(`{"Version":1,"AccessKeyId":%q,"SecretAccessKey":%q%s}`, fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, more)
}

// canarySources has a row for each way in which a source of credentials can fail. prepare
// sets up the environment and returns changes of the provider block. The error has the
// lines of want. With renewal, a call of SSM fails after broken is set.
var canarySources = map[string]struct {
	prepare func(r *canaryRun) map[string]any
	want    string
	renewal bool
}{
	// A process.
	"process: a notice before the JSON": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints("Welcome " + canary + "\n" + keysDocument(""))

			return nil
		},
		want: "profile \"broker\", which runs a credential_process\nit is not one JSON document and nothing else\ncredential_process",
	},
	"process: a notice after the JSON": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(keysDocument("") + "\nBye " + canary)

			return nil
		}, want: "it is not one JSON document and nothing else",
	},
	"process: an empty expiration": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(keysDocument(`,"SessionToken":"` + canary + `","Expiration":""`))

			return nil
		}, want: "Expiration is not a time",
	},
	"process: another expiration": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(keysDocument(`,"Expiration":"` + canary + `"`))

			return nil
		}, want: "Expiration is not a time",
	},
	"process: a number as expiration": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(keysDocument(`,"SessionToken":"` + canary + `","Expiration":1700000000`))

			return nil
		}, want: "Expiration is not a time",
	},
	"process: half an object": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(strings.TrimSuffix(keysDocument(`,"SessionToken":"`+canary+`"`), "}"))

			return nil
		}, want: "the JSON document ends in the middle",
	},
	"process: a list": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(`["` + canary + `"]`)

			return nil
		}, want: "has the wrong type",
	},
	"process: a version in quotes": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(`{"Version":"` + canary + `"}`)

			return nil
		}, want: "has the wrong type",
	},
	"process: another version": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(strings.Replace(keysDocument(`,"SessionToken":"`+canary+`"`), `"Version":1`, `"Version":2`, 1))

			return nil
		}, want: "Version is not 1",
	},
	"process: no access key": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(`{"Version":1,"SecretAccessKey":"` + canary + `"}`)

			return nil
		}, want: "AccessKeyId is missing",
	},
	"process: no secret key": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(`{"Version":1,"AccessKeyId":"` + canary + `"}`)

			return nil
		}, want: "SecretAccessKey is missing",
	},
	"process: nothing": {
		prepare: func(r *canaryRun) map[string]any {
			r.process("echo " + canary + " >&2\n")

			return nil
		}, want: "the process printed nothing",
	},
	"process: a status": {
		prepare: func(r *canaryRun) map[string]any {
			r.process("echo " + canary + "; echo " + canary + " >&2; exit 3\n")

			return nil
		}, want: "profile \"broker\"\nthe process ended with status 3\nsign in where it asks",
	},
	"process: a signal": {
		prepare: func(r *canaryRun) map[string]any {
			r.process("echo " + canary + "; kill -9 $PPID; kill -9 $$\n")

			return nil
		}, want: "the process was killed by a signal",
	},
	"process: a line break in the session token": {
		prepare: func(r *canaryRun) map[string]any {
			r.prints(keysDocument(`,"SessionToken":"` + canary + `\n"`))

			return nil
		},
		want: "The session token holds white space or a line break\nIt comes from the profile \"broker\", which runs a credential_process.",
	},
	"process: a notice before the JSON, at a renewal": {
		prepare: func(r *canaryRun) map[string]any {
			r.printsLater("Welcome " + canary + "\n" + keysDocument(""))

			return nil
		}, want: "the credentials could not be obtained or renewed\nRun the command that credential_process\nthe output of the process could not be read: it is not one JSON document", renewal: true,
	},
	"process: an empty expiration, at a renewal": {
		prepare: func(r *canaryRun) map[string]any {
			r.printsLater(keysDocument(`,"SessionToken":"` + canary + `","Expiration":""`))

			return nil
		}, want: "the credentials could not be obtained or renewed\nRun the command that credential_process\nExpiration is not a time", renewal: true,
	},
	"process: half an object, at a renewal": {
		prepare: func(r *canaryRun) map[string]any {
			r.printsLater(strings.TrimSuffix(keysDocument(`,"SessionToken":"`+canary+`"`), "}"))

			return nil
		}, want: "the credentials could not be obtained or renewed\nRun the command that credential_process\nthe JSON document ends in the middle", renewal: true,
	},

	// IAM Identity Center.
	"SSO: never opened": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSO, "")

			return nil
		},
		want: "No credentials came from the profile \"sso\", which signs in through SSO: nobody has signed in\naws sso login --profile sso",
	},
	"SSO: never opened, without a session": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSOLegacy, "")

			return nil
		}, want: "nobody has signed in\naws sso login --profile sso",
	},
	"SSO: by the argument": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSO, "")
			r.t.Setenv("AWS_PROFILE", "")

			return map[string]any{"profile": "sso"}
		}, want: "nobody has signed in\naws sso login --profile sso",
	},
	"SSO: expired": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSO, `{"accessToken":"`+canary+`","expiresAt":"2020-01-01T00:00:00Z"}`)

			return nil
		}, want: "the sign-in has expired\naws sso login --profile sso",
	},
	"SSO: expired, without a session": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSOLegacy, `{"accessToken":"`+canary+`","expiresAt":"2020-01-01T00:00:00Z"}`)

			return nil
		}, want: "the sign-in has expired\naws sso login --profile sso",
	},
	"SSO: revoked": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSO, canarySSOToken)
			portal := r.serve(http.StatusUnauthorized, `{"message":"Session token not found or invalid"}`, "X-Amzn-Errortype", "UnauthorizedException")

			return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.url, "sso": portal}}}
		}, want: "the sign-in has expired or was revoked\naws sso login --profile sso\nUnauthorizedException",
	},
	"SSO: the portal repeats the token": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSOLegacy, canarySSOToken)
			portal := r.serve(http.StatusUnauthorized, `{"message":"no such token: `+canary+`"}`, "X-Amzn-Errortype", "UnauthorizedException")

			return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.url, "sso": portal}}}
		}, want: "aws sso login --profile sso\nUnauthorizedException",
	},
	"SSO: another account": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSO, canarySSOToken)
			portal := r.serve(http.StatusForbidden, `{"message":"No access"}`, "X-Amzn-Errortype", "ForbiddenException")

			return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.url, "sso": portal}}}
		}, want: "the sign-in gives no access to the account and role of the profile\nForbiddenException",
	},
	"SSO: a refused refresh": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSO, `{"accessToken":"`+canary+`","expiresAt":"2020-01-01T00:00:00Z","refreshToken":"`+canary+`","clientId":"client","clientSecret":"`+canary+`"}`)
			r.t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", r.serve(http.StatusBadRequest, `{"error":"invalid_grant","error_description":"`+canary+`"}`, "X-Amzn-Errortype", "InvalidGrantException"))

			return nil
		}, want: "the sign-in has expired or was revoked\naws sso login --profile sso",
	},
	"SSO: garbage in the cache": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSO, canary)

			return nil
		}, want: "the sign-in that is kept on this machine could not be read",
	},
	"SSO: a strange expiry in the cache": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSO, `{"accessToken":"x","expiresAt":"`+canary+`"}`)

			return nil
		},
		want: "the sign-in that is kept on this machine could not be read",
	},
	"SSO: a strange expiry in the cache, without a session": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSOLegacy, `{"accessToken":"x","expiresAt":"`+canary+`"}`)

			return nil
		}, want: "the sign-in that is kept on this machine could not be read",
	},
	"SSO: garbage of the portal": {
		prepare: func(r *canaryRun) map[string]any {
			r.sso(canarySSO, canarySSOToken)

			return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.url, "sso": r.serve(http.StatusOK, canary)}}}
		}, want: "profile \"sso\", which signs in through SSO",
	},
	"sign-in with aws login: never opened": {
		prepare: func(r *canaryRun) map[string]any {
			r.config("[profile dev]\nlogin_session = arn:aws:iam::123456789012:user/dev\n")
			r.t.Setenv("AWS_PROFILE", "dev")

			return nil
		}, want: "nobody has signed in\naws login --profile dev",
	},
	"sign-in with aws login: garbage in the cache": {
		prepare: func(r *canaryRun) map[string]any { return r.login(`{"accessToken":"` + canary + `"}`) },
		want:    "the sign-in that is kept on this machine could not be read\naws login --profile dev",
	},
	"sign-in with aws login: null in the cache": {
		prepare: func(r *canaryRun) map[string]any { return r.login("null\n") },
		want:    "the sign-in that is kept on this machine could not be read\naws login --profile dev",
	},

	// A web identity.
	"web identity: STS repeats the token": {
		prepare: func(r *canaryRun) map[string]any {
			r.broken.Store(true)

			return map[string]any{
				"assume_role_with_web_identity": testWebIdentity(map[string]any{"web_identity_token": canary}),
				"endpoints":                     []any{map[string]any{"ssm": r.url, "sts": r.sts()}},
			}
		}, want: "web identity of the provider block\nSTS does not let it assume the role arn:aws:iam::123456789012:role/Pod\nAccessDenied",
	},
	"web identity: a line break in the token": {
		prepare: func(r *canaryRun) map[string]any {
			r.broken.Store(true)
			setEnvironment(r.t, map[string]string{"AWS_ROLE_ARN": testRoleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": testFile(r.t, "token", canary+"\n")})

			return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.sts()}}}
		}, want: "web identity of the environment\nSTS does not let it assume the role " + testRoleARN,
	},
	"web identity: a token in place of the file": {
		prepare: func(r *canaryRun) map[string]any {
			setEnvironment(r.t, map[string]string{"AWS_ROLE_ARN": testRoleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": canary})

			return nil
		}, want: "web identity of the environment\nthe token file could not be read",
	},
	"web identity: a token in place of the block's file": {
		prepare: func(r *canaryRun) map[string]any {
			return map[string]any{"assume_role_with_web_identity": testWebIdentity(map[string]any{"web_identity_token": nil, "web_identity_token_file": canary})}
		}, want: "web identity of the provider block\nthe token file could not be read",
	},
	"web identity: of a profile": {
		prepare: func(r *canaryRun) map[string]any {
			r.broken.Store(true)
			r.config("[profile pod]\nrole_arn = %s\nweb_identity_token_file = %s\n", testRoleARN, testFile(r.t, "token", canary))
			r.t.Setenv("AWS_PROFILE", "pod")

			return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.sts()}}}
		}, want: "profile \"pod\", which uses a web identity\nSTS does not let it assume the role " + testRoleARN,
	},
	"web identity: at a renewal": {
		prepare: func(r *canaryRun) map[string]any {
			return map[string]any{
				"assume_role_with_web_identity": testWebIdentity(map[string]any{"web_identity_token": testWebIdentityToken}),
				"endpoints":                     []any{map[string]any{"ssm": r.url, "sts": r.sts()}},
			}
		}, want: "STS does not let it assume the role arn:aws:iam::123456789012:role/Pod", renewal: true,
	},

	// A container.
	"container: garbage": {
		prepare: func(r *canaryRun) map[string]any {
			r.t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", r.serve(http.StatusOK, canary))

			return nil
		}, want: "the container's credentials endpoint: its answer holds no usable credentials",
	},
	"container: a strange expiration": {
		prepare: func(r *canaryRun) map[string]any {
			r.t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", r.serve(http.StatusOK, keysDocument(`,"Token":"`+canary+`","Expiration":"`+canary+`"`), "Content-Type", "application/json"))

			return nil
		}, want: "the container's credentials endpoint: its answer holds no usable credentials",
	},
	"container: an error that repeats the token": {
		prepare: func(r *canaryRun) map[string]any {
			setEnvironment(r.t, map[string]string{
				"AWS_CONTAINER_CREDENTIALS_FULL_URI": r.serve(http.StatusForbidden, `{"code":"`+canary+`","message":"`+canary+`"}`, "Content-Type", "application/json"),
				"AWS_CONTAINER_AUTHORIZATION_TOKEN":  canary,
			})

			return nil
		}, want: "the container's credentials endpoint: its answer holds no usable credentials (HTTP status 403)\nauthorization token",
	},
	"container: a line break in the token": {
		prepare: func(r *canaryRun) map[string]any {
			setEnvironment(r.t, map[string]string{
				"AWS_CONTAINER_CREDENTIALS_FULL_URI":     r.url,
				"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": testFile(r.t, "token", canary+"\r\n"+canary),
			})

			return nil
		}, want: "the authorization token for the endpoint holds a line break",
	},
	"container: a token in place of the file": {
		prepare: func(r *canaryRun) map[string]any {
			setEnvironment(r.t, map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": r.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": canary})

			return nil
		}, want: "the file with the authorization token for the endpoint could not be read",
	},
	"container: a secret in the query": {
		prepare: func(r *canaryRun) map[string]any {
			r.t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/?token="+canary)

			return nil
		}, want: "the container's credentials endpoint: connection refused (127.0.0.1:1)",
	},
	"container: of a profile": {
		prepare: func(r *canaryRun) map[string]any {
			r.config("[profile task]\nrole_arn = %s\ncredential_source = EcsContainer\n", testRoleARN)
			setEnvironment(r.t, map[string]string{"AWS_PROFILE": "task", "AWS_CONTAINER_CREDENTIALS_FULL_URI": r.serve(http.StatusOK, canary)})

			return nil
		}, want: "profile \"task\", which takes them from the container's credentials endpoint",
	},

	// An instance.
	"instance: an invalid role": {
		prepare: func(r *canaryRun) map[string]any {
			r.instance(canary, canary)

			return nil
		}, want: "instance metadata service, which was asked last, did not help: it gave none",
	},
	"instance: a failure": {
		prepare: func(r *canaryRun) map[string]any {
			r.instance("Instance", `{"Code":"`+canary+`","Message":"`+canary+`","SecretAccessKey":"`+canary+`"}`)

			return nil
		}, want: "instance metadata service, which was asked last, did not help: it gave none",
	},
	"instance: a strange expiration": {
		prepare: func(r *canaryRun) map[string]any {
			r.instance("Instance", `{"Code":"Success","AccessKeyId":"AKIA","SecretAccessKey":"`+canary+`","Token":"`+canary+`","Expiration":"`+canary+`"}`)

			return nil
		}, want: "instance metadata service, which was asked last, did not help: it gave none",
	},
	"instance: of a profile": {
		prepare: func(r *canaryRun) map[string]any {
			r.instance("Instance", canary)
			r.config("[profile node]\nregion = us-east-1\n")
			r.t.Setenv("AWS_PROFILE", "node")

			return nil
		}, want: "profile \"node\" or the instance metadata service: it gave none\nThe profile names no source of credentials",
	},

	// The shared files.
	"shared files: half a pair of keys": {
		prepare: func(r *canaryRun) map[string]any {
			r.t.Setenv("AWS_SHARED_CREDENTIALS_FILE", testFile(r.t, "credentials", "[default]\naws_secret_access_key = "+canary+"\n"))

			return nil
		},
	},
	"shared files: a key without a section": {
		prepare: func(r *canaryRun) map[string]any {
			r.t.Setenv("AWS_SHARED_CREDENTIALS_FILE", testFile(r.t, "credentials", canary+"\naws_secret_access_key = "+canary+"\n[broken\n"+canary+"\n"))

			return nil
		},
	},
	"shared files: a key in place of a setting": {
		prepare: func(r *canaryRun) map[string]any {
			r.config("[default]\nmax_attempts = %s\n", canary)

			return nil
		}, want: "The AWS configuration could not be used",
	},
	"shared files: white space in the access key": {
		prepare: func(r *canaryRun) map[string]any {
			r.t.Setenv("AWS_SHARED_CREDENTIALS_FILE", testFile(r.t, "credentials", "[default]\naws_access_key_id = "+canary+" x\naws_secret_access_key = "+canary+"\n"))

			return nil
		}, want: "The access key holds white space or a line break\nIt comes from aws_access_key_id of the profile \"default\".",
	},
	"shared files: a role that STS denies": {
		prepare: func(r *canaryRun) map[string]any {
			r.broken.Store(true)
			r.config("[profile role]\nrole_arn = %s\nsource_profile = ops\n", testRoleARN)
			setEnvironment(r.t, map[string]string{
				"AWS_PROFILE":                 "role",
				"AWS_SHARED_CREDENTIALS_FILE": testFile(r.t, "credentials", "[ops]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wrong\naws_session_token = "+canary+"\n"),
			})

			return map[string]any{"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.sts()}}}
		}, want: "No credentials came from the profile \"ops\": STS does not let it assume the role " + testRoleARN + "\nAccessDenied",
	},
	"shared files: a second factor": {
		prepare: func(r *canaryRun) map[string]any {
			r.config("[profile role]\nrole_arn = %s\nsource_profile = ops\nmfa_serial = %s\n", testRoleARN, canary)
			setEnvironment(r.t, map[string]string{"AWS_PROFILE": "role", "AWS_SHARED_CREDENTIALS_FILE": testCredentialsFile(r.t, "ops")})

			return nil
		}, want: "the profile has mfa_serial",
	},

	// Static keys.
	"arguments: a line break in the session token": {
		prepare: func(r *canaryRun) map[string]any {
			return map[string]any{"access_key": "AKIA", "secret_key": "secret", "token": canary + "\n"}
		}, want: "The session token holds white space or a line break\nIt comes from the argument token.",
	},
	"arguments: white space in the access key": {
		prepare: func(r *canaryRun) map[string]any {
			return map[string]any{"access_key": canary + " ", "secret_key": canary}
		}, want: "The access key holds white space or a line break\nIt comes from the argument access_key.",
	},
	"arguments: white space in the secret key": {
		prepare: func(r *canaryRun) map[string]any {
			return map[string]any{"access_key": fakessm.DefaultAccessKeyID, "secret_key": canary + "\n"}
		}, want: "The secret key holds white space or a line break: that makes every signature wrong\nSignatureDoesNotMatch",
	},
	"arguments: white space in the secret key, and a role": {
		prepare: func(r *canaryRun) map[string]any {
			return map[string]any{"access_key": fakessm.DefaultAccessKeyID, "secret_key": canary + "\n", "assume_role": testRole()}
		}, want: "The secret key holds white space or a line break: that makes every signature wrong\nSignatureDoesNotMatch",
	},
	"arguments: STS repeats the session token": {
		prepare: func(r *canaryRun) map[string]any {
			r.broken.Store(true)

			return map[string]any{"access_key": "AKIA", "secret_key": "secret", "token": canary, "endpoints": []any{map[string]any{"ssm": r.url, "sts": r.sts()}}}
		}, want: "STS did not confirm the credentials from the arguments of the provider block\nAccessDenied",
	},
	"environment: a line break in the session token": {
		prepare: func(r *canaryRun) map[string]any {
			testKeysEnv(r.t)
			r.t.Setenv("AWS_SESSION_TOKEN", canary+"\n")

			return nil
		}, want: "The session token holds white space or a line break\nIt comes from the environment variable AWS_SESSION_TOKEN.",
	},
	"environment: a line break in the access key": {
		prepare: func(r *canaryRun) map[string]any {
			setEnvironment(r.t, map[string]string{"AWS_ACCESS_KEY_ID": canary + "\n", "AWS_SECRET_ACCESS_KEY": canary})

			return nil
		}, want: "The access key holds white space or a line break\nIt comes from the environment variable AWS_ACCESS_KEY_ID.",
	},
	"environment: a line break in the secret key": {
		prepare: func(r *canaryRun) map[string]any {
			setEnvironment(r.t, map[string]string{"AWS_ACCESS_KEY_ID": fakessm.DefaultAccessKeyID, "AWS_SECRET_ACCESS_KEY": canary + "\n"})

			return nil
		}, want: "STS did not confirm the credentials from environment variables\nThe secret key holds white space or a line break\nSignatureDoesNotMatch",
	},

	// Roles.
	"role: STS repeats what it was sent": {
		prepare: func(r *canaryRun) map[string]any {
			r.broken.Store(true)

			return map[string]any{
				"access_key": "AKIA", "secret_key": "secret", "token": canary, "assume_role": testRole(),
				"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.sts()}},
			}
		}, want: "The role " + testRoleARN + " was not assumed: STS refused\nAllow the IAM action sts:AssumeRole\nAccessDenied",
	},
	"role: at a renewal": {
		prepare: func(r *canaryRun) map[string]any {
			return map[string]any{
				"access_key": fakessm.DefaultAccessKeyID, "secret_key": fakessm.DefaultSecretAccessKey, "assume_role": testRole(),
				"endpoints": []any{map[string]any{"ssm": r.url, "sts": r.sts()}},
			}
		}, want: "the credentials could not be obtained or renewed\nAllow the IAM action sts:AssumeRole on " + testRoleARN + "\nno credentials came from the role " + testRoleARN + ": STS refused\nAccessDenied", renewal: true,
	},
	"role: of a chain, at a renewal": {
		prepare: func(r *canaryRun) map[string]any {
			return map[string]any{
				"access_key": fakessm.DefaultAccessKeyID, "secret_key": fakessm.DefaultSecretAccessKey,
				"assume_role": append([]any{map[string]any{"role_arn": "arn:aws:iam::123456789012:role/Gate", "session_name": "gate"}}, testRole()...),
				"endpoints":   []any{map[string]any{"ssm": r.url, "sts": r.sts()}},
			}
		}, want: "role/Gate: STS refused", renewal: true,
	},
}

// login selects a profile that signs in with `aws login`. The cache has the content.
func (r *canaryRun) login(content string) map[string]any {
	r.t.Helper()
	const session = "arn:aws:iam::123456789012:user/dev"
	r.config("[profile dev]\nlogin_session = %s\n", session)
	cache := r.t.TempDir()
	setEnvironment(r.t, map[string]string{"AWS_PROFILE": "dev", "AWS_LOGIN_CACHE_DIRECTORY": cache})
	file, err := logincreds.StandardCachedTokenFilepath(session, cache)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}

	return nil
}

// Nothing that a source of credentials says is shown, at any log level.
func TestCanaries_sources(t *testing.T) { //nolint:paralleltest // It sets the environment.
	for name, tc := range canarySources { //nolint:paralleltest // The environment is shared.
		t.Run(name, func(t *testing.T) {
			r := newCanaryRun(t)
			diags := r.configure(tc.prepare(r), tc.renewal)
			r.check(diags, tc.want)
			for _, d := range diags {
				if strings.Contains(d.Detail, "No credentials were found") != strings.HasPrefix(name, "instance: ") && !strings.Contains(name, "of a profile") && !strings.HasPrefix(name, "shared files: ") {
					t.Errorf("the error blames the wrong source: %s", d.Detail)
				}
			}
		})
	}
}

// configure configures the provider with a log at the lowest level and returns the
// diagnostics. With renewal, it returns those of a call whose credentials have to be
// renewed.
func (r *canaryRun) configure(changes map[string]any, renewal bool) []protocol.Diagnostic {
	t := r.t
	t.Helper()

	// Terraform logs what goes to the standard logger, too.
	standard := log.Writer()
	log.SetOutput(&r.log)
	defer log.SetOutput(standard)

	s := newTestServer(t, testArguments(r.url, withoutKeys, changes))
	ctx := tflogtest.RootLogger(tfsdklogtest.RootLogger(t.Context(), &r.log), &r.log)
	response, err := s.Provider.ConfigureProvider(ctx, &tfprotov6.ConfigureProviderRequest{
		TerraformVersion: "1.11.4", Config: s.Encode(s.Schemas.Provider, s.Arguments),
	})
	s.Must(err)
	diags := protocol.PlainDiagnostics(response.Diagnostics)
	if !renewal {
		return diags
	}
	protocol.WantNoDiagnostics(t, diags)

	r.broken.Store(true)
	if err := os.WriteFile(filepath.Join(r.home, "broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	schema := s.Schemas.DataSourceSchemas["ssm_session"]
	read, err := s.Provider.ReadDataSource(ctx, &tfprotov6.ReadDataSourceRequest{TypeName: "ssm_session", Config: s.Encode(schema, map[string]any{"session_id": testLive})})
	s.Must(err)

	return protocol.PlainDiagnostics(read.Diagnostics)
}

// check expects one error with the wanted words, and looks for the canary.
func (r *canaryRun) check(diags []protocol.Diagnostic, want string) {
	t := r.t
	t.Helper()

	if len(diags) != 1 || diags[0].Severity != "error" {
		t.Fatalf("want one error, got %+v", diags)
	}
	protocol.WantDiagnostic(t, protocol.Error(diags[0].Attribute, diags[0].Summary, want), diags)
	if err := leakhunt.Find(fmt.Sprintf("%+v", diags), []string{canary}); err != nil {
		t.Errorf("in the error: %s", strings.ReplaceAll(fmt.Sprintf("%+v", diags), canary, "<HERE>"))
	}
	if !strings.Contains(r.log.String(), "@level") {
		t.Error("there is no log")
	}
	if err := leakhunt.Find(r.log.String(), []string{canary}); err != nil {
		t.Errorf("in the log: %s", err)
	}
}

// canaryPasswords are URLs with a password that is not escaped, or without a scheme.
var canaryPasswords = map[string]string{
	"#":         "https://ops:12#" + canary + "@ssm.example.com",
	"%zz":       "https://ops:%zz" + canary + "@ssm.example.com",
	"bad port":  "https://ops:" + canary,
	"no scheme": "ops:" + canary + "@ssm.example.com",
	"/":         "https://ops:12/" + canary + "@ssm.example.com",
	"?":         "https://ops:12?" + canary + "@ssm.example.com",
}

// An address that its password breaks is refused, wherever it is given. The error names
// the source and not the address.
func TestCanaries_addresses(t *testing.T) { //nolint:paralleltest // It sets the environment.
	keys := map[string]any{"access_key": fakessm.DefaultAccessKeyID, "secret_key": fakessm.DefaultSecretAccessKey, "endpoints": nil, "max_retries": 1}
	profile := func(format string) func(*canaryRun, string) map[string]any {
		return func(r *canaryRun, address string) map[string]any {
			// A "#" after white space begins a comment in these files; here there is none.
			r.config(format, address)
			r.t.Setenv("AWS_PROFILE", "here")

			return keys
		}
	}
	variable := func(name string, more map[string]any) func(*canaryRun, string) map[string]any {
		return func(r *canaryRun, address string) map[string]any {
			r.t.Setenv(name, address)
			arguments := maps.Clone(keys)
			maps.Copy(arguments, more)

			return arguments
		}
	}
	argument := func(name string) func(*canaryRun, string) map[string]any {
		return func(_ *canaryRun, address string) map[string]any {
			return withArgument(keys, "endpoints", []any{map[string]any{name: address}})
		}
	}
	for source, tc := range map[string]struct {
		prepare func(r *canaryRun, address string) map[string]any
		names   string
		proxy   bool
		block   bool // Whether the validation of the block refuses it.
	}{
		"AWS_ENDPOINT_URL":            {prepare: variable("AWS_ENDPOINT_URL", nil), names: "environment variable AWS_ENDPOINT_URL "},
		"AWS_ENDPOINT_URL_SSM":        {prepare: variable("AWS_ENDPOINT_URL_SSM", nil), names: "environment variable AWS_ENDPOINT_URL_SSM "},
		"AWS_ENDPOINT_URL_STS":        {prepare: variable("AWS_ENDPOINT_URL_STS", nil), names: "environment variable AWS_ENDPOINT_URL_STS "},
		"AWS_ENDPOINT_URL_IAM":        {prepare: variable("AWS_ENDPOINT_URL_IAM", nil), names: "environment variable AWS_ENDPOINT_URL_IAM "},
		"AWS_ENDPOINT_URL_SSO":        {prepare: variable("AWS_ENDPOINT_URL_SSO", nil), names: "environment variable AWS_ENDPOINT_URL_SSO "},
		"AWS_ENDPOINT_URL_SSO_OIDC":   {prepare: variable("AWS_ENDPOINT_URL_SSO_OIDC", nil), names: "environment variable AWS_ENDPOINT_URL_SSO_OIDC "},
		"AWS_ENDPOINT_URL_SIGNIN":     {prepare: variable("AWS_ENDPOINT_URL_SIGNIN", nil), names: "environment variable AWS_ENDPOINT_URL_SIGNIN "},
		"metadata":                    {prepare: variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", nil), names: "environment variable AWS_EC2_METADATA_SERVICE_ENDPOINT "},
		"old metadata":                {prepare: variable("AWS_METADATA_URL", nil), names: "environment variable AWS_METADATA_URL "},
		"container":                   {prepare: variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", nil), names: "environment variable AWS_CONTAINER_CREDENTIALS_FULL_URI "},
		"endpoint_url of the profile": {prepare: profile("[profile here]\nendpoint_url = %s\n"), names: "endpoint_url of the profile \"here\""},
		"endpoint_url of a source":    {prepare: profile("[profile here]\nrole_arn = " + testRoleARN + "\nsource_profile = base\n[profile base]\naws_access_key_id = x\naws_secret_access_key = y\nendpoint_url = %s\n"), names: "endpoint_url of the profile \"base\""},
		"metadata of the profile":     {prepare: profile("[profile here]\nec2_metadata_service_endpoint = %s\n"), names: "ec2_metadata_service_endpoint of the profile \"here\""},
		"services section, SSM":       {prepare: profile("[profile here]\nservices = s\n[services s]\nssm =\n  endpoint_url = %s\n"), names: "endpoint_url for ssm in the services section \"s\" of the profile"},
		"services section, STS":       {prepare: profile("[profile here]\nservices = s\n[services s]\nsts =\n  endpoint_url = %s\n"), names: "endpoint_url for sts in the services section \"s\" of the profile"},
		"HTTP_PROXY":                  {prepare: variable("HTTP_PROXY", nil), names: "environment variable HTTP_PROXY ", proxy: true},
		"HTTPS_PROXY":                 {prepare: variable("HTTPS_PROXY", nil), names: "environment variable HTTPS_PROXY ", proxy: true},
		"http_proxy":                  {prepare: variable("http_proxy", nil), names: "environment variable http_proxy ", proxy: true},
		"https_proxy":                 {prepare: variable("https_proxy", nil), names: "environment variable https_proxy ", proxy: true},
		"the argument ssm":            {prepare: argument("ssm"), block: true},
		"the argument sts":            {prepare: argument("sts"), block: true},
		"the argument iam":            {prepare: argument("iam"), block: true},
		"the argument sso":            {prepare: argument("sso"), block: true},
		"the argument ssmmessages":    {prepare: argument("ssmmessages"), block: true},
		"the argument ec2_metadata_service_": {prepare: func(_ *canaryRun, address string) map[string]any {
			return withArgument(keys, "ec2_metadata_service_endpoint", address)
		}, block: true},
		"the argument http_proxy":  {prepare: func(_ *canaryRun, address string) map[string]any { return withArgument(keys, "http_proxy", address) }, block: true},
		"the argument https_proxy": {prepare: func(_ *canaryRun, address string) map[string]any { return withArgument(keys, "https_proxy", address) }, block: true},
	} {
		for kind, address := range canaryPasswords { //nolint:paralleltest // The environment is shared.
			t.Run(source+" "+kind, func(t *testing.T) {
				if tc.proxy && kind == "no scheme" {
					t.Skip("net/http takes a proxy of the environment without a scheme")
				}
				r := newCanaryRun(t)
				arguments := tc.prepare(r, address)
				if tc.block {
					diags := newTestServer(t, testArguments("", arguments)).ValidateProvider()
					if len(diags) != 1 {
						t.Fatalf("want one error, got %+v", diags)
					}
					if err := leakhunt.Find(fmt.Sprintf("%+v", diags), []string{canary}); err != nil {
						t.Errorf("in the error: %s", err)
					}

					return
				}
				r.check(r.configure(arguments, false), tc.names+"\nIt is not shown")
				if got := endpoint.Operations(r.fake); len(got) > 0 {
					t.Errorf("called: %v", got)
				}
			})
		}
	}
}
