// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"math/big"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/attr/xattr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

var (
	_ basetypes.Int64Typable      = wholeNumberType{}
	_ basetypes.Int64Valuable     = wholeNumber{}
	_ xattr.ValidateableAttribute = wholeNumber{}
)

// wholeNumberType is an integer type with an error of its own for other numbers. The
// framework calls them an error in the provider.
type wholeNumberType struct {
	basetypes.Int64Type
}

func (t wholeNumberType) Equal(other attr.Type) bool {
	_, ok := other.(wholeNumberType)

	return ok
}

func (t wholeNumberType) ValueType(context.Context) attr.Value { return wholeNumber{} }

func (t wholeNumberType) ValueFromInt64(_ context.Context, in basetypes.Int64Value) (basetypes.Int64Valuable, diag.Diagnostics) {
	return wholeNumber{Int64Value: in}, nil
}

func (t wholeNumberType) ValueFromTerraform(ctx context.Context, in tftypes.Value) (attr.Value, error) {
	if in.IsKnown() && !in.IsNull() && in.Type().Is(tftypes.Number) {
		var number big.Float
		if err := in.As(&number); err != nil {
			return nil, err
		}
		if rounded, accuracy := number.Int64(); accuracy != big.Exact {
			problem := "is not a whole number"
			if number.IsInt() {
				problem = "has too many digits"
			}

			return wholeNumber{basetypes.NewInt64Value(rounded), number.Text('g', 10) + " " + problem}, nil
		}
	}
	value, err := t.Int64Type.ValueFromTerraform(ctx, in)
	if err != nil {
		return nil, err
	}
	number, ok := value.(basetypes.Int64Value)
	if !ok {
		return nil, fmt.Errorf("unexpected value of type %T", value)
	}

	return wholeNumber{Int64Value: number}, nil
}

// wholeNumber is a value of wholeNumberType.
type wholeNumber struct {
	basetypes.Int64Value

	invalid string // What is wrong with the number. Int64Value is then rounded.
}

func (v wholeNumber) Type(context.Context) attr.Type { return wholeNumberType{} }

func (v wholeNumber) Equal(other attr.Value) bool {
	o, ok := other.(wholeNumber)

	return ok && v.Int64Value.Equal(o.Int64Value) && v.invalid == o.invalid
}

func (v wholeNumber) ValidateAttribute(_ context.Context, req xattr.ValidateAttributeRequest, resp *xattr.ValidateAttributeResponse) {
	if v.invalid != "" {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid Number",
			fmt.Sprintf("%s.\n\nGive %s a whole number, such as 10.", v.invalid, req.Path))
	}
}
