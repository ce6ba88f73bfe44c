// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package provider is the Terraform side of terraform-provider-ssm: schemas,
// plans, state and diagnostics around what package sessionmanager does.
package provider

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/resource"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ provider.Provider                       = (*ssmProvider)(nil)
	_ provider.ProviderWithActions            = (*ssmProvider)(nil)
	_ provider.ProviderWithEphemeralResources = (*ssmProvider)(nil)
	_ provider.ProviderWithValidateConfig     = (*ssmProvider)(nil)
)

// NewRegistry returns a registry of the sessions that the provider opens. The process
// ends with it what is open when it ends.
func NewRegistry() *sessionmanager.Registry {
	return sessionmanager.NewRegistry()
}

// New returns the provider's constructor, for providerserver. The provider
// calls prepare, unless it is nil, when it is configured: until then it only tells
// of itself. Sessions that it opens are registered in own, for whoever ends the
// process; nil means a registry of the provider's own.
func New(version string, prepare func(), own *sessionmanager.Registry) func() provider.Provider {
	return func() provider.Provider {
		own := own
		if own == nil {
			own = NewRegistry()
		}

		return &ssmProvider{version: version, prepare: prepare, own: own}
	}
}

type ssmProvider struct {
	version string
	prepare func()
	own     *sessionmanager.Registry // The sessions that this process has opened.

	forwards openForwards // The forwards that this process has opened.

	// httpClient takes the place of the one that the configuration asks for. Only
	// tests set it, to keep an endpoint in their own process and time.
	httpClient *http.Client
}

func (p *ssmProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "ssm"
	resp.Version = p.version
}

func (p *ssmProvider) Configure(ctx context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	if p.prepare != nil {
		p.prepare()
	}

	meta, diags := p.configureMeta(ctx, req.Config, req.TerraformVersion)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}

	resp.ActionData = meta
	resp.DataSourceData = meta
	resp.EphemeralResourceData = meta
	resp.ResourceData = meta
}

func (p *ssmProvider) DataSources(context.Context) []func() datasource.DataSource {
	return []func() datasource.DataSource{
		newConnectionStatusDataSource,
		newSessionDataSource,
		newSessionResumeDataSource,
		newSessionsDataSource,
	}
}

func (p *ssmProvider) EphemeralResources(context.Context) []func() ephemeral.EphemeralResource {
	return []func() ephemeral.EphemeralResource{
		newPortForwardEphemeralResource,
		newSessionEphemeralResource,
		newSessionResumeEphemeralResource,
	}
}

func (p *ssmProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		newSessionDrainResource,
		newSessionTerminationResource,
	}
}

func (p *ssmProvider) Actions(context.Context) []func() action.Action {
	return []func() action.Action{
		newDrainSessionsAction,
		newTerminateSessionAction,
	}
}

// providerMeta is what a configured provider hands to its objects.
type providerMeta struct {
	client    *sessionmanager.Client
	channel   channelConfig
	forwards  *openForwards
	region    string // Region of objects that name none.
	accountID string // Empty if it was not to be requested.

	skipRegionValidation bool

	// unknownArgument names a provider argument whose value was not known yet. There
	// is no client then.
	unknownArgument string
}

// channelConfig is what data channels are opened with, besides what SSM gives for each.
type channelConfig struct {
	// Credentials sign the opening. They renew themselves: ask again for each signature.
	Credentials aws.CredentialsProvider

	// HTTPClient has the proxies, certificates and TLS settings of the provider block.
	// It has no time-out, which would end a channel, and follows no redirect.
	HTTPClient *http.Client

	// Endpoint replaces scheme and host of stream URLs, with the scheme ws or wss; empty
	// means that they stay as they are.
	Endpoint string
}

// newChannelConfig takes over what the calls of SSM are made with.
func newChannelConfig(cfg aws.Config, endpoint string) channelConfig {
	client := &http.Client{}
	switch configured := cfg.HTTPClient.(type) {
	case *awshttp.BuildableClient:
		client.Transport = configured.GetTransport()
	case *http.Client:
		client.Transport = configured.Transport
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	// The validator of the argument lets no other schemes through.
	if scheme, rest, found := strings.Cut(endpoint, "://"); found {
		endpoint = strings.Replace(strings.ToLower(scheme), "http", "ws", 1) + "://" + strings.TrimRight(rest, "/")
	}

	return channelConfig{Credentials: cfg.Credentials, HTTPClient: client, Endpoint: endpoint}
}

// configured is embedded by every object; it takes what Configure is handed.
type configured struct {
	*providerMeta
}

// configure keeps the provider's data. Terraform also calls Configure before the
// provider is configured, to validate; there is none then.
func (c *configured) configure(data any, diags *diag.Diagnostics) {
	if data == nil {
		return
	}

	meta, ok := data.(*providerMeta)
	if !ok {
		diags.AddError(
			"Unexpected Provider Data Type",
			fmt.Sprintf("Expected %T, got %T. This is a bug in the provider; please report it.", meta, data),
		)

		return
	}
	c.providerMeta = meta
}

// ready reports whether calls can be made.
func (m *providerMeta) ready() bool {
	return m != nil && m.client != nil
}

// requireReady adds an error unless calls can be made.
func (m *providerMeta) requireReady(summary string, diags *diag.Diagnostics) bool {
	if m.ready() {
		return true
	}

	detail := "The provider is not configured, so that Session Manager cannot be called."
	if m != nil && m.unknownArgument != "" {
		detail = fmt.Sprintf("The provider argument %q has a value that is not known yet, and the provider neither guesses it nor falls back to other credentials.\n\n"+
			"Give the argument a value that is known when planning, or first apply what it depends on with -target.", m.unknownArgument)
	}
	diags.AddError(summary, detail)

	return false
}
