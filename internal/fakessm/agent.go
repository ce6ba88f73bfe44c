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
	// defaultAgentVersion is that of an agent whose behaviour is known well.
	defaultAgentVersion = "3.3.987.0"

	// handshakeTime is how long an agent waits for the answer to its handshake.
	handshakeTime = 15 * time.Second

	// agentPayload is how much an agent puts into a message.
	agentPayload = 1024

	// agentWindow is how many messages an agent keeps until they are acknowledged.
	agentWindow = 10000

	// agentTick is how often an agent looks at its oldest message.
	agentTick = 100 * time.Millisecond

	startRTO = 200 * time.Millisecond
	maxRTO   = time.Second
)

// agentVersion is a version of the agent, part by part.
type agentVersion [4]int

func parseAgentVersion(text string) (v agentVersion) {
	for i, part := range strings.SplitN(text, ".", len(v)) {
		v[i], _ = strconv.Atoi(part)
	}

	return v
}

// above reports whether a version is later than another.
func (v agentVersion) above(other string) bool {
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
	kind       string            // The session's type, such as Port.
	properties map[string]string // Of the document.

	done chan struct{} // Closed when the session has ended.

	mu       sync.Mutex
	changed  *sync.Cond
	over     bool
	sock     func(message []byte) // Sends to the client without waiting; nil while there is none.
	socket   int                  // How many there have been.
	complete bool                 // The handshake is.
	client   agentVersion

	// What goes to the client.
	next    int64
	unacked []*sentFrame
	rtt     time.Duration
	wobble  time.Duration
	rto     time.Duration

	// What comes from the client.
	receiving bool // A message of the client is worked on.
	expected  int64
	ahead     map[int64]frame
	input     []byte // Bytes of the stream that the session's plugin has not read.
	unwritten int    // Bytes that the connection of a basic port has not taken.
	port      *basicPort
}

// sentFrame is a message that the client has not acknowledged.
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

func (a *agent) is(newerThan string) bool { return parseAgentVersion(a.version).above(newerThan) }

// shake asks the client for a handshake. An agent begins with the session; this one
// waits for a client, so that a session that nobody connects to costs nothing.
func (a *agent) shake() {
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
			a.end("Handshake timed out. Please ensure that you have the latest version of the session manager plugin.")
		}
	})
}

// gaveUp reports whether nobody has connected to the session within the time that an
// agent waits for a handshake.
func (a *agent) gaveUp(age time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()

	return a.socket == 0 && age > handshakeTime
}

// stop ends the agent's part, once the session has ended.
func (a *agent) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over {
		a.over = true
		close(a.done)
		a.changed.Broadcast()
	}
}

// end ends the session from the node's side, with words for the client.
func (a *agent) end(words string) {
	now := a.server.now()
	a.server.sessions.update(a.region, a.sessionID, func(r *region, e *entry) {
		if e == nil || ended(e.Status) {
			return
		}
		e.words = words
		r.change(e, func(e *entry) {
			e.Status = statusTerminated
			e.EndDate = now
		})
	})
	a.stop()
}

// attach gives the agent a client to talk to. What the client has not acknowledged is
// sent again in its turn.
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
		a.shake()
	}

	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.socket == mine {
			a.sock = nil
		}
	}
}

// send sends a message, once there is room for it.
func (a *agent) send(payload uint32, data []byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.over && len(a.unacked) >= agentWindow {
		a.changed.Wait()
	}
	if a.over {
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

// resend looks at the oldest message, ten times a second.
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

// acknowledged takes a message off the list.
func (a *agent) acknowledged(sequence int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, m := range a.unacked {
		if m.sequence != sequence {
			continue
		}
		sample := time.Since(m.sent)
		if m.once {
			a.wobble = a.wobble*3/4 + (a.rtt-sample).Abs()/4
			a.rtt = a.rtt*7/8 + sample/8
			a.rto = min(a.rtt+max(10*time.Millisecond, 4*a.wobble), maxRTO)
		}
		if i == 0 {
			// Most acknowledgements are for the oldest message. Thousands may be behind it.
			a.unacked[0] = nil
			a.unacked = a.unacked[1:]
		} else {
			a.unacked = append(a.unacked[:i], a.unacked[i+1:]...)
		}
		a.changed.Broadcast()

		return
	}
}

// receive takes a message of the client. What the session's plugin does not read makes
// it wait, and everything behind it but acknowledgements. A socket that takes over may
// come while a message of the last one waits: it then waits, too.
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
		if !a.enter() {
			return
		}
		defer a.leave()
		a.mu.Lock()
		reply, sock := acknowledge(a.server.now(), f), a.sock
		expected := a.expected
		a.mu.Unlock()
		switch {
		case f.sequence < expected && !a.is("3.2.1040.0"):
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

// enter waits until no other message is worked on. It returns false if the session ends.
func (a *agent) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.receiving && !a.over {
		a.changed.Wait()
	}
	if a.over {
		return false
	}
	a.receiving = true

	return true
}

func (a *agent) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.receiving = false
	a.changed.Broadcast()
}

// process does what a message asks for. It returns false for one that comes too early,
// which is not acknowledged.
func (a *agent) process(f frame) bool {
	a.mu.Lock()
	complete := a.complete
	a.mu.Unlock()
	switch {
	case f.payload == payloadHandshakeResponse && !complete:
		a.shaken(f.data)
	case !complete:
		// Agents acknowledge what comes before the handshake, and throw it away.
	case f.payload == payloadOutput:
		a.mu.Lock()
		defer a.mu.Unlock()
		for !a.over && len(a.input) > 64<<10 {
			a.changed.Wait()
		}
		a.input = append(a.input, f.data...)
		a.unwritten += len(f.data)
		a.changed.Broadcast()
	case f.payload == payloadFlag && len(f.data) == 4:
		switch binary.BigEndian.Uint32(f.data) {
		case flagTerminate:
			if a.is("2.3.722.0") {
				go a.end("")
			}
		case flagDisconnect:
			a.mu.Lock()
			port := a.port
			// What came before the flag goes first.
			for port != nil && !a.over && a.unwritten > 0 {
				a.changed.Wait()
			}
			a.mu.Unlock()
			if port != nil {
				port.disconnect()
			}
		}
	}

	return true
}

// shaken looks at the client's answer, and starts the session's plugin.
func (a *agent) shaken(data []byte) {
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
			go a.end(fmt.Sprintf("%s failed on client with status %d error: %s", action.ActionType, action.ActionStatus, action.Error))

			return
		}
	}
	a.mu.Lock()
	a.complete, a.client = true, parseAgentVersion(response.ClientVersion)
	a.mu.Unlock()
	complete, err := json.Marshal(map[string]any{"HandshakeTimeToComplete": time.Millisecond.Nanoseconds(), "CustomerMessage": ""})
	if err != nil {
		panic(err)
	}
	a.send(payloadHandshakeComplete, complete)
	go a.serve()
}

var errAgentEnded = errors.New("the session has ended")

// Read reads what the client has sent.
func (a *agent) Read(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for !a.over && len(a.input) == 0 {
		a.changed.Wait()
	}
	if a.over {
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

// Write sends to the client.
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
