// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package lifecycle makes sure that the provider's process ends its open sessions before it
// exits, for every kind of exit.
package lifecycle

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// serverEndTime limits the cleanup after the server has stopped. Terraform kills a
	// provider about 1.9 s after it has told it to stop.
	serverEndTime = 1500 * time.Millisecond

	// standaloneEndTime limits the cleanup if no parent process can kill this one: the parent is dead,
	// or there never was one.
	standaloneEndTime = 30 * time.Second

	// exitTerminated is the exit status after SIGTERM or the death of the parent.
	exitTerminated = 128 + int(syscall.SIGTERM)
)

// Process configures Run. Tests replace its unexported fields.
type Process struct {
	// EndAll ends the open sessions. It is called after the server has ended, on SIGTERM,
	// and after the death of the parent.
	EndAll func(context.Context) error

	// Standalone is set for a process without a supervising parent, for example in a debugger.
	// The death of its parent does not matter.
	Standalone bool

	terminated   <-chan os.Signal
	parentIsDead func(stop <-chan struct{}) bool
	exit         func(int)
}

// Run runs a server until it ends, and then calls EndAll. On SIGTERM, or if the parent dies, it
// calls EndAll and exits. SIGINT has no effect, because a terminal also sends it to Terraform,
// which then waits for running work.
func (p Process) Run(server func() error) error {
	if p.terminated == nil {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		defer signal.Stop(signals)
		p.terminated = signals
	}
	if p.parentIsDead == nil {
		p.parentIsDead = awaitParent()
	}
	if p.exit == nil {
		p.exit = os.Exit
	}

	stop := make(chan struct{})
	defer close(stop)
	orphaned := make(chan struct{})
	if !p.Standalone {
		go func() {
			if p.parentIsDead(stop) {
				close(orphaned)
			}
		}()
	}
	go func() {
		select {
		case <-p.terminated:
		case <-orphaned:
		case <-stop:
			return
		}
		p.end(standaloneEndTime)
		p.exit(exitTerminated)
	}()

	err := server()
	if p.Standalone {
		p.end(standaloneEndTime)
	} else {
		p.end(serverEndTime)
	}

	return err
}

// end calls EndAll with a time limit.
func (p Process) end(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()

	// No process is left to report a failure to.
	_ = p.EndAll(ctx)
}
