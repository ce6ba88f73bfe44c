// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"errors"
)

// Preview looks a session up to show it to somebody who looks a second time and must
// not miss then what was shown. Only errors for which NothingToShow is true may leave
// the session out.
func (c *Client) Preview(ctx context.Context, ref SessionRef) (Session, error) {
	return c.findShared(ctx, ref)
}

// NothingToShow reports whether a preview ended with the session not found, or with
// nothing that these credentials can find out about it.
func NothingToShow(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrUndetermined) || errors.Is(err, ErrAccessDenied)
}

// findShared looks a session up as Find does, but may find it in a listing of the
// active sessions that others asked for a moment ago. Such a listing can show that
// a session is there, and no more: what it lacks is looked up by its ID.
func (c *Client) findShared(ctx context.Context, ref SessionRef) (Session, error) {
	session, listed, err := c.shared.find(ctx, c, ref)
	switch {
	case err != nil:
		return Session{}, err
	case !listed:
		return c.Find(ctx, ref)
	case session.SessionID == "":
		// It has probably ended: the history comes first.
		return c.find(ctx, ref, StateHistory, StateActive)
	default:
		return session, nil
	}
}
