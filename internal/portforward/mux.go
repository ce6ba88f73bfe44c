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
	// frameBytes is the most data of one frame. With its header, a full frame fills 32 messages of 1024 bytes.
	frameBytes  = 32760
	headerBytes = 8
	commandPush = 2

	// maxUnsent is how many bytes of clients may wait until the channel takes them.
	maxUnsent = 256 << 10

	// agentInterval is how often an agent that watches for signs of life needs one.
	agentInterval = 10 * time.Second
	// idleInterval keeps a session busy. The shortest idle time-out of Session Manager is one minute.
	idleInterval = 30 * time.Second
)

// mux carries many streams over one channel, with version 1 of smux, as agents speak it.
type mux struct {
	wire    *wire
	session *smux.Session
	budget  *semaphore.Weighted
	watched chan struct{}
}

// newMux starts to carry streams. It calls over once, with the cause, when it cannot go on.
func newMux(ch Channel, keepAlive bool, over func(error)) (*mux, error) {
	m := &mux{budget: semaphore.NewWeighted(maxUnsent), watched: make(chan struct{})}
	m.wire = newWire(ch, func(n int) { m.budget.Release(int64(n)) }, func(err error) {
		over(err)
		// A channel that takes nothing more may be silent, too: smux would go on waiting.
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
			// The other side does not open streams.
			_ = stream.Close()
		}
	}()

	return m, nil
}

// muxConfig says how the agent is spoken to.
func muxConfig(agent datachannel.Agent, keepAlive bool) *smux.Config {
	config := smux.DefaultConfig()
	config.Version = 1
	config.MaxFrameSize = frameBytes
	config.KeepAliveDisabled = !keepAlive && !agent.NeedsKeepAlive
	config.KeepAliveInterval = idleInterval
	if agent.NeedsKeepAlive {
		config.KeepAliveInterval = agentInterval
	}
	// Some agents never send a sign of life, and a channel that is being resumed brings none. The channel
	// itself notices a dead connection.
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

// idle tells whether everything that was written has been taken by the channel.
func (m *mux) idle() bool { return m.wire.idle() }

// shut ends all streams. The channel has to be closed by then.
func (m *mux) shut() {
	_ = m.session.Close()
	<-m.wire.done
	<-m.watched
}

type muxStream struct {
	mux    *mux
	stream *smux.Stream
}

// write waits until the channel has room, or ctx ends. p is at most one frame.
func (s *muxStream) write(ctx context.Context, p []byte) error {
	if err := s.mux.budget.Acquire(ctx, int64(len(p)+headerBytes)); err != nil {
		return err
	}
	_, err := s.stream.Write(p)

	return err
}

func (s *muxStream) WriteTo(w io.Writer) (int64, error) { return s.stream.WriteTo(w) }

func (s *muxStream) close(context.Context) error {
	// The answer does not matter: a second close and the close of a dead session are errors, too.
	_ = s.stream.Close()

	return nil
}

// wire is the connection that smux reads and writes. A write never waits for the channel: smux gives up the
// opening and the closing of streams after 30 seconds, and a channel that is being resumed may take longer.
// The data of clients is bounded by the budget instead, which is given back with sent.
type wire struct {
	io.Reader
	ch   Channel
	sent func(int)
	done chan struct{}

	traffic atomic.Int64 // When something last went either way, in nanoseconds.

	mu     sync.Mutex
	wake   *sync.Cond
	buf    []byte
	owed   int // bytes of the budget in buf
	busy   bool
	closed bool
	err    error
}

// channelReader has another error for the end of the channel: smux takes io.EOF for the end of a stream, and a
// client would take an answer that was cut off for a whole one.
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

// WriteBuffers takes one frame, header and data.
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

// Write is there for io.ReadWriteCloser; smux calls WriteBuffers.
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

// lastTraffic is when something last went either way: now, if something waits.
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

// Close stops the writer. It leaves the channel to the one who opened it.
func (w *wire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.wake.Signal()

	return nil
}
