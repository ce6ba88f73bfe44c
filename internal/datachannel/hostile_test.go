// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// raw writes bytes that may be no message.
func (l *peerLine) raw(b []byte) bool {
	return l.ws.Write(context.Background(), websocket.MessageBinary, b) == nil
}

// TestHostile_endsWithAnError covers other sides that are broken or want to do
// harm. None of them may take much memory either.
func TestHostile_endsWithAnError(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", 100_000)
	for name, flood := range map[string]func(i int, l *peerLine) bool{
		"wrong digests": func(i int, l *peerLine) bool {
			b := outputMessage(int64(i), "data").bytes()
			b[80] ^= 1

			return l.raw(b)
		},
		"absurd lengths": func(_ int, l *peerLine) bool {
			b := outputMessage(2, "data").bytes()
			b[116] = 0xff

			return l.raw(b)
		},
		"absurd headers": func(_ int, l *peerLine) bool {
			b := outputMessage(2, "data").bytes()
			b[0] = 0xff

			return l.raw(b)
		},
		"messages without a date": func(_ int, l *peerLine) bool {
			b := outputMessage(2, "data").bytes()
			clear(b[40:48])

			return l.raw(b)
		},
		"messages without a type": func(_ int, l *peerLine) bool { return l.send(wireMessage{}) },
		"empty messages":          func(_ int, l *peerLine) bool { return l.raw(nil) },
		"text": func(_ int, l *peerLine) bool {
			return l.ws.Write(context.Background(), websocket.MessageText, []byte("{}")) == nil
		},
		"negative sequence numbers":  func(_ int, l *peerLine) bool { return l.send(outputMessage(-1, "data")) },
		"sequence numbers far ahead": func(i int, l *peerLine) bool { return l.send(outputMessage(1<<40+int64(i), big)) },
		"endless handshakes": func(i int, l *peerLine) bool {
			m := handshakeRequestOf(modernAgent, portActions)
			m.sequence = int64(2 + i)
			return l.send(m)
		},
		"acknowledgements of nothing":     func(i int, l *peerLine) bool { return l.send(ackOf(wireMessage{sequence: int64(100 + i)})) },
		"acknowledgements without number": func(_ int, l *peerLine) bool { return l.send(wireMessage{kind: "acknowledge", data: []byte("{}")}) },
		"a flag that is too long": func(i int, l *peerLine) bool {
			m := outputMessage(int64(2+i), "12345")
			m.payload = 10
			return l.send(m)
		},
		"a message that is too long": func(_ int, l *peerLine) bool { return l.send(outputMessage(2, strings.Repeat(big, 3))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, func(_ int, l *peerLine) {
				l.shake(modernAgent)
				go l.drain()
				for i := 0; flood(i, l); i++ {
				}
			})
			c := mustOpen(t, p, func(c *Config) { c.Resume = resumeTo(p) })
			select {
			case <-c.Done():
			case <-time.After(20 * time.Second):
				t.Fatal("the channel does not end")
			}
			if err := c.Err(); !errors.Is(err, ErrProtocol) {
				t.Error(err)
			}
			if _, err := io.ReadAll(c); !errors.Is(err, ErrProtocol) {
				t.Errorf("Read: %v", err)
			}
		})
	}
}

// TestHostile_takesLittleMemory holds a channel against floods that are no
// violation.
func TestHostile_takesLittleMemory(t *testing.T) { //nolint:paralleltest // It measures the memory of the process.
	big := strings.Repeat("x", 100_000)
	for name, flood := range map[string]func(l *peerLine, known wireMessage) bool{
		"acknowledgements without end": func(l *peerLine, known wireMessage) bool {
			b := ackOf(known).bytes()
			for range 20_000 {
				if !l.raw(b) {
					return false
				}
			}

			return true
		},
		"messages that are never in turn": func(l *peerLine, _ wireMessage) bool {
			for i := range 500 {
				if !l.send(outputMessage(int64(3+i), big)) {
					return false
				}
			}

			return true
		},
		"one message without end": func(l *peerLine, _ wireMessage) bool {
			for range 5_000 {
				if !l.send(outputMessage(1, "data")) {
					return false
				}
			}

			return true
		},
		"data that nobody reads": func(l *peerLine, _ wireMessage) bool {
			for i := range 42 {
				if !l.send(outputMessage(int64(2+i), big)) {
					return false
				}
			}

			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			var done atomic.Bool
			p := newPeer(t, func(_ int, l *peerLine) {
				answer, _ := l.shake(modernAgent)
				drained := make(chan struct{})
				go func() {
					defer close(drained)
					l.drain()
				}()
				done.Store(flood(l, answer))
				<-drained
			})
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			c := mustOpen(t, p, nil)
			waitFor(t, done.Load)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 18<<20 {
				t.Errorf("the channel holds %d bytes", grown)
			}
			if c.Err() != nil {
				t.Error(c.Err())
			}
		})
	}
}

// TestOpen_refuses covers handshakes that must not succeed, and what the user
// reads then.
func TestOpen_refuses(t *testing.T) {
	t.Parallel()
	const kms = `[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{}}},{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"alias/session"}}]`
	const shell = `[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream","Properties":"none"}}]`
	const other = `[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port"}},{"ActionType":"Dance"}]`
	request := func(actions string) wireMessage { return handshakeRequestOf(modernAgent, actions) }
	for name, test := range map[string]struct {
		first  wireMessage
		closed string // What the agent says when it is refused.
		text   string
		check  func(error) bool
		status int // Of the last action in the answer.
	}{
		"encryption": {request(kms), "KMSEncryption failed on client", `the KMS key "alias/session"`, func(err error) bool {
			var e *EncryptionError

			return errors.As(err, &e) && e.Key == "alias/session"
		}, 3},
		"another type of session": {request(shell), "SessionType failed on client", `"Standard_Stream", but "Port" is needed`, func(err error) bool {
			var e *SessionTypeError

			return errors.As(err, &e) && e.Got == "Standard_Stream"
		}, 2},
		"an agent that says nothing to a refusal": {request(shell), "", `"Standard_Stream", but "Port" is needed`, nil, 2},
		"an unknown action":                       {request(other), "", `the action "Dance"`, nil, 3},
		"no type of session":                      {request(`[]`), "", "does not tell the type", func(err error) bool { return errors.Is(err, ErrProtocol) }, 0},
		"too many actions":                        {request("[" + strings.Repeat(`{"ActionType":"x"},`, 40) + `{"ActionType":"x"}]`), "", "41 actions", nil, 0},
		"no JSON":                                 {wireMessage{kind: "output_stream_data", payload: 5, data: []byte("{")}, "", "cannot be read", nil, 0},
		"no version":                              {handshakeRequestOf("new", portActions), "", `"new" is no version`, nil, 0},
		"a version that is too long":              {handshakeRequestOf("1.2.3.4.5", portActions), "", "no version", nil, 0},
		"data before the handshake":               {outputMessage(0, "$ "), "", "before the handshake", nil, 0},
		"an end without a beginning":              {handshakeCompleteOf(0), "", "not begun", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := make(chan wireMessage, 1)
			p := newPeer(t, func(_ int, l *peerLine) {
				l.send(test.first)
				for {
					m, ok := l.read()
					if !ok {
						return
					}
					if m.payload == 6 {
						answers <- m
						l.send(ackOf(m))
						if test.closed != "" {
							l.send(wireMessage{kind: "channel_closed", data: fmt.Appendf(nil, `{"Output":%q}`, test.closed)})
						}
					}
				}
			})
			_, err := openChannel(t, p, nil)
			if err == nil || !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), test.closed) || test.check != nil && !test.check(err) {
				t.Errorf("the error is %v", err)
			}
			if test.status != 0 {
				answer := string((<-answers).data)
				if want := fmt.Sprintf(`"ActionStatus":%d`, test.status); !strings.Contains(answer, want) {
					t.Errorf("the answer is %s", answer)
				}
			}
		})
	}
}

// TestOpen_handshakeNeverComes covers nodes that never begin, or never end, the
// handshake.
func TestOpen_handshakeNeverComes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script func(l *peerLine)
		text   string
	}{
		"nothing comes": {func(*peerLine) {}, "it asked for none"},
		"it does not end": {func(l *peerLine) {
			l.send(handshakeRequestOf(modernAgent, portActions))
		}, "agent 3.3.987.0 did not say that it is done"},
		"the channel is closed": {func(l *peerLine) {
			l.send(wireMessage{kind: "channel_closed", data: []byte(`{"Output":"----------ERROR-------\nSetting up data channel with id s-1 failed: token-of-the-session"}`)})
		}, "----------ERROR------- Setting up data channel with id s-1 failed: ..."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t, func(_ int, l *peerLine) { test.script(l); l.drain() })
			config := Config{Access: p.access(), SessionType: "Port"}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err := Open(ctx, config)
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Errorf("the error is %v", err)
			}
			noSecret(t, err)
		})
	}
	if _, err := Open(t.Context(), Config{}); err == nil {
		t.Error("a channel opens without a session type")
	}
}

// TestOpen_repeatedRequest covers a request that comes again because its
// acknowledgement was lost: it is acknowledged again, and answered once.
func TestOpen_repeatedRequest(t *testing.T) {
	t.Parallel()
	var answers, acks atomic.Int64
	p := newPeer(t, func(_ int, l *peerLine) {
		request := handshakeRequestOf(modernAgent, portActions)
		l.send(wireMessage{kind: "start_publication"}, wireMessage{kind: "data_channel_ready", data: []byte("{}")}, request, request, request)
		for acks.Load() < 3 || answers.Load() < 1 {
			m, ok := l.read()
			if !ok {
				return
			}
			switch {
			case m.payload == 6:
				answers.Add(1)
				l.send(ackOf(m))
			case m.kind == "acknowledge":
				if m.sequence != 0 || m.flags != 3 || !strings.Contains(string(m.data), `"AcknowledgedMessageSequenceNumber":0,`) {
					t.Errorf("an acknowledgement: %+v %s", m, m.data)
				}
				acks.Add(1)
			}
		}
		l.send(handshakeCompleteOf(1))
		l.drain()
	})
	mustOpen(t, p, nil)
	if answers.Load() != 1 || acks.Load() != 3 {
		t.Errorf("%d answers, %d acknowledgements", answers.Load(), acks.Load())
	}
}

// TestFlag_comesInOrder covers a target that refuses: the flag is told before
// what comes after it can be read.
func TestFlag_comesInOrder(t *testing.T) {
	t.Parallel()
	var flags atomic.Int64
	p := newPeer(t, func(_ int, l *peerLine) {
		l.shake(modernAgent)
		l.send(outputMessage(4, "after"), outputMessage(2, "before"),
			wireMessage{kind: "output_stream_data", sequence: 3, payload: 10, data: []byte{0, 0, 0, 3}},
			wireMessage{kind: "output_stream_data", sequence: 5, payload: 12, data: []byte("0")})
		l.drain()
	})
	c := mustOpen(t, p, func(c *Config) {
		c.OnFlag = func(f Flag) { flags.Add(int64(f)) }
	})
	got := make([]byte, len("beforeafter"))
	if _, err := io.ReadFull(c, got[:6]); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got[6:]); err != nil || string(got) != "beforeafter" {
		t.Fatalf("Read: %q, %v", got, err)
	}
	if flags.Load() != int64(FlagConnectToPortError) {
		t.Error("the flag was not told before the data after it")
	}
}

func TestAgent_versions(t *testing.T) {
	t.Parallel()
	port := map[string]string{"type": "LocalPortForwarding"}
	for text, want := range map[string][4]bool{ // Multiplexed, keep-alive, terminate, duplicates.
		"2.3.722.0":  {false, true, false, false},
		"2.3.723.0":  {false, true, true, false},
		"3.0.196.0":  {false, true, true, false},
		"3.0.222.0":  {true, true, true, false},
		"3.1.1511.0": {true, true, true, false},
		"3.1.1575.0": {true, false, true, false},
		"3.2.1040.0": {true, false, true, false},
		"3.2.1041.0": {true, false, true, true},
		"3.3":        {true, false, true, true},
		"10.0.0.0":   {true, false, true, true},
	} {
		a, err := newAgent(text, "Port", port)
		if got := [4]bool{a.Multiplexed, a.NeedsKeepAlive, a.KnowsTerminate, a.AcknowledgesDuplicates}; err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	if a, _ := newAgent(modernAgent, "Port", map[string]string{"portNumber": "22"}); a.Multiplexed {
		t.Error("a session for SSH is multiplexed")
	}
}
