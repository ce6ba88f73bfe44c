// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// StopProvider returns only after an interrupted action has reported its end. What comes
// later never reaches Terraform, which then takes the action for done.
func TestServer_stopLetsActionsReport(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := protocol.NewServer(t, NewServer(New("test", nil, nil)())(), testArguments(url))
	protocol.WantNoDiagnostics(t, s.Configure())
	actions, ok := s.Provider.(tfprotov6.ActionServer)
	if !ok {
		t.Fatal("the provider serves no actions")
	}
	config := s.Encode(s.Schemas.ActionSchemas["ssm_drain_sessions"].Schema, map[string]any{"targets": []any{testTarget}, "grace_period": "10m"})
	stream, err := actions.InvokeAction(t.Context(), &tfprotov6.InvokeActionRequest{ActionType: "ssm_drain_sessions", Config: config})
	s.Must(err)

	var (
		waiting = make(chan struct{}) // The drain waits for people to leave.
		release = make(chan struct{}) // Closed when the last event may reach Terraform.
		last    = make(chan []protocol.Diagnostic, 1)
	)
	deliver := sync.OnceFunc(func() { close(release) })
	defer deliver()
	go stream.Events(func(event tfprotov6.InvokeActionEvent) bool {
		switch event := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			close(waiting)
		case tfprotov6.CompletedInvokeActionEventType:
			<-release
			last <- protocol.PlainDiagnostics(event.Diagnostics)
		}

		return true
	})
	<-waiting
	stopped := make(chan error, 1)
	go func() {
		_, err := s.Provider.StopProvider(t.Context(), &tfprotov6.StopProviderRequest{})
		stopped <- err
	}()

	select {
	case err := <-stopped:
		t.Fatalf("the provider has stopped before the action reported its end: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	deliver()
	protocol.WantDiagnostic(t, protocol.Error("", summaryDrain, "the operation was cancelled. Nothing was ended."), <-last)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if got := fake.Count("TerminateSession"); got != 0 {
		t.Errorf("TerminateSession was called %d times", got)
	}
}

// An action that does not end holds the provider up for a bounded time.
func TestServer_stopIsBounded(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		s, ok := NewServer(New("test", nil, nil)())().(*server)
		if !ok {
			t.Fatal("the server is not the provider's own")
		}
		s.running[make(chan struct{})] = true
		start := time.Now()
		if _, err := s.StopProvider(t.Context(), &tfprotov6.StopProviderRequest{}); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != stopPatience {
			t.Errorf("it took %s, want %s", took, stopPatience)
		}
	})
}

// An action that has ended, or never began, is not waited for.
func TestServer_stopWaitsForNobody(t *testing.T) {
	t.Parallel()

	for name, prepare := range map[string]func(t *testing.T, s *server){
		"no action": func(*testing.T, *server) {},
		"an action that could not begin": func(t *testing.T, s *server) {
			s.ActionServer = refusingActions{s.ActionServer}
			if _, err := s.InvokeAction(t.Context(), &tfprotov6.InvokeActionRequest{}); !errors.Is(err, errRefused) {
				t.Fatalf("the error is %v", err)
			}
		},
		"an action that has ended": func(t *testing.T, s *server) {
			stream, err := s.InvokeAction(t.Context(), &tfprotov6.InvokeActionRequest{ActionType: "ssm_none"})
			if err != nil {
				t.Fatal(err)
			}
			for event := range stream.Events {
				if completed, ok := event.Type.(tfprotov6.CompletedInvokeActionEventType); !ok || len(completed.Diagnostics) != 1 || !strings.Contains(completed.Diagnostics[0].Detail, "ssm_none") {
					t.Errorf("unexpected event %+v", event)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s, ok := NewServer(New("test", nil, nil)())().(*server)
			if !ok {
				t.Fatal("the server is not the provider's own")
			}
			prepare(t, s)
			if left := s.actions(); len(left) != 0 {
				t.Errorf("%d actions are waited for", len(left))
			}
			if _, err := s.StopProvider(t.Context(), &tfprotov6.StopProviderRequest{}); err != nil {
				t.Error(err)
			}
		})
	}
}

var errRefused = errors.New("refused")

// refusingActions refuses to invoke actions.
type refusingActions struct {
	tfprotov6.ActionServer
}

// InvokeAction implements tfprotov6.ActionServer.
func (refusingActions) InvokeAction(context.Context, *tfprotov6.InvokeActionRequest) (*tfprotov6.InvokeActionServerStream, error) {
	return nil, errRefused
}
