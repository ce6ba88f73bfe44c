// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// validateLate runs the validators of an action's arguments when the action is invoked.
// Terraform validates an action only before the plan, when values can be unknown.
func validateLate(ctx context.Context, config tfsdk.Config, diags *diag.Diagnostics) {
	var raw map[string]tftypes.Value
	if err := config.Raw.As(&raw); err != nil {
		diags.AddError("Invalid Configuration", "The configuration of the action could not be read.\n\nError: "+printable(err.Error()))

		return
	}

	for name, attribute := range config.Schema.GetAttributes() {
		at := path.Root(name)
		value, err := attribute.GetType().ValueFromTerraform(ctx, raw[name])
		if err != nil {
			continue // Reading the model has the same error.
		}
		switch value := value.(type) {
		case basetypes.SetValuable:
			set, more := value.ToSetValue(ctx)
			diags.Append(more...)
			if checked, ok := attribute.(interface{ SetValidators() []validator.Set }); ok {
				for _, v := range checked.SetValidators() {
					var resp validator.SetResponse
					v.ValidateSet(ctx, validator.SetRequest{Path: at, PathExpression: at.Expression(), Config: config, ConfigValue: set}, &resp)
					diags.Append(resp.Diagnostics...)
				}
			}
		case basetypes.StringValuable:
			text, more := value.ToStringValue(ctx)
			diags.Append(more...)
			if checked, ok := attribute.(interface{ StringValidators() []validator.String }); ok {
				for _, v := range checked.StringValidators() {
					var resp validator.StringResponse
					v.ValidateString(ctx, validator.StringRequest{Path: at, PathExpression: at.Expression(), Config: config, ConfigValue: text}, &resp)
					diags.Append(resp.Diagnostics...)
				}
			}
		case basetypes.Int64Valuable:
			number, more := value.ToInt64Value(ctx)
			diags.Append(more...)
			if checked, ok := attribute.(interface{ Int64Validators() []validator.Int64 }); ok {
				for _, v := range checked.Int64Validators() {
					var resp validator.Int64Response
					v.ValidateInt64(ctx, validator.Int64Request{Path: at, PathExpression: at.Expression(), Config: config, ConfigValue: number}, &resp)
					diags.Append(resp.Diagnostics...)
				}
			}
		}
	}
	validateTimeouts(ctx, config, diags, "invoke")
}
