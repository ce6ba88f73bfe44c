// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
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
	Doubts   map[string]error   // By session ID, why an unverified outcome could not be verified.
	Left     []string           // Matching sessions that came late and were live when last seen.
	Capped   bool               // Those of Left would have been more than MaxSessions, and were not asked to end.

	// RequestIDs has, by session ID, the request ID of the answer to TerminateSession
	// that decided, a refusal included. A session without such an answer is missing.
	RequestIDs map[string]string
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

// WaitError tells that a drain was stopped while people had time to leave. Nobody
// was ended.
type WaitError struct {
	Waiting int // How many matching sessions were live.
	Err     error
}

// Error implements error.
func (e *WaitError) Error() string {
	return fmt.Sprintf("waiting for %d sessions to end by themselves: %s", e.Waiting, e.Err)
}

// Unwrap returns the cause.
func (e *WaitError) Unwrap() error { return e.Err }

// Drain ends every session that the selector matches. It lists, ends, and lists
// again; sessions that have come in between get one further pass. It never ends a
// session that this process started.
//
// Errors: ErrNoCondition, TooManyError and WaitError, with nothing ended; ErrNotDrained;
// and those of a failed listing or look-up. The result accounts for every session also
// when there is an error.
func (c *Client) Drain(ctx context.Context, in DrainInput) (DrainResult, error) {
	d := &drain{
		client: c,
		in:     in,
		result: DrainResult{Outcomes: map[string]Outcome{}, Failures: map[string]error{}, Doubts: map[string]error{}, RequestIDs: map[string]string{}},
		ends:   map[string]end{},
		looks:  map[string]look{},
	}
	if err := in.Selector.RequireCondition(); err != nil {
		return d.result, err
	}

	sessions, err := d.waitGracePeriod(ctx)
	if err != nil {
		return d.result, err
	}
	d.decided(ctx, "A drain counted the sessions to end", map[string]any{"matching": len(sessions), "max_sessions": in.MaxSessions, "listing_age": time.Since(d.listed).String(), "filtered": d.filtered})
	if len(sessions) == 0 {
		return d.result, nil
	}
	if !d.allows(sessions) {
		return d.result, &TooManyError{Matching: len(sessions), MaxSessions: in.MaxSessions}
	}

	d.endAll(ctx, sessions)
	left, err := d.settle(ctx, true)
	if err == nil && ctx.Err() == nil && len(left) > 0 {
		d.decided(ctx, "A drain counted the sessions that came since", map[string]any{"matching": len(left), "asked": len(d.ends), "max_sessions": in.MaxSessions, "listing_age": time.Since(d.listed).String()})
		if d.allows(left) {
			d.endAll(ctx, left)
			left, err = d.settle(ctx, false)
		} else {
			d.result.Capped = true
		}
	}

	for _, session := range left {
		d.decided(ctx, "A drain leaves a session that came late", map[string]any{"session_id": session.SessionID, "over_the_cap": d.result.Capped})
		d.result.Left = append(d.result.Left, session.SessionID)
	}
	if err == nil && len(d.result.Failures)+len(d.result.Left) > 0 {
		err = ErrNotDrained
	}

	return d.result, err
}

// drain is the state of one run of Drain.
type drain struct {
	client *Client
	in     DrainInput
	result DrainResult

	filtered bool      // The service narrows the listings, and is known to show who is meant.
	now      time.Time // The service's clock when the drain began: ages are measured once.

	listed time.Time // When the last listing began.

	looks map[string]look // What is known of those that were asked to end, by session ID.

	mutex sync.Mutex
	ends  map[string]end // What SSM answered, by session ID.
}

// look is what the last look at a session showed.
type look struct {
	seen    sight
	session Session // As it was listed, if it was live.
	doubt   error   // Why it was not seen.
}

// waitGracePeriod lists the sessions, and gives people the time to finish by
// themselves.
func (d *drain) waitGracePeriod(ctx context.Context) ([]Session, error) {
	d.filtered = true
	listing, err := d.list(ctx, d.client.matching)
	if err != nil {
		return nil, err
	}

	deadline := time.Now().Add(d.in.GracePeriod)
	for left := d.in.GracePeriod; left > 0 && len(listing.Sessions) > 0; left = time.Until(deadline) {
		waiting := len(listing.Sessions)
		d.progress(DrainProgress{Waiting: true, Matching: waiting})
		err := sleep(ctx, min(left, gracePoll))
		if err != nil {
			return nil, &WaitError{Waiting: waiting, Err: newCallError(ctx, DescribeSessions, d.ref(""), err, nil)}
		}
		if listing, err = d.list(ctx, d.client.matching); err != nil {
			if ctx.Err() != nil {
				err = &WaitError{Waiting: waiting, Err: err}
			}

			return nil, err
		}
	}

	return listing.Sessions, nil
}

// list lists the sessions that are meant, at the age that they had first. A listing
// that shows somebody tells whether the service's filters can be relied on.
func (d *drain) list(ctx context.Context, how func(context.Context, string, Selector, bool, time.Time) (Listing, error)) (Listing, error) {
	d.listed = time.Now()
	listing, err := how(ctx, d.in.Region, d.in.Selector, d.filtered, d.now)
	if err != nil {
		return listing, err
	}
	d.now = listing.Now
	if len(listing.Sessions) > 0 && d.filtered && !listing.filtered {
		d.filtered = false
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
	d.progress(progress)
	for _, session := range sessions {
		group.Go(func() error {
			answer := d.client.end(ctx, d.ref(session.SessionID))

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
// returns the sessions that have come since, also with an error. With
// returnOnNewcomers it returns as soon as there are some that may be ended.
func (d *drain) settle(ctx context.Context, returnOnNewcomers bool) (newcomers []Session, err error) {
	var (
		start    = time.Now()
		interval = pollInterval
	)
	for {
		listing, err := d.list(ctx, d.client.live)
		if err != nil {
			d.doubtAll(err)
			d.record(ctx, nil, time.Since(start))

			return newcomers, err
		}
		newcomers = d.note(listing)
		if returnOnNewcomers && len(newcomers) > 0 && d.allows(newcomers) {
			// The next pass sees to the rest.
			return newcomers, nil
		}
		err = d.lookUpUnseen(ctx, listing.pages)
		if err == nil && d.pending(time.Since(start)) && sleep(ctx, interval) == nil {
			interval = min(2*interval, maxPollInterval)

			continue
		}
		d.record(ctx, ctx.Err(), time.Since(start))

		return newcomers, err
	}
}

// note takes notice of what a listing shows, and returns the sessions that are new.
// Presence proves something in any listing. Absence does in a snapshot: the filter
// that it may have has listed the session before.
func (d *drain) note(listing Listing) (newcomers []Session) {
	present := make(map[string]Session, len(listing.Sessions))
	for _, session := range listing.Sessions {
		present[session.SessionID] = session
		if _, asked := d.ends[session.SessionID]; !asked {
			newcomers = append(newcomers, session)
		}
	}
	for id := range d.ends {
		session, live := present[id]
		_, listed := listing.seen[id]
		switch known := d.looks[id]; {
		case live:
			d.looks[id] = look{seen: seenLive, session: session}
		case known.seen == confirmedGone:
		case listing.snapshot(), listed && !listing.seen[id]:
			d.looks[id] = look{seen: confirmedGone}
		default:
			d.looks[id] = look{doubt: known.doubt}
		}
	}

	return newcomers
}

// unseen returns the sessions that nobody has tried to look up in vain, and of which
// nothing is known.
func (d *drain) unseen() []string {
	var ids []string
	for id := range d.ends {
		if l := d.looks[id]; l.seen == notSeen && l.doubt == nil {
			ids = append(ids, id)
		}
	}

	return ids
}

// lookUpUnseen finds out about the sessions that a listing of several pages lacks:
// many in the history, the rest by their IDs, and those that cannot be looked up in the
// history again. One look-up that fails leaves the others alone. The error is one that
// a termination would return as well.
func (d *drain) lookUpUnseen(ctx context.Context, pages int) error {
	if ids := d.unseen(); len(ids) > singleLookups {
		d.readHistory(ctx, ids, 1)
	}
	ids := d.unseen()
	if len(ids) == 0 {
		return nil
	}
	d.decided(ctx, "A drain looks sessions up by their IDs, since a listing of several pages lacks them", map[string]any{"sessions": len(ids)})

	var (
		group        errgroup.Group
		first        error
		undetermined []string
	)
	group.SetLimit(drainConcurrency)
	for _, id := range ids {
		group.Go(func() error {
			session, err := d.client.findAfterEnd(ctx, d.ends[id])

			d.mutex.Lock()
			defer d.mutex.Unlock()
			switch {
			case err == nil && session.Live():
				d.looks[id] = look{seen: seenLive, session: session}
			case err == nil, errors.Is(err, ErrNotFound):
				d.looks[id] = look{seen: confirmedGone}
			default:
				d.looks[id] = look{doubt: err}
				if errors.Is(err, ErrUndetermined) {
					undetermined = append(undetermined, id)
				}
				if first == nil && !errors.Is(err, ErrAccessDenied) && !errors.Is(err, ErrUndetermined) {
					first = err
				}
			}

			return nil
		})
	}
	group.Wait() //nolint:errcheck // The functions return none.

	if len(undetermined) > 0 {
		// The service does not filter by ID. The history may show them all the same.
		d.readHistory(ctx, undetermined, pages)
	}

	return first
}

// readHistory looks for sessions in the history, in a number of pages and as long as
// that costs fewer calls than looking them up. Presence proves that they have ended.
func (d *drain) readHistory(ctx context.Context, ids []string, enough int) {
	missing := make(map[string]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	input := &ssm.DescribeSessionsInput{State: StateHistory, MaxResults: aws.Int32(pageSize)}
	if d.filtered {
		input.Filters = d.in.Selector.filters()
	}
	found, pages := 0, 0
	// What this does not find is looked up, whatever the reason.
	_ = d.client.eachPage(ctx, d.ref(""), input, func(page *ssm.DescribeSessionsOutput, _ *callRecord) bool {
		pages++
		for _, listed := range page.Sessions {
			if id := aws.ToString(listed.SessionId); missing[id] {
				delete(missing, id)
				d.looks[id] = look{seen: confirmedGone}
				found++
			}
		}

		return len(missing) > 0 && pages < enough+found
	})
	d.decided(ctx, "A drain looked for sessions in the history", map[string]any{"sessions": len(ids), "found": found, "pages": pages})
}

// pending reports whether a session that was seen live may still leave.
func (d *drain) pending(waited time.Duration) bool {
	for id, l := range d.looks {
		if l.seen == seenLive && d.ends[id].worthWaiting(waited) {
			return true
		}
	}

	return false
}

// doubtAll notes why nobody could look.
func (d *drain) doubtAll(doubt error) {
	for id := range d.ends {
		if d.looks[id].seen != confirmedGone {
			d.looks[id] = look{doubt: doubt}
		}
	}
}

// record turns answers and looks into outcomes. The interruption is the context's
// error if the waiting was cut short.
func (d *drain) record(ctx context.Context, interruption error, waited time.Duration) {
	for id, answer := range d.ends {
		l := d.looks[id]
		cut := interruption
		if !answer.worthWaiting(waited) {
			cut = nil
		}
		v := answer.judge(l.seen, l.session, l.doubt, cut)
		d.result.Outcomes[id] = v.outcome
		if answer.requestID != "" {
			d.result.RequestIDs[id] = answer.requestID
		}
		delete(d.result.Failures, id)
		delete(d.result.Doubts, id)
		if v.err != nil {
			d.result.Failures[id] = v.err
		}
		if v.doubt != nil {
			d.result.Doubts[id] = v.doubt
		}
		if v.outcome == OutcomeFailed || v.outcome == OutcomeUnverified {
			d.decided(ctx, "A drain leaves a session that it asked to end", map[string]any{
				"session_id": id, "outcome": string(v.outcome), "reason": reason(cmp.Or(v.err, v.doubt)), "status": l.session.Status, "waited": waited.String(),
			})
		}
	}
}

// reason names the kind of an error, and nothing that the service said.
func reason(err error) string {
	var failed *Error
	if errors.As(err, &failed) {
		return failed.Kind.Error()
	}

	return ""
}

// decided tells of a decision of the drain.
func (d *drain) decided(ctx context.Context, what string, fields map[string]any) {
	fields["region"] = d.in.Region
	d.client.decided(ctx, Decision{What: what, Fields: fields})
}

// ref names a session of the drain's Region, or none.
func (d *drain) ref(id string) SessionRef {
	return SessionRef{Region: d.in.Region, SessionID: id}
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

// Matching returns the sessions that a drain would end now, by start
// date, then by ID. A drain lists on its own: what is returned here binds nobody.
func (c *Client) Matching(ctx context.Context, region string, selector Selector) ([]Session, error) {
	listing, err := c.matching(ctx, region, selector, true, time.Time{})
	if err != nil {
		return nil, err
	}

	return listing.Sessions, nil
}
