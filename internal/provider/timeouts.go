// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// validateTimeouts rejects timeouts of zero or less, and returns the timeouts that are set, by name. The schema
// rejects values that are not durations.
func validateTimeouts(ctx context.Context, config tfsdk.Config, diags *diag.Diagnostics, names ...string) map[string]types.String {
	values := make(map[string]types.String)
	for _, name := range names {
		var value types.String
		at := path.Root("timeouts").AtName(name)
		if config.GetAttribute(ctx, at, &value).HasError() {
			continue
		}
		values[name] = value
		if timeout, err := time.ParseDuration(value.ValueString()); err == nil && timeout <= 0 {
			diags.AddAttributeError(at, "Invalid Timeout",
				fmt.Sprintf("%q leaves no time to do anything.\n\nGive a duration above zero, such as \"2m\".", value.ValueString()))
		}
	}

	return values
}
