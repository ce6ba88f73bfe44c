// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package datachannel is the client's end of a Session Manager data channel: a
// WebSocket over which a client and the agent on a node exchange bytes.
//
// It knows neither Terraform nor the API of SSM. Whoever opens a channel brings
// what StartSession returned, and a function that resumes the session when the
// WebSocket breaks. No byte is lost or repeated then: each message stays on
// record until the agent acknowledges it.
package datachannel
