// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package protocol

import (
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Plan is the planned change of a resource. Apply makes it.
type Plan struct {
	Values  map[string]any // The planned state, nil to destroy.
	Replace []string       // Attributes that force a replacement.

	// What Apply sends.
	Config  *tfprotov6.DynamicValue
	Planned *tfprotov6.DynamicValue
	Private []byte

	typeName string
	prior    *State
	identity *tfprotov6.ResourceIdentityData
}

// State is a resource as Terraform stores it.
type State struct {
	TypeName string
	Values   map[string]any // Nil if the resource does not exist.
	Identity map[string]any

	raw         *tfprotov6.DynamicValue
	private     []byte
	rawIdentity *tfprotov6.ResourceIdentityData
}

// PlanCreate validates and plans a new resource. The plan is nil if either failed.
func (s *Server) PlanCreate(typeName string, config map[string]any) (*Plan, []Diagnostic) {
	s.t.Helper()

	return s.Plan(&State{TypeName: typeName}, config)
}

// Plan validates and plans a change from the prior state to config, or the destruction
// if config is nil. The plan is nil if either failed.
func (s *Server) Plan(prior *State, config map[string]any) (*Plan, []Diagnostic) {
	s.t.Helper()

	var diags []Diagnostic
	schema := s.schema(s.Schemas.ResourceSchemas, prior.TypeName)
	raw := s.Encode(schema, config)
	if config != nil {
		validation, err := s.Provider.ValidateResourceConfig(s.t.Context(), &tfprotov6.ValidateResourceConfigRequest{TypeName: prior.TypeName, Config: raw})
		s.Must(err)
		diags = PlainDiagnostics(validation.Diagnostics)
		if HasErrors(diags) {
			return nil, diags
		}
	}

	resp, err := s.Provider.PlanResourceChange(s.t.Context(), &tfprotov6.PlanResourceChangeRequest{
		TypeName:         prior.TypeName,
		PriorState:       s.Encode(schema, prior.Values),
		ProposedNewState: s.Encode(schema, Proposed(schema.Block, prior.Values, config)),
		Config:           raw,
		PriorPrivate:     prior.private,
		PriorIdentity:    prior.rawIdentity,
	})
	s.Must(err)
	diags = append(diags, PlainDiagnostics(resp.Diagnostics)...)
	if HasErrors(diags) {
		return nil, diags
	}

	p := &Plan{
		typeName: prior.TypeName,
		Values:   s.decode(schema.ValueType(), resp.PlannedState),
		prior:    prior,
		Config:   raw,
		Planned:  resp.PlannedState,
		Private:  resp.PlannedPrivate,
		identity: resp.PlannedIdentity,
	}
	for _, attribute := range resp.RequiresReplace {
		p.Replace = append(p.Replace, attributeName(attribute))
	}

	return p, diags
}

// Apply makes a planned change. After an error the state holds what Terraform would
// store as tainted.
func (s *Server) Apply(p *Plan) (*State, []Diagnostic) {
	s.t.Helper()

	resp, err := s.Provider.ApplyResourceChange(s.t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName:        p.typeName,
		PriorState:      s.Encode(s.schema(s.Schemas.ResourceSchemas, p.typeName), p.prior.Values),
		PlannedState:    p.Planned,
		Config:          p.Config,
		PlannedPrivate:  p.Private,
		PlannedIdentity: p.identity,
	})
	s.Must(err)

	return s.state(p.typeName, resp.NewState, resp.Private, resp.NewIdentity), PlainDiagnostics(resp.Diagnostics)
}

// Create plans and applies a new resource. The state is nil if the plan failed.
func (s *Server) Create(typeName string, config map[string]any) (*State, []Diagnostic) {
	s.t.Helper()

	p, diags := s.PlanCreate(typeName, config)
	if p == nil {
		return nil, diags
	}
	state, more := s.Apply(p)

	return state, append(diags, more...)
}

// Destroy plans and applies the destruction of a resource.
func (s *Server) Destroy(prior *State) (*State, []Diagnostic) {
	s.t.Helper()

	p, diags := s.Plan(prior, nil)
	if p == nil {
		return prior, diags
	}
	state, more := s.Apply(p)

	return state, append(diags, more...)
}

// Read refreshes a resource.
func (s *Server) Read(prior *State) (*State, []Diagnostic) {
	s.t.Helper()

	resp, err := s.Provider.ReadResource(s.t.Context(), &tfprotov6.ReadResourceRequest{
		TypeName:        prior.TypeName,
		CurrentState:    prior.raw,
		Private:         prior.private,
		CurrentIdentity: prior.rawIdentity,
	})
	s.Must(err)

	return s.state(prior.TypeName, resp.NewState, resp.Private, resp.NewIdentity), PlainDiagnostics(resp.Diagnostics)
}

// Import imports a resource by its ID, or by its identity if that is not nil. The state
// is nil if the import failed.
func (s *Server) Import(typeName, id string, identity map[string]any) (*State, []Diagnostic) {
	s.t.Helper()

	req := &tfprotov6.ImportResourceStateRequest{TypeName: typeName, ID: id}
	if identity != nil {
		typ := s.identityType(typeName)
		data, err := tfprotov6.NewDynamicValue(typ, s.value(typ, identity))
		s.Must(err)
		req.Identity = &tfprotov6.ResourceIdentityData{IdentityData: &data}
	}
	resp, err := s.Provider.ImportResourceState(s.t.Context(), req)
	s.Must(err)
	diags := PlainDiagnostics(resp.Diagnostics)
	if HasErrors(diags) || len(resp.ImportedResources) == 0 {
		return nil, diags
	}
	imported := resp.ImportedResources[0]

	return s.state(typeName, imported.State, imported.Private, imported.Identity), diags
}

func (s *Server) state(typeName string, raw *tfprotov6.DynamicValue, private []byte, identity *tfprotov6.ResourceIdentityData) *State {
	s.t.Helper()

	state := &State{
		TypeName:    typeName,
		Values:      s.decode(s.schema(s.Schemas.ResourceSchemas, typeName).ValueType(), raw),
		raw:         raw,
		private:     private,
		rawIdentity: identity,
	}
	if identity != nil {
		state.Identity = s.decode(s.identityType(typeName), identity.IdentityData)
	}

	return state
}

func (s *Server) identityType(typeName string) tftypes.Type {
	s.t.Helper()

	resp, err := s.Provider.GetResourceIdentitySchemas(s.t.Context(), &tfprotov6.GetResourceIdentitySchemasRequest{})
	s.Must(err)
	schema, ok := resp.IdentitySchemas[typeName]
	if !ok {
		s.t.Fatalf("%s has no identity", typeName)
	}

	return schema.ValueType()
}
