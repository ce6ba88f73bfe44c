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
	// listingAge is the maximum age of a shared listing.
	listingAge = 10 * time.Second

	// singleLookups is how many lookups within listingAge ask for their own session
	// before a shared listing costs fewer calls.
	singleLookups = 3

	// gatherTime is how long a lookup waits for others to join.
	gatherTime = 50 * time.Millisecond

	// endGatherTime is how long a lookup after a TerminateSession waits for others to
	// join. It is longer because the quota spreads these lookups.
	endGatherTime = 500 * time.Millisecond

	// callerParallelism is how many lookups a caller usually runs at once.
	callerParallelism = 10
)

// sharedListings are listings of the active sessions, one per Region, that lookups share
// for a short time. A session in such a listing exists. A session that is missing from it
// may exist too.
type sharedListings struct {
	mutex   sync.Mutex
	regions map[string]*sharedListing
}

// sharedListing is the state of one Region, guarded by the mutex of sharedListings.
type sharedListing struct {
	lookups []time.Time    // Times of the lookups within the last listingAge.
	latest  *listingFlight // The newest complete listing.
	flight  *listingFlight // The listing that lookups join.
	pages   int            // The known minimum number of pages of a listing.

	// For sessions that were asked to end.
	ends           map[string]time.Time // Time of each answer. Older listings are useless for the session.
	endLookups     []time.Time          // Times of the lookups within the last listingAge.
	next           *listingFlight       // The listing that these lookups wait for.
	endingIsActive bool                 // The service lists Terminating sessions as active.
}

// listingFlight is a listing that is waiting for lookups, running or complete.
type listingFlight struct {
	cancel   context.CancelFunc
	waiters  int
	began    time.Time     // Zero while it waits for lookups.
	full     chan struct{} // Closed when callerParallelism lookups wait.
	done     chan struct{}
	sessions map[string]Session
	err      error
	gaveUp   bool // It was stopped because it costs more calls than it saves.
}

// region returns the state of a Region.
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

// find returns a session from a shared listing. It returns listed = false if there is no
// listing and a new one would cost too many calls. It returns an empty session if the
// listing does not contain it.
func (s *sharedListings) find(ctx context.Context, c *Client, ref SessionRef) (session Session, listed bool, err error) {
	s.mutex.Lock()
	r := s.region(ref.Region)
	r.lookups = addRecent(r.lookups, time.Now())
	if !r.fresh() && !r.worthListing(0) && r.worthListing(callerParallelism-1) {
		s.mutex.Unlock()
		if err := sleep(ctx, gatherTime); err != nil {
			return Session{}, false, c.newWaitError(ctx, ref)
		}
		s.mutex.Lock()
	}
	if r.fresh() {
		session = r.lookUp(r.latest, ref.SessionID)
		age := time.Since(r.latest.began)
		s.mutex.Unlock()
		c.decided(ctx, Decision{What: "A lookup uses a shared listing", Fields: map[string]any{"region": ref.Region, "session_id": ref.SessionID, "age": age.String()}})

		return session, true, nil
	}
	if !r.worthListing(0) {
		lookups := len(r.lookups)
		s.mutex.Unlock()
		c.decided(ctx, Decision{What: "A lookup asks for its own session", Fields: map[string]any{"region": ref.Region, "session_id": ref.SessionID, "recent_lookups": lookups}})

		return Session{}, false, nil
	}
	started := false
	if r.flight == nil {
		r.flight = s.launch(ctx, c, ref.Region, r, 0)
		started = true
	}
	flight, lookups := r.flight, len(r.lookups)
	flight.waiters++
	s.mutex.Unlock()
	if started {
		c.decided(ctx, Decision{What: "A lookup starts a shared listing", Fields: map[string]any{"region": ref.Region, "session_id": ref.SessionID, "recent_lookups": lookups}})
	}

	return s.await(ctx, c, r, flight, ref)
}

// findAfter returns a session that was asked to end, from a shared listing that began
// after the answer. It returns listed = false without a listing, and an empty session if
// the listing does not contain it.
func (s *sharedListings) findAfter(ctx context.Context, c *Client, ref SessionRef, answered time.Time) (session Session, listed bool, err error) {
	s.mutex.Lock()
	r := s.region(ref.Region)
	r.endLookups = addRecent(r.endLookups, time.Now())
	if !r.endingIsActive {
		s.mutex.Unlock()

		return Session{}, false, nil
	}
	flight, started := r.flight, false
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
		started = true
	}
	flight.waiters++
	if r.next == flight && flight.waiters == callerParallelism {
		// A caller runs no more lookups at once, so more are unlikely before these return.
		close(flight.full)
		r.next = nil
	}
	lookups := len(r.endLookups)
	s.mutex.Unlock()
	if started {
		c.decided(ctx, Decision{What: "Lookups of ended sessions wait for a shared listing", Fields: map[string]any{"region": ref.Region, "recent_lookups": lookups}})
	}

	return s.await(ctx, c, r, flight, ref)
}

// addRecent adds a lookup, and drops those older than listingAge.
func addRecent(lookups []time.Time, now time.Time) []time.Time {
	recent := lookups[:0]
	for _, at := range lookups {
		if now.Sub(at) <= listingAge {
			recent = append(recent, at)
		}
	}

	return append(recent, now)
}

// fresh reports whether there is a recent listing.
func (r *sharedListing) fresh() bool {
	return r.latest != nil && time.Since(r.latest.began) <= listingAge
}

// lookUp returns a session from a listing, unless the listing is too old for it.
func (r *sharedListing) lookUp(flight *listingFlight, sessionID string) Session {
	if ended, ok := r.ends[sessionID]; ok && flight.began.Before(ended) {
		return Session{}
	}

	return flight.sessions[sessionID]
}

// worthListing reports whether a lookup should wait for a listing. It should if a listing
// is running, or if the recent lookups plus some more outnumber its pages.
func (r *sharedListing) worthListing(more int) bool {
	return r.flight != nil || len(r.lookups)+more > max(singleLookups, r.pages)
}

// worthGathering reports whether a listing replaces more lookups of ended sessions than
// it has pages.
func (r *sharedListing) worthGathering(now time.Time) bool {
	recent := 0
	for _, at := range r.endLookups {
		if now.Sub(at) <= endGatherTime {
			recent++
		}
	}

	return len(r.endLookups) > singleLookups && recent >= r.pages
}

// launch starts a listing, after a time to wait for more lookups. All lookups that wait
// for the listing own it: it is cancelled when the last of their contexts ends.
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
			case <-ctx.Done(): // No lookup waits any more.
			}
			s.mutex.Lock()
			flight.began = time.Now()
			r.retire(flight)
			if r.flight == nil {
				r.flight = flight
			}
			s.mutex.Unlock()
		}
		maxPages := func() int { return len(r.lookups) }
		if gather > 0 {
			maxPages = func() int { return flight.waiters }
		}
		sessions, pages, complete, err := s.list(ctx, c, region, maxPages)

		s.mutex.Lock()
		defer s.mutex.Unlock()
		flight.sessions, flight.err, flight.gaveUp = sessions, err, err == nil && !complete
		r.retire(flight)
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

// retire makes later lookups ignore a listing.
func (r *sharedListing) retire(flight *listingFlight) {
	if r.flight == flight {
		r.flight = nil
	}
	if r.next == flight {
		r.next = nil
	}
}

// list reads the pages of the active sessions, as long as they are fewer than the lookups
// that they replace.
func (s *sharedListings) list(ctx context.Context, c *Client, region string, maxPages func() int) (sessions map[string]Session, pages int, complete bool, err error) {
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
		complete = pages < maxPages()

		return complete
	})
	switch {
	case errors.Is(err, errEndless), errors.Is(err, errEmptyPages), err != nil && invalidToken(err):
		// A lookup of a single session works without pages.
		return nil, pages, false, nil
	case err != nil:
		return nil, pages, false, err
	default:
		return sessions, pages, complete, nil
	}
}

// await waits for a running listing.
func (s *sharedListings) await(ctx context.Context, c *Client, r *sharedListing, flight *listingFlight, ref SessionRef) (Session, bool, error) {
	select {
	case <-flight.done:
	case <-ctx.Done():
		s.mutex.Lock()
		if flight.waiters--; flight.waiters == 0 {
			flight.cancel()
			// Lookups must not join a listing that was given up.
			r.retire(flight)
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

	return r.lookUp(flight, ref.SessionID), true, nil
}

// noteEnd stores the time of an answer to TerminateSession. Listings that began before it
// do not count for the session.
func (s *sharedListings) noteEnd(ref SessionRef, answered time.Time) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	r := s.region(ref.Region)
	if r.ends == nil {
		r.ends = make(map[string]time.Time)
	}
	r.ends[ref.SessionID] = answered

	// Occasionally drop the entries that are older than every listing.
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

// endingIsActive reports whether the service is known to list Terminating sessions as
// active.
func (s *sharedListings) endingIsActive(region string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	return s.region(region).endingIsActive
}

// noteEndingList stores which list contains sessions that are ending.
func (s *sharedListings) noteEndingList(region string, session Session) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	switch r := s.region(region); {
	case !session.history && !session.Live():
		r.endingIsActive = true
	case session.history && session.Status == string(types.SessionStatusTerminating):
		r.endingIsActive = false
	}
}
