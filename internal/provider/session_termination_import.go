// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// ImportState records a session that has ended. It ends no session, and rejects a live
// one.
func (r *sessionTerminationResource) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	var identity sessionTerminationIdentityModel
	// Without an identity the import is by ID, and the ID may be empty.
	if req.ID != "" || req.Identity.Raw.IsFullyNull() {
		sessionID, region := parseImportID(req.ID)
		identity = sessionTerminationIdentityModel{
			SessionID: types.StringValue(sessionID),
			Region:    stringOrNull(region),
			AccountID: types.StringNull(),
		}
	} else {
		resp.Diagnostics.Append(req.Identity.Get(ctx, &identity)...)
	}
	state := sessionTerminationResourceModel{
		SessionID:   identity.SessionID,
		regionModel: regionModel{Region: identity.Region},
		IfNotFound:  types.StringValue(ifNotFoundFail),
		Verify:      types.BoolValue(true),
		Outcome:     types.StringValue(string(sessionmanager.OutcomeAlreadyEnded)),
		Timeouts: timeouts.Value{
			Object: types.ObjectNull(map[string]attr.Type{"create": types.StringType}),
		},
	}
	if !r.prepare(summaryImport, &state.regionModel, &resp.Diagnostics) {
		return
	}
	r.checkImport(ctx, identity, &resp.Diagnostics)
	if resp.Diagnostics.HasError() {
		return
	}

	ref := state.ref(state.SessionID)
	callCtx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()

	session, err := r.client.Find(callCtx, ref)
	switch {
	case errors.Is(err, sessionmanager.ErrNotFound):
		resp.Diagnostics.AddError(summaryNotFound,
			failureDetail(r.failureSentence(ref, "was not imported", err), err))
	case err != nil:
		resp.Diagnostics.AddError(summaryImport,
			failureDetail(r.failureSentence(ref, "was not imported", err), err))
	case session.Live():
		resp.Diagnostics.AddError(summaryStillLive,
			fmt.Sprintf("Session %q in %s was not imported: it is live (status %s), and importing ends nothing.%s\n\n"+
				"To end it, create the resource instead of importing it: remove the import block, and apply.", ref.SessionID, r.where(ref.Region), printable(session.Status), whoseSentence(session)))
	}
	if resp.Diagnostics.HasError() {
		return
	}

	state.flatten(session)
	resp.Diagnostics.Append(resp.State.Set(ctx, &state)...)

	// Complete the identity: it must not depend on how the session is imported.
	resp.Diagnostics.Append(resp.Identity.Set(ctx, sessionTerminationIdentityModel{
		SessionID: state.SessionID,
		Region:    state.Region,
		AccountID: stringOrNull(r.accountID),
	})...)
}

// checkImport validates the import ID or identity. Terraform runs no schema validators
// on import.
func (r *sessionTerminationResource) checkImport(ctx context.Context, identity sessionTerminationIdentityModel, diags *diag.Diagnostics) {
	for _, v := range sessionIDValidators() {
		resp := validator.StringResponse{}
		v.ValidateString(ctx, validator.StringRequest{Path: path.Root("session_id"), ConfigValue: identity.SessionID}, &resp)
		diags.Append(resp.Diagnostics...)
	}

	beginning := fmt.Sprintf("Session %q is to be imported from", identity.SessionID.ValueString())
	if problem := r.accountProblem(beginning, identity.AccountID.ValueString()); problem != "" {
		diags.AddError(summaryImport, problem)
	}
}

// parseImportID splits session_id@region. A session ID may contain "@", so only a suffix
// with the shape of a Region counts as a Region.
func parseImportID(id string) (sessionID, region string) {
	at := strings.LastIndex(id, "@")
	if at < 0 || !sessionmanager.LooksLikeRegion(id[at+1:]) {
		return id, ""
	}

	return id[:at], id[at+1:]
}
