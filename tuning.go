// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

// Settings for a process that shares its machine with Terraform. The figure beside each
// setting is its reason; `make bench` measures it.

// gcPercent lets a small heap grow to a few times its live size before each collection.
// This saves a second of processor time for 1000 terminations: 17 s instead of 18 s. A
// memory limit of 32 MiB was slower: the apply took 18.6 s instead of 12.8 s.
const gcPercent = 400

// relaxCollection sets gcPercent. GOGC takes precedence. A port forward lowers the
// setting again, because its buffers become garbage soon.
func relaxCollection() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// logsAreRead reports whether a TF_LOG variable is set.
func logsAreRead(environ []string) bool {
	return slices.ContainsFunc(environ, func(variable string) bool {
		name, value, _ := strings.Cut(variable, "=")

		return strings.HasPrefix(name, "TF_LOG") && value != ""
	})
}

// silenceLogs turns off the logs of libraries. By default they log everything, and
// Terraform discards it: an apply of 1000 terminations takes 15.7 s instead of 12.6 s. The
// framework has its own level. Unless that level is off, the framework looks for its logger
// at each element of a map, and each search takes longer than the one before. The plan of
// a drain that has ended 10 000 sessions takes 7.5 s of processor time with these searches,
// and 2.9 s without them.
func silenceLogs() {
	for _, name := range []string{"TF_LOG_SDK", "TF_LOG_SDK_FRAMEWORK", "TF_LOG_PROVIDER_SSM"} {
		os.Setenv(name, "off") //nolint:errcheck // The name is a valid one.
	}
}

// dropStandardError discards the standard error of child processes. Terraform logs a
// provider's standard error, and a credential_process may print secrets there.
func dropStandardError() {
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = null
	}
}
