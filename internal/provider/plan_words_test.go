// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// A plan that resumes a session says so, unless the configuration shows that this is meant.
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

// The plan of a termination tells whether there is somebody to end.
func TestSessionTerminationResource_planOfEnded(t *testing.T) {
	t.Parallel()

	ended := time.Date(2026, time.November, 20, 10, 30, 0, 0, time.UTC)
	fake, url := testFake(t, fakessm.WithSessions(fakessm.Session{
		SessionID: "over-1", Target: "i-a", Owner: testOwner, Status: "Terminated", StartDate: ended.Add(-time.Hour), EndDate: ended,
	}))
	config := func(id string) string {
		return testProviderConfig(url) + fmt.Sprintf("resource \"ssm_session_termination\" \"test\" {\n  session_id = %q\n}\n", id)
	}

	output := workspace.New(t, config("over-1")).MustRun("plan")
	if !testWrapped(`Session Has Ended Already.*"over-1" of ` + testOwner + ` on i-a in Region us-east-1 ended at 2026-11-20T10:30:00Z \(status Terminated\)\. Nothing is called to end it; the outcome is "already_ended"\.`).MatchString(output) {
		t.Errorf("the plan does not say that the session has ended:\n%s", output)
	}
	if output := workspace.New(t, config(testLive)).MustRun("plan"); strings.Contains(output, "Ended Already") {
		t.Errorf("the plan says that a live session has ended:\n%s", output)
	}
	if got := fake.Count("TerminateSession"); got != 0 {
		t.Errorf("TerminateSession was called %d times", got)
	}
}

// What cannot become one of our resources is refused in words that help.
func TestMovesAndImports_refused(t *testing.T) {
	t.Parallel()

	_, url := testInventoryFake(t)
	drain := testSessionDrainResourceConfig_basic(url, `targets = ["i-z"]`)
	for name, tc := range map[string]struct {
		config string
		want   string
	}{
		"an import of a drain": {drain + "import {\n  to = ssm_session_drain.test\n  id = \"i-z\"\n}\n", `Unable to Import Session Drain.*there is nothing to import.*Remove the import block`},
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

// A session that is not found is told with the account that was asked.
func TestSessionDataSource_notFoundNamesAccount(t *testing.T) {
	t.Parallel()

	_, url := testFake(t)
	_, diags := newConfiguredServer(t, testArguments(url)).ReadDataSource("ssm_session", map[string]any{"session_id": "nobody-1"})
	protocol.WantDiagnostic(t, protocol.Error("session_id", "Session Not Found", "SSM knows no such session in account 123456789012, which the credentials belong to, and this Region."), diags)
}
