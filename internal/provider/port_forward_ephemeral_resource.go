// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/ephemeral/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/portforward"
)

// portForwardOpenTimeout is the default limit for Open, without wait_for_target.
const portForwardOpenTimeout = time.Minute

var (
	_ ephemeral.EphemeralResource                   = (*portForwardEphemeralResource)(nil)
	_ ephemeral.EphemeralResourceWithClose          = (*portForwardEphemeralResource)(nil)
	_ ephemeral.EphemeralResourceWithConfigure      = (*portForwardEphemeralResource)(nil)
	_ ephemeral.EphemeralResourceWithValidateConfig = (*portForwardEphemeralResource)(nil)
)

func newPortForwardEphemeralResource() ephemeral.EphemeralResource {
	return &portForwardEphemeralResource{}
}

type portForwardEphemeralResource struct {
	configured
}

type portForwardEphemeralResourceModel struct {
	Target        types.String  `tfsdk:"target"`
	DocumentName  types.String  `tfsdk:"document_name"`
	Enabled       types.Bool    `tfsdk:"enabled"`
	KeepAlive     types.Bool    `tfsdk:"keep_alive"`
	LocalPort     wholeNumber   `tfsdk:"local_port"`
	Parameters    types.Map     `tfsdk:"parameters"`
	Probe         types.Bool    `tfsdk:"probe"`
	Reason        types.String  `tfsdk:"reason"`
	RemoteHost    types.String  `tfsdk:"remote_host"`
	RemotePort    wholeNumber   `tfsdk:"remote_port"`
	WaitForTarget durationValue `tfsdk:"wait_for_target"`
	regionModel
	Endpoint  types.String   `tfsdk:"endpoint"`
	LocalHost types.String   `tfsdk:"local_host"`
	SessionID types.String   `tfsdk:"session_id"`
	Timeouts  timeouts.Value `tfsdk:"timeouts"`
}

func (e *portForwardEphemeralResource) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_port_forward"
}

func (e *portForwardEphemeralResource) Schema(ctx context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Forwards a port on 127.0.0.1 through a Session Manager session to a port of a node, or of a host that the node reaches. The port is open as long as Terraform needs it.",
		Attributes: map[string]schema.Attribute{
			"target": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: startTargetDescription,
				Validators:          startTargetValidators(),
			},
			"document_name": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Name or ARN of a port document of your own. Defaults to `" + documentPort + "`, or to `" + documentRemoteHost +
					"` with `remote_host`.",
				Validators: documentNameValidators(),
			},
			"enabled": schema.BoolAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: "Whether to forward the port. If `false`, nothing is called and the results are null. Defaults to `true`.",
			},
			"keep_alive": schema.BoolAttribute{
				Optional:            true,
				MarkdownDescription: "Whether to send something every 30 seconds. This evades the idle time-out of your account during the run. Defaults to `false`.",
			},
			"local_port": schema.Int64Attribute{
				CustomType:          wholeNumberType{},
				Optional:            true,
				Computed:            true,
				MarkdownDescription: "Port to listen on. Defaults to a free port, which can differ between plan and apply.",
				Validators:          []validator.Int64{int64validator.Between(1, 65535)},
			},
			"parameters": schema.MapAttribute{
				ElementType: types.ListType{ElemType: types.StringType},
				Optional:    true,
				MarkdownDescription: parametersDescription + " For `" + parameterPort + "`, `" + parameterHost + "` and `" + parameterLocalPort +
					"` use `remote_port`, `remote_host` and `local_port`.",
				Validators: parametersValidators(),
			},
			"probe": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Whether to open a first connection, and to fail if the far end refuses it. " +
					"Set `false` if the far end starts later in the run. Defaults to `true`.",
			},
			"reason": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: startReasonDescription,
				Validators:          startReasonValidators(),
			},
			"region": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: regionDescription,
				Validators:          regionValidators(),
			},
			"remote_host": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Host name or IP address that the node connects to. The node resolves a name once, when the session starts. " +
					"Defaults to the node itself.",
				Validators: []validator.String{remoteHost()},
			},
			"remote_port": schema.Int64Attribute{
				CustomType:          wholeNumberType{},
				Optional:            true,
				MarkdownDescription: "Port at the far end. Required unless a document of your own fixes the port.",
				Validators:          []validator.Int64{int64validator.Between(1, 65535)},
			},
			"wait_for_target": schema.StringAttribute{
				CustomType:          durationType{},
				Optional:            true,
				MarkdownDescription: "How long to wait for the node to connect to Systems Manager, such as `5m`. Defaults to `0s`.",
				Validators:          []validator.String{notNegative()},
			},
			"endpoint": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "`local_host` and `local_port`, joined by a colon.",
			},
			"local_host": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Always `127.0.0.1`.",
			},
			"session_id": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "ID of the first session. If it ends early, the forward opens another one.",
			},
		},
		Blocks: map[string]schema.Block{
			"timeouts": timeouts.BlockWithOpts(ctx, timeouts.Opts{
				OpenDescription: "How long opening may take, without `wait_for_target`, such as `30s`. Defaults to `1m`.",
			}),
		},
	}
}

func (e *portForwardEphemeralResource) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	e.configure(req.ProviderData, &resp.Diagnostics)
}

func (e *portForwardEphemeralResource) ValidateConfig(ctx context.Context, req ephemeral.ValidateConfigRequest, resp *ephemeral.ValidateConfigResponse) {
	validateTimeouts(ctx, req.Config, &resp.Diagnostics, "open")

	var model portForwardEphemeralResourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if !resp.Diagnostics.HasError() {
		model.validate(&resp.Diagnostics)
	}
}

// validate checks known arguments that depend on each other.
func (m *portForwardEphemeralResourceModel) validate(diags *diag.Diagnostics) {
	for name, argument := range map[string]string{parameterHost: "remote_host", parameterLocalPort: "local_port", parameterPort: "remote_port"} {
		if _, given := m.Parameters.Elements()[name]; given {
			diags.AddAttributeError(path.Root("parameters").AtMapKey(name), "Parameter Is an Argument",
				fmt.Sprintf("%s is set with %s, and not in parameters.\n\nRemove %q from parameters, and set %s instead.", name, argument, name, argument))
		}
	}
	if m.DocumentName.IsUnknown() || m.RemoteHost.IsUnknown() {
		return
	}

	document := documentBaseName(m.document())
	if !m.RemoteHost.IsNull() && (document == documentPort || document == documentSSH) {
		diags.AddAttributeError(path.Root("remote_host"), "Document Takes No Host",
			fmt.Sprintf("The document %s forwards to the node itself, and takes no host.\n\nRemove remote_host, or document_name: without it, the provider takes %s.", document, documentRemoteHost))
	}
	if m.RemoteHost.IsNull() && document == documentRemoteHost {
		diags.AddAttributeError(path.Root("remote_host"), "Missing Remote Host",
			fmt.Sprintf("The document %s forwards to another host, and none is given.\n\nSet remote_host, or remove document_name for a port of the node itself.", document))
	}
	if m.RemotePort.IsNull() && awsPortDocuments[document] {
		diags.AddAttributeError(path.Root("remote_port"), "Missing Remote Port",
			fmt.Sprintf("The document %s needs to know the port at the far end.\n\nSet remote_port. Only a document of your own may fix the port.", document))
	}
}

func (e *portForwardEphemeralResource) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var model portForwardEphemeralResourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	if model.Enabled.IsNull() {
		model.Enabled = types.BoolValue(true)
	}
	if !model.Enabled.ValueBool() {
		model.resolve(e.providerMeta, &resp.Diagnostics)
		if !resp.Diagnostics.HasError() {
			resp.Diagnostics.Append(resp.Result.Set(ctx, &model)...)
		}

		return
	}
	if !e.prepare(summaryForward, &model.regionModel, &resp.Diagnostics) {
		return
	}
	model.validate(&resp.Diagnostics)
	timeout, diags := model.Timeouts.Open(ctx, portForwardOpenTimeout)
	resp.Diagnostics.Append(diags...)
	opener := model.opener(ctx, e.providerMeta, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}

	collectOften()
	openCtx, cancel := context.WithTimeout(ctx, timeout+opener.wait)
	defer cancel()
	forward, err := portforward.Listen(openCtx, portforward.Config{
		LocalPort: int(model.LocalPort.ValueInt64()),
		Open:      opener.open,
		Probe:     model.Probe.IsNull() || model.Probe.ValueBool(),
		KeepAlive: model.KeepAlive.ValueBool(),
		Target:    opener.farEnd,
		Observe:   logForward,
	})
	if err != nil {
		opener.reportOpen(err, &resp.Diagnostics)
		opener.reportEnds(&resp.Diagnostics)

		return
	}

	model.LocalHost = types.StringValue(portforward.Host)
	model.LocalPort.Int64Value = types.Int64Value(int64(forward.Port()))
	model.Endpoint = types.StringValue(net.JoinHostPort(portforward.Host, strconv.Itoa(forward.Port())))
	model.SessionID = types.StringValue(forward.SessionID())
	resp.Diagnostics.Append(resp.Result.Set(ctx, &model)...)
	resp.Diagnostics.Append(e.forwards.keep(ctx, openForward{forward, opener}, resp.Private.SetKey)...)
	if resp.Diagnostics.HasError() {
		// Terraform does not call Close after a failed Open.
		openForward{forward, opener}.close(ctx, &resp.Diagnostics)
	}
}

func (e *portForwardEphemeralResource) Close(ctx context.Context, req ephemeral.CloseRequest, resp *ephemeral.CloseResponse) {
	if !e.ready() {
		return
	}
	if f, ok := e.forwards.take(ctx, req.Private.GetKey, &resp.Diagnostics); ok {
		f.close(ctx, &resp.Diagnostics)
	}
}
