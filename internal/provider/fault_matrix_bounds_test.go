// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// manyAttempts is a max_retries that no test reaches.
const manyAttempts = int64(1000)

// TestFaultMatrix_bounds checks that all work of the provider ends at its total bound if
// the endpoint never answers.
func TestFaultMatrix_bounds(t *testing.T) {
	t.Parallel()

	within := func(config map[string]any, name, timeout string) map[string]any {
		config = maps.Clone(config)
		config["timeouts"] = map[string]any{name: timeout}

		return config
	}
	session := map[string]any{"session_id": testLive}
	drain := map[string]any{"targets": []any{testTarget}}
	longDrain := map[string]any{"targets": []any{testTarget}, "grace_period": "10m", "max_sessions": int64(600)}

	for name, tc := range map[string]struct {
		want     time.Duration
		typeName string // Resource that is planned before, and created for a destroy.
		config   map[string]any
		destroy  bool
		act      func(*matrixRun) []protocol.Diagnostic
	}{
		"termination create":                {want: 2 * time.Minute, typeName: "ssm_session_termination", config: session},
		"termination create with a timeout": {want: 45 * time.Second, typeName: "ssm_session_termination", config: within(session, "create", "45s")},
		"drain create":                      {want: matrixDrainTotal, typeName: "ssm_session_drain", config: drain},
		"drain create with a grace period":  {want: 10*time.Minute + 100*time.Second + 2*time.Minute, typeName: "ssm_session_drain", config: longDrain},
		"drain create with a timeout":       {want: 90 * time.Second, typeName: "ssm_session_drain", config: within(drain, "create", "90s")},
		"drain destroy": {
			want: matrixDrainTotal, typeName: "ssm_session_drain", config: map[string]any{"targets": []any{testTarget}, "when": "destroy"}, destroy: true,
		},
		"drain destroy with a timeout": {
			want: 90 * time.Second, typeName: "ssm_session_drain", destroy: true,
			config: within(map[string]any{"targets": []any{testTarget}, "when": "destroy"}, "delete", "90s"),
		},
		"termination refresh": {want: 2 * time.Minute},
		"termination import": {want: 2 * time.Minute, act: func(x *matrixRun) []protocol.Diagnostic {
			_, diags := x.server.Import("ssm_session_termination", testEnded, nil)

			return diags
		}},
		"termination plan": {want: 2 * time.Minute, act: func(x *matrixRun) []protocol.Diagnostic {
			_, diags := x.server.PlanCreate("ssm_session_termination", session)

			return diags
		}},
		"drain plan": {want: 2 * time.Minute, act: func(x *matrixRun) []protocol.Diagnostic {
			_, diags := x.server.PlanCreate("ssm_session_drain", drain)

			return diags
		}},
		"data session": {want: 2 * time.Minute, act: func(x *matrixRun) []protocol.Diagnostic {
			_, diags := x.server.ReadDataSource("ssm_session", session)

			return diags
		}},
		"data sessions": {want: 20 * time.Minute, act: func(x *matrixRun) []protocol.Diagnostic {
			_, diags := x.server.ReadDataSource("ssm_sessions", drain)

			return diags
		}},
		"data connection": {want: 2 * time.Minute, act: func(x *matrixRun) []protocol.Diagnostic {
			_, diags := x.server.ReadDataSource("ssm_connection_status", map[string]any{"target": testTarget})

			return diags
		}},
		"data resume": {want: 2 * time.Minute, act: func(x *matrixRun) []protocol.Diagnostic {
			_, diags := x.server.ReadDataSource("ssm_session_resume", session)

			return diags
		}},
		"ephemeral open": {want: 2 * time.Minute, act: func(x *matrixRun) []protocol.Diagnostic {
			_, diags := x.server.OpenEphemeral("ssm_session_resume", session)

			return diags
		}},
		"action terminate": {want: 2 * time.Minute, act: func(x *matrixRun) []protocol.Diagnostic {
			return x.server.InvokeAction("ssm_terminate_session", session).Diagnostics
		}},
		"action terminate with a timeout": {want: 45 * time.Second, act: func(x *matrixRun) []protocol.Diagnostic {
			return x.server.InvokeAction("ssm_terminate_session", within(session, "invoke", "45s")).Diagnostics
		}},
		"action drain": {want: matrixTotal + matrixDrainTotal, act: func(x *matrixRun) []protocol.Diagnostic {
			// The time of its plan comes first.
			return x.server.InvokeAction("ssm_drain_sessions", drain).Diagnostics
		}},
		"action drain with a timeout": {want: matrixTotal + 90*time.Second, act: func(x *matrixRun) []protocol.Diagnostic {
			return x.server.InvokeAction("ssm_drain_sessions", within(drain, "invoke", "90s")).Diagnostics
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				x := newMatrixRun(t, manyAttempts)
				switch {
				case tc.typeName != "":
					x.planned(x.server.PlanCreate(tc.typeName, tc.config))
					if tc.destroy {
						state, _ := x.server.Apply(x.plan)
						x.planned(x.server.Plan(state, nil))
					}
					tc.act = func(x *matrixRun) []protocol.Diagnostic {
						_, diags := x.server.Apply(x.plan)

						return diags
					}
				case tc.act == nil:
					x.unverifiedTermination()
					tc.act = func(x *matrixRun) []protocol.Diagnostic {
						_, diags := x.server.Read(x.prior)

						return diags
					}
				}
				x.fake.Inject(fakessm.Fault{Kind: fakessm.FaultHang, Times: -1})

				start := time.Now()
				diags := tc.act(x)

				if took := time.Since(start); took != tc.want {
					t.Errorf("it took %s, and may take %s", took, tc.want)
				}
				if len(diags) == 0 || !strings.Contains(allDetails(diags), "the time ran out") {
					t.Errorf("the user is not told that time ran out: %+v", diags)
				}
			})
		})
	}
}

// TestFaultMatrix_boundOfConfigure checks the bound of configuring, and the shorter one of
// a source of credentials.
func TestFaultMatrix_boundOfConfigure(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		changes map[string]any
		want    time.Duration
	}{
		"account of the credentials": {nil, 2 * time.Minute},
		"source of the credentials":  {withArgument(withoutKeys, "assume_role_with_web_identity", testWebIdentity(nil)), credentialsTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New()
				fake.Inject(fakessm.Fault{Kind: fakessm.FaultHang, Times: -1})
				ep := endpoint.NewBubble(t, fake)
				s := newServerWithClient(t, ep.Client(), testArguments(endpoint.BubbleURL, tc.changes))

				start := time.Now()
				diags := s.Configure()

				if took := time.Since(start); took != tc.want {
					t.Errorf("it took %s, want %s", took, tc.want)
				}
				if !protocol.HasErrors(diags) {
					t.Errorf("the user sees no error: %+v", diags)
				}
			})
		})
	}
}

// TestFaultMatrix_interrupted interrupts waits for people and for sessions. An
// interrupted wait for the endpoint is a row of the matrix.
func TestFaultMatrix_interrupted(t *testing.T) {
	t.Parallel()

	grace := map[string]any{"targets": []any{testTarget}, "grace_period": "10m"}
	drain := map[string]any{"targets": []any{testTarget}}
	session := map[string]any{"session_id": testLive}
	resource := func(typeName string, config map[string]any, show func(*protocol.State, bool) string) func(*matrixRun) (string, []protocol.Diagnostic) {
		return func(x *matrixRun) (string, []protocol.Diagnostic) {
			state, diags := x.server.Create(typeName, config)

			return show(state, protocol.HasErrors(diags)), onlyErrors(diags)
		}
	}
	action := func(typeName string, config map[string]any) func(*matrixRun) (string, []protocol.Diagnostic) {
		return func(x *matrixRun) (string, []protocol.Diagnostic) {
			done := x.server.InvokeAction(typeName, config)

			return lastProgress(done.Progress), done.Diagnostics
		}
	}
	for name, tc := range map[string]struct {
		unkillable bool
		act        func(*matrixRun) (string, []protocol.Diagnostic)
		state      string
		calls      string // The last of them.
	}{
		"termination create, for the end to show": {
			unkillable: true, act: resource("ssm_session_termination", session, showTermination), state: "unverified, tainted", calls: "(history active)×4",
		},
		"drain create, for the end to show": {
			unkillable: true, act: resource("ssm_session_drain", drain, showDrain), state: "failed, tainted", calls: "list×4",
		},
		"drain create, in the grace period": {
			act: resource("ssm_session_drain", grace, showDrain), state: "nothing", calls: "list×2",
		},
		"action terminate, for the end to show": {
			unkillable: true, act: action("ssm_terminate_session", session), state: "says Ending", calls: "(history active)×4",
		},
		"action drain, for the end to show": {
			unkillable: true, act: action("ssm_drain_sessions", drain), state: "says Asked for the end of 2 of 2 sessions", calls: "list×4",
		},
		"action drain, in the grace period": {
			act: action("ssm_drain_sessions", grace), state: "says Waiting for 2 sessions to end within the grace period ..", calls: "list×2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				x := newMatrixRun(t, manyAttempts)
				if tc.unkillable {
					for _, s := range []fakessm.Session{testSessions()[0], matrixSecondSession()} {
						s.Behaviour = fakessm.BehaviourUnkillable
						x.fake.AddSessions(s)
					}
				}

				state, diags := x.interrupted(7*time.Second, func() (string, []protocol.Diagnostic) { return tc.act(x) })

				if state != tc.state {
					t.Errorf("in state is %q, want %q", state, tc.state)
				}
				if !protocol.HasErrors(diags) {
					t.Errorf("the user sees no error: %+v", diags)
				}
				if calls := x.ep.Calls(); !strings.HasSuffix(calls, " "+tc.calls) && calls != tc.calls {
					t.Errorf("the calls are %s, want them to end in %s", calls, tc.calls)
				}
				x.wantCancelled(diags)
			})
		})
	}
}

// newMatrixRun starts an endpoint with the sessions of the matrix, and a provider.
func newMatrixRun(t *testing.T, attempts int64, options ...fakessm.Option) *matrixRun {
	t.Helper()

	fake := fakessm.New(append([]fakessm.Option{
		fakessm.WithSessions(testSessions()...),
		fakessm.WithSessions(matrixSecondSession()),
		fakessm.WithPageSize(200),
	}, options...)...)
	ep := endpoint.NewBubble(t, fake)

	return &matrixRun{t: t, fake: fake, ep: ep, server: newBubbleServer(t, ep, map[string]any{"max_retries": attempts})}
}

// interrupted starts work that waits, interrupts it as Terraform does, and checks that it
// ends at once.
func (x *matrixRun) interrupted(after time.Duration, act func() (string, []protocol.Diagnostic)) (state string, diags []protocol.Diagnostic) {
	x.t.Helper()

	ended := make(chan time.Time)
	go func() {
		state, diags = act()
		ended <- time.Now()
	}()
	time.Sleep(after)
	select {
	case <-ended:
		x.t.Fatalf("it ended by itself: %s, %+v", state, diags)
	default:
	}

	interruption := time.Now()
	if _, err := x.server.Provider.StopProvider(x.t.Context(), &tfprotov6.StopProviderRequest{}); err != nil {
		x.t.Fatal(err)
	}
	if took := (<-ended).Sub(interruption); took > x.late {
		x.t.Errorf("it ended %s after the interruption", took)
	}

	return state, diags
}

// wantCancelled checks that the diagnostics give the interruption as the reason, and no
// other.
func (x *matrixRun) wantCancelled(diags []protocol.Diagnostic) {
	x.t.Helper()

	details := allDetails(diags)
	if !strings.Contains(details, "the operation was cancelled") {
		x.t.Errorf("the user is not told that the operation was cancelled, but:\n%s", details)
	}
	for _, untrue := range []string{"the time allowed", "through all retries", "(1 ended)"} {
		if strings.Contains(details, untrue) {
			x.t.Errorf("the user is told %q, which is not so:\n%s", untrue, details)
		}
	}
}
