// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/aws-sdk-go-base/v2/endpoints"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

func TestRegionProblem(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		region    string
		partition string
		skip      bool
		want      string // Text of the problem, empty for none.
	}{
		"commercial":                            {region: "us-east-1"},
		"China":                                 {region: "cn-north-1"},
		"GovCloud":                              {region: "us-gov-west-1"},
		"European Sovereign Cloud":              {region: "eusc-de-east-1"},
		"ISO":                                   {region: "us-iso-east-1"},
		"ISOB":                                  {region: "us-isob-east-1"},
		"ISOE":                                  {region: "eu-isoe-west-1"},
		"ISOF":                                  {region: "us-isof-south-1"},
		"one of the partition asked for":        {region: "eusc-de-east-1", partition: "aws-eusc"},
		"misspelt":                              {region: "eu-centrall-1", want: `"eu-centrall-1" is not an AWS Region`},
		"misspelt, in a partition":              {region: "eu-centrall-1", partition: "aws", want: `"eu-centrall-1" is not an AWS Region`},
		"upper case":                            {region: "EU-CENTRAL-1", want: `"EU-CENTRAL-1" is not an AWS Region`},
		"availability zone":                     {region: "us-east-1a", want: `"us-east-1a" is not an AWS Region`},
		"global pseudo Region":                  {region: "aws-global", want: `"aws-global" is not an AWS Region`},
		"empty":                                 {region: "", want: `"" is not an AWS Region`},
		"of another partition":                  {region: "cn-north-1", partition: "aws", want: `partition "aws-cn", but the provider's Region belongs to "aws"`},
		"sovereign for commercial credentials":  {region: "eusc-de-east-1", partition: "aws", want: `partition "aws-eusc", but the provider's Region belongs to "aws"`},
		"commercial for sovereign credentials":  {region: "eu-central-1", partition: "aws-eusc", want: `partition "aws", but the provider's Region belongs to "aws-eusc"`},
		"new, unchecked":                        {region: "eu-mars-1", skip: true},
		"unlike any other, unchecked":           {region: "localhost", partition: "aws", skip: true},
		"new in the partition, unchecked":       {region: "eu-north-9", partition: "aws", skip: true},
		"new in another partition, unchecked":   {region: "cn-south-9", partition: "aws", skip: true, want: `partition "aws-cn", but the provider's Region belongs to "aws"`},
		"known in another partition, unchecked": {region: "us-gov-west-1", partition: "aws", skip: true, want: `partition "aws-us-gov", but the provider's Region belongs to "aws"`},
		"known in the sovereign cloud, unchecked": {region: "eusc-de-east-1", partition: "aws", skip: true, want: `partition "aws-eusc", but the provider's Region belongs to "aws"`},
		"new, of a provider in an unknown Region": {region: "eu-mars-2", partition: "", skip: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got := regionProblem(tc.region, tc.partition, tc.skip)
			switch {
			case tc.want == "" && got != "":
				t.Errorf("unexpected problem: %s", got)
			case !strings.Contains(got, tc.want):
				t.Errorf("the problem lacks %q: %s", tc.want, got)
			case tc.want != "" && !strings.Contains(got, "\n\n"):
				t.Errorf("the problem does not say what to do: %s", got)
			}
		})
	}
}

// Every Region that the SDK knows is valid in its own partition and in no other, and has
// the form that imports recognise.
func TestRegionProblem_everyRegion(t *testing.T) {
	t.Parallel()

	partitions := endpoints.DefaultPartitions()
	var ids []string
	for _, partition := range partitions {
		ids = append(ids, partition.ID())
		for region := range partition.Regions() {
			for _, other := range partitions {
				problem := regionProblem(region, other.ID(), false)
				if valid := other.ID() == partition.ID(); valid != (problem == "") {
					t.Errorf("%s in %s: %q", region, other.ID(), problem)
				}
			}
			if strings.Contains(region, "global") {
				t.Errorf("%s is called a Region", region)
			}
			if !sessionmanager.LooksLikeRegion(region) {
				t.Errorf("%s does not have the shape of a Region", region)
			}
		}
	}
	for _, want := range []string{"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"} {
		if !strings.Contains(strings.Join(ids, " ")+" ", want+" ") {
			t.Errorf("the partition %s is missing among %v", want, ids)
		}
	}
}

func TestLooksLikeRegion(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]bool{
		"us-east-1": true, "us-gov-west-1": true, "us-isob-east-1": true, "eusc-de-east-1": true, "ap-southeast-12": true, "eu-mars-1": true,
		"": false, "us-east": false, "us-east-1a": false, "US-EAST-1": false, "us-east-123": false, "us--east-1": false, "east-1": false,
		"example.com": false, " us-east-1": false, "us-east-1\n": false, "u-east-1": false, "Mary-Major-07a16060613c408b5": false,
	} {
		if got := sessionmanager.LooksLikeRegion(text); got != want {
			t.Errorf("%q matches: %t, want %t", text, got, want)
		}
	}
}

func TestRegionModel_resolve(t *testing.T) {
	t.Parallel()

	configured := &providerMeta{region: "eu-central-1"}
	cases := map[string]struct {
		meta   *providerMeta
		region types.String
		want   types.String
		state  regionState
	}{
		"unset becomes the provider's":              {meta: configured, region: types.StringNull(), want: types.StringValue("eu-central-1"), state: regionGood},
		"computed becomes the provider's":           {meta: configured, region: types.StringUnknown(), want: types.StringValue("eu-central-1"), state: regionGood},
		"set stays":                                 {meta: configured, region: types.StringValue("us-east-1"), want: types.StringValue("us-east-1"), state: regionGood},
		"set, of another partition":                 {meta: configured, region: types.StringValue("cn-north-1"), want: types.StringValue("cn-north-1"), state: regionBad},
		"set, unknown name":                         {meta: configured, region: types.StringValue("eu-mars-1"), want: types.StringValue("eu-mars-1"), state: regionBad},
		"set, unknown name, unchecked":              {meta: &providerMeta{region: "eu-central-1", skipRegionValidation: true}, region: types.StringValue("eu-mars-1"), want: types.StringValue("eu-mars-1"), state: regionGood},
		"set, of another partition, unchecked":      {meta: &providerMeta{region: "eu-central-1", skipRegionValidation: true}, region: types.StringValue("cn-north-1"), want: types.StringValue("cn-north-1"), state: regionBad},
		"set, in a provider with an unknown Region": {meta: &providerMeta{region: "eu-mars-1", skipRegionValidation: true}, region: types.StringValue("us-east-1"), want: types.StringValue("us-east-1"), state: regionGood},
		"unset, provider not configured":            {region: types.StringNull(), want: types.StringNull()},
		"unset, provider not known":                 {meta: &providerMeta{unknownArgument: "region"}, region: types.StringUnknown(), want: types.StringUnknown()},
		"set, provider not known, nor whether names are checked": {
			meta: &providerMeta{unknownArgument: "skip_region_validation"}, region: types.StringValue("eu-mars-1"), want: types.StringValue("eu-mars-1"), state: regionGood,
		},
		"set, provider not known": {meta: &providerMeta{unknownArgument: "region"}, region: types.StringValue("us-east-1"), want: types.StringValue("us-east-1"), state: regionGood},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var diags diag.Diagnostics
			model := regionModel{Region: tc.region}
			if got := model.resolve(tc.meta, &diags); got != tc.state {
				t.Errorf("the state is %d, want %d", got, tc.state)
			}
			if !model.Region.Equal(tc.want) {
				t.Errorf("the Region is %s, want %s", model.Region, tc.want)
			}
			if refused := tc.state == regionBad; diags.HasError() != refused {
				t.Errorf("refused: %t, want %t: %v", diags.HasError(), refused, diags)
			}
		})
	}
}

// No handler calls anything, or goes on without a word.
func TestPrepare(t *testing.T) {
	t.Parallel()

	ready := func(region string) *providerMeta {
		return &providerMeta{client: new(sessionmanager.Client), region: region}
	}
	failed := diag.Diagnostics{diag.NewErrorDiagnostic("Unable to Read", "")}
	for name, tc := range map[string]struct {
		meta   *providerMeta
		region types.String
		diags  diag.Diagnostics
		want   string // The summary of the last error.
	}{
		"all is there":                {meta: ready("eu-central-1"), region: types.StringNull()},
		"the model was not read":      {meta: ready("eu-central-1"), region: types.StringNull(), diags: failed, want: "Unable to Read"},
		"the provider is not known":   {meta: &providerMeta{unknownArgument: "region"}, region: types.StringValue("us-east-1"), want: summaryRead},
		"there is no provider":        {region: types.StringValue("us-east-1"), want: summaryRead},
		"the Region is not known":     {meta: ready(""), region: types.StringUnknown(), want: summaryRead},
		"the Region cannot be called": {meta: ready("eu-central-1"), region: types.StringValue("cn-north-1"), want: summaryRegion},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			diags := tc.diags
			if got := tc.meta.prepare(summaryRead, &regionModel{Region: tc.region}, &diags); got != (tc.want == "") {
				t.Errorf("prepared: %t", got)
			}
			if tc.want != "" && (!diags.HasError() || diags[len(diags)-1].Summary() != tc.want) {
				t.Errorf("got %v, want %q", diags, tc.want)
			}
		})
	}
}

// Every object refuses a Region of another partition, without a call.
func TestRegion_ofAnotherPartition(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newConfiguredServer(t, testArguments(url, map[string]any{"skip_region_validation": true}))
	fake.ResetRequests()
	objects := diagnosticsOfEveryObject(s, map[string]any{"region": "cn-north-1"})
	objects["import"] = func() []protocol.Diagnostic {
		_, diags := s.Import("ssm_session_termination", testEnded+"@cn-north-1", nil)

		return diags
	}
	for name, call := range objects {
		t.Log(name)
		protocol.WantDiagnostic(t, protocol.Error("region", "Invalid AWS Region", "partition \"aws-cn\"\na second provider block"), call())
	}
	if got := endpoint.Operations(fake); len(got) > 0 {
		t.Errorf("called: %v", got)
	}
}

// Resources without work to do still plan after the provider has moved to another
// partition. Their Region is checked only for calls.
func TestRegion_providerMoves(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		typeName string
		config   map[string]any
		update   map[string]any // What changes in place.
		replace  map[string]any // What replaces.
		called   bool           // Whether the destroy calls SSM.
		moves    bool
	}{
		"a termination": {
			typeName: "ssm_session_termination", config: map[string]any{"session_id": testLive},
			update: map[string]any{"if_not_found": "succeed"}, replace: map[string]any{"session_id": testAway},
		},
		"a termination with a Region": {
			typeName: "ssm_session_termination", config: map[string]any{"session_id": testLive, "region": testRegion},
			update: map[string]any{"if_not_found": "succeed"}, replace: map[string]any{"session_id": testAway},
		},
		"a drain": {
			typeName: "ssm_session_drain", config: map[string]any{"targets": []any{testTarget}},
			update: map[string]any{"max_sessions": int64(5)}, replace: map[string]any{"triggers": map[string]any{"a": "b"}},
			moves: true,
		},
		"a drain with a Region": {
			typeName: "ssm_session_drain", config: map[string]any{"targets": []any{testTarget}, "region": testRegion},
			update: map[string]any{"max_sessions": int64(5)}, replace: map[string]any{"triggers": map[string]any{"a": "b"}},
		},
		"a drain on destroy": {
			typeName: "ssm_session_drain", config: map[string]any{"targets": []any{testTarget}, "when": "destroy"},
			update: map[string]any{"max_sessions": int64(5)}, replace: map[string]any{"triggers": map[string]any{"a": "b"}},
			called: true, moves: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t)
			state, diags := newConfiguredServer(t, testArguments(url)).Create(tc.typeName, tc.config)
			if protocol.HasErrors(diags) {
				t.Fatalf("not created: %+v", diags)
			}
			moved := newConfiguredServer(t, testArguments(url, map[string]any{"region": "cn-north-1"}))
			fake.ResetRequests()

			state, diags = moved.Read(state)
			protocol.WantNoDiagnostics(t, diags)
			plan, diags := moved.Plan(state, tc.config)
			protocol.WantNoDiagnostics(t, diags)
			if diff := cmp.Diff(state.Values, plan.Values); diff != "" {
				t.Errorf("the plan changes something (-state +plan):\n%s", diff)
			}
			plan, diags = moved.Plan(state, mergeConfig(tc.config, tc.update))
			protocol.WantNoDiagnostics(t, diags)
			updated, diags := moved.Apply(plan)
			protocol.WantNoDiagnostics(t, diags)
			if updated.Values["region"] != testRegion {
				t.Errorf("the update moved the Region to %v", updated.Values["region"])
			}

			refused := protocol.Error("region", "Invalid AWS Region", "partition \"aws\"\na second provider block")
			plan, diags = moved.Plan(state, mergeConfig(tc.config, tc.replace))
			if tc.moves {
				// The new drain is created in the provider's Region.
				if protocol.HasErrors(diags) {
					t.Fatalf("the replacement cannot be planned: %+v", diags)
				}
				if plan.Values["region"] != "cn-north-1" {
					t.Errorf("the replacement is planned for %v: %+v", plan.Values["region"], diags)
				}
				fake.ResetRequests()
			} else {
				protocol.WantDiagnostic(t, refused, diags)
			}
			_, diags = moved.Plan(state, mergeConfig(tc.config, map[string]any{"region": "us-west-2"}))
			protocol.WantDiagnostic(t, refused, protocol.Without(diags, "Sessions Not Counted in "))
			_, diags = moved.Destroy(updated)
			if tc.called {
				refused.Summary, refused.Detail = testDrainError, refused.Detail+"\nSelection: targets = [\na removed block"
				protocol.WantDiagnostic(t, refused, protocol.Without(diags, "Sessions Not Counted in "))
			} else {
				protocol.WantNoDiagnostics(t, diags)
			}
			if got := endpoint.Operations(fake); len(got) > 0 {
				t.Errorf("called: %v", got)
			}
		})
	}
}

// The Region of a drain on destroy is also checked if the provider's Region was unknown
// at plan.
func TestRegion_providerMovesUnknown(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	state, diags := newConfiguredServer(t, testArguments(url)).Create("ssm_session_drain", map[string]any{"targets": []any{testTarget}, "when": "destroy"})
	protocol.WantNoDiagnostics(t, diags)
	plan, diags := newConfiguredServer(t, testArguments(url, map[string]any{"region": protocol.Unknown})).Plan(state, nil)
	protocol.WantNoDiagnostics(t, diags)
	moved := newConfiguredServer(t, testArguments(url, map[string]any{"region": "cn-north-1"}))
	fake.ResetRequests()

	after, diags := moved.Apply(plan)
	protocol.WantDiagnostic(t, protocol.Error("region", testDrainError, "partition \"aws\"\na removed block"), diags)
	if diff := cmp.Diff(state.Values, after.Values); diff != "" {
		t.Errorf("the refused destruction changed the state (-before +after):\n%s", diff)
	}
	endpoint.WantCalls(t, fake)
}

func testRegionFake(t *testing.T) (*fakessm.Server, string) {
	t.Helper()

	var sessions []fakessm.Session
	for _, region := range []string{"eu-central-1", "eu-west-1", "eusc-de-east-1", "us-gov-west-1", "eu-mars-1"} {
		sessions = append(sessions, fakessm.Session{SessionID: testAway, Region: region, Status: "Disconnected"})
	}

	return testFake(t, fakessm.WithSessions(sessions...))
}

// wantRegion checks the Region that requests are signed for, and the one that the data
// source returns.
func wantRegion(t *testing.T, fake *fakessm.Server, s *protocol.Server, config map[string]any, want string) {
	t.Helper()

	result, diags := s.ReadDataSource("ssm_session_resume", config)
	protocol.WantNoDiagnostics(t, diags)
	if got := result["region"]; got != want {
		t.Errorf("the data source shows the Region %v, want %s", got, want)
	}
	resumed := endpoint.Requests(fake, "ResumeSession")
	if len(resumed) != 1 || resumed[0].Region != want {
		t.Errorf("requests %+v, want one signed for %s", resumed, want)
	}
}

func TestConfigure_region(t *testing.T) {
	t.Parallel()

	configFile := testFile(t, "config", "[profile ops]\nregion = eu-west-1\n")
	cases := map[string]struct {
		arguments map[string]any
		object    string // The region argument of the data source.
		want      string
	}{
		"of the provider":                            {want: testRegion},
		"of another partition":                       {arguments: map[string]any{"region": "us-gov-west-1"}, want: "us-gov-west-1"},
		"of the European Sovereign Cloud":            {arguments: map[string]any{"region": "eusc-de-east-1"}, want: "eusc-de-east-1"},
		"of the profile":                             {arguments: map[string]any{"region": nil, "profile": "ops", "shared_config_files": []any{configFile}}, want: "eu-west-1"},
		"of the provider rather than of the profile": {arguments: map[string]any{"profile": "ops", "shared_config_files": []any{configFile}}, want: testRegion},
		"of the object":                              {object: "eu-central-1", want: "eu-central-1"},
		"unknown to the SDK, of the provider":        {arguments: map[string]any{"region": "eu-mars-1", "skip_region_validation": true}, want: "eu-mars-1"},
		"unknown to the SDK, of the object":          {arguments: map[string]any{"skip_region_validation": true}, object: "eu-mars-1", want: "eu-mars-1"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testRegionFake(t)
			config := map[string]any{"session_id": testAway}
			if tc.object != "" {
				config["region"] = tc.object
			}
			wantRegion(t, fake, newConfiguredServer(t, testArguments(url, tc.arguments)), config, tc.want)
		})
	}
}

func TestConfigure_envRegion(t *testing.T) {
	configFile := testFile(t, "config", "[default]\nregion = eu-west-1\n[profile ops]\nregion = eu-central-1\n")
	cases := map[string]struct {
		env      map[string]string
		argument any
		want     string
	}{
		"AWS_REGION":                          {env: map[string]string{"AWS_REGION": "eu-west-1"}, want: "eu-west-1"},
		"AWS_DEFAULT_REGION":                  {env: map[string]string{"AWS_DEFAULT_REGION": "eu-west-1"}, want: "eu-west-1"},
		"AWS_REGION beats AWS_DEFAULT_REGION": {env: map[string]string{"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-central-1"}, want: "eu-west-1"},
		"AWS_REGION beats the profile":        {env: map[string]string{"AWS_REGION": "eu-west-1", "AWS_CONFIG_FILE": configFile, "AWS_PROFILE": "ops"}, want: "eu-west-1"},
		"the argument beats AWS_REGION":       {env: map[string]string{"AWS_REGION": "eu-west-1"}, argument: testRegion, want: testRegion},
		"the default profile":                 {env: map[string]string{"AWS_CONFIG_FILE": configFile}, want: "eu-west-1"},
		"AWS_PROFILE":                         {env: map[string]string{"AWS_CONFIG_FILE": configFile, "AWS_PROFILE": "ops"}, want: "eu-central-1"},
	}
	for name, tc := range cases { //nolint:paralleltest // The environment is shared.
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, tc.env)
			fake, url := testRegionFake(t)
			s := newConfiguredServer(t, testArguments(url, map[string]any{"region": tc.argument}))
			wantRegion(t, fake, s, map[string]any{"session_id": testAway}, tc.want)
		})
	}
}

func TestConfigure_regionMissing(t *testing.T) {
	t.Parallel()

	_, url := testFake(t)
	role := []any{map[string]any{"role_arn": testRoleARN}}
	credentialsFile := []any{testCredentialsFile(t, "default")}
	cases := map[string]map[string]any{
		"with keys":                                     {},
		"with keys, calling AWS":                        {"endpoints": nil},
		"with a role":                                   {"assume_role": role},
		"with a role, calling AWS":                      {"assume_role": role, "endpoints": nil},
		"with a role from a file":                       {"assume_role": role, "access_key": nil, "secret_key": nil, "shared_credentials_files": credentialsFile},
		"with a role from a file, calling AWS":          {"assume_role": role, "access_key": nil, "secret_key": nil, "shared_credentials_files": credentialsFile, "endpoints": nil},
		"with a web identity":                           {"assume_role_with_web_identity": testWebIdentity(nil), "access_key": nil, "secret_key": nil},
		"with a web identity, calling AWS":              {"assume_role_with_web_identity": testWebIdentity(nil), "access_key": nil, "secret_key": nil, "endpoints": nil},
		"without validation of names":                   {"skip_region_validation": true},
		"without validation of credentials and account": offlineArguments,
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := newTestServer(t, testArguments(url, map[string]any{"region": nil}, change))
			protocol.WantNoDiagnostics(t, s.ValidateProvider())
			protocol.WantDiagnostic(t, protocol.Error("region", "Missing AWS Region", "No AWS Region is configured.\nregion in the provider block\nAWS_REGION"), s.Configure())
		})
	}
}

func TestConfigure_regionUnknownName(t *testing.T) {
	t.Parallel()

	fake, url := testFake(t)
	s := newTestServer(t, testArguments(url, map[string]any{"region": "eu-centrall-1"}))
	want := protocol.Error("region", "Invalid AWS Region", "\"eu-centrall-1\" is not an AWS Region\nskip_region_validation = true")
	protocol.WantDiagnostic(t, want, s.ValidateProvider())
	protocol.WantDiagnostic(t, want, s.Configure())
	if calls := endpoint.TakeCalls(fake); len(calls) > 0 {
		t.Errorf("SSM was called: %v", calls)
	}
}

func TestConfigure_envRegionUnknownName(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-centrall-1")
	fake, url := testFake(t)
	role := map[string]any{"assume_role": []any{map[string]any{"role_arn": testRoleARN}}}
	for name, change := range map[string]map[string]any{ //nolint:paralleltest // The environment is shared.
		"with keys":   {},
		"with a role": role,
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestServer(t, testArguments(url, map[string]any{"region": nil}, change))
			protocol.WantNoDiagnostics(t, s.ValidateProvider())
			protocol.WantDiagnostic(t, protocol.Error("region", "Invalid AWS Region", "\"eu-centrall-1\" is not an AWS Region\nskip_region_validation = true"), s.Configure())
			if got := endpoint.Operations(fake); len(got) > 0 {
				t.Errorf("called in a Region that does not exist: %v", got)
			}
		})
	}
}
