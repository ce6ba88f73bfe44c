// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// testOwnArguments returns arguments that start a session.
func testOwnArguments(more ...map[string]any) map[string]any {
	arguments := map[string]any{"target": testOwnTarget, "enabled": true}
	for _, m := range more {
		arguments = mergeConfig(arguments, m)
	}

	return arguments
}

func TestSessionEphemeralResource_basic(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url))
	opened, diags := s.Open("ssm_session", testOwnArguments(map[string]any{
		"document_name": "AWS-StartPortForwardingSession", "reason": "change 4711", "parameters": map[string]any{"portNumber": []any{"5432"}},
	}))
	protocol.WantNoDiagnostics(t, diags)
	values := opened.Values
	live, _ := ownSessions(fake)
	if len(live) != 1 || values["session_id"] != live[0].SessionID || live[0].DocumentName != "AWS-StartPortForwardingSession" ||
		!strings.HasPrefix(live[0].Reason, "change 4711 terraform-provider-ssm:") || values["region"] != testRegion {
		t.Errorf("unexpected sessions %+v", live)
	}
	if secrets := issuedOwn(fake); len(secrets) != 2 || values["token_value"] != secrets[0] || values["stream_url"] != secrets[1] {
		t.Error("the results are not the token and the URL that were issued")
	}

	// Terraform stops a provider at the first Ctrl-C, and lets running work finish.
	if _, err := s.Provider.StopProvider(t.Context(), &tfprotov6.StopProviderRequest{}); err != nil {
		t.Fatal(err)
	}
	if live, _ := ownSessions(fake); len(live) != 1 {
		t.Error("the session was ended although it is in use")
	}

	protocol.WantNoDiagnostics(t, s.CloseEphemeral(opened))
	if live, _ := ownSessions(fake); len(live) > 0 {
		t.Error("the session is left behind")
	}
}

// TestSessionEphemeralResource_disabled starts no session, and ends none.
func TestSessionEphemeralResource_disabled(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url))
	opened, diags := s.Open("ssm_session", testOwnArguments(map[string]any{"enabled": false}))
	protocol.WantNoDiagnostics(t, diags)
	for _, name := range []string{"session_id", "token_value", "stream_url"} {
		if opened.Values[name] != nil {
			t.Errorf("%s is not null", name)
		}
	}
	protocol.WantNoDiagnostics(t, s.CloseEphemeral(opened))
	if calls := endpoint.TakeCalls(fake); len(calls) > 0 {
		t.Errorf("unexpected calls %v", calls)
	}
}

// TestSessionEphemeralResource_invalid checks that bad arguments are refused by name,
// without a call.
func TestSessionEphemeralResource_invalid(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url))
	parameters := func(name string, values any) map[string]any {
		return map[string]any{"parameters": map[string]any{name: values}}
	}
	for name, tc := range map[string]struct {
		arguments map[string]any
		attribute string
		severity  string
	}{
		"no target":                 {map[string]any{"target": ""}, "target", "error"},
		"a target that is too long": {map[string]any{"target": "i-" + strings.Repeat("0", 399)}, "target", "error"},
		"an unusual target":         {map[string]any{"target": "web-1"}, "target", "warning"},
		"a short document":          {map[string]any{"document_name": "ab"}, "document_name", "error"},
		"a document with a space":   {map[string]any{"document_name": "a document"}, "document_name", "error"},
		"an empty reason":           {map[string]any{"reason": ""}, "reason", "error"},
		"a reason that is too long with the mark": {
			map[string]any{"reason": strings.Repeat("x", sessionmanager.MaxStartReason+1)}, "reason", "error",
		},
		"a reason of two lines":      {map[string]any{"reason": "one\ntwo"}, "reason", "error"},
		"a parameter without a name": {parameters("", []any{"1"}), "parameters", "error"},
		"a name that is too long":    {parameters(strings.Repeat("n", 256), []any{"1"}), "parameters", "error"},
		"a parameter without values": {parameters("portNumber", []any{}), "parameters", "error"},
		"a null value":               {parameters("portNumber", []any{nil}), "parameters", "error"},
		"an empty value":             {parameters("portNumber", []any{""}), "parameters", "error"},
		"nothing of enabled":         {map[string]any{"enabled": nil}, "enabled", "warning"},
	} {
		raw := s.Encode(s.Schemas.EphemeralResourceSchemas["ssm_session"], testOwnArguments(tc.arguments))
		resp, err := s.Provider.ValidateEphemeralResourceConfig(t.Context(), &tfprotov6.ValidateEphemeralResourceConfigRequest{TypeName: "ssm_session", Config: raw})
		s.Must(err)
		diags := protocol.PlainDiagnostics(resp.Diagnostics)
		if len(diags) == 0 {
			t.Errorf("%s is accepted", name)
		}
		for _, d := range diags {
			if d.Severity != tc.severity || !strings.Contains(d.Attribute, tc.attribute) {
				t.Errorf("%s: unexpected %+v", name, d)
			}
		}
	}
	if calls := endpoint.TakeCalls(fake); len(calls) > 0 {
		t.Errorf("unexpected calls %v", calls)
	}
}

// TestSessionEphemeralResource_refused makes the service refuse a start. The error names
// the argument and says what to do.
func TestSessionEphemeralResource_refused(t *testing.T) {
	t.Parallel()

	denied := func(resource string) fakessm.Fault {
		return fakessm.Fault{Kind: fakessm.FaultError, Code: "AccessDeniedException", Message: "User: x is not authorized to perform: ssm:StartSession on resource: " + resource + " because no identity-based policy allows it"}
	}
	for name, tc := range map[string]struct {
		fault     fakessm.Fault
		arguments map[string]any
		attribute string
		says      []string
	}{
		"a node that is not connected": {
			fault: fakessm.Fault{Kind: fakessm.FaultError, Code: "TargetNotConnected"}, attribute: "target",
			says: []string{testOwnTarget, "is not connected to Session Manager", "ssm_connection_status"},
		},
		"an unknown document": {
			arguments: map[string]any{"document_name": "No-Such"}, attribute: "document_name", says: []string{"no such document", "type Session"},
		},
		"unknown parameters": {
			arguments: map[string]any{"document_name": "AWS-StartPortForwardingSession", "parameters": map[string]any{"nobody": []any{"1"}}},
			attribute: "parameters", says: []string{"does not take these parameters"},
		},
		"denied on the node": {
			fault: denied("arn:aws:ec2:us-east-1:1:instance/i-1"), attribute: "target", says: []string{"ssm:StartSession on the target's ARN"},
		},
		"denied on the document": {
			fault: denied("arn:aws:ssm:us-east-1::document/AWS-StartSSHSession"), attribute: "target", says: []string{"ssm:StartSession on the document's ARN"},
		},
		"denied without a word": {
			fault: fakessm.Fault{Kind: fakessm.FaultError, Code: "AccessDeniedException"}, attribute: "target",
			says: []string{"ssm:StartSession on the target's ARN and on the document's ARN"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			if tc.fault.Kind != "" {
				tc.fault.Operation = "StartSession"
				fake.Inject(tc.fault)
			}
			s := newConfiguredServer(t, testArguments(url))
			_, diags := s.OpenEphemeral("ssm_session", testOwnArguments(tc.arguments))
			if len(diags) != 1 || diags[0].Severity != "error" || diags[0].Summary != "Unable to Start Session" || diags[0].Attribute != tc.attribute {
				t.Fatalf("unexpected %+v", diags)
			}
			for _, part := range tc.says {
				if !strings.Contains(diags[0].Detail, part) {
					t.Errorf("%q is not said, but:\n%s", part, diags[0].Detail)
				}
			}
			if calls := fmt.Sprint(endpoint.TakeCalls(fake)); calls != "[StartSession us-east-1]" {
				t.Errorf("unexpected calls %s", calls)
			}
		})
	}
}

// TestSessionEphemeralResource_close closes while calls fail.
func TestSessionEphemeralResource_close(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		fault fakessm.Fault
		warns string
	}{
		"looking is denied": {fault: fakessm.Fault{Operation: "DescribeSessions", Kind: fakessm.FaultDenied, Times: -1}},
		"ending is denied":  {fault: fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1}, warns: "Unable to Terminate Session"},
		"it had ended": {fault: fakessm.Fault{
			Operation: "TerminateSession", Kind: fakessm.FaultResetAfter,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			s := newConfiguredServer(t, testArguments(url))
			opened, diags := s.Open("ssm_session", testOwnArguments())
			protocol.WantNoDiagnostics(t, diags)
			fake.Inject(tc.fault)

			diags = s.CloseEphemeral(opened)

			if tc.warns == "" {
				protocol.WantNoDiagnostics(t, diags)
			} else if len(diags) != 1 || diags[0].Severity != "warning" || diags[0].Summary != tc.warns {
				t.Errorf("unexpected %+v", diags)
			}
			if live, _ := ownSessions(fake); (len(live) > 0) != (tc.warns != "") {
				t.Errorf("%d sessions are live", len(live))
			}
		})
	}
}

// TestEphemeralResources_gone ends sessions of the provider in each of its ways, while SSM
// says that it does not know them. If they have ended by themselves, nothing warns. If they
// are still listed as live, a start and a close warn alike.
func TestEphemeralResources_gone(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		kind  string
		fault fakessm.Fault
		never bool // The data channel never opens.
		slow  bool // The session is also left live, which takes ten seconds.
	}{
		"ssm_session, close":         {kind: "ssm_session", slow: true},
		"ssm_session, unusable":      {kind: "ssm_session", slow: true, fault: fakessm.Fault{Operation: "StartSession", Kind: fakessm.FaultNoToken}},
		"ssm_session, lost":          {kind: "ssm_session", fault: fakessm.Fault{Operation: "StartSession", Kind: fakessm.FaultResetAfter}},
		"ssm_port_forward, close":    {kind: testForwardType},
		"ssm_port_forward, unusable": {kind: testForwardType, fault: fakessm.Fault{Operation: "StartSession", Kind: fakessm.FaultNoURL}},
		"ssm_port_forward, unopened": {kind: testForwardType, never: true},
	} {
		for _, live := range []bool{false, true} {
			if live && !tc.slow {
				continue
			}
			t.Run(fmt.Sprintf("%s, live %t", name, live), func(t *testing.T) {
				t.Parallel()

				fake := fakessm.New(fakessm.WithDataChannel(""))
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".TerminateSession") && !live {
						for _, session := range fake.Sessions() {
							fake.EndSession(session.SessionID)
						}
					}
					fake.ServeHTTP(w, r)
				}))
				t.Cleanup(server.Close)
				s := newConfiguredServer(t, testArguments(server.URL))
				if tc.fault.Kind != "" {
					fake.Inject(tc.fault)
				}
				fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultError, Code: "DoesNotExistException", Times: -1})
				if tc.never {
					if err := fake.InjectChannel(fakessm.ChannelFault{Kind: fakessm.ChannelRefuse, Times: -1}); err != nil {
						t.Fatal(err)
					}
				}
				config := map[string]any{"target": testOwnTarget}
				if tc.kind == testForwardType {
					config["remote_port"] = testFarEnd(t, echoBack)
				} else {
					config["enabled"] = true
				}
				opened, diags := s.Open(tc.kind, config)
				if opened != nil {
					diags = append(diags, s.CloseEphemeral(opened)...)
				}

				errors, warnings := 0, 0
				for _, d := range diags {
					if d.Severity == "warning" {
						warnings++
						if d.Summary != summaryStillLive || !strings.Contains(d.Detail, "is still live") {
							t.Errorf("unexpected warning: %+v", d)
						}

						continue
					}
					errors++
					if ended := strings.Contains(d.Detail, "has ended."); ended == live {
						t.Errorf("the error says that the session has ended: %t, and it is live: %t\n%s", ended, live, d.Detail)
					}
				}
				if sessions, _ := ownSessions(fake); len(sessions) != warnings {
					t.Errorf("%d warnings, and %d sessions are live: %+v", warnings, len(sessions), diags)
				}
				if want := map[bool]int{true: 1}[tc.fault.Kind != "" || tc.never]; errors != want {
					t.Errorf("want %d errors, got %+v", want, diags)
				}
			})
		}
	}
}
