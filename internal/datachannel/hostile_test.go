// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// raw writes bytes that need not be a valid message.
func (l *peerLine) raw(b []byte) bool {
	return l.ws.Write(context.Background(), websocket.MessageBinary, b) == nil
}

// TestHostile_endsWithAnError covers other sides that are broken or malicious. None
// may use much memory.
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

// TestHostile_takesLittleMemory covers floods that do not violate the protocol.
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
