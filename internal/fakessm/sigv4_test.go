// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

// signedRequest returns a request in the form of the SDK.
func signedRequest(t *testing.T, url, body string, at time.Time, service string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AmazonSSM.DescribeSessions")
	sum := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: fakessm.DefaultAccessKeyID, SecretAccessKey: fakessm.DefaultSecretAccessKey}
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, req, hex.EncodeToString(sum[:]), service, "us-east-1", at); err != nil {
		t.Fatal(err)
	}

	return req
}

func sendRequest(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}

	return res, string(body)
}

func TestSignature(t *testing.T) {
	t.Parallel()

	const body = `{"State":"Active"}`
	cases := map[string]struct {
		service string
		age     time.Duration
		change  func(*http.Request)
		code    string
		message string
	}{
		"a valid signature": {},
		"no signature": {
			change: func(r *http.Request) { r.Header.Del("Authorization") },
			code:   "MissingAuthenticationTokenException",
		},
		"another authorization scheme": {
			change: func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") },
			code:   "IncompleteSignatureException",
		},
		"no date": {
			change: func(r *http.Request) { r.Header.Del("X-Amz-Date") },
			code:   "IncompleteSignatureException",
		},
		"another body": {
			change: func(r *http.Request) {
				r.Body = io.NopCloser(strings.NewReader(`{"State":"Actime"}`))
			},
			code: "InvalidSignatureException", message: "The request signature we calculated does not match",
		},
		"another target": {
			change: func(r *http.Request) { r.Header.Set("X-Amz-Target", "AmazonSSM.ResumeSession") },
			code:   "InvalidSignatureException", message: "The request signature we calculated does not match",
		},
		"a header that is not signed": {
			change: func(r *http.Request) { r.Header.Set("X-Amz-Extra", "1") },
			code:   "InvalidSignatureException", message: "'x-amz-extra' must be a 'SignedHeader' in the AWS Authorization.",
		},
		"the signature of another service": {
			service: "ec2", code: "InvalidSignatureException", message: "Credential should be scoped to correct service: 'ssm'.",
		},
		"a signature that is six minutes old":  {age: 6 * time.Minute, code: "InvalidSignatureException", message: "Signature expired: "},
		"a signature that is four minutes old": {age: 4 * time.Minute},
		"a signature from the future":          {age: -6 * time.Minute, code: "InvalidSignatureException", message: "Signature not yet current: "},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.service == "" {
				tc.service = "ssm"
			}
			req := signedRequest(t, serveFake(t, fakessm.New()), body, time.Now().Add(-tc.age), tc.service)
			if tc.change != nil {
				tc.change(req)
			}
			res, answer := sendRequest(t, req)
			if tc.code == "" {
				if res.StatusCode != http.StatusOK || answer != `{"Sessions":[]}` {
					t.Errorf("%d %s", res.StatusCode, answer)
				}

				return
			}
			var got struct {
				Type    string `json:"__type"`
				Message string `json:"message"`
			}
			if err := json.Unmarshal([]byte(answer), &got); err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != http.StatusBadRequest || got.Type != tc.code || !strings.HasPrefix(got.Message, tc.message) {
				t.Errorf("want 400 %s %s, got %d %s %s", tc.code, tc.message, res.StatusCode, got.Type, got.Message)
			}
		})
	}
}

func TestSignature_credentials(t *testing.T) {
	t.Parallel()

	cases := map[string]struct{ id, secret, token, code string }{
		"the static key pair":                      {"AKIAOWN", "own", "", ""},
		"the default key pair, which was replaced": {fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, "", "UnrecognizedClientException"},
		"a wrong secret":                           {"AKIAOWN", "other", "", "InvalidSignatureException"},
		"a session token with the static key pair": {"AKIAOWN", "own", "token", "UnrecognizedClientException"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A shared client would keep signing with the first secret of a key ID.
			client := newClient(t, fakessm.New(fakessm.WithCredentials("AKIAOWN", "own")))
			_, err := client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: "Active"}, func(o *ssm.Options) {
				o.Credentials = credentials.NewStaticCredentialsProvider(tc.id, tc.secret, tc.token)
			})
			if tc.code == "" {
				if err != nil {
					t.Fatal(err)
				}

				return
			}
			wantCode(t, err, tc.code, "")
		})
	}
}

// TestSignature_clientFollowsClock checks that the SDK adopts the server's time after a
// refusal.
func TestSignature_clientFollowsClock(t *testing.T) {
	t.Parallel()

	clock := newClock()
	clock.advance(-100 * 24 * time.Hour)
	fake := fakessm.New(fakessm.WithClock(clock.now))
	client := newClient(t, fake, func(o *ssm.Options) { o.Retryer = newRetryer() })
	if _, err := client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: "Active"}); err != nil {
		t.Fatal(err)
	}
	var attempts []int
	for _, r := range fake.Requests() {
		attempts = append(attempts, r.Attempt)
	}
	if diff := cmp.Diff([]int{1, 2}, attempts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
