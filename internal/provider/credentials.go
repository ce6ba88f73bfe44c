// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	summaryCredentials = "No Valid AWS Credentials"
	summaryAssumeRole  = "Cannot assume IAM Role"
	summaryWebIdentity = "Cannot assume IAM Role with web identity"
)

// sourceKind is a kind of credential source.
type sourceKind int

const (
	sourceUnknown sourceKind = iota
	sourceArguments
	sourceEnvironment
	sourceWebIdentity
	sourceKeysInProfile
	sourceSSO
	sourceLogin
	sourceProcess
	sourceContainer
	sourceInstance
	sourceRole
)

// credentialSource describes where credentials come from.
type credentialSource struct {
	kind    sourceKind
	name    string // Follows "No credentials came from" in errors.
	profile string // The profile that contains the source, or "".
	role    string // The last role that the source assumes, or "".
	file    string // The file with the web identity token, or "".
	files   string // Why the files with profiles gave no credentials, or "".
	signIn  string // The file that `aws login` keeps, or "".
	advice  string

	// Where the access key and the session token come from, if that is known for each.
	accessKey, token string
	// The provider arguments that hold them, or "".
	accessKeyArgument, tokenArgument string
}

// findCredentialSource returns the source that the SDK uses. It follows the SDK's order:
// provider block, environment, profile, container, instance. If ambient is nil, the
// environment and the profiles count as empty.
func findCredentialSource(c *awsbase.Config, ambient *aws.Config) credentialSource {
	env, shared := config.EnvConfig{}, config.SharedConfig{}
	if ambient != nil {
		for _, source := range ambient.ConfigSources {
			switch source := source.(type) {
			case config.EnvConfig:
				env = source
			case config.SharedConfig:
				shared = source
			}
		}
	}

	switch identity := c.AssumeRoleWithWebIdentity; {
	case c.AccessKey != "" || c.SecretKey != "" || c.Token != "":
		return credentialSource{
			kind: sourceArguments, name: "the arguments of the provider block", accessKey: "the argument access_key", token: "the argument token",
			accessKeyArgument: "access_key", tokenArgument: "token", advice: "Check access_key, secret_key and token.",
		}
	case identity != nil:
		return credentialSource{
			kind: sourceWebIdentity, name: "the web identity of the provider block", role: identity.RoleARN, file: identity.WebIdentityTokenFile,
			advice: "Check web_identity_token, web_identity_token_file or the file that AWS_WEB_IDENTITY_TOKEN_FILE names, and that the role trusts its issuer.",
		}
	case c.Profile == "" && env.Credentials.HasKeys():
		return credentialSource{
			kind: sourceEnvironment, name: "environment variables",
			accessKey: "the environment variable AWS_ACCESS_KEY_ID", token: "the environment variable AWS_SESSION_TOKEN",
			advice: "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.",
		}
	case c.Profile == "" && env.WebIdentityTokenFilePath != "":
		return credentialSource{
			kind: sourceWebIdentity, name: "the web identity of the environment", role: env.RoleARN, file: env.WebIdentityTokenFilePath,
			advice: "Check the file that AWS_WEB_IDENTITY_TOKEN_FILE names, AWS_ROLE_ARN, and that the role trusts the token's issuer.",
		}
	default:
		named := c.Profile != "" || env.SharedConfigProfile != ""

		source := findProfileSource(&shared, env, named)
		if !named {
			source.files = unhelpfulFiles(configuredFiles(c), config.DefaultSharedConfigProfile)
		}

		return source
	}
}

// findProfileSource returns the credential source of a profile. Set named if the user
// chose the profile by name: errors then mention it.
func findProfileSource(shared *config.SharedConfig, env config.EnvConfig, named bool) credentialSource {
	profile := fmt.Sprintf("the profile %q", shared.Profile)
	command := func(what string) string {
		if !named {
			return fmt.Sprintf("Run `aws %s`, and try again.", what)
		}

		return fmt.Sprintf("Run `aws %s --profile %s`, and try again.", what, shared.Profile)
	}

	source := credentialSource{profile: shared.Profile}
	container := env.ContainerCredentialsRelativePath != "" || env.ContainerCredentialsEndpoint != ""
	switch {
	case shared.Source != nil:
		source = findProfileSource(shared.Source, env, true)
	case shared.Credentials.HasKeys():
		source.kind, source.name = sourceKeysInProfile, profile
		source.accessKey, source.token = "aws_access_key_id of "+profile, "aws_session_token of "+profile
		source.advice = "Check the keys of " + profile + " in the shared credentials and configuration files."
	case shared.CredentialSource == "Environment":
		source.kind, source.name = sourceEnvironment, profile+", which takes them from environment variables"
		source.accessKey, source.token = "the environment variable AWS_ACCESS_KEY_ID", "the environment variable AWS_SESSION_TOKEN"
		source.advice = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN."
	case shared.CredentialSource == "EcsContainer":
		source.kind, source.name, source.advice = sourceContainer, profile+", which takes them from the container's credentials endpoint", adviceContainer
	case shared.CredentialSource == "Ec2InstanceMetadata":
		source.kind, source.name, source.advice = sourceInstance, profile+", which takes them from the instance metadata service", adviceInstance
	case shared.WebIdentityTokenFile != "":
		source.kind, source.name = sourceWebIdentity, profile+", which uses a web identity"
		source.file = shared.WebIdentityTokenFile
		source.advice = "Check web_identity_token_file and role_arn of " + profile + ", and that the role trusts the token's issuer."
	case shared.SSOSession != nil || shared.SSOStartURL != "" || shared.SSOAccountID != "":
		source.kind, source.name, source.advice = sourceSSO, profile+", which signs in through SSO", command("sso login")
	case shared.LoginSession != "":
		source.kind, source.name, source.advice = sourceLogin, profile+", which signs in with `aws login`", command("login")
		source.signIn, _ = logincreds.StandardCachedTokenFilepath(shared.LoginSession, os.Getenv("AWS_LOGIN_CACHE_DIRECTORY"))
	case shared.CredentialProcess != "":
		source.kind, source.name = sourceProcess, profile+", which runs a credential_process"
		source.advice = "Run the command that credential_process of " + profile + " names by yourself, and sign in where it asks for it. It has to print one JSON document, and nothing else, on its standard output."
	case container:
		source.kind, source.name, source.advice = sourceContainer, "the container's credentials endpoint", adviceContainer
	default:
		source.kind, source.name, source.advice, source.profile = sourceInstance, "the instance metadata service", adviceInstance, ""
		if named {
			source.profile = shared.Profile
			source.name = profile + " or the instance metadata service"
			source.advice = "The profile names no source of credentials: check it. " + adviceInstance
		}
	}
	if shared.RoleARN != "" {
		source.role = shared.RoleARN
	}

	return source
}

const (
	adviceContainer = "Check AWS_CONTAINER_CREDENTIALS_FULL_URI or AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, the authorization token that goes with it, and that the task or pod has a role."
	adviceInstance  = "Set profile, assume_role or the AWS_* environment variables, or give the instance a role."
)

// sourceFailure is why a source gave no credentials: a reason in the provider's words,
// and the answer of AWS, if there is one. It quotes nothing else, because the output of
// a source may hold secrets.
type sourceFailure struct{ reason, answer, requestID string }

// String returns the reason and the answer in one clause.
func (f sourceFailure) String() string {
	if f.answer == "" {
		return f.reason
	}

	return f.reason + " (" + strings.TrimSuffix(f.answer, ".") + ")"
}

// detail returns the detail of a diagnostic.
func (f sourceFailure) detail(sentence, advice string) string {
	detail := sentence + ": " + f.reason + ".\n\n" + advice
	if f.answer != "" {
		detail += "\n\nError: " + f.answer
	}
	if f.requestID != "" {
		if f.answer == "" {
			detail += "\n"
		}
		detail += "\n" + requestIDLine(f.requestID)
	}

	return detail
}

// failure returns why the source gave no credentials.
func (s credentialSource) failure(err error) sourceFailure {
	var (
		api     smithy.APIError
		earlier *credentialsError // Of the credentials that this source needed.
	)
	switch {
	case errors.As(err, &earlier):
		return sourceFailure{reason: earlier.text, requestID: requestIDOf(err)}
	case errors.Is(err, errNoCredentials):
		return sourceFailure{reason: "its answer holds no credentials"}
	case errors.Is(err, errSignIn):
		return sourceFailure{reason: signInUnreadable}
	case errors.Is(err, errNoKeys):
		return sourceFailure{reason: "the access key or the secret key is empty"}
	case errors.Is(err, context.DeadlineExceeded) && s.kind == sourceProcess:
		return sourceFailure{reason: processTooSlow}
	case errors.As(err, &api) && s.kind != sourceContainer && s.kind != sourceInstance:
		return sourceFailure{reason: s.refusal(api), answer: awsAnswer(err), requestID: awsRequestID(err)}
	default:
		return sourceFailure{reason: s.localFailure(err)}
	}
}

// localFailure returns why a source gave no credentials, if AWS did not reject a request.
func (s credentialSource) localFailure(err error) string {
	var process *processcreds.ProviderError
	switch s.kind {
	case sourceProcess:
		if reason := transportFailure(err); reason != "" && !errors.As(err, &process) {
			return "STS could not be asked for the role " + s.role + ": " + reason
		}

		return processFailure(err)
	case sourceSSO, sourceLogin:
		return signInFailure(err)
	}

	text := err.Error()
	switch reason := transportFailure(err); {
	case reason != "":
		return reason
	case strings.Contains(text, "unable to read file"), strings.Contains(text, "expanding web identity token file"):
		// A value without a separator may be a token that was set by mistake.
		if strings.ContainsAny(s.file, `/\`) {
			return "the token file " + printable(s.file) + " could not be read"
		}

		return "the token file could not be read"
	case s.kind == sourceContainer && strings.Contains(text, "invalid newline sequence"):
		return "the authorization token for the endpoint holds a line break"
	case s.kind == sourceContainer && strings.Contains(text, "read authorization token"):
		return "the file with the authorization token for the endpoint could not be read"
	case s.kind == sourceContainer:
		return "its answer holds no usable credentials" + statusOf(err)
	case s.kind == sourceInstance:
		return "it gave none" + statusOf(err)
	case s.role != "":
		return "the answer of STS for the role " + s.role + " holds no usable credentials" + statusOf(err)
	default:
		return "they could not be read"
	}
}

// refusal describes an error that STS or IAM Identity Center returned.
func (s credentialSource) refusal(api smithy.APIError) string {
	code := api.ErrorCode()
	switch {
	case s.kind != sourceSSO && s.kind != sourceLogin && s.role != "" && s.kind != sourceRole:
		return "STS does not let it assume the role " + s.role
	case s.kind != sourceSSO && s.kind != sourceLogin:
		return "STS refused"
	case code == "UnauthorizedException", strings.HasPrefix(code, "InvalidGrant"), strings.HasPrefix(code, "ExpiredToken"), strings.HasPrefix(code, "InvalidClient"), code == "AccessDeniedException":
		return "the sign-in has expired or was revoked"
	case code == "ForbiddenException":
		return "the sign-in gives no access to the account and role of the profile"
	case s.role != "":
		return "the role " + s.role + " was not assumed"
	default:
		return "the sign-in was refused"
	}
}

const signInUnreadable = "the sign-in that is kept on this machine could not be read"

const processTooSlow = "the process did not end within a minute, as if it waited for a second factor"

// processFailure returns why a credential_process gave no credentials.
func processFailure(err error) string {
	var (
		failed    *processcreds.ProviderError
		status    *exec.ExitError
		syntax    *json.SyntaxError
		kind      *json.UnmarshalTypeError
		badTime   *time.ParseError
		text      = err.Error()
		badOutput = "the output of the process could not be read: "
	)
	if !errors.As(err, &failed) {
		return "the process gave no credentials"
	}

	switch {
	case strings.Contains(text, "process timed out"):
		return processTooSlow
	case errors.As(err, &status) && status.Exited():
		return fmt.Sprintf("the process ended with status %d", status.ExitCode())
	case errors.As(err, &status):
		return "the process was killed by a signal"
	case errors.As(err, &syntax) && syntax.Offset == 0:
		return "the process printed nothing"
	case errors.As(err, &syntax) && strings.Contains(syntax.Error(), "unexpected end"):
		return badOutput + "the JSON document ends in the middle"
	case errors.As(err, &syntax):
		return badOutput + "it is not one JSON document and nothing else; a notice belongs on standard error"
	case errors.As(err, &kind):
		return badOutput + "a member of the JSON document, or the document itself, has the wrong type"
	case errors.As(err, &badTime), strings.Contains(text, "Time.UnmarshalJSON"):
		return badOutput + "Expiration is not a time; leave it out if the credentials do not expire"
	case strings.Contains(text, "wrong version"):
		return badOutput + "Version is not 1"
	case strings.HasSuffix(text, "missing AccessKeyId in process output"):
		return badOutput + "AccessKeyId is missing"
	case strings.HasSuffix(text, "missing SecretAccessKey in process output"):
		return badOutput + "SecretAccessKey is missing"
	case strings.Contains(text, "error in credential_process"):
		return "the process could not be started"
	default:
		return badOutput + "it is not the JSON document that AWS describes"
	}
}

// signInFailure returns why a cached sign-in gave no credentials.
func signInFailure(err error) string {
	var invalid *ssocreds.InvalidTokenError
	text := err.Error()
	switch reason := transportFailure(err); {
	case reason != "":
		return reason
	case strings.Contains(text, "failed to read cached SSO token file"), strings.Contains(text, "token file not found"):
		return "nobody has signed in on this machine"
	case strings.Contains(text, "failed to parse cached SSO token file"), strings.Contains(text, "cached SSO token must contain"),
		strings.Contains(text, "load login token"), strings.Contains(text, "validate login token"):
		return signInUnreadable
	case strings.Contains(text, "cannot be refreshed"), errors.As(err, &invalid), strings.Contains(text, "please reauthenticate"):
		return "the sign-in has expired"
	default:
		return "the sign-in gave none" + statusOf(err)
	}
}

// statusOf returns the HTTP status of the response behind err in parentheses, or "" if
// there was no response.
func statusOf(err error) string {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) && answer.HTTPStatusCode() > 0 {
		return fmt.Sprintf(" (HTTP status %d)", answer.HTTPStatusCode())
	}

	return ""
}

// diagnostic returns the error for a source that gave no credentials.
func (s credentialSource) diagnostic(err error) diag.Diagnostic {
	sentence := "No credentials came from " + s.name
	advice := s.advice
	if s.kind == sourceInstance && s.profile == "" {
		sentence = "No credentials were found in the provider block, the environment and the shared files"
		if s.files != "" {
			advice = s.files + "\n\n" + advice
		}
		if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
			return diag.NewErrorDiagnostic(summaryCredentials, sentence+". The instance metadata service is switched off.\n\n"+advice)
		}
		sentence += ", and the instance metadata service, which was asked last, did not help"
	}

	return diag.NewErrorDiagnostic(summaryCredentials, s.failure(err).detail(sentence, advice))
}

// checkKeys adds an error if the access key or the session token contains white space.
// No request can be sent with it. It often comes from a file that ends in a line break.
func (s credentialSource) checkKeys(keys aws.Credentials) diag.Diagnostics {
	var diags diag.Diagnostics

	for _, part := range []struct{ what, value, from, argument string }{
		{"access key", keys.AccessKeyID, s.accessKey, s.accessKeyArgument},
		{"session token", keys.SessionToken, s.token, s.tokenArgument},
	} {
		if !strings.ContainsFunc(part.value, isBlank) {
			continue
		}
		from := part.from
		if from == "" {
			from = s.name
		}
		detail := fmt.Sprintf("The %s holds white space or a line break, with which no request can be sent. It comes from %s. The value is not shown.\n\n"+
			"Remove the white space. If the value is read from a file, use trimspace().", part.what, from)
		if part.argument != "" {
			diags.AddAttributeError(path.Root(part.argument), summaryCredentials, detail)
		} else {
			diags.AddError(summaryCredentials, detail)
		}
	}

	return diags
}

func isBlank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// secretKeyHint returns a hint if the secret key contains white space, which makes every
// signature wrong. Otherwise it returns "".
func secretKeyHint(keys aws.Credentials) string {
	if !strings.ContainsFunc(keys.SecretAccessKey, isBlank) {
		return ""
	}

	return "The secret key holds white space or a line break: that makes every signature wrong. Remove it. If the value is read from a file, use trimspace()."
}

// guardedCredentials replaces the errors of a credential source with credentialsError,
// at the first retrieval and at each renewal. The SDK's error may quote the output of
// the source. An error of STS could also be mistaken for an error of SSM.
type guardedCredentials struct {
	aws.CredentialsProvider
	source credentialSource
	redact func(string) string
}

// Retrieve implements aws.CredentialsProvider.
func (g guardedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	keys, err := retrieve(ctx, g.CredentialsProvider, g.source.signIn)
	if err == nil {
		return keys, nil
	}

	failure := g.source.failure(err)
	text := g.redact("no credentials came from " + g.source.name + ": " + failure.String())
	// Only the context's error stays in the chain, for errors.Is.
	failed := &credentialsError{text: text, advice: g.source.advice, causes: []error{&sessionmanager.Cause{Text: text, RequestID: failure.requestID}}}
	if g.source.kind == sourceRole {
		failed.advice = roleAdvice(err, g.source.role)
	}
	if cause := ctx.Err(); cause != nil {
		failed.causes = append(failed.causes, cause)
	}

	return aws.Credentials{}, failed
}

// errNoKeys: a source gave credentials without an access key or a secret key.
var errNoKeys = errors.New("the credentials have no keys")

// errSignIn: the file of `aws login` holds no sign-in.
var errSignIn = errors.New("the file holds no sign-in")

// retrieve returns the credentials of a source. Requests must not be signed with an empty
// key. The SDK panics if the file of `aws login` holds null, in a goroutine of its own, and
// waits for ever if it is a pipe.
func retrieve(ctx context.Context, source aws.CredentialsProvider, signIn string) (aws.Credentials, error) {
	if signIn != "" {
		if neverEnds(signIn) {
			return aws.Credentials{}, errSignIn
		}
		if content, err := os.ReadFile(signIn); err == nil && string(bytes.TrimSpace(content)) == "null" { //nolint:gosec // The SDK reads the file.
			return aws.Credentials{}, errSignIn
		}
	}
	keys, err := source.Retrieve(ctx)
	if err == nil && !keys.HasKeys() {
		err = errNoKeys
	}

	return keys, err
}

// credentialsError is the failure of a credential source, in the provider's words.
type credentialsError struct {
	text   string
	advice string
	causes []error
}

// Error implements error.
func (e *credentialsError) Error() string { return e.text }

// Unwrap returns the text as a printable cause, and the context's error if it ended.
func (e *credentialsError) Unwrap() []error { return e.causes }

// RetryableError tells the SDK not to retry: the source has made its own retries.
func (e *credentialsError) RetryableError() bool { return false }

// assumeRoles assumes each role with the credentials of the one before, and returns the
// credentials of the last role. Errors start with hint, which may be empty.
func assumeRoles(ctx context.Context, cfg aws.Config, c *awsbase.Config, hint string) (aws.CredentialsProvider, diag.Diagnostics) {
	var diags diag.Diagnostics

	for _, role := range c.AssumeRole {
		client := sts.NewFromConfig(cfg, func(o *sts.Options) {
			if c.StsRegion != "" {
				o.Region = c.StsRegion
			}
			if c.StsEndpoint != "" {
				o.BaseEndpoint = aws.String(c.StsEndpoint)
				o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateDisabled
				o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateDisabled
			}
		})
		provider := guardedCredentials{
			CredentialsProvider: aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(client, role.RoleARN, roleOptions(role))),
			source:              credentialSource{kind: sourceRole, name: "the role " + role.RoleARN, role: role.RoleARN},
			redact:              func(text string) string { return redact(c, text) },
		}
		if _, err := retrieve(ctx, provider.CredentialsProvider, ""); err != nil {
			advice := roleAdvice(err, role.RoleARN)
			if hint != "" {
				advice = hint + "\n\n" + advice
			}
			diags.AddError(summaryAssumeRole, provider.source.failure(err).detail("The role "+role.RoleARN+" was not assumed", advice))

			return nil, diags
		}
		cfg.Credentials = provider
	}

	return cfg.Credentials, diags
}

// roleAdvice returns what to do about a role that was not assumed.
func roleAdvice(err error, role string) string {
	var (
		api     smithy.APIError
		earlier *credentialsError // Of the credentials that the role is assumed with.
	)
	switch {
	case errors.As(err, &earlier):
		return earlier.advice
	case !errors.As(err, &api):
		return adviceWay
	case api.ErrorCode() == "AccessDenied":
		return fmt.Sprintf("Allow the IAM action sts:AssumeRole on %s, and let the trust policy of the role allow the caller. If it requires an external_id, a source_identity or tags, give the same values.", role)
	default:
		return "Check the credentials that the role is assumed with, and the arguments of the assume_role block."
	}
}

// roleOptions translates the arguments of an assume_role block for the SDK.
func roleOptions(role awsbase.AssumeRole) func(*stscreds.AssumeRoleOptions) {
	optional := func(value string) *string {
		if value == "" {
			return nil
		}

		return aws.String(value)
	}

	return func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = role.SessionName
		o.Duration = role.Duration
		o.ExternalID = optional(role.ExternalID)
		o.Policy = optional(role.Policy)
		o.SourceIdentity = optional(role.SourceIdentity)
		o.TransitiveTagKeys = role.TransitiveTagKeys
		for _, policy := range role.PolicyARNs {
			o.PolicyARNs = append(o.PolicyARNs, ststypes.PolicyDescriptorType{Arn: aws.String(policy)})
		}
		for key, value := range role.Tags {
			o.Tags = append(o.Tags, ststypes.Tag{Key: aws.String(key), Value: aws.String(value)})
		}
	}
}
