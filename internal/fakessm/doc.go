// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package fakessm is a small Session Manager that lives in memory: an
// http.Handler that AWS's own clients accept as Systems Manager and as STS.
//
// It is not a set of canned answers. Sessions have a state that
// TerminateSession and ResumeSession change, belong to a Region, move from the
// active list to the history and are listed in small pages. Requests must
// carry a valid Signature Version 4. On request a resumed session has a data
// channel, a WebSocket on which it greets its client and tells of its end;
// nothing is on the node behind it. What the service does where AWS's
// documentation is silent, or where its behaviour changed over the years, is
// an [Option], a [Behaviour] of one session or an injected [Fault].
//
// All sessions belong to one account: credentials of a role in another account
// see the same ones.
package fakessm
