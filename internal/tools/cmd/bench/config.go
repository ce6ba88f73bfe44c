// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"strings"
)

const requirements = `terraform {
  required_providers {
    ssm = {
      source = "sessionops/ssm"
    }
  }
}

`

// terminationsConfig ends the first sessions, one per resource. It uses count, because
// Terraform evaluates for_each again for every instance, which would distort the result.
func terminationsConfig(count int, verify bool) string {
	return requirements + fmt.Sprintf(`resource "ssm_session_termination" "test" {
  count      = %d
  session_id = format("mary-0a1b2c3d4e5f%%05d", count.index)
  verify     = %t
}
`, count, verify)
}

// terminationConfig ends one session.
func terminationConfig(id string) string {
	return requirements + fmt.Sprintf(`resource "ssm_session_termination" "test" {
  session_id = %q
}
`, id)
}

// drainConfig ends all sessions, with one resource.
func drainConfig(count int) string {
	return requirements + fmt.Sprintf(`resource "ssm_session_drain" "test" {
  document_names = [%q]
  max_sessions   = %d
}
`, document, count)
}

// sessionConfig shows one session.
func sessionConfig(id string) string {
	return requirements + fmt.Sprintf(`data "ssm_session" "test" {
  session_id = %q
}
`, id)
}

// idleConfig uses a provider with the same attributes that does nothing.
func idleConfig(count int) string {
	return strings.ReplaceAll(requirements, "ssm", "idle") + fmt.Sprintf(`resource "idle_resource" "test" {
  count = %d
}
`, count)
}

// dataConfig uses the same number of Terraform's own resources, with padded state.
func dataConfig(count, padding int) string {
	return fmt.Sprintf(`resource "terraform_data" "test" {
  count = %d
  input = %q
}
`, count, strings.Repeat("x", padding))
}
