// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// testTargetCalls returns the requests for a connection status since it was called last,
// each as "region target".
func testTargetCalls(fake *fakessm.Server) []string {
	calls := []string{}
	for _, request := range fake.Requests() {
		if request.Operation == "GetConnectionStatus" {
			calls = append(calls, request.Region+" "+request.Target)
		}
	}
	fake.ResetRequests()

	return calls
}

// The second target becomes known during apply.
func TestConnectionStatusDataSource_basic(t *testing.T) {
	t.Parallel()

	const config = `
data "ssm_connection_status" "test" {
  target = %q
}
resource "terraform_data" "target" {
  input = %q
}
data "ssm_connection_status" "late" {
  target = terraform_data.target.output
}
check "connected" {
  assert {
    condition     = data.ssm_connection_status.test.status == "connected"
    error_message = "${data.ssm_connection_status.test.target} is ${data.ssm_connection_status.test.status}."
  }
}
`
	fake, url := testFake(t)
	fake.AddTargets(map[string]bool{"i-000000a1": true, "i-000000a0": false})
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testProviderConfig(url) + fmt.Sprintf(config, "i-000000a1", "i-000000a0"),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						checkBlock{"connected", "pass", ""},
						planHook(func() {
							if strings.Contains(strings.Join(testTargetCalls(fake), ","), "i-000000a0") {
								t.Error("a target was asked for that was not known yet")
							}
						}),
					},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.ssm_connection_status.test", tfjsonpath.New("status"), knownvalue.StringExact("connected")),
					statecheck.ExpectKnownValue("data.ssm_connection_status.test", tfjsonpath.New("region"), knownvalue.StringExact(testRegion)),
					statecheck.ExpectKnownValue("data.ssm_connection_status.late", tfjsonpath.New("status"), knownvalue.StringExact("notconnected")),
				},
			},
			{
				PreConfig: func() { fake.AddTargets(map[string]bool{"i-000000a1": false}) },
				Config:    testProviderConfig(url) + fmt.Sprintf(config, "i-000000a1", "i-000000a0"),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{checkBlock{"connected", "fail", "i-000000a1 is notconnected."}},
				},
			},
		},
	})
}

func TestConnectionStatusDataSource_status(t *testing.T) {
	t.Parallel()

	session := testSessions()[0]
	session.Region = "eu-central-1"
	for name, tc := range map[string]struct {
		config map[string]any
		want   map[string]any
		call   string
	}{
		"a node that is connected": {
			map[string]any{"target": testTarget},
			map[string]any{"target": testTarget, "region": "us-east-1", "status": "connected"},
			"us-east-1 " + testTarget,
		},
		"a node that is not": {
			map[string]any{"target": "i-000000a0"},
			map[string]any{"target": "i-000000a0", "region": "us-east-1", "status": "notconnected"},
			"us-east-1 i-000000a0",
		},
		"a node of another Region": {
			map[string]any{"target": testTarget, "region": "eu-central-1"},
			map[string]any{"target": testTarget, "region": "eu-central-1", "status": "connected"},
			"eu-central-1 " + testTarget,
		},
		"a node that is connected in another Region only": {
			map[string]any{"target": testTarget, "region": "us-west-2"},
			map[string]any{"target": testTarget, "region": "us-west-2", "status": "notconnected"},
			"us-west-2 " + testTarget,
		},
		"a target of 400 characters": {
			map[string]any{"target": "ecs:c_t_" + strings.Repeat("r", 392)},
			map[string]any{"target": "ecs:c_t_" + strings.Repeat("r", 392), "region": "us-east-1", "status": "notconnected"},
			"us-east-1 " + "ecs:c_t_" + strings.Repeat("r", 392),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, fakessm.WithSessions(session))
			got, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_connection_status", tc.config)
			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("unexpected attributes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{tc.call}, testTargetCalls(fake)); diff != "" {
				t.Errorf("unexpected requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConnectionStatusDataSource_failures(t *testing.T) {
	t.Parallel()

	wantDataSourceFails(t, "ssm_connection_status", "GetConnectionStatus", testFake, map[string]dataSourceFailure{
		"a denied request": {
			config: map[string]any{"target": testTarget},
			fault:  fakessm.Fault{Kind: fakessm.FaultDenied},
			want: protocol.Error("target", "Unable to Read Connection Status",
				"The connection status of target \""+testTarget+"\" in Region us-east-1 of account 123456789012 could not be read: the credentials do not allow it.\nAllow the IAM action ssm:GetConnectionStatus on the resource \"*\".\nAccessDeniedException"),
			calls: 1,
		},
		"endless throttling": {
			config: map[string]any{"target": testTarget},
			fault:  fakessm.Fault{Kind: fakessm.FaultThrottle},
			want:   protocol.Error("target", "Unable to Read Connection Status", "quota\nThrottlingException"),
			calls:  2,
		},
		"an empty answer": {
			config: map[string]any{"target": testTarget},
			fault:  fakessm.Fault{Kind: fakessm.FaultEmpty},
			want:   protocol.Error("target", "Unable to Read Connection Status", "SSM's answer is incomplete"),
			calls:  1,
		},
		"a target of 401 characters": {
			config: map[string]any{"target": "i-" + strings.Repeat("i", 399)},
			want:   protocol.Error("target", "Value Too Long", "401 characters"),
		},
		"an empty target": {
			config: map[string]any{"target": ""},
			want:   protocol.Error("target", "Empty Value", "no target is."),
		},
		"an unknown Region": {
			config: map[string]any{"target": testTarget, "region": "us-esat-1"},
			want:   protocol.Error("region", "Invalid AWS Region", "us-esat-1"),
		},
		"a provider argument that is not known yet": {
			arguments: map[string]any{"region": protocol.Unknown},
			config:    map[string]any{"target": testTarget},
			want:      protocol.Error("", "Unable to Read Connection Status", "\"region\""),
		},
	})
}
