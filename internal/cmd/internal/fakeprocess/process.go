// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package fakeprocess runs the fake endpoint, cmd/fakessm, in a process of its own.
package fakeprocess

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
)

// Process is a fake endpoint that runs.
type Process struct {
	Env []string // What points an AWS client at it.

	cmd     *exec.Cmd
	control string // URL of its control surface.
}

// Start starts the program with the arguments and nothing but the given
// environment, and waits until it listens. It ends with the context.
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
	// It prints lines for a shell when it listens, and nothing more.
	for lines := bufio.NewScanner(output); p.control == "" && lines.Scan(); {
		variable := strings.TrimPrefix(lines.Text(), "export ")
		p.Env = append(p.Env, variable)
		if url, ok := strings.CutPrefix(variable, "FAKESSM_CONTROL_URL="); ok {
			p.control = url
		}
	}
	if p.control == "" {
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

// Request is what the endpoint says of a request that it got.
type Request struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
	SessionID string `json:"sessionId"`
	Status    int    `json:"status"`
	ErrorCode string `json:"errorCode"`
	UserAgent string `json:"userAgent"`
}

// Requests returns what the endpoint was asked, in the order of arrival.
func (p *Process) Requests(ctx context.Context) ([]Request, error) {
	content, err := p.ask(ctx, http.MethodGet, "/requests", nil)
	if err != nil {
		return nil, err
	}
	var requests []Request
	if err := json.Unmarshal(content, &requests); err != nil {
		return nil, fmt.Errorf("decoding the requests: %w", err)
	}

	return requests, nil
}

// Forget forgets the requests so far.
func (p *Process) Forget(ctx context.Context) error {
	_, err := p.ask(ctx, http.MethodDelete, "/requests", nil)

	return err
}

// AddSessions adds sessions, or replaces those of the same ID: an array in JSON, of
// objects with the members of the API.
func (p *Process) AddSessions(ctx context.Context, sessions []byte) error {
	_, err := p.ask(ctx, http.MethodPost, "/sessions", sessions)

	return err
}

// ask calls the control surface.
func (p *Process) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.control+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()

	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, content)
	}

	return content, nil
}
