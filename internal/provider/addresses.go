// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// endpointServices are the services that the SDK calls for this provider. Each name is
// the suffix of an environment variable, AWS_ENDPOINT_URL_SSM for example. The services
// section of a shared configuration file has the same names in lower case.
var endpointServices = []string{"SSM", "STS", "IAM", "SSO", "SSO_OIDC", "SIGNIN"}

// configuredEndpoint returns the endpoint of a service in the provider block, or "".
func configuredEndpoint(c *awsbase.Config, service string) string {
	return map[string]string{"STS": c.StsEndpoint, "IAM": c.IamEndpoint, "SSO": c.SsoEndpoint}[service]
}

// checkAddresses validates the endpoints and proxies in environment variables. It runs
// before any call, because the error of a failed call may quote the URL, and a URL may
// hold a password.
func checkAddresses(c *awsbase.Config) diag.Diagnostics {
	var diags diag.Diagnostics

	if os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != "true" {
		checkEndpointVariable(&diags, "AWS_ENDPOINT_URL")
		for _, service := range endpointServices {
			if configuredEndpoint(c, service) == "" {
				checkEndpointVariable(&diags, "AWS_ENDPOINT_URL_"+service)
			}
		}
	}
	if c.EC2MetadataServiceEndpoint == "" {
		checkEndpointVariable(&diags, "AWS_EC2_METADATA_SERVICE_ENDPOINT")
		checkEndpointVariable(&diags, "AWS_METADATA_URL")
	}
	checkEndpointVariable(&diags, "AWS_CONTAINER_CREDENTIALS_FULL_URI")

	if c.HTTPClient != nil {
		return diags
	}
	for name, set := range map[string]bool{
		"HTTP_PROXY": c.HTTPProxy != nil, "http_proxy": c.HTTPProxy != nil,
		"HTTPS_PROXY": c.HTTPSProxy != nil, "https_proxy": c.HTTPSProxy != nil,
	} {
		value := os.Getenv(name)
		if value == "" || set {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value // The same default as in net/http.
		}
		if problem := urlProblem(value, proxySchemes...); problem != "" {
			diags.AddError(summaryProxy, proxyDetail("The environment variable "+name, problem))
		}
	}

	return diags
}

// checkEndpointVariable adds an error if an environment variable is set and its value is
// not the URL of an endpoint.
func checkEndpointVariable(diags *diag.Diagnostics, name string) {
	value := os.Getenv(name)
	if value == "" {
		return
	}
	if problem := urlProblem(value, "http", "https"); problem != "" {
		diags.AddError(summaryEndpoint, endpointDetail("The environment variable "+name, problem))
	}
}

// checkSharedAddresses validates the endpoints in the shared configuration files.
func checkSharedAddresses(c *awsbase.Config, ambient *aws.Config) diag.Diagnostics {
	var diags diag.Diagnostics

	for _, source := range ambient.ConfigSources {
		shared, ok := source.(config.SharedConfig)
		if !ok {
			continue
		}
		for profile := &shared; profile != nil; profile = profile.Source {
			check := func(what, value string) {
				if problem := urlProblem(value, "http", "https"); value != "" && problem != "" {
					diags.AddError(summaryEndpoint, endpointDetail(fmt.Sprintf("The setting %s of the profile %q", what, profile.Profile), problem))
				}
			}
			if c.EC2MetadataServiceEndpoint == "" && os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT") == "" {
				check("ec2_metadata_service_endpoint", profile.EC2IMDSEndpoint)
			}
			if aws.ToBool(profile.IgnoreConfiguredEndpoints) || os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == "true" {
				continue
			}
			check("endpoint_url", profile.BaseEndpoint)
			for _, service := range endpointServices {
				key := strings.ToLower(service)
				if configuredEndpoint(c, service) == "" {
					check(fmt.Sprintf("endpoint_url for %s in the services section %q", key, profile.ServicesSectionName), profile.Services.ServiceValues[key]["endpoint_url"])
				}
			}
		}
	}

	return diags
}
