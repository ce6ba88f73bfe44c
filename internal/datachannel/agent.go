// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// clientVersion is the version of AWS's plugin that this package implements: the
// first one that signs its request. Agents multiplex connections if it is 1.1.70
// or later, and expect no keep-alive messages if it is above 1.2.331.0.
const clientVersion = "1.2.764.0"

// Agent describes the agent on the node.
type Agent struct {
	// Version of the agent, such as 3.3.987.0.
	Version string

	// SessionType is Port for port forwarding.
	SessionType string

	// Properties of the session's document, with the parameters filled in.
	Properties map[string]string

	// CustomerMessage is a message for the user from the preferences of Session
	// Manager. It is mostly empty.
	CustomerMessage string

	// Multiplexed is true if the data is a stream of smux, version 1. Otherwise it
	// is the data of one connection.
	Multiplexed bool

	// NeedsKeepAlive is true if the agent ends the session after 30 s without a
	// keep-alive message of smux.
	NeedsKeepAlive bool

	// KnowsHost is true if the agent connects to the host in a document. Older
	// agents connect to their own node.
	KnowsHost bool

	// KnowsTerminate is true if the agent supports FlagTerminateSession.
	KnowsTerminate bool

	// DropsEarlyData says that the agent acknowledges and drops data that arrives
	// before its port plugin has started. Newer agents do not acknowledge it.
	DropsEarlyData bool

	// AcknowledgesDuplicates is true if the agent acknowledges a message that it
	// has already processed.
	AcknowledgesDuplicates bool
}

// version holds the four numbers of a version.
type version [4]int

// Versions at which agents changed. Source: the agent's release notes and commits.
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

// parseVersion parses a version of up to four numbers. Missing numbers are 0.
func parseVersion(text string) (version, error) {
	var v version
	parts := strings.Split(text, ".")
	if len(parts) > len(v) {
		return version{}, fmt.Errorf("%w: the agent's version is not one to four numbers", ErrProtocol)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return version{}, fmt.Errorf("%w: the agent's version is not one to four numbers", ErrProtocol)
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
