// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	basediag "github.com/hashicorp/aws-sdk-go-base/v2/diag"
	"github.com/hashicorp/aws-sdk-go-base/v2/useragent"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	summaryConfigure = "Unable to Configure Provider"

	defaultMaxRetries = 25
	documentationURL  = "https://registry.terraform.io/providers/sessionops/ssm/latest/docs"
)

// configureMeta turns the provider block into what the objects need.
func (p *ssmProvider) configureMeta(ctx context.Context, raw tfsdk.Config, terraformVersion string) (*providerMeta, diag.Diagnostics) {
	var (
		diags diag.Diagnostics
		model providerModel
	)

	if name := unknownArgument(raw.Raw); name != "" {
		return &providerMeta{unknownArgument: name}, diags
	}
	diags.Append(raw.Get(ctx, &model)...)
	if diags.HasError() {
		return nil, diags
	}

	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()

	base := model.baseConfig(p.version, terraformVersion)
	base.HTTPClient = p.httpClient
	cfg, accountID, diags := awsConfig(ctx, base, model.SkipRegionValidation.ValueBool())
	if diags.HasError() {
		return nil, diags
	}

	return &providerMeta{
		client: sessionmanager.New(cfg, sessionmanager.Options{
			Endpoint:             model.endpoints().SSM.ValueString(),
			MaxRequestsPerSecond: model.MaxRequestsPerSecond.ValueFloat64(),
			Observe:              logAttempt,
			Decided:              logDecision,
			Own:                  p.own,
		}),
		channel:              newChannelConfig(cfg, model.endpoints().SSMMessages.ValueString()),
		region:               cfg.Region,
		accountID:            accountID,
		skipRegionValidation: model.SkipRegionValidation.ValueBool(),
	}, diags
}

// unknownArgument returns the name of the first provider argument that is not
// wholly known, empty if all are.
func unknownArgument(raw tftypes.Value) string {
	var arguments map[string]tftypes.Value
	if raw.IsNull() || raw.As(&arguments) != nil {
		return ""
	}

	name := ""
	for candidate, value := range arguments {
		if !value.IsFullyKnown() && (name == "" || candidate < name) {
			name = candidate
		}
	}

	return name
}

// baseConfig translates the provider block for aws-sdk-go-base.
func (m *providerModel) baseConfig(version, terraformVersion string) *awsbase.Config {
	c := &awsbase.Config{
		AccessKey:           m.AccessKey.ValueString(),
		AllowedAccountIds:   stringElements(m.AllowedAccountIDs.Elements()),
		ForbiddenAccountIds: stringElements(m.ForbiddenAccountIDs.Elements()),
		APNInfo: &awsbase.APNInfo{
			PartnerName: "SessionOps",
			Products: []awsbase.UserAgentProduct{
				{Name: "Terraform", Version: terraformVersion, Comment: "+https://www.terraform.io"},
				{Name: "terraform-provider-ssm", Version: version, Comment: "+https://registry.terraform.io/providers/sessionops/ssm"},
			},
		},
		CallerDocumentationURL:         documentationURL,
		CallerName:                     "terraform-provider-ssm",
		CustomCABundle:                 m.CustomCABundle.ValueString(),
		EC2MetadataServiceEndpoint:     m.EC2MetadataServiceEndpoint.ValueString(),
		EC2MetadataServiceEndpointMode: m.EC2MetadataServiceEndpointMode.ValueString(),
		HTTPProxy:                      m.HTTPProxy.ValueStringPointer(),
		HTTPSProxy:                     m.HTTPSProxy.ValueStringPointer(),
		HTTPProxyMode:                  awsbase.HTTPProxyModeLegacy,
		IamEndpoint:                    m.endpoints().IAM.ValueString(),
		Insecure:                       m.Insecure.ValueBool(),
		MaxRetries:                     defaultMaxRetries,
		NoProxy:                        m.NoProxy.ValueString(),
		Profile:                        m.Profile.ValueString(),
		Region:                         m.Region.ValueString(),
		RetryMode:                      aws.RetryMode(m.RetryMode.ValueString()),
		SecretKey:                      m.SecretKey.ValueString(),
		SharedConfigFiles:              stringElements(m.SharedConfigFiles.Elements()),
		SharedCredentialsFiles:         stringElements(m.SharedCredentialsFiles.Elements()),
		SkipCredsValidation:            m.SkipCredentialsValidation.ValueBool(),
		SkipRequestingAccountId:        m.SkipRequestingAccountID.ValueBool(),
		SsoEndpoint:                    m.endpoints().SSO.ValueString(),
		StsEndpoint:                    m.endpoints().STS.ValueString(),
		StsRegion:                      m.STSRegion.ValueString(),
		// Its request logger writes bodies, with the tokens in them, and mixes those of
		// concurrent calls (hashicorp/aws-sdk-go-base issues 1502 and 1503).
		SuppressDebugLog:               true,
		Token:                          m.Token.ValueString(),
		TokenBucketRateLimiterCapacity: int(m.TokenBucketRateLimiterCapacity.ValueInt64()),
		UseDualStackEndpoint:           m.UseDualstackEndpoint.ValueBool(),
		UseFIPSEndpoint:                m.UseFIPSEndpoint.ValueBool(),
		UserAgent:                      useragent.FromSlice(stringElements(m.UserAgent.Elements())),
	}
	if !m.MaxRetries.IsNull() {
		c.MaxRetries = int(m.MaxRetries.ValueInt64())
	}

	switch skip, err := strconv.ParseBool(m.SkipMetadataAPICheck.ValueString()); {
	case err != nil:
		c.EC2MetadataServiceEnableState = imds.ClientDefaultEnableState
	case skip:
		c.EC2MetadataServiceEnableState = imds.ClientDisabled
	default:
		c.EC2MetadataServiceEnableState = imds.ClientEnabled
	}

	for _, role := range m.AssumeRole {
		duration, _ := role.Duration.ValueGoDuration()
		c.AssumeRole = append(c.AssumeRole, awsbase.AssumeRole{
			Duration:          duration,
			ExternalID:        role.ExternalID.ValueString(),
			Policy:            role.Policy.ValueString(),
			PolicyARNs:        stringElements(role.PolicyARNs.Elements()),
			RoleARN:           role.RoleARN.ValueString(),
			SessionName:       role.SessionName.ValueString(),
			SourceIdentity:    role.SourceIdentity.ValueString(),
			Tags:              stringMap(role.Tags),
			TransitiveTagKeys: stringElements(role.TransitiveTagKeys.Elements()),
		})
	}
	for _, role := range m.AssumeRoleWithWebIdentity {
		duration, _ := role.Duration.ValueGoDuration()
		c.AssumeRoleWithWebIdentity = &awsbase.AssumeRoleWithWebIdentity{
			Duration:             duration,
			Policy:               role.Policy.ValueString(),
			PolicyARNs:           stringElements(role.PolicyARNs.Elements()),
			RoleARN:              role.RoleARN.ValueString(),
			SessionName:          role.SessionName.ValueString(),
			WebIdentityToken:     role.WebIdentityToken.ValueString(),
			WebIdentityTokenFile: role.WebIdentityTokenFile.ValueString(),
		}
		if !c.AssumeRoleWithWebIdentity.HasValidTokenSource() {
			c.AssumeRoleWithWebIdentity.WebIdentityTokenFile = os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")
		}
	}

	return c
}

// endpoints returns the endpoints block, empty if there is none.
func (m *providerModel) endpoints() endpointsModel {
	if len(m.Endpoints) == 0 {
		return endpointsModel{}
	}

	return m.Endpoints[0]
}

// ambientConfig returns what the SDK makes of the environment, the shared files
// and the provider block, without asking anybody for credentials.
func ambientConfig(ctx context.Context, c *awsbase.Config) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		config.WithRegion(c.Region),
		config.WithSharedConfigProfile(c.Profile),
		config.WithCredentialsProvider(aws.AnonymousCredentials{}),
	}
	if files, err := c.ResolveSharedConfigFiles(); err == nil && len(files) > 0 {
		options = append(options, config.WithSharedConfigFiles(files))
	}
	if files, err := c.ResolveSharedCredentialsFiles(); err == nil && len(files) > 0 {
		options = append(options, config.WithSharedCredentialsFiles(files))
	}

	return config.LoadDefaultConfig(ctx, options...)
}

// awsConfig resolves Region and credentials, and the account they belong to; the
// account guards are applied before anything is called but STS and IAM.
func awsConfig(ctx context.Context, c *awsbase.Config, skipRegionValidation bool) (aws.Config, string, diag.Diagnostics) {
	var diags diag.Diagnostics

	if identity := c.AssumeRoleWithWebIdentity; identity != nil && !identity.HasValidTokenSource() {
		diags.AddAttributeError(path.Root("assume_role_with_web_identity").AtListIndex(0), "Missing Web Identity Token",
			"The assume_role_with_web_identity block has no token, and neither has the environment.\n\n"+
				"Set web_identity_token, web_identity_token_file or the AWS_WEB_IDENTITY_TOKEN_FILE environment variable.")

		return aws.Config{}, "", diags
	}

	// If this fails, so does what follows, with an error of aws-sdk-go-base.
	if ambient, err := ambientConfig(ctx, c); err == nil {
		// Roles are not assumed in a Region that does not exist.
		if problem := regionProblem(ambient.Region, "", skipRegionValidation); ambient.Region != "" && problem != "" {
			diags.AddAttributeError(path.Root("region"), summaryRegion, problem)

			return ambient, "", diags
		}
		// The SDK finds an endpoint of the environment or the shared files by itself, but
		// refuses it together with FIPS or dual-stack; as an argument it is called as it is.
		if c.StsEndpoint == "" {
			c.StsEndpoint = aws.ToString(sts.NewFromConfig(ambient).Options().BaseEndpoint)
		}
	}

	// Validation happens below, in the call that yields the account ID: once is enough.
	unvalidated := *c
	unvalidated.SkipCredsValidation = true
	_, cfg, baseDiags := awsbase.GetAwsConfig(ctx, &unvalidated)
	diags.Append(fromBaseDiags(c, baseDiags)...)
	if diags.HasError() {
		return cfg, "", diags
	}

	if cfg.Region == "" {
		diags.AddAttributeError(path.Root("region"), summaryNoRegion, missingRegionDetail)

		return cfg, "", diags
	}
	if problem := regionProblem(cfg.Region, "", skipRegionValidation); problem != "" {
		diags.AddAttributeError(path.Root("region"), summaryRegion, problem)

		return cfg, "", diags
	}

	accountID, _, baseDiags := awsbase.GetAwsAccountIDAndPartition(ctx, cfg, c)
	diags.Append(fromBaseDiags(c, baseDiags)...)
	if diags.HasError() {
		return cfg, "", diags
	}
	if err := c.VerifyAccountIDAllowed(accountID); err != nil {
		guard := "allowed_account_ids"
		if len(c.ForbiddenAccountIds) > 0 {
			guard = "forbidden_account_ids"
		}
		diags.AddAttributeError(path.Root(guard), "Account Not Allowed",
			fmt.Sprintf("The credentials belong to the AWS account %s, in which %s does not let the provider work. Systems Manager was not called.\n\n"+
				"Use credentials of another account, or change %s.", accountID, guard, guard))

		return cfg, "", diags
	}

	return cfg, accountID, diags
}

const missingRegionDetail = "No AWS Region is configured.\n\n" +
	"Set region in the provider block, the AWS_REGION environment variable, or region in the profile."

// fromBaseDiags takes over diagnostics of aws-sdk-go-base, without the secrets
// that it quotes from the configuration.
func fromBaseDiags(c *awsbase.Config, in basediag.Diagnostics) diag.Diagnostics {
	var diags diag.Diagnostics

	for _, d := range in {
		summary, detail := d.Summary(), d.Detail()
		if detail == "" {
			// It gives plain errors as a summary; ours are short and without values.
			advice := ""
			switch {
			case strings.Contains(summary, "shared config profile"):
				advice = "Check profile or AWS_PROFILE, and that the shared configuration or credentials files have it.\n\n"
			case strings.Contains(summary, "role ARN is not set"):
				// It looks at the environment first, whatever the block says.
				advice = "Set AWS_ROLE_ARN as well: the AWS SDK takes AWS_WEB_IDENTITY_TOKEN_FILE only together with it, also when the provider block names the role.\n\n"
			}
			summary, detail = summaryConfigure, "The AWS configuration could not be used.\n\n"+advice+"Error: "+summary
		}
		detail = redact(c, detail)
		if strings.Contains(detail, "validating provider credentials") {
			detail = "STS did not confirm the credentials.\n\n" +
				"If they have expired, renew them or sign in again. Otherwise check access_key, secret_key and token, or the profile or environment variables that they come from; the clock of this machine; and proxies and endpoints on the way to STS.\n\n" +
				strings.TrimPrefix(detail, "The AWS configuration could not be used.\n\n")
		}

		switch {
		case d.Severity() == basediag.SeverityWarning:
			diags.AddWarning(summary, detail)
		case awsbase.IsNoValidCredentialSourcesError(d):
			diags.AddError("No Valid AWS Credentials", "No credentials were found in the provider block, the environment, the shared files or the instance metadata.\n\n"+
				"Set profile, assume_role or the AWS_* environment variables. "+detail)
		case c.Region == "" && strings.Contains(detail, "Missing Region"):
			diags.AddAttributeError(path.Root("region"), summaryNoRegion, missingRegionDetail)
		default:
			diags.AddError(summary, detail)
		}
	}

	return diags
}

// redact replaces secrets in a text: those of the provider block, and those that
// the environment gives or leads to. An endpoint may quote what it was sent.
func redact(c *awsbase.Config, text string) string {
	secrets := []string{
		c.SecretKey, c.Token, aws.ToString(c.HTTPProxy), aws.ToString(c.HTTPSProxy),
		os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN"),
	}
	identity := awsbase.AssumeRoleWithWebIdentity{WebIdentityTokenFile: os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")}
	if c.AssumeRoleWithWebIdentity != nil {
		identity = *c.AssumeRoleWithWebIdentity
	}
	if identity.HasValidTokenSource() {
		if token, err := identity.GetIdentityToken(); err == nil {
			secrets = append(secrets, strings.TrimSpace(string(token)))
		}
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "(sensitive value)")
		}
	}
	// A refused signature is explained by what was signed, session token included.
	text, _, _ = strings.Cut(text, "The Canonical String")

	return strings.TrimSpace(text)
}

// logAttempt writes the provider's one line for each attempt of a call.
func logAttempt(ctx context.Context, attempt sessionmanager.Attempt) {
	tflog.Debug(ctx, "Called SSM", map[string]any{
		"operation":   attempt.Operation.String(),
		"region":      attempt.Region,
		"attempt":     attempt.Number,
		"status":      attempt.Status,
		"error_code":  attempt.ErrorCode,
		"request_id":  attempt.RequestID,
		"duration_ms": attempt.Duration.Milliseconds(),
	})
}

// logDecision writes one line for each decision of the client.
func logDecision(ctx context.Context, decision sessionmanager.Decision) {
	tflog.Debug(ctx, decision.What, decision.Fields)
}

// stringElements returns the strings of a list or set.
func stringElements(elements []attr.Value) []string {
	var out []string
	for _, element := range elements {
		if s, ok := element.(types.String); ok {
			out = append(out, s.ValueString())
		}
	}

	return out
}

// stringMap returns a map of strings, nil for none.
func stringMap(in types.Map) map[string]string {
	out := make(map[string]string, len(in.Elements()))
	for key, element := range in.Elements() {
		if s, ok := element.(types.String); ok {
			out[key] = s.ValueString()
		}
	}

	return out
}
