// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import "github.com/aws/aws-sdk-go-v2/service/ssm/types"

// State is one of the two lists of DescribeSessions.
type State = types.SessionState

// The two lists: live sessions, and sessions that ended in the last 30 days.
const (
	StateActive  = types.SessionStateActive
	StateHistory = types.SessionStateHistory
)

// States returns the names of the two lists.
func States() []string { return values(StateActive.Values()) }

// Statuses returns the documented statuses of a session.
func Statuses() []string { return values(types.SessionStatus("").Values()) }

// AccessTypes returns the documented access types of a session.
func AccessTypes() []string { return values(types.AccessType("").Values()) }

// ConnectionStatuses returns the documented connection statuses of a target.
func ConnectionStatuses() []string { return values(types.ConnectionStatus("").Values()) }

// values returns the values of an SDK enumeration as strings.
func values[T ~string](enumeration []T) []string {
	out := make([]string, 0, len(enumeration))
	for _, value := range enumeration {
		out = append(out, string(value))
	}

	return out
}
