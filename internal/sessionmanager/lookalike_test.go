// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// TestJudge_lookAlikes checks letters of other alphabets that look like the right ones. The
// finding must show such a letter as an escape sequence.
func TestJudge_lookAlikes(t *testing.T) {
	t.Parallel()

	for field, value := range map[sessionmanager.Field]string{
		sessionmanager.FieldSessionID:         "M\u0430ry-07a16060613c408b5",
		sessionmanager.FieldExcludeSessionIDs: "Mary\u200b-07a16060613c408b5",
		sessionmanager.FieldOwners:            "arn:aws:sts::123456789012:assumed-role/Operator/\u0435ve",
		sessionmanager.FieldExcludeOwners:     "arn:aws:sts::123456789012:assumed-role/Em\u0435rgency/eve",
		sessionmanager.FieldTargets:           "\u0456-0123456789abcdef0",
		sessionmanager.FieldTarget:            "i\u2010" + "0123456789abcdef0",
		sessionmanager.FieldDocumentNames:     "SSM\u2011SessionManagerRunShell",
	} {
		t.Run(string(field), func(t *testing.T) {
			t.Parallel()

			findings := sessionmanager.Judge(field, []string{value}, false, sessionmanager.Place{Partition: "aws", Account: "123456789012"})
			if len(findings) != 1 {
				t.Fatalf("want one finding, got %+v", findings)
			}
			if !strings.Contains(findings[0].Detail, `\u`) {
				t.Errorf("the detail does not escape the character: %s", findings[0].Detail)
			}
		})
	}
}

func TestSelector_ExcludesIgnoringCase(t *testing.T) {
	t.Parallel()

	session := sessionmanager.Session{SessionID: "Eve-1", Owner: "arn:aws:sts::123456789012:assumed-role/Emergency/eve"}
	for name, tc := range map[string]struct {
		selector sessionmanager.Selector
		want     bool
	}{
		"no exclusion":              {sessionmanager.Selector{}, false},
		"another owner":             {sessionmanager.Selector{ExcludeOwners: []string{"*/bob"}}, false},
		"the owner in other case":   {sessionmanager.Selector{ExcludeOwners: []string{"*/bob", "*:assumed-role/emergency/*"}}, true},
		"another ID":                {sessionmanager.Selector{ExcludeSessionIDs: []string{"eve-2"}}, false},
		"the ID in lower case":      {sessionmanager.Selector{ExcludeSessionIDs: []string{"eve-1"}}, true},
		"a condition, not excluded": {sessionmanager.Selector{Owners: []string{"*/EVE"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if got := tc.selector.ExcludesIgnoringCase(session); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
	if (sessionmanager.Selector{ExcludeOwners: []string{"*"}}).ExcludesIgnoringCase(sessionmanager.Session{SessionID: "a"}) {
		t.Error("a session without an owner matches a pattern")
	}
}
