// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ datasource.DataSource                   = (*sessionsDataSource)(nil)
	_ datasource.DataSourceWithConfigure      = (*sessionsDataSource)(nil)
	_ datasource.DataSourceWithValidateConfig = (*sessionsDataSource)(nil)
)

// listTimeout limits reading a whole listing. At the service's quota this is enough for
// more than a million sessions.
const listTimeout = 20 * time.Minute

func newSessionsDataSource() datasource.DataSource {
	return &sessionsDataSource{}
}

type sessionsDataSource struct {
	configured
}

type sessionsDataSourceModel struct {
	regionModel
	selectorModel
	State         types.String   `tfsdk:"state"`
	StartedAfter  types.String   `tfsdk:"started_after"`
	StartedBefore types.String   `tfsdk:"started_before"`
	SessionIDs    []string       `tfsdk:"session_ids"`
	Sessions      []sessionModel `tfsdk:"sessions"`
}

func (d *sessionsDataSource) Metadata(_ context.Context, req datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_sessions"
}

func (d *sessionsDataSource) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	states := sessionmanager.States()
	attributes := map[string]schema.Attribute{
		"region": schema.StringAttribute{
			Optional:            true,
			Computed:            true,
			MarkdownDescription: regionDescription,
			Validators:          regionValidators(),
		},
		"state": schema.StringAttribute{
			Optional:            true,
			Computed:            true,
			MarkdownDescription: "Which list to read: " + quoted(states) + ". The history goes back 30 days. Defaults to `Active`.",
			Validators:          []validator.String{stringvalidator.OneOf(states...)},
		},
		"older_than": schema.StringAttribute{
			CustomType:          durationType{},
			Optional:            true,
			MarkdownDescription: olderThanDescription,
			Validators:          olderThanValidators(),
		},
		"started_after": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Sessions that started at this time or later, in RFC 3339 such as `2026-11-20T00:00:00Z`.",
			Validators:          []validator.String{timestamp()},
		},
		"started_before": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Sessions that started before this time, in RFC 3339.",
			Validators:          []validator.String{timestamp()},
		},
		"session_ids": schema.ListAttribute{
			ElementType:         types.StringType,
			Computed:            true,
			MarkdownDescription: "IDs of the sessions, in the order of `sessions`. One that SSM lists without an ID is left out.",
		},
		"sessions": schema.ListNestedAttribute{
			Computed:            true,
			MarkdownDescription: "The sessions, by start date, then by ID.",
			NestedObject:        schema.NestedAttributeObject{Attributes: sessionAttributes()},
		},
	}
	for name, set := range selectorSets() {
		attributes[name] = schema.SetAttribute{
			CustomType:          newTextSetType(),
			Optional:            true,
			MarkdownDescription: set.description,
			Validators:          set.validators,
		}
	}
	resp.Schema = schema.Schema{
		MarkdownDescription: "Shows zero or more Session Manager sessions. " + selectorDescription,
		Attributes:          attributes,
	}
}

func (d *sessionsDataSource) Configure(_ context.Context, req datasource.ConfigureRequest, resp *datasource.ConfigureResponse) {
	d.configure(req.ProviderData, &resp.Diagnostics)
}

// ValidateConfig refuses a range of time in which no session can have started.
func (d *sessionsDataSource) ValidateConfig(ctx context.Context, req datasource.ValidateConfigRequest, resp *datasource.ValidateConfigResponse) {
	var model sessionsDataSourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() {
		return
	}

	after, afterErr := time.Parse(time.RFC3339, model.StartedAfter.ValueString())
	before, beforeErr := time.Parse(time.RFC3339, model.StartedBefore.ValueString())
	if afterErr == nil && beforeErr == nil && !after.Before(before) {
		resp.Diagnostics.AddAttributeError(path.Root("started_after"), "Empty Time Range",
			fmt.Sprintf("No session can have started at %q or later and before started_before = %q.\n\nExchange the two, or leave one out.", model.StartedAfter.ValueString(), model.StartedBefore.ValueString()))
	}
}

func (d *sessionsDataSource) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	var model sessionsDataSourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if !d.prepare(summaryReadAll, &model.regionModel, &resp.Diagnostics) {
		return
	}

	if model.State.IsNull() {
		model.State = types.StringValue(string(sessionmanager.StateActive))
	}
	selector, _ := model.selector()
	selector.StartedAfter, _ = time.Parse(time.RFC3339, model.StartedAfter.ValueString())
	selector.StartedBefore, _ = time.Parse(time.RFC3339, model.StartedBefore.ValueString())

	warnOfEmptyRange(selector, model, time.Now(), &resp.Diagnostics)

	region := model.Region.ValueString()
	if !model.judge(d.place(region), &resp.Diagnostics) {
		return
	}
	callCtx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()

	listing, err := d.client.List(callCtx, region, sessionmanager.State(model.State.ValueString()), selector, time.Time{})
	if err != nil {
		resp.Diagnostics.AddError(summaryReadAll,
			failureDetail(fmt.Sprintf("The sessions in %s could not be listed: %s.", d.where(region), failureReason(err)), err))

		return
	}

	model.SessionIDs, model.Sessions = []string{}, []sessionModel{}
	for _, session := range listing.Sessions {
		model.SessionIDs = append(model.SessionIDs, session.SessionID)
		model.Sessions = append(model.Sessions, flattenSession(session))
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &model)...)
}

// warnOfEmptyRange warns of a started_after that no session can meet at this time. It is not an
// error: time may make it possible.
func warnOfEmptyRange(selector sessionmanager.Selector, model sessionsDataSourceModel, now time.Time, diags *diag.Diagnostics) {
	why := ""
	switch after := selector.StartedAfter; {
	case after.After(now):
		why = "is in the future"
	case selector.OlderThan != nil && after.After(now.Add(-*selector.OlderThan)):
		why = fmt.Sprintf("is less than older_than = %q ago", model.OlderThan.ValueString())
	default:
		return
	}
	diags.AddAttributeWarning(path.Root("started_after"), "No Session Can Match",
		fmt.Sprintf("started_after = %q %s, so no session can match now. The time is %s.\n\nGive an earlier started_after, or leave it out.",
			model.StartedAfter.ValueString(), why, now.UTC().Format(time.RFC3339)))
}
