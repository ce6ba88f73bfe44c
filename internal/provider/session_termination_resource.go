// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

var (
	_ resource.Resource                   = (*sessionTerminationResource)(nil)
	_ resource.ResourceWithConfigure      = (*sessionTerminationResource)(nil)
	_ resource.ResourceWithIdentity       = (*sessionTerminationResource)(nil)
	_ resource.ResourceWithImportState    = (*sessionTerminationResource)(nil)
	_ resource.ResourceWithModifyPlan     = (*sessionTerminationResource)(nil)
	_ resource.ResourceWithMoveState      = (*sessionTerminationResource)(nil)
	_ resource.ResourceWithValidateConfig = (*sessionTerminationResource)(nil)
)

const (
	ifNotFoundFail    = "fail"
	ifNotFoundSucceed = "succeed"

	ifNotFoundDescription = "What to do if SSM does not list the session, neither as live nor in its 30 days of history: `fail` or `succeed`. " +
		"A wrong ID looks the same as a session that ended long ago. Defaults to `fail`."

	// terminationAcceptedKey marks an unverified termination in private state if SSM
	// accepted the request or may have accepted it. If the session is later seen to have
	// ended, this resource ended it.
	terminationAcceptedKey = "accepted"

	terminationTimeout            = 2 * time.Minute
	terminationTimeoutDescription = "How long to try to end the session and to wait until SSM shows its end, as a duration such as `30s` or `5m`. Defaults to `2m`."
)

func newSessionTerminationResource() resource.Resource {
	return &sessionTerminationResource{}
}

type sessionTerminationResource struct {
	configured
}

type sessionTerminationResourceModel struct {
	SessionID types.String `tfsdk:"session_id"`
	regionModel
	IfNotFound   types.String      `tfsdk:"if_not_found"`
	Verify       types.Bool        `tfsdk:"verify"`
	Outcome      types.String      `tfsdk:"outcome"`
	Status       types.String      `tfsdk:"status"`
	Target       types.String      `tfsdk:"target"`
	Owner        types.String      `tfsdk:"owner"`
	DocumentName types.String      `tfsdk:"document_name"`
	Reason       types.String      `tfsdk:"reason"`
	StartDate    timetypes.RFC3339 `tfsdk:"start_date"`
	EndDate      timetypes.RFC3339 `tfsdk:"end_date"`
	Timeouts     timeouts.Value    `tfsdk:"timeouts"`
}

type sessionTerminationIdentityModel struct {
	SessionID types.String `tfsdk:"session_id"`
	Region    types.String `tfsdk:"region"`
	AccountID types.String `tfsdk:"account_id"`
}

func (r *sessionTerminationResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_session_termination"
}

func (r *sessionTerminationResource) Schema(ctx context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	keep := []planmodifier.String{stringplanmodifier.UseStateForUnknown()}

	resp.Schema = schema.Schema{
		MarkdownDescription: "Ends one Session Manager session for good when it is created, and records the outcome. " +
			"Destroying it does nothing: an ended session cannot come back.\n\n" +
			"The plan shows the owner and the target of the session.",
		Attributes: map[string]schema.Attribute{
			"session_id": schema.StringAttribute{
				Required:            true,
				MarkdownDescription: sessionIDDescription + " Changing it ends another session.",
				Validators:          sessionIDValidators(),
				PlanModifiers:       []planmodifier.String{stringplanmodifier.RequiresReplace()},
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
			"if_not_found": schema.StringAttribute{
				Optional:            true,
				Computed:            true,
				Default:             stringdefault.StaticString(ifNotFoundFail),
				MarkdownDescription: ifNotFoundDescription,
				Validators:          []validator.String{stringvalidator.OneOf(ifNotFoundFail, ifNotFoundSucceed)},
			},
			"verify": schema.BoolAttribute{
				Optional: true,
				Computed: true,
				Default:  booldefault.StaticBool(true),
				MarkdownDescription: "Whether to look the session up before and after. With `false`, `TerminateSession` is the only call ever made, the plan shows nothing of the session, " +
					"and the outcome is `unverified`: for callers without `ssm:DescribeSessions`. Defaults to `true`.",
			},
			"outcome": schema.StringAttribute{
				Computed: true,
				MarkdownDescription: "What became of the session: `terminated` (it was live, and this resource ended it), `already_ended` (it had ended, and not by this resource as far as is known), " +
					"`not_found` (SSM does not know it; only with `if_not_found = \"succeed\"`) or `unverified` (SSM was asked to end it, but its end was not seen).",
				PlanModifiers: keep,
			},
			"status": schema.StringAttribute{
				Computed: true,
				MarkdownDescription: "Status of the session when it was last seen, such as `Terminating` or `Terminated`. " +
					"`Terminating` may be all that is ever seen, if the node is gone.",
				PlanModifiers: keep,
			},
			"target": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Node that the session connects to. Known when planning, unless the session or the permission to see it is missing.",
				PlanModifiers:       keep,
			},
			"owner": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "ARN of who started the session. Known when planning, as `target` is.",
				PlanModifiers:       keep,
			},
			"document_name": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "SSM document that the session runs.",
				PlanModifiers:       keep,
			},
			"reason": schema.StringAttribute{
				Computed:            true,
				MarkdownDescription: "Reason that was given for starting the session.",
				PlanModifiers:       keep,
			},
			"start_date": schema.StringAttribute{
				CustomType:          timetypes.RFC3339Type{},
				Computed:            true,
				MarkdownDescription: "When the session started, in RFC 3339. Known when planning, as `target` is.",
				PlanModifiers:       keep,
			},
			"end_date": schema.StringAttribute{
				CustomType:          timetypes.RFC3339Type{},
				Computed:            true,
				MarkdownDescription: "When the session ended, in RFC 3339, if SSM had recorded it when the session was last seen.",
				PlanModifiers:       keep,
			},
		},
		Blocks: map[string]schema.Block{
			"timeouts": timeouts.Block(ctx, timeouts.Opts{
				Create:            true,
				CreateDescription: terminationTimeoutDescription,
			}),
		},
	}
}

func (r *sessionTerminationResource) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, resp *resource.IdentitySchemaResponse) {
	resp.IdentitySchema = identityschema.Schema{
		Attributes: map[string]identityschema.Attribute{
			"session_id": identityschema.StringAttribute{
				RequiredForImport: true,
				Description:       "ID of the session.",
			},
			"region": identityschema.StringAttribute{
				OptionalForImport: true,
				Description:       "AWS Region of the session. Defaults to the Region of the provider.",
			},
			"account_id": identityschema.StringAttribute{
				OptionalForImport: true,
				Description:       "AWS account of the session. Defaults to the account of the provider's credentials.",
			},
		},
	}
}

func (r *sessionTerminationResource) Configure(_ context.Context, req resource.ConfigureRequest, resp *resource.ConfigureResponse) {
	r.configure(req.ProviderData, &resp.Diagnostics)
}

func (r *sessionTerminationResource) ValidateConfig(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	validateTimeouts(ctx, req.Config, &resp.Diagnostics, "create")
}

// ModifyPlan sets the Region. For a create, it also plans whose session will be ended.
func (r *sessionTerminationResource) ModifyPlan(ctx context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}

	creating := req.State.Raw.IsNull()

	var state, plan sessionTerminationResourceModel
	var configuredRegion types.String
	if !creating {
		resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	}
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, path.Root("region"), &configuredRegion)...)
	if resp.Diagnostics.HasError() {
		return
	}

	// A configured but unknown Region must not become the default. A resource that does
	// not change makes no calls, so its Region may be outside the provider's partition.
	unchanged := !creating && plan.SessionID.Equal(state.SessionID) && plan.Region.Equal(state.Region)
	regionKnown := !unchanged && !configuredRegion.IsUnknown() && plan.resolve(r.providerMeta, &resp.Diagnostics) == regionGood
	if resp.Diagnostics.HasError() {
		return
	}

	if creating && regionKnown && r.ready() && !plan.SessionID.IsUnknown() && plan.Verify.ValueBool() {
		ctx, cancel := context.WithTimeout(ctx, operationTimeout)
		defer cancel()

		ref := plan.ref(plan.SessionID)
		session, err := r.client.Preview(ctx, ref)
		switch {
		case err == nil:
			plan.preview(session)
			if !session.Live() {
				resp.Diagnostics.AddAttributeWarning(path.Root("session_id"), "Session Has Ended Already", endedAlready(ref, session))
			}
		case errors.Is(err, sessionmanager.ErrNotFound) && plan.IfNotFound.ValueString() == ifNotFoundSucceed:
		case sessionmanager.NothingToShow(err):
			resp.Diagnostics.AddAttributeWarning(path.Root("session_id"), summaryNotShown,
				failureDetail(r.failureSentence(ref, "cannot be shown in the plan", err), err))
		default:
			resp.Diagnostics.AddAttributeError(path.Root("session_id"), summaryRead,
				failureDetail(r.failureSentence(ref, "could not be looked up for the plan", err), err))

			return
		}
	}

	resp.Diagnostics.Append(resp.Plan.Set(ctx, &plan)...)
}

// endedAlready returns the warning for a planned termination of an ended session.
func endedAlready(ref sessionmanager.SessionRef, session sessionmanager.Session) string {
	when := ""
	if !session.EndDate.IsZero() {
		when = " at " + session.EndDate.Format(time.RFC3339)
	}

	return fmt.Sprintf("Session %q of %s on %s in Region %s ended%s (status %s). Nothing is called to end it; the outcome is %q.",
		ref.SessionID, orUnknown(session.Owner, "an owner"), orUnknown(session.Target, "a target"), ref.Region, when,
		orUnknown(session.Status, "one"), sessionmanager.OutcomeAlreadyEnded)
}

// preview plans the three values of a session that never change. A value that SSM leaves
// out stays unknown: SSM may report it when the session ends.
func (m *sessionTerminationResourceModel) preview(session sessionmanager.Session) {
	if session.Target != "" {
		m.Target = types.StringValue(session.Target)
	}
	if session.Owner != "" {
		m.Owner = types.StringValue(session.Owner)
	}
	if !session.StartDate.IsZero() {
		m.StartDate = timeOrNull(session.StartDate)
	}
}

func (r *sessionTerminationResource) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	var plan sessionTerminationResourceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	if !r.prepare(summaryTerminate, &plan.regionModel, &resp.Diagnostics) {
		return
	}

	timeout, diags := plan.Timeouts.Create(ctx, terminationTimeout)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}

	callCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := r.client.Terminate(callCtx, sessionmanager.TerminateInput{
		SessionRef: plan.ref(plan.SessionID),
		Verify:     plan.Verify.ValueBool(),
		NotFoundOK: plan.IfNotFound.ValueString() == ifNotFoundSucceed,
	})
	r.reportTermination(plan.ref(plan.SessionID), result, err, &resp.Diagnostics)
	if err != nil && !result.Requested {
		return
	}

	// After an error the resource is tainted. It records the request, and the next apply
	// tries again.
	plan.flatten(result.Session)
	plan.Outcome = types.StringValue(string(result.Outcome))
	if err != nil {
		plan.Outcome = types.StringValue(string(sessionmanager.OutcomeUnverified))
	}
	if result.Requested && plan.unverified() {
		resp.Diagnostics.Append(resp.Private.SetKey(ctx, terminationAcceptedKey, []byte("true"))...)
	}
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
	r.ensureIdentity(ctx, plan, resp.Identity, &resp.Diagnostics)
}

// flatten stores a session in the model. It keeps the three planned values even if SSM
// reports them differently later: Terraform rejects a result that differs from the plan.
func (m *sessionTerminationResourceModel) flatten(session sessionmanager.Session) {
	planned := *m

	m.Status = stringOrNull(session.Status)
	m.Target = stringOrNull(session.Target)
	m.Owner = stringOrNull(session.Owner)
	m.DocumentName = stringOrNull(session.DocumentName)
	m.Reason = stringOrNull(session.Reason)
	m.StartDate = timeOrNull(session.StartDate)
	m.EndDate = timeOrNull(session.EndDate)

	if !planned.Target.IsNull() && !planned.Target.IsUnknown() {
		m.Target = planned.Target
	}
	if !planned.Owner.IsNull() && !planned.Owner.IsUnknown() {
		m.Owner = planned.Owner
	}
	if !planned.StartDate.IsNull() && !planned.StartDate.IsUnknown() {
		m.StartDate = planned.StartDate
	}
}

// unverified reports whether the end of the session has not been seen yet.
func (m *sessionTerminationResourceModel) unverified() bool {
	return m.Outcome.ValueString() == string(sessionmanager.OutcomeUnverified)
}

// ensureIdentity sets the identity if there is none. A stored identity never changes.
// State of Terraform before 1.12, and of OpenTofu, has no identity.
func (r *sessionTerminationResource) ensureIdentity(ctx context.Context, m sessionTerminationResourceModel, identity *tfsdk.ResourceIdentity, diags *diag.Diagnostics) {
	if !identity.Raw.IsFullyNull() {
		return
	}

	model := sessionTerminationIdentityModel{SessionID: m.SessionID, Region: m.Region, AccountID: types.StringNull()}
	if r.providerMeta != nil {
		model.AccountID = stringOrNull(r.accountID)
	}
	diags.Append(identity.Set(ctx, model)...)
}

func (r *sessionTerminationResource) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	var state sessionTerminationResourceModel
	resp.Diagnostics.Append(req.State.Get(ctx, &state)...)
	if resp.Diagnostics.HasError() {
		return
	}

	r.ensureIdentity(ctx, state, resp.Identity, &resp.Diagnostics)

	// An ended session cannot come back: there is nothing to refresh.
	if !state.unverified() || !state.Verify.ValueBool() || !r.ready() {
		return
	}
	accepted, diags := req.Private.GetKey(ctx, terminationAcceptedKey)
	resp.Diagnostics.Append(diags...)
	if resp.Diagnostics.HasError() {
		return
	}

	ref := state.ref(state.SessionID)
	callCtx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()

	session, err := r.client.Find(callCtx, ref)
	switch refresh := refreshTermination(session, err); refresh {
	case refreshEnded:
		state.flatten(session)
		state.Outcome = types.StringValue(string(sessionmanager.OutcomeAlreadyEnded))
		if accepted != nil {
			state.Outcome = types.StringValue(string(sessionmanager.OutcomeTerminated))
		}
		resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)
	case refreshLive:
		resp.Diagnostics.AddWarning(aboutSession(summaryStillLive, ref.SessionID),
			fmt.Sprintf("Session %q in %s is still live (status %s) although its termination was asked for.%s\n\nThe next apply ends it.", ref.SessionID, r.where(ref.Region), printable(session.Status), whoseSentence(session)))
		resp.State.RemoveResource(ctx)
	case refreshDenied:
		resp.Diagnostics.AddWarning(aboutSession(summaryUnverified, ref.SessionID),
			failureDetail(r.failureSentence(ref, "could not be looked up, and its end remains unverified", err), err))
	case refreshFailed:
		resp.Diagnostics.AddError(summaryRead, failureDetail(r.failureSentence(ref, "could not be looked up", err), err))
	case refreshUnlisted:
		// SSM lists a session for 30 days only. The state keeps it.
	}
}

func (r *sessionTerminationResource) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	// Changes that do not replace the resource take effect with the next create.
	var plan sessionTerminationResourceModel
	resp.Diagnostics.Append(req.Plan.Get(ctx, &plan)...)
	resp.Diagnostics.Append(resp.State.Set(ctx, &plan)...)
	r.ensureIdentity(ctx, plan, resp.Identity, &resp.Diagnostics)
}

func (r *sessionTerminationResource) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {
	// An ended session cannot come back: there is nothing to undo.
}

// MoveState always fails: no other resource holds the data of a termination.
func (r *sessionTerminationResource) MoveState(context.Context) []resource.StateMover {
	return refuseMoves("ssm_session_termination", "Remove the moved block. To take over a session that has ended, use an import block with its ID.")
}
