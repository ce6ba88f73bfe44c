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
)

// Listing is what DescribeSessions listed of the sessions that were meant.
type Listing struct {
	Sessions []Session // By start date, then by ID.
	Now      time.Time // The service's clock when the listing began.

	pages int             // How many calls it took.
	seen  map[string]bool // Every session that was listed, meant or not, and whether it was live.
}

// List returns the sessions of a Region that are meant, of the active ones or of
// the history. Sessions come and go while the pages are read: a listing is no snapshot.
//
// A zero now stands for the service's clock.
func (c *Client) List(ctx context.Context, region string, state State, selector Selector, now time.Time) (Listing, error) {
	listing := Listing{Now: now, seen: make(map[string]bool)}
	if selector.matchesNothing() {
		return listing, nil
	}

	var (
		input = &ssm.DescribeSessionsInput{
			State:      state,
			MaxResults: aws.Int32(pageSize),
			Filters:    selector.filters(),
		}
		tokens = make(map[string]bool)
	)
	for {
		output, record, err := c.api.describeSessions.call(ctx, SessionRef{Region: region}, input)
		if err != nil {
			return Listing{}, err
		}
		listing.pages++
		if listing.Now.IsZero() {
			listing.Now = record.date
		}

		for _, in := range output.Sessions {
			session := newSession(in, state)
			// A session can move to a later page while the pages are read.
			_, again := listing.seen[session.SessionID]
			if session.SessionID != "" {
				listing.seen[session.SessionID] = session.Live()
			}
			if !again && selector.Matches(session, listing.Now) {
				listing.Sessions = append(listing.Sessions, session)
			}
		}

		token := aws.ToString(output.NextToken)
		if token == "" {
			break
		}
		if tokens[token] {
			return Listing{}, newError(DescribeSessions, SessionRef{Region: region}, ErrIncompleteAnswer, errors.New("the listing does not end: a page token repeated itself"))
		}
		tokens[token] = true
		input.NextToken = aws.String(token)
	}

	slices.SortFunc(listing.Sessions, func(a, b Session) int {
		return cmp.Or(a.StartDate.Compare(b.StartDate), cmp.Compare(a.SessionID, b.SessionID))
	})

	return listing, nil
}

// live lists the sessions that are meant and can be ended. Those of this process are
// never meant: somebody works with them.
func (c *Client) live(ctx context.Context, region string, selector Selector, now time.Time) (Listing, error) {
	listing, err := c.List(ctx, region, StateActive, selector, now)
	listing.Sessions = slices.DeleteFunc(c.notOwn(region, listing.Sessions), func(s Session) bool {
		return s.SessionID == "" || !s.Live()
	})

	return listing, err
}

// notOwn leaves the sessions of this process out.
func (c *Client) notOwn(region string, sessions []Session) []Session {
	return slices.DeleteFunc(sessions, func(s Session) bool { return c.own.holds(region, s) })
}
