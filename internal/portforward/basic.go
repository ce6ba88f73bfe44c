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

// basic carries one connection after the other over a channel, for agents that do not multiplex and for
// documents without a type. The bytes on the channel are those of the connection. The agent does not say
// when the target closes, except that some sessions end then.
type basic struct {
	ch   Channel
	turn chan struct{} // holds a token while no connection is there
	done chan struct{} // closed when the channel brings nothing more

	mu    sync.Mutex
	cause error // of the end; nil after a regular one
	cur   *basicStream
	first bool
	early []byte // what the target has said before there was a reader for it
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
			// A document without a type ends its session in order when the target closes. Otherwise the agent says
			// why it ended.
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
		// The queue takes everything, or has been dropped with its connection.
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
	// What comes before a later connection has written belongs to the one before it: the agent connects
	// again only when it gets bytes.
	b.mu.Unlock()

	return nil
}

func (b *basic) open(ctx context.Context) (stream, error) {
	select {
	case <-b.turn:
	case <-b.done:
		return nil, errSessionOver
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cur = &basicStream{basic: b, closed: make(chan struct{}), first: b.first}
	b.first = false

	return b.cur, nil
}

func (b *basic) idle() bool { return true }

// lastTraffic is unknown, and does not matter: there is one connection only.
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

// WriteTo gives w what comes for this connection until the session ends or the stream is closed.
func (s *basicStream) WriteTo(w io.Writer) (int64, error) {
	b := s.basic
	b.mu.Lock()
	early := b.early
	b.early = nil
	if len(early) > 0 {
		// Under the lock, so that nothing overtakes it. The writer is a queue and does not wait.
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

// close tells the agent that the client has gone, and waits until the agent knows: only then may the bytes
// of the next one follow.
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
