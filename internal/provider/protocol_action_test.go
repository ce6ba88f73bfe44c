// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

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

// testSkipBelow skips a test on OpenTofu and on a Terraform that is too old. A
// pre-release counts as the version that it leads to.
func testSkipBelow(t *testing.T, major, minor int) {
	t.Helper()

	cli := testCLI(t)
	if strings.HasPrefix(filepath.Base(cli), "tofu") {
		t.Skip("OpenTofu has no actions")
	}
	output, err := exec.CommandContext(t.Context(), cli, "version", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var version struct {
		Terraform string `json:"terraform_version"`
	}
	if err := json.Unmarshal(output, &version); err != nil {
		t.Fatal(err)
	}
	var got [2]int
	for i, part := range strings.Split(version.Terraform, ".")[:2] {
		if got[i], err = strconv.Atoi(part); err != nil {
			t.Fatalf("version %q: %s", version.Terraform, err)
		}
	}
	if got[0] < major || got[0] == major && got[1] < minor {
		t.Skipf("Terraform %s is below %d.%d", version.Terraform, major, minor)
	}
}
