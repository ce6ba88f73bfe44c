// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"strings"
	"sync"
	"unicode"
)

// An owner is the ARN that SSM records for the identity that started a session. The
// shapes below are those that SSM is known to record, and those that people write by
// mistake. A pattern is held against them as one language against another: it fits a
// shape if some string matches both.

// maxOwnerLength is how many characters the API allows in an owner.
const maxOwnerLength = 256

// anyPartition stands for every partition, also for ones that are yet to come.
const anyPartition = ""

// atom is one place in a shape: a character out of a set.
type atom struct {
	has      func(r rune) bool
	example  rune // One character of the set.
	optional bool // The place may be left out.
	repeats  bool // The place may be taken any number of times.
}

// shape is what a kind of owner looks like, place by place.
type shape []atom

// literal returns the shape of a fixed text.
func literal(text string) shape {
	var out shape
	for _, want := range text {
		out = append(out, atom{has: func(r rune) bool { return r == want }, example: want})
	}

	return out
}

// run returns the shape of a text of least to most characters of a set.
func run(has func(rune) bool, example rune, least, most int) shape {
	var out shape
	for i := range most {
		out = append(out, atom{has: has, example: example, optional: i >= least})
	}

	return out
}

// endless returns the shape of a text of one character of a set or more.
func endless(has func(rune) bool, example rune) shape {
	return shape{{has: has, example: example, repeats: true}}
}

// optional returns a shape of one place that may be left out.
func optional(of shape) shape {
	of[0].optional = true

	return of
}

// in returns the set of letters and digits, and some more characters.
func in(more string) func(rune) bool {
	return func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(more, r)
	}
}

var (
	nameCharacter      = in("_+=,.@-")
	pathCharacter      = in("_+=,.@-/")
	digit              = func(r rune) bool { return '0' <= r && r <= '9' }
	partitionCharacter = func(r rune) bool { return 'a' <= r && r <= 'z' || r == '-' }
	notColon           = func(r rune) bool { return r != ':' }
)

// name is a name of IAM: of a user, or of a role.
func name() shape { return run(nameCharacter, 'a', 1, 64) }

// partitionShape returns the shape of a partition's name.
func partitionShape(partition string) shape {
	if partition != anyPartition {
		return literal(partition)
	}

	return join(literal("aws"), optional(endless(partitionCharacter, '-')))
}

// accountShape returns the shape of an account's number; empty stands for any.
func accountShape(account string) shape {
	if account != "" {
		return literal(account)
	}

	return run(digit, '1', 12, 12)
}

// join puts shapes one after the other.
func join(shapes ...shape) shape {
	var out shape
	for _, s := range shapes {
		out = append(out, s...)
	}

	return out
}

// recordedShapes are the shapes of owners that SSM is known to record, of a partition
// and an account, each of which may be any.
func recordedShapes(partition, account string) []shape {
	of := func(service string, resource ...shape) shape {
		head := join(literal("arn:"), partitionShape(partition), literal(":"+service+"::"), accountShape(account), literal(":"))

		return join(head, join(resource...))
	}

	return []shape{
		of("iam", literal("root")),
		of("iam", literal("user/"), name()),
		of("iam", literal("user/"), endless(pathCharacter, 'p'), literal("/"), name()),
		of("sts", literal("assumed-role/"), name(), literal("/"), run(nameCharacter, 's', 2, 64)),
		of("sts", literal("federated-user/"), run(nameCharacter, 'f', 2, 32)),
	}
}

// mistake is a shape that no owner has, and why it is written all the same.
type mistake struct {
	shape shape
	why   string
}

// mistakes are the shapes of ARNs that are taken for owners, and are none.
var mistakes = sync.OnceValue(func() []mistake {
	const (
		role        = "names a role, and no session is owned by a role: SSM records the role session"
		noSession   = "lacks the name of the role session, which is part of every owner"
		rolePath    = "has a path in it, and SSM records the sessions of a role without the role's path"
		wrongOfRole = "names a role session under iam, and SSM records it under sts"
		group       = "names a group, and no session is owned by a group: SSM records the user"
		policy      = "names a policy, and no session is owned by a policy: SSM records the identity"
		profile     = "names an instance profile, and no session is owned by one: SSM records the role session"
	)
	of := func(service string, resource ...shape) shape {
		head := join(literal("arn:"), partitionShape(anyPartition), literal(":"+service+":"), optional(endless(nameCharacter, 'r')),
			literal(":"), optional(endless(nameCharacter, '1')), literal(":"))

		return join(head, join(resource...))
	}
	some := func() shape { return endless(pathCharacter, 'a') }
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
		mistake{of("sts", literal("assumed-role/"), optional(endless(nameCharacter, 'a'))), noSession},
		mistake{of("sts", literal("assumed-role/"), optional(endless(nameCharacter, 'a')), literal("/")), noSession},
		mistake{of("sts", literal("assumed-role"), optional(literal("/"))), noSession},
		mistake{of("iam", literal("assumed-role/"), perhaps()), wrongOfRole},
		mistake{of("sts", literal("assumed-role/"), some(), literal("/"), some(), literal("/"), perhaps()), rolePath},
	)
})

// anyARN is the shape of every ARN.
var anyARN = sync.OnceValue(func() shape {
	anything := func(rune) bool { return true }
	part := func() shape { return optional(endless(notColon, 'a')) }

	return join(literal("arn:"), part(), literal(":"), part(), literal(":"), part(), literal(":"), part(), literal(":"), endless(anything, 'a'))
})

// fitsAny returns a string that matches both a pattern and one of the shapes.
func fitsAny(pattern string, shapes []shape) (example string, ok bool) {
	for _, s := range shapes {
		if example, ok = fits(pattern, s); ok {
			return example, true
		}
	}

	return "", false
}

// fits returns the shortest string that matches both a pattern, in which * stands for
// any run of characters, and a shape. It searches the pairs of places in the two that
// can be reached, and takes no more than the product of their lengths.
func fits(pattern string, s shape) (example string, ok bool) {
	glob := []rune(pattern)
	if len(glob)-strings.Count(pattern, "*") > maxOwnerLength {
		return "", false
	}

	type step struct {
		from int
		by   rune // Zero if no character was taken.
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
		reach := func(to *[]int, at, from int, by rune) {
			if reached[at].from < 0 {
				reached[at] = step{from, by}
				*to = append(*to, at)
			}
		}
		// The places that are reached without a character come to this level.
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
			by, after := s[p].example, g
			if glob[g] != '*' {
				if by, after = glob[g], g+1; !s[p].has(by) {
					continue
				}
			}
			reach(&next, after*width+p+1, at, by)
			if s[p].repeats {
				reach(&next, after*width+p, at, by)
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

	var taken []rune
	for at := goal; at != 0; at = reached[at].from {
		if reached[at].by != 0 {
			taken = append(taken, reached[at].by)
		}
	}
	for i, j := 0, len(taken)-1; i < j; i, j = i+1, j-1 {
		taken[i], taken[j] = taken[j], taken[i]
	}

	return string(taken), true
}

// invisible reports whether a character is white space, or a mark of an editor that
// cannot be seen: a space without width, a byte order mark.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff'
}

// sampleOwners are owners of every shape, of one partition and account. Their names
// have nothing in common that the names of others lack.
func sampleOwners(partition, account string) []string {
	var owners []string
	for _, resource := range []string{
		"iam::%:root",
		"iam::%:user/q",
		"iam::%:user/7+7",
		"iam::%:user/q/q",
		"sts::%:assumed-role/q/qq",
		"sts::%:assumed-role/7+7/7+7",
		"sts::%:federated-user/qq",
		"sts::%:federated-user/7+7",
	} {
		owners = append(owners, "arn:"+partition+":"+strings.Replace(resource, "%", account, 1))
	}

	return owners
}

// partitions are those that AWS has.
var partitions = []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"}

// matchEveryOwner reports whether patterns together match every owner that an account
// can have. It is the account that they name, or any.
func matchEveryOwner(patterns []string) bool {
	accounts := map[string]bool{"000000000000": true}
	for _, pattern := range patterns {
		for _, part := range strings.FieldsFunc(pattern, func(r rune) bool { return !digit(r) }) {
			if len(part) == 12 {
				accounts[part] = true
			}
		}
	}
	for _, partition := range partitions {
		for account := range accounts {
			every := true
			for _, owner := range sampleOwners(partition, account) {
				every = every && anyPattern(patterns, owner)
			}
			if every {
				return true
			}
		}
	}

	return false
}
