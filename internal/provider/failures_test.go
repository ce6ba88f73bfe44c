// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// dataSourceFailure is a way in which a data source fails.
type dataSourceFailure struct {
	arguments map[string]any // Of the provider.
	config    map[string]any
	fault     fakessm.Fault // Strikes every request of the operation.
	want      protocol.Diagnostic
	calls     int // Requests that reach SSM.
}

// wantDataSourceFails reads a data source in each of the ways. The fake is started by
// start, with a provider that tries each call twice.
func wantDataSourceFails(t *testing.T, typeName, operation string, start func(*testing.T, ...fakessm.Option) (*fakessm.Server, string), failures map[string]dataSourceFailure) {
	t.Helper()

	for name, tc := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := start(t)
			if tc.fault.Kind != "" {
				tc.fault.Operation, tc.fault.Times = operation, -1
				fake.Inject(tc.fault)
			}
			s := newConfiguredServer(t, testArguments(url, map[string]any{"max_retries": int64(2)}, tc.arguments))
			config := mergeConfig(map[string]any{}, tc.config)
			_, diags := s.ReadDataSource(typeName, config)
			protocol.WantDiagnostic(t, tc.want, diags)
			if got := len(endpoint.TakeCalls(fake)); got != tc.calls {
				t.Errorf("%d requests, want %d", got, tc.calls)
			}
		})
	}
}

// wantNotInvoked checks that an action was not invoked: the plan failed with the wanted
// diagnostic, or went well without one because the configuration is not known yet.
func wantNotInvoked(t *testing.T, got protocol.Invocation, want protocol.Diagnostic) {
	t.Helper()

	if want == (protocol.Diagnostic{}) {
		protocol.WantNoDiagnostics(t, got.Planned)
	} else {
		protocol.WantDiagnostic(t, want, got.Planned)
	}
	if got.Invoked {
		t.Error("the action was invoked")
	}
}
