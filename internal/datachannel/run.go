// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"
)

const (
	// resumeTime is how long a channel tries to reconnect.
	resumeTime = 5 * time.Minute

	// openAttempts is the number of attempts for the first WebSocket.
	openAttempts = 4

	// steady is how long a socket must last to count as good.
	steady = 10 * time.Second

	firstPause, maxPause = 200 * time.Millisecond, 15 * time.Second

	// A ping is sent every idlePing, and when the socket has been silent for busyPing
	// while data is unacknowledged. If two pings get no answer within pongTime, or
	// busyPing, the socket is broken.
	busyPing = 3 * time.Second
	idlePing = 20 * time.Second
	pongTime = 10 * time.Second
	misses   = 2

	// stallTime is how long nothing may be acknowledged before the channel tries a
	// new socket. It doubles up to maxStall.
	stallTime = 30 * time.Second
	maxStall  = 5 * time.Minute

	// refusalTime is how long the agent may take to end a session after a refused
	// handshake.
	refusalTime = 2 * time.Second

	// batch is how many messages are written at once.
	batch = 64
)

var (
	errSilent  = errors.New("the socket is silent, and two pings were not answered")
	errStalled = errors.New("the agent acknowledges nothing")
)

// EventKind is the kind of an event.
type EventKind string

// Events of a channel.
const (
	Opened   EventKind = "opened"   // The handshake is complete.
	Broken   EventKind = "broken"   // A socket broke or did not open.
	Resuming EventKind = "resuming" // The channel tries a new socket.
	Resumed  EventKind = "resumed"  // The channel has a socket again.
	Paused   EventKind = "paused"   // The service reports that the node is away.
	Started  EventKind = "started"  // The node is back.
	Stalled  EventKind = "stalled"  // Nothing has been acknowledged for long.
	Ended    EventKind = "ended"    // The channel has ended.
)

// An Event is an event of a channel, for a log.
type Event struct {
	Kind      EventKind
	SessionID string

	// Cause of Broken and Ended. It contains no secrets.
	Cause error

	// Attempt counts the attempts to reconnect.
	Attempt int

	// Numbers of messages: Unacknowledged are not acknowledged yet. Resent were sent
	// more than once. Presumed count as received by an old agent, without an
	// acknowledgement. Rejected were discarded.
	Unacknowledged, Resent, Presumed, Rejected int
}

func (c *Channel) observe(e Event) {
	if c.config.Observe == nil {
		return
	}
	c.mu.Lock()
	e.SessionID = c.config.SessionID
	e.Unacknowledged, e.Resent, e.Presumed, e.Rejected = c.out.open, c.out.resent, c.out.assumed, c.in.unexpected
	c.mu.Unlock()
	c.config.Observe(context.WithoutCancel(c.ctx), e)
}

func (c *Channel) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.over
}

func (s *stream) broken() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// run opens one socket after the other until the channel ends.
func (c *Channel) run() {
	defer close(c.finished)
	defer func() { c.observe(Event{Kind: Ended, Cause: c.Err()}) }()
	access, failures, good := c.config.Access, 0, time.Now()
	s, err := c.dial(c.ctx, access)
	for {
		if err == nil {
			if failures > 0 {
				c.observe(Event{Kind: Resumed, Attempt: failures})
			}
			since := time.Now()
			progress := false
			if progress, err = c.serve(s); c.isOver() {
				return
			}
			if progress || time.Since(since) >= steady {
				failures, good = 0, time.Now()
			}
		}
		if c.isOver() {
			return
		}
		failures++
		c.mu.Lock()
		c.out.cause = err
		opened, closing := c.shaken, c.closing
		c.mu.Unlock()
		c.observe(Event{Kind: Broken, Cause: err, Attempt: failures})
		switch {
		case closing:
			c.end(nil)
		case !opened && errors.Is(err, ErrSessionOver):
			c.end(c.missing())
		case errors.Is(err, ErrSessionOver), errors.Is(err, ErrProtocol), errors.Is(err, ErrAddress), c.config.Resume == nil:
			c.end(err)
		case !opened && (failures >= openAttempts || !temporary(err)):
			c.end(err)
		case time.Since(good) > resumeTime:
			c.end(fmt.Errorf("%w for %s: %w", ErrUnreachable, resumeTime, err))
		}
		if !c.pause(failures) {
			return
		}
		c.observe(Event{Kind: Resuming, Attempt: failures})
		if access, err = c.resume(access); err == nil {
			s, err = c.dial(c.ctx, access)
		}
	}
}

// resume returns access for a new socket.
func (c *Channel) resume(old Access) (Access, error) {
	access, err := c.config.Resume(c.ctx)
	switch {
	case err != nil:
		return old, fmt.Errorf("resuming the session: %w", err)
	case access.Token == "":
		return old, fmt.Errorf("resuming the session: there is no token: %w", ErrSessionOver)
	case access.StreamURL == "":
		access.StreamURL = old.StreamURL
	}

	return access, nil
}

// hide adds secrets that the texts of the agent must not show.
func (c *Channel) hide(secrets ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range secrets {
		if !slices.Contains(c.hidden, secret) {
			c.hidden = append(c.hidden, secret)
		}
	}
}

func (c *Channel) secrets() []string {
	c.mu.Lock()
	defer c.mu.Unlock()

	return slices.Clone(c.hidden)
}

// temporary reports whether a failed opening may succeed later.
func temporary(err error) bool {
	var dial *DialError
	if errors.As(err, &dial) {
		return !dial.Permanent()
	}
	var credentials *CredentialsError

	return !errors.As(err, &credentials)
}

// pause waits before an attempt, longer after each failure. It reports whether the
// channel is still open.
func (c *Channel) pause(failures int) bool {
	longest := min(firstPause<<min(failures-1, 10), maxPause)
	timer := time.NewTimer(longest/2 + rand.N(longest))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.ended:
		return false
	}
}

// serve uses a socket until it breaks. It reports whether the socket made progress.
func (c *Channel) serve(s *socket) (bool, error) {
	defer s.abort()
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()

		return false, nil
	}
	c.sock, c.connected = s, true
	c.out.restart()
	c.mu.Unlock()

	var (
		all    sync.WaitGroup
		broken = make(chan error, 1)
	)
	all.Go(func() { c.write(s) })
	all.Go(func() { c.tend(s, broken) })
	left := make(chan struct{})
	all.Go(func() {
		defer close(left)
		select {
		case <-c.ended:
			s.leave()
		case <-s.gone:
		}
	})
	err := c.receive(s)
	if c.isOver() {
		<-left
	}
	s.abort()
	c.mu.Lock()
	c.sock = nil
	c.out.receipts = nil
	progress := c.out.progress
	c.mu.Unlock()
	all.Wait()
	select {
	case err = <-broken:
	default:
		err = c.broke(err)
	}

	return progress, err
}

// broke returns why a socket broke. It does not quote the other side.
func (c *Channel) broke(err error) error {
	var (
		closed websocket.CloseError
		errno  syscall.Errno
	)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fmt.Errorf("%w: a message is longer than %d bytes", ErrProtocol, maxMessage)
	case errors.As(err, &closed):
		return fmt.Errorf("the service has closed the socket with code %d", closed.Code)
	case errors.As(err, &errno):
		return errors.New("the socket broke: " + errno.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the socket broke: the other side closed the connection")
	default:
		return errors.New("the socket broke")
	}
}

// write sends all waiting messages on a socket, acknowledgements first.
func (c *Channel) write(s *socket) {
	defer func() {
		s.abort()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.room.Broadcast()
	}()
	var (
		receipts []receipt
		frames   [][]byte
		scratch  []byte
	)
	for {
		now := time.Now()
		c.mu.Lock()
		n := min(batch, len(c.out.receipts))
		receipts = append(receipts[:0], c.out.receipts[:n]...)
		if c.out.receipts = c.out.receipts[n:]; n > 0 {
			c.room.Broadcast()
		}
		frames = frames[:0]
		for !c.over && len(frames) < batch {
			m := c.out.take(s, now)
			if m == nil {
				break
			}
			frames = append(frames, m.frame)
		}
		c.mu.Unlock()

		for _, r := range receipts {
			scratch = appendReceipt(scratch[:0], now, r)
			_ = s.ws.Write(context.Background(), websocket.MessageBinary, scratch)
		}
		for _, frame := range frames {
			_ = s.ws.Write(context.Background(), websocket.MessageBinary, frame)
		}
		closing, err := s.flush()
		if closing || err != nil {
			return
		}
		if len(receipts)+len(frames) > 0 {
			continue
		}
		select {
		case <-s.wake:
		case <-s.gone:
			return
		}
	}
}

// tend sends unacknowledged messages again, and checks that the socket is alive.
func (c *Channel) tend(s *socket, broken chan<- error) {
	var (
		pings  sync.WaitGroup
		missed int
		pinged = time.Now()
		reads  int64 // Number of reads at the last ping.
		asked  bool
		ticker = time.NewTicker(tick)
	)
	ctx, cancel := context.WithCancel(context.Background())
	defer pings.Wait()
	defer cancel()
	defer ticker.Stop()
	fail := func(err error) {
		broken <- err
		s.abort()
	}
	for {
		select {
		case <-s.gone:
			return
		case <-s.busy:
			ticker.Reset(tick)

			continue
		case <-ticker.C:
		}
		now := time.Now()
		heard := time.Unix(0, s.heard.Load())
		c.mu.Lock()
		busy, waiting, shaken := c.out.open > 0, c.waiting, c.shaken
		if busy && !waiting {
			c.out.resendLate(now)
			if len(c.out.again) > 0 {
				s.nudge()
			}
		}
		stalled := busy && shaken && !waiting && c.out.stalled(now)
		again := c.agent.AcknowledgesDuplicates && c.config.Resume != nil && !c.out.paused && !c.closing
		if stalled && !c.agent.AcknowledgesDuplicates {
			c.out.extra += extraWindow
			c.writable.Broadcast()
		}
		c.mu.Unlock()
		if !busy {
			ticker.Reset(idleTick)
		}
		if stalled {
			c.observe(Event{Kind: Stalled})
			if again {
				fail(errStalled)

				return
			}
		}
		if waiting {
			asked, missed = false, 0

			continue
		}

		if s.reads.Load() != reads {
			asked, missed = false, 0
		}
		wait := pongTime
		if busy {
			wait = busyPing
		}
		switch {
		case asked && now.Sub(pinged) >= wait:
			if missed++; missed >= misses {
				fail(errSilent)

				return
			}
		case asked:
			continue
		case busy && now.Sub(heard) >= busyPing && now.Sub(pinged) >= busyPing, now.Sub(pinged) >= idlePing:
		default:
			continue
		}
		asked, pinged, reads = true, now, s.reads.Load()
		pings.Go(func() { _ = s.ws.Ping(ctx) })
	}
}

func newHandshakeResponse(answer []byte) []byte {
	return appendMessage(nil, inputStreamData, time.Now(), 0, uuid.New(), payloadHandshakeResponse, answer)
}

// refuse stores the reason if a handshake was refused. The channel then ends when the
// agent ends the session, or after refusalTime. The caller holds the mutex.
func (c *Channel) refuse(refusal error) {
	if c.refusal = refusal; refusal == nil {
		return
	}
	timer := time.AfterFunc(refusalTime, func() { c.end(refusal) })
	context.AfterFunc(c.ctx, func() { timer.Stop() })
}
