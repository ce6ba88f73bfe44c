// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command emptyprovider serves a provider that registers one empty resource: the
// least that a provider on the plugin framework can be. The benchmark holds the
// start of the real one against it.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
)

var (
	_ provider.Provider = (*emptyProvider)(nil)
	_ resource.Resource = (*emptyResource)(nil)
)

func main() {
	err := providerserver.Serve(context.Background(), func() provider.Provider { return &emptyProvider{} }, providerserver.ServeOpts{
		Address: "registry.terraform.io/sessionops/empty",
	})
	if err != nil {
		log.Fatal(err)
	}
}

type emptyProvider struct{}

func (p *emptyProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "empty"
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
	resp.Schema = schema.Schema{}
}

func (r *emptyResource) Create(context.Context, resource.CreateRequest, *resource.CreateResponse) {}

func (r *emptyResource) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (r *emptyResource) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}

func (r *emptyResource) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}
