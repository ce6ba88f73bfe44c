// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// streamBuffer is how many bytes are read from the network at once.
	streamBuffer = 64 << 10

	// maxPending is how many bytes may wait to be written. Data comes in small
	// batches. Only a peer that sends endless pings and reads nothing reaches this.
	maxPending = 1 << 20

	// flushTime is how long writing the last bytes of a stream may take.
	flushTime = 500 * time.Millisecond
)

// stream is the connection of a WebSocket. It buffers writes until flush, for two
// reasons: many frames go out at once, and a reader can answer a ping without waiting
// for the network.
type stream struct {
	conn   io.ReadWriteCloser
	reader *bufio.Reader
	wake   chan struct{} // Has room for one. Gets a value when there is something to flush.
	gone   chan struct{} // Closed with conn.
	heard  atomic.Int64  // Time of the last read, in Unix nanoseconds.
	reads  atomic.Int64  // Number of reads.

	mu      sync.Mutex
	pending []byte
	spare   []byte
	closing bool
	aborted bool
	timer   *time.Timer
}

func newStream(conn io.ReadWriteCloser) *stream {
	s := &stream{conn: conn, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	s.reader = bufio.NewReaderSize(readerFunc(func(p []byte) (int, error) {
		n, err := conn.Read(p)
		s.heard.Store(time.Now().UnixNano())
		s.reads.Add(1)

		return n, err
	}), streamBuffer)
	s.heard.Store(time.Now().UnixNano())

	return s
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Read reads from the connection.
func (s *stream) Read(p []byte) (int, error) { return s.reader.Read(p) }

// Write buffers p until the next flush. It does not block.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return 0, net.ErrClosed
	case len(s.pending)+len(p) > maxPending:
		return 0, errors.New("too many bytes wait to be written")
	}
	s.pending = append(s.pending, p...)
	s.nudge()

	return len(p), nil
}

func (s *stream) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// flush writes the buffered bytes. It reports whether the stream must then be closed.
// Only one goroutine may call it.
func (s *stream) flush() (closing bool, err error) {
	s.mu.Lock()
	out := s.pending
	s.pending, s.spare = s.spare[:0], nil
	closing = s.closing
	s.mu.Unlock()
	if len(out) > 0 {
		_, err = s.conn.Write(out)
	}
	s.mu.Lock()
	s.spare = out
	s.mu.Unlock()

	return closing, err
}

// Close closes the connection after the last flush.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.closing = true
		if !s.aborted {
			s.timer = time.AfterFunc(flushTime, s.abort)
		}
		s.nudge()
	}

	return nil
}

// abort ends the connection at once.
func (s *stream) abort() {
	s.mu.Lock()
	first := !s.aborted
	s.aborted, s.closing = true, true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	if first {
		_ = s.conn.Close()
		close(s.gone)
	}
}
