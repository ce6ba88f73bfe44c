// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// LocalLatency is how long a request takes to arrive at a Local.
const LocalLatency = time.Millisecond

// Local serves a handler within the process of its clients, without a network:
// everything about HTTP is real but the wire. It can be used within a bubble of
// testing/synctest, in which waiting takes no time.
type Local struct {
	server  *http.Server
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
	stopped chan struct{}
	serving sync.WaitGroup
}

// ServeLocally serves a handler until Close. What goes wrong with a connection is
// logged, unless the logger is nil.
func ServeLocally(handler http.Handler, logger *log.Logger) *Local {
	l := &Local{
		server: &http.Server{Handler: distant(handler), ErrorLog: logger},
		conns:  make(chan net.Conn), done: make(chan struct{}), stopped: make(chan struct{}),
	}
	l.server.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			l.serving.Done()
		}
	}
	go func() {
		defer close(l.stopped)
		_ = l.server.Serve(localListener{l})
	}()
	return l
}

// DialContext connects to the handler, whatever the address is. It fits
// http.Transport.
func (l *Local) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	select {
	case <-l.done:
		return nil, refused()
	default:
	}
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, refused()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Refuse refuses connections from now on. Those that there are stay.
func (l *Local) Refuse() {
	l.once.Do(func() { close(l.done) })
}

// Close ends all connections, refuses further ones, and waits for the handler to
// be done with its requests.
func (l *Local) Close() error {
	l.Refuse()
	err := l.server.Close()
	<-l.stopped
	l.serving.Wait()
	return err
}

// localListener is where a Local's server finds its connections.
type localListener struct {
	local *Local
}

func (l localListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.local.conns:
		l.local.serving.Add(1)
		return conn, nil
	case <-l.local.done:
		return nil, net.ErrClosed
	}
}

func (l localListener) Close() error {
	l.local.Refuse()
	return nil
}

func (l localListener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
}

// refused is the error of a port on which nobody listens.
func refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// distant lets a moment pass once a request has arrived. In a bubble it ends only
// when the client has nothing left to do: a connection without a buffer could
// otherwise answer a client that is not quite done with sending.
func distant(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		time.Sleep(LocalLatency)
		next.ServeHTTP(w, r)
	})
}
