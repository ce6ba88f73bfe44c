// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// Agents need some time after the handshake before they accept data. Old agents acknowledge and
// drop earlier data.
func TestForward_agentStartsLate(t *testing.T) { //nolint:paralleltest // See TestForwardFaults.
	for version, start := range map[string]time.Duration{
		"3.0.196.0": 900 * time.Millisecond, // One connection at a time.
		"3.0.222.0": 900 * time.Millisecond,
		"3.0.603.0": 900 * time.Millisecond,
		"3.0.655.0": 10 * time.Second,
		"3.3.987.0": 10 * time.Second,
	} {
		t.Run(version, func(t *testing.T) {
			emptyPools()
			defer emptyPools()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, fakessm.WithAgentVersion(version), fakessm.WithAgentStart(start))
				l.blind = true
				if _, err := l.listen(t); err != nil {
					t.Fatal(err)
				}
				conn := l.dial(t)
				expectEcho(t, conn, "hello")
				_ = conn.Close()
				if n := l.fake.Count("StartSession"); n != 1 {
					t.Errorf("%d sessions were started, want 1", n)
				}
			})
		})
	}
}

// The probe waits for the refusal of an agent that resolves the remote host slowly.
func TestForward_probeWaitsForAgent(t *testing.T) { //nolint:paralleltest // See TestForwardFaults.
	emptyPools()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, fakessm.WithAgentStart(10*time.Second))
		_ = l.target.Close()
		_, err := l.listen(t)
		var refused *RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("got %v, want a refusal", err)
		}
		if live := l.live(); len(live) > 0 {
			t.Errorf("left: %v", live)
		}
	})
}

// A session that ends while it is in use is replaced at once, even if it has just started.
func TestForward_usedSessionEnds(t *testing.T) { //nolint:paralleltest // See TestForwardFaults.
	emptyPools()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		if _, err := l.listen(t); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			conn := l.dial(t)
			expectEcho(t, conn, "hello")
			if err := l.fake.InjectChannel(fakessm.ChannelFault{Kind: fakessm.ChannelClose}); err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte("more"))
			expectReset(t, conn)
			began := time.Now()
			conn = l.dial(t)
			expectEcho(t, conn, "hello")
			if waited := time.Since(began); waited >= defaultLimits.firstPause {
				t.Errorf("the next client waited for %v", waited)
			}
			_ = conn.Close()
		}
	})
}
