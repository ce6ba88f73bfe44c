// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func TestControl(t *testing.T) {
	t.Parallel()

	start := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	fake := fakessm.New()
	client := newClient(t, fake)
	control := fake.Control()
	call := func(method, path, body string) (int, string) {
		rec := httptest.NewRecorder()
		control.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, "/_fakessm/"+path, strings.NewReader(body)))

		return rec.Code, strings.Join(strings.Fields(rec.Body.String()), "")
	}
	want := func(status int, contains string) func(int, string) {
		t.Helper()

		return func(gotStatus int, got string) {
			t.Helper()
			if gotStatus != status || !strings.Contains(got, contains) {
				t.Errorf("want %d %s, got %d %s", status, contains, gotStatus, got)
			}
		}
	}

	want(200, "[]")(call("GET", "sessions", ""))
	want(204, "")(call("POST", "sessions", `[{"SessionId":"a@b","Owner":"o","StartDate":"2026-11-20T08:00:00Z"},{"SessionId":"c","Behaviour":"stuck"}]`))
	want(204, "")(call("POST", "sessions", `{"SessionId":"d"}`))
	session, _ := fake.Session("a@b")
	wantSession := fakessm.Session{SessionID: "a@b", Region: "us-east-1", Status: "Connected", Owner: "o", StartDate: start}
	if diff := cmp.Diff(wantSession, session); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want(200, `"StartDate":"2026-11-20T08:00:00Z"`)(call("GET", "sessions", ""))
	want(204, "")(call("POST", "sessions/a%40b/end", ""))
	wantStatus(t, fake, "a@b", "Terminated")
	want(404, "")(call("POST", "sessions/x/end", ""))
	want(204, "")(call("DELETE", "sessions/d", ""))
	if _, ok := fake.Session("d"); ok {
		t.Error("session d still exists")
	}

	want(204, "")(call("POST", "faults", `{"kind":"throttle","operation":"TerminateSession","times":2}`))
	wantCode(t, terminateSession(t, client, "c"), "ThrottlingException", "")
	want(200, `[{"operation":"TerminateSession","kind":"throttle","times":1}]`)(call("GET", "faults", ""))
	want(204, "")(call("DELETE", "faults", ""))
	want(200, "[]")(call("GET", "faults", ""))
	if err := terminateSession(t, client, "c"); err != nil {
		t.Error(err)
	}

	want(200, `"errorCode":"ThrottlingException"`)(call("GET", "requests", ""))
	for _, r := range fake.Requests() {
		want(200, `"requestId":"`+r.RequestID+`"`)(call("GET", "requests", ""))
	}
	want(204, "")(call("DELETE", "requests", ""))
	want(200, "[]")(call("GET", "requests", ""))

	for path, body := range map[string]string{
		"sessions": `{"SessionId":"x","Colour":"red"}`, "sessions/": `{}`, "faults": `{"kind":"meteor"}`,
	} {
		if status, _ := call("POST", path, body); status < 400 {
			t.Errorf("POST %s %s answers %d", path, body, status)
		}
	}
	want(http.StatusMethodNotAllowed, "")(call("PUT", "sessions", ""))
}

func TestReadSessions_refused(t *testing.T) {
	t.Parallel()

	for _, bad := range []string{
		``, `x`, `[`, `{}`, `[{"SessionId":""}]`, `{"SessionId":"s","Behaviour":"odd"}`, `{"SessionId":"s","Color":1}`, `[{"SessionId":"s"}] 1`, `{"SessionId":"s","StartDate":"now"}`,
	} {
		if sessions, err := fakessm.ReadSessions(strings.NewReader(bad)); err == nil {
			t.Errorf("%s is accepted as %v", bad, sessions)
		}
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()

	fake := fakessm.New()
	client := newClient(t, fake)
	input := &ssm.DescribeSessionsInput{State: "History"}
	input.Filters = append(input.Filters, sessionFilter("Target", "i-1"), sessionFilter("SessionId", "s"))
	input.MaxResults = new(int32(7))
	output, err := client.DescribeSessions(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	answered, _ := awsmiddleware.GetRequestIDMetadata(output.ResultMetadata)
	if answered == "" {
		t.Error("the answer has no request ID")
	}
	requests := fake.Requests()
	if len(requests) != 1 || !strings.Contains(requests[0].UserAgent, "api/ssm") || requests[0].Time.IsZero() {
		t.Fatalf("recorded as %+v", requests)
	}
	requests[0].UserAgent, requests[0].Time = "", time.Time{}
	want := fakessm.Request{
		Service: "ssm", Operation: "DescribeSessions", Region: "us-east-1", Caller: "arn:aws:iam::123456789012:user/terraform",
		SessionID: "s", Target: "i-1", State: "History", Filters: map[string]string{"Target": "i-1", "SessionId": "s"}, MaxResults: 7,
		Attempt: 1, Status: 200, RequestID: answered,
	}
	if diff := cmp.Diff(want, requests[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	fake.ResetRequests()
	if len(fake.Requests()) != 0 || fake.Count("DescribeSessions") != 0 {
		t.Error("requests are still recorded")
	}
}
