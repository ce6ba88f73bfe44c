// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package fakessm is a small Session Manager that lives in memory: an
// http.Handler that AWS's own clients accept as Systems Manager and as STS.
//
// It is not a set of canned answers. Sessions have a state that StartSession,
// TerminateSession and ResumeSession change, belong to a Region, move from the
// active list to the history and are listed in small pages. Requests must
// carry a valid Signature Version 4. On request sessions have a data channel, a
// WebSocket that opens with the session's token. Behind a session that was
// started there is an agent: it shakes hands, echoes what it gets in place of
// a shell, and connects ports of this machine, and no other, to the client.
// Sessions that were added have nobody on their node. What the service does where AWS's
// documentation is silent, or where its behaviour changed over the years, is
// an [Option], a [Behaviour] of one session, an injected [Fault] or a [ChannelFault].
//
// All sessions belong to one account: credentials of a role in another account
// see the same ones.
package fakessm
