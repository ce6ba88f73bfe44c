// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command terraform-provider-ssm serves the provider to Terraform and OpenTofu.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/sessionops/terraform-provider-ssm/internal/provider"
)

// version is set by the release build.
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "run with support for debuggers like delve")
	flag.Parse()

	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{
		Address: "registry.terraform.io/sessionops/ssm",
		Debug:   *debug,
	})
	if err != nil {
		log.Fatal(err)
	}
}
