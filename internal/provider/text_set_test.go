// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/attr/xattr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// The work of a conversion must not grow with the square of the number of elements. The
// test counts allocations, because times depend on the machine. It cannot be parallel,
// because the count covers the whole process.
func TestTextSet_largeSets(t *testing.T) { //nolint:paralleltest // See above.
	convert := func(elements int) float64 {
		values := make([]tftypes.Value, elements)
		for i := range values {
			values[i] = tftypes.NewValue(tftypes.String, fmt.Sprintf("Mary-%d", i))
		}
		in := tftypes.NewValue(tftypes.Set{ElementType: tftypes.String}, values)
		typ := newTextSetType()

		return testing.AllocsPerRun(3, func() {
			value, err := typ.ValueFromTerraform(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			if checked, ok := any(typ).(xattr.TypeWithValidate); ok { //nolint:staticcheck // The framework still calls it.
				checked.Validate(context.Background(), in, path.Root("targets"))
			}
			if set, ok := value.(textSet); !ok || len(set.Elements()) != elements {
				t.Fatalf("unexpected %v", value)
			}
		})
	}

	if few, many := convert(100), convert(400); many > 6*few {
		t.Errorf("%.0f allocations for 100 elements, and %.0f for 400", few, many)
	}
}
