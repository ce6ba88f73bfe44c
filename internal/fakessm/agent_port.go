// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/xtaci/smux"
)

// dialTime is how long a connection on the loopback may take.
const dialTime = 5 * time.Second

// serve runs the plugin of the session's type.
func (a *agent) serve() {
	if a.kind != sessionTypePort {
		a.echo()

		return
	}
	host := a.properties["host"]
	if forbidden(host) {
		a.end("Forwarding to IP address " + host + " is forbidden.")

		return
	}
	a.mu.Lock()
	client := a.client
	a.mu.Unlock()
	if a.properties["type"] == "LocalPortForwarding" && a.is("3.0.196.0") && client.above("1.1.69.9999") {
		a.multiplex(client)

		return
	}
	a.single()
}

// echo answers with what the client types: there is no shell.
func (a *agent) echo() {
	buffer := make([]byte, agentPayload)
	for {
		n, err := a.Read(buffer)
		if err != nil {
			return
		}
		if _, err := a.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// forbidden reports whether agents refuse a host.
func forbidden(host string) bool {
	address, err := netip.ParseAddr(host)

	return err == nil && (address.IsLinkLocalUnicast() || host == "fd00:ec2::254" || host == "fd00:ec2::253")
}

// dialTarget connects to what the session leads to: an address on this machine,
// whatever it is called.
func (a *agent) dialTarget() (net.Conn, error) {
	address, ok := a.server.resolve(a.properties["host"], a.properties["portNumber"])
	if !ok {
		return nil, errors.New("the host is not known")
	}

	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()

	return a.server.dial(ctx, "tcp", address)
}

// resolve returns the address that stands for a host and a port. It is always one of
// this machine.
func (s *Server) resolve(host, port string) (string, bool) {
	if address, ok := s.hosts[host]; ok {
		if at, fixed, err := net.SplitHostPort(address); err == nil {
			address, port = at, fixed
		}
		parsed, err := netip.ParseAddr(address)

		return net.JoinHostPort(address, port), err == nil && parsed.IsLoopback()
	}
	switch address, err := netip.ParseAddr(host); {
	case host == "", strings.EqualFold(host, "localhost"):
		return net.JoinHostPort("127.0.0.1", port), true
	case err == nil && address.IsLoopback():
		return net.JoinHostPort(host, port), true
	default:
		return "", false
	}
}

// keepsAlive reports whether the agent sends keep-alives, and expects them.
func (a *agent) keepsAlive(client agentVersion) bool {
	switch {
	case !a.is("3.1.1374.0"):
		return true
	case !a.is("3.1.1446.0"):
		return false
	case !a.is("3.1.1511.0"):
		return true
	default:
		return !client.above("1.2.331.0")
	}
}

// multiplex serves many connections of the client in one session.
func (a *agent) multiplex(client agentVersion) {
	config := smux.DefaultConfig()
	config.KeepAliveDisabled = !a.keepsAlive(client)
	mux, err := smux.Server(a, config)
	if err != nil {
		a.end(err.Error())

		return
	}
	defer mux.Close() //nolint:errcheck // It may have ended.
	go func() {
		<-a.done
		_ = mux.Close()
	}()
	for {
		stream, err := mux.AcceptStream()
		if err != nil {
			a.end("")

			return
		}
		// One after the other: while one waits, so do the rest.
		target, err := a.dialTarget()
		if err != nil {
			a.send(payloadFlag, binary.BigEndian.AppendUint32(nil, flagConnectError))
			_ = stream.Close()

			continue
		}
		go join(a.done, stream, target)
	}
}

// join carries bytes both ways. Whichever side ends, both do: the protocol has no end of
// one direction. A target that reads nothing is left when the session ends.
func join(done <-chan struct{}, stream io.ReadWriteCloser, target net.Conn) {
	joined := make(chan struct{})
	go func() {
		select {
		case <-done:
			_ = target.Close()
		case <-joined:
		}
	}()
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(target, stream)
		_ = target.Close()
	})
	both.Go(func() {
		_, _ = io.Copy(stream, target)
		_ = stream.Close()
	})
	both.Wait()
	close(joined)
}

// basicPort is the one connection of a session that is not multiplexed.
type basicPort struct {
	mu   sync.Mutex
	conn net.Conn
}

// disconnect closes the connection, as the client asks for.
func (p *basicPort) disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

// connect returns the connection, a new one if there is none.
func (p *basicPort) connect(a *agent) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		return p.conn, nil
	}
	conn, err := a.dialTarget()
	if err != nil {
		return nil, err
	}
	p.conn = conn
	go func() {
		_, _ = io.Copy(a, conn)
		p.mu.Lock()
		mine := p.conn == conn
		if mine {
			_ = conn.Close()
			p.conn = nil
		}
		p.mu.Unlock()
		// That the far end hangs up is not told; only sessions without a type end.
		if mine && a.properties["type"] == "" {
			a.end("")
		}
	}()

	return conn, nil
}

// single serves one connection after the other.
func (a *agent) single() {
	port := &basicPort{}
	a.mu.Lock()
	a.port = port
	a.mu.Unlock()
	if _, err := port.connect(a); err != nil {
		a.end("Unable to connect to specified port: " + a.properties["portNumber"])

		return
	}
	go func() {
		<-a.done
		port.disconnect()
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := a.Read(buffer)
		if err != nil {
			return
		}
		conn, err := port.connect(a)
		if err != nil {
			a.end("Unable to connect to specified port: " + a.properties["portNumber"])

			return
		}
		_, _ = conn.Write(buffer[:n])
		a.mu.Lock()
		a.unwritten -= n
		a.changed.Broadcast()
		a.mu.Unlock()
	}
}
