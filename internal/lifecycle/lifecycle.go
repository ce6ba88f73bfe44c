// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package lifecycle sees to it that the provider's process, however it ends, first
// ends what it has opened.
package lifecycle

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// serverEndTime is how long the end may take once the server has stopped.
	// Terraform kills a provider about 1.9 s after it has told it to stop.
	serverEndTime = 1500 * time.Millisecond

	// aloneTime is how long the end may take when nobody is left who would kill the
	// process: its parent is dead, or it runs by itself.
	aloneTime = 30 * time.Second

	// exitTerminated is the exit status after SIGTERM or the death of the parent.
	exitTerminated = 128 + int(syscall.SIGTERM)
)

// Process is what Run deals with. Tests replace parts of it.
type Process struct {
	// EndAll ends what is open. It is called once the server has ended, on SIGTERM,
	// and after the parent's death.
	EndAll func(context.Context) error

	// Alone tells that the process runs by itself, as for a debugger: it has no
	// parent that matters, and nobody kills it.
	Alone bool

	terminated   <-chan os.Signal
	parentIsDead func(stop <-chan struct{}) bool
	exit         func(int)
}

// Run runs a server until it ends, and then ends what is open. On SIGTERM, and when
// the parent is dead, it ends what is open and exits. SIGINT ends nothing: a
// terminal sends it to Terraform as well, which then lets running work finish.
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
	if !p.Alone {
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
		p.end(aloneTime)
		p.exit(exitTerminated)
	}()

	err := server()
	if p.Alone {
		p.end(aloneTime)
	} else {
		p.end(serverEndTime)
	}

	return err
}

// end ends what is open within a time.
func (p Process) end(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()

	// Nobody is left who could be told of a failure.
	_ = p.EndAll(ctx)
}
