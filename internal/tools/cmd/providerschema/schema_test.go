// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// schemaServer answers the two requests of readSchema. Any other call panics.
type schemaServer struct {
	tfprotov6.ProviderServer

	schema     *tfprotov6.GetProviderSchemaResponse
	identities *tfprotov6.GetResourceIdentitySchemasResponse
}

func (s schemaServer) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return s.schema, nil
}

func (s schemaServer) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	if s.identities == nil {
		return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
	}

	return s.identities, nil
}

// testSchema returns a schema with a single attribute, which differs for each kind
// of object.
func testSchema(attribute string) *tfprotov6.Schema {
	return &tfprotov6.Schema{
		Block: &tfprotov6.SchemaBlock{
			Attributes: []*tfprotov6.SchemaAttribute{{Name: attribute, Type: tftypes.String, Optional: true}},
		},
	}
}

// testSchemaJSON is what Terraform writes for testSchema.
func testSchemaJSON(attribute string) string {
	return `{"version": 0, "block": ` + testBlockJSON(attribute) + `}`
}

func testBlockJSON(attribute string) string {
	return `{"description_kind": "plain", "attributes": {"` + attribute + `": {"type": "string", "description_kind": "plain", "optional": true}}}`
}

func TestReadSchema(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		schema     *tfprotov6.GetProviderSchemaResponse
		identities *tfprotov6.GetResourceIdentitySchemasResponse
		want       string
	}{
		"every kind of object has a place of its own": {
			schema: &tfprotov6.GetProviderSchemaResponse{
				Provider:                 testSchema("of_provider"),
				ResourceSchemas:          map[string]*tfprotov6.Schema{"test_a": testSchema("of_resource")},
				DataSourceSchemas:        map[string]*tfprotov6.Schema{"test_a": testSchema("of_data_source")},
				EphemeralResourceSchemas: map[string]*tfprotov6.Schema{"test_a": testSchema("of_ephemeral")},
				ListResourceSchemas:      map[string]*tfprotov6.Schema{"test_a": testSchema("of_list")},
				StateStoreSchemas:        map[string]*tfprotov6.Schema{"test_a": testSchema("of_state_store")},
				ActionSchemas:            map[string]*tfprotov6.ActionSchema{"test_act": {Schema: testSchema("of_action")}},
			},
			want: `{
				"provider": ` + testSchemaJSON("of_provider") + `,
				"resource_schemas": {"test_a": ` + testSchemaJSON("of_resource") + `},
				"data_source_schemas": {"test_a": ` + testSchemaJSON("of_data_source") + `},
				"ephemeral_resource_schemas": {"test_a": ` + testSchemaJSON("of_ephemeral") + `},
				"list_resource_schemas": {"test_a": ` + testSchemaJSON("of_list") + `},
				"state_store_schemas": {"test_a": ` + testSchemaJSON("of_state_store") + `},
				"action_schemas": {"test_act": {"block": ` + testBlockJSON("of_action") + `}}
			}`,
		},
		"an attribute keeps every property": {
			schema: &tfprotov6.GetProviderSchemaResponse{
				Provider: &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{}},
				ResourceSchemas: map[string]*tfprotov6.Schema{"test_a": {
					Version: 3,
					Block: &tfprotov6.SchemaBlock{
						Description:     "The *resource*.",
						DescriptionKind: tfprotov6.StringKindMarkdown,
						Deprecated:      true,
						Attributes: []*tfprotov6.SchemaAttribute{
							{Name: "required", Type: tftypes.String, Required: true, Description: "One `word`.", DescriptionKind: tfprotov6.StringKindMarkdown},
							{Name: "optional", Type: tftypes.Number, Optional: true, Computed: true, Deprecated: true},
							{Name: "secret", Type: tftypes.Bool, Computed: true, Sensitive: true},
							{Name: "write_only", Type: tftypes.DynamicPseudoType, Optional: true, WriteOnly: true},
							{Name: "map", Type: tftypes.Map{ElementType: tftypes.String}, Computed: true},
							{Name: "set", Type: tftypes.Set{ElementType: tftypes.List{ElementType: tftypes.Number}}, Computed: true},
							{Name: "object", Type: tftypes.Object{AttributeTypes: map[string]tftypes.Type{"a": tftypes.Bool}}, Computed: true},
						},
					},
				}},
			},
			want: `{
				"provider": {"version": 0, "block": {"description_kind": "plain"}},
				"resource_schemas": {"test_a": {"version": 3, "block": {
					"description": "The *resource*.",
					"description_kind": "markdown",
					"deprecated": true,
					"attributes": {
						"required": {"type": "string", "required": true, "description": "One ` + "`word`" + `.", "description_kind": "markdown"},
						"optional": {"type": "number", "optional": true, "computed": true, "deprecated": true, "description_kind": "plain"},
						"secret": {"type": "bool", "computed": true, "sensitive": true, "description_kind": "plain"},
						"write_only": {"type": "dynamic", "optional": true, "write_only": true, "description_kind": "plain"},
						"map": {"type": ["map", "string"], "computed": true, "description_kind": "plain"},
						"set": {"type": ["set", ["list", "number"]], "computed": true, "description_kind": "plain"},
						"object": {"type": ["object", {"a": "bool"}], "computed": true, "description_kind": "plain"}
					}
				}}}
			}`,
		},
		"nested attributes and blocks keep their nesting and limits": {
			schema: &tfprotov6.GetProviderSchemaResponse{
				Provider: &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{
					Attributes: []*tfprotov6.SchemaAttribute{
						{Name: "single", Optional: true, NestedType: &tfprotov6.SchemaObject{
							Nesting: tfprotov6.SchemaObjectNestingModeSingle,
							Attributes: []*tfprotov6.SchemaAttribute{
								{Name: "map", Optional: true, NestedType: &tfprotov6.SchemaObject{
									Nesting:    tfprotov6.SchemaObjectNestingModeMap,
									Attributes: []*tfprotov6.SchemaAttribute{{Name: "deep", Type: tftypes.String, Computed: true, Sensitive: true}},
								}},
							},
						}},
						{Name: "list", Optional: true, NestedType: &tfprotov6.SchemaObject{Nesting: tfprotov6.SchemaObjectNestingModeList}},
						{Name: "set", Optional: true, NestedType: &tfprotov6.SchemaObject{Nesting: tfprotov6.SchemaObjectNestingModeSet}},
					},
					BlockTypes: []*tfprotov6.SchemaNestedBlock{
						{TypeName: "list_block", Nesting: tfprotov6.SchemaNestedBlockNestingModeList, MinItems: 1, MaxItems: 4, Block: &tfprotov6.SchemaBlock{
							Description:     "A block.",
							DescriptionKind: tfprotov6.StringKindMarkdown,
							BlockTypes: []*tfprotov6.SchemaNestedBlock{
								{TypeName: "set_block", Nesting: tfprotov6.SchemaNestedBlockNestingModeSet, Block: testSchema("deep").Block},
							},
						}},
						{TypeName: "single_block", Nesting: tfprotov6.SchemaNestedBlockNestingModeSingle, Block: &tfprotov6.SchemaBlock{}},
						{TypeName: "group_block", Nesting: tfprotov6.SchemaNestedBlockNestingModeGroup, Block: &tfprotov6.SchemaBlock{}},
						{TypeName: "map_block", Nesting: tfprotov6.SchemaNestedBlockNestingModeMap, Block: &tfprotov6.SchemaBlock{}},
					},
				}},
			},
			want: `{"provider": {"version": 0, "block": {
				"description_kind": "plain",
				"attributes": {
					"single": {"optional": true, "description_kind": "plain", "nested_type": {"nesting_mode": "single", "attributes": {
						"map": {"optional": true, "description_kind": "plain", "nested_type": {"nesting_mode": "map", "attributes": {
							"deep": {"type": "string", "computed": true, "sensitive": true, "description_kind": "plain"}
						}}}
					}}},
					"list": {"optional": true, "description_kind": "plain", "nested_type": {"nesting_mode": "list"}},
					"set": {"optional": true, "description_kind": "plain", "nested_type": {"nesting_mode": "set"}}
				},
				"block_types": {
					"list_block": {"nesting_mode": "list", "min_items": 1, "max_items": 4, "block": {
						"description": "A block.",
						"description_kind": "markdown",
						"block_types": {"set_block": {"nesting_mode": "set", "block": ` + testBlockJSON("deep") + `}}
					}},
					"single_block": {"nesting_mode": "single", "block": {"description_kind": "plain"}},
					"group_block": {"nesting_mode": "group", "block": {"description_kind": "plain"}},
					"map_block": {"nesting_mode": "map", "block": {"description_kind": "plain"}}
				}
			}}}`,
		},
		"an identity tells what import needs": {
			schema: &tfprotov6.GetProviderSchemaResponse{Provider: &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{}}},
			identities: &tfprotov6.GetResourceIdentitySchemasResponse{
				IdentitySchemas: map[string]*tfprotov6.ResourceIdentitySchema{"test_a": {
					Version: 2,
					IdentityAttributes: []*tfprotov6.ResourceIdentitySchemaAttribute{
						{Name: "id", Type: tftypes.String, RequiredForImport: true, Description: "Who it is."},
						{Name: "region", Type: tftypes.String, OptionalForImport: true},
					},
				}},
			},
			want: `{
				"provider": {"version": 0, "block": {"description_kind": "plain"}},
				"resource_identity_schemas": {"test_a": {"version": 2, "attributes": {
					"id": {"type": "string", "required_for_import": true, "description": "Who it is."},
					"region": {"type": "string", "optional_for_import": true}
				}}}
			}`,
		},
		"a function keeps its signature": {
			schema: &tfprotov6.GetProviderSchemaResponse{
				Provider: &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{}},
				Functions: map[string]*tfprotov6.Function{"join": {
					Summary:            "Joins.",
					Description:        "Joins words.",
					DeprecationMessage: "Use another.",
					Parameters:         []*tfprotov6.FunctionParameter{{Name: "separator", Type: tftypes.String, Description: "Between words.", AllowNullValue: true}},
					VariadicParameter:  &tfprotov6.FunctionParameter{Name: "words", Type: tftypes.String},
					Return:             &tfprotov6.FunctionReturn{Type: tftypes.List{ElementType: tftypes.String}},
				}},
			},
			want: `{
				"provider": {"version": 0, "block": {"description_kind": "plain"}},
				"functions": {"join": {
					"summary": "Joins.",
					"description": "Joins words.",
					"deprecation_message": "Use another.",
					"parameters": [{"name": "separator", "type": "string", "description": "Between words.", "is_nullable": true}],
					"variadic_parameter": {"name": "words", "type": "string"},
					"return_type": ["list", "string"]
				}}
			}`,
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, err := readSchema(t.Context(), schemaServer{schema: test.schema, identities: test.identities})
			if err != nil {
				t.Fatal(err)
			}
			content, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(testDecode(t, []byte(test.want)), testDecode(t, content)); diff != "" {
				t.Errorf("unexpected schema (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadSchema_refusesWhatItCannotConvert(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		schema *tfprotov6.GetProviderSchemaResponse
		want   string
	}{
		"the provider reports an error": {
			schema: &tfprotov6.GetProviderSchemaResponse{
				Diagnostics: []*tfprotov6.Diagnostic{
					{Severity: tfprotov6.DiagnosticSeverityWarning, Summary: "Only a Warning"},
					{Severity: tfprotov6.DiagnosticSeverityError, Summary: "Broken Schema", Detail: "It is broken."},
				},
			},
			want: "Broken Schema: It is broken.",
		},
		"a block of unknown nesting": {
			schema: &tfprotov6.GetProviderSchemaResponse{
				ResourceSchemas: map[string]*tfprotov6.Schema{"test_a": {Block: &tfprotov6.SchemaBlock{
					BlockTypes: []*tfprotov6.SchemaNestedBlock{{TypeName: "odd", Block: &tfprotov6.SchemaBlock{}}},
				}}},
			},
			want: "resource test_a: block odd: unknown nesting INVALID",
		},
		"an attribute of unknown nesting": {
			schema: &tfprotov6.GetProviderSchemaResponse{
				ActionSchemas: map[string]*tfprotov6.ActionSchema{"test_act": {Schema: &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{
					Attributes: []*tfprotov6.SchemaAttribute{{Name: "odd", NestedType: &tfprotov6.SchemaObject{}}},
				}}}},
			},
			want: "action test_act: attribute odd: unknown nesting INVALID",
		},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := readSchema(t.Context(), schemaServer{schema: test.schema})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
		})
	}
}

func testDecode(t *testing.T, content []byte) any {
	t.Helper()

	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		t.Fatalf("decoding %s: %s", content, err)
	}

	return value
}
