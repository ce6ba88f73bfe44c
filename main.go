// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command terraform-provider-ssm serves the provider to Terraform and OpenTofu.
package main

import (
	"flag"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/sessionops/terraform-provider-ssm/internal/lifecycle"
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

	// providerserver.Serve would do the same, and link what serves the older protocol.
	var options []tf6server.ServeOpt
	if *debugger {
		options = append(options, tf6server.WithManagedDebug())
	}
	prepare := sync.OnceFunc(func() {
		leaveProcessors()
		if !*debugger {
			dropStandardError()
		}
	})
	own := provider.NewRegistry()
	server := providerserver.NewProtocol6(provider.New(version, prepare, own)())
	process := lifecycle.Process{EndAll: own.EndAll, Alone: *debugger}
	if err := process.Run(func() error {
		return tf6server.Serve("registry.terraform.io/sessionops/ssm", server, options...)
	}); err != nil {
		log.Fatal(err)
	}
}

// leaveProcessors leaves half of the processors to Terraform. The provider waits
// for the network most of the time, and Terraform for the processor: it writes its
// state after each resource, and an apply waits for that. Not at the start, though,
// which has work for all of them.
func leaveProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}

// dropStandardError gives processes that the provider starts nowhere to write.
// Terraform logs what comes from the standard error of a provider, and a
// credential_process may print secrets there.
func dropStandardError() {
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = null
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
