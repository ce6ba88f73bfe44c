// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
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
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ resource.Resource                   = (*sessionDrainResource)(nil)
	_ resource.ResourceWithConfigure      = (*sessionDrainResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*sessionDrainResource)(nil)
	_ resource.ResourceWithValidateConfig = (*sessionDrainResource)(nil)
)

const (
	drainWhenCreate  = "create"
	drainWhenDestroy = "destroy"
	drainWhenBoth    = "both"

	drainWayOutCreate  = "Narrow the selection, or raise max_sessions."
	drainWayOutDestroy = "The limit in state counts: first apply a higher max_sessions (or a narrower selection), then destroy again. " +
		"To destroy without draining, put a removed block with lifecycle { destroy = false } in the place of the resource."
)

func newSessionDrainResource() resource.Resource {
	return &sessionDrainResource{}
}

type sessionDrainResource struct {
	configured
}

type sessionDrainResourceModel struct {
	drainModel
	When     types.String   `tfsdk:"when"`
	Triggers types.Map      `tfsdk:"triggers"`
	Outcomes types.Map      `tfsdk:"outcomes"`
	Timeouts timeouts.Value `tfsdk:"timeouts"`
}

// drains reports whether the drain takes place on an occasion.
func (m *sessionDrainResourceModel) drains(occasion string) bool {
	when := m.When.ValueString()

	return when == occasion || when == drainWhenBoth
}

func (r *sessionDrainResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_session_drain"
}

func (r *sessionDrainResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := map[string]schema.Attribute{
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
			CustomType:          timetypes.GoDurationType{},
			Optional:            true,
			MarkdownDescription: olderThanDescription + " Measured once, when the drain begins.",
			Validators:          olderThanValidators(),
		},
		"when": schema.StringAttribute{
			Optional: true,
			Computed: true,
			Default:  stringdefault.StaticString(drainWhenCreate),
			MarkdownDescription: "When to drain: `create`, `destroy` (before what the selection refers to is destroyed or replaced) or `both`. " +
				"Defaults to `create`.",
			Validators: []validator.String{stringvalidator.OneOf(drainWhenCreate, drainWhenDestroy, drainWhenBoth)},
		},
		"grace_period": schema.StringAttribute{
			CustomType:          timetypes.GoDurationType{},
			Optional:            true,
			Computed:            true,
			Default:             stringdefault.StaticString("0s"),
			MarkdownDescription: gracePeriodDescription,
			Validators:          []validator.String{notNegative{}},
		},
		"max_sessions": schema.Int64Attribute{
			Optional:            true,
			Computed:            true,
			Default:             int64default.StaticInt64(sessionmanager.DefaultMaxSessions),
			MarkdownDescription: maxSessionsDescription,
			Validators:          maxSessionsValidators(),
		},
		"triggers": schema.MapAttribute{
			ElementType:         types.StringType,
			Optional:            true,
			MarkdownDescription: "Values whose change replaces the drain, and so drains anew.",
			PlanModifiers:       []planmodifier.Map{mapplanmodifier.RequiresReplace()},
		},
		"outcomes": schema.MapAttribute{
			ElementType: types.StringType,
			Computed:    true,
			MarkdownDescription: "What became of each session, by its ID: `terminated`, `already_ended` (it ended by itself meanwhile), " +
				"`unverified` (its end was not seen) or `failed`. Empty as long as nothing was drained.",
			PlanModifiers: []planmodifier.Map{mapplanmodifier.UseStateForUnknown()},
		},
	}
	for name, set := range selectorSets() {
		attribute := schema.SetAttribute{
			ElementType:         types.StringType,
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
			"All conditions that are given must hold; of a set, one match is enough, and an empty set matches nothing.",
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

	config.validate(validTimeouts(ctx, req.Config, &resp.Diagnostics, "create", "delete"), &resp.Diagnostics)
}

// ModifyPlan settles the Region, and warns of the sessions that are about to be
// ended: by this plan's create, destroy or replacement.
func (r *sessionDrainResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	creating, destroying := req.State.Raw.IsNull(), req.Plan.Raw.IsNull()

	var state, plan sessionDrainResourceModel
	var configuredRegion types.String
	if !creating {
		resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	}
	if !destroying {
		resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
		resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("region"), &configuredRegion)...)
	}
	if resp.Diagnostics.HasError() {
		return
	}

	// The framework does not tell what the attributes' own modifiers want replaced.
	replacing := !creating && !destroying &&
		(!plan.Targets.Equal(state.Targets) || !plan.Triggers.Equal(state.Triggers) ||
			!configuredRegion.IsNull() && !configuredRegion.Equal(state.Region))
	var onDestroy, onCreate string
	if (destroying || replacing) && state.drains(drainWhenDestroy) && r.ready() {
		if !state.resolve(r.providerMeta, &resp.Diagnostics) {
			return
		}
		in, _ := state.input()
		onDestroy = r.previewDrain(ctx, in, "to be ended before this drain is destroyed", &resp.Diagnostics)
	}
	if destroying {
		warnOfDrain(&resp.Diagnostics, onDestroy)

		return
	}

	// A Region that is configured, but not known yet, must not become the default. What
	// stays calls nobody, so that its Region need not suit the provider any more.
	regionKnown := (creating || replacing) && !configuredRegion.IsUnknown() && plan.resolve(r.providerMeta, &resp.Diagnostics)
	plan.requireCondition(&resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}
	// Of a replacement, Terraform shows only the warnings of this, its first plan.
	in, known := plan.input()
	if known && regionKnown && r.ready() && plan.drains(drainWhenCreate) {
		onCreate = r.previewDrain(ctx, in, "to be ended when this drain is created", &resp.Diagnostics)
	}
	warnOfDrain(&resp.Diagnostics, onDestroy, onCreate)
	if creating && !plan.When.IsUnknown() && !plan.drains(drainWhenCreate) {
		plan.Outcomes = outcomesValue(ctx, nil, &resp.Diagnostics)
	}
	resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
}

func (r *sessionDrainResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan sessionDrainResourceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if resp.Diagnostics.HasError() || !r.requireReady(summaryDrain, &resp.Diagnostics) || !plan.resolve(r.providerMeta, &resp.Diagnostics) {
		return
	}
	if !plan.requireCondition(&resp.Diagnostics) {
		return
	}

	plan.Outcomes = outcomesValue(ctx, nil, &resp.Diagnostics)
	if plan.drains(drainWhenCreate) {
		in, _ := plan.input()
		timeout, diags := plan.Timeouts.Create(ctx, drainDefaultTimeout(in))
		resp.Diagnostics.Append(diags...)
		plan.validate(map[string]types.String{"create": types.StringValue(timeout.String())}, &resp.Diagnostics)
		if resp.Diagnostics.HasError() {
			return
		}

		callCtx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		result, err := r.client.Drain(callCtx, in)
		reportDrain(in.Region, result, err, drainWayOutCreate, &resp.Diagnostics)
		if err != nil && len(result.Outcomes) == 0 {
			return
		}

		// With an error this leaves a tainted resource: who was ended is on record,
		// and the next apply drains anew.
		plan.Outcomes = outcomesValue(ctx, result.Outcomes, &resp.Diagnostics)
		if err != nil {
			// Deleting what was not created drains nothing.
			plan.When = types.StringValue(drainWhenCreate)
		}
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
}

func (r *sessionDrainResource) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {
	// What was drained is history: there is nothing to refresh.
}

func (r *sessionDrainResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	// What changes in place takes effect with the next drain.
	var plan sessionDrainResourceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if !plan.requireCondition(&resp.Diagnostics) {
		return
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
}

func (r *sessionDrainResource) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	var state sessionDrainResourceModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() || !state.drains(drainWhenDestroy) {
		return
	}
	if !r.requireReady(summaryDrain, &resp.Diagnostics) || !state.resolve(r.providerMeta, &resp.Diagnostics) || !state.requireCondition(&resp.Diagnostics) {
		return
	}

	in, _ := state.input()
	timeout, diags := state.Timeouts.Delete(ctx, drainDefaultTimeout(in))
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}

	callCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := r.client.Drain(callCtx, in)
	reportDrain(in.Region, result, err, drainWayOutDestroy, &resp.Diagnostics)
	if err != nil && len(result.Outcomes) > 0 {
		// The resource stays, so that destroying can be tried again, and tells what was done.
		state.Outcomes = outcomesValue(ctx, result.Outcomes, &resp.Diagnostics)
		resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
	}
}

// validTimeouts checks the timeouts of a configuration and returns them by name.
func validTimeouts(ctx context.Context, config tfsdk.Config, diags *diag.Diagnostics, names ...string) map[string]types.String {
	values := make(map[string]types.String)
	for _, name := range names {
		validateTimeout(ctx, config, name, diags)
		var value types.String
		if !config.GetAttribute(ctx, path.Root("timeouts").AtName(name), &value).HasError() {
			values[name] = value
		}
	}

	return values
}
