// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command terraform-provider-ssm serves the provider to Terraform and OpenTofu.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/sessionops/terraform-provider-ssm/internal/provider"
)

// version is set by the release build.
var version = "dev"

// gcPercent lets the heap grow to a few times what lives in it, some megabytes,
// before it is collected: less than that costs Terraform time on a small machine.
const gcPercent = 400

func main() {
	debugger := flag.Bool("debug", false, "run with support for debuggers like delve")
	flag.Parse()

	if !*debugger && !logsAreRead(os.Environ()) {
		silenceLogs()
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}

	err := providerserver.Serve(context.Background(), provider.New(version), providerserver.ServeOpts{
		Address: "registry.terraform.io/sessionops/ssm",
		Debug:   *debugger,
	})
	if err != nil {
		log.Fatal(err)
	}
}

// logsAreRead reports whether somebody has asked Terraform for logs.
func logsAreRead(environ []string) bool {
	return slices.ContainsFunc(environ, func(variable string) bool {
		name, value, _ := strings.Cut(variable, "=")

		return strings.HasPrefix(name, "TF_LOG") && value != ""
	})
}

// silenceLogs keeps the libraries from writing what Terraform throws away. They
// write all they have unless they are told otherwise, a fifth of the time that an
// apply of a thousand resources takes.
func silenceLogs() {
	for _, name := range []string{"TF_LOG_SDK", "TF_LOG_PROVIDER_SSM"} {
		os.Setenv(name, "off") //nolint:errcheck // The name is a valid one.
	}
}
