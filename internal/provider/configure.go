// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
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

// configureMeta resolves the provider block into the client and settings that the
// objects use. If an argument is unknown, the result has no client.
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
			Account:              accountID,
			MaxRequestsPerSecond: model.MaxRequestsPerSecond.ValueFloat64(),
			Observe:              logAttempt,
			Decided:              logDecision,
			Own:                  p.own,
		}),
		channel:              newChannelConfig(cfg, model.endpoints().SSMMessages.ValueString()),
		forwards:             &p.forwards,
		region:               cfg.Region,
		accountID:            accountID,
		skipRegionValidation: model.SkipRegionValidation.ValueBool(),
	}, diags
}

// unknownArgument returns the name of a provider argument whose value is not fully
// known, the first by name. It returns "" if all values are known.
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
		// The request logger of aws-sdk-go-base logs bodies, which contain tokens. It also
		// mixes up the bodies of concurrent calls (hashicorp/aws-sdk-go-base issues 1502
		// and 1503).
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
		// As in provider "aws", an empty ARN means no role: a variable may be empty.
		if role.RoleARN.ValueString() == "" {
			continue
		}
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
		if role.RoleARN.ValueString() == "" {
			continue
		}
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

// endpoints returns the endpoints block, or an empty one if there is none.
func (m *providerModel) endpoints() endpointsModel {
	if len(m.Endpoints) == 0 {
		return endpointsModel{}
	}

	return m.Endpoints[0]
}

// ambientConfig loads the SDK's configuration from the environment, the shared files
// and the provider block. It retrieves no credentials.
func ambientConfig(ctx context.Context, c *awsbase.Config) (aws.Config, error) {
	return config.LoadDefaultConfig(ctx, append(ambientOptions(c), config.WithCredentialsProvider(aws.AnonymousCredentials{}))...)
}

// ambientOptions returns the options of the SDK for the Region, the profile and the shared
// files of the provider block.
func ambientOptions(c *awsbase.Config) []func(*config.LoadOptions) error {
	options := []func(*config.LoadOptions) error{
		config.WithRegion(c.Region),
		config.WithSharedConfigProfile(c.Profile),
	}
	if files, err := c.ResolveSharedConfigFiles(); err == nil && len(files) > 0 {
		options = append(options, config.WithSharedConfigFiles(files))
	}
	if files, err := c.ResolveSharedCredentialsFiles(); err == nil && len(files) > 0 {
		options = append(options, config.WithSharedCredentialsFiles(files))
	}

	return options
}

// credentialsTimeout limits how long a source of credentials may take. It is longer than
// the SDK's limit of one minute for a credential_process. It also covers child processes
// that survive that limit.
const credentialsTimeout = 65 * time.Second

// awsConfig resolves the Region, the credentials and their account. It checks
// allowed_account_ids and forbidden_account_ids, and calls no service but STS and IAM.
func awsConfig(ctx context.Context, c *awsbase.Config, skipRegionValidation bool) (aws.Config, string, diag.Diagnostics) {
	cfg, accountID, diags := resolveAWS(ctx, c, skipRegionValidation)
	// An endpoint may quote the request, secrets included.
	for i, d := range diags {
		detail := redact(c, d.Detail())
		switch at, hasPath := d.(diag.DiagnosticWithPath); {
		case hasPath && d.Severity() == diag.SeverityError:
			diags[i] = diag.NewAttributeErrorDiagnostic(at.Path(), d.Summary(), detail)
		case d.Severity() == diag.SeverityError:
			diags[i] = diag.NewErrorDiagnostic(d.Summary(), detail)
		case !hasPath:
			diags[i] = diag.NewWarningDiagnostic(d.Summary(), detail)
		}
	}

	return cfg, accountID, diags
}

func resolveAWS(ctx context.Context, c *awsbase.Config, skipRegionValidation bool) (aws.Config, string, diag.Diagnostics) {
	diags := checkAddresses(c)
	diags.Append(checkFiles(configuredFiles(c))...)
	if diags.HasError() {
		return aws.Config{}, "", diags
	}
	if identity := c.AssumeRoleWithWebIdentity; identity != nil && !identity.HasValidTokenSource() {
		diags.AddAttributeError(path.Root("assume_role_with_web_identity").AtListIndex(0), "Missing Web Identity Token",
			"Neither the assume_role_with_web_identity block nor the environment has a token.\n\n"+
				"Set web_identity_token, web_identity_token_file or the AWS_WEB_IDENTITY_TOKEN_FILE environment variable.")

		return aws.Config{}, "", diags
	}

	// If ambientConfig fails, GetAwsConfig below fails too and reports the error.
	source := findCredentialSource(c, nil)
	if ambient, err := ambientConfig(ctx, c); err == nil {
		source = findCredentialSource(c, &ambient)
		diags.Append(checkSharedAddresses(c, &ambient)...)
		diags.Append(checkFiles([]configuredFile{{path: source.file}})...)
		if diags.HasError() {
			return ambient, "", diags
		}
		// Check the Region before STS is called in it.
		if problem := regionProblem(ambient.Region, "", skipRegionValidation); ambient.Region != "" && problem != "" {
			diags.AddAttributeError(path.Root("region"), summaryRegion, problem)

			return ambient, "", diags
		}
		// The SDK rejects an endpoint from the environment or the shared files if FIPS or
		// dual-stack is set. It accepts the same endpoint as an argument.
		if c.StsEndpoint == "" {
			c.StsEndpoint = aws.ToString(sts.NewFromConfig(ambient).Options().BaseEndpoint)
		}
	}

	// The call for the account ID below also validates the credentials: one call is
	// enough. Roles are assumed below too, with this provider's retries and errors.
	base := *c
	base.AssumeRole, base.SkipCredsValidation = nil, true
	sourceCtx, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	if !inBlock(c) {
		// The sources are asked below.
		base.AccessKey, base.SecretKey = "unused", "unused"
	}
	_, cfg, baseDiags := awsbase.GetAwsConfig(sourceCtx, &base)
	diags.Append(fromBaseDiags(c, source, baseDiags)...)
	if diags.HasError() {
		return cfg, "", diags
	}
	if !inBlock(c) {
		diags.Append(loadCredentials(sourceCtx, c, &cfg, source)...)
		if diags.HasError() {
			return cfg, "", diags
		}
	}

	if cfg.Region == "" {
		diags.AddAttributeError(path.Root("region"), summaryNoRegion, missingRegionDetail)

		return cfg, "", diags
	}
	if problem := regionProblem(cfg.Region, "", skipRegionValidation); problem != "" {
		diags.AddAttributeError(path.Root("region"), summaryRegion, problem)

		return cfg, "", diags
	}

	keys, err := retrieve(sourceCtx, cfg.Credentials, source.signIn)
	if err != nil {
		diags.Append(source.diagnostic(err))

		return cfg, "", diags
	}
	diags.Append(source.checkKeys(keys)...)
	if diags.HasError() {
		return cfg, "", diags
	}
	hint := secretKeyHint(keys)
	if hint != "" && c.SkipCredsValidation {
		diags.AddWarning("Secret Key Holds White Space", "The secret key comes from "+source.name+".\n\n"+hint)
	}
	cfg.Credentials = guardedCredentials{CredentialsProvider: cfg.Credentials, source: source, redact: func(text string) string { return redact(c, text) }}
	assumed, roleDiags := assumeRoles(ctx, withTransportErrors(cfg), c, hint)
	diags.Append(roleDiags...)
	if diags.HasError() {
		return cfg, "", diags
	}
	cfg.Credentials = assumed

	accountID, _, baseDiags := awsbase.GetAwsAccountIDAndPartition(ctx, withTransportErrors(cfg), c)
	for _, d := range baseDiags {
		diags.Append(accountDiagnostic(c, source, d, hint))
	}
	if diags.HasError() {
		return cfg, "", diags
	}
	if err := c.VerifyAccountIDAllowed(accountID); err != nil {
		guard := "allowed_account_ids"
		if len(c.ForbiddenAccountIds) > 0 {
			guard = "forbidden_account_ids"
		}
		diags.AddAttributeError(path.Root(guard), "Account Not Allowed",
			fmt.Sprintf("The credentials belong to the AWS account %s, which %s does not allow. Systems Manager was not called.\n\n"+
				"Use credentials of another account, or change %s.", accountID, guard, guard))

		return cfg, "", diags
	}

	return cfg, accountID, diags
}

const missingRegionDetail = "No AWS Region is configured.\n\n" +
	"Set region in the provider block, the AWS_REGION environment variable, or region in the profile."

// fromBaseDiags replaces the texts of aws-sdk-go-base's diagnostics. The original texts
// quote the output of credential sources, which may hold secrets.
func fromBaseDiags(c *awsbase.Config, source credentialSource, in basediag.Diagnostics) diag.Diagnostics {
	var diags diag.Diagnostics

	for _, d := range in {
		withErr, _ := d.(basediag.DiagnosticWithErr)
		switch {
		case d.Severity() == basediag.SeverityWarning:
			diags.AddWarning(d.Summary(), d.Detail())
		case withErr == nil:
			diags.AddError(summaryConfigure, "The AWS configuration could not be used.\n\nError: "+d.Summary()+": "+d.Detail())
		case c.Region == "" && strings.Contains(withErr.Err().Error(), "Missing Region"):
			diags.AddAttributeError(path.Root("region"), summaryNoRegion, missingRegionDetail)
		case awsbase.IsNoValidCredentialSourcesError(d), strings.HasPrefix(withErr.Err().Error(), "retrieving credentials: "):
			diags.Append(source.diagnostic(withErr.Err()))
		case source.kind == sourceWebIdentity && d.Summary() == summaryWebIdentity:
			diags.AddError(summaryWebIdentity, source.failure(withErr.Err()).detail("No credentials came from "+source.name+", for the role "+source.role, source.advice))
		default:
			diags.AddError(summaryConfigure, configurationDetail(c, withErr.Err()))
		}
	}

	return diags
}

// configurationDetail returns the detail for an error in the environment or the shared files.
func configurationDetail(c *awsbase.Config, err error) string {
	notes := ""
	var missing config.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		notes = unhelpfulFiles(configuredFiles(c), missing.Profile)
	}

	return joined("The AWS configuration could not be used.", notes, configurationFailure(err))
}

// configurationFailure describes an error in the environment or the shared files, and
// how to fix it.
func configurationFailure(err error) string {
	var (
		profile config.SharedConfigProfileNotExistError
		load    config.SharedConfigLoadError
		mfa     config.AssumeRoleTokenProviderNotSetError
		file    *fs.PathError
	)

	switch text := err.Error(); {
	case errors.As(err, &profile):
		return fmt.Sprintf("Check profile or AWS_PROFILE, and that the shared configuration or credentials files have it.\n\nError: there is no profile %q", profile.Profile)
	case errors.As(err, &load):
		return sharedFileFailure(load.Filename)
	case strings.Contains(text, "partial credentials found"):
		return "Give the profile both aws_access_key_id and aws_secret_access_key, or neither.\n\n" +
			"Error: a profile of the shared credentials and configuration files has only one of the two keys"
	case strings.Contains(text, "custom CA bundle PEM"):
		return "Check custom_ca_bundle, the environment variable AWS_CA_BUNDLE, and ca_bundle of the profile.\n\n" +
			"Error: the CA bundle holds no certificate in PEM format"
	case errors.As(err, &mfa):
		return "Sign in by other means, such as `aws sts get-session-token`, and use a profile or environment variables with the keys that they give.\n\n" +
			"Error: the profile has mfa_serial, and a provider cannot ask for a second factor"
	case strings.Contains(text, "role ARN is not set"):
		// The SDK reads the environment even if the provider block names a role.
		return "Also set AWS_ROLE_ARN: the AWS SDK requires it with AWS_WEB_IDENTITY_TOKEN_FILE, even if the provider block names the role.\n\nError: role ARN is not set"
	case errors.As(err, &file):
		what := strings.TrimRight(quotable(strings.Split(text, file.Op)[0]), ": ")
		if what != "" {
			what += ": "
		}

		return "Check that the file is there, and that it may be read.\n\nError: " + what + printable(file.Error())
	case settingValue.MatchString(text):
		return "Error: the AWS SDK does not accept the value of the setting " + settingValue.FindStringSubmatch(text)[1]
	default:
		return "Error: " + quotable(text)
	}
}

// sharedFileFailure describes a shared file that could not be read. It does not quote the
// content.
func sharedFileFailure(name string) string {
	text := "Error: the shared file " + printable(name) + " could not be read"
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return "Check shared_config_files and shared_credentials_files, or the environment variables AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE.\n\n" +
			text + ": it is a directory"
	}

	return "Check the format of the file.\n\n" + text
}

// settingValue captures the name of a setting in SDK errors such as "invalid value
// max_attempts=x, expect integer".
var settingValue = regexp.MustCompile(`\b([A-Za-z0-9_]+)=`)

// accountDiagnostic returns the error for credentials whose account could not be read.
// It includes hint, which may be empty.
func accountDiagnostic(c *awsbase.Config, source credentialSource, d basediag.Diagnostic, hint string) diag.Diagnostic {
	withErr, _ := d.(basediag.DiagnosticWithErr)
	if withErr == nil {
		return diag.NewErrorDiagnostic(summaryConfigure, "The account of the credentials is not known.\n\nError: "+printable(d.Summary()))
	}

	var (
		err     = withErr.Err()
		api     smithy.APIError
		renewal *credentialsError
		from    = source.name
	)
	if n := len(c.AssumeRole); n > 0 {
		from = "the role " + c.AssumeRole[n-1].RoleARN
	}
	if hint != "" {
		hint += "\n\n"
	}
	switch {
	case errors.As(err, &renewal):
		return diag.NewErrorDiagnostic(summaryCredentials, "STS was not asked whose credentials these are: "+renewal.Error()+".\n\n"+source.advice)
	case wrongRegion(err):
		return diag.NewErrorDiagnostic(summaryConfigure, "The endpoint for STS belongs to another Region than the signature of the request.\n\n"+
			"Set sts_region to the Region of the endpoint, or remove the endpoint.\n\n"+awsAnswerLines(err))
	case !c.SkipCredsValidation && errors.As(err, &api):
		return diag.NewErrorDiagnostic(summaryConfigure, fmt.Sprintf("STS did not confirm the credentials from %s.\n\n%s"+
			"%s If they have expired, renew them or sign in again. A wrong clock of this machine and a wrong endpoint for STS have the same effect.\n\n%s", from, hint, source.advice, awsAnswerLines(err)))
	case !c.SkipCredsValidation:
		reason := transportFailure(err)
		if reason == "" {
			reason = "no usable answer came" + statusOf(err)
		}

		return diag.NewErrorDiagnostic(summaryConfigure, "STS could not be asked whose credentials these are: "+reason+".\n\n"+adviceWay)
	default:
		reason := "Error: " + transportFailure(err)
		switch {
		case errors.As(err, &api):
			reason = awsAnswerLines(err)
		case reason == "Error: ":
			reason += "no usable answer came" + statusOf(err)
		}

		return diag.NewErrorDiagnostic(summaryConfigure, "Neither IAM nor STS gave the account of the credentials from "+from+".\n\n"+hint+
			"Set skip_requesting_account_id = true to work without the account ID, and check the network and the endpoints for IAM and STS.\n\n"+reason)
	}
}

// redact replaces secrets in a text. It knows the secrets in the provider block, in the
// environment, and in the token file that the environment names.
func redact(c *awsbase.Config, text string) string {
	secrets := []string{
		c.SecretKey, c.Token, aws.ToString(c.HTTPProxy), aws.ToString(c.HTTPSProxy),
		os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN"),
	}
	identity := awsbase.AssumeRoleWithWebIdentity{WebIdentityTokenFile: os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")}
	if c.AssumeRoleWithWebIdentity != nil {
		identity = *c.AssumeRoleWithWebIdentity
	}
	if identity.HasValidTokenSource() && !neverEnds(identity.WebIdentityTokenFile) {
		if token, err := identity.GetIdentityToken(); err == nil {
			secrets = append(secrets, strings.TrimSpace(string(token)))
		}
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "(sensitive value)")
		}
	}
	// AWS explains a rejected signature with the signed text, which includes the session
	// token.
	text, _, _ = strings.Cut(text, "The Canonical String")

	return strings.TrimSpace(text)
}

// logAttempt logs one attempt of a call.
func logAttempt(ctx context.Context, attempt sessionmanager.Attempt) {
	tflog.Debug(ctx, "Called SSM", map[string]any{
		"operation":   attempt.Operation.String(),
		"region":      attempt.Region,
		"session_id":  attempt.SessionID,
		"attempt":     attempt.Number,
		"status":      attempt.Status,
		"error_code":  attempt.ErrorCode,
		"request_id":  attempt.RequestID,
		"duration_ms": attempt.Duration.Milliseconds(),
	})
}

// logDecision logs one decision of the client.
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

// stringMap returns the strings of a map.
func stringMap(in types.Map) map[string]string {
	out := make(map[string]string, len(in.Elements()))
	for key, element := range in.Elements() {
		if s, ok := element.(types.String); ok {
			out[key] = s.ValueString()
		}
	}

	return out
}
