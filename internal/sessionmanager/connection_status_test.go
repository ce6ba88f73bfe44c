// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// connectionReport is the outcome of ConnectionStatus, as tests compare it.
type connectionReport struct {
	Status string
	Kind   string // Kind of the error.
	Calls  int
}

func TestClient_ConnectionStatus(t *testing.T) {
	t.Parallel()

	const target = "mi-0123456789abcdef0"
	for name, tc := range map[string]struct {
		sessions []fakessm.Session
		targets  map[string]bool
		faults   []fakessm.Fault
		wrap     []func(http.Handler) http.Handler
		want     connectionReport
	}{
		"connected": {
			targets: map[string]bool{target: true},
			want:    connectionReport{Status: "connected", Calls: 1},
		},
		"not connected": {
			targets: map[string]bool{target: false, "mi-other": true},
			want:    connectionReport{Status: "notconnected", Calls: 1},
		},
		"an unknown target": {
			want: connectionReport{Status: "notconnected", Calls: 1},
		},
		"connected, with a session": {
			sessions: []fakessm.Session{sessionInRegion(sessionID, "Connected")},
			want:     connectionReport{Status: "connected", Calls: 1},
		},
		"an unknown status": {
			wrap: []func(http.Handler) http.Handler{answerRequests("GetConnectionStatus", 1, 200, `{"Target":"`+target+`","Status":"connecting"}`)},
			want: connectionReport{Status: "connecting", Calls: 1},
		},
		"throttled for a while": {
			targets: map[string]bool{target: true},
			faults:  []fakessm.Fault{{Kind: fakessm.FaultThrottle, Times: maxAttempts - 1}},
			want:    connectionReport{Status: "connected", Calls: maxAttempts},
		},
		"another target in the answer": {
			wrap: []func(http.Handler) http.Handler{answerRequests("GetConnectionStatus", 1, 200, `{"Target":"mi-other","Status":"connected"}`)},
			want: connectionReport{Kind: incomplete, Calls: 1},
		},
		"no target in the answer": {
			wrap: []func(http.Handler) http.Handler{answerRequests("GetConnectionStatus", 1, 200, `{"Status":"connected"}`)},
			want: connectionReport{Kind: incomplete, Calls: 1},
		},
		"no status in the answer": {
			wrap: []func(http.Handler) http.Handler{answerRequests("GetConnectionStatus", 1, 200, `{"Target":"`+target+`"}`)},
			want: connectionReport{Kind: incomplete, Calls: 1},
		},
		"an empty answer": {
			faults: []fakessm.Fault{{Kind: fakessm.FaultEmpty}},
			want:   connectionReport{Kind: incomplete, Calls: 1},
		},
		"denied": {
			faults: []fakessm.Fault{{Kind: fakessm.FaultDenied}},
			want:   connectionReport{Kind: accessDenied, Calls: 1},
		},
		"expired credentials": {
			faults: []fakessm.Fault{{Kind: fakessm.FaultExpired}},
			want:   connectionReport{Kind: credentialsWrong, Calls: 1},
		},
		"throttled until the retries are exhausted": {
			faults: []fakessm.Fault{{Kind: fakessm.FaultThrottle, Times: -1}},
			want:   connectionReport{Kind: throttled, Calls: maxAttempts},
		},
		"garbage": {
			faults: []fakessm.Fault{{Kind: fakessm.FaultGarbage}},
			want:   connectionReport{Kind: unavailable, Calls: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(tc.sessions...))
				fake.AddTargets(tc.targets)
				fake.Inject(tc.faults...)
				ep := newEndpoint(t, fake, tc.wrap...)

				status, err := ep.client().ConnectionStatus(t.Context(), region, target)

				synctest.Wait()
				if diff := cmp.Diff(tc.want, connectionReport{status, kindOf(err), len(fake.Requests())}); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				for _, r := range fake.Requests() {
					if r.Operation != "GetConnectionStatus" || r.Target != target || r.Region != region {
						t.Errorf("request %+v", r)
					}
				}
				checkConnectionError(t, err)
			})
		})
	}
}

// checkConnectionError checks an error of ConnectionStatus.
func checkConnectionError(t *testing.T, err error) {
	t.Helper()
	checkErrorOf(t, err, sessionmanager.GetConnectionStatus, "", "asking for the connection status: ")
}

// TestClient_ConnectionStatus_noTarget checks that the service refuses an empty target, not
// the client.
func TestClient_ConnectionStatus_noTarget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New())

		status, err := ep.client().ConnectionStatus(t.Context(), region, "")

		if diff := cmp.Diff(connectionReport{Kind: rejected}, connectionReport{Status: status, Kind: kindOf(err)}); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestClient_ConnectionStatus_outOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ep := newEndpoint(t, fakessm.New(fakessm.WithLatency(time.Hour)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		status, err := ep.client().ConnectionStatus(ctx, region, "mi-0123456789abcdef0")

		if diff := cmp.Diff(connectionReport{Kind: outOfTime}, connectionReport{Status: status, Kind: kindOf(err)}); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		checkConnectionError(t, err)
	})
}
