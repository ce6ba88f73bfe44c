// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package fakeprocess runs the fake endpoint, cmd/fakessm, as a separate process.
package fakeprocess

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm/fakecontrol"
)

// Process is a running fake endpoint.
type Process struct {
	Env []string // Environment variables that direct an AWS client to it.

	// The client of its control API.
	fakecontrol.Client

	cmd *exec.Cmd
}

// Start runs the program with the arguments and only the given environment, and waits until
// it listens. The process ends with the context.
func Start(ctx context.Context, program string, env []string, arguments ...string) (*Process, error) {
	var failure bytes.Buffer
	p := &Process{cmd: exec.CommandContext(ctx, program, arguments...)}
	p.cmd.Env, p.cmd.Stderr = env, &failure
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	// The program prints lines for a shell when it listens, and nothing else.
	for lines := bufio.NewScanner(output); p.URL == "" && lines.Scan(); {
		variable := strings.TrimPrefix(lines.Text(), "export ")
		p.Env = append(p.Env, variable)
		if url, ok := strings.CutPrefix(variable, "FAKESSM_CONTROL_URL="); ok {
			p.URL = url
		}
	}
	if p.URL == "" {
		p.Stop()

		return nil, fmt.Errorf("starting the fake endpoint: %s", failure.String())
	}

	return p, nil
}

// Stop ends the endpoint.
func (p *Process) Stop() {
	p.cmd.Process.Kill() //nolint:errcheck // It may have ended.
	p.cmd.Wait()         //nolint:errcheck // It was killed.
}
