// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"context"
	"io"
	"sync"
	"time"
)

// stream is one connection through a session.
type stream interface {
	// write blocks until the channel has room, or ctx ends.
	write(ctx context.Context, p []byte) error
	// WriteTo writes the bytes of the target to w. It returns nil when the target has closed, or the cause when
	// the session ends or the stream is closed. w must not block.
	io.WriterTo
	// close reports that the client has disconnected. After an error, the session can no longer be used.
	close(ctx context.Context) error
}

// carrier carries streams over a channel.
type carrier interface {
	open(ctx context.Context) (stream, error)
	idle() bool
	// lastTraffic returns when a byte last went in either direction, on any stream.
	lastTraffic() time.Time
	// shut waits until all streams have ended. Close the channel first.
	shut()
}

// link is one session in use.
type link struct {
	session *Session
	carrier carrier
	started time.Time
	limits  limits
	onOver  func(*link)

	// ctx ends when the session is over.
	ctx    context.Context
	cancel context.CancelFunc

	overOnce sync.Once
	cause    error // set before ctx ends

	mu       sync.Mutex
	refusals []time.Time
	used     bool // a stream has carried something

	endOnce sync.Once
	endErr  error
}

// refused records that the agent could not connect to the target. The end of the stream follows.
func (l *link) refused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals = append(l.refusals, time.Now())
}

// takeRefusal reports whether the stream that just ended without a byte was refused. The flag does not name a
// stream: it comes immediately before the end of the stream.
func (l *link) takeRefusal() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.refusals) > 0 {
		at := l.refusals[0]
		l.refusals = l.refusals[1:]
		if time.Since(at) < l.limits.refusalAge {
			return true
		}
	}

	return false
}

func (l *link) use() {
	l.mu.Lock()
	l.used = true
	l.mu.Unlock()
}

func (l *link) wasUsed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.used
}

// over marks the session as over. It prefers the channel's error as the cause.
func (l *link) over(err error) {
	l.overOnce.Do(func() {
		if own := l.session.Channel.Err(); own != nil {
			err = own
		}
		l.cause = err
		l.cancel()
		l.onOver(l)
	})
}

// flush waits until the agent has the bytes of all clients, even if the channel has to reconnect. It gives up after
// the time for closing, or when the session is over.
func (l *link) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.limits.grace)
	defer cancel()
	_ = l.deliver(ctx)
}

// deliver waits until the agent has acknowledged everything, or the session is over.
func (l *link) deliver(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	for !l.carrier.idle() {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}

	return l.session.Channel.Flush(ctx)
}

// end ends the session and waits for its goroutines.
func (l *link) end(ctx context.Context) error {
	l.endOnce.Do(func() {
		l.endErr = l.session.End(ctx)
		l.carrier.shut()
		l.cancel()
	})

	return l.endErr
}
