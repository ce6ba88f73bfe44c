// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
)

// testServer drives the provider through its protocol, as Terraform does but
// without a Terraform process. Values are plain Go: nil is null, testUnknown is
// unknown, lists and sets are []any, objects, maps and blocks map[string]any, whole
// numbers int64. What a configuration leaves out is null.
type testServer struct {
	t         *testing.T
	server    tfprotov6.ProviderServer
	schemas   *tfprotov6.GetProviderSchemaResponse
	arguments map[string]any

	private []byte // Of the ephemeral resource that was opened last.
}

type testUnknownValue struct{}

var testUnknown any = testUnknownValue{}

// testDiagnostic is a diagnostic in plain form; its attribute is spelled as in
// "assume_role[0].role_arn", empty if it names none.
type testDiagnostic struct {
	Severity  string
	Attribute string
	Summary   string
	Detail    string
}

// testPlan is the planned change of a resource, to be applied.
type testPlan struct {
	typeName string
	values   map[string]any // What is planned, nil to destroy.
	replace  []string       // Attributes that force a replacement.

	prior    *testState
	config   *tfprotov6.DynamicValue
	planned  *tfprotov6.DynamicValue
	private  []byte
	identity *tfprotov6.ResourceIdentityData
}

// testState is a resource as Terraform stores it.
type testState struct {
	typeName string
	values   map[string]any // Nil if there is none, or no longer.
	identity map[string]any

	raw         *tfprotov6.DynamicValue
	private     []byte
	rawIdentity *tfprotov6.ResourceIdentityData
}

// newTestServer returns a provider that has yet to be configured with the arguments.
func newTestServer(t *testing.T, arguments map[string]any) *testServer {
	t.Helper()

	s := &testServer{t: t, server: providerserver.NewProtocol6(New("test", nil, nil)())(), arguments: arguments}
	schemas, err := s.server.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	s.must(err)
	s.schemas = schemas

	return s
}

// newConfiguredServer returns a provider that has been validated and configured
// with the arguments, without complaint.
func newConfiguredServer(t *testing.T, arguments map[string]any) *testServer {
	t.Helper()

	s := newTestServer(t, arguments)
	wantNoDiagnostics(t, s.validateProvider())
	wantNoDiagnostics(t, s.configure())

	return s
}

// newBubbleServer returns a provider that is configured for an endpoint in its bubble.
func newBubbleServer(t *testing.T, e *endpoint.Bubble, arguments map[string]any) *testServer {
	t.Helper()

	s := newTestServer(t, testArguments(endpoint.BubbleURL, arguments))
	s.server = providerserver.NewProtocol6(&ssmProvider{version: "test", httpClient: e.Client()})()
	wantNoDiagnostics(t, s.configure())

	return s
}

func (s *testServer) validateProvider() []testDiagnostic {
	s.t.Helper()

	resp, err := s.server.ValidateProviderConfig(s.t.Context(), &tfprotov6.ValidateProviderConfigRequest{
		Config: s.encode(s.schemas.Provider, s.arguments),
	})
	s.must(err)

	return plainDiagnostics(resp.Diagnostics)
}

func (s *testServer) configure() []testDiagnostic {
	s.t.Helper()

	resp, err := s.server.ConfigureProvider(s.t.Context(), &tfprotov6.ConfigureProviderRequest{
		TerraformVersion: "1.11.4",
		Config:           s.encode(s.schemas.Provider, s.arguments),
	})
	s.must(err)

	return plainDiagnostics(resp.Diagnostics)
}

// readDataSource validates and reads; the result is nil if either failed.
func (s *testServer) readDataSource(typeName string, config map[string]any) (map[string]any, []testDiagnostic) {
	s.t.Helper()

	schema := s.schema(s.schemas.DataSourceSchemas, typeName)
	raw := s.encode(schema, config)
	validation, err := s.server.ValidateDataResourceConfig(s.t.Context(), &tfprotov6.ValidateDataResourceConfigRequest{TypeName: typeName, Config: raw})
	s.must(err)
	// What plans do is warned of in tests of its own.
	diags := testWithout(plainDiagnostics(validation.Diagnostics), summaryPlanResumes)
	if hasErrors(diags) {
		return nil, diags
	}

	resp, err := s.server.ReadDataSource(s.t.Context(), &tfprotov6.ReadDataSourceRequest{TypeName: typeName, Config: raw})
	s.must(err)
	diags = append(diags, plainDiagnostics(resp.Diagnostics)...)
	if hasErrors(diags) {
		return nil, diags
	}

	return s.decode(schema.ValueType(), resp.State), diags
}

// openEphemeral validates and opens; the result is nil if either failed.
func (s *testServer) openEphemeral(typeName string, config map[string]any) (map[string]any, []testDiagnostic) {
	s.t.Helper()

	schema := s.schema(s.schemas.EphemeralResourceSchemas, typeName)
	raw := s.encode(schema, config)
	validation, err := s.server.ValidateEphemeralResourceConfig(s.t.Context(), &tfprotov6.ValidateEphemeralResourceConfigRequest{TypeName: typeName, Config: raw})
	s.must(err)
	diags := testWithout(plainDiagnostics(validation.Diagnostics), summaryPlanResumes)
	if hasErrors(diags) {
		return nil, diags
	}

	resp, err := s.server.OpenEphemeralResource(s.t.Context(), &tfprotov6.OpenEphemeralResourceRequest{TypeName: typeName, Config: raw})
	s.must(err)
	diags = append(diags, plainDiagnostics(resp.Diagnostics)...)
	if hasErrors(diags) {
		return nil, diags
	}

	s.private = resp.Private

	return s.decode(schema.ValueType(), resp.Result), diags
}

// closeEphemeral closes what was opened last.
func (s *testServer) closeEphemeral(typeName string) []testDiagnostic {
	s.t.Helper()

	resp, err := s.server.CloseEphemeralResource(s.t.Context(), &tfprotov6.CloseEphemeralResourceRequest{TypeName: typeName, Private: s.private})
	s.must(err)

	return plainDiagnostics(resp.Diagnostics)
}

// planCreate validates and plans a new resource; the plan is nil if either failed.
func (s *testServer) planCreate(typeName string, config map[string]any) (*testPlan, []testDiagnostic) {
	s.t.Helper()

	return s.plan(&testState{typeName: typeName}, config)
}

// plan validates and plans to bring a resource from its prior state to config, or
// to destroy it if config is nil; the plan is nil if either failed.
func (s *testServer) plan(prior *testState, config map[string]any) (*testPlan, []testDiagnostic) {
	s.t.Helper()

	var diags []testDiagnostic
	schema := s.schema(s.schemas.ResourceSchemas, prior.typeName)
	raw := s.encode(schema, config)
	if config != nil {
		validation, err := s.server.ValidateResourceConfig(s.t.Context(), &tfprotov6.ValidateResourceConfigRequest{TypeName: prior.typeName, Config: raw})
		s.must(err)
		diags = plainDiagnostics(validation.Diagnostics)
		if hasErrors(diags) {
			return nil, diags
		}
	}

	resp, err := s.server.PlanResourceChange(s.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName:         prior.typeName,
		PriorState:       s.encode(schema, prior.values),
		ProposedNewState: s.encode(schema, proposed(schema.Block, prior.values, config)),
		Config:           raw,
		PriorPrivate:     prior.private,
		PriorIdentity:    prior.rawIdentity,
	})
	s.must(err)
	diags = append(diags, plainDiagnostics(resp.Diagnostics)...)
	if hasErrors(diags) {
		return nil, diags
	}

	p := &testPlan{
		typeName: prior.typeName,
		values:   s.decode(schema.ValueType(), resp.PlannedState),
		prior:    prior,
		config:   raw,
		planned:  resp.PlannedState,
		private:  resp.PlannedPrivate,
		identity: resp.PlannedIdentity,
	}
	for _, attribute := range resp.RequiresReplace {
		p.replace = append(p.replace, attributeName(attribute))
	}

	return p, diags
}

// apply makes a planned change. After an error the state holds what Terraform
// would store as tainted, if anything.
func (s *testServer) apply(p *testPlan) (*testState, []testDiagnostic) {
	s.t.Helper()

	resp, err := s.server.ApplyResourceChange(s.t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName:        p.typeName,
		PriorState:      s.encode(s.schema(s.schemas.ResourceSchemas, p.typeName), p.prior.values),
		PlannedState:    p.planned,
		Config:          p.config,
		PlannedPrivate:  p.private,
		PlannedIdentity: p.identity,
	})
	s.must(err)

	return s.state(p.typeName, resp.NewState, resp.Private, resp.NewIdentity), plainDiagnostics(resp.Diagnostics)
}

// create plans and applies a new resource; the state is nil if it was not planned.
func (s *testServer) create(typeName string, config map[string]any) (*testState, []testDiagnostic) {
	s.t.Helper()

	p, diags := s.planCreate(typeName, config)
	if p == nil {
		return nil, diags
	}
	state, more := s.apply(p)

	return state, append(diags, more...)
}

// destroy plans and applies the end of a resource.
func (s *testServer) destroy(prior *testState) (*testState, []testDiagnostic) {
	s.t.Helper()

	p, diags := s.plan(prior, nil)
	if p == nil {
		return prior, diags
	}
	state, more := s.apply(p)

	return state, append(diags, more...)
}

// read refreshes a resource.
func (s *testServer) read(prior *testState) (*testState, []testDiagnostic) {
	s.t.Helper()

	resp, err := s.server.ReadResource(s.t.Context(), &tfprotov6.ReadResourceRequest{
		TypeName:        prior.typeName,
		CurrentState:    prior.raw,
		Private:         prior.private,
		CurrentIdentity: prior.rawIdentity,
	})
	s.must(err)

	return s.state(prior.typeName, resp.NewState, resp.Private, resp.NewIdentity), plainDiagnostics(resp.Diagnostics)
}

// importState imports a resource by its ID, or by its identity if that is not
// nil; the state is nil if the import was refused.
func (s *testServer) importState(typeName, id string, identity map[string]any) (*testState, []testDiagnostic) {
	s.t.Helper()

	req := &tfprotov6.ImportResourceStateRequest{TypeName: typeName, ID: id}
	if identity != nil {
		typ := s.identityType(typeName)
		data, err := tfprotov6.NewDynamicValue(typ, s.value(typ, identity))
		s.must(err)
		req.Identity = &tfprotov6.ResourceIdentityData{IdentityData: &data}
	}
	resp, err := s.server.ImportResourceState(s.t.Context(), req)
	s.must(err)
	diags := plainDiagnostics(resp.Diagnostics)
	if hasErrors(diags) || len(resp.ImportedResources) == 0 {
		return nil, diags
	}
	imported := resp.ImportedResources[0]

	return s.state(typeName, imported.State, imported.Private, imported.Identity), diags
}

func (s *testServer) state(typeName string, raw *tfprotov6.DynamicValue, private []byte, identity *tfprotov6.ResourceIdentityData) *testState {
	s.t.Helper()

	state := &testState{
		typeName:    typeName,
		values:      s.decode(s.schema(s.schemas.ResourceSchemas, typeName).ValueType(), raw),
		raw:         raw,
		private:     private,
		rawIdentity: identity,
	}
	if identity != nil {
		state.identity = s.decode(s.identityType(typeName), identity.IdentityData)
	}

	return state
}

func (s *testServer) schema(schemas map[string]*tfprotov6.Schema, typeName string) *tfprotov6.Schema {
	s.t.Helper()

	schema, ok := schemas[typeName]
	if !ok {
		s.t.Fatalf("the provider has no %s of this kind", typeName)
	}

	return schema
}

func (s *testServer) identityType(typeName string) tftypes.Type {
	s.t.Helper()

	resp, err := s.server.GetResourceIdentitySchemas(s.t.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	s.must(err)
	schema, ok := resp.IdentitySchemas[typeName]
	if !ok {
		s.t.Fatalf("%s has no identity", typeName)
	}

	return schema.ValueType()
}

// encode turns a configuration or state into what goes over the wire.
func (s *testServer) encode(schema *tfprotov6.Schema, in map[string]any) *tfprotov6.DynamicValue {
	s.t.Helper()

	var value any
	if in != nil {
		value = withBlocks(schema.Block, in)
	}
	raw, err := tfprotov6.NewDynamicValue(schema.ValueType(), s.value(schema.ValueType(), value))
	s.must(err)

	return &raw
}

// decode is the way back; it returns nil for null.
func (s *testServer) decode(typ tftypes.Type, raw *tfprotov6.DynamicValue) map[string]any {
	s.t.Helper()

	if raw == nil {
		return nil
	}
	value, err := raw.Unmarshal(typ)
	s.must(err)
	out, _ := s.plainValue(value).(map[string]any)

	return out
}

// value turns plain Go into a value of the type.
func (s *testServer) value(typ tftypes.Type, in any) tftypes.Value {
	s.t.Helper()

	switch in := in.(type) {
	case testUnknownValue:
		return tftypes.NewValue(typ, tftypes.UnknownValue)
	case []any:
		var element tftypes.Type
		switch typ := typ.(type) {
		case tftypes.List:
			element = typ.ElementType
		case tftypes.Set:
			element = typ.ElementType
		default:
			s.t.Fatalf("%v is given for a %s", in, typ)
		}
		values := make([]tftypes.Value, 0, len(in))
		for _, each := range in {
			values = append(values, s.value(element, each))
		}

		return tftypes.NewValue(typ, values)
	case map[string]any:
		values := map[string]tftypes.Value{}
		switch typ := typ.(type) {
		case tftypes.Map:
			for key, each := range in {
				values[key] = s.value(typ.ElementType, each)
			}
		case tftypes.Object:
			for name := range in {
				if _, ok := typ.AttributeTypes[name]; !ok {
					s.t.Fatalf("there is no argument %q", name)
				}
			}
			for name, attribute := range typ.AttributeTypes {
				values[name] = s.value(attribute, in[name])
			}
		default:
			s.t.Fatalf("%v is given for a %s", in, typ)
		}

		return tftypes.NewValue(typ, values)
	default:
		if err := tftypes.ValidateValue(typ, in); err != nil {
			s.t.Fatalf("%v is given for a %s: %s", in, typ, err)
		}

		return tftypes.NewValue(typ, in)
	}
}

// plainValue is the way back.
func (s *testServer) plainValue(in tftypes.Value) any {
	s.t.Helper()

	switch {
	case !in.IsKnown():
		return testUnknown
	case in.IsNull():
		return nil
	}

	switch typ := in.Type(); {
	case typ.Is(tftypes.String):
		return valueAs[string](s, in)
	case typ.Is(tftypes.Bool):
		return valueAs[bool](s, in)
	case typ.Is(tftypes.Number):
		number := valueAs[big.Float](s, in)
		whole, _ := number.Int64()

		return whole
	case typ.Is(tftypes.List{}), typ.Is(tftypes.Set{}):
		out := []any{}
		for _, each := range valueAs[[]tftypes.Value](s, in) {
			out = append(out, s.plainValue(each))
		}

		return out
	default:
		out := map[string]any{}
		for name, each := range valueAs[map[string]tftypes.Value](s, in) {
			out[name] = s.plainValue(each)
		}

		return out
	}
}

func valueAs[T any](s *testServer, in tftypes.Value) T {
	s.t.Helper()

	var out T
	s.must(in.As(&out))

	return out
}

func (s *testServer) must(err error) {
	s.t.Helper()

	if err != nil {
		s.t.Fatal(err)
	}
}

// withBlocks fills in the repeatable blocks that a configuration leaves out:
// Terraform sends none of them as an empty list or set, not as null.
func withBlocks(block *tfprotov6.SchemaBlock, in map[string]any) map[string]any {
	out := maps.Clone(in)
	for _, nested := range block.BlockTypes {
		if nested.Nesting != tfprotov6.SchemaNestedBlockNestingModeList && nested.Nesting != tfprotov6.SchemaNestedBlockNestingModeSet {
			continue
		}
		switch given := out[nested.TypeName].(type) {
		case nil:
			out[nested.TypeName] = []any{}
		case []any:
			blocks := make([]any, 0, len(given))
			for _, each := range given {
				if attributes, ok := each.(map[string]any); ok {
					each = withBlocks(nested.Block, attributes)
				}
				blocks = append(blocks, each)
			}
			out[nested.TypeName] = blocks
		}
	}

	return out
}

// proposed merges a configuration with the prior state as Terraform does: what
// the provider computes keeps its value, or is unknown if it has none yet.
func proposed(block *tfprotov6.SchemaBlock, prior, config map[string]any) map[string]any {
	if config == nil {
		return nil
	}

	out := maps.Clone(config)
	for _, attribute := range block.Attributes {
		if !attribute.Computed || config[attribute.Name] != nil {
			continue
		}
		out[attribute.Name] = testUnknown
		if prior != nil {
			out[attribute.Name] = prior[attribute.Name]
		}
	}

	return out
}

func plainDiagnostics(in []*tfprotov6.Diagnostic) []testDiagnostic {
	out := make([]testDiagnostic, 0, len(in))
	for _, d := range in {
		out = append(out, testDiagnostic{
			Severity:  strings.ToLower(d.Severity.String()),
			Attribute: attributeName(d.Attribute),
			Summary:   d.Summary,
			Detail:    d.Detail,
		})
	}

	return out
}

// attributeName spells a path as one would in a configuration.
func attributeName(at *tftypes.AttributePath) string {
	var name strings.Builder
	for _, step := range at.Steps() {
		switch step := step.(type) {
		case tftypes.AttributeName:
			if name.Len() > 0 {
				name.WriteString(".")
			}
			name.WriteString(string(step))
		case tftypes.ElementKeyInt:
			fmt.Fprintf(&name, "[%d]", int64(step))
		case tftypes.ElementKeyString:
			fmt.Fprintf(&name, "[%q]", string(step))
		case tftypes.ElementKeyValue:
			name.WriteString("[...]") // Elements of sets have no name.
		}
	}

	return name.String()
}

func hasErrors(diags []testDiagnostic) bool {
	return slices.ContainsFunc(diags, func(d testDiagnostic) bool { return d.Severity == "error" })
}

func wantNoDiagnostics(t *testing.T, got []testDiagnostic) {
	t.Helper()

	if len(got) > 0 {
		t.Fatalf("unexpected diagnostics: %+v", got)
	}
}

// wantDiagnostic checks that there is one diagnostic only, that it is the wanted
// one, and that its detail holds every line of the wanted detail.
func wantDiagnostic(t *testing.T, want testDiagnostic, got []testDiagnostic) {
	t.Helper()

	if len(got) != 1 {
		t.Fatalf("want one diagnostic, got %d: %+v", len(got), got)
	}
	for line := range strings.Lines(want.Detail) {
		if !strings.Contains(got[0].Detail, strings.TrimSpace(line)) {
			t.Errorf("the detail lacks %q:\n%s", line, got[0].Detail)
		}
	}
	want.Detail = got[0].Detail
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("unexpected diagnostic (-want +got):\n%s", diff)
	}
}

// testArguments are provider arguments for the endpoint at url, with changes; a
// nil takes an argument away.
func testArguments(url string, changes ...map[string]any) map[string]any {
	arguments := map[string]any{
		"region":     testRegion,
		"access_key": fakessm.DefaultAccessKeyID,
		"secret_key": fakessm.DefaultSecretAccessKey,
		"endpoints":  []any{map[string]any{"ssm": url, "sts": url}},
	}
	for _, change := range changes {
		maps.Copy(arguments, change)
	}

	return arguments
}
