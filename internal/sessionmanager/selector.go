// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
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

	ExcludeOwners     []string // As Owners.
	ExcludeSessionIDs []string
}

// Matches reports whether a session is meant, at a time of the service's clock.
// A condition on a field that the session lacks does not hold; an exclusion on
// one spares the session.
func (s Selector) Matches(session Session, now time.Time) bool {
	started := session.StartDate

	return oneOf(s.Targets, session.Target) &&
		(s.Owners == nil || anyPattern(s.Owners, session.Owner)) &&
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

// RequireCondition returns ErrNoCondition if the selector would match whatever
// there is, exclusions apart.
func (s Selector) RequireCondition() error {
	switch {
	case s.Targets != nil, s.DocumentNames != nil, s.AccessTypes != nil:
		return nil
	case s.Owners != nil && !slices.ContainsFunc(s.Owners, matchesAll):
		return nil
	case s.OlderThan != nil && *s.OlderThan > 0:
		return nil
	case !s.StartedAfter.IsZero(), !s.StartedBefore.IsZero():
		return nil
	default:
		return ErrNoCondition
	}
}

// anyOwners are owners of every kind, with nothing in common but what all owners share.
var anyOwners = []string{
	"arn:aws:iam::000000000000:root",
	"arn:aws-cn:iam::111111111111:user/a",
	"arn:aws-us-gov:sts::222222222222:assumed-role/b/c",
	"arn:aws-eusc:sts::333333333333:federated-user/d",
}

// matchesAll reports whether a pattern matches whatever owner there is.
func matchesAll(pattern string) bool {
	return !slices.ContainsFunc(anyOwners, func(owner string) bool { return !matchPattern(pattern, owner) })
}

var iamRoleShape = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:([^:]*):iam::([^:]*):role/(?:.*/)?([^/]*)$`)
})

// CheckOwner returns an error if a pattern can never match an owner, which SSM
// records as the ARN of the identity that started the session.
func CheckOwner(pattern string) error {
	if role := iamRoleShape().FindStringSubmatch(pattern); role != nil {
		if strings.Trim(role[3], "*") == "" {
			// Whoever copies the suggestion must not select everybody's roles.
			role[3] = "ROLE_NAME"
		}

		return fmt.Errorf("%q is the ARN of a role, and no session is owned by a role: SSM records the role session. Use \"arn:%s:sts::%s:assumed-role/%s/*\" for all sessions of the role",
			pattern, role[1], role[2], role[3])
	}

	literal, _, wildcard := strings.Cut(pattern, "*")
	switch {
	case pattern == "":
		return errors.New("an empty owner matches no session")
	case wildcard && (strings.HasPrefix(literal, "arn:") || strings.HasPrefix("arn:", literal)):
		return nil
	case !wildcard && arn.IsARN(pattern):
		return nil
	default:
		return fmt.Errorf("%q matches no owner: SSM records owners as ARNs. Use one such as \"arn:aws:sts::123456789012:assumed-role/Operator/mary\", or a pattern such as \"*/mary\"", pattern)
	}
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
	case len(s.Owners) == 1 && !strings.Contains(s.Owners[0], "*") && utf8.RuneCountInString(s.Owners[0]) <= longest:
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
