// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package protocol

import (
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// Opened is an open ephemeral resource.
type Opened struct {
	typeName string
	Values   map[string]any
	private  []byte
}

// Open validates and opens an ephemeral resource. It returns nil if either failed.
func (s *Server) Open(typeName string, config map[string]any) (*Opened, []Diagnostic) {
	s.t.Helper()

	schema := s.schema(s.Schemas.EphemeralResourceSchemas, typeName)
	raw := s.Encode(schema, config)
	validation, err := s.Provider.ValidateEphemeralResourceConfig(s.t.Context(), &tfprotov6.ValidateEphemeralResourceConfigRequest{TypeName: typeName, Config: raw})
	s.Must(err)
	diags := s.validated(validation.Diagnostics)
	if HasErrors(diags) {
		return nil, diags
	}

	resp, err := s.Provider.OpenEphemeralResource(s.t.Context(), &tfprotov6.OpenEphemeralResourceRequest{TypeName: typeName, Config: raw})
	s.Must(err)
	diags = append(diags, PlainDiagnostics(resp.Diagnostics)...)
	if HasErrors(diags) {
		return nil, diags
	}

	return &Opened{typeName: typeName, Values: s.decode(schema.ValueType(), resp.Result), private: resp.Private}, diags
}

// OpenEphemeral is Open for tests that never close. It returns the values, nil if it
// failed.
func (s *Server) OpenEphemeral(typeName string, config map[string]any) (map[string]any, []Diagnostic) {
	s.t.Helper()

	opened, diags := s.Open(typeName, config)
	if opened == nil {
		return nil, diags
	}

	return opened.Values, diags
}

// CloseEphemeral closes an ephemeral resource.
func (s *Server) CloseEphemeral(opened *Opened) []Diagnostic {
	s.t.Helper()

	resp, err := s.Provider.CloseEphemeralResource(s.t.Context(), &tfprotov6.CloseEphemeralResourceRequest{TypeName: opened.typeName, Private: opened.private})
	s.Must(err)

	return PlainDiagnostics(resp.Diagnostics)
}
