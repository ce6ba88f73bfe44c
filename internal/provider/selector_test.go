// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// testInventory returns live sessions that differ in everything that a selector can
// select by. They are sorted by age, the newest first, and not by ID.
func testInventory() []fakessm.Session {
	now := time.Now()

	return []fakessm.Session{
		{SessionID: "bare-1", StartDate: now.Add(-10 * time.Minute)},
		{SessionID: "gus-1", Target: "i-0000000b", Owner: "arn:aws:iam::123456789012:user/gus", Status: "Hibernating", StartDate: now.Add(-time.Hour)},
		{SessionID: "cat-1", Target: "i-0000000a", Owner: "arn:aws:iam::123456789012:user/ops/cat", DocumentName: "Shell", AccessType: "Standard", StartDate: now.Add(-2 * time.Hour)},
		{SessionID: "dan-1", Target: "i-0000000b", Owner: "arn:aws:sts::123456789012:assumed-role/Operator/dan", DocumentName: "PortForward", AccessType: "JustInTime", Status: "Connecting", StartDate: now.Add(-5 * time.Hour)},
		{SessionID: "ann-1", Target: "i-0000000a", Owner: "arn:aws:sts::123456789012:assumed-role/Operator/ann", DocumentName: "Shell", AccessType: "Standard", StartDate: now.Add(-10 * time.Hour)},
		{SessionID: "eve-1", Target: "i-0000000c", Owner: "arn:aws:sts::210987654321:assumed-role/Auditor/eve", DocumentName: "Shell", AccessType: "Standard", Status: "Disconnected", StartDate: now.Add(-30 * time.Hour)},
	}
}

// testInventoryIDs are the IDs of the inventory, by age.
var testInventoryIDs = []any{"eve-1", "ann-1", "dan-1", "cat-1", "gus-1", "bare-1"}

// testInventoryFake starts an endpoint with the inventory, and a few sessions that have
// ended.
func testInventoryFake(t *testing.T, options ...fakessm.Option) (*fakessm.Server, string) {
	t.Helper()

	now := time.Now()
	fake, url := testFake(t, append(options, fakessm.WithSessions(testInventory()...), fakessm.WithSessions(
		fakessm.Session{SessionID: "old-1", Target: "i-0000000a", Owner: "arn:aws:sts::123456789012:assumed-role/Operator/ann", Status: "Terminated", DocumentName: "Shell", AccessType: "Standard", StartDate: now.Add(-50 * time.Hour), EndDate: now.Add(-49 * time.Hour)},
		fakessm.Session{SessionID: "new-1", Target: "i-0000000b", Owner: "arn:aws:sts::123456789012:assumed-role/Operator/dan", Status: "Failed", StartDate: now.Add(-3 * time.Hour), EndDate: now.Add(-2 * time.Hour)},
	))...)
	for _, session := range testSessions() {
		fake.RemoveSession(session.SessionID)
	}

	return fake, url
}

// testLiveIDs returns the IDs of the inventory's live sessions, by age.
func testLiveIDs(fake *fakessm.Server) []any {
	ids := []any{}
	for _, id := range testInventoryIDs {
		session, _ := fake.Session(fmt.Sprint(id))
		if session.Status != "Terminating" && session.Status != "Terminated" {
			ids = append(ids, id)
		}
	}

	return ids
}

// testSelectors are the objects that have a selector.
var testSelectors = map[string]struct {
	schema func(*tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema
	// use validates, plans and applies until there is an error.
	use func(s *protocol.Server, config map[string]any) []protocol.Diagnostic
	// ends is true if the object ends what it selects.
	ends bool
}{
	"data source ssm_sessions": {
		func(schemas *tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema {
			return schemas.DataSourceSchemas["ssm_sessions"]
		},
		func(s *protocol.Server, config map[string]any) []protocol.Diagnostic {
			_, diags := s.ReadDataSource("ssm_sessions", config)

			return diags
		},
		false,
	},
	"resource ssm_session_drain": {
		func(schemas *tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema {
			return schemas.ResourceSchemas["ssm_session_drain"]
		},
		func(s *protocol.Server, config map[string]any) []protocol.Diagnostic {
			_, diags := s.Create("ssm_session_drain", config)

			return diags
		},
		true,
	},
	"action ssm_drain_sessions": {
		func(schemas *tfprotov6.GetProviderSchemaResponse) *tfprotov6.Schema {
			return schemas.ActionSchemas["ssm_drain_sessions"].Schema
		},
		func(s *protocol.Server, config map[string]any) []protocol.Diagnostic {
			out := s.InvokeAction("ssm_drain_sessions", config)

			return append(out.Planned, out.Diagnostics...)
		},
		true,
	},
}

// Every object selects the same sessions for the same configuration, on endpoints that
// filter and on others.
func TestSelector_agreement(t *testing.T) {
	t.Parallel()

	endpoints := map[string][]fakessm.Option{
		"filters":                   {fakessm.WithPageSize(1)},
		"filters are ignored":       {fakessm.WithFiltersIgnored()},
		"every other page is empty": {fakessm.WithEmptyPages()},
	}
	for name, tc := range map[string]struct {
		config map[string]any
		want   []any
		idle   bool // Nothing can match, so no call is needed.
	}{
		"one target":                      {config: map[string]any{"targets": []any{"i-0000000a"}}, want: []any{"ann-1", "cat-1"}},
		"two targets":                     {config: map[string]any{"targets": []any{"i-0000000a", "i-0000000c"}}, want: []any{"eve-1", "ann-1", "cat-1"}},
		"a target without sessions":       {config: map[string]any{"targets": []any{"i-00000002"}}, want: []any{}},
		"no target at all":                {config: map[string]any{"targets": []any{}}, want: []any{}, idle: true},
		"an owner":                        {config: map[string]any{"owners": []any{"arn:aws:iam::123456789012:user/gus"}}, want: []any{"gus-1"}},
		"an owner in other letters":       {config: map[string]any{"owners": []any{"arn:aws:iam::123456789012:user/Gus"}}, want: []any{}},
		"an owner's beginning":            {config: map[string]any{"owners": []any{"arn:aws:iam::123456789012:user/gu"}}, want: []any{}},
		"owners of a role":                {config: map[string]any{"owners": []any{"arn:aws:sts::123456789012:assumed-role/Operator/*"}}, want: []any{"ann-1", "dan-1"}},
		"owners by their last name":       {config: map[string]any{"owners": []any{"*/cat", "*/eve"}}, want: []any{"eve-1", "cat-1"}},
		"a wildcard across / and :":       {config: map[string]any{"owners": []any{"arn:*c*t"}}, want: []any{"cat-1"}},
		"no owner at all":                 {config: map[string]any{"owners": []any{}}, want: []any{}, idle: true},
		"a document":                      {config: map[string]any{"document_names": []any{"PortForward"}}, want: []any{"dan-1"}},
		"no document at all":              {config: map[string]any{"document_names": []any{}}, want: []any{}, idle: true},
		"an access type":                  {config: map[string]any{"access_types": []any{"Standard"}}, want: []any{"eve-1", "ann-1", "cat-1"}},
		"access types":                    {config: map[string]any{"older_than": "1m", "access_types": []any{"Standard", "JustInTime"}}, want: []any{"eve-1", "ann-1", "dan-1", "cat-1"}},
		"no access type at all":           {config: map[string]any{"access_types": []any{}}, want: []any{}, idle: true},
		"an age":                          {config: map[string]any{"older_than": "4h30m"}, want: []any{"eve-1", "ann-1", "dan-1"}},
		"all but some owners":             {config: map[string]any{"older_than": "1m", "exclude_owners": []any{"*:iam:*", "*/eve"}}, want: []any{"ann-1", "dan-1"}},
		"all but some sessions":           {config: map[string]any{"older_than": "1m", "exclude_session_ids": []any{"ann-1", "bare-1", "nobody-1"}}, want: []any{"eve-1", "dan-1", "cat-1", "gus-1"}},
		"empty exclusions":                {config: map[string]any{"targets": []any{"i-0000000a"}, "exclude_owners": []any{}, "exclude_session_ids": []any{}}, want: []any{"ann-1", "cat-1"}},
		"all conditions at once":          {config: map[string]any{"targets": []any{"i-0000000a", "i-0000000c"}, "owners": []any{"*"}, "document_names": []any{"Shell"}, "access_types": []any{"Standard"}, "older_than": "5h", "exclude_session_ids": []any{"eve-1"}}, want: []any{"ann-1"}},
		"a condition beside an empty one": {config: map[string]any{"targets": []any{"i-0000000a"}, "owners": []any{}}, want: []any{}, idle: true},
	} {
		for endpoint, options := range endpoints {
			for object, selector := range testSelectors {
				t.Run(name+"/"+endpoint+"/"+object, func(t *testing.T) {
					t.Parallel()

					fake, url := testInventoryFake(t, options...)
					s := newConfiguredServer(t, testArguments(url))
					if !selector.ends {
						got, diags := s.ReadDataSource("ssm_sessions", tc.config)
						protocol.WantNoDiagnostics(t, diags)
						if diff := cmp.Diff(tc.want, got["session_ids"]); diff != "" {
							t.Errorf("unexpected sessions (-want +got):\n%s", diff)
						}
					} else {
						if diags := selector.use(s, tc.config); protocol.HasErrors(diags) {
							t.Fatalf("unexpected diagnostics: %+v", diags)
						}
						spared := slices.DeleteFunc(slices.Clone(testInventoryIDs), func(id any) bool { return slices.Contains(tc.want, id) })
						if diff := cmp.Diff(spared, testLiveIDs(fake)); diff != "" {
							t.Errorf("unexpected live sessions (-want +got):\n%s", diff)
						}
						if got := fake.Count("TerminateSession"); got != len(tc.want) {
							t.Errorf("TerminateSession was called %d times for %d sessions", got, len(tc.want))
						}
					}
					if got := fake.Count("DescribeSessions"); tc.idle != (got == 0) {
						t.Errorf("%d listings", got)
					}
				})
			}
		}
	}
}

// All objects with a selector refuse what cannot be meant, without a call and with the
// name of the attribute.
func TestSelector_badInput(t *testing.T) {
	t.Parallel()

	const ownerForm = "SSM records owners as ARNs.\narn:aws:sts::123456789012:assumed-role/Operator/mary"
	for name, tc := range map[string]struct {
		config map[string]any
		want   protocol.Diagnostic
	}{
		"a null target":               {map[string]any{"targets": []any{nil, "i-0000000a"}}, protocol.Error("targets", "Null Set Value", "contains a null value")},
		"a null owner":                {map[string]any{"owners": []any{nil}}, protocol.Error("owners", "Null Set Value", "contains a null value")},
		"a null document":             {map[string]any{"document_names": []any{nil}}, protocol.Error("document_names", "Null Set Value", "contains a null value")},
		"a null access type":          {map[string]any{"access_types": []any{nil}}, protocol.Error("access_types", "Null Set Value", "contains a null value")},
		"a null excluded owner":       {map[string]any{"exclude_owners": []any{nil}}, protocol.Error("exclude_owners", "Null Set Value", "contains a null value")},
		"a null excluded session":     {map[string]any{"exclude_session_ids": []any{nil}}, protocol.Error("exclude_session_ids", "Null Set Value", "contains a null value")},
		"an empty target":             {map[string]any{"targets": []any{""}}, protocol.Error("targets[...]", "Empty Value", "no target is.\ncompact()")},
		"an overlong target":          {map[string]any{"targets": []any{"i-" + strings.Repeat("i", 399)}}, protocol.Error("targets[...]", "Value Too Long", "401 characters\nat most 400")},
		"an empty owner":              {map[string]any{"owners": []any{""}}, protocol.Error("owners[...]", "Empty Value", "no owner is.")},
		"an owner that is no ARN":     {map[string]any{"owners": []any{"mary"}}, protocol.Error("owners[...]", "Invalid Owner", "\"mary\"\n"+ownerForm)},
		"an owner that is half a one": {map[string]any{"owners": []any{"arn:aws:iam"}}, protocol.Error("owners[...]", "Invalid Owner", "\"arn:aws:iam\"\n"+ownerForm)},
		"a pattern that is no ARN":    {map[string]any{"owners": []any{"mary*"}}, protocol.Error("owners[...]", "Invalid Owner", "\"mary*\"\n"+ownerForm)},
		"a role": {
			map[string]any{"owners": []any{"arn:aws:iam::123456789012:role/Operator"}},
			protocol.Error("owners[...]", "Invalid Owner", "\"arn:aws:iam::123456789012:role/Operator\"\n\"arn:aws:sts::123456789012:assumed-role/Operator/*\""),
		},
		"a role with a path, of another partition": {
			map[string]any{"owners": []any{"arn:aws-us-gov:iam::123456789012:role/teams/ops/Operator"}},
			protocol.Error("owners[...]", "Invalid Owner", "\"arn:aws-us-gov:sts::123456789012:assumed-role/Operator/*\""),
		},
		"any role": {
			map[string]any{"owners": []any{"arn:aws:iam::*:role/*"}},
			protocol.Error("owners[...]", "Invalid Owner", "\"arn:aws:sts::*:assumed-role/ROLE_NAME/*\""),
		},
		"a role to be spared": {
			map[string]any{"exclude_owners": []any{"arn:aws:iam::123456789012:role/Operator"}},
			protocol.Error("exclude_owners[...]", "Invalid Owner", "\"arn:aws:sts::123456789012:assumed-role/Operator/*\""),
		},
		"an owner to be spared that is no ARN": {map[string]any{"exclude_owners": []any{"mary"}}, protocol.Error("exclude_owners[...]", "Invalid Owner", "\"mary\"\n"+ownerForm)},
		"a target with a line break":           {map[string]any{"targets": []any{"i-0000000a\n"}}, protocol.Error("targets[...]", "White Space Around Value", "\"i-0000000a\\n\"\nUse \"i-0000000a\"\ntrimspace()")},
		"an owner with a space":                {map[string]any{"owners": []any{"arn:aws:iam::123456789012:user/jane "}}, protocol.Error("owners[...]", "White Space Around Value", "user/jane \"\nUse \"arn:aws:iam::123456789012:user/jane\"")},
		"a document with a line break":         {map[string]any{"document_names": []any{"Shell\r\n"}}, protocol.Error("document_names[...]", "White Space Around Value", "\"Shell\\r\\n\"")},
		"a spared owner with a space":          {map[string]any{"exclude_owners": []any{" */ann"}}, protocol.Error("exclude_owners[...]", "White Space Around Value", "\" */ann\"")},
		"a spared session with a line break":   {map[string]any{"exclude_session_ids": []any{"ann-1\n"}}, protocol.Error("exclude_session_ids[...]", "White Space Around Value", "\"ann-1\\n\"")},
		"a spared session's ARN":               {map[string]any{"exclude_session_ids": []any{"arn:aws:ssm:us-east-1:123456789012:session/ann-1"}}, protocol.Error("exclude_session_ids[...]", "ARN Instead of Session ID", "exclude no session\nUse \"ann-1\"")},
		"a spared role session without name":   {map[string]any{"exclude_owners": []any{"arn:aws:sts::123456789012:assumed-role/Emergency"}}, protocol.Error("exclude_owners[...]", "Invalid Owner", "\"arn:aws:sts::123456789012:assumed-role/Emergency/*\"")},
		"an owner of another partition":        {map[string]any{"owners": []any{"arn:aws-us-gov:sts::*:assumed-role/*/mary"}}, protocol.Error("owners[...]", "Owner of Another Partition", "\"arn:aws:sts::*:assumed-role/*/mary\", or \"arn:*:sts::*:assumed-role/*/mary\"")},
		"a spared owner of another partition":  {map[string]any{"exclude_owners": []any{"arn:aws-cn:sts::*:assumed-role/BreakGlass/*"}}, protocol.Error("exclude_owners[...]", "Owner of Another Partition", "\"arn:*:sts::*:assumed-role/BreakGlass/*\"")},
		"a spared owner with a question mark":  {map[string]any{"exclude_owners": []any{"arn:aws:iam::123456789012:user/bo?"}}, protocol.Error("exclude_owners[...]", "Invalid Owner", "user/bo?\"\nexcludes nobody: it contains the character \"?\"")},
		"a spared owner with a joiner":         {map[string]any{"exclude_owners": []any{"*:user/b\u2060ob"}}, protocol.Error("exclude_owners[...]", "Invalid Owner", "excludes nobody: it contains the character U+2060")},
		"an owner with an encoded character":   {map[string]any{"owners": []any{"*:user/bob%2Fx"}}, protocol.Error("owners[...]", "Invalid Owner", "matches no owner: it contains \"%2F\"")},
		"an empty document":                    {map[string]any{"document_names": []any{""}}, protocol.Error("document_names[...]", "Empty Value", "no document name is.\ncompact()")},
		"an unknown access type":               {map[string]any{"access_types": []any{"standard"}}, protocol.Error("access_types[...]", "Invalid Attribute Value Match", "\"Standard\" \"JustInTime\"")},
		"an empty excluded session":            {map[string]any{"exclude_session_ids": []any{""}}, protocol.Error("exclude_session_ids[...]", "Empty Value", "no session ID is.\ncompact()")},
		"an overlong excluded session":         {map[string]any{"exclude_session_ids": []any{strings.Repeat("x", 97)}}, protocol.Error("exclude_session_ids[...]", "Value Too Long", "97 characters\nat most 96")},
		"an age that is no duration":           {map[string]any{"older_than": "8 hours"}, protocol.Error("older_than", "Invalid Duration", "\"8 hours\"")},
		"an age that is too long":              {map[string]any{"older_than": "9999999h"}, protocol.Error("older_than", "Invalid Duration", "\"9999999h\" is too long. The longest duration is 2562047h.")},
		"an empty excluded owner":              {map[string]any{"exclude_owners": []any{""}}, protocol.Error("exclude_owners[...]", "Empty Value", "no owner is.")},
		"an empty Region":                      {map[string]any{"region": ""}, protocol.Error("region", "Invalid AWS Region", "The Region is empty.\nleave out region")},
		"an age without a unit":                {map[string]any{"older_than": "8"}, protocol.Error("older_than", "Invalid Duration", "\"8\" is not a duration")},
		"an age of days":                       {map[string]any{"older_than": "30d"}, protocol.Error("older_than", "Invalid Duration", "\"30d\" is not a duration\nno unit for days")},
		"a negative age":                       {map[string]any{"older_than": "-1h"}, protocol.Error("older_than", "Invalid Duration", "\"-1h\"\n\"8h\"")},
		"an unknown Region":                    {map[string]any{"region": "us-esat-1"}, protocol.Error("region", "Invalid AWS Region", "us-esat-1")},
		"a Region of another partition":        {map[string]any{"region": "cn-north-1"}, protocol.Error("region", "Invalid AWS Region", "\"aws-cn\"")},
	} {
		for object, selector := range testSelectors {
			t.Run(name+"/"+object, func(t *testing.T) {
				t.Parallel()

				fake, url := testInventoryFake(t)
				s := newConfiguredServer(t, testArguments(url))
				config := map[string]any{"targets": []any{"i-0000000a"}}
				maps.Copy(config, tc.config)
				protocol.WantDiagnostic(t, tc.want, selector.use(s, config))
				endpoint.WantCalls(t, fake)

				// It is said only once, also without another condition.
				if _, ok := tc.config["older_than"]; ok {
					protocol.WantDiagnostic(t, tc.want, selector.use(s, tc.config))
				}
			})
		}
		t.Run(name+"/action ssm_drain_sessions, not known in the plan", func(t *testing.T) {
			t.Parallel()

			fake, url := testInventoryFake(t)
			planned, invoked := map[string]any{"targets": []any{"i-0000000a"}}, map[string]any{"targets": []any{"i-0000000a"}}
			maps.Copy(invoked, tc.config)
			for argument := range tc.config {
				planned[argument] = protocol.Unknown
			}
			got := newConfiguredServer(t, testArguments(url)).InvokeAction("ssm_drain_sessions", planned, invoked)
			protocol.WantNoDiagnostics(t, got.Planned)
			protocol.WantDiagnostic(t, tc.want, got.Diagnostics)
			endpoint.WantCalls(t, fake)
		})
	}
}

// Owners that SSM can record are accepted.
func TestSelector_goodOwners(t *testing.T) {
	t.Parallel()

	for _, owner := range []string{
		testOwner,
		"arn:aws:iam::123456789012:user/timmy",
		"arn:aws:iam::123456789012:root",
		"arn:aws:sts::123456789012:federated-user/timmy",
		"arn:*:sts::123456789012:assumed-role/AWSReservedSSO_Ops_0123456789abcdef/mary@example.com",
		"arn:aws:sts::*:assumed-role/Operator/*",
		"a*",
		"*",
		"*@example.com",
	} {
		for object, selector := range testSelectors {
			t.Run(owner+"/"+object, func(t *testing.T) {
				t.Parallel()

				_, url := testInventoryFake(t)
				s := newConfiguredServer(t, testArguments(url))
				diags := selector.use(s, map[string]any{"owners": []any{owner}, "exclude_owners": []any{owner}, "targets": []any{"i-00000002"}})
				protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))
			})
		}
	}
}

// All objects with a selector warn of what probably matches no session.
func TestSelector_doubtfulInput(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		config map[string]any
		want   protocol.Diagnostic
	}{
		"a node's ARN":                {map[string]any{"targets": []any{"arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"}}, protocol.Warning("targets[...]", "Unusual Target", "\"arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0\"")},
		"a host name":                 {map[string]any{"targets": []any{"ip-10-0-0-1.ec2.internal"}}, protocol.Warning("targets[...]", "Unusual Target", "ip-10-0-0-1")},
		"a session among targets":     {map[string]any{"targets": []any{"Mary-07a16060613c408b5"}}, protocol.Warning("targets[...]", "Unusual Target", "Mary-")},
		"an owner of another account": {map[string]any{"owners": []any{"arn:aws:iam::210987654321:user/mary"}}, protocol.Warning("owners[...]", "Owner of Another Account", "account 123456789012")},
		"another shape of owner":      {map[string]any{"exclude_owners": []any{"arn:aws:identitystore::123456789012:user/mary"}}, protocol.Warning("exclude_owners[...]", "Unusual Owner", "not known to record")},
		"a pattern of documents":      {map[string]any{"document_names": []any{"SSM-*"}}, protocol.Warning("document_names[...]", "Unusual Document Name", "SSM-*")},
	} {
		for object, selector := range testSelectors {
			t.Run(name+"/"+object, func(t *testing.T) {
				t.Parallel()

				_, url := testInventoryFake(t)
				config := map[string]any{"targets": []any{"i-00000002"}}
				maps.Copy(config, tc.config)
				diags := testWithoutDrainWarnings(selector.use(newConfiguredServer(t, testArguments(url)), config))
				// Two plans warn twice. Terraform shows it once.
				protocol.WantDiagnostic(t, tc.want, slices.Compact(diags))
			})
		}
	}
}

// All objects with a selector describe it in the same words.
func TestSelector_schema(t *testing.T) {
	t.Parallel()

	s := newTestServer(t, nil)
	selectorOf := func(schema *tfprotov6.Schema) map[string]*tfprotov6.SchemaAttribute {
		attributes := map[string]*tfprotov6.SchemaAttribute{}
		for _, attribute := range schema.Block.Attributes {
			switch attribute.Name {
			case "targets", "owners", "document_names", "access_types", "older_than", "exclude_owners", "exclude_session_ids":
				attribute.Description = strings.TrimSuffix(attribute.Description, " Measured once, when the drain begins.")
				attribute.Description = strings.TrimSuffix(attribute.Description, " Changing them replaces the drain.")
				attributes[attribute.Name] = attribute
			}
		}

		return attributes
	}
	want := selectorOf(testSelectors["data source ssm_sessions"].schema(s.Schemas))
	if len(want) != 7 {
		t.Errorf("the selector has %d attributes, want 7", len(want))
	}
	for object, selector := range testSelectors {
		if diff := cmp.Diff(want, selectorOf(selector.schema(s.Schemas)), cmpopts.IgnoreUnexported(tfprotov6.SchemaAttribute{})); diff != "" {
			t.Errorf("%s has another selector (-want +got):\n%s", object, diff)
		}
	}
	for name, attribute := range want {
		if !attribute.Optional || attribute.Required || attribute.Computed {
			t.Errorf("%s is not merely optional", name)
		}
	}
}

// A drain needs at least one narrowing condition.
func TestSelector_noCondition(t *testing.T) {
	t.Parallel()

	const whole = "Nothing was ended.\nSet targets, owners, document_names, access_types or older_than; exclusions alone are not enough."
	for name, tc := range map[string]struct {
		config    map[string]any
		attribute string
		detail    string
	}{
		"nothing at all":          {map[string]any{}, "targets", "No condition says which sessions to end."},
		"exclusions":              {map[string]any{"exclude_owners": []any{"*/ann"}, "exclude_session_ids": []any{"ann-1"}}, "targets", "No condition says which sessions to end."},
		"any owner":               {map[string]any{"owners": []any{"*"}}, "owners", "match every owner"},
		"a whole partition":       {map[string]any{"owners": []any{"arn:aws:*"}}, "owners", "match every owner"},
		"both services":           {map[string]any{"owners": []any{"arn:aws:sts::*", "arn:aws:iam::*"}}, "owners", "match every owner"},
		"both access types":       {map[string]any{"access_types": []any{"Standard", "JustInTime"}}, "access_types", "match every session"},
		"hardly any age":          {map[string]any{"older_than": "1ns"}, "older_than", "An age of 1ns"},
		"any owner, in two words": {map[string]any{"owners": []any{"**"}}, "owners", "match every owner"},
		"any owner, hidden":       {map[string]any{"owners": []any{"*/ann", "*"}}, "owners", "match every owner"},
		"any age":                 {map[string]any{"older_than": "0s"}, "older_than", "An age of 0s"},
		"any age, in other words": {map[string]any{"older_than": "-0h"}, "older_than", "An age of 0s"},
		"any owner of any age":    {map[string]any{"owners": []any{"*"}, "older_than": "0s"}, "owners", "match every owner"},
		"any owner except one":    {map[string]any{"owners": []any{"*"}, "exclude_owners": []any{"*/ann"}}, "owners", "match every owner"},
		"a Region and a limit, which is no condition": {map[string]any{"region": testRegion, "max_sessions": int64(5)}, "targets", "No condition"},
	} {
		for object, selector := range testSelectors {
			if !selector.ends {
				continue
			}
			t.Run(name+"/"+object, func(t *testing.T) {
				t.Parallel()

				fake, url := testInventoryFake(t)
				s := newConfiguredServer(t, testArguments(url))
				protocol.WantDiagnostic(t, protocol.Error(tc.attribute, "Unable to Drain Sessions", tc.detail+"\n"+whole), selector.use(s, tc.config))
				endpoint.WantCalls(t, fake)
			})
		}
	}
}

// Patterns that match parts of the account number match every owner. They are refused when
// they are planned and when they become known, before anybody is listed.
func TestSelector_accountNumber(t *testing.T) {
	t.Parallel()

	const advice = "Nothing was ended.\nEvery owner contains the account number\n\"*/*42*\""
	known := "The patterns in owners match every owner of account " + testAccountID + ", which is no condition.\n" + advice
	unknown := "The account of the credentials is not known, and the patterns in owners match every owner of some accounts.\n" + advice
	noAccount := map[string]any{"skip_requesting_account_id": true, "skip_credentials_validation": true}
	for name, tc := range map[string]struct {
		owners   []any
		provider map[string]any
		refused  string // The detail of the error, or "" if the patterns are accepted.
	}{
		"a digit":                              {[]any{"*1*"}, nil, known},
		"the beginning":                        {[]any{"*:12*"}, nil, known},
		"the beginning, after the service":     {[]any{"arn:aws:*::1*"}, nil, known},
		"the end":                              {[]any{"*2:*"}, nil, known},
		"the beginning, for both services":     {[]any{"arn:aws:iam::12345678901*", "arn:aws:sts::12345678901*"}, nil, known},
		"the whole number":                     {[]any{"*:123456789012:*"}, nil, known},
		"a digit, the account unknown":         {[]any{"*1*"}, noAccount, unknown},
		"a number that the account lacks":      {[]any{"*4711*"}, nil, ""},
		"any number, the account unknown":      {[]any{"*4711*"}, noAccount, unknown},
		"a number in names":                    {[]any{"*/*1*"}, nil, ""},
		"names with a digit, account unknown":  {[]any{"*/*1*"}, noAccount, ""},
		"a digit, the arguments still unknown": {[]any{"*1*"}, map[string]any{"access_key": protocol.Unknown}, unknown},
	} {
		check := func(t *testing.T, fake *fakessm.Server, diags []protocol.Diagnostic) {
			t.Helper()

			if tc.refused == "" {
				protocol.WantNoDiagnostics(t, testWithoutDrainWarnings(diags))

				return
			}
			protocol.WantDiagnostic(t, protocol.Error("owners", testDrainError, tc.refused), diags)
			endpoint.WantCalls(t, fake)
		}
		config := map[string]any{"owners": tc.owners, "region": testRegion}
		later := map[string]any{"owners": []any{protocol.Unknown}, "region": testRegion}
		start := func(t *testing.T) (*fakessm.Server, *protocol.Server) {
			t.Helper()
			fake, url := testInventoryFake(t)

			return fake, newConfiguredServer(t, testArguments(url, tc.provider))
		}

		t.Run(name+"/action, planned", func(t *testing.T) {
			t.Parallel()
			fake, s := start(t)
			check(t, fake, s.InvokeAction("ssm_drain_sessions", config).Planned)
		})
		t.Run(name+"/resource, planned", func(t *testing.T) {
			t.Parallel()
			fake, s := start(t)
			_, diags := s.PlanCreate("ssm_session_drain", config)
			check(t, fake, diags)
		})
		if _, ok := tc.provider["access_key"]; ok {
			continue
		}
		t.Run(name+"/action, invoked", func(t *testing.T) {
			t.Parallel()
			fake, s := start(t)
			check(t, fake, s.InvokeAction("ssm_drain_sessions", later, config).Diagnostics)
		})
		for _, when := range []string{"create", "destroy"} {
			t.Run(name+"/resource, applied with when = "+when, func(t *testing.T) {
				t.Parallel()
				fake, s := start(t)
				plan, diags := s.PlanCreate("ssm_session_drain", mergeConfig(later, map[string]any{"when": when}))
				protocol.WantNoDiagnostics(t, diags)
				schema := s.Schemas.ResourceSchemas["ssm_session_drain"]
				plan.Config = s.Encode(schema, mergeConfig(config, map[string]any{"when": when}))
				plan.Planned = s.Encode(schema, mergeConfig(plan.Values, map[string]any{"owners": tc.owners}))
				_, diags = s.Apply(plan)
				check(t, fake, diags)
			})
		}
		t.Run(name+"/resource, destroyed", func(t *testing.T) {
			t.Parallel()
			fake, s := start(t)
			state, diags := s.Create("ssm_session_drain", map[string]any{"owners": []any{"*/nobody"}, "when": "destroy", "region": testRegion})
			protocol.WantNoDiagnostics(t, diags)
			state.Values["owners"] = tc.owners
			// A planned destroy lists the sessions.
			plan, _ := s.Plan(state, nil)
			fake.ResetRequests()
			_, diags = s.Apply(plan)
			check(t, fake, diags)
		})
	}
}

// The age of a session is measured with the clock of the service.
func TestSelector_clock(t *testing.T) {
	t.Parallel()

	for object, selector := range testSelectors {
		t.Run(object, func(t *testing.T) {
			t.Parallel()

			ahead := func() time.Time { return time.Now().Add(3 * time.Hour) }
			fake, url := testInventoryFake(t, fakessm.WithClock(ahead))
			s := newConfiguredServer(t, testArguments(url))
			config := map[string]any{"targets": []any{"i-0000000a"}, "older_than": "4h30m"}
			if !selector.ends {
				got, diags := s.ReadDataSource("ssm_sessions", config)
				protocol.WantNoDiagnostics(t, diags)
				if diff := cmp.Diff([]any{"ann-1", "cat-1"}, got["session_ids"]); diff != "" {
					t.Errorf("unexpected sessions (-want +got):\n%s", diff)
				}

				return
			}
			if diags := selector.use(s, config); protocol.HasErrors(diags) {
				t.Fatalf("unexpected diagnostics: %+v", diags)
			}
			endpoint.WantStatus(t, fake, "ann-1", "Terminated")
			endpoint.WantStatus(t, fake, "cat-1", "Terminated")
		})
	}
}
