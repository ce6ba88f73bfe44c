// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// wire is a message as the tests write and read it, in code of their own.
type wire struct {
	kind     string
	sequence int64
	flags    uint64
	id       [16]byte // As on the wire.
	payload  uint32
	data     []byte
}

func (w wire) bytes() []byte {
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

func readWire(t testing.TB, b []byte) wire {
	t.Helper()
	if len(b) < 120 || binary.BigEndian.Uint32(b) != 116 || int(binary.BigEndian.Uint32(b[116:])) != len(b)-120 {
		t.Errorf("a message of %d bytes has the wrong shape", len(b))

		return wire{}
	}
	if digest := sha256.Sum256(b[120:]); !slices.Equal(digest[:], b[80:112]) {
		t.Error("the digest of a message is wrong")
	}

	return wire{
		kind:     strings.TrimRight(string(b[4:36]), " "),
		sequence: int64(binary.BigEndian.Uint64(b[48:])),
		flags:    binary.BigEndian.Uint64(b[56:]),
		id:       [16]byte(b[64:80]),
		payload:  binary.BigEndian.Uint32(b[112:]),
		data:     slices.Clone(b[120:]),
	}
}

func (w wire) uuid() string {
	h := fmt.Sprintf("%x", append(slices.Clone(w.id[8:]), w.id[:8]...))

	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// peer is the service and the agent behind it, as a test scripts them.
type peer struct {
	t      testing.TB
	server *httptest.Server
	script func(n int, l *line) // For the nth WebSocket, from 1 on.

	mu       sync.Mutex
	requests []*http.Request
	openings []map[string]string
}

// line is one WebSocket of a peer.
type line struct {
	t  testing.TB
	ws *websocket.Conn
}

func newPeer(t testing.TB, script func(n int, l *line)) *peer {
	p := &peer{t: t, script: script}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)

	return p
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
	p.script(n, &line{t: p.t, ws: ws})
}

func (p *peer) access() Access {
	return Access{StreamURL: "ws" + strings.TrimPrefix(p.server.URL, "http") + "/v1/data-channel/s-1?role=publish_subscribe&cell-number=a+b/c=", Token: "token-of-the-session"}
}

// send writes messages and reports whether that worked.
func (l *line) send(messages ...wire) bool {
	for _, m := range messages {
		if l.ws.Write(context.Background(), websocket.MessageBinary, m.bytes()) != nil {
			return false
		}
	}

	return true
}

// read returns the next message; ok is false once the line is gone.
func (l *line) read() (m wire, ok bool) {
	_, data, err := l.ws.Read(context.Background())
	if err != nil {
		return wire{}, false
	}

	return readWire(l.t, data), true
}

// drain reads until the client has gone.
func (l *line) drain() {
	for {
		if _, ok := l.read(); !ok {
			return
		}
	}
}

func output(sequence int64, data string) wire {
	return wire{kind: "output_stream_data", sequence: sequence, id: [16]byte{15: byte(sequence)}, payload: 1, data: []byte(data)}
}

func ackOf(m wire) wire {
	return wire{kind: "acknowledge", flags: 3, data: fmt.Appendf(nil,
		`{"AcknowledgedMessageType":%q,"AcknowledgedMessageId":%q,"AcknowledgedMessageSequenceNumber":%d,"IsSequentialMessage":true}`, m.kind, m.uuid(), m.sequence)}
}

const portActions = `[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{"portNumber":"5432","type":"LocalPortForwarding"}}}]`

func handshakeRequestOf(version, actions string) wire {
	return wire{kind: "output_stream_data", flags: 1, payload: 5, data: fmt.Appendf(nil, `{"AgentVersion":%q,"RequestedClientActions":%s}`, version, actions)}
}

func handshakeCompleteOf(sequence int64) wire {
	return wire{kind: "output_stream_data", sequence: sequence, payload: 7, data: []byte(`{"HandshakeTimeToComplete":1000000,"CustomerMessage":""}`)}
}

// shake goes through the handshake of a port session and returns the client's
// answer. Everything is acknowledged.
func (l *line) shake(version string) (answer wire, ok bool) {
	l.send(handshakeRequestOf(version, portActions))
	for {
		m, ok := l.read()
		if !ok {
			return wire{}, false
		}
		if m.payload == 6 {
			return m, l.send(ackOf(m), handshakeCompleteOf(1))
		}
	}
}

const modernAgent = "3.3.987.0"

func open(t testing.TB, p *peer, change func(*Config)) (*Channel, error) {
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
	c, err := open(t, p, change)
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
type pipes struct{ conns chan net.Conn }

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}

	return conn, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }
