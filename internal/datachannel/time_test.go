// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// recordedEvents are the events of a channel.
type recordedEvents struct {
	mu  sync.Mutex
	all []Event
}

func (e *recordedEvents) observe(_ context.Context, event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *recordedEvents) count(kind EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, event := range e.all {
		if event.Kind == kind {
			n++
		}
	}

	return n
}

func (e *recordedEvents) last() Event {
	e.mu.Lock()
	defer e.mu.Unlock()

	return e.all[len(e.all)-1]
}

// inBubble runs a test with a scripted peer in a synctest bubble. Time passes only
// when all goroutines wait, and no goroutine may be left.
func inBubble(t *testing.T, script func(n int, l *peerLine), change func(*peer, *Config), test func(t *testing.T, c *Channel, e *recordedEvents)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, connect, stop := newBubblePeer(t, script)
		defer stop()
		e := &recordedEvents{}
		c, err := openChannel(t, p, func(c *Config) {
			connect(c)
			c.Observe = e.observe
			if change != nil {
				change(p, c)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer closeNow(c)
		test(t, c, e)
	})
}

func withResume(p *peer, c *Config) { c.Resume = resumeTo(p) }

func TestWrite_onRecordBeforeItIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		p, connect, stop := newBubblePeer(t, n.serve)
		defer stop()
		e := &recordedEvents{}
		c := mustOpen(t, p, func(c *Config) { connect(c); c.Observe = e.observe })
		data := seededBytes(3, 1<<20)
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if len(n.received()) != len(data) || n.repeats != 0 {
			t.Errorf("%d bytes of %d arrived; %d messages were repeated", len(n.received()), len(data), n.repeats)
		}
		closeNow(c)
		if last := e.last(); last.Kind != Ended || last.Resent != 0 || last.Unacknowledged != 0 {
			t.Errorf("the last event is %+v", last)
		}
	})
}

// TestResend_backsOff covers the resend time. AWS's plugin changes only a copy of it,
// and then resends a late message every 100 ms.
func TestResend_backsOff(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	ids := map[[16]byte]bool{}
	inBubble(t, func(_ int, l *peerLine) {
		if _, ok := l.shake(modernAgent); !ok {
			return
		}
		for {
			m, ok := l.read()
			if !ok {
				return
			}
			if m.payload == 1 {
				ids[m.id] = true
				sent.Add(1)
			}
		}
	}, nil, func(t *testing.T, c *Channel, _ *recordedEvents) {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if n := sent.Load(); n < 5 || n > 15 {
			t.Errorf("a message was sent %d times within 20 s", n)
		}
		time.Sleep(10 * time.Minute)
		if n := sent.Load(); n > 80 {
			t.Errorf("a message was sent %d times within 10 minutes", n)
		}
		if len(ids) != 1 {
			t.Error("a message that is sent again has another ID")
		}
	})
}

func TestWrite_blocksWhenTheWindowIsFull(t *testing.T) {
	t.Parallel()
	var (
		mu   sync.Mutex
		seen = map[int64]wireMessage{}
		ack  chan struct{}
	)
	inBubble(t, func(_ int, l *peerLine) {
		if _, ok := l.shake(modernAgent); !ok {
			return
		}
		go func() {
			<-ack
			mu.Lock()
			defer mu.Unlock()
			for _, m := range seen {
				l.send(ackOf(m))
			}
		}()
		for {
			m, ok := l.read()
			if !ok {
				return
			}
			mu.Lock()
			seen[m.sequence] = m
			mu.Unlock()
		}
	}, func(*peer, *Config) { ack = make(chan struct{}) }, func(t *testing.T, c *Channel, _ *recordedEvents) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = c.Write(make([]byte, 600<<10))
		}()
		time.Sleep(time.Minute)
		mu.Lock()
		n := len(seen)
		mu.Unlock()
		if n != window+1 { // And the answer to the handshake.
			t.Errorf("%d messages were sent without an acknowledgement", n)
		}
		select {
		case <-done:
			t.Error("Write did not wait")
		default:
		}
		close(ack)
		<-done
	})
}

func TestTend_silentSocketIsReplaced(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]bool{"idle": false, "busy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(n int, l *peerLine) {
				if n == 1 {
					l.shake(modernAgent)
					time.Sleep(time.Hour) // The line goes silent: no pong is sent.
				}
				for {
					m, ok := l.read()
					if !ok {
						return
					}
					l.send(ackOf(m))
				}
			}, withResume, func(t *testing.T, c *Channel, e *recordedEvents) {
				start := time.Now()
				if write {
					if _, err := c.Write([]byte("x")); err != nil {
						t.Fatal(err)
					}
				}
				for e.count(Resumed) == 0 {
					time.Sleep(time.Second)
					if time.Since(start) > 2*time.Minute {
						t.Fatal("the socket was not replaced")
					}
				}
				if took := time.Since(start); write && took > 15*time.Second || took > 50*time.Second {
					t.Errorf("replacing a silent socket took %s", took)
				}
				time.Sleep(time.Minute)
				closeNow(c)
				if e.count(Resumed) != 1 || e.last().Unacknowledged != 0 && write {
					t.Errorf("afterwards: %+v", e.last())
				}
			})
		})
	}
}

func TestTend_quietSocketIsKept(t *testing.T) {
	t.Parallel()
	inBubble(t, newNode(t).serve, withResume, func(t *testing.T, c *Channel, e *recordedEvents) {
		time.Sleep(time.Hour)
		if e.count(Broken) != 0 {
			t.Error("a socket that answers pings was given up")
		}
		if c.Err() != nil {
			t.Error(c.Err())
		}
	})
}

// TestTend_deadTunnelIsNoticed covers a socket that answers pings while the agent
// acknowledges nothing.
func TestTend_deadTunnelIsNoticed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(n int, l *peerLine) {
		if n == 1 {
			l.shake(modernAgent)
			l.drain()
		}
		for {
			m, ok := l.read()
			if !ok {
				return
			}
			l.send(ackOf(m))
		}
	}, withResume, func(t *testing.T, c *Channel, e *recordedEvents) {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		closeNow(c)
		if e.count(Stalled) != 1 || e.count(Resumed) != 1 || e.last().Unacknowledged != 0 {
			t.Errorf("stalled %d times, resumed %d times, last %+v", e.count(Stalled), e.count(Resumed), e.last())
		}
	})
}

func TestPause_keepsDataAndSendsLittle(t *testing.T) {
	t.Parallel()
	var (
		sent atomic.Int64
		back chan struct{}
	)
	inBubble(t, func(_ int, l *peerLine) {
		if _, ok := l.shake(modernAgent); !ok {
			return
		}
		l.send(wireMessage{kind: "pause_publication"})
		go func() {
			<-back
			l.send(wireMessage{kind: "start_publication"})
		}()
		last := map[int64]int{}
		for {
			m, ok := l.read()
			if !ok {
				return
			}
			if m.payload != 1 {
				continue
			}
			sent.Add(1)
			last[m.sequence]++
			select {
			case <-back:
				l.send(ackOf(m))
			default:
				l.send(wireMessage{kind: "pause_publication"})
			}
		}
	}, func(p *peer, c *Config) { back = make(chan struct{}); withResume(p, c) }, func(t *testing.T, c *Channel, e *recordedEvents) {
		time.Sleep(time.Second)
		for range 100 {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Second)
		if n := sent.Load(); n < 100 || n > 125 {
			t.Errorf("%d messages were sent during a pause of 20 s", n)
		}
		if e.count(Paused) != 1 {
			t.Errorf("the pause was told %d times", e.count(Paused))
		}
		close(back)
		time.Sleep(2 * time.Second)
		if e.count(Started) != 1 {
			t.Error("the end of the pause was not told")
		}
		closeNow(c)
		if n := e.last().Unacknowledged; n != 0 {
			t.Errorf("%d messages are not acknowledged after the pause", n)
		}
	})
}

// TestOldAgent_doesNotAcknowledgeAgain covers agents before 3.2.1041.0, which do not
// repeat a lost acknowledgement.
func TestOldAgent_doesNotAcknowledgeAgain(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.version, n.reAck = "3.1.1732.0", false
	lost := 0
	n.fault = func(out bool, m wireMessage) verdict {
		if out && m.kind == "acknowledge" {
			if lost++; lost == 4 {
				return verdictLose
			}
		}

		return verdictPass
	}
	inBubble(t, n.serve, withResume, func(t *testing.T, c *Channel, e *recordedEvents) {
		data := seededBytes(4, 1<<20)
		for part := data; len(part) > 0; part = part[1024:] {
			if _, err := c.Write(part[:1024]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(2 * time.Minute)
		if len(n.received()) != len(data) {
			t.Errorf("%d bytes of %d arrived", len(n.received()), len(data))
		}
		if e.count(Broken) != 0 {
			t.Error("the session was disturbed")
		}
		closeNow(c)
		if last := e.last(); last.Presumed != 1 || last.Unacknowledged != 0 {
			t.Errorf("the last event is %+v", last)
		}
	})
}

func TestResume_closeFrameIsNotTheEnd(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.echo = true
	var p *peer
	inBubble(t, func(k int, l *peerLine) {
		if k < 4 {
			go func() {
				time.Sleep(time.Hour)
				_ = l.ws.Close(websocket.StatusNormalClosure, "Bye")
			}()
		}
		n.serve(k, l)
	}, func(q *peer, c *Config) { p = q; withResume(q, c) }, func(t *testing.T, c *Channel, e *recordedEvents) {
		for i := range 20 {
			text := fmt.Sprintf("line %d\n", i)
			if _, err := c.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(text))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
				t.Fatalf("Read: %q, %v", got, err)
			}
			time.Sleep(12 * time.Minute)
		}
		if e.count(Resumed) != 3 {
			t.Errorf("resumed %d times", e.count(Resumed))
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, opening := range p.openings[1:] {
			if want := fmt.Sprintf("token-%d", i+1); opening["TokenValue"] != want {
				t.Errorf("opening %d has another token", i+1)
			}
			if opening["ClientId"] != p.openings[0]["ClientId"] || opening["RequestId"] == p.openings[0]["RequestId"] {
				t.Error("the client's ID must stay, that of the request must not")
			}
			if want := fmt.Sprintf("/v1/data-channel/s-1?role=publish_subscribe&cell-number=a+b/c=&n=%d", i+1); p.requests[i+1].RequestURI != want {
				t.Errorf("the request is for %s", p.requests[i+1].RequestURI)
			}
		}
	})
}

func TestResume_triesForMinutes(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	inBubble(t, func(n int, l *peerLine) {
		l.shake(modernAgent)
	}, func(_ *peer, c *Config) {
		c.Resume = func(context.Context) (Access, error) {
			calls.Add(1)

			return Access{}, errors.New("throttled")
		}
	}, func(t *testing.T, c *Channel, e *recordedEvents) {
		start := time.Now()
		<-c.Done()
		if took := time.Since(start); took < 5*time.Minute || took > 6*time.Minute {
			t.Errorf("gave up after %s", took)
		}
		if n := calls.Load(); n < 15 || n > 80 {
			t.Errorf("%d calls", n)
		}
		if err := c.Err(); !errors.Is(err, ErrUnreachable) {
			t.Error(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ErrUnreachable) {
			t.Errorf("Read: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, ErrUnreachable) {
			t.Errorf("Write: %v", err)
		}
	})
}

func TestResume_sessionIsOver(t *testing.T) {
	t.Parallel()
	for name, resume := range map[string]func(context.Context) (Access, error){
		"the service says so":  func(context.Context) (Access, error) { return Access{}, fmt.Errorf("gone: %w", ErrSessionOver) },
		"there is no token":    func(context.Context) (Access, error) { return Access{}, nil },
		"nobody can resume it": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(_ int, l *peerLine) { l.shake(modernAgent); _, _ = l.read() }, func(_ *peer, c *Config) { c.Resume = resume }, func(t *testing.T, c *Channel, _ *recordedEvents) {
				<-c.Done()
				if err := c.Err(); resume != nil && !errors.Is(err, ErrSessionOver) || err == nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestWrite_isKeptOverAGap covers writes without a socket.
func TestWrite_isKeptOverAGap(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	inBubble(t, func(k int, l *peerLine) {
		if k == 1 {
			go func() {
				time.Sleep(time.Second)
				_ = l.ws.CloseNow()
			}()
		}
		n.serve(k, l)
	}, func(p *peer, c *Config) {
		again := resumeTo(p)
		calls := 0
		c.Resume = func(ctx context.Context) (Access, error) {
			if calls++; calls < 8 {
				return Access{}, errors.New("not yet")
			}
			access, err := again(ctx)
			access.StreamURL = "" // The old one holds.

			return access, err
		}
	}, func(t *testing.T, c *Channel, e *recordedEvents) {
		time.Sleep(2 * time.Second)
		if e.count(Broken) == 0 {
			t.Fatal("the socket did not break")
		}
		if _, err := c.Write([]byte("written in the gap")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := string(n.received()); got != "written in the gap" {
			t.Errorf("the node has %q", got)
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	closing := func(l *peerLine) {
		l.shake(modernAgent)
		for {
			m, ok := l.read()
			if !ok {
				return
			}
			if m.payload == 10 {
				l.send(ackOf(m))
				time.Sleep(time.Second)
				l.send(wireMessage{kind: "channel_closed", data: []byte(`{"Output":"bye"}`)})
			}
		}
	}
	t.Run("waits for the service", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(_ int, l *peerLine) { closing(l) }, withResume, func(t *testing.T, c *Channel, _ *recordedEvents) {
			if err := c.Terminate(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			start := time.Now()
			if err := c.Close(ctx); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took < time.Second || took > 2100*time.Millisecond {
				t.Errorf("Close took %s", took)
			}
			if err := c.Err(); err != nil {
				t.Errorf("after a Close: %v", err)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("Read: %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, ErrClosed) {
				t.Errorf("Write: %v", err)
			}
			if err := c.SendFlag(t.Context(), FlagDisconnectToPort); !errors.Is(err, ErrClosed) {
				t.Errorf("SendFlag: %v", err)
			}
		})
	})
	t.Run("does not wait for ever", func(t *testing.T) {
		t.Parallel()
		codes := make(chan websocket.StatusCode, 1)
		inBubble(t, func(_ int, l *peerLine) {
			l.shake(modernAgent)
			for {
				if _, _, err := l.ws.Read(context.Background()); err != nil {
					codes <- websocket.CloseStatus(err)

					return
				}
			}
		}, withResume, func(t *testing.T, c *Channel, _ *recordedEvents) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if code := <-codes; code != websocket.StatusNormalClosure {
				t.Errorf("left with code %d", code)
			}
		})
	})
	t.Run("without a socket", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(_ int, l *peerLine) { l.shake(modernAgent); _, _ = l.read() }, func(_ *peer, c *Config) {
			c.Resume = func(ctx context.Context) (Access, error) {
				<-ctx.Done()

				return Access{}, ctx.Err()
			}
		}, func(t *testing.T, c *Channel, e *recordedEvents) {
			time.Sleep(time.Minute)
			if e.count(Resuming) != 1 {
				t.Error("it does not resume")
			}
			start := time.Now()
			if err := c.Close(t.Context()); err != nil || time.Since(start) != 0 {
				t.Errorf("Close: %v after %s", err, time.Since(start))
			}
		})
	})
}

func TestTerminate(t *testing.T) {
	t.Parallel()
	t.Run("the agent drops the flag", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(_ int, l *peerLine) { l.shake(modernAgent); l.drain() }, nil, func(t *testing.T, c *Channel, _ *recordedEvents) {
			start := time.Now()
			if err := c.Terminate(t.Context()); !errors.Is(err, ErrNotAcknowledged) {
				t.Error(err)
			}
			if took := time.Since(start); took != terminateTime {
				t.Errorf("waited %s", took)
			}
		})
	})
	t.Run("the agent does not know the flag", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(_ int, l *peerLine) { l.shake("2.3.722.0"); l.drain() }, nil, func(t *testing.T, c *Channel, _ *recordedEvents) {
			if err := c.Terminate(t.Context()); !errors.Is(err, ErrFlagUnknown) {
				t.Error(err)
			}
		})
	})
	t.Run("the session ends", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(_ int, l *peerLine) {
			l.shake(modernAgent)
			_, _ = l.read()
			l.send(outputMessage(2, "last words"), wireMessage{kind: "channel_closed", data: []byte(`{"Output":"Forwarding to IP address 169.254.169.254 is forbidden."}`)})
			l.drain()
		}, withResume, func(t *testing.T, c *Channel, _ *recordedEvents) {
			<-c.Done()
			var closed *ClosedError
			if err := c.Err(); !errors.As(err, &closed) || closed.Reason != "Forwarding to IP address 169.254.169.254 is forbidden." {
				t.Error(err)
			}
			if got, err := io.ReadAll(c); string(got) != "last words" || err != nil {
				t.Errorf("Read: %q, %v", got, err)
			}
		})
	})
}

// TestRead_unreadDataIsBounded covers a caller that does not read. No data is lost,
// and the socket is kept.
func TestRead_unreadDataIsBounded(t *testing.T) {
	t.Parallel()
	data := seededBytes(7, maxUnread+1<<20)
	inBubble(t, func(_ int, l *peerLine) {
		l.shake(modernAgent)
		go l.drain()
		for i := 0; i < len(data); i += 1024 {
			if !l.send(wireMessage{kind: "output_stream_data", sequence: int64(2 + i/1024), payload: 1, data: data[i : i+1024]}) {
				return
			}
		}
		time.Sleep(time.Hour)
	}, withResume, func(t *testing.T, c *Channel, e *recordedEvents) {
		time.Sleep(5 * time.Minute)
		c.mu.Lock()
		size := c.in.size
		c.mu.Unlock()
		if size > maxUnread+maxPayload || size < maxUnread {
			t.Errorf("%d bytes wait", size)
		}
		if e.count(Broken) != 0 {
			t.Error("the socket was given up")
		}
		got := make([]byte, len(data))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != string(data) {
			t.Errorf("Read: %v", err)
		}
	})
}
