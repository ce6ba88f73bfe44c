// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// sendTimeout limits sending one message to a client.
const sendTimeout = 30 * time.Second

// channel is an open data channel.
type channel struct {
	ctx   context.Context
	close context.CancelCauseFunc
}

func newChannel() *channel {
	ctx, cancel := context.WithCancelCause(context.Background())

	return &channel{ctx: ctx, close: cancel}
}

// open adds a data channel to a session.
func (e *entry) open(c *channel) {
	if e.channels == nil {
		e.channels = map[*channel]struct{}{}
	}
	e.channels[c] = struct{}{}
}

// closeChannels ends the data channels of a session. Each channel then closes its
// connection.
func (e *entry) closeChannels(cause error) {
	for c := range e.channels {
		c.close(cause)
	}
	e.channels = nil
	if e.agent != nil && errors.Is(cause, errSessionEnded) {
		e.agent.stop()
	}
}

// CloseDataChannels closes every open data channel without a message about the session, as
// the service does from time to time. The sessions stay live and can be resumed.
func (s *Server) CloseDataChannels() {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	for _, r := range s.sessions.regions {
		for _, e := range r.byID {
			e.closeChannels(errBye)
		}
	}
}

// serveChannel serves a data channel until the client disconnects or the session ends. Without an
// agent, it drops all messages of the client.
func (s *Server) serveChannel(conn *websocket.Conn, session Session, c *channel, a *agent) {
	conn.SetReadLimit(maxMessage)
	out := newOutgoing(conn)
	var sending, receiving sync.WaitGroup
	applyFault := func(fault ChannelFault) { s.applyChannelFault(fault, c, a, out) }
	toAgent := &relay{server: s, sessionID: session.SessionID, direction: ToAgent, applyFault: applyFault, deliver: func(message []byte) {
		if a != nil {
			a.receive(message)
		}
	}}
	toClient := &relay{server: s, sessionID: session.SessionID, direction: ToClient, applyFault: applyFault, deliver: out.send}
	// Acknowledgements must pass data that waits for the agent. The agent may need them
	// before it can accept the data.
	acks := &relay{server: s, sessionID: session.SessionID, direction: ToAgent, applyFault: applyFault, deliver: toAgent.deliver}
	out.pass = toClient.pass
	sending.Go(out.run)
	inbox := make(chan []byte, inboxSize)
	receiving.Go(func() {
		for message := range inbox {
			toAgent.pass(message)
		}
	})
	disconnected := make(chan struct{})
	go func() {
		defer close(disconnected)
		defer close(inbox)
		for {
			_, message, err := conn.Read(context.Background())
			switch {
			case err != nil:
				return
			case isAcknowledgement(message):
				acks.pass(message)
			default:
				select {
				case inbox <- message:
				default: // Dropped, and therefore not acknowledged.
				}
			}
		}
	}()
	out.add(startPublication(s.now()))
	detach := func() {}
	if a != nil {
		detach = a.attach(out.add)
	}
	defer func() {
		detach()
		out.close()
		sending.Wait()
		_ = conn.CloseNow()
		<-disconnected
		receiving.Wait()
		s.sessions.each(session.SessionID, func(_ *region, e *entry) { delete(e.channels, c) })
		c.close(nil)
	}()

	select {
	case <-disconnected:
		return
	case <-c.ctx.Done():
	}
	detach()
	if errors.Is(context.Cause(c.ctx), errSessionEnded) {
		message := ""
		s.sessions.each(session.SessionID, func(_ *region, e *entry) { message = e.endMessage })
		out.add(channelClosed(s.now(), session, message))
	}
	out.close()
	sending.Wait()
	_ = conn.Close(websocket.StatusNormalClosure, "Bye")
}

// applyChannelFault applies a fault to a whole channel.
func (s *Server) applyChannelFault(fault ChannelFault, c *channel, a *agent, out *outgoing) {
	switch fault.Kind {
	case ChannelDrop:
		_ = out.conn.CloseNow()
	case ChannelBye:
		c.close(errBye)
	case ChannelPause:
		out.send(frame{kind: messagePause, id: newUUID()}.encode(s.now()))
	case ChannelClose:
		if a != nil {
			a.end(fault.Words)
		}
	}
}

// inboxSize is how many messages are queued for a busy agent. Meanwhile the connection
// still answers the client's pings.
const inboxSize = 4096

// maxMessage is much larger than any message of a client.
const maxMessage = 1 << 20

// outgoing is the queue of messages to one client. Adding to it does not block.
type outgoing struct {
	conn *websocket.Conn
	pass func(message []byte) // Applies faults, then calls send.

	mu       sync.Mutex
	changed  *sync.Cond
	messages [][]byte
	closed   bool
}

func newOutgoing(conn *websocket.Conn) *outgoing {
	o := &outgoing{conn: conn}
	o.changed = sync.NewCond(&o.mu)

	return o
}

func (o *outgoing) add(message []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.messages = append(o.messages, message)
		o.changed.Signal()
	}
}

// close makes run return when all messages are sent.
func (o *outgoing) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.changed.Signal()
}

func (o *outgoing) run() {
	for {
		o.mu.Lock()
		for len(o.messages) == 0 && !o.closed {
			o.changed.Wait()
		}
		messages := o.messages
		o.messages = nil
		o.mu.Unlock()
		if len(messages) == 0 {
			return
		}
		for _, message := range messages {
			o.pass(message)
		}
	}
}

// send sends a message. It disconnects a client that is too slow.
func (o *outgoing) send(message []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	if o.conn.Write(ctx, websocket.MessageBinary, message) != nil {
		_ = o.conn.CloseNow()
		o.close()
	}
}
