// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// defaultAgentVersion is a version whose behaviour is well known.
	defaultAgentVersion = "3.3.987.0"

	// handshakeTime is how long an agent waits for the response to its handshake request.
	handshakeTime = 15 * time.Second

	// handshakeFailure precedes what agents say of a handshake that failed.
	handshakeFailure = "\n----------ERROR-------\nEncountered error while initiating handshake. "

	// agentPayload is the maximum payload of an agent's message, in bytes.
	agentPayload = 1024

	// agentWindow is how many unacknowledged messages an agent keeps.
	agentWindow = 10000

	// agentTick is how often an agent checks whether to resend its oldest message.
	agentTick = 100 * time.Millisecond

	startRTO = 200 * time.Millisecond
	maxRTO   = time.Second
)

// agentVersion is an agent's version, as four numbers.
type agentVersion [4]int

func parseAgentVersion(text string) (v agentVersion) {
	for i, part := range strings.SplitN(text, ".", len(v)) {
		v[i], _ = strconv.Atoi(part)
	}

	return v
}

// newerThan reports whether the version is newer than another.
func (v agentVersion) newerThan(other string) bool {
	o := parseAgentVersion(other)
	for i := range v {
		if v[i] != o[i] {
			return v[i] > o[i]
		}
	}

	return false
}

// agent is the node's end of one session.
type agent struct {
	server     *Server
	sessionID  string
	region     string
	version    string
	kind       string            // The session type, for example Port.
	properties map[string]string // The properties of the document.

	done chan struct{} // Closed when the session has ended.

	mu       sync.Mutex
	changed  *sync.Cond
	ended    bool
	sock     func(message []byte) // Sends to the client without blocking. Nil without a client.
	socket   int                  // The number of clients so far.
	complete bool                 // The handshake is complete.
	ready    bool                 // The session's plugin accepts data.
	client   agentVersion

	// Messages to the client.
	next         int64
	unacked      []*sentFrame
	rtt          time.Duration
	rttVariation time.Duration
	rto          time.Duration

	// Messages from the client.
	receiving bool // A message of the client is being processed.
	expected  int64
	ahead     map[int64]frame
	input     []byte // Bytes that the session's plugin has not read yet.
	unwritten int    // Bytes that were not written to the connection of a basic port yet.
	port      *basicPort
}

// sentFrame is a message that the client has not acknowledged yet.
type sentFrame struct {
	frame
	sent time.Time
	once bool // It was sent only once.
}

func newAgent(s *Server, session Session, kind string, properties map[string]string) *agent {
	a := &agent{
		server: s, sessionID: session.SessionID, region: session.Region, version: s.agentVersion, kind: kind, properties: properties,
		done: make(chan struct{}), rtt: agentTick, rto: startRTO, ahead: map[int64]frame{},
	}
	a.changed = sync.NewCond(&a.mu)

	return a
}

func (a *agent) newerThan(version string) bool {
	return parseAgentVersion(a.version).newerThan(version)
}

// requestHandshake sends the handshake request. Real agents send it when the session starts. This one
// waits for a client, so sessions without a client cost nothing.
func (a *agent) requestHandshake() {
	go a.resend()
	type requested struct {
		ActionType       string
		ActionParameters any
	}
	type sessionType struct {
		SessionType string
		Properties  map[string]string `json:",omitempty"`
	}
	request, err := json.Marshal(map[string]any{
		"AgentVersion":           a.version,
		"RequestedClientActions": []requested{{"SessionType", sessionType{a.kind, a.properties}}},
	})
	if err != nil {
		panic(err)
	}
	a.send(payloadHandshakeRequest, request)

	time.AfterFunc(handshakeTime, func() {
		a.mu.Lock()
		complete := a.complete
		a.mu.Unlock()
		if !complete {
			a.end(handshakeFailure + "Handshake timed out. Please ensure that you have the latest version of the session manager plugin.")
		}
	})
}

// handshakeTimedOut reports whether no client has connected within handshakeTime.
func (a *agent) handshakeTimedOut(age time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.socket == 0 && age > handshakeTime
}

// stop ends the agent after its session has ended.
func (a *agent) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.ended = true
		close(a.done)
		a.changed.Broadcast()
	}
}

// end ends the session from the node's side, with a message for the client.
func (a *agent) end(words string) {
	now := a.server.now()
	a.server.sessions.update(a.region, a.sessionID, func(r *region, e *entry) {
		if e == nil || ended(e.Status) {
			return
		}
		e.endMessage = words
		r.change(e, func(e *entry) {
			e.Status = statusTerminated
			e.EndDate = now
		})
	})
	a.stop()
}

// attach connects a client to the agent. Unacknowledged messages are sent again in order.
func (a *agent) attach(send func([]byte)) (detach func()) {
	a.mu.Lock()
	first := a.next == 0
	a.socket++
	mine := a.socket
	a.sock = send
	for _, m := range a.unacked {
		m.sent, m.once = time.Time{}, false
		if a.server.agentCatchUp {
			m.sent = time.Now()
			send(m.encode(a.server.now()))
		}
	}
	a.mu.Unlock()
	if first {
		a.requestHandshake()
	}

	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.socket == mine {
			a.sock = nil
		}
	}
}

// send sends a message when the window has room for it.
func (a *agent) send(payload uint32, data []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.ended && len(a.unacked) >= agentWindow {
		a.changed.Wait()
	}
	if a.ended {
		return false
	}
	f := frame{kind: messageOutput, sequence: a.next, id: newUUID(), payload: payload, data: append([]byte(nil), data...)}
	if a.next == 0 {
		f.flags = 1
	}
	a.next++
	a.unacked = append(a.unacked, &sentFrame{frame: f, sent: time.Now(), once: true})
	if a.sock != nil {
		a.sock(f.encode(a.server.now()))
	}

	return true
}

// resend repeats the oldest message if it is not acknowledged in time.
func (a *agent) resend() {
	ticker := time.NewTicker(agentTick)
	defer ticker.Stop()
	for {
		select {
		case <-a.done:
			return
		case <-ticker.C:
		}
		a.mu.Lock()
		if len(a.unacked) > 0 && a.sock != nil {
			if oldest := a.unacked[0]; time.Since(oldest.sent) > a.rto {
				oldest.sent, oldest.once = time.Now(), false
				a.sock(oldest.encode(a.server.now()))
			}
		}
		a.mu.Unlock()
	}
}

// acknowledged removes a message from the unacknowledged ones.
func (a *agent) acknowledged(sequence int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, m := range a.unacked {
		if m.sequence != sequence {
			continue
		}
		sample := time.Since(m.sent)
		if m.once {
			a.rttVariation = a.rttVariation*3/4 + (a.rtt-sample).Abs()/4
			a.rtt = a.rtt*7/8 + sample/8
			a.rto = min(a.rtt+max(10*time.Millisecond, 4*a.rttVariation), maxRTO)
		}
		if i == 0 {
			// Most acknowledgements are for the oldest message, and thousands may follow it.
			a.unacked[0] = nil
			a.unacked = a.unacked[1:]
		} else {
			a.unacked = append(a.unacked[:i], a.unacked[i+1:]...)
		}
		a.changed.Broadcast()

		return
	}
}

// receive handles a message from the client. While the session's plugin does not read, the
// message waits, and so do all further messages except acknowledgements. This also holds
// for messages on a new socket.
func (a *agent) receive(message []byte) {
	f, err := decodeFrame(message)
	if err != nil {
		return
	}
	switch f.kind {
	case messageAcknowledge:
		var ack acknowledgement
		if json.Unmarshal(f.data, &ack) == nil {
			a.acknowledged(ack.Sequence)
		}
	case messageInput:
		if !a.beginReceive() {
			return
		}
		defer a.endReceive()
		a.mu.Lock()
		reply, sock := acknowledge(a.server.now(), f), a.sock
		expected := a.expected
		a.mu.Unlock()
		switch {
		case f.sequence < expected && !a.newerThan("3.2.1040.0"):
			return
		case f.sequence > expected:
			f.data = append([]byte(nil), f.data...)
			a.ahead[f.sequence] = f
		case f.sequence == expected:
			for ok := true; ok; f, ok = a.ahead[a.expected] {
				delete(a.ahead, f.sequence)
				if !a.process(f) {
					return
				}
				a.mu.Lock()
				a.expected++
				a.mu.Unlock()
			}
		}
		if sock != nil {
			sock(reply)
		}
	}
}

// beginReceive waits until no other message is being processed. It returns false if the session ends.
func (a *agent) beginReceive() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.receiving && !a.ended {
		a.changed.Wait()
	}
	if a.ended {
		return false
	}
	a.receiving = true

	return true
}

func (a *agent) endReceive() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.receiving = false
	a.changed.Broadcast()
}

// process handles one message. It returns false for a message that is too early. Such a
// message is not acknowledged.
func (a *agent) process(f frame) bool {
	a.mu.Lock()
	complete, ready := a.complete, a.ready
	a.mu.Unlock()
	switch {
	case f.payload == payloadHandshakeResponse && !complete:
		a.handleHandshakeResponse(f.data)
	case !complete:
		// Agents acknowledge and drop data that arrives before the handshake.
	case !ready:
		// Old agents acknowledge and drop this data, too.
		return !a.newerThan("3.0.603.0")
	case f.payload == payloadOutput:
		a.mu.Lock()
		defer a.mu.Unlock()
		for !a.ended && len(a.input) > 64<<10 {
			a.changed.Wait()
		}
		a.input = append(a.input, f.data...)
		a.unwritten += len(f.data)
		a.changed.Broadcast()
	case f.payload == payloadFlag && len(f.data) == 4:
		switch binary.BigEndian.Uint32(f.data) {
		case flagTerminate:
			if a.newerThan("2.3.722.0") {
				go a.end("")
			}
		case flagDisconnect:
			a.mu.Lock()
			port := a.port
			// Data that arrived before the flag is written first.
			for port != nil && !a.ended && a.unwritten > 0 {
				a.changed.Wait()
			}
			a.mu.Unlock()
			if port != nil {
				port.disconnect()
				if a.properties["type"] == "" {
					// Without a type the end of the connection ends the session, no matter
					// which side closes it.
					go a.end("")
				}
			}
		}
	}

	return true
}

// handleHandshakeResponse checks the handshake response, and starts the session's plugin.
func (a *agent) handleHandshakeResponse(data []byte) {
	var response struct {
		ClientVersion          string
		ProcessedClientActions []struct {
			ActionType   string
			ActionStatus int
			Error        string
		}
	}
	if json.Unmarshal(data, &response) != nil {
		return
	}
	for _, action := range response.ProcessedClientActions {
		if action.ActionStatus != 1 {
			go a.end(handshakeFailure + fmt.Sprintf("%s failed on client with status %d error: %s", action.ActionType, action.ActionStatus, action.Error))

			return
		}
	}
	a.mu.Lock()
	a.complete, a.client = true, parseAgentVersion(response.ClientVersion)
	a.ready = a.server.agentStart == 0
	a.mu.Unlock()
	complete, err := json.Marshal(map[string]any{"HandshakeTimeToComplete": time.Millisecond.Nanoseconds(), "CustomerMessage": ""})
	if err != nil {
		panic(err)
	}
	a.send(payloadHandshakeComplete, complete)
	go a.runPlugin()
}

var errAgentEnded = errors.New("the session has ended")

// Read reads data from the client.
func (a *agent) Read(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.ended && len(a.input) == 0 {
		a.changed.Wait()
	}
	if a.ended {
		return 0, io.EOF
	}
	n := copy(p, a.input)
	a.input = a.input[n:]
	if len(a.input) == 0 {
		a.input = nil
	}
	a.changed.Broadcast()

	return n, nil
}

// Write sends data to the client.
func (a *agent) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		part := p[n:min(n+agentPayload, len(p))]
		if !a.send(payloadOutput, part) {
			return n, errAgentEnded
		}
		n += len(part)
		if a.server.agentPacing {
			began := time.Now()
			time.Sleep(time.Millisecond)
			a.server.agentPauses.Add(int64(time.Since(began)))
		}
	}

	return n, nil
}

// Close ends the session.
func (a *agent) Close() error {
	a.end("")

	return nil
}
