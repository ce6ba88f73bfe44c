// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// testForged is a text that a value must not be able to show in a line of its own.
const testForged = "Error: forged"

// testHostileIDs are session IDs of 1 to 96 characters. The API's model allows them all.
var testHostileIDs = map[string]string{
	"every character of AWS's own": "AZaz09_+=,.@-07a16060613c408b5",
	"the longest":                  strings.Repeat("x", 96),
	"the longest in bytes":         strings.Repeat("😀", 96),
	"the shortest":                 "-",
	"spaces":                       "a   b",
	"quotes":                       `a"b'c` + "`d",
	"backslashes":                  `\n \u0041 \\ \"`,
	"newlines":                     "a\n" + testForged + "\r\n\n  b\u2028c\u0085d",
	"verbs":                        "%s %d %v %[1]q 100% %%",
	"templates":                    "${path.module} $${x} %{ if true }x%{ endif } %%{y} $%{ ${",
	"control characters":           "\x01\x1b[31mred\x1b[0m\x1b]0;title\x07\x7f\b\b\u009b1A\u0000",
	"other scripts":                "é ß 漢字 עברית \u202egnp.exe\u2066 \u200b\ufeffz",
	"markup":                       `{"a":["b"]}<!--]]><script>&amp;`,
	"a path":                       "../../etc/passwd\u2215/",
	"a Region in it":               "mary@eu-west-1",
	"a Region at its end":          "mary@example.com@us-east-1",
	"a word of HCL":                "null",
	"a comment":                    "a # b // c /* d",
}

// testHCL returns a string as HCL writes it.
func testHCL(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"', r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '$' || r == '%':
			// "${" and "%{" begin a template, unless the sign is doubled.
			out.WriteRune(r)
			if strings.HasPrefix(s[i+1:], "{") {
				out.WriteRune(r)
			}
		case unicode.IsPrint(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	out.WriteByte('"')

	return out.String()
}

// hostileSessions are sessions with the hostile IDs, all on one node.
func hostileSessions(region, status string) []fakessm.Session {
	var sessions []fakessm.Session
	for _, id := range testHostileIDs {
		sessions = append(sessions, fakessm.Session{SessionID: id, Region: region, Status: status, Target: "i-0000bad0"})
	}

	return sessions
}

func hostileIDs() []string {
	return slices.Sorted(maps.Values(testHostileIDs))
}

// wantPrintable checks texts for people: no hostile value moves the cursor, begins a line
// of its own, or was used as a format.
func wantPrintable(t *testing.T, texts ...string) {
	t.Helper()

	for _, text := range texts {
		for _, r := range text {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%U reaches the terminal: %q", r, text)

				break
			}
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(strings.TrimLeft(line, " │╷╵"), testForged) {
				t.Errorf("a value forges a line: %q", text)
			}
		}
		if at := strings.Index(text, "%!"); at >= 0 {
			t.Errorf("a value was taken for a format: %q", text[at:])
		}
	}
}

// wantPrintableDiagnostics is wantPrintable for diagnostics.
func wantPrintableDiagnostics(t *testing.T, diags []protocol.Diagnostic) {
	t.Helper()

	for _, d := range diags {
		wantPrintable(t, d.Summary, d.Detail)
	}
}

// TestHostile_sessionIDs passes hostile session IDs through a real Terraform, from HCL to
// the endpoint and back. They stay unchanged.
func TestHostile_sessionIDs(t *testing.T) {
	t.Parallel()

	const resumed, drained = "eu-west-1", "eu-central-1"
	ids := hostileIDs()
	fake, url := testFake(t, fakessm.WithPageSize(200), fakessm.WithSessions(hostileSessions(testRegion, "Connected")...),
		fakessm.WithSessions(hostileSessions(resumed, "Connected")...), fakessm.WithSessions(hostileSessions(drained, "Connected")...))
	var literals []string
	for _, id := range ids {
		literals = append(literals, testHCL(id))
	}
	config := testProviderConfig(url) + fmt.Sprintf(`
locals {
  ids = [
    %[1]s,
  ]
}
resource "ssm_session_termination" "test" {
  for_each   = toset(local.ids)
  session_id = each.key
}
resource "ssm_session_drain" "test" {
  region              = %[2]q
  targets             = ["i-0000bad0"]
  exclude_session_ids = [local.ids[0]]
}
data "ssm_session" "test" {
  for_each   = toset(local.ids)
  session_id = each.key
  region     = %[3]q
}
data "ssm_session_resume" "test" {
  count      = length(local.ids)
  session_id = local.ids[count.index]
  region     = %[3]q
}
output "ids" {
  value = values(data.ssm_session.test)[*].session_id
}
output "spared" {
  value = ssm_session_drain.test.outcomes
}
`, strings.Join(literals, ",\n    "), drained, resumed)
	w := workspace.New(t, config)
	w.WithoutLog()

	// Terraform shows values of several lines as they are, but indented. The provider's
	// text follows.
	_, warnings, warned := strings.Cut(w.MustRun("plan", "-out=planned"), "Warning: Sessions To Be Ended")
	if !warned {
		t.Error("the plan does not tell whose sessions are to be ended")
	}
	wantPrintable(t, warnings)
	w.MustRun("apply", "planned")

	// The IDs reached the endpoint unchanged.
	asked := map[string][]string{}
	for _, r := range fake.Requests() {
		if r.Operation == "TerminateSession" || r.Operation == "ResumeSession" {
			asked[r.Operation+" "+r.Region] = append(asked[r.Operation+" "+r.Region], r.SessionID)
		}
	}
	for name, want := range map[string][]string{
		"TerminateSession " + testRegion: ids, "TerminateSession " + drained: ids[1:], "ResumeSession " + resumed: ids,
	} {
		if diff := cmp.Diff(want, slices.Compact(slices.Sorted(slices.Values(asked[name])))); diff != "" {
			t.Errorf("unexpected requests %s (-want +got):\n%s", name, diff)
		}
	}
	for _, s := range fake.Sessions() {
		live := s.Region == resumed || s.Region == drained && s.SessionID == ids[0]
		if s.Target == "i-0000bad0" && (s.Status == "Connected") != live {
			t.Errorf("session %q in Region %s is %s", s.SessionID, s.Region, s.Status)
		}
	}

	// So did the IDs that came back.
	var state struct {
		Values struct {
			Outputs map[string]struct{ Value any }
			Root    struct {
				Resources []struct {
					Address string
					Values  map[string]any
				}
			} `json:"root_module"`
		}
	}
	if err := json.Unmarshal(w.Stdout("show", "-json"), &state); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, r := range state.Values.Root.Resources {
		kind, _, _ := strings.Cut(r.Address, "[")
		if id, ok := r.Values["session_id"].(string); ok {
			got[kind] = append(got[kind], id)
		}
		if token, ok := r.Values["token_value"].(string); ok {
			if id := r.Values["session_id"]; !slices.Contains(fake.Tokens(id.(string)), token) { //nolint:forcetypeassert // Seen above.
				t.Errorf("session %q got a token of another", id)
			}
		}
	}
	for _, kind := range []string{"ssm_session_termination.test", "data.ssm_session.test", "data.ssm_session_resume.test"} {
		if diff := cmp.Diff(ids, slices.Sorted(slices.Values(got[kind]))); diff != "" {
			t.Errorf("unexpected IDs of %s in state (-want +got):\n%s", kind, diff)
		}
	}
	want := map[string]any{}
	for _, id := range ids[1:] {
		want[id] = "terminated"
	}
	if diff := cmp.Diff(any(want), state.Values.Outputs["spared"].Value); diff != "" {
		t.Errorf("unexpected outcomes (-want +got):\n%s", diff)
	}

	w.MustRun("plan", "-detailed-exitcode", "-refresh=true", "-target=ssm_session_termination.test", "-target=ssm_session_drain.test")
}

// TestHostile_import imports sessions with hostile IDs, with and without a Region,
// and by identity.
func TestHostile_import(t *testing.T) {
	t.Parallel()

	_, url := testFake(t, fakessm.WithSessions(hostileSessions("eu-west-1", "Terminated")...))
	s := newConfiguredServer(t, testArguments(url, map[string]any{"region": "eu-west-1"}))
	for name, id := range testHostileIDs {
		byID := id
		if at := strings.LastIndex(id, "@"); at >= 0 && looksLikeRegion(id[at+1:]) {
			byID += "@eu-west-1" // Without this, such an ID would be read as one with a Region.
		}
		for how, imported := range map[string]func() (*protocol.State, []protocol.Diagnostic){
			"by ID": func() (*protocol.State, []protocol.Diagnostic) { return s.Import("ssm_session_termination", byID, nil) },
			"with Region": func() (*protocol.State, []protocol.Diagnostic) {
				return s.Import("ssm_session_termination", id+"@eu-west-1", nil)
			},
			"by identity": func() (*protocol.State, []protocol.Diagnostic) {
				return s.Import("ssm_session_termination", "", map[string]any{"session_id": id})
			},
		} {
			state, diags := imported()
			if protocol.HasErrors(diags) || state == nil {
				t.Errorf("%s, %s: %+v", name, how, diags)

				continue
			}
			want := map[string]any{"session_id": id, "region": "eu-west-1", "account_id": testAccountID}
			if diff := cmp.Diff(want, state.Identity); diff != "" || state.Values["session_id"] != id {
				t.Errorf("%s, %s: imported %q, identity (-want +got):\n%s", name, how, state.Values["session_id"], diff)
			}
		}
	}

	// Through the command line, where there are no null bytes.
	w := workspace.New(t, testProviderConfig(url)+"resource \"ssm_session_termination\" \"test\" {\n  session_id = \"a\"\n}\n")
	w.WithoutLog()
	id := testHostileIDs["newlines"]
	w.MustRun("import", "ssm_session_termination.test", id+"@eu-west-1")
	// Some versions of OpenTofu write no space after a colon.
	if state := w.Read("terraform.tfstate"); !strings.Contains(strings.ReplaceAll(state, `": "`, `":"`), `"session_id":"a\nError: forged\r\n\n  b\u2028c`) {
		t.Errorf("unexpected state:\n%s", state)
	}
}

// TestHostile_tooLong checks that IDs of a wrong length are refused at plan, with the
// name of the argument and without a call.
func TestHostile_tooLong(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url))
	for name, id := range map[string]string{
		"nothing": "", "97 characters": strings.Repeat("x", 97), "97 emojis": strings.Repeat("😀", 97), "10 kB": strings.Repeat("x", 10<<10),
		"10 kB of everything": strings.Repeat("%s${x}\n\"", 10<<10/8),
	} {
		fake.ResetRequests()
		config := map[string]any{"session_id": id}
		_, termination := s.PlanCreate("ssm_session_termination", config)
		_, session := s.ReadDataSource("ssm_session", config)
		_, resume := s.ReadDataSource("ssm_session_resume", config)
		_, ephemeral := s.OpenEphemeral("ssm_session_resume", config)
		_, drain := s.PlanCreate("ssm_session_drain", map[string]any{"targets": []any{testTarget}, "exclude_session_ids": []any{id}})
		action := s.InvokeAction("ssm_terminate_session", config)
		drainAction := s.InvokeAction("ssm_drain_sessions", map[string]any{"targets": []any{testTarget}, "exclude_session_ids": []any{id}})
		got := map[string][]protocol.Diagnostic{
			"the resource": termination, "the data source": session, "data that resumes": resume, "the ephemeral": ephemeral,
			"the drain": drain, "the action": action.Planned, "the action that drains": drainAction.Planned,
		}
		if id != "" {
			_, got["an import"] = s.Import("ssm_session_termination", id, nil)
			_, got["an import with Region"] = s.Import("ssm_session_termination", id+"@us-east-1", nil)
		}
		_, got["an import by identity"] = s.Import("ssm_session_termination", "", map[string]any{"session_id": id})
		for object, diags := range got {
			if len(diags) != 1 || diags[0].Severity != "error" || !strings.Contains(diags[0].Attribute+diags[0].Detail, "session_id") ||
				!strings.Contains(diags[0].Detail, "at most 96") && !strings.Contains(diags[0].Detail, "no session ID is") {
				t.Errorf("%s as the session ID of %s: %.500q", name, object, fmt.Sprint(diags))
			}
			wantPrintableDiagnostics(t, diags)
			if size := len(fmt.Sprint(diags)); size > 1000 && !strings.Contains(object, "drain") { // Elements of sets are named by their value.
				t.Errorf("%s as the session ID of %s is repeated in %d bytes of diagnostics", name, object, size)
			}
		}
		if action.Invoked || drainAction.Invoked || len(endpoint.TakeCalls(fake)) > 0 {
			t.Errorf("%s as session ID reaches SSM", name)
		}
	}
}

// hostileCalls makes each object fail or warn about a hostile session. It returns all
// texts for people, by what was done.
func hostileCalls(s *protocol.Server, id string) map[string][]string {
	said := map[string][]string{}
	add := func(what string, diags []protocol.Diagnostic, more ...string) {
		for _, d := range diags {
			more = append(more, d.Summary, d.Detail)
		}
		said[what] = more
	}
	config := map[string]any{"session_id": id}

	_, diags := s.Create("ssm_session_termination", mergeConfig(config, map[string]any{"timeouts": map[string]any{"create": "1s"}}))
	add("creating a termination", diags)
	_, diags = s.Create("ssm_session_termination", mergeConfig(config, map[string]any{"verify": false}))
	add("creating a termination, unverified", diags)
	_, diags = s.Import("ssm_session_termination", id, nil)
	add("importing", diags)
	_, diags = s.ReadDataSource("ssm_session", config)
	add("reading a session", diags)
	_, diags = s.ReadDataSource("ssm_session_resume", config)
	add("resuming", diags)
	_, diags = s.OpenEphemeral("ssm_session_resume", config)
	add("resuming ephemerally", diags)
	_, diags = s.OpenEphemeral("ssm_session", map[string]any{"target": id, "document_name": "AWS-StartSSHSession", "parameters": map[string]any{id: []any{id}}, "enabled": true})
	add("starting", diags)
	_, diags = s.OpenEphemeral("ssm_port_forward", map[string]any{"target": id, "document_name": "AWS-StartSSHSession", "remote_port": int64(22), "parameters": map[string]any{id: []any{id}}})
	add("forwarding", diags)
	_, diags = s.ReadDataSource("ssm_connection_status", map[string]any{"target": id})
	add("reading a connection status", diags)
	_, diags = s.ReadDataSource("ssm_sessions", map[string]any{"targets": []any{id}})
	add("listing", diags)
	_, diags = s.Create("ssm_session_drain", map[string]any{"targets": []any{"i-0000bad0"}, "timeouts": map[string]any{"create": "5s"}})
	add("draining", diags)
	ended := s.InvokeAction("ssm_terminate_session", mergeConfig(config, map[string]any{"timeouts": map[string]any{"invoke": "1s"}}))
	add("the action that ends a session", append(ended.Planned, ended.Diagnostics...), ended.Progress...)
	drained := s.InvokeAction("ssm_drain_sessions", map[string]any{"targets": []any{"i-0000bad0"}, "timeouts": map[string]any{"invoke": "5s"}})
	add("the action that drains", append(drained.Planned, drained.Diagnostics...), drained.Progress...)

	return said
}

// TestHostile_texts makes every object fail about sessions with hostile IDs. Errors,
// warnings and progress show the IDs in a form that cannot be mistaken for other text.
func TestHostile_texts(t *testing.T) {
	t.Parallel()

	hostile := testHostileIDs["newlines"] + testHostileIDs["control characters"][:20] + "%s"
	session := fakessm.Session{SessionID: hostile, Target: "i-0000bad0", Status: "Disconnected", Owner: hostile, Reason: hostile}
	for name, tc := range map[string]struct {
		status    string
		behaviour fakessm.Behaviour
		absent    bool
		fault     fakessm.Fault
	}{
		"a session that is not found": {absent: true},
		"a session that has ended":    {status: "Terminated"},
		"a session that is live":      {},
		"a session that stays live":   {behaviour: fakessm.BehaviourUnkillable},
		"a session without a node":    {behaviour: fakessm.BehaviourUnreachable},
		"a session that has timed out": {
			behaviour: fakessm.BehaviourTimedOut,
		},
		"a session of a hostile status": {status: "Dis\n" + testForged + "\x1b[31m"},
		"access denied":                 {fault: fakessm.Fault{Kind: fakessm.FaultDenied}},
		"denied to end":                 {fault: fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied}},
		"denied to look":                {fault: fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied}},
		"a hostile error":               {fault: fakessm.Fault{Kind: fakessm.FaultError, Code: "Odd%sCode\n" + testForged, Message: "%d\x1b[31m\n" + testForged}},
		"a hostile refusal":             {fault: fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "ValidationException", Message: "%d\x1b[31m\n" + testForged}},
		"another session":               {fault: fakessm.Fault{Kind: fakessm.FaultWrongSession}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				fake := fakessm.New(fakessm.WithSessions(testSessions()...))
				if !tc.absent {
					own := session
					own.Behaviour = tc.behaviour
					if tc.status != "" {
						own.Status = tc.status
					}
					fake.AddSessions(own)
				}
				s := newBubbleServer(t, endpoint.NewBubble(t, fake), mergeConfig(offlineArguments, map[string]any{"max_retries": 0}))
				if tc.fault.Kind != "" {
					tc.fault.Times = -1
					fake.Inject(tc.fault)
				}

				shown := false
				for what, texts := range hostileCalls(s, hostile) {
					for _, text := range texts {
						wantPrintable(t, text)
						shown = shown || strings.Contains(text, "forged")
					}
					if t.Failed() {
						t.Fatalf("this was said by %s", what)
					}
				}
				if !shown {
					t.Error("nothing of the hostile value is shown: there is nothing to check")
				}
			})
		})
	}
}

// testAnswering starts an endpoint with the usual sessions that answers an operation with
// the body.
func testAnswering(t *testing.T, operation, body string) (fake *fakessm.Server, url string) {
	t.Helper()

	fake = fakessm.New(fakessm.WithSessions(testSessions()...))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) {
			fake.ServeHTTP(w, r)

			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)

	return fake, server.URL
}

// readHostile reads the usual session with both data sources that show it. The endpoint
// returns it with the given members.
func readHostile(t *testing.T, members string) (map[string]any, []protocol.Diagnostic) {
	t.Helper()

	_, url := testAnswering(t, "DescribeSessions", fmt.Sprintf(`{"Sessions":[{"SessionId":%q%s}]}`, testLive, members))
	s := newConfiguredServer(t, testArguments(url))
	one, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": testLive})
	many, moreDiags := s.ReadDataSource("ssm_sessions", map[string]any{})
	if (one == nil) != (many == nil) || len(diags) != len(moreDiags) {
		t.Errorf("the data sources disagree: %+v, %+v", diags, moreDiags)
	}
	if one == nil || many == nil {
		return nil, diags
	}
	delete(one, "region")
	if diff := cmp.Diff([]any{one}, many["sessions"]); diff != "" {
		t.Errorf("the data sources disagree (-one +many):\n%s", diff)
	}

	return one, diags
}

// TestHostile_fields reads sessions whose fields are not as in the API's model.
func TestHostile_fields(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("ä%s\\n", 2048)
	nothing := map[string]any{
		"session_id": testLive, "target": nil, "status": nil, "owner": nil, "document_name": nil, "reason": nil, "details": nil,
		"start_date": nil, "end_date": nil, "max_session_duration": nil, "access_type": nil, "output_url": nil,
	}
	for name, tc := range map[string]struct {
		members string
		want    map[string]any // The values that are not null.
	}{
		"nothing but the ID": {},
		"empty strings":      {members: `,"Target":"","Status":"","Owner":"","DocumentName":"","Reason":"","Details":"","MaxSessionDuration":"","AccessType":"","OutputUrl":{"S3OutputUrl":"","CloudWatchOutputUrl":""}`},
		"nulls":              {members: `,"Target":null,"Status":null,"Owner":null,"StartDate":null,"EndDate":null,"OutputUrl":null,"Details":null`},
		"unknown values": {
			members: `,"Status":"Hibernating","AccessType":"Biometric"`,
			want:    map[string]any{"status": "Hibernating", "access_type": "Biometric"},
		},
		"a duration that the model's pattern rejects": {members: `,"MaxSessionDuration":"1045"`, want: map[string]any{"max_session_duration": "1045"}},
		"a duration that is no number":                {members: `,"MaxSessionDuration":"x"`, want: map[string]any{"max_session_duration": "x"}},
		"a duration of many digits":                   {members: `,"MaxSessionDuration":"99999999999999999999"`, want: map[string]any{"max_session_duration": "99999999999999999999"}},
		"a duration of zero":                          {members: `,"MaxSessionDuration":"0"`, want: map[string]any{"max_session_duration": "0"}},
		"10 kB": {
			members: fmt.Sprintf(`,"Target":%[1]q,"Owner":%[1]q,"Reason":%[1]q,"Details":%[1]q,"DocumentName":%[1]q`, long),
			want:    map[string]any{"target": long, "owner": long, "reason": long, "details": long, "document_name": long},
		},
		"control characters": {
			members: `,"Owner":"\u001b[31m\u0000\n","Reason":"\u001b]0;x\u0007","Target":"a\u2028b"`,
			want:    map[string]any{"owner": "\x1b[31m\x00\n", "reason": "\x1b]0;x\a", "target": "a\u2028b"},
		},
		"one of the output URLs": {
			members: `,"OutputUrl":{"CloudWatchOutputUrl":"https://x?a=+&b=%2B"}`,
			want:    map[string]any{"output_url": map[string]any{"s3_output_url": nil, "cloudwatch_output_url": "https://x?a=+&b=%2B"}},
		},
		"a date of zero":              {members: `,"StartDate":0,"EndDate":0.9`, want: map[string]any{"start_date": "1970-01-01T00:00:00Z", "end_date": "1970-01-01T00:00:00Z"}},
		"a date before 1970":          {members: `,"StartDate":-1,"EndDate":-9000000000`, want: map[string]any{"start_date": "1969-12-31T23:59:59Z", "end_date": "1684-10-19T08:00:00Z"}},
		"a date in two hundred years": {members: `,"StartDate":9000000000.999`, want: map[string]any{"start_date": "2255-03-14T16:00:00Z"}},
		"a date in words of science":  {members: `,"StartDate":1.7248896e9`, want: map[string]any{"start_date": "2024-08-29T00:00:00Z"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, diags := readHostile(t, tc.members)

			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(mergeConfig(nothing, tc.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostile_dates reads sessions with impossible dates. The provider does not crash,
// and returns only dates that Terraform can read.
func TestHostile_dates(t *testing.T) {
	t.Parallel()

	for _, date := range []string{
		`253402300799`, `253402300800`, `-62135596800`, `-62135596801`, `1e18`, `-1e18`, `1e300`, `-1e300`, `1.7976931348623157e308`, `1e999`,
		`9223372036854775807`, `-9223372036854775808`, `18446744073709551616`, `0.0000001`, `-0`, `1e-300`,
		`"2024-08-29T00:00:00Z"`, `"1724889600"`, `"NaN"`, `"Infinity"`, `"-Infinity"`, `""`, `true`, `[]`, `{}`, `NaN`,
	} {
		t.Run(date, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if reason := recover(); reason != nil {
					t.Errorf("panic: %v", reason)
				}
			}()

			got, diags := readHostile(t, `,"StartDate":`+date)

			if got == nil {
				if len(diags) != 1 || diags[0].Summary != summaryRead || !strings.Contains(diags[0].Detail, "could not be decoded") {
					t.Errorf("unexpected diagnostics: %+v", diags)
				}

				return
			}
			if got["start_date"] == nil {
				return
			}
			text, _ := got["start_date"].(string)
			if parsed, err := time.Parse(time.RFC3339, text); err != nil || parsed.Nanosecond() != 0 || !strings.HasSuffix(text, "Z") {
				t.Errorf("the date %s is shown as %q: %v", date, text, err)
			}
		})
	}
}

// TestHostile_plan plans to end sessions with hostile fields. Terraform escapes the
// values, and the provider its texts.
func TestHostile_plan(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t, fakessm.WithSessions(
		fakessm.Session{SessionID: "first", Target: "a\x1b[31mb\u009b2Jc", Owner: "x\x1b]0;title\a\u202e", Reason: "\x1b[2J"},
		fakessm.Session{SessionID: "second", Target: strings.Repeat("long", 2560), Owner: strings.Repeat("${x}%s", 1700), Reason: strings.Repeat("y", 10<<10)},
	))
	w := workspace.New(t, testProviderConfig(url)+`
resource "ssm_session_termination" "test" {
  for_each   = toset(["first", "second"])
  session_id = each.key
}
`)
	w.WithoutLog()
	text := w.MustRun("plan", "-out=planned")
	if strings.ContainsAny(text, "\x1b\a\u009b") {
		t.Errorf("control characters reach the terminal: %q", text)
	}
	w.MustRun("apply", "planned")
	w.MustRun("plan", "-detailed-exitcode")
	endpoint.WantStatus(t, fake, "first", "Terminated")
	endpoint.WantStatus(t, fake, "second", "Terminated")
}

// TestHostile_connection checks that tokens and stream URLs are passed on unchanged,
// whatever the model says of them.
func TestHostile_connection(t *testing.T) {
	t.Parallel()

	const url = "wss://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/x?role=publish_subscribe&cell-number=AAEA+/+=="
	for name, tc := range map[string]struct{ token, url string }{
		"a token of 4000 characters":    {strings.Repeat("t+/=", 1000), url},
		"a token of 1 MB":               {strings.Repeat("t", 1<<20), url},
		"a token of one character":      {" ", url},
		"a token with everything":       {"%s ${x} \" \\ \n \x1b é 😀 <&>", url},
		"a URL with raw + and escapes":  {"token", url + "&a=%2B+%20 &b=%zz;c#d?e"},
		"an invalid URL":                {"token", "not a URL\n${x} %d \x00"},
		"a URL of 100 kB":               {"token", url + strings.Repeat("&a=+", 25_000)},
		"a URL of another scheme, host": {"token", "file:///etc/passwd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			body, err := json.Marshal(map[string]string{"SessionId": testAway, "TokenValue": tc.token, "StreamUrl": tc.url})
			if err != nil {
				t.Fatal(err)
			}
			_, endpoint := testAnswering(t, "ResumeSession", string(body))
			s := newConfiguredServer(t, testArguments(endpoint))
			data, diags := s.ReadDataSource("ssm_session_resume", map[string]any{"session_id": testAway})
			protocol.WantNoDiagnostics(t, diags)
			opened, diags := s.OpenEphemeral("ssm_session_resume", map[string]any{"session_id": testAway})
			protocol.WantNoDiagnostics(t, diags)
			for kind, got := range map[string]map[string]any{"data source": data, "ephemeral": opened} {
				if got["token_value"] != tc.token || got["stream_url"] != tc.url {
					t.Errorf("the %s changed something", kind)
				}
			}
		})
	}
}

// TestHostile_drain drains with listings that no service should return.
func TestHostile_drain(t *testing.T) {
	t.Parallel()

	row := func(id, more string) string {
		return fmt.Sprintf(`{"SessionId":%q,"Target":%q,"Status":"Connected"%s}`, id, testTarget, more)
	}
	anonymous := fmt.Sprintf(`{"Target":%q,"Status":"Connected"}`, testTarget)
	empty := fmt.Sprintf(`{"SessionId":"","Target":%q,"Status":"Connected"}`, testTarget)
	for name, tc := range map[string]struct {
		rows   []string
		config map[string]any
		want   []string // Sessions that are asked to end, each once.
		fails  string   // In the error.
	}{
		"duplicates":                        {rows: []string{row(testLive, ""), row(testLive, ""), row(testLive, `,"Owner":"x"`)}, want: []string{testLive}},
		"sessions without an ID":            {rows: []string{anonymous, row(testLive, ""), empty, anonymous}, want: []string{testLive}},
		"nothing but such":                  {rows: []string{anonymous, empty}, fails: "Nothing was ended\nwithout its ID"},
		"sessions of other nodes":           {rows: []string{row(testLive, ""), `{"SessionId":"other","Target":"i-other","Status":"Connected"}`}, want: []string{testLive}},
		"sessions without a node":           {rows: []string{row(testLive, ""), `{"SessionId":"other","Status":"Connected"}`}, want: []string{testLive}},
		"ended sessions in the active list": {rows: []string{row(testLive, ""), fmt.Sprintf(`{"SessionId":"over","Target":%q,"Status":"Terminated"}`, testTarget)}, want: []string{testLive}},
		"a session without a status":        {rows: []string{fmt.Sprintf(`{"SessionId":%q,"Target":%q}`, testLive, testTarget)}, want: []string{testLive}},
		"a session without a date, by age":  {rows: []string{row(testLive, "")}, config: map[string]any{"older_than": "1s"}},
		"a session from the future, by age": {
			rows: []string{row(testLive, `,"StartDate":9000000000`)}, config: map[string]any{"older_than": "1s"},
		},
		"a session from before all, by age": {
			rows: []string{row(testLive, `,"StartDate":-9000000000`)}, config: map[string]any{"older_than": "87600h"},
		},
		"no owner, excluded": {rows: []string{row(testLive, "")}, config: map[string]any{"exclude_owners": []any{"*/mary"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			// The listing is as given until a session is ended, and then empty.
			fake := fakessm.New(fakessm.WithSessions(testSessions()...))
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".DescribeSessions") {
					fake.ServeHTTP(w, r)

					return
				}
				rows := tc.rows
				if fake.Count("TerminateSession") > 0 {
					rows = nil
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				fmt.Fprintf(w, `{"Sessions":[%s]}`, strings.Join(rows, ","))
			}))
			t.Cleanup(server.Close)
			s := newConfiguredServer(t, testArguments(server.URL))

			state, diags := s.Create("ssm_session_drain", mergeConfig(map[string]any{"targets": []any{testTarget}}, tc.config))

			if tc.fails != "" {
				protocol.WantDiagnostic(t, protocol.Error("", testDrainError, tc.fails), protocol.Without(diags, "Sessions Not Counted in "))
				endpoint.WantCalls(t, fake)

				return
			}
			if diags = testWithoutDrainWarnings(diags); len(diags) > 0 {
				t.Fatalf("unexpected diagnostics: %+v", diags)
			}
			var asked []string
			want := map[string]any{}
			for _, id := range tc.want {
				want[id] = "terminated"
			}
			for _, r := range endpoint.Requests(fake, "TerminateSession") {
				asked = append(asked, r.SessionID)
			}
			if diff := cmp.Diff(tc.want, asked); diff != "" {
				t.Errorf("asked to end (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(any(want), state.Values["outcomes"]); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostile_bytes makes the endpoint send text that is not UTF-8, through a real
// Terraform.
func TestHostile_bytes(t *testing.T) {
	t.Parallel()

	_, url := testAnswering(t, "DescribeSessions", fmt.Sprintf("{\"Sessions\":[{\"SessionId\":%q,\"Target\":\"a\xff\",\"Owner\":\"\xc3\",\"Reason\":\"\xed\xa0\x80\",\"Status\":\"Terminated\xff\"}]}", testLive))
	w := workspace.New(t, testProviderConfig(url)+fmt.Sprintf(`
data "ssm_session" "test" {
  session_id = %[1]q
}
data "ssm_sessions" "test" {}
resource "ssm_session_drain" "test" {
  owners = ["*"]
  targets = ["nowhere"]
}
output "all" {
  value = [data.ssm_session.test, data.ssm_sessions.test]
}
`, testLive))
	w.WithoutLog()
	text := w.MustRun("apply", "-auto-approve")
	if !utf8.ValidString(text) || !utf8.ValidString(w.Read("terraform.tfstate")) {
		t.Error("what is no UTF-8 was handed on")
	}
	w.MustRun("plan", "-detailed-exitcode")
}
