// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// storyBefore is the configuration that the guide begins with. Its provisioners write
// files instead of calling the AWS CLI.
const storyBefore = `
resource "terraform_data" "end_sessions" {
  provisioner "local-exec" {
    command = "echo ran >created.txt"
  }

  provisioner "local-exec" {
    when    = destroy
    command = "echo ran >destroyed.txt"
  }
}
`

func storyFromLocalExec(t *testing.T, w *workspace.Workspace, fake *fakessm.Server) {
	t.Helper()

	const recorded = "Mary-Major-0d41f2c6b9e8a7350"

	// The state of a user of local-exec.
	after := w.Read("main.tf")
	w.Write("main.tf", storyBefore)
	w.MustRun("apply", "-auto-approve")
	if w.Read("created.txt") == "" {
		t.Fatal("the provisioner did not run: the story would prove nothing")
	}
	w.Write("main.tf", after)

	// The plan shows the sessions, and that the old resource is removed.
	plan := w.MustRun("plan")
	for _, want := range []string{
		"1 to import, 2 to add, 0 to change, 1 to destroy.",
		"2 sessions in Region us-east-1 of account 123456789012", storyMary, storyShirley,
		"arn:aws:iam::123456789012:user/timmy",
	} {
		storyContains(t, plan, want)
	}
	testTerminated(t, fake)

	// The failure that the loop hid is an error now, and the other sessions end.
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: storyMary, Kind: fakessm.FaultDenied, Times: -1})
	output, err := w.Run("apply", "-auto-approve")
	if err == nil {
		t.Errorf("a session that could not be ended did not fail the apply:\n%s", output)
	}
	storyContains(t, output, "Unable to Drain Sessions")
	testTerminated(t, fake, storyMary, storyShirley, storyTimmy)
	endpoint.WantStatuses(t, fake, map[string]string{storyMary: "Connected", storyShirley: "Terminated", storyTimmy: "Terminated"})

	// Without the fault, the same apply ends the rest. The old provisioner does not run,
	// and a session that has ended is not asked to end.
	fake.ClearFaults()
	fake.ResetRequests()
	output = w.MustRun("apply", "-auto-approve")
	testTerminated(t, fake, storyMary)
	for _, id := range []string{storyTimmy + `" = "terminated"`, recorded + `" = "already_ended"`, storyMary + `" = "terminated"`} {
		storyContains(t, output, id)
	}
	endpoint.WantStatuses(t, fake, map[string]string{storyMary: "Terminated", storyOnCall: "Connected"})
	if w.Read("destroyed.txt") != "" {
		t.Error("the destroy-time provisioner ran, although it is no longer in the configuration")
	}
	storyLacks(t, w.MustRun("state", "list"), "terraform_data")

	// The next run makes no call. Another ticket ends the new sessions, and the destroy
	// ends those that are left.
	fake.ResetRequests()
	storyContains(t, w.MustRun("plan"), "No changes.")
	testTerminated(t, fake)

	fake.AddSessions(fakessm.Session{SessionID: "next", Target: storyNode, Owner: testOwner})
	w.MustRun("apply", "-auto-approve")
	testTerminated(t, fake)
	w.MustRun("apply", "-auto-approve", "-var", "ticket=CHG-1043")
	testTerminated(t, fake, "next")

	fake.AddSessions(fakessm.Session{SessionID: "last", Target: storyNode, Owner: testOwner})
	w.MustRun("destroy", "-auto-approve", "-var", "ticket=CHG-1043")
	testTerminated(t, fake, "last", "next")
	endpoint.WantStatus(t, fake, storyOnCall, "Connected")
}

// testTerminated checks that each of these sessions was asked to end once, and no other.
func testTerminated(t *testing.T, fake *fakessm.Server, want ...string) {
	t.Helper()

	var got []string
	for _, request := range fake.Requests() {
		if request.Operation == "TerminateSession" {
			got = append(got, request.SessionID)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected terminations (-want +got):\n%s", diff)
	}
}
