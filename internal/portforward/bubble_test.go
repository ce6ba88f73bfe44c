// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// memoryConn is one end of a connection in memory. It supports half-closes, resets and deadlines, like TCP. It
// has no buffer: a write returns when the other end has read.
type memoryConn struct {
	in, out net.Conn    // One pipe for each direction.
	linger  atomic.Bool // Close resets the connection.
	reset   *atomic.Bool
}

func newMemoryConns() (client, server *memoryConn) {
	reset := new(atomic.Bool)
	upRead, upWrite := net.Pipe()
	downRead, downWrite := net.Pipe()

	return &memoryConn{in: downRead, out: upWrite, reset: reset}, &memoryConn{in: upRead, out: downWrite, reset: reset}
}

func (c *memoryConn) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	if err != nil && c.reset.Load() {
		err = syscall.ECONNRESET
	}

	return n, err
}

func (c *memoryConn) Write(p []byte) (int, error) {
	n, err := c.out.Write(p)
	if errors.Is(err, io.ErrClosedPipe) {
		err = syscall.EPIPE
	}

	return n, err
}

func (c *memoryConn) Close() error {
	if c.linger.Load() {
		c.reset.Store(true)
	}

	return errors.Join(c.in.Close(), c.out.Close())
}

func (c *memoryConn) CloseWrite() error { return c.out.Close() }

func (c *memoryConn) SetLinger(seconds int) error {
	c.linger.Store(seconds == 0)

	return nil
}

func (c *memoryConn) SetDeadline(at time.Time) error {
	return errors.Join(c.SetReadDeadline(at), c.SetWriteDeadline(at))
}

func (c *memoryConn) SetReadDeadline(at time.Time) error  { return c.in.SetReadDeadline(at) }
func (c *memoryConn) SetWriteDeadline(at time.Time) error { return c.out.SetWriteDeadline(at) }
func (c *memoryConn) LocalAddr() net.Addr                 { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *memoryConn) RemoteAddr() net.Addr                { return c.LocalAddr() }

// memoryListener is a port in memory.
type memoryListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *memoryListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := newMemoryConns()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })

	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5432} }

// echoServer echoes and records what it gets.
type echoServer struct {
	*memoryListener
	serving sync.WaitGroup
	mute    atomic.Bool // It only records.

	mu  sync.Mutex
	got [][]byte // One for each connection, in the order of their starts.
}

func newEchoServer() *echoServer {
	s := &echoServer{memoryListener: newMemoryListener()}
	s.serving.Go(func() {
		for {
			conn, err := s.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			i := len(s.got)
			s.got = append(s.got, nil)
			s.mu.Unlock()
			s.serving.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(writerFunc(func(p []byte) (int, error) {
					s.mu.Lock()
					s.got[i] = append(s.got[i], p...)
					s.mu.Unlock()
					if s.mute.Load() {
						return len(p), nil
					}

					return conn.Write(p)
				}), struct{ io.Reader }{conn})
			})
		}
	})

	return s
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// received returns the bytes of each connection.
func (s *echoServer) received() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Concat(s.got...)
}

// lab is a forward in a bubble of testing/synctest. All of its parts are real: the client of Session Manager, the data
// channel and the fake with its agent. Only the network is in memory, and waiting takes no time.
type lab struct {
	*eventRecorder
	fake     *fakessm.Server
	client   *sessionmanager.Client
	channels *http.Client
	port     *memoryListener // The forward's.
	target   *echoServer
	blind    bool // The forward does not probe.

	mu      sync.Mutex
	channel map[datachannel.EventKind]int
}

func newLab(t *testing.T, options ...fakessm.Option) *lab {
	t.Helper()
	l := &lab{
		eventRecorder: &eventRecorder{more: make(chan struct{})}, port: newMemoryListener(), target: newEchoServer(),
		channel: map[datachannel.EventKind]int{},
	}
	l.fake = fakessm.New(append(options, fakessm.WithDataChannel(""), fakessm.WithDialer(l.target.dial))...)
	local := fakessm.ServeLocally(l.fake, nil)
	transport := &http.Transport{DialContext: local.DialContext}
	l.channels = &http.Client{Transport: transport}
	l.client = sessionmanager.New(aws.Config{
		Region:      fakessm.DefaultRegion,
		Credentials: l.credentials(),
		HTTPClient:  &http.Client{Transport: transport},
	}, sessionmanager.Options{Endpoint: "http://127.0.0.1"})
	t.Cleanup(func() {
		_ = l.target.Close()
		l.target.serving.Wait()
		transport.CloseIdleConnections()
		_ = local.Close()
		// Wait for remaining work of the fake, such as delayed messages. Otherwise the bubble reports a deadlock when
		// the test ends.
		time.Sleep(time.Minute)
	})

	return l
}

func (l *lab) credentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, "")
}

// listen opens the forward. Its opening may take a minute.
func (l *lab) listen(t *testing.T) (*Forward, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f, err := serve(ctx, l.port, Config{Open: l.open, Probe: !l.blind, KeepAlive: true, Target: "db.internal:5432", Observe: l.note}, defaultLimits)
	if err == nil {
		t.Cleanup(func() { _, _ = f.Close(context.Background()) })
	}

	return f, err
}

// dial connects to the forward, with a deadline of ten minutes.
func (l *lab) dial(t *testing.T) *memoryConn {
	t.Helper()
	conn, err := l.port.dial(t.Context(), "tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	memory, ok := conn.(*memoryConn)
	if !ok {
		t.Fatalf("got a %T", conn)
	}
	_ = memory.SetDeadline(time.Now().Add(10 * time.Minute))

	return memory
}

// open opens a session as the provider does.
func (l *lab) open(ctx context.Context, onRefused func()) (*Session, error) {
	opened, err := l.client.Start(ctx, sessionmanager.StartInput{
		Region: fakessm.DefaultRegion, Target: "i-0123456789abcdef0",
		DocumentName: "AWS-StartPortForwardingSession", Parameters: map[string][]string{"portNumber": {"5432"}},
	})
	if err != nil {
		return nil, err
	}
	ref := opened.SessionRef
	channel, err := datachannel.Open(ctx, datachannel.Config{
		SessionID: ref.SessionID, Region: ref.Region, SessionType: "Port",
		Access:      datachannel.Access{StreamURL: opened.StreamURL, Token: opened.Token},
		Credentials: l.credentials(), HTTPClient: l.channels,
		Resume: func(ctx context.Context) (datachannel.Access, error) {
			resumed, err := l.client.Resume(ctx, ref)
			if errors.Is(err, sessionmanager.ErrTimedOut) || errors.Is(err, sessionmanager.ErrEnded) || errors.Is(err, sessionmanager.ErrNotFound) {
				err = errors.Join(datachannel.ErrSessionOver, err)
			}

			return datachannel.Access{StreamURL: resumed.StreamURL, Token: resumed.TokenValue}, err
		},
		OnFlag: func(flag datachannel.Flag) {
			if flag == datachannel.FlagConnectToPortError {
				onRefused()
			}
		},
		Observe: func(_ context.Context, e datachannel.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.channel[e.Kind]++
		},
	})
	if err != nil {
		_, endErr := l.client.EndOwn(context.WithoutCancel(ctx), ref)

		return nil, errors.Join(err, endErr)
	}
	l.client.Attach(ref, sessionmanager.Hooks{Terminate: channel.Terminate, Close: channel.Close})

	return &Session{ID: ref.SessionID, Channel: channel, End: func(ctx context.Context) error {
		_, err := l.client.EndOwn(ctx, ref)
		now, cancel := context.WithCancel(ctx)
		cancel()
		_ = channel.Close(now)

		return err
	}}, nil
}

// live returns the sessions that have not ended.
func (l *lab) live() []string {
	var live []string
	for _, session := range l.fake.Sessions() {
		if session.Status != "Terminated" && session.Status != "Terminating" {
			live = append(live, session.SessionID+" is "+session.Status)
		}
	}

	return live
}
