// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/xtaci/smux"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		code = leftGoroutines()
	}
	os.Exit(code)
}

// leftGoroutines waits until all goroutines of the package and of smux have ended.
func leftGoroutines() int {
	var left []string
	for range 500 {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left = nil
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "leftGoroutines") {
				continue
			}
			if strings.Contains(stack, "internal/portforward") || strings.Contains(stack, "xtaci/smux") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Printf("%d goroutines are left, such as:\n%s\n", len(left), left[0])

	return 1
}

// memoryPipe is one direction of a channel: a writer waits while limit bytes are unread, or while it is held.
type memoryPipe struct {
	mu    sync.Mutex
	wake  *sync.Cond
	buf   bytes.Buffer
	limit int
	held  bool
	full  bool // for ever: the writer gets an error, the reader nothing
	err   error
}

func newPipe() *memoryPipe {
	p := &memoryPipe{limit: 256 << 10}
	p.wake = sync.NewCond(&p.mu)

	return p
}

func (p *memoryPipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.buf.Len() == 0 {
		if p.err != nil {
			return 0, p.err
		}
		p.wake.Wait()
	}
	n, _ := p.buf.Read(b)
	p.wake.Broadcast()

	return n, nil
}

func (p *memoryPipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(b) {
		if p.full {
			return n, io.ErrShortWrite
		}
		for p.err == nil && (p.held || p.buf.Len() >= p.limit) {
			p.wake.Wait()
		}
		if p.err != nil {
			return n, io.ErrClosedPipe
		}
		part := min(len(b)-n, p.limit-p.buf.Len())
		p.buf.Write(b[n : n+part])
		n += part
		p.wake.Broadcast()
	}

	return n, nil
}

func (p *memoryPipe) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = held
	p.wake.Broadcast()
}

func (p *memoryPipe) takeNothingMore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full = true
}

func (p *memoryPipe) close(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.wake.Broadcast()
}

// testChannel is a channel in memory to a testAgent.
type testChannel struct {
	up, down *memoryPipe
	agent    datachannel.Agent
	onFlag   func(context.Context, datachannel.Flag) error

	mu  sync.Mutex
	err error
}

func (c *testChannel) Read(p []byte) (int, error)  { return c.down.Read(p) }
func (c *testChannel) Write(p []byte) (int, error) { return c.up.Write(p) }
func (c *testChannel) Agent() datachannel.Agent    { return c.agent }

func (c *testChannel) SendFlag(ctx context.Context, f datachannel.Flag) error {
	return c.onFlag(ctx, f)
}

func (c *testChannel) Flush(context.Context) error { return nil }

func (c *testChannel) RoundTrip() time.Duration { return 0 }

func (c *testChannel) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.err
}

// end ends the channel. Its reader gets err.
func (c *testChannel) end(err error) {
	c.mu.Lock()
	if c.err == nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	c.mu.Unlock()
	c.down.close(err)
	c.up.close(io.EOF)
}

// testAgent is the agent. It connects to target for each stream.
type testAgent struct {
	t       *testing.T
	target  string
	channel *testChannel
	refused func()
	ended   atomic.Int64 // calls of End
	dialed  atomic.Int64
	most    atomic.Int64 // connections at once
	flags   atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

// wireTap is what the agent's smux reads and writes.
type wireTap struct{ a *testAgent }

func (w wireTap) Read(p []byte) (int, error)  { return w.a.channel.up.Read(p) }
func (w wireTap) Write(p []byte) (int, error) { return w.a.channel.down.Write(p) }
func (w wireTap) Close() error                { return nil }

func newTestAgent(t *testing.T, target string, multiplexed bool) *testAgent {
	t.Helper()
	a := &testAgent{t: t, target: target, conns: map[net.Conn]struct{}{}}
	a.channel = &testChannel{up: newPipe(), down: newPipe(), agent: datachannel.Agent{Version: "3.3.987.0", Multiplexed: multiplexed}}
	a.channel.onFlag = func(context.Context, datachannel.Flag) error { return errors.New("unexpected flag") }

	return a
}

func (a *testAgent) start(onRefused func()) *Session {
	a.refused = onRefused
	if a.channel.agent.Multiplexed {
		a.wg.Go(a.serveStreams)
	} else {
		a.startBasic()
	}

	return &Session{ID: fmt.Sprintf("mary-%p", a), Channel: a.channel, End: func(context.Context) error {
		a.ended.Add(1)
		a.stop(io.EOF)

		return nil
	}}
}

// stop ends the session from the agent's side.
func (a *testAgent) stop(err error) {
	a.channel.end(err)
	a.mu.Lock()
	for c := range a.conns {
		c.Close()
	}
	a.mu.Unlock()
	a.wg.Wait()
}

func (a *testAgent) dial() (net.Conn, error) {
	a.dialed.Add(1)
	conn, err := net.Dial("tcp", a.target)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.conns[conn] = struct{}{}
	a.most.Store(max(a.most.Load(), int64(len(a.conns))))
	a.mu.Unlock()

	return conn, nil
}

func (a *testAgent) hangUp(conn net.Conn) {
	conn.Close()
	a.mu.Lock()
	delete(a.conns, conn)
	a.mu.Unlock()
}

func (a *testAgent) serveStreams() {
	config := smux.DefaultConfig()
	config.KeepAliveDisabled = true
	session, err := smux.Server(wireTap{a}, config)
	if err != nil {
		a.t.Errorf("smux: %v", err)

		return
	}
	defer session.Close()
	for {
		st, err := session.AcceptStream()
		if err != nil {
			return
		}
		// One after the other, as the agent does it.
		conn, err := a.dial()
		if err != nil {
			a.refused()
			st.Close()

			continue
		}
		var once sync.Once
		both := func() {
			once.Do(func() {
				st.Close()
				a.hangUp(conn)
			})
		}
		a.wg.Go(func() {
			defer both()
			_, _ = io.Copy(st, struct{ io.Reader }{conn})
		})
		a.wg.Go(func() {
			defer both()
			_, _ = io.Copy(struct{ io.Writer }{conn}, st)
		})
	}
}

// startBasic connects at once, and again when bytes follow a flag.
func (a *testAgent) startBasic() {
	var mu sync.Mutex
	var conn net.Conn
	connect := func() (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if conn != nil {
			return conn, nil
		}
		c, err := a.dial()
		if err != nil {
			return nil, err
		}
		conn = c
		a.wg.Go(func() {
			_, _ = io.Copy(a.channel.down, struct{ io.Reader }{c})
			mu.Lock()
			defer mu.Unlock()
			if conn == c {
				a.hangUp(c)
				conn = nil
			}
		})

		return conn, nil
	}
	a.channel.onFlag = func(_ context.Context, f datachannel.Flag) error {
		if f != datachannel.FlagDisconnectToPort {
			return fmt.Errorf("unexpected flag %d", f)
		}
		a.flags.Add(1)
		mu.Lock()
		defer mu.Unlock()
		if conn != nil {
			a.hangUp(conn)
			conn = nil
		}

		return nil
	}
	if _, err := connect(); err != nil {
		a.channel.end(fmt.Errorf("the agent says: Unable to connect to specified port: %w", err))

		return
	}
	a.wg.Go(func() {
		p := make([]byte, 32<<10)
		for {
			n, err := a.channel.up.Read(p)
			if err != nil {
				return
			}
			c, err := connect()
			if err != nil {
				a.channel.end(err)

				return
			}
			_, _ = c.Write(p[:n])
		}
	})
}

// testTarget is a server on loopback. handle gets each connection.
func testTarget(t *testing.T, handle func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]struct{}{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[c] = struct{}{}
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				handle(asTCP(c))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})

	return l.Addr().String()
}

// refusedAddress refuses connections. Unlike the address of a listener that is closed,
// no other test gets it.
const refusedAddress = "127.0.0.1:1"

func asTCP(c net.Conn) *net.TCPConn {
	conn, ok := c.(*net.TCPConn)
	if !ok {
		panic(fmt.Sprintf("%T is no TCP connection", c))
	}

	return conn
}

func echoConn(c *net.TCPConn) { _, _ = io.Copy(c, struct{ io.Reader }{c}) }

// eventRecorder keeps the events of a forward.
type eventRecorder struct {
	mu     sync.Mutex
	events []Event
	more   chan struct{}
}

func (r *eventRecorder) note(_ context.Context, e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	close(r.more)
	r.more = make(chan struct{})
}

func (r *eventRecorder) all(kind Kind) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []Event
	for _, e := range r.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}

	return found
}

// wait returns the n-th event of the kind, counted from 1.
func (r *eventRecorder) wait(t *testing.T, kind Kind, n int) Event {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		r.mu.Lock()
		more := r.more
		r.mu.Unlock()
		if found := r.all(kind); len(found) >= n {
			return found[n-1]
		}
		select {
		case <-more:
		case <-late:
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("no %d events %q among %+v", n, kind, r.events)
		}
	}
}

// testForward is a forward with its agents, closed at the end of the test.
type testForward struct {
	*Forward
	*eventRecorder
	agents []*testAgent // one a session
	mu     sync.Mutex
}

type testOptions struct {
	target string
	limits func(*limits)
	config func(*Config)
	agent  func(*testAgent)
	basic  bool
}

func (f *testForward) agent(i int) *testAgent {
	f.mu.Lock()
	defer f.mu.Unlock()

	return f.agents[i]
}

func tryForward(t *testing.T, o testOptions) (*testForward, error) {
	t.Helper()
	f := &testForward{eventRecorder: &eventRecorder{more: make(chan struct{})}}
	config := Config{Target: "db.internal:5432", Observe: f.note}
	config.Open = func(_ context.Context, onRefused func()) (*Session, error) {
		a := newTestAgent(t, o.target, !o.basic)
		if o.agent != nil {
			o.agent(a)
		}
		f.mu.Lock()
		f.agents = append(f.agents, a)
		f.mu.Unlock()

		return a.start(onRefused), nil
	}
	l := defaultLimits
	l.firstPause, l.lastPause, l.end = time.Millisecond, 4*time.Millisecond, 5*time.Second
	if o.limits != nil {
		o.limits(&l)
	}
	if o.config != nil {
		o.config(&config)
	}
	forward, err := listen(context.Background(), config, l)
	if err != nil {
		return f, err
	}
	f.Forward = forward
	t.Cleanup(func() {
		if _, err := forward.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		for i, a := range f.agents {
			if n := a.ended.Load(); n != 1 {
				t.Errorf("session %d was ended %d times", i+1, n)
			}
		}
	})

	return f, nil
}

func newForward(t *testing.T, o testOptions) *testForward {
	t.Helper()
	f, err := tryForward(t, o)
	if err != nil {
		t.Fatal(err)
	}

	return f
}

func (f *testForward) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort(Host, fmt.Sprint(f.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	// A test that hangs fails with its own stack.
	_ = c.SetDeadline(time.Now().Add(time.Minute))

	return asTCP(c)
}

// dialReset connects and expects a reset. The reset may come before Dial returns.
func (f *testForward) dialReset(t *testing.T) {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort(Host, fmt.Sprint(f.Port())))
	if isReset(err) {
		return
	}
	if err != nil {
		t.Error(err)

		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	expectReset(t, c)
}
