// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/uuid"
)

// openTime limits the opening of a channel. The context may end it earlier.
const openTime = 30 * time.Second

// Access is the result of StartSession or ResumeSession. Both values are secret.
type Access struct {
	StreamURL string
	Token     string
}

// String hides the values.
func (Access) String() string { return "(access to a data channel)" }

// GoString hides the values.
func (a Access) GoString() string { return a.String() }

// Flag is a signal between client and agent.
type Flag uint32

// Flags of the protocol.
const (
	// FlagDisconnectToPort tells the agent to close its connection to the port.
	// It is for sessions that are not multiplexed.
	FlagDisconnectToPort Flag = 1

	// FlagTerminateSession tells the agent to end the session.
	FlagTerminateSession Flag = 2

	// FlagConnectToPortError comes from the agent: it could not connect to the
	// port.
	FlagConnectToPortError Flag = 3
)

// Config configures a channel.
type Config struct {
	// SessionID is for events only.
	SessionID string

	// Access is used for the first WebSocket.
	Access Access

	// Region is the AWS Region that requests are signed for.
	Region string

	// Credentials are retrieved for each signature. If nil, requests are not signed.
	Credentials aws.CredentialsProvider

	// HTTPClient opens the WebSockets, with its proxies, certificates and TLS
	// settings. Its Timeout is not used, and no redirect is followed.
	HTTPClient *http.Client

	// Endpoint replaces the scheme and host of stream URLs. It is optional.
	Endpoint string

	// SessionType is the required type of the session: Port or Standard_Stream.
	SessionType string

	// Resume returns access for a new WebSocket when one breaks. An error that
	// wraps ErrSessionOver ends the channel. After other errors it is called again,
	// with growing pauses, for five minutes. If Resume is nil, a broken WebSocket
	// ends the channel.
	Resume func(context.Context) (Access, error)

	// OnFlag is called with each flag of the agent: after the data before the flag
	// can be read, and before the data after it. It must not block or call the
	// channel.
	OnFlag func(Flag)

	// Observe is called with each event. It must not block.
	Observe func(context.Context, Event)
}

// Channel is the client's end of a data channel. Its methods may be called
// concurrently.
type Channel struct {
	config   Config
	clientID string
	ctx      context.Context // Ends with the channel.
	cancel   context.CancelFunc

	ready    chan struct{} // Closed when the handshake is complete.
	ended    chan struct{} // Closed when the channel has ended.
	finished chan struct{} // Closed when its goroutines have ended.

	writing sync.Mutex // Held during Write, to keep its bytes together.

	mu        sync.Mutex
	readable  *sync.Cond // Data to read, or the end.
	writable  *sync.Cond // Room in the window, an acknowledged flag, or the end.
	room      *sync.Cond // Room for incoming data, or the end.
	over      bool
	closing   bool // Close was called.
	err       error
	agent     Agent
	shaken    bool // The handshake is complete.
	sock      *socket
	connected bool     // A socket was open at least once.
	hidden    []string // Secrets that the texts of the agent must not show.

	out outbox
	in  inbox

	// For the receiving goroutine.
	requests int   // Number of handshake requests.
	rejected int   // Number of invalid messages in a row.
	refusal  error // Why the handshake was refused.
	waiting  bool  // It waits for Read; guarded by mu.
}

// startTime is how long an old agent gets to start its port plugin. It does not
// say when the plugin has started, and drops what arrives earlier.
const startTime = time.Second

// Open opens a data channel. It returns when the handshake is complete and the agent
// no longer drops data. The context limits only the opening, which takes 30 seconds
// at most.
func Open(ctx context.Context, config Config) (*Channel, error) {
	if config.SessionType == "" || config.Region == "" && config.Credentials != nil {
		return nil, errors.New("opening a data channel: session type and Region are needed")
	}
	c := &Channel{
		config: config, clientID: uuid.NewString(),
		ready: make(chan struct{}), ended: make(chan struct{}), finished: make(chan struct{}),
	}
	c.readable, c.writable, c.room = sync.NewCond(&c.mu), sync.NewCond(&c.mu), sync.NewCond(&c.mu)
	c.out.init()
	c.in.init()
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	opening, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	go c.run()
	select {
	case <-c.ready:
		if !c.Agent().DropsEarlyData {
			return c, nil
		}
		timer := time.NewTimer(startTime)
		defer timer.Stop()
		select {
		case <-timer.C:
			return c, nil
		case <-c.ended:
		case <-opening.Done():
			c.end(fmt.Errorf("waiting for agent %s: %w", c.Agent().Version, Interruption(opening.Err())))
		}
	case <-c.ended:
	case <-opening.Done():
		c.end(fmt.Errorf("%w, and %w", c.missing(), Interruption(opening.Err())))
	}
	<-c.finished

	return nil, fmt.Errorf("opening a data channel: %w", c.Err())
}

// missing returns the error for an opening that did not complete in time.
func (c *Channel) missing() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.refusal != nil:
		return c.refusal
	case c.agent.Version != "" && c.out.cause != nil:
		return fmt.Errorf("%w: agent %s did not complete it: %w", ErrNoHandshake, c.agent.Version, c.out.cause)
	case c.agent.Version != "":
		return fmt.Errorf("%w: agent %s did not complete it", ErrNoHandshake, c.agent.Version)
	case !c.connected && c.out.cause != nil:
		return c.out.cause
	case !c.connected:
		return errors.New("the WebSocket did not open")
	case c.out.cause != nil:
		return fmt.Errorf("%w: %w", ErrNoHandshake, c.out.cause)
	}

	return fmt.Errorf("%w: it did not start one", ErrNoHandshake)
}

// Read reads data from the agent. At the end of the session it returns io.EOF. If
// the channel broke, it returns the channel's error. Keep reading: while 4 MiB are
// unread, the channel takes nothing from its WebSocket, not even acknowledgements.
func (c *Channel) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	for c.in.size == 0 {
		if c.over {
			var closed *ClosedError
			if c.err == nil || errors.As(c.err, &closed) {
				return 0, io.EOF
			}

			return 0, c.err
		}
		c.readable.Wait()
	}
	full := c.in.size >= maxUnread
	n := c.in.read(p)
	if full {
		c.room.Broadcast()
	}

	return n, nil
}

// Write sends data to the agent. It blocks while too many messages are not
// acknowledged, also while the channel has no WebSocket. It returns how many
// bytes will be sent, and an error only if the channel has ended.
func (c *Channel) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	n := 0
	for n < len(p) {
		part := p[n:min(n+maxPayload, len(p))]
		frame := appendMessage(make([]byte, 0, headerSize+len(part)), inputStreamData, time.Now(), 0, uuid.New(), payloadOutput, part)
		c.mu.Lock()
		for !c.over && !c.closing && c.out.full() {
			c.writable.Wait()
		}
		if c.over || c.closing {
			err := c.closedError()
			c.mu.Unlock()

			return n, err
		}
		c.record(frame)
		c.mu.Unlock()
		n += len(part)
	}

	return n, nil
}

// closedError returns the error for a call on a channel that has ended.
func (c *Channel) closedError() error {
	if c.err != nil {
		return c.err
	}

	return ErrClosed
}

// Agent returns the data from the handshake.
func (c *Channel) Agent() Agent {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.agent.clone()
}

// SendFlag sends a flag after the data that was written before, and waits until the
// agent has acknowledged both: an agent also acknowledges messages that come too
// early. If the context ends first, the flag may still arrive.
func (c *Channel) SendFlag(ctx context.Context, f Flag) error {
	defer c.wakeAtEnd(ctx)()
	data := binary.BigEndian.AppendUint32(nil, uint32(f))
	frame := appendMessage(nil, inputStreamData, time.Now(), 0, uuid.New(), payloadFlag, data)

	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.over && ctx.Err() == nil && c.out.fullForFlags() {
		c.writable.Wait()
	}
	if c.over {
		return c.closedError()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ErrNotAcknowledged, Interruption(ctx.Err()))
	}

	return c.acknowledged(ctx, c.record(frame).sequence)
}

// Flush waits until the agent has acknowledged everything that was written.
func (c *Channel) Flush(ctx context.Context) error {
	defer c.wakeAtEnd(ctx)()
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.acknowledged(ctx, c.out.next()-1)
}

// acknowledged waits until all messages up to a sequence number are
// acknowledged. The mutex is held.
func (c *Channel) acknowledged(ctx context.Context, sequence int64) error {
	for c.out.base <= sequence {
		switch {
		case c.over:
			return c.closedError()
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", ErrNotAcknowledged, Interruption(ctx.Err()))
		}
		c.writable.Wait()
	}

	return nil
}

// wakeAtEnd wakes those who wait for acknowledgements when the context ends.
// The caller stops it.
func (c *Channel) wakeAtEnd(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.writable.Broadcast()
	})
}

// terminateTime is how long the agent may take to acknowledge the flag that ends
// the session. Before its port plugin runs, the agent silently ignores the flag.
const terminateTime = 150 * time.Millisecond

// Terminate asks the agent to end the session, and waits 150 ms at most for the
// acknowledgement. Call the API in any case: after an error, it is the only way to
// end the session.
func (c *Channel) Terminate(ctx context.Context) error {
	if agent := c.Agent(); !agent.KnowsTerminate {
		return fmt.Errorf("%w: version %s", ErrFlagUnknown, agent.Version)
	}
	ctx, cancel := context.WithTimeout(ctx, terminateTime)
	defer cancel()

	return c.SendFlag(ctx, FlagTerminateSession)
}

// Close ends the channel, not the session. It waits until the service closes the
// channel or the context ends, and then sends a close frame. When it returns, all
// goroutines of the channel have ended. It returns an error if the service did not
// close the channel.
func (c *Channel) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closing = true
	c.writable.Broadcast()
	away := c.sock == nil
	c.mu.Unlock()
	var err error
	if away {
		c.end(nil)
	}
	select {
	case <-c.ended:
	case <-ctx.Done():
		err = fmt.Errorf("the service did not close the data channel: %w", Interruption(ctx.Err()))
		c.end(nil)
	}
	<-c.finished

	return err
}

// Done is closed when the channel has ended.
func (c *Channel) Done() <-chan struct{} { return c.ended }

// Err returns why the channel has ended. It is nil before the end and after Close.
func (c *Channel) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.err
}

// end ends the channel. Only the first call has an effect.
func (c *Channel) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over = true
	if !c.closing {
		c.err = err
	}
	close(c.ended)
	c.cancel()
	c.readable.Broadcast()
	c.writable.Broadcast()
	c.room.Broadcast()
}

// RoundTrip returns the measured time until the agent acknowledges a message.
func (c *Channel) RoundTrip() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.out.rtt
}
