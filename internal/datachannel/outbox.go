// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"time"
)

const (
	// window is how many messages may be unacknowledged before Write blocks.
	window = 512

	// flagWindow is how many more messages are allowed for flags.
	flagWindow = 16

	// extraWindow is how many more messages are allowed if an agent that does not
	// acknowledge duplicates has been silent for long. It may have all of them
	// already, and only new messages show that.
	extraWindow = 32

	// maxSpan is how far sequence numbers may be ahead of the oldest unacknowledged
	// message.
	maxSpan = 4096

	// tick is the interval of checks for messages to send again. Without such
	// messages, idleTick is the interval of checks of the socket.
	tick     = 100 * time.Millisecond
	idleTick = time.Second

	// resendsPerTick is how many messages are sent again in one tick.
	resendsPerTick = 64

	// startRTT and minSlack are the initial values of agents and AWS's plugin.
	startRTT = 100 * time.Millisecond
	startRTO = 200 * time.Millisecond
	minSlack = 10 * time.Millisecond
	maxRTO   = 4 * time.Second

	// pausedRTO is the interval of resends while the node is away.
	pausedRTO = time.Second

	// After tiredAge a message is sent again only every tiredRTO.
	tiredAge = 2 * time.Minute
	tiredRTO = 30 * time.Second

	// overtaken is how many later messages must be acknowledged before a message
	// counts as lost.
	overtaken = 8

	// presumed is how often a message must count as lost before it counts as
	// received, by an agent that does not acknowledge duplicates.
	presumed = 16

	// looked is how many of the oldest messages are checked for losses at each
	// acknowledgement.
	looked = 16
)

// outgoing is a recorded message. It is sent again until it is acknowledged.
type outgoing struct {
	sequence int64
	frame    []byte
	born     time.Time
	sentAt   time.Time
	order    int64 // Number of the last transmission, among all transmissions.
	socket   *socket
	sends    int
	passed   int  // How often it counted as lost.
	queued   bool // It is in outbox.again.
	done     bool
}

// outbox holds messages that are not acknowledged yet. The channel's mutex guards
// it.
type outbox struct {
	messages []*outgoing // From sequence number base on; nil if acknowledged.
	base     int64
	send     int64 // The next message to send on this socket.
	open     int   // Number of unacknowledged messages.
	again    []*outgoing
	receipts []receipt

	rtt, variation, rto time.Duration
	backoff             int
	backedOff           time.Time
	order, ackedOrder   int64
	lastAck             time.Time // Or when the wait for the first one began.
	stall               time.Duration
	progress            bool // Something was acknowledged on this socket.
	paused              bool
	extra               int   // Messages that are added to the window for now.
	cause               error // Why the last socket broke or was not opened.

	resent, assumed int
}

func (o *outbox) init() {
	o.rtt, o.rto, o.backoff = startRTT, startRTO, 1
	o.stall = stallTime
}

// stalled reports whether nothing has been acknowledged for too long. If so, it
// doubles the time for the next check.
func (o *outbox) stalled(now time.Time) bool {
	if now.Sub(o.lastAck) < o.stall {
		return false
	}
	o.lastAck, o.stall = now, min(2*o.stall, maxStall)

	return true
}

func (o *outbox) next() int64 { return o.base + int64(len(o.messages)) }

func (o *outbox) full() bool { return o.open >= window+o.extra || len(o.messages) >= maxSpan }

func (o *outbox) fullForFlags() bool {
	return o.open >= window+o.extra+flagWindow || len(o.messages) >= maxSpan+flagWindow
}

// at returns the message with a sequence number, or nil if it is acknowledged.
func (o *outbox) at(sequence int64) *outgoing {
	if sequence < o.base || sequence >= o.next() {
		return nil
	}

	return o.messages[sequence-o.base]
}

// record gives a message its sequence number and keeps it, before it is sent. The
// caller holds the mutex.
func (c *Channel) record(frame []byte) *outgoing {
	now := time.Now()
	m := &outgoing{sequence: c.out.next(), frame: frame, born: now}
	setSequence(frame, m.sequence)
	if c.out.open == 0 {
		c.out.lastAck = now // The wait begins here.
	}
	c.out.messages = append(c.out.messages, m)
	c.out.open++
	if c.sock != nil {
		c.sock.nudge()
		if c.out.open == 1 {
			select {
			case c.sock.busy <- struct{}{}:
			default:
			}
		}
	}

	return m
}

// restart makes all unacknowledged messages go out again on a new socket.
func (o *outbox) restart() {
	for _, m := range o.again {
		m.queued = false
	}
	o.again, o.send, o.progress, o.paused = nil, o.base, false, false
}

// take returns the next message to send, or nil.
func (o *outbox) take(s *socket, now time.Time) *outgoing {
	var m *outgoing
	for m == nil && len(o.again) > 0 {
		m, o.again = o.again[0], o.again[1:]
		m.queued = false
		if m.done {
			m = nil
		}
	}
	for m == nil && o.send < o.next() {
		o.send = max(o.send, o.base)
		m = o.at(o.send)
		o.send++
	}
	if m == nil {
		return nil
	}
	o.order++
	m.sentAt, m.order, m.socket = now, o.order, s
	m.sends++
	if m.sends > 1 {
		o.resent++
	}

	return m
}

// acked removes an acknowledged message. It reports whether that ends a pause.
func (c *Channel) acked(s *socket, sequence int64) (started bool) {
	o := &c.out
	m := o.at(sequence)
	if m == nil {
		return false
	}
	now := time.Now()
	o.lastAck, o.progress, o.stall = now, true, stallTime
	if m.sends == 1 && m.socket == s {
		o.measure(now.Sub(m.sentAt))
	}
	o.ackedOrder = max(o.ackedOrder, m.order)
	if started = o.paused; started {
		o.paused = false
		o.resendAll()
	}
	o.remove(m)
	o.lookForLosses(c.agent.AcknowledgesDuplicates)
	if len(o.again) > 0 {
		s.nudge()
	}
	c.writable.Broadcast()

	return started
}

func (o *outbox) remove(m *outgoing) {
	m.done = true
	o.messages[m.sequence-o.base] = nil
	if o.open--; o.open < window/2 {
		o.extra = 0
	}
	for len(o.messages) > 0 && o.messages[0] == nil {
		o.messages = o.messages[1:]
		o.base++
	}
	if len(o.messages) == 0 {
		o.messages = nil
	}
}

// measure adds a measured round trip. Do not call it for messages that were sent more
// than once: the acknowledged transmission is unknown.
func (o *outbox) measure(sample time.Duration) {
	o.variation = (3*o.variation + (o.rtt - sample).Abs()) / 4
	o.rtt = (7*o.rtt + sample) / 8
	o.rto = min(o.rtt+max(minSlack, 4*o.variation), maxRTO)
	o.backoff = 1
}

// lookForLosses queues messages that count as lost: later ones were acknowledged.
func (o *outbox) lookForLosses(acknowledgesDuplicates bool) {
	var given []*outgoing
	for _, m := range o.messages[:min(looked, len(o.messages))] {
		if m == nil || m.queued || m.sequence >= o.send || m.order+overtaken > o.ackedOrder {
			continue
		}
		m.passed++
		if !acknowledgesDuplicates && m.passed > presumed {
			given = append(given, m)

			continue
		}
		o.queue(m)
	}
	for _, m := range given {
		o.assumed++
		o.remove(m)
	}
}

func (o *outbox) queue(m *outgoing) {
	if !m.queued && m.sequence < o.send {
		m.queued = true
		o.again = append(o.again, m)
	}
}

// resendAll queues all messages that were sent before.
func (o *outbox) resendAll() {
	for _, m := range o.messages {
		if m != nil && m.sends > 0 {
			o.queue(m)
		}
	}
}

// resendLate queues messages that were not acknowledged in time.
func (o *outbox) resendLate(now time.Time) {
	if o.paused {
		o.resendPaused(now)

		return
	}
	rto, late := min(o.rto*time.Duration(o.backoff), maxRTO), 0
	for _, m := range o.sent() {
		if m == nil || m.queued {
			continue
		}
		wait := rto
		if now.Sub(m.born) > tiredAge {
			wait = max(wait, tiredRTO)
		}
		if now.Sub(m.sentAt) < wait {
			continue
		}
		o.queue(m)
		if late++; late == resendsPerTick {
			break
		}
	}
	if late > 0 && now.Sub(o.backedOff) >= rto {
		o.backoff, o.backedOff = min(2*o.backoff, 64), now
	}
}

// resendPaused queues one message every pausedRTO: the newest among those that were
// sent least often. Agents may have older ones and not acknowledge them again.
func (o *outbox) resendPaused(now time.Time) {
	var next *outgoing
	for _, m := range o.sent() {
		switch {
		case m == nil:
		case m.queued, now.Sub(m.sentAt) < pausedRTO && m.sends > 1:
			return
		case next == nil || m.sends <= next.sends:
			next = m
		}
	}
	if next != nil && now.Sub(next.sentAt) >= pausedRTO {
		o.queue(next)
	}
}

// sent returns the messages that were sent on this socket; nil if acknowledged.
func (o *outbox) sent() []*outgoing {
	return o.messages[:min(int(max(o.send-o.base, 0)), len(o.messages))]
}
