// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

// inBlock reports whether the provider block itself has the credentials.
func inBlock(c *awsbase.Config) bool {
	return c.AccessKey != "" || c.SecretKey != "" || c.Token != "" || c.AssumeRoleWithWebIdentity != nil
}

// loadCredentials sets the credentials of a configuration to those of the environment, the
// shared files or the machine, and retrieves them. aws-sdk-go-base could do the same, but it
// has no way to check the answers of the sources: the SDK panics on some, in a goroutine of
// its own.
func loadCredentials(ctx context.Context, c *awsbase.Config, cfg *aws.Config, source credentialSource) diag.Diagnostics {
	var diags diag.Diagnostics

	loaded, err := config.LoadDefaultConfig(ctx, credentialOptions(c, cfg)...)
	if err != nil {
		diags.AddError(summaryConfigure, configurationDetail(c, err))

		return diags
	}
	keys, err := retrieve(ctx, loaded.Credentials, source.signIn)
	if err != nil {
		diags.Append(source.diagnostic(err))

		return diags
	}
	cfg.Credentials = loaded.Credentials
	if cfg.Region == "" && keys.Source == ec2rolecreds.ProviderName {
		// Without a Region, the error below says where to set one.
		if answer, err := imds.NewFromConfig(loaded).GetRegion(ctx, &imds.GetRegionInput{}); err == nil {
			cfg.Region = answer.Region
		}
	}

	return diags
}

// credentialOptions returns the SDK's options to load credentials. The sources use the HTTP
// client of the configuration, with its proxies and certificates.
func credentialOptions(c *awsbase.Config, cfg *aws.Config) []func(*config.LoadOptions) error {
	options := append(ambientOptions(c),
		config.WithHTTPClient(cfg.HTTPClient),
		config.WithAPIOptions(append(cfg.APIOptions[:len(cfg.APIOptions):len(cfg.APIOptions)], checkSourceAnswers)),
		config.WithEC2IMDSClientEnableState(c.EC2MetadataServiceEnableState),
		config.WithEC2IMDSEndpoint(c.EC2MetadataServiceEndpoint),
		// The SDK resolves options of single services only after the credentials.
		config.WithEndpointResolverWithOptions(sourceEndpoints(c)), //nolint:staticcheck // See above.
	)
	if c.RetryMode != "" {
		options = append(options, config.WithRetryMode(c.RetryMode))
	}
	if reader, err := c.CustomCABundleReader(); c.CustomCABundle != "" && err == nil {
		options = append(options, config.WithCustomCABundle(reader))
	}
	var mode imds.EndpointModeState
	if err := mode.SetFromString(c.EC2MetadataServiceEndpointMode); err == nil {
		options = append(options, config.WithEC2IMDSEndpointMode(mode))
	}
	if c.UseDualStackEndpoint {
		options = append(options, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	if c.UseFIPSEndpoint {
		options = append(options, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}

	return options
}

// sourceEndpoints returns the endpoints of the provider block for STS and IAM Identity Center.
func sourceEndpoints(c *awsbase.Config) aws.EndpointResolverWithOptionsFunc { //nolint:staticcheck // See credentialOptions.
	return func(service, region string, _ ...any) (aws.Endpoint, error) { //nolint:staticcheck // See credentialOptions.
		switch {
		case service == sso.ServiceID && c.SsoEndpoint != "":
			return aws.Endpoint{URL: c.SsoEndpoint, Source: aws.EndpointSourceCustom, SigningRegion: region}, nil //nolint:staticcheck // See credentialOptions.
		case service == sts.ServiceID && c.StsEndpoint != "":
			return aws.Endpoint{URL: c.StsEndpoint, Source: aws.EndpointSourceCustom, SigningRegion: cmp.Or(c.StsRegion, region)}, nil //nolint:staticcheck // See credentialOptions.
		default:
			return aws.Endpoint{}, &aws.EndpointNotFoundError{} //nolint:staticcheck // See credentialOptions.
		}
	}
}

// errNoCredentials: a source answered, but its answer holds no credentials.
var errNoCredentials = errors.New("the answer holds no credentials")

// checkSourceAnswers makes answers without credentials errors. The SDK would panic, or assume
// a role with an empty key. It also limits the length of answers.
func checkSourceAnswers(stack *middleware.Stack) error {
	limit := middleware.DeserializeMiddlewareFunc("LimitAnswer",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if response, ok := out.RawResponse.(*smithyhttp.Response); ok && response.Body != nil {
				response.Body = http.MaxBytesReader(nil, response.Body, httpclient.MaxAnswer)
			}

			return out, metadata, err
		})
	if err := stack.Deserialize.Add(limit, middleware.After); err != nil {
		return err
	}

	// It comes after the signature.
	refuse := middleware.FinalizeMiddlewareFunc("RefuseEmptyKey",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if request, ok := in.Request.(*smithyhttp.Request); ok && strings.Contains(request.Header.Get("Authorization"), "Credential=/") {
				return middleware.FinalizeOutput{}, middleware.Metadata{}, errNoKeys
			}

			return next.HandleFinalize(ctx, in)
		})
	if err := stack.Finalize.Add(refuse, middleware.After); err != nil {
		return err
	}

	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("CheckAnswer",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (out middleware.InitializeOutput, metadata middleware.Metadata, err error) {
			out, metadata, err = next.HandleInitialize(ctx, in)
			if err == nil && holdsNothing(out.Result) {
				err = errNoCredentials
			}

			return out, metadata, err
		}), middleware.Before)
}

// holdsNothing reports whether a decoded answer lacks what the SDK takes for granted.
func holdsNothing(answer any) bool {
	if role, ok := answer.(*sso.GetRoleCredentialsOutput); ok && role != nil {
		return role.RoleCredentials == nil
	}
	value := reflect.ValueOf(answer)

	return !value.IsValid() || value.Kind() == reflect.Pointer && value.IsNil()
}
