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

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ provider.Provider                       = (*ssmProvider)(nil)
	_ provider.ProviderWithActions            = (*ssmProvider)(nil)
	_ provider.ProviderWithEphemeralResources = (*ssmProvider)(nil)
	_ provider.ProviderWithValidateConfig     = (*ssmProvider)(nil)
)

// NewRegistry returns a registry for the sessions that the provider opens. When the
// process exits, it uses the registry to end those that are still open.
func NewRegistry() *sessionmanager.Registry {
	return sessionmanager.NewRegistry()
}

// New returns the provider's constructor, for providerserver. The provider calls prepare
// when it is configured; prepare may be nil. A process that only serves the schema never
// calls it. The provider registers the sessions that it opens in own; if own is nil, it
// creates a registry.
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

	// httpClient replaces the configured HTTP client. Only tests set it, to serve an
	// endpoint in the same process and with a fake clock.
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

// providerMeta is the data that a configured provider passes to its objects.
type providerMeta struct {
	client    *sessionmanager.Client
	channel   channelConfig
	forwards  *openForwards
	region    string // Default Region of objects.
	accountID string // Empty if it was not requested.

	skipRegionValidation bool

	// unknownArgument is a provider argument whose value is unknown. If it is set, there
	// is no client.
	unknownArgument string
}

// channelConfig holds the settings that all data channels share.
type channelConfig struct {
	// Credentials sign the request that opens a channel. They may expire: retrieve them
	// again for each signature.
	Credentials aws.CredentialsProvider

	// HTTPClient has the proxies, certificates and TLS settings of the provider block.
	// It follows no redirects, and has no time-out: that would end a channel.
	HTTPClient *http.Client

	// Endpoint replaces the scheme and host of stream URLs. Its scheme is ws or wss. If
	// it is empty, stream URLs stay as they are.
	Endpoint string
}

// newChannelConfig uses the credentials and the transport of the calls to SSM.
func newChannelConfig(cfg aws.Config, endpoint string) channelConfig {
	client := &http.Client{}
	switch configured := cfg.HTTPClient.(type) {
	case *awshttp.BuildableClient:
		client.Transport = configured.WithTransportOptions(httpclient.ObserveProxy).GetTransport()
	case *http.Client:
		client.Transport = configured.Transport
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	// The argument's validator accepts http, https, ws and wss only.
	if scheme, rest, found := strings.Cut(endpoint, "://"); found {
		endpoint = strings.Replace(strings.ToLower(scheme), "http", "ws", 1) + "://" + strings.TrimRight(rest, "/")
	}

	return channelConfig{Credentials: cfg.Credentials, HTTPClient: client, Endpoint: endpoint}
}

// configured is embedded in every object and holds the provider's data.
type configured struct {
	*providerMeta
}

// configure stores the provider's data. The data is nil during validation, when the
// provider is not configured yet.
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

	detail := "The provider is not configured and cannot call Session Manager."
	if m != nil && m.unknownArgument != "" {
		detail = fmt.Sprintf("The provider argument %q has a value that is not known yet. The provider does not guess it, and does not fall back to other credentials.\n\n"+
			"Give the argument a value that is known when planning, or first apply what it depends on with -target.", m.unknownArgument)
	}
	diags.AddError(summary, detail)

	return false
}
