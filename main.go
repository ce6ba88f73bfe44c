// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command terraform-provider-ssm serves the provider to Terraform and OpenTofu.
package main

import (
	"flag"
	"log"
	"os"
	"sync"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/sessionops/terraform-provider-ssm/internal/lifecycle"
	_ "github.com/sessionops/terraform-provider-ssm/internal/p521" // Saves time at the start.
	"github.com/sessionops/terraform-provider-ssm/internal/provider"
)

// version is set by the release build.
var version = "dev"

func main() {
	debugger := flag.Bool("debug", false, "run with support for debuggers like delve")
	flag.Parse()

	if !*debugger && !logsAreRead(os.Environ()) {
		silenceLogs()
	}
	relaxCollection()

	// providerserver.Serve does the same, but also links the server for protocol 5.
	var options []tf6server.ServeOpt
	if *debugger {
		options = append(options, tf6server.WithManagedDebug())
	}
	prepare := func() {}
	if !*debugger {
		prepare = sync.OnceFunc(dropStandardError)
	}
	own := provider.NewRegistry()
	server := provider.NewServer(provider.New(version, prepare, own)())
	process := lifecycle.Process{EndAll: own.EndAll, Standalone: *debugger}
	if err := process.Run(func() error {
		return tf6server.Serve("registry.terraform.io/sessionops/ssm", server, options...)
	}); err != nil {
		log.Fatal(err)
	}
}
