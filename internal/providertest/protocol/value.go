// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package protocol

import (
	"maps"
	"math/big"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

type unknownValue struct{}

// Unknown is a value that is not known yet.
var Unknown any = unknownValue{}

// Encode returns a configuration or state as it goes over the wire.
func (s *Server) Encode(schema *tfprotov6.Schema, in map[string]any) *tfprotov6.DynamicValue {
	s.t.Helper()

	raw, err := tfprotov6.NewDynamicValue(schema.ValueType(), s.EncodeValue(schema, in))
	s.Must(err)

	return &raw
}

// EncodeValue returns a configuration or state as a value of the schema.
func (s *Server) EncodeValue(schema *tfprotov6.Schema, in map[string]any) tftypes.Value {
	s.t.Helper()

	var value any
	if in != nil {
		value = withBlocks(schema.Block, in)
	}

	return s.value(schema.ValueType(), value)
}

// decode reverses Encode. It returns nil for null.
func (s *Server) decode(typ tftypes.Type, raw *tfprotov6.DynamicValue) map[string]any {
	s.t.Helper()

	if raw == nil {
		return nil
	}
	value, err := raw.Unmarshal(typ)
	s.Must(err)
	out, _ := s.plainValue(value).(map[string]any)

	return out
}

// value turns plain Go into a value of the type.
func (s *Server) value(typ tftypes.Type, in any) tftypes.Value {
	s.t.Helper()

	switch in := in.(type) {
	case unknownValue:
		return tftypes.NewValue(typ, tftypes.UnknownValue)
	case []any:
		var element tftypes.Type
		switch typ := typ.(type) {
		case tftypes.List:
			element = typ.ElementType
		case tftypes.Set:
			element = typ.ElementType
		default:
			s.t.Fatalf("%v is given for a %s", in, typ)
		}
		values := make([]tftypes.Value, 0, len(in))
		for _, each := range in {
			values = append(values, s.value(element, each))
		}

		return tftypes.NewValue(typ, values)
	case map[string]any:
		values := map[string]tftypes.Value{}
		switch typ := typ.(type) {
		case tftypes.Map:
			for key, each := range in {
				values[key] = s.value(typ.ElementType, each)
			}
		case tftypes.Object:
			for name := range in {
				if _, ok := typ.AttributeTypes[name]; !ok {
					s.t.Fatalf("there is no argument %q", name)
				}
			}
			for name, attribute := range typ.AttributeTypes {
				values[name] = s.value(attribute, in[name])
			}
		default:
			s.t.Fatalf("%v is given for a %s", in, typ)
		}

		return tftypes.NewValue(typ, values)
	default:
		if err := tftypes.ValidateValue(typ, in); err != nil {
			s.t.Fatalf("%v is given for a %s: %s", in, typ, err)
		}

		return tftypes.NewValue(typ, in)
	}
}

// plainValue reverses value.
func (s *Server) plainValue(in tftypes.Value) any {
	s.t.Helper()

	switch {
	case !in.IsKnown():
		return Unknown
	case in.IsNull():
		return nil
	}

	switch typ := in.Type(); {
	case typ.Is(tftypes.String):
		return valueAs[string](s, in)
	case typ.Is(tftypes.Bool):
		return valueAs[bool](s, in)
	case typ.Is(tftypes.Number):
		number := valueAs[big.Float](s, in)
		whole, _ := number.Int64()

		return whole
	case typ.Is(tftypes.List{}), typ.Is(tftypes.Set{}):
		out := []any{}
		for _, each := range valueAs[[]tftypes.Value](s, in) {
			out = append(out, s.plainValue(each))
		}

		return out
	default:
		out := map[string]any{}
		for name, each := range valueAs[map[string]tftypes.Value](s, in) {
			out[name] = s.plainValue(each)
		}

		return out
	}
}

func valueAs[T any](s *Server, in tftypes.Value) T {
	s.t.Helper()

	var out T
	s.Must(in.As(&out))

	return out
}

// withBlocks fills in the repeatable blocks that a configuration leaves out. Terraform
// sends them as an empty list or set, not as null.
func withBlocks(block *tfprotov6.SchemaBlock, in map[string]any) map[string]any {
	out := maps.Clone(in)
	for _, nested := range block.BlockTypes {
		if nested.Nesting != tfprotov6.SchemaNestedBlockNestingModeList && nested.Nesting != tfprotov6.SchemaNestedBlockNestingModeSet {
			continue
		}
		switch given := out[nested.TypeName].(type) {
		case nil:
			out[nested.TypeName] = []any{}
		case []any:
			blocks := make([]any, 0, len(given))
			for _, each := range given {
				if attributes, ok := each.(map[string]any); ok {
					each = withBlocks(nested.Block, attributes)
				}
				blocks = append(blocks, each)
			}
			out[nested.TypeName] = blocks
		}
	}

	return out
}

// Proposed merges a configuration with the prior state, as Terraform does. What the
// provider computes keeps its value, or is unknown if it has none yet.
func Proposed(block *tfprotov6.SchemaBlock, prior, config map[string]any) map[string]any {
	if config == nil {
		return nil
	}

	out := maps.Clone(config)
	for _, attribute := range block.Attributes {
		if !attribute.Computed || config[attribute.Name] != nil {
			continue
		}
		out[attribute.Name] = Unknown
		if prior != nil {
			out[attribute.Name] = prior[attribute.Name]
		}
	}

	return out
}
