// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package fakessm is a small Session Manager in memory. It is an http.Handler that AWS's own
// clients accept as Systems Manager and as STS.
//
// It does not return canned answers. Sessions have a state that StartSession,
// TerminateSession and ResumeSession change. They belong to a Region, move from the active
// list to the history, and are listed in small pages. Requests need a valid Signature
// Version 4.
//
// If enabled, sessions have a data channel, a WebSocket that opens with the session's token.
// A session from StartSession has an agent. The agent makes the handshake, echoes its input
// instead of running a shell, and forwards ports of this machine only. A session from
// AddSessions has no agent.
//
// Some behaviour of the service is undocumented or has changed over the years. It is
// configurable by an [Option], a [Behaviour] of one session, an injected [Fault] or a
// [ChannelFault].
//
// All sessions belong to one account. A role in another account sees the same sessions.
package fakessm
