// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
)

// Preview looks up a session in order to show it before a second lookup. The second
// lookup must find what Preview has shown. The caller may leave the session out only if
// NothingToShow is true for the error.
func (c *Client) Preview(ctx context.Context, ref SessionRef) (Session, error) {
	return c.findShared(ctx, ref)
}

// NothingToShow reports whether a preview found no session, or could not find out with
// these credentials.
func NothingToShow(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrUndetermined) || errors.Is(err, ErrAccessDenied)
}

// findShared is Find, except that it may use a recent listing of the active sessions
// that other lookups share. Such a listing can only show that a session is there. A
// session that is missing from it is looked up by its ID.
func (c *Client) findShared(ctx context.Context, ref SessionRef) (Session, error) {
	session, listed, err := c.shared.find(ctx, c, ref)
	switch {
	case err != nil:
		return Session{}, err
	case !listed:
		return c.Find(ctx, ref)
	case session.SessionID == "":
		// The session has probably ended, so the history comes first.
		return c.find(ctx, ref, StateHistory, StateActive)
	default:
		return session, nil
	}
}
