// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package provider

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/storyserver"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// forwardStories run the directories of examples/stories that forward a port, with real
// servers behind a node of the fake.
var forwardStories = map[string]func(t *testing.T, directory string){
	"forward-http":     storyForwardHTTP,
	"forward-postgres": storyForwardPostgres,
	"forward-ssh":      storyForwardSSH,
}

// TestExamples_forwardStories runs every story that forwards a port.
func TestExamples_forwardStories(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Ephemerals)

	directories, err := filepath.Glob(filepath.Join(examplesRoot, "stories", "forward-*"))
	if err != nil || len(directories) != len(forwardStories) {
		t.Errorf("%d stories are in the table, and %d in examples/stories (%v)", len(forwardStories), len(directories), err)
	}
	for name, tell := range forwardStories {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			tell(t, filepath.Join(examplesRoot, "stories", name))
		})
	}
}

// newForwardWorkspace starts a fake whose nodes reach the hosts, and a workspace with the
// files of a story.
func newForwardWorkspace(t *testing.T, directory string, hosts map[string]string) (*workspace.Workspace, *fakessm.Server) {
	t.Helper()

	fake := fakessm.New(fakessm.WithDataChannel(""), fakessm.WithHosts(hosts))
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	t.Cleanup(fake.CloseDataChannels)

	return newStoryWorkspace(t, server.URL, directory), fake
}

// wantNothingOpen checks that sessions were started, and that none is live.
func wantNothingOpen(t *testing.T, fake *fakessm.Server, started int) {
	t.Helper()

	if got := fake.Count("StartSession"); got != started {
		t.Errorf("%d sessions were started, want %d", got, started)
	}
	for _, session := range fake.Sessions() {
		if !slices.Contains([]string{"Terminating", "Terminated"}, session.Status) {
			t.Errorf("session %s is left behind, and is %s", session.SessionID, session.Status)
		}
	}
}

func storyForwardPostgres(t *testing.T, directory string) {
	const password = "correct horse battery staple"
	server := storyserver.StartPostgres(t, password)
	w, fake := newForwardWorkspace(t, directory, map[string]string{"db.internal": "127.0.0.1:" + strconv.Itoa(server.Port)})
	w.Env = append(w.Env, "TF_VAR_password="+password, "PATH="+os.Getenv("PATH"))

	// A plan opens nothing.
	storyContains(t, w.MustRun("plan", "-out=planned"), "1 to add")
	wantNothingOpen(t, fake, 0)

	// The saved plan is applied in another run, with another forward.
	w.MustRun("apply", "planned")
	wantNothingOpen(t, fake, 1)
	if got := server.Query(t, "app", password, "SELECT count(*) FROM visits"); got != "1" {
		t.Errorf("the table has %s rows, want 1", got)
	}
	if state := w.Read("terraform.tfstate"); strings.Contains(state, "127.0.0.1") || strings.Contains(state, password) {
		t.Errorf("the state holds what is ephemeral:\n%s", state)
	}
	w.MustRun("plan", "-detailed-exitcode")

	// A provisioner that fails leaves no session behind, although Terraform closes nothing.
	w.Write("schema.sql", "SELECT no_such_function();\n")
	output, err := w.Run("apply", "-auto-approve")
	if err == nil {
		t.Error("an error of the database did not fail the apply")
	}
	storyContains(t, output, "no_such_function")
	wantNothingOpen(t, fake, 2)
}

func storyForwardSSH(t *testing.T, directory string) {
	server := storyserver.StartSSHD(t)
	w, fake := newForwardWorkspace(t, directory, nil)
	target := t.TempDir()
	w.Write("terraform.tfvars", fmt.Sprintf(`
ssh = {
  port     = %d
  user     = %q
  key      = "%[3]s/key"
  host_key = "%[3]s/host.pub"
}
directory = %[4]q
`, server.Port, server.User, server.Dir, target))

	w.MustRun("apply", "-auto-approve")

	wantNothingOpen(t, fake, 1)
	want := storyRead(t, filepath.Join(directory, "app.conf"))
	for _, name := range []string{"app.conf", "active.conf"} {
		if got, err := os.ReadFile(filepath.Join(target, name)); err != nil || string(got) != want {
			t.Errorf("%s on the node is %q (%v), want %q", name, got, err, want)
		}
	}
}

func storyForwardHTTP(t *testing.T, directory string) {
	const state = `{"version":4,"terraform_version":"1.10.0","serial":1,"lineage":"story","outputs":{"vpc_id":{"value":"vpc-0story","type":"string"}},"resources":[]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/network.tfstate" {
			http.NotFound(w, r)

			return
		}
		fmt.Fprint(w, state)
	}))
	t.Cleanup(server.Close)
	w, fake := newForwardWorkspace(t, directory, map[string]string{"state.internal": strings.TrimPrefix(server.URL, "http://")})
	port := "local_port=" + strconv.Itoa(endpoint.FreePort(t))

	// The data source is read at plan, so the forward is open then.
	storyContains(t, w.MustRun("plan", "-var", port), "vpc-0story")
	wantNothingOpen(t, fake, 1)
	storyContains(t, w.MustRun("apply", "-auto-approve", "-var", port), "vpc-0story")
	wantNothingOpen(t, fake, fake.Count("StartSession"))
}
