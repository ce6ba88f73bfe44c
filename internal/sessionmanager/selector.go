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

// Selector selects sessions. A session matches if it meets every condition and no
// exclusion. One value of a set is enough to meet its condition. A nil set is no
// condition, an empty set matches nothing.
type Selector struct {
	Targets       []string
	Owners        []string // ARNs. * matches any run of characters.
	DocumentNames []string
	AccessTypes   []string
	OlderThan     *time.Duration // Minimum time since the start, by the service's clock.
	StartedAfter  time.Time      // Inclusive. Zero for no condition.
	StartedBefore time.Time      // Exclusive. Zero for no condition.

	// FoldOwners makes Owners ignore case. SSM does not ignore it. The option serves
	// to find out whether case is the reason for an empty result.
	FoldOwners bool

	ExcludeOwners     []string // Patterns, like Owners.
	ExcludeSessionIDs []string
}

// Matches reports whether a session matches at a time of the service's clock. If the
// session lacks a field, a condition on that field fails, and an exclusion on it
// excludes the session.
func (s Selector) Matches(session Session, now time.Time) bool {
	return s.meets(session, now) && !s.excludes(session)
}

// meets reports whether a session meets every condition.
func (s Selector) meets(session Session, now time.Time) bool {
	started := session.StartDate

	return meets(s.Targets, session.Target) &&
		(s.Owners == nil || s.anyOwner(session.Owner)) &&
		meets(s.DocumentNames, session.DocumentName) &&
		meets(s.AccessTypes, session.AccessType) &&
		// The beginning of 1970 stands for no time.
		(s.OlderThan == nil || started.Unix() > 0 && now.Sub(started) >= *s.OlderThan) &&
		(s.StartedAfter.IsZero() || !started.IsZero() && !started.Before(s.StartedAfter)) &&
		(s.StartedBefore.IsZero() || !started.IsZero() && started.Before(s.StartedBefore))
}

// excludes reports whether an exclusion spares a session.
func (s Selector) excludes(session Session) bool {
	return len(s.ExcludeOwners) > 0 && (session.Owner == "" || anyPattern(s.ExcludeOwners, session.Owner)) ||
		len(s.ExcludeSessionIDs) > 0 && (session.SessionID == "" || slices.Contains(s.ExcludeSessionIDs, session.SessionID))
}

// Unmatched returns a selector with the values that match none of the sessions. A set is
// nil if each of its values matches.
func (s Selector) Unmatched(sessions []Session) Selector {
	unmatched := func(values []string, patterns bool, field func(Session) string) []string {
		texts := make(map[string]bool)
		for _, session := range sessions {
			texts[field(session)] = true
		}

		var out []string
		for _, value := range values {
			matches := texts[value]
			if patterns && strings.Contains(value, "*") {
				for text := range texts {
					matches = matches || anyPattern([]string{value}, text)
				}
			}
			if !matches {
				out = append(out, value)
			}
		}

		return out
	}
	owner := func(session Session) string { return session.Owner }

	return Selector{
		Targets:           unmatched(s.Targets, false, func(session Session) string { return session.Target }),
		Owners:            unmatched(s.Owners, true, owner),
		DocumentNames:     unmatched(s.DocumentNames, false, func(session Session) string { return session.DocumentName }),
		AccessTypes:       unmatched(s.AccessTypes, false, func(session Session) string { return session.AccessType }),
		ExcludeOwners:     unmatched(s.ExcludeOwners, true, owner),
		ExcludeSessionIDs: unmatched(s.ExcludeSessionIDs, false, func(session Session) string { return session.SessionID }),
	}
}

// ExcludesIgnoringCase reports whether an exclusion would exclude a session if it ignored
// case. SSM does not ignore it.
func (s Selector) ExcludesIgnoringCase(session Session) bool {
	return anyPatternFolded(s.ExcludeOwners, session.Owner) ||
		slices.ContainsFunc(s.ExcludeSessionIDs, func(id string) bool { return strings.EqualFold(id, session.SessionID) })
}

// meets reports whether a field meets its condition.
func meets(wanted []string, value string) bool {
	return wanted == nil || value != "" && slices.Contains(wanted, value)
}

// anyOwner reports whether an owner meets the condition on owners.
func (s Selector) anyOwner(owner string) bool {
	if !s.FoldOwners {
		return anyPattern(s.Owners, owner)
	}

	return anyPatternFolded(s.Owners, owner)
}

// anyPattern reports whether an owner matches one of the patterns.
func anyPattern(patterns []string, owner string) bool {
	return owner != "" && slices.ContainsFunc(patterns, func(pattern string) bool {
		return matchPattern(pattern, owner)
	})
}

// anyPatternFolded is anyPattern without regard to case.
func anyPatternFolded(patterns []string, owner string) bool {
	return owner != "" && slices.ContainsFunc(patterns, func(pattern string) bool {
		return matchPattern(strings.ToLower(pattern), strings.ToLower(owner))
	})
}

// matchPattern reports whether a pattern matches the whole string. In the pattern, *
// matches any run of characters. The time is at most the product of the lengths.
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

// ErrNoCondition: a selector for ending sessions has no narrowing condition.
var ErrNoCondition = errors.New("no condition narrows down the sessions to end")

// minAge is the smallest age that narrows down a selection.
const minAge = time.Minute

// RequireCondition returns ErrNoCondition if the selector matches practically every
// session of an account that is not excluded. Patterns for every owner, all access types
// together and an age below one minute are not narrowing. If the account is empty, the
// patterns must not match every owner of any account. EveryAccount accepts patterns that
// match every owner of only some accounts.
func (s Selector) RequireCondition(account string) error {
	switch {
	case s.Targets != nil, s.DocumentNames != nil:
		return nil
	case s.Owners != nil && !matchEveryOwner(s.Owners, account):
		return nil
	case s.AccessTypes != nil && !containsAll(s.AccessTypes, AccessTypes()):
		return nil
	case s.OlderThan != nil && *s.OlderThan >= minAge:
		return nil
	case !s.StartedAfter.IsZero(), !s.StartedBefore.IsZero():
		return nil
	default:
		return ErrNoCondition
	}
}

// containsAll reports whether a set contains all values.
func containsAll(set, values []string) bool {
	return !slices.ContainsFunc(values, func(value string) bool { return !slices.Contains(set, value) })
}

// Equal reports whether two selectors select the same sessions. The order of values
// does not matter.
func (s Selector) Equal(other Selector) bool {
	same := func(a, b []string) bool {
		return (a == nil) == (b == nil) && containsAll(a, b) && containsAll(b, a)
	}
	age := (s.OlderThan == nil) == (other.OlderThan == nil) && (s.OlderThan == nil || *s.OlderThan == *other.OlderThan)

	return age && same(s.Targets, other.Targets) && same(s.Owners, other.Owners) &&
		same(s.DocumentNames, other.DocumentNames) && same(s.AccessTypes, other.AccessTypes) &&
		s.StartedAfter.Equal(other.StartedAfter) && s.StartedBefore.Equal(other.StartedBefore) &&
		// A nil exclusion set and an empty one mean the same.
		containsAll(s.ExcludeOwners, other.ExcludeOwners) && containsAll(other.ExcludeOwners, s.ExcludeOwners) &&
		containsAll(s.ExcludeSessionIDs, other.ExcludeSessionIDs) && containsAll(other.ExcludeSessionIDs, s.ExcludeSessionIDs)
}

// filters returns the selector's filter for DescribeSessions. The filter only shortens
// the listing, and every condition is checked again. There is at most one filter, because
// the service's way to combine filters is undocumented.
func (s Selector) filters() []types.SessionFilter {
	const (
		day     = 24 * time.Hour
		longest = 400 // Maximum length of a filter's value in the API, in characters.
	)

	filter := func(key types.SessionFilterKey, value string) []types.SessionFilter {
		return []types.SessionFilter{{Key: key, Value: aws.String(value)}}
	}
	// The service's filter may have the precision of a day.
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

// EmptySet returns the first condition whose set is empty, or "". An empty set matches
// nothing, so nobody needs to look.
func (s Selector) EmptySet() Field {
	for _, condition := range []struct {
		field  Field
		values []string
	}{
		{FieldTargets, s.Targets}, {FieldOwners, s.Owners}, {FieldDocumentNames, s.DocumentNames}, {FieldAccessTypes, s.AccessTypes},
	} {
		if condition.values != nil && len(condition.values) == 0 {
			return condition.field
		}
	}

	return ""
}

// matchesNothing reports whether no session can match.
func (s Selector) matchesNothing() bool { return s.EmptySet() != "" }
