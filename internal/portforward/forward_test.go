// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
)

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// expectReset reads until the connection ends, and fails if there is no reset.
func expectReset(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); !isReset(err) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
}

func expectEcho(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v, want %q", got, err, text)
	}
}

// seededBytes returns bytes that depend on the seed at every place.
func seededBytes(seed uint64, n int) []byte {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	p := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(p)

	return p
}

// serveExchanges reads a request, and answers with its digest and the requested number of bytes.
func serveExchanges(c *net.TCPConn) {
	var head [20]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return
	}
	seed := binary.BigEndian.Uint64(head[:])
	up, down := binary.BigEndian.Uint32(head[8:]), binary.BigEndian.Uint32(head[12:])
	wait := time.Duration(binary.BigEndian.Uint32(head[16:]))
	digest := sha256.New()
	if _, err := io.CopyN(digest, c, int64(up)); err != nil {
		return
	}
	time.Sleep(wait)
	_, _ = c.Write(digest.Sum(nil))
	_, _ = c.Write(seededBytes(seed+1, int(down)))
}

func exchangeOnce(c *net.TCPConn, seed uint64, up, down int, halfClose bool, wait time.Duration) error {
	request := seededBytes(seed, up)
	var head [20]byte
	binary.BigEndian.PutUint64(head[:], seed)
	binary.BigEndian.PutUint32(head[8:], uint32(up))
	binary.BigEndian.PutUint32(head[12:], uint32(down))
	binary.BigEndian.PutUint32(head[16:], uint32(wait))
	if _, err := c.Write(append(head[:], request...)); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if halfClose {
		if err := c.CloseWrite(); err != nil {
			return err
		}
	}
	got, err := io.ReadAll(c)
	if err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", len(got), down+sha256.Size, err)
	}
	digest := sha256.Sum256(request)
	if want := append(digest[:], seededBytes(seed+1, down)...); !bytes.Equal(got, want) {
		return fmt.Errorf("got %d bytes, want %d, or they differ", len(got), len(want))
	}

	return nil
}

func TestForward_manyConnectionsAtOnce(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, serveExchanges)})
	const n = 200
	conns := make([]*net.TCPConn, n)
	for i := range conns {
		conns[i] = f.dial(t)
	}
	for i := range conns {
		f.wait(t, ConnectionOpened, i+1)
	}
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(i)))
			up, down := r.IntN(200_000), r.IntN(200_000)
			if err := exchangeOnce(c, uint64(i)<<8, up, down, r.IntN(2) == 0, time.Duration(r.IntN(20))*time.Millisecond); err != nil {
				t.Errorf("connection %d, %d up, %d down: %v", i, up, down, err)
			}
		})
	}
	wg.Wait()
	if opened := f.all(SessionOpened); len(opened) != 1 {
		t.Errorf("%d sessions were opened, want 1", len(opened))
	}
	if got := f.agent(0).dialed.Load(); got != n {
		t.Errorf("the agent connected %d times, want %d", got, n)
	}
	if last := f.wait(t, ConnectionClosed, n); last.Open != 0 {
		t.Errorf("%d connections are open", last.Open)
	}
}

func TestForward_answerAfterEOF(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, serveExchanges)})
	// The server answers some time after the client has closed its side.
	if err := exchangeOnce(f.dial(t), 1, 5000, 5000, true, 300*time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestForward_quietAfterEOF(t *testing.T) {
	t.Parallel()

	ended := make(chan struct{})
	target := testTarget(t, func(c *net.TCPConn) {
		// The server never answers, and only sees the end of the connection.
		_, _ = io.Copy(io.Discard, c)
		close(ended)
	})
	f := newForward(t, testOptions{target: target, limits: func(l *limits) { l.quiet = 50 * time.Millisecond }})
	c := f.dial(t)
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
	<-ended
	f.wait(t, ConnectionClosed, 1)
}

func TestForward_quietBeginsAnewWithEachByte(t *testing.T) {
	t.Parallel()

	target := testTarget(t, func(c *net.TCPConn) {
		for range 20 {
			time.Sleep(100 * time.Millisecond)
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	})
	f := newForward(t, testOptions{target: target, limits: func(l *limits) { l.quiet = 1500 * time.Millisecond }})
	c := f.dial(t)
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || len(got) != 20 {
		t.Errorf("got %q, %v, want all twenty", got, err)
	}
}

// An answer that waits behind answers to other clients does not count as silence.
func TestForward_quietInABusySession(t *testing.T) {
	t.Parallel()

	stop := make(chan struct{})
	target := testTarget(t, func(c *net.TCPConn) {
		first := make([]byte, 1)
		if _, err := io.ReadFull(c, first); err != nil {
			return
		}
		if first[0] == 'a' {
			time.Sleep(2 * time.Second)
			_, _ = c.Write([]byte("answer"))

			return
		}
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			if _, err := c.Write([]byte("busy")); err != nil {
				return
			}
		}
	})
	f := newForward(t, testOptions{target: target, limits: func(l *limits) { l.quiet = 500 * time.Millisecond }})
	busy := f.dial(t)
	_, _ = busy.Write([]byte("b"))
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(io.Discard, busy) })
	c := f.dial(t)
	_, _ = c.Write([]byte("a"))
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "answer" {
		t.Errorf("got %q, %v", got, err)
	}
	close(stop)
	wg.Wait()
}

func TestForward_serverClosesWhileClientTalks(t *testing.T) {
	t.Parallel()

	answer := seededBytes(3, 300_000)
	// A close with unread bytes sends a reset, which may discard bytes that the agent has not read yet.
	whole := make(chan struct{})
	target := testTarget(t, func(c *net.TCPConn) {
		_, _ = c.Write(answer)
		_ = c.CloseWrite()
		<-whole
	})
	defer close(whole)
	f := newForward(t, testOptions{target: target})
	c := f.dial(t)
	for range 100 {
		_, _ = c.Write(make([]byte, 1000))
	}
	f.wait(t, ConnectionOpened, 1)
	// The forward holds bytes of the client that the target does not read. The answer must still be complete.
	time.Sleep(200 * time.Millisecond)
	got := make([]byte, len(answer))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, answer) {
		t.Errorf("the answer was cut off: %v", err)
	}
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %d bytes and %v, want the end", n, err)
	}
}

func TestForward_slowReaderStopsNobody(t *testing.T) {
	t.Parallel()

	target := testTarget(t, func(c *net.TCPConn) {
		first := make([]byte, 1)
		if _, err := io.ReadFull(c, first); err != nil {
			return
		}
		if first[0] == 'e' {
			echoConn(c)

			return
		}
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	f := newForward(t, testOptions{target: target, limits: func(l *limits) {
		l.streamBytes, l.stall, l.look = 2<<20, 200*time.Millisecond, 50*time.Millisecond
	}})
	slow := f.dial(t)
	_, _ = slow.Write([]byte("s"))
	other := f.dial(t)
	_, _ = other.Write([]byte("e"))
	stop := make(chan struct{})
	var rounds atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			expectEcho(t, other, "still there?")
			rounds.Add(1)
		}
	})
	e := f.wait(t, ConnectionReset, 1)
	close(stop)
	wg.Wait()
	if !errors.Is(e.Err, errTooMuchWaits) || e.Connection != 1 {
		t.Errorf("got %+v", e)
	}
	if e.Waiting <= 2<<20 {
		t.Errorf("reset with %d bytes waiting", e.Waiting)
	}
	if rounds.Load() == 0 {
		t.Error("the other connection stood still")
	}
	expectReset(t, slow)
	expectEcho(t, other, "yes")
	report, _ := f.Close(context.Background())
	if report.Stalled != 1 {
		t.Errorf("got %+v", report)
	}
}

func TestForward_pauseOfAReaderIsNoStall(t *testing.T) {
	t.Parallel()

	const size = 12 << 20
	target := testTarget(t, func(c *net.TCPConn) { _, _ = c.Write(seededBytes(9, size)) })
	f := newForward(t, testOptions{target: target, limits: func(l *limits) {
		l.streamBytes, l.stall, l.look = 1<<20, 20*time.Second, 10*time.Millisecond
	}})
	c := f.dial(t)
	time.Sleep(300 * time.Millisecond)
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, seededBytes(9, size)) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestForward_memoryOfAllClients(t *testing.T) {
	t.Parallel()

	target := testTarget(t, func(c *net.TCPConn) {
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		_, _ = c.Write(make([]byte, binary.BigEndian.Uint32(size[:])))
		_, _ = io.Copy(io.Discard, c)
	})
	f := newForward(t, testOptions{target: target, limits: func(l *limits) { l.totalBytes = 20 << 20 }})
	start := func(size uint32) *net.TCPConn {
		c := f.dial(t)
		_, _ = c.Write(binary.BigEndian.AppendUint32(nil, size))

		return c
	}
	small := start(4 << 20)
	waits := func(want int64) {
		t.Helper()
		for range 3000 {
			f.ledger.mu.Lock()
			total := f.ledger.total
			f.ledger.mu.Unlock()
			if total >= want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatal("not enough bytes wait")
	}
	// The kernel buffers some of the bytes.
	full := start(64 << 20)
	e := f.wait(t, ConnectionReset, 1)
	if !errors.Is(e.Err, errMemory) || e.Connection != 2 {
		t.Errorf("got %+v, want the fullest, connection 2, reset", e)
	}
	expectReset(t, full)
	got := make([]byte, 4<<20)
	if _, err := io.ReadFull(small, got); err != nil {
		t.Errorf("the other connection was hurt: %v", err)
	}
	waits(0)
}

func TestForward_refusedTarget(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: refusedAddress})
	f.dialReset(t)
	e := f.wait(t, TargetRefused, 1)
	var refused *RefusedError
	if !errors.As(e.Err, &refused) || e.Target != "db.internal:5432" {
		t.Errorf("got %+v", e)
	}
	before := time.Now()
	report, _ := f.Close(context.Background())
	if report.Refused != 1 || report.LastRefused.IsZero() || report.LastRefused.After(before) {
		t.Errorf("got %+v", report)
	}
}

func TestForward_targetThatSaysNothingIsNotRefused(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, func(*net.TCPConn) {})})
	if got, err := io.ReadAll(f.dial(t)); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v, want the end", got, err)
	}
	f.wait(t, ConnectionClosed, 1)
}

func TestForward_probe(t *testing.T) {
	t.Parallel()

	probe := func(c *Config) { c.Probe = true }
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		f, err := tryForward(t, testOptions{target: refusedAddress, config: probe})
		var refused *RefusedError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "db.internal:5432") {
			t.Errorf("got %v", err)
		}
		if n := f.agent(0).ended.Load(); n != 1 {
			t.Errorf("the session was ended %d times", n)
		}
	})
	for name, handle := range map[string]func(*net.TCPConn){
		"speaks first": func(c *net.TCPConn) { _, _ = c.Write([]byte("SSH-2.0")) },
		"closes":       func(*net.TCPConn) {},
		"waits":        echoConn,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newForward(t, testOptions{target: testTarget(t, handle), config: probe})
			if n := f.agent(0).dialed.Load(); n != 1 {
				t.Errorf("the target was tried %d times", n)
			}
		})
	}
	t.Run("session ends", func(t *testing.T) {
		t.Parallel()
		_, err := tryForward(t, testOptions{target: testTarget(t, echoConn), config: probe, agent: func(a *testAgent) {
			a.channel.end(errors.New("the agent says: forbidden"))
		}})
		if err == nil || !strings.Contains(err.Error(), "the agent says: forbidden") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("without multiplexing, refused", func(t *testing.T) {
		t.Parallel()
		_, err := tryForward(t, testOptions{target: refusedAddress, config: probe, basic: true})
		if err == nil || !strings.Contains(err.Error(), "Unable to connect to specified port") {
			t.Errorf("got %v", err)
		}
	})
}

func TestForward_sessionOver(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, echoConn)})
	one, two := f.dial(t), f.dial(t)
	expectEcho(t, one, "one")
	expectEcho(t, two, "two")
	f.agent(0).stop(errors.New("the agent says: idle for too long"))
	expectReset(t, one)
	expectReset(t, two)
	e := f.wait(t, SessionOver, 1)
	if e.Err == nil || !strings.Contains(e.Err.Error(), "idle for too long") {
		t.Errorf("got %+v", e)
	}
	for i := range 2 {
		if reset := f.wait(t, ConnectionReset, i+1); !errors.Is(reset.Err, errSessionOver) {
			t.Errorf("got %+v", reset)
		}
	}
	expectEcho(t, f.dial(t), "three")
	f.wait(t, SessionOpened, 2)
	report, err := f.Close(context.Background())
	if err != nil || len(report.Sessions) != 2 || report.Connections != 3 || report.Sessions[0] != f.SessionID() {
		t.Errorf("got %+v, %v", report, err)
	}
}

// The end of a channel during an answer must not look like the end of the answer.
func TestForward_sessionEndsInMidAnswer(t *testing.T) {
	t.Parallel()

	for name, cause := range map[string]error{"in order": io.EOF, "broken": errors.New("broken")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newForward(t, testOptions{target: testTarget(t, func(c *net.TCPConn) {
				_, _ = c.Write([]byte("half an answer"))
				_, _ = io.Copy(io.Discard, c)
			})})
			c := f.dial(t)
			if _, err := io.ReadFull(c, make([]byte, 14)); err != nil {
				t.Fatal(err)
			}
			f.agent(0).channel.end(cause)
			expectReset(t, c)
		})
	}
}

// The writer may detect the end of a channel first.
func TestForward_channelTakesNothingMore(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, echoConn)})
	c := f.dial(t)
	expectEcho(t, c, "there")
	f.agent(0).channel.up.takeNothingMore()
	_, _ = c.Write([]byte("lost"))
	expectReset(t, c)
	expectEcho(t, f.dial(t), "again")
}

func TestForward_gapInTheChannel(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, serveExchanges)})
	up := f.agent(0).channel.up
	var wg sync.WaitGroup
	up.hold(true)
	for i := range 20 {
		wg.Go(func() {
			if err := exchangeOnce(f.dial(t), uint64(i)<<8, 100_000, 10_000, i%2 == 0, 0); err != nil {
				t.Errorf("connection %d: %v", i, err)
			}
		})
	}
	// All streams are open, and wait for the channel.
	f.wait(t, ConnectionOpened, 20)
	up.hold(false)
	wg.Wait()
	if n := len(f.all(SessionOpened)); n != 1 {
		t.Errorf("%d sessions were opened", n)
	}
}

func TestForward_attempts(t *testing.T) {
	t.Parallel()

	var fail atomic.Bool
	var attempts atomic.Int64
	cause := errors.New("the node is not connected")
	f := newForward(t, testOptions{
		target: testTarget(t, echoConn),
		limits: func(l *limits) {
			l.patience, l.firstPause, l.lastPause = 500*time.Millisecond, 10*time.Millisecond, 80*time.Millisecond
		},
		config: func(c *Config) {
			open := c.Open
			c.Open = func(ctx context.Context, onRefused func()) (*Session, error) {
				attempts.Add(1)
				if fail.Load() {
					return nil, cause
				}

				return open(ctx, onRefused)
			}
		},
	})
	fail.Store(true)
	f.agent(0).stop(errors.New("gone"))
	f.wait(t, SessionOver, 1)
	// Both wait for the same attempts.
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { f.dialReset(t) })
	}
	wg.Wait()
	failed := f.all(SessionFailed)
	if len(failed) < 3 {
		t.Fatalf("only %d attempts", len(failed))
	}
	for i, e := range failed {
		switch {
		case !errors.Is(e.Err, cause) || e.Attempt != i+1:
			t.Errorf("got %+v", e)
		case i == len(failed)-1 && e.Pause != 0:
			t.Errorf("the last attempt promises another one: %+v", e)
		case i > 0 && i < len(failed)-1 && e.Pause < failed[i-1].Pause:
			t.Errorf("the pause of attempt %d shrinks from %s to %s", i+1, failed[i-1].Pause, e.Pause)
		}
	}
	fail.Store(false)
	expectEcho(t, f.dial(t), "back")
	report, _ := f.Close(context.Background())
	if report.Failed != 2 || !errors.Is(report.OpenErr, cause) {
		t.Errorf("got %+v", report)
	}
}

func TestForward_waitsForASession(t *testing.T) {
	t.Parallel()

	var failures atomic.Int64
	f := newForward(t, testOptions{
		target: testTarget(t, echoConn),
		config: func(c *Config) {
			open := c.Open
			c.Open = func(ctx context.Context, onRefused func()) (*Session, error) {
				if failures.Add(-1) >= 0 {
					return nil, errors.New("not yet")
				}

				return open(ctx, onRefused)
			}
		},
	})
	failures.Store(3)
	f.agent(0).stop(errors.New("gone"))
	f.wait(t, SessionOver, 1)
	expectEcho(t, f.dial(t), "patience")
	if e := f.wait(t, SessionOpened, 2); e.Attempt != 4 {
		t.Errorf("got %+v", e)
	}
}

func TestForward_permanentFailure(t *testing.T) {
	t.Parallel()

	var fail atomic.Bool
	f := newForward(t, testOptions{target: testTarget(t, echoConn), config: func(c *Config) {
		open := c.Open
		c.Open = func(ctx context.Context, onRefused func()) (*Session, error) {
			if fail.Load() {
				return nil, Permanent(errors.New("denied"))
			}

			return open(ctx, onRefused)
		}
	}})
	fail.Store(true)
	f.agent(0).stop(errors.New("gone"))
	f.wait(t, SessionOver, 1)
	f.dialReset(t)
	if failed := f.all(SessionFailed); len(failed) != 1 || failed[0].Err.Error() != "denied" {
		t.Errorf("got %+v", failed)
	}
}

// If sessions always end at once, the forward does not open them as fast as clients connect.
func TestForward_sessionsThatEndAtOnce(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, echoConn)})
	var want time.Duration
	for i := range 3 {
		f.agent(i).stop(errors.New("gone"))
		f.wait(t, SessionOver, i+1)
		f.mu.Lock()
		failures := f.failures
		f.mu.Unlock()
		if pause := f.pause(failures); pause <= want {
			t.Errorf("the pause before session %d is %s, want more than %s", i+2, pause, want)
		} else {
			want = pause
		}
		c := f.dial(t)
		f.wait(t, ConnectionOpened, i+1)
		_ = c.Close()
	}
}

func TestForward_openFails(t *testing.T) {
	t.Parallel()

	cause := errors.New("denied")
	var port int
	f, err := tryForward(t, testOptions{config: func(c *Config) {
		c.Open = func(context.Context, func()) (*Session, error) { return nil, cause }
	}})
	if !errors.Is(err, cause) {
		t.Errorf("got %v, port %d, %v", err, port, f)
	}
}

func portOf(t *testing.T, l net.Listener) int {
	t.Helper()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("it listens on %v", l.Addr())
	}

	return addr.Port
}

func TestForward_port(t *testing.T) {
	t.Parallel()

	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := portOf(t, taken)
	_, err = tryForward(t, testOptions{config: func(c *Config) {
		c.LocalPort = port
		c.Open = func(context.Context, func()) (*Session, error) {
			t.Error("a session was opened without a port")

			return nil, errors.New("no")
		}
	}})
	var inUse *PortInUseError
	if !errors.As(err, &inUse) || inUse.Port != port {
		t.Errorf("got %v", err)
	}
	taken.Close()
	f := newForward(t, testOptions{target: testTarget(t, echoConn), config: func(c *Config) { c.LocalPort = port }})
	if f.Port() != port {
		t.Errorf("got port %d, want %d", f.Port(), port)
	}
	if addr := f.listener.Addr().String(); addr != fmt.Sprintf("127.0.0.1:%d", port) {
		t.Errorf("it listens on %s", addr)
	}
	expectEcho(t, f.dial(t), "hello")
}

type contextKey struct{}

func TestListen_contextBoundsTheOpeningAlone(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), contextKey{}, "logger"))
	a := newTestAgent(t, testTarget(t, echoConn), true)
	values := make(chan any, 100)
	f, err := Listen(ctx, Config{
		Open:    func(_ context.Context, onRefused func()) (*Session, error) { return a.start(onRefused), nil },
		Observe: func(ctx context.Context, e Event) { values <- ctx.Value(contextKey{}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.Port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	expectEcho(t, c, "hello")
	if _, err := f.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if got := <-values; got != "logger" {
		t.Errorf("the observer's context has %v", got)
	}
}

func TestListen_cancelledOpening(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(context.Background())
	_, err := Listen(ctx, Config{Open: func(ctx context.Context, _ func()) (*Session, error) {
		cancel()
		<-ctx.Done()

		return nil, ctx.Err()
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestForward_close(t *testing.T) {
	t.Parallel()

	got := make(chan int64, 10)
	target := testTarget(t, func(c *net.TCPConn) {
		n, _ := io.Copy(io.Discard, c)
		got <- n
	})
	f := newForward(t, testOptions{target: target})
	idle := f.dial(t)
	_, _ = idle.Write([]byte("hello"))
	f.wait(t, ConnectionOpened, 1)
	last := f.dial(t)
	// The client sends everything and disconnects just before the forward closes.
	_, _ = last.Write(make([]byte, 3<<20))
	_ = last.Close()
	if _, err := f.Close(context.Background()); err != nil {
		t.Error(err)
	}
	expectReset(t, idle)
	if n := <-got + <-got; n != 3<<20+5 {
		t.Errorf("the target got %d bytes, want all", n)
	}
	if e := f.wait(t, ConnectionReset, 1); !errors.Is(e.Err, errClosing) || e.Connection != 1 {
		t.Errorf("got %+v", e)
	}
	if len(f.all(SessionOver)) != 0 {
		t.Error("the end that was asked for is reported as a loss")
	}
	if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", f.Port())); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}

func TestForward_closeWhileAConnectionWaits(t *testing.T) {
	t.Parallel()

	opening := make(chan struct{})
	var fail atomic.Bool
	f := newForward(t, testOptions{target: testTarget(t, echoConn), config: func(c *Config) {
		open := c.Open
		c.Open = func(ctx context.Context, onRefused func()) (*Session, error) {
			if fail.Load() {
				close(opening)
				<-ctx.Done()
				// The session was opened despite the error.
			}

			return open(ctx, onRefused)
		}
	}})
	fail.Store(true)
	f.agent(0).stop(errors.New("gone"))
	f.wait(t, SessionOver, 1)
	c := f.dial(t)
	<-opening
	// The cleanup checks that the second session has ended, too.
	if _, err := f.Close(context.Background()); err != nil {
		t.Error(err)
	}
	expectReset(t, c)
	if n := len(f.agents); n != 2 {
		t.Errorf("%d sessions were opened", n)
	}
}

func TestForward_closeWhileTheChannelTakesNothing(t *testing.T) {
	t.Parallel()

	for _, basic := range []bool{false, true} {
		t.Run(fmt.Sprintf("basic=%v", basic), func(t *testing.T) {
			t.Parallel()
			f := newForward(t, testOptions{target: testTarget(t, echoConn), basic: basic, limits: func(l *limits) { l.grace = 50 * time.Millisecond }})
			f.agent(0).channel.up.hold(true)
			c := f.dial(t)
			_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			_, _ = c.Write(make([]byte, 16<<20))
			if _, err := f.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestForward_endFails(t *testing.T) {
	t.Parallel()

	cause := errors.New("still connected")
	a := newTestAgent(t, testTarget(t, echoConn), true)
	f, err := Listen(context.Background(), Config{Open: func(_ context.Context, onRefused func()) (*Session, error) {
		s := a.start(onRefused)
		s.End = func(context.Context) error {
			a.stop(io.EOF)

			return cause
		}

		return s, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := f.Close(context.Background()); !errors.Is(err, cause) || !errors.Is(report.EndErr, cause) {
		t.Errorf("got %+v, %v", report, err)
	}
	if _, err := f.Close(context.Background()); !errors.Is(err, cause) {
		t.Errorf("the second Close says %v", err)
	}
}

func TestEvents_holdNoByte(t *testing.T) {
	t.Parallel()

	const secret = "s3cr3t-row-of-a-table"
	f := newForward(t, testOptions{target: testTarget(t, echoConn)})
	c := f.dial(t)
	expectEcho(t, c, secret)
	_ = c.Close()
	e := f.wait(t, ConnectionClosed, 1)
	if e.Up != int64(len(secret)) || e.Down != int64(len(secret)) {
		t.Errorf("got %d up, %d down, want %d each", e.Up, e.Down, len(secret))
	}
	_, _ = f.Close(context.Background())
	f.eventRecorder.mu.Lock()
	defer f.eventRecorder.mu.Unlock()
	if len(f.events) < 3 {
		t.Errorf("only %d events", len(f.events))
	}
	for _, e := range f.events {
		if text := fmt.Sprintf("%+v %v", e, e.Err); strings.Contains(text, "s3cr3t") {
			t.Errorf("an event holds bytes: %s", text)
		}
	}
}

func TestMuxConfig(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		agent     datachannel.Agent
		keepAlive bool
		disabled  bool
		interval  time.Duration
	}{
		"quiet":                           {disabled: true},
		"agent needs signs of life":       {agent: datachannel.Agent{NeedsKeepAlive: true}, interval: 10 * time.Second},
		"idle time-out":                   {keepAlive: true, interval: 30 * time.Second},
		"agent's need is the shorter one": {agent: datachannel.Agent{NeedsKeepAlive: true}, keepAlive: true, interval: 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := muxConfig(tc.agent, tc.keepAlive)
			if c.KeepAliveDisabled != tc.disabled || !tc.disabled && c.KeepAliveInterval != tc.interval {
				t.Errorf("got %+v", c)
			}
			if c.Version != 1 || c.MaxFrameSize != 32760 || c.KeepAliveTimeout < 1000*time.Hour {
				t.Errorf("got %+v", c)
			}
		})
	}
}
