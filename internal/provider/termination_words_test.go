// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// TestReportTermination_whose checks that the report of a session that was not ended names
// its owner and target if they are known.
func TestReportTermination_whose(t *testing.T) {
	t.Parallel()

	const whose = "Its owner is " + testOwner + ", its target " + testTarget + "."
	denied := fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1}
	seen := map[string]any{"session_id": testLive}
	unseen := map[string]any{"session_id": testLive, "verify": false}

	cases := map[string]struct {
		run  func(s *protocol.Server) []protocol.Diagnostic
		want bool
	}{
		"resource": {func(s *protocol.Server) []protocol.Diagnostic {
			_, diags := s.Create("ssm_session_termination", seen)

			return diags
		}, true},
		"resource without looks": {func(s *protocol.Server) []protocol.Diagnostic {
			_, diags := s.Create("ssm_session_termination", unseen)

			return diags
		}, false},
		"action": {func(s *protocol.Server) []protocol.Diagnostic {
			return s.InvokeAction("ssm_terminate_session", seen).Diagnostics
		}, true},
		"action without looks": {func(s *protocol.Server) []protocol.Diagnostic {
			return s.InvokeAction("ssm_terminate_session", unseen).Diagnostics
		}, false},
		"import": {func(s *protocol.Server) []protocol.Diagnostic {
			_, diags := s.Import("ssm_session_termination", testLive, nil)

			return diags
		}, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			fake.Inject(denied)
			diags := tc.run(newConfiguredServer(t, testArguments(url)))
			if len(diags) != 1 {
				t.Fatalf("want one diagnostic, got %+v", diags)
			}
			if sentence, _, _ := strings.Cut(diags[0].Detail, "\n\n"); strings.HasSuffix(sentence, whose) != tc.want {
				t.Errorf("whose session it is: want %t:\n%s", tc.want, diags[0].Detail)
			}
		})
	}
}

func TestSessionTerminationResource_refreshTellsWhose(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	fake.Inject(
		fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultMoved, Times: -1},
		fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1},
	)
	s := newConfiguredServer(t, testArguments(url))
	state, _ := s.Create("ssm_session_termination", map[string]any{"session_id": testLive})
	fake.ClearFaults()
	_, diags := s.Read(state)
	protocol.WantDiagnostic(t, protocol.Warning("", summaryStillLive+": "+testLive,
		"although its termination was asked for. Its owner is "+testOwner+", its target "+testTarget+".\nThe next apply ends it."), diags)
}

func TestWhoseSentence(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		session sessionmanager.Session
		want    string
	}{
		"nobody has seen it": {sessionmanager.Session{SessionID: "a", StartDate: time.Now()}, ""},
		"no target":          {sessionmanager.Session{Owner: "arn"}, " Its owner is arn."},
		"no owner":           {sessionmanager.Session{Target: "i-0"}, " Its target is i-0."},
		"control characters": {sessionmanager.Session{Owner: "a\nb", Target: "\x1b[2J"}, ` Its owner is a\nb, its target \x1b[2J.`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if got := whoseSentence(tc.session); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// Terraform shows each termination whose end was not seen.
func TestSessionTerminationResource_unverifiedShown(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1})
	w := workspace.New(t, testProviderConfig(url)+fmt.Sprintf(`
resource "ssm_session_termination" "test" {
  for_each   = toset([%q, %q])
  session_id = each.value
}
`, testLive, testAway))

	output := w.MustRun("apply", "-auto-approve")

	for _, id := range []string{testLive, testAway} {
		if !strings.Contains(output, "Warning: Termination Not Verified: "+id) {
			t.Errorf("the warning of %s is not shown:\n%s", id, output)
		}
	}
}
