// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// ValidateConfig checks what concerns several arguments at once. What is not known
// yet is left to the next validation, or to Configure.
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
			if arguments["role_arn"].IsNull() {
				resp.Diagnostics.AddAttributeError(at.AtName("role_arn"), "Missing Role ARN",
					fmt.Sprintf("The %s block names no role.\n\nSet role_arn, or remove the block.", name))
			}
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

// unlessEmpty leaves an empty string alone, which stands for what is not set, as in
// provider "aws".
type unlessEmpty struct{ validator.String }

func (v unlessEmpty) ValidateString(ctx context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsUnknown() || req.ConfigValue.ValueString() != "" {
		v.String.ValidateString(ctx, req, resp)
	}
}

// endpointURL accepts an absolute HTTP URL.
type endpointURL struct{}

func (v endpointURL) Description(context.Context) string {
	return "value must be an absolute http or https URL"
}

func (v endpointURL) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (v endpointURL) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	// An empty string means the default, as in provider "aws".
	if value := req.ConfigValue.ValueString(); value != "" && !isURL(value, "http", "https") {
		sentence := fmt.Sprintf("%q is not a URL that can be called.", value)
		if strings.Contains(value, "@") {
			sentence = "The value is not a URL that can be called. It is not shown, since it may hold a password."
		}
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Endpoint", sentence+"\n\nGive scheme and host, for example \"https://ssm.eu-central-1.amazonaws.com\".")
	}
}

// proxyURL accepts the URL of a proxy. It never shows the value, which may hold a password.
type proxyURL struct{}

func (v proxyURL) Description(context.Context) string {
	return "value must be the URL of a proxy"
}

func (v proxyURL) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (v proxyURL) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if value := req.ConfigValue.ValueString(); value != "" && !isURL(value, "http", "https", "socks5", "socks5h") {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Proxy",
			"The value is not the URL of a proxy. It is not shown, since it may hold a password.\n\nGive scheme and host, for example \"http://proxy.example.com:3128\".")
	}
}

// isURL reports whether value is a URL with a host and one of the schemes.
func isURL(value string, schemes ...string) bool {
	parsed, err := url.Parse(value)

	return err == nil && parsed.Hostname() != "" && slices.Contains(schemes, parsed.Scheme)
}

// roleARN accepts the ARN of an IAM role.
type roleARN struct{}

func (v roleARN) Description(context.Context) string {
	return "value must be the ARN of an IAM role"
}

func (v roleARN) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (v roleARN) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}

	parsed, err := arn.Parse(req.ConfigValue.ValueString())
	if name, ok := strings.CutPrefix(parsed.Resource, "role/"); err != nil || parsed.Service != "iam" || !ok || name == "" {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Role ARN",
			fmt.Sprintf("%q is not the ARN of an IAM role.\n\nGive one such as \"arn:aws:iam::123456789012:role/Operator\".", req.ConfigValue.ValueString()))
	}
}

// roleDuration accepts the durations that STS grants.
type roleDuration struct{}

func (v roleDuration) Description(context.Context) string {
	return "value must be a duration between 15m and 12h"
}

func (v roleDuration) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (v roleDuration) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}

	// A malformed duration is refused by the attribute's type.
	duration, err := time.ParseDuration(req.ConfigValue.ValueString())
	if err == nil && (duration < 15*time.Minute || duration > 12*time.Hour) {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Duration",
			fmt.Sprintf("%q is not between 15 minutes and 12 hours, which is what STS grants.\n\nGive a duration such as \"1h\".", req.ConfigValue.ValueString()))
	}
}
