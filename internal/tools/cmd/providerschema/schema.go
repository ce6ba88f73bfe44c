// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	tfjson "github.com/hashicorp/terraform-json"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/zclconf/go-cty/cty"
)

// readSchema requests the same schemas from server as Terraform, and converts the
// answers.
func readSchema(ctx context.Context, server tfprotov6.ProviderServer) (*tfjson.ProviderSchema, error) {
	resp, err := server.GetProviderSchema(ctx, &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, fmt.Errorf("reading the provider's schema: %w", err)
	}
	if err := diagnosticsError(resp.Diagnostics); err != nil {
		return nil, fmt.Errorf("reading the provider's schema: %w", err)
	}

	identities, err := server.GetResourceIdentitySchemas(ctx, &tfprotov6.GetResourceIdentitySchemasRequest{})
	if err != nil {
		return nil, fmt.Errorf("reading the resources' identities: %w", err)
	}
	if err := diagnosticsError(identities.Diagnostics); err != nil {
		return nil, fmt.Errorf("reading the resources' identities: %w", err)
	}

	schema, err := convertProvider(resp, identities)
	if err != nil {
		return nil, fmt.Errorf("converting the provider's schema: %w", err)
	}

	return schema, nil
}

// diagnosticsError returns the errors in diags, or nil. It ignores warnings.
func diagnosticsError(diags []*tfprotov6.Diagnostic) error {
	var errs []error
	for _, diag := range diags {
		if diag.Severity == tfprotov6.DiagnosticSeverityError {
			errs = append(errs, fmt.Errorf("%s: %s", diag.Summary, diag.Detail))
		}
	}

	return errors.Join(errs...)
}

func convertProvider(resp *tfprotov6.GetProviderSchemaResponse, identities *tfprotov6.GetResourceIdentitySchemasResponse) (*tfjson.ProviderSchema, error) {
	config, err := convertSchema(resp.Provider)
	if err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}

	schema := &tfjson.ProviderSchema{ConfigSchema: config}

	for _, kind := range []struct {
		name string
		from map[string]*tfprotov6.Schema
		to   *map[string]*tfjson.Schema
	}{
		{"resource", resp.ResourceSchemas, &schema.ResourceSchemas},
		{"data source", resp.DataSourceSchemas, &schema.DataSourceSchemas},
		{"ephemeral resource", resp.EphemeralResourceSchemas, &schema.EphemeralResourceSchemas},
		{"list resource", resp.ListResourceSchemas, &schema.ListResourceSchemas},
		{"state store", resp.StateStoreSchemas, &schema.StateStoreSchemas},
	} {
		*kind.to, err = convertMap(kind.name, kind.from, convertSchema)
		if err != nil {
			return nil, err
		}
	}

	schema.ActionSchemas, err = convertMap("action", resp.ActionSchemas, convertAction)
	if err != nil {
		return nil, err
	}
	schema.Functions, err = convertMap("function", resp.Functions, convertFunction)
	if err != nil {
		return nil, err
	}
	schema.ResourceIdentitySchemas, err = convertMap("identity of resource", identities.IdentitySchemas, convertIdentity)
	if err != nil {
		return nil, err
	}

	return schema, nil
}

// convertMap converts each value of from; errors name the kind and the key.
func convertMap[From, To any](kind string, from map[string]From, convert func(From) (To, error)) (map[string]To, error) {
	to := make(map[string]To, len(from))
	for name, value := range from {
		converted, err := convert(value)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, name, err)
		}
		to[name] = converted
	}

	return to, nil
}

func convertSchema(from *tfprotov6.Schema) (*tfjson.Schema, error) {
	if from == nil {
		return &tfjson.Schema{}, nil
	}
	block, err := convertBlock(from.Block)
	if err != nil {
		return nil, err
	}

	return &tfjson.Schema{Version: uint64(from.Version), Block: block}, nil
}

func convertAction(from *tfprotov6.ActionSchema) (*tfjson.ActionSchema, error) {
	schema, err := convertSchema(from.Schema)
	if err != nil {
		return nil, err
	}

	return &tfjson.ActionSchema{Block: schema.Block}, nil
}

func convertBlock(from *tfprotov6.SchemaBlock) (*tfjson.SchemaBlock, error) {
	if from == nil {
		return &tfjson.SchemaBlock{}, nil
	}

	attributes, err := convertAttributes(from.Attributes)
	if err != nil {
		return nil, err
	}

	to := &tfjson.SchemaBlock{
		Attributes:      attributes,
		NestedBlocks:    make(map[string]*tfjson.SchemaBlockType, len(from.BlockTypes)),
		Description:     from.Description,
		DescriptionKind: convertKind(from.DescriptionKind),
		Deprecated:      from.Deprecated,
	}
	for _, nested := range from.BlockTypes {
		mode, err := convertBlockNesting(nested.Nesting)
		if err != nil {
			return nil, fmt.Errorf("block %s: %w", nested.TypeName, err)
		}
		block, err := convertBlock(nested.Block)
		if err != nil {
			return nil, fmt.Errorf("block %s: %w", nested.TypeName, err)
		}
		to.NestedBlocks[nested.TypeName] = &tfjson.SchemaBlockType{
			NestingMode: mode,
			Block:       block,
			MinItems:    uint64(nested.MinItems),
			MaxItems:    uint64(nested.MaxItems),
		}
	}

	return to, nil
}

func convertAttributes(from []*tfprotov6.SchemaAttribute) (map[string]*tfjson.SchemaAttribute, error) {
	to := make(map[string]*tfjson.SchemaAttribute, len(from))
	for _, attribute := range from {
		converted, err := convertAttribute(attribute)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", attribute.Name, err)
		}
		to[attribute.Name] = converted
	}

	return to, nil
}

func convertAttribute(from *tfprotov6.SchemaAttribute) (*tfjson.SchemaAttribute, error) {
	to := &tfjson.SchemaAttribute{
		Description:     from.Description,
		DescriptionKind: convertKind(from.DescriptionKind),
		Deprecated:      from.Deprecated,
		Required:        from.Required,
		Optional:        from.Optional,
		Computed:        from.Computed,
		Sensitive:       from.Sensitive,
		WriteOnly:       from.WriteOnly,
	}

	if from.NestedType == nil {
		typ, err := convertType(from.Type)
		if err != nil {
			return nil, err
		}
		to.AttributeType = typ

		return to, nil
	}

	attributes, err := convertAttributes(from.NestedType.Attributes)
	if err != nil {
		return nil, err
	}
	mode, err := convertObjectNesting(from.NestedType.Nesting)
	if err != nil {
		return nil, err
	}
	to.AttributeNestedType = &tfjson.SchemaNestedAttributeType{
		Attributes:  attributes,
		NestingMode: mode,
	}

	return to, nil
}

func convertFunction(from *tfprotov6.Function) (*tfjson.FunctionSignature, error) {
	to := &tfjson.FunctionSignature{
		Description:        from.Description,
		Summary:            from.Summary,
		DeprecationMessage: from.DeprecationMessage,
	}

	var err error
	if from.Return != nil {
		if to.ReturnType, err = convertType(from.Return.Type); err != nil {
			return nil, err
		}
	}
	for _, parameter := range from.Parameters {
		converted, err := convertParameter(parameter)
		if err != nil {
			return nil, err
		}
		to.Parameters = append(to.Parameters, converted)
	}
	if from.VariadicParameter != nil {
		if to.VariadicParameter, err = convertParameter(from.VariadicParameter); err != nil {
			return nil, err
		}
	}

	return to, nil
}

func convertParameter(from *tfprotov6.FunctionParameter) (*tfjson.FunctionParameter, error) {
	typ, err := convertType(from.Type)
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", from.Name, err)
	}

	return &tfjson.FunctionParameter{
		Name:        from.Name,
		Description: from.Description,
		IsNullable:  from.AllowNullValue,
		Type:        typ,
	}, nil
}

func convertIdentity(from *tfprotov6.ResourceIdentitySchema) (*tfjson.IdentitySchema, error) {
	to := &tfjson.IdentitySchema{
		Version:    uint64(from.Version),
		Attributes: make(map[string]*tfjson.IdentityAttribute, len(from.IdentityAttributes)),
	}
	for _, attribute := range from.IdentityAttributes {
		typ, err := convertType(attribute.Type)
		if err != nil {
			return nil, fmt.Errorf("attribute %s: %w", attribute.Name, err)
		}
		to.Attributes[attribute.Name] = &tfjson.IdentityAttribute{
			IdentityType:      typ,
			Description:       attribute.Description,
			RequiredForImport: attribute.RequiredForImport,
			OptionalForImport: attribute.OptionalForImport,
		}
	}

	return to, nil
}

// convertType converts through JSON, which both type systems support.
func convertType(from tftypes.Type) (cty.Type, error) {
	content, err := json.Marshal(from)
	if err != nil {
		return cty.NilType, fmt.Errorf("encoding the type: %w", err)
	}
	var to cty.Type
	if err := json.Unmarshal(content, &to); err != nil {
		return cty.NilType, fmt.Errorf("decoding the type %s: %w", content, err)
	}

	return to, nil
}

func convertKind(from tfprotov6.StringKind) tfjson.SchemaDescriptionKind {
	if from == tfprotov6.StringKindMarkdown {
		return tfjson.SchemaDescriptionKindMarkdown
	}

	return tfjson.SchemaDescriptionKindPlain
}

func convertBlockNesting(from tfprotov6.SchemaNestedBlockNestingMode) (tfjson.SchemaNestingMode, error) {
	switch from {
	case tfprotov6.SchemaNestedBlockNestingModeSingle:
		return tfjson.SchemaNestingModeSingle, nil
	case tfprotov6.SchemaNestedBlockNestingModeGroup:
		return tfjson.SchemaNestingModeGroup, nil
	case tfprotov6.SchemaNestedBlockNestingModeList:
		return tfjson.SchemaNestingModeList, nil
	case tfprotov6.SchemaNestedBlockNestingModeSet:
		return tfjson.SchemaNestingModeSet, nil
	case tfprotov6.SchemaNestedBlockNestingModeMap:
		return tfjson.SchemaNestingModeMap, nil
	default:
		return "", fmt.Errorf("unknown nesting %s", from)
	}
}

func convertObjectNesting(from tfprotov6.SchemaObjectNestingMode) (tfjson.SchemaNestingMode, error) {
	switch from {
	case tfprotov6.SchemaObjectNestingModeSingle:
		return tfjson.SchemaNestingModeSingle, nil
	case tfprotov6.SchemaObjectNestingModeList:
		return tfjson.SchemaNestingModeList, nil
	case tfprotov6.SchemaObjectNestingModeSet:
		return tfjson.SchemaNestingModeSet, nil
	case tfprotov6.SchemaObjectNestingModeMap:
		return tfjson.SchemaNestingModeMap, nil
	default:
		return "", fmt.Errorf("unknown nesting %s", from)
	}
}
