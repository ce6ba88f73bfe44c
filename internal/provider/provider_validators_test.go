// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// The arguments are those of provider "aws" that make sense for sessions.
func TestProvider_arguments(t *testing.T) {
	t.Parallel()

	block := newTestServer(t, nil).Schemas.Provider.Block
	var attributes, sensitive []string
	for _, attribute := range block.Attributes {
		attributes = append(attributes, attribute.Name)
		if attribute.Sensitive {
			sensitive = append(sensitive, attribute.Name)
		}
		if !attribute.Optional {
			t.Errorf("%s is not optional", attribute.Name)
		}
	}
	blocks := map[string][]string{}
	for _, nested := range block.BlockTypes {
		if nested.Nesting == tfprotov6.SchemaNestedBlockNestingModeSet {
			t.Errorf("%s is a set, the elements of which the framework logs by their values", nested.TypeName)
		}
		for _, attribute := range nested.Block.Attributes {
			blocks[nested.TypeName] = append(blocks[nested.TypeName], attribute.Name)
			if attribute.Sensitive {
				sensitive = append(sensitive, nested.TypeName+"."+attribute.Name)
			}
			if !attribute.Optional {
				t.Errorf("%s.%s is not optional", nested.TypeName, attribute.Name)
			}
		}
	}

	for _, each := range []struct {
		what string
		want any
		got  any
	}{
		{"attributes", []string{
			"access_key", "allowed_account_ids", "custom_ca_bundle", "ec2_metadata_service_endpoint", "ec2_metadata_service_endpoint_mode",
			"forbidden_account_ids", "http_proxy", "https_proxy", "insecure", "max_requests_per_second", "max_retries", "no_proxy", "profile", "region", "retry_mode", "secret_key",
			"shared_config_files", "shared_credentials_files", "skip_credentials_validation", "skip_metadata_api_check", "skip_region_validation",
			"skip_requesting_account_id", "sts_region", "token", "token_bucket_rate_limiter_capacity", "use_dualstack_endpoint", "use_fips_endpoint", "user_agent",
		}, attributes},
		{"blocks", map[string][]string{
			"assume_role":                   {"duration", "external_id", "policy", "policy_arns", "role_arn", "session_name", "source_identity", "tags", "transitive_tag_keys"},
			"assume_role_with_web_identity": {"duration", "policy", "policy_arns", "role_arn", "session_name", "web_identity_token", "web_identity_token_file"},
			"endpoints":                     {"iam", "ssm", "ssmmessages", "sso", "sts"},
		}, blocks},
		{"sensitive arguments", []string{"secret_key", "token", "assume_role_with_web_identity.web_identity_token"}, sensitive},
	} {
		if diff := cmp.Diff(each.want, each.got); diff != "" {
			t.Errorf("unexpected %s (-want +got):\n%s", each.what, diff)
		}
	}
}

func TestProvider_validate(t *testing.T) {
	t.Parallel()

	role := func(arguments map[string]any) map[string]any {
		block := map[string]any{"role_arn": testRoleARN}
		maps.Copy(block, arguments)

		return map[string]any{"assume_role": []any{block}}
	}
	webIdentity := func(arguments map[string]any) map[string]any {
		return map[string]any{"assume_role_with_web_identity": testWebIdentity(arguments)}
	}
	endpoint := func(name, value string) map[string]any {
		return map[string]any{"endpoints": []any{map[string]any{name: value}}}
	}

	type want struct {
		attribute, summary string
		detail             string // Lines that the detail must hold.
	}
	cases := map[string]struct {
		arguments map[string]any
		want      want
	}{
		// Contradictions.
		"access key without secret key": {
			arguments: map[string]any{"access_key": "AKIAIOSFODNN7EXAMPLE"},
			want:      want{"access_key", "Invalid Attribute Combination", `"secret_key" must be specified when "access_key" is specified`},
		},
		"secret key without access key": {
			arguments: map[string]any{"secret_key": "of-a-test"},
			want:      want{"secret_key", "Invalid Attribute Combination", `"access_key" must be specified when "secret_key" is specified`},
		},
		"token without secret key": {
			arguments: map[string]any{"access_key": "AKIAIOSFODNN7EXAMPLE", "token": "of-a-test"},
			want:      want{"access_key", "Invalid Attribute Combination", `"secret_key" must be specified`},
		},
		"access key with web identity": {
			arguments: withArgument(withArgument(webIdentity(nil), "access_key", "AKIAIOSFODNN7EXAMPLE"), "secret_key", "of-a-test"),
			want:      want{"access_key", "Invalid Attribute Combination", `"assume_role_with_web_identity" cannot be specified when "access_key" is specified`},
		},
		"allowed and forbidden accounts": {
			arguments: map[string]any{"allowed_account_ids": []any{testAccountID}, "forbidden_account_ids": []any{"210987654321"}},
			want:      want{"allowed_account_ids", "Invalid Attribute Combination", `"forbidden_account_ids" cannot be specified when "allowed_account_ids" is specified`},
		},
		"allowed accounts, and no way to know the account": {
			arguments: withArgument(offlineArguments, "allowed_account_ids", []any{testAccountID}),
			want: want{"allowed_account_ids", "Contradicting Provider Arguments",
				"allowed_account_ids cannot be checked\nskip_credentials_validation and skip_requesting_account_id\nRemove one of the three."},
		},
		"forbidden accounts, and no way to know the account": {
			arguments: withArgument(offlineArguments, "forbidden_account_ids", []any{testAccountID}),
			want: want{"forbidden_account_ids", "Contradicting Provider Arguments",
				"forbidden_account_ids cannot be checked\nskip_credentials_validation and skip_requesting_account_id\nRemove one of the three."},
		},
		"two web identity tokens": {
			arguments: webIdentity(map[string]any{"web_identity_token_file": "/run/token"}),
			want:      want{"assume_role_with_web_identity[0].web_identity_token", "Invalid Attribute Combination", "web_identity_token_file"},
		},
		"two web identities": {
			arguments: map[string]any{"assume_role_with_web_identity": append(testWebIdentity(nil), testWebIdentity(nil)...)},
			want:      want{"assume_role_with_web_identity", "Invalid Attribute Value", "at most 1"},
		},
		"two endpoints blocks": {
			arguments: map[string]any{"endpoints": []any{map[string]any{"ssm": "http://localhost"}, map[string]any{"sts": "http://localhost"}}},
			want:      want{"endpoints", "Invalid Attribute Value", "at most 1"},
		},

		// Region.
		"unknown Region": {
			arguments: map[string]any{"region": "eu-centrall-1"},
			want:      want{"region", "Invalid AWS Region", "\"eu-centrall-1\" is not an AWS Region\nskip_region_validation = true"},
		},
		"unknown Region beside an argument that is not known yet": {
			arguments: map[string]any{"region": "eu-centrall-1", "profile": protocol.Unknown},
			want:      want{"region", "Invalid AWS Region", "\"eu-centrall-1\" is not an AWS Region\nskip_region_validation = true"},
		},
		"unknown Region for STS": {
			arguments: map[string]any{"sts_region": "eu-centrall-1"},
			want:      want{"sts_region", "Invalid AWS Region", "\"eu-centrall-1\" is not an AWS Region\nskip_region_validation = true"},
		},

		// Roles.
		"name instead of a role ARN": {
			arguments: role(map[string]any{"role_arn": "Operator"}),
			want:      want{"assume_role[0].role_arn", "Invalid Role ARN", "\"Operator\" is not the ARN of an IAM role\narn:aws:iam::123456789012:role/Operator"},
		},
		"ARN of a user": {
			arguments: role(map[string]any{"role_arn": "arn:aws:iam::123456789012:user/Operator"}),
			want:      want{"assume_role[0].role_arn", "Invalid Role ARN", "user/Operator\" is not the ARN of an IAM role\narn:aws:iam::123456789012:role/Operator"},
		},
		"ARN of another service's role": {
			arguments: role(map[string]any{"role_arn": "arn:aws:rds::123456789012:role/Operator"}),
			want:      want{"assume_role[0].role_arn", "Invalid Role ARN", "arn:aws:rds::123456789012:role/Operator\" is not the ARN of an IAM role\narn:aws:iam::123456789012:role/Operator"},
		},
		"ARN of a role without a name": {
			arguments: role(map[string]any{"role_arn": "arn:aws:iam::123456789012:role/"}),
			want:      want{"assume_role[0].role_arn", "Invalid Role ARN", "arn:aws:iam::123456789012:role/\" is not the ARN of an IAM role\narn:aws:iam::123456789012:role/Operator"},
		},
		"ARN of a role session": {
			arguments: role(map[string]any{"role_arn": "arn:aws:sts::123456789012:assumed-role/Operator/me"}),
			want:      want{"assume_role[0].role_arn", "Invalid Role ARN", "assumed-role/Operator/me\" is not the ARN of an IAM role\narn:aws:iam::123456789012:role/Operator"},
		},
		"name instead of a web identity's role ARN": {
			arguments: webIdentity(map[string]any{"role_arn": "Pod"}),
			want:      want{"assume_role_with_web_identity[0].role_arn", "Invalid Role ARN", "\"Pod\" is not the ARN of an IAM role\narn:aws:iam::123456789012:role/Operator"},
		},
		"malformed duration": {
			arguments: role(map[string]any{"duration": "1 hour"}),
			want:      want{"assume_role[0].duration", "Invalid Duration", "\"1 hour\" is not a duration\n\"8h\""},
		},
		"duration without a unit": {
			arguments: role(map[string]any{"duration": "3600"}),
			want:      want{"assume_role[0].duration", "Invalid Duration", "\"3600\" is not a duration\n\"8h\""},
		},
		"duration below what STS grants": {
			arguments: role(map[string]any{"duration": "14m59s"}),
			want:      want{"assume_role[0].duration", "Invalid Duration", "\"14m59s\" is not between 15 minutes and 12 hours\nsuch as \"1h\""},
		},
		"duration above what STS grants": {
			arguments: role(map[string]any{"duration": "12h0m1s"}),
			want:      want{"assume_role[0].duration", "Invalid Duration", "\"12h0m1s\" is not between 15 minutes and 12 hours\nsuch as \"1h\""},
		},
		"duration of a web identity above what STS grants": {
			arguments: webIdentity(map[string]any{"duration": "13h"}),
			want:      want{"assume_role_with_web_identity[0].duration", "Invalid Duration", "\"13h\" is not between 15 minutes and 12 hours\nsuch as \"1h\""},
		},
		"role session name of one character": {
			arguments: role(map[string]any{"session_name": "x"}),
			want:      want{"assume_role[0].session_name", "Invalid Attribute Value Length", "between 2 and 64"},
		},

		// Endpoints and proxies.
		"endpoint without scheme": {
			arguments: endpoint("ssm", "localhost:8080"),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "it has no scheme\nscheme and host, for example"},
		},
		"endpoint with another scheme": {
			arguments: endpoint("sts", "ftp://localhost"),
			want:      want{"endpoints[0].sts", "Invalid Endpoint", "its scheme is none of http, https\nscheme and host, for example"},
		},
		"endpoint without host": {
			arguments: endpoint("iam", "https:///path"),
			want:      want{"endpoints[0].iam", "Invalid Endpoint", "it names no host\nscheme and host, for example"},
		},
		"endpoint with a bad port": {
			arguments: endpoint("sso", "https://localhost:port"),
			want:      want{"endpoints[0].sso", "Invalid Endpoint", "its port is not a number\nscheme and host, for example"},
		},
		"endpoint with a port that is too high": {
			arguments: endpoint("sso", "https://localhost:65536"),
			want:      want{"endpoints[0].sso", "Invalid Endpoint", "its port is not a number\nscheme and host, for example"},
		},
		"endpoint with a line break": {
			arguments: endpoint("ssm", "https://localhost\n"),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "it holds white space or a line break"},
		},
		"endpoint with a password and without scheme": {
			arguments: endpoint("ssm", "ops:"+testProxyPassword+"@localhost"),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "it has no scheme. It is not shown, since it may hold a password.\nscheme and host, for example"},
		},
		"endpoint with a # in its password": {
			arguments: endpoint("ssm", "https://ops:12#"+testProxyPassword+"@localhost"),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "it holds a \"#\"\n%23"},
		},
		"endpoint with a slash in its password": {
			arguments: endpoint("ssm", "https://ops:12/"+testProxyPassword+"@localhost"),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "an \"@\" after its host\n%2F"},
		},
		"endpoint with a question mark in its password": {
			arguments: endpoint("ssm", "https://ops:12?"+testProxyPassword+"@localhost"),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "an \"@\" after its host\n%3F"},
		},
		"endpoint with a % in its password": {
			arguments: endpoint("ssm", "https://ops:%zz"+testProxyPassword+"@localhost"),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "it holds a \"%\"\n%25"},
		},
		"endpoint with half a password": {
			arguments: endpoint("ssm", "https://ops:"+testProxyPassword),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "its port is not a number"},
		},
		"endpoint with half a password before a slash": {
			arguments: endpoint("ssm", "https://ops:"+testProxyPassword+"/x@localhost"),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "its port is not a number, perhaps because a password is not escaped\n%2F"},
		},
		"user agent with a line break": {
			arguments: map[string]any{"user_agent": []any{"pipeline/1.0", "a\nb"}},
			want:      want{"user_agent[1]", "Invalid User Agent", "\"a\\nb\" holds a line break"},
		},
		"user agent with an accent": {
			arguments: map[string]any{"user_agent": []any{"café"}},
			want:      want{"user_agent[0]", "Invalid User Agent", "another character that a header cannot have"},
		},
		"endpoint that cannot be parsed": {
			arguments: endpoint("ssm", "https://["+testProxyPassword),
			want:      want{"endpoints[0].ssm", "Invalid Endpoint", "it cannot be parsed"},
		},
		"metadata endpoint without scheme": {
			arguments: map[string]any{"ec2_metadata_service_endpoint": "169.254.169.254"},
			want:      want{"ec2_metadata_service_endpoint", "Invalid Endpoint", "it has no scheme\nscheme and host, for example"},
		},
		"channel endpoint without scheme": {
			arguments: endpoint("ssmmessages", "localhost:8080"),
			want:      want{"endpoints[0].ssmmessages", "Invalid Endpoint", "it has no scheme\nwss://ssmmessages"},
		},
		"channel endpoint with a password": {
			arguments: endpoint("ssmmessages", "wss://ops:"+testProxyPassword+"@localhost"),
			want:      want{"endpoints[0].ssmmessages", "Invalid Endpoint", "it holds a user name\nwss://ssmmessages"},
		},
		"channel endpoint with a path": {
			arguments: endpoint("ssmmessages", "wss://localhost/v1"),
			want:      want{"endpoints[0].ssmmessages", "Invalid Endpoint", "it has a path or a query\nwss://ssmmessages"},
		},
		"channel endpoint with a query": {
			arguments: endpoint("ssmmessages", "wss://localhost?role=x"),
			want:      want{"endpoints[0].ssmmessages", "Invalid Endpoint", "it has a path or a query\nwss://ssmmessages"},
		},
		"channel endpoint elsewhere, in the clear": {
			arguments: endpoint("ssmmessages", "ws://channels.example.com"),
			want:      want{"endpoints[0].ssmmessages", "Invalid Endpoint", "it is not encrypted\nwss://ssmmessages"},
		},
		"channel endpoint elsewhere, in the clear, as HTTP": {
			arguments: endpoint("ssmmessages", "http://10.0.0.1:8080"),
			want:      want{"endpoints[0].ssmmessages", "Invalid Endpoint", "it is not encrypted\nwss://ssmmessages"},
		},
		"metadata endpoint mode": {
			arguments: map[string]any{"ec2_metadata_service_endpoint_mode": "v6"},
			want:      want{"ec2_metadata_service_endpoint_mode", "Invalid Attribute Value Match", `"IPv4" "IPv6"`},
		},
		"HTTP proxy without scheme": {
			arguments: map[string]any{"http_proxy": "ops:" + testProxyPassword + "@proxy:3128"},
			want:      want{"http_proxy", "Invalid Proxy", "not the URL of a proxy\nscheme and host, for example"},
		},
		"HTTPS proxy that cannot be parsed": {
			arguments: map[string]any{"https_proxy": "http://ops:" + testProxyPassword + "%zz@proxy:3128"},
			want:      want{"https_proxy", "Invalid Proxy", "not the URL of a proxy\nscheme and host, for example"},
		},
		"HTTPS proxy with another scheme": {
			arguments: map[string]any{"https_proxy": "ftp://ops:" + testProxyPassword + "@proxy"},
			want:      want{"https_proxy", "Invalid Proxy", "not the URL of a proxy\nscheme and host, for example"},
		},

		// The rest.
		"malformed account ID": {
			arguments: map[string]any{"allowed_account_ids": []any{"1234-5678-9012"}},
			want:      want{"allowed_account_ids[...]", "Invalid Attribute Value Match", "must be an AWS account ID of 12 digits, got: 1234-5678-9012"},
		},
		"malformed account ID among the forbidden": {
			arguments: map[string]any{"forbidden_account_ids": []any{testAccountID, "12345678901"}},
			want:      want{"forbidden_account_ids[...]", "Invalid Attribute Value Match", "must be an AWS account ID of 12 digits, got: 12345678901"},
		},
		"pace of zero": {
			arguments: map[string]any{"max_requests_per_second": 0},
			want:      want{"max_requests_per_second", "Invalid Attribute Value", "between 0.01"},
		},
		"negative retries": {
			arguments: map[string]any{"max_retries": -1},
			want:      want{"max_retries", "Invalid Attribute Value", "between 0 and 1000"},
		},
		"retry mode": {
			arguments: map[string]any{"retry_mode": "eager"},
			want:      want{"retry_mode", "Invalid Attribute Value Match", `"standard" "adaptive"`},
		},
		"negative capacity": {
			arguments: map[string]any{"token_bucket_rate_limiter_capacity": -1},
			want:      want{"token_bucket_rate_limiter_capacity", "Invalid Attribute Value", "at least 0"},
		},
		"metadata check that is neither true nor false": {
			arguments: map[string]any{"skip_metadata_api_check": "yes"},
			want:      want{"skip_metadata_api_check", "Invalid Attribute Value Match", `"true" "false"`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			diags := newTestServer(t, tc.arguments).ValidateProvider()
			// Both arguments of a contradiction may be reported. One with the attribute
			// is enough.
			blamed := slices.IndexFunc(diags, func(d protocol.Diagnostic) bool { return d.Attribute == tc.want.attribute })
			if blamed < 0 {
				t.Fatalf("want an error about %s, got %+v", tc.want.attribute, diags)
			}
			protocol.WantDiagnostic(t, protocol.Error(tc.want.attribute, tc.want.summary, tc.want.detail), diags[blamed:blamed+1])
			for _, d := range diags {
				if d.Attribute == "" {
					t.Errorf("an error names no attribute: %+v", d)
				}
			}
			wantNoSecrets(t, []string{testProxyPassword, testWebIdentityToken, "of-a-test"}, diags)
		})
	}
}

func TestProvider_validateAccepts(t *testing.T) {
	t.Parallel()

	block := newTestServer(t, nil).Schemas.Provider.Block
	cases := map[string]map[string]any{
		"nothing":                    {},
		"keys":                       {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "of-a-test"},
		"temporary keys":             {"access_key": "ASIAIOSFODNN7EXAMPLE", "secret_key": "of-a-test", "token": "of-a-test"},
		"allowed accounts":           {"allowed_account_ids": []any{testAccountID, "000000000001"}},
		"allowed, one skip":          {"allowed_account_ids": []any{testAccountID}, "skip_requesting_account_id": true},
		"allowed, the other skip":    {"allowed_account_ids": []any{testAccountID}, "skip_credentials_validation": true},
		"skips without guard":        offlineArguments,
		"role with path":             {"assume_role": []any{map[string]any{"role_arn": "arn:aws-us-gov:iam::123456789012:role/a/b/Operator"}}},
		"role without ARN":           {"assume_role": []any{map[string]any{"session_name": "test"}}},
		"role with an empty ARN":     {"assume_role": []any{map[string]any{"role_arn": ""}}},
		"web identity without ARN":   {"assume_role_with_web_identity": testWebIdentity(map[string]any{"role_arn": nil})},
		"shortest role session":      {"assume_role": []any{map[string]any{"role_arn": testRoleARN, "duration": "15m"}}},
		"longest role session":       {"assume_role": []any{map[string]any{"role_arn": testRoleARN, "duration": "12h"}}},
		"web identity in a file":     {"assume_role_with_web_identity": testWebIdentity(map[string]any{"web_identity_token": nil, "web_identity_token_file": "/run/token"})},
		"web identity by variables":  {"assume_role_with_web_identity": testWebIdentity(map[string]any{"web_identity_token": nil})},
		"empty web identity file":    {"assume_role_with_web_identity": testWebIdentity(map[string]any{"web_identity_token_file": ""})},
		"empty web identity token":   {"assume_role_with_web_identity": testWebIdentity(map[string]any{"web_identity_token": "", "web_identity_token_file": "/run/token"})},
		"web identity and role":      {"assume_role_with_web_identity": testWebIdentity(nil), "assume_role": []any{map[string]any{"role_arn": testRoleARN}}},
		"unlisted Region, unchecked": {"region": "eu-mars-1", "sts_region": "eu-mars-1", "skip_region_validation": true},
		"unlisted Region, perhaps":   {"region": "eu-mars-1", "skip_region_validation": protocol.Unknown},
		"STS in another Region":      {"region": "eu-central-1", "sts_region": "us-east-1"},
		"endpoints":                  {"endpoints": []any{map[string]any{"ssm": "http://127.0.0.1:8080", "sts": "https://sts.example.com/path", "iam": "", "sso": nil}}},
		"channel endpoint":           {"endpoints": []any{map[string]any{"ssmmessages": "wss://channels.example.com"}}},
		"channel endpoint, as HTTPS": {"endpoints": []any{map[string]any{"ssmmessages": "HTTPS://channels.example.com:8443/"}}},
		"channel endpoint here":      {"endpoints": []any{map[string]any{"ssmmessages": "ws://127.0.0.1:8080"}}},
		"channel endpoint, IPv6":     {"endpoints": []any{map[string]any{"ssmmessages": "http://[::1]:8080"}}},
		"channel endpoint, by name":  {"endpoints": []any{map[string]any{"ssmmessages": "http://localhost:8080"}}},
		"no channel endpoint":        {"endpoints": []any{map[string]any{"ssmmessages": ""}}},
		"endpoint with a password":   {"endpoints": []any{map[string]any{"ssm": "https://ops:" + testProxyPassword + "%23%25@localhost"}}},
		"IPv6 endpoint":              {"ec2_metadata_service_endpoint": "http://[fd00:ec2::254]", "ec2_metadata_service_endpoint_mode": "IPv6"},
		"proxies":                    {"http_proxy": "http://ops:" + testProxyPassword + "@proxy:3128", "https_proxy": "", "no_proxy": "localhost"},
		"SOCKS proxy":                {"https_proxy": "socks5://proxy:1080"},
		"no retries":                 {"max_retries": 0, "token_bucket_rate_limiter_capacity": 0},
		"metadata check":             {"skip_metadata_api_check": "true"},
		"empty metadata check":       {"skip_metadata_api_check": ""},
		"empty Regions":              {"region": "", "sts_region": ""},
		"empty retry mode":           {"retry_mode": ""},
		"empty token":                {"token": ""},
		"empty token beside keys":    {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "of-a-test", "token": ""},
	}
	for _, attribute := range block.Attributes {
		cases[attribute.Name+" not known yet"] = map[string]any{attribute.Name: protocol.Unknown}
		if slices.Contains([]string{"access_key", "secret_key", "token"}, attribute.Name) {
			cases[attribute.Name+" not known yet"] = map[string]any{"access_key": protocol.Unknown, "secret_key": protocol.Unknown, attribute.Name: protocol.Unknown}
		}
	}
	for _, nested := range block.BlockTypes {
		cases["number of "+nested.TypeName+" not known yet"] = map[string]any{nested.TypeName: protocol.Unknown}
	}
	for name, arguments := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			protocol.WantNoDiagnostics(t, newTestServer(t, arguments).ValidateProvider())
		})
	}
}

// Validators describe themselves, for generated documentation and other tools.
func TestProvider_validatorDescriptions(t *testing.T) {
	t.Parallel()

	for _, v := range []interface {
		Description(ctx context.Context) string
		MarkdownDescription(ctx context.Context) string
	}{endpointURL(), channelEndpointURL(), proxyURL(), roleARN(), roleDuration()} {
		if text := v.Description(t.Context()); !strings.HasPrefix(text, "value must be ") || v.MarkdownDescription(t.Context()) != text {
			t.Errorf("%T describes itself as %q", v, text)
		}
	}
}
