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

// Registry holds the sessions that this process has started and not yet ended, and
// those that it is about to start. It ends all of them at exit, and keeps drains of the
// same process from ending them. It is safe for concurrent use.
type Registry struct {
	mutex   sync.Mutex
	entries map[*entry]struct{}

	closing  chan struct{}  // Closed when EndAll begins. No session starts afterwards.
	finished chan struct{}  // Closed when EndAll is done.
	starting sync.WaitGroup // The running calls of Start.
}

// Hooks do the additional work at the end of a session with an open channel. Each may
// be nil. No two calls of a hook overlap.
type Hooks struct {
	// Terminate asks the agent over the channel to end the session. It runs before
	// TerminateSession.
	Terminate func(context.Context) error

	// Close waits until the service closes the channel, then closes it locally. It runs
	// after TerminateSession. EndAll does not run it, because the process has no time.
	Close func(context.Context) error
}

// entry is a session that this process has started or may have started.
type entry struct {
	client *Client
	region string
	target string
	mark   string // The end of the session's reason.

	// The session's ID and hooks, guarded by the registry's mutex. The ID is empty
	// until StartSession has returned.
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

// errClosing is the cause of a start that is refused because the process is ending.
var errClosing = errors.New("the provider is about to end")

// begin registers a session that is about to start. The returned context ends with ctx
// or when EndAll begins. The caller calls done after it has kept or removed the entry.
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

// setSessionID stores the ID of a session that was started.
func (r *Registry) setSessionID(e *entry, sessionID string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	e.sessionID = sessionID
}

// details returns the session ID and the hooks of an entry.
func (r *Registry) details(e *entry) (sessionID string, hooks Hooks) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	return e.sessionID, e.hooks
}

// remove deletes a session that has ended or was never started.
func (r *Registry) remove(e *entry) {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	delete(r.entries, e)
}

// lookUp returns the entry of a session and its hooks, nil if there is none.
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

// contains reports whether this process has started a listed session, or is just
// starting it.
func (r *Registry) contains(region string, session Session) bool {
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

// EndAll ends every session of the registry concurrently, at the end of the process. It
// does not check the result with a lookup. It first cancels running starts and waits for
// them, and prevents new ones. Further calls of EndAll wait for the first one.
//
// The error joins the errors of the sessions that may still be live.
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
		group.Go(func() {
			err := e.endUnwatched(ctx)
			if gone(err) {
				// There is no time to look.
				err = nil
				r.remove(e)
			}
			failures[i] = err
		})
	}
	group.Wait()

	return errors.Join(failures...)
}

// endUnwatched ends a session without a lookup afterwards.
func (e *entry) endUnwatched(ctx context.Context) error {
	registry := e.client.own
	sessionID, hooks := registry.details(e)
	if sessionID == "" {
		// The answer of StartSession was lost.
		_, err := e.client.endLost(ctx, e)

		return err
	}
	if hooks.Terminate != nil {
		// TerminateSession below ends the session even if this fails.
		_ = hooks.Terminate(ctx)
	}
	if answer := e.client.requestEndOwn(ctx, SessionRef{Region: e.region, SessionID: sessionID}); answer.err != nil && !errors.Is(answer.err, ErrEnded) {
		return answer.err
	}
	registry.remove(e)

	return nil
}

// gone reports whether SSM says that a session of this process has ended by itself. It says so in
// two ways: the session is not in a valid state, or it does not exist. It did exist.
func gone(err error) bool {
	return errors.Is(err, ErrEnded) || errors.Is(err, ErrNotFound)
}
