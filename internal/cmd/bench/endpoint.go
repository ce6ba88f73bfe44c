// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// endpoint is a fake Session Manager in a process of its own.
type endpoint struct {
	cmd     *exec.Cmd
	output  *bytes.Buffer
	dir     string
	env     []string // What points an AWS client at it.
	control string   // URL of its control surface.
}

// startEndpoint starts an endpoint with pages of 200 and the given arguments.
// Without quotas and latency it is as fast as it can be.
func (l *lab) startEndpoint(ctx context.Context, sessions []session, arguments ...string) (_ *endpoint, err error) {
	dir, err := os.MkdirTemp(l.dir, "endpoint-")
	if err != nil {
		return nil, err
	}
	var (
		sessionFile = filepath.Join(dir, "sessions.json")
		envFile     = filepath.Join(dir, "env")
	)
	if err := writeSessions(sessionFile, sessions); err != nil {
		return nil, err
	}

	e := &endpoint{dir: dir, output: new(bytes.Buffer)}
	e.cmd = exec.CommandContext(ctx, l.bin("fakessm"), append([]string{
		"-page-size", "200", "-quotas=false", "-sessions", sessionFile, "-env-file", envFile,
	}, arguments...)...)
	e.cmd.Env = l.environment()
	e.cmd.Stdout, e.cmd.Stderr = io.Discard, e.output
	if err := e.cmd.Start(); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() {
		e.cmd.Wait() //nolint:errcheck // How it ended is told by its output.
		close(exited)
	}()
	defer func() {
		if err != nil {
			e.stop()
			<-exited
			err = fmt.Errorf("starting the fake endpoint: %w\n%s", err, e.output)
		}
	}()

	// A million sessions take their time to be read.
	for range 1200 {
		if content, err := os.ReadFile(envFile); err == nil {
			e.read(string(content))
			return e, nil
		}
		select {
		case <-exited:
			return nil, fmt.Errorf("it ended by itself")
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}

	return nil, fmt.Errorf("it is not ready after two minutes")
}

// read takes the lines that a shell would.
func (e *endpoint) read(lines string) {
	for line := range strings.Lines(lines) {
		variable := strings.TrimPrefix(strings.TrimSpace(line), "export ")
		e.env = append(e.env, variable)
		if url, ok := strings.CutPrefix(variable, "FAKESSM_CONTROL_URL="); ok {
			e.control = url
		}
	}
}

// stop ends the endpoint and removes its files.
func (e *endpoint) stop() {
	e.cmd.Process.Kill() //nolint:errcheck // It may have ended.
	os.RemoveAll(e.dir)  //nolint:errcheck // The lab is removed as a whole later on.
}

// renew makes sessions live again, and forgets the requests so far.
func (e *endpoint) renew(ctx context.Context, sessions []session) error {
	if len(sessions) > 0 {
		content, err := json.Marshal(sessions)
		if err != nil {
			return err
		}
		if _, err := e.ask(ctx, http.MethodPost, "/sessions", content); err != nil {
			return err
		}
	}
	_, err := e.ask(ctx, http.MethodDelete, "/requests", nil)

	return err
}

// tally is what an endpoint was asked, of Session Manager.
type tally struct {
	calls      float64
	throttled  float64
	described  float64 // Calls of DescribeSessions.
	unfiltered float64 // Those of them that name no session.
	terminated float64 // Calls of TerminateSession.
}

// count returns what the endpoint was asked since it was renewed.
func (e *endpoint) count(ctx context.Context) (tally, error) {
	content, err := e.ask(ctx, http.MethodGet, "/requests", nil)
	if err != nil {
		return tally{}, err
	}
	var requests []struct {
		Service   string `json:"service"`
		Operation string `json:"operation"`
		SessionID string `json:"sessionId"`
		ErrorCode string `json:"errorCode"`
	}
	if err := json.Unmarshal(content, &requests); err != nil {
		return tally{}, fmt.Errorf("decoding the requests: %w", err)
	}

	var t tally
	for _, r := range requests {
		if r.Service != "ssm" {
			continue
		}
		t.calls++
		if r.ErrorCode == "ThrottlingException" {
			t.throttled++
		}
		switch r.Operation {
		case "DescribeSessions":
			t.described++
			if r.SessionID == "" {
				t.unfiltered++
			}
		case "TerminateSession":
			t.terminated++
		}
	}

	return t, nil
}

// ask calls the control surface.
func (e *endpoint) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.control+path, bytes.NewReader(body))
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
