// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build idle

package main

import (
	"os"
	"runtime/debug"
)

// This provider has the attributes of a termination and the setup of the real provider.
// It measures Terraform's own time for a provider of that shape.
func init() {
	name = "idle"
	values = map[string]string{
		"document_name": "SSM-SessionManagerRunShell",
		"end_date":      "",
		"if_not_found":  "fail",
		"outcome":       "terminated",
		"owner":         "arn:aws:sts::123456789012:assumed-role/Admin/mary",
		"reason":        "",
		"region":        "us-east-1",
		"session_id":    "mary-0a1b2c3d4e5f00000",
		"start_date":    "2026-11-20T08:30:15Z",
		"status":        "Terminating",
		"target":        "i-0a1b2c3d4e5f00000",
		"timeouts":      "",
		"verify":        "true",
	}

	os.Setenv("TF_LOG_SDK", "off") //nolint:errcheck // The name is a valid one.
	debug.SetGCPercent(400)
}
