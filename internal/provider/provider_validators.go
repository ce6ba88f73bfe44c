// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

const (
	summaryEndpoint = "Invalid Endpoint"
	summaryProxy    = "Invalid Proxy"
)

// ValidateConfig checks arguments that depend on each other. It skips unknown values:
// a later validation or Configure sees them.
func (p *ssmProvider) ValidateConfig(ctx context.Context, req provider.ValidateConfigRequest, resp *provider.ValidateConfigResponse) {
	var (
		skipRegion, skipCredentials, skipAccount types.Bool
		guards                                   = make(map[string]types.Set)
		roles                                    = make(map[string]types.List)
		regions                                  = make(map[string]types.String)
	)
	get := func(name string, target any) {
		resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root(name), target)...)
	}
	get("skip_region_validation", &skipRegion)
	get("skip_credentials_validation", &skipCredentials)
	get("skip_requesting_account_id", &skipAccount)
	for _, name := range []string{"allowed_account_ids", "forbidden_account_ids"} {
		var ids types.Set
		get(name, &ids)
		guards[name] = ids
	}
	for _, name := range []string{"assume_role", "assume_role_with_web_identity"} {
		var blocks types.List
		get(name, &blocks)
		roles[name] = blocks
	}
	for _, name := range []string{"region", "sts_region"} {
		var region types.String
		get(name, &region)
		regions[name] = region
	}
	if resp.Diagnostics.HasError() {
		return
	}

	for name, region := range regions {
		if region.ValueString() == "" || skipRegion.IsUnknown() {
			continue
		}
		if problem := regionProblem(region.ValueString(), "", skipRegion.ValueBool()); problem != "" {
			resp.Diagnostics.AddAttributeError(path.Root(name), summaryRegion, problem)
		}
	}
	for name, ids := range guards {
		if len(ids.Elements()) > 0 && skipCredentials.ValueBool() && skipAccount.ValueBool() {
			resp.Diagnostics.AddAttributeError(path.Root(name), "Contradicting Provider Arguments",
				fmt.Sprintf("%s cannot be checked while both skip_credentials_validation and skip_requesting_account_id are true: the provider would not know which account it works in.\n\n"+
					"Remove one of the three.", name))
		}
	}
	for name, blocks := range roles {
		for i, block := range blocks.Elements() {
			role, ok := block.(types.Object)
			if !ok || role.IsUnknown() {
				continue
			}
			at, arguments := path.Root(name).AtListIndex(i), role.Attributes()
			token, _ := arguments["web_identity_token"].(types.String)
			file, _ := arguments["web_identity_token_file"].(types.String)
			if token.ValueString() != "" && file.ValueString() != "" {
				resp.Diagnostics.AddAttributeError(at.AtName("web_identity_token"), "Invalid Attribute Combination",
					"Both web_identity_token and web_identity_token_file are set.\n\nRemove one of them.")
			}
		}
	}
}

func accountIDValidator() validator.String {
	return stringvalidator.RegexMatches(regexp.MustCompile(`^[0-9]{12}$`), "must be an AWS account ID of 12 digits")
}

// unlessEmpty skips an empty string, which means unset, as in provider "aws".
type unlessEmpty struct{ validator.String }

func (v unlessEmpty) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsUnknown() || req.ConfigValue.ValueString() != "" {
		v.String.ValidateString(ctx, req, resp)
	}
}

// endpointURL accepts the URL of an endpoint. It never shows the value, which may hold
// a password.
func endpointURL() stringCheck {
	return stringCheck{"value must be an absolute http or https URL", func(value string) (summary, detail string) {
		// An empty string means the default, as in provider "aws".
		if value == "" {
			return "", ""
		}
		if problem := urlProblem(value, "http", "https"); problem != "" {
			return summaryEndpoint, endpointDetail("The value", problem)
		}

		return "", ""
	}}
}

// endpointDetail returns the detail for an invalid endpoint. The source says where the
// value was set.
func endpointDetail(source, problem string) string {
	return source + " is not a URL that can be called: " + problem + ". It is not shown, since it may hold a password.\n\n" +
		"Give scheme and host, for example \"https://ssm.eu-central-1.amazonaws.com\"."
}

// channelEndpointURL accepts the URL of an endpoint for data channels.
func channelEndpointURL() stringCheck {
	return stringCheck{"value must be scheme and host of an endpoint for data channels", func(value string) (summary, detail string) {
		if value == "" {
			return "", ""
		}
		problem := urlProblem(value, "https", "wss", "http", "ws")
		if problem == "" {
			problem = channelURLProblem(value)
		}
		if problem == "" {
			return "", ""
		}

		return summaryEndpoint, "The value is not an endpoint for data channels: " + problem + ". It is not shown, since it may hold a password.\n\n" +
			"Give scheme and host, for example \"wss://ssmmessages.eu-central-1.amazonaws.com\"."
	}}
}

// channelURLProblem returns why a URL cannot be an endpoint for data channels, or "".
func channelURLProblem(value string) string {
	parsed, err := url.Parse(value)
	if err != nil {
		return "it cannot be parsed"
	}

	ip, _ := netip.ParseAddr(parsed.Hostname())
	switch loopback := parsed.Hostname() == "localhost" || ip.IsLoopback(); {
	case parsed.User != nil:
		return "it holds a user name, which data channels do not use"
	case strings.Trim(parsed.Path, "/") != "" || parsed.RawQuery != "":
		return "it has a path or a query, which come from SSM with each stream URL"
	case !loopback && parsed.Scheme != "wss" && parsed.Scheme != "https":
		return "it is not encrypted, and its host is not this machine"
	default:
		return ""
	}
}

// proxyURL accepts the URL of a proxy. It never shows the value, which may hold a password.
func proxyURL() stringCheck {
	return stringCheck{"value must be the URL of a proxy", func(value string) (summary, detail string) {
		if value == "" {
			return "", ""
		}
		if problem := urlProblem(value, proxySchemes...); problem != "" {
			return summaryProxy, proxyDetail("The value", problem)
		}

		return "", ""
	}}
}

var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

// proxyDetail returns the detail for an invalid proxy. The source says where the value
// was set.
func proxyDetail(source, problem string) string {
	return source + " is not the URL of a proxy: " + problem + ". It is not shown, since it may hold a password.\n\n" +
		"Give scheme and host, for example \"http://proxy.example.com:3128\"."
}

// urlProblem returns why a value is not a URL with a host and one of the schemes, or "".
// It does not quote the value. It also rejects unescaped characters in a password: they
// move the password to another part of the URL, which errors would show.
func urlProblem(value string, schemes ...string) string {
	parsed, err := url.Parse(value)
	scheme, _, hasScheme := strings.Cut(value, "://")
	port := 0
	if err == nil && parsed.Port() != "" {
		port, err = strconv.Atoi(parsed.Port())
	}
	var escape url.EscapeError

	switch {
	case strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "it holds white space or a line break"
	case !hasScheme || scheme == "":
		return "it has no scheme"
	case !slices.Contains(schemes, strings.ToLower(scheme)):
		return "its scheme is none of " + strings.Join(schemes, ", ")
	case strings.Contains(value, "#"):
		return "it holds a \"#\"; a password has it as %23"
	case errors.As(err, &escape):
		return "it holds a \"%\" without two hexadecimal digits after it; a password has it as %25"
	case err != nil && strings.Contains(err.Error(), "port") && strings.Contains(value, "@"):
		return "its port is not a number, perhaps because a password is not escaped; a password has \"/\" as %2F and \"?\" as %3F"
	case err != nil && strings.Contains(err.Error(), "port"), port > 65535, strings.HasSuffix(value, ":"):
		return "its port is not a number between 1 and 65535"
	case err != nil:
		return "it cannot be parsed"
	case parsed.Hostname() == "":
		return "it names no host"
	case strings.Contains(parsed.EscapedPath()+parsed.RawQuery, "@"):
		return "it holds an \"@\" after its host; a password has \"/\" as %2F and \"?\" as %3F"
	default:
		return ""
	}
}

// userAgent accepts a part of the User-Agent header.
func userAgent() stringCheck {
	return stringCheck{"value must be a part of the User-Agent header", func(value string) (summary, detail string) {
		if !strings.ContainsFunc(value, func(r rune) bool { return unicode.IsControl(r) || r > unicode.MaxASCII }) {
			return "", ""
		}

		return "Invalid User Agent", fmt.Sprintf("%+q holds a line break or another character that a header cannot have.\n\nUse printable ASCII characters, such as \"pipeline/1.0 (nightly)\".", value)
	}}
}

// roleARN accepts the ARN of an IAM role.
func roleARN() stringCheck {
	return stringCheck{"value must be the ARN of an IAM role", func(value string) (summary, detail string) {
		// An empty string means no role, as in provider "aws".
		if value == "" {
			return "", ""
		}
		parsed, err := arn.Parse(value)
		if name, ok := strings.CutPrefix(parsed.Resource, "role/"); err == nil && parsed.Service == "iam" && ok && name != "" {
			return "", ""
		}

		return "Invalid Role ARN",
			fmt.Sprintf("%q is not the ARN of an IAM role.\n\nGive one such as \"arn:aws:iam::123456789012:role/Operator\".", value)
	}}
}

// roleDuration accepts durations that STS allows.
func roleDuration() stringCheck {
	return stringCheck{"value must be a duration between 15m and 12h", func(value string) (summary, detail string) {
		// The attribute's type rejects a malformed duration.
		duration, err := time.ParseDuration(value)
		if err != nil || duration >= 15*time.Minute && duration <= 12*time.Hour {
			return "", ""
		}

		return "Invalid Duration",
			fmt.Sprintf("%q is not between 15 minutes and 12 hours, which is what STS grants.\n\nGive a duration such as \"1h\".", value)
	}}
}
