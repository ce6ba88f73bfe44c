// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/leakhunt"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	// matrixTotal bounds what has no longer bound of its own.
	matrixTotal = 2 * time.Minute

	// matrixDrainTotal is the default of a drain: its 100 calls, and two minutes.
	matrixDrainTotal = matrixTotal + 100*time.Second/6

	// matrixListTotal bounds reading a whole listing.
	matrixListTotal = 20 * time.Minute
)

// The phases of what ends sessions: looking, ending and looking again.
const (
	phaseBefore = "before"
	phaseCall   = "call"
	phaseAfter  = "after"
)

// The lookups that wait for an end to show, over 15 seconds.
const (
	lookupsForEnd  = "(history active)×7"
	listingsForEnd = "list×7"
)

// matrixColumns returns the columns, with the results of faults unless a row has others.
func matrixColumns() []matrixColumn {
	var (
		live       = []string{testLive}
		both       = []string{testLive, matrixSecond}
		describe   = "DescribeSessions"
		termConfig = map[string]any{"session_id": testLive}
		drain      = map[string]any{"targets": []any{testTarget}}
	)

	return []matrixColumn{
		{
			name: "termination create", sessions: live, bound: matrixTotal,
			prepare: func(x *matrixRun) { x.planned(x.server.PlanCreate("ssm_session_termination", termConfig)) },
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				state, diags := x.server.Apply(x.plan)
				x.state = state

				return showTermination(state, protocol.HasErrors(diags)), diags
			},
			again:  func(x *matrixRun) []protocol.Diagnostic { return x.replace(termConfig) },
			phases: terminationPhases("terminated", "nothing", "unverified, tainted"),
		},
		{
			name: "termination refresh", sessions: live, bound: matrixTotal,
			prepare: (*matrixRun).unverifiedTermination,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				state, diags := x.server.Read(x.prior)

				return showTermination(state, false), diags
			},
			phases: []matrixPhase{
				{
					name: "ended", operation: describe,
					recovers: matrixCell{state: "terminated", left: "Terminated", calls: "{active} history"},
					fails: matrixCell{
						sees: "error: Unable to Read Session", says: "could not be looked up: {reason}",
						state: "unverified", left: "Terminated", calls: "{active}",
					},
				},
				{
					name: "live", operation: describe,
					// Session IDs are unique, so this is a session whose end was accepted
					// and never came.
					prepare: func(x *matrixRun) { x.fake.AddSessions(testSessions()[0]) },
					recovers: matrixCell{
						sees: "warning: Session Still Live: " + testLive, says: "The next apply ends it.",
						state: "nothing", left: "Connected", calls: "{active}",
					},
					fails: matrixCell{
						sees: "error: Unable to Read Session", says: "could not be looked up: {reason}",
						state: "unverified", left: "Connected", calls: "{active}",
					},
				},
			},
		},
		{
			name: "termination import", sessions: []string{testEnded}, bound: matrixTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				state, diags := x.server.Import("ssm_session_termination", testEnded, nil)

				return showTermination(state, false), diags
			},
			phases: []matrixPhase{{
				name: "look", operation: describe,
				recovers: matrixCell{state: "already_ended", left: "Terminated", calls: "{active} history"},
				fails: matrixCell{
					sees: "error: Unable to Import Session Termination", says: "was not imported: {reason}",
					state: "nothing", left: "Terminated", calls: "{active}",
				},
			}},
		},
		{
			name: "termination plan", sessions: live, bound: matrixTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				plan, diags := x.server.PlanCreate("ssm_session_termination", termConfig)

				return showPlan(plan, "target", "owner", "start_date"), diags
			},
			phases: []matrixPhase{{
				name: "look", operation: describe,
				recovers: matrixCell{state: "shows target owner start_date", left: "Connected", calls: "{active}"},
				fails: matrixCell{
					sees: "error on session_id: Unable to Read Session", says: "could not be looked up for the plan: {reason}",
					state: "nothing", left: "Connected", calls: "{active}",
				},
			}},
		},
		{
			name: "drain plan", sessions: both, bound: matrixTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				plan, diags := x.server.PlanCreate("ssm_session_drain", drain)

				return showPlan(plan, "outcomes"), diags
			},
			phases: []matrixPhase{{
				name: "look", operation: describe,
				recovers: matrixCell{
					sees: "warning: Sessions To Be Ended in us-east-1: " + testTarget + " (account 123456789012)", says: "2 sessions in Region us-east-1 of account 123456789012 matched when looked at\n" + testLive + "\n" + matrixSecond,
					state: "shows nothing", left: "Connected", calls: "{list}",
				},
				fails: matrixCell{
					sees: "warning: Sessions Not Counted in us-east-1: " + testTarget + " (account 123456789012)", says: "could not be counted: {reason}",
					state: "shows nothing", left: "Connected", calls: "{list}",
				},
			}},
		},
		{
			name: "drain create", sessions: both, bound: matrixDrainTotal,
			prepare: func(x *matrixRun) { x.planned(x.server.PlanCreate("ssm_session_drain", drain)) },
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				state, diags := x.server.Apply(x.plan)
				x.state = state

				return showDrain(state, protocol.HasErrors(diags)), diags
			},
			again: func(x *matrixRun) []protocol.Diagnostic { return x.replace(drain) },
			phases: drainPhases("", matrixStates{
				ended: "terminated", untouched: "nothing",
				failed: "failed terminated, tainted", unseen: "unverified, tainted",
			}),
		},
		{
			name: "drain destroy", sessions: both, bound: matrixDrainTotal,
			prepare: (*matrixRun).drainToDestroy,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				state, diags := x.server.Apply(x.plan)
				x.state = state

				return showDrain(state, false), diags
			},
			again: func(x *matrixRun) []protocol.Diagnostic {
				_, diags := x.server.Destroy(x.state)

				return diags
			},
			phases: drainPhases("", matrixStates{
				// It was drained before, on create.
				ended: "nothing", untouched: "terminated",
				failed: "failed terminated", unseen: "unverified",
				tells: "warning: Sessions Ended in us-east-1: " + testTarget + " (account 123456789012)",
			}),
		},
		{
			name: "data session", sessions: live, bound: matrixTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				values, diags := x.server.ReadDataSource("ssm_session", termConfig)
				if values == nil {
					return "nothing", diags
				}

				return fmt.Sprint(values["session_id"], " ", values["status"]), diags
			},
			phases: []matrixPhase{{
				name: "look", operation: describe,
				recovers: matrixCell{state: testLive + " Connected", left: "Connected", calls: "{active}"},
				fails: matrixCell{
					sees: "error on session_id: Unable to Read Session", says: "could not be read: {reason}",
					state: "nothing", left: "Connected", calls: "{active}",
				},
			}},
		},
		{
			name: "data sessions", sessions: both, bound: matrixListTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				values, diags := x.server.ReadDataSource("ssm_sessions", drain)
				if values == nil {
					return "nothing", diags
				}

				return strings.Trim(fmt.Sprint(values["session_ids"]), "[]"), diags
			},
			phases: []matrixPhase{{
				name: "look", operation: describe,
				recovers: matrixCell{state: testLive + " " + matrixSecond, left: "Connected", calls: "{list}"},
				fails: matrixCell{
					sees: "error: Unable to Read Sessions", says: "could not be listed: {reason}",
					state: "nothing", left: "Connected", calls: "{list}",
				},
			}},
		},
		{
			name: "data connection", sessions: live, bound: matrixTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				values, diags := x.server.ReadDataSource("ssm_connection_status", map[string]any{"target": testTarget})
				if values == nil {
					return "nothing", diags
				}

				return fmt.Sprint(values["status"]), diags
			},
			phases: []matrixPhase{{
				name: "call", operation: "GetConnectionStatus",
				recovers: matrixCell{state: "connected", left: "Connected", calls: "{status}"},
				fails: matrixCell{
					sees: "error on target: Unable to Read Connection Status", says: "could not be read: {reason}",
					state: "nothing", left: "Connected", calls: "{status}",
				},
			}},
		},
		{
			name: "data resume", sessions: []string{testAway}, bound: matrixTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				values, diags := x.server.ReadDataSource("ssm_session_resume", map[string]any{"session_id": testAway})

				return x.showConnection(values), diags
			},
			phases: resumePhases(),
		},
		{
			name: "ephemeral open", sessions: []string{testAway}, bound: matrixTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				values, diags := x.server.OpenEphemeral("ssm_session_resume", map[string]any{"session_id": testAway})

				return x.showConnection(values), diags
			},
			phases: resumePhases(),
		},
		{
			name: "ephemeral start", sessions: live, bound: matrixTotal,
			act:    (*matrixRun).start,
			phases: startPhases(),
		},
		{
			// Few attempts, so that they end before the time does.
			name: "ephemeral end", sessions: live, bound: sessionmanager.EndTime, attempts: 3,
			prepare: (*matrixRun).started,
			act:     (*matrixRun).end,
			phases:  endPhases(),
		},
		{
			name: "action terminate", sessions: live, bound: matrixTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				done := x.server.InvokeAction("ssm_terminate_session", termConfig)

				return lastProgress(done.Progress), done.Diagnostics
			},
			again: func(x *matrixRun) []protocol.Diagnostic {
				return x.server.InvokeAction("ssm_terminate_session", termConfig).Diagnostics
			},
			phases: terminationPhases("says terminated", "says Ending", "says Ending"),
		},
		{
			name: "action drain", sessions: both, bound: matrixDrainTotal,
			act: func(x *matrixRun) (string, []protocol.Diagnostic) {
				done := x.server.InvokeAction("ssm_drain_sessions", drain)

				return lastProgress(done.Progress), done.Diagnostics
			},
			again: func(x *matrixRun) []protocol.Diagnostic {
				return x.server.InvokeAction("ssm_drain_sessions", drain).Diagnostics
			},
			// The first listing is the plan's; the fault comes after it.
			phases: drainPhases("list", matrixStates{
				ended: "says Drained 2 sessions", untouched: "says nothing",
				failed: "says Asked for the end of 1 of 2 sessions, 1 failed", unseen: "says Asked for the end of 2 of 2 sessions",
			}),
		},
	}
}

// terminationPhases returns the phases of ending one session. The arguments are the state
// after a success, if nothing was done, and if the end was not seen.
func terminationPhases(ended, untouched, unseen string) []matrixPhase {
	const (
		failed = "error on session_id: Unable to Terminate Session"
		asked  = "was asked to terminate, but its end could not be confirmed: {reason}"
	)

	return []matrixPhase{
		{
			name: phaseBefore, operation: "DescribeSessions",
			recovers: matrixCell{state: ended, left: "Terminated", calls: "{active} terminate history"},
			fails:    matrixCell{sees: failed, says: "was not terminated: {reason}", state: untouched, left: "Connected", calls: "{active}"},
		},
		{
			name: phaseCall, operation: "TerminateSession", skipAll: 1,
			recovers: matrixCell{state: ended, left: "Terminated", calls: "active {terminate} history"},
			fails:    matrixCell{sees: failed, says: "was not terminated: {reason}", state: untouched, left: "Connected", calls: "active {terminate}"},
			lost:     &matrixCell{sees: failed, says: asked, state: unseen, left: "Connected", calls: "active {terminate} " + lookupsForEnd},
			done:     &matrixCell{state: ended, left: "Terminated", calls: "active {terminate} history"},
		},
		{
			name: phaseAfter, operation: "DescribeSessions", skip: 1, skipAll: 2,
			recovers: matrixCell{state: ended, left: "Terminated", calls: "active terminate {history}"},
			fails:    matrixCell{sees: failed, says: asked, state: unseen, left: "Terminated", calls: "active terminate {history}"},
		},
	}
}

// matrixStates are the states after a drain of two sessions: it ended both, it did not
// get that far, it ended one, or it may have ended both.
type matrixStates struct {
	ended, untouched, failed, unseen string

	// tells is what the user sees after a drain that ended sessions.
	tells string
}

// drainPhases returns the phases of ending two sessions. A fault at the call strikes one
// of the two. The calls of the plan come first.
func drainPhases(plan string, states matrixStates) []matrixPhase {
	const failed = "error: Unable to Drain Sessions"
	first := len(strings.Fields(plan))

	phases := []matrixPhase{
		{
			name: phaseBefore, operation: "DescribeSessions", skip: first, skipAll: first,
			recovers: matrixCell{sees: states.tells, state: states.ended, left: "Terminated", calls: "{list} terminate×2 list"},
			fails: matrixCell{
				sees: failed, says: "could not be listed: {reason}\nNothing was ended.",
				state: states.untouched, left: "Connected", calls: "{list}",
			},
		},
		{
			name: phaseCall, operation: "TerminateSession", session: testLive, skipAll: first + 1,
			recovers: matrixCell{sees: states.tells, state: states.ended, left: "Terminated", calls: "list terminate {terminate} list"},
			fails: matrixCell{
				sees: failed, says: "1 session in Region us-east-1 of account 123456789012 could not be ended (1 ended)\n" + testLive + ": {reason}",
				state: states.failed, left: "Connected Terminated", calls: "list terminate {terminate} list",
			},
			lost: &matrixCell{
				sees: failed, says: "1 session in Region us-east-1 of account 123456789012 could not be ended (1 ended)\n" + testLive + ": {reason}",
				state: states.failed, left: "Connected Terminated", calls: "list terminate {terminate} " + listingsForEnd,
			},
			done: &matrixCell{sees: states.tells, state: states.ended, left: "Terminated", calls: "list terminate {terminate} list"},
		},
		{
			name: phaseAfter, operation: "DescribeSessions", skip: first + 1, skipAll: first + 3,
			recovers: matrixCell{sees: states.tells, state: states.ended, left: "Terminated", calls: "list terminate×2 {list}"},
			fails: matrixCell{
				sees: failed, says: "2 sessions in Region us-east-1 of account 123456789012 were asked to terminate, but whether they are gone could not be seen: {reason}",
				state: states.unseen, left: "Terminated", calls: "list terminate×2 {list}",
			},
		},
	}
	if plan != "" {
		for i := range phases {
			for _, cell := range []*matrixCell{&phases[i].recovers, &phases[i].fails, phases[i].lost, phases[i].done} {
				switch {
				case cell == nil:
				case strings.HasPrefix(cell.calls, plan+" "):
					cell.calls = plan + "×2" + strings.TrimPrefix(cell.calls, plan)
				default:
					cell.calls = plan + " " + cell.calls
				}
			}
		}
	}

	return phases
}

// resumePhases returns the phases of resuming a session.
func resumePhases() []matrixPhase {
	return []matrixPhase{{
		name: "call", operation: "ResumeSession",
		recovers: matrixCell{state: "the last token and URL", left: "Connected", calls: "{resume}"},
		fails: matrixCell{
			sees: "error on session_id: Unable to Resume Session", says: "was not resumed: {reason}",
			state: "nothing", left: "Disconnected", calls: "{resume}",
		},
		// The service has issued the token, but nobody has it.
		done: &matrixCell{
			sees: "error on session_id: Unable to Resume Session", says: "was not resumed: {reason}",
			state: "nothing", left: "Connected", calls: "{resume}",
		},
	}}
}

// start opens a session, and returns the result and the number of live sessions in words.
func (x *matrixRun) start() (string, []protocol.Diagnostic) {
	x.t.Helper()

	// It first ends the session that it has begun.
	x.late = sessionmanager.EndTime + time.Second

	opened, diags := x.server.Open("ssm_session", map[string]any{"target": testOwnTarget, "enabled": true})
	x.opened = opened
	live, all := ownSessions(x.fake)
	result := "nothing"
	if opened != nil {
		result = "something else"
		for _, s := range all {
			if slices.Equal(leakhunt.IssuedSecrets(x.fake, s.SessionID), []string{fmt.Sprint(opened.Values["token_value"]), fmt.Sprint(opened.Values["stream_url"])}) {
				result = "token and URL"
			}
		}
	}

	return fmt.Sprintf("%s, %d live", result, len(live)), diags
}

// The search for a session by its mark takes ten seconds, less the time of a request that
// is under way.
const markLooks = "(list list history)×5"

// startPhases returns the phases of starting a session.
func startPhases() []matrixPhase {
	const failed = "error on target: Unable to Start Session"

	return []matrixPhase{{
		name: "call", operation: "StartSession",
		recovers: matrixCell{state: "token and URL, 1 live", left: "Connected", calls: "{start}"},
		fails:    matrixCell{sees: failed, says: "No session was started on target \"" + testOwnTarget + "\" in Region us-east-1: {reason}", state: "nothing, 0 live", left: "Connected", calls: "{start}"},
		lost: &matrixCell{
			sees: failed + "\nwarning on target: Session Possibly Left Behind", says: "was asked for, but cannot be used: {reason}\nNone was found",
			state: "nothing, 0 live", left: "Connected", calls: "{start} " + markLooks, spent: "1",
		},
		done: &matrixCell{
			sees: failed, says: "was asked for, but cannot be used: {reason}\nhas ended.",
			state: "nothing, 0 live", left: "Connected", calls: "{start} list terminate", spent: "1",
		},
	}}
}

// started opens the session that is to be ended.
func (x *matrixRun) started() {
	x.t.Helper()

	if result, diags := x.start(); len(diags) != 0 || result != "token and URL, 1 live" {
		x.t.Fatalf("no session was started: %s, %+v", result, diags)
	}
}

// end closes the session, and returns the number of live sessions in words.
func (x *matrixRun) end() (string, []protocol.Diagnostic) {
	x.t.Helper()

	diags := x.server.CloseEphemeral(x.opened)
	live, _ := ownSessions(x.fake)

	return fmt.Sprintf("%d live", len(live)), diags
}

// endPhases returns the phases of ending a session that the provider opened. A failed
// lookup changes nothing: SSM has accepted the call, and the next run does not need the
// session.
func endPhases() []matrixPhase {
	const (
		unconfirmed = "warning: Session Possibly Left Behind"
		asked       = "was asked to end, but its end could not be confirmed: {reason}\nuse ssm_session_termination"
	)

	return []matrixPhase{
		{
			name: phaseCall, operation: "TerminateSession",
			recovers: matrixCell{state: "0 live", left: "Connected", calls: "{terminate} history"},
			fails: matrixCell{
				sees: "warning: Unable to Terminate Session", says: "was not ended: {reason}\nuse ssm_session_termination",
				state: "1 live", left: "Connected", calls: "{terminate}",
			},
			lost: &matrixCell{
				sees: "warning: Session Still Live", says: "was asked to end and is still live.\nuse ssm_session_termination",
				state: "1 live", left: "Connected", calls: "{terminate} (history active)×5",
			},
			done: &matrixCell{state: "0 live", left: "Connected", calls: "{terminate} history"},
		},
		{
			name: phaseAfter, operation: "DescribeSessions", skipAll: 1,
			recovers: matrixCell{state: "0 live", left: "Connected", calls: "terminate {history}"},
			fails:    matrixCell{sees: unconfirmed, says: asked, state: "0 live", left: "Connected", calls: "terminate {history}"},
		},
	}
}

// startOnce is the cell of a start that would succeed if it were repeated. It is not,
// because nobody knows whether a session was started.
func startOnce(kind fakessm.FaultKind, reason string) matrixCell {
	return matrixCell{
		sees: "error on target: Unable to Start Session\nwarning on target: Session Possibly Left Behind",
		says: "was asked for, but cannot be used: " + reason + "\nNone was found", state: "nothing, 0 live",
		calls: "start:" + string(kind) + " " + markLooks, spent: "1",
	}
}

// planned keeps the plan for the apply.
func (x *matrixRun) planned(plan *protocol.Plan, diags []protocol.Diagnostic) {
	x.t.Helper()

	if plan == nil {
		x.t.Fatalf("there is no plan: %+v", diags)
	}
	x.plan = plan
}

// replace does what Terraform does after a failed create: it refreshes the state,
// destroys the tainted resource, and creates it again.
func (x *matrixRun) replace(config map[string]any) []protocol.Diagnostic {
	x.t.Helper()

	state := x.state
	var diags []protocol.Diagnostic
	if state.Values != nil {
		refreshed, more := x.server.Read(state)
		state, diags = refreshed, append(diags, more...)
	}
	if state.Values != nil {
		_, more := x.server.Destroy(state)
		diags = append(diags, more...)
	}
	_, more := x.server.Create(state.TypeName, config)

	return append(diags, more...)
}

// unverifiedTermination creates a termination, which may not look whether the session has
// ended.
func (x *matrixRun) unverifiedTermination() {
	x.t.Helper()

	x.fake.Inject(fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1})
	state, diags := x.server.Create("ssm_session_termination", map[string]any{"session_id": testLive})
	if protocol.HasErrors(diags) || showTermination(state, false) != "unverified" {
		x.t.Fatalf("the termination is not unverified: %+v, %+v", state, diags)
	}
	x.fake.ClearFaults()
	x.prior = state
}

// drainToDestroy creates a drain for create and destroy. New sessions begin, and it plans
// the destruction.
func (x *matrixRun) drainToDestroy() {
	x.t.Helper()

	state, diags := x.server.Create("ssm_session_drain", map[string]any{"targets": []any{testTarget}, "when": "both"})
	if protocol.HasErrors(diags) {
		x.t.Fatalf("there is no drain: %+v", diags)
	}
	x.fake.AddSessions(testSessions()[0], matrixSecondSession())
	x.planned(x.server.Plan(state, nil))
}

// showTermination returns the state of a termination in words. All values must be known.
func showTermination(state *protocol.State, tainted bool) string {
	if state == nil || state.Values == nil {
		return "nothing"
	}

	return showState(state, fmt.Sprint(state.Values["outcome"]), tainted)
}

// showDrain returns the state of a drain in words.
func showDrain(state *protocol.State, tainted bool) string {
	if state == nil || state.Values == nil {
		return "nothing"
	}

	return showState(state, showOutcomes(state.Values), tainted)
}

func showState(state *protocol.State, text string, tainted bool) string {
	for name, value := range state.Values {
		if value == protocol.Unknown {
			text += ", " + name + " unknown"
		}
	}
	if tainted {
		text += ", tainted"
	}

	return text
}

// showPlan returns the attributes that are known in a plan.
func showPlan(plan *protocol.Plan, attributes ...string) string {
	if plan == nil {
		return "nothing"
	}

	known := slices.DeleteFunc(slices.Clone(attributes), func(name string) bool { return plan.Values[name] == protocol.Unknown })
	if len(known) == 0 {
		return "shows nothing"
	}

	return "shows " + strings.Join(known, " ")
}

// showConnection returns in words whose token and URL a result holds.
func (x *matrixRun) showConnection(values map[string]any) string {
	if values == nil {
		return "nothing"
	}

	tokens, urls := x.fake.Tokens(testAway), x.fake.StreamURLs(testAway)
	switch {
	case len(tokens) == 0 || values["token_value"] != tokens[len(tokens)-1]:
		return "not the last token"
	case values["stream_url"] != urls[len(urls)-1]:
		return "not the last URL"
	default:
		return "the last token and URL"
	}
}

// lastProgress returns the first three words of an action's last message, and its
// outcome.
func lastProgress(progress []string) string {
	if len(progress) == 0 {
		return "says nothing"
	}
	last := strings.TrimSuffix(progress[len(progress)-1], ".")
	switch {
	case strings.HasPrefix(last, "Ending"):
		last = "Ending"
	case strings.HasPrefix(last, "Session"):
		last = last[strings.LastIndex(last, " ")+1:]
	case strings.HasPrefix(last, "Drained"):
		last, _, _ = strings.Cut(last, " in Region")
	}

	return "says " + last
}
