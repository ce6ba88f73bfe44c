// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package portforward forwards a local port through the data channel of a session to a port behind a node.
// It carries many connections over one session, and replaces a session that has ended. It does not know
// Terraform or the SSM API: its caller opens and ends sessions.
package portforward
