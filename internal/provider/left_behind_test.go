// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/leakhunt"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// testNoneLeft checks how many sessions were started, and waits until all of them have
// ended.
func testNoneLeft(t *testing.T, fake *fakessm.Server, started int) {
	t.Helper()

	live, all := ownSessions(fake)
	for deadline := time.Now().Add(workspace.Patience); len(live) > 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		live, all = ownSessions(fake)
	}
	if len(live) > 0 || len(all) != started {
		t.Errorf("%d of %d sessions are left, %d should have been started", len(live), len(all), started)
	}
	for _, s := range testSessions() {
		endpoint.WantStatus(t, fake, s.SessionID, s.Status)
	}
}

// testOwnConfig returns a configuration that starts sessions, and runs a command in the
// workspace meanwhile. The command gets token and URL, and does not use them.
func testOwnConfig(url, sessions, command string) string {
	return testProviderConfig(url) + fmt.Sprintf(`
ephemeral "ssm_session" "test" {
  count   = %[1]s
  target  = %[2]q
  reason  = "a test"
  enabled = terraform.applying
}
resource "terraform_data" "consumer" {
  provisioner "local-exec" {
    command = <<-EOT
      %[3]s
    EOT
    environment = {
      TOKEN  = ephemeral.ssm_session.test[0].token_value
      STREAM = ephemeral.ssm_session.test[0].stream_url
    }
  }
}
`, sessions, testOwnTarget, command)
}

// TestLeftBehind_inUse ends Terraform in every way while a command works with a session.
// Afterwards no session is live, and the provider has ended.
func TestLeftBehind_inUse(t *testing.T) {
	t.Parallel()

	const waiting = "touch started; exec sleep 90"
	for name, tc := range map[string]struct {
		command  string
		sessions string
		more     string
		stop     func(r *workspace.Run)
		fails    bool
	}{
		"success":          {command: "test -n \"$TOKEN\" && test -n \"$STREAM\""},
		"several sessions": {command: "true", sessions: "7"},
		"a failing consumer": {
			command: "exit 1", fails: true,
		},
		"a failing consumer of several": {
			command: "exit 1", sessions: "7", fails: true,
		},
		"another resource fails": {
			command: "true", fails: true,
			more: "resource \"ssm_session_termination\" \"test\" {\n  session_id = \"nobody\"\n  depends_on = [terraform_data.consumer]\n}\n",
		},
		"an interrupt": {
			command: waiting, fails: true,
			stop: func(r *workspace.Run) { r.Interrupt() },
		},
		"two interrupts": {
			command: waiting, fails: true,
			stop: func(r *workspace.Run) {
				r.Interrupt()
				time.Sleep(20 * time.Millisecond)
				// Terraform may be gone by now.
				_ = syscall.Kill(-r.PID(), syscall.SIGINT)
			},
		},
		"SIGTERM": {
			command: waiting, fails: true,
			stop: func(r *workspace.Run) { r.Signal(syscall.SIGTERM) },
		},
		"SIGTERM of the whole group": {
			command: waiting, fails: true,
			stop: func(r *workspace.Run) { r.SignalGroup(syscall.SIGTERM) },
		},
		"SIGTERM of the provider": {
			command: "touch started; for i in $(seq 900); do test -e stopped && break; sleep 0.1; done", fails: true,
			stop: func(r *workspace.Run) { r.SignalProvider(syscall.SIGTERM) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			service := newSlowEndpoint(t, &endpoint.Slow{})
			sessions := 1
			if tc.sessions == "" {
				tc.sessions = "1"
			} else {
				sessions = 7
			}
			w := workspace.New(t, testOwnConfig(service.URL, tc.sessions, tc.command)+tc.more).WithoutLog()

			run := w.Start("apply", "-auto-approve")
			if tc.stop != nil {
				run.Until(w.Created("started"))
				if live, _ := ownSessions(service.Fake); len(live) != 1 {
					t.Errorf("%d sessions are live", len(live))
				}
				provider := run.ProviderPID()
				tc.stop(run)
				workspace.WantGone(t, provider)
				w.Write("stopped", "")
			}
			output := run.Wait()

			if (run.Err != nil) != tc.fails {
				t.Errorf("unexpected end: %v\n%s", run.Err, output)
			}
			testNoneLeft(t, service.Fake, sessions)
			service.WantQuiet(t)
			if secrets := issuedOwn(service.Fake); len(secrets) != 2*sessions {
				t.Errorf("%d secrets were issued", len(secrets))
			} else {
				for file, content := range w.Files() {
					if err := leakhunt.Find(content, secrets); err != nil {
						t.Errorf("%s: %s", file, err)
					}
				}
				if err := leakhunt.Find(output, secrets); err != nil {
					t.Errorf("the output: %s", err)
				}
			}
		})
	}
}

// TestLeftBehind_killed kills Terraform. The provider notices it, ends its sessions and
// exits.
func TestLeftBehind_killed(t *testing.T) {
	t.Parallel()

	service := newSlowEndpoint(t, &endpoint.Slow{})
	w := workspace.New(t, testOwnConfig(service.URL, "3", "touch started; for i in $(seq 900); do test -e stopped && break; sleep 0.1; done")).WithoutLog()

	run := w.Start("apply", "-auto-approve")
	run.Until(w.Created("started"))
	provider := run.ProviderPID()
	run.Signal(syscall.SIGKILL)

	workspace.WantGone(t, provider)
	testNoneLeft(t, service.Fake, 3)
	w.Write("stopped", "")
	<-run.Done
}

// TestLeftBehind_interruptOfProvider sends SIGINT to the provider alone. The session
// stays while Terraform uses it, and ends then.
func TestLeftBehind_interruptOfProvider(t *testing.T) {
	t.Parallel()

	service := newSlowEndpoint(t, &endpoint.Slow{})
	w := workspace.New(t, testOwnConfig(service.URL, "1", "touch started; for i in $(seq 900); do test -e stopped && break; sleep 0.1; done")).WithoutLog()

	run := w.Start("apply", "-auto-approve")
	run.Until(w.Created("started"))
	run.SignalProvider(syscall.SIGINT)
	service.WantQuiet(t)
	if live, _ := ownSessions(service.Fake); len(live) != 1 {
		t.Errorf("%d sessions are live while one is in use", len(live))
	}
	w.Write("stopped", "")

	if output := run.Wait(); run.Err != nil {
		t.Errorf("unexpected end: %v\n%s", run.Err, output)
	}
	testNoneLeft(t, service.Fake, 1)
}

// TestLeftBehind_opening ends Terraform while a session is being started.
func TestLeftBehind_opening(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		delay    time.Duration
		finishes bool
		kill     bool
		started  int
	}{
		"the answer comes a little later":         {delay: 300 * time.Millisecond, finishes: true, started: 1},
		"the answer never comes":                  {delay: -1, finishes: true, started: 1},
		"the service does nothing":                {delay: -1},
		"killed, the answer comes a little later": {delay: 300 * time.Millisecond, finishes: true, kill: true, started: 1},
		"killed, the answer never comes":          {delay: -1, finishes: true, kill: true, started: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			service := newSlowEndpoint(t, &endpoint.Slow{Operation: "StartSession", Delay: tc.delay, Finishes: tc.finishes})
			w := workspace.New(t, testOwnConfig(service.URL, "1", "touch started")).WithoutLog()

			run := w.Start("apply", "-auto-approve")
			run.Until(service.Reached)
			provider := run.ProviderPID()
			if tc.kill {
				run.Signal(syscall.SIGKILL)
			} else {
				run.Interrupt()
				run.Fail()
			}

			workspace.WantGone(t, provider)
			testNoneLeft(t, service.Fake, tc.started)
			if calls := endpoint.Requests(service.Fake, "StartSession"); len(calls) > 1 {
				t.Errorf("StartSession was called %d times", len(calls))
			}
			service.WantQuiet(t)
		})
	}
}

// TestLeftBehind_lostAnswer loses the answer to StartSession. The provider finds the
// session by its mark and ends it, and the run fails.
func TestLeftBehind_lostAnswer(t *testing.T) {
	t.Parallel()

	service := newSlowEndpoint(t, &endpoint.Slow{})
	service.Fake.AddSessions(fakessm.Session{SessionID: "somebody-else", Target: testTarget, Reason: "a test"})
	service.Fake.Inject(fakessm.Fault{Operation: "StartSession", Kind: fakessm.FaultResetAfter})
	w := workspace.New(t, testOwnConfig(service.URL, "1", "touch started")).WithoutLog()

	output, err := w.Run("apply", "-auto-approve")

	if err == nil || !strings.Contains(output, "Unable to Start Session") || !strings.Contains(strings.Join(strings.Fields(output), " "), "has ended.") {
		t.Errorf("unexpected end: %v\n%s", err, output)
	}
	testNoneLeft(t, service.Fake, 1)
	endpoint.WantStatus(t, service.Fake, "somebody-else", "Connected")
	if _, err := os.Stat(filepath.Join(w.Dir, "started")); err == nil {
		t.Error("the consumer ran")
	}
}
