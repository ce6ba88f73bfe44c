// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	gracePeriodDescription = "How long people may finish by themselves before their sessions are ended, as a duration. " +
		"The wait ends early when nobody is left. Defaults to `0s`."
	maxSessionsDescription = "How many sessions may be ended. If more match, none is ended. Defaults to `100`."
	drainTimeoutDefault    = "Defaults to the grace period, plus the calls for `max_sessions` at the service's quota of 6 a second, plus two minutes."
)

// drainModel is what the resource and the action have in common.
type drainModel struct {
	regionModel
	selectorModel
	GracePeriod timetypes.GoDuration `tfsdk:"grace_period"`
	MaxSessions types.Int64          `tfsdk:"max_sessions"`
}

func maxSessionsValidators() []validator.Int64 {
	return []validator.Int64{int64validator.Between(1, 1_000_000)}
}

// gracePeriod returns the grace period, and whether it is known.
func (m *drainModel) gracePeriod() (time.Duration, bool) {
	if m.GracePeriod.IsUnknown() {
		return 0, false
	}
	grace, _ := m.GracePeriod.ValueGoDuration()

	return grace, true
}

// input returns what to drain; ok tells whether all of it is known.
func (m *drainModel) input() (in sessionmanager.DrainInput, ok bool) {
	grace, graceKnown := m.gracePeriod()
	selector, selectorKnown := m.selector()
	in = sessionmanager.DrainInput{
		Region:      m.Region.ValueString(),
		Selector:    selector,
		GracePeriod: grace,
		MaxSessions: sessionmanager.DefaultMaxSessions,
	}
	if !m.MaxSessions.IsNull() {
		in.MaxSessions = int(m.MaxSessions.ValueInt64())
	}

	return in, graceKnown && selectorKnown && !m.MaxSessions.IsUnknown()
}

// validate checks what can be said of the configuration before it is all known.
func (m *drainModel) validate(timeouts map[string]types.String, diags *diag.Diagnostics) {
	// A negative age is refused by the schema, in its own words.
	if age, _ := m.OlderThan.ValueGoDuration(); age >= 0 {
		m.requireCondition(diags)
	}

	grace, known := m.gracePeriod()
	for name, value := range timeouts {
		timeout, err := time.ParseDuration(value.ValueString())
		if err == nil && known && grace >= timeout && timeout > 0 {
			diags.AddAttributeError(path.Root("grace_period"), "Grace Period Exceeds Timeout",
				fmt.Sprintf("A grace period of %s leaves no time to end sessions within timeouts.%s = %q.\n\nShorten the grace period, or lengthen the timeout.", grace, name, value.ValueString()))
		}
	}
}

// drainDefaultTimeout returns how long the drain may take if nothing else is said.
func drainDefaultTimeout(in sessionmanager.DrainInput) time.Duration {
	return sessionmanager.DrainTimeout(in.GracePeriod, in.MaxSessions)
}

// previewDrain says which sessions would be ended now, empty if none would. It
// stores nothing, so that what cannot be seen is only a warning.
func (m *providerMeta) previewDrain(ctx context.Context, in sessionmanager.DrainInput, when string, diags *diag.Diagnostics) string {
	const show = 10

	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()

	ids, err := m.client.Matching(ctx, in.Region, in.Selector)
	if err != nil {
		diags.AddWarning("Sessions Not Counted",
			failureDetail(fmt.Sprintf("How many sessions in Region %s are %s could not be found out: %s.", in.Region, when, failureReason(err)), err))

		return ""
	}
	if len(ids) == 0 {
		return ""
	}

	list := strings.Join(printableAll(ids[:min(len(ids), show)]), "\n  ")
	if len(ids) > show {
		list += fmt.Sprintf("\n  and %d more", len(ids)-show)
	}
	match, are := "match", "are"
	if len(ids) == 1 {
		match, are = "matches", "is"
	}
	text := fmt.Sprintf("%s in Region %s %s now, and %s %s:\n\n  %s", sessionCount(len(ids)), in.Region, match, are, when, list)
	if len(ids) > in.MaxSessions {
		text += fmt.Sprintf("\n\nThat is more than max_sessions = %d: as things stand, the drain will refuse, and end none.", in.MaxSessions)
	}

	return text
}

// warnOfDrain warns of the sessions that would be ended. Terraform shows one
// warning of a kind in full and only counts the others: all goes into one.
func warnOfDrain(diags *diag.Diagnostics, previews ...string) {
	previews = slices.DeleteFunc(previews, func(text string) bool { return text == "" })
	if len(previews) > 0 {
		diags.AddWarning("Sessions To Be Ended", strings.Join(previews, "\n\n"))
	}
}

// reportDrain words what a drain did, the same for the resource and the action.
// The way out is what to do when the cap is exceeded.
func reportDrain(region string, result sessionmanager.DrainResult, err error, wayOut string, diags *diag.Diagnostics) {
	var (
		tooMany *sessionmanager.TooManyError
		stopped *sessionmanager.WaitError
	)

	switch {
	case errors.As(err, &tooMany):
		diags.AddAttributeError(path.Root("max_sessions"), summaryDrain,
			fmt.Sprintf("%d sessions in Region %s match, but max_sessions allows %d to be ended. Nothing was ended.\n\n%s",
				tooMany.Matching, region, tooMany.MaxSessions, wayOut))
	case errors.As(err, &stopped):
		diags.AddError(summaryDrain,
			failureDetail(fmt.Sprintf("The drain in Region %s stopped while it waited for %s to end within the grace period: %s. Nothing was ended.",
				region, sessionCount(stopped.Waiting), failureReason(err)), err))
	case errors.Is(err, sessionmanager.ErrNotDrained):
		diags.AddError(summaryDrain, drainFailures(region, result))
	case err != nil && len(result.Outcomes) == 0:
		diags.AddError(summaryDrain,
			failureDetail(fmt.Sprintf("The sessions in Region %s could not be listed: %s. Nothing was ended.", region, failureReason(err)), err))
	case err != nil:
		diags.AddError(summaryDrain, failureDetail(drainUnseen(region, result, err), err))
	}
	if err == nil || errors.Is(err, sessionmanager.ErrNotDrained) {
		warnOfUnverified(region, result, diags)
	}
}

// drainUnseen tells what became of all sessions of a drain whose last look failed.
func drainUnseen(region string, result sessionmanager.DrainResult, err error) string {
	var unseen []string
	for _, id := range result.Unverified() {
		if result.Failures[id] == nil {
			unseen = append(unseen, id)
		}
	}

	sentence := fmt.Sprintf("The sessions in Region %s could not be listed after the drain: %s.", region, failureReason(err))
	if len(unseen) > 0 {
		were, they := "were", "they are"
		if len(unseen) == 1 {
			were, they = "was", "it is"
		}
		sentence = fmt.Sprintf("%s in Region %s %s asked to terminate, but whether %s gone could not be seen: %s.",
			sessionCount(len(unseen)), region, were, they, failureReason(err))
	}
	if ended := result.Ended(); ended > 0 {
		sentence += fmt.Sprintf(" %d ended.", ended)
	}
	if len(unseen) > 0 {
		sentence += "\n\n  " + strings.Join(printableAll(unseen), "\n  ")
	}
	if len(result.Failures)+len(result.Left) > 0 {
		sentence += "\n\n" + drainFailures(region, result)
	}

	return sentence
}

// warnOfUnverified tells of the sessions whose end was not seen, for each reason.
func warnOfUnverified(region string, result sessionmanager.DrainResult, diags *diag.Diagnostics) {
	var (
		nodesGone []string
		unseen    []string
		advice    []string
	)
	for _, id := range result.Unverified() {
		doubt := result.Doubts[id]
		switch {
		case result.Failures[id] != nil:
		case errors.Is(doubt, sessionmanager.ErrEnded):
			nodesGone = append(nodesGone, printable(id))
		default:
			unseen = append(unseen, fmt.Sprintf("%s: %s", printable(id), failureReason(doubt)))
			if text := failureAdvice(doubt); text != "" && !slices.Contains(advice, text) {
				advice = append(advice, text)
			}
		}
	}
	if len(nodesGone) > 0 {
		diags.AddWarning(summaryUnverified,
			fmt.Sprintf("SSM refuses to terminate these sessions in Region %s because they are not in a valid state, and lists them as disconnected all the same. Their nodes are probably gone; nobody is connected.\n\n  %s",
				region, strings.Join(nodesGone, "\n  ")))
	}
	if len(unseen) > 0 {
		diags.AddWarning(summaryUnverified,
			strings.Join(append([]string{fmt.Sprintf("These sessions in Region %s were asked to terminate, but their end could not be seen:\n\n  %s",
				region, strings.Join(unseen, "\n  "))}, advice...), "\n\n"))
	}
}

// drainFailures lists the sessions that could not be ended, each with its reason,
// and what to do about each kind of reason once.
func drainFailures(region string, result sessionmanager.DrainResult) string {
	var (
		lines  []string
		advice []string
		said   = make(map[string]bool)
	)
	for _, id := range result.FailedSessions() {
		err := result.Failures[id]
		lines = append(lines, fmt.Sprintf("%s: %s", printable(id), failureReason(err)))
		if text := failureAdvice(err); text != "" && !said[text] {
			said[text] = true
			advice = append(advice, text)
		}
	}
	late := "it began while the others were being ended, and is live"
	if result.Capped {
		late += "; with it there are more than max_sessions, so that it was not asked to end"
		advice = append(advice, "Narrow the selection, or raise max_sessions, and drain again.")
	}
	for _, id := range result.Left {
		lines = append(lines, printable(id)+": "+late)
	}

	detail := fmt.Sprintf("%s in Region %s could not be ended (%d ended):\n\n  %s", sessionCount(len(lines)), region, result.Ended(), strings.Join(lines, "\n  "))
	if len(advice) > 0 {
		detail += "\n\n" + strings.Join(advice, "\n\n")
	}
	if ids := result.FailedSessions(); len(ids) > 0 {
		// One cause stands for all: they are many, and alike.
		detail += "\n\nError: " + printable(result.Failures[ids[0]].Error())
	}

	return detail
}

// sessionCount words a number of sessions.
func sessionCount(n int) string {
	if n == 1 {
		return "1 session"
	}

	return fmt.Sprintf("%d sessions", n)
}

// outcomesValue translates the outcomes for state.
func outcomesValue(ctx context.Context, outcomes map[string]sessionmanager.Outcome, diags *diag.Diagnostics) types.Map {
	texts := make(map[string]string, len(outcomes))
	for id, outcome := range outcomes {
		texts[id] = string(outcome)
	}
	value, valueDiags := types.MapValueFrom(ctx, types.StringType, texts)
	diags.Append(valueDiags...)

	return value
}
