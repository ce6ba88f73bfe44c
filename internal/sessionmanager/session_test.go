// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// TestSession_translation checks answers in the API's format that the fake never sends.
func TestSession_translation(t *testing.T) {
	t.Parallel()

	day := time.Date(2024, time.August, 29, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		answer string // The session without its ID.
		want   sessionmanager.Session
	}{
		"every field present": {
			answer: `"Target":"i-02573cafcfEXAMPLE","Status":"Connected","StartDate":1724889600.999,"EndDate":1724889660.5,
				"DocumentName":"SSM-SessionManagerRunShell","Owner":"arn:aws:sts::123456789012:assumed-role/Admin/Mary","Reason":"INC-7 <&> \u00e9",
				"Details":"d","OutputUrl":{"S3OutputUrl":"s3","CloudWatchOutputUrl":"cw"},"MaxSessionDuration":"1040","AccessType":"JustInTime"`,
			want: sessionmanager.Session{
				Target: "i-02573cafcfEXAMPLE", Status: "Connected", StartDate: day, EndDate: day.Add(time.Minute),
				DocumentName: "SSM-SessionManagerRunShell", Owner: "arn:aws:sts::123456789012:assumed-role/Admin/Mary", Reason: "INC-7 <&> é",
				Details: "d", S3OutputURL: "s3", CloudWatchOutputURL: "cw", MaxSessionDuration: "1040", AccessType: "JustInTime",
			},
		},
		"every field missing": {
			answer: `"Unheard":"of"`,
		},
		"every field null": {
			answer: `"Target":null,"Status":null,"StartDate":null,"EndDate":null,"DocumentName":null,"Owner":null,"Reason":null,
				"Details":null,"OutputUrl":null,"MaxSessionDuration":null,"AccessType":null`,
		},
		"every field empty": {
			answer: `"Target":"","Status":"","DocumentName":"","Owner":"","Reason":"","Details":"",
				"OutputUrl":{"S3OutputUrl":"","CloudWatchOutputUrl":""},"MaxSessionDuration":"","AccessType":""`,
		},
		"an output URL without its fields": {
			answer: `"OutputUrl":{}`,
		},
		"unknown values": {
			answer: `"Status":"Hibernating","AccessType":"Biometric"`,
			want:   sessionmanager.Session{Status: "Hibernating", AccessType: "Biometric"},
		},
		"dates without a fraction": {
			answer: `"StartDate":1724889600,"EndDate":1.72488966e9`,
			want:   sessionmanager.Session{StartDate: day, EndDate: day.Add(time.Minute)},
		},
		"a date before 1970 is rounded down like any other": {
			answer: `"StartDate":-0.5,"EndDate":0`,
			want:   sessionmanager.Session{StartDate: time.Unix(-1, 0).UTC(), EndDate: time.Unix(0, 0).UTC()},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body := `{"Sessions":[{"SessionId":"` + sessionID + `",` + tc.answer + `}]}`
				ep := newEndpoint(t, fakessm.New(), answerRequests("DescribeSessions", -1, 200, body))

				got, err := ep.client().Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})
				if err != nil {
					t.Fatal(err)
				}

				tc.want.SessionID = sessionID
				if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreUnexported(got)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for _, date := range []time.Time{got.StartDate, got.EndDate} {
					if date.Location() != time.UTC {
						t.Errorf("%s is not in UTC", date)
					}
				}
				if diff := cmp.Diff("active", ep.calls(t)); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestSession_Live(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		list   string // The list that shows the session.
		status string
		want   bool
	}{
		"connected":                           {"active", `"Connected"`, true},
		"connecting":                          {"active", `"Connecting"`, true},
		"disconnected":                        {"active", `"Disconnected"`, true},
		"terminating":                         {"history", `"Terminating"`, false},
		"terminated":                          {"history", `"Terminated"`, false},
		"failed":                              {"history", `"Failed"`, false},
		"terminating, still listed as active": {"active", `"Terminating"`, false},
		"an unknown status is live":           {"active", `"Hibernating"`, true},
		"an unknown status in the history has ended": {"history", `"Hibernating"`, false},
		"connected, listed in the history":           {"history", `"Connected"`, false},
		"no status, listed as active":                {"active", `null`, true},
		"no status, listed in the history":           {"history", `null`, false},
		"empty status, listed as active":             {"active", `""`, true},
		"empty status, listed in the history":        {"history", `""`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				body := `{"Sessions":[{"SessionId":"` + sessionID + `","Status":` + tc.status + `}]}`
				empty := map[string]int{"active": 0, "history": 1}[tc.list]
				ep := newEndpoint(t, fakessm.New(),
					answerRequests("DescribeSessions", -1, 200, body),
					answerRequests("DescribeSessions", empty, 200, `{"Sessions":[]}`))

				session, err := ep.client().Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})
				if err != nil {
					t.Fatal(err)
				}

				if got := session.Live(); got != tc.want {
					t.Errorf("live: %t, want %t", got, tc.want)
				}
				if calls := ep.calls(t); !strings.HasSuffix(calls, tc.list) {
					t.Errorf("calls: %s, want the last one to be %s", calls, tc.list)
				}
			})
		})
	}
}
