// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
)

var buffers = sync.Pool{New: func() any {
	b := make([]byte, frameBytes)

	return &b
}}

// connection is one client of a forward.
type connection struct {
	f       *Forward
	id      uint64
	local   net.Conn
	queue   *queue
	started time.Time

	// ctx ends when the connection has to be reset. Its cause says why.
	ctx    context.Context
	cancel context.CancelCauseFunc

	up      atomic.Int64
	down    atomic.Int64
	waited  atomic.Int64  // bytes discarded because the client did not read
	closing atomic.Bool   // the forward closes
	gone    atomic.Bool   // the target has closed: bytes of the client are lost
	written chan struct{} // closed when the client has got everything from the target
}

func (f *Forward) newConnection(local net.Conn, id uint64) *connection {
	c := &connection{f: f, id: id, local: local, started: time.Now(), written: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancelCause(f.ctx)
	c.queue = f.ledger.newQueue(func(err error, waiting int64) {
		c.waited.Store(waiting)
		c.cancel(err)
	})

	return c
}

// serve carries the connection from its beginning to its end.
func (c *connection) serve() {
	// The end of the context must unblock reads and writes of the client.
	stop := context.AfterFunc(c.ctx, func() {
		reset(c.local)
		c.queue.drop(context.Cause(c.ctx))
	})
	defer stop()
	defer c.cancel(nil)
	defer c.queue.drop(io.ErrClosedPipe)
	defer c.local.Close()

	l, st, err := c.connect()
	if err != nil {
		c.fail(err)
		reset(c.local)
		c.report(nil)

		return
	}
	c.f.emit(Event{Kind: ConnectionOpened, SessionID: l.session.ID, Connection: c.id})

	var wg sync.WaitGroup
	wg.Go(func() { c.receive(l, st) })
	wg.Go(func() { c.deliver() })
	if c.send(st) {
		c.afterEOF(l)
	}

	ctx, done := context.WithTimeout(l.ctx, c.f.limits.flag)
	stopFlag := context.AfterFunc(c.f.ctx, done)
	if err := st.close(ctx); err != nil {
		l.over(err)
	}
	stopFlag()
	done()
	if c.ctx.Err() == nil {
		// A regular end: the client has closed, or has got everything.
		_ = c.local.Close()
		c.queue.drop(io.ErrClosedPipe)
	} else {
		reset(c.local)
	}
	wg.Wait()
	c.report(l)
}

// connect opens a stream. If the session ends meanwhile, it uses another one: no bytes of the client have
// been sent yet.
func (c *connection) connect() (*link, stream, error) {
	for {
		l, err := c.f.link(c.ctx)
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithCancel(c.ctx)
		stop := context.AfterFunc(l.ctx, cancel)
		st, err := l.carrier.open(ctx)
		stop()
		cancel()
		switch {
		case err == nil:
			return l, st, nil
		case c.ctx.Err() != nil:
			return nil, nil, datachannel.Interruption(context.Cause(c.ctx))
		}
		l.over(err)
	}
}

// usingWriter marks the session as used at each write: the session may end just after it.
type usingWriter struct {
	io.Writer
	link *link
}

func (w usingWriter) Write(p []byte) (int, error) {
	w.link.use()

	return w.Writer.Write(p)
}

// receive fills the queue. It does not wait for the client.
func (c *connection) receive(l *link, st stream) {
	_, err := st.WriteTo(usingWriter{c.queue, l})
	got, _, _ := c.queue.counts()
	switch {
	case err == nil && got == 0 && l.takeRefusal():
		c.f.noteRefusal()
		c.fail(&RefusedError{Target: c.f.config.Target, SessionID: l.session.ID})
	case err == nil:
		c.gone.Store(true)
		c.queue.end()
	case l.ctx.Err() != nil || l.session.Channel.Err() != nil:
		c.fail(errSessionOver)
	default:
		// The stream was closed locally, or the session is ending and will soon report it.
		select {
		case <-l.ctx.Done():
			c.fail(errSessionOver)
		case <-c.written:
		}
	}
}

// deliver writes the bytes in the queue to the client.
func (c *connection) deliver() {
	defer close(c.written)
	for {
		p, err := c.queue.next()
		if err != nil {
			return
		}
		if len(p) == 0 {
			break
		}
		// The deadline serves only to check whether the client reads at all.
		_ = c.local.SetWriteDeadline(time.Now().Add(c.f.limits.look))
		n, err := c.local.Write(p)
		c.queue.consume(n)
		c.down.Add(int64(n))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.queue.check()
		case err != nil:
			// The client has disconnected.
			_ = c.local.Close()
			c.queue.drop(err)

			return
		}
	}
	// The target has closed, and the client's socket has everything. Close only one direction: with unread bytes
	// of the client, a full close would send a reset, and a reset discards what the client has not read yet.
	if half, ok := c.local.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.local.SetReadDeadline(time.Now().Add(c.f.limits.drain))
}

// send forwards the bytes of the client. It returns true if the client has closed its side and may still read.
func (c *connection) send(st stream) bool {
	b := buffers.Get().(*[]byte) //nolint:forcetypeassert // The pool holds nothing else.
	defer buffers.Put(b)
	for {
		if c.closing.Load() && !c.gone.Load() {
			_ = c.local.SetReadDeadline(time.Now().Add(c.f.limits.idleCut))
		}
		n, err := c.local.Read(*b)
		if n > 0 && !c.gone.Load() {
			if err := st.write(c.ctx, (*b)[:n]); err != nil {
				return c.gone.Load()
			}
			c.up.Add(int64(n))
		}
		switch {
		case errors.Is(err, io.EOF):
			return true
		case errors.Is(err, os.ErrDeadlineExceeded) && c.gone.Load():
			return true
		case errors.Is(err, os.ErrDeadlineExceeded):
			// The forward is closing, and the client sends nothing.
			c.fail(errClosing)

			return false
		case err != nil:
			return false
		}
	}
}

// afterEOF waits until the target closes or is silent for a while. The protocol has no half-close. If the stream
// ended at once, the agent would close the target's connection and an answer would be lost.
func (c *connection) afterEOF(l *link) {
	eof := time.Now()
	timer := time.NewTimer(c.f.limits.quiet)
	defer timer.Stop()
	for {
		select {
		case <-c.written:
			return
		case <-c.ctx.Done():
			return
		case <-c.f.closing:
			return
		case <-timer.C:
		}
		// While other connections keep the session busy, this answer may be delayed.
		_, waiting, last := c.queue.counts()
		last = later(last, eof)
		left := min(time.Until(later(last, l.carrier.lastTraffic()).Add(c.f.limits.quiet)), time.Until(last.Add(c.f.limits.busyQuiet)))
		switch {
		case waiting > 0:
			timer.Reset(c.f.limits.quiet)
		case left <= 0:
			return
		default:
			timer.Reset(left)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}

// fail resets the connection. Only the cause of the first call counts.
func (c *connection) fail(err error) {
	if err == nil {
		err = errSessionOver
	}
	c.cancel(err)
}

// report emits the event for the end of the connection.
func (c *connection) report(l *link) {
	e := Event{Kind: ConnectionClosed, Connection: c.id, Up: c.up.Load(), Down: c.down.Load(), Duration: time.Since(c.started)}
	if l != nil {
		e.SessionID = l.session.ID
		if e.Up > 0 || e.Down > 0 {
			l.use()
		}
	}
	if err := context.Cause(c.ctx); err != nil {
		e.Kind, e.Err, e.Waiting = ConnectionReset, err, c.waited.Load()
		var refused *RefusedError
		if errors.As(err, &refused) {
			e.Kind = TargetRefused
		}
	}
	c.f.leave(c, e)
}

// reset closes a connection with a TCP reset: the client gets an error instead of a regular end.
func reset(local net.Conn) {
	if linger, ok := local.(interface{ SetLinger(sec int) error }); ok {
		_ = linger.SetLinger(0)
	}
	_ = local.Close()
}
