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
	_ ephemeral.EphemeralResource                   = (*sessionResumeEphemeralResource)(nil)
	_ ephemeral.EphemeralResourceWithConfigure      = (*sessionResumeEphemeralResource)(nil)
	_ ephemeral.EphemeralResourceWithValidateConfig = (*sessionResumeEphemeralResource)(nil)
)

func newSessionResumeEphemeralResource() ephemeral.EphemeralResource {
	return &sessionResumeEphemeralResource{}
}

type sessionResumeEphemeralResource struct {
	configured
}

type sessionResumeEphemeralResourceModel struct {
	sessionResumeModel
	Enabled types.Bool `tfsdk:"enabled"`
}

func (e *sessionResumeEphemeralResource) Metadata(_ context.Context, req ephemeral.MetadataRequest, resp *ephemeral.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_session_resume"
}

func (e *sessionResumeEphemeralResource) Schema(_ context.Context, _ ephemeral.SchemaRequest, resp *ephemeral.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Resumes a disconnected Session Manager session, and returns a new token and stream URL for its data channel. They are stored nowhere.",
		Attributes: map[string]schema.Attribute{
			"session_id": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: sessionIDDescription,
				Validators:          sessionIDValidators(),
			},
			"enabled": schema.BoolAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: "Whether to resume the session. If `false`, nothing is called and the results are null. " + enabledDescription,
			},
			"region": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: regionDescription,
				Validators:          regionValidators(),
			},
			"stream_url": schema.StringAttribute{
				Computed:            true,
				Sensitive:           true,
				MarkdownDescription: streamURLDescription,
			},
			"token_value": schema.StringAttribute{
				Computed:            true,
				Sensitive:           true,
				MarkdownDescription: tokenValueDescription,
			},
		},
	}
}

func (e *sessionResumeEphemeralResource) Configure(_ context.Context, req ephemeral.ConfigureRequest, resp *ephemeral.ConfigureResponse) {
	e.configure(req.ProviderData, &resp.Diagnostics)
}

func (e *sessionResumeEphemeralResource) ValidateConfig(ctx context.Context, req ephemeral.ValidateConfigRequest, resp *ephemeral.ValidateConfigResponse) {
	var config sessionResumeEphemeralResourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if !resp.Diagnostics.HasError() {
		warnOfPlans(config.Enabled, summaryPlanResumes, "This ephemeral resource resumes the session, which may disturb a connected client,", &resp.Diagnostics)
	}
}

func (e *sessionResumeEphemeralResource) Open(ctx context.Context, req ephemeral.OpenRequest, resp *ephemeral.OpenResponse) {
	var model sessionResumeEphemeralResourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}

	if model.Enabled.IsNull() {
		model.Enabled = types.BoolValue(true)
	}
	if model.Enabled.ValueBool() {
		model.resume(ctx, e.providerMeta, &resp.Diagnostics)
	} else {
		model.resolve(e.providerMeta, &resp.Diagnostics)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.Result.Set(ctx, &model)...)
}
