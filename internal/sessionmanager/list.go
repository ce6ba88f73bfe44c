// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

// maxRestarts is how often to restart a listing whose page token has become invalid.
// Tokens can expire while calls are throttled.
const maxRestarts = 3

// errEndless: the page tokens of a listing form a loop.
var errEndless = errors.New("the listing does not end: a page token repeated itself")

// maxEmptyPages is how many pages without a session may follow each other. SSM filters
// after it has read a page, so some pages can be empty.
const maxEmptyPages = 500

// errEmptyPages: the listing has nothing but empty pages.
var errEmptyPages = fmt.Errorf("the endpoint sent %d pages without a session, one after the other, and offers more", maxEmptyPages)

// maxClockGap is how far the service's clock may be from the local one, if it decides about
// the age of sessions. A clock that is set to the local time of any time zone is less far.
const maxClockGap = 24 * time.Hour

// errNoID: the listing contains a session that may match, and cannot be ended or shown.
var errNoID = errors.New("the answer lists a session without its ID")

// Listing is the result of DescribeSessions for a selector.
type Listing struct {
	Sessions []Session // Sorted by start date and ID.
	Excluded []Session // Sessions that meet every condition, and that an exclusion spares.
	Now      time.Time // The service's time at the start of the listing.

	filtered bool            // The request had a filter.
	pages    int             // How many pages it has.
	noID     bool            // It contains a session without an ID.
	seen     map[string]bool // Every listed session, matching or not, and whether it was live.
}

// snapshot reports whether the listing shows a single moment. Only then is a missing
// session gone: sessions can move between the pages of a longer listing while it is
// read, and be missed.
func (l Listing) snapshot() bool {
	return l.pages == 1
}

// List returns the matching sessions of a Region, either the active ones or those in
// the history. A listing of several pages is not a snapshot, because sessions come and
// go while it is read.
//
// AWS does not document what filters match. If a filter leaves no session, List lists again
// without a filter. Of the history, which can be long, it reads the newest pages, and the rest
// only if they show that the filter hides sessions.
//
// A zero now means the service's time. Errors: ErrIncompleteAnswer if a session has no ID,
// and those of a failed DescribeSessions.
func (c *Client) List(ctx context.Context, region string, state State, selector Selector, now time.Time) (Listing, error) {
	listing, err := c.list(ctx, region, state, selector, selector.filters(), now, 0)
	if err == nil && len(listing.Sessions) == 0 && listing.filtered {
		c.decidedToListAll(ctx, region, listing)
		most := 0
		if state == StateHistory {
			most = maxUnfilteredPages
		}
		listing, err = c.list(ctx, region, state, selector, nil, listing.Now, most)
		if err == nil && len(listing.Sessions) > 0 && listing.pages == most {
			listing, err = c.list(ctx, region, state, selector, nil, listing.Now, 0)
		}
	}
	if err == nil && listing.noID {
		return Listing{}, newError(DescribeSessions, SessionRef{Region: region}, ErrIncompleteAnswer, errNoID)
	}

	return listing, err
}

// decidedToListAll logs why a listing is repeated without a filter.
func (c *Client) decidedToListAll(ctx context.Context, region string, listing Listing) {
	c.decided(ctx, Decision{What: "The listing is empty: listing all sessions again without a filter", Fields: map[string]any{
		"region": region, "filtered": listing.filtered, "pages": listing.pages,
	}})
}

// list is List with separate filters for the service. It reads at most a number of pages, or all
// if the number is 0.
func (c *Client) list(ctx context.Context, region string, state State, selector Selector, filters []types.SessionFilter, now time.Time, most int) (Listing, error) {
	listing := Listing{Now: now, filtered: len(filters) > 0, seen: make(map[string]bool)}
	if selector.matchesNothing() {
		return listing, nil
	}

	var (
		clocks *Error
		meant  = make(map[string]Session)
		input  = &ssm.DescribeSessionsInput{State: state, MaxResults: aws.Int32(pageSize), Filters: filters}
	)
	err := c.eachPage(ctx, SessionRef{Region: region}, input, func(page *ssm.DescribeSessionsOutput, record *callRecord) bool {
		listing.pages++
		if listing.Now.IsZero() {
			listing.Now = record.date
			if gap := time.Until(record.date).Abs(); gap > maxClockGap && selector.OlderThan != nil {
				clocks = newError(DescribeSessions, SessionRef{Region: region}, ErrClocks,
					fmt.Errorf("the endpoint's clock says %s, the clock of this machine %s", record.date.UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339)))

				return false
			}
		}
		for _, in := range page.Sessions {
			session := newSession(in, state)
			if session.SessionID == "" {
				listing.noID = true

				continue
			}
			matches := selector.meets(session, listing.Now)
			if matches && selector.excludes(session) {
				listing.Excluded, matches = append(listing.Excluded, session), false
			}
			// A later page or a restarted listing can contain the same session again. The
			// last entry counts, but only if each entry matches: an exclusion always spares.
			_, again := listing.seen[session.SessionID]
			_, matched := meant[session.SessionID]
			listing.seen[session.SessionID] = session.Live()
			if matches && (matched || !again) {
				meant[session.SessionID] = session
			} else {
				delete(meant, session.SessionID)
			}
		}

		return most == 0 || listing.pages < most
	})
	switch {
	case err != nil:
		return Listing{}, err
	case clocks != nil:
		return Listing{}, clocks
	}

	for _, session := range meant {
		listing.Sessions = append(listing.Sessions, session)
	}
	slices.SortFunc(listing.Sessions, func(a, b Session) int {
		return cmp.Or(a.StartDate.Compare(b.StartDate), cmp.Compare(a.SessionID, b.SessionID))
	})

	return listing, nil
}

// eachPage reads the pages of a listing until visit returns false. It is the only
// caller of DescribeSessions. If the service rejects a page token, it restarts the
// listing a few times. Then visit sees some sessions again.
//
// After the last page, the input's NextToken is nil.
func (c *Client) eachPage(
	ctx context.Context, ref SessionRef, input *ssm.DescribeSessionsInput,
	visit func(page *ssm.DescribeSessionsOutput, record *callRecord) bool,
) error {
	var (
		tokens   = make(map[string]bool)
		restarts int
		pages    int
		empty    int // Pages without a session, up to the last one.
	)
	for {
		output, record, err := c.api.describeSessions.call(ctx, ref, input)
		switch {
		case err != nil && input.NextToken != nil && invalidToken(err) && restarts < maxRestarts:
			restarts++
			input.NextToken = nil
			clear(tokens)

			continue
		case err != nil:
			return afterPages(err, pages)
		}
		pages++
		empty++
		if len(output.Sessions) > 0 {
			empty = 0
		}

		token := aws.ToString(output.NextToken)
		input.NextToken = output.NextToken
		if token == "" {
			input.NextToken = nil
		}
		switch {
		case !visit(output, record), token == "":
			return nil
		case tokens[token]:
			return newError(DescribeSessions, ref, ErrIncompleteAnswer, errEndless)
		case empty == maxEmptyPages:
			return newError(DescribeSessions, ref, ErrIncompleteAnswer, errEmptyPages)
		}
		tokens[token] = true
	}
}

// afterPages adds how many pages were read to the error of a listing whose time ran out. Its
// cause is only about the last page.
func afterPages(err error, pages int) error {
	var failed *Error
	if pages > 0 && errors.As(err, &failed) && failed.OutOfTime && failed.Err != nil {
		failed.Err = fmt.Errorf("after %d pages: %w", pages, failed.Err)
	}

	return err
}

// invalidToken reports whether the service rejected a page token.
func invalidToken(err error) bool {
	var apiErr smithy.APIError

	return errors.As(err, &apiErr) && apiErr.ErrorCode() == "InvalidNextToken"
}

// live lists the matching sessions that can be ended. It leaves out the sessions of
// this process, because they are in use. Without the service's filter it reads every
// session of the Region.
func (c *Client) live(ctx context.Context, region string, selector Selector, filtered bool, now time.Time) (Listing, error) {
	var filters []types.SessionFilter
	if filtered {
		filters = selector.filters()
	}
	listing, err := c.list(ctx, region, StateActive, selector, filters, now, 0)
	listing.Sessions = slices.DeleteFunc(listing.Sessions, func(s Session) bool {
		return !s.Live() || c.own.contains(region, s)
	})

	return listing, err
}

// matching lists the live sessions that match. An empty listing is not reliable if it
// was filtered by the service, whose matching rules are undocumented, or if it is not a
// snapshot. In these cases matching lists all sessions again without a filter. If nobody
// is left but a session without an ID, the answer proves nothing: this is an error.
func (c *Client) matching(ctx context.Context, region string, selector Selector, filtered bool, now time.Time) (Listing, error) {
	listing, err := c.live(ctx, region, selector, filtered, now)
	if err != nil || len(listing.Sessions) > 0 || selector.matchesNothing() {
		return listing, err
	}

	if !listing.snapshot() || listing.filtered {
		c.decidedToListAll(ctx, region, listing)
		listing, err = c.live(ctx, region, selector, false, listing.Now)
	}
	if err == nil && listing.noID && len(listing.Sessions) == 0 {
		return Listing{}, newError(DescribeSessions, SessionRef{Region: region}, ErrIncompleteAnswer, errNoID)
	}

	return listing, err
}
