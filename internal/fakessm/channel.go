// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"context"
	"errors"
	"time"

	"github.com/coder/websocket"
)

// sendTimeout is how long a client may take to receive a message.
const sendTimeout = 3 * time.Second

// channel is an open data channel, as its session sees it.
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

// closeChannels ends the data channels of a session. They take their leave of
// their clients by themselves.
func (e *entry) closeChannels(cause error) {
	for c := range e.channels {
		c.close(cause)
	}
	e.channels = nil
}

// CloseDataChannels closes every open data channel as the service does from
// time to time: without a word about the session, which lives on and can be
// resumed.
func (s *Server) CloseDataChannels() {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	for _, r := range s.sessions.regions {
		for _, e := range r.byID {
			e.closeChannels(errBye)
		}
	}
}

// hold keeps a data channel until the client leaves or the session ends. What
// the client sends is read and thrown away: there is nobody on the node.
func (s *Server) hold(conn *websocket.Conn, session Session, c *channel) {
	left := make(chan struct{})
	go func() {
		defer close(left)
		for {
			if _, _, err := conn.Read(context.Background()); err != nil {
				return
			}
		}
	}()
	defer func() {
		_ = conn.CloseNow()
		<-left
		s.sessions.each(session.SessionID, func(_ *region, e *entry) { delete(e.channels, c) })
		c.close(nil)
	}()

	if !send(conn, startPublication(s.now())) {
		return
	}
	select {
	case <-left:
		return
	case <-c.ctx.Done():
	}
	if errors.Is(context.Cause(c.ctx), errSessionEnded) && !send(conn, channelClosed(s.now(), session)) {
		return
	}
	_ = conn.Close(websocket.StatusNormalClosure, "Bye")
}

func send(conn *websocket.Conn, message []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	return conn.Write(ctx, websocket.MessageBinary, message) == nil
}
