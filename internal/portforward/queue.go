// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"sync"
	"time"
)

// blockBytes is the size of the pieces that queues keep bytes in.
const blockBytes = 16 << 10

var blocks = sync.Pool{New: func() any {
	b := make([]byte, 0, blockBytes)

	return &b
}}

// ledger counts the bytes in all queues of a forward. The protocol has no back-pressure, so a client that does
// not read must be reset before its bytes fill the memory.
type ledger struct {
	mu     sync.Mutex
	total  int64
	queues map[*queue]struct{}

	// A queue is cut if its client has read nothing for stall and more than perQueue bytes wait. The fullest
	// queue is cut if all queues together have more than all bytes.
	stall    time.Duration
	perQueue int64
	all      int64
}

func newLedger(l limits) *ledger {
	return &ledger{queues: map[*queue]struct{}{}, stall: l.stall, perQueue: l.streamBytes, all: l.totalBytes}
}

// queue holds the bytes for one client. Writing never blocks.
type queue struct {
	ledger *ledger
	// cut is called without locks when the queue must be dropped.
	cut func(err error, waiting int64)
	// wake holds a token when the reader must look again.
	wake chan struct{}

	// The ledger's mutex guards these.
	blocks  []*[]byte
	read    int // bytes of the first block that were consumed
	size    int64
	got     int64
	ended   bool
	err     error
	lastGet time.Time // when the client last read, or when bytes began to wait
	lastPut time.Time
}

func (l *ledger) newQueue(cut func(error, int64)) *queue {
	q := &queue{ledger: l, cut: cut, wake: make(chan struct{}, 1), lastPut: time.Now()}
	l.mu.Lock()
	l.queues[q] = struct{}{}
	l.mu.Unlock()

	return q
}

// Write appends p. It returns an error once the queue has been cut or dropped.
func (q *queue) Write(p []byte) (int, error) {
	l := q.ledger
	l.mu.Lock()
	if q.err != nil {
		defer l.mu.Unlock()

		return 0, q.err
	}
	now := time.Now()
	if q.size == 0 {
		q.lastGet = now
	}
	q.lastPut = now
	for rest := p; len(rest) > 0; {
		var last *[]byte
		if n := len(q.blocks); n > 0 {
			last = q.blocks[n-1]
		}
		if last == nil || len(*last) == cap(*last) {
			last = blocks.Get().(*[]byte) //nolint:forcetypeassert // The pool holds nothing else.
			q.blocks = append(q.blocks, last)
		}
		n := min(len(rest), cap(*last)-len(*last))
		*last = append(*last, rest[:n]...)
		rest = rest[n:]
	}
	q.size += int64(len(p))
	q.got += int64(len(p))
	l.total += int64(len(p))

	victim, cause := (*queue)(nil), error(nil)
	switch {
	case q.stalledLocked(now):
		victim, cause = q, errTooMuchWaits
	case l.total > l.all:
		for other := range l.queues {
			if victim == nil || other.size > victim.size {
				victim, cause = other, errMemory
			}
		}
	}
	var waiting int64
	if victim != nil {
		waiting = victim.size
		victim.dropLocked(cause)
	}
	err := q.err
	l.mu.Unlock()
	q.signal()
	if victim != nil {
		victim.signal()
		victim.cut(cause, waiting)
	}
	if err != nil {
		return 0, err
	}

	return len(p), nil
}

func (q *queue) stalledLocked(now time.Time) bool {
	return q.size > q.ledger.perQueue && now.Sub(q.lastGet) >= q.ledger.stall
}

// check cuts the queue if its client has not read for too long.
func (q *queue) check() {
	l := q.ledger
	l.mu.Lock()
	stalled, waiting := q.err == nil && q.stalledLocked(time.Now()), q.size
	if stalled {
		q.dropLocked(errTooMuchWaits)
	}
	l.mu.Unlock()
	if stalled {
		q.signal()
		q.cut(errTooMuchWaits, waiting)
	}
}

// end marks the end of the data.
func (q *queue) end() {
	q.ledger.mu.Lock()
	q.ended = true
	q.ledger.mu.Unlock()
	q.signal()
}

// drop discards all bytes and removes the queue from the ledger.
func (q *queue) drop(err error) {
	q.ledger.mu.Lock()
	q.dropLocked(err)
	q.ledger.mu.Unlock()
	q.signal()
}

// dropLocked does not reuse the blocks: a write to the client may still use one.
func (q *queue) dropLocked(err error) {
	if q.err == nil {
		q.err = err
	}
	q.ledger.total -= q.size
	q.blocks, q.read, q.size = nil, 0, 0
	delete(q.ledger.queues, q)
}

// next waits for bytes and returns them. They stay in the queue until consume is called. At the end it returns
// no bytes. After a drop it returns an error.
func (q *queue) next() ([]byte, error) {
	for {
		q.ledger.mu.Lock()
		switch {
		case q.err != nil:
			defer q.ledger.mu.Unlock()

			return nil, q.err
		case len(q.blocks) > 0:
			defer q.ledger.mu.Unlock()

			return (*q.blocks[0])[q.read:], nil
		case q.ended:
			defer q.ledger.mu.Unlock()

			return nil, nil
		}
		q.ledger.mu.Unlock()
		<-q.wake
	}
}

// consume removes n bytes that the client has read.
func (q *queue) consume(n int) {
	q.ledger.mu.Lock()
	defer q.ledger.mu.Unlock()
	if q.err != nil || n == 0 {
		return
	}
	q.lastGet = time.Now()
	q.size -= int64(n)
	q.ledger.total -= int64(n)
	q.read += n
	if first := q.blocks[0]; q.read == len(*first) {
		*first = (*first)[:0]
		blocks.Put(first)
		q.blocks[0] = nil
		q.blocks = q.blocks[1:]
		q.read = 0
	}
}

// counts returns how many bytes were written, how many of them wait, and when the last ones were written.
func (q *queue) counts() (got, waiting int64, lastPut time.Time) {
	q.ledger.mu.Lock()
	defer q.ledger.mu.Unlock()

	return q.got, q.size, q.lastPut
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
