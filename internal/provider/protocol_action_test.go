// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// testInvocation is what came of an action.
type testInvocation struct {
	planned  []testDiagnostic // Of validation and plan.
	invoked  bool             // Whether validation and plan let it come to that.
	progress []string
	diags    []testDiagnostic // Of the invocation.
}

// invokeAction validates, plans and invokes an action, as far as there are no
// errors. As with Terraform, an action whose configuration is not known is planned
// only; what it turns out to be later can be given as a second configuration.
func (s *testServer) invokeAction(typeName string, config map[string]any, later ...map[string]any) testInvocation {
	s.t.Helper()

	var out testInvocation
	action, ok := s.schemas.ActionSchemas[typeName]
	if !ok {
		s.t.Fatalf("the provider has no action %s", typeName)
	}
	server, ok := s.server.(tfprotov6.ActionServer)
	if !ok {
		s.t.Fatal("the provider serves no actions")
	}
	raw := s.encode(action.Schema, config)
	validation, err := server.ValidateActionConfig(s.t.Context(), &tfprotov6.ValidateActionConfigRequest{ActionType: typeName, Config: raw})
	s.must(err)
	out.planned = plainDiagnostics(validation.Diagnostics)
	if hasErrors(out.planned) {
		return out
	}
	plan, err := server.PlanAction(s.t.Context(), &tfprotov6.PlanActionRequest{ActionType: typeName, Config: raw})
	s.must(err)
	out.planned = append(out.planned, plainDiagnostics(plan.Diagnostics)...)
	if hasErrors(out.planned) {
		return out
	}

	if len(later) > 0 {
		raw = s.encode(action.Schema, later[0])
	}
	value, err := raw.Unmarshal(action.Schema.ValueType())
	s.must(err)
	if !value.IsFullyKnown() {
		return out
	}

	out.invoked = true
	stream, err := server.InvokeAction(s.t.Context(), &tfprotov6.InvokeActionRequest{ActionType: typeName, Config: raw})
	s.must(err)
	completed := 0
	for event := range stream.Events {
		switch event := event.Type.(type) {
		case tfprotov6.ProgressInvokeActionEventType:
			out.progress = append(out.progress, event.Message)
		case tfprotov6.CompletedInvokeActionEventType:
			completed++
			out.diags = append(out.diags, plainDiagnostics(event.Diagnostics)...)
		}
	}
	if completed != 1 {
		s.t.Fatalf("the action was completed %d times", completed)
	}

	return out
}
