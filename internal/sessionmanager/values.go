// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import "github.com/aws/aws-sdk-go-v2/service/ssm/types"

// State is one of the two lists of DescribeSessions.
type State = types.SessionState

// The two lists: live sessions, and 30 days of ended ones.
const (
	StateActive  = types.SessionStateActive
	StateHistory = types.SessionStateHistory
)

// States returns the lists that sessions are in.
func States() []string { return values(StateActive.Values()) }

// Statuses returns the statuses of a session that the API documents.
func Statuses() []string { return values(types.SessionStatus("").Values()) }

// AccessTypes returns the kinds of access to a node that the API documents.
func AccessTypes() []string { return values(types.AccessType("").Values()) }

// ConnectionStatuses returns the statuses of a target that the API documents.
func ConnectionStatuses() []string { return values(types.ConnectionStatus("").Values()) }

// values returns the values of an enumeration of the SDK as strings.
func values[T ~string](enumeration []T) []string {
	out := make([]string, 0, len(enumeration))
	for _, value := range enumeration {
		out = append(out, string(value))
	}

	return out
}
