// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-validators/float64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// providerModel is the provider block. Its arguments have the names and defaults of the
// same arguments of provider "aws".
type providerModel struct {
	AccessKey                      types.String  `tfsdk:"access_key"`
	AllowedAccountIDs              types.Set     `tfsdk:"allowed_account_ids"`
	CustomCABundle                 types.String  `tfsdk:"custom_ca_bundle"`
	EC2MetadataServiceEndpoint     types.String  `tfsdk:"ec2_metadata_service_endpoint"`
	EC2MetadataServiceEndpointMode types.String  `tfsdk:"ec2_metadata_service_endpoint_mode"`
	ForbiddenAccountIDs            types.Set     `tfsdk:"forbidden_account_ids"`
	HTTPProxy                      types.String  `tfsdk:"http_proxy"`
	HTTPSProxy                     types.String  `tfsdk:"https_proxy"`
	Insecure                       types.Bool    `tfsdk:"insecure"`
	MaxRequestsPerSecond           types.Float64 `tfsdk:"max_requests_per_second"`
	MaxRetries                     wholeNumber   `tfsdk:"max_retries"`
	NoProxy                        types.String  `tfsdk:"no_proxy"`
	Profile                        types.String  `tfsdk:"profile"`
	Region                         types.String  `tfsdk:"region"`
	RetryMode                      types.String  `tfsdk:"retry_mode"`
	SecretKey                      types.String  `tfsdk:"secret_key"`
	SharedConfigFiles              types.List    `tfsdk:"shared_config_files"`
	SharedCredentialsFiles         types.List    `tfsdk:"shared_credentials_files"`
	SkipCredentialsValidation      types.Bool    `tfsdk:"skip_credentials_validation"`
	SkipMetadataAPICheck           types.String  `tfsdk:"skip_metadata_api_check"`
	SkipRegionValidation           types.Bool    `tfsdk:"skip_region_validation"`
	SkipRequestingAccountID        types.Bool    `tfsdk:"skip_requesting_account_id"`
	STSRegion                      types.String  `tfsdk:"sts_region"`
	Token                          types.String  `tfsdk:"token"`
	TokenBucketRateLimiterCapacity wholeNumber   `tfsdk:"token_bucket_rate_limiter_capacity"`
	UseDualstackEndpoint           types.Bool    `tfsdk:"use_dualstack_endpoint"`
	UseFIPSEndpoint                types.Bool    `tfsdk:"use_fips_endpoint"`
	UserAgent                      types.List    `tfsdk:"user_agent"`

	AssumeRole                []assumeRoleModel                `tfsdk:"assume_role"`
	AssumeRoleWithWebIdentity []assumeRoleWithWebIdentityModel `tfsdk:"assume_role_with_web_identity"`
	Endpoints                 []endpointsModel                 `tfsdk:"endpoints"`
}

type assumeRoleModel struct {
	Duration          durationValue `tfsdk:"duration"`
	ExternalID        types.String  `tfsdk:"external_id"`
	Policy            types.String  `tfsdk:"policy"`
	PolicyARNs        types.Set     `tfsdk:"policy_arns"`
	RoleARN           types.String  `tfsdk:"role_arn"`
	SessionName       types.String  `tfsdk:"session_name"`
	SourceIdentity    types.String  `tfsdk:"source_identity"`
	Tags              types.Map     `tfsdk:"tags"`
	TransitiveTagKeys types.Set     `tfsdk:"transitive_tag_keys"`
}

type assumeRoleWithWebIdentityModel struct {
	Duration             durationValue `tfsdk:"duration"`
	Policy               types.String  `tfsdk:"policy"`
	PolicyARNs           types.Set     `tfsdk:"policy_arns"`
	RoleARN              types.String  `tfsdk:"role_arn"`
	SessionName          types.String  `tfsdk:"session_name"`
	WebIdentityToken     types.String  `tfsdk:"web_identity_token"`
	WebIdentityTokenFile types.String  `tfsdk:"web_identity_token_file"`
}

type endpointsModel struct {
	IAM         types.String `tfsdk:"iam"`
	SSM         types.String `tfsdk:"ssm"`
	SSMMessages types.String `tfsdk:"ssmmessages"`
	SSO         types.String `tfsdk:"sso"`
	STS         types.String `tfsdk:"sts"`
}

func (p *ssmProvider) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Manages AWS Systems Manager Session Manager sessions: shows, ends, resumes and opens them.\n\n" +
			"The arguments have the names and defaults of the same arguments of the `aws` provider, whose block can be copied. " +
			"Delete the lines about tags and S3.",
		Attributes: map[string]schema.Attribute{
			"access_key": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "AWS access key. Needs `secret_key`. Environment: `AWS_ACCESS_KEY_ID`.",
				Validators: []validator.String{
					stringvalidator.AlsoRequires(path.MatchRoot("secret_key")),
					stringvalidator.ConflictsWith(path.MatchRoot("assume_role_with_web_identity")),
				},
			},
			"allowed_account_ids": schema.SetAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "The only AWS accounts that the provider may work in. Conflicts with `forbidden_account_ids`.",
				Validators: []validator.Set{
					setvalidator.ConflictsWith(path.MatchRoot("forbidden_account_ids")),
					setvalidator.ValueStringsAre(accountIDValidator()),
				},
			},
			"custom_ca_bundle": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "File with certificates to trust. Environment: `AWS_CA_BUNDLE`.",
			},
			"ec2_metadata_service_endpoint": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "URL of the instance metadata service. Environment: `AWS_EC2_METADATA_SERVICE_ENDPOINT`.",
				Validators:          []validator.String{endpointURL()},
			},
			"ec2_metadata_service_endpoint_mode": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "`IPv4` or `IPv6`. Environment: `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`.",
				Validators:          []validator.String{stringvalidator.OneOf("IPv4", "IPv6")},
			},
			"forbidden_account_ids": schema.SetAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "AWS accounts that the provider must not work in. Conflicts with `allowed_account_ids`.",
				Validators: []validator.Set{
					setvalidator.ValueStringsAre(accountIDValidator()),
				},
			},
			"http_proxy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Proxy for HTTP, and for HTTPS unless `https_proxy` is set. Environment: `HTTP_PROXY`.",
				Validators:          []validator.String{proxyURL()},
			},
			"https_proxy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Proxy for HTTPS; empty means none. Environment: `HTTPS_PROXY`.",
				Validators:          []validator.String{proxyURL()},
			},
			"insecure": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Accepts any TLS certificate. Defaults to `false`.",
			},
			"max_requests_per_second": schema.Float64Attribute{
				Optional:            true,
				MarkdownDescription: "Limit for each operation and Region. Defaults to the rate that SSM allows.",
				Validators:          []validator.Float64{float64validator.Between(0.01, 10_000)},
			},
			"max_retries": schema.Int64Attribute{
				CustomType:          wholeNumberType{},
				Optional:            true,
				MarkdownDescription: "Attempts of a call; `0` means the 3 attempts of the AWS SDK. Defaults to `25`.",
				Validators:          []validator.Int64{int64validator.Between(0, 1000)},
			},
			"no_proxy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Hosts to reach without a proxy, separated by commas. Environment: `NO_PROXY`.",
			},
			"profile": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Profile in the shared files. Environment: `AWS_PROFILE`.",
			},
			"region": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Default AWS Region of objects. Environment: `AWS_REGION` or `AWS_DEFAULT_REGION`.",
			},
			"retry_mode": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "`standard` or `adaptive`. Environment: `AWS_RETRY_MODE`.",
				Validators:          []validator.String{stringvalidator.OneOf("", "standard", "adaptive")},
			},
			"secret_key": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "AWS secret key. Needs `access_key`. Environment: `AWS_SECRET_ACCESS_KEY`.",
				Validators: []validator.String{
					stringvalidator.AlsoRequires(path.MatchRoot("access_key")),
				},
			},
			"shared_config_files": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Defaults to `[\"~/.aws/config\"]`. Environment: `AWS_CONFIG_FILE`.",
			},
			"shared_credentials_files": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Defaults to `[\"~/.aws/credentials\"]`. Environment: `AWS_SHARED_CREDENTIALS_FILE`.",
			},
			"skip_credentials_validation": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Does not ask STS whether the credentials are valid. Defaults to `false`.",
			},
			"skip_metadata_api_check": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Skips the instance metadata service: `\"true\"` or `\"false\"`. Environment: `AWS_EC2_METADATA_DISABLED`.",
				Validators:          []validator.String{stringvalidator.OneOf("", "true", "false")},
			},
			"skip_region_validation": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Accepts unknown Regions. Defaults to `false`.",
			},
			"skip_requesting_account_id": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Works without the account ID if validation does not give it. Defaults to `false`.",
			},
			"sts_region": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Region of the STS endpoint. Defaults to the provider's Region.",
			},
			"token": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "AWS session token. Environment: `AWS_SESSION_TOKEN`.",
				Validators: []validator.String{
					unlessEmpty{stringvalidator.AlsoRequires(path.MatchRoot("access_key"), path.MatchRoot("secret_key"))},
				},
			},
			"token_bucket_rate_limiter_capacity": schema.Int64Attribute{
				CustomType:          wholeNumberType{},
				Optional:            true,
				MarkdownDescription: "Capacity of the AWS SDK's token bucket for retries. Defaults to no limit.",
				Validators:          []validator.Int64{int64validator.AtLeast(0)},
			},
			"use_dualstack_endpoint": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Calls AWS endpoints that support IPv6. Environment: `AWS_USE_DUALSTACK_ENDPOINT`.",
			},
			"use_fips_endpoint": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Calls AWS endpoints that support FIPS. Environment: `AWS_USE_FIPS_ENDPOINT`.",
			},
			"user_agent": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Products for the User-Agent header, such as `product/version (comment)`.",
				Validators:          []validator.List{listvalidator.ValueStringsAre(userAgent())},
			},
		},
		Blocks: map[string]schema.Block{
			"assume_role": schema.ListNestedBlock{
				MarkdownDescription: "IAM role to assume. Several blocks form a chain.",
				NestedObject: schema.NestedBlockObject{
					Attributes: map[string]schema.Attribute{
						"duration":        roleDurationAttribute(),
						"external_id":     schema.StringAttribute{Optional: true, MarkdownDescription: "External ID for the role's trust policy."},
						"policy":          rolePolicyAttribute(),
						"policy_arns":     rolePolicyARNsAttribute(),
						"role_arn":        roleARNAttribute(),
						"session_name":    roleSessionNameAttribute(),
						"source_identity": schema.StringAttribute{Optional: true, MarkdownDescription: "Source identity of the role session."},
						"tags": schema.MapAttribute{
							ElementType:         types.StringType,
							Optional:            true,
							MarkdownDescription: "Tags of the role session.",
						},
						"transitive_tag_keys": schema.SetAttribute{
							ElementType:         types.StringType,
							Optional:            true,
							MarkdownDescription: "Keys of tags that later roles in the chain inherit.",
						},
					},
				},
			},
			"assume_role_with_web_identity": schema.ListNestedBlock{
				MarkdownDescription: "IAM role to assume with a web identity token. One block at most.",
				Validators:          []validator.List{listvalidator.SizeAtMost(1)},
				NestedObject: schema.NestedBlockObject{
					Attributes: map[string]schema.Attribute{
						"duration":     roleDurationAttribute(),
						"policy":       rolePolicyAttribute(),
						"policy_arns":  rolePolicyARNsAttribute(),
						"role_arn":     roleARNAttribute(),
						"session_name": roleSessionNameAttribute(),
						"web_identity_token": schema.StringAttribute{
							Optional:            true,
							Sensitive:           true,
							MarkdownDescription: "Web identity token. Conflicts with `web_identity_token_file`.",
						},
						"web_identity_token_file": schema.StringAttribute{
							Optional:            true,
							MarkdownDescription: "File with the token. Environment: `AWS_WEB_IDENTITY_TOKEN_FILE`, together with `AWS_ROLE_ARN`.",
						},
					},
				},
			},
			// Provider "aws" has a set. This is a list because the framework logs elements of
			// sets by value, and a URL may hold a password.
			"endpoints": schema.ListNestedBlock{
				MarkdownDescription: "Endpoints to call instead of AWS's own. One block at most.",
				Validators:          []validator.List{listvalidator.SizeAtMost(1)},
				NestedObject: schema.NestedBlockObject{
					Attributes: map[string]schema.Attribute{
						"iam": endpointAttribute("IAM", "IAM"),
						"ssm": endpointAttribute("SSM", "SSM"),
						"ssmmessages": schema.StringAttribute{
							Optional:            true,
							MarkdownDescription: "Scheme and host for data channels, instead of those in stream URLs, such as `wss://ssmmessages.example.com`.",
							Validators:          []validator.String{channelEndpointURL()},
						},
						"sso": endpointAttribute("SSO (IAM Identity Center)", "SSO"),
						"sts": endpointAttribute("STS", "STS"),
					},
				},
			},
		},
	}
}

func roleARNAttribute() schema.Attribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "ARN of the role. Empty means no role.",
		Validators:          []validator.String{roleARN()},
	}
}

func roleDurationAttribute() schema.Attribute {
	return schema.StringAttribute{
		CustomType:          durationType{},
		Optional:            true,
		MarkdownDescription: "Validity of the credentials, `15m` to `12h`.",
		Validators:          []validator.String{roleDuration()},
	}
}

func rolePolicyAttribute() schema.Attribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "IAM policy in JSON that restricts the role session.",
	}
}

func rolePolicyARNsAttribute() schema.Attribute {
	return schema.SetAttribute{
		ElementType:         types.StringType,
		Optional:            true,
		MarkdownDescription: "IAM policies that restrict the role session.",
	}
}

func roleSessionNameAttribute() schema.Attribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "Name of the role session, 2 to 64 characters.",
		Validators:          []validator.String{stringvalidator.LengthBetween(2, 64)},
	}
}

func endpointAttribute(service, variable string) schema.Attribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "URL for " + service + ". Environment: `AWS_ENDPOINT_URL_" + variable + "`.",
		Validators:          []validator.String{endpointURL()},
	}
}
