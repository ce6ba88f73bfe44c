// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

var (
	_ basetypes.SetTypable  = textSetType{}
	_ basetypes.SetValuable = textSet{}
)

// textSetType is a set of strings that can be large. The framework compares each pair of
// elements whenever it converts a set, which takes minutes for 10 000 elements. The sets
// of Terraform have no duplicates, so the comparison is not needed.
type textSetType struct {
	basetypes.SetType
}

// newTextSetType returns the type of a set of strings.
func newTextSetType() textSetType {
	return textSetType{basetypes.SetType{ElemType: basetypes.StringType{}}}
}

func (t textSetType) Equal(other attr.Type) bool {
	o, ok := other.(textSetType)

	return ok && t.SetType.Equal(o.SetType)
}

// Validate replaces the framework's comparison of the elements.
func (t textSetType) Validate(context.Context, tftypes.Value, path.Path) diag.Diagnostics { return nil }

func (t textSetType) ValueType(context.Context) attr.Value { return textSet{} }

func (t textSetType) ValueFromSet(_ context.Context, in basetypes.SetValue) (basetypes.SetValuable, diag.Diagnostics) {
	return textSet{in}, nil
}

func (t textSetType) ValueFromTerraform(ctx context.Context, in tftypes.Value) (attr.Value, error) {
	value, err := t.SetType.ValueFromTerraform(ctx, in)
	if err != nil {
		return nil, err
	}
	set, ok := value.(basetypes.SetValue)
	if !ok {
		return nil, fmt.Errorf("unexpected value of type %T", value)
	}

	return textSet{set}, nil
}

// textSet is a value of textSetType.
type textSet struct {
	basetypes.SetValue
}

func (v textSet) Type(context.Context) attr.Type { return newTextSetType() }

func (v textSet) Equal(other attr.Value) bool {
	o, ok := other.(textSet)

	return ok && v.SetValue.Equal(o.SetValue)
}
