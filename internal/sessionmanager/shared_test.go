// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// TestClient_Terminate_looksShared has as many workers as Terraform end 120 sessions,
// each verified, at endpoints that differ in where they list a session that is ending.
func TestClient_Terminate_looksShared(t *testing.T) {
	t.Parallel()

	const count = 120
	quota := fakessm.WithDefaultQuotas()
	lag := fakessm.WithTerminationLag
	for name, tc := range map[string]struct {
		options []fakessm.Option
		most    time.Duration
		looks   int // DescribeSessions, at most.
	}{
		"Terminating is active for 1.5 s": {
			options: []fakessm.Option{quota, lag(1500 * time.Millisecond), fakessm.WithTerminatingActive()}, most: 22 * time.Second, looks: 90,
		},
		"Terminating stays active": {
			options: []fakessm.Option{quota, lag(time.Hour), fakessm.WithTerminatingActive()}, most: 22 * time.Second, looks: 90,
		},
		"Terminating stays active, without quotas": {
			options: []fakessm.Option{lag(time.Hour), fakessm.WithTerminatingActive()}, most: 22 * time.Second, looks: 90,
		},
		"the history has it at once": {
			options: []fakessm.Option{quota}, most: 21 * time.Second, looks: 140,
		},
		"the history has it Terminating": {
			options: []fakessm.Option{quota, lag(time.Hour)}, most: 21 * time.Second, looks: 140,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(append(tc.options, fakessm.WithPageSize(200), fakessm.WithSessions(crowd(count)...))...)
				ep := newEndpoint(t, fake).patient()

				got := ep.work(t, 10, count, terminating(ep.client(), region, true))

				within(t, got.took, 0, tc.most)
				if looks := fake.Count("DescribeSessions"); looks > tc.looks {
					t.Errorf("%d looks for %d sessions, want %d at most", looks, count, tc.looks)
				}
				for _, s := range fake.Sessions() {
					if s.Status == "Connected" {
						t.Errorf("session %s is live", s.SessionID)
					}
				}
			})
		})
	}
}
