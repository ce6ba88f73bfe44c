// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/setvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// selectorModel is embedded by the model of every object that selects sessions.
type selectorModel struct {
	Targets           types.Set            `tfsdk:"targets"`
	Owners            types.Set            `tfsdk:"owners"`
	DocumentNames     types.Set            `tfsdk:"document_names"`
	AccessTypes       types.Set            `tfsdk:"access_types"`
	OlderThan         timetypes.GoDuration `tfsdk:"older_than"`
	ExcludeOwners     types.Set            `tfsdk:"exclude_owners"`
	ExcludeSessionIDs types.Set            `tfsdk:"exclude_session_ids"`
}

// selectorSet is one of the selector's sets of strings. Resources, data sources
// and actions each have a schema package of their own; this is what they share.
type selectorSet struct {
	description string
	validators  []validator.Set
}

const (
	ownerPatternDescription = "An owner is the ARN that SSM records, in which `*` stands for any run of characters, `/` and `:` included. " +
		"A role's sessions are owned by `arn:aws:sts::123456789012:assumed-role/Role/Name`, never by the role's own ARN."
	olderThanDescription = "Sessions that started at least this long ago, as a duration such as `8h` or `30m`, by the service's clock."
)

// selectorSets returns the selector's sets by attribute name.
func selectorSets() map[string]selectorSet {
	set := func(description string, elements ...validator.String) selectorSet {
		return selectorSet{description: description, validators: []validator.Set{
			setvalidator.NoNullValues(),
			setvalidator.ValueStringsAre(elements...),
		}}
	}
	accessTypes := sessionmanager.AccessTypes()

	return map[string]selectorSet{
		"targets":        set("Nodes that the sessions connect to, such as `i-0123456789abcdef0`.", stringvalidator.UTF8LengthBetween(1, 400)),
		"owners":         set("Who started the sessions. "+ownerPatternDescription, ownerPattern{}),
		"document_names": set("SSM documents that the sessions run, such as `SSM-SessionManagerRunShell`. SSM often leaves out the document of an active session, which then does not match.", stringvalidator.LengthAtLeast(1)),
		"access_types": set("Kinds of access that the sessions were started with: "+quoted(accessTypes)+".",
			stringvalidator.OneOf(accessTypes...)),
		"exclude_owners":      set("Owners whose sessions are spared, in the form of `owners`. A session without an owner is spared as well.", ownerPattern{}),
		"exclude_session_ids": set("Sessions that are spared, by ID.", stringvalidator.UTF8LengthBetween(1, 96)),
	}
}

// olderThanValidators check a minimal age.
func olderThanValidators() []validator.String {
	return []validator.String{notNegative{}}
}

// quoted lists values for a description.
func quoted(values []string) string {
	return "`" + strings.Join(values, "`, `") + "`"
}

// selector returns what the model selects; ok tells whether all of it is known.
func (m *selectorModel) selector() (selector sessionmanager.Selector, ok bool) {
	for _, value := range []attr.Value{m.Targets, m.Owners, m.DocumentNames, m.AccessTypes, m.OlderThan, m.ExcludeOwners, m.ExcludeSessionIDs} {
		if !knownThroughout(value) {
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

// knownThroughout reports whether a value and all of its elements are known.
func knownThroughout(value attr.Value) bool {
	if set, ok := value.(types.Set); ok {
		for _, element := range set.Elements() {
			if element.IsUnknown() {
				return false
			}
		}
	}

	return !value.IsUnknown()
}

// conditionSet returns nil for a set that is not given: no condition. An empty
// one is a condition that nothing meets.
func conditionSet(set types.Set) []string {
	if set.IsNull() {
		return nil
	}

	return append([]string{}, stringElements(set.Elements())...)
}

// requireCondition adds an error if the selector would end whatever there is. It
// judges what is known: called again at apply, nothing slips through.
func (m *selectorModel) requireCondition(diags *diag.Diagnostics) bool {
	selector, known := m.selector()
	if !known || selector.RequireCondition() == nil {
		return true
	}

	at := path.Root("targets")
	what := "No condition says which sessions to end."
	switch {
	case selector.Owners != nil:
		at, what = path.Root("owners"), "The only condition, on owners, matches every session there is."
	case selector.OlderThan != nil:
		at, what = path.Root("older_than"), "The only condition, an age of zero, matches every session there is."
	}
	diags.AddAttributeError(at, summaryDrain,
		what+" A drain ends everything that it matches, so that it wants at least one condition which narrows it down. Nothing was ended.\n\n"+
			"Set targets, owners, document_names, access_types or older_than; exclusions alone are not enough.")

	return false
}

// ownerPattern refuses what can never match an owner.
type ownerPattern struct{}

func (v ownerPattern) Description(context.Context) string {
	return "value must be the ARN of a session's owner, or a pattern for one"
}

func (v ownerPattern) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (v ownerPattern) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := sessionmanager.CheckOwner(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Owner", err.Error()+".")
	}
}

// notNegative refuses durations below zero; what is no duration at all is refused
// by the attribute's type.
type notNegative struct{}

func (v notNegative) Description(context.Context) string {
	return "value must be a duration of zero or more"
}

func (v notNegative) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (v notNegative) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if duration, err := time.ParseDuration(req.ConfigValue.ValueString()); err == nil && duration < 0 {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Duration",
			fmt.Sprintf("%q is negative.\n\nGive a duration of zero or more, such as \"8h\".", req.ConfigValue.ValueString()))
	}
}
