// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

func testSessionResumeDataSourceConfig_basic(url, sessionID string, arguments ...string) string {
	return testProviderConfig(url, "max_retries = 2") + fmt.Sprintf(`
data "ssm_session_resume" "test" {
  session_id = %q
  %s
}
`, sessionID, strings.Join(arguments, "\n  "))
}

// testResumeFailures are the ways in which a resumption fails, with the words of each.
// The data source and the ephemeral resource share them.
var testResumeFailures = map[string]struct {
	sessionID string
	behaviour fakessm.Behaviour
	fault     fakessm.FaultKind
	want      string
}{
	"a session that has timed out":  {testAway, fakessm.BehaviourTimedOut, "", `it has timed out`},
	"an empty token":                {testAway, fakessm.BehaviourEmptyToken, "", `it has timed out`},
	"a terminated session":          {testEnded, "", "", `it has been terminated or has ended.*ValidationException`},
	"an unknown session":            {"nobody-00000000000000000", "", "", `knows no such session.*Check session_id.*DoesNotExistException`},
	"a denied session":              {testAway, "", fakessm.FaultDenied, `do not allow it.*ssm:ResumeSession.*AccessDeniedException`},
	"a token without a URL":         {testAway, "", fakessm.FaultNoURL, `is incomplete.*no stream URL`},
	"an answer for another session": {testAway, "", fakessm.FaultWrongSession, `is incomplete.*another session`},
	"an empty answer":               {testAway, "", fakessm.FaultEmpty, `is incomplete.*the answer is empty`},
	"an answer that is no JSON":     {testAway, "", fakessm.FaultGarbage, `no usable answer.*could not be decoded`},
	"expired credentials":           {testAway, "", fakessm.FaultExpired, `did not accept the credentials.*ExpiredTokenException`},
	"endless throttling":            {testAway, "", fakessm.FaultThrottle, `quota.*ThrottlingException`},
	"an empty session ID":           {"", "", "", `Empty Value.*session_id`},
	"a session ID of 97 characters": {strings.Repeat("x", 97), "", "", `Value Too Long.*session_id.*97\s+characters`},
	"a clock that is wrong":         {testAway, "", fakessm.FaultClockSkew, `did not accept the credentials.*clock`},
}

// testWrapped returns a pattern that also matches across Terraform's line breaks.
func testWrapped(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)` + strings.ReplaceAll(pattern, " ", `[\s│]+`))
}

func testResumeFake(t *testing.T, behaviour fakessm.Behaviour, fault fakessm.FaultKind) (*fakessm.Server, string) {
	t.Helper()

	session := testSessions()[1]
	session.Behaviour = behaviour
	fake, url := testFake(t, fakessm.WithSessions(session))
	if fault != "" {
		fake.Inject(fakessm.Fault{Operation: "ResumeSession", Kind: fault, Times: -1})
	}

	return fake, url
}

// wantResumeFails plans a configuration in each of testResumeFailures. The summary comes
// before the session ID and the words of the failure.
func wantResumeFails(t *testing.T, factories map[string]func() (tfprotov6.ProviderServer, error), config func(url, sessionID string, arguments ...string) string, summary string) {
	t.Helper()

	for name, tc := range testResumeFailures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, url := testResumeFake(t, tc.behaviour, tc.fault)
			want := summary + tc.sessionID + ".*" + tc.want
			if tc.sessionID == "" || len(tc.sessionID) > 96 {
				want = tc.want
			}
			resource.UnitTest(t, resource.TestCase{
				ProtoV6ProviderFactories: factories,
				Steps: []resource.TestStep{
					{
						Config:      config(url, tc.sessionID),
						ExpectError: testWrapped(want),
					},
				},
			})
		})
	}
}

func TestSessionResumeDataSource_basic(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionResumeDataSourceConfig_basic(url, testAway),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.ssm_session_resume.test", tfjsonpath.New("region"), knownvalue.StringExact(testRegion)),
					statecheck.ExpectSensitiveValue("data.ssm_session_resume.test", tfjsonpath.New("token_value")),
					statecheck.ExpectSensitiveValue("data.ssm_session_resume.test", tfjsonpath.New("stream_url")),
				},
				Check: func(s *terraform.State) error {
					attributes := s.RootModule().Resources["data.ssm_session_resume.test"].Primary.Attributes
					tokens, urls := fake.Tokens(testAway), fake.StreamURLs(testAway)
					for i := range tokens {
						if attributes["token_value"] == tokens[i] && attributes["stream_url"] == urls[i] {
							return nil
						}
					}

					return fmt.Errorf("the state holds none of the %d pairs of token and URL that were issued", len(tokens))
				},
			},
		},
	})
	endpoint.WantStatus(t, fake, testAway, "Connected")
	for _, call := range endpoint.TakeCalls(fake) {
		if call != "ResumeSession us-east-1 "+testAway {
			t.Errorf("unexpected request %q", call)
		}
	}
}

func TestSessionResumeDataSource_region(t *testing.T) {
	t.Parallel()

	session := testSessions()[1]
	session.Region = "eu-central-1"
	fake, url := testFake(t, fakessm.WithSessions(session))
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testSessionResumeDataSourceConfig_basic(url, testAway, `region = "eu-central-1"`),
				ConfigStateChecks: []statecheck.StateCheck{
					statecheck.ExpectKnownValue("data.ssm_session_resume.test", tfjsonpath.New("region"), knownvalue.StringExact("eu-central-1")),
				},
			},
			{
				Config:      testSessionResumeDataSourceConfig_basic(url, testAway, `region = "us-esat-1"`),
				ExpectError: testWrapped(`Invalid AWS Region.*us-esat-1`),
			},
		},
	})
	for _, call := range endpoint.TakeCalls(fake) {
		if call != "ResumeSession eu-central-1 "+testAway {
			t.Errorf("unexpected request %q", call)
		}
	}
}

// An ID that becomes known during apply is resumed then.
func TestSessionResumeDataSource_unknownSessionID(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testProviderConfig(url) + fmt.Sprintf(`
resource "terraform_data" "id" {
  input = %q
}
data "ssm_session_resume" "test" {
  session_id = terraform_data.id.output
}
`, testAway),
				ConfigPlanChecks: resource.ConfigPlanChecks{
					PreApply: []plancheck.PlanCheck{planHook(func() { endpoint.WantCalls(t, fake) })},
				},
			},
		},
	})
	if fake.Count("ResumeSession") == 0 {
		t.Error("the session was not resumed during apply")
	}
}

func TestSessionResumeDataSource_failures(t *testing.T) {
	t.Parallel()

	wantResumeFails(t, testFactories, testSessionResumeDataSourceConfig_basic, "Unable to Resume Session.*session_id.*")
}

// A plan that resumes a session warns, unless the configuration shows that this is
// wanted.
func TestSessionResume_planWarns(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		block string
		warns bool
	}{
		"an ephemeral":                     {`ephemeral "ssm_session_resume" "test" { session_id = %q }`, true},
		"an ephemeral that is enabled":     {"ephemeral \"ssm_session_resume\" \"test\" {\n  session_id = %q\n  enabled = true\n}", false},
		"an ephemeral that is not enabled": {"ephemeral \"ssm_session_resume\" \"test\" {\n  session_id = %q\n  enabled = false\n}", false},
		"a data source":                    {`data "ssm_session_resume" "test" { session_id = %q }`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(tc.block, "ephemeral") {
				cli.Needs(t, cli.Ephemerals)
			}

			_, url := testFake(t)
			w := workspace.New(t, testProviderConfig(url)+fmt.Sprintf(tc.block, testAway)+"\n")
			output := w.MustRun("plan")
			if got := strings.Contains(output, summaryPlanResumes); got != tc.warns {
				t.Errorf("the plan warns: %t, want %t:\n%s", got, tc.warns, output)
			}
		})
	}
}
