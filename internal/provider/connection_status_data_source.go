// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ datasource.DataSource              = (*connectionStatusDataSource)(nil)
	_ datasource.DataSourceWithConfigure = (*connectionStatusDataSource)(nil)
)

func newConnectionStatusDataSource() datasource.DataSource {
	return &connectionStatusDataSource{}
}

type connectionStatusDataSource struct {
	configured
}

type connectionStatusDataSourceModel struct {
	regionModel
	Target types.String `tfsdk:"target"`
	Status types.String `tfsdk:"status"`
}

func (d *connectionStatusDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_connection_status"
}

func (d *connectionStatusDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Shows whether a managed node is connected to Session Manager.",
		Attributes: map[string]schema.Attribute{
			"target": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: "ID of the managed node, 1 to 400 characters, such as `i-0123456789abcdef0`.",
				Validators:          []validator.String{judged{sessionmanager.FieldTarget}},
			},
			"region": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				MarkdownDescription: regionDescription,
				Validators:          regionValidators(),
			},
			"status": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Status of the connection between the node and Session Manager: " + quoted(sessionmanager.ConnectionStatuses()) + ".",
			},
		},
	}
}

func (d *connectionStatusDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.configure(req.ProviderData, &resp.Diagnostics)
}

func (d *connectionStatusDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model connectionStatusDataSourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if !d.prepare(summaryConnectionStatus, &model.regionModel, &resp.Diagnostics) {
		return
	}

	target, region := model.Target.ValueString(), model.Region.ValueString()
	callCtx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()

	status, err := d.client.ConnectionStatus(callCtx, region, target)
	if err != nil {
		resp.Diagnostics.AddAttributeError(path.Root("target"), summaryConnectionStatus,
			failureDetail(fmt.Sprintf("The connection status of target %q in %s could not be read: %s.", target, d.where(region), failureReason(err)), err))

		return
	}

	model.Status = types.StringValue(status)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}
