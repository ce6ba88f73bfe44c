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
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

const (
	// listingAge is how old a listing may be that look-ups share.
	listingAge = 10 * time.Second

	// singleLookups is how many look-ups within listingAge each ask for their own
	// session, before a listing is worth its calls.
	singleLookups = 3

	// gatherTime is how long a look-up waits for others that come with it.
	gatherTime = 50 * time.Millisecond

	// endGatherTime is how long a look at a session that was just ended waits for
	// others. Ends come at the pace of the quota, a few in this time.
	endGatherTime = 500 * time.Millisecond

	// callerParallelism is how many look-ups a caller usually has under way at once.
	callerParallelism = 10
)

// sharedListings are the listings of the active sessions of each Region that
// look-ups share for a short time. Presence in such a listing proves something;
// absence from it never does.
type sharedListings struct {
	mutex   sync.Mutex
	regions map[string]*sharedListing
}

// sharedListing is one Region's, guarded by the mutex above.
type sharedListing struct {
	lookups []time.Time    // When look-ups came, those of the last listingAge.
	latest  *listingFlight // The newest listing that was read to its end.
	flight  *listingFlight // The listing that look-ups join.
	pages   int            // How many pages a listing has at the least, as far as is known.

	// What concerns sessions whose end was asked for.
	ends           map[string]time.Time // When the answer came: an older listing does not count.
	looks          []time.Time          // When looks at them came, those of the last listingAge.
	next           *listingFlight       // The listing that such looks gather for.
	endingIsActive bool                 // The service lists Terminating sessions as active.
}

// listingFlight is a listing that gathers look-ups, is under way or was read.
type listingFlight struct {
	cancel   context.CancelFunc
	waiters  int
	began    time.Time     // Zero while it gathers.
	full     chan struct{} // Closed when as many wait as a caller has under way at once.
	done     chan struct{}
	sessions map[string]Session
	err      error
	gaveUp   bool // It turned out to cost more than it saves.
}

// region returns what is known of a Region.
func (s *sharedListings) region(name string) *sharedListing {
	r := s.regions[name]
	if r == nil {
		r = &sharedListing{}
		if s.regions == nil {
			s.regions = make(map[string]*sharedListing)
		}
		s.regions[name] = r
	}

	return r
}

// find returns a session of a shared listing. It returns listed = false if there
// is no listing, and none is worth its calls; and no session if the listing lacks it.
func (s *sharedListings) find(ctx context.Context, c *Client, ref SessionRef) (session Session, listed bool, err error) {
	s.mutex.Lock()
	r := s.region(ref.Region)
	r.lookups = count(r.lookups, time.Now())
	if !r.fresh() && !r.worthListing(0) && r.worthListing(callerParallelism-1) {
		s.mutex.Unlock()
		if err := sleep(ctx, gatherTime); err != nil {
			return Session{}, false, c.newWaitError(ctx, ref)
		}
		s.mutex.Lock()
	}
	if r.fresh() {
		session = r.in(r.latest, ref.SessionID)
		age := time.Since(r.latest.began)
		s.mutex.Unlock()
		c.decided(ctx, Decision{What: "A look-up uses a shared listing", Fields: map[string]any{"region": ref.Region, "session_id": ref.SessionID, "age": age.String()}})

		return session, true, nil
	}
	if !r.worthListing(0) {
		lookups := len(r.lookups)
		s.mutex.Unlock()
		c.decided(ctx, Decision{What: "A look-up asks for its own session", Fields: map[string]any{"region": ref.Region, "session_id": ref.SessionID, "recent_lookups": lookups}})

		return Session{}, false, nil
	}
	begins := false
	if r.flight == nil {
		r.flight = s.launch(ctx, c, ref.Region, r, 0)
		begins = true
	}
	flight, lookups := r.flight, len(r.lookups)
	flight.waiters++
	s.mutex.Unlock()
	if begins {
		c.decided(ctx, Decision{What: "A look-up begins a shared listing", Fields: map[string]any{"region": ref.Region, "session_id": ref.SessionID, "recent_lookups": lookups}})
	}

	return s.await(ctx, c, r, flight, ref)
}

// findAfter returns a session whose end was asked for, of a shared listing that began
// after the answer. It returns listed = false without a listing, and no session if
// the listing lacks it.
func (s *sharedListings) findAfter(ctx context.Context, c *Client, ref SessionRef, answered time.Time) (session Session, listed bool, err error) {
	s.mutex.Lock()
	r := s.region(ref.Region)
	r.looks = count(r.looks, time.Now())
	if !r.endingIsActive {
		s.mutex.Unlock()

		return Session{}, false, nil
	}
	flight, gathers := r.flight, false
	if flight == nil || flight.began.Before(answered) {
		flight = r.next
	}
	if flight == nil {
		if !r.worthGathering(time.Now()) {
			s.mutex.Unlock()

			return Session{}, false, nil
		}
		flight = s.launch(ctx, c, ref.Region, r, endGatherTime)
		r.next = flight
		gathers = true
	}
	flight.waiters++
	if r.next == flight && flight.waiters == callerParallelism {
		// Nobody else is likely to come before these have their answers.
		close(flight.full)
		r.next = nil
	}
	looks := len(r.looks)
	s.mutex.Unlock()
	if gathers {
		c.decided(ctx, Decision{What: "Looks at sessions that were ended gather for a shared listing", Fields: map[string]any{"region": ref.Region, "recent_looks": looks}})
	}

	return s.await(ctx, c, r, flight, ref)
}

// count notes a look-up, and forgets those that are long past.
func count(lookups []time.Time, now time.Time) []time.Time {
	recent := lookups[:0]
	for _, at := range lookups {
		if now.Sub(at) <= listingAge {
			recent = append(recent, at)
		}
	}

	return append(recent, now)
}

// fresh reports whether there is a listing that is not too old.
func (r *sharedListing) fresh() bool {
	return r.latest != nil && time.Since(r.latest.began) <= listingAge
}

// in returns a session of a listing, if it still counts.
func (r *sharedListing) in(flight *listingFlight, sessionID string) Session {
	if ended, ok := r.ends[sessionID]; ok && flight.began.Before(ended) {
		return Session{}
	}

	return flight.sessions[sessionID]
}

// worthListing reports whether to wait for a listing, given some more look-ups: one
// is under way, or the look-ups make up for its pages.
func (r *sharedListing) worthListing(more int) bool {
	return r.flight != nil || len(r.lookups)+more > max(singleLookups, r.pages)
}

// worthGathering reports whether looks at sessions that were ended come so often that
// a listing replaces more of them than it has pages.
func (r *sharedListing) worthGathering(now time.Time) bool {
	together := 0
	for _, at := range r.looks {
		if now.Sub(at) <= endGatherTime {
			together++
		}
	}

	return len(r.looks) > singleLookups && together >= r.pages
}

// launch begins a listing, after some time to gather look-ups that came too late for
// others. It belongs to all who wait for it: none of their contexts ends it, but it
// does not outlive the last of them.
func (s *sharedListings) launch(ctx context.Context, c *Client, region string, r *sharedListing, gather time.Duration) *listingFlight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	flight := &listingFlight{cancel: cancel, done: make(chan struct{}), full: make(chan struct{})}
	if gather == 0 {
		flight.began = time.Now()
	}

	go func() {
		defer cancel()
		if gather > 0 {
			timer := time.NewTimer(gather)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-flight.full:
			case <-ctx.Done(): // Nobody waits any more.
			}
			s.mutex.Lock()
			flight.began = time.Now()
			r.leave(flight)
			if r.flight == nil {
				r.flight = flight
			}
			s.mutex.Unlock()
		}
		worth := func() int { return len(r.lookups) }
		if gather > 0 {
			worth = func() int { return flight.waiters }
		}
		sessions, pages, complete, err := s.list(ctx, c, region, worth)

		s.mutex.Lock()
		defer s.mutex.Unlock()
		flight.sessions, flight.err, flight.gaveUp = sessions, err, err == nil && !complete
		r.leave(flight)
		switch {
		case complete:
			r.pages = pages
			if r.latest == nil || r.latest.began.Before(flight.began) {
				r.latest = flight
			}
		case err == nil:
			r.pages = 2 * pages
		}
		close(flight.done)
	}()

	return flight
}

// leave makes a listing one that nobody joins any more.
func (r *sharedListing) leave(flight *listingFlight) {
	if r.flight == flight {
		r.flight = nil
	}
	if r.next == flight {
		r.next = nil
	}
}

// list reads the pages of the active sessions, as long as they are fewer than the
// look-ups that they replace.
func (s *sharedListings) list(ctx context.Context, c *Client, region string, worth func() int) (sessions map[string]Session, pages int, complete bool, err error) {
	sessions = make(map[string]Session)
	complete = true
	input := &ssm.DescribeSessionsInput{State: StateActive, MaxResults: aws.Int32(pageSize)}
	err = c.eachPage(ctx, SessionRef{Region: region}, input, func(page *ssm.DescribeSessionsOutput, _ *callRecord) bool {
		pages++
		for _, in := range page.Sessions {
			session := newSession(in, StateActive)
			sessions[session.SessionID] = session
		}
		if input.NextToken == nil {
			return false
		}

		s.mutex.Lock()
		defer s.mutex.Unlock()
		complete = pages < worth()

		return complete
	})
	switch {
	case errors.Is(err, errEndless), err != nil && invalidToken(err):
		// A look at a single session does not need pages.
		return nil, pages, false, nil
	case err != nil:
		return nil, pages, false, err
	default:
		return sessions, pages, complete, nil
	}
}

// await waits for a listing that is under way.
func (s *sharedListings) await(ctx context.Context, c *Client, r *sharedListing, flight *listingFlight, ref SessionRef) (Session, bool, error) {
	select {
	case <-flight.done:
	case <-ctx.Done():
		s.mutex.Lock()
		if flight.waiters--; flight.waiters == 0 {
			flight.cancel()
			// A look-up that comes now must not join a listing that is given up.
			r.leave(flight)
		}
		s.mutex.Unlock()

		return Session{}, false, c.newWaitError(ctx, ref)
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

	return r.in(flight, ref.SessionID), true, nil
}

// noteEnd makes listings that began before the answer to a TerminateSession useless
// for its session.
func (s *sharedListings) noteEnd(ref SessionRef, answered time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	r := s.region(ref.Region)
	if r.ends == nil {
		r.ends = make(map[string]time.Time)
	}
	r.ends[ref.SessionID] = answered

	// Once in a while, forget what no listing can be older than.
	if n := len(r.ends); n&(n-1) == 0 && n >= 1024 {
		oldest := time.Now().Add(-listingAge)
		for _, flight := range []*listingFlight{r.flight, r.next} {
			if flight != nil && flight.began.Before(oldest) {
				oldest = flight.began
			}
		}
		for id, at := range r.ends {
			if at.Before(oldest) {
				delete(r.ends, id)
			}
		}
	}
}

// endingIsActive reports whether the service is known to list Terminating sessions
// as active.
func (s *sharedListings) endingIsActive(region string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return s.region(region).endingIsActive
}

// learn takes notice of the list that a session was found in.
func (s *sharedListings) learn(region string, session Session) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch r := s.region(region); {
	case !session.history && !session.Live():
		r.endingIsActive = true
	case session.history && session.Status == string(types.SessionStatusTerminating):
		r.endingIsActive = false
	}
}
