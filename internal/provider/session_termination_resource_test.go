// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
)

func testSessionTerminationResourceConfig(url, sessionID string, arguments ...string) string {
	config := testProviderConfig(url) + fmt.Sprintf(`
resource "ssm_session_termination" "test" {
  session_id = %q
`, sessionID)
	for _, argument := range arguments {
		config += "  " + argument + "\n"
	}

	return config + "}\n"
}

func TestSessionTerminationResource_basic(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionTerminationResourceConfig(url, testLive),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{
						plancheck.ExpectKnownValue("ssm_session_termination.test", tfjsonpath.New("owner"), knownvalue.StringExact(testOwner)),
						plancheck.ExpectKnownValue("ssm_session_termination.test", tfjsonpath.New("target"), knownvalue.StringExact(testTarget)),
						plancheck.ExpectKnownValue("ssm_session_termination.test", tfjsonpath.New("start_date"), knownvalue.StringExact("2026-11-20T08:30:15Z")),
						plancheck.ExpectUnknownValue("ssm_session_termination.test", tfjsonpath.New("outcome")),
					},
					PostApplyPostRefresh: []plancheck.PlanCheck{plancheck.ExpectEmptyPlan()},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("ssm_session_termination.test", tfjsonpath.New("outcome"), knownvalue.StringExact("terminated")),
				},
			},
		},
	})
	for _, c := range testCalls(fake) {
		t.Log(c)
	}
}
