// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command idleprovider serves a provider with one resource, which has the attributes
// of an ssm_session_termination and does nothing. What Terraform takes for it, it
// takes for any provider of that shape.
package main

import (
	"context"
	"log"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

var (
	_ provider.Provider = (*idleProvider)(nil)
	_ resource.Resource = (*idleResource)(nil)
)

func main() {
	// As the real one does.
	os.Setenv("TF_LOG_SDK", "off") //nolint:errcheck // The name is a valid one.
	debug.SetGCPercent(400)
	runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))

	err := providerserver.Serve(context.Background(), func() provider.Provider { return &idleProvider{} }, providerserver.ServeOpts{
		Address: "registry.terraform.io/sessionops/idle",
	})
	if err != nil {
		log.Fatal(err)
	}
}

type idleProvider struct{}

func (p *idleProvider) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "idle"
}

func (p *idleProvider) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}

func (p *idleProvider) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {
}

func (p *idleProvider) DataSources(context.Context) []func() datasource.DataSource {
	return nil
}

func (p *idleProvider) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		func() resource.Resource { return &idleResource{} },
	}
}

// values are those of a termination, by the names of its attributes.
var values = map[string]string{
	"document_name": "SSM-SessionManagerRunShell",
	"end_date":      "",
	"if_not_found":  "fail",
	"outcome":       "terminated",
	"owner":         "arn:aws:sts::123456789012:assumed-role/Admin/mary",
	"reason":        "",
	"region":        "us-east-1",
	"start_date":    "2026-11-20T08:30:15Z",
	"status":        "Terminating",
	"target":        "i-0a1b2c3d4e5f00000",
	"timeouts":      "",
	"verify":        "true",
}

type idleResource struct{}

func (r *idleResource) Metadata(_ context.Context, req resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = req.ProviderTypeName + "_resource"
}

func (r *idleResource) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	attributes := map[string]schema.Attribute{"session_id": schema.StringAttribute{Required: true}}
	for name := range values {
		attributes[name] = schema.StringAttribute{Computed: true}
	}
	resp.Schema = schema.Schema{Attributes: attributes}
}

func (r *idleResource) Create(_ context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	attributes := make(map[string]tftypes.Value)
	if err := req.Plan.Raw.As(&attributes); err != nil {
		resp.Diagnostics.AddError("Unable to Read Plan", err.Error())
		return
	}
	for name, value := range values {
		attributes[name] = tftypes.NewValue(tftypes.String, value)
	}
	resp.State.Raw = tftypes.NewValue(req.Plan.Raw.Type(), attributes)
}

func (r *idleResource) Read(context.Context, resource.ReadRequest, *resource.ReadResponse) {}

func (r *idleResource) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}

func (r *idleResource) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}
