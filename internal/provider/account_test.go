// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

const testOtherAccount = "222222222222"

// testInOtherAccount are provider arguments for a role in another account. The endpoint
// shows it the same sessions.
func testInOtherAccount() map[string]any {
	return map[string]any{"assume_role": []any{map[string]any{"role_arn": "arn:aws:iam::" + testOtherAccount + ":role/Operator"}}}
}

// testInUnknownAccount are provider arguments with which the provider does not know the
// account.
func testInUnknownAccount() map[string]any {
	return map[string]any{"skip_requesting_account_id": true, "skip_credentials_validation": true}
}

// wantNothingEnded checks that nobody was asked to end.
func wantNothingEnded(t *testing.T, fake *fakessm.Server) {
	t.Helper()

	for _, request := range fake.Requests() {
		if request.Operation == "TerminateSession" {
			t.Errorf("session %s was asked to end", request.SessionID)
		}
	}
}

// A plan that was made with credentials of one account ends nobody with those of another:
// its sessions were in no plan.
func TestAccount_ofThePlan(t *testing.T) {
	t.Parallel()

	const (
		other   = "The plan was made for account 123456789012, but the provider's credentials belong to account 222222222222.\nUse credentials of account 123456789012. Or plan again."
		unknown = "The plan was made for account 123456789012, but the provider does not know the account of its credentials.\nRemove skip_requesting_account_id"
	)
	drain := map[string]any{"targets": []any{"i-0000000a"}}
	for name, tc := range map[string]struct {
		config, changed map[string]any
		planned         map[string]any // Arguments of the provider that plans.
		applied         map[string]any // Arguments of the provider that applies.
		want            string         // Lines of the error, "" if the plan is applied.
	}{
		"a drain, in another account":            {config: drain, applied: testInOtherAccount(), want: "Nothing was ended. " + other},
		"a drain, in an unknown account":         {config: drain, applied: testInUnknownAccount(), want: "Nothing was ended. " + unknown},
		"a drain, in the same account":           {config: drain},
		"a drain, planned in an unknown account": {config: drain, planned: testInUnknownAccount()},
		"a drain on destroy, in another account": {config: mergeConfig(drain, map[string]any{"when": "destroy"}), applied: testInOtherAccount(), want: "Nothing was ended. " + other},
		"a new selection, in another account":    {config: map[string]any{"owners": []any{"*/nobody"}}, changed: map[string]any{"owners": []any{"*/ann"}}, applied: testInOtherAccount(), want: "Nothing was ended. " + other},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			planner := newConfiguredServer(t, testArguments(url, tc.planned))
			var prior *protocol.State
			if tc.changed != nil {
				var diags []protocol.Diagnostic
				prior, diags = planner.Create("ssm_session_drain", tc.config)
				protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			}
			plan, diags := planner.PlanCreate("ssm_session_drain", tc.config)
			if tc.changed != nil {
				plan, diags = planner.Plan(prior, tc.changed)
			}
			protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))

			_, diags = newConfiguredServer(t, testArguments(url, tc.applied)).Apply(plan)

			if tc.want == "" {
				protocol.WantNoDiagnostics(t, diags)
				if slices.Contains(testLiveIDs(fake), any("ann-1")) {
					t.Error("the session is live")
				}

				return
			}
			protocol.WantDiagnostic(t, protocol.Error("", testDrainError, tc.want), diags)
			wantNothingEnded(t, fake)
		})
	}
}

// A drain belongs to the account that it was created in. With credentials of another account
// its destroy fails, and so does its next drain.
func TestAccount_ofTheDrain(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		moved map[string]any // Arguments of the provider after the creation.
		says  string
	}{
		"another account":    {testInOtherAccount(), "the provider's credentials belong to account 222222222222.\nUse credentials of account 123456789012."},
		"an unknown account": {testInUnknownAccount(), "the provider does not know the account of its credentials.\nRemove skip_requesting_account_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			config := map[string]any{"owners": []any{"*/ann"}, "when": "destroy"}
			state, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_drain", config)
			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(any("123456789012"), state.Values["account_id"]); diff != "" {
				t.Errorf("unexpected account (-want +got):\n%s", diff)
			}

			moved := newConfiguredServer(t, testArguments(url, tc.moved))
			plan, diags := moved.Plan(state, nil)
			if len(diags) != 1 || diags[0].Severity != "warning" || !strings.HasPrefix(diags[0].Summary, "Sessions Not Counted in us-east-1: */ann") {
				t.Errorf("want one warning, got %+v", diags)
			}
			_, diags = moved.Apply(plan)
			protocol.WantDiagnostic(t, protocol.Error("account_id", testDrainError,
				"Nothing was ended. This drain was created in account 123456789012, but "+tc.says+"\nSelection: owners = [\"*/ann\"].\n"+drainWayOut), diags)
			_, diags = moved.Plan(state, mergeConfig(config, map[string]any{"owners": []any{"*/dan"}, "when": "both"}))
			protocol.WantDiagnostic(t, protocol.Error("", testDrainError, "This drain was created in account 123456789012, but "+tc.says), diags)
			wantNothingEnded(t, fake)

			_, diags = newConfiguredServer(t, testArguments(url)).Destroy(state)
			protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			testSpared(t, fake, "eve-1", "dan-1", "cat-1", "gus-1", "bare-1")
		})
	}
}

// What does not drain needs no account: a drain on create can be destroyed, and its limits
// can be changed, with credentials of any account.
func TestAccount_withoutADrain(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	config := map[string]any{"owners": []any{"*/nobody"}}
	state, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_drain", config)
	protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))

	moved := newConfiguredServer(t, testArguments(url, testInOtherAccount()))
	plan, diags := moved.Plan(state, mergeConfig(config, map[string]any{"max_sessions": int64(5)}))
	protocol.WantNoDiagnostics(t, diags)
	state, diags = moved.Apply(plan)
	protocol.WantNoDiagnostics(t, diags)
	if diff := cmp.Diff(any("123456789012"), state.Values["account_id"]); diff != "" {
		t.Errorf("unexpected account (-want +got):\n%s", diff)
	}
	_, diags = moved.Destroy(state)
	protocol.WantNoDiagnostics(t, diags)
	wantNothingEnded(t, fake)
}

// A saved plan is not applied with credentials of another account. Terraform plans once more
// before it applies, and finds another account_id.
func TestAccount_ofASavedPlan(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	w := workspace.New(t, fmt.Sprintf(`
provider "ssm" {
  region              = %[2]q
  profile             = "operator"
  shared_config_files = ["config"]
  endpoints {
    ssm = %[1]q
    sts = %[1]q
  }
}

resource "ssm_session_drain" "test" {
  owners = ["*/ann"]
}
`, url, testRegion))
	w.Env = append(w.Env, "AWS_ENDPOINT_URL_STS="+url)
	signIn := func(account string) {
		w.Write("config", fmt.Sprintf("[profile base]\naws_access_key_id = %s\naws_secret_access_key = %s\n\n[profile operator]\nrole_arn = arn:aws:iam::%s:role/Operator\nsource_profile = base\n",
			fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, account))
	}

	signIn("123456789012")
	w.MustRun("plan", "-out=saved")
	signIn(testOtherAccount)
	output, err := w.Run("apply", "saved")

	if err == nil || !strings.Contains(output, "account_id") || !strings.Contains(output, testOtherAccount) {
		t.Errorf("want an error that names the account, got %v\n%s", err, output)
	}
	wantNothingEnded(t, fake)
	signIn("123456789012")
	w.MustRun("apply", "-auto-approve")
	endpoint.WantStatus(t, fake, "ann-1", "Terminated")
}

// A replacement in another account ends nobody by the old drain.
func TestAccount_replacement(t *testing.T) {
	t.Parallel()

	fake, url := testInventoryFake(t)
	w := workspace.New(t, testSessionDrainResourceConfig_basic(url, `owners = ["*/ann"]`, `when = "destroy"`, `triggers = { shift = "day" }`))
	w.MustRun("apply", "-auto-approve")

	config := w.Read("main.tf")
	moved := strings.Replace(config, "endpoints {", "assume_role {\n    role_arn = \"arn:aws:iam::222222222222:role/Operator\"\n  }\n  endpoints {", 1)
	w.Write("main.tf", strings.Replace(moved, `"day"`, `"night"`, 1))
	output, err := w.Run("apply", "-auto-approve")
	if err == nil || !testWrapped(`Error: `+testDrainError+`.*Nothing was ended. This drain was created in account 123456789012, but the provider's credentials belong to account 222222222222`).MatchString(output) {
		t.Errorf("want an error, got %v\n%s", err, output)
	}
	wantNothingEnded(t, fake)
	w.Write("main.tf", strings.Replace(config, `"day"`, `"night"`, 1))
	w.MustRun("apply", "-auto-approve")
	endpoint.WantStatus(t, fake, "ann-1", "Terminated")
}

// An import by identity looks only in the account that it names.
func TestAccount_ofAnImport(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		arguments map[string]any
		account   string
		want      string
	}{
		"the same account":   {nil, testAccountID, ""},
		"no account":         {nil, "", ""},
		"another account":    {nil, testOtherAccount, "account 222222222222, but the provider's credentials belong to account 123456789012.\nUse credentials of account 222222222222."},
		"an unknown account": {testInUnknownAccount(), testAccountID, "account 123456789012, but the provider does not know the account of its credentials.\nRemove skip_requesting_account_id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			identity := map[string]any{"session_id": testEnded}
			if tc.account != "" {
				identity["account_id"] = tc.account
			}
			_, diags := newConfiguredServer(t, testArguments(url, tc.arguments)).Import("ssm_session_termination", "", identity)
			if tc.want == "" {
				protocol.WantNoDiagnostics(t, diags)

				return
			}
			protocol.WantDiagnostic(t, protocol.Error("", "Unable to Import Session Termination", "Session \""+testEnded+"\" is to be imported from "+tc.want), diags)
			if count := fake.Count("DescribeSessions"); count != 0 {
				t.Errorf("the session was looked up %d times", count)
			}
		})
	}
}
