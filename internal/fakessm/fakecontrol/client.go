// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package fakecontrol is a client of a running fake endpoint's control API.
package fakecontrol

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// Client calls the control API at URL, which has no trailing slash.
type Client struct {
	URL string
}

// Sessions returns all sessions.
func (c Client) Sessions(ctx context.Context) ([]fakessm.Session, error) {
	var sessions []fakessm.Session
	err := c.get(ctx, "/sessions", &sessions)

	return sessions, err
}

// AddSessions adds sessions, and replaces those with the same ID.
func (c Client) AddSessions(ctx context.Context, sessions []fakessm.Session) error {
	content, err := json.Marshal(sessions)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, http.MethodPost, "/sessions", content)

	return err
}

// Requests returns the recorded requests in the order of arrival.
func (c Client) Requests(ctx context.Context) ([]fakessm.Request, error) {
	var requests []fakessm.Request
	err := c.get(ctx, "/requests", &requests)

	return requests, err
}

// Forget removes the recorded requests.
func (c Client) Forget(ctx context.Context) error {
	_, err := c.call(ctx, http.MethodDelete, "/requests", nil)

	return err
}

// AgentPauses returns how long paced agents have waited so far, in seconds.
func (c Client) AgentPauses(ctx context.Context) (float64, error) {
	var pauses struct {
		Seconds float64 `json:"seconds"`
	}
	err := c.get(ctx, "/agent-pauses", &pauses)

	return pauses.Seconds, err
}

func (c Client) get(ctx context.Context, path string, value any) error {
	content, err := c.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, value); err != nil {
		return fmt.Errorf("decoding the answer of %s: %w", c.URL+path, err)
	}

	return nil
}

func (c Client) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
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
		return nil, fmt.Errorf("reading the answer of %s: %w", c.URL+path, err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, c.URL+path, resp.Status, content)
	}

	return content, nil
}
