// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/leakhunt"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// TestSecrets_logs looks for tokens and stream URLs in all that Terraform writes, at the
// lowest log level.
func TestSecrets_logs(t *testing.T) {
	t.Parallel()

	const resource = `
ephemeral "ssm_session_resume" "test" {
  session_id = "timmy-01cd54a0c8322733a"
}
resource "ssm_session_termination" "test" {
  session_id = "Mary-Major-07a16060613c408b5"
}
`
	const dataSource = `
data "ssm_session_resume" "test" {
  session_id = "timmy-01cd54a0c8322733a"
}
`
	for name, tc := range map[string]struct {
		config string
		fault  fakessm.FaultKind
		stored bool // The state and the plan are documented to hold the secrets.
	}{
		"an ephemeral resource":                            {resource, "", false},
		"a data source":                                    {dataSource, "", true},
		"a data source with a token but no URL":            {dataSource, fakessm.FaultNoURL, false},
		"a data source with another session's token":       {dataSource, fakessm.FaultWrongSession, false},
		"a data source with an answer that is cut off":     {dataSource, fakessm.FaultTruncated, false},
		"an ephemeral resource with a token but no URL":    {resource, fakessm.FaultNoURL, false},
		"an ephemeral resource whose answer was cut off":   {resource, fakessm.FaultTruncated, false},
		"an ephemeral resource whose answer was forgotten": {resource, fakessm.FaultResetAfter, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			if tc.fault != "" {
				fake.Inject(fakessm.Fault{Operation: "ResumeSession", Kind: tc.fault, Times: -1})
			}
			w := workspace.New(t, testAmbientProviderConfig(url)+tc.config)
			w.Env = append(w.Env, "AWS_ACCESS_KEY_ID="+fakessm.DefaultAccessKeyID, "AWS_SECRET_ACCESS_KEY="+fakessm.DefaultSecretAccessKey)

			output, err := w.Run("plan", "-out=plan")
			if err == nil {
				output += w.MustRun("show", "plan")
				planJSON := w.MustRun("show", "-json", "plan")
				if !tc.stored {
					output += planJSON + w.Read("plan")
				}
				applied, applyErr := w.Run("apply", "plan")
				output, err = output+applied, applyErr
			}
			if (err == nil) != (tc.fault == "") {
				t.Errorf("with fault %q the run ended with %v", tc.fault, err)
			}

			secrets := leakhunt.IssuedSecrets(fake, testAway)
			if len(secrets) == 0 {
				t.Fatal("the endpoint gave out nothing that could leak")
			}
			secrets = append(secrets, fakessm.DefaultSecretAccessKey)
			log := w.Read("trace.log")
			if !strings.Contains(log, "Called SSM") || !strings.Contains(log, "ResumeSession") {
				t.Error("the log does not tell of the calls")
			}
			if err := leakhunt.Find(log, secrets); err != nil {
				t.Errorf("in the log: %s", err)
			}
			if err := leakhunt.Find(output, secrets); err != nil {
				t.Errorf("in what was printed, or the plan: %s", err)
			}
			if err := leakhunt.Find(w.Read("terraform.tfstate")+w.Read("terraform.tfstate.backup"), secrets); (err != nil) != tc.stored {
				t.Errorf("in the state: %v", err)
			}
		})
	}
}

// testAmbientProviderConfig returns a provider block that leaves the credentials to the
// environment, because Terraform stores the configuration in plans.
func testAmbientProviderConfig(url string) string {
	var lines []string
	for _, line := range strings.Split(testProviderConfig(url, "max_retries = 2"), "\n") {
		if !strings.Contains(line, "_key ") {
			lines = append(lines, line)
		}
	}

	return strings.Join(lines, "\n")
}

// TestSecrets_concurrent resumes many sessions at once, and checks that nobody gets
// another's answer.
func TestSecrets_concurrent(t *testing.T) {
	t.Parallel()

	const sessions = 60
	fake, url := testFake(t)
	var ids []string
	for i := range sessions {
		id := fmt.Sprintf("crowd-%017d", i)
		ids = append(ids, fmt.Sprintf("%q", id))
		fake.AddSessions(fakessm.Session{SessionID: id, Status: "Disconnected"})
	}
	w := workspace.New(t, testProviderConfig(url)+fmt.Sprintf(`
data "ssm_session_resume" "test" {
  for_each   = toset([%s])
  session_id = each.key
}
output "answers" {
  value     = { for id, answer in data.ssm_session_resume.test : id => "${answer.token_value} ${answer.stream_url}" }
  sensitive = true
}
`, strings.Join(ids, ", ")))
	w.MustRun("apply", "-auto-approve", "-parallelism=60")
	answers := w.MustRun("output", "-json", "answers")

	for i := range sessions {
		id := fmt.Sprintf("crowd-%017d", i)
		tokens, urls := fake.Tokens(id), fake.StreamURLs(id)
		found := false
		for n := range tokens {
			pair := tokens[n] + " " + strings.ReplaceAll(urls[n], "&", `\u0026`)
			found = found || strings.Contains(answers, fmt.Sprintf("%q:\"%s\"", id, pair))
		}
		if !found {
			t.Errorf("session %s has an answer that was not given to it", id)
		}
	}
}
