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

// Local serves a handler in the process of its clients. Only the network is simulated, HTTP
// is real. It works in a testing/synctest bubble, where waiting takes no time.
type Local struct {
	server  *http.Server
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
	stopped chan struct{}
	serving sync.WaitGroup
}

// ServeLocally serves a handler until Close. Connection errors go to the logger, unless it
// is nil.
func ServeLocally(handler http.Handler, logger *log.Logger) *Local {
	l := &Local{
		server: &http.Server{Handler: withLatency(handler), ErrorLog: logger},
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

// DialContext connects to the handler, whatever the address is. It can be used in an
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

// Refuse refuses new connections. Existing ones stay open.
func (l *Local) Refuse() {
	l.once.Do(func() { close(l.done) })
}

// Close closes all connections, refuses new ones, and waits until the handler has finished
// its requests.
func (l *Local) Close() error {
	l.Refuse()
	err := l.server.Close()
	<-l.stopped
	l.serving.Wait()

	return err
}

// localListener is the listener of a Local's server.
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

// refused returns the error of a port without a listener.
func refused() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// withLatency adds a short delay after a request has arrived. In a synctest bubble the delay ends
// when the client has nothing left to do. Without it, the answer could arrive before the
// client has finished sending, because net.Pipe has no buffer.
func withLatency(next http.Handler) http.Handler {
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
