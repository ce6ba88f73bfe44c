// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/leakhunt"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// The fault matrix applies every known fault of an endpoint to everything that the
// provider does. A row is a fault, a column is something that the provider does, and a
// cell is the expected result. A column has phases: the calls that the fault strikes. The
// names of tests are row, column and phase, and `make fault-matrix` prints a verdict for
// each cell.

// matrixFault is a row.
type matrixFault struct {
	name string

	kind      fakessm.FaultKind
	delay     time.Duration
	times     int          // How many requests are struck, or connections refused; -1 for all.
	operation string       // The fault makes sense for this operation only.
	sticky    bool         // After the first struck request all operations are struck.
	refuse    bool         // Connections are refused; there is no other fault.
	refusal   func() error // How they are refused, if not by nobody listening.

	renewal bool // The fault strikes STS, when the credentials of a role have to be renewed.

	skew    time.Duration // How far the endpoint's clock is off.
	ignored bool          // Filters are ignored, of a long listing.

	attempts  int           // The provider's max_retries, 5 if it is not set.
	interrupt time.Duration // When Terraform is interrupted.

	// The result: class selects one of the phase's cells, unless the row has its own.
	// Those are named "column" or "column/phase".
	class  matrixClass
	spent  string // How many calls are struck, as in "3" or "9..11".
	reason string // Why it failed, as the user is told.
	cause  string // Part of the error behind it.
	never  string // What the user must not be told.
	cells  map[string]matrixCell
}

// matrixClass is the effect of a fault.
type matrixClass int

const (
	classRecovers matrixClass = iota // In the end the call succeeds.
	classRefused                     // It fails, and certainly nothing was done.
	classLost                        // It fails. Nothing was done, but that cannot be known.
	classDone                        // It fails although the work was done.
)

// matrixColumn is something that the provider does.
type matrixColumn struct {
	name     string // Kind of object and what it does, in a word each.
	sessions []string
	bound    time.Duration // How long it may take at most.
	attempts int           // How many attempts a call has at most, if fewer than the row says.
	prepare  func(*matrixRun)
	act      func(*matrixRun) (state string, diags []protocol.Diagnostic)
	again    func(*matrixRun) []protocol.Diagnostic // What Terraform does after an error, for what ends sessions.
	phases   []matrixPhase
}

// matrixPhase is what a fault strikes.
type matrixPhase struct {
	name      string
	operation string
	session   string // Only requests about this session are struck.
	skip      int    // How many requests of the operation come before.
	skipAll   int    // How many requests of all come before.
	prepare   func(*matrixRun)

	recovers matrixCell
	fails    matrixCell  // Of class refused, and of the others if they have none of their own.
	lost     *matrixCell // Of class lost.
	done     *matrixCell // Of class done.
}

// matrixCell is the expected result of a fault. In calls, {x} is the struck call x with
// all its attempts. In says, {reason} is the reason of the row.
type matrixCell struct {
	recovers bool // Empty fields are those of a call that succeeds in the end.

	na    string // Why the cell makes no sense.
	sees  string // Diagnostics: "", or severity, attribute and summary of each, in lines.
	says  string // Parts of their details, in lines.
	never string // What the details must not say, in lines.
	state string // What is in state, or is the result.
	left  string // The statuses of the sessions at the endpoint.
	calls string
	spent string // How many calls are struck, if not as many as the row says.
}

// matrixRun is one cell under test.
type matrixRun struct {
	t      *testing.T
	server *protocol.Server
	fake   *fakessm.Server
	ep     *endpoint.Bubble

	late time.Duration // How long it may still work after an interruption.

	prior *protocol.State
	plan  *protocol.Plan
	state *protocol.State // The state of a resource after the fault.

	opened *protocol.Opened // The session that is to be ended.
}

// matrixCrowd is the number of other sessions in each list, more than three pages.
const matrixCrowd = 8

func TestFaultMatrix(t *testing.T) {
	t.Parallel()

	columns := matrixColumns()
	used := map[string]bool{}
	for _, row := range matrixFaults() {
		for _, column := range columns {
			for _, phase := range column.phases {
				cell := row.cell(column, phase, used)
				t.Run(row.name+"/"+column.name+"/"+phase.name, func(t *testing.T) {
					t.Parallel()

					if cell.na != "" {
						t.Attr("na", cell.na)
						t.Skip(cell.na)
					}
					t.Attr("sees", oneLine(cell.sees))
					t.Attr("state", oneLine(cell.state))
					t.Attr("left", oneLine(cell.left))
					t.Attr("calls", oneLine(cell.calls))
					synctest.Test(t, func(t *testing.T) { cell.run(t, row, column, phase) })
				})
			}
		}
		for name := range row.cells {
			if !used[row.name+"/"+name] {
				t.Errorf("the row %q has a cell for %q, which there is not", row.name, name)
			}
		}
	}
}

func oneLine(text string) string {
	return strings.ReplaceAll(text, "\n", "; ")
}

// cell returns the expected result of a fault: that of the row, or else that of the
// column for such faults.
func (row matrixFault) cell(column matrixColumn, phase matrixPhase, used map[string]bool) matrixCell {
	cell := phase.recovers
	switch {
	case row.class == classLost && phase.lost != nil:
		cell = *phase.lost
	case row.class == classDone && phase.done != nil:
		cell = *phase.done
	case row.class != classRecovers:
		cell = phase.fails
	}
	cell.never = row.never
	for _, name := range []string{column.name, column.name + "/" + phase.name} {
		if own, ok := row.cells[name]; ok {
			used[row.name+"/"+name] = true
			if own.recovers {
				cell = phase.recovers
			}
			cell = own.orElse(cell)
		}
	}
	if row.operation != "" && row.operation != phase.operation {
		return matrixCell{na: "the call is " + phase.operation}
	}

	if row.renewal && phase.skipAll > 0 {
		return matrixCell{na: "credentials are renewed before the first call"}
	}

	spent := cmp.Or(cell.spent, row.spent)
	if count, err := strconv.Atoi(strings.Split(spent, ".")[0]); err == nil && column.attempts != 0 && count >= column.attempts {
		// The call itself may come twice.
		spent = fmt.Sprintf("%d..%d", column.attempts, 2*column.attempts)
	}
	if row.class != classRecovers && row.cause != "" && strings.Contains(cell.says, "{reason}") {
		cell.says += "\nError: \n" + row.cause
	}
	cell.says = strings.ReplaceAll(cell.says, "{reason}", row.reason)
	cell.calls = regexp.MustCompile(`{([a-z]+)}`).ReplaceAllStringFunc(cell.calls, func(call string) string {
		call = strings.Trim(call, "{}")
		struck := call + ":" + string(row.kind)
		if row.refuse {
			struck = "refused"
		}
		if row.kind == "" && !row.refuse || row.renewal {
			struck = ""
		}
		if spent != "1" && struck != "" {
			struck += "×" + spent
		}
		if row.class == classRecovers && row.kind != fakessm.FaultSlow {
			struck = strings.TrimSpace(struck + " " + call)
		}

		return struck
	})

	return cell
}

// orElse fills in the fields that the cell leaves empty. A dash means nothing.
func (c matrixCell) orElse(other matrixCell) matrixCell {
	if c.na != "" {
		return c
	}
	for _, field := range []struct{ own, other *string }{
		{&c.sees, &other.sees}, {&c.says, &other.says}, {&c.never, &other.never}, {&c.spent, &other.spent},
		{&c.state, &other.state}, {&c.left, &other.left}, {&c.calls, &other.calls},
	} {
		switch *field.own {
		case "":
			*field.own = *field.other
		case "-":
			*field.own = ""
		}
	}

	return c
}

func (c matrixCell) run(t *testing.T, row matrixFault, column matrixColumn, phase matrixPhase) {
	t.Helper()

	var skew atomic.Int64
	options := []fakessm.Option{
		fakessm.WithClock(func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }),
	}
	if row.ignored {
		options = append(options, fakessm.WithFiltersIgnored(), fakessm.WithPageSize(2), fakessm.WithSessions(matrixOthers()...))
	}
	attempts := int64(5)
	if row.attempts != 0 {
		attempts = int64(row.attempts)
	}
	if column.attempts != 0 {
		attempts = int64(column.attempts)
	}
	run := newMatrixRun(t, attempts, options...)
	if row.renewal {
		run.server = newBubbleServer(t, run.ep, map[string]any{"max_retries": attempts, "assume_role": testRole()})
	}
	fake, ep := run.fake, run.ep
	if column.prepare != nil {
		column.prepare(run)
	}
	if phase.prepare != nil {
		phase.prepare(run)
	}

	ep.ForgetCalls()
	skew.Store(int64(row.skew))
	switch {
	case row.skew != 0:
	case row.renewal:
		time.Sleep(24 * time.Hour)
		fake.Inject(fakessm.Fault{Operation: "AssumeRole", Kind: row.kind, Times: row.times})
	case row.refuse:
		ep.RefuseConnections(phase.skipAll, row.times)
		ep.Refusal = row.refusal
	case row.sticky:
		fake.Inject(fakessm.Fault{Kind: row.kind, Times: row.times, Skip: phase.skipAll})
	case row.kind != "":
		fake.Inject(fakessm.Fault{
			Kind: row.kind, Times: row.times, Delay: row.delay,
			Operation: phase.operation, SessionID: phase.session, Skip: phase.skip,
		})
	}
	start := time.Now()
	act := func() (string, []protocol.Diagnostic) { return column.act(run) }
	if row.interrupt != 0 {
		wait := act
		act = func() (string, []protocol.Diagnostic) { return run.interrupted(row.interrupt, wait) }
	}
	state, diags := act()
	took := time.Since(start)

	if got := showDiagnostics(diags); got != c.sees {
		t.Errorf("the user should see:\n%s\nbut sees:\n%s", c.sees, got)
	}
	details := allDetails(diags)
	for part := range strings.Lines(c.says) {
		if part = strings.TrimSuffix(part, "\n"); !strings.Contains(details, part) {
			t.Errorf("the user is not told %q, but:\n%s", part, details)
		}
	}
	for part := range strings.Lines(c.never) {
		if part = strings.TrimSpace(part); part != "" && strings.Contains(details, part) {
			t.Errorf("the user is told %q, which is not so:\n%s", part, details)
		}
	}
	// The SDK's chains of errors tell the user nothing.
	for _, chain := range []string{"https response error", "operation error", "request send failed"} {
		if strings.Contains(details, chain) {
			t.Errorf("the user is told %q:\n%s", chain, details)
		}
	}
	if diff := gocmp.Diff(c.state, state); diff != "" {
		t.Errorf("in state (-want +got):\n%s", diff)
	}
	calls := ep.Calls()
	if !matchCounts(c.calls, calls) {
		t.Errorf("the calls should be:\n%s\nbut are:\n%s", c.calls, calls)
	}
	if diff := gocmp.Diff(c.left, leftOver(fake, column.sessions)); diff != "" {
		t.Errorf("at the endpoint (-want +got):\n%s", diff)
	}
	// The plan of an action and the last answer add to it.
	if took > column.bound+10*fakessm.LocalLatency {
		t.Errorf("it took %s, and may take %s", took, column.bound)
	}
	if protocol.HasErrors(diags) && column.again != nil {
		// A second try ends what was not ended or not seen.
		fake.ClearFaults()
		ep.RefuseConnections(0, 0)
		if got := showDiagnostics(onlyErrors(column.again(run))); got != "" {
			t.Errorf("when it is tried again without the fault, the user sees:\n%s", got)
		}
		if diff := gocmp.Diff("Terminated", leftOver(fake, column.sessions)); diff != "" {
			t.Errorf("at the endpoint, after another try (-want +got):\n%s", diff)
		}
	}
	secrets := append(leakhunt.IssuedSecrets(fake, testLive, testAway), fakessm.DefaultSecretAccessKey)
	if err := leakhunt.Find(details, secrets); err != nil {
		t.Errorf("the user is told a secret: %s", err)
	}
	for _, r := range fake.Requests() {
		if int64(r.Attempt) > attempts {
			t.Errorf("%s is attempt %d of at most %d", r.Operation, r.Attempt, attempts)
		}
	}
}

func onlyErrors(diags []protocol.Diagnostic) []protocol.Diagnostic {
	return slices.DeleteFunc(diags, func(d protocol.Diagnostic) bool { return d.Severity != "error" })
}

// showDiagnostics lists diagnostics without their details.
func showDiagnostics(diags []protocol.Diagnostic) string {
	lines := make([]string, 0, len(diags))
	for _, d := range diags {
		line := d.Severity
		if d.Attribute != "" {
			line += " on " + d.Attribute
		}
		lines = append(lines, line+": "+d.Summary)
	}

	return strings.Join(lines, "\n")
}

func allDetails(diags []protocol.Diagnostic) string {
	var details strings.Builder
	for _, d := range diags {
		details.WriteString(d.Detail + "\n")
	}

	return details.String()
}

// matchCounts compares lists of calls. Counts of the wanted list may be ranges, as in
// "×9..11".
func matchCounts(want, got string) bool {
	count := regexp.MustCompile(`×(\d+)(?:\.\.(\d+))?`)
	if count.ReplaceAllString(want, "×") != count.ReplaceAllString(got, "×") {
		return false
	}
	wanted, counted := count.FindAllStringSubmatch(want, -1), count.FindAllStringSubmatch(got, -1)
	for i := range wanted {
		n, _ := strconv.Atoi(counted[i][1])
		least, _ := strconv.Atoi(wanted[i][1])
		most := least
		if wanted[i][2] != "" {
			most, _ = strconv.Atoi(wanted[i][2])
		}
		if n < least || n > most {
			return false
		}
	}

	return true
}

// leftOver returns the statuses of sessions at the endpoint, in one word if they are the
// same.
func leftOver(fake *fakessm.Server, ids []string) string {
	var statuses []string
	for _, id := range ids {
		session, _ := fake.Session(id)
		statuses = append(statuses, session.Status)
	}

	return strings.Join(slices.Compact(statuses), " ")
}

// matrixSecond is another session on the target of testLive.
const matrixSecond = "Richard-Roe-09a9a9a9a9a9a9a9a"

func matrixSecondSession() fakessm.Session {
	session := testSessions()[0]
	session.SessionID = matrixSecond

	return session
}

// matrixOthers are sessions that started later, and so are listed first.
func matrixOthers() []fakessm.Session {
	var sessions []fakessm.Session
	for _, status := range []string{"Connected", "Terminated"} {
		for i := range matrixCrowd {
			sessions = append(sessions, fakessm.Session{
				SessionID: fmt.Sprintf("%s-%017d", status, i), Status: status, Target: "i-0aaaaaaaaaaaaaaaa",
				StartDate: time.Date(2026, 11, 21, 0, 0, i, 0, time.UTC),
			})
		}
	}

	return sessions
}

// showOutcomes returns the outcomes of a drain, in one word if they are the same.
func showOutcomes(values map[string]any) string {
	outcomes, _ := values["outcomes"].(map[string]any)
	var texts []string
	for _, id := range slices.Sorted(maps.Keys(outcomes)) {
		texts = append(texts, fmt.Sprint(outcomes[id]))
	}
	if len(texts) == 0 {
		return "no outcomes"
	}

	return strings.Join(slices.Compact(texts), " ")
}
