// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package endpoint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// TakeCalls returns the SSM requests that reached the fake since it was called last,
// each as "operation region [state] session". It makes the fake forget all requests.
func TakeCalls(fake *fakessm.Server) []string {
	calls := []string{}
	for _, request := range fake.Requests() {
		if request.Service == "ssm" {
			calls = append(calls, strings.Join(strings.Fields(fmt.Sprint(
				request.Operation, " ", request.Region, " ", request.State, " ", request.SessionID)), " "))
		}
	}
	fake.ResetRequests()

	return calls
}

// WantCalls compares TakeCalls with the calls that should have been made.
func WantCalls(t *testing.T, fake *fakessm.Server, want ...string) {
	t.Helper()

	if diff := cmp.Diff(append([]string{}, want...), TakeCalls(fake)); diff != "" {
		t.Errorf("unexpected requests (-want +got):\n%s", diff)
	}
}

// WantStatus checks the status of a session.
func WantStatus(t *testing.T, fake *fakessm.Server, sessionID, want string) {
	t.Helper()

	session, _ := fake.Session(sessionID)
	if session.Status != want {
		t.Errorf("session %s is %q at the endpoint, want %q", sessionID, session.Status, want)
	}
}

// WantStatuses checks the status of each session, given by its ID.
func WantStatuses(t *testing.T, fake *fakessm.Server, want map[string]string) {
	t.Helper()

	for sessionID, status := range want {
		WantStatus(t, fake, sessionID, status)
	}
}

// Requests returns the recorded requests of an operation.
func Requests(fake *fakessm.Server, operation string) []fakessm.Request {
	var requests []fakessm.Request
	for _, request := range fake.Requests() {
		if request.Operation == operation {
			requests = append(requests, request)
		}
	}

	return requests
}

// Operations returns the operations of all recorded requests, in order.
func Operations(fake *fakessm.Server) []string {
	var operations []string
	for _, request := range fake.Requests() {
		operations = append(operations, request.Operation)
	}

	return operations
}
