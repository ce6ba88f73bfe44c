// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
)

// testSessionResumeEphemeralResourceConfig_echo returns a configuration in which the echo
// provider stores the ephemeral values in state, for checks.
func testSessionResumeEphemeralResourceConfig_echo(url, sessionID string, arguments ...string) string {
	return testProviderConfig(url, "max_retries = 2") + fmt.Sprintf(`
ephemeral "ssm_session_resume" "test" {
  session_id = %q
  %s
}
provider "echo" {
  data = ephemeral.ssm_session_resume.test
}
resource "echo" "test" {}
`, sessionID, strings.Join(arguments, "\n  "))
}

func TestSessionResumeEphemeralResource_basic(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Ephemerals)

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactoriesWithEcho,
		Steps: []resource.TestStep{
			{
				Config:             testSessionResumeEphemeralResourceConfig_echo(url, testAway),
				ExpectNonEmptyPlan: cli.ListsEphemerals(t),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("region"), knownvalue.StringExact(testRegion)),
					statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("enabled"), knownvalue.Bool(true)),
				},
				Check: func(s *terraform.State) error {
					attributes := s.RootModule().Resources["echo.test"].Primary.Attributes
					i := slices.Index(fake.Tokens(testAway), attributes["data.token_value"])
					if i < 0 {
						return fmt.Errorf("the token is none of those that were issued")
					}
					if got, want := attributes["data.stream_url"], fake.StreamURLs(testAway)[i]; got != want {
						return fmt.Errorf("the stream URL does not belong to the token, or was altered")
					}

					return nil
				},
			},
		},
	})
	endpoint.WantStatus(t, fake, testAway, "Connected")
}

// enabled = terraform.applying keeps plans from resuming.
func TestSessionResumeEphemeralResource_enabled(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Ephemerals)

	for name, tc := range map[string]struct {
		enabled string
		want    knownvalue.Check
		calls   int
	}{
		"only during apply": {"enabled = terraform.applying", knownvalue.NotNull(), 1},
		"never":             {"enabled = false", knownvalue.Null(), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: testFactoriesWithEcho,
				Steps: []resource.TestStep{
					{
						Config:             testSessionResumeEphemeralResourceConfig_echo(url, testAway, tc.enabled),
						ExpectNonEmptyPlan: cli.ListsEphemerals(t),
						ConfigPlanChecks: resource.ConfigPlanChecks{
							PreApply: []plancheck.PlanCheck{planHook(func() { endpoint.WantCalls(t, fake) })},
							PostApplyPreRefresh: []plancheck.PlanCheck{planHook(func() {
								if got := fake.Count("ResumeSession"); got != tc.calls {
									t.Errorf("apply resumed the session %d times, want %d", got, tc.calls)
								}
							})},
						},
						ConfigStateChecks: []statecheck.StateCheck{
							statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("token_value"), tc.want),
							statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("stream_url"), tc.want),
							statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("region"), knownvalue.StringExact(testRegion)),
						},
					},
				},
			})
		})
	}
}

func TestSessionResumeEphemeralResource_region(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Ephemerals)

	session := testSessions()[1]
	session.Region = "eu-central-1"
	fake, url := testFake(t, fakessm.WithSessions(session))
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactoriesWithEcho,
		Steps: []resource.TestStep{
			{
				Config:      testSessionResumeEphemeralResourceConfig_echo(url, testAway, `region = "cn-north-1"`),
				ExpectError: testWrapped(`Invalid AWS Region.*cn-north-1.*aws-cn`),
			},
			{
				Config:      testSessionResumeEphemeralResourceConfig_echo(url, testAway, `region = "cn-north-1"`, `enabled = false`),
				ExpectError: testWrapped(`Invalid AWS Region.*cn-north-1.*aws-cn`),
			},
			{
				Config:             testSessionResumeEphemeralResourceConfig_echo(url, testAway, `region = "eu-central-1"`),
				ExpectNonEmptyPlan: cli.ListsEphemerals(t),
			},
		},
	})
	for _, call := range endpoint.TakeCalls(fake) {
		if call != "ResumeSession eu-central-1 "+testAway {
			t.Errorf("unexpected request %q", call)
		}
	}
}

func TestSessionResumeEphemeralResource_unknownSessionID(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Ephemerals)

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactoriesWithEcho,
		Steps: []resource.TestStep{
			{
				Config: fmt.Sprintf(`
resource "terraform_data" "id" {
  input = %q
}
`, testAway) + strings.Replace(testSessionResumeEphemeralResourceConfig_echo(url, testAway), fmt.Sprintf("%q", testAway), "terraform_data.id.output", 1),
				ExpectNonEmptyPlan: cli.ListsEphemerals(t),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{planHook(func() { endpoint.WantCalls(t, fake) })},
				},
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("echo.test", tfjsonpath.New("data").AtMapKey("token_value"), knownvalue.NotNull()),
				},
			},
		},
	})
}

func TestSessionResumeEphemeralResource_failures(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Ephemerals)

	wantResumeFails(t, testFactoriesWithEcho, testSessionResumeEphemeralResourceConfig_echo, "Unable to Resume Session.*")
}
