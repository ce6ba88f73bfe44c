// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package workspace

import (
	"bufio"
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
)

var reattachLine = regexp.MustCompile(`TF_REATTACH_PROVIDERS='([^']*)'`)

// DebuggedProvider is a provider that runs by itself, as for a debugger.
type DebuggedProvider struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   chan struct{}
}

// StartProvider starts the provider. Terraform uses this one from now on, and leaves it
// running.
func (w *Workspace) StartProvider() *DebuggedProvider {
	w.t.Helper()

	t := w.t
	p := &DebuggedProvider{t: t, cmd: exec.CommandContext(t.Context(), filepath.Join(ProviderDir(t), "terraform-provider-ssm"), "-debug"), done: make(chan struct{})}
	p.cmd.Env, p.cmd.Stderr = append(w.Env, "GOTRACEBACK=all"), &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	reattach := make(chan string, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if found := reattachLine.FindStringSubmatch(lines.Text()); found != nil {
				reattach <- found[1]
			}
		}
		_ = p.cmd.Wait()
	}()

	select {
	case providers := <-reattach:
		if program, _ := cli.Program(t); program == cli.OpenTofu {
			// It completes the provider's address with a host of its own.
			providers = strings.Replace(providers, "registry.terraform.io", "registry.opentofu.org", 1)
		}
		w.Env = append(w.Env, "TF_REATTACH_PROVIDERS="+providers)
	case <-time.After(Patience):
		t.Fatal("the provider does not say how to reach it")
	}

	return p
}

// Dump ends the provider and returns what its goroutines were doing.
func (p *DebuggedProvider) Dump() string {
	p.t.Helper()

	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.t.Fatal("the provider does not end")
	}

	return p.stderr.String()
}
