// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// TestClient_answerWithoutList checks that an answer of DescribeSessions without a list is
// an error in every method. AWS sends an empty list if there is no session.
func TestClient_answerWithoutList(t *testing.T) {
	t.Parallel()

	ref := sessionmanager.SessionRef{Region: region, SessionID: sessionID}
	selector := sessionmanager.Selector{Targets: []string{node}}
	for name, body := range map[string]string{
		"an empty object":    `{}`,
		"something else":     `{"status":"ok"}`,
		"null":               `{"Sessions":null}`,
		"a message":          `{"message":"moved"}`,
		"an error's body":    `{"__type":"ThrottlingException"}`,
		"only a page token":  `{"NextToken":"1"}`,
		"a list, and more":   `{"Sessions":[]}<html>moved</html>`,
		"a list in an error": `{"__type":"ThrottlingException","Sessions":[]}`,
	} {
		for what, ask := range map[string]func(*testing.T, *sessionmanager.Client) error{
			"find": func(t *testing.T, client *sessionmanager.Client) error {
				t.Helper()
				_, err := client.Find(t.Context(), ref)

				return err
			},
			"preview": func(t *testing.T, client *sessionmanager.Client) error {
				t.Helper()
				_, err := client.Preview(t.Context(), ref)
				if sessionmanager.NothingToShow(err) {
					t.Errorf("NothingToShow is true for %v", err)
				}

				return err
			},
			"list": func(t *testing.T, client *sessionmanager.Client) error {
				t.Helper()
				_, err := client.List(t.Context(), region, sessionmanager.StateActive, selector, time.Time{})

				return err
			},
			"matching": func(t *testing.T, client *sessionmanager.Client) error {
				t.Helper()
				_, err := client.Matching(t.Context(), region, selector)

				return err
			},
			"terminate": func(t *testing.T, client *sessionmanager.Client) error {
				t.Helper()
				result, err := client.Terminate(t.Context(), sessionmanager.TerminateInput{SessionRef: ref, Verify: true, NotFoundOK: true})
				if result.Outcome != "" || result.Requested {
					t.Errorf("the result is %+v", result)
				}

				return err
			},
			"drain": func(t *testing.T, client *sessionmanager.Client) error {
				t.Helper()
				result, err := client.Drain(t.Context(), sessionmanager.DrainInput{Region: region, Selector: selector, MaxSessions: 10})
				if len(result.Outcomes) > 0 {
					t.Errorf("the outcomes are %v", result.Outcomes)
				}

				return err
			},
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					fake := fakessm.New(fakessm.WithSessions(*knownSession("Connected")))
					ep := newEndpoint(t, fake, answerRequests("DescribeSessions", -1, 200, body))

					err := ask(t, ep.client())

					if got := kindOf(err); got != incomplete {
						t.Errorf("error is %q, want %q: %v", got, incomplete, err)
					}
					if fake.Count("TerminateSession") > 0 {
						t.Error("a session was asked to end")
					}
				})
			})
		}
	}
}

// TestClient_Drain_answersWithoutList checks that a session that was asked to end is not
// recorded as ended if the later listings have no list.
func TestClient_Drain_answersWithoutList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithPageSize(200), fakessm.WithSessions(connectedSessions("a", "b")...))
		fake.Inject(fakessm.Fault{Operation: "TerminateSession", SessionID: "b", Kind: fakessm.FaultDenied, Times: -1})

		got, result := runDrainForResult(t, newEndpoint(t, fake, withoutList(1)), sessionmanager.DrainInput{
			Selector: sessionmanager.Selector{Targets: []string{node}}, MaxSessions: 2,
		})

		want := drainReport{
			Outcomes: outcomes{"a": unverified, "b": failed}, Failures: map[string]string{"b": accessDenied},
			Kind: incomplete, Live: []string{"b"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got := kindOf(result.Doubts["a"]); got != incomplete {
			t.Errorf("the doubt is %q, want %q", got, incomplete)
		}
	})
}
