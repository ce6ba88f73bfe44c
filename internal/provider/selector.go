// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// selectorModel is embedded in the model of every object that selects sessions.
type selectorModel struct {
	Targets           textSet       `tfsdk:"targets"`
	Owners            textSet       `tfsdk:"owners"`
	DocumentNames     textSet       `tfsdk:"document_names"`
	AccessTypes       textSet       `tfsdk:"access_types"`
	OlderThan         durationValue `tfsdk:"older_than"`
	ExcludeOwners     textSet       `tfsdk:"exclude_owners"`
	ExcludeSessionIDs textSet       `tfsdk:"exclude_session_ids"`
}

// selectorSet describes one set of strings in the selector. Resources, data sources and
// actions share it, although each kind has its own schema package.
type selectorSet struct {
	description string
	validators  []validator.Set
}

const (
	selectorDescription     = "A session must meet all conditions. In a set, one match is enough. An empty set matches nothing."
	ownerPatternDescription = "An owner is the ARN that SSM records. `*` matches any characters, also `/` and `:`. " +
		"The owner of a role's session is `arn:aws:sts::123456789012:assumed-role/Role/Name`, never the role's own ARN. Patterns that begin with `arn:*:` work in every partition."
	olderThanDescription = "Minimum age of the sessions by the service's clock, as a duration such as `8h` or `30m`."
)

// selectorSets returns the selector's sets by attribute name.
func selectorSets() map[string]selectorSet {
	set := func(description string, more ...validator.Set) selectorSet {
		return selectorSet{description: description, validators: append([]validator.Set{setvalidator.NoNullValues()}, more...)}
	}
	accessTypes := sessionmanager.AccessTypes()

	return map[string]selectorSet{
		"targets": set("Nodes that the sessions connect to, such as `i-0123456789abcdef0`.", judgedSet{sessionmanager.FieldTargets}),
		"owners":  set("Who started the sessions. "+ownerPatternDescription, judgedSet{sessionmanager.FieldOwners}),
		"document_names": set("SSM documents that the sessions run, such as `SSM-SessionManagerRunShell`. SSM often leaves out the document of an active session. Such a session does not match.",
			judgedSet{sessionmanager.FieldDocumentNames}),
		"access_types": set("Kinds of access that the sessions were started with: "+quoted(accessTypes)+".",
			setvalidator.ValueStringsAre(stringvalidator.OneOf(accessTypes...))),
		"exclude_owners":      set("Owners whose sessions are excluded, in the form of `owners`. Sessions without an owner are excluded too.", judgedSet{sessionmanager.FieldExcludeOwners}),
		"exclude_session_ids": set("IDs of sessions to exclude.", judgedSet{sessionmanager.FieldExcludeSessionIDs}),
	}
}

// olderThanValidators check older_than.
func olderThanValidators() []validator.String {
	return []validator.String{notNegative()}
}

// quoted returns values as Markdown code, separated by commas.
func quoted(values []string) string {
	return "`" + strings.Join(values, "`, `") + "`"
}

// selector translates the model for package sessionmanager. It returns ok = false if any
// value is unknown.
func (m *selectorModel) selector() (selector sessionmanager.Selector, ok bool) {
	for _, value := range []attr.Value{m.Targets, m.Owners, m.DocumentNames, m.AccessTypes, m.OlderThan, m.ExcludeOwners, m.ExcludeSessionIDs} {
		if !fullyKnown(value) {
			return selector, false
		}
	}

	selector = sessionmanager.Selector{
		Targets:           conditionSet(m.Targets),
		Owners:            conditionSet(m.Owners),
		DocumentNames:     conditionSet(m.DocumentNames),
		AccessTypes:       conditionSet(m.AccessTypes),
		ExcludeOwners:     conditionSet(m.ExcludeOwners),
		ExcludeSessionIDs: conditionSet(m.ExcludeSessionIDs),
	}
	if !m.OlderThan.IsNull() {
		age, _ := m.OlderThan.ValueGoDuration()
		selector.OlderThan = &age
	}

	return selector, true
}

// fullyKnown reports whether a value and all of its elements are known.
func fullyKnown(value attr.Value) bool {
	if set, ok := value.(interface{ Elements() []attr.Value }); ok {
		for _, element := range set.Elements() {
			if element.IsUnknown() {
				return false
			}
		}
	}

	return !value.IsUnknown()
}

// conditionSet returns the strings of a set. A null set gives nil, which is no condition.
// An empty set gives an empty slice, a condition that no session meets.
func conditionSet(set textSet) []string {
	if set.IsNull() {
		return nil
	}

	return append([]string{}, stringElements(set.Elements())...)
}

// requireCondition adds an error if the selector does not narrow down the sessions of an
// account. It accepts unknown values, so call it again at apply. The account is as for
// sessionmanager.Selector.
func (m *selectorModel) requireCondition(account string, diags *diag.Diagnostics) bool {
	selector, known := m.selector()
	if !known || selector.RequireCondition(account) == nil {
		return true
	}

	at := path.Root("targets")
	what := "No condition says which sessions to end."
	advice := "Set targets, owners, document_names, access_types or older_than; exclusions alone are not enough."
	switch {
	case selector.RequireCondition(sessionmanager.EveryAccount) == nil:
		at, what = path.Root("owners"), fmt.Sprintf("The patterns in owners match every owner of account %s, which is no condition.", account)
		if account == "" {
			what = "The account of the credentials is not known, and the patterns in owners match every owner of some accounts. This is no condition."
		}
		advice = "Every owner contains the account number, and the patterns match parts of it. For names with a number, use a pattern such as \"*/*42*\"."
	case selector.Owners != nil:
		at, what = path.Root("owners"), "The patterns in owners match every owner, which is no condition."
	case selector.OlderThan != nil:
		at, what = path.Root("older_than"), fmt.Sprintf("An age of %s is below a minute, which is no condition.", selector.OlderThan)
	case selector.AccessTypes != nil:
		at, what = path.Root("access_types"), "The values in access_types match every session, which is no condition."
	}
	diags.AddAttributeError(at, summaryDrain,
		what+" A drain ends everything that it matches, and needs at least one condition that narrows it down. Nothing was ended.\n\n"+advice)

	return false
}

// unusedText returns a paragraph about the values of a selection that match none of the
// sessions, or "" if there are none. Such a value can be a typo, but it can also be fine,
// for example if a role has no session at the moment.
func unusedText(selector sessionmanager.Selector, sessions []sessionmanager.Session) string {
	unused := selector.Unmatched(sessions)
	if unused.Equal(sessionmanager.Selector{}) {
		return ""
	}

	return "\n\nThese values match no session now, given the other arguments: " + selectionText(unused) + "."
}

// judgedSet reports the findings of sessionmanager.Judge for the values of a set. It
// covers the checks that do not need the Region and the account.
type judgedSet struct {
	field sessionmanager.Field
}

func (v judgedSet) Description(context.Context) string {
	return "values must be possible values of a session"
}

func (v judgedSet) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (v judgedSet) ValidateSet(_ context.Context, req validator.SetRequest, resp *validator.SetResponse) {
	judgeSet(v.field, req.ConfigValue, req.Path, sessionmanager.Place{}, &resp.Diagnostics)
}

// judgeSet reports the findings of sessionmanager.Judge for the known values of a set.
// Another validator checks for null values.
func judgeSet(field sessionmanager.Field, set types.Set, at path.Path, place sessionmanager.Place, diags *diag.Diagnostics) {
	var values []string
	for _, element := range set.Elements() {
		if text, ok := element.(types.String); ok && !text.IsNull() && !text.IsUnknown() {
			values = append(values, text.ValueString())
		}
	}
	for _, finding := range sessionmanager.Judge(field, values, !fullyKnown(set), place) {
		if finding.Placed == (place != sessionmanager.Place{}) {
			reportFinding(finding, at.AtSetValue(types.StringValue(finding.Value)), diags)
		}
	}
}

// reportFinding adds a finding to the attribute as an error or a warning.
func reportFinding(finding sessionmanager.Finding, at path.Path, diags *diag.Diagnostics) {
	if finding.Refused {
		diags.AddAttributeError(at, finding.Summary, finding.Detail)
	} else {
		diags.AddAttributeWarning(at, finding.Summary, finding.Detail)
	}
}

// judged reports the findings of sessionmanager.Judge for a single value.
type judged struct {
	field sessionmanager.Field
}

func (v judged) Description(context.Context) string {
	return "value must be a possible value of a session"
}

func (v judged) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (v judged) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	for _, finding := range sessionmanager.Judge(v.field, []string{req.ConfigValue.ValueString()}, false, sessionmanager.Place{}) {
		reportFinding(finding, req.Path, &resp.Diagnostics)
	}
}

// judge runs the checks that need the Region and the account. It reports whether the
// selection is valid.
func (m *selectorModel) judge(place sessionmanager.Place, diags *diag.Diagnostics) bool {
	var found diag.Diagnostics
	if place != (sessionmanager.Place{}) {
		judgeSet(sessionmanager.FieldOwners, m.Owners.SetValue, path.Root("owners"), place, &found)
		judgeSet(sessionmanager.FieldExcludeOwners, m.ExcludeOwners.SetValue, path.Root("exclude_owners"), place, &found)
	}
	diags.Append(found...)

	return !found.HasError()
}

// notNegative rejects durations below zero. The attribute's type rejects values that are
// not durations.
func notNegative() stringCheck {
	return stringCheck{"value must be a duration of zero or more", func(value string) (summary, detail string) {
		if duration, err := time.ParseDuration(value); err != nil || duration >= 0 {
			return "", ""
		}

		return "Invalid Duration", fmt.Sprintf("%q is negative.\n\nGive a duration of zero or more, such as \"8h\".", value)
	}}
}
