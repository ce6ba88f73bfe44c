// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package protocol

import (
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// Invocation is the result of InvokeAction.
type Invocation struct {
	Planned     []Diagnostic // Of validation and plan.
	Invoked     bool         // False if validation or plan failed, or the configuration is not known.
	Progress    []string     // Messages, in order.
	Diagnostics []Diagnostic // Of the invocation.
}

// InvokeAction validates, plans and invokes an action, until there is an error. As in
// Terraform, an action whose configuration is not known is only planned. A second
// configuration is what it turns out to be after the plan.
func (s *Server) InvokeAction(typeName string, config map[string]any, later ...map[string]any) Invocation {
	s.t.Helper()

	var out Invocation
	action, ok := s.Schemas.ActionSchemas[typeName]
	if !ok {
		s.t.Fatalf("the provider has no action %s", typeName)
	}
	server, ok := s.Provider.(tfprotov6.ActionServer)
	if !ok {
		s.t.Fatal("the provider serves no actions")
	}
	raw := s.Encode(action.Schema, config)
	validation, err := server.ValidateActionConfig(s.t.Context(), &tfprotov6.ValidateActionConfigRequest{ActionType: typeName, Config: raw})
	s.Must(err)
	out.Planned = PlainDiagnostics(validation.Diagnostics)
	if HasErrors(out.Planned) {
		return out
	}
	plan, err := server.PlanAction(s.t.Context(), &tfprotov6.PlanActionRequest{ActionType: typeName, Config: raw})
	s.Must(err)
	out.Planned = append(out.Planned, PlainDiagnostics(plan.Diagnostics)...)
	if HasErrors(out.Planned) {
		return out
	}

	if len(later) > 0 {
		raw = s.Encode(action.Schema, later[0])
	}
	value, err := raw.Unmarshal(action.Schema.ValueType())
	s.Must(err)
	if !value.IsFullyKnown() {
		return out
	}

	out.Invoked = true
	stream, err := server.InvokeAction(s.t.Context(), &tfprotov6.InvokeActionRequest{ActionType: typeName, Config: raw})
	s.Must(err)
	completed := 0
	for event := range stream.Events {
		switch event := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			out.Progress = append(out.Progress, event.Message)
		case tfprotov6.CompletedInvokeActionEventType:
			completed++
			out.Diagnostics = append(out.Diagnostics, PlainDiagnostics(event.Diagnostics)...)
		}
	}
	if completed != 1 {
		s.t.Fatalf("the action was completed %d times", completed)
	}

	return out
}
