// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xtaci/smux"
	"golang.org/x/sync/semaphore"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
)

const (
	// frameBytes is the maximum data of one frame. With its header, a full frame fills 32 messages of 1024 bytes.
	frameBytes  = 32760
	headerBytes = 8
	commandPush = 2

	// maxUnsent is how many bytes of clients may wait for the channel.
	maxUnsent = 256 << 10

	// agentInterval is the interval of keep-alive messages for agents that need them.
	agentInterval = 10 * time.Second
	// idleInterval prevents the idle time-out, which is one minute at least in Session Manager.
	idleInterval = 30 * time.Second
)

// mux carries many streams over one channel, with version 1 of smux, which agents use.
type mux struct {
	wire    *wire
	session *smux.Session
	budget  *semaphore.Weighted
	watched chan struct{}
}

// newMux starts a mux. It calls over once, with the cause, when the mux ends.
func newMux(ch Channel, keepAlive bool, over func(error)) (*mux, error) {
	m := &mux{budget: semaphore.NewWeighted(maxUnsent), watched: make(chan struct{})}
	m.wire = newWire(ch, func(n int) { m.budget.Release(int64(n)) }, func(err error) {
		over(err)
		// The channel may also be silent. Without this close, smux would wait forever.
		_ = m.session.Close()
	})

	session, err := smux.Client(m.wire, muxConfig(ch.Agent(), keepAlive))
	if err != nil {
		m.wire.Close()
		<-m.wire.done

		return nil, fmt.Errorf("starting to multiplex: %w", err)
	}
	m.session = session
	go func() {
		defer close(m.watched)
		for {
			stream, err := session.AcceptStream()
			if err != nil {
				over(err)

				return
			}
			// Agents do not open streams.
			_ = stream.Close()
		}
	}()

	return m, nil
}

// muxConfig returns the smux configuration for an agent.
func muxConfig(agent datachannel.Agent, keepAlive bool) *smux.Config {
	config := smux.DefaultConfig()
	config.Version = 1
	config.MaxFrameSize = frameBytes
	config.KeepAliveDisabled = !keepAlive && !agent.NeedsKeepAlive
	config.KeepAliveInterval = idleInterval
	if agent.NeedsKeepAlive {
		config.KeepAliveInterval = agentInterval
	}
	// Some agents send no keep-alive messages, and none arrive while a channel is being resumed. The channel
	// itself detects a dead connection.
	config.KeepAliveTimeout = math.MaxInt64

	return config
}

func (m *mux) open(context.Context) (stream, error) {
	st, err := m.session.OpenStream()
	if err != nil {
		return nil, err
	}

	return &muxStream{mux: m, stream: st}, nil
}

func (m *mux) lastTraffic() time.Time { return m.wire.lastTraffic() }

// idle reports whether the channel has accepted everything that was written.
func (m *mux) idle() bool { return m.wire.idle() }

// shut ends all streams. Close the channel first.
func (m *mux) shut() {
	_ = m.session.Close()
	<-m.wire.done
	<-m.watched
}

type muxStream struct {
	mux    *mux
	stream *smux.Stream
}

// write blocks until the channel has room, or ctx ends. p is one frame at most.
func (s *muxStream) write(ctx context.Context, p []byte) error {
	if err := s.mux.budget.Acquire(ctx, int64(len(p)+headerBytes)); err != nil {
		return err
	}
	_, err := s.stream.Write(p)

	return err
}

func (s *muxStream) WriteTo(w io.Writer) (int64, error) { return s.stream.WriteTo(w) }

func (s *muxStream) close(context.Context) error {
	// Ignore the error: a second close, and the close of a dead session, also return one.
	_ = s.stream.Close()

	return nil
}

// wire is the connection that smux reads and writes. A write never waits for the channel: smux abandons the
// opening and closing of a stream after 30 seconds, and resuming a channel may take longer. A budget limits the
// data of clients instead.
type wire struct {
	io.Reader
	ch   Channel
	sent func(int)
	done chan struct{}

	traffic atomic.Int64 // When a byte last went in either direction, in nanoseconds.

	mu     sync.Mutex
	wake   *sync.Cond
	buf    []byte
	owed   int // bytes of the budget in buf
	busy   bool
	closed bool
	err    error
}

// channelReader replaces io.EOF at the end of the channel. For smux, io.EOF is the regular end of a stream: a
// client would mistake a truncated answer for a complete one.
type channelReader struct {
	ch      Channel
	traffic *atomic.Int64
}

func (r channelReader) Read(p []byte) (int, error) {
	n, err := r.ch.Read(p)
	r.traffic.Store(time.Now().UnixNano())
	if errors.Is(err, io.EOF) {
		err = errSessionOver
	}

	return n, err
}

func newWire(ch Channel, sent func(int), over func(error)) *wire {
	w := &wire{ch: ch, sent: sent, done: make(chan struct{})}
	w.traffic.Store(time.Now().UnixNano())
	w.Reader = bufio.NewReaderSize(channelReader{ch, &w.traffic}, 64<<10)
	w.wake = sync.NewCond(&w.mu)
	go w.pump(over)

	return w
}

// WriteBuffers writes one frame: header and data.
func (w *wire) WriteBuffers(v [][]byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if w.closed {
		return 0, io.ErrClosedPipe
	}
	n := 0
	for _, p := range v {
		w.buf = append(w.buf, p...)
		n += len(p)
	}
	if len(v) > 0 && len(v[0]) == headerBytes && v[0][1] == commandPush {
		w.owed += n
	}
	w.wake.Signal()

	return n, nil
}

// Write implements io.ReadWriteCloser. smux calls WriteBuffers instead.
func (w *wire) Write(p []byte) (int, error) {
	if len(p) < headerBytes || int(binary.LittleEndian.Uint16(p[2:])) != len(p)-headerBytes {
		return 0, fmt.Errorf("writing %d bytes that are not one frame", len(p))
	}

	return w.WriteBuffers([][]byte{p[:headerBytes], p[headerBytes:]})
}

func (w *wire) pump(over func(error)) {
	defer close(w.done)
	var spare []byte
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.buf) == 0 && !w.closed {
			w.wake.Wait()
		}
		if w.closed {
			return
		}
		out, owed := w.buf, w.owed
		w.buf, w.owed, w.busy = spare[:0], 0, true
		w.mu.Unlock()
		_, err := w.ch.Write(out)
		w.traffic.Store(time.Now().UnixNano())
		w.sent(owed)
		w.mu.Lock()
		w.busy = false
		spare = out
		if err != nil {
			w.err = err
			w.mu.Unlock()
			over(err)
			w.mu.Lock()

			return
		}
	}
}

// lastTraffic returns when a byte last went in either direction, or now if bytes wait.
func (w *wire) lastTraffic() time.Time {
	if !w.idle() {
		return time.Now()
	}

	return time.Unix(0, w.traffic.Load())
}

func (w *wire) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()

	return len(w.buf) == 0 && !w.busy
}

// Close stops the writer. It does not close the channel.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wake.Signal()

	return nil
}
