// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

var (
	_ ephemeral.EphemeralResource                   = (*sessionEphemeralResource)(nil)
	_ ephemeral.EphemeralResourceWithClose          = (*sessionEphemeralResource)(nil)
	_ ephemeral.EphemeralResourceWithConfigure      = (*sessionEphemeralResource)(nil)
	_ ephemeral.EphemeralResourceWithValidateConfig = (*sessionEphemeralResource)(nil)
)

func newSessionEphemeralResource() ephemeral.EphemeralResource {
	return &sessionEphemeralResource{}
}

type sessionEphemeralResource struct {
	configured
}

type sessionEphemeralResourceModel struct {
	Target       types.String `tfsdk:"target"`
	DocumentName types.String `tfsdk:"document_name"`
	Enabled      types.Bool   `tfsdk:"enabled"`
	Parameters   types.Map    `tfsdk:"parameters"`
	Reason       types.String `tfsdk:"reason"`
	regionModel
	SessionID  types.String `tfsdk:"session_id"`
	StreamURL  types.String `tfsdk:"stream_url"`
	TokenValue types.String `tfsdk:"token_value"`
}

func (e *sessionEphemeralResource) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_session"
}

func (e *sessionEphemeralResource) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Starts a Session Manager session for a client of your own, and ends it when Terraform no longer needs it. Its token and stream URL are stored nowhere.",
		Attributes: map[string]schema.Attribute{
			"target": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: startTargetDescription,
				Validators:          startTargetValidators(),
			},
			"document_name": schema.StringAttribute{
				Optional: true,
				MarkdownDescription: "Name or ARN of the session's document, 3 to 128 characters, such as `AWS-StartPortForwardingSession`. " +
					"By default SSM starts a shell with the account's preferences.",
				Validators: documentNameValidators(),
			},
			"enabled": schema.BoolAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: "Whether to start the session. If `false`, nothing is called and the results are null. " + enabledDescription,
			},
			"parameters": schema.MapAttribute{
				ElementType:         types.ListType{ElemType: types.StringType},
				Optional:            true,
				MarkdownDescription: parametersDescription,
				Validators:          parametersValidators(),
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
			"session_id": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "ID of the session.",
			},
			"stream_url": schema.StringAttribute{
				Computed:            true,
				Sensitive:           true,
				MarkdownDescription: streamURLDescription,
			},
			"token_value": schema.StringAttribute{
				Computed:  true,
				Sensitive: true,
				MarkdownDescription: "Token that authenticates a client on the data channel. Use it at once: the agent ends the session " +
					"if the client does not answer its handshake within 15 seconds.",
			},
		},
	}
}

func (e *sessionEphemeralResource) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	e.configure(req.ProviderData, &resp.Diagnostics)
}

func (e *sessionEphemeralResource) ValidateConfig(ctx context.Context, req ephemeral.ValidateConfigRequest, resp *ephemeral.ValidateConfigResponse) {
	var model sessionEphemeralResourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}
	warnOfPlans(model.Enabled, "Session Started by Plans", "A session is started", &resp.Diagnostics)
}

func (e *sessionEphemeralResource) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var model sessionEphemeralResourceModel
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
	if !e.prepare(summaryStart, &model.regionModel, &resp.Diagnostics) {
		return
	}
	in := startInput{model.Target, model.DocumentName, model.Parameters, model.Reason}.input(ctx, model.Region.ValueString(), &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}

	startCtx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	opened, err := e.client.Start(startCtx, in)
	if err != nil {
		reportStart(in, err, &resp.Diagnostics)

		return
	}

	model.SessionID = types.StringValue(opened.SessionID)
	model.StreamURL = types.StringValue(opened.StreamURL)
	model.TokenValue = types.StringValue(opened.Token)
	resp.Diagnostics.Append(resp.Result.Set(ctx, &model)...)
	keepOpened(ctx, opened.SessionRef, resp)
	if resp.Diagnostics.HasError() {
		// Terraform does not call Close after a failed Open.
		endOpened(ctx, e.providerMeta, opened.SessionRef, &resp.Diagnostics)
	}
}

func (e *sessionEphemeralResource) Close(ctx context.Context, req ephemeral.CloseRequest, resp *ephemeral.CloseResponse) {
	if ref, ok := keptOpened(ctx, req, &resp.Diagnostics); ok {
		endOpened(ctx, e.providerMeta, ref, &resp.Diagnostics)
	}
}
