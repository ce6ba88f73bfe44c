// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ChannelFaultKind is a kind of failure of a data channel.
type ChannelFaultKind string

const (
	// ChannelRefuse answers the WebSocket request with 503.
	ChannelRefuse ChannelFaultKind = "refuse"
	// ChannelDrop cuts the connection without a close frame.
	ChannelDrop ChannelFaultKind = "drop"
	// ChannelBye closes the WebSocket as the service does from time to time.
	ChannelBye ChannelFaultKind = "bye"
	// ChannelLose drops a message.
	ChannelLose ChannelFaultKind = "lose"
	// ChannelLoseAcks drops an acknowledgement.
	ChannelLoseAcks ChannelFaultKind = "lose-acks"
	// ChannelRepeat delivers a message twice.
	ChannelRepeat ChannelFaultKind = "repeat"
	// ChannelReorder delivers a message after the next one.
	ChannelReorder ChannelFaultKind = "reorder"
	// ChannelDelay delays a message, and all messages after it, by Delay.
	ChannelDelay ChannelFaultKind = "delay"
	// ChannelCorrupt changes one byte of the payload.
	ChannelCorrupt ChannelFaultKind = "corrupt"
	// ChannelSilent drops every message of the agent, so there is no handshake.
	ChannelSilent ChannelFaultKind = "silent"
	// ChannelPause tells the client to pause, and drops all messages until the fault is
	// removed.
	ChannelPause ChannelFaultKind = "pause"
	// ChannelClose ends the session from the node's side, with Words for the client.
	ChannelClose ChannelFaultKind = "close"
)

var channelFaultKinds = []ChannelFaultKind{
	ChannelRefuse, ChannelDrop, ChannelBye, ChannelLose, ChannelLoseAcks, ChannelRepeat, ChannelReorder,
	ChannelDelay, ChannelCorrupt, ChannelSilent, ChannelPause, ChannelClose,
}

// ChannelFaultKinds returns every kind. It serves tests that cover all of them.
func ChannelFaultKinds() []ChannelFaultKind { return slices.Clone(channelFaultKinds) }

// The directions of messages.
const (
	ToClient = "to-client"
	ToAgent  = "to-agent"
)

// ChannelFault is a failure that hits messages of data channels. In JSON, Delay is a text
// such as "250ms".
type ChannelFault struct {
	Kind      ChannelFaultKind `json:"kind"`
	SessionID string           `json:"sessionId,omitempty"` // Only hits this session. All if empty.
	Direction string           `json:"direction,omitempty"` // ToClient or ToAgent. Both if empty.
	// After is how many messages pass before each hit. For a fault that lasts, it is how
	// many pass before the first hit.
	After int `json:"after,omitempty"`
	// Times is how often the fault hits. -1 means always. The default is once, or always
	// for a fault that lasts.
	Times int           `json:"times,omitempty"`
	Delay time.Duration `json:"delay,omitempty"`
	Words string        `json:"words,omitempty"`

	passed int
}

type plainChannelFault ChannelFault

// channelFaultJSON encodes the delay as text, like faultJSON.
type channelFaultJSON struct {
	plainChannelFault
	Delay delay `json:"delay,omitempty"`
}

// MarshalJSON encodes the delay as text.
func (f ChannelFault) MarshalJSON() ([]byte, error) {
	return json.Marshal(channelFaultJSON{plainChannelFault(f), delay(f.Delay)})
}

// UnmarshalJSON rejects unknown names. InjectChannel checks the values.
func (f *ChannelFault) UnmarshalJSON(data []byte) error {
	var in channelFaultJSON
	if err := decodeStrict(data, &in); err != nil {
		return err
	}
	*f = ChannelFault(in.plainChannelFault)
	f.Delay = time.Duration(in.Delay)

	return nil
}

// lasts reports whether the fault is a state of the channel instead of a single event.
func (f ChannelFault) lasts() bool { return f.Kind == ChannelSilent || f.Kind == ChannelPause }

// InjectChannel adds faults. They hit in the order of injection.
func (s *Server) InjectChannel(faults ...ChannelFault) error {
	for _, f := range faults {
		if !slices.Contains(channelFaultKinds, f.Kind) {
			return fmt.Errorf("unknown channel fault %q", f.Kind)
		}
		if f.Direction != "" && f.Direction != ToClient && f.Direction != ToAgent {
			return fmt.Errorf("the direction %q is neither %s nor %s", f.Direction, ToClient, ToAgent)
		}
	}
	s.channelFaults.mu.Lock()
	defer s.channelFaults.mu.Unlock()
	for _, f := range faults {
		switch {
		case f.Times != 0:
		case f.lasts():
			f.Times = -1
		default:
			f.Times = 1
		}
		s.channelFaults.list = append(s.channelFaults.list, &f)
	}

	return nil
}

// ClearChannelFaults removes the faults.
func (s *Server) ClearChannelFaults() {
	s.channelFaults.mu.Lock()
	defer s.channelFaults.mu.Unlock()
	s.channelFaults.list = nil
}

// ChannelFaults returns the pending faults.
func (s *Server) ChannelFaults() []ChannelFault {
	s.channelFaults.mu.Lock()
	defer s.channelFaults.mu.Unlock()
	list := make([]ChannelFault, 0, len(s.channelFaults.list))
	for _, f := range s.channelFaults.list {
		list = append(list, *f)
	}

	return list
}

// channelFaults are the pending faults.
type channelFaults struct {
	mu   sync.Mutex
	list []*ChannelFault
}

// take returns the fault that hits a message. A nil message means the opening of a channel.
func (f *channelFaults) take(sessionID, direction string, message []byte) (ChannelFault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.list {
		switch {
		case fault.SessionID != "" && fault.SessionID != sessionID,
			(fault.Kind == ChannelRefuse) != (message == nil),
			fault.Direction != "" && fault.Direction != direction,
			fault.Kind == ChannelSilent && direction == ToAgent,
			(fault.Kind == ChannelLoseAcks) != isAcknowledgement(message) && !fault.lasts() && fault.Kind != ChannelDelay:
			continue
		case fault.passed < fault.After:
			fault.passed++

			continue
		}
		if !fault.lasts() {
			fault.passed = 0
		}
		struck := *fault
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				f.list = slices.Delete(f.list, i, i+1)
			}
		}

		return struck, true
	}

	return ChannelFault{}, false
}

func isAcknowledgement(message []byte) bool {
	return len(message) > 36 && bytes.HasPrefix(message[4:36], []byte(messageAcknowledge))
}

// relay passes messages in one direction between client and agent, and applies faults. Each
// direction has its own goroutine.
type relay struct {
	server     *Server
	sessionID  string
	direction  string
	deliver    func(message []byte)
	applyFault func(ChannelFault) // Applies a fault to the whole channel.
	held       []byte
}

// pass delivers a message, unless a fault hits it.
func (r *relay) pass(message []byte) {
	fault, struck := r.server.channelFaults.take(r.sessionID, r.direction, message)
	if !struck {
		r.deliver(message)
		if r.held != nil {
			late := r.held
			r.held = nil
			r.deliver(late)
		}

		return
	}
	switch fault.Kind {
	case ChannelLose, ChannelLoseAcks, ChannelSilent:
	case ChannelRepeat:
		r.deliver(message)
		r.deliver(message)
	case ChannelReorder:
		r.held = bytes.Clone(message)
	case ChannelDelay:
		time.Sleep(fault.Delay)
		r.deliver(message)
	case ChannelCorrupt:
		broken := bytes.Clone(message)
		broken[len(broken)-1] ^= 0x20
		r.deliver(broken)
	default:
		r.applyFault(fault)
	}
}
