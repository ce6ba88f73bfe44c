// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

var (
	megabytes = flag.Int("megabytes", 1, "how much goes each way with each fault of a channel")
	table     = flag.Bool("table", false, "print the table of channel faults")
)

// fakeSession is a session on the fake, with a channel.
type fakeSession struct {
	fake   *fakessm.Server
	client *ssm.Client
	id     string
	config datachannel.Config

	mu     sync.Mutex
	events map[datachannel.EventKind]int
	last   datachannel.Event
}

func startSession(t testing.TB, options ...fakessm.Option) *fakeSession {
	t.Helper()
	fake := fakessm.New(append(options, fakessm.WithDataChannel(""))...)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	who := credentials.NewStaticCredentialsProvider(fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, "")
	s := &fakeSession{
		fake:   fake,
		events: map[datachannel.EventKind]int{},
		client: ssm.New(ssm.Options{Region: "eu-central-1", Credentials: who, BaseEndpoint: aws.String(server.URL)}),
	}
	started, err := s.client.StartSession(t.Context(), &ssm.StartSessionInput{Target: aws.String("i-0123456789abcdef0")})
	if err != nil {
		t.Fatal(err)
	}
	s.id = aws.ToString(started.SessionId)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	s.config = datachannel.Config{
		SessionID: s.id, Region: "eu-central-1", Credentials: who, SessionType: "Standard_Stream", HTTPClient: &http.Client{Transport: transport},
		Access: datachannel.Access{StreamURL: aws.ToString(started.StreamUrl), Token: aws.ToString(started.TokenValue)},
		Resume: func(ctx context.Context) (datachannel.Access, error) {
			resumed, err := s.client.ResumeSession(ctx, &ssm.ResumeSessionInput{SessionId: &s.id})
			if err != nil {
				return datachannel.Access{}, err
			}

			return datachannel.Access{StreamURL: aws.ToString(resumed.StreamUrl), Token: aws.ToString(resumed.TokenValue)}, nil
		},
		Observe: func(_ context.Context, e datachannel.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events[e.Kind]++
			s.last = e
		},
	}

	return s
}

// wantEcho sends data through the channel in writes of one size, and compares the
// echo.
func wantEcho(c *datachannel.Channel, data []byte, size int) error {
	wrote := make(chan error, 1)
	go func() {
		for rest := data; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if _, err := c.Write(rest[:min(size, len(rest))]); err != nil {
				wrote <- err

				return
			}
		}
		wrote <- nil
	}()
	got := make([]byte, 64<<10)
	for rest := data; len(rest) > 0; {
		n, err := c.Read(got)
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", len(data)-len(rest), err)
		}
		if n > len(rest) || !bytes.Equal(got[:n], rest[:n]) {
			return errors.New("what came back was changed")
		}
		rest = rest[n:]
	}

	return <-wrote
}

func seededBytes(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)

	return b
}

func closeQuietly(c *datachannel.Channel) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Close(ctx)
}

// TestChannelFaults uses an agent of the fake with each fault of the channel, and
// compares the result for the caller with the table.
func TestChannelFaults(t *testing.T) {
	t.Parallel()
	const intact = "every byte, once and in order"
	var (
		mu   sync.Mutex
		rows [20]string
	)
	missing := fakessm.ChannelFaultKinds()
	for i, test := range []struct {
		name   string
		fault  fakessm.ChannelFault
		before bool // The fault exists before the channel opens.
		want   string
	}{
		{"none", fakessm.ChannelFault{}, false, intact},
		{"the first request is refused", fakessm.ChannelFault{Kind: fakessm.ChannelRefuse}, true, intact},
		{"the connection drops, on the way down", fakessm.ChannelFault{Kind: fakessm.ChannelDrop, Direction: fakessm.ToClient, After: 30, Times: 1}, false, intact},
		{"the connection drops, on the way up", fakessm.ChannelFault{Kind: fakessm.ChannelDrop, Direction: fakessm.ToAgent, After: 30, Times: 1}, false, intact},
		{"the service says bye", fakessm.ChannelFault{Kind: fakessm.ChannelBye, After: 60, Times: 1}, false, intact},
		{"messages are lost, down", fakessm.ChannelFault{Kind: fakessm.ChannelLose, Direction: fakessm.ToClient, After: 200, Times: 5}, false, intact},
		{"messages are lost, up", fakessm.ChannelFault{Kind: fakessm.ChannelLose, Direction: fakessm.ToAgent, After: 50, Times: -1}, false, intact},
		{"acknowledgements are lost, down", fakessm.ChannelFault{Kind: fakessm.ChannelLoseAcks, Direction: fakessm.ToClient, After: 50, Times: -1}, false, intact},
		{"acknowledgements are lost, up", fakessm.ChannelFault{Kind: fakessm.ChannelLoseAcks, Direction: fakessm.ToAgent, After: 200, Times: 5}, false, intact},
		{"messages come twice", fakessm.ChannelFault{Kind: fakessm.ChannelRepeat, After: 3, Times: -1}, false, intact},
		{"messages change places", fakessm.ChannelFault{Kind: fakessm.ChannelReorder, After: 5, Times: -1}, false, intact},
		{"messages are late", fakessm.ChannelFault{Kind: fakessm.ChannelDelay, Delay: 50 * time.Millisecond, After: 200, Times: 10}, false, intact},
		{"messages are corrupt, down", fakessm.ChannelFault{Kind: fakessm.ChannelCorrupt, Direction: fakessm.ToClient, After: 200, Times: 5}, false, intact},
		{"messages are corrupt, up", fakessm.ChannelFault{Kind: fakessm.ChannelCorrupt, Direction: fakessm.ToAgent, After: 50, Times: -1}, false, intact},
		{"the handshake never comes", fakessm.ChannelFault{Kind: fakessm.ChannelSilent, Times: -1}, true, "Open: the agent did not complete the handshake"},
		{"a pause", fakessm.ChannelFault{Kind: fakessm.ChannelPause, Times: -1}, false, intact},
		{"the node closes the session", fakessm.ChannelFault{Kind: fakessm.ChannelClose, After: 100, Words: "Session was ended by the node."}, false, "EOF, and the words of the node: Session was ended by the node."},
	} {
		missing = slices.DeleteFunc(missing, func(kind fakessm.ChannelFaultKind) bool { return kind == test.fault.Kind })
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var options []fakessm.Option
			if test.fault.Kind == fakessm.ChannelDrop || test.fault.Kind == fakessm.ChannelBye {
				// A real agent resends ten lost messages a second. Here it resends all at once,
				// because there are thousands.
				options = append(options, fakessm.WithAgentCatchUp())
			}
			s := startSession(t, options...)
			inject := func() {
				if test.fault.Kind == "" {
					return
				}
				if err := s.fake.InjectChannel(test.fault); err != nil {
					t.Fatal(err)
				}
			}
			if test.before {
				inject()
			}
			began := time.Now()
			got := intact
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			c, err := datachannel.Open(ctx, s.config)
			if err != nil {
				got = "Open: " + err.Error()
			} else {
				defer closeQuietly(c)
				if !test.before {
					inject()
				}
				if test.fault.Kind == fakessm.ChannelPause {
					time.AfterFunc(2*time.Second, s.fake.ClearChannelFaults)
				}
				if err := wantEcho(c, seededBytes(*megabytes<<20), 5000); err != nil {
					got = err.Error()
					var closed *datachannel.ClosedError
					if errors.As(c.Err(), &closed) && errors.Is(err, io.EOF) {
						got = "EOF, and the words of the node: " + closed.Reason
					}
				}
				closeQuietly(c)
			}
			if !strings.Contains(got, strings.TrimPrefix(test.want, "Open: ")) {
				t.Errorf("got %s; want %s", got, test.want)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			mu.Lock()
			defer mu.Unlock()
			rows[i] = fmt.Sprintf("| %-38s | %-62s | %7d | %6d | %7.1f |\n", test.name, test.want, s.events[datachannel.Resumed], s.last.Resent, time.Since(began).Seconds())
		})
	}
	if len(missing) > 0 {
		t.Errorf("no row has the faults %q", missing)
	}
	t.Cleanup(func() {
		if *table {
			fmt.Printf("| %-38s | %-62s | resumed | resent | seconds |\n|---|---|---|---|---|\n%s", "fault", "what the caller sees", strings.Join(rows[:], ""))
		}
	})
}

// TestChannel_lineBreaks covers writes whose last message is one line break,
// which AWS's own client changes.
func TestChannel_lineBreaks(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 1017, 1025, 2041, 2049, 3065} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			s := startSession(t)
			c, err := datachannel.Open(t.Context(), s.config)
			if err != nil {
				t.Fatal(err)
			}
			defer closeQuietly(c)
			line := append(bytes.Repeat([]byte("a"), size-1), '\n')
			if err := wantEcho(c, bytes.Repeat(line, 20), size); err != nil {
				t.Error(err)
			}
		})
	}
}

// BenchmarkChannel measures an echo: the bytes go both ways.
func BenchmarkChannel(b *testing.B) {
	s := startSession(b)
	c, err := datachannel.Open(b.Context(), s.config)
	if err != nil {
		b.Fatal(err)
	}
	defer closeQuietly(c)
	data := seededBytes(1 << 20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := wantEcho(c, data, 32<<10); err != nil {
			b.Fatal(err)
		}
	}
}
