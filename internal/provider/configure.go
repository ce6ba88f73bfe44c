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
		forwards:             &p.forwards,
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
		// As in provider "aws": an ARN that a variable leaves empty stands for no role.
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

// credentialsTimeout bounds how long a source of credentials may take. It is longer than
// the minute that the SDK gives a credential_process, and ends also what outlives that:
// the children of such a process.
const credentialsTimeout = 65 * time.Second

// awsConfig resolves Region and credentials, and the account they belong to; the
// account guards are applied before anything is called but STS and IAM.
func awsConfig(ctx context.Context, c *awsbase.Config, skipRegionValidation bool) (aws.Config, string, diag.Diagnostics) {
	cfg, accountID, diags := resolveAWS(ctx, c, skipRegionValidation)
	// An endpoint may quote what it was sent.
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
	if diags.HasError() {
		return aws.Config{}, "", diags
	}
	if identity := c.AssumeRoleWithWebIdentity; identity != nil && !identity.HasValidTokenSource() {
		diags.AddAttributeError(path.Root("assume_role_with_web_identity").AtListIndex(0), "Missing Web Identity Token",
			"The assume_role_with_web_identity block has no token, and neither has the environment.\n\n"+
				"Set web_identity_token, web_identity_token_file or the AWS_WEB_IDENTITY_TOKEN_FILE environment variable.")

		return aws.Config{}, "", diags
	}

	// If this fails, so does what follows, with an error of aws-sdk-go-base.
	source := findCredentialSource(c, nil)
	if ambient, err := ambientConfig(ctx, c); err == nil {
		source = findCredentialSource(c, &ambient)
		diags.Append(checkSharedAddresses(c, &ambient)...)
		if diags.HasError() {
			return ambient, "", diags
		}
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
	// Roles are assumed below as well, with the retries of everything else.
	base := *c
	base.AssumeRole, base.SkipCredsValidation = nil, true
	sourceCtx, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	_, cfg, baseDiags := awsbase.GetAwsConfig(sourceCtx, &base)
	diags.Append(fromBaseDiags(c, source, baseDiags)...)
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

	keys, err := cfg.Credentials.Retrieve(sourceCtx)
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
	assumed, roleDiags := assumeRoles(ctx, attentive(cfg), c, hint)
	diags.Append(roleDiags...)
	if diags.HasError() {
		return cfg, "", diags
	}
	cfg.Credentials = assumed

	accountID, _, baseDiags := awsbase.GetAwsAccountIDAndPartition(ctx, attentive(cfg), c)
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
			fmt.Sprintf("The credentials belong to the AWS account %s, in which %s does not let the provider work. Systems Manager was not called.\n\n"+
				"Use credentials of another account, or change %s.", accountID, guard, guard))

		return cfg, "", diags
	}

	return cfg, accountID, diags
}

const missingRegionDetail = "No AWS Region is configured.\n\n" +
	"Set region in the provider block, the AWS_REGION environment variable, or region in the profile."

// fromBaseDiags words diagnostics of aws-sdk-go-base anew. Its own texts quote whatever
// a source of credentials printed.
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
			diags.AddError(summaryConfigure, "The AWS configuration could not be used.\n\n"+configurationFailure(withErr.Err()))
		}
	}

	return diags
}

// configurationFailure says what is wrong with the environment or the shared files, and
// what to do about it.
func configurationFailure(err error) string {
	var (
		profile config.SharedConfigProfileNotExistError
		load    config.SharedConfigLoadError
		mfa     config.AssumeRoleTokenProviderNotSetError
		file    *fs.PathError
	)

	switch said := err.Error(); {
	case errors.As(err, &profile):
		return fmt.Sprintf("Check profile or AWS_PROFILE, and that the shared configuration or credentials files have it.\n\nError: there is no profile %q", profile.Profile)
	case errors.As(err, &load):
		return sharedFileFailure(load.Filename)
	case strings.Contains(said, "partial credentials found"):
		return "Give the profile both aws_access_key_id and aws_secret_access_key, or neither.\n\n" +
			"Error: a profile of the shared credentials and configuration files has one half of a pair of keys"
	case strings.Contains(said, "custom CA bundle PEM"):
		return "Check custom_ca_bundle, the environment variable AWS_CA_BUNDLE, and ca_bundle of the profile.\n\n" +
			"Error: the CA bundle holds no certificate in PEM format"
	case errors.As(err, &mfa):
		return "Sign in by other means, such as `aws sts get-session-token`, and use a profile or environment variables with the keys that they give.\n\n" +
			"Error: the profile has mfa_serial, and a provider cannot ask for the code of a second factor"
	case strings.Contains(said, "role ARN is not set"):
		// The SDK looks at the environment first, whatever the block says.
		return "Set AWS_ROLE_ARN as well: the AWS SDK takes AWS_WEB_IDENTITY_TOKEN_FILE only together with it, also when the provider block names the role.\n\nError: role ARN is not set"
	case errors.As(err, &file):
		what := strings.TrimRight(quotable(strings.Split(said, file.Op)[0]), ": ")
		if what != "" {
			what += ": "
		}

		return "Check that the file is there, and that it may be read.\n\nError: " + what + printable(file.Error())
	case settingValue.MatchString(said):
		return "Error: the AWS SDK does not take the value of the setting " + settingValue.FindStringSubmatch(said)[1]
	default:
		return "Error: " + quotable(said)
	}
}

// sharedFileFailure says why a shared file was not taken. What is in it is not quoted.
func sharedFileFailure(name string) string {
	said := "Error: the shared file " + printable(name) + " could not be read"
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return "Check shared_config_files and shared_credentials_files, or the environment variables AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE.\n\n" +
			said + ": it is a directory"
	}

	return "Check the format of the file.\n\n" + said
}

// settingValue finds the name in texts of the SDK such as "invalid value
// max_attempts=x, expect integer".
var settingValue = regexp.MustCompile(`\b([A-Za-z0-9_]+)=`)

// accountDiagnostic words that the account of the credentials is not known.
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
		return diag.NewErrorDiagnostic(summaryConfigure, "The endpoint for STS belongs to another Region than the one that the request is signed for.\n\n"+
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

		return diag.NewErrorDiagnostic(summaryConfigure, "Neither IAM nor STS told which account the credentials from "+from+" belong to.\n\n"+hint+
			"Set skip_requesting_account_id = true to do without, and check the network and the endpoints for IAM and STS.\n\n"+reason)
	}
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
		"session_id":  attempt.SessionID,
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
