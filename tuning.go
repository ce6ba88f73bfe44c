// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// What the provider takes of the machine that it shares with Terraform. Each setting
// stays for the figure beside it, which `make bench` shows.

// gcPercent lets a small heap grow to a few times what lives in it before it is
// collected. 1000 terminations take a second of processor time less. A limit of memory
// instead, of 32 MiB, made them take 18.6 s in the place of 12.8 s.
const gcPercent = 400

// relaxCollection sets how often memory is collected, unless the environment does.
// A port forward sets it anew, since data on its way is garbage soon.
func relaxCollection() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// leaveProcessors leaves half of the processors to Terraform. The provider waits for
// the network most of the time, and Terraform for the processor: it writes its state
// after each resource, and an apply waits for that. A start has work for all of them,
// so this comes after it.
func leaveProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}

// logsAreRead reports whether somebody has asked Terraform for logs.
func logsAreRead(environ []string) bool {
	return slices.ContainsFunc(environ, func(variable string) bool {
		name, value, _ := strings.Cut(variable, "=")

		return strings.HasPrefix(name, "TF_LOG") && value != ""
	})
}

// silenceLogs keeps the libraries from writing what Terraform throws away. Unless they
// are told otherwise they write all they have, which takes a fifth of the time of an
// apply of 1000 resources.
func silenceLogs() {
	for _, name := range []string{"TF_LOG_SDK", "TF_LOG_PROVIDER_SSM"} {
		os.Setenv(name, "off") //nolint:errcheck // The name is a valid one.
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
