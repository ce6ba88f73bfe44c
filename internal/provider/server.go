// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// stopPatience is how long StopProvider waits for the actions that it has interrupted.
const stopPatience = 5 * time.Second

// NewServer returns a constructor for the provider's server. It is the framework's, but
// StopProvider returns only when the interrupted actions have reported their end.
//
// After StopProvider, terraform-plugin-go ends the event streams of actions without their
// last event. Terraform takes that for success and continues, for example with creating a
// node although the drain before it was interrupted.
func NewServer(p provider.Provider) func() tfprotov6.ProviderServer {
	newServer := providerserver.NewProtocol6(p)

	return func() tfprotov6.ProviderServer {
		inner := newServer()
		actions, ok := inner.(tfprotov6.ActionServer)
		if !ok {
			return inner
		}

		return &server{ProviderServer: inner, ActionServer: actions, running: make(map[chan struct{}]bool)}
	}
}

// server knows which actions are running.
type server struct {
	tfprotov6.ProviderServer
	tfprotov6.ActionServer

	mutex   sync.Mutex
	running map[chan struct{}]bool // Each is closed when its action has reported its end.
}

// InvokeAction implements tfprotov6.ActionServer.
func (s *server) InvokeAction(ctx context.Context, req *tfprotov6.InvokeActionRequest) (*tfprotov6.InvokeActionServerStream, error) {
	ended := make(chan struct{})
	s.mutex.Lock()
	s.running[ended] = true
	s.mutex.Unlock()
	end := sync.OnceFunc(func() {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		delete(s.running, ended)
		close(ended)
	})

	stream, err := s.ActionServer.InvokeAction(ctx, req)
	if err != nil {
		end()

		return stream, err
	}
	events := stream.Events
	stream.Events = func(push func(tfprotov6.InvokeActionEvent) bool) {
		defer end()
		events(push)
	}

	return stream, nil
}

// StopProvider implements tfprotov6.ProviderServer.
func (s *server) StopProvider(ctx context.Context, req *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	resp, err := s.ProviderServer.StopProvider(ctx, req)

	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	for _, ended := range s.actions() {
		select {
		case <-ended:
		case <-ctx.Done():
			return resp, err
		}
	}

	return resp, err
}

// actions returns the channels of the running actions.
func (s *server) actions() []chan struct{} {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return slices.Collect(maps.Keys(s.running))
}
