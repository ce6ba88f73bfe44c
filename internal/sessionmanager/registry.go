// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Registry holds the sessions that this process has opened and not yet ended, and
// those that it is about to open. It is how no session is left behind, and how
// drains spare the sessions of their own process. It is safe for concurrent use.
type Registry struct {
	mutex   sync.Mutex
	entries map[*entry]struct{}

	closing  chan struct{}  // Closed when EndAll begins: nothing is opened from then on.
	finished chan struct{}  // Closed when EndAll is done.
	starting sync.WaitGroup // The calls of Start that are under way.
}

// Hooks are what a session with an open channel needs at its end, besides the call
// of TerminateSession. Each may be nil. They are called at most once at a time.
type Hooks struct {
	// Terminate tells the agent over the channel, before TerminateSession is called.
	Terminate func(context.Context) error

	// Close waits for the channel to be closed by the service, and closes it.
	// It is called after TerminateSession, but not when the process has no time left.
	Close func(context.Context) error
}

// entry is a session that this process has opened, or may have.
type entry struct {
	client *Client
	region string
	target string
	mark   string // Ends the session's reason.

	// The session's ID and hooks, guarded by the registry's mutex. The ID is empty
	// until the answer of StartSession is there.
	sessionID string
	hooks     Hooks
}

// NewRegistry returns an empty Registry.
func NewRegistry() *Registry {
	return &Registry{
		entries:  make(map[*entry]struct{}),
		closing:  make(chan struct{}),
		finished: make(chan struct{}),
	}
}

// errClosing is the cause of a start that comes when the process is about to end.
var errClosing = errors.New("the provider is about to end")

// begin registers a session that is about to be started. The returned context ends
// with ctx, and when the process is about to end. The caller calls done when it has
// either kept or removed the entry.
func (r *Registry) begin(ctx context.Context, e *entry) (starting context.Context, done func(), err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	select {
	case <-r.closing:
		return nil, nil, errClosing
	default:
	}
	r.entries[e] = struct{}{}
	r.starting.Add(1)
	starting, cancel := r.untilClosing(ctx)

	return starting, func() {
		cancel()
		r.starting.Done()
	}, nil
}

// untilClosing returns a context that also ends when EndAll begins.
func (r *Registry) untilClosing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-r.closing:
			cancel()
		case <-ctx.Done():
		}
	}()

	return ctx, cancel
}

// opened notes the ID of a session that was started.
func (r *Registry) opened(e *entry, sessionID string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	e.sessionID = sessionID
}

// details returns what an entry has come to hold.
func (r *Registry) details(e *entry) (sessionID string, hooks Hooks) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	return e.sessionID, e.hooks
}

// remove forgets a session that has ended, or was never started.
func (r *Registry) remove(e *entry) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	delete(r.entries, e)
}

// lookUp returns the entry of a session, nil if there is none, with its hooks.
func (r *Registry) lookUp(ref SessionRef) (*entry, Hooks) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	for e := range r.entries {
		if ref.SessionID != "" && e.sessionID == ref.SessionID && e.region == ref.Region {
			return e, e.hooks
		}
	}

	return nil, Hooks{}
}

// holds reports whether a listed session is one that this process has opened, or
// has just asked for.
func (r *Registry) holds(region string, session Session) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	for e := range r.entries {
		if e.region != region {
			continue
		}
		if e.sessionID == session.SessionID || strings.HasSuffix(session.Reason, e.mark) {
			return true
		}
	}

	return false
}

// Len returns how many sessions are registered.
func (r *Registry) Len() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	return len(r.entries)
}

// EndAll ends every session that is open, all at once, for a process that is about
// to end: it calls and does not look. A start that is under way is cancelled and
// waited for first, and no other begins. If nothing is open, nothing is called.
// Further calls wait for the first one.
//
// The error joins those of the sessions that may still be live.
func (r *Registry) EndAll(ctx context.Context) error {
	r.mutex.Lock()
	select {
	case <-r.closing:
		r.mutex.Unlock()
		<-r.finished

		return nil
	default:
	}
	close(r.closing)
	r.mutex.Unlock()
	defer close(r.finished)

	started := make(chan struct{})
	go func() {
		defer close(started)
		r.starting.Wait()
	}()
	select {
	case <-started:
	case <-ctx.Done():
	}

	r.mutex.Lock()
	entries := slices.Collect(maps.Keys(r.entries))
	r.mutex.Unlock()
	failures := make([]error, len(entries))
	var group sync.WaitGroup
	for i, e := range entries {
		group.Go(func() { failures[i] = e.leave(ctx) })
	}
	group.Wait()

	return errors.Join(failures...)
}

// leave ends a session without a look afterwards.
func (e *entry) leave(ctx context.Context) error {
	registry := e.client.own
	sessionID, hooks := registry.details(e)
	if sessionID == "" {
		// The answer of StartSession was lost.
		_, err := e.client.endLost(ctx, e)

		return err
	}
	if hooks.Terminate != nil {
		// Whatever comes of it, the call below ends the session.
		_ = hooks.Terminate(ctx)
	}
	if answer := e.client.end(ctx, SessionRef{Region: e.region, SessionID: sessionID}); answer.err != nil && !errors.Is(answer.err, ErrEnded) {
		return answer.err
	}
	registry.remove(e)

	return nil
}
