// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// judgeOne returns the verdict on one value and the text of the finding.
func judgeOne(field sessionmanager.Field, value string, place sessionmanager.Place) (verdict, text string) {
	findings := sessionmanager.Judge(field, []string{value}, false, place)
	switch {
	case len(findings) == 0:
		return "fine", ""
	case findings[0].Refused:
		verdict = "error"
	default:
		verdict = "warning"
	}

	return verdict, findings[0].Summary + "\n" + findings[0].Detail
}

func TestJudge_owners(t *testing.T) {
	t.Parallel()

	const (
		fine, noARN, unusual = "fine", "error: SSM records owners as ARNs", "warning: has a shape that SSM is not known to record"
		space                = "error: White Space Around Value"
		aSpace               = "error: it contains a space, and no owner does"
	)
	place := sessionmanager.Place{Partition: "aws", Account: "123456789012"}
	gov := sessionmanager.Place{Partition: "aws-us-gov", Account: "123456789012"}
	for name, tc := range map[string]struct {
		place    sessionmanager.Place
		patterns map[string]string // The expected verdict and part of its text.
	}{
		"owners and patterns": {place, map[string]string{
			ownerMary:                             fine,
			ownerRoot:                             fine,
			"arn:aws:iam::123456789012:user/mary": fine,
			"arn:aws:iam::123456789012:user/ops/eu/mary":            fine,
			"arn:aws:sts::123456789012:federated-user/mary":         fine,
			"arn:aws:sts::123456789012:assumed-role/AWSSSO_0/m@ex.": fine,
			"*":                            fine,
			"**":                           fine,
			"*/mary":                       fine,
			"*mary*":                       fine,
			"a*":                           fine,
			"arn:*":                        fine,
			"arn:aws:*":                    fine,
			"*:assumed-role/*":             fine,
			"*role/Emergency/*":            fine,
			"*assumed-role/Emergency*":     fine,
			"*/Emergency":                  fine,
			"arn:aws:iam::*:user/role/*":   fine,
			"arn:*:sts::*1234*:*-role/O*":  fine,
			"arn:aws:sts::*:assumed-role*": fine,
			"arn:aws:iam::123456789012:user/" + strings.Repeat("x", 64): fine,
		}},
		"not an ARN": {place, map[string]string{
			"mary": noARN, "Operator/mary": noARN, "123456789012": noARN, "AIDACKCEVSQ6C2EXAMPLE": noARN,
			"mary*": noARN, "b*": noARN, "ARN:*": noARN, "Arn:aws:iam::123456789012:x/": noARN, "arn/*": noARN,
			"aarn:*": noARN, "arn:": noARN, "arn:aws:sts:": noARN, "arn": noARN, "https://example.com/*": noARN,
		}},
		"white space": {place, map[string]string{
			ownerMary + " ": space, ownerMary + "\n": space, "\t" + ownerMary: space, "\ufeff" + ownerMary: space, "*/mary\r\n": space,
			"*/mary\u200b": space, " ": space, "* ": space,
			"*/mary\u2060": "error: ends with the invisible character U+2060", "\u00ad*/mary": "error: the invisible character U+00AD",
			"*/mary\r": "error: ends with a line break", "*/mary\u00a0": "error: ends with white space", "*/mary\x00": "error: U+0000",
		}},
		"characters": {place, map[string]string{
			"arn:aws:iam::123456789012:user/mary major": aSpace,
			"*Mary Major*":                                aSpace,
			"arn:aws:iam::123456789012:user/bo?":          `error: it contains the character "?", and no owner does`,
			"*:user/bob[12]":                              `error: it contains the character "["`,
			"arn:aws:iam::123456789012:user/bob%2Fx":      `error: it contains "%2F"`,
			"arn:aws:iam::123456789012:user/100%":         `error: it contains the character "%"`,
			"*:user/b\u2060ob":                            "error: it contains the character U+2060",
			"arn:aws:iam::123456789012:user/b\u00adob":    "error: it contains the character U+00AD",
			"arn:aws:iam::123456789012:user/b\u043eb":     "error: it contains the character U+043E",
			"*/M\u00e4ry":                                 "error: it contains the character U+00E4",
			"arn:aws:sts::*:assumed-role/Ops|Emergency/*": `error: it contains the character "|"`,
			"arn:aws:iam::123456789012:user/a?b/mary":     `warning: contains the character "?", which only the path of a user can contain`,
			"*:user/team%2F*":                             `warning: contains "%2F", which only the path of a user can contain`,
			"arn:aws:identitystore:::user/mary major":     unusual,
			"arn:aws:lambda:us-east-1:123456789012:a?":    unusual,
		}},
		"an account without 12 digits": {place, map[string]string{
			"arn:aws:iam::12345:user/mary":                    `error: use "arn:aws:iam::*:user/mary" for every account`,
			"arn:aws:iam::.*:user/mary":                       "error: does not have 12 digits",
			"arn:aws:iam::123456789012?:user/mary":            "error: does not have 12 digits",
			"arn:aws:iam::1234-5678-9012:root":                "error: does not have 12 digits",
			"arn:aws:sts::12345*67890123:federated-user/mary": "error: does not have 12 digits",
		}},
		"roles": {place, map[string]string{
			"arn:aws:iam::123456789012:role/Operator":                 `error: "arn:aws:sts::123456789012:assumed-role/Operator/*"`,
			"arn:aws:iam::123456789012:role/ops/eu/Operator":          `error: "arn:aws:sts::123456789012:assumed-role/Operator/*"`,
			"arn:aws:iam::*:role/Oper*":                               `error: "arn:aws:sts::*:assumed-role/Oper*/*"`,
			"arn:*:iam::*:role/Operator":                              `error: "arn:*:sts::*:assumed-role/Operator/*"`,
			"arn:aws:iam::*:role/*":                                   `error: "arn:aws:sts::*:assumed-role/ROLE_NAME/*"`,
			"*:role/Emergency":                                        `error: "arn:*:sts::*:assumed-role/Emergency/*"`,
			"arn:aws:sts::123456789012:assumed-role/Emergency":        `error: "arn:aws:sts::123456789012:assumed-role/Emergency/*"`,
			"arn:aws:sts::123456789012:assumed-role/Emergency/":       `error: "arn:aws:sts::123456789012:assumed-role/Emergency/*"`,
			"arn:aws:sts::123456789012:assumed-role/":                 `error: assumed-role/ROLE_NAME/*`,
			"arn:aws:sts::123456789012:assumed-role/team/Emergency/*": `error: "arn:aws:sts::123456789012:assumed-role/Emergency/*"`,
			"arn:aws:iam::123456789012:assumed-role/Emergency/mary":   `error: "arn:aws:sts::123456789012:assumed-role/Emergency/mary"`,
			"arn:aws-cn:iam::123456789012:role/Operator":              `error: "arn:aws:sts::123456789012:assumed-role/Operator/*"`,
			"arn:aws:sts::123456789012:role/Operator":                 `error: names a role`,
			"arn:aws:sts::1234567890123:assumed-role/Emergency/*":     `error: does not have 12 digits`,
			"arn:aws:sts::12345:assumed-role/Emer*/*":                 `error: "arn:aws:sts::*:assumed-role/Emer*/*"`,
		}},
		"other identities": {place, map[string]string{
			"arn:aws:iam::123456789012:group/Emergency":            "error: names a group",
			"arn:aws:iam::*:policy/Emergency":                      "error: names a policy",
			"arn:aws:iam::aws:policy/AdministratorAccess":          "error: names a policy",
			"arn:aws:iam::123456789012:instance-profile/Emergency": "error: names an instance profile",
		}},
		"other shapes": {place, map[string]string{
			"arn:aws:iam::123456789012:user/":                           unusual,
			"arn:aws:sts::123456789012:user/mary":                       unusual,
			"arn:aws:lambda:us-east-1:123456789012:*":                   unusual,
			"arn:aws:identitystore::123456789012:user/mary":             unusual,
			"arn:aws:iam::123456789012:user/" + strings.Repeat("x", 65): unusual,
			strings.Repeat("a*", 300):                                   noARN,
		}},
		"another account": {place, map[string]string{
			"arn:aws:iam::210987654321:user/mary":            "warning: no owner of account 123456789012",
			"arn:*:sts::210987654321:assumed-role/Ops/*":     "warning: no owner of account 123456789012",
			"*:210987654321:*":                               "warning: no owner of account 123456789012",
			"arn:*:sts::12345678901*:assumed-role/Ops/*":     fine,
			"arn:*:sts::123*012:assumed-role/210987654321/*": fine,
		}},
		"another partition": {gov, map[string]string{
			"arn:aws:sts::*:assumed-role/*/mary":         `error: Use "arn:aws-us-gov:sts::*:assumed-role/*/mary", or "arn:*:sts::*:assumed-role/*/mary"`,
			"arn:aws:sts::*:assumed-role/BreakGlass/*":   `error: Use "arn:aws-us-gov:sts::*:assumed-role/BreakGlass/*"`,
			"arn:aws-*:sts::*:assumed-role/*/mary":       fine,
			"arn:*:sts::*:assumed-role/*/mary":           fine,
			"arn:aws-us-gov:iam::123456789012:user/mary": fine,
			"arn:aws*:iam::123456789012:user/mary":       fine,
			"arn:aws-cn:iam::123456789012:user/mary":     "error: Owner of Another Partition",
		}},
		"an unknown place": {sessionmanager.Place{}, map[string]string{
			"arn:aws-cn:iam::210987654321:user/mary":   fine,
			"arn:aws-us-gov:iam::123456789012:role/Op": `error: "arn:aws-us-gov:sts::123456789012:assumed-role/Op/*"`,
		}},
	} {
		for pattern, want := range tc.patterns {
			for _, field := range []sessionmanager.Field{sessionmanager.FieldOwners, sessionmanager.FieldExcludeOwners} {
				t.Run(fmt.Sprintf("%s/%.80q/%s", name, pattern, field), func(t *testing.T) {
					t.Parallel()

					verdict, text := judgeOne(field, pattern, tc.place)
					wantVerdict, words, _ := strings.Cut(want, ": ")
					if verdict != wantVerdict || !strings.Contains(text, words) {
						t.Errorf("got %s: %s\nwant %s", verdict, text, want)
					}
					if verdict != "fine" && !strings.Contains(text, fmt.Sprintf("%q", pattern)) && !strings.Contains(text, fmt.Sprintf("%+q", pattern)) {
						t.Errorf("the text does not quote the value: %s", text)
					}
					for _, text := range strings.SplitAfter(text, ".") {
						if field == sessionmanager.FieldExcludeOwners && (strings.Contains(text, "matches no owner:") || strings.Contains(text, "match no session") || strings.Contains(text, "never matches")) {
							t.Errorf("the text is about a condition, not an exclusion: %s", text)
						}
					}
				})
			}
		}
	}
}

func TestJudge_partitions(t *testing.T) {
	t.Parallel()

	place := sessionmanager.Place{Partition: "aws-cn"}
	const ours, theirs = "arn:aws-cn:sts::*:assumed-role/Ops/*", "arn:aws:sts::*:assumed-role/Ops/*"
	for name, tc := range map[string]struct {
		patterns   []string
		incomplete bool
		want       int
	}{
		"one of them fits":                   {[]string{theirs, ours}, false, 0},
		"none fits":                          {[]string{theirs, "arn:aws-eusc:iam::*:root"}, false, 2},
		"an unknown value":                   {[]string{theirs}, true, 0},
		"the matching value has white space": {[]string{theirs, ours + " "}, false, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := sessionmanager.Judge(sessionmanager.FieldOwners, tc.patterns, tc.incomplete, place)
			if len(findings) != tc.want {
				t.Errorf("got %d findings, want %d: %+v", len(findings), tc.want, findings)
			}
		})
	}
}

// No field has empty values. Some fields limit the length, in characters.
func TestJudge_length(t *testing.T) {
	t.Parallel()

	for field, most := range map[sessionmanager.Field]int{
		sessionmanager.FieldTargets: 400, sessionmanager.FieldTarget: 400, sessionmanager.FieldSessionID: 96, sessionmanager.FieldExcludeSessionIDs: 96,
		sessionmanager.FieldOwners: 0, sessionmanager.FieldExcludeOwners: 0, sessionmanager.FieldDocumentNames: 0,
	} {
		t.Run(string(field), func(t *testing.T) {
			t.Parallel()

			if verdict, text := judgeOne(field, "", sessionmanager.Place{Partition: "aws"}); verdict != "error" || !strings.HasPrefix(text, "Empty Value\nThe value is empty, and no ") {
				t.Errorf("an empty value: %s: %s", verdict, text)
			}
			if most == 0 {
				return
			}
			for _, char := range []string{"x", "\u00e9"} {
				if _, text := judgeOne(field, strings.Repeat(char, most), sessionmanager.Place{}); strings.Contains(text, "Too Long") {
					t.Errorf("%d characters: %s", most, text)
				}
				verdict, text := judgeOne(field, strings.Repeat(char, most+1), sessionmanager.Place{})
				if want := fmt.Sprintf("The value has %d characters, and a ", most+1); verdict != "error" || !strings.Contains(text, want) || strings.Contains(text, strings.Repeat(char, 10)) {
					t.Errorf("%d characters: %s: %s", most+1, verdict, text)
				}
			}
		})
	}
}

func TestJudge_values(t *testing.T) {
	t.Parallel()

	for field, values := range map[sessionmanager.Field]map[string]string{
		sessionmanager.FieldTargets: {
			"i-0123456789abcdef0": "fine", "mi-0123456789abcdef0": "fine", "i-01234567": "fine", "i-02573cafcfEXAMPLE": "fine",
			"i-0123456789ABCDEF0":  `warning: Use "i-0123456789abcdef0"`,
			"MI-0123456789ABCDEF0": "warning: Unusual Target",
			"i-0123456789abcdef":   "warning: 8 or 17 hexadecimal digits",
			"i-0123456789abcdef01": "warning: 8 or 17 hexadecimal digits",
			"i-0123456789abcdefg":  "warning: 8 or 17 hexadecimal digits",
			"i-012345678":          "warning: 8 or 17 hexadecimal digits",
			"i-xyz":                "warning: 8 or 17 hexadecimal digits",
			"i-":                   "warning: 8 or 17 hexadecimal digits",
			"mi-01234567":          `warning: and 17 follow "mi-"`,
			"mi-0123456789ABCDEF0": `warning: Use "mi-0123456789abcdef0"`,
			"ecs:cluster_0123456789abcdef_0123456789abcdef-265927825": "fine",
			"sagemaker-cluster:x_group-i-0123456789abcdef0":           "fine",
			"i-0123456789abcdef0\n":                                   `error: Use "i-0123456789abcdef0"`,
			"arn:aws:ec2:us-east-1:123456789012:instance/i-0123":      "warning: Unusual Target",
			"ip-10-0-0-1.ec2.internal":                                "warning: Unusual Target",
			"Mary-Major-07a16060613c408b5":                            "warning: Unusual Target",
			"i-*":                                                     "warning: Unusual Target",
			"ecs:cluster":                                             "warning: Unusual Target",
			"I-0123456789abcdef0":                                     "warning: Unusual Target",
		},
		sessionmanager.FieldTarget: {"i-0000000a": "fine", "i-0000000a ": "error: White Space", "host": "warning: Unusual Target", "i-a": "warning: Unusual Target"},
		sessionmanager.FieldDocumentNames: {
			"SSM-SessionManagerRunShell": "fine", "Shell\n": "error: White Space", "SSM-*": "warning: Unusual Document",
			"arn:aws:ssm:us-east-1:123456789012:document/Shell": "warning: Unusual Document",
		},
		sessionmanager.FieldSessionID: {
			"Mary-Major-07a16060613c408b5": "fine", "a": "fine", "mary@example.com-07a16060613c408b5": "fine",
			"Mary-07a16060613c408b5\n": `error: Use "Mary-07a16060613c408b5"`,
			"i-0123456789abcdef0":      "warning: Node ID",
			"mi-0123456789ABCDEF":      "warning: Node ID",
			"Mary-*":                   `warning: contains the character "*", which is not known to occur`,
			"Mary-07a@us-gov-west-1":   `warning: Use "Mary-07a"`,
			"arn:aws:ssm:us-east-1:123456789012:session/mary-07a": `warning: Use "mary-07a"`,
		},
		sessionmanager.FieldExcludeSessionIDs: {
			"Mary-Major-07a16060613c408b5":                        "fine",
			"Mary-07a16060613c408b5\n":                            "error: White Space",
			"i-0123456789abcdef0":                                 "warning: Node ID",
			"arn:aws:ssm:us-east-1:123456789012:session/mary-07a": `error: Use "mary-07a"`,
			"arn:aws:iam::123456789012:user/mary":                 "error: ARN Instead",
			"Bob-*":                                               `warning: contains the character "*", which is not known to occur in session IDs, and may exclude nobody`,
			"Mary-07a16060613c408b?":                              `warning: contains the character "?"`,
			"Mary Major-07a":                                      "warning: contains a space",
			"Bob%2D07a":                                           `warning: contains "%2D"`,
			"Mary\u2060-07a":                                      "warning: contains the character U+2060",
			"Mary-07a\u2060":                                      `error: the invisible character U+2060. No session ID does, so it excludes nobody.`,
			"Bob-1@us-east-1":                                     `warning: Use "Bob-1"`,
			"m@ex-am.ple-07a@eu-west-1":                           `warning: Use "m@ex-am.ple-07a"`,
			"mary@us-east-1":                                      "fine",
			"Mary-07a@work":                                       "fine",
		},
	} {
		for value, want := range values {
			t.Run(fmt.Sprintf("%s/%q", field, value), func(t *testing.T) {
				t.Parallel()
				verdict, text := judgeOne(field, value, sessionmanager.Place{Partition: "aws", Account: "123456789012"})
				wantVerdict, words, _ := strings.Cut(want, ": ")
				if verdict != wantVerdict || !strings.Contains(text, words) {
					t.Errorf("got %s: %s\nwant %s", verdict, text, want)
				}
			})
		}
	}
}

// formIn finds the suggested pattern in a text.
var formIn = regexp.MustCompile(`Use "(arn:[^"]*)"`)

// TestJudge_formIsFine checks that a suggested pattern is valid, and selects the sessions of
// the role.
func TestJudge_formIsFine(t *testing.T) {
	t.Parallel()

	for _, pattern := range []string{
		"arn:aws:iam::123456789012:role/ops/Operator", "*:role/Operator", "arn:aws:sts::123456789012:assumed-role/Operator",
		"arn:aws:sts::123456789012:assumed-role/ops/Operator/*", "arn:aws:iam::123456789012:assumed-role/Operator/mary",
	} {
		_, text := judgeOne(sessionmanager.FieldOwners, pattern, sessionmanager.Place{})
		form := formIn.FindStringSubmatch(text)
		if form == nil {
			t.Errorf("no suggestion for %q: %s", pattern, text)

			continue
		}
		if verdict, text := judgeOne(sessionmanager.FieldOwners, form[1], sessionmanager.Place{Account: "123456789012"}); verdict != "fine" {
			t.Errorf("%q leads to the suggestion %q, which has a finding: %s", pattern, form[1], text)
		}
		for owner, want := range map[string]bool{
			ownerMary: true, ownerRoot: false, "arn:aws:sts::123456789012:assumed-role/Operators/mary": false,
		} {
			if got := matchesPattern(form[1], owner); got != want {
				t.Errorf("%q on %q: %t, want %t", form[1], owner, got, want)
			}
		}
	}
}

// recordedOwner is an independent definition of the owners that SSM records.
var recordedOwner = regexp.MustCompile(`^arn:aws[a-z-]*:(?:iam::[0-9]{12}:(?:root|user/(?:[\w+=,.@/-]+/)?[\w+=,.@-]{1,64})|sts::[0-9]{12}:(?:assumed-role/[\w+=,.@-]{1,64}/[\w+=,.@-]{2,64}|federated-user/[\w+=,.@-]{2,32}))$`)

// randomPattern returns a variation of an owner: some of its parts are replaced, doubled,
// dropped or turned into wildcards.
func randomPattern(r *rand.Rand) string {
	pieces := []string{"arn", "aws", "aws-cn", "iam", "sts", "", "123456789012", "210987654321", "1", "root", "user/", "role/", "assumed-role/",
		"federated-user/", "group/", "Operator", "/", "mary", "m@x.y", ":", "*", "*", "*", " ", "Ä"}
	owners := []string{ownerMary, ownerRoot, "arn:aws-cn:iam::123456789012:user/ops/mary", "arn:aws:sts::123456789012:federated-user/mary"}
	parts := regexp.MustCompile(`[^:/]+|[:/]`).FindAllString(owners[r.IntN(len(owners))], -1)
	for range 1 + r.IntN(5) {
		at := r.IntN(len(parts))
		switch r.IntN(4) {
		case 0:
			parts[at] = pieces[r.IntN(len(pieces))]
		case 1:
			parts[at] = "*"
		case 2:
			parts[at] += "*"
		default:
			parts[at] = ""
		}
	}

	return strings.Join(parts, "")
}

// TestJudge_property checks two properties. A pattern without a finding matches an example
// that SSM could record. A rejected pattern matches none of many random owners.
func TestJudge_property(t *testing.T) {
	t.Parallel()

	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // The cases must be repeatable.
	place := sessionmanager.Place{Partition: "aws", Account: "123456789012"}
	var owners []string
	for len(owners) < 60 {
		owner := strings.ReplaceAll(randomPattern(r), "*", "ab")
		if recordedOwner.MatchString(owner) {
			owners = append(owners, owner)
		}
	}
	counts := map[string]int{}
	for range 1500 {
		pattern := randomPattern(r)
		verdict, text := judgeOne(sessionmanager.FieldOwners, pattern, place)
		counts[verdict]++
		example, ok := sessionmanager.OwnerExample(pattern, place)
		switch {
		case ok != (verdict == "fine"):
			t.Errorf("%q is %s (%s), but its example is %q, %t", pattern, verdict, text, example, ok)
		case ok && (!recordedOwner.MatchString(example) || !referencePattern(pattern, example) ||
			!strings.HasPrefix(example, "arn:aws:") || !strings.Contains(example, ":123456789012:")):
			t.Errorf("%q passes, but its example %q is not an owner or does not match", pattern, example)
		case !ok:
			for _, owner := range owners {
				if strings.HasPrefix(owner, "arn:aws:") && strings.Contains(owner, ":123456789012:") && referencePattern(pattern, owner) {
					t.Errorf("%q is %s, but matches %q", pattern, verdict, owner)
				}
			}
		}
	}
	for _, verdict := range []string{"fine", "warning", "error"} {
		if counts[verdict] < 100 {
			t.Errorf("%d patterns are %s: %v", counts[verdict], verdict, counts)
		}
	}
}

func FuzzJudge(f *testing.F) {
	for _, pattern := range []string{
		"", "*", "**", "a*", "arn:*", "mary", "arn:aws:iam::123456789012:role/ops/Operator", "arn:*:iam::*:role/*",
		"arn:aws:iam::123456789012:role/", "arn:::::", `arn:":iam::":role/"`, "arn:aws:iam::1:role/\n", ownerMary,
	} {
		for _, owner := range []string{ownerMary, ownerRoot, "arn:aws-cn:iam::123456789012:user/role/mary"} {
			f.Add(pattern, owner)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, owner string) {
		verdict, text := judgeOne(sessionmanager.FieldOwners, pattern, sessionmanager.Place{})
		if verdict != "fine" && len(owner) <= 256 && recordedOwner.MatchString(owner) && matchesPattern(pattern, owner) {
			t.Errorf("%q is %s, but matches %q: %s", pattern, verdict, owner, text)
		}
		if form := formIn.FindStringSubmatch(text); form != nil && strings.HasPrefix(text, "Invalid Owner") {
			if verdict, text := judgeOne(sessionmanager.FieldOwners, form[1], sessionmanager.Place{}); verdict != "fine" {
				t.Errorf("%q leads to the suggestion %q, which has a finding: %s", pattern, form[1], text)
			}
		}
	})
}

func BenchmarkJudge_hostilePattern(b *testing.B) {
	pattern := "arn:" + strings.Repeat("*a", 120) + "!"
	for b.Loop() {
		sessionmanager.Judge(sessionmanager.FieldOwners, []string{pattern}, false, sessionmanager.Place{Partition: "aws", Account: "123456789012"})
	}
}
