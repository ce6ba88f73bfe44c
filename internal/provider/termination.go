// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// reportTermination adds the diagnostics of a termination.
func (m *providerMeta) reportTermination(session sessionmanager.SessionRef, result sessionmanager.Termination, err error, diags *diag.Diagnostics) {
	at := path.Root("session_id")

	switch {
	case err != nil:
		summary := summaryTerminate
		what := "was not terminated"
		if errors.Is(err, sessionmanager.ErrNotFound) {
			summary = summaryNotFound
		}
		if result.Requested {
			what = "was asked to terminate, but its end could not be confirmed"
		}
		diags.AddAttributeError(at, summary, failureDetail(m.failureSentence(session, what, err)+whoseSentence(result.Session), err))
	case result.Outcome == sessionmanager.OutcomeUnverified && errors.Is(result.Doubt, sessionmanager.ErrEnded):
		diags.AddAttributeWarning(at, aboutSession(summaryUnverified, session.SessionID),
			fmt.Sprintf("Session %q in %s is still listed as %s, and SSM refuses to terminate it because it is not in a valid state. Its node is probably gone; nobody is connected.%s",
				session.SessionID, m.where(session.Region), printable(result.Session.Status), whoseSentence(result.Session)))
	case result.Outcome == sessionmanager.OutcomeUnverified && result.Doubt != nil:
		diags.AddAttributeWarning(at, aboutSession(summaryUnverified, session.SessionID),
			failureDetail(m.failureSentence(session, "was asked to terminate, but its end could not be seen", result.Doubt)+whoseSentence(result.Session), result.Doubt))
	}
}

// whoseSentence returns a sentence with the owner and the target of a session, or "" if
// both are unknown. It begins with a space.
func whoseSentence(session sessionmanager.Session) string {
	switch {
	case session.Owner == "" && session.Target == "":
		return ""
	case session.Owner == "":
		return fmt.Sprintf(" Its target is %s.", printable(session.Target))
	case session.Target == "":
		return fmt.Sprintf(" Its owner is %s.", printable(session.Owner))
	default:
		return fmt.Sprintf(" Its owner is %s, its target %s.", printable(session.Owner), printable(session.Target))
	}
}

// refreshResult is what a refresh finds out about an unverified termination.
type refreshResult int

const (
	refreshEnded refreshResult = iota
	refreshLive
	refreshUnlisted
	refreshDenied
	refreshFailed
)

// refreshTermination classifies the lookup of a session whose end is unverified.
func refreshTermination(session sessionmanager.Session, err error) refreshResult {
	switch {
	case err == nil && session.Live():
		return refreshLive
	case err == nil:
		return refreshEnded
	case errors.Is(err, sessionmanager.ErrNotFound), errors.Is(err, sessionmanager.ErrUndetermined):
		return refreshUnlisted
	case errors.Is(err, sessionmanager.ErrAccessDenied):
		return refreshDenied
	default:
		return refreshFailed
	}
}
