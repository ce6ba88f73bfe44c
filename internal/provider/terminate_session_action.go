// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/action/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ action.Action                   = (*terminateSessionAction)(nil)
	_ action.ActionWithConfigure      = (*terminateSessionAction)(nil)
	_ action.ActionWithModifyPlan     = (*terminateSessionAction)(nil)
	_ action.ActionWithValidateConfig = (*terminateSessionAction)(nil)
)

func newTerminateSessionAction() action.Action {
	return &terminateSessionAction{}
}

type terminateSessionAction struct {
	configured
}

type terminateSessionActionModel struct {
	SessionID types.String `tfsdk:"session_id"`
	regionModel
	IfNotFound types.String   `tfsdk:"if_not_found"`
	Verify     types.Bool     `tfsdk:"verify"`
	Timeouts   timeouts.Value `tfsdk:"timeouts"`
}

func (a *terminateSessionAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_terminate_session"
}

func (a *terminateSessionAction) Schema(ctx context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	resp.Schema = schema.Schema{
		MarkdownDescription: "Ends one Session Manager session for good. A session that has ended already is a success. Nothing is kept in state.",
		Attributes: map[string]schema.Attribute{
			"session_id": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: sessionIDDescription,
				Validators:          sessionIDValidators(),
			},
			"if_not_found": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: ifNotFoundDescription,
				Validators:          []validator.String{stringvalidator.OneOf(ifNotFoundFail, ifNotFoundSucceed)},
			},
			"region": schema.StringAttribute{
				Optional:            true,
				MarkdownDescription: regionDescription,
				Validators:          regionValidators(),
			},
			"verify": schema.BoolAttribute{
				Optional: true,
				MarkdownDescription: "Whether to look the session up before and after. With `false`, `TerminateSession` is the only call: " +
					"for callers without `ssm:DescribeSessions`. Defaults to `true`.",
			},
		},
		Blocks: map[string]schema.Block{
			"timeouts": timeouts.BlockWithOpts(ctx, timeouts.Opts{InvokeDescription: terminationTimeoutDescription}),
		},
	}
}

func (a *terminateSessionAction) Configure(_ context.Context, req action.ConfigureRequest, resp *action.ConfigureResponse) {
	a.configure(req.ProviderData, &resp.Diagnostics)
}

func (a *terminateSessionAction) ValidateConfig(ctx context.Context, req action.ValidateConfigRequest, resp *action.ValidateConfigResponse) {
	validateTimeouts(ctx, req.Config, &resp.Diagnostics, "invoke")
}

func (a *terminateSessionAction) ModifyPlan(ctx context.Context, req action.ModifyPlanRequest, resp *action.ModifyPlanResponse) {
	var model terminateSessionActionModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if !resp.Diagnostics.HasError() && !model.Region.IsUnknown() {
		model.resolve(a.providerMeta, &resp.Diagnostics)
	}
}

func (a *terminateSessionAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var model terminateSessionActionModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	validateLate(ctx, req.Config, &resp.Diagnostics)
	if !a.prepare(summaryTerminate, &model.regionModel, &resp.Diagnostics) {
		return
	}

	timeout, diags := model.Timeouts.Invoke(ctx, terminationTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}

	session := model.ref(model.SessionID)
	resp.SendProgress(action.InvokeProgressEvent{Message: fmt.Sprintf("Ending session %s in Region %s ...", printable(session.SessionID), session.Region)})

	callCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := a.client.Terminate(callCtx, sessionmanager.TerminateInput{
		SessionRef: session,
		Verify:     model.Verify.IsNull() || model.Verify.ValueBool(),
		NotFoundOK: model.IfNotFound.ValueString() == ifNotFoundSucceed,
	})
	a.reportTermination(session, result, err, &resp.Diagnostics)
	if err == nil {
		resp.SendProgress(action.InvokeProgressEvent{Message: terminationProgress(session, result)})
	}
}

// terminationProgress returns the last progress message of a termination.
func terminationProgress(session sessionmanager.SessionRef, result sessionmanager.Termination) string {
	whose := ""
	if result.Session.Owner != "" && result.Session.Target != "" {
		whose = fmt.Sprintf(" of %s on %s", printable(result.Session.Owner), printable(result.Session.Target))
	}

	return fmt.Sprintf("Session %s%s in Region %s: %s.", printable(session.SessionID), whose, session.Region, result.Outcome)
}
