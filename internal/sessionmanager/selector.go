// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Selector says which sessions are meant. All conditions that are given must
// hold, and no exclusion may; of a set, one match is enough. A nil set is no
// condition, whereas an empty one matches nothing.
type Selector struct {
	Targets       []string
	Owners        []string // ARNs, in which * stands for any run of characters.
	DocumentNames []string
	AccessTypes   []string
	OlderThan     *time.Duration // Time since the start, by the service's clock.
	StartedAfter  time.Time      // Inclusive; zero for no condition.
	StartedBefore time.Time      // Exclusive; zero for no condition.

	// FoldOwners makes Owners match in capitals and small letters alike. SSM does not:
	// it serves to find out whether that is why nobody matches.
	FoldOwners bool

	ExcludeOwners     []string // As Owners.
	ExcludeSessionIDs []string
}

// Matches reports whether a session is meant, at a time of the service's clock.
// A condition on a field that the session lacks does not hold; an exclusion on
// one spares the session.
func (s Selector) Matches(session Session, now time.Time) bool {
	started := session.StartDate

	return oneOf(s.Targets, session.Target) &&
		(s.Owners == nil || s.anyOwner(session.Owner)) &&
		oneOf(s.DocumentNames, session.DocumentName) &&
		oneOf(s.AccessTypes, session.AccessType) &&
		(s.OlderThan == nil || !started.IsZero() && now.Sub(started) >= *s.OlderThan) &&
		(s.StartedAfter.IsZero() || !started.IsZero() && !started.Before(s.StartedAfter)) &&
		(s.StartedBefore.IsZero() || !started.IsZero() && started.Before(s.StartedBefore)) &&
		(len(s.ExcludeOwners) == 0 || session.Owner != "" && !anyPattern(s.ExcludeOwners, session.Owner)) &&
		(len(s.ExcludeSessionIDs) == 0 || session.SessionID != "" && !slices.Contains(s.ExcludeSessionIDs, session.SessionID))
}

// oneOf reports whether a condition on a field holds.
func oneOf(wanted []string, value string) bool {
	return wanted == nil || value != "" && slices.Contains(wanted, value)
}

// anyOwner reports whether the condition on owners holds.
func (s Selector) anyOwner(owner string) bool {
	if !s.FoldOwners {
		return anyPattern(s.Owners, owner)
	}

	return owner != "" && slices.ContainsFunc(s.Owners, func(pattern string) bool {
		return matchPattern(strings.ToLower(pattern), strings.ToLower(owner))
	})
}

// anyPattern reports whether one of the patterns matches an owner.
func anyPattern(patterns []string, owner string) bool {
	return owner != "" && slices.ContainsFunc(patterns, func(pattern string) bool {
		return matchPattern(pattern, owner)
	})
}

// matchPattern reports whether a pattern, in which * stands for any run of
// characters, matches the whole of a string. It takes no more than the product of
// the lengths.
func matchPattern(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}

	rest, found := strings.CutPrefix(s, parts[0])
	if !found {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, found = strings.Cut(rest, part)
		if !found {
			return false
		}
	}

	return strings.HasSuffix(rest, last)
}

// ErrNoCondition: a selector for ending sessions has no condition that narrows it down.
var ErrNoCondition = errors.New("no condition says which sessions to end")

// leastAge is the smallest age that is a condition: what is younger has just begun.
const leastAge = time.Minute

// RequireCondition returns ErrNoCondition if the selector would match whatever
// there is, exclusions apart: patterns that match every owner, every access type and
// an age below a minute are no conditions.
func (s Selector) RequireCondition() error {
	switch {
	case s.Targets != nil, s.DocumentNames != nil:
		return nil
	case s.Owners != nil && !matchEveryOwner(s.Owners):
		return nil
	case s.AccessTypes != nil && !containsAll(s.AccessTypes, AccessTypes()):
		return nil
	case s.OlderThan != nil && *s.OlderThan >= leastAge:
		return nil
	case !s.StartedAfter.IsZero(), !s.StartedBefore.IsZero():
		return nil
	default:
		return ErrNoCondition
	}
}

// containsAll reports whether a set has all of the values.
func containsAll(set, values []string) bool {
	return !slices.ContainsFunc(values, func(value string) bool { return !slices.Contains(set, value) })
}

// Equal reports whether two selectors mean the same sessions, in whatever order their
// values are written.
func (s Selector) Equal(other Selector) bool {
	same := func(a, b []string) bool {
		return (a == nil) == (b == nil) && containsAll(a, b) && containsAll(b, a)
	}
	age := (s.OlderThan == nil) == (other.OlderThan == nil) && (s.OlderThan == nil || *s.OlderThan == *other.OlderThan)

	return age && same(s.Targets, other.Targets) && same(s.Owners, other.Owners) &&
		same(s.DocumentNames, other.DocumentNames) && same(s.AccessTypes, other.AccessTypes) &&
		s.StartedAfter.Equal(other.StartedAfter) && s.StartedBefore.Equal(other.StartedBefore) &&
		// Of exclusions, none and an empty set are the same.
		containsAll(s.ExcludeOwners, other.ExcludeOwners) && containsAll(other.ExcludeOwners, s.ExcludeOwners) &&
		containsAll(s.ExcludeSessionIDs, other.ExcludeSessionIDs) && containsAll(other.ExcludeSessionIDs, s.ExcludeSessionIDs)
}

// filters translates the selector for DescribeSessions. They only narrow the
// listing: how the service combines several is not documented, so that there is
// one at most, and every condition is checked again.
func (s Selector) filters() []types.SessionFilter {
	const (
		day     = 24 * time.Hour
		longest = 400 // Characters that the API allows in a filter's value.
	)

	filter := func(key types.SessionFilterKey, value string) []types.SessionFilter {
		return []types.SessionFilter{{Key: key, Value: aws.String(value)}}
	}
	// The service may go by the day.
	after, before := s.StartedAfter.Add(-day).UTC(), s.StartedBefore.Add(day).UTC()
	switch {
	case len(s.Targets) == 1 && utf8.RuneCountInString(s.Targets[0]) <= longest:
		return filter(types.SessionFilterKeyTargetId, s.Targets[0])
	case len(s.Owners) == 1 && !s.FoldOwners && !strings.Contains(s.Owners[0], "*") && utf8.RuneCountInString(s.Owners[0]) <= longest:
		return filter(types.SessionFilterKeyOwner, s.Owners[0])
	case !s.StartedAfter.IsZero() && expressible(after):
		return filter(types.SessionFilterKeyInvokedAfter, after.Format(time.RFC3339))
	case !s.StartedBefore.IsZero() && expressible(before):
		return filter(types.SessionFilterKeyInvokedBefore, before.Format(time.RFC3339))
	default:
		return nil
	}
}

// matchesNothing reports whether no session at all can match.
func (s Selector) matchesNothing() bool {
	for _, set := range [][]string{s.Targets, s.Owners, s.DocumentNames, s.AccessTypes} {
		if set != nil && len(set) == 0 {
			return true
		}
	}

	return false
}
