// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
)

// maxRestarts is how often to begin a listing anew when the service no longer knows
// its own page token, which can expire while calls are throttled.
const maxRestarts = 3

// errEndless: the pages of a listing lead back to one another.
var errEndless = errors.New("the listing does not end: a page token repeated itself")

// Listing is what DescribeSessions listed of the sessions that were meant.
type Listing struct {
	Sessions []Session // By start date, then by ID.
	Now      time.Time // The service's clock when the listing began.

	filtered bool            // The service was asked to narrow the listing.
	pages    int             // How many calls it took.
	seen     map[string]bool // Every session that was listed, meant or not, and whether it was live.
}

// snapshot reports whether the listing shows one moment: absence from it proves
// something. Sessions leave a listing of several pages while it is read, and slip
// past the reader.
func (l Listing) snapshot() bool {
	return l.pages == 1
}

// List returns the sessions of a Region that are meant, of the active ones or of
// the history. Sessions come and go while the pages are read: a listing is no snapshot.
//
// A zero now stands for the service's clock.
func (c *Client) List(ctx context.Context, region string, state State, selector Selector, now time.Time) (Listing, error) {
	return c.list(ctx, region, state, selector, selector.filters(), now)
}

// list lists with filters of its own.
func (c *Client) list(ctx context.Context, region string, state State, selector Selector, filters []types.SessionFilter, now time.Time) (Listing, error) {
	listing := Listing{Now: now, filtered: len(filters) > 0, seen: make(map[string]bool)}
	if selector.matchesNothing() {
		return listing, nil
	}

	var (
		meant = make(map[string]Session)
		input = &ssm.DescribeSessionsInput{State: state, MaxResults: aws.Int32(pageSize), Filters: filters}
	)
	err := c.eachPage(ctx, SessionRef{Region: region}, input, func(page *ssm.DescribeSessionsOutput, record *callRecord) bool {
		listing.pages++
		if listing.Now.IsZero() {
			listing.Now = record.date
		}
		for _, in := range page.Sessions {
			session := newSession(in, state)
			matches := selector.Matches(session, listing.Now)
			if session.SessionID == "" {
				if matches {
					listing.Sessions = append(listing.Sessions, session)
				}

				continue
			}
			// A session can be listed again, on a later page or when the listing is
			// begun anew. What was seen last counts.
			listing.seen[session.SessionID] = session.Live()
			if matches {
				meant[session.SessionID] = session
			}
		}

		return true
	})
	if err != nil {
		return Listing{}, err
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
// place that calls DescribeSessions. A page token that the service no longer knows
// makes it begin anew, a few times: visit then sees sessions a second time.
//
// The input's NextToken is nil afterwards if the last page was read.
func (c *Client) eachPage(
	ctx context.Context, ref SessionRef, input *ssm.DescribeSessionsInput,
	visit func(page *ssm.DescribeSessionsOutput, record *callRecord) bool,
) error {
	var (
		tokens   = make(map[string]bool)
		restarts int
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
			return err
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
		}
		tokens[token] = true
	}
}

// invalidToken reports whether the service does not know a page token.
func invalidToken(err error) bool {
	var apiErr smithy.APIError

	return errors.As(err, &apiErr) && apiErr.ErrorCode() == "InvalidNextToken"
}

// live lists the sessions that are meant and can be ended. Those of this process are
// never meant: somebody works with them. Unfiltered, every session of the Region is
// read and checked here.
func (c *Client) live(ctx context.Context, region string, selector Selector, filtered bool, now time.Time) (Listing, error) {
	var filters []types.SessionFilter
	if filtered {
		filters = selector.filters()
	}
	listing, err := c.list(ctx, region, StateActive, selector, filters, now)
	listing.Sessions = slices.DeleteFunc(listing.Sessions, func(s Session) bool {
		return s.SessionID == "" || !s.Live() || c.own.holds(region, s)
	})

	return listing, err
}

// matching lists the live sessions that are meant. That nobody is listed proves
// nothing if a filter of the service narrowed the listing, since what filters match
// is not documented, or if it is no snapshot: then all sessions are listed once more.
func (c *Client) matching(ctx context.Context, region string, selector Selector, filtered bool, now time.Time) (Listing, error) {
	listing, err := c.live(ctx, region, selector, filtered, now)
	if err != nil || len(listing.Sessions) > 0 || selector.matchesNothing() || listing.snapshot() && !listing.filtered {
		return listing, err
	}

	c.decided(ctx, Decision{What: "Nobody is listed: all sessions are listed once more, without a filter", Fields: map[string]any{
		"region": region, "filtered": listing.filtered, "pages": listing.pages,
	}})

	return c.live(ctx, region, selector, false, listing.Now)
}
