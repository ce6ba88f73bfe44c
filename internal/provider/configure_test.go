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
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

const (
	testUserARN        = "arn:aws:iam::123456789012:user/terraform"
	testRoleARN        = "arn:aws:iam::123456789012:role/Operator"
	testRoleSessionARN = "arn:aws:sts::123456789012:assumed-role/Operator/test"

	// Secrets that must show up nowhere.
	testProxyPassword    = "hunter2-proxy-password"
	testWebIdentityToken = "header.web-identity-token.signature"
)

// testResume resumes the usual session, which takes one call of SSM.
func testResume(t *testing.T, s *protocol.Server) {
	t.Helper()

	_, diags := s.ReadDataSource("ssm_session_resume", map[string]any{"session_id": testAway})
	protocol.WantNoDiagnostics(t, diags)
}

// wantCaller checks who resumed the usual session.
func wantCaller(t *testing.T, fake *fakessm.Server, want string) {
	t.Helper()

	resumed := endpoint.Requests(fake, "ResumeSession")
	if len(resumed) != 1 {
		t.Fatalf("want one ResumeSession, got %d", len(resumed))
	}
	if got := resumed[0].Caller; got != want {
		t.Errorf("SSM was called by %q, want %q", got, want)
	}
}

// testAWSConfig returns the aws.Config that the arguments lead to.
func testAWSConfig(t *testing.T, arguments map[string]any) aws.Config {
	t.Helper()

	s := newTestServer(t, arguments)
	var schema provider.SchemaResponse
	New("test", nil, nil)().Schema(t.Context(), provider.SchemaRequest{}, &schema)
	raw := tfsdk.Config{
		Raw:    s.EncodeValue(s.Schemas.Provider, arguments),
		Schema: schema.Schema,
	}
	var model providerModel
	if diags := raw.Get(t.Context(), &model); diags.HasError() {
		t.Fatal(diags)
	}
	cfg, _, diags := awsConfig(t.Context(), model.baseConfig("test", "1.11.4"), model.SkipRegionValidation.ValueBool())
	if diags.HasError() {
		t.Fatal(diags)
	}

	return cfg
}

// offlineArguments are arguments with which configuring makes no calls.
var offlineArguments = map[string]any{"skip_credentials_validation": true, "skip_requesting_account_id": true}

// testFile writes a file and returns its path.
func testFile(t *testing.T, name, content string) string {
	t.Helper()

	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}

	return file
}

func testCredentialsFile(t *testing.T, profile string) string {
	t.Helper()

	return testFile(t, "credentials", fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
		profile, fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey))
}

// withoutKeys removes the static credentials.
var withoutKeys = map[string]any{"access_key": nil, "secret_key": nil}

func setEnvironment(t *testing.T, env map[string]string) {
	t.Helper()

	for name, value := range env {
		t.Setenv(name, value)
	}
}

// testKeysEnv puts the endpoint's credentials into the environment.
func testKeysEnv(t *testing.T) {
	t.Helper()

	t.Setenv("AWS_ACCESS_KEY_ID", fakessm.DefaultAccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakessm.DefaultSecretAccessKey)
}

// wantNoSecrets checks that diagnostics and other values hold none of the secrets.
func wantNoSecrets(t *testing.T, secrets []string, diags []protocol.Diagnostic, others ...any) {
	t.Helper()

	text := fmt.Sprintf("%+v", diags)
	for _, other := range others {
		encoded, err := json.Marshal(other)
		if err != nil {
			t.Fatal(err)
		}
		text += string(encoded)
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("a secret that begins with %q is shown: %s", secret[:3], strings.ReplaceAll(text, secret, "<HERE>"))
		}
	}
}

// Credentials.

func TestConfigure_staticKeys(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	testResume(t, newConfiguredServer(t, testArguments(url)))
	wantCaller(t, fake, testUserARN)
	if diff := cmp.Diff([]string{"GetCallerIdentity", "ResumeSession"}, endpoint.Operations(fake)); diff != "" {
		t.Errorf("unexpected requests (-want +got):\n%s", diff)
	}
}

// testRoleKeys returns temporary credentials that the endpoint issued.
func testRoleKeys(t *testing.T, url string) map[string]any {
	t.Helper()

	client := sts.New(sts.Options{
		Region:       testRegion,
		BaseEndpoint: aws.String(url),
		Credentials:  credentials.NewStaticCredentialsProvider(fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, ""),
	})
	out, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::123456789012:role/Temporary"), RoleSessionName: aws.String("test"),
	})
	if err != nil {
		t.Fatal(err)
	}

	return map[string]any{
		"access_key": aws.ToString(out.Credentials.AccessKeyId),
		"secret_key": aws.ToString(out.Credentials.SecretAccessKey),
		"token":      aws.ToString(out.Credentials.SessionToken),
	}
}

func TestConfigure_token(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	keys := testRoleKeys(t, url)
	testResume(t, newConfiguredServer(t, testArguments(url, keys)))
	wantCaller(t, fake, "arn:aws:sts::123456789012:assumed-role/Temporary/test")

	keys["token"] = nil
	diags := newTestServer(t, testArguments(url, keys)).Configure()
	protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "credentials\nThe security token included in the request is invalid"), diags)
}

func TestConfigure_wrongKeys(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	const wrong = "wrong/wrong/wrong/wrong/wrong/wrong/wrong"
	cases := map[string]struct {
		arguments map[string]any
		want      string
	}{
		"secret key": {arguments: map[string]any{"secret_key": wrong}, want: "STS did not confirm the credentials from the arguments of the provider block\nsign in again\nSignatureDoesNotMatch"},
		"access key": {arguments: map[string]any{"access_key": "AKIAI44QH8DHBEXAMPLE"}, want: "STS did not confirm the credentials\nInvalidClientTokenId"},
		"token":      {arguments: map[string]any{"token": wrong}, want: "STS did not confirm the credentials\nInvalidClientTokenId"},
		"secret key with a role": {
			arguments: map[string]any{
				"secret_key":  wrong,
				"assume_role": []any{map[string]any{"role_arn": testRoleARN}},
			},
			want: testRoleARN + "\nCheck the credentials that the role is assumed with\nSignatureDoesNotMatch",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			diags := newTestServer(t, testArguments(url, tc.arguments)).Configure()
			if len(diags) != 1 {
				t.Fatalf("want one diagnostic, got %+v", diags)
			}
			protocol.WantDiagnostic(t, protocol.Error("", diags[0].Summary, tc.want), diags)
			wantNoSecrets(t, []string{wrong, fakessm.DefaultSecretAccessKey}, diags, fake.Requests())
		})
	}
}

// White space in a key is reported on the argument that holds it, before STS is called.
func TestConfigure_whiteSpaceInKeys(t *testing.T) {
	t.Parallel()

	for argument, changes := range map[string]map[string]any{
		"access_key": {"access_key": fakessm.DefaultAccessKeyID + "\n"},
		"token":      {"token": testWebIdentityToken + "\r\n"},
	} {
		t.Run(argument, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			diags := newTestServer(t, testArguments(url, changes)).Configure()
			protocol.WantDiagnostic(t, protocol.Error(argument, summaryCredentials, "It comes from the argument "+argument+".\nThe value is not shown.\ntrimspace()"), diags)
			if got := endpoint.Operations(fake); len(got) > 0 {
				t.Errorf("called: %v", got)
			}
		})
	}
}

// Without a validation of the credentials, a warning tells of white space in the secret
// key, and so does the error of the first call.
func TestConfigure_whiteSpaceInUncheckedSecretKey(t *testing.T) {
	t.Parallel()

	_, url := testFake(t)
	s := newTestServer(t, testArguments(url, offlineArguments, map[string]any{"secret_key": fakessm.DefaultSecretAccessKey + "\n"}))
	diags := s.Configure()
	protocol.WantDiagnostic(t, protocol.Warning("", "Secret Key Holds White Space", "The secret key comes from the arguments of the provider block.\nthat makes every signature wrong\ntrimspace()"), diags)
	wantNoSecrets(t, []string{fakessm.DefaultSecretAccessKey}, diags)

	_, diags = s.ReadDataSource("ssm_session", map[string]any{"session_id": testLive})
	protocol.WantDiagnostic(t, protocol.Error("session_id", summaryRead, "SSM did not accept the credentials\nWhite space at an end of the secret key also makes signatures wrong.\nInvalidSignatureException"), diags)
	wantNoSecrets(t, []string{fakessm.DefaultSecretAccessKey}, diags)
}

// Errors do not repeat secrets that an answer repeats from the request.
func TestConfigure_secretsInAnswers(t *testing.T) {
	t.Parallel()

	const token = "session-token-of-the-test"
	cases := map[string]struct {
		arguments map[string]any
		secrets   []string
	}{
		"keys": {
			arguments: map[string]any{"token": token},
			secrets:   []string{fakessm.DefaultSecretAccessKey, token},
		},
		"keys for a role": {
			arguments: map[string]any{"token": token, "assume_role": testRole()},
			secrets:   []string{fakessm.DefaultSecretAccessKey, token},
		},
		"web identity": {
			arguments: withArgument(withoutKeys, "assume_role_with_web_identity", testWebIdentity(nil)),
			secrets:   []string{testWebIdentityToken},
		},
		"web identity in a file": {
			arguments: withArgument(withoutKeys, "assume_role_with_web_identity", testWebIdentity(map[string]any{
				"web_identity_token": nil, "web_identity_token_file": testFile(t, "token", testWebIdentityToken),
			})),
			secrets: []string{testWebIdentityToken},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			wantNoSecrets(t, tc.secrets, configureRepeating(t, tc.arguments, tc.secrets))
		})
	}
}

func TestConfigure_envSecretsInAnswers(t *testing.T) {
	const token = "session-token-of-the-test"
	cases := map[string]struct {
		env     map[string]string
		secrets []string
	}{
		"keys": {
			env: map[string]string{
				"AWS_ACCESS_KEY_ID": fakessm.DefaultAccessKeyID, "AWS_SECRET_ACCESS_KEY": fakessm.DefaultSecretAccessKey, "AWS_SESSION_TOKEN": token,
			},
			secrets: []string{fakessm.DefaultSecretAccessKey, token},
		},
		"web identity": {
			env:     map[string]string{"AWS_ROLE_ARN": testRoleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": testFile(t, "token", testWebIdentityToken+"\n")},
			secrets: []string{testWebIdentityToken},
		},
	}
	for name, tc := range cases { //nolint:paralleltest // The environment is shared.
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, tc.env)
			wantNoSecrets(t, tc.secrets, configureRepeating(t, withoutKeys, tc.secrets))
		})
	}
}

// configureRepeating configures the provider with an endpoint that repeats secrets in
// its error, and returns the diagnostics.
func configureRepeating(t *testing.T, arguments map[string]any, secrets []string) []protocol.Diagnostic {
	t.Helper()

	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<ErrorResponse><Error><Code>ValidationError</Code><Message>%s</Message></Error></ErrorResponse>",
			strings.Join(secrets, " and "))
	}))
	t.Cleanup(echo.Close)
	diags := newTestServer(t, testArguments(echo.URL, arguments)).Configure()
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, "ValidationError") {
		t.Fatalf("want an error with the answer, got %+v", diags)
	}

	return diags
}

func TestConfigure_profile(t *testing.T) {
	t.Parallel()

	const name = "ops"
	credentialsFile := testCredentialsFile(t, name)
	other := testFile(t, "other", "[other]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = wrong\n")
	keysInConfig := testFile(t, "config", fmt.Sprintf("[profile %s]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
		name, fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey))
	cases := map[string]struct {
		arguments map[string]any
		caller    string
	}{
		"in a credentials file":             {arguments: map[string]any{"profile": name, "shared_credentials_files": []any{credentialsFile}}, caller: testUserARN},
		"in the second of two files":        {arguments: map[string]any{"profile": name, "shared_credentials_files": []any{other, credentialsFile}}, caller: testUserARN},
		"in a config file":                  {arguments: map[string]any{"profile": name, "shared_config_files": []any{keysInConfig}}, caller: testUserARN},
		"the default one":                   {arguments: map[string]any{"shared_credentials_files": []any{testCredentialsFile(t, "default")}}, caller: testUserARN},
		"that assumes a role":               {arguments: testRoleProfile(t), caller: "arn:aws:sts::123456789012:assumed-role/FromProfile/test"},
		"that does so with FIPS endpoints":  {arguments: withArgument(testRoleProfile(t), "use_fips_endpoint", true), caller: "arn:aws:sts::123456789012:assumed-role/FromProfile/test"},
		"that does so with both protocols":  {arguments: withArgument(testRoleProfile(t), "use_dualstack_endpoint", true), caller: "arn:aws:sts::123456789012:assumed-role/FromProfile/test"},
		"that assumes a role of the block":  {arguments: map[string]any{"profile": name, "shared_credentials_files": []any{credentialsFile}, "assume_role": testRole()}, caller: testRoleSessionARN},
		"that assumes two roles in a chain": {arguments: withArgument(testRoleProfile(t), "assume_role", testRole()), caller: testRoleSessionARN},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			testResume(t, newConfiguredServer(t, testArguments(url, withoutKeys, tc.arguments)))
			wantCaller(t, fake, tc.caller)
		})
	}
}

// testRole returns an assume_role block.
func testRole() []any {
	return []any{map[string]any{"role_arn": testRoleARN, "session_name": "test"}}
}

// testRoleProfile returns arguments for a profile that assumes a role with the keys of
// another profile.
func testRoleProfile(t *testing.T) map[string]any {
	t.Helper()

	return map[string]any{
		"profile":                  "role",
		"shared_credentials_files": []any{testCredentialsFile(t, "ops")},
		"shared_config_files": []any{testFile(t, "config",
			"[profile role]\nrole_arn = arn:aws:iam::123456789012:role/FromProfile\nrole_session_name = test\nsource_profile = ops\n")},
	}
}

// withArgument returns arguments with one changed or added.
func withArgument(arguments map[string]any, name string, value any) map[string]any {
	out := maps.Clone(arguments)
	out[name] = value

	return out
}

func TestConfigure_profileMissing(t *testing.T) {
	t.Parallel()

	_, url := testFake(t)
	s := newTestServer(t, testArguments(url, withoutKeys, map[string]any{
		"profile": "nobody", "shared_credentials_files": []any{testCredentialsFile(t, "ops")},
	}))
	protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "nobody\nCheck profile or AWS_PROFILE"), s.Configure())
}

func TestConfigure_envCredentials(t *testing.T) {
	const name = "ops"
	other := map[string]string{"AWS_ACCESS_KEY_ID": "AKIAI44QH8DHBEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wrong", "AWS_SESSION_TOKEN": "wrong"}
	keys := map[string]string{"AWS_ACCESS_KEY_ID": fakessm.DefaultAccessKeyID, "AWS_SECRET_ACCESS_KEY": fakessm.DefaultSecretAccessKey}
	cases := map[string]struct {
		env       map[string]string
		arguments map[string]any
		caller    string
		role      bool // Whether to use temporary credentials of the endpoint.
	}{
		"keys":                               {env: keys, arguments: withoutKeys, caller: testUserARN},
		"temporary keys":                     {role: true, arguments: withoutKeys, caller: "arn:aws:sts::123456789012:assumed-role/Temporary/test"},
		"the arguments beat the environment": {env: other, caller: testUserARN},
		"AWS_PROFILE and AWS_SHARED_CREDENTIALS_FILE": {
			env:       map[string]string{"AWS_PROFILE": name, "AWS_SHARED_CREDENTIALS_FILE": testCredentialsFile(t, name)},
			arguments: withoutKeys, caller: testUserARN,
		},
		"AWS_CONFIG_FILE": {
			env: map[string]string{"AWS_CONFIG_FILE": testFile(t, "config", fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n",
				fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey))},
			arguments: withoutKeys, caller: testUserARN,
		},
		"the profile argument beats AWS_PROFILE": {
			env:       map[string]string{"AWS_PROFILE": "nobody", "AWS_SHARED_CREDENTIALS_FILE": testCredentialsFile(t, name)},
			arguments: withArgument(withoutKeys, "profile", name), caller: testUserARN,
		},
		"the file argument beats AWS_SHARED_CREDENTIALS_FILE": {
			env:       map[string]string{"AWS_SHARED_CREDENTIALS_FILE": testFile(t, "credentials", "[default]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\naws_secret_access_key = wrong\n")},
			arguments: withArgument(withoutKeys, "shared_credentials_files", []any{testCredentialsFile(t, "default")}), caller: testUserARN,
		},
		"a role with the environment's keys": {env: keys, arguments: withArgument(withoutKeys, "assume_role", testRole()), caller: testRoleSessionARN},
		"a web identity": {
			env: map[string]string{
				"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/Pod", "AWS_ROLE_SESSION_NAME": "test",
				"AWS_WEB_IDENTITY_TOKEN_FILE": testFile(t, "token", testWebIdentityToken),
			},
			arguments: withoutKeys, caller: "arn:aws:sts::123456789012:assumed-role/Pod/test",
		},
	}
	for name, tc := range cases { //nolint:paralleltest // The environment is shared.
		t.Run(name, func(t *testing.T) {
			fake, url := testFake(t)
			setEnvironment(t, tc.env)
			if tc.role {
				keys := testRoleKeys(t, url)
				setEnvironment(t, map[string]string{
					"AWS_ACCESS_KEY_ID":     fmt.Sprint(keys["access_key"]),
					"AWS_SECRET_ACCESS_KEY": fmt.Sprint(keys["secret_key"]),
					"AWS_SESSION_TOKEN":     fmt.Sprint(keys["token"]),
				})
			}
			testResume(t, newConfiguredServer(t, testArguments(url, tc.arguments)))
			wantCaller(t, fake, tc.caller)
		})
	}
}

func TestConfigure_noCredentials(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	protocol.WantDiagnostic(t, protocol.Error("", "No Valid AWS Credentials", "No credentials were found\nprofile, assume_role or the AWS_* environment variables"), newTestServer(t, testArguments(url, withoutKeys)).Configure())
	if got := endpoint.Operations(fake); len(got) > 0 {
		t.Errorf("called without credentials: %v", got)
	}
}

// Roles.

func TestConfigure_assumeRole(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	testResume(t, newConfiguredServer(t, testArguments(url, map[string]any{"assume_role": []any{map[string]any{
		"duration":            "1h30m",
		"external_id":         "external",
		"policy":              `{"Version":"2012-10-17"}`,
		"policy_arns":         []any{"arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess"},
		"role_arn":            "arn:aws:iam::999988887777:role/path/Operator",
		"session_name":        "oncall",
		"source_identity":     "Mary",
		"tags":                map[string]any{"team": "platform"},
		"transitive_tag_keys": []any{"team"},
	}}})))

	assumed := endpoint.Requests(fake, "AssumeRole")
	if len(assumed) == 0 {
		t.Fatal("no role was assumed")
	}
	for _, request := range assumed {
		if diff := cmp.Diff(map[string]string{
			"Action":                     "AssumeRole",
			"DurationSeconds":            "5400",
			"ExternalId":                 "external",
			"Policy":                     `{"Version":"2012-10-17"}`,
			"PolicyArns.member.1.arn":    "arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess",
			"RoleArn":                    "arn:aws:iam::999988887777:role/path/Operator",
			"RoleSessionName":            "oncall",
			"SourceIdentity":             "Mary",
			"Tags.member.1.Key":          "team",
			"Tags.member.1.Value":        "platform",
			"TransitiveTagKeys.member.1": "team",
			"Version":                    "2011-06-15",
		}, request.Parameters); diff != "" {
			t.Errorf("unexpected parameters (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{testUserARN, testRegion}, []string{request.Caller, request.Region}); diff != "" {
			t.Errorf("unexpected caller and Region (-want +got):\n%s", diff)
		}
	}
	wantCaller(t, fake, "arn:aws:sts::999988887777:assumed-role/Operator/oncall")
}

func TestConfigure_assumeRoleDefaults(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	testResume(t, newConfiguredServer(t, testArguments(url, map[string]any{"assume_role": []any{map[string]any{"role_arn": testRoleARN}}})))

	parameters := endpoint.Requests(fake, "AssumeRole")[0].Parameters
	if parameters["RoleSessionName"] == "" {
		t.Error("the role session has no name")
	}
	delete(parameters, "RoleSessionName") // The SDK makes one up.
	if diff := cmp.Diff(map[string]string{
		"Action": "AssumeRole", "DurationSeconds": "900", "RoleArn": testRoleARN, "Version": "2011-06-15",
	}, parameters); diff != "" {
		t.Errorf("unexpected parameters (-want +got):\n%s", diff)
	}
}

func TestConfigure_assumeRoleChain(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url, map[string]any{"assume_role": []any{
		map[string]any{"role_arn": "arn:aws:iam::123456789012:role/Gate", "session_name": "first"},
		map[string]any{"role_arn": "arn:aws:iam::999988887777:role/Operator", "session_name": "second", "external_id": "external"},
	}}))
	testResume(t, s)

	hops := map[string]string{}
	for _, request := range endpoint.Requests(fake, "AssumeRole") {
		hops[request.Caller] = request.Parameters["RoleArn"] + " " + request.Parameters["ExternalId"]
	}
	if diff := cmp.Diff(map[string]string{
		testUserARN: "arn:aws:iam::123456789012:role/Gate ",
		"arn:aws:sts::123456789012:assumed-role/Gate/first": "arn:aws:iam::999988887777:role/Operator external",
	}, hops); diff != "" {
		t.Errorf("unexpected chain (-want +got):\n%s", diff)
	}
	wantCaller(t, fake, "arn:aws:sts::999988887777:assumed-role/Operator/second")

	imported, diags := s.Import("ssm_session_termination", testEnded, nil)
	protocol.WantNoDiagnostics(t, diags)
	if got := imported.Identity["account_id"]; got != "999988887777" {
		t.Errorf("the account is %v, want that of the last role", got)
	}
}

func TestConfigure_assumeRoleDenied(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	fake.Inject(fakessm.Fault{Operation: "AssumeRole", Kind: fakessm.FaultDenied, Times: -1})
	protocol.WantDiagnostic(t, protocol.Error("", "Cannot assume IAM Role", testRoleARN+"\nAccessDenied\nsts:AssumeRole"), newTestServer(t, testArguments(url, map[string]any{"assume_role": testRole()})).Configure())
	if calls := endpoint.TakeCalls(fake); len(calls) > 0 {
		t.Errorf("SSM was called without the role: %v", calls)
	}
}

// An empty ARN means no role, as in provider "aws".
func TestConfigure_noRole(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		arguments map[string]any
		caller    string
	}{
		"empty": {map[string]any{"assume_role": []any{map[string]any{"role_arn": "", "session_name": "test", "external_id": "external"}}}, testUserARN},
		"null":  {map[string]any{"assume_role": []any{map[string]any{"role_arn": nil, "session_name": "test"}}}, testUserARN},
		"empty web identity": {map[string]any{"assume_role_with_web_identity": testWebIdentity(map[string]any{"role_arn": ""}), "access_key": nil, "secret_key": nil,
			"shared_credentials_files": []any{testCredentialsFile(t, "default")}}, testUserARN},
		"null web identity, without a token": {map[string]any{"assume_role_with_web_identity": []any{map[string]any{}}, "access_key": nil, "secret_key": nil,
			"shared_credentials_files": []any{testCredentialsFile(t, "default")}}, testUserARN},
		"empty, in a chain": {map[string]any{"assume_role": append([]any{map[string]any{"role_arn": ""}}, testRole()...)}, testRoleSessionARN},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			testResume(t, newConfiguredServer(t, testArguments(url, tc.arguments)))
			wantCaller(t, fake, tc.caller)
			if assumed := len(endpoint.Requests(fake, "AssumeRole")) + len(endpoint.Requests(fake, "AssumeRoleWithWebIdentity")); (assumed > 0) != (tc.caller != testUserARN) {
				t.Errorf("%d requests were made to assume a role", assumed)
			}
		})
	}
}

// testWebIdentity returns an assume_role_with_web_identity block, with changes.
func testWebIdentity(changes map[string]any) []any {
	block := map[string]any{
		"role_arn":           "arn:aws:iam::123456789012:role/Pod",
		"session_name":       "test",
		"web_identity_token": testWebIdentityToken,
	}
	maps.Copy(block, changes)

	return []any{block}
}

func TestConfigure_webIdentity(t *testing.T) {
	t.Parallel()

	tokenFile := testFile(t, "token", testWebIdentityToken)
	inFile := map[string]any{"web_identity_token": nil, "web_identity_token_file": tokenFile}
	minimal := map[string]string{
		"Action": "AssumeRoleWithWebIdentity", "RoleArn": "arn:aws:iam::123456789012:role/Pod", "RoleSessionName": "test", "Version": "2011-06-15",
	}
	cases := map[string]struct {
		block      map[string]any
		role       []any
		parameters map[string]string
		caller     string
	}{
		"token":      {parameters: minimal, caller: "arn:aws:sts::123456789012:assumed-role/Pod/test"},
		"token file": {block: inFile, parameters: minimal, caller: "arn:aws:sts::123456789012:assumed-role/Pod/test"},
		"everything": {
			block: map[string]any{
				"duration": "20m", "policy": `{"Version":"2012-10-17"}`, "policy_arns": []any{"arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess"},
			},
			parameters: map[string]string{
				"Action": "AssumeRoleWithWebIdentity", "RoleArn": "arn:aws:iam::123456789012:role/Pod", "RoleSessionName": "test", "Version": "2011-06-15",
				"DurationSeconds": "1200", "Policy": `{"Version":"2012-10-17"}`, "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess",
			},
			caller: "arn:aws:sts::123456789012:assumed-role/Pod/test",
		},
		"and a role after it": {role: testRole(), parameters: minimal, caller: testRoleSessionARN},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, fakessm.WithWebIdentityToken(testWebIdentityToken))
			arguments := testArguments(url, withoutKeys, map[string]any{"assume_role_with_web_identity": testWebIdentity(tc.block)})
			if tc.role != nil {
				arguments["assume_role"] = tc.role
			}
			testResume(t, newConfiguredServer(t, arguments))

			assumed := endpoint.Requests(fake, "AssumeRoleWithWebIdentity")
			if len(assumed) == 0 {
				t.Fatal("no role was assumed")
			}
			if diff := cmp.Diff(tc.parameters, assumed[0].Parameters); diff != "" {
				t.Errorf("unexpected parameters (-want +got):\n%s", diff)
			}
			if assumed[0].Caller != "" {
				t.Error("the request was signed")
			}
			wantCaller(t, fake, tc.caller)
			wantNoSecrets(t, []string{testWebIdentityToken}, nil, fake.Requests())
		})
	}
}

func TestConfigure_webIdentityRefused(t *testing.T) {
	t.Parallel()

	tokenFile := testFile(t, "token", testWebIdentityToken)
	cases := map[string]struct {
		block map[string]any
		want  string
	}{
		"token":                {want: "InvalidIdentityToken"},
		"token file":           {block: map[string]any{"web_identity_token": nil, "web_identity_token_file": tokenFile}, want: "InvalidIdentityToken"},
		"a missing token file": {block: map[string]any{"web_identity_token": nil, "web_identity_token_file": tokenFile + ".missing"}, want: tokenFile + ".missing"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, fakessm.WithWebIdentityToken("another"))
			diags := newTestServer(t, testArguments(url, withoutKeys, map[string]any{"assume_role_with_web_identity": testWebIdentity(tc.block)})).Configure()
			if len(diags) != 1 {
				t.Fatalf("want one diagnostic, got %+v", diags)
			}
			protocol.WantDiagnostic(t, protocol.Error("", "Cannot assume IAM Role with web identity", "arn:aws:iam::123456789012:role/Pod\n"+tc.want), diags)
			wantNoSecrets(t, []string{testWebIdentityToken}, diags, fake.Requests())
		})
	}
}

// A block without a token uses the file that the environment names.
func TestConfigure_envWebIdentity(t *testing.T) {
	tokenFile := testFile(t, "token", testWebIdentityToken)
	other := testFile(t, "token", "another")
	cases := map[string]struct {
		env     string
		block   map[string]any
		refused string // Lines of the error.
	}{
		"of the environment":                   {env: tokenFile, block: map[string]any{"web_identity_token": nil}},
		"of the environment, both empty":       {env: tokenFile, block: map[string]any{"web_identity_token": "", "web_identity_token_file": ""}},
		"the token beats the environment":      {env: other},
		"the file beats the environment":       {env: other, block: map[string]any{"web_identity_token": nil, "web_identity_token_file": tokenFile}},
		"refused":                              {env: other, block: map[string]any{"web_identity_token": nil}, refused: "arn:aws:iam::123456789012:role/Pod\nInvalidIdentityToken"},
		"of the environment, which is missing": {env: tokenFile + ".missing", block: map[string]any{"web_identity_token": nil}, refused: tokenFile + ".missing"},
	}
	for name, tc := range cases { //nolint:paralleltest // The environment is shared.
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": tc.env, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/Environment"})
			fake, url := testFake(t, fakessm.WithWebIdentityToken(testWebIdentityToken))
			s := newTestServer(t, testArguments(url, withoutKeys, map[string]any{"assume_role_with_web_identity": testWebIdentity(tc.block)}))
			protocol.WantNoDiagnostics(t, s.ValidateProvider())
			diags := s.Configure()
			wantNoSecrets(t, []string{testWebIdentityToken, "another"}, diags, fake.Requests())
			if tc.refused != "" {
				protocol.WantDiagnostic(t, protocol.Error("", "Cannot assume IAM Role with web identity", tc.refused), diags)

				return
			}
			protocol.WantNoDiagnostics(t, diags)
			testResume(t, s)
			wantCaller(t, fake, "arn:aws:sts::123456789012:assumed-role/Pod/test")
		})
	}
}

// The SDK needs AWS_ROLE_ARN with the file, although the block has the role.
func TestConfigure_envWebIdentityRoleMissing(t *testing.T) {
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", testFile(t, "token", testWebIdentityToken))
	_, url := testFake(t)
	s := newTestServer(t, testArguments(url, withoutKeys, map[string]any{"assume_role_with_web_identity": testWebIdentity(map[string]any{"web_identity_token": nil})}))
	protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "Also set AWS_ROLE_ARN\nrole ARN is not set"), s.Configure())
}

func TestConfigure_webIdentityMissing(t *testing.T) {
	t.Parallel()

	for name, block := range map[string]map[string]any{
		"unset": {"web_identity_token": nil},
		"empty": {"web_identity_token": "", "web_identity_token_file": ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			s := newTestServer(t, testArguments(url, withoutKeys, map[string]any{"assume_role_with_web_identity": testWebIdentity(block)}))
			protocol.WantNoDiagnostics(t, s.ValidateProvider())
			protocol.WantDiagnostic(t, protocol.Error("assume_role_with_web_identity[0]", "Missing Web Identity Token", "nor the environment has a token\nSet web_identity_token, web_identity_token_file or the AWS_WEB_IDENTITY_TOKEN_FILE environment variable"), s.Configure())
			if got := endpoint.Operations(fake); len(got) > 0 {
				t.Errorf("called: %v", got)
			}
		})
	}
}

// An empty string is the same as no argument, so the environment is used.
func TestConfigure_envEmptyArguments(t *testing.T) {
	fake, url := testFake(t)
	setEnvironment(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_RETRY_MODE": "adaptive"})
	keys := testRoleKeys(t, url)
	setEnvironment(t, map[string]string{
		"AWS_ACCESS_KEY_ID":     fmt.Sprint(keys["access_key"]),
		"AWS_SECRET_ACCESS_KEY": fmt.Sprint(keys["secret_key"]),
		"AWS_SESSION_TOKEN":     fmt.Sprint(keys["token"]),
	})
	fake.AddSessions(fakessm.Session{SessionID: testAway, Region: "eu-west-1", Status: "Disconnected"})
	fake.ResetRequests()

	empty := testArguments(url, withoutKeys, map[string]any{"region": "", "sts_region": "", "retry_mode": "", "token": ""})
	testResume(t, newConfiguredServer(t, empty))
	wantCaller(t, fake, "arn:aws:sts::123456789012:assumed-role/Temporary/test")
	for _, request := range fake.Requests() {
		if request.Region != "eu-west-1" {
			t.Errorf("%s was called in Region %s", request.Operation, request.Region)
		}
	}
	if mode := testAWSConfig(t, empty).RetryMode; mode != aws.RetryModeAdaptive {
		t.Errorf("the retry mode is %q", mode)
	}
}

// Accounts.

func TestConfigure_accountGuards(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		arguments map[string]any
		refused   string // The argument to blame.
	}{
		"allowed":                        {arguments: map[string]any{"allowed_account_ids": []any{"210987654321", testAccountID}}},
		"not allowed":                    {arguments: map[string]any{"allowed_account_ids": []any{"210987654321"}}, refused: "allowed_account_ids"},
		"forbidden":                      {arguments: map[string]any{"forbidden_account_ids": []any{"210987654321", testAccountID}}, refused: "forbidden_account_ids"},
		"not forbidden":                  {arguments: map[string]any{"forbidden_account_ids": []any{"210987654321"}}},
		"allowed, by the role's account": {arguments: map[string]any{"allowed_account_ids": []any{"999988887777"}, "assume_role": testForeignRole()}},
		"forbidden, by the role's account": {
			arguments: map[string]any{"forbidden_account_ids": []any{"999988887777"}, "assume_role": testForeignRole()}, refused: "forbidden_account_ids",
		},
		"allowed, although the account is not requested": {
			// The validation of the credentials tells it anyway.
			arguments: map[string]any{"allowed_account_ids": []any{"210987654321"}, "skip_requesting_account_id": true}, refused: "allowed_account_ids",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			s := newTestServer(t, testArguments(url, tc.arguments))
			protocol.WantNoDiagnostics(t, s.ValidateProvider())
			diags := s.Configure()
			if tc.refused == "" {
				protocol.WantNoDiagnostics(t, diags)
				testResume(t, s)

				return
			}

			account := testAccountID
			if tc.arguments["assume_role"] != nil {
				account = "999988887777"
			}
			protocol.WantDiagnostic(t, protocol.Error(tc.refused, "Account Not Allowed", "AWS account "+account+"\nUse credentials of another account, or change "+tc.refused), diags)
			_, diags = s.ReadDataSource("ssm_session_resume", map[string]any{"session_id": testAway})
			if !protocol.HasErrors(diags) {
				t.Error("a session was resumed all the same")
			}
			for _, request := range fake.Requests() {
				if request.Service != "sts" {
					t.Errorf("%s was called", request.Operation)
				}
			}
		})
	}
}

func testForeignRole() []any {
	return []any{map[string]any{"role_arn": "arn:aws:iam::999988887777:role/Operator", "session_name": "test"}}
}

func TestConfigure_accountGuardByIAM(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	iamURL, asked := testIAM(t)
	diags := newTestServer(t, testArguments("", map[string]any{
		"endpoints":                   []any{map[string]any{"ssm": url, "sts": url, "iam": iamURL}},
		"skip_credentials_validation": true,
		"allowed_account_ids":         []any{testAccountID},
	})).Configure()
	protocol.WantDiagnostic(t, protocol.Error("allowed_account_ids", "Account Not Allowed", "222233334444"), diags)
	if len(asked()) > 0 && strings.Contains(diags[0].Detail, "Nothing was called but STS.") {
		t.Errorf("IAM was called, but the error says: %s", diags[0].Detail)
	}
	if got := endpoint.Operations(fake); len(got) > 0 {
		t.Errorf("the endpoint saw %v", got)
	}
}

func TestConfigure_skip(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		arguments map[string]any
		configure []string // Operations that configuring calls.
		account   any      // What the identity of an import shows.
	}{
		"nothing":                     {configure: []string{"GetCallerIdentity"}, account: testAccountID},
		"skip_requesting_account_id":  {arguments: map[string]any{"skip_requesting_account_id": true}, configure: []string{"GetCallerIdentity"}, account: testAccountID},
		"skip_credentials_validation": {arguments: map[string]any{"skip_credentials_validation": true}, configure: []string{"GetUser", "GetCallerIdentity"}, account: testAccountID},
		"both":                        {arguments: offlineArguments, configure: nil, account: nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			s := newConfiguredServer(t, testArguments("", map[string]any{
				// This endpoint does not know IAM, so that STS has to tell the account.
				"endpoints": []any{map[string]any{"ssm": url, "sts": url, "iam": url}},
			}, tc.arguments))
			if diff := cmp.Diff(tc.configure, endpoint.Operations(fake)); diff != "" {
				t.Errorf("unexpected requests (-want +got):\n%s", diff)
			}
			imported, diags := s.Import("ssm_session_termination", testEnded, nil)
			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(tc.account, imported.Identity["account_id"]); diff != "" {
				t.Errorf("unexpected account (-want +got):\n%s", diff)
			}
		})
	}
}

// Without validation, the first call reports the wrong secret.
func TestConfigure_skipCredentialsValidationWrongSecret(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	const wrong = "wrong/wrong/wrong/wrong/wrong/wrong/wrong"
	s := newConfiguredServer(t, testArguments(url, offlineArguments, map[string]any{"secret_key": wrong}))
	_, diags := s.ReadDataSource("ssm_session_resume", map[string]any{"session_id": testAway})
	protocol.WantDiagnostic(t, protocol.Error("session_id", summaryResume, "did not accept the credentials\nRenew the credentials"), diags)
	wantNoSecrets(t, []string{wrong}, diags, fake.Requests())
}

// User agent.

func TestConfigure_userAgent(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	testResume(t, newConfiguredServer(t, testArguments(url, map[string]any{
		"user_agent": []any{"oncall-bot/1.2.3 (nightly)", "plain"},
	})))
	for _, request := range fake.Requests() {
		if want := "APN/1.0 SessionOps/1.0 Terraform/1.11.4 (+https://www.terraform.io) terraform-provider-ssm/test (+https://registry.terraform.io/providers/sessionops/ssm) "; !strings.HasPrefix(request.UserAgent, want) {
			t.Errorf("the user agent of %s does not begin with %q:\n%s", request.Operation, want, request.UserAgent)
		}
		if want := regexp.MustCompile(` aws-sdk-go-v2/.* oncall-bot/1\.2\.3 \(nightly\) plain`); !want.MatchString(request.UserAgent) {
			t.Errorf("the user agent of %s does not match %q:\n%s", request.Operation, want, request.UserAgent)
		}
	}
	if len(fake.Requests()) != 2 {
		t.Errorf("the endpoint saw %v", endpoint.Operations(fake))
	}
}

func TestConfigure_envUserAgent(t *testing.T) {
	t.Setenv("TF_APPEND_USER_AGENT", "from-the-environment/1")
	fake, url := testFake(t)
	testResume(t, newConfiguredServer(t, testArguments(url)))
	for _, request := range fake.Requests() {
		if !strings.HasSuffix(request.UserAgent, " from-the-environment/1") {
			t.Errorf("the user agent of %s is %s", request.Operation, request.UserAgent)
		}
	}
}

// Values that are not known yet.

// With any unknown argument the provider makes no call, even if the environment would
// allow it, and the error names the argument.
func TestConfigure_envUnknown(t *testing.T) {
	fake, url := testFake(t)
	testKeysEnv(t)
	setEnvironment(t, map[string]string{"AWS_ENDPOINT_URL": url, "AWS_REGION": testRegion})

	settled, diags := newConfiguredServer(t, testArguments(url)).Import("ssm_session_termination", testEnded, nil)
	protocol.WantNoDiagnostics(t, diags)

	type unknown struct {
		argument string // The one to be named.
		change   map[string]any
	}
	cases := map[string]unknown{
		"an account":        {"allowed_account_ids", map[string]any{"allowed_account_ids": []any{testAccountID, protocol.Unknown}}},
		"a file":            {"shared_config_files", map[string]any{"shared_config_files": []any{protocol.Unknown}}},
		"a policy":          {"assume_role", map[string]any{"assume_role": []any{map[string]any{"role_arn": testRoleARN, "policy_arns": []any{protocol.Unknown}}}}},
		"a tag":             {"assume_role", map[string]any{"assume_role": []any{map[string]any{"role_arn": testRoleARN, "tags": map[string]any{"team": protocol.Unknown}}}}},
		"the second role":   {"assume_role", map[string]any{"assume_role": append(testRole(), map[string]any{"role_arn": protocol.Unknown})}},
		"a block as such":   {"assume_role", map[string]any{"assume_role": []any{protocol.Unknown}}},
		"all keys":          {"access_key", map[string]any{"access_key": protocol.Unknown, "secret_key": protocol.Unknown, "token": protocol.Unknown}},
		"the first of many": {"profile", map[string]any{"profile": protocol.Unknown, "region": protocol.Unknown, "user_agent": protocol.Unknown}},
	}
	block := newTestServer(t, nil).Schemas.Provider.Block
	for _, attribute := range block.Attributes {
		cases[attribute.Name] = unknown{attribute.Name, map[string]any{attribute.Name: protocol.Unknown}}
	}
	for _, nested := range block.BlockTypes {
		cases["the number of "+nested.TypeName] = unknown{nested.TypeName, map[string]any{nested.TypeName: protocol.Unknown}}
		for _, attribute := range nested.Block.Attributes {
			given := map[string]any{}
			if nested.TypeName != "endpoints" {
				given["role_arn"] = testRoleARN
			}
			change := map[string]any{nested.TypeName: []any{given}}
			if nested.TypeName == "assume_role_with_web_identity" {
				maps.Copy(change, withoutKeys)
				if attribute.Name != "web_identity_token_file" {
					given["web_identity_token"] = testWebIdentityToken
				}
			}
			given[attribute.Name] = protocol.Unknown
			cases[nested.TypeName+"."+attribute.Name] = unknown{nested.TypeName, change}
		}
	}

	for name, tc := range cases { //nolint:paralleltest // The environment is shared.
		t.Run(name, func(t *testing.T) {
			fake.ResetRequests()
			s := newConfiguredServer(t, testArguments(url, tc.change))
			wantUnready(t, s, tc.argument, settled)
			if got := endpoint.Operations(fake); len(got) > 0 {
				t.Errorf("called: %v", got)
			}
		})
	}
}

// wantUnready checks every object of a provider that lacks an argument.
func wantUnready(t *testing.T, s *protocol.Server, argument string, settled *protocol.State) {
	t.Helper()

	lacking := "The provider argument \"" + argument + "\" has a value that is not known yet\n" +
		"Give the argument a value that is known when planning, or first apply what it depends on"
	for name, call := range diagnosticsOfEveryObject(s, nil) {
		diags := call()
		if len(diags) != 1 {
			t.Fatalf("%s: want one diagnostic, got %+v", name, diags)
		}
		protocol.WantDiagnostic(t, protocol.Error("", diags[0].Summary, lacking), diags)
	}
	_, diags := s.Import("ssm_session_termination", testEnded, nil)
	protocol.WantDiagnostic(t, protocol.Error("", summaryImport, lacking), diags)

	// Work without calls succeeds, and the Region stays unknown.
	config := map[string]any{"session_id": testAway}
	result, diags := s.OpenEphemeral("ssm_session_resume", withArgument(config, "enabled", false))
	protocol.WantNoDiagnostics(t, diags)
	if diff := cmp.Diff(map[string]any{"session_id": testAway, "enabled": false, "region": nil, "stream_url": nil, "token_value": nil}, result); diff != "" {
		t.Errorf("unexpected ephemeral (-want +got):\n%s", diff)
	}
	plan, diags := s.PlanCreate("ssm_session_termination", config)
	protocol.WantNoDiagnostics(t, diags)
	for _, attribute := range []string{"region", "owner", "target", "start_date", "outcome"} {
		if got := plan.Values[attribute]; got != protocol.Unknown {
			t.Errorf("%s is planned as %v, want unknown", attribute, got)
		}
	}
	plan, diags = s.PlanCreate("ssm_session_termination", withArgument(config, "region", "eu-west-1"))
	protocol.WantNoDiagnostics(t, diags)
	if diff := cmp.Diff([]any{"eu-west-1", protocol.Unknown}, []any{plan.Values["region"], plan.Values["owner"]}); diff != "" {
		t.Errorf("unexpected plan (-want +got):\n%s", diff)
	}

	// State stays as it is.
	refreshed, diags := s.Read(settled)
	protocol.WantNoDiagnostics(t, diags)
	if diff := cmp.Diff(settled.Values, refreshed.Values); diff != "" {
		t.Errorf("the refresh changed something (-want +got):\n%s", diff)
	}
	plan, diags = s.Plan(settled, map[string]any{"session_id": testEnded})
	protocol.WantNoDiagnostics(t, diags)
	if diff := cmp.Diff(settled.Values, plan.Values); diff != "" {
		t.Errorf("the plan changes something (-want +got):\n%s", diff)
	}
	_, diags = s.Destroy(settled)
	protocol.WantNoDiagnostics(t, diags)
}

// With a real Terraform.

// testNoCalls is a plan check that fails if the plan made a call.
type testNoCalls struct{ fake *fakessm.Server }

func (c testNoCalls) CheckPlan(_ context.Context, _ plancheck.CheckPlanRequest, resp *plancheck.CheckPlanResponse) {
	if got := endpoint.Operations(c.fake); len(got) > 0 {
		resp.Error = fmt.Errorf("the plan called %v", got)
	}
}

// testLaterConfig returns a provider block whose access_key is the output of a resource,
// and so unknown until that exists. More arguments can be added.
func testLaterConfig(url, more string) string {
	return fmt.Sprintf(`
resource "terraform_data" "later" {
  input = {
    access_key = %[2]q
    roles      = toset(["arn:aws:iam::123456789012:role/Operator"])
  }
}

provider "ssm" {
  region     = %[3]q
  access_key = terraform_data.later.output.access_key
  secret_key = %[4]q
  %[5]s
  endpoints {
    ssm = %[1]q
    sts = %[1]q
  }
}
`, url, fakessm.DefaultAccessKeyID, testRegion, fakessm.DefaultSecretAccessKey, more)
}

func TestConfigure_terraformUnknown(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		more   string
		caller string
	}{
		"a key": {caller: testUserARN},
		"the number of roles": {
			more: `
  dynamic "assume_role" {
    for_each = terraform_data.later.output.roles
    content {
      role_arn     = assume_role.value
      session_name = "test"
    }
  }`,
			caller: testRoleSessionARN,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			const at = "ssm_session_termination.test"
			fake, url := testFake(t)
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{{
					Config: testLaterConfig(url, tc.more) + fmt.Sprintf("resource \"ssm_session_termination\" \"test\" {\n  session_id = %q\n}\n", testLive),
					ConfigPlanChecks: resource.ConfigPlanChecks{
						PreApply: []plancheck.PlanCheck{
							testNoCalls{fake},
							plancheck.ExpectUnknownValue(at, tfjsonpath.New("region")),
							plancheck.ExpectUnknownValue(at, tfjsonpath.New("owner")),
							plancheck.ExpectUnknownValue(at, tfjsonpath.New("target")),
						},
						PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
					},
					ConfigStateChecks: []statecheck.StateCheck{
						statecheck.ExpectKnownValue(at, tfjsonpath.New("region"), knownvalue.StringExact(testRegion)),
						statecheck.ExpectKnownValue(at, tfjsonpath.New("owner"), knownvalue.StringExact(testOwner)),
						statecheck.ExpectKnownValue(at, tfjsonpath.New("outcome"), knownvalue.StringExact("terminated")),
					},
				}},
			})
			ended := endpoint.Requests(fake, "TerminateSession")
			if len(ended) != 1 || ended[0].Caller != tc.caller {
				t.Errorf("the session was ended by %+v, want one request of %s", ended, tc.caller)
			}
		})
	}
}

func TestConfigure_terraformUnknownRead(t *testing.T) {
	t.Parallel()

	for name, object := range map[string]string{
		"data source": `data "ssm_session_resume" "test"`,
		"ephemeral":   `ephemeral "ssm_session_resume" "test"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "ephemeral" {
				cli.Needs(t, cli.Ephemerals)
			}

			fake, url := testFake(t)
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactories,
				Steps: []resource.TestStep{{
					Config:      testLaterConfig(url, "") + fmt.Sprintf("%s {\n  session_id = %q\n}\n", object, testAway),
					ExpectError: regexp.MustCompile(`(?s)Unable to Resume Session.*"access_key"\s+has\s+a\s+value\s+that\s+is\s+not\s+known\s+yet`),
				}},
			})
			if got := endpoint.Operations(fake); len(got) > 0 {
				t.Errorf("called: %v", got)
			}
		})
	}
}

// A block with all arguments that can be combined, as for provider "aws".
func TestConfigure_terraformFullBlock(t *testing.T) {
	t.Parallel()

	fake, server, certificate := testTLSFake(t)
	proxy := newTestProxy(t, server.URL)
	configFile := testFile(t, "config", "[profile ops]\nregion = eu-west-1\n")
	config := fmt.Sprintf(`
provider "ssm" {
  access_key                         = %[1]q
  allowed_account_ids                = ["999988887777"]
  custom_ca_bundle                   = %[3]q
  ec2_metadata_service_endpoint      = "http://127.0.0.1:1"
  ec2_metadata_service_endpoint_mode = "IPv4"
  http_proxy                         = %[4]q
  https_proxy                        = %[4]q
  insecure                           = false
  max_retries                        = 5
  no_proxy                           = "localhost,169.254.169.254"
  profile                            = "ops"
  region                             = "us-east-1"
  retry_mode                         = "adaptive"
  secret_key                         = %[2]q
  shared_config_files                = [%[5]q]
  shared_credentials_files           = [%[6]q]
  skip_credentials_validation        = false
  skip_metadata_api_check            = true
  skip_region_validation             = false
  skip_requesting_account_id         = false
  sts_region                         = "us-west-2"
  token_bucket_rate_limiter_capacity = 500
  use_dualstack_endpoint             = true
  use_fips_endpoint                  = true
  user_agent                         = ["oncall-bot/1.2.3 (nightly)"]

  assume_role {
    duration            = "1h"
    external_id         = "external"
    policy              = jsonencode({ Version = "2012-10-17" })
    policy_arns         = ["arn:aws:iam::aws:policy/AmazonSSMReadOnlyAccess"]
    role_arn            = "arn:aws:iam::123456789012:role/Gate"
    session_name        = "first"
    source_identity     = "Mary"
    tags                = { team = "platform" }
    transitive_tag_keys = ["team"]
  }
  assume_role {
    role_arn     = "arn:aws:iam::999988887777:role/Operator"
    session_name = "second"
  }

  endpoints {
    iam = "https://example.com"
    ssm = "https://example.com"
    sso = "https://example.com"
    sts = "https://example.com"
  }
}

resource "ssm_session_termination" "test" {
  session_id = %[7]q
}
`, fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, certificate, proxy.withPassword(), configFile, testCredentialsFile(t, "ops"), testLive)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{{
			Config:            config,
			ConfigStateChecks: []statecheck.StateCheck{statecheck.ExpectKnownValue("ssm_session_termination.test", tfjsonpath.New("outcome"), knownvalue.StringExact("terminated"))},
		}},
	})

	endpoint.WantStatus(t, fake, testLive, "Terminated")
	if diff := cmp.Diff([]string{"CONNECT example.com:443"}, proxy.asked()); diff != "" {
		t.Errorf("unexpected requests to the proxy (-want +got):\n%s", diff)
	}
	for _, request := range fake.Requests() {
		want := map[string]string{"ssm": "us-east-1", "sts": "us-west-2"}[request.Service]
		if request.Region != want || !strings.Contains(request.UserAgent, "oncall-bot/1.2.3 (nightly)") || !strings.Contains(request.UserAgent, " Terraform/1.") {
			t.Errorf("unexpected Region or user agent: %+v", request)
		}
		if request.Service == "ssm" && request.Caller != "arn:aws:sts::999988887777:assumed-role/Operator/second" {
			t.Errorf("%s was called by %s", request.Operation, request.Caller)
		}
	}
}

func TestProvider_prepare(t *testing.T) {
	t.Parallel()

	prepared := 0
	s := newServerOf(t, New("test", func() { prepared++ }, nil)(), testArguments("", offlineArguments))
	protocol.WantNoDiagnostics(t, s.ValidateProvider())
	if prepared != 0 {
		t.Error("a provider that is only asked for its schema was prepared for work")
	}
	protocol.WantNoDiagnostics(t, s.Configure())
	if prepared != 1 {
		t.Errorf("a provider that was configured was prepared for work %d times", prepared)
	}
}
