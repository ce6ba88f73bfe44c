// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// decisions records the decisions of a client.
type decisions struct {
	mutex sync.Mutex
	lines []string
}

func (d *decisions) record(_ context.Context, decision sessionmanager.Decision) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.lines = append(d.lines, fmt.Sprint(decision.What, " ", decision.Fields))
}

// expectOne checks that one recorded decision contains all parts.
func (d *decisions) expectOne(t *testing.T, parts ...string) {
	t.Helper()

	if !slices.ContainsFunc(d.lines, func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	}) {
		t.Errorf("no decision contains all of %q:\n%s", parts, strings.Join(d.lines, "\n"))
	}
}

// TestClient_decisions checks that the decisions of a client are reported.
func TestClient_decisions(t *testing.T) {
	t.Parallel()

	all := sessionmanager.Selector{Targets: []string{node, "mi-nobody"}}
	for name, tc := range map[string]struct {
		options  []fakessm.Option
		faults   []fakessm.Fault
		selector sessionmanager.Selector
		most     int
		act      func(*testing.T, *sessionmanager.Client)
		want     [][]string
	}{
		"how many match, the cap and the age of the listing": {
			most: 3,
			want: [][]string{{"A drain counted the sessions to end", "matching:4", "max_sessions:3", "listing_age:1ms", "region:" + region}},
		},
		"a filter that matches no session": {
			selector: sessionmanager.Selector{Targets: []string{"mi-nobody"}},
			want:     [][]string{{"The listing is empty", "filtered:true", "pages:1"}},
		},
		"the reason why a session may still be live": {
			faults: []fakessm.Fault{{Operation: "TerminateSession", SessionID: "crowd-00001", Kind: fakessm.FaultDenied}},
			want:   [][]string{{"A drain did not confirm the end of a session", "session_id:crowd-00001", "outcome:failed", "reason:access denied", "status:Connected"}},
		},
		"sessions that are looked up in the history": {
			options: []fakessm.Option{fakessm.WithPageSize(1), fakessm.WithTerminationLag(time.Hour), fakessm.WithSessions(otherSessions("Connected", 5)...)},
			selector: sessionmanager.Selector{
				Targets: []string{node, "mi-nobody"}, ExcludeSessionIDs: []string{"other-Connected-0", "other-Connected-1", "other-Connected-2", "other-Connected-3", "other-Connected-4"},
			},
			want: [][]string{{"A drain looked for sessions in the history", "sessions:4", "found:4"}},
		},
		"shared listings": {
			act: func(t *testing.T, client *sessionmanager.Client) {
				t.Helper()
				previewAtOnce(t, client, 0, 4)
				previewAtOnce(t, client, 0, 1)
			},
			want: [][]string{
				{"A lookup starts a shared listing", "recent_lookups:4"},
				{"A lookup uses a shared listing", "session_id:crowd-00000", "age:"},
			},
		},
		"lookups that share no listing": {
			act: func(t *testing.T, client *sessionmanager.Client) {
				t.Helper()
				previewAtOnce(t, client, 0, 1)
			},
			want: [][]string{{"A lookup asks for its own session", "session_id:crowd-00000", "recent_lookups:1"}},
		},
		"lookups that wait for a listing": {
			options: []fakessm.Option{fakessm.WithTerminationLag(time.Hour), fakessm.WithTerminatingActive(), fakessm.WithSessions(crowdSessions(40)...)},
			act: func(t *testing.T, client *sessionmanager.Client) {
				t.Helper()
				for i := range 2 {
					var wg sync.WaitGroup
					for n := range 10 {
						wg.Go(func() {
							if err := terminateNext(client, region, true)(t.Context(), 10*i+n); err != nil {
								t.Error(err)
							}
						})
					}
					wg.Wait()
				}
			},
			want: [][]string{{"Lookups of ended sessions wait for a shared listing", "recent_lookups:"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(append([]fakessm.Option{fakessm.WithPageSize(200), fakessm.WithSessions(crowdSessions(4)...)}, tc.options...)...)
				fake.Inject(tc.faults...)
				var told decisions
				client := newEndpoint(t, fake).client(sessionmanager.Options{Decided: told.record})
				if tc.act == nil {
					tc.act = func(t *testing.T, client *sessionmanager.Client) {
						t.Helper()
						in := sessionmanager.DrainInput{Region: region, Selector: tc.selector, MaxSessions: maxSessions}
						if in.Selector.Targets == nil {
							in.Selector = all
						}
						if tc.most > 0 {
							in.MaxSessions = tc.most
						}
						result, err := client.Drain(t.Context(), in)
						checkDrain(t, fake, result, err)
					}
				}

				tc.act(t, client)

				for _, parts := range tc.want {
					told.expectOne(t, parts...)
				}
				for _, line := range told.lines {
					if strings.Contains(line, fakessm.DefaultSecretAccessKey) {
						t.Errorf("a decision contains a secret: %s", line)
					}
				}
			})
		})
	}
}
