// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// OutcomeFailed is the outcome of a session that a drain could not end.
	OutcomeFailed Outcome = "failed"

	// DefaultMaxSessions is how many sessions a drain ends unless it is told otherwise.
	DefaultMaxSessions = 100

	// drainConcurrency is how many calls of a drain are under way at once. It hides
	// latency; the quota is far below what it could reach.
	drainConcurrency = 40

	// callsPerSecond is the quota of TerminateSession, for an account and a Region.
	// See https://docs.aws.amazon.com/general/latest/gr/ssm.html.
	callsPerSecond = 6

	// gracePoll is how often to look whether people have finished by themselves.
	gracePoll = 10 * time.Second

	// maxSnapshots is how often to list sessions anew until two listings agree.
	maxSnapshots = 3
)

// DrainInput says which sessions to end, and how.
type DrainInput struct {
	Region      string
	Selector    Selector
	GracePeriod time.Duration // How long people may finish by themselves.
	MaxSessions int           // More matches than this end none.

	// Progress, if set, is told of each step. Calls come one after the other.
	Progress func(DrainProgress)
}

// DrainProgress is how far a drain has come, in counts.
type DrainProgress struct {
	Waiting bool // During the grace period; Matching is how many are left then.

	Matching int // Sessions to end, in this pass.
	Answered int // Sessions that SSM has taken the request for, or refused to, so far.
	Failed   int // Those of Answered that it refused.
}

// DrainResult is what a drain did, also when it returns an error.
type DrainResult struct {
	Outcomes map[string]Outcome // By session ID.
	Failures map[string]error   // By session ID, for the outcome failed, and for an answer that was lost.
	Left     []string           // Matching sessions that are live at the end, and not in Failures.
	Capped   bool               // Those of Left would have been more than MaxSessions, and were not asked to end.
}

// TooManyError is the refusal of a drain that matches more sessions than allowed.
type TooManyError struct {
	Matching    int
	MaxSessions int
}

// Error implements error.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("%d sessions match, %d may be ended", e.Matching, e.MaxSessions)
}

// ErrNotDrained: some of the sessions could not be ended; the DrainResult tells which.
var ErrNotDrained = errors.New("not all sessions could be ended")

// DrainTimeout returns how long a drain may take if nothing else is said: the
// grace period, the calls at the service's quota, and two minutes.
func DrainTimeout(gracePeriod time.Duration, maxSessions int) time.Duration {
	return gracePeriod + time.Duration(maxSessions)*time.Second/callsPerSecond + 2*time.Minute
}

// Drain ends every session that the selector matches. It lists, ends, and lists
// again; sessions that have come in between get one further pass.
//
// Errors: ErrNoCondition and TooManyError, with nothing ended; ErrNotDrained; and
// those of a failed listing.
func (c *Client) Drain(ctx context.Context, in DrainInput) (DrainResult, error) {
	d := &drain{
		client: c,
		in:     in,
		result: DrainResult{Outcomes: map[string]Outcome{}, Failures: map[string]error{}},
		ends:   map[string]end{},
		proved: map[string]bool{},
	}
	if err := in.Selector.RequireCondition(); err != nil {
		return d.result, err
	}

	listing, err := d.waitGracePeriod(ctx)
	if err != nil {
		return d.result, err
	}

	const passes = 2
	for pass := 1; ; pass++ {
		if !d.allows(listing.Sessions) {
			if pass == 1 {
				return d.result, &TooManyError{Matching: len(listing.Sessions), MaxSessions: in.MaxSessions}
			}
			d.result.Capped = true
			break
		}
		d.endAll(ctx, listing.Sessions)

		listing, err = d.settle(ctx, listing.Now, pass < passes)
		if err != nil || pass == passes || len(listing.Sessions) == 0 || ctx.Err() != nil {
			break
		}
	}

	for _, session := range listing.Sessions {
		d.result.Left = append(d.result.Left, session.SessionID)
	}
	switch {
	case err != nil:
		return d.result, err
	case len(d.result.Failures)+len(d.result.Left) > 0:
		return d.result, ErrNotDrained
	case ctx.Err() != nil && len(d.result.Unverified()) > 0:
		// There was no time to see whether they are gone.
		return d.result, newCallError(ctx, DescribeSessions, SessionRef{Region: in.Region}, ctx.Err(), nil)
	default:
		return d.result, nil
	}
}

// drain is the state of one run of Drain.
type drain struct {
	client *Client
	in     DrainInput
	result DrainResult

	proved map[string]bool // The sessions that are known to be gone.

	mutex sync.Mutex
	ends  map[string]end // What SSM answered, by session ID.
}

// session names a session of the drain's Region, or none.
func (d *drain) session(id string) SessionRef {
	return SessionRef{Region: d.in.Region, SessionID: id}
}

// waitGracePeriod lists the sessions, and gives people the time to finish by
// themselves. How old a session is, is measured once, at the first listing.
func (d *drain) waitGracePeriod(ctx context.Context) (Listing, error) {
	listing, ok := d.client.shown.take(d.in.Region, d.in.Selector)
	listing.Sessions = d.client.notOwn(d.in.Region, listing.Sessions)
	if !ok {
		var err error
		if listing, err = d.client.live(ctx, d.in.Region, d.in.Selector, time.Time{}); err != nil {
			return listing, err
		}
	}

	deadline := time.Now().Add(d.in.GracePeriod)
	for left := d.in.GracePeriod; left > 0 && len(listing.Sessions) > 0; left = time.Until(deadline) {
		d.progress(DrainProgress{Waiting: true, Matching: len(listing.Sessions)})
		if err := sleep(ctx, min(left, gracePoll)); err != nil {
			return Listing{}, newCallError(ctx, DescribeSessions, d.session(""), err, nil)
		}
		var err error
		if listing, err = d.client.live(ctx, d.in.Region, d.in.Selector, listing.Now); err != nil {
			return listing, err
		}
	}

	return listing, nil
}

// allows reports whether so many sessions more may be ended.
func (d *drain) allows(sessions []Session) bool {
	return len(d.ends)+len(sessions) <= d.in.MaxSessions
}

// endAll asks SSM to end the sessions, and notes its answers.
func (d *drain) endAll(ctx context.Context, sessions []Session) {
	var (
		group    errgroup.Group
		progress = DrainProgress{Matching: len(sessions)}
	)
	group.SetLimit(drainConcurrency)
	if len(sessions) > 0 {
		d.progress(progress)
	}
	for _, session := range sessions {
		group.Go(func() error {
			answer := d.client.end(ctx, d.session(session.SessionID))

			d.mutex.Lock()
			defer d.mutex.Unlock()
			d.ends[session.SessionID] = answer
			progress.Answered++
			if answer.err != nil && !errors.Is(answer.err, ErrEnded) {
				progress.Failed++
			}
			d.progress(progress)

			return nil
		})
	}
	group.Wait() //nolint:errcheck // The functions return none.
}

// settle lists the sessions until it is known what became of those that were asked
// to end, or cannot be expected to be known any more, and records the outcomes. It
// returns the sessions that have come since. In a hurry it returns for them at once.
func (d *drain) settle(ctx context.Context, now time.Time, hurry bool) (Listing, error) {
	var (
		start    = time.Now()
		interval = pollInterval
		before   Listing
	)
	for look := 1; ; look++ {
		listing, err := d.client.live(ctx, d.in.Region, d.in.Selector, now)
		if err != nil {
			d.record(ctx, nil)

			return Listing{}, err
		}
		d.prove(before, listing)
		before = listing

		var (
			present   = make(map[string]Session, len(listing.Sessions))
			newcomers []Session
		)
		for _, session := range listing.Sessions {
			if _, asked := d.ends[session.SessionID]; asked {
				present[session.SessionID] = session
			} else {
				newcomers = append(newcomers, session)
			}
		}
		listing.Sessions = newcomers
		if hurry && len(newcomers) > 0 && d.allows(newcomers) {
			// The next pass sees to the rest.
			return listing, nil
		}

		doubtful := d.doubtful(present)
		if len(doubtful) > 0 && look >= maxSnapshots {
			err = d.lookUp(ctx, doubtful, present)
			doubtful = d.doubtful(present)
		}
		if err == nil && (len(doubtful) > 0 || d.pending(present, time.Since(start))) {
			if sleep(ctx, interval) == nil {
				interval = min(2*interval, maxPollInterval)

				continue
			}
			if len(doubtful) > 0 {
				err = newCallError(ctx, DescribeSessions, d.session(""), ctx.Err(), nil)
			}
		}
		d.record(ctx, present)

		return listing, err
	}
}

// prove notes which sessions are gone. That a listing lacks a session proves
// something if it is a snapshot: of one page, or if nobody has left it by the next
// one, since it is those who leave that can make a session slip past the reader.
func (d *drain) prove(before, listing Listing) {
	stable := before.pages > 1
	for id := range before.seen {
		_, stays := listing.seen[id]
		stable = stable && stays
	}
	for id := range d.ends {
		_, wasListed := before.seen[id]
		live, listed := listing.seen[id]
		if stable && !wasListed && !listed || listing.pages == 1 && !listed || listed && !live {
			d.proved[id] = true
		}
	}
}

// pending reports whether a session that is listed as live may still leave.
func (d *drain) pending(present map[string]Session, waited time.Duration) bool {
	for id := range present {
		if answer := d.ends[id]; answer.accepted() || answer.mayShowLate() && waited < settleTime {
			return true
		}
	}

	return false
}

// doubtful returns the sessions that were not listed, but may be live all the same.
func (d *drain) doubtful(present map[string]Session) []string {
	var ids []string
	for id := range d.ends {
		if _, live := present[id]; !live && !d.proved[id] {
			ids = append(ids, id)
		}
	}

	return ids
}

// lookUp looks sessions up by their IDs, and adds to those that are present.
func (d *drain) lookUp(ctx context.Context, ids []string, present map[string]Session) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(drainConcurrency)
	for _, id := range ids {
		group.Go(func() error {
			session, err := d.client.find(ctx, d.session(id), StateHistory, StateActive)
			d.mutex.Lock()
			defer d.mutex.Unlock()
			switch {
			case err == nil && session.Live():
				present[id] = session
			case err == nil, errors.Is(err, ErrNotFound):
				d.proved[id] = true
			default:
				return err
			}

			return nil
		})
	}

	return group.Wait()
}

// record turns answers into outcomes, given the sessions that are still live; nil
// stands for not knowing which are.
func (d *drain) record(ctx context.Context, present map[string]Session) {
	for id, answer := range d.ends {
		if _, known := d.result.Outcomes[id]; known && present == nil {
			continue // What an earlier listing showed holds.
		}
		session, live := present[id]
		outcome, err := answer.outcome(live || d.proved[id], live, session)
		switch {
		case live && outcome == OutcomeFailed && answer.accepted() && errors.Is(ctx.Err(), context.Canceled):
			err = newError(TerminateSession, d.session(id), ErrStillLive, ctx.Err())
		case live && outcome == OutcomeFailed:
			err = answer.stillLive(d.session(id))
		}
		d.result.Outcomes[id] = outcome
		delete(d.result.Failures, id)
		if err != nil {
			d.result.Failures[id] = err
		}
	}
}

// outcome judges one answer by what the listing shows.
func (e end) outcome(seen, live bool, session Session) (Outcome, error) {
	refused := errors.Is(e.err, ErrEnded)

	switch {
	case !seen && (e.accepted() || refused):
		return OutcomeUnverified, nil
	case !seen && e.lost:
		// It may have been done; that no answer came is reported all the same.
		return OutcomeUnverified, e.err
	case !seen:
		return OutcomeFailed, e.err
	case !live && (e.accepted() || e.lost):
		return OutcomeTerminated, nil
	case !live:
		// Whatever SSM answered: it may deny what has ended, too.
		return OutcomeAlreadyEnded, nil
	case live && refused && session.disconnected():
		// The service refuses so when the session's node is gone.
		return OutcomeUnverified, nil
	default:
		return OutcomeFailed, e.err
	}
}

// progress tells of a step.
func (d *drain) progress(p DrainProgress) {
	if d.in.Progress != nil {
		d.in.Progress(p)
	}
}

// Ended returns how many sessions are known to have ended.
func (r DrainResult) Ended() int {
	ended := 0
	for _, outcome := range r.Outcomes {
		if outcome == OutcomeTerminated || outcome == OutcomeAlreadyEnded {
			ended++
		}
	}

	return ended
}

// FailedSessions returns the IDs of the sessions that could not be ended, sorted.
func (r DrainResult) FailedSessions() []string {
	return slices.Sorted(maps.Keys(r.Failures))
}

// Unverified returns the IDs of the sessions whose end was not seen, sorted.
func (r DrainResult) Unverified() []string {
	var ids []string
	for id, outcome := range r.Outcomes {
		if outcome == OutcomeUnverified {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)

	return ids
}

// Matching returns the IDs of the sessions that a drain would end now, by start
// date, then by ID. A drain that follows at once ends those of a long listing.
func (c *Client) Matching(ctx context.Context, region string, selector Selector) ([]string, error) {
	began := time.Now()
	listing, err := c.live(ctx, region, selector, time.Time{})
	if err != nil {
		return nil, err
	}
	c.shown.keep(shownListing{region: region, selector: selector, began: began, listing: listing})

	ids := make([]string, 0, len(listing.Sessions))
	for _, session := range listing.Sessions {
		ids = append(ids, session.SessionID)
	}

	return ids, nil
}

// shownListings are listings that were shown a moment ago. A caller may show what a
// drain would end right before it drains: a listing that takes a second of the quota,
// or more, is not made twice.
type shownListings struct {
	mutex sync.Mutex
	kept  []shownListing
}

type shownListing struct {
	region   string
	selector Selector
	began    time.Time
	listing  Listing
}

// keep keeps a listing for one drain, if it is worth it.
func (s *shownListings) keep(shown shownListing) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.kept = slices.DeleteFunc(s.kept, func(k shownListing) bool {
		return time.Since(k.began) > listingAge || k.of(shown.region, shown.selector)
	})
	if shown.listing.pages > callsPerSecond {
		shown.listing.seen = nil // Only a drain that settles compares listings.
		s.kept = append(s.kept, shown)
	}
}

// take returns a listing that is not too old, and forgets it.
func (s *shownListings) take(region string, selector Selector) (listing Listing, ok bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()

	s.kept = slices.DeleteFunc(s.kept, func(k shownListing) bool {
		fresh := time.Since(k.began) <= listingAge
		if fresh && k.of(region, selector) {
			listing, ok = k.listing, true
			return true
		}

		return !fresh
	})

	return listing, ok
}

// of reports whether a listing is one of the sessions that are meant.
func (k shownListing) of(region string, selector Selector) bool {
	return k.region == region && reflect.DeepEqual(k.selector, selector)
}
