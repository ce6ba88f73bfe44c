// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package lifecycle

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestRun checks every kind of exit. EndAll must be called once, with the right time limit.
func TestRun(t *testing.T) {
	t.Parallel()

	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		standalone bool
		signal     bool // The process gets SIGTERM.
		orphan     bool // The parent dies.
		limit      time.Duration
		exits      bool
	}{
		"the server ends":                         {limit: serverEndTime},
		"the server of a debugger ends":           {standalone: true, limit: standaloneEndTime},
		"SIGTERM":                                 {signal: true, limit: standaloneEndTime, exits: true},
		"SIGTERM under a debugger":                {standalone: true, signal: true, limit: standaloneEndTime, exits: true},
		"the parent dies":                         {orphan: true, limit: standaloneEndTime, exits: true},
		"the parent of a standalone process dies": {standalone: true, orphan: true, limit: standaloneEndTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var (
					mutex   sync.Mutex
					limits  []time.Duration
					exits   []int
					signals = make(chan os.Signal, 1)
					dead    = make(chan struct{})
					stop    = make(chan struct{})
				)
				process := Process{
					Standalone: tc.standalone,
					EndAll: func(ctx context.Context) error {
						deadline, _ := ctx.Deadline()
						mutex.Lock()
						limits = append(limits, time.Until(deadline))
						mutex.Unlock()

						return broken
					},
					terminated: signals,
					parentIsDead: func(stop <-chan struct{}) bool {
						select {
						case <-dead:
							return true
						case <-stop:
							return false
						}
					},
					exit: func(status int) {
						mutex.Lock()
						exits = append(exits, status)
						mutex.Unlock()
						close(stop)
					},
				}

				result := make(chan error)
				go func() {
					result <- process.Run(func() error {
						<-stop

						return broken
					})
				}()
				synctest.Wait()
				if len(limits) > 0 {
					t.Error("EndAll was called while the server runs")
				}
				if tc.signal {
					signals <- syscall.SIGTERM
				}
				if tc.orphan {
					close(dead)
				}
				synctest.Wait()
				if tc.exits != (len(exits) == 1) {
					t.Errorf("the process exits with %v", exits)
				}
				if !tc.exits {
					close(stop)
				}

				if err := <-result; !errors.Is(err, broken) {
					t.Errorf("Run does not return the server's error: %v", err)
				}
				if len(limits) == 0 || limits[0] != tc.limit {
					t.Errorf("EndAll was called with the limits %v, want %s", limits, tc.limit)
				}
			})
		})
	}
}

// TestAwaitParent_alive checks that a living parent is not reported as dead.
func TestAwaitParent_alive(t *testing.T) {
	t.Parallel()

	stop := make(chan struct{})
	close(stop)
	if awaitParent()(stop) {
		t.Error("the parent is reported as dead")
	}
}
