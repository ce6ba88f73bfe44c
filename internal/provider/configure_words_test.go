// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// testRequestIDLine matches the line that AWS's support asks for.
var testRequestIDLine = regexp.MustCompile(`(?m)^Request ID: [0-9a-f-]{36}$`)

// What STS refuses is told with the operation, the code and the request ID.
func TestConfigure_refusalsOfSTS(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		operation, code string
		arguments       map[string]any
		summary, want   string
	}{
		"of the caller": {
			operation: "GetCallerIdentity", code: "ExpiredToken",
			summary: summaryConfigure, want: "Error: STS GetCallerIdentity: ExpiredToken: no, never",
		},
		"of a role": {
			operation: "AssumeRole", code: "AccessDenied", arguments: map[string]any{"assume_role": testRole()},
			summary: summaryAssumeRole, want: "Error: STS AssumeRole: AccessDenied: no, never",
		},
		"of a web identity": {
			operation: "AssumeRoleWithWebIdentity", code: "InvalidIdentityToken",
			arguments: withArgument(withoutKeys, "assume_role_with_web_identity", testWebIdentity(nil)),
			summary:   summaryWebIdentity, want: "Error: STS AssumeRoleWithWebIdentity: InvalidIdentityToken: no, never",
		},
		"with a long code": {
			operation: "AssumeRole", code: "AccountLimitExceededByFarException", arguments: map[string]any{"assume_role": testRole()},
			summary: summaryAssumeRole, want: "Error: STS AssumeRole: AccountLimitExceededByFarException: no, never",
		},
		"of a Region": {
			operation: "GetCallerIdentity", code: "SignatureDoesNotMatch",
			summary: summaryConfigure, want: "belongs to another Region\nError: STS GetCallerIdentity: SignatureDoesNotMatch",
		},
		"of the account alone": {
			operation: "GetCallerIdentity", code: "AccessDenied", arguments: map[string]any{"skip_credentials_validation": true},
			summary: summaryConfigure, want: "Neither IAM nor STS gave the account\nError: IAM GetUser: InvalidAction: ",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			message := "no, never"
			if name == "of a Region" {
				message = "Credential should be scoped to a valid region."
			}
			fake.Inject(fakessm.Fault{Operation: tc.operation, Kind: fakessm.FaultError, Code: tc.code, Message: message, Times: -1})
			arguments := testArguments(url, tc.arguments)
			arguments["endpoints"] = []any{map[string]any{"ssm": url, "sts": url, "iam": url}}
			diags := newTestServer(t, arguments).Configure()
			protocol.WantDiagnostic(t, protocol.Error("", tc.summary, tc.want), diags)
			if !testRequestIDLine.MatchString(diags[0].Detail) {
				t.Errorf("the request ID has no line of its own:\n%s", diags[0].Detail)
			}
		})
	}
}

// A refusal at a renewal keeps its request ID, through a chain of roles.
func TestGuardedCredentials_requestID(t *testing.T) {
	t.Parallel()

	const id = "11111111-2222-3333-4444-555555555555"
	refusal := &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: &awshttp.ResponseError{
		RequestID: id,
		ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusForbidden}},
			Err:      &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"},
		},
	}}
	same := func(text string) string { return text }
	first := guardedCredentials{
		CredentialsProvider: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, refusal }),
		source:              credentialSource{kind: sourceRole, name: "the role first"}, redact: same,
	}
	second := guardedCredentials{CredentialsProvider: first, source: credentialSource{kind: sourceRole, name: "the role second"}, redact: same}
	for name, provider := range map[string]aws.CredentialsProvider{"one role": first, "two roles": second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := provider.Retrieve(t.Context())
			if got := requestIDOf(err); got != id {
				t.Errorf("the request ID is %q, want %q: %v", got, id, err)
			}
		})
	}
	if got := second.source.failure(retrieveCredentials(t, first)).detail("It failed", "Look."); !strings.HasSuffix(got, "\n\nRequest ID: "+id) {
		t.Errorf("the detail does not end in the request ID:\n%s", got)
	}
}

// retrieveCredentials returns the error of a provider of credentials.
func retrieveCredentials(t *testing.T, provider aws.CredentialsProvider) error {
	t.Helper()

	_, err := provider.Retrieve(t.Context())

	return err
}

// What refuses without an error code is not SSM: a redirect, a sign-in page, another
// service in its place.
func TestFailureReason_errorWithoutCode(t *testing.T) {
	t.Parallel()

	for _, status := range []int{http.StatusTemporaryRedirect, http.StatusUnauthorized, http.StatusNotFound} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()

			_, url := testFake(t)
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
			t.Cleanup(other.Close)
			s := newConfiguredServer(t, testArguments(url, map[string]any{"endpoints": []any{map[string]any{"ssm": other.URL, "sts": url}}}))
			_, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": testLive})
			protocol.WantDiagnostic(t, protocol.Error("session_id", summaryRead,
				fmt.Sprintf("could not be read: the endpoint did not answer as SSM does.\nCheck the network, proxies\nError: HTTP status %d", status)), diags)
		})
	}
}

// Files that are not what they should be are told in whole sentences.
func TestConfigure_filesOfAnotherKind(t *testing.T) {
	t.Parallel()

	directory := t.TempDir()
	cases := map[string]struct {
		arguments map[string]any
		want      string
	}{
		"a directory for the configuration": {
			arguments: map[string]any{"shared_config_files": []any{directory}},
			want:      "Check shared_config_files\nAWS_CONFIG_FILE\nError: the shared file " + directory + " could not be read: it is a directory",
		},
		"half a pair of keys": {
			arguments: withArgument(withoutKeys, "shared_credentials_files", []any{testFile(t, "credentials", "[default]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\n")}),
			want:      "Give the profile both aws_access_key_id and aws_secret_access_key\nhas only one of the two keys",
		},
		"a directory for the certificates": {
			arguments: map[string]any{"custom_ca_bundle": directory},
			want:      "Check that the file is there\nError: read " + directory + ": is a directory",
		},
		"no certificate in the file": {
			arguments: withArgument(map[string]any{"profile": "corp"}, "shared_config_files", []any{
				testFile(t, "config", "[profile corp]\nca_bundle = "+testFile(t, "empty.pem", "nothing\n")+"\n"),
			}),
			want: "Check custom_ca_bundle, the environment variable AWS_CA_BUNDLE, and ca_bundle of the profile.\nError: the CA bundle holds no certificate in PEM format",
		},
		"missing certificates": {
			arguments: withArgument(map[string]any{"profile": "corp"}, "shared_config_files", []any{
				testFile(t, "config", "[profile corp]\nca_bundle = "+directory+"/missing.pem\n"),
			}),
			want: "Check that the file is there\nopen " + directory + "/missing.pem: no such file or directory",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, url := testFake(t)
			diags := newTestServer(t, testArguments(url, tc.arguments)).Configure()
			protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, tc.want), diags)
			for _, wrong := range []string{"::", ": :", "Error: :", "?."} {
				if strings.Contains(diags[0].Detail, wrong) {
					t.Errorf("the detail holds %q:\n%s", wrong, diags[0].Detail)
				}
			}
		})
	}
}

// The reasons of ours are clauses, and end up before a period.
func TestProcessFailure_isAClause(t *testing.T) {
	t.Parallel()

	if strings.ContainsAny(processTooSlow[len(processTooSlow)-1:], "?.!") {
		t.Errorf("the clause ends in a punctuation mark: %s", processTooSlow)
	}
}
