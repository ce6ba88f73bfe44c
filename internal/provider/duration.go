// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/attr/xattr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

var (
	_ basetypes.StringTypable                    = durationType{}
	_ basetypes.StringValuableWithSemanticEquals = durationValue{}
	_ xattr.ValidateableAttribute                = durationValue{}
)

// durationShape matches every duration, also one that is too long for time.Duration.
var durationShape = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+$`)
})

// durationType is a duration type whose error lists the valid units.
type durationType struct {
	timetypes.GoDurationType
}

func (t durationType) Equal(other attr.Type) bool {
	_, ok := other.(durationType)

	return ok
}

func (t durationType) ValueType(context.Context) attr.Value { return durationValue{} }

func (t durationType) ValueFromString(_ context.Context, in basetypes.StringValue) (basetypes.StringValuable, diag.Diagnostics) {
	return durationValue{timetypes.GoDuration{StringValue: in}}, nil
}

func (t durationType) ValueFromTerraform(ctx context.Context, in tftypes.Value) (attr.Value, error) {
	value, err := t.GoDurationType.ValueFromTerraform(ctx, in)
	if err != nil {
		return nil, err
	}
	duration, ok := value.(timetypes.GoDuration)
	if !ok {
		return nil, fmt.Errorf("unexpected value of type %T", value)
	}

	return durationValue{duration}, nil
}

// durationValue is a value of durationType.
type durationValue struct {
	timetypes.GoDuration
}

func (v durationValue) Type(context.Context) attr.Type { return durationType{} }

func (v durationValue) Equal(other attr.Value) bool {
	o, ok := other.(durationValue)

	return ok && v.GoDuration.Equal(o.GoDuration)
}

func (v durationValue) StringSemanticEquals(ctx context.Context, other basetypes.StringValuable) (bool, diag.Diagnostics) {
	o, ok := other.(durationValue)
	if !ok {
		return false, nil
	}

	return v.GoDuration.StringSemanticEquals(ctx, o.GoDuration)
}

func (v durationValue) ValidateAttribute(_ context.Context, req xattr.ValidateAttributeRequest, resp *xattr.ValidateAttributeResponse) {
	if v.IsNull() || v.IsUnknown() {
		return
	}
	if _, err := time.ParseDuration(v.ValueString()); err != nil && durationShape().MatchString(v.ValueString()) {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Duration",
			fmt.Sprintf("%q is too long. The longest duration is %dh.\n\nGive a shorter one, such as \"8h\".", v.ValueString(), int64(math.MaxInt64)/int64(time.Hour)))
	} else if err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Duration",
			fmt.Sprintf("%q is not a duration. A duration has numbers with the units h, m and s. There is no unit for days or weeks.\n\nGive one such as \"30m\", \"8h\" or, for a week, \"168h\".", v.ValueString()))
	}
}

// timestamp accepts an RFC 3339 date with a time and an offset.
func timestamp() stringCheck {
	return stringCheck{"value must be a date with a time, in RFC 3339", func(value string) (summary, detail string) {
		if _, err := time.Parse(time.RFC3339, value); err == nil {
			return "", ""
		}
		example := "2026-11-20T00:00:00Z"
		if _, err := time.Parse(time.DateOnly, value); err == nil {
			example = value + "T00:00:00Z"
		}

		return "Invalid Time",
			fmt.Sprintf("%q is not a date with a time and an offset, in RFC 3339.\n\nGive one such as %q.", value, example)
	}}
}
