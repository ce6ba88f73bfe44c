// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestOpen_talks(t *testing.T) {
	t.Parallel()
	answers := make(chan wireMessage, 1)
	p := newPeer(t, func(_ int, l *peerLine) {
		answer, ok := l.shake(modernAgent)
		if !ok {
			return
		}
		answers <- answer
		for sequence := int64(2); ; {
			m, ok := l.read()
			if !ok {
				return
			}
			if m.payload == 1 {
				l.send(ackOf(m), outputMessage(sequence, "echo "+string(m.data)))
				sequence++
			}
		}
	})
	c := mustOpen(t, p, nil)
	if n, err := c.Write([]byte("hello\n")); n != 6 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	got := make([]byte, len("echo hello\n"))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "echo hello\n" {
		t.Fatalf("Read: %q, %v", got, err)
	}
	var answer struct {
		ClientVersion          string
		ProcessedClientActions []struct {
			ActionType   string
			ActionStatus int
		}
	}
	if err := json.Unmarshal((<-answers).data, &answer); err != nil {
		t.Fatal(err)
	}
	if v, err := parseVersion(answer.ClientVersion); err != nil || !v.after(version{1, 2, 331, 0}) {
		t.Errorf("client version %q is not above 1.2.331.0", answer.ClientVersion)
	}
	if got := answer.ProcessedClientActions; len(got) != 1 || got[0].ActionType != "SessionType" || got[0].ActionStatus != 1 {
		t.Errorf("processed actions: %+v", got)
	}
	if a := c.Agent(); !a.Multiplexed || a.NeedsKeepAlive || a.Properties["portNumber"] != "5432" {
		t.Errorf("agent: %+v", a)
	}
	start := time.Now()
	closeNow(c)
	t.Logf("closed after %s", time.Since(start))
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a Write after Close succeeds")
	}
}

// TestOpen_refuses covers handshakes that must fail, and their errors.
func TestOpen_refuses(t *testing.T) {
	t.Parallel()
	const kms = `[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port","Properties":{}}},{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"alias/session"}}]`
	const shell = `[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream","Properties":"none"}}]`
	const other = `[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port"}},{"ActionType":"Dance"}]`
	request := func(actions string) wireMessage { return handshakeRequestOf(modernAgent, actions) }
	for name, test := range map[string]struct {
		first  wireMessage
		closed string // The agent's message after a refusal.
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
		"an unknown action":                       {request(other), "", "an action that this version of the provider does not know", nil, 3},
		"no type of session":                      {request(`[]`), "", "lacks the type", func(err error) bool { return errors.Is(err, ErrProtocol) }, 0},
		"too many actions":                        {request("[" + strings.Repeat(`{"ActionType":"x"},`, 40) + `{"ActionType":"x"}]`), "", "41 actions", nil, 0},
		"no JSON":                                 {wireMessage{kind: "output_stream_data", payload: 5, data: []byte("{")}, "", "cannot be read", nil, 0},
		"no version":                              {handshakeRequestOf("new", portActions), "", "the agent's version is not one to four numbers", nil, 0},
		"a version that is too long":              {handshakeRequestOf("1.2.3.4.5", portActions), "", "the agent's version is not one to four numbers", nil, 0},
		"data before the handshake":               {outputMessage(0, "$ "), "", "before the handshake", nil, 0},
		"an end without a beginning":              {handshakeCompleteOf(0), "", "did not begin", nil, 0},
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

// TestOpen_handshakeNeverComes covers nodes that never begin or never complete the
// handshake.
func TestOpen_handshakeNeverComes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script func(l *peerLine)
		text   string
	}{
		"nothing comes": {func(*peerLine) {}, "it did not start one"},
		"it does not end": {func(l *peerLine) {
			l.send(handshakeRequestOf(modernAgent, portActions))
		}, "agent 3.3.987.0 did not complete it"},
		"the channel is closed": {func(l *peerLine) {
			l.send(wireMessage{kind: "channel_closed", data: []byte(`{"Output":"\n----------ERROR-------\nSetting up data channel with id s-1 failed: token-of-the-session"}`)})
		}, "the service has closed the data channel: Setting up data channel with id s-1 failed: ..."},
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

// TestOpen_repeatedRequest covers a request that is repeated because its
// acknowledgement was lost. It is acknowledged again, but answered once.
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

// TestFlag_comesInOrder covers a target that refuses: OnFlag is called before the
// data after the flag can be read.
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
	for text, want := range map[string][5]bool{ // Multiplexed, keep-alive, terminate, duplicates, drops early data.
		"2.3.722.0":  {false, true, false, false, true},
		"2.3.723.0":  {false, true, true, false, true},
		"3.0.196.0":  {false, true, true, false, true},
		"3.0.222.0":  {true, true, true, false, true},
		"3.0.603.0":  {true, true, true, false, true},
		"3.0.655.0":  {true, true, true, false, false},
		"3.1.1511.0": {true, true, true, false, false},
		"3.1.1575.0": {true, false, true, false, false},
		"3.2.1040.0": {true, false, true, false, false},
		"3.2.1041.0": {true, false, true, true, false},
		"3.3":        {true, false, true, true, false},
		"10.0.0.0":   {true, false, true, true, false},
	} {
		a, err := newAgent(text, "Port", port)
		if got := [5]bool{a.Multiplexed, a.NeedsKeepAlive, a.KnowsTerminate, a.AcknowledgesDuplicates, a.DropsEarlyData}; err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	if a, _ := newAgent(modernAgent, "Port", map[string]string{"portNumber": "22"}); a.Multiplexed {
		t.Error("a session for SSH is multiplexed")
	}
}
