// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ datasource.DataSource              = (*sessionDataSource)(nil)
	_ datasource.DataSourceWithConfigure = (*sessionDataSource)(nil)
)

func newSessionDataSource() datasource.DataSource {
	return &sessionDataSource{}
}

type sessionDataSource struct {
	configured
}

type sessionDataSourceModel struct {
	regionModel
	sessionModel
}

func (d *sessionDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_session"
}

func (d *sessionDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	attributes := sessionAttributes()
	attributes["session_id"] = schema.StringAttribute{
		Required:            true,
		MarkdownDescription: sessionIDDescription,
		Validators:          sessionIDValidators(),
	}
	attributes["region"] = schema.StringAttribute{
		Optional:            true,
		Computed:            true,
		MarkdownDescription: regionDescription,
		Validators:          regionValidators(),
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Shows one Session Manager session, live or of the 30 days of history. A session that SSM does not know is an error.",
		Attributes:          attributes,
	}
}

func (d *sessionDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.configure(req.ProviderData, &resp.Diagnostics)
}

func (d *sessionDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model sessionDataSourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if !d.prepare(summaryRead, &model.regionModel, &resp.Diagnostics) {
		return
	}

	ref := model.ref(model.SessionID)
	callCtx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()

	session, err := d.client.Find(callCtx, ref)
	if err != nil {
		summary := summaryRead
		if errors.Is(err, sessionmanager.ErrNotFound) {
			summary = summaryNotFound
		}
		resp.Diagnostics.AddAttributeError(path.Root("session_id"), summary,
			failureDetail(d.failureSentence(ref, "could not be read", err), err))

		return
	}

	model.sessionModel = flattenSession(session)
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}
