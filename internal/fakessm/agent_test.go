// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	"github.com/coder/websocket"
	"github.com/xtaci/smux"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// The payload types that the tests use.
const (
	payloadOutput    = 1
	payloadRequest   = 5
	payloadResponse  = 6
	payloadComplete  = 7
	payloadFlag      = 10
	currentClient    = "1.2.764.0"
	agentTestTimeout = time.Minute
)

// agentClient is a minimal client of an agent, written for these tests.
type agentClient struct {
	t    *testing.T
	fake *fakessm.Server
	api  *ssm.Client
	id   string
	conn *websocket.Conn

	mu       sync.Mutex
	next     int64
	output   bytes.Buffer          // The agent's data in order.
	expected int64                 // The sequence number of the agent's next message.
	seen     map[int64]int         // How often each message of the agent arrived.
	acks     map[int64]int         // How often each message of the client was acknowledged.
	kinds    map[string]int        // The number of messages of each type.
	flags    []uint32              // The agent's flags.
	request  map[string]any        // The agent's handshake request.
	early    map[int64]wireMessage // Messages that arrived too early.
	words    string                // The Output of channel_closed.
	done     bool
	change   *sync.Cond
}

type wireMessage struct {
	kind     string
	sequence int64
	payload  uint32
	id       []byte
	data     []byte
}

// startAgent starts a session with a document and opens its data channel.
func startAgent(t *testing.T, input *ssm.StartSessionInput, options ...fakessm.Option) *agentClient {
	t.Helper()
	fake, api := agentServer(t, options...)

	return startAgentOn(t, fake, api, input)
}

func startAgentOn(t *testing.T, fake *fakessm.Server, api *ssm.Client, input *ssm.StartSessionInput) *agentClient {
	t.Helper()
	if input.Target == nil {
		input.Target = aws.String("i-0123456789abcdef0")
	}
	out, err := api.StartSession(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	c := &agentClient{
		t: t, fake: fake, api: api, id: aws.ToString(out.SessionId), seen: map[int64]int{}, acks: map[int64]int{}, kinds: map[string]int{},
		early: map[int64]wireMessage{},
	}
	c.change = sync.NewCond(&c.mu)
	c.connect(aws.ToString(out.StreamUrl), aws.ToString(out.TokenValue))

	return c
}

// agentServer starts a fake. Its sessions end with the test.
func agentServer(t *testing.T, options ...fakessm.Option) (*fakessm.Server, *ssm.Client) {
	t.Helper()
	fake := fakessm.New(append([]fakessm.Option{fakessm.WithDataChannel("")}, options...)...)
	client := newClient(t, fake)
	t.Cleanup(func() {
		for _, session := range fake.Sessions() {
			fake.RemoveSession(session.SessionID)
		}
	})

	return fake, client
}

// connect opens a data channel and reads from it until it closes.
func (c *agentClient) connect(url, token string) {
	c.t.Helper()
	c.conn = openChannel(c.t, url, websocket.MessageText, openingMessage(token))
	c.conn.SetReadLimit(1 << 20)
	c.mu.Lock()
	c.done = false
	c.mu.Unlock()
	go func(conn *websocket.Conn) {
		for {
			_, m, err := conn.Read(context.Background())
			c.mu.Lock()
			if err != nil {
				c.done = c.done || conn == c.conn
				c.change.Broadcast()
				c.mu.Unlock()

				return
			}
			c.receive(conn, m)
			c.change.Broadcast()
			c.mu.Unlock()
		}
	}(c.conn)
}

// receive records a message and acknowledges it.
func (c *agentClient) receive(conn *websocket.Conn, raw []byte) {
	m := wireMessage{
		kind: strings.TrimRight(string(raw[4:36]), " "), sequence: int64(binary.BigEndian.Uint64(raw[48:])),
		payload: binary.BigEndian.Uint32(raw[112:]), id: slices.Concat(raw[72:80], raw[64:72]), data: slices.Clone(raw[120:]),
	}
	c.kinds[m.kind]++
	switch m.kind {
	case "acknowledge":
		var ack struct{ AcknowledgedMessageSequenceNumber int64 }
		_ = json.Unmarshal(m.data, &ack)
		c.acks[ack.AcknowledgedMessageSequenceNumber]++
	case "channel_closed":
		var closed struct{ Output string }
		_ = json.Unmarshal(m.data, &closed)
		c.words = closed.Output
	case "output_stream_data":
		digest := sha256.Sum256(m.data)
		if !bytes.Equal(digest[:], raw[80:112]) {
			return
		}
		c.seen[m.sequence]++
		ack, _ := json.Marshal(map[string]any{
			"AcknowledgedMessageType": m.kind, "AcknowledgedMessageSequenceNumber": m.sequence, "IsSequentialMessage": true,
			"AcknowledgedMessageId": fmt.Sprintf("%x-%x-%x-%x-%x", m.id[:4], m.id[4:6], m.id[6:8], m.id[8:10], m.id[10:]),
		})
		_ = conn.Write(context.Background(), websocket.MessageBinary, encodeMessage("acknowledge", 0, 0, ack))
		c.early[m.sequence] = m
		for {
			next, ok := c.early[c.expected]
			if !ok {
				return
			}
			delete(c.early, c.expected)
			c.expected++
			c.deliver(next)
		}
	}
}

func (c *agentClient) deliver(m wireMessage) {
	switch m.payload {
	case payloadOutput:
		c.output.Write(m.data)
	case payloadFlag:
		c.flags = append(c.flags, binary.BigEndian.Uint32(m.data))
	case payloadRequest:
		_ = json.Unmarshal(m.data, &c.request)
	}
}

// encodeMessage encodes a message.
func encodeMessage(kind string, sequence int64, payload uint32, data []byte) []byte {
	m := make([]byte, 120, 120+len(data))
	binary.BigEndian.PutUint32(m, 116)
	copy(m[4:36], fmt.Sprintf("%-32s", kind))
	binary.BigEndian.PutUint32(m[36:], 1)
	binary.BigEndian.PutUint64(m[40:], uint64(time.Now().UnixMilli()))
	binary.BigEndian.PutUint64(m[48:], uint64(sequence))
	_, _ = rand.Read(m[64:80])
	digest := sha256.Sum256(data)
	copy(m[80:], digest[:])
	binary.BigEndian.PutUint32(m[112:], payload)
	binary.BigEndian.PutUint32(m[116:], uint32(len(data)))

	return append(m, data...)
}

// send sends stream data and returns its sequence number.
func (c *agentClient) send(payload uint32, data []byte) int64 {
	c.t.Helper()
	c.mu.Lock()
	sequence := c.next
	c.next++
	c.mu.Unlock()
	c.resend(sequence, payload, data)

	return sequence
}

func (c *agentClient) resend(sequence int64, payload uint32, data []byte) {
	c.t.Helper()
	if err := c.conn.Write(c.t.Context(), websocket.MessageBinary, encodeMessage("input_stream_data", sequence, payload, data)); err != nil {
		c.t.Error(err)
	}
}

func (c *agentClient) flag(flag uint32) int64 {
	c.t.Helper()

	return c.send(payloadFlag, binary.BigEndian.AppendUint32(nil, flag))
}

// waitUntil waits until a condition is true.
func (c *agentClient) waitUntil(what string, condition func() bool) {
	c.t.Helper()
	timer := time.AfterFunc(agentTestTimeout, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.change.Broadcast()
	})
	defer timer.Stop()
	deadline := time.Now().Add(agentTestTimeout)
	c.mu.Lock()
	defer c.mu.Unlock()
	for !condition() {
		if time.Now().After(deadline) {
			c.t.Fatalf("timed out waiting for %s", what)
		}
		c.change.Wait()
	}
}

// handshake answers the agent's handshake request.
func (c *agentClient) handshake(clientVersion string) *agentClient {
	c.t.Helper()
	c.waitUntil("a handshake", func() bool { return c.request != nil })
	c.answer(clientVersion, 1, "")
	c.waitUntil("the end of the handshake", func() bool { return c.expected >= 2 })

	return c
}

func (c *agentClient) answer(clientVersion string, status int, problem string) {
	c.t.Helper()
	answer, err := json.Marshal(map[string]any{
		"ClientVersion":          clientVersion,
		"ProcessedClientActions": []map[string]any{{"ActionType": "SessionType", "ActionStatus": status, "ActionResult": nil, "Error": problem}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(payloadResponse, answer)
}

// acked returns how often a message was acknowledged.
func (c *agentClient) acked(sequence int64) int {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.acks[sequence]
}

// unread returns how much of the agent's data was not read yet.
func (c *agentClient) unread() int {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.output.Len()
}

// wantOutput waits for the agent's data.
func (c *agentClient) wantOutput(want string) {
	c.t.Helper()
	c.waitUntil(fmt.Sprintf("%q", want), func() bool { return c.output.Len() >= len(want) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := string(c.output.Next(len(want))); got != want {
		c.t.Fatalf("the agent sent %q, want %q", got, want)
	}
}

// wantClosed waits for the end of the session and checks its message.
func (c *agentClient) wantClosed(words string) {
	c.t.Helper()
	c.waitUntil("the end of the channel", func() bool { return c.done })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds["channel_closed"] != 1 || !strings.Contains(c.words, words) {
		c.t.Errorf("channel_closed arrived %d times with %q, want %q", c.kinds["channel_closed"], c.words, words)
	}
	if session, _ := c.fake.Session(c.id); session.Status != "Terminated" {
		c.t.Errorf("the session is %s", session.Status)
	}
}

// Read and Write make the client usable as a stream of smux.
func (c *agentClient) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.output.Len() == 0 {
		if c.done {
			return 0, io.EOF
		}
		c.change.Wait()
	}

	return c.output.Read(p)
}

func (c *agentClient) Write(p []byte) (int, error) {
	for part := range slices.Chunk(p, 1024) {
		c.send(payloadOutput, part)
	}

	return len(p), nil
}

func (c *agentClient) Close() error { return nil }

// startFarEnd starts a loopback server and returns its address.
func startFarEnd(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()

	return listener.Addr().String()
}

func echoConn(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// greetConn writes "hello" and closes the connection after it has read one byte.
func greetConn(conn net.Conn) {
	_, _ = conn.Write([]byte("hello"))
	_, _ = io.ReadFull(conn, make([]byte, 1))
}

func portInput(document string, parameters ...string) *ssm.StartSessionInput {
	input := &ssm.StartSessionInput{DocumentName: &document, Parameters: map[string][]string{}}
	for i := 0; i < len(parameters); i += 2 {
		input.Parameters[parameters[i]] = []string{parameters[i+1]}
	}

	return input
}

const (
	portDocument   = "AWS-StartPortForwardingSession"
	remoteDocument = "AWS-StartPortForwardingSessionToRemoteHost"
	sshDocument    = "AWS-StartSSHSession"
)

func TestAgent_echo(t *testing.T) {
	t.Parallel()

	c := startAgent(t, &ssm.StartSessionInput{Reason: aws.String("look")})
	c.handshake(currentClient)
	c.mu.Lock()
	got := fmt.Sprint(c.request)
	c.mu.Unlock()
	if !strings.Contains(got, "AgentVersion:3.3.987.0") || !strings.Contains(got, "SessionType:Standard_Stream") {
		t.Errorf("the agent asks for %s", got)
	}
	text := strings.Repeat("0123456789abcdef", 300)
	_, _ = c.Write([]byte(text))
	c.wantOutput(text)

	session, _ := c.fake.Session(c.id)
	if session.Reason != "look" || session.Status != "Connected" || session.Owner == "" {
		t.Errorf("the session is listed as %+v", session)
	}
	c.flag(2)
	c.wantClosed("")
	_, err := c.api.TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: &c.id})
	var apiErr smithy.APIError
	if !errors.As(err, &apiErr) || apiErr.ErrorCode() != "ValidationException" {
		t.Errorf("ending a session that the agent has ended: %v", err)
	}
}

func TestAgent_handshake(t *testing.T) {
	t.Parallel()

	t.Run("refused by the client", func(t *testing.T) {
		t.Parallel()
		c := startAgent(t, portInput(portDocument))
		c.waitUntil("a handshake", func() bool { return c.request != nil })
		c.answer(currentClient, 3, "no such thing")
		c.wantClosed("SessionType failed on client with status 3 error: no such thing")
	})
	t.Run("early data is acknowledged and dropped", func(t *testing.T) {
		t.Parallel()
		c := startAgent(t, &ssm.StartSessionInput{})
		early := c.send(payloadOutput, []byte("early"))
		c.waitUntil("an acknowledgement", func() bool { return c.acks[early] == 1 })
		c.handshake(currentClient)
		c.send(payloadOutput, []byte("late"))
		c.wantOutput("late")
	})
	t.Run("repeated until it is acknowledged", func(t *testing.T) {
		t.Parallel()
		fake, api := agentServer(t)
		if err := fake.InjectChannel(fakessm.ChannelFault{Kind: fakessm.ChannelLoseAcks, Direction: fakessm.ToAgent, Times: -1}); err != nil {
			t.Fatal(err)
		}
		c := startAgentOn(t, fake, api, &ssm.StartSessionInput{})
		c.waitUntil("a second request", func() bool { return c.seen[0] >= 2 })
	})
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		clock := newClock()
		_, api := agentServer(t, fakessm.WithClock(clock.now))
		out, err := api.StartSession(t.Context(), &ssm.StartSessionInput{Target: aws.String("i-1")})
		if err != nil {
			t.Fatal(err)
		}
		clock.advance(16 * time.Second)
		conn := openChannel(t, aws.ToString(out.StreamUrl), websocket.MessageText, openingMessage(aws.ToString(out.TokenValue)))
		wantClose(t, conn, websocket.StatusPolicyViolation, "the token has expired")
	})
}

// TestAgent_duplicates checks that newer agents acknowledge a repeated message.
func TestAgent_duplicates(t *testing.T) {
	t.Parallel()

	for version, want := range map[string]int{"3.3.987.0": 2, "3.2.1041.0": 2, "3.2.1000.0": 1} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := startAgent(t, &ssm.StartSessionInput{}, fakessm.WithAgentVersion(version)).handshake(currentClient)
			first := c.send(payloadOutput, []byte("a"))
			c.wantOutput("a")
			c.resend(first, payloadOutput, []byte("a"))
			c.send(payloadOutput, []byte("b"))
			c.wantOutput("b")
			if got := c.acked(first); got != want {
				t.Errorf("the message was acknowledged %d times, want %d", got, want)
			}
		})
	}
}

// TestAgent_order checks that an early message is processed in order, and that a corrupt
// one is ignored.
func TestAgent_order(t *testing.T) {
	t.Parallel()

	c := startAgent(t, &ssm.StartSessionInput{}).handshake(currentClient)
	broken := encodeMessage("input_stream_data", 1, payloadOutput, []byte("a"))
	broken[120] = 'x'
	if err := c.conn.Write(t.Context(), websocket.MessageBinary, broken); err != nil {
		t.Fatal(err)
	}
	c.resend(2, payloadOutput, []byte("b"))
	c.waitUntil("an acknowledgement", func() bool { return c.acks[2] == 1 })
	if c.acked(1) != 0 {
		t.Error("a corrupt message was acknowledged")
	}
	c.resend(1, payloadOutput, []byte("a"))
	c.wantOutput("ab")
}

func TestAgent_ports(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		document, agent, client string
		multiplexed             bool
	}{
		"a node's port":                    {portDocument, "3.3.987.0", currentClient, true},
		"a remote host":                    {remoteDocument, "3.3.987.0", currentClient, true},
		"the first agent that multiplexes": {portDocument, "3.0.222.0", currentClient, true},
		"an agent that does not multiplex": {portDocument, "3.0.196.0", currentClient, false},
		"a client that does not multiplex": {portDocument, "3.3.987.0", "1.1.69.0", false},
		"SSH":                              {sshDocument, "3.3.987.0", currentClient, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := startFarEnd(t, echoConn)
			_, port, _ := net.SplitHostPort(address)
			input := portInput(tc.document, "portNumber", port)
			if tc.document == remoteDocument {
				input.Parameters["host"] = []string{"db.internal"}
			}
			c := startAgent(t, input, fakessm.WithAgentVersion(tc.agent), fakessm.WithHosts(map[string]string{"db.internal": "127.0.0.1"})).handshake(tc.client)
			if !tc.multiplexed {
				_, _ = c.Write([]byte("ping"))
				c.wantOutput("ping")

				return
			}
			mux, err := smux.Client(c, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = mux.Close() })
			for range 3 {
				stream, err := mux.OpenStream()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Write([]byte("ping")); err != nil {
					t.Fatal(err)
				}
				answer := make([]byte, 4)
				if _, err := io.ReadFull(stream, answer); err != nil || string(answer) != "ping" {
					t.Errorf("got %q, %v", answer, err)
				}
			}
		})
	}
}

// TestAgent_pacing sends two full messages through an agent's echo.
func TestAgent_pacing(t *testing.T) {
	t.Parallel()

	const sent = 2 * 1024
	for name, tc := range map[string]struct {
		options []fakessm.Option
		least   time.Duration
	}{
		"an agent that pauses":    {[]fakessm.Option{fakessm.WithAgentPacing()}, 2 * time.Millisecond},
		"an agent without pauses": {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startAgent(t, &ssm.StartSessionInput{Target: aws.String("i-0123456789abcdef0")}, tc.options...).handshake(currentClient)
			_, _ = c.Write(bytes.Repeat([]byte("x"), sent))
			// The next data arrives after the last pause.
			_, _ = c.Write([]byte("end"))
			c.wantOutput(strings.Repeat("x", sent) + "end")
			if paused := c.fake.AgentPauses(); paused < tc.least || tc.least == 0 && paused != 0 {
				t.Errorf("the agent paused for %v, want at least %v", paused, tc.least)
			}
		})
	}
}

func TestAgent_refusedPort(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct{ host, agent string }{
		"no listener":                   {"closed.internal", "3.3.987.0"},
		"no such host for an old agent": {"nowhere.internal", "3.1.1260.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startAgent(t, portInput(remoteDocument, "host", tc.host, "portNumber", "5432"), fakessm.WithAgentVersion(tc.agent),
				fakessm.WithHosts(map[string]string{"closed.internal": "127.0.0.1:1"})).handshake(currentClient)
			mux, err := smux.Client(c, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = mux.Close() })
			stream, err := mux.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("reading: %v", err)
			}
			if c.mu.Lock(); !slices.Equal(c.flags, []uint32{3}) {
				t.Errorf("the agent's flags are %v", c.flags)
			}
			c.mu.Unlock()
		})
	}
	t.Run("no such host", func(t *testing.T) {
		t.Parallel()
		c := startAgent(t, portInput(remoteDocument, "host", "nowhere.internal", "portNumber", "80"))
		c.waitUntil("a handshake", func() bool { return c.request != nil })
		c.answer(currentClient, 1, "")
		c.wantClosed("lookup nowhere.internal: no such host")
	})
	t.Run("forbidden", func(t *testing.T) {
		t.Parallel()
		c := startAgent(t, portInput(remoteDocument, "host", "169.254.169.254", "portNumber", "80"))
		c.waitUntil("a handshake", func() bool { return c.request != nil })
		c.answer(currentClient, 1, "")
		c.wantClosed("Forwarding to IP address 169.254.169.254 is forbidden.")
	})
	t.Run("refused by an old agent", func(t *testing.T) {
		t.Parallel()
		c := startAgent(t, portInput(remoteDocument, "host", "nowhere.internal"), fakessm.WithAgentVersion("3.0.196.0"))
		c.waitUntil("a handshake", func() bool { return c.request != nil })
		c.answer(currentClient, 1, "")
		c.wantClosed("Unable to connect to specified port: 80")
	})
}

// TestAgent_singleConnection checks how a connection ends without multiplexing. The client
// sends a flag. The agent reports the far end's close only for sessions without a type.
func TestAgent_singleConnection(t *testing.T) {
	t.Parallel()

	t.Run("the client disconnects", func(t *testing.T) {
		t.Parallel()
		var connections sync.WaitGroup
		connections.Add(2)
		_, port, _ := net.SplitHostPort(startFarEnd(t, func(conn net.Conn) {
			echoConn(conn)
			connections.Done()
		}))
		c := startAgent(t, portInput(portDocument, "portNumber", port), fakessm.WithAgentVersion("3.0.100.0")).handshake(currentClient)
		for range 2 {
			_, _ = c.Write([]byte("ping"))
			c.wantOutput("ping")
			sequence := c.flag(1)
			c.waitUntil("an acknowledgement", func() bool { return c.acks[sequence] > 0 })
		}
		connections.Wait()
	})
	t.Run("the far end disconnects", func(t *testing.T) {
		t.Parallel()
		_, port, _ := net.SplitHostPort(startFarEnd(t, greetConn))
		c := startAgent(t, portInput(portDocument, "portNumber", port), fakessm.WithAgentVersion("3.0.100.0")).handshake(currentClient)
		c.wantOutput("hello")
		_, _ = c.Write([]byte("x"))
		// The next byte makes the agent connect again.
		for deadline := time.Now().Add(agentTestTimeout); c.unread() < 5; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the agent does not connect again")
			}
			_, _ = c.Write([]byte("y"))
		}
	})
	t.Run("the client of SSH disconnects", func(t *testing.T) {
		t.Parallel()
		_, port, _ := net.SplitHostPort(startFarEnd(t, echoConn))
		c := startAgent(t, portInput(sshDocument, "portNumber", port)).handshake(currentClient)
		_, _ = c.Write([]byte("ping"))
		c.wantOutput("ping")
		c.flag(1)
		c.wantClosed("")
	})
	t.Run("the far end of SSH disconnects", func(t *testing.T) {
		t.Parallel()
		_, port, _ := net.SplitHostPort(startFarEnd(t, greetConn))
		c := startAgent(t, portInput(sshDocument, "portNumber", port)).handshake(currentClient)
		c.wantOutput("hello")
		_, _ = c.Write([]byte("x"))
		c.wantClosed("")
	})
}

// TestAgent_slowFarEnd checks that data is not acknowledged before the far end has read it,
// that the service still answers the client's pings, and that a second connection delivers
// nothing twice.
func TestAgent_slowFarEnd(t *testing.T) {
	t.Parallel()

	const messages, size = 64, 512 << 10
	read := make(chan struct{})
	received := make(chan []byte, 1)
	address := startFarEnd(t, func(conn net.Conn) {
		<-read
		hash := sha256.New()
		_, _ = io.CopyN(hash, conn, messages*size)
		received <- hash.Sum(nil)
	})
	_, port, _ := net.SplitHostPort(address)
	c := startAgent(t, portInput(sshDocument, "portNumber", port)).handshake(currentClient)

	want := sha256.New()
	var sent [][]byte
	var last int64
	for i := range messages {
		data := bytes.Repeat([]byte{byte(i)}, size)
		want.Write(data)
		sent = append(sent, data)
		last = c.send(payloadOutput, data)
	}
	first := last - messages + 1
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.conn.Ping(ctx); err != nil {
		t.Fatalf("a ping is not answered: %v", err)
	}
	if c.acked(last) != 0 {
		t.Error("an unread message is acknowledged")
	}

	old := c.conn
	url, token := resumeSession(t, c.api, c.id)
	c.connect(url, token)
	_ = old.CloseNow()
	for i, data := range sent {
		if sequence := first + int64(i); c.acked(sequence) == 0 {
			c.resend(sequence, payloadOutput, data)
		}
	}
	close(read)
	if got := <-received; !bytes.Equal(got, want.Sum(nil)) {
		t.Error("the far end has read other data")
	}
	c.waitUntil("the last acknowledgement", func() bool { return c.acks[last] > 0 })
}

// TestAgent_bothDirectionsFull checks a far end that answers at once. Both directions are
// full then.
func TestAgent_bothDirectionsFull(t *testing.T) {
	t.Parallel()

	const messages, size = 64, 512 << 10
	_, port, _ := net.SplitHostPort(startFarEnd(t, echoConn))
	c := startAgent(t, portInput(sshDocument, "portNumber", port)).handshake(currentClient)
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	for range messages {
		c.send(payloadOutput, data)
	}
	c.waitUntil("everything to come back", func() bool { return c.output.Len() >= messages*size })
	c.mu.Lock()
	defer c.mu.Unlock()
	for range messages {
		if !bytes.Equal(c.output.Next(size), data) {
			t.Fatal("other data came back")
		}
	}
}

// TestAgent_otherMachines checks that the agent connects to loopback addresses only.
func TestAgent_otherMachines(t *testing.T) {
	t.Parallel()

	_, port, _ := net.SplitHostPort(startFarEnd(t, greetConn))
	// The operating system would connect the first addresses to the listener of this test.
	for _, address := range []string{"0.0.0.0", "0.0.0.0:" + port, ":" + port, "192.0.2.1", "example.com", "[2001:db8::1]:22"} {
		c := startAgent(t, portInput(remoteDocument, "host", "db.internal", "portNumber", port),
			fakessm.WithAgentVersion("3.0.196.0"), fakessm.WithHosts(map[string]string{"db.internal": address}))
		c.waitUntil("a handshake", func() bool { return c.request != nil })
		c.answer(currentClient, 1, "")
		c.wantClosed("Unable to connect to specified port")
	}
}

// TestAgent_resume checks that sequence numbers and data continue on a new connection.
func TestAgent_resume(t *testing.T) {
	t.Parallel()

	c := startAgent(t, &ssm.StartSessionInput{}).handshake(currentClient)
	_, _ = c.Write([]byte("one"))
	c.wantOutput("one")
	c.fake.CloseDataChannels()
	c.waitUntil("the end of the connection", func() bool { return c.done })
	c.mu.Lock()
	closed := c.kinds["channel_closed"]
	c.mu.Unlock()
	if closed != 0 {
		t.Error("the session ended with its connection")
	}
	c.connect(resumeSession(t, c.api, c.id))
	_, _ = c.Write([]byte("two"))
	c.wantOutput("two")
}

func TestAgent_terminated(t *testing.T) {
	t.Parallel()

	c := startAgent(t, &ssm.StartSessionInput{}).handshake(currentClient)
	if _, err := c.api.TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: &c.id}); err != nil {
		t.Fatal(err)
	}
	c.wantClosed("")
}

// TestAgent_start checks that newer agents do not acknowledge data before their plugin has started.
func TestAgent_start(t *testing.T) {
	t.Parallel()

	for version, want := range map[string]int{"3.0.196.0": 1, "3.0.603.0": 1, "3.0.655.0": 0, "3.3.987.0": 0} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := startAgent(t, &ssm.StartSessionInput{}, fakessm.WithAgentVersion(version), fakessm.WithAgentStart(time.Hour)).handshake(currentClient)
			first := c.send(payloadOutput, []byte("a"))
			second := c.send(payloadOutput, []byte("b"))
			// A message that is ahead of its turn is always acknowledged.
			c.waitUntil("an acknowledgement", func() bool { return c.acks[second] > 0 })
			if got := c.acked(first); got != want {
				t.Errorf("early data was acknowledged %d times, want %d", got, want)
			}
		})
	}
}
