// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"math/big"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// Every argument that is a whole number refuses other numbers, once and in plain words.
func TestWholeNumber_everyArgument(t *testing.T) {
	t.Parallel()

	huge, _, err := big.ParseFloat("1e30", 10, 512, big.ToNearestEven)
	if err != nil {
		t.Fatal(err)
	}
	arguments := 0
	check := func(object string, schema *tfprotov6.Schema, config map[string]any, validate func(config map[string]any) []protocol.Diagnostic) {
		for _, attribute := range schema.Block.Attributes {
			argument := attribute.Name
			if attribute.Type == nil || !attribute.Type.Is(tftypes.Number) || !attribute.Optional || argument == "max_requests_per_second" {
				continue
			}
			arguments++
			for text, number := range map[string]*big.Float{"1.5 is not a whole number.": big.NewFloat(1.5), "1e+30 has too many digits.": huge} {
				t.Logf("%s: %s of %s", text, argument, object)
				got := validate(mergeConfig(config, map[string]any{argument: number}))
				protocol.WantDiagnostic(t, protocol.Error(argument, "Invalid Number", text+"\nGive "+argument+" a whole number"), got)
			}
		}
	}

	s := newTestServer(t, nil)
	check("the provider", s.Schemas.Provider, testArguments("http://127.0.0.1:1"), func(config map[string]any) []protocol.Diagnostic {
		return newTestServer(t, config).ValidateProvider()
	})
	for _, object := range testObjects() {
		check(object.name(), objectSchema(s, object), object.config, func(config map[string]any) []protocol.Diagnostic {
			return validateOrPlan(t, s, object, config)
		})
	}
	if arguments != 6 {
		t.Errorf("%d arguments are whole numbers, want 6", arguments)
	}
}
