// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/action/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/action"
	"github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ action.Action                   = (*drainSessionsAction)(nil)
	_ action.ActionWithConfigure      = (*drainSessionsAction)(nil)
	_ action.ActionWithModifyPlan     = (*drainSessionsAction)(nil)
	_ action.ActionWithValidateConfig = (*drainSessionsAction)(nil)
)

// progressInterval is the least time between two progress messages of one phase.
const progressInterval = 5 * time.Second

func newDrainSessionsAction() action.Action {
	return &drainSessionsAction{}
}

type drainSessionsAction struct {
	configured
}

type drainSessionsActionModel struct {
	drainModel
	Timeouts timeouts.Value `tfsdk:"timeouts"`
}

func (a *drainSessionsAction) Metadata(_ context.Context, req action.MetadataRequest, resp *action.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_drain_sessions"
}

func (a *drainSessionsAction) Schema(ctx context.Context, _ action.SchemaRequest, resp *action.SchemaResponse) {
	attributes := map[string]schema.Attribute{
		"grace_period": schema.StringAttribute{
			CustomType:          durationType{},
			Optional:            true,
			MarkdownDescription: gracePeriodDescription,
			Validators:          []validator.String{notNegative()},
		},
		"max_sessions": schema.Int64Attribute{
			CustomType:          wholeNumberType{},
			Optional:            true,
			MarkdownDescription: maxSessionsDescription,
			Validators:          maxSessionsValidators(),
		},
		"older_than": schema.StringAttribute{
			CustomType:          durationType{},
			Optional:            true,
			MarkdownDescription: olderThanDescription + " Measured once, when the drain begins.",
			Validators:          olderThanValidators(),
		},
		"region": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: regionDescription,
			Validators:          regionValidators(),
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
		MarkdownDescription: "Ends every Session Manager session that it selects, and keeps nothing in state. " + selectorDescription,
		Attributes:          attributes,
		Blocks: map[string]schema.Block{
			"timeouts": timeouts.BlockWithOpts(ctx, timeouts.Opts{
				InvokeDescription: "How long the drain may take, grace period included, as a duration. " + drainTimeoutDefault,
			}),
		},
	}
}

func (a *drainSessionsAction) Configure(_ context.Context, req action.ConfigureRequest, resp *action.ConfigureResponse) {
	a.configure(req.ProviderData, &resp.Diagnostics)
}

func (a *drainSessionsAction) ValidateConfig(ctx context.Context, req action.ValidateConfigRequest, resp *action.ValidateConfigResponse) {
	var config drainSessionsActionModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}

	config.validate(validateTimeouts(ctx, req.Config, &resp.Diagnostics, "invoke"), &resp.Diagnostics)
}

func (a *drainSessionsAction) ModifyPlan(ctx context.Context, req action.ModifyPlanRequest, resp *action.ModifyPlanResponse) {
	var model drainSessionsActionModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	if resp.Diagnostics.HasError() || model.Region.IsUnknown() || model.resolve(a.providerMeta, &resp.Diagnostics) != regionGood {
		return
	}
	if !model.requireCondition(a.place(model.Region.ValueString()).Account, &resp.Diagnostics) || !model.judge(a.place(model.Region.ValueString()), &resp.Diagnostics) {
		return
	}
	if in, known := model.input(); known && a.ready() {
		warnOfDrain(&resp.Diagnostics, a.previewDrain(ctx, in, drainOnInvoke, &resp.Diagnostics))
	}
}

func (a *drainSessionsAction) Invoke(ctx context.Context, req action.InvokeRequest, resp *action.InvokeResponse) {
	var model drainSessionsActionModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &model)...)
	validateLate(ctx, req.Config, &resp.Diagnostics)
	if !a.prepare(summaryDrain, &model.regionModel, &resp.Diagnostics) {
		return
	}
	if !model.requireCondition(a.place(model.Region.ValueString()).Account, &resp.Diagnostics) || !model.judge(a.place(model.Region.ValueString()), &resp.Diagnostics) {
		return
	}

	in, _ := model.input()
	timeout, diags := model.Timeouts.Invoke(ctx, drainDefaultTimeout(in))
	resp.Diagnostics.Append(diags...)
	model.validate(map[string]types.String{"invoke": types.StringValue(timeout.String())}, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	in.Progress = throttledProgress(func(message string) {
		resp.SendProgress(action.InvokeProgressEvent{Message: message})
	})

	callCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := a.client.Drain(callCtx, in)
	a.reportDrain(in, drainOnInvoke, result, err, &resp.Diagnostics)
	if err == nil {
		resp.SendProgress(action.InvokeProgressEvent{Message: drainedMessage(a.where(in.Region), result)})
	}
}

// drainedMessage returns the last progress message of a drain.
func drainedMessage(where string, result sessionmanager.DrainResult) string {
	message := fmt.Sprintf("Drained %s in %s.%s", sessionCount(result.Count(sessionmanager.OutcomeTerminated)), where, endedWithout(result))
	if unverified := len(result.Unverified()); unverified > 0 {
		message += fmt.Sprintf(" Not verified: %d.", unverified)
	}

	return message
}

// throttledProgress sends progress messages with counts: the first and the last of each
// phase, and one per progressInterval in between.
func throttledProgress(send func(message string)) func(sessionmanager.DrainProgress) {
	var last time.Time

	return func(p sessionmanager.DrainProgress) {
		first := p.Answered == 0 && !p.Waiting
		done := p.Answered == p.Matching && !p.Waiting
		if !first && !done && time.Since(last) < progressInterval {
			return
		}
		last = time.Now()

		switch {
		case p.Waiting:
			send(fmt.Sprintf("Waiting for %s to end within the grace period ...", sessionCount(p.Matching)))
		case p.Failed > 0:
			send(fmt.Sprintf("Asked for the end of %d of %s, %d failed.", p.Answered-p.Failed, sessionCount(p.Matching), p.Failed))
		default:
			send(fmt.Sprintf("Asked for the end of %d of %s.", p.Answered, sessionCount(p.Matching)))
		}
	}
}
