// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int64validator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	gracePeriodDescription = "How long people may finish before their sessions are ended, as a duration. " +
		"The wait ends early when no matching session is left. Defaults to `0s`."
	maxSessionsDescription = "Most sessions that may be ended. If more match, none is ended. Defaults to `100`."
	drainTimeoutDefault    = "Defaults to the grace period, plus `max_sessions` calls at 6 a second, plus two minutes."
)

// drainModel holds the arguments that the resource and the action share.
type drainModel struct {
	regionModel
	selectorModel
	GracePeriod durationValue `tfsdk:"grace_period"`
	MaxSessions wholeNumber   `tfsdk:"max_sessions"`
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

// input translates the model for package sessionmanager. It returns ok = false if any
// value is unknown.
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

// validate checks the known part of the configuration.
func (m *drainModel) validate(timeouts map[string]types.String, diags *diag.Diagnostics) {
	// The schema has its own error for a negative age.
	if age, _ := m.OlderThan.ValueGoDuration(); age >= 0 {
		m.requireCondition(sessionmanager.EveryAccount, diags)
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

// drainDefaultTimeout returns how long the drain may take if no timeout is configured.
func drainDefaultTimeout(in sessionmanager.DrainInput) time.Duration {
	return sessionmanager.DrainTimeout(in.GracePeriod, in.MaxSessions)
}

// drainOccasion is when a drain takes place, as a clause for messages.
type drainOccasion string

const (
	drainOnCreate  drainOccasion = "when this drain is created"
	drainOnUpdate  drainOccasion = "when this drain is updated"
	drainOnDestroy drainOccasion = "before this drain is destroyed"
	drainOnInvoke  drainOccasion = "when this action is invoked"
)

// wayOut returns what to do about a failed drain, or "". Set tooMany if more sessions
// match than max_sessions allows.
func (o drainOccasion) wayOut(tooMany bool) string {
	switch {
	case o == drainOnDestroy && tooMany:
		return "The limit in state counts: first apply a higher max_sessions (or a narrower selection), then destroy again. " + drainWayOut
	case o == drainOnDestroy:
		return drainWayOut
	case tooMany:
		return "Narrow the selection, or raise max_sessions."
	default:
		return ""
	}
}

const drainWayOut = "To destroy without draining, replace the resource with a removed block with lifecycle { destroy = false }."

// drainPreview is the result of looking for the sessions of a planned drain.
type drainPreview struct {
	in       sessionmanager.DrainInput
	occasion drainOccasion
	sessions []sessionmanager.Session
	looked   time.Time
	account  string
	where    string   // The Region and the account, for messages.
	nearly   []string // Owners that match if case is ignored. Only set if no session matches.
	unused   string   // The values of the selection that match no session.
}

// previewDrain lists the sessions that the drain would end now. If they cannot be
// listed, it adds a warning and returns nil: no planned value depends on the list.
// Without credentials the drain cannot work, so that is an error. A destroy only warns:
// it must not keep other objects from being destroyed.
func (m *providerMeta) previewDrain(ctx context.Context, in sessionmanager.DrainInput, occasion drainOccasion, diags *diag.Diagnostics) *drainPreview {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()

	p := &drainPreview{in: in, occasion: occasion, looked: time.Now().UTC(), account: m.accountID, where: m.where(in.Region)}
	listing, err := m.client.Matching(ctx, in.Region, in.Selector)
	if err != nil {
		detail := failureDetail(fmt.Sprintf("The sessions to be ended in %s %s could not be counted: %s.\n\nSelection: %s.",
			m.where(in.Region), occasion, failureReason(err), selectionText(in.Selector)), err)
		var noCredentials *sessionmanager.CredentialsError
		if occasion != drainOnDestroy && errors.As(err, &noCredentials) {
			diags.AddError(summaryDrain, detail)
		} else {
			diags.AddWarning(drainSummary("Sessions Not Counted", in, m.accountID), detail)
		}

		return nil
	}
	p.sessions = listing.Sessions
	p.unused = unusedText(in.Selector, slices.Concat(listing.Sessions, listing.Excluded))
	if len(p.sessions) == 0 && occasion != drainOnDestroy && in.Selector.Owners != nil && in.Selector.EmptySet() == "" {
		p.nearly = m.nearlyMatching(ctx, in)
	}

	return p
}

// nearlyMatching returns owners that match if case is ignored. They are a hint only, and
// nil if the listing fails.
func (m *providerMeta) nearlyMatching(ctx context.Context, in sessionmanager.DrainInput) []string {
	selector := in.Selector
	selector.FoldOwners = true
	listing, err := m.client.List(ctx, in.Region, sessionmanager.StateActive, selector, time.Time{})
	if err != nil {
		return nil
	}

	var owners []string
	for _, session := range listing.Sessions {
		if !slices.Contains(owners, session.Owner) {
			owners = append(owners, session.Owner)
		}
	}

	return owners
}

// drainSummary is the summary of a warning about a drain. Terraform shows only one of the
// warnings with the same summary, and a reviewer has to see each drain. The summary
// therefore differs if the Region, the account or the selection differs.
func drainSummary(what string, in sessionmanager.DrainInput, account string) string {
	const longest = 60

	var (
		parts []string
		notes []string
		short = true // The parts show the whole selection.
	)
	for _, set := range selectionSets(in.Selector) {
		if set.values == nil {
			continue
		}
		if len(set.values) == 0 {
			parts = append(parts, string(set.field)+" []")

			continue
		}
		name := []rune(printable(set.values[0]))
		if len(name) > longest {
			name, short = append(name[:longest], '…'), false
		}
		part := string(name)
		if more := len(set.values) - 1; more > 0 {
			part, short = fmt.Sprintf("%s and %d more", part, more), false
		}
		if set.field != sessionmanager.FieldTargets && set.field != sessionmanager.FieldOwners {
			part = string(set.field) + " " + part
		}
		parts = append(parts, part)
	}
	if in.Selector.OlderThan != nil {
		parts = append(parts, "older_than "+in.Selector.OlderThan.String())
	}
	if account != "" {
		notes = append(notes, "account "+account)
	}
	if !short {
		notes = append(notes, "selection "+fingerprint(in.Selector))
	}

	summary := what + " in " + in.Region
	if len(parts) > 0 {
		summary += ": " + strings.Join(parts, "; ")
	}
	if len(notes) > 0 {
		summary += " (" + strings.Join(notes, ", ") + ")"
	}

	return summary
}

// fingerprint returns a short text that differs between selections.
func fingerprint(selector sessionmanager.Selector) string {
	hash := fnv.New32a()
	for _, set := range selectionSets(selector) {
		fmt.Fprintf(hash, "%s %q\n", set.field, set.values)
	}

	return fmt.Sprintf("%08x", hash.Sum32())
}

// warning returns the preview as a warning, or "" if there is nothing to warn of. The
// text includes the time, because it may be read later.
func (p *drainPreview) warning() (summary, detail string) {
	var (
		matched = fmt.Sprintf("in %s matched when looked at %s UTC", p.where, p.looked.Format(time.DateTime))
		listed  = sessionLines(p.sessions) + p.nearlyExcluded() + p.unused
		means   = fmt.Sprintf("\n\nSelection: %s.", selectionText(p.in.Selector))
	)

	switch {
	case len(p.sessions) == 0 && p.occasion == drainOnDestroy:
		return "", ""
	case p.in.Selector.EmptySet() != "":
		set := p.in.Selector.EmptySet()

		return drainSummary("No Sessions Match", p.in, p.account),
			fmt.Sprintf("%s is empty, and an empty set matches nothing. The drain ends nobody %s.%s\n\nAdd values to %s, or remove it.", set, p.occasion, means, set)
	case len(p.sessions) == 0:
		detail = fmt.Sprintf("No session %s. The drain ends nobody %s, unless a matching session starts before then.%s\n\nCheck the selection, the Region and the account.", matched, p.occasion, means)
		if len(p.nearly) > 0 {
			detail += fmt.Sprintf("\n\nOwners are case-sensitive. These owners differ only in case, and have sessions:\n\n  %s", strings.Join(printableAll(p.nearly[:min(len(p.nearly), showSessions)]), "\n  "))
		}

		return drainSummary("No Sessions Match", p.in, p.account), detail
	case len(p.sessions) > p.in.MaxSessions:
		return drainSummary("Too Many Sessions Match", p.in, p.account),
			fmt.Sprintf("%s %s, which is more than max_sessions = %d. If as many match %s, the drain fails and ends nobody.%s\n\n  %s",
				sessionCount(len(p.sessions)), matched, p.in.MaxSessions, p.occasion, means, listed)
	default:
		return drainSummary("Sessions To Be Ended", p.in, p.account),
			fmt.Sprintf("%s %s. Every session that matches %s is ended.%s\n\n  %s", sessionCount(len(p.sessions)), matched, p.occasion, means, listed)
	}
}

// nearlyExcluded returns a paragraph about sessions that an exclusion misses only by
// case, or "" if there are none.
func (p *drainPreview) nearlyExcluded() string {
	nearly := slices.DeleteFunc(slices.Clone(p.sessions), func(s sessionmanager.Session) bool { return !p.in.Selector.ExcludesIgnoringCase(s) })
	if len(nearly) == 0 {
		return ""
	}

	return "\n\nexclude_owners and exclude_session_ids are case-sensitive. They miss these sessions only by case:\n\n  " + sessionLines(nearly)
}

// showSessions is how many sessions a warning shows. It only counts the others.
const showSessions = 10

// sessionLines returns one line for each session, up to showSessions.
func sessionLines(sessions []sessionmanager.Session) string {
	var lines []string
	for _, session := range sessions[:min(len(sessions), showSessions)] {
		line := fmt.Sprintf("%s: %s on %s", printable(session.SessionID), orUnknown(session.Owner, "an owner"), orUnknown(session.Target, "a target"))
		if !session.StartDate.IsZero() {
			line += ", started " + session.StartDate.Format(time.RFC3339)
		}
		lines = append(lines, line)
	}
	if more := len(sessions) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}

	return strings.Join(lines, "\n  ")
}

// orUnknown returns printable text. If SSM gave none, it returns a phrase that begins with
// what, for example "an owner".
func orUnknown(text, what string) string {
	if text == "" {
		return what + " that SSM does not report"
	}

	return printable(text)
}

// warnOfDrain adds the warnings of previews. It joins warnings that share a summary.
func warnOfDrain(diags *diag.Diagnostics, previews ...*drainPreview) {
	var (
		order   []string
		details = make(map[string][]string)
	)
	for _, preview := range previews {
		if preview == nil {
			continue
		}
		summary, detail := preview.warning()
		if summary == "" {
			continue
		}
		if details[summary] == nil {
			order = append(order, summary)
		}
		details[summary] = append(details[summary], detail)
	}
	for _, summary := range order {
		diags.AddWarning(summary, strings.Join(details[summary], "\n\n"))
	}
}

// selectionSet is a set of a selection, with the name of its argument.
type selectionSet struct {
	field  sessionmanager.Field
	values []string
}

// selectionSets returns the sets of a selection in the order of messages. The values of a
// set that is not configured are nil.
func selectionSets(selector sessionmanager.Selector) []selectionSet {
	return []selectionSet{
		{sessionmanager.FieldTargets, selector.Targets},
		{sessionmanager.FieldOwners, selector.Owners},
		{sessionmanager.FieldDocumentNames, selector.DocumentNames},
		{"access_types", selector.AccessTypes},
		{sessionmanager.FieldExcludeOwners, selector.ExcludeOwners},
		{sessionmanager.FieldExcludeSessionIDs, selector.ExcludeSessionIDs},
	}
}

// selectionText returns a selection in the form of its arguments.
func selectionText(selector sessionmanager.Selector) string {
	const show = 5

	var parts []string
	for _, set := range selectionSets(selector) {
		if set.values == nil {
			continue
		}
		var values []string
		for _, value := range set.values[:min(len(set.values), show)] {
			values = append(values, strconv.Quote(value))
		}
		if more := len(set.values) - len(values); more > 0 {
			values = append(values, fmt.Sprintf("and %d more", more))
		}
		parts = append(parts, fmt.Sprintf("%s = [%s]", set.field, strings.Join(values, ", ")))
	}
	if selector.OlderThan != nil {
		parts = append(parts, fmt.Sprintf("older_than = %q", selector.OlderThan))
	}
	if len(parts) == 0 {
		return "none"
	}

	return strings.Join(parts, "; ")
}

// reportDrain adds the diagnostics of a drain.
func (m *providerMeta) reportDrain(in sessionmanager.DrainInput, occasion drainOccasion, result sessionmanager.DrainResult, err error, diags *diag.Diagnostics) {
	var (
		tooMany *sessionmanager.TooManyError
		stopped *sessionmanager.WaitError
		where   = m.where(in.Region)
		about   = fmt.Sprintf("Selection: %s.", selectionText(in.Selector))
	)
	// First how to fix the cause, then how to avoid it.
	wayOut := occasion.wayOut(errors.As(err, &tooMany))
	failed := func(sentence string) string {
		return adviceDetail(joined(sentence, about), joined(failureAdvice(err), wayOut), err)
	}

	switch {
	case errors.As(err, &tooMany):
		diags.AddAttributeError(path.Root("max_sessions"), summaryDrain,
			joined(fmt.Sprintf("%d sessions in %s match, but max_sessions allows %d to be ended. Nothing was ended.",
				tooMany.Matching, where, tooMany.MaxSessions), about, wayOut))
	case errors.As(err, &stopped):
		diags.AddError(summaryDrain,
			failed(fmt.Sprintf("The drain in %s stopped while it waited for %s to end within the grace period: %s. Nothing was ended.",
				where, sessionCount(stopped.Waiting), failureReason(err))))
	case errors.Is(err, sessionmanager.ErrNotDrained):
		diags.AddError(summaryDrain, drainFailures(where, result, about, wayOut))
	case err != nil && len(result.Outcomes) == 0:
		diags.AddError(summaryDrain,
			failed(fmt.Sprintf("The sessions in %s could not be listed: %s. Nothing was ended.", where, failureReason(err))))
	case err != nil:
		diags.AddError(summaryDrain, failed(drainUnseen(where, result, err)))
	}
	if err == nil || errors.Is(err, sessionmanager.ErrNotDrained) {
		warnOfUnverified(drainSummary(summaryUnverified, in, m.accountID), where, result, diags)
	}
	if occasion == drainOnDestroy && err == nil && result.Ended() > 0 {
		diags.AddWarning(drainSummary("Sessions Ended", in, m.accountID), endedText(where, result, about))
	}
}

// drainUnseen describes the result of a drain whose last listing failed.
func drainUnseen(where string, result sessionmanager.DrainResult, err error) string {
	var unseen []string
	for _, id := range result.Unverified() {
		if result.Failures[id] == nil {
			unseen = append(unseen, sessionLine(id, "", result.Seen[id], nil))
		}
	}

	var failures string
	if len(result.Failures)+len(result.Left) > 0 {
		failures = drainFailures(where, result, "", "")
	}
	ended := ""
	if count := result.Ended(); count > 0 {
		ended = fmt.Sprintf(" %d ended.", count)
	}
	if len(unseen) == 0 {
		return joined(failures, fmt.Sprintf("The provider could not check for new sessions in %s: %s.%s", where, failureReason(err), ended))
	}

	were, they := "were", "they are"
	if len(unseen) == 1 {
		were, they = "was", "it is"
	}
	sentence := fmt.Sprintf("%s in %s %s asked to terminate, but whether %s gone could not be seen: %s.%s\n\n  %s",
		sessionCount(len(unseen)), where, were, they, failureReason(err), ended, sessionList(unseen))

	return joined(sentence, failures)
}

// warnOfUnverified warns of sessions whose end was not seen, with the reasons.
func warnOfUnverified(summary, where string, result sessionmanager.DrainResult, diags *diag.Diagnostics) {
	var (
		nodesGone  []string
		unseen     []string
		advice     []string
		paragraphs []string
	)
	for _, id := range result.Unverified() {
		doubt := result.Doubts[id]
		switch {
		case result.Failures[id] != nil:
		case errors.Is(doubt, sessionmanager.ErrEnded):
			nodesGone = append(nodesGone, sessionLine(id, "", result.Seen[id], doubt))
		default:
			unseen = append(unseen, sessionLine(id, failureReason(doubt), result.Seen[id], doubt))
			if text := failureAdvice(doubt); text != "" && !slices.Contains(advice, text) {
				advice = append(advice, text)
			}
		}
	}
	if len(nodesGone) > 0 {
		paragraphs = append(paragraphs,
			fmt.Sprintf("SSM refuses to terminate these sessions in %s because they are not in a valid state, but still lists them as disconnected. Their nodes are probably gone; nobody is connected.\n\n  %s",
				where, sessionList(nodesGone)))
	}
	if len(unseen) > 0 {
		paragraphs = append(paragraphs,
			fmt.Sprintf("These sessions in %s were asked to terminate, but their end could not be seen:\n\n  %s", where, sessionList(unseen)))
	}
	if len(paragraphs) > 0 {
		diags.AddWarning(summary, joined(append(paragraphs, advice...)...))
	}
}

// sessionLine returns the line for one session in a list. Whose it is and the request ID
// of the error follow on lines of their own, if they are known.
func sessionLine(id, what string, seen sessionmanager.Session, err error) string {
	line := printable(id)
	if what != "" {
		line += ": " + what
	}
	if whose := whoseSentence(seen); whose != "" {
		line += "\n   " + whose
	}
	if requestID := requestIDOf(err); requestID != "" {
		line += "\n    " + requestIDLine(requestID)
	}

	return line
}

// sessionList joins lines of sessions. It shows the first 100 lines of each kind and
// counts the others.
func sessionList(kinds ...[]string) string {
	const show = 100

	var shown []string
	for _, lines := range kinds {
		shown = append(shown, lines[:min(len(lines), show)]...)
		if more := len(lines) - show; more > 0 {
			shown = append(shown, fmt.Sprintf("and %d more", more))
		}
	}

	return strings.Join(shown, "\n  ")
}

// endedText describes what a destroyed drain ended. The outcomes are no longer in state.
func endedText(where string, result sessionmanager.DrainResult, about string) string {
	var lines []string
	for _, id := range slices.Sorted(maps.Keys(result.Outcomes)) {
		lines = append(lines, fmt.Sprintf("%s: %s", printable(id), result.Outcomes[id]))
	}

	return fmt.Sprintf("The drain that was destroyed ended %s in %s.%s\n\n%s\n\n  %s",
		sessionCount(result.Count(sessionmanager.OutcomeTerminated)), where, endedWithout(result), about, sessionList(lines))
}

// endedWithout returns a sentence about sessions that ended without the drain, or "".
func endedWithout(result sessionmanager.DrainResult) string {
	if n := result.Count(sessionmanager.OutcomeAlreadyEnded); n > 0 {
		return fmt.Sprintf(" Ended without the drain: %d.", n)
	}

	return ""
}

// drainFailures lists the sessions that were not ended, and then those whose request may
// have succeeded, each with its reason. The advice for each reason follows once, then
// wayOut.
func drainFailures(where string, result sessionmanager.DrainResult, about, wayOut string) string {
	var (
		notEnded []string
		lost     []string
		late     []string
		advice   []string
		seen     = make(map[string]bool)
	)
	for _, id := range result.FailedSessions() {
		err := result.Failures[id]
		line := sessionLine(id, failureReason(err), result.Seen[id], err)
		if result.Outcomes[id] == sessionmanager.OutcomeUnverified {
			lost = append(lost, line)
		} else {
			notEnded = append(notEnded, line)
		}
		if text := failureAdvice(err); text != "" && !seen[text] {
			seen[text] = true
			advice = append(advice, text)
		}
	}
	why := "it began while the others were being ended, and is live"
	if result.Capped {
		why += "; more than max_sessions match now, and this one was not asked to end"
		advice = append(advice, "Narrow the selection, or raise max_sessions, and drain again.")
	}
	for _, id := range result.Left {
		late = append(late, sessionLine(id, why, result.Seen[id], nil))
	}

	ended := fmt.Sprintf("%d ended", result.Ended())
	if len(result.Unverified()) > 0 {
		ended = fmt.Sprintf("%d known to have ended", result.Ended())
	}
	var paragraphs []string
	if count := len(notEnded) + len(late); count > 0 {
		paragraphs = append(paragraphs, fmt.Sprintf("%s in %s could not be ended (%s):\n\n  %s", sessionCount(count), where, ended, sessionList(notEnded, late)))
	}
	if len(lost) > 0 {
		were, they := "were", "They"
		if len(lost) == 1 {
			were, they = "was", "It"
		}
		paragraphs = append(paragraphs, fmt.Sprintf("%s in %s %s asked to terminate, but no usable answer came. %s may have ended (%s):\n\n  %s",
			sessionCount(len(lost)), where, were, they, ended, sessionList(lost)))
	}
	detail := joined(slices.Concat(paragraphs, []string{about}, advice, []string{wayOut})...)
	if ids := result.FailedSessions(); len(ids) > 0 {
		// One cause is enough: the causes are mostly the same.
		detail += "\n\nError: " + printable(result.Failures[ids[0]].Error())
	}

	return detail
}

// joined joins the texts that are not empty, as paragraphs.
func joined(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(text string) bool { return text == "" }), "\n\n")
}

// sessionCount returns "1 session" or "n sessions".
func sessionCount(n int) string {
	if n == 1 {
		return "1 session"
	}

	return fmt.Sprintf("%d sessions", n)
}

// drainRecord is the part of the state that a drain writes.
type drainRecord struct {
	Outcomes   types.Map `tfsdk:"outcomes"`
	RequestIDs types.Map `tfsdk:"request_ids"`
}

// recordOf translates the result of a drain for state. The zero result gives empty maps.
func recordOf(result sessionmanager.DrainResult) drainRecord {
	return drainRecord{Outcomes: mapValue(result.Outcomes), RequestIDs: mapValue(result.RequestIDs)}
}

// unknownRecord is the planned record of a drain that has not run yet.
func unknownRecord() drainRecord {
	return drainRecord{Outcomes: types.MapUnknown(types.StringType), RequestIDs: types.MapUnknown(types.StringType)}
}

// mapValue translates a map of strings. The result for nil is an empty map.
func mapValue[T ~string](texts map[string]T) types.Map {
	elements := make(map[string]attr.Value, len(texts))
	for key, text := range texts {
		elements[key] = types.StringValue(string(text))
	}

	return types.MapValueMust(types.StringType, elements)
}
