// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// TestClient_echo checks that no error and no report of an attempt contains a secret that an
// endpoint repeats: a key or token of the credentials, or the token or URL of a session.
func TestClient_echo(t *testing.T) {
	t.Parallel()

	const (
		secretKey    = "canarySecretKey0123456789"
		sessionToken = "canarySessionToken0123456789"
		tokenValue   = "canaryTokenValue0123456789"
		streamURL    = "wss://ssmmessages.test/canaryStreamURL?role=publish_subscribe"
	)
	for name, refuse := range map[string]func(w http.ResponseWriter, secret string){
		"in the message": func(w http.ResponseWriter, secret string) {
			fmt.Fprintf(w, `{"__type":"ValidationException","message":"no %s, and \u0027%s\u0027"}`, secret, secret)
		},
		"in a long message": func(w http.ResponseWriter, secret string) {
			fmt.Fprintf(w, `{"__type":"ValidationException","message":"%s %s"}`, strings.Repeat("x", 990), secret)
		},
		"as the code": func(w http.ResponseWriter, secret string) { fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, secret) },
		"a part as the code": func(w http.ResponseWriter, secret string) {
			fmt.Fprintf(w, `{"__type":%q,"message":"no"}`, secret[strings.Index(secret, "canary"):][:16])
		},
		"in a code": func(w http.ResponseWriter, secret string) {
			fmt.Fprintf(w, `{"__type":"Bad token %s","message":"no"}`, secret)
		},
		"as the request ID": func(w http.ResponseWriter, _ string) {
			fmt.Fprint(w, `{"__type":"ValidationException","message":"no"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := newEndpoint(t, fakessm.New(), answeringWith("ResumeSession", http.StatusOK, "application/x-amz-json-1.1",
					fmt.Sprintf(`{"SessionId":%q,"TokenValue":%q,"StreamUrl":%q}`, sessionID, tokenValue, streamURL)))
				ep.config.Credentials = credentials.NewStaticCredentialsProvider(fakessm.DefaultAccessKeyID, secretKey, sessionToken)
				if _, err := ep.client().Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID}); err != nil {
					t.Fatal(err)
				}

				for _, secret := range []string{secretKey, sessionToken, tokenValue, streamURL} {
					echoing := newEndpoint(t, fakessm.New(), func(http.Handler) http.Handler {
						return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
							w.Header().Set("X-Amzn-Requestid", secret)
							w.WriteHeader(http.StatusBadRequest)
							refuse(w, secret)
						})
					})
					echoing.config.Credentials = ep.config.Credentials
					var said strings.Builder
					client := echoing.client(sessionmanager.Options{Observe: func(_ context.Context, attempt sessionmanager.Attempt) {
						fmt.Fprintf(&said, "attempt: %+v\n", attempt)
					}})
					for operation, err := range everyCall(t.Context(), client) {
						var failed *sessionmanager.Error
						if !errors.As(err, &failed) {
							t.Fatalf("%s: error is %v", operation, err)
						}
						fmt.Fprintf(&said, "%s: %s, request ID %s\n", operation, err, failed.RequestID)
					}
					if strings.Contains(said.String(), "canary") || !strings.Contains(said.String(), "TerminateSession: ") {
						t.Errorf("want no secret in:\n%s", said.String())
					}
				}
			})
		})
	}
}
