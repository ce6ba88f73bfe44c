// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

var (
	_ datasource.DataSource                   = (*sessionResumeDataSource)(nil)
	_ datasource.DataSourceWithConfigure      = (*sessionResumeDataSource)(nil)
	_ datasource.DataSourceWithValidateConfig = (*sessionResumeDataSource)(nil)
)

func newSessionResumeDataSource() datasource.DataSource {
	return &sessionResumeDataSource{}
}

type sessionResumeDataSource struct {
	configured
}

// sessionResumeModel is shared by the data source and the ephemeral resource.
type sessionResumeModel struct {
	SessionID types.String `tfsdk:"session_id"`
	regionModel
	StreamURL  types.String `tfsdk:"stream_url"`
	TokenValue types.String `tfsdk:"token_value"`
}

func (d *sessionResumeDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_session_resume"
}

func (d *sessionResumeDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Resumes a disconnected Session Manager session, and returns a new token and stream URL for its data channel.",
		Attributes: map[string]schema.Attribute{
			"session_id": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: sessionIDDescription,
				Validators:          sessionIDValidators(),
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

func (d *sessionResumeDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.configure(req.ProviderData, &resp.Diagnostics)
}

func (d *sessionResumeDataSource) ValidateConfig(_ context.Context, _ datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	resp.Diagnostics.AddWarning(summaryPlanResumes,
		"This data source resumes the session in every plan, apply and refresh, and stores its token in state. Resuming may disturb a connected client. "+
			"Once the session has ended, every plan fails until the block is removed.\n\n"+
			"Use the ephemeral resource ssm_session_resume with enabled = terraform.applying if the result need not be stored.")
}

func (d *sessionResumeDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model sessionResumeModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}

	model.resume(ctx, d.providerMeta, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}
