// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
)

// basic carries one connection after the other over a channel. It is for agents that do not multiplex, and
// for documents without a type. The channel carries the raw bytes of the connection. The agent does not
// report that the target has closed, except that some sessions end then.
type basic struct {
	ch   Channel
	turn chan struct{} // holds a token while there is no connection
	done chan struct{} // closed when nothing more can be read from the channel

	mu    sync.Mutex
	cause error // why the channel ended; nil after a regular end
	cur   *basicStream
	first bool
	early []byte // bytes from the target that came before there was a reader
	limit int
}

func newBasic(ch Channel, limit int64, over func(error)) *basic {
	b := &basic{ch: ch, turn: make(chan struct{}, 1), done: make(chan struct{}), first: true, limit: int(limit)}
	b.turn <- struct{}{}
	go func() {
		err := b.receive()
		b.mu.Lock()
		b.cause = err
		b.mu.Unlock()
		close(b.done)
		over(err)
	}()

	return b
}

func (b *basic) receive() error {
	p := make([]byte, frameBytes)
	for {
		n, err := b.ch.Read(p)
		if n > 0 {
			if err := b.deliver(p[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			// A session of a document without a type ends regularly when the target closes. Otherwise the agent gives
			// the reason.
			var closed *datachannel.ClosedError
			if errors.As(b.ch.Err(), &closed) && closed.Reason != "" {
				return closed
			}

			return nil
		case err != nil:
			return err
		}
	}
}

func (b *basic) deliver(p []byte) error {
	b.mu.Lock()
	cur := b.cur
	switch {
	case cur != nil && !cur.first && !cur.wrote:
	case cur != nil && cur.out != nil:
		b.mu.Unlock()
		// The queue accepts everything, unless its connection was dropped.
		_, _ = cur.out.Write(p)

		return nil
	case cur != nil, b.first:
		// The agent connects when the session starts, and a server may speak first. A later server may answer before
		// WriteTo runs.
		if len(b.early)+len(p) > b.limit {
			b.mu.Unlock()

			return fmt.Errorf("the target has sent more than %d bytes before there was a client", b.limit)
		}
		b.early = append(b.early, p...)
	}
	// Bytes that come before a later connection has written belong to the earlier connection: the agent
	// connects again only when it gets bytes.
	b.mu.Unlock()

	return nil
}

func (b *basic) open(ctx context.Context) (stream, error) {
	select {
	case <-b.turn:
	case <-b.done:
		return nil, errSessionOver
	case <-ctx.Done():
		return nil, datachannel.Interruption(context.Cause(ctx))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cur = &basicStream{basic: b, closed: make(chan struct{}), first: b.first}
	b.first = false

	return b.cur, nil
}

func (b *basic) idle() bool { return true }

// lastTraffic returns the zero time. It does not matter, because there is only one connection.
func (b *basic) lastTraffic() time.Time { return time.Time{} }

func (b *basic) shut() { <-b.done }

type basicStream struct {
	basic  *basic
	closed chan struct{}
	once   sync.Once

	// The mutex of basic guards these.
	out   io.Writer
	first bool
	wrote bool
}

func (s *basicStream) write(_ context.Context, p []byte) error {
	s.basic.mu.Lock()
	s.wrote = true
	s.basic.mu.Unlock()
	_, err := s.basic.ch.Write(p)

	return err
}

// WriteTo writes the bytes for this connection to w until the session ends or the stream is closed.
func (s *basicStream) WriteTo(w io.Writer) (int64, error) {
	b := s.basic
	b.mu.Lock()
	early := b.early
	b.early = nil
	if len(early) > 0 {
		// Hold the lock to keep the order. The writer is a queue and does not block.
		_, _ = w.Write(early)
	}
	s.out = w
	b.mu.Unlock()

	select {
	case <-s.closed:
		return 0, io.ErrClosedPipe
	case <-b.done:
	}
	b.mu.Lock()
	defer b.mu.Unlock()

	return 0, b.cause
}

// close tells the agent that the client has disconnected, and waits for the acknowledgement. The bytes of
// the next client must not follow earlier.
func (s *basicStream) close(ctx context.Context) error {
	var err error
	s.once.Do(func() {
		close(s.closed)
		b := s.basic
		b.mu.Lock()
		if b.cur == s {
			b.cur = nil
		}
		b.early = nil
		b.mu.Unlock()
		select {
		case <-b.done:
			return
		default:
		}
		if err = b.ch.SendFlag(ctx, datachannel.FlagDisconnectToPort); err != nil {
			err = fmt.Errorf("telling the agent that the client has disconnected: %w", err)

			return
		}
		b.turn <- struct{}{}
	})

	return err
}
