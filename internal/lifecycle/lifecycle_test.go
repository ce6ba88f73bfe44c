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

// TestRun ends a process in every way that it sees coming: what is open is ended
// once, and has as much time as there is.
func TestRun(t *testing.T) {
	t.Parallel()

	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		alone  bool
		signal bool // SIGTERM comes.
		orphan bool // The parent dies.
		limit  time.Duration
		exits  bool
	}{
		"the server ends":                        {limit: serverEndTime},
		"the server of a debugger ends":          {alone: true, limit: aloneTime},
		"SIGTERM":                                {signal: true, limit: aloneTime, exits: true},
		"SIGTERM under a debugger":               {alone: true, signal: true, limit: aloneTime, exits: true},
		"the parent dies":                        {orphan: true, limit: aloneTime, exits: true},
		"the parent dies, which does not matter": {alone: true, orphan: true, limit: aloneTime},
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
					Alone: tc.alone,
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
					t.Error("something was ended while the server serves")
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
					t.Errorf("the server's error is lost: %v", err)
				}
				if len(limits) == 0 || limits[0] != tc.limit {
					t.Errorf("what is open was ended within %v, want %s", limits, tc.limit)
				}
			})
		})
	}
}

// TestAwaitParent_alive has the test's own parent go on.
func TestAwaitParent_alive(t *testing.T) {
	t.Parallel()

	stop := make(chan struct{})
	close(stop)
	if awaitParent()(stop) {
		t.Error("the parent is said to be dead")
	}
}
