// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

const (
	// listingAge is how old a listing may be that look-ups share.
	listingAge = 10 * time.Second

	// singleLookups is how many look-ups within listingAge each ask for their own
	// session, before a listing is thought to pay.
	singleLookups = 3

	// gatherTime is how long a look-up waits for others that come with it, and
	// together is how many callers usually look up at the same time.
	gatherTime = 50 * time.Millisecond
	together   = 10
)

// Preview looks a session up to show it before its end is asked for. Callers that
// look twice and must see the same both times can ignore the errors that
// NothingToShow knows, and no others.
func (c *Client) Preview(ctx context.Context, ref SessionRef) (Session, error) {
	return c.glance(ctx, ref)
}

// NothingToShow reports whether a preview ended with the session not found, or with
// nothing to be said of it by those who ask.
func NothingToShow(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrUndetermined) || errors.Is(err, ErrAccessDenied)
}

// glance looks a session up as Find does, but may find it in a listing of the
// active sessions that others asked for a moment ago. Such a listing can show that
// a session is there, and no more: what it lacks is looked up by its ID.
func (c *Client) glance(ctx context.Context, ref SessionRef) (Session, error) {
	session, listed, err := c.shared.find(ctx, c, ref)
	switch {
	case err != nil:
		return Session{}, err
	case !listed:
		return c.Find(ctx, ref)
	case session.SessionID == "":
		// It has probably ended: the history comes first.
		return c.find(ctx, ref, StateHistory, StateActive)
	default:
		return session, nil
	}
}

// sharedListings are the listings of the active sessions of each Region that
// look-ups share for a short time.
type sharedListings struct {
	mutex   sync.Mutex
	regions map[string]*sharedListing
}

// sharedListing is one Region's, guarded by the mutex above.
type sharedListing struct {
	lookups  []time.Time // When look-ups came, those of the last listingAge.
	began    time.Time   // When the listing that is kept began.
	sessions map[string]Session
	pages    int // How many pages a listing has at the least, as far as is known.
	flight   *listingFlight
}

// listingFlight is a listing that is under way, and who waits for it.
type listingFlight struct {
	cancel  context.CancelFunc
	waiters int
	done    chan struct{}
	err     error
	gaveUp  bool // It turned out to cost more than it saves.
}

// find returns a session of a shared listing. It returns listed = false if there
// is no listing, and none that would pay; and no session if the listing lacks it.
func (s *sharedListings) find(ctx context.Context, c *Client, ref SessionRef) (session Session, listed bool, err error) {
	s.mutex.Lock()
	r := s.regions[ref.Region]
	if r == nil {
		r = &sharedListing{}
		if s.regions == nil {
			s.regions = make(map[string]*sharedListing)
		}
		s.regions[ref.Region] = r
	}

	r.count(time.Now())
	if !r.listed() && !r.pays(0) && r.pays(together-1) {
		s.mutex.Unlock()
		if err := sleep(ctx, gatherTime); err != nil {
			return Session{}, false, newCallError(ctx, DescribeSessions, ref, err, nil)
		}
		s.mutex.Lock()
	}
	if r.listed() {
		session = r.sessions[ref.SessionID]
		s.mutex.Unlock()

		return session, true, nil
	}
	if !r.pays(0) {
		s.mutex.Unlock()

		return Session{}, false, nil
	}
	if r.flight == nil {
		s.launch(ctx, c, ref.Region, r)
	}
	flight := r.flight
	flight.waiters++
	s.mutex.Unlock()

	return s.await(ctx, r, flight, ref)
}

// count notes a look-up, and forgets those that are long past.
func (r *sharedListing) count(now time.Time) {
	recent := r.lookups[:0]
	for _, at := range r.lookups {
		if now.Sub(at) <= listingAge {
			recent = append(recent, at)
		}
	}
	r.lookups = append(recent, now)
}

// listed reports whether there is a listing that is not too old.
func (r *sharedListing) listed() bool {
	return time.Since(r.began) <= listingAge
}

// pays reports whether to wait for a listing, were there so many look-ups more: one
// is under way, or the look-ups make up for its pages.
func (r *sharedListing) pays(more int) bool {
	return r.flight != nil || len(r.lookups)+more > max(singleLookups, r.pages)
}

// launch begins a listing. It belongs to all who wait for it: none of their
// contexts ends it, but it does not outlive the last of them.
func (s *sharedListings) launch(ctx context.Context, c *Client, region string, r *sharedListing) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	flight := &listingFlight{cancel: cancel, done: make(chan struct{})}
	r.flight = flight
	began := time.Now()

	go func() {
		defer cancel()
		sessions, pages, complete, err := s.list(ctx, c, region, r)

		s.mutex.Lock()
		defer s.mutex.Unlock()
		flight.err, flight.gaveUp = err, err == nil && !complete
		if r.flight == flight {
			r.flight = nil
		}
		switch {
		case complete:
			r.began, r.sessions, r.pages = began, sessions, pages
		case err == nil:
			r.pages = 2 * pages
		}
		close(flight.done)
	}()
}

// list reads the pages of the active sessions, as long as that is no more than
// the look-ups that it is to replace.
func (s *sharedListings) list(ctx context.Context, c *Client, region string, r *sharedListing) (sessions map[string]Session, pages int, complete bool, err error) {
	sessions = make(map[string]Session)
	input := &ssm.DescribeSessionsInput{State: StateActive, MaxResults: aws.Int32(pageSize)}
	for {
		output, _, err := c.api.describeSessions.call(ctx, SessionRef{Region: region}, input)
		if err != nil {
			return nil, pages, false, err
		}
		pages++
		for _, in := range output.Sessions {
			session := newSession(in, StateActive)
			sessions[session.SessionID] = session
		}
		if aws.ToString(output.NextToken) == "" {
			return sessions, pages, true, nil
		}

		s.mutex.Lock()
		worthIt := pages < len(r.lookups)
		s.mutex.Unlock()
		if !worthIt {
			return nil, pages, false, nil
		}
		input.NextToken = output.NextToken
	}
}

// await waits for a listing that is under way.
func (s *sharedListings) await(ctx context.Context, r *sharedListing, flight *listingFlight, ref SessionRef) (Session, bool, error) {
	select {
	case <-flight.done:
	case <-ctx.Done():
		s.mutex.Lock()
		if flight.waiters--; flight.waiters == 0 {
			flight.cancel()
			if r.flight == flight {
				// Whoever comes now must not join a listing that is being given up.
				r.flight = nil
			}
		}
		s.mutex.Unlock()

		return Session{}, false, newCallError(ctx, DescribeSessions, ref, ctx.Err(), nil)
	}

	var failed *Error
	if errors.As(flight.err, &failed) {
		own := *failed
		own.SessionID = ref.SessionID

		return Session{}, false, &own
	}
	if flight.gaveUp {
		return Session{}, false, nil
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return r.sessions[ref.SessionID], true, nil
}

// forget takes a session out of the shared listing, once its end was asked for.
func (s *sharedListings) forget(ref SessionRef) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if r := s.regions[ref.Region]; r != nil {
		delete(r.sessions, ref.SessionID)
	}
}
