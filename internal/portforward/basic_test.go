// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
)

func TestBasic_oneAfterTheOther(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, echoConn), basic: true, limits: func(l *limits) { l.quiet = 20 * time.Millisecond }})
	one := f.dial(t)
	f.wait(t, ConnectionOpened, 1)
	two := f.dial(t)
	expectEcho(t, one, "one")
	_, _ = two.Write([]byte("two"))
	// The second waits for its turn.
	if opened := f.all(ConnectionOpened); len(opened) != 1 || f.agent(0).flags.Load() != 0 {
		t.Errorf("got %+v", opened)
	}
	_ = one.Close()
	got := make([]byte, 3)
	if _, err := io.ReadFull(two, got); err != nil || string(got) != "two" {
		t.Errorf("got %q, %v", got, err)
	}
	if n := f.agent(0).flags.Load(); n != 1 {
		t.Errorf("the agent was told %d times", n)
	}
	_ = two.Close()
	f.wait(t, ConnectionClosed, 2)
	if most := f.agent(0).most.Load(); most != 1 || len(f.all(SessionOpened)) != 1 {
		t.Errorf("%d connections at once, %d sessions", most, len(f.all(SessionOpened)))
	}
}

func TestBasic_serverSpeaksFirst(t *testing.T) {
	t.Parallel()

	target := testTarget(t, func(c *net.TCPConn) {
		_, _ = c.Write([]byte("SSH-2.0-x"))
		echoConn(c)
	})
	f := newForward(t, testOptions{target: target, basic: true})
	// The banner comes long before the client.
	for range 1000 {
		b, ok := f.current.carrier.(*basic)
		if !ok {
			t.Fatal("not in basic mode")
		}
		b.mu.Lock()
		n := len(b.early)
		b.mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	c := f.dial(t)
	got := make([]byte, 9)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "SSH-2.0-x" {
		t.Fatalf("got %q, %v", got, err)
	}
	expectEcho(t, c, "hello")
}

func TestBasic_theNextClientGetsNothingOfTheLast(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, echoConn), basic: true, limits: func(l *limits) { l.quiet = 20 * time.Millisecond }})
	one := f.dial(t)
	expectEcho(t, one, "one")
	_ = one.Close()
	f.wait(t, ConnectionClosed, 1)
	two := f.dial(t)
	f.wait(t, ConnectionOpened, 2)
	b, ok := f.current.carrier.(*basic)
	if !ok {
		t.Fatal("not in basic mode")
	}
	for {
		b.mu.Lock()
		listens := b.cur != nil
		b.mu.Unlock()
		if listens {
			break
		}
		time.Sleep(time.Millisecond)
	}
	// Late bytes of the first connection.
	_, _ = f.agent(0).channel.down.Write([]byte("late"))
	for {
		p := f.agent(0).channel.down
		p.mu.Lock()
		n := p.buf.Len()
		p.mu.Unlock()
		if n == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	expectEcho(t, two, "two")
}

func TestBasic_sessionEndsWithTheTarget(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, echoConn), basic: true})
	c := f.dial(t)
	expectEcho(t, c, "hello")
	// Sessions of documents without a type end when the target closes.
	f.agent(0).channel.end(io.EOF)
	if got, err := io.ReadAll(c); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v, want the end", got, err)
	}
	f.wait(t, SessionOver, 1)
	expectEcho(t, f.dial(t), "again")
	f.wait(t, SessionOpened, 2)
}

func TestBasic_sessionBreaks(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{target: testTarget(t, echoConn), basic: true})
	c := f.dial(t)
	f.wait(t, ConnectionOpened, 1)
	waiting := f.dial(t)
	expectEcho(t, c, "hello")
	f.agent(0).channel.end(errors.New("broken"))
	expectReset(t, c)
	// No bytes of the waiting connection were sent, so it uses the next session.
	expectEcho(t, waiting, "waited")
}

func TestBasic_flagIsNotAcknowledged(t *testing.T) {
	t.Parallel()

	f := newForward(t, testOptions{
		target: testTarget(t, echoConn), basic: true,
		limits: func(l *limits) { l.quiet, l.flag = 20*time.Millisecond, 50*time.Millisecond },
		agent: func(a *testAgent) {
			a.channel.agent.Version = "3.0.161.0"
		},
	})
	f.agent(0).channel.onFlag = func(ctx context.Context, _ datachannel.Flag) error {
		<-ctx.Done()

		return ctx.Err()
	}
	c := f.dial(t)
	expectEcho(t, c, "hello")
	_ = c.Close()
	// Bytes of the next connection would reach the old target connection, so the session is replaced.
	f.wait(t, SessionOver, 1)
	expectEcho(t, f.dial(t), "again")
	f.wait(t, SessionOpened, 2)
}

// The target may answer before there is a reader: the two directions of a connection start one after the other.
func TestBasic_answerBeforeItsReader(t *testing.T) {
	t.Parallel()

	ch := &testChannel{up: newPipe(), down: newPipe(), onFlag: func(context.Context, datachannel.Flag) error { return nil }}
	b := newBasic(ch, 100, func(error) {})
	for _, answer := range []string{"first", "second"} {
		st, err := b.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := st.write(t.Context(), []byte("question")); err != nil {
			t.Fatal(err)
		}
		if err := b.deliver([]byte(answer)); err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			_, _ = st.WriteTo(writerFunc(func(p []byte) (int, error) {
				got <- string(p)

				return len(p), nil
			}))
		}()
		select {
		case text := <-got:
			if text != answer {
				t.Errorf("got %q, want %q", text, answer)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("the %s answer is lost", answer)
		}
		if err := st.close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ch.end(io.EOF)
	<-b.done
}
