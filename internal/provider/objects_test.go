// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/leakhunt"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// testOwnTarget is a node on which only the provider has sessions.
const testOwnTarget = "i-0a0a0a0a0a0a0a0a0"

// The kinds of objects, as Terraform's configuration names them.
const (
	kindAction    = "action"
	kindData      = "data"
	kindEphemeral = "ephemeral"
	kindResource  = "resource"
)

// testObject is one object of the provider, with its part in each test that ranges over
// all objects. TestObjects_schema compares the list with the provider's schema, and the
// TestObjects_in... tests compare it with those tests. So no object can be forgotten in
// any of them.
type testObject struct {
	kind     string
	typeName string
	config   map[string]any // Works against testSessions.

	// An object that makes the same calls and has the columns. The faults of data
	// channels are in a table of package datachannel.
	startsAs string

	// If it is stopped, it first ends its session.
	cleansUp bool

	matrix  []string // Its columns in the fault matrix.
	hostile []string // What hostileCalls does with it.
	waits   []string // Its cases in TestSignals_waiting.
}

// name returns the object's kind and type, as in "data ssm_session".
func (o testObject) name() string {
	return o.kind + " " + o.typeName
}

// testObjects returns every object of the provider.
func testObjects() []testObject {
	return []testObject{
		{
			kind: kindAction, typeName: "ssm_drain_sessions",
			config:  map[string]any{"targets": []any{testTarget}, "grace_period": "10s"},
			matrix:  []string{"action drain"},
			hostile: []string{"the action that drains"},
		},
		{
			kind: kindAction, typeName: "ssm_terminate_session",
			config:  map[string]any{"session_id": testLive},
			matrix:  []string{"action terminate"},
			hostile: []string{"the action that ends a session"},
		},
		{
			kind: kindData, typeName: "ssm_connection_status",
			config:  map[string]any{"target": testTarget},
			matrix:  []string{"data connection"},
			hostile: []string{"reading a connection status"},
			waits:   []string{"a connection status"},
		},
		{
			kind: kindData, typeName: "ssm_session",
			config:  map[string]any{"session_id": testLive},
			matrix:  []string{"data session"},
			hostile: []string{"reading a session"},
			waits:   []string{"a data source"},
		},
		{
			kind: kindData, typeName: "ssm_session_resume",
			config:  map[string]any{"session_id": testAway},
			matrix:  []string{"data resume"},
			hostile: []string{"resuming"},
			waits:   []string{"resuming"},
		},
		{
			kind: kindData, typeName: "ssm_sessions",
			config:  map[string]any{"targets": []any{testTarget}},
			matrix:  []string{"data sessions"},
			hostile: []string{"listing"},
			waits:   []string{"a list"},
		},
		{
			kind: kindEphemeral, typeName: "ssm_port_forward",
			config:   map[string]any{"target": testOwnTarget, "remote_port": int64(22), "probe": false},
			cleansUp: true,
			startsAs: "ephemeral ssm_session",
			hostile:  []string{"forwarding"},
			waits:    []string{"forwarding"},
		},
		{
			kind: kindEphemeral, typeName: "ssm_session",
			config:   map[string]any{"target": testOwnTarget, "enabled": true},
			cleansUp: true,
			matrix:   []string{"ephemeral start", "ephemeral end"},
			hostile:  []string{"starting"},
			waits:    []string{"starting"},
		},
		{
			kind: kindEphemeral, typeName: "ssm_session_resume",
			config:  map[string]any{"session_id": testAway},
			matrix:  []string{"ephemeral open"},
			hostile: []string{"resuming ephemerally"},
			waits:   []string{"resuming, ephemerally"},
		},
		{
			kind: kindResource, typeName: "ssm_session_drain",
			config:  map[string]any{"targets": []any{testTarget}, "when": "create", "grace_period": "10s", "max_sessions": int64(100)},
			matrix:  []string{"drain plan", "drain create", "drain destroy"},
			hostile: []string{"draining"},
			waits:   []string{"a grace period", "the plan of a drain", "the plan of a destroy"},
		},
		{
			kind: kindResource, typeName: "ssm_session_termination",
			config:  map[string]any{"session_id": testLive, "if_not_found": "fail", "verify": true},
			matrix:  []string{"termination plan", "termination create", "termination refresh", "termination import"},
			hostile: []string{"creating a termination", "creating a termination, unverified", "importing"},
			waits:   []string{"an import", "looking before the end", "refreshing", "the plan's look-up", "waiting for the end"},
		},
	}
}

// wantCovered compares the cases of a test with those of the objects.
func wantCovered(t *testing.T, part func(testObject) []string, done []string, notOfAnObject ...string) {
	t.Helper()

	want := notOfAnObject
	for _, object := range testObjects() {
		if len(part(object)) == 0 && object.startsAs == "" {
			t.Errorf("%s has no part in this test", object.name())
		}
		want = append(want, part(object)...)
	}
	slices.Sort(want)
	slices.Sort(done)
	if diff := cmp.Diff(want, done); diff != "" {
		t.Errorf("the test leaves something out (-) or testObjects does (+):\n%s", diff)
	}
}

func TestObjects_schema(t *testing.T) {
	t.Parallel()

	schemas := newTestServer(t, nil).Schemas
	var served []string
	for kind, types := range map[string][]string{
		kindAction:    slices.Collect(maps.Keys(schemas.ActionSchemas)),
		kindData:      slices.Collect(maps.Keys(schemas.DataSourceSchemas)),
		kindEphemeral: slices.Collect(maps.Keys(schemas.EphemeralResourceSchemas)),
		kindResource:  slices.Collect(maps.Keys(schemas.ResourceSchemas)),
	} {
		for _, typeName := range types {
			served = append(served, kind+" "+typeName)
		}
	}

	wantCovered(t, func(o testObject) []string { return []string{o.name()} }, served)
}

func TestObjects_inFaultMatrix(t *testing.T) {
	t.Parallel()

	var columns []string
	for _, column := range matrixColumns() {
		columns = append(columns, column.name)
	}

	wantCovered(t, func(o testObject) []string { return o.matrix }, columns)
}

func TestObjects_inHostileTexts(t *testing.T) {
	t.Parallel()

	_, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url))

	wantCovered(t, func(o testObject) []string { return o.hostile }, slices.Collect(maps.Keys(hostileCalls(s, "nobody"))))
}

func TestObjects_inLeakHunt(t *testing.T) {
	t.Parallel()

	var blocks []string
	for line := range strings.Lines(leakObjects + leakStored + leakActions) {
		if kind, rest, found := strings.Cut(line, ` "ssm_`); found && !strings.HasPrefix(line, " ") {
			typeName, _, _ := strings.Cut(rest, `"`)
			blocks = append(blocks, kind+" ssm_"+typeName)
		}
	}
	slices.Sort(blocks)

	wantCovered(t, func(o testObject) []string { return []string{o.name()} }, slices.Compact(blocks))
}

// TestObjects_unknown makes each argument of each object unknown in turn, as in a plan
// whose values other resources compute. No plan fails, and nothing is ended or resumed.
func TestObjects_unknown(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url))
	for _, object := range testObjects() {
		block := objectSchema(s, object).Block
		for _, attribute := range block.Attributes {
			if !attribute.Required && !attribute.Optional {
				continue
			}
			config := mergeConfig(object.config, map[string]any{attribute.Name: protocol.Unknown})
			for _, d := range validateOrPlan(t, s, object, config) {
				if d.Severity == tfprotov6.DiagnosticSeverityError.String() {
					t.Errorf("%s refuses an unknown %s: %s: %s", object.name(), attribute.Name, d.Summary, d.Detail)
				}
			}
		}
	}
	for _, r := range fake.Requests() {
		if r.Operation != "DescribeSessions" && r.Operation != "GetCallerIdentity" {
			t.Errorf("a plan called %s", r.Operation)
		}
	}
}

// objectSchema returns the schema of an object.
func objectSchema(s *protocol.Server, object testObject) *tfprotov6.Schema {
	switch object.kind {
	case kindAction:
		return s.Schemas.ActionSchemas[object.typeName].Schema
	case kindData:
		return s.Schemas.DataSourceSchemas[object.typeName]
	case kindEphemeral:
		return s.Schemas.EphemeralResourceSchemas[object.typeName]
	default:
		return s.Schemas.ResourceSchemas[object.typeName]
	}
}

// validateOrPlan does what Terraform does while values are unknown: it plans resources
// and actions, and only validates other objects.
func validateOrPlan(t *testing.T, s *protocol.Server, object testObject, config map[string]any) []protocol.Diagnostic {
	t.Helper()

	raw := s.Encode(objectSchema(s, object), config)
	switch object.kind {
	case kindAction:
		return s.InvokeAction(object.typeName, config).Planned
	case kindData:
		resp, err := s.Provider.ValidateDataResourceConfig(t.Context(), &tfprotov6.ValidateDataResourceConfigRequest{TypeName: object.typeName, Config: raw})
		s.Must(err)

		return protocol.PlainDiagnostics(resp.Diagnostics)
	case kindEphemeral:
		resp, err := s.Provider.ValidateEphemeralResourceConfig(t.Context(), &tfprotov6.ValidateEphemeralResourceConfigRequest{TypeName: object.typeName, Config: raw})
		s.Must(err)

		return protocol.PlainDiagnostics(resp.Diagnostics)
	default:
		_, diags := s.PlanCreate(object.typeName, config)

		return diags
	}
}

// callsOf returns a function that makes an object call SSM, as Terraform does, until the
// context ends.
func callsOf(t *testing.T, s *protocol.Server, object testObject) func(ctx context.Context) error {
	t.Helper()

	schema := objectSchema(s, object)
	raw := s.Encode(schema, object.config)
	switch object.kind {
	case kindAction:
		actions, ok := s.Provider.(tfprotov6.ActionServer)
		if !ok {
			t.Fatal("the provider serves no actions")
		}

		return func(ctx context.Context) error {
			if _, err := actions.PlanAction(ctx, &tfprotov6.PlanActionRequest{ActionType: object.typeName, Config: raw}); err != nil {
				return err
			}
			stream, err := actions.InvokeAction(ctx, &tfprotov6.InvokeActionRequest{ActionType: object.typeName, Config: raw})
			if err != nil {
				return err
			}
			for event := range stream.Events {
				_ = event
			}

			return nil
		}
	case kindData:
		return func(ctx context.Context) error {
			_, err := s.Provider.ReadDataSource(ctx, &tfprotov6.ReadDataSourceRequest{TypeName: object.typeName, Config: raw})

			return err
		}
	case kindEphemeral:
		return func(ctx context.Context) error {
			opened, err := s.Provider.OpenEphemeralResource(ctx, &tfprotov6.OpenEphemeralResourceRequest{TypeName: object.typeName, Config: raw})
			if err != nil {
				return err
			}
			// Terraform closes only what was opened, and never cancels a close.
			for _, d := range opened.Diagnostics {
				if d.Severity == tfprotov6.DiagnosticSeverityError {
					return nil
				}
			}
			_, err = s.Provider.CloseEphemeralResource(context.WithoutCancel(ctx), &tfprotov6.CloseEphemeralResourceRequest{TypeName: object.typeName, Private: opened.Private})

			return err
		}
	default:
		none := s.Encode(schema, nil)
		planned := s.Encode(schema, protocol.Proposed(schema.Block, nil, object.config))

		return func(ctx context.Context) error {
			plan, err := s.Provider.PlanResourceChange(ctx, &tfprotov6.PlanResourceChangeRequest{TypeName: object.typeName, PriorState: none, ProposedNewState: planned, Config: raw})
			if err != nil || len(plan.Diagnostics) > 0 && plan.Diagnostics[0].Severity == tfprotov6.DiagnosticSeverityError {
				return err
			}
			_, err = s.Provider.ApplyResourceChange(ctx, &tfprotov6.ApplyResourceChangeRequest{TypeName: object.typeName, PriorState: none, PlannedState: plan.PlannedState, Config: raw})

			return err
		}
	}
}

// callsOfEveryObject returns callsOf for every object by its name, and an import.
func callsOfEveryObject(t *testing.T, s *protocol.Server) map[string]func(ctx context.Context) error {
	t.Helper()

	calls := map[string]func(context.Context) error{
		"import": func(ctx context.Context) error {
			_, err := s.Provider.ImportResourceState(ctx, &tfprotov6.ImportResourceStateRequest{TypeName: "ssm_session_termination", ID: testEnded})

			return err
		},
	}
	for _, object := range testObjects() {
		calls[object.name()] = callsOf(t, s, object)
	}

	return calls
}

// ownSessions returns the sessions that the provider started: the live ones, and all.
func ownSessions(fake *fakessm.Server) (live, all []fakessm.Session) {
	for _, s := range fake.Sessions() {
		if s.Target != testOwnTarget {
			continue
		}
		all = append(all, s)
		if s.Status != "Terminated" && s.Status != "Terminating" && s.Status != "Failed" {
			live = append(live, s)
		}
	}

	return live, all
}

// issuedOwn returns the secrets of the sessions that the provider started.
func issuedOwn(fake *fakessm.Server) []string {
	_, all := ownSessions(fake)
	var secrets []string
	for _, s := range all {
		secrets = append(secrets, leakhunt.IssuedSecrets(fake, s.SessionID)...)
	}

	return secrets
}

// diagnosticsOfEveryObject returns, for each object by its name, a function that makes
// it call SSM and returns the diagnostics. The changes are made to each configuration.
func diagnosticsOfEveryObject(s *protocol.Server, changes map[string]any) map[string]func() []protocol.Diagnostic {
	calls := map[string]func() []protocol.Diagnostic{}
	for _, object := range testObjects() {
		config := mergeConfig(object.config, changes)
		// These calls are made in real time.
		delete(config, "grace_period")
		calls[object.name()] = func() []protocol.Diagnostic {
			var diags []protocol.Diagnostic
			switch object.kind {
			case kindAction:
				out := s.InvokeAction(object.typeName, config)
				diags = append(out.Planned, out.Diagnostics...)
			case kindData:
				_, diags = s.ReadDataSource(object.typeName, config)
			case kindEphemeral:
				_, diags = s.OpenEphemeral(object.typeName, config)
			default:
				_, diags = s.Create(object.typeName, config)
			}

			return diags
		}
	}

	return calls
}

func TestObjects_callSSM(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t, fakessm.WithDataChannel(""))
	s := newConfiguredServer(t, testArguments(url))
	for name, call := range diagnosticsOfEveryObject(s, nil) {
		fake.ResetRequests()
		if diags := call(); protocol.HasErrors(diags) {
			t.Errorf("%s: %+v", name, diags)
		}
		if len(endpoint.TakeCalls(fake)) == 0 {
			t.Errorf("%s did not call SSM", name)
		}
	}
}
