// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"errors"
	"testing"
	"time"
)

// oldNode is a node whose agent does not acknowledge a message again.
func oldNode(t *testing.T) *agentNode {
	t.Helper()
	n := newNode(t)
	n.version, n.reAck = "3.1.1732.0", false

	return n
}

// All acknowledgements of a full window are lost. The agent does not acknowledge
// resends, and the window allows no new messages.
func TestOldAgent_everyAcknowledgementOfTheWindowIsLost(t *testing.T) {
	t.Parallel()
	n := oldNode(t)
	lost := 0
	n.fault = func(out bool, m wireMessage) verdict {
		if out && m.kind == "acknowledge" && lost < window+2*extraWindow {
			lost++

			return verdictLose
		}

		return verdictPass
	}
	inBubble(t, n.serve, withResume, func(t *testing.T, c *Channel, _ *recordedEvents) {
		data := seededBytes(4, 1<<20)
		wrote := make(chan error, 1)
		go func() {
			_, err := c.Write(data)
			wrote <- err
		}()
		time.Sleep(10 * time.Minute)
		select {
		case err := <-wrote:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("Write still waits; %d bytes of %d arrived", len(n.received()), len(data))
		}
		closeNow(c)
		if got := n.received(); len(got) != len(data) {
			t.Errorf("%d bytes of %d arrived", len(got), len(data))
		}
	})
}

// A pause ends with an acknowledgement if the service does not report its end. The
// oldest messages arrived before the pause, and are never acknowledged.
func TestPause_everyMessageIsTried(t *testing.T) {
	t.Parallel()
	n := oldNode(t)
	away := false
	arrived := 0
	n.fault = func(out bool, m wireMessage) verdict {
		if !away {
			return verdictPass
		}
		if !out && m.payload == uint32(payloadOutput) {
			if arrived++; arrived <= 5 {
				return verdictPass
			}
		}

		return verdictLose
	}
	inBubble(t, n.serve, withResume, func(t *testing.T, c *Channel, e *recordedEvents) {
		time.Sleep(time.Second)
		n.mu.Lock()
		away = true
		n.mu.Unlock()
		for range 20 {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		n.line.send(wireMessage{kind: "pause_publication"})
		time.Sleep(5 * time.Second)
		n.mu.Lock()
		away = false
		n.mu.Unlock()
		time.Sleep(time.Minute)
		if got := len(n.received()); got != 20 {
			t.Errorf("%d bytes of 20 arrived", got)
		}
		if e.count(Paused) != 1 || e.count(Started) != 1 {
			t.Errorf("the pause was told %d times, its end %d times", e.count(Paused), e.count(Started))
		}
		closeNow(c)
	})
}

// An agent acknowledges a message that came too early, before it has processed the
// message.
func TestSendFlag_waitsForWhatWasWrittenBefore(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	withhold := true
	n.fault = func(out bool, m wireMessage) verdict {
		if !out && withhold && m.payload == uint32(payloadOutput) {
			return verdictLose
		}

		return verdictPass
	}
	inBubble(t, n.serve, withResume, func(t *testing.T, c *Channel, _ *recordedEvents) {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		for name, wait := range map[string]func(context.Context) error{
			"SendFlag": func(ctx context.Context) error { return c.SendFlag(ctx, FlagDisconnectToPort) },
			"Flush":    c.Flush,
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if err := wait(ctx); !errors.Is(err, ErrNotAcknowledged) {
				t.Errorf("%s returned %v before the data was acknowledged", name, err)
			}
			cancel()
		}
		n.mu.Lock()
		withhold = false
		n.mu.Unlock()
		if err := c.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if err := c.SendFlag(t.Context(), FlagDisconnectToPort); err != nil {
			t.Error(err)
		}
		closeNow(c)
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("nothing is left to wait for, but Flush says %v", err)
		}
	})
}
