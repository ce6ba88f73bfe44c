// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"testing"
	"testing/synctest"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// A plan that cannot show whom it is about says why, unless that is what was asked for.
func TestSessionTerminationResource_planNotShown(t *testing.T) {
	t.Parallel()

	const nobody = "nobody-00000000000000000"
	for name, tc := range map[string]struct {
		arguments map[string]any
		denied    bool
		want      string // Lines of the warning.
		calls     int
	}{
		"not found": {
			arguments: map[string]any{"session_id": nobody},
			want:      "Session \"" + nobody + "\" in Region us-east-1 cannot be shown in the plan: SSM knows no such session\nCheck session_id, region and the account",
			calls:     4,
		},
		"not found, which is good enough": {
			arguments: map[string]any{"session_id": nobody, "if_not_found": "succeed"},
			calls:     4,
		},
		"denied": {
			arguments: map[string]any{"session_id": testLive},
			denied:    true,
			want:      "Session \"" + testLive + "\" in Region us-east-1 cannot be shown in the plan: the credentials do not allow it\nssm:DescribeSessions",
			calls:     1,
		},
		"not looked up": {arguments: map[string]any{"session_id": nobody, "verify": false}},
		"shown":         {arguments: map[string]any{"session_id": testLive}, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(testSessions()...))
				if tc.denied {
					fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1})
				}

				plan, diags := newBubbleServer(t, endpoint.NewBubble(t, fake), offline).PlanCreate("ssm_session_termination", tc.arguments)

				if plan == nil {
					t.Fatalf("nothing is planned: %+v", diags)
				}
				if tc.want == "" {
					protocol.WantNoDiagnostics(t, diags)
				} else {
					protocol.WantDiagnostic(t, protocol.Warning("session_id", "Session Not Shown", tc.want), diags)
				}
				if calls := len(fake.Requests()); calls != tc.calls {
					t.Errorf("%d calls, want %d", calls, tc.calls)
				}
			})
		})
	}
}
