// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/int64default"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/mapplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/setplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ resource.Resource                   = (*sessionDrainResource)(nil)
	_ resource.ResourceWithConfigure      = (*sessionDrainResource)(nil)
	_ resource.ResourceWithImportState    = (*sessionDrainResource)(nil)
	_ resource.ResourceWithMoveState      = (*sessionDrainResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*sessionDrainResource)(nil)
	_ resource.ResourceWithValidateConfig = (*sessionDrainResource)(nil)
)

const (
	drainWhenCreate  = "create"
	drainWhenDestroy = "destroy"
	drainWhenBoth    = "both"

	// drainEndingKey marks a drain in private state when a plan includes its prior state:
	// to update, replace or destroy it. Terraform plans the replacement of a tainted drain
	// without its prior state. The mark is then missing when the old drain is deleted.
	drainEndingKey = "ending"
)

func newSessionDrainResource() resource.Resource {
	return &sessionDrainResource{}
}

type sessionDrainResource struct {
	configured
}

type sessionDrainResourceModel struct {
	drainModel
	AccountID types.String `tfsdk:"account_id"`
	When      types.String `tfsdk:"when"`
	Triggers  types.Map    `tfsdk:"triggers"`
	drainRecord
	Timeouts timeouts.Value `tfsdk:"timeouts"`
}

// drains reports whether the drain takes place on an occasion: drainWhenCreate or
// drainWhenDestroy.
func (m *sessionDrainResourceModel) drains(occasion string) bool {
	when := m.When.ValueString()

	return when == occasion || when == drainWhenBoth
}

func (r *sessionDrainResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_session_drain"
}

func (r *sessionDrainResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := map[string]schema.Attribute{
		"account_id": schema.StringAttribute{
			Computed: true,
			MarkdownDescription: "AWS account whose sessions the drain ends. It refuses to work with credentials of another account. " +
				"Null if the provider has `skip_requesting_account_id`.",
			PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
		},
		"region": schema.StringAttribute{
			Optional:            true,
			Computed:            true,
			MarkdownDescription: regionDescription + " If unset, a later change of the provider's Region does not change it.",
			Validators:          regionValidators(),
			PlanModifiers: []planmodifier.String{
				stringplanmodifier.UseStateForUnknown(),
				stringplanmodifier.RequiresReplaceIfConfigured(),
			},
		},
		"older_than": schema.StringAttribute{
			CustomType:          durationType{},
			Optional:            true,
			MarkdownDescription: olderThanDescription + " Measured once, when the drain begins.",
			Validators:          olderThanValidators(),
		},
		"when": schema.StringAttribute{
			Optional: true,
			Computed: true,
			Default:  stringdefault.StaticString(drainWhenCreate),
			MarkdownDescription: "When to drain: `create`, `destroy` or `both`. Terraform destroys the drain before the objects that it refers to. " +
				"Defaults to `create`.",
			Validators: []validator.String{stringvalidator.OneOf(drainWhenCreate, drainWhenDestroy, drainWhenBoth)},
		},
		"grace_period": schema.StringAttribute{
			CustomType:          durationType{},
			Optional:            true,
			Computed:            true,
			Default:             stringdefault.StaticString("0s"),
			MarkdownDescription: gracePeriodDescription,
			Validators:          []validator.String{notNegative()},
		},
		"max_sessions": schema.Int64Attribute{
			CustomType:          wholeNumberType{},
			Optional:            true,
			Computed:            true,
			Default:             int64default.StaticInt64(sessionmanager.DefaultMaxSessions),
			MarkdownDescription: maxSessionsDescription,
			Validators:          maxSessionsValidators(),
		},
		"triggers": schema.MapAttribute{
			ElementType:         types.StringType,
			Optional:            true,
			MarkdownDescription: "Any change of these values replaces the drain and drains again. Null and `{}` are the same.",
			PlanModifiers: []planmodifier.Map{
				mapplanmodifier.RequiresReplaceIf(replaceIfTriggered, "Replaces if the values differ.", "Replaces if the values differ."),
			},
		},
		"outcomes": schema.MapAttribute{
			ElementType: types.StringType,
			Computed:    true,
			MarkdownDescription: "Outcome of each session by its ID: `terminated`, `already_ended` (it ended before the call), " +
				"`unverified` (its end was not seen) or `failed`. Empty until the first drain.",
			PlanModifiers: []planmodifier.Map{mapplanmodifier.UseStateForUnknown()},
		},
		"request_ids": schema.MapAttribute{
			ElementType: types.StringType,
			Computed:    true,
			MarkdownDescription: "The request ID of SSM's answer to `TerminateSession`, by session ID, as CloudTrail records it. " +
				"Sessions without an answer are missing.",
			PlanModifiers: []planmodifier.Map{mapplanmodifier.UseStateForUnknown()},
		},
	}
	for name, set := range selectorSets() {
		attribute := schema.SetAttribute{
			CustomType:          newTextSetType(),
			Optional:            true,
			MarkdownDescription: set.description,
			Validators:          set.validators,
		}
		if name == "targets" {
			attribute.MarkdownDescription += " Changing them replaces the drain."
			attribute.PlanModifiers = []planmodifier.Set{setplanmodifier.RequiresReplace()}
		}
		attributes[name] = attribute
	}

	resp.Schema = schema.Schema{
		MarkdownDescription: "Ends every Session Manager session that it selects, when it is created, when it is destroyed, or both. " +
			selectorDescription,
		Attributes: attributes,
		Blocks: map[string]schema.Block{
			"timeouts": timeouts.Block(ctx, timeouts.Opts{
				Create:            true,
				Delete:            true,
				CreateDescription: "How long a drain on create may take, grace period included, as a duration. " + drainTimeoutDefault,
				DeleteDescription: "How long a drain on destroy may take, grace period included, as a duration. " + drainTimeoutDefault,
			}),
		},
	}
}

func (r *sessionDrainResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.configure(req.ProviderData, &resp.Diagnostics)
}

func (r *sessionDrainResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	var config sessionDrainResourceModel
	resp.Diagnostics.Append(req.Config.Get(ctx, &config)...)
	if resp.Diagnostics.HasError() {
		return
	}

	config.validate(validateTimeouts(ctx, req.Config, &resp.Diagnostics, "create", "delete"), &resp.Diagnostics)
}

// ModifyPlan sets the Region and warns of the sessions that the planned change ends.
func (r *sessionDrainResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	creating, destroying := req.State.Raw.IsNull(), req.Plan.Raw.IsNull()

	var state, plan sessionDrainResourceModel
	var configuredRegion types.String
	if !creating {
		resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, drainEndingKey, []byte("true"))...)
	}
	if !destroying {
		resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
		resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("region"), &configuredRegion)...)
	}
	if resp.Diagnostics.HasError() {
		return
	}
	if destroying {
		warnOfDrain(&resp.Diagnostics, r.previewDestroy(ctx, state, &resp.Diagnostics))

		return
	}

	// The framework does not report which attributes require a replacement.
	replacing := !creating &&
		(!plan.Targets.Equal(state.Targets) || !sameTriggers(plan.Triggers, state.Triggers) ||
			!configuredRegion.IsNull() && !configuredRegion.Equal(state.Region))
	updating := !creating && !replacing && (plan.When.IsUnknown() || plan.drains(drainWhenCreate)) && !plan.sameSelection(state)
	if replacing && configuredRegion.IsNull() {
		// The new drain uses the provider's current Region.
		plan.Region = types.StringUnknown()
	}
	if creating || replacing {
		plan.AccountID = r.plannedAccount()
	}

	// A configured but unknown Region must not become the default. A drain that does not
	// change makes no calls, so its Region may be outside the provider's partition.
	regionKnown := (creating || replacing || updating) && !configuredRegion.IsUnknown() && plan.resolve(r.providerMeta, &resp.Diagnostics) == regionGood
	plan.requireCondition(r.place(plan.Region.ValueString()).Account, &resp.Diagnostics)
	if regionKnown {
		plan.judge(r.place(plan.Region.ValueString()), &resp.Diagnostics)
	}
	if updating && r.ready() {
		if problem := r.accountProblem(accountOfDrain, state.AccountID.ValueString()); problem != "" {
			resp.Diagnostics.AddError(summaryDrain, problem+" To drain in the other account, replace the drain.")
		}
	}
	if resp.Diagnostics.HasError() {
		return
	}

	var onCreate, onDestroy *drainPreview
	in, known := plan.input()
	if known && regionKnown && r.ready() && plan.drains(drainWhenCreate) {
		occasion := drainOnCreate
		if updating {
			occasion = drainOnUpdate
		}
		onCreate = r.previewDrain(ctx, in, occasion, &resp.Diagnostics)
	}
	if replacing {
		// Terraform plans a replacement twice and shows only the warnings of this first plan.
		onDestroy = r.previewDestroy(ctx, state, &resp.Diagnostics)
		onDestroy.without(onCreate)
	}
	warnOfDrain(&resp.Diagnostics, onDestroy, onCreate)
	switch {
	case creating && !plan.When.IsUnknown() && !plan.drains(drainWhenCreate):
		plan.drainRecord = recordOf(sessionmanager.DrainResult{})
	case updating:
		plan.drainRecord = unknownRecord()
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
}

// previewDestroy lists the sessions that the drain ends when it is destroyed. It adds
// warnings only: a drain that no longer works must not block the destroy of others.
func (r *sessionDrainResource) previewDestroy(ctx context.Context, state sessionDrainResourceModel, diags *diag.Diagnostics) *drainPreview {
	if !state.drains(drainWhenDestroy) || !r.ready() {
		return nil
	}
	in, _ := state.input()
	if _, problem := r.outOfReach(state); problem != "" {
		diags.AddWarning(drainSummary("Sessions Not Counted", in, r.accountID),
			fmt.Sprintf("This drain cannot end the sessions that it selects in Region %s %s. %s\n\nSelection: %s.\n\n%s",
				in.Region, drainOnDestroy, problem, selectionText(in.Selector), drainWayOut))

		return nil
	}

	return r.previewDrain(ctx, in, drainOnDestroy, diags)
}

// outOfReach returns why the provider can no longer end the sessions of a drain in state,
// or "", and the attribute at fault. The provider is then in another partition or another
// account.
func (r *sessionDrainResource) outOfReach(state sessionDrainResourceModel) (at path.Path, problem string) {
	if problem := regionProblem(state.Region.ValueString(), r.place(r.region).Partition, true); problem != "" {
		return path.Root("region"), problem
	}

	return path.Root("account_id"), r.accountProblem(accountOfDrain, state.AccountID.ValueString())
}

// without removes the sessions that another preview of the same Region also shows.
func (p *drainPreview) without(other *drainPreview) {
	if p == nil || other == nil || p.in.Region != other.in.Region {
		return
	}
	shown := make(map[string]bool)
	for _, session := range other.sessions {
		shown[session.SessionID] = true
	}
	if len(p.sessions) <= p.in.MaxSessions {
		p.sessions = slices.DeleteFunc(p.sessions, func(s sessionmanager.Session) bool { return shown[s.SessionID] })
	}
}

// sameSelection reports whether the selection is known and the same as before.
func (m *sessionDrainResourceModel) sameSelection(before sessionDrainResourceModel) bool {
	now, known := m.selector()
	then, _ := before.selector()

	return known && now.Equal(then)
}

// sameTriggers reports whether two maps of triggers are equal. Null equals empty.
func sameTriggers(a, b types.Map) bool {
	empty := func(m types.Map) bool { return !m.IsUnknown() && len(m.Elements()) == 0 }

	return empty(a) && empty(b) || a.Equal(b)
}

// replaceIfTriggered requires a replacement if the triggers differ.
func replaceIfTriggered(_ context.Context, req planmodifier.MapRequest, resp *mapplanmodifier.RequiresReplaceIfFuncResponse) {
	resp.RequiresReplace = !sameTriggers(req.StateValue, req.PlanValue)
}

func (r *sessionDrainResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan sessionDrainResourceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	// The plan's mark is meant for the drain that this one replaces.
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, drainEndingKey, nil)...)
	if !r.prepare(summaryDrain, &plan.regionModel, &resp.Diagnostics) || !plan.requireCondition(r.place(plan.Region.ValueString()).Account, &resp.Diagnostics) {
		return
	}
	if problem := r.accountProblem(accountOfPlan, plan.AccountID.ValueString()); problem != "" {
		resp.Diagnostics.AddError(summaryDrain, fmt.Sprintf("Nothing was ended. %s Or plan again.", problem))

		return
	}
	if plan.AccountID.IsUnknown() {
		plan.AccountID = r.currentAccount()
	}

	plan.drainRecord = recordOf(sessionmanager.DrainResult{})
	if plan.drains(drainWhenCreate) {
		result, err := r.drain(ctx, &plan, drainOnCreate, &resp.Diagnostics)
		if err != nil && len(result.Outcomes) == 0 || resp.Diagnostics.HasError() && err == nil {
			return
		}

		// After an error the resource is tainted. It records the ended sessions, and the
		// next apply drains again.
		plan.drainRecord = recordOf(result)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
}

// drain drains on create or update.
func (r *sessionDrainResource) drain(ctx context.Context, plan *sessionDrainResourceModel, occasion drainOccasion, diags *diag.Diagnostics) (sessionmanager.DrainResult, error) {
	in, _ := plan.input()
	timeout, timeoutDiags := plan.Timeouts.Create(ctx, drainDefaultTimeout(in))
	diags.Append(timeoutDiags...)
	plan.validate(map[string]types.String{"create": types.StringValue(timeout.String())}, diags)
	if diags.HasError() {
		return sessionmanager.DrainResult{}, nil
	}

	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := r.client.Drain(ctx, in)
	r.reportDrain(in, occasion, result, err, diags)

	return result, err
}

func (r *sessionDrainResource) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {
	// A drain is a past event: there is nothing to refresh.
}

func (r *sessionDrainResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	var state, plan sessionDrainResourceModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() || !plan.requireCondition(r.place(plan.Region.ValueString()).Account, &resp.Diagnostics) {
		return
	}

	if plan.Outcomes.IsUnknown() {
		plan.drainRecord = state.drainRecord
	}
	if plan.AccountID.IsUnknown() {
		plan.AccountID = r.currentAccount()
	}
	// A new selection is drained. Other changes take effect with the next drain.
	if plan.drains(drainWhenCreate) && !plan.sameSelection(state) {
		if !r.prepare(summaryDrain, &plan.regionModel, &resp.Diagnostics) {
			return
		}
		if problem := r.accountProblem(accountOfPlan, plan.AccountID.ValueString()); problem != "" {
			resp.Diagnostics.AddError(summaryDrain, fmt.Sprintf("Nothing was ended. %s Or plan again.", problem))

			return
		}
		result, err := r.drain(ctx, &plan, drainOnUpdate, &resp.Diagnostics)
		if err != nil || resp.Diagnostics.HasError() {
			// Keep the prior state: the next plan then shows the change again.
			return
		}
		plan.drainRecord = recordOf(result)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
}

func (r *sessionDrainResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state sessionDrainResourceModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	ending, diags := req.Private.GetKey(ctx, drainEndingKey)
	resp.Diagnostics.Append(diags...)
	// The new drain that replaces a tainted one drains on create.
	if resp.Diagnostics.HasError() || !state.drains(drainWhenDestroy) || ending == nil && state.drains(drainWhenCreate) {
		return
	}
	if !r.requireReady(summaryDrain, &resp.Diagnostics) || !state.requireCondition(r.place(state.Region.ValueString()).Account, &resp.Diagnostics) {
		return
	}

	in, _ := state.input()
	if at, problem := r.outOfReach(state); problem != "" {
		resp.Diagnostics.AddAttributeError(at, summaryDrain,
			fmt.Sprintf("Nothing was ended. %s\n\nSelection: %s.\n\n%s", problem, selectionText(in.Selector), drainWayOut))

		return
	}
	timeout, diags := state.Timeouts.Delete(ctx, drainDefaultTimeout(in))
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}

	callCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := r.client.Drain(callCtx, in)
	r.reportDrain(in, drainOnDestroy, result, err, &resp.Diagnostics)
	if err != nil && len(result.Outcomes) > 0 {
		// The resource stays in state with its outcomes, and can be destroyed again.
		state.drainRecord = recordOf(result)
		resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
	}
}

// ImportState always fails: there is no object in AWS to import.
func (r *sessionDrainResource) ImportState(_ context.Context, _ resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	resp.Diagnostics.AddError("Unable to Import Session Drain",
		"A drain is an operation, not an object in AWS: there is nothing to import.\n\n"+
			"Remove the import block. Creating the resource drains, unless it has when = \"destroy\".")
}

// MoveState always fails: no other resource holds the data of a drain.
func (r *sessionDrainResource) MoveState(context.Context) []resource.StateMover {
	return refuseMoves("ssm_session_drain", "Remove the moved block. Creating the resource drains, unless it has when = \"destroy\".")
}

// refuseMoves returns a state mover that rejects every other resource type.
func refuseMoves(typeName, advice string) []resource.StateMover {
	return []resource.StateMover{{
		StateMover: func(_ context.Context, req resource.MoveStateRequest, resp *resource.MoveStateResponse) {
			resp.Diagnostics.AddError("Unable to Move Resource",
				fmt.Sprintf("A resource of type %s cannot become one of type %s: it holds nothing of a session.\n\n%s", req.SourceTypeName, typeName, advice))
		},
	}}
}
