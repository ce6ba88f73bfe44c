// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package workspace

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for a process to begin or end. It measures nothing:
// a process that fails to do so takes minutes.
const Patience = 5 * time.Minute

// Run is a run of Terraform, in a process group of its own as in a shell.
type Run struct {
	Done chan struct{} // Closed when Terraform has ended.
	Err  error         // How it ended. Set before Done is closed.

	t      *testing.T
	cmd    *exec.Cmd
	output *bytes.Buffer
}

// Start starts Terraform. It is killed with the test.
func (w *Workspace) Start(arguments ...string) *Run {
	w.t.Helper()

	cmd, output := w.command(arguments...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run := &Run{t: w.t, cmd: cmd, output: output, Done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(run.Done)
		run.Err = cmd.Wait()
	}()
	w.t.Cleanup(func() {
		select {
		case <-run.Done:
		default:
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-run.Done
		}
	})

	return run
}

// Until waits until a channel is closed, during the run.
func (r *Run) Until(event <-chan struct{}) {
	r.t.Helper()

	select {
	case <-event:
	case <-r.Done:
		r.t.Fatalf("Terraform ended too early: %v\n%s", r.Err, r.output)
	case <-time.After(Patience):
		r.t.Fatal("the event that the test waits for does not happen")
	}
}

// PID returns the ID of Terraform's process.
func (r *Run) PID() int {
	return r.cmd.Process.Pid
}

// Interrupt is Ctrl-C: Terraform and the provider both receive it.
func (r *Run) Interrupt() {
	r.t.Helper()
	r.SignalGroup(syscall.SIGINT)
}

// Signal sends a signal to Terraform alone.
func (r *Run) Signal(signal syscall.Signal) {
	r.t.Helper()
	r.kill(r.PID(), signal)
}

// SignalGroup sends a signal to Terraform and all its children.
func (r *Run) SignalGroup(signal syscall.Signal) {
	r.t.Helper()
	r.kill(-r.PID(), signal)
}

// SignalProvider sends a signal to the provider alone.
func (r *Run) SignalProvider(signal syscall.Signal) {
	r.t.Helper()
	r.kill(r.ProviderPID(), signal)
}

func (r *Run) kill(pid int, signal syscall.Signal) {
	r.t.Helper()

	if err := syscall.Kill(pid, signal); err != nil {
		r.t.Fatal(err)
	}
}

// Wait waits for the end of the run, which must not be a crash, and returns what was
// printed.
func (r *Run) Wait() string {
	r.t.Helper()

	select {
	case <-r.Done:
	case <-time.After(Patience):
		r.t.Fatalf("Terraform does not end")
	}
	var exit *exec.ExitError
	if r.Err != nil && (!errors.As(r.Err, &exit) || exit.ExitCode() != 1) {
		r.t.Errorf("Terraform ended with %v\n%s", r.Err, r.output)
	}

	return r.output.String()
}

// Fail is Wait for a run that has to end with an error.
func (r *Run) Fail() string {
	r.t.Helper()

	output := r.Wait()
	if r.Err == nil {
		r.t.Errorf("Terraform ended without an error\n%s", output)
	}

	return output
}

// ProviderPID returns the ID of the provider's process, a child of Terraform's.
func (r *Run) ProviderPID() int {
	r.t.Helper()

	var pids []int
	parent := strconv.Itoa(r.PID())
	if stats, err := filepath.Glob("/proc/[0-9]*/stat"); err == nil && len(stats) > 0 {
		for _, name := range stats {
			// PID (name) state PPID ...; the name may hold anything.
			stat, _ := os.ReadFile(name)
			pid, rest, _ := strings.Cut(string(stat), " (")
			fields := strings.Fields(rest[strings.LastIndex(rest, ")")+1:])
			if len(fields) > 1 && fields[1] == parent && strings.HasPrefix(rest, "terraform-provi") {
				pids = append(pids, parsePID(r.t, pid))
			}
		}
	} else if pgrep, err := exec.LookPath("pgrep"); err == nil {
		output, _ := exec.Command(pgrep, "-P", parent, "terraform-provi").Output()
		for _, pid := range strings.Fields(string(output)) {
			pids = append(pids, parsePID(r.t, pid))
		}
	} else {
		r.t.Skip("there is neither /proc nor pgrep to find the provider's process with")
	}
	if len(pids) != 1 {
		r.t.Fatalf("Terraform has %d provider processes, want 1", len(pids))
	}

	return pids[0]
}

func parsePID(t *testing.T, text string) int {
	t.Helper()

	pid, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}

	return pid
}

// WantGone checks that a process of a provider ends, or has ended.
func WantGone(t *testing.T, pid int) {
	t.Helper()

	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
	}
	t.Errorf("the provider's process %d does not end", pid)
}
