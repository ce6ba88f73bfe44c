// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"

	"github.com/hashicorp/aws-sdk-go-base/v2/endpoints"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const regionDescription = "AWS Region to call, in the provider's partition. Defaults to the provider's Region."

// regionModel is embedded in the model of every object.
type regionModel struct {
	Region types.String `tfsdk:"region"`
}

// regionValidators check a Region as far as possible without the provider's settings.
func regionValidators() []validator.String {
	return []validator.String{stringCheck{"value must be the name of a Region", func(value string) (summary, detail string) {
		if value != "" {
			return "", ""
		}

		return summaryRegion, "The Region is empty.\n\nGive its name, for example \"eu-central-1\", or leave out region to use the provider's Region."
	}}}
}

// ref returns a reference to a session in the model's Region.
func (m *regionModel) ref(sessionID types.String) sessionmanager.SessionRef {
	return sessionmanager.SessionRef{Region: m.Region.ValueString(), SessionID: sessionID.ValueString()}
}

// regionState is the state of an object's Region.
type regionState int

const (
	// regionUnknown: the Region may become known during the apply.
	regionUnknown regionState = iota
	// regionBad: the Region cannot be called. The attribute has an error.
	regionBad
	// regionGood: the Region can be called.
	regionGood
)

// resolve fills an unset region with the provider's default, and checks it.
func (m *regionModel) resolve(meta *providerMeta, diags *diag.Diagnostics) regionState {
	if (m.Region.IsNull() || m.Region.IsUnknown()) && meta != nil && meta.region != "" {
		m.Region = types.StringValue(meta.region)
	}
	switch {
	case m.Region.IsNull() || m.Region.IsUnknown():
		return regionUnknown
	case !meta.checkRegion(m.Region.ValueString(), diags):
		return regionBad
	}

	return regionGood
}

// prepare is the first step of every handler that calls Session Manager, after it has read its model. It resolves
// the Region and reports whether calls can be made. If not, it adds an error.
func (m *providerMeta) prepare(summary string, model *regionModel, diags *diag.Diagnostics) bool {
	if diags.HasError() || !m.requireReady(summary, diags) {
		return false
	}
	state := model.resolve(m, diags)
	if state == regionUnknown {
		diags.AddAttributeError(path.Root("region"), summary, "The Region to call is not known.\n\nSet region here, or in the provider.")
	}

	return state == regionGood
}

// checkRegion adds an error if the provider's credentials are not valid in the region.
func (m *providerMeta) checkRegion(region string, diags *diag.Diagnostics) bool {
	if m == nil || m.region == "" {
		return true
	}

	partition, _ := endpoints.PartitionForRegion(endpoints.DefaultPartitions(), m.region)
	if problem := regionProblem(region, partition.ID(), m.skipRegionValidation); problem != "" {
		diags.AddAttributeError(path.Root("region"), summaryRegion, problem)

		return false
	}

	return true
}

// regionProblem returns what is wrong with a Region, or "". The Region must exist and
// belong to the partition; an empty partitionID means any partition. With skip, the
// Region may be unknown, because it may be new or belong to a service that imitates AWS.
func regionProblem(region, partitionID string, skip bool) string {
	partition, ok := endpoints.PartitionForRegion(endpoints.DefaultPartitions(), region)
	_, listed := partition.Regions()[region]

	switch {
	case !skip && !listed:
		return fmt.Sprintf("%q is not an AWS Region that this version of the provider knows.\n\n"+
			"Check the spelling, for example \"eu-central-1\". To use a Region that is newer than the provider, set skip_region_validation = true in the provider block.", region)
	case ok && partitionID != "" && partition.ID() != partitionID:
		return fmt.Sprintf("Region %q belongs to the partition %q, but the provider's Region belongs to %q. Credentials are valid in one partition only.\n\n"+
			"Use a Region of the provider's partition, or a second provider block with an alias.", region, partition.ID(), partitionID)
	default:
		return ""
	}
}

// place returns the partition and the account of a Region's sessions.
func (m *providerMeta) place(region string) sessionmanager.Place {
	if m == nil {
		return sessionmanager.Place{}
	}
	partition, _ := endpoints.PartitionForRegion(endpoints.DefaultPartitions(), region)

	return sessionmanager.Place{Partition: partition.ID(), Account: m.accountID}
}

// where describes a Region for messages. It names the account, if the provider knows it.
func (m *providerMeta) where(region string) string {
	if m.accountID == "" {
		return "Region " + region
	}

	return fmt.Sprintf("Region %s of account %s", region, m.accountID)
}
