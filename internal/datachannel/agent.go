// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// clientVersion is the version of AWS's plugin whose side of the protocol this
// package speaks: the first one that signs its request. Agents decide by it
// whether they multiplex connections (from 1.1.70 on), and above 1.2.331.0 they
// expect no keep-alive messages.
const clientVersion = "1.2.764.0"

// Agent is what is known of the agent on the node.
type Agent struct {
	// Version of the agent, such as 3.3.987.0.
	Version string

	// SessionType is Port for port forwarding.
	SessionType string

	// Properties of the session's document, with the parameters filled in.
	Properties map[string]string

	// CustomerMessage is a message for the user from the preferences of Session
	// Manager, mostly empty.
	CustomerMessage string

	// Multiplexed says that the data is a stream of smux, version 1. Otherwise it
	// is that of one connection.
	Multiplexed bool

	// NeedsKeepAlive says that the agent ends the session after 30 s without a
	// keep-alive message of smux.
	NeedsKeepAlive bool

	// KnowsHost says that the agent connects to the host that a document names, and
	// not to its own node.
	KnowsHost bool

	// KnowsTerminate says that the agent knows FlagTerminateSession.
	KnowsTerminate bool

	// DropsEarlyData says that the agent acknowledges and drops data that arrives
	// before its port plugin has started. Newer agents do not acknowledge it.
	DropsEarlyData bool

	// AcknowledgesDuplicates says that the agent acknowledges a message again
	// that it has already processed.
	AcknowledgesDuplicates bool
}

// version holds the four numbers of a version.
type version [4]int

// What agents know, by version. Source: the agent's release notes and commits.
var (
	lastWithoutTerminate  = version{2, 3, 722, 0}
	lastWithoutMultiplex  = version{3, 0, 196, 0}
	lastDroppingEarly     = version{3, 0, 603, 0}
	firstWithHost         = version{3, 1, 1188, 0}
	lastWithKeepAlive     = version{3, 1, 1511, 0}
	firstWithDuplicateAck = version{3, 2, 1041, 0}
)

func newAgent(text, sessionType string, properties map[string]string) (Agent, error) {
	v, err := parseVersion(text)
	if err != nil {
		return Agent{}, err
	}

	return Agent{
		Version:                text,
		SessionType:            sessionType,
		Properties:             properties,
		Multiplexed:            v.after(lastWithoutMultiplex) && properties["type"] == "LocalPortForwarding",
		NeedsKeepAlive:         !v.after(lastWithKeepAlive),
		KnowsHost:              !firstWithHost.after(v),
		KnowsTerminate:         v.after(lastWithoutTerminate),
		DropsEarlyData:         !v.after(lastDroppingEarly),
		AcknowledgesDuplicates: !firstWithDuplicateAck.after(v),
	}, nil
}

func (a Agent) clone() Agent {
	a.Properties = maps.Clone(a.Properties)

	return a
}

// parseVersion reads a version of up to four numbers. Parts that are not given
// are 0.
func parseVersion(text string) (version, error) {
	var v version
	parts := strings.Split(text, ".")
	if len(parts) > len(v) {
		return version{}, fmt.Errorf("%w: %q is no version of an agent", ErrProtocol, clean(text))
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return version{}, fmt.Errorf("%w: %q is no version of an agent", ErrProtocol, clean(text))
		}
		v[i] = int(n)
	}

	return v, nil
}

func (v version) after(other version) bool {
	for i := range v {
		if v[i] != other[i] {
			return v[i] > other[i]
		}
	}

	return false
}
