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

// storyBefore stands for the configuration that the guide begins with. Its
// provisioners leave a trace instead of calling the AWS CLI.
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

	// Where somebody stands who comes from local-exec.
	after := w.Read("main.tf")
	w.Write("main.tf", storyBefore)
	w.MustRun("apply", "-auto-approve")
	if w.Read("created.txt") == "" {
		t.Fatal("the provisioner did not run: the story would prove nothing")
	}
	w.Write("main.tf", after)

	// The plan shows whom it is about, and that the old resource goes.
	plan := w.MustRun("plan")
	for _, want := range []string{
		"1 to import, 2 to add, 0 to change, 1 to destroy.",
		"2 sessions in Region us-east-1", storyMary, storyShirley,
		"arn:aws:iam::123456789012:user/timmy",
	} {
		storyContains(t, plan, want)
	}
	testTerminated(t, fake)

	// What the loop hid is an error, and the other sessions end all the same.
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: storyMary, Kind: fakessm.FaultDenied, Times: -1})
	output, err := w.Run("apply", "-auto-approve")
	if err == nil {
		t.Errorf("a session that could not be ended did not fail the apply:\n%s", output)
	}
	storyContains(t, output, "Unable to Drain Sessions")
	testTerminated(t, fake, storyMary, storyShirley, storyTimmy)
	endpoint.WantStatuses(t, fake, map[string]string{storyMary: "Connected", storyShirley: "Terminated", storyTimmy: "Terminated"})

	// Once the reason is gone, the same apply ends the rest. The old provisioner
	// does not run, and the session that had ended before is left alone.
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

	// The next run calls nothing, another ticket ends who came since then, and
	// destroying ends whoever is there at last.
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

// testTerminated wants one termination of each of these sessions to have been
// asked for, and of no other.
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
