// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

func TestValues(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct{ got, want []string }{
		"lists":               {sessionmanager.States(), []string{"Active", "History"}},
		"statuses":            {sessionmanager.Statuses(), []string{"Connected", "Connecting", "Disconnected", "Failed", "Terminated", "Terminating"}},
		"access types":        {sessionmanager.AccessTypes(), []string{"JustInTime", "Standard"}},
		"connection statuses": {sessionmanager.ConnectionStatuses(), []string{"connected", "notconnected"}},
	} {
		if diff := cmp.Diff(tc.want, slices.Sorted(slices.Values(tc.got))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
