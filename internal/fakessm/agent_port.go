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

// dialTime limits a connection attempt on the loopback interface.
const dialTime = 5 * time.Second

// runPlugin runs the plugin for the session type.
func (a *agent) runPlugin() {
	if !a.start() {
		return
	}
	if a.kind != sessionTypePort {
		a.echo()

		return
	}
	host := a.properties["host"]
	if refusesHost(host) {
		a.end("Forwarding to IP address " + host + " is forbidden.")

		return
	}
	if _, known := a.server.resolve(host, a.properties["portNumber"]); !known && a.newerThan("3.1.1260.0") {
		// Older agents resolve the host for each connection.
		a.end("lookup " + host + ": no such host")

		return
	}
	a.mu.Lock()
	client := a.client
	a.mu.Unlock()
	if a.properties["type"] == "LocalPortForwarding" && a.newerThan("3.0.196.0") && client.newerThan("1.1.69.9999") {
		a.multiplex(client)

		return
	}
	a.serveSingleConnection()
}

// start makes the agent accept data after its start time. It returns false if the session ends
// before that.
func (a *agent) start() bool {
	timer := time.NewTimer(a.server.agentStart)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.done:
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ready = true

	return true
}

// echo returns the client's input. It takes the place of a shell.
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

// refusesHost reports whether agents refuse to connect to a host.
func refusesHost(host string) bool {
	address, err := netip.ParseAddr(host)

	return err == nil && (address.IsLinkLocalUnicast() || host == "fd00:ec2::254" || host == "fd00:ec2::253")
}

// dialTarget connects to the address that stands for the session's host and port.
func (a *agent) dialTarget() (net.Conn, error) {
	address, ok := a.server.resolve(a.properties["host"], a.properties["portNumber"])
	if !ok {
		return nil, errors.New("the host is not known")
	}

	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()

	return a.server.dial(ctx, "tcp", address)
}

// resolve returns the address that stands for a host and a port. It is always a loopback
// address.
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

// keepsAlive reports whether the agent sends and expects keep-alives.
func (a *agent) keepsAlive(client agentVersion) bool {
	switch {
	case !a.newerThan("3.1.1374.0"):
		return true
	case !a.newerThan("3.1.1446.0"):
		return false
	case !a.newerThan("3.1.1511.0"):
		return true
	default:
		return !client.newerThan("1.2.331.0")
	}
}

// multiplex serves many connections in one session.
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
		// Agents dial one connection at a time, so a slow one delays the others.
		target, err := a.dialTarget()
		if err != nil {
			a.send(payloadFlag, binary.BigEndian.AppendUint32(nil, flagConnectError))
			_ = stream.Close()

			continue
		}
		go copyBothWays(a.done, stream, target)
	}
}

// copyBothWays copies bytes in both directions. If one side ends, both are closed, because the
// protocol cannot close a single direction. It also ends with the session, even if the target
// does not read.
func copyBothWays(done <-chan struct{}, stream io.ReadWriteCloser, target net.Conn) {
	copied := make(chan struct{})
	go func() {
		select {
		case <-done:
			_ = target.Close()
		case <-copied:
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
	close(copied)
}

// basicPort is the single connection of a session without multiplexing.
type basicPort struct {
	mu   sync.Mutex
	conn net.Conn
}

// disconnect closes the connection on request of the client.
func (p *basicPort) disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

// connect returns the open connection, or a new one.
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
		// Agents do not report a closed connection. Only sessions without a type end.
		if mine && a.properties["type"] == "" {
			a.end("")
		}
	}()

	return conn, nil
}

// serveSingleConnection serves one connection at a time.
func (a *agent) serveSingleConnection() {
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
