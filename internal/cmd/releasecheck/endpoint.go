// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
)

// endpoint is a fake Session Manager in a process of its own.
type endpoint struct {
	cmd     *exec.Cmd
	env     []string // What points an AWS client at it.
	control string   // URL of its control surface.
}

// request is what the endpoint says of a request that it got.
type request struct {
	Operation string `json:"operation"`
	SessionID string `json:"sessionId"`
	Status    int    `json:"status"`
	UserAgent string `json:"userAgent"`
}

// startEndpoint builds the fake and starts it.
func startEndpoint(ctx context.Context, dir string, env []string) (*endpoint, error) {
	program := filepath.Join(dir, "fakessm")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./internal/cmd/fakessm").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the fake endpoint: %w\n%s", err, output)
	}

	var failure bytes.Buffer
	e := &endpoint{cmd: exec.CommandContext(ctx, program)}
	e.cmd.Env, e.cmd.Stderr = env, &failure
	output, err := e.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	// It prints lines for a shell when it listens, and nothing more.
	for lines := bufio.NewScanner(output); e.control == "" && lines.Scan(); {
		variable := strings.TrimPrefix(lines.Text(), "export ")
		e.env = append(e.env, variable)
		if url, ok := strings.CutPrefix(variable, "FAKESSM_CONTROL_URL="); ok {
			e.control = url
		}
	}
	if e.control == "" {
		e.stop()
		return nil, fmt.Errorf("starting the fake endpoint: %s", failure.String())
	}

	return e, nil
}

// stop ends the endpoint.
func (e *endpoint) stop() {
	e.cmd.Process.Kill() //nolint:errcheck // It may have ended.
	e.cmd.Wait()         //nolint:errcheck // It was killed.
}

// requests returns what the endpoint was asked.
func (e *endpoint) requests(ctx context.Context) ([]request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.control+"/requests", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()

	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	var requests []request
	err = json.NewDecoder(resp.Body).Decode(&requests)

	return requests, err
}
