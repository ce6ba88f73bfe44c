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
	MaxRetries                     types.Int64   `tfsdk:"max_retries"`
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
	TokenBucketRateLimiterCapacity types.Int64   `tfsdk:"token_bucket_rate_limiter_capacity"`
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
		MarkdownDescription: "Manages the life of AWS Systems Manager Session Manager sessions: ends them, resumes them and shows them.\n\n" +
			"The arguments are the common ones of the `aws` provider, with the same names and defaults, so that its block can be copied over. " +
			"Delete the lines about tags and S3, for which sessions have no use.",
		Attributes: map[string]schema.Attribute{
			"access_key": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "AWS access key. Needs `secret_key`. Can also be set with the `AWS_ACCESS_KEY_ID` environment variable, or a profile.",
				Validators: []validator.String{
					stringvalidator.AlsoRequires(path.MatchRoot("secret_key")),
					stringvalidator.ConflictsWith(path.MatchRoot("assume_role_with_web_identity")),
				},
			},
			"allowed_account_ids": schema.SetAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "AWS account IDs that the provider may work in; in any other account it refuses to start. Conflicts with `forbidden_account_ids`.",
				Validators: []validator.Set{
					setvalidator.ConflictsWith(path.MatchRoot("forbidden_account_ids")),
					setvalidator.ValueStringsAre(accountIDValidator()),
				},
			},
			"custom_ca_bundle": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "File with root and intermediate certificates to trust. Can also be set with the `AWS_CA_BUNDLE` environment variable, or with `ca_bundle` in a profile.",
			},
			"ec2_metadata_service_endpoint": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Address of the EC2 instance metadata service. Can also be set with the `AWS_EC2_METADATA_SERVICE_ENDPOINT` environment variable.",
				Validators:          []validator.String{endpointURL()},
			},
			"ec2_metadata_service_endpoint_mode": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Protocol to reach the instance metadata service by: `IPv4` or `IPv6`. Can also be set with the `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE` environment variable.",
				Validators:          []validator.String{stringvalidator.OneOf("IPv4", "IPv6")},
			},
			"forbidden_account_ids": schema.SetAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "AWS account IDs that the provider refuses to work in. Conflicts with `allowed_account_ids`.",
				Validators: []validator.Set{
					setvalidator.ValueStringsAre(accountIDValidator()),
				},
			},
			"http_proxy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "URL of a proxy for HTTP requests, and for HTTPS requests too if no HTTPS proxy is set. Can also be set with the `HTTP_PROXY` or `http_proxy` environment variable.",
				Validators:          []validator.String{proxyURL()},
			},
			"https_proxy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "URL of a proxy for HTTPS requests; an empty string stands for none. Can also be set with the `HTTPS_PROXY` or `https_proxy` environment variable.",
				Validators:          []validator.String{proxyURL()},
			},
			"insecure": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether to accept any TLS certificate. Defaults to `false`.",
			},
			"max_requests_per_second": schema.Float64Attribute{
				Optional: true,
				MarkdownDescription: "How many calls a second to make at most, for each operation in each Region. By default the provider does not brake before SSM throttles, " +
					"and then keeps to what SSM grants: 6 calls a second for an account and Region, unless AWS has raised the quota. Has no equivalent in the `aws` provider.",
				Validators: []validator.Float64{float64validator.Between(0.01, 10_000)},
			},
			"max_retries": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "How often a call is attempted before it fails; `0` leaves it to the AWS SDK, which tries 3 times. Defaults to `25`.",
				Validators:          []validator.Int64{int64validator.Between(0, 1000)},
			},
			"no_proxy": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Comma-separated hosts to reach without a proxy. Can also be set with the `NO_PROXY` or `no_proxy` environment variable.",
			},
			"profile": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Profile of the shared configuration and credentials files to use. Can also be set with the `AWS_PROFILE` environment variable.",
			},
			"region": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "AWS Region of objects that name none. Can also be set with the `AWS_REGION` or `AWS_DEFAULT_REGION` environment variable, " +
					"or with `region` in a profile.",
			},
			"retry_mode": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "How calls are retried: `standard` or `adaptive`. Can also be set with the `AWS_RETRY_MODE` environment variable.",
				Validators:          []validator.String{stringvalidator.OneOf("", "standard", "adaptive")},
			},
			"secret_key": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "AWS secret key. Needs `access_key`. Can also be set with the `AWS_SECRET_ACCESS_KEY` environment variable, or a profile.",
				Validators: []validator.String{
					stringvalidator.AlsoRequires(path.MatchRoot("access_key")),
				},
			},
			"shared_config_files": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Shared configuration files. Defaults to `[\"~/.aws/config\"]`. Can also be set with the `AWS_CONFIG_FILE` environment variable.",
			},
			"shared_credentials_files": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Shared credentials files. Defaults to `[\"~/.aws/credentials\"]`. Can also be set with the `AWS_SHARED_CREDENTIALS_FILE` environment variable.",
			},
			"skip_credentials_validation": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether to skip asking STS if the credentials are valid. The account ID is then asked of IAM, and of STS if IAM does not tell, unless `skip_requesting_account_id` is set as well. Defaults to `false`.",
			},
			"skip_metadata_api_check": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "Whether to skip the EC2 instance metadata service when looking for credentials: `\"true\"` or `\"false\"`. Defaults to asking it last, unless `AWS_EC2_METADATA_DISABLED` says otherwise.",
				Validators:          []validator.String{stringvalidator.OneOf("", "true", "false")},
			},
			"skip_region_validation": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether to accept Regions that this version of the provider does not know. Defaults to `false`.",
			},
			"skip_requesting_account_id": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether to do without the account ID if the validation of the credentials does not yield it. Defaults to `false`.",
			},
			"sts_region": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: "AWS Region of the STS endpoint. Defaults to the provider's Region.",
			},
			"token": schema.StringAttribute{
				Optional:            true,
				Sensitive:           true,
				MarkdownDescription: "AWS session token of temporary credentials. Can also be set with the `AWS_SESSION_TOKEN` environment variable.",
				Validators: []validator.String{
					unlessEmpty{stringvalidator.AlsoRequires(path.MatchRoot("access_key"), path.MatchRoot("secret_key"))},
				},
			},
			"token_bucket_rate_limiter_capacity": schema.Int64Attribute{
				Optional:            true,
				MarkdownDescription: "Capacity of the AWS SDK's token bucket, which limits retries on the client's side. Defaults to no limit.",
				Validators:          []validator.Int64{int64validator.AtLeast(0)},
			},
			"use_dualstack_endpoint": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether to call endpoints that speak IPv6 as well. A custom endpoint is called as it is. Can also be set with the `AWS_USE_DUALSTACK_ENDPOINT` environment variable.",
			},
			"use_fips_endpoint": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether to call FIPS endpoints. A custom endpoint is called as it is. Can also be set with the `AWS_USE_FIPS_ENDPOINT` environment variable.",
			},
			"user_agent": schema.ListAttribute{
				ElementType:         types.StringType,
				Optional:            true,
				MarkdownDescription: "Products to append to the User-Agent header, each as `product/version (comment)`; version and comment may be left out.",
			},
		},
		Blocks: map[string]schema.Block{
			"assume_role": schema.ListNestedBlock{
				MarkdownDescription: "IAM role to assume. Several blocks form a chain: each role is assumed with the credentials of the one before.",
				NestedObject: schema.NestedBlockObject{
					Attributes: map[string]schema.Attribute{
						"duration":        roleDurationAttribute(),
						"external_id":     schema.StringAttribute{Optional: true, MarkdownDescription: "External ID that the role's trust policy may ask for."},
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
							MarkdownDescription: "Keys of the tags that roles further down the chain inherit.",
						},
					},
				},
			},
			"assume_role_with_web_identity": schema.ListNestedBlock{
				MarkdownDescription: "IAM role to assume with a web identity token, one block at most.",
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
							MarkdownDescription: "Web identity token (OIDC or OAuth). Conflicts with `web_identity_token_file`.",
						},
						"web_identity_token_file": schema.StringAttribute{
							Optional: true,
							MarkdownDescription: "File that holds a web identity token. Can also be set with the `AWS_WEB_IDENTITY_TOKEN_FILE` environment variable, " +
								"which the AWS SDK takes only together with `AWS_ROLE_ARN`.",
						},
					},
				},
			},
			// Provider "aws" has a set. This is a list because the framework logs elements of
			// sets by value, and a URL may hold a password.
			"endpoints": schema.ListNestedBlock{
				MarkdownDescription: "Endpoints to call instead of AWS's own, one block at most.",
				Validators:          []validator.List{listvalidator.SizeAtMost(1)},
				NestedObject: schema.NestedBlockObject{
					Attributes: map[string]schema.Attribute{
						"iam": endpointAttribute("IAM", "IAM"),
						"ssm": endpointAttribute("SSM", "SSM"),
						"ssmmessages": schema.StringAttribute{
							Optional: true,
							MarkdownDescription: "Scheme and host to open data channels at, instead of those of the stream URL that SSM gives for each session: `wss://` (or `https://`), and on this machine also `ws://` (or `http://`). " +
								"Path and query stay as SSM gave them. Has no environment variable, and no equivalent in the `aws` provider.",
							Validators: []validator.String{channelEndpointURL()},
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
		MarkdownDescription: "ARN of the role. An empty value stands for no role: the block has no effect.",
		Validators:          []validator.String{roleARN()},
	}
}

func roleDurationAttribute() schema.Attribute {
	return schema.StringAttribute{
		CustomType:          durationType{},
		Optional:            true,
		MarkdownDescription: "How long the role's credentials are valid, between 15 minutes and 12 hours, for example `1h`.",
		Validators:          []validator.String{roleDuration()},
	}
}

func rolePolicyAttribute() schema.Attribute {
	return schema.StringAttribute{
		Optional:            true,
		MarkdownDescription: "IAM policy in JSON that further restricts the role session.",
	}
}

func rolePolicyARNsAttribute() schema.Attribute {
	return schema.SetAttribute{
		ElementType:         types.StringType,
		Optional:            true,
		MarkdownDescription: "ARNs of IAM policies that further restrict the role session.",
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
		Optional: true,
		MarkdownDescription: "URL of the " + service + " endpoint. Can also be set with the `AWS_ENDPOINT_URL_" + variable + "` or `AWS_ENDPOINT_URL` environment variable, " +
			"or with `endpoint_url` in the shared configuration file.",
		Validators: []validator.String{endpointURL()},
	}
}
