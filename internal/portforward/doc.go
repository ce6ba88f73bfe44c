// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package portforward makes a port on loopback that leads through the data channel of a session to a port
// behind a node. It carries many connections over one session, replaces a session that is over, and knows
// neither Terraform nor the SSM API: its caller opens and ends sessions.
package portforward
