// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package protocol drives a provider through its protocol, as Terraform does, but in
// the process of the test. It answers: what does the provider plan, store and say?
// Such a test takes milliseconds, can look at a plan before it is applied, and runs in
// a synctest bubble.
//
//	s := protocol.NewServer(t, provider, map[string]any{"region": "us-east-1"})
//	protocol.WantNoDiagnostics(t, s.Configure())
//	plan, diags := s.PlanCreate("ssm_session_termination", map[string]any{"session_id": id})
//	protocol.WantDiagnostic(t, protocol.Warning("session_id", "Session Not Found", "nothing to end"), diags)
//	state, diags := s.Apply(plan)
//
// Values are plain Go: nil is null, Unknown is unknown, lists and sets are []any,
// objects, maps and blocks are map[string]any, whole numbers are int64. What a
// configuration leaves out is null.
package protocol

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// Server is a provider in the process of the test. An error of the protocol itself ends
// the test; what the user would see is returned as diagnostics.
type Server struct {
	Provider  tfprotov6.ProviderServer
	Schemas   *tfprotov6.GetProviderSchemaResponse
	Arguments map[string]any // Of the provider block.
	Ignored   []string       // Beginnings of summaries that validations of data sources and ephemeral resources leave out.

	t *testing.T
}

// NewServer returns a provider that is not configured yet. The arguments are those of
// the provider block.
func NewServer(t *testing.T, provider tfprotov6.ProviderServer, arguments map[string]any) *Server {
	t.Helper()

	s := &Server{t: t, Provider: provider, Arguments: arguments}
	schemas, err := provider.GetProviderSchema(t.Context(), &tfprotov6.GetProviderSchemaRequest{})
	s.Must(err)
	s.Schemas = schemas

	return s
}

// In returns the same provider for another test, such as a subtest.
func (s *Server) In(t *testing.T) *Server {
	other := *s
	other.t = t

	return &other
}

// ValidateProvider validates the provider block.
func (s *Server) ValidateProvider() []Diagnostic {
	s.t.Helper()

	resp, err := s.Provider.ValidateProviderConfig(s.t.Context(), &tfprotov6.ValidateProviderConfigRequest{
		Config: s.Encode(s.Schemas.Provider, s.Arguments),
	})
	s.Must(err)

	return PlainDiagnostics(resp.Diagnostics)
}

// Configure configures the provider, without a validation.
func (s *Server) Configure() []Diagnostic {
	s.t.Helper()

	resp, err := s.Provider.ConfigureProvider(s.t.Context(), &tfprotov6.ConfigureProviderRequest{
		TerraformVersion: "1.11.4",
		Config:           s.Encode(s.Schemas.Provider, s.Arguments),
	})
	s.Must(err)

	return PlainDiagnostics(resp.Diagnostics)
}

// ReadDataSource validates and reads a data source. The result is nil if either failed.
func (s *Server) ReadDataSource(typeName string, config map[string]any) (map[string]any, []Diagnostic) {
	s.t.Helper()

	schema := s.schema(s.Schemas.DataSourceSchemas, typeName)
	raw := s.Encode(schema, config)
	validation, err := s.Provider.ValidateDataResourceConfig(s.t.Context(), &tfprotov6.ValidateDataResourceConfigRequest{TypeName: typeName, Config: raw})
	s.Must(err)
	diags := s.validated(validation.Diagnostics)
	if HasErrors(diags) {
		return nil, diags
	}

	resp, err := s.Provider.ReadDataSource(s.t.Context(), &tfprotov6.ReadDataSourceRequest{TypeName: typeName, Config: raw})
	s.Must(err)
	diags = append(diags, PlainDiagnostics(resp.Diagnostics)...)
	if HasErrors(diags) {
		return nil, diags
	}

	return s.decode(schema.ValueType(), resp.State), diags
}

// validated returns the diagnostics of a validation without the ignored ones.
func (s *Server) validated(in []*tfprotov6.Diagnostic) []Diagnostic {
	diags := PlainDiagnostics(in)
	for _, summary := range s.Ignored {
		diags = Without(diags, summary)
	}

	return diags
}

func (s *Server) schema(schemas map[string]*tfprotov6.Schema, typeName string) *tfprotov6.Schema {
	s.t.Helper()

	schema, ok := schemas[typeName]
	if !ok {
		s.t.Fatalf("the provider has no %s of this kind", typeName)
	}

	return schema
}

// Must ends the test on an error of the protocol.
func (s *Server) Must(err error) {
	s.t.Helper()

	if err != nil {
		s.t.Fatal(err)
	}
}
