// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

const (
	// pageSize is the maximum page size of DescribeSessions.
	pageSize = 200

	// maxUnfilteredPages is how many pages without a match to read before concluding
	// that the service ignores the filter.
	maxUnfilteredPages = 3
)

// Find looks up a session by its ID, first in the active list, then in the 30 days of
// history. If it is in neither list, Find asks again after a short pause, because a
// session that is just ending can be missing from both for a moment.
//
// Errors: ErrNotFound, ErrUndetermined, and those of a failed DescribeSessions.
//
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeSessions.html.
func (c *Client) Find(ctx context.Context, ref SessionRef) (Session, error) {
	return c.find(ctx, ref, StateActive, StateHistory)
}

// find looks up a session in the lists in the given order, and stops at the first match.
func (c *Client) find(ctx context.Context, ref SessionRef, states ...State) (Session, error) {
	for round := 0; ; round++ {
		var undetermined error
		for _, state := range states {
			session, err := c.findIn(ctx, ref, state)
			switch {
			case err == nil:
				return session, nil
			case errors.Is(err, ErrUndetermined):
				undetermined = cmp.Or(undetermined, err)
			case !errors.Is(err, ErrNotFound):
				return Session{}, err
			}
		}

		switch {
		case undetermined != nil:
			return Session{}, undetermined
		case round > 0:
			return Session{}, newError(DescribeSessions, ref, ErrNotFound, nil)
		}

		if err := sleep(ctx, secondLookupPause); err != nil {
			return Session{}, newCallError(ctx, DescribeSessions, ref, err, nil)
		}
	}
}

// findIn looks up a session by its ID in one list.
func (c *Client) findIn(ctx context.Context, ref SessionRef, state State) (Session, error) {
	undetermined := newError(DescribeSessions, ref, ErrUndetermined, nil)
	input := &ssm.DescribeSessionsInput{
		State:      state,
		MaxResults: aws.Int32(pageSize),
		Filters: []types.SessionFilter{{
			Key:   types.SessionFilterKeySessionId,
			Value: aws.String(ref.SessionID),
		}},
	}

	var (
		filtered = true
		found    *Session
		pages    int
		other    *OtherCaseError
	)
	err := c.eachPage(ctx, ref, input, func(page *ssm.DescribeSessionsOutput, _ *callRecord) bool {
		pages++
		for _, listed := range page.Sessions {
			id := aws.ToString(listed.SessionId)
			if id == ref.SessionID {
				session := newSession(listed, state)
				found = &session

				return false
			}
			if strings.EqualFold(id, ref.SessionID) {
				other = &OtherCaseError{SessionID: id}
			}
			filtered = false
		}

		return filtered || pages < maxUnfilteredPages
	})

	switch {
	case found != nil:
		return *found, nil
	case other != nil:
		return Session{}, newError(DescribeSessions, ref, ErrUndetermined, other)
	case errors.Is(err, errEndless):
		return Session{}, undetermined
	case err != nil:
		return Session{}, err
	case filtered:
		return Session{}, newError(DescribeSessions, ref, ErrNotFound, nil)
	default:
		// Other sessions answer another question. Only a lookup by ID proves absence.
		return Session{}, undetermined
	}
}

// OtherCaseError says that a session was looked up, and SSM lists one whose ID differs only in
// upper and lower case. It is the cause of an Error of the kind ErrUndetermined.
type OtherCaseError struct {
	SessionID string // As SSM lists it.
}

// Error implements error.
func (e *OtherCaseError) Error() string {
	return fmt.Sprintf("SSM lists %q, which differs only in upper and lower case", e.SessionID)
}

// findAfterEnd looks up a session that was asked to end, first in the list where it
// should be by now. Many concurrent lookups share a listing if the service lists
// sessions that are just ending as active.
func (c *Client) findAfterEnd(ctx context.Context, answer endAnswer) (Session, error) {
	session, listed, err := c.shared.findAfter(ctx, c, answer.ref, answer.at)
	if err != nil || session.SessionID != "" {
		return session, err
	}

	states := []State{StateHistory, StateActive}
	if !listed && (!answer.listingMayLag() || c.shared.endingIsActive(answer.ref.Region)) {
		states = []State{StateActive, StateHistory}
	}
	session, err = c.find(ctx, answer.ref, states...)
	if err == nil {
		c.shared.noteEndingList(answer.ref.Region, session)
	}

	return session, err
}
