// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// wireMessage is a message of the tests. Its code is independent of the package.
type wireMessage struct {
	kind     string
	sequence int64
	flags    uint64
	id       [16]byte // As on the wire.
	payload  uint32
	data     []byte
}

func (w wireMessage) bytes() []byte {
	b := make([]byte, 120, 120+len(w.data))
	binary.BigEndian.PutUint32(b[0:], 116)
	copy(b[4:36], w.kind+strings.Repeat(" ", 32))
	binary.BigEndian.PutUint32(b[36:], 1)
	binary.BigEndian.PutUint64(b[40:], uint64(time.Now().UnixMilli()))
	binary.BigEndian.PutUint64(b[48:], uint64(w.sequence))
	binary.BigEndian.PutUint64(b[56:], w.flags)
	copy(b[64:], w.id[:])
	digest := sha256.Sum256(w.data)
	copy(b[80:], digest[:])
	binary.BigEndian.PutUint32(b[112:], w.payload)
	binary.BigEndian.PutUint32(b[116:], uint32(len(w.data)))

	return append(b, w.data...)
}

func readWire(t testing.TB, b []byte) wireMessage {
	t.Helper()
	if len(b) < 120 || binary.BigEndian.Uint32(b) != 116 || int(binary.BigEndian.Uint32(b[116:])) != len(b)-120 {
		t.Errorf("a message of %d bytes has the wrong shape", len(b))

		return wireMessage{}
	}
	if digest := sha256.Sum256(b[120:]); !slices.Equal(digest[:], b[80:112]) {
		t.Error("the digest of a message is wrong")
	}

	return wireMessage{
		kind:     strings.TrimRight(string(b[4:36]), " "),
		sequence: int64(binary.BigEndian.Uint64(b[48:])),
		flags:    binary.BigEndian.Uint64(b[56:]),
		id:       [16]byte(b[64:80]),
		payload:  binary.BigEndian.Uint32(b[112:]),
		data:     slices.Clone(b[120:]),
	}
}

func (w wireMessage) uuid() string {
	h := fmt.Sprintf("%x", append(slices.Clone(w.id[8:]), w.id[:8]...))

	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// peer is a scripted service with its agent.
type peer struct {
	t      testing.TB
	server *httptest.Server
	script func(n int, l *peerLine) // For the nth WebSocket, from 1 on.
	all    sync.WaitGroup

	mu       sync.Mutex
	requests []*http.Request
	openings []map[string]string
}

// peerLine is one WebSocket of a peer.
type peerLine struct {
	t  testing.TB
	ws *websocket.Conn
}

func newPeer(t testing.TB, script func(n int, l *peerLine)) *peer {
	p := &peer{t: t, script: script}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)

	return p
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.all.Add(1)
	defer p.all.Done()
	p.mu.Lock()
	p.requests = append(p.requests, r.Clone(context.Background()))
	p.mu.Unlock()
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer ws.CloseNow() //nolint:errcheck // It may be closed already.
	ws.SetReadLimit(-1)
	kind, data, err := ws.Read(context.Background())
	if err != nil {
		return
	}
	var opening map[string]string
	if err := json.Unmarshal(data, &opening); err != nil || kind != websocket.MessageText {
		p.t.Errorf("the opening is no JSON text: %v", err)
	}
	p.mu.Lock()
	p.openings = append(p.openings, opening)
	n := len(p.openings)
	p.mu.Unlock()
	p.script(n, &peerLine{t: p.t, ws: ws})
}

func (p *peer) access() Access {
	return Access{StreamURL: "ws" + strings.TrimPrefix(p.server.URL, "http") + "/v1/data-channel/s-1?role=publish_subscribe&cell-number=a+b/c=", Token: "token-of-the-session"}
}

// send writes messages and reports whether that worked.
func (l *peerLine) send(messages ...wireMessage) bool {
	for _, m := range messages {
		if l.ws.Write(context.Background(), websocket.MessageBinary, m.bytes()) != nil {
			return false
		}
	}

	return true
}

// read returns the next message. At the end of the line, ok is false.
func (l *peerLine) read() (m wireMessage, ok bool) {
	_, data, err := l.ws.Read(context.Background())
	if err != nil {
		return wireMessage{}, false
	}

	return readWire(l.t, data), true
}

// drain reads until the client disconnects.
func (l *peerLine) drain() {
	for {
		if _, ok := l.read(); !ok {
			return
		}
	}
}

func outputMessage(sequence int64, data string) wireMessage {
	return wireMessage{kind: "output_stream_data", sequence: sequence, id: [16]byte{15: byte(sequence)}, payload: 1, data: []byte(data)}
}

func ackOf(m wireMessage) wireMessage {
	return wireMessage{kind: "acknowledge", flags: 3, data: fmt.Appendf(nil,
		`{"AcknowledgedMessageType":%q,"AcknowledgedMessageId":%q,"AcknowledgedMessageSequenceNumber":%d,"IsSequentialMessage":true}`, m.kind, m.uuid(), m.sequence)}
}

const portActions = `[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"portNumber":"5432","type":"LocalPortForwarding"}}}]`

func handshakeRequestOf(version, actions string) wireMessage {
	return wireMessage{kind: "output_stream_data", flags: 1, payload: 5, data: fmt.Appendf(nil, `{"AgentVersion":%q,"RequestedClientActions":%s}`, version, actions)}
}

func handshakeCompleteOf(sequence int64) wireMessage {
	return wireMessage{kind: "output_stream_data", sequence: sequence, payload: 7, data: []byte(`{"HandshakeTimeToComplete":1000000,"CustomerMessage":""}`)}
}

// shake runs the handshake of a port session and returns the client's answer. It
// acknowledges everything.
func (l *peerLine) shake(version string) (answer wireMessage, ok bool) {
	l.send(handshakeRequestOf(version, portActions))
	for {
		m, ok := l.read()
		if !ok {
			return wireMessage{}, false
		}
		if m.payload == 6 {
			return m, l.send(ackOf(m), handshakeCompleteOf(1))
		}
	}
}

const modernAgent = "3.3.987.0"

func openChannel(t testing.TB, p *peer, change func(*Config)) (*Channel, error) {
	t.Helper()
	config := Config{SessionID: "s-1", Access: p.access(), Region: "eu-central-1", SessionType: "Port"}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	config.HTTPClient = &http.Client{Transport: transport}
	if change != nil {
		change(&config)
	}
	c, err := Open(context.Background(), config)
	if err == nil {
		t.Cleanup(func() { closeNow(c) })
	}

	return c, err
}

func mustOpen(t testing.TB, p *peer, change func(*Config)) *Channel {
	t.Helper()
	c, err := openChannel(t, p, change)
	if err != nil {
		t.Fatal(err)
	}

	return c
}

// closeNow leaves without waiting for the service.
func closeNow(c *Channel) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Close(ctx)
}

// resumeTo returns the same access with another token each time.
func resumeTo(p *peer) func(context.Context) (Access, error) {
	n := 0

	return func(context.Context) (Access, error) {
		n++
		access := p.access()
		access.Token = fmt.Sprintf("token-%d", n)
		access.StreamURL += fmt.Sprintf("&n=%d", n)

		return access, nil
	}
}

// pipes connects clients with a peer in memory, for tests in a bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.done)

	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// newBubblePeer returns a peer without a network, and a function that changes a
// configuration to use it. The other function ends the peer.
func newBubblePeer(t testing.TB, script func(n int, l *peerLine)) (*peer, func(*Config), func()) {
	p := &peer{t: t, script: script}
	listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: p}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	p.server = &httptest.Server{URL: "http://127.0.0.1"}
	transport := &http.Transport{DialContext: listener.dial}
	change := func(c *Config) { c.HTTPClient = &http.Client{Transport: transport} }

	return p, change, func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
		p.all.Wait()
	}
}

// A verdict is what a test does with a message on the line.
type verdict int

const (
	verdictPass verdict = iota
	verdictLose
	verdictTwice
	verdictCorrupt
	verdictDelay // Until three more have passed.
	verdictHang  // The line breaks, and the message is lost.
)

// agentNode is a correct agent for a whole session, over many lines. The faults
// affect messages to and from it.
type agentNode struct {
	t       testing.TB
	version string
	echo    bool
	fault   func(out bool, m wireMessage) verdict
	reAck   bool

	mu       sync.Mutex
	room     *sync.Cond
	line     *peerLine
	out      []wireMessage // Not acknowledged, in order.
	sent     map[int64]time.Time
	next     int64
	expected int64
	ahead    map[int64]wireMessage
	got      []byte
	repeats  int
	acks     map[int64]int
	late     []wireMessage
	complete int64 // The sequence number of HandshakeComplete.
	over     bool
	greeted  bool
}

func newNode(t testing.TB) *agentNode {
	n := &agentNode{t: t, version: modernAgent, reAck: true, sent: map[int64]time.Time{}, ahead: map[int64]wireMessage{}, acks: map[int64]int{}}
	n.room = sync.NewCond(&n.mu)

	return n
}

// serve is the script of a peer.
func (n *agentNode) serve(_ int, l *peerLine) {
	n.mu.Lock()
	n.line = l
	if n.greeted {
		for _, m := range n.out {
			n.transmit(m)
		}
	} else {
		n.greeted = true
		request := handshakeRequestOf(n.version, portActions)
		n.push(request)
	}
	n.mu.Unlock()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			n.mu.Lock()
			for i, m := range n.out {
				if i == 64 {
					break
				}
				if time.Since(n.sent[m.sequence]) > 150*time.Millisecond {
					n.transmit(m)
				}
			}
			n.mu.Unlock()
		}
	}()
	for {
		m, ok := l.read()
		if !ok {
			break
		}
		n.take(m)
	}
	close(stop)
	<-done
	n.mu.Lock()
	if n.line == l {
		n.line = nil
	}
	n.mu.Unlock()
}

// push sends stream data, and keeps it until it is acknowledged.
func (n *agentNode) push(m wireMessage) {
	m.sequence = n.next
	m.id = [16]byte{0: 0x40, 14: byte(n.next >> 8), 15: byte(n.next)}
	n.next++
	n.out = append(n.out, m)
	n.transmit(m)
}

// write sends data to the client.
func (n *agentNode) write(data []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(data) > 0 {
		for len(n.out) > 200 && !n.over {
			n.room.Wait()
		}
		if n.over {
			return
		}
		k := min(len(data), 1024)
		n.push(wireMessage{kind: "output_stream_data", payload: 1, data: slices.Clone(data[:k])})
		data = data[k:]
	}
}

func (n *agentNode) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = true
	n.room.Broadcast()
}

func (n *agentNode) transmit(m wireMessage) {
	n.sent[m.sequence] = time.Now()
	n.emit(m)
}

// emit puts a message on the line. The mutex is held.
func (n *agentNode) emit(m wireMessage) {
	if n.line == nil {
		return
	}
	v := verdictPass
	if n.fault != nil {
		v = n.fault(true, m)
	}
	switch v {
	case verdictPass:
		n.line.send(m)
	case verdictTwice:
		n.line.send(m, m)
	case verdictCorrupt:
		b := m.bytes()
		b[len(b)-1] ^= 1
		_ = n.line.ws.Write(context.Background(), websocket.MessageBinary, b)
	case verdictDelay:
		n.late = append(n.late, m)

		return
	case verdictHang:
		_ = n.line.ws.CloseNow()
		n.line = nil
	case verdictLose:
	}
	if len(n.late) > 2 && n.line != nil {
		n.line.send(n.late...)
		n.late = nil
	}
}

// take handles a message of the client.
func (n *agentNode) take(m wireMessage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if m.kind == "acknowledge" {
		var a struct{ AcknowledgedMessageSequenceNumber int64 }
		if err := json.Unmarshal(m.data, &a); err != nil {
			n.t.Errorf("an acknowledgement cannot be read: %v", err)
		}
		if n.fault != nil && n.fault(false, m) == verdictLose {
			return
		}
		n.acks[a.AcknowledgedMessageSequenceNumber]++
		n.out = slices.DeleteFunc(n.out, func(o wireMessage) bool { return o.sequence == a.AcknowledgedMessageSequenceNumber })
		n.room.Broadcast()

		return
	}
	if n.fault != nil {
		switch n.fault(false, m) {
		case verdictLose:
			return
		case verdictHang:
			_ = n.line.ws.CloseNow()
			n.line = nil

			return
		default:
		}
	}
	if m.sequence < n.expected {
		n.repeats++
		if n.reAck {
			n.emit(ackOf(m))
		}

		return
	}
	n.emit(ackOf(m))
	n.ahead[m.sequence] = m
	for {
		m, ok := n.ahead[n.expected]
		if !ok {
			return
		}
		delete(n.ahead, n.expected)
		n.expected++
		switch m.payload {
		case 6:
			n.complete = n.next
			n.push(handshakeCompleteOf(0))
		case 1:
			n.got = append(n.got, m.data...)
			if n.echo {
				n.push(wireMessage{kind: "output_stream_data", payload: 1, data: m.data})
			}
		}
	}
}

// received returns the messages of the client so far.
func (n *agentNode) received() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()

	return slices.Clone(n.got)
}

// TestMain fails if a channel leaks a goroutine. Tests in bubbles detect that
// themselves.
func TestMain(m *testing.M) {
	code := m.Run()
	stacks := make([]byte, 4<<20)
	for range 500 {
		left := stacks[:runtime.Stack(stacks, true)]
		if !bytes.Contains(left, []byte("datachannel.(*Channel)")) && !bytes.Contains(left, []byte("datachannel.(*socket)")) {
			os.Exit(code)
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Printf("FAIL: a channel has left goroutines\n%s\n", stacks[:runtime.Stack(stacks, true)])
	os.Exit(1)
}
