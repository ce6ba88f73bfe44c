// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"encoding/binary"
	"fmt"
)

const (
	// maxUnread is how many bytes may wait for Read. After that, the channel reads
	// nothing from the WebSocket.
	maxUnread = 4 << 20

	// maxHeld is how many bytes may wait for a missing message. maxAhead is how far
	// sequence numbers may be ahead of it: AWS's plugin keeps as many messages. The
	// channel does not acknowledge others, and the agent sends them again, ten
	// messages a second.
	maxHeld  = 12 << 20
	maxAhead = 10000

	// absurd is a distance of sequence numbers that no agent reaches.
	absurd = 1 << 20

	// heldCost is the memory of a message besides its data, in bytes.
	heldCost = 128

	// maxReceipts is how many acknowledgements may wait to be sent.
	maxReceipts = 8192

	// maxRejected is how many messages in a row may be invalid.
	maxRejected = 1000

	// maxRequests is how often the agent may request a handshake.
	maxRequests = 16

	chunkSize = 32 << 10
)

// inbox holds incoming messages. The channel's mutex guards it.
type inbox struct {
	expected int64
	ahead    map[int64]held
	held     int // Bytes in ahead, with heldCost for each message.

	chunks [][]byte // In order, for Read.
	spare  []byte
	size   int

	unexpected int // Number of discarded messages.
}

// held is a message that came before an earlier one.
type held struct {
	payload payloadType
	data    []byte
}

func (in *inbox) init() { in.ahead = map[int64]held{} }

// add appends data for Read.
func (in *inbox) add(data []byte) {
	in.size += len(data)
	for len(data) > 0 {
		last := len(in.chunks) - 1
		if last < 0 || len(in.chunks[last]) == cap(in.chunks[last]) {
			chunk := in.spare
			if in.spare = nil; chunk == nil {
				chunk = make([]byte, 0, chunkSize)
			}
			in.chunks = append(in.chunks, chunk)
			last++
		}
		chunk := in.chunks[last]
		n := min(len(data), cap(chunk)-len(chunk))
		in.chunks[last] = append(chunk, data[:n]...)
		data = data[n:]
	}
}

func (in *inbox) read(p []byte) int {
	n := 0
	for n < len(p) && len(in.chunks) > 0 {
		m := copy(p[n:], in.chunks[0])
		n += m
		if m < len(in.chunks[0]) {
			in.chunks[0] = in.chunks[0][m:]

			break
		}
		if whole := in.chunks[0]; cap(whole) >= chunkSize/2 {
			in.spare = whole[:0]
		}
		in.chunks[0] = nil
		in.chunks = in.chunks[1:]
	}
	if len(in.chunks) == 0 {
		in.chunks = nil
	}
	in.size -= n

	return n
}

// hold keeps a message that came before an earlier one. It reports whether there
// was room.
func (in *inbox) hold(m message) bool {
	if _, known := in.ahead[m.sequence]; known {
		return true
	}
	if m.sequence-in.expected > maxAhead || in.held+len(m.data)+heldCost > maxHeld {
		return false
	}
	in.held += len(m.data) + heldCost
	in.ahead[m.sequence] = held{payload: m.payload, data: append([]byte(nil), m.data...)}

	return true
}

// receive handles the messages of a socket until it breaks or the channel ends.
func (c *Channel) receive(s *socket) error {
	for {
		binary, data, err := s.next()
		if err != nil {
			return err
		}
		var m message
		if !binary {
			err = fmt.Errorf("%w: a message is text", ErrProtocol)
		} else if m, err = parse(data); err != nil {
			err = fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if err == nil {
			err = c.handle(s, m)
		}
		if c.isOver() {
			return nil
		}
		if err == nil {
			continue
		}
		if c.rejected++; c.rejected > maxRejected {
			c.end(err)

			return nil
		}
	}
}

// handle processes a message. It returns an error if the message is invalid.
func (c *Channel) handle(s *socket, m message) error {
	switch m.kind {
	case outputStreamData:
		return c.accept(s, m)
	case acknowledge:
		sequence, err := parseAcknowledgement(m.data)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		c.mu.Lock()
		if sequence < 0 || sequence >= c.out.next() {
			c.mu.Unlock()

			return fmt.Errorf("%w: a message is acknowledged that was not sent", ErrProtocol)
		}
		if c.out.at(sequence) != nil {
			c.rejected = 0
		}
		started := c.acked(s, sequence)
		c.mu.Unlock()
		if started {
			c.observe(Event{Kind: Started})
		}
	case pausePublication:
		c.mu.Lock()
		first := !c.out.paused
		c.out.paused = true
		c.mu.Unlock()
		if first {
			c.observe(Event{Kind: Paused})
		}
	case startPublication:
		c.mu.Lock()
		paused := c.out.paused
		if paused {
			c.out.paused = false
			c.out.resendAll()
			s.nudge()
		}
		c.mu.Unlock()
		if paused {
			c.observe(Event{Kind: Started})
		}
	case channelClosed:
		closed := &ClosedError{Reason: clean(parseChannelClosed(m.data), c.secrets()...)}
		if c.refusal != nil {
			c.end(fmt.Errorf("%w (%w)", c.refusal, closed))
		} else {
			c.end(closed)
		}
	case unknownMessage, inputStreamData:
		// Newer services may send other messages.
	}

	return nil
}

// accept delivers stream data in order and once. It acknowledges each copy, but not
// data that it does not keep.
func (c *Channel) accept(s *socket, m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case m.sequence > c.in.expected:
		if !c.in.hold(m) {
			c.in.unexpected++
			if m.sequence-c.in.expected > absurd {
				return fmt.Errorf("%w: a sequence number is far ahead", ErrProtocol)
			}

			return nil
		}
	case m.sequence == c.in.expected:
		if !c.deliver(m.payload, m.data) {
			return nil
		}
	}
	for len(c.out.receipts) >= maxReceipts && !c.over && c.sock == s && !s.broken() {
		c.room.Wait()
	}
	c.out.receipts = append(c.out.receipts, receipt{id: m.id, sequence: m.sequence})
	s.nudge()
	if m.sequence > c.in.expected || m.sequence < c.in.expected-1 {
		return nil
	}
	for {
		next, ok := c.in.ahead[c.in.expected]
		if !ok {
			return nil
		}
		delete(c.in.ahead, c.in.expected)
		c.in.held -= len(next.data) + heldCost
		if !c.deliver(next.payload, next.data) {
			return nil
		}
	}
}

// deliver processes the next message in order, and reports whether the channel is
// still open. The caller holds the mutex; deliver releases it during callbacks.
func (c *Channel) deliver(payload payloadType, data []byte) bool {
	var err error
	switch payload {
	case payloadOutput, payloadStdErr:
		if !c.shaken {
			err = fmt.Errorf("%w: the node sends data before the handshake", ErrProtocol)

			break
		}
		for c.in.size >= maxUnread && !c.over {
			c.waiting = true
			c.room.Wait()
		}
		c.waiting = false
		c.in.add(data)
		c.readable.Broadcast()
	case payloadHandshakeRequest:
		err = c.shake(data)
	case payloadHandshakeComplete:
		err = c.completeHandshake(data)
	case payloadFlag:
		if len(data) != 4 {
			err = fmt.Errorf("%w: a flag of %d bytes", ErrProtocol, len(data))

			break
		}
		if c.config.OnFlag != nil {
			c.mu.Unlock()
			c.config.OnFlag(Flag(binary.BigEndian.Uint32(data)))
			c.mu.Lock()
		}
	default:
		// Agents expect an acknowledgement. The content is not needed.
	}
	if err != nil {
		c.mu.Unlock()
		c.end(err)
		c.mu.Lock()
	}
	if c.over {
		return false
	}
	c.in.expected++
	c.rejected = 0
	c.out.progress = true

	return true
}

// shake answers the first handshake request. The caller holds the mutex.
func (c *Channel) shake(data []byte) error {
	if c.requests++; c.requests > maxRequests {
		return fmt.Errorf("%w: the agent requests too many handshakes", ErrProtocol)
	}
	if c.requests > 1 {
		return nil
	}
	answer, agent, refusal, err := answerHandshake(data, c.config.SessionType)
	if err != nil {
		return err
	}
	c.agent = agent
	c.record(newHandshakeResponse(answer))
	c.refuse(refusal)

	return nil
}

// completeHandshake completes the opening. The caller holds the mutex.
func (c *Channel) completeHandshake(data []byte) error {
	if c.requests == 0 {
		return fmt.Errorf("%w: a handshake ends that did not begin", ErrProtocol)
	}
	text, err := readHandshakeComplete(data)
	if err == nil && c.refusal == nil && !c.shaken {
		c.agent.CustomerMessage = text
		c.shaken = true
		close(c.ready)
	}

	return err
}
