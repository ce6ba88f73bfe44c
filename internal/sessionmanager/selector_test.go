// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// Owners in the form that SSM records.
const (
	ownerMary = "arn:aws:sts::123456789012:assumed-role/Operator/mary"
	ownerJohn = "arn:aws:sts::123456789012:assumed-role/Operator/john"
	ownerRoot = "arn:aws:iam::123456789012:root"
)

// clock is the service's time in the selector tests.
var clock = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

// olderThan returns a condition on the age of a session.
func olderThan(d time.Duration) *time.Duration {
	return &d
}

// matchesPattern reports whether the selector matches an owner with a pattern.
func matchesPattern(pattern, owner string) bool {
	selector := sessionmanager.Selector{Owners: []string{pattern}}

	return selector.Matches(sessionmanager.Session{Owner: owner}, clock)
}

// referencePattern is an independent implementation of matchesPattern.
func referencePattern(pattern, owner string) bool {
	return owner != "" && referenceExpression(pattern).MatchString(owner)
}

// referenceExpression translates a pattern into a regular expression.
func referenceExpression(pattern string) *regexp.Regexp {
	return regexp.MustCompile("(?s)^(?:" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + ")$")
}

// referenceMatches is an independent implementation of Selector.Matches.
func referenceMatches(selector sessionmanager.Selector, session sessionmanager.Session, now time.Time) bool {
	hit := func(set []string, value string, equal func(element, value string) bool) bool {
		for _, element := range set {
			if value != "" && equal(element, value) {
				return true
			}
		}

		return false
	}
	same := func(element, value string) bool { return element == value }

	conditions := []struct {
		set   []string
		value string
		equal func(element, value string) bool
	}{
		{selector.Targets, session.Target, same},
		{selector.Owners, session.Owner, referencePattern},
		{selector.DocumentNames, session.DocumentName, same},
		{selector.AccessTypes, session.AccessType, same},
	}
	for _, c := range conditions {
		if c.set != nil && !hit(c.set, c.value, c.equal) {
			return false
		}
	}

	hasDateCondition := selector.OlderThan != nil || !selector.StartedAfter.IsZero() || !selector.StartedBefore.IsZero()
	if hasDateCondition && session.StartDate.IsZero() {
		return false
	}
	if selector.OlderThan != nil && (session.StartDate.Unix() <= 0 || session.StartDate.Add(*selector.OlderThan).After(now)) {
		return false
	}
	if !selector.StartedAfter.IsZero() && selector.StartedAfter.After(session.StartDate) {
		return false
	}
	if !selector.StartedBefore.IsZero() && !selector.StartedBefore.After(session.StartDate) {
		return false
	}

	if len(selector.ExcludeOwners) > 0 && (session.Owner == "" || hit(selector.ExcludeOwners, session.Owner, referencePattern)) {
		return false
	}
	if len(selector.ExcludeSessionIDs) > 0 && (session.SessionID == "" || hit(selector.ExcludeSessionIDs, session.SessionID, same)) {
		return false
	}

	return true
}

// chooser makes choices at random or from the input of a fuzzer.
type chooser func(n int) int

// randomChooser chooses at random. A seed makes the choices repeatable.
func randomChooser(seed uint64) chooser {
	return rand.New(rand.NewPCG(seed, seed)).IntN
}

// fuzzedChooser chooses by the bytes of a fuzzer's input, and then always the first choice.
func fuzzedChooser(data []byte) chooser {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		choice := int(data[0]) % n
		data = data[1:]

		return choice
	}
}

// text returns a short text. A small alphabet makes equal texts likely.
func (c chooser) text(alphabet string) string {
	letters := []rune(alphabet)
	var b strings.Builder
	for range c(6) {
		b.WriteRune(letters[c(len(letters))])
	}

	return b.String()
}

// set returns a nil set, an empty one, or one with a few elements.
func (c chooser) set(element func() string) []string {
	const none = 12
	switch n := c(none + 4); {
	case n < none:
		return nil
	default:
		set := make([]string, n-none)
		for i := range set {
			set[i] = element()
		}

		return set
	}
}

// oneOf returns a function that picks a word. The empty word means a missing field.
func (c chooser) oneOf(words ...string) func() string {
	return func() string { return words[c(len(words))] }
}

// date returns the zero time or a time near the clock.
func (c chooser) date() time.Time {
	if c(3) == 0 {
		return time.Time{}
	}

	return clock.Add(time.Duration(c(7)-5) * time.Second)
}

// selector returns a random selector. Sessions often meet some of its conditions.
func (c chooser) selector() sessionmanager.Selector {
	pattern := func() string { return c.text("ab*é/\n") }
	s := sessionmanager.Selector{
		Targets:           c.set(c.oneOf("", "i-1", "i-2", "I-1", "i-*")),
		Owners:            c.set(pattern),
		DocumentNames:     c.set(c.oneOf("", "Shell", "Port", "*")),
		AccessTypes:       c.set(c.oneOf("Standard", "JustInTime")),
		StartedAfter:      c.date(),
		StartedBefore:     c.date(),
		ExcludeOwners:     c.set(pattern),
		ExcludeSessionIDs: c.set(c.oneOf("", "a-1", "a-2", "*")),
	}
	if c(2) == 0 {
		s.OlderThan = olderThan(time.Duration(c(7)-2) * time.Second)
	}

	return s
}

// session returns a random session. Any field may be missing.
func (c chooser) session() sessionmanager.Session {
	return sessionmanager.Session{
		SessionID:    c.oneOf("", "a-1", "a-2", "a-3")(),
		Target:       c.oneOf("", "i-1", "i-2", "i-*")(),
		Owner:        c.text("ab*é/\n"),
		DocumentName: c.oneOf("", "Shell", "Port")(),
		AccessType:   c.oneOf("", "Standard", "JustInTime")(),
		StartDate:    c.date(),
	}
}

// checkSelector compares a selector with the reference, and checks general properties of
// conditions and exclusions.
func checkSelector(t *testing.T, c chooser) {
	t.Helper()

	selector, session := c.selector(), c.session()
	got := selector.Matches(session, clock)
	if want := referenceMatches(selector, session, clock); got != want {
		t.Fatalf("Matches is %t, the reference is %t\nselector %+v\nsession  %+v", got, want, selector, session)
	}

	more := selector
	more.ExcludeOwners = append(slices.Clone(selector.ExcludeOwners), c.text("ab*"))
	if more.Matches(session, clock) && !got {
		t.Fatalf("an additional exclusion adds a session\nselector %+v\nsession  %+v", selector, session)
	}
	var inOne bool
	for _, owner := range selector.Owners {
		one := selector
		one.Owners = []string{owner}
		inOne = inOne || one.Matches(session, clock)
	}
	if selector.Owners != nil && inOne != got {
		t.Fatalf("a set of owners differs from the union of its elements\nselector %+v\nsession  %+v", selector, session)
	}
}

func TestSelector_Matches_property(t *testing.T) {
	t.Parallel()

	n := uint64(30_000)
	if testing.Short() {
		n = 3_000
	}
	matching := 0
	for seed := range n {
		checkSelector(t, randomChooser(seed))

		c := randomChooser(seed)
		if c.selector().Matches(c.session(), clock) {
			matching++
		}
	}
	if matching < int(n)/20 || matching > int(n)*19/20 {
		t.Errorf("%d of %d sessions match: the generator is not useful", matching, n)
	}
}

func FuzzSelector(f *testing.F) {
	for seed := range uint64(50) {
		var data []byte
		for _, r := range rand.New(rand.NewPCG(seed, 1)).Perm(80) {
			data = append(data, byte(r))
		}
		f.Add(data)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) { checkSelector(t, fuzzedChooser(data)) })
}

func TestSelector_Matches(t *testing.T) {
	t.Parallel()

	type selector = sessionmanager.Selector
	full := sessionmanager.Session{
		SessionID: "mary-1", Target: "i-1", Owner: ownerMary, DocumentName: "Shell", AccessType: "Standard",
		StartDate: clock.Add(-8 * time.Hour),
	}
	without := func(remove func(*sessionmanager.Session)) sessionmanager.Session {
		s := full
		remove(&s)

		return s
	}
	bare := sessionmanager.Session{SessionID: "mary-1"}

	for name, tc := range map[string]struct {
		selector selector
		session  sessionmanager.Session
		want     bool
	}{
		"no condition matches a session":                {selector{}, full, true},
		"no condition matches a session without fields": {selector{}, sessionmanager.Session{}, true},

		"the target":                                {selector{Targets: []string{"i-1"}}, full, true},
		"one target of several":                     {selector{Targets: []string{"i-2", "i-1"}}, full, true},
		"another target":                            {selector{Targets: []string{"i-2"}}, full, false},
		"a target in another case":                  {selector{Targets: []string{"I-1"}}, full, false},
		"a part of the target":                      {selector{Targets: []string{"i-"}}, full, false},
		"targets have no wildcards":                 {selector{Targets: []string{"*", "i-*"}}, full, false},
		"an empty set of targets":                   {selector{Targets: []string{}}, full, false},
		"a missing target":                          {selector{Targets: []string{"i-1"}}, bare, false},
		"a missing target and an empty element":     {selector{Targets: []string{""}}, bare, false},
		"the document":                              {selector{DocumentNames: []string{"Shell"}}, full, true},
		"another document":                          {selector{DocumentNames: []string{"Port"}}, full, false},
		"documents have no wildcards":               {selector{DocumentNames: []string{"*", "Sh*"}}, full, false},
		"a missing document":                        {selector{DocumentNames: []string{"Shell", ""}}, bare, false},
		"an empty set of documents":                 {selector{DocumentNames: []string{}}, full, false},
		"the access type":                           {selector{AccessTypes: []string{"JustInTime", "Standard"}}, full, true},
		"another access type":                       {selector{AccessTypes: []string{"JustInTime"}}, full, false},
		"a missing access type":                     {selector{AccessTypes: []string{"Standard"}}, bare, false},
		"an empty set of access types":              {selector{AccessTypes: []string{}}, full, false},
		"the owner":                                 {selector{Owners: []string{ownerMary}}, full, true},
		"one owner of several":                      {selector{Owners: []string{ownerJohn, "*/mary"}}, full, true},
		"another owner":                             {selector{Owners: []string{ownerJohn}}, full, false},
		"an owner in another case":                  {selector{Owners: []string{strings.ToUpper(ownerMary)}}, full, false},
		"any owner":                                 {selector{Owners: []string{"*"}}, full, true},
		"any owner, and there is none":              {selector{Owners: []string{"*", ""}}, bare, false},
		"an empty set of owners":                    {selector{Owners: []string{}}, full, false},
		"an empty set of owners, and there is none": {selector{Owners: []string{}}, bare, false},

		"all conditions hold": {selector{
			Targets: []string{"i-1"}, Owners: []string{"*mary"}, DocumentNames: []string{"Shell"}, AccessTypes: []string{"Standard"},
			OlderThan: olderThan(time.Hour), StartedAfter: clock.Add(-9 * time.Hour), StartedBefore: clock,
			ExcludeOwners: []string{"*john"}, ExcludeSessionIDs: []string{"mary-2"},
		}, full, true},
		"all conditions but one hold": {selector{
			Targets: []string{"i-1"}, Owners: []string{"*mary"}, DocumentNames: []string{"Shell"}, AccessTypes: []string{"JustInTime"},
			OlderThan: olderThan(time.Hour), StartedAfter: clock.Add(-9 * time.Hour), StartedBefore: clock,
		}, full, false},
		"all conditions hold, and an exclusion": {selector{
			Targets: []string{"i-1"}, Owners: []string{"*mary"}, ExcludeSessionIDs: []string{"mary-2", "mary-1"},
		}, full, false},

		"exactly as old":                          {selector{OlderThan: olderThan(8 * time.Hour)}, full, true},
		"a nanosecond too young":                  {selector{OlderThan: olderThan(8*time.Hour + 1)}, full, false},
		"a nanosecond older":                      {selector{OlderThan: olderThan(8*time.Hour - 1)}, full, true},
		"an age of zero":                          {selector{OlderThan: olderThan(0)}, full, true},
		"an age of zero, started now":             {selector{OlderThan: olderThan(0)}, without(func(s *sessionmanager.Session) { s.StartDate = clock }), true},
		"an age of zero, started after the clock": {selector{OlderThan: olderThan(0)}, without(func(s *sessionmanager.Session) { s.StartDate = clock.Add(time.Second) }), false},
		"an age of zero, no start date":           {selector{OlderThan: olderThan(0)}, bare, false},
		"an age that no session reaches":          {selector{OlderThan: olderThan(1<<63 - 1)}, full, false},
		"an age, started in the year 1":           {selector{OlderThan: olderThan(time.Hour)}, without(func(s *sessionmanager.Session) { s.StartDate = time.Time{}.Add(time.Second) }), false},
		"an age, started at the time 0":           {selector{OlderThan: olderThan(time.Hour)}, without(func(s *sessionmanager.Session) { s.StartDate = time.Unix(0, 0) }), false},
		"an age, started at the time 1":           {selector{OlderThan: olderThan(time.Hour)}, without(func(s *sessionmanager.Session) { s.StartDate = time.Unix(1, 0) }), true},
		"a negative age":                          {selector{OlderThan: olderThan(-time.Second)}, full, true},
		"started at the lower limit":              {selector{StartedAfter: full.StartDate}, full, true},
		"started just before the lower limit":     {selector{StartedAfter: full.StartDate.Add(1)}, full, false},
		"started after, no start date":            {selector{StartedAfter: full.StartDate}, bare, false},
		"started at the upper limit":              {selector{StartedBefore: full.StartDate}, full, false},
		"started just before the upper limit":     {selector{StartedBefore: full.StartDate.Add(1)}, full, true},
		"started before, no start date":           {selector{StartedBefore: clock}, bare, false},
		"between two dates":                       {selector{StartedAfter: full.StartDate, StartedBefore: full.StartDate.Add(1)}, full, true},
		"between two equal dates":                 {selector{StartedAfter: full.StartDate, StartedBefore: full.StartDate}, full, false},
		"a date in another time zone":             {selector{StartedAfter: full.StartDate.In(time.FixedZone("west", -3600))}, full, true},

		"an excluded owner":                             {selector{ExcludeOwners: []string{ownerMary}}, full, false},
		"an excluded pattern of owners":                 {selector{ExcludeOwners: []string{ownerJohn, "*Operator*"}}, full, false},
		"another excluded owner":                        {selector{ExcludeOwners: []string{ownerJohn}}, full, true},
		"all owners excluded":                           {selector{ExcludeOwners: []string{"*"}}, full, false},
		"an exclusion excludes a session without owner": {selector{ExcludeOwners: []string{ownerJohn}}, bare, false},
		"an empty exclusion of owners":                  {selector{ExcludeOwners: []string{}}, full, true},
		"an empty exclusion, and there is no owner":     {selector{ExcludeOwners: []string{}}, bare, true},
		"an excluded session":                           {selector{ExcludeSessionIDs: []string{"mary-1"}}, full, false},
		"another excluded session":                      {selector{ExcludeSessionIDs: []string{"mary-2", "MARY-1", "*"}}, full, true},
		"an exclusion excludes a session without ID":    {selector{ExcludeSessionIDs: []string{"mary-2"}}, sessionmanager.Session{Owner: ownerMary}, false},
		"an empty exclusion of sessions":                {selector{ExcludeSessionIDs: []string{}}, sessionmanager.Session{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.selector.Matches(tc.session, clock); got != tc.want {
				t.Errorf("Matches is %t\nselector %+v\nsession  %+v", got, tc.selector, tc.session)
			}
		})
	}
}

func TestSelector_Matches_patterns(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		pattern, owner string
		want           bool
	}{
		{"*", "a", true},
		{"**", "a", true},
		{"*****", "a", true},
		{"*", "\n", true},
		{"*", "/:/", true},
		{"a", "a", true},
		{"a", "ab", false},
		{"a", "ba", false},
		{"", "a", false},
		{"a*", "a", true},
		{"a*", "ab", true},
		{"a*", "ba", false},
		{"*a", "a", true},
		{"*a", "ba", true},
		{"*a", "ab", false},
		{"*a*", "bab", true},
		{"*a*", "bb", false},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*a", "aba", true},
		{"a*a", "abab", false},
		{"ab*ba", "aba", false},
		{"ab*ba", "abba", true},
		{"a*b*c", "abc", true},
		{"a*b*c", "axxbxbxxc", true},
		{"a*b*c", "acb", false},
		{"a**c", "ac", true},
		{"*ab*ab*", "ab", false},
		{"*ab*ab*", "aab", false},
		{"*ab*ab*", "abab", true},
		{"*aab", "aaab", true},
		{"*aab*b", "aaabb", true},
		{"*aab*b", "aaab", false},
		{"*a*ab", "ab", false},
		{"é*", "été", true},
		{"*é", "été", true},
		{"*\u0301", "e\u0301", true},
		{"é", "e\u0301", false},
		{"*世*", "你好世界", true},
		{"a*b", "a\nb", true},
		{"a\n*", "a\nb", true},
		{"a*b", "a\x00b", true},
		{".*", "ab", false},
		{"a?", "ab", false},
		{"[ab]", "a", false},
		{`\*`, "*", false},
		{`\*`, `\x`, true},
		{"*", "*", true},
		{"a*", "a*", true},
		{"*" + ownerMary, ownerMary, true},
		{"arn:aws:sts::*:assumed-role/Operator/*", ownerMary, true},
		{"arn:aws:sts::*:assumed-role/Operator/*", ownerRoot, false},
		{"arn:*/mary", ownerMary, true},
		{"*:root", ownerRoot, true},
	} {
		t.Run(fmt.Sprintf("%q on %q", tc.pattern, tc.owner), func(t *testing.T) {
			t.Parallel()
			if got := matchesPattern(tc.pattern, tc.owner); got != tc.want {
				t.Errorf("matches: %t", got)
			}
			if got := referencePattern(tc.pattern, tc.owner); got != tc.want {
				t.Errorf("the reference is %t", got)
			}
		})
	}
}

// TestSelector_Matches_hostilePatterns does not end if the matching uses backtracking.
func TestSelector_Matches_hostilePatterns(t *testing.T) {
	t.Parallel()

	const length = 10_000
	as := strings.Repeat("a", length)
	for name, tc := range map[string]struct {
		pattern, owner string
		want           bool
	}{
		"a* on a...ab":                       {strings.Repeat("a*", length/2), as + "b", true},
		"a*...c on a...ab":                   {strings.Repeat("a*", length/2) + "c", as + "b", false},
		"*a*a...*a on a...ab":                {strings.Repeat("*a", length/2), as + "b", false},
		"one a too many":                     {strings.Repeat("a*", length+1), as, false},
		"just as many":                       {strings.Repeat("a*", length), as, true},
		"only wildcards":                     {strings.Repeat("*", length), as, true},
		"ab* on a...a":                       {strings.Repeat("*ab", length/3), as, false},
		"a part that fits almost everywhere": {"*" + strings.Repeat("a", length/2) + "b*", as + as, false},
		"parts that fit almost everywhere":   {strings.Repeat("*"+strings.Repeat("a", 99)+"b", 100), as + strings.Repeat("b", 99), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := matchesPattern(tc.pattern, tc.owner); got != tc.want {
				t.Errorf("matches: %t", got)
			}
		})
	}
}

func FuzzMatchPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"*", ""},
		{"", ""},
		{"**", "a"},
		{"a*a", "a"},
		{"*ab*ab*", "abab"},
		{"*a*a*a*b", "aaaaaaaaaaaaaaaa"},
		{"é*世", "é\n世"},
		{`\*.[a-z]+(?i)$`, `\.[a-z]+(?i)$`},
		{"arn:aws:sts::*:assumed-role/*/mary", ownerMary},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, owner string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(owner) || len(pattern) > 500 {
			t.Skip("Terraform's strings are Unicode, and regexp refuses long expressions.")
		}
		if got, want := matchesPattern(pattern, owner), referencePattern(pattern, owner); got != want {
			t.Errorf("%q on %q: %t, want %t", pattern, owner, got, want)
		}
	})
}

func TestSelector_RequireCondition(t *testing.T) {
	t.Parallel()

	type selector = sessionmanager.Selector
	for name, tc := range map[string]struct {
		selector selector
		refused  bool
	}{
		"no condition":                              {selector{}, true},
		"any owner":                                 {selector{Owners: []string{"*"}}, true},
		"any owner, with two wildcards":             {selector{Owners: []string{"**"}}, true},
		"any owner, among others":                   {selector{Owners: []string{ownerMary, "*"}}, true},
		"any owner, before others":                  {selector{Owners: []string{"*", "*/mary"}}, true},
		"an age of zero":                            {selector{OlderThan: olderThan(0)}, true},
		"a negative age":                            {selector{OlderThan: olderThan(-time.Hour)}, true},
		"any owner and an age of zero":              {selector{Owners: []string{"*"}, OlderThan: olderThan(0)}, true},
		"exclusions of owners only":                 {selector{ExcludeOwners: []string{ownerMary}}, true},
		"exclusions of sessions only":               {selector{ExcludeSessionIDs: []string{"mary-1"}}, true},
		"exclusions and any owner":                  {selector{Owners: []string{"*"}, ExcludeOwners: []string{ownerMary}}, true},
		"exclusions and an age of zero":             {selector{OlderThan: olderThan(0), ExcludeSessionIDs: []string{"mary-1"}}, true},
		"empty exclusions":                          {selector{ExcludeOwners: []string{}, ExcludeSessionIDs: []string{}}, true},
		"a target":                                  {selector{Targets: []string{"i-1"}}, false},
		"an empty set of targets":                   {selector{Targets: []string{}}, false},
		"an owner":                                  {selector{Owners: []string{ownerMary}}, false},
		"a pattern of owners":                       {selector{Owners: []string{"*/mary"}}, false},
		"an empty set of owners":                    {selector{Owners: []string{}}, false},
		"a document":                                {selector{DocumentNames: []string{"Shell"}}, false},
		"an empty set of documents":                 {selector{DocumentNames: []string{}}, false},
		"an access type":                            {selector{AccessTypes: []string{"Standard"}}, false},
		"an empty set of access types":              {selector{AccessTypes: []string{}}, false},
		"an age":                                    {selector{OlderThan: olderThan(time.Minute)}, false},
		"an age below a minute":                     {selector{OlderThan: olderThan(time.Minute - 1)}, true},
		"an age of a nanosecond":                    {selector{OlderThan: olderThan(1)}, true},
		"every access type":                         {selector{AccessTypes: []string{"JustInTime", "Standard"}}, true},
		"every access type and any owner":           {selector{AccessTypes: []string{"JustInTime", "Standard"}, Owners: []string{"*"}}, true},
		"a whole partition":                         {selector{Owners: []string{"arn:aws:*"}}, true},
		"another whole partition":                   {selector{Owners: []string{"arn:aws-us-gov:*"}}, true},
		"both services":                             {selector{Owners: []string{"arn:aws:sts::*", "arn:aws:iam::*"}}, true},
		"a letter that all owners have":             {selector{Owners: []string{"*n*"}}, true},
		"all owners of an account":                  {selector{Owners: []string{"arn:*:123456789012:*"}}, true},
		"all shapes, one by one":                    {selector{Owners: []string{"*:root", "*:user/*", "*:assumed-role/*", "*:federated-user/*"}}, true},
		"all names, written out":                    {selector{Owners: []string{"*:root", "*/*"}}, true},
		"one service":                               {selector{Owners: []string{"arn:aws:sts::*"}}, false},
		"all shapes but root":                       {selector{Owners: []string{"*:user/*", "*:assumed-role/*", "*:federated-user/*"}}, false},
		"names with a letter":                       {selector{Owners: []string{"*:root", "*/*x*"}}, false},
		"an age and any owner":                      {selector{OlderThan: olderThan(time.Hour), Owners: []string{"*"}}, false},
		"a target and any owner":                    {selector{Targets: []string{"i-1"}, Owners: []string{"*"}}, false},
		"a target and an age of zero":               {selector{Targets: []string{"i-1"}, OlderThan: olderThan(0)}, false},
		"an owner and an age of zero":               {selector{Owners: []string{ownerMary}, OlderThan: olderThan(0)}, false},
		"started after a date":                      {selector{StartedAfter: clock}, false},
		"started before a date":                     {selector{StartedBefore: clock}, false},
		"an empty set of targets and any owner":     {selector{Targets: []string{}, Owners: []string{"*"}}, false},
		"a target, with exclusions":                 {selector{Targets: []string{"i-1"}, ExcludeOwners: []string{"*"}}, false},
		"an empty set of owners and an age of zero": {selector{Owners: []string{}, OlderThan: olderThan(0)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tc.selector.RequireCondition("")
			if got := errors.Is(err, sessionmanager.ErrNoCondition); got != tc.refused || (err != nil) != tc.refused {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// The values that match no session are those of typos, and those that are not needed now.
func TestSelector_Unmatched(t *testing.T) {
	t.Parallel()

	sessions := []sessionmanager.Session{
		{SessionID: "mary-1", Target: "i-1", Owner: ownerMary, DocumentName: "Shell", AccessType: "Standard"},
		{SessionID: "john-1", Target: "i-2", Owner: ownerJohn},
		{SessionID: "nobody-1"},
	}
	for name, tc := range map[string]struct {
		selector, want sessionmanager.Selector
	}{
		"nothing":                {sessionmanager.Selector{}, sessionmanager.Selector{}},
		"empty sets":             {sessionmanager.Selector{Targets: []string{}, ExcludeOwners: []string{}}, sessionmanager.Selector{}},
		"values that all match":  {sessionmanager.Selector{Targets: []string{"i-1", "i-2"}, Owners: []string{ownerMary, "*/jo*"}, DocumentNames: []string{"Shell"}, AccessTypes: []string{"Standard"}, ExcludeOwners: []string{"*/mary"}, ExcludeSessionIDs: []string{"john-1"}}, sessionmanager.Selector{}},
		"an age":                 {sessionmanager.Selector{OlderThan: olderThan(time.Hour), StartedAfter: clock}, sessionmanager.Selector{}},
		"a target":               {sessionmanager.Selector{Targets: []string{"i-1", "i-3"}}, sessionmanager.Selector{Targets: []string{"i-3"}}},
		"a pattern of targets":   {sessionmanager.Selector{Targets: []string{"i-*"}}, sessionmanager.Selector{Targets: []string{"i-*"}}},
		"an owner":               {sessionmanager.Selector{Owners: []string{"*/mary", "*/bobb", ownerRoot}}, sessionmanager.Selector{Owners: []string{"*/bobb", ownerRoot}}},
		"a document":             {sessionmanager.Selector{DocumentNames: []string{"Port", "Shell"}}, sessionmanager.Selector{DocumentNames: []string{"Port"}}},
		"an access type":         {sessionmanager.Selector{AccessTypes: []string{"JustInTime"}}, sessionmanager.Selector{AccessTypes: []string{"JustInTime"}}},
		"an excluded owner":      {sessionmanager.Selector{ExcludeOwners: []string{"*:user/*", "*/john"}}, sessionmanager.Selector{ExcludeOwners: []string{"*:user/*"}}},
		"an excluded session":    {sessionmanager.Selector{ExcludeSessionIDs: []string{"mary-1@us-east-1", "john-1"}}, sessionmanager.Selector{ExcludeSessionIDs: []string{"mary-1@us-east-1"}}},
		"a pattern for everyone": {sessionmanager.Selector{ExcludeOwners: []string{"*"}}, sessionmanager.Selector{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(tc.want, tc.selector.Unmatched(sessions)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	without := sessions[2:]
	if got := (sessionmanager.Selector{Owners: []string{"*"}}).Unmatched(without); len(got.Owners) != 1 {
		t.Error("a pattern matches a session without an owner")
	}
}

// everyOwnerOf returns owners of an account: all kinds, with each character that names can
// have, and with paths where they are possible.
func everyOwnerOf(partition, account string) []string {
	var owners []string
	add := func(service string, resources ...string) {
		for _, resource := range resources {
			owners = append(owners, "arn:"+partition+":"+service+"::"+account+":"+resource)
		}
	}
	add("iam", "root", "user/mary", "user/Jane.Doe@example.com", "user/ops/eu/mary", "user/division_abc/subdivision_xyz/JaneDoe", "user/"+account)
	add("sts", "assumed-role/Operator/mary", "assumed-role/AWSReservedSSO_Ops_0123456789abcdef/mary@example.com", "assumed-role/Operator/ops/mary", "federated-user/mary",
		"assumed-role/"+account+"/"+account)
	for _, char := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-" {
		c := string(char)
		add("iam", "user/"+c, "user/"+c+"/"+c, "user/"+c+"/"+c+"/"+c)
		add("sts", "assumed-role/"+c+"/"+c+c, "assumed-role/"+c+"/"+c+"/"+c, "federated-user/"+c+c)
	}

	return owners
}

// randomOwnerPatterns returns up to four patterns, which are often so wide that they match
// every owner of an account together.
func randomOwnerPatterns(r *rand.Rand) []string {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	var patterns []string
	for range 1 + r.IntN(4) {
		account := pick("*", "*", "1*", "12*", "*2", "*12", "*1*", "*34*12*", "12345678901*", "1*2", "123456789012", "210987654321", "*00*", "*9*8*")
		switch r.IntN(4) {
		case 0:
			patterns = append(patterns, pick("*", "*:", "arn:*", "*::")+account+pick("*", ":*", "*:*", ""))
		case 1:
			patterns = append(patterns, "arn:"+pick("*", "aws", "aws", "aws*", "aws-us-gov")+":"+pick("*", "iam", "sts", "*s*")+"::"+account+pick(":*", ":*", "*"))
		default:
			patterns = append(patterns, "arn:"+pick("*", "aws")+":"+pick("*", "iam", "sts")+":"+pick(":", ":", "*")+account+
				pick(":*", ":user/*", ":assumed-role/*", ":*/*", ":root", "*root", ":*r*", ":*e*", ":federated-user/*", ":*/*/*", "/"))
		}
	}

	return patterns
}

// TestSelector_everyOwner compares RequireCondition with a set of owners: patterns that match
// all of them are no condition, and other patterns are one. If the account is not known,
// patterns that match all owners of any account are no condition.
func TestSelector_everyOwner(t *testing.T) {
	t.Parallel()

	var (
		r        = rand.New(rand.NewPCG(3, 4)) //nolint:gosec // The cases must be repeatable.
		accounts = []string{"123456789012", "210987654321", "111111111111", "000000000000", "340000000012", "120000000012", "987600000002"}
		parts    = []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"}
		owners   = map[string][][]string{}
		counts   = map[string]int{}
	)
	for _, account := range accounts {
		for _, partition := range parts {
			owners[account] = append(owners[account], everyOwnerOf(partition, account))
		}
	}
	for range 150 {
		var (
			patterns = randomOwnerPatterns(r)
			selector = sessionmanager.Selector{Owners: patterns}
			some     bool
			matchers []*regexp.Regexp
		)
		for _, pattern := range patterns {
			matchers = append(matchers, referenceExpression(pattern))
		}
		for _, account := range accounts {
			every := slices.ContainsFunc(owners[account], func(owners []string) bool {
				return !slices.ContainsFunc(owners, func(owner string) bool {
					return !slices.ContainsFunc(matchers, func(matcher *regexp.Regexp) bool { return matcher.MatchString(owner) })
				})
			})
			some = some || every
			if refused := selector.RequireCondition(account) != nil; refused != every {
				t.Errorf("%q match every owner of account %s: %t, but refused: %t", patterns, account, every, refused)
			}
			counts[fmt.Sprintf("known, refused %t", every)]++
		}
		if some && selector.RequireCondition("") == nil {
			t.Errorf("%q match every owner of some account, but are accepted without an account", patterns)
		}
		switch everywhere := selector.RequireCondition(sessionmanager.EveryAccount) != nil; {
		case everywhere && selector.RequireCondition(accounts[r.IntN(len(accounts))]) == nil:
			t.Errorf("%q match every owner of every account, but are accepted for one", patterns)
		case some && !everywhere:
			counts["refused for some accounts"]++
		}
	}
	for _, kind := range []string{"known, refused true", "known, refused false", "refused for some accounts"} {
		if counts[kind] < 20 {
			t.Errorf("too few cases: %v", counts)
		}
	}
}

// Whether patterns match every owner can depend on the account.
func TestSelector_RequireCondition_account(t *testing.T) {
	t.Parallel()

	const ours = "123456789012"
	var oneForEach []string
	for _, char := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-" {
		oneForEach = append(oneForEach, "*/"+string(char)+"*")
	}
	for name, tc := range map[string]struct {
		owners  []string
		account string
		refused bool
	}{
		"a digit of the account":                        {[]string{"*1*"}, ours, true},
		"a digit of some accounts":                      {[]string{"*1*"}, "", true},
		"a digit, for every account":                    {[]string{"*1*"}, sessionmanager.EveryAccount, false},
		"a digit that the account lacks":                {[]string{"*1*"}, "222222222222", false},
		"the account's beginning":                       {[]string{"*:12*"}, ours, true},
		"the account's beginning, after the service":    {[]string{"arn:aws:*::1*"}, ours, true},
		"the account's end":                             {[]string{"*2:*"}, ours, true},
		"the end of some accounts":                      {[]string{"*2:*"}, "", true},
		"both services, with the account's beginning":   {[]string{"arn:aws:iam::12345678901*", "arn:aws:sts::12345678901*"}, ours, true},
		"the same, in an unknown account":               {[]string{"arn:aws:iam::12345678901*", "arn:aws:sts::12345678901*"}, "", true},
		"both services, with different digits":          {[]string{"arn:aws:iam::*34*", "arn:aws:sts::*7*2*"}, ours, true},
		"the same digits, in an unknown account":        {[]string{"arn:aws:iam::*34*", "arn:aws:sts::*7*2*"}, "", true},
		"both services, with beginnings that differ":    {[]string{"arn:aws:iam::1*", "arn:aws:sts::2*"}, "", false},
		"the whole account":                             {[]string{"*:123456789012:*"}, ours, true},
		"another whole account":                         {[]string{"*:210987654321:*"}, ours, false},
		"an unknown account":                            {[]string{"*:210987654321:*"}, "", true},
		"a number in a name":                            {[]string{"*/*1*"}, "", false},
		"one service of the account":                    {[]string{"arn:aws:sts::1*"}, ours, false},
		"too many digits":                               {[]string{"*:1234567890123*"}, "", false},
		"digits that no account can have together":      {[]string{"arn:aws:iam::*1234567*", "arn:aws:sts::*7654321*:*"}, ours, false},
		"one pattern for each first character":          {append(oneForEach, "*:root"), ours, true},
		"one for each first character, account unknown": {append(oneForEach, "*:root"), "", true},
		"all first characters but one":                  {append(oneForEach[1:len(oneForEach):len(oneForEach)], "*:root"), ours, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := sessionmanager.Selector{Owners: tc.owners}.RequireCondition(tc.account)
			if got := errors.Is(err, sessionmanager.ErrNoCondition); got != tc.refused {
				t.Errorf("refused is %t, error is %v", got, err)
			}
		})
	}
}

func BenchmarkSelector_RequireCondition_manyOwners(b *testing.B) {
	var owners []string
	for i := range 10_000 {
		owners = append(owners, fmt.Sprintf("arn:*:sts::123456789012:assumed-role/*/user%d", i))
	}
	for b.Loop() {
		if err := (sessionmanager.Selector{Owners: owners}).RequireCondition(""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSelector_Matches(b *testing.B) {
	selector := sessionmanager.Selector{
		Targets:           []string{"i-1", "i-2"},
		Owners:            []string{ownerJohn, "arn:aws:sts::*:assumed-role/Operator/*"},
		OlderThan:         olderThan(time.Hour),
		ExcludeOwners:     []string{"*/root"},
		ExcludeSessionIDs: []string{"mary-2"},
	}
	session := sessionmanager.Session{SessionID: "mary-1", Target: "i-2", Owner: ownerMary, StartDate: clock.Add(-2 * time.Hour)}
	b.ReportAllocs()
	for b.Loop() {
		if !selector.Matches(session, clock) {
			b.Fatal("no match")
		}
	}
}

func BenchmarkSelector_Matches_hostilePattern(b *testing.B) {
	selector := sessionmanager.Selector{Owners: []string{strings.Repeat("a*", 128) + "c"}}
	session := sessionmanager.Session{Owner: strings.Repeat("a", 255) + "b"}
	b.ReportAllocs()
	for b.Loop() {
		if selector.Matches(session, clock) {
			b.Fatal("match")
		}
	}
}
