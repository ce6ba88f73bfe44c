// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// An owner is the ARN that SSM records for the identity that started a session. The
// shapes below are the known forms of owners, and forms that people write by mistake. A
// pattern fits a shape if some string matches both.

// maxOwnerLength is the maximum length of an owner in the API, in characters.
const maxOwnerLength = 256

// anyPartition means every partition, including future ones.
const anyPartition = ""

// position is one position in a shape. It accepts one character of a set.
type position struct {
	has      func(r rune) bool
	example  rune // One character of the set.
	optional bool // The position may be skipped.
	repeats  bool // The position may be used any number of times.
}

// shape is the form of a kind of ARN, as a sequence of positions.
type shape []position

// literal returns the shape of a fixed text.
func literal(text string) shape {
	var out shape
	for _, want := range text {
		out = append(out, position{has: func(r rune) bool { return r == want }, example: want})
	}

	return out
}

// repeated returns the shape of a text with least to most characters of a set.
func repeated(has func(rune) bool, example rune, least, most int) shape {
	var out shape
	for i := range most {
		out = append(out, position{has: has, example: example, optional: i >= least})
	}

	return out
}

// oneOrMore returns the shape of one or more characters of a set.
func oneOrMore(has func(rune) bool, example rune) shape {
	return shape{{has: has, example: example, repeats: true}}
}

// optional makes the first position of a shape optional.
func optional(of shape) shape {
	of[0].optional = true

	return of
}

// nameCharacters are the characters of the names of IAM users, roles and role sessions.
const nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-"

var (
	nameCharacter      = func(r rune) bool { return strings.ContainsRune(nameCharacters, r) }
	pathCharacter      = func(r rune) bool { return r == '/' || nameCharacter(r) }
	digit              = func(r rune) bool { return '0' <= r && r <= '9' }
	partitionCharacter = func(r rune) bool { return 'a' <= r && r <= 'z' || r == '-' }
	notColon           = func(r rune) bool { return r != ':' }
)

// iamName returns the shape of the name of an IAM user or role.
func iamName() shape { return repeated(nameCharacter, 'a', 1, 64) }

// partitionShape returns the shape of a partition's name.
func partitionShape(partition string) shape {
	if partition != anyPartition {
		return literal(partition)
	}

	return concat(literal("aws"), optional(oneOrMore(partitionCharacter, '-')))
}

// accountShape returns the shape of an account number. Empty means any account.
func accountShape(account string) shape {
	if account != "" {
		return literal(account)
	}

	return repeated(digit, '1', 12, 12)
}

// concat concatenates shapes.
func concat(shapes ...shape) shape {
	var out shape
	for _, s := range shapes {
		out = append(out, s...)
	}

	return out
}

// recordedShapes returns the known shapes of owners in a partition and an account. Both
// can be "any".
func recordedShapes(partition, account string) []shape {
	of := func(service string, resource ...shape) shape {
		head := concat(literal("arn:"), partitionShape(partition), literal(":"+service+"::"), accountShape(account), literal(":"))

		return concat(head, concat(resource...))
	}

	return []shape{
		of("iam", literal("root")),
		of("iam", literal("user/"), iamName()),
		of("iam", literal("user/"), oneOrMore(pathCharacter, 'p'), literal("/"), iamName()),
		of("sts", literal("assumed-role/"), iamName(), literal("/"), repeated(nameCharacter, 's', 2, 64)),
		of("sts", literal("federated-user/"), repeated(nameCharacter, 'f', 2, 32)),
	}
}

// mistake is a shape that no owner has, and an explanation.
type mistake struct {
	shape shape
	why   string
}

// mistakes are shapes of ARNs that people confuse with owners.
var mistakes = sync.OnceValue(func() []mistake {
	const (
		role        = "names a role, but roles do not own sessions: SSM records the role session"
		noSession   = "lacks the name of the role session, which is part of every owner"
		rolePath    = "contains a path, but SSM records the sessions of a role without the role's path"
		wrongOfRole = "names a role session under iam, but SSM records it under sts"
		group       = "names a group, but groups do not own sessions: SSM records the user"
		policy      = "names a policy, but policies do not own sessions: SSM records the identity"
		profile     = "names an instance profile, but instance profiles do not own sessions: SSM records the role session"
	)
	of := func(service string, resource ...shape) shape {
		head := concat(literal("arn:"), partitionShape(anyPartition), literal(":"+service+":"), optional(oneOrMore(nameCharacter, 'r')),
			literal(":"), optional(oneOrMore(nameCharacter, '1')), literal(":"))

		return concat(head, concat(resource...))
	}
	some := func() shape { return oneOrMore(pathCharacter, 'a') }
	perhaps := func() shape { return optional(some()) }

	var out []mistake
	for _, service := range []string{"iam", "sts"} {
		for _, kind := range []struct{ prefix, why string }{
			{"role/", role}, {"group/", group}, {"policy/", policy}, {"instance-profile/", profile},
		} {
			out = append(out, mistake{of(service, literal(kind.prefix), perhaps()), kind.why})
		}
	}

	return append(out,
		mistake{of("sts", literal("assumed-role/"), optional(oneOrMore(nameCharacter, 'a'))), noSession},
		mistake{of("sts", literal("assumed-role/"), optional(oneOrMore(nameCharacter, 'a')), literal("/")), noSession},
		mistake{of("sts", literal("assumed-role"), optional(literal("/"))), noSession},
		mistake{of("iam", literal("assumed-role/"), perhaps()), wrongOfRole},
		mistake{of("sts", literal("assumed-role/"), some(), literal("/"), some(), literal("/"), perhaps()), rolePath},
	)
})

// anyARN is the shape of every ARN.
var anyARN = sync.OnceValue(func() shape {
	anything := func(rune) bool { return true }
	part := func() shape { return optional(oneOrMore(notColon, 'a')) }

	return concat(literal("arn:"), part(), literal(":"), part(), literal(":"), part(), literal(":"), part(), literal(":"), oneOrMore(anything, 'a'))
})

// unusualPath is the shape of a user whose path has other characters than names have.
var unusualPath = sync.OnceValue(func() shape {
	visible := func(r rune) bool { return '!' <= r && r <= '~' }

	return concat(literal("arn:"), partitionShape(anyPartition), literal(":iam::"), accountShape(""), literal(":user/"), oneOrMore(visible, 'p'), literal("/"), iamName())
})

// knownServices are the shapes of the ARNs of the services whose identities own sessions.
var knownServices = sync.OnceValue(func() []shape {
	anything := func(rune) bool { return true }
	of := func(service string) shape {
		return concat(literal("arn:"), optional(oneOrMore(notColon, 'a')), literal(":"+service+":"), oneOrMore(anything, 'a'))
	}

	return []shape{of("iam"), of("sts")}
})

// fitsAny returns a string that matches both the pattern and one of the shapes.
func fitsAny(pattern string, shapes []shape) (example string, ok bool) {
	for _, s := range shapes {
		if example, ok = fits(pattern, s); ok {
			return example, true
		}
	}

	return "", false
}

// fits returns the shortest string that matches both a pattern and a shape. In the
// pattern, * stands for any run of characters. It searches the reachable pairs of
// positions, so the time is at most the product of the lengths.
func fits(pattern string, s shape) (example string, ok bool) {
	glob := []rune(pattern)
	if len(glob)-strings.Count(pattern, "*") > maxOwnerLength {
		return "", false
	}

	type step struct {
		from int
		char rune // Zero if the step uses no character.
	}
	var (
		width   = len(s) + 1
		goal    = len(glob)*width + len(s)
		reached = make([]step, (len(glob)+1)*width)
		level   = []int{0}
	)
	for i := range reached {
		reached[i].from = -1
	}
	reached[0].from = 0

	for length := 0; length <= maxOwnerLength && len(level) > 0; length++ {
		var next []int
		reach := func(to *[]int, at, from int, char rune) {
			if reached[at].from < 0 {
				reached[at] = step{from, char}
				*to = append(*to, at)
			}
		}
		// Steps that use no character stay on this level.
		for i := 0; i < len(level); i++ {
			g, p := level[i]/width, level[i]%width
			if g < len(glob) && glob[g] == '*' {
				reach(&level, (g+1)*width+p, level[i], 0)
			}
			if p < len(s) && s[p].optional {
				reach(&level, g*width+p+1, level[i], 0)
			}
		}
		for _, at := range level {
			g, p := at/width, at%width
			if p == len(s) || g == len(glob) {
				continue
			}
			char, after := s[p].example, g
			if glob[g] != '*' {
				if char, after = glob[g], g+1; !s[p].has(char) {
					continue
				}
			}
			reach(&next, after*width+p+1, at, char)
			if s[p].repeats {
				reach(&next, after*width+p, at, char)
			}
		}
		if reached[goal].from >= 0 {
			break
		}
		level = next
	}
	if reached[goal].from < 0 {
		return "", false
	}

	var chars []rune
	for at := goal; at != 0; at = reached[at].from {
		if reached[at].char != 0 {
			chars = append(chars, reached[at].char)
		}
	}
	for i, j := 0, len(chars)-1; i < j; i, j = i+1, j-1 {
		chars[i], chars[j] = chars[j], chars[i]
	}

	return string(chars), true
}

// invisible reports whether a character is white space, or only formats
// text, such as a zero-width space or a byte order mark.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// partitions are the AWS partitions.
var partitions = []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"}

// EveryAccount stands for the number of every account.
const EveryAccount = "*"

// ownerForms are the forms of owners, split at the account. The names are a *, which no
// pattern contains as a character. If a pattern matches such a text, its wildcards match
// the names, and so it matches every owner of the form.
var ownerForms = []struct{ service, resource string }{
	{"iam", "user/*"},
	{"iam", "user/*/*"},
	{"sts", "assumed-role/*/**"},
	{"sts", "federated-user/**"},
	{"iam", "root"},
}

// matchEveryOwner reports whether the patterns together match every owner of an account.
// If the account is empty, any one account counts. EveryAccount means that the patterns
// match every owner of every account.
func matchEveryOwner(patterns []string, account string) bool {
	return slices.ContainsFunc(partitions, func(partition string) bool {
		if account == "" {
			return matchAllOf(patterns, partition, EveryAccount) || matchSomeAccount(patterns, partition)
		}

		return matchAllOf(patterns, partition, account)
	})
}

// matchAllOf reports whether the patterns together match every owner of an account and
// its partition.
func matchAllOf(patterns []string, partition, account string) bool {
	for _, form := range ownerForms {
		owner := "arn:" + partition + ":" + form.service + "::" + account + ":" + form.resource
		if anyPattern(patterns, owner) {
			continue
		}
		// One pattern for each character of names has the same effect.
		for _, char := range nameCharacters {
			name := strings.ReplaceAll(form.resource, "*", string(char))
			if !anyPattern(patterns, strings.TrimSuffix(owner, form.resource)+name) {
				return false
			}
		}
	}

	return true
}

// matchSomeAccount reports whether there is an account whose owners the patterns all
// match. It tries the digits of the account one by one. If the search takes too long, it
// reports true.
func matchSomeAccount(patterns []string, partition string) bool {
	const (
		digits = 12
		most   = 1000 // Tries.
	)

	var (
		tries  int
		search func(account string) bool
	)
	search = func(account string) bool {
		if tries++; tries > most {
			return true
		}
		for _, form := range ownerForms {
			rest := digits - len(account)
			owners := concat(literal("arn:"+partition+":"+form.service+"::"+account), repeated(digit, '0', rest, rest), literal(":"+form.resource))
			names := strings.HasSuffix(form.resource, "*")
			if !slices.ContainsFunc(patterns, func(pattern string) bool {
				if names && !strings.HasSuffix(pattern, "*") {
					return false
				}
				_, ok := fits(pattern, owners)

				return ok
			}) {
				return false
			}
		}

		return len(account) == digits || strings.ContainsFunc("0123456789", func(next rune) bool { return search(account + string(next)) })
	}

	return search("")
}
