// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command emptyprovider serves a provider with one empty resource: the smallest provider
// on the plugin framework. The benchmark compares the start of the real provider with
// it.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

var (
	_ provider.Provider = (*emptyProvider)(nil)
	_ resource.Resource = (*emptyResource)(nil)
)

func main() {
	err := providerserver.Serve(context.Background(), func() provider.Provider { return &emptyProvider{} }, providerserver.ServeOpts{
		Address: "registry.terraform.io/sessionops/" + name,
	})
	if err != nil {
		log.Fatal(err)
	}
}

// Build tags can change the name of the provider, and the attributes of its resource with
// their values.
var (
	name   = "empty"
	values map[string]string
)

type emptyProvider struct{}

func (p *emptyProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = name
}

func (p *emptyProvider) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}

func (p *emptyProvider) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {
}

func (p *emptyProvider) DataSources(context.Context) []func() datasource.DataSource {
	return nil
}

func (p *emptyProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		func() resource.Resource { return &emptyResource{} },
	}
}

type emptyResource struct{}

func (r *emptyResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_resource"
}

func (r *emptyResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = schema.Schema{Attributes: make(map[string]schema.Attribute)}
	for name := range values {
		resp.Schema.Attributes[name] = schema.StringAttribute{Computed: true}
	}
}

func (r *emptyResource) Create(_ context.Context, _ resource.CreateRequest, resp *resource.CreateResponse) {
	attributes := make(map[string]tftypes.Value)
	for name, value := range values {
		attributes[name] = tftypes.NewValue(tftypes.String, value)
	}
	resp.State.Raw = tftypes.NewValue(resp.State.Raw.Type(), attributes)
}

func (r *emptyResource) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (r *emptyResource) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}

func (r *emptyResource) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}
