// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// Imports and moves that cannot work are refused, and the error says what to do.
func TestMovesAndImports_refused(t *testing.T) {
	t.Parallel()

	_, url := testInventoryFake(t)
	drain := testSessionDrainResourceConfig_basic(url, `targets = ["i-00000002"]`)
	for name, tc := range map[string]struct {
		config string
		want   string
	}{
		"an import of a drain": {drain + "import {\n  to = ssm_session_drain.test\n  id = \"i-00000002\"\n}\n", `Unable to Import Session Drain.*there is nothing to import.*Remove the import block`},
		"a move to a drain":    {drain + "moved {\n  from = terraform_data.old\n  to   = ssm_session_drain.test\n}\n", `Unable to Move Resource.*terraform_data cannot become one of type ssm_session_drain.*Remove the moved block`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := workspace.New(t, testProviderConfig(url)+"resource \"terraform_data\" \"old\" {}\n")
			w.MustRun("apply", "-auto-approve")
			w.Write("main.tf", strings.Replace(w.Read("main.tf"), testProviderConfig(url)+"resource \"terraform_data\" \"old\" {}\n", tc.config, 1))
			output, err := w.Run("plan")
			if err == nil || !testWrapped(tc.want).MatchString(output) {
				t.Errorf("unexpected: %v\n%s", err, output)
			}
		})
	}
}
