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
	// OutcomeFailed is the outcome of a session that a drain did not end.
	OutcomeFailed Outcome = "failed"

	// DefaultMaxSessions is how many sessions a drain ends by default.
	DefaultMaxSessions = 100

	// drainConcurrency is how many calls of a drain run at once. It hides latency, and
	// is more than the quota can use.
	drainConcurrency = 40

	// callsPerSecond is the quota of TerminateSession per account and Region.
	// See https://docs.aws.amazon.com/general/latest/gr/ssm.html.
	callsPerSecond = 6

	// gracePollInterval is the interval between two listings during the grace period.
	gracePollInterval = 10 * time.Second
)

// DrainInput selects the sessions to end, and says how to end them.
type DrainInput struct {
	Region      string
	Selector    Selector
	GracePeriod time.Duration // How long users have to finish their work.
	MaxSessions int           // If more match, none is ended.

	// Progress, if set, is called for each step, one call at a time.
	Progress func(DrainProgress)
}

// DrainProgress counts how far a drain has come.
type DrainProgress struct {
	Waiting bool // The grace period is running. Matching counts the sessions that are left.

	Matching int // Sessions to end in this pass.
	Answered int // Sessions whose request is over: accepted, refused, without an answer or never sent.
	Failed   int // How many of Answered were not accepted.
}

// DrainResult is what a drain did. It is valid even with an error.
type DrainResult struct {
	Outcomes map[string]Outcome // By session ID.
	Failures map[string]error   // By session ID, for the outcome failed and for lost answers.
	Doubts   map[string]error   // By session ID, why an outcome is unverified.
	Left     []string           // Matching sessions that started late and were live when last seen.
	Capped   bool               // The sessions of Left would have exceeded MaxSessions, so none was asked to end.

	// RequestIDs has the request ID of the TerminateSession answer that decided the
	// outcome, by session ID. Refusals count. Sessions without such an answer are missing.
	RequestIDs map[string]string

	// Seen has the sessions that may be live, as last seen, by session ID. They are those
	// of Left and those with the outcomes failed and unverified.
	Seen map[string]Session
}

// TooManyError means that more sessions match than the drain may end.
type TooManyError struct {
	Matching    int
	MaxSessions int
}

// Error implements error.
func (e *TooManyError) Error() string {
	return fmt.Sprintf("%d sessions match, %d may be ended", e.Matching, e.MaxSessions)
}

// ErrNotDrained: at least one session could not be ended. The DrainResult says which.
var ErrNotDrained = errors.New("not all sessions could be ended")

// DrainTimeout returns the default time limit of a drain: the grace period, the time
// that the calls need at the service's quota, and two minutes.
func DrainTimeout(gracePeriod time.Duration, maxSessions int) time.Duration {
	return gracePeriod + time.Duration(maxSessions)*time.Second/callsPerSecond + 2*time.Minute
}

// WaitError means that a drain was stopped during the grace period. It ended no
// session.
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

// Drain ends every session that the selector matches. It lists the sessions, ends
// them and lists again. Sessions that started in the meantime get one more pass. It
// never ends a session that this process started.
//
// Errors: ErrNoCondition, TooManyError and WaitError, with no session ended;
// ErrNotDrained; and the errors of a failed listing or lookup. The result covers every
// session even with an error.
func (c *Client) Drain(ctx context.Context, in DrainInput) (DrainResult, error) {
	d := &drain{
		client:    c,
		in:        in,
		result:    DrainResult{Outcomes: map[string]Outcome{}, Failures: map[string]error{}, Doubts: map[string]error{}, RequestIDs: map[string]string{}, Seen: map[string]Session{}},
		answers:   map[string]endAnswer{},
		lastLooks: map[string]look{},
	}
	if err := in.Selector.RequireCondition(c.account); err != nil {
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
	newcomers, err := d.awaitEnds(ctx, true)
	if err == nil && ctx.Err() == nil && len(newcomers) > 0 {
		d.decided(ctx, "A drain counted the sessions that started in the meantime", map[string]any{"matching": len(newcomers), "asked": len(d.answers), "max_sessions": in.MaxSessions, "listing_age": time.Since(d.listed).String()})
		if d.allows(newcomers) {
			d.endAll(ctx, newcomers)
			newcomers, err = d.awaitEnds(ctx, false)
		} else {
			d.result.Capped = true
		}
	}
	if len(d.result.Outcomes) < len(d.answers) {
		// The context ended before the second pass, which records the outcomes of both.
		d.record(ctx, ctx.Err(), 0)
	}

	for _, session := range newcomers {
		d.decided(ctx, "A drain did not end a session that started late", map[string]any{"session_id": session.SessionID, "over_the_cap": d.result.Capped})
		d.result.Left = append(d.result.Left, session.SessionID)
		d.result.Seen[session.SessionID] = session
	}
	if err == nil && len(d.result.Failures)+len(d.result.Left) > 0 {
		err = ErrNotDrained
	}
	if err == nil && d.noID {
		err = newError(DescribeSessions, d.ref(""), ErrIncompleteAnswer, errNoID)
	}

	return d.result, err
}

// drain is the state of one run of Drain.
type drain struct {
	client *Client
	in     DrainInput
	result DrainResult

	filtered bool      // The service's filters are in use, and no listing has shown them to be unreliable.
	now      time.Time // The service's time at the start of the drain. Ages are measured once.

	listed time.Time // When the last listing began.
	noID   bool      // The last listing contained a session without an ID.

	lastLooks map[string]look // What is known of the sessions that were asked to end, by session ID.

	mutex   sync.Mutex
	answers map[string]endAnswer // What SSM answered, by session ID.
}

// look is what the last lookup or listing showed of a session.
type look struct {
	seen    lookResult
	session Session // As listed, if it was live.
	doubt   error   // Why the lookup failed.
}

// waitGracePeriod lists the sessions and waits until they have ended or the grace
// period is over.
func (d *drain) waitGracePeriod(ctx context.Context) ([]Session, error) {
	d.filtered = true
	listing, err := d.list(ctx, d.client.matching)
	if err != nil {
		return nil, err
	}

	deadline := time.Now().Add(d.in.GracePeriod)
	for remaining := d.in.GracePeriod; remaining > 0 && len(listing.Sessions) > 0; remaining = time.Until(deadline) {
		matching := len(listing.Sessions)
		d.progress(ctx, DrainProgress{Waiting: true, Matching: matching})
		err := sleep(ctx, min(remaining, gracePollInterval))
		if err != nil {
			return nil, &WaitError{Waiting: matching, Err: newCallError(ctx, DescribeSessions, d.ref(""), err, nil)}
		}
		if listing, err = d.list(ctx, d.client.matching); err != nil {
			if ctx.Err() != nil {
				err = &WaitError{Waiting: matching, Err: err}
			}

			return nil, err
		}
	}

	return listing.Sessions, nil
}

// list lists the matching sessions, with ages as of the start of the drain. If a listing
// without the service's filters finds sessions, the filters stay off for the rest of the
// drain.
func (d *drain) list(ctx context.Context, listSessions func(context.Context, string, Selector, bool, time.Time) (Listing, error)) (Listing, error) {
	d.listed = time.Now()
	listing, err := listSessions(ctx, d.in.Region, d.in.Selector, d.filtered, d.now)
	if err != nil {
		return listing, err
	}
	d.now, d.noID = listing.Now, listing.noID
	if len(listing.Sessions) > 0 && d.filtered && !listing.filtered {
		d.filtered = false
	}

	return listing, nil
}

// allows reports whether the drain may end these sessions without exceeding MaxSessions.
func (d *drain) allows(sessions []Session) bool {
	return len(d.answers)+len(sessions) <= d.in.MaxSessions
}

// endAll asks SSM to end the sessions, and stores its answers.
func (d *drain) endAll(ctx context.Context, sessions []Session) {
	var (
		group    errgroup.Group
		progress = DrainProgress{Matching: len(sessions)}
	)
	group.SetLimit(drainConcurrency)
	d.progress(ctx, progress)
	for _, session := range sessions {
		group.Go(func() error {
			answer := d.client.requestEnd(ctx, d.ref(session.SessionID))

			d.mutex.Lock()
			defer d.mutex.Unlock()
			d.answers[session.SessionID] = answer
			d.result.Seen[session.SessionID] = session
			progress.Answered++
			if answer.err != nil && !errors.Is(answer.err, ErrEnded) {
				progress.Failed++
			}
			d.progress(ctx, progress)

			return nil
		})
	}
	group.Wait() //nolint:errcheck // The functions return none.
}

// awaitEnds lists the sessions until each session that was asked to end is known to have
// ended, or waiting longer is useless. It then records the outcomes. It returns the
// sessions that started in the meantime, even with an error. With returnOnNewcomers it
// returns as soon as there are newcomers that may be ended.
func (d *drain) awaitEnds(ctx context.Context, returnOnNewcomers bool) (newcomers []Session, err error) {
	var (
		start    = time.Now()
		interval = pollInterval
	)
	for {
		listing, err := d.list(ctx, d.client.live)
		if err != nil {
			d.setDoubt(err)
			d.record(ctx, nil, time.Since(start))

			return newcomers, err
		}
		newcomers = d.applyListing(listing)
		if returnOnNewcomers && len(newcomers) > 0 && d.allows(newcomers) {
			// The next pass watches the other sessions as well.
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

// applyListing stores what a listing shows, and returns the sessions that are new. A session
// that is listed is live, in any listing. A session that SSM was asked to end and that is
// missing from a snapshot is gone, even with a filter: the same filter has listed the
// session before. If the request was denied or rejected, the session may still be live, and
// only a lookup by ID proves its end.
func (d *drain) applyListing(listing Listing) (newcomers []Session) {
	present := make(map[string]Session, len(listing.Sessions))
	for _, session := range listing.Sessions {
		present[session.SessionID] = session
		if _, asked := d.answers[session.SessionID]; !asked {
			newcomers = append(newcomers, session)
		}
	}
	for id := range d.answers {
		session, live := present[id]
		_, listed := listing.seen[id]
		switch known := d.lastLooks[id]; {
		case live:
			d.lastLooks[id] = look{seen: seenLive, session: session}
		case known.seen == confirmedGone:
		case listing.snapshot() && !listing.noID && d.answers[id].listingMayLag(), listed && !listing.seen[id]:
			d.lastLooks[id] = look{seen: confirmedGone}
		default:
			d.lastLooks[id] = look{doubt: known.doubt}
		}
	}

	return newcomers
}

// unseen returns the sessions whose state is unknown and whose lookup has not failed
// yet.
func (d *drain) unseen() []string {
	var ids []string
	for id := range d.answers {
		if l := d.lastLooks[id]; l.seen == notSeen && l.doubt == nil {
			ids = append(ids, id)
		}
	}

	return ids
}

// lookUpUnseen looks up the sessions that are missing from a listing of several pages.
// If there are many it reads the history first, and looks up the rest by their IDs. The
// sessions that the service cannot look up by ID get another search in the history.
// A failed lookup does not stop the others. The error is one that a termination would
// return as well.
func (d *drain) lookUpUnseen(ctx context.Context, pages int) error {
	if ids := d.unseen(); len(ids) > singleLookups {
		d.readHistory(ctx, ids, 1)
	}
	ids := d.unseen()
	if len(ids) == 0 {
		return nil
	}
	d.decided(ctx, "A drain looks up sessions that are missing from a listing of several pages", map[string]any{"sessions": len(ids)})

	var (
		group        errgroup.Group
		first        error
		undetermined []string
	)
	group.SetLimit(drainConcurrency)
	for _, id := range ids {
		group.Go(func() error {
			session, err := d.client.findAfterEnd(ctx, d.answers[id])

			d.mutex.Lock()
			defer d.mutex.Unlock()
			switch {
			case err == nil && session.Live():
				d.lastLooks[id] = look{seen: seenLive, session: session}
			case err == nil, errors.Is(err, ErrNotFound):
				d.lastLooks[id] = look{seen: confirmedGone}
			default:
				d.lastLooks[id] = look{doubt: err}
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
		// The service ignores the filter by ID. The history may still show the sessions.
		d.readHistory(ctx, undetermined, pages)
	}

	return first
}

// readHistory looks for sessions in the history, because a session that is listed
// there has ended. It reads basePages pages, and one more for each session that it finds,
// because each of these saves the call of a lookup by ID.
func (d *drain) readHistory(ctx context.Context, ids []string, basePages int) {
	missing := make(map[string]bool, len(ids))
	for _, id := range ids {
		missing[id] = true
	}
	input := &ssm.DescribeSessionsInput{State: StateHistory, MaxResults: aws.Int32(pageSize)}
	if d.filtered {
		input.Filters = d.in.Selector.filters()
	}
	found, pages := 0, 0
	// Sessions that this does not find are looked up by ID, so the error does not matter.
	_ = d.client.eachPage(ctx, d.ref(""), input, func(page *ssm.DescribeSessionsOutput, _ *callRecord) bool {
		pages++
		for _, listed := range page.Sessions {
			if id := aws.ToString(listed.SessionId); missing[id] {
				delete(missing, id)
				d.lastLooks[id] = look{seen: confirmedGone}
				found++
			}
		}

		return len(missing) > 0 && pages < basePages+found
	})
	d.decided(ctx, "A drain looked for sessions in the history", map[string]any{"sessions": len(ids), "found": found, "pages": pages})
}

// pending reports whether a session that was seen live may still end.
func (d *drain) pending(waited time.Duration) bool {
	for id, l := range d.lastLooks {
		if l.seen == seenLive && d.answers[id].worthWaiting(waited) {
			return true
		}
	}

	return false
}

// setDoubt stores the reason why the sessions could not be looked up.
func (d *drain) setDoubt(doubt error) {
	for id := range d.answers {
		if d.lastLooks[id].seen != confirmedGone {
			d.lastLooks[id] = look{doubt: doubt}
		}
	}
}

// record turns answers and looks into outcomes. The interruption is the context's
// error if the wait was cut short.
func (d *drain) record(ctx context.Context, interruption error, waited time.Duration) {
	for id, answer := range d.answers {
		l := d.lastLooks[id]
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
		switch {
		case v.err == nil && v.outcome != OutcomeUnverified:
			delete(d.result.Seen, id)
		case l.session.SessionID != "":
			d.result.Seen[id] = l.session
		}
		if v.outcome == OutcomeFailed || v.outcome == OutcomeUnverified {
			d.decided(ctx, "A drain did not confirm the end of a session", map[string]any{
				"session_id": id, "outcome": string(v.outcome), "reason": kindText(cmp.Or(v.err, v.doubt)), "status": l.session.Status, "waited": waited.String(),
			})
		}
	}
}

// kindText returns the kind of an error, without text from the service.
func kindText(err error) string {
	var failed *Error
	if errors.As(err, &failed) {
		return failed.Kind.Error()
	}

	return ""
}

// decided reports a decision of the drain.
func (d *drain) decided(ctx context.Context, what string, fields map[string]any) {
	fields["region"] = d.in.Region
	d.client.decided(ctx, Decision{What: what, Fields: fields})
}

// ref refers to a session in the drain's Region, or to none.
func (d *drain) ref(id string) SessionRef {
	return SessionRef{Region: d.in.Region, SessionID: id}
}

// progress reports a step. Nothing is reported after a cancellation: Terraform stops
// reading at the next message of an action, and would not read the result.
func (d *drain) progress(ctx context.Context, p DrainProgress) {
	if d.in.Progress != nil && !errors.Is(ctx.Err(), context.Canceled) {
		d.in.Progress(p)
	}
}

// Ended returns how many sessions are known to have ended.
func (r DrainResult) Ended() int {
	return r.Count(OutcomeTerminated) + r.Count(OutcomeAlreadyEnded)
}

// Count returns how many sessions have an outcome.
func (r DrainResult) Count(outcome Outcome) int {
	count := 0
	for _, o := range r.Outcomes {
		if o == outcome {
			count++
		}
	}

	return count
}

// FailedSessions returns the sorted IDs of the sessions that could not be ended.
func (r DrainResult) FailedSessions() []string {
	return slices.Sorted(maps.Keys(r.Failures))
}

// Unverified returns the sorted IDs of the sessions with an unverified outcome.
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

// Matching returns the sessions that a drain would end now. A drain does not use this
// result: it makes its own listing.
func (c *Client) Matching(ctx context.Context, region string, selector Selector) (Listing, error) {
	return c.matching(ctx, region, selector, true, time.Time{})
}
