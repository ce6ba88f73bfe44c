// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/ephemeral"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	startTargetDescription = "Node to start the session on, 1 to 400 characters: `i-...`, `mi-...`, `ecs:<cluster>_<task>_<runtime>` or " +
		"`sagemaker-cluster:<id>_<group>-<instance>`."
	parametersDescription = "Parameters of the document. Each value is a list, mostly with one element."
	enabledDescription    = "Set `terraform.applying` to do so only in an apply. Defaults to `true`."
)

var startReasonDescription = fmt.Sprintf("Reason for the session's record: one line of at most %d characters. "+
	"The provider appends a random mark to recognise the session.", sessionmanager.MaxStartReason)

var (
	// documentShape is the API's pattern for a document's name or ARN.
	documentShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_\-.:/]{3,128}$`) })
	// lineShape matches one line, like the dot in the API's pattern for a reason.
	lineShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("^[^\n\r\u0085\u2028\u2029]*$") })
)

// startTargetValidators check the target of a new session.
func startTargetValidators() []validator.String {
	return []validator.String{judged{sessionmanager.FieldTarget}}
}

// documentNameValidators check the name of a document.
func documentNameValidators() []validator.String {
	return []validator.String{stringvalidator.RegexMatches(documentShape(), "must have 3 to 128 letters, digits, and characters of _-.:/")}
}

// parametersValidators check the parameters of a document by the API's constraints.
func parametersValidators() []validator.Map {
	return []validator.Map{
		mapvalidator.KeysAre(stringvalidator.UTF8LengthBetween(1, 255)),
		mapvalidator.NoNullValues(),
		mapvalidator.ValueListsAre(
			listvalidator.SizeAtLeast(1),
			listvalidator.NoNullValues(),
			listvalidator.ValueStringsAre(stringvalidator.UTF8LengthBetween(1, 65535)),
		),
	}
}

// startReasonValidators check a reason. The length leaves room for the provider's mark.
func startReasonValidators() []validator.String {
	return []validator.String{
		stringvalidator.UTF8LengthBetween(1, sessionmanager.MaxStartReason),
		stringvalidator.RegexMatches(lineShape(), "must be a single line"),
	}
}

// warnOfPlans warns that plans also open an ephemeral resource if enabled is not set. The
// warning begins with effect, for example "A session is started".
func warnOfPlans(enabled types.Bool, summary, effect string, diags *diag.Diagnostics) {
	if enabled.IsNull() {
		diags.AddAttributeWarning(path.Root("enabled"), summary,
			effect+" in each plan, and again in the apply that follows.\n\n"+
				"Set enabled = terraform.applying to do so only in an apply, or enabled = true to do so without this warning.")
	}
}

// startInput holds the arguments of a new session.
type startInput struct {
	Target       types.String
	DocumentName types.String
	Parameters   types.Map
	Reason       types.String
}

// input translates the arguments for package sessionmanager.
func (m startInput) input(ctx context.Context, region string, diags *diag.Diagnostics) sessionmanager.StartInput {
	in := sessionmanager.StartInput{
		Region:       region,
		Target:       m.Target.ValueString(),
		DocumentName: m.DocumentName.ValueString(),
		Reason:       m.Reason.ValueString(),
	}
	if !m.Parameters.IsNull() {
		diags.Append(m.Parameters.ElementsAs(ctx, &in.Parameters, false)...)
	}

	return in
}

// reportStart adds the error for a session that did not start. If SSM may have started
// one, it also adds a warning.
func reportStart(in sessionmanager.StartInput, err error, diags *diag.Diagnostics) {
	at := path.Root("target")
	switch {
	case errors.Is(err, sessionmanager.ErrInvalidDocument):
		at = path.Root("document_name")
	case errors.Is(err, sessionmanager.ErrInvalidParameters):
		at = path.Root("parameters")
	}

	var (
		failed   *sessionmanager.Error
		sentence = fmt.Sprintf("No session was started on target %q in Region %s: %s.", in.Target, in.Region, failureReason(err))
	)
	if !errors.As(err, &failed) || failed.Lost == nil {
		diags.AddAttributeError(at, summaryStart, failureDetail(sentence, err))

		return
	}

	lost := failed.Lost
	sentence = fmt.Sprintf("A session on target %q in Region %s was asked for, but cannot be used: %s.", in.Target, in.Region, failureReason(err))
	if lost.Ended {
		sentence += fmt.Sprintf(" Session %q has ended.", lost.SessionID)
	}
	diags.AddAttributeError(at, summaryStart, failureDetail(sentence, err))
	switch {
	case lost.Ended:
	case lost.SessionID != "":
		reportEnd(sessionmanager.SessionRef{SessionID: lost.SessionID, Region: in.Region}, lost.Result, lost.Err, diags)
	case lost.Err != nil:
		diags.AddAttributeWarning(at, summaryPossiblyLeft,
			failureDetail(fmt.Sprintf("SSM may have started a session on target %q in Region %s, with %s at the end of its reason. The provider could not look for it: %s. If there is one, it ends by the idle time-out at the latest.",
				in.Target, in.Region, lost.Mark, failureReason(lost.Err)), lost.Err))
	default:
		diags.AddAttributeWarning(at, summaryPossiblyLeft,
			fmt.Sprintf("SSM may have started a session on target %q in Region %s, with %s at the end of its reason. None was found, but SSM does not always show the reason of an active session. If there is one, it ends by the idle time-out at the latest.\n\n"+
				"To be sure, list the sessions of the target with the data source ssm_sessions.", in.Target, in.Region, lost.Mark))
	}
}

// openedKey is the key in private data for the session of an ephemeral resource.
const openedKey = "session"

// keepOpened stores the session for Close in private data.
func keepOpened(ctx context.Context, ref sessionmanager.SessionRef, resp *ephemeral.OpenResponse) {
	value, err := json.Marshal(ref)
	if err != nil {
		resp.Diagnostics.AddError(summaryStart, "The session's ID could not be kept.\n\nError: "+printable(err.Error()))

		return
	}
	resp.Diagnostics.Append(resp.Private.SetKey(ctx, openedKey, value)...)
}

// keptOpened returns the session that Close must end, if there is one.
func keptOpened(ctx context.Context, req ephemeral.CloseRequest, diags *diag.Diagnostics) (ref sessionmanager.SessionRef, ok bool) {
	value, moreDiags := req.Private.GetKey(ctx, openedKey)
	diags.Append(moreDiags...)
	if len(value) == 0 {
		return ref, false
	}
	if err := json.Unmarshal(value, &ref); err != nil {
		diags.AddError(summaryTerminate, "The session's ID was not kept.\n\nError: "+printable(err.Error()))

		return ref, false
	}

	return ref, true
}

// endOpened ends a session of this process. Problems are warnings, because Terraform has
// done its work by then.
func endOpened(ctx context.Context, meta *providerMeta, ref sessionmanager.SessionRef, diags *diag.Diagnostics) {
	if !meta.ready() {
		return
	}

	// The session must be ended even if Terraform cancels the request.
	result, err := meta.client.EndOwn(context.WithoutCancel(ctx), ref)
	reportEnd(ref, result, err, diags)
}

// reportEnd warns of a session of this process that may still be live.
func reportEnd(ref sessionmanager.SessionRef, result sessionmanager.Termination, err error, diags *diag.Diagnostics) {
	session := fmt.Sprintf("Session %q in Region %s", ref.SessionID, ref.Region)
	switch {
	case err == nil:
		// SSM accepted the request, even if the end of the session was not seen. Or the
		// session had ended by itself.
	case errors.Is(err, sessionmanager.ErrStillLive), errors.Is(err, sessionmanager.ErrContradictory):
		diags.AddWarning(summaryStillLive, leftOpenDetail(session+" was asked to end and is still live.", err))
	case result.Requested:
		diags.AddWarning(summaryPossiblyLeft, leftOpenDetail(session+" was asked to end, but its end could not be confirmed: "+failureReason(err)+".", err))
	default:
		diags.AddWarning(summaryTerminate, leftOpenDetail(session+" was not ended: "+failureReason(err)+".", err))
	}
}

// leftOpenDetail returns the detail for a session of this process that may still be
// open. It does not advise to try again: another apply opens another session.
func leftOpenDetail(sentence string, err error) string {
	advice := "It ends by its idle time-out at the latest. To end it at once, use ssm_session_termination or the AWS CLI."
	if errors.Is(err, sessionmanager.ErrAccessDenied) {
		advice += "\n\n" + failureAdvice(err)
	}

	return adviceDetail(sentence, advice, err)
}
