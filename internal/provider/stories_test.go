// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"encoding/json"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// stories run the directories of examples/stories from the command line, with the built
// provider, as the guides say.
var stories = map[string]func(t *testing.T, w *workspace.Workspace, fake *fakessm.Server){
	"age-limit":               storyAgeLimit,
	"from-local-exec":         storyFromLocalExec,
	"leaver":                  storyLeaver,
	"module-tests":            storyModuleTests,
	"node-replacement":        storyNodeReplacement,
	"node-replacement-action": storyNodeReplacementAction,
	"plan-policy":             storyPlanPolicy,
}

// The people of the stories.
const (
	storyMary     = "Mary-Major-07a16060613c408b5"
	storyShirley  = "Shirley-Rodriguez-0e8b5d1a7f3c24960"
	storyTimmy    = "timmy-01cd54a0c8322733a"
	storyOnCall   = "oncall-0b62d9c4e1f7a8350"
	storyRegion   = "us-east-1"
	storyNode     = "i-02573cafcfEXAMPLE"
	storyNextNode = "i-0471e04240EXAMPLE"
)

// TestExamples_stories runs every story.
func TestExamples_stories(t *testing.T) {
	t.Parallel()

	root := filepath.Join(examplesRoot, "stories")
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "forward-") {
			continue // TestExamples_forwardStories runs them.
		}
		tell, ok := stories[entry.Name()]
		if !ok {
			t.Errorf("examples/stories/%s is run by no test", entry.Name())

			continue
		}
		t.Run(entry.Name(), func(t *testing.T) {
			t.Parallel()
			directory := filepath.Join(root, entry.Name())
			fake := fakessm.New(fakessm.WithSessions(exampleSessions(t, filepath.Join(directory, "sessions.json"))...))
			server := httptest.NewServer(fake)
			t.Cleanup(server.Close)
			tell(t, newStoryWorkspace(t, server.URL, directory), fake)
		})
	}
	for name := range stories {
		if !slices.ContainsFunc(entries, func(entry fs.DirEntry) bool { return entry.Name() == name }) {
			t.Errorf("the story %s is not in examples/stories", name)
		}
	}
}

func storyLeaver(t *testing.T, w *workspace.Workspace, fake *fakessm.Server) {
	t.Helper()

	plan := w.MustRun("plan", "-var", "leaver=Mary-Major")
	for _, want := range []string{storyMary, "Mary-Major-0c1f8be0d2a974e36", "Mary-Major-0e8b5d1a7f3c24960", "assumed-role/Developer/Mary-Major", "user/staff/Mary-Major"} {
		storyContains(t, plan, want)
	}
	storyLacks(t, plan, "Rose-Mary-Major")
	if n := fake.Count("TerminateSession"); n != 0 {
		t.Errorf("looking ended %d sessions", n)
	}

	for range 2 {
		// The second time there is nothing to do.
		storyContains(t, w.MustRun("apply", "-auto-approve", "-var", "leaver=Mary-Major", "-var", "drain=true"), `"Mary-Major-0e8b5d1a7f3c24960" = "terminated"`)
	}
	if n := fake.Count("TerminateSession"); n != 3 {
		t.Errorf("%d calls ended 3 sessions", n)
	}
	endpoint.WantStatuses(t, fake, map[string]string{
		storyMary:                           "Terminated",
		"Mary-Major-0c1f8be0d2a974e36":      "Terminated",
		"Mary-Major-0e8b5d1a7f3c24960":      "Terminated",
		"Rose-Mary-Major-09a3e7f5d18b6c240": "Connected",
		storyTimmy:                          "Connected",
	})

	// Another leaver, another drain.
	w.MustRun("apply", "-auto-approve", "-var", "leaver=timmy", "-var", "drain=true")
	endpoint.WantStatuses(t, fake, map[string]string{storyTimmy: "Terminated", "Rose-Mary-Major-09a3e7f5d18b6c240": "Connected"})

	output, err := w.Run("plan", "-var", "leaver=*")
	if err == nil {
		t.Error("a wildcard is taken for a name")
	}
	storyContains(t, output, "without wildcards")
}

func storyNodeReplacement(t *testing.T, w *workspace.Workspace, fake *fakessm.Server) {
	t.Helper()

	w.MustRun("apply", "-auto-approve")
	endpoint.WantStatuses(t, fake, map[string]string{storyMary: "Connected", storyShirley: "Disconnected"})
	storyContains(t, w.MustRun("plan", "-destroy"), "Sessions To Be Ended")

	// A drain that fails keeps the node.
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1})
	output, err := w.Run("apply", "-auto-approve", "-var", "node_id="+storyNextNode)
	if err == nil {
		t.Error("a drain that was denied did not fail the apply")
	}
	storyContains(t, output, "Unable to Drain Sessions")
	storyContains(t, w.MustRun("state", "show", "terraform_data.node"), storyNode)

	fake.ClearFaults()
	output = w.MustRun("apply", "-auto-approve", "-var", "node_id="+storyNextNode)
	if drained, destroyed := strings.Index(output, "ssm_session_drain.node: Destruction complete"), strings.Index(output, "terraform_data.node: Destroying"); drained < 0 || destroyed < drained {
		t.Errorf("the node was destroyed before its sessions were drained:\n%s", output)
	}
	endpoint.WantStatuses(t, fake, map[string]string{storyMary: "Terminated", storyShirley: "Terminated", storyTimmy: "Connected"})

	t.Run("create_before_destroy", func(t *testing.T) {
		if program, minor := cli.Program(t); program != cli.OpenTofu && minor == 16 {
			t.Skip("Terraform 1.16.0-rc2 does not destroy what refers to such a node, as the guide tells")
		}
		w := w.In(t)

		w.Write("node_override.tf", "resource \"terraform_data\" \"node\" {\n  lifecycle {\n    create_before_destroy = true\n  }\n}\n")
		fake.AddSessions(fakessm.Session{SessionID: "next", Target: storyNextNode, Owner: testOwner})
		output := w.MustRun("apply", "-auto-approve", "-var", "node_id="+storyNode)
		drained, created := strings.Index(output, "ssm_session_drain.node: Destruction complete"), strings.Index(output, "terraform_data.node: Creating")
		if drained < 0 || created < drained || strings.Index(output, "terraform_data.node (deposed") < created {
			t.Errorf("not drained, created and destroyed in this order:\n%s", output)
		}
		endpoint.WantStatuses(t, fake, map[string]string{"next": "Terminated", storyTimmy: "Connected"})
	})
	w.MustRun("destroy", "-auto-approve", "-var", "node_id="+storyNode)
}

func storyNodeReplacementAction(t *testing.T, w *workspace.Workspace, fake *fakessm.Server) {
	t.Helper()
	cli.Needs(t, cli.DestroyEvents)

	w.MustRun("apply", "-auto-approve")
	endpoint.WantStatuses(t, fake, map[string]string{storyMary: "Connected", storyShirley: "Disconnected"})

	// In a replacement, an action that fails keeps the node.
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1})
	if output, err := w.Run("apply", "-auto-approve", "-var", "node_id="+storyNextNode); err == nil {
		t.Errorf("an action that was denied did not fail the apply:\n%s", output)
	}
	storyContains(t, w.MustRun("state", "show", "terraform_data.node"), storyNode)

	fake.ClearFaults()
	output := w.MustRun("apply", "-auto-approve", "-var", "node_id="+storyNextNode)
	storyContains(t, output, "Drained 2 sessions in Region us-east-1 of account 123456789012.")
	endpoint.WantStatuses(t, fake, map[string]string{storyMary: "Terminated", storyShirley: "Terminated", storyTimmy: "Connected"})

	// In a "terraform destroy" it does not, as the guide warns.
	fake.AddSessions(fakessm.Session{SessionID: "late", Target: storyNextNode, Owner: testOwner})
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1})
	output = w.MustRun("destroy", "-auto-approve", "-var", "node_id="+storyNextNode)
	storyContains(t, output, "Warning: Unable to Drain Sessions")
	endpoint.WantStatus(t, fake, "late", "Connected")
}

func storyAgeLimit(t *testing.T, w *workspace.Workspace, fake *fakessm.Server) {
	t.Helper()

	report := w.MustRun("plan")
	storyContains(t, report, "Check block assertion failed")
	storyContains(t, report, storyShirley+" of")
	storyContains(t, report, storyTimmy+" of")
	storyLacks(t, report, storyOnCall)

	w.MustRun("apply", "-auto-approve", "-var", "enforce=true")
	if got := storyCheck(t, w); got != "pass" {
		t.Errorf("the check says %q after the drain", got)
	}
	endpoint.WantStatuses(t, fake, map[string]string{storyMary: "Connected", storyShirley: "Terminated", storyTimmy: "Terminated", storyOnCall: "Connected"})
	wantRecord(t, w, fake, "ended", storyShirley, storyTimmy)

	// The next run drains again, and the check reports what it cannot end.
	fake.AddSessions(
		fakessm.Session{SessionID: "next", Region: storyRegion, Owner: testOwner, StartDate: time.Now().Add(-9 * time.Hour)},
		fakessm.Session{SessionID: "stubborn", Region: storyRegion, Owner: testOwner, StartDate: time.Now().Add(-9 * time.Hour), Status: "Disconnected", Behaviour: fakessm.BehaviourUnreachable},
	)
	time.Sleep(time.Second) // plantimestamp() has whole seconds.
	w.MustRun("apply", "-auto-approve", "-var", "enforce=true")
	endpoint.WantStatuses(t, fake, map[string]string{"next": "Terminated", "stubborn": "Disconnected", storyMary: "Connected"})
	if got := storyCheck(t, w); got != "fail" {
		t.Errorf("the check says %q of a session that stays", got)
	}
}

// storyCheck returns the status of the only check in state.
func storyCheck(t *testing.T, w *workspace.Workspace) string {
	t.Helper()

	var state struct {
		Checks []struct {
			Status string `json:"status"`
		} `json:"checks"`
	}
	if err := json.Unmarshal(w.Stdout("show", "-json"), &state); err != nil || len(state.Checks) != 1 {
		t.Fatalf("%d checks in state, %v", len(state.Checks), err)
	}

	return state.Checks[0].Status
}

func storyPlanPolicy(t *testing.T, w *workspace.Workspace, fake *fakessm.Server) {
	t.Helper()

	// judge plans a change, and returns the verdict of the policy.
	judge := func(w *workspace.Workspace, arguments ...string) (string, error) {
		w.MustRun(append([]string{"plan", "-out=tfplan"}, arguments...)...)
		w.Write("tfplan.json", string(w.Stdout("show", "-json", "tfplan")))
		storyRego(t, w)
		output, err := w.Run("-chdir=policy", "plan", "-var", "plan="+filepath.Join(w.Dir, "tfplan.json"))

		return strings.Join(strings.Fields(output), " "), err
	}

	allowed := []string{"-var", `session_ids=["` + storyMary + `"]`, "-var", `targets=["` + storyNode + `"]`}
	if output, err := judge(w, allowed...); err != nil {
		t.Errorf("a plan that spares who is protected was refused:\n%s", output)
	}

	output, err := judge(w, "-var", `session_ids=["`+storyOnCall+`", "nobody-1"]`, "-var", `targets=["`+storyNode+`"]`, "-var", "exempt_owners=[]")
	if err == nil {
		t.Errorf("a plan that ends a protected session was let through:\n%s", output)
	}
	for _, want := range []string{
		`ssm_session_termination.requested["nobody-1"]: the owner of the session is unknown.`,
		`ssm_session_termination.requested["` + storyOnCall + `"]: the session of arn:aws:sts::123456789012:assumed-role/BreakGlass/oncall is protected.`,
		"ssm_session_drain.requested[0]: exclude_owners lacks arn:aws:sts::123456789012:assumed-role/BreakGlass/*.",
	} {
		storyContains(t, output, want)
	}

	for action, want := range map[string]string{
		"ssm_drain_sessions":    "action.ssm_drain_sessions.example: exclude_owners lacks",
		"ssm_terminate_session": "action.ssm_terminate_session.example: an action does not say whose session it ends.",
	} {
		t.Run(action, func(t *testing.T) {
			cli.Needs(t, cli.Actions)
			w := w.In(t)

			w.Write("action.tf", storyRead(t, filepath.Join(examplesRoot, "actions", action, "action_trigger.tf")))
			output, err := judge(w, allowed...)
			if err == nil {
				t.Errorf("a plan with the action was let through:\n%s", output)
			}
			storyContains(t, output, want)
		})
	}
	if n := fake.Count("TerminateSession"); n != 0 {
		t.Errorf("planning ended %d sessions", n)
	}

	// A drain that was applied without the policy can be corrected. It can be removed
	// unless that drains.
	w.Write("action.tf", "resource \"ssm_session_drain\" \"late\" {\n  targets        = [\"nobody\"]\n  when           = \"destroy\"\n  exclude_owners = var.exempt_owners\n}\n")
	w.MustRun("apply", "-auto-approve", "-var", `targets=["nobody"]`, "-var", "exempt_owners=[]")
	for name, tc := range map[string]struct {
		arguments []string
		denied    string
	}{
		"mended":         {arguments: []string{"-var", `targets=["nobody"]`}},
		"as bad":         {arguments: []string{"-var", `targets=["nobody"]`, "-var", `exempt_owners=["arn:aws:iam::123456789012:user/*"]`}, denied: "ssm_session_drain.late: exclude_owners lacks"},
		"removed":        {arguments: []string{"-var", "exempt_owners=[]", "-target=ssm_session_drain.requested"}},
		"draining again": {arguments: []string{"-destroy", "-target=ssm_session_drain.late"}, denied: "ssm_session_drain.late: exclude_owners lacks"},
	} {
		output, err := judge(w, tc.arguments...)
		if (err != nil) != (tc.denied != "") {
			t.Errorf("%s: %v\n%s", name, err, output)
		}
		storyContains(t, output, tc.denied)
	}
}

// storyRego compares the verdict of the policy in Rego with that of the policy in
// Terraform, if OPA is installed.
func storyRego(t *testing.T, w *workspace.Workspace) {
	t.Helper()

	opa, err := exec.LookPath("opa")
	if err != nil {
		t.Log("opa is not on the PATH: the policy in Rego is not run")

		return
	}
	cmd := exec.CommandContext(t.Context(), opa, "eval", "--format=raw", "--data=policy/plan.rego", "--input=tfplan.json", "data.main.deny")
	cmd.Dir = w.Dir
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%s", err, output)
	}
	var denied []string
	if err := json.Unmarshal(output, &denied); err != nil {
		t.Fatalf("%s\n%s", err, output)
	}
	verdict, _ := w.Run("-chdir=policy", "plan", "-var", "plan="+filepath.Join(w.Dir, "tfplan.json")) //nolint:errcheck // A refusal is an error.
	verdict = strings.Join(strings.Fields(verdict), " ")
	if refused := strings.Contains(verdict, "The plan is refused."); refused != (len(denied) > 0) {
		t.Errorf("Rego denies %q, Terraform says:\n%s", denied, verdict)
	}
	for _, reason := range denied {
		storyContains(t, verdict, reason)
	}
}

func storyModuleTests(t *testing.T, w *workspace.Workspace, fake *fakessm.Server) {
	t.Helper()
	cli.Needs(t, cli.Mocks)

	storyContains(t, w.MustRun("test", "-filter=tests/mock.tftest.hcl"), "Success! 3 passed, 0 failed.")
	if requests := fake.Requests(); len(requests) > 0 {
		t.Errorf("mocks made %d requests", len(requests))
	}
	storyContains(t, w.MustRun("test"), "Success! 5 passed, 0 failed.")
	endpoint.WantStatuses(t, fake, map[string]string{storyMary: "Terminated", storyShirley: "Terminated", storyOnCall: "Connected"})
}

// TestExamples_sessionPolicy runs the tests of the policy module, on mocks and on the
// fake endpoint.
func TestExamples_sessionPolicy(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Mocks)

	directory := filepath.Join(examplesRoot, "modules", "session-policy")
	fake := fakessm.New(fakessm.WithSessions(exampleSessions(t, filepath.Join(directory, "sessions.json"))...))
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	w := newStoryWorkspace(t, server.URL, directory)

	storyContains(t, w.MustRun("test", "-filter=tests/mock.tftest.hcl"), "Success! 7 passed, 0 failed.")
	if requests := fake.Requests(); len(requests) > 0 {
		t.Errorf("mocks made %d requests", len(requests))
	}
	storyContains(t, w.MustRun("test", "-filter=tests/fake.tftest.hcl"), "Success! 5 passed, 0 failed.")
	endpoint.WantStatuses(t, fake, map[string]string{
		storyMary:                             "Terminated",
		storyTimmy:                            "Terminated",
		"Mary-Major-0c1f8be0d2a974e36":        "Terminated",
		"Mary-Major-0e8b5d1a7f3c24960":        "Disconnected",
		"Shirley-Rodriguez-0d2b7a9c5e1f83640": "Connected",
		storyOnCall:                           "Connected",
	})
	if n := fake.Count("TerminateSession"); n != 3 {
		t.Errorf("%d calls ended 3 sessions", n)
	}
}

// TestExamples_invoke invokes the actions of the examples from the command line.
func TestExamples_invoke(t *testing.T) {
	t.Parallel()

	for _, action := range []string{"ssm_drain_sessions", "ssm_terminate_session"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			cli.Needs(t, cli.Actions)

			fake, url := testFake(t)
			w := workspace.New(t, storyRead(t, filepath.Join(examplesRoot, "actions", action, "action.tf")))
			w.Env = append(w.Env, storyEnvironment(url)...)
			w.MustRun("apply", "-auto-approve", "-invoke=action."+action+".example")
			endpoint.WantStatuses(t, fake, map[string]string{testLive: "Terminated", testAway: "Disconnected"})
		})
	}
}

// TestTemplates_stories checks that a guide includes the files of every story, and that
// the front pages link to every guide.
func TestTemplates_stories(t *testing.T) {
	t.Parallel()

	guides, err := filepath.Glob("../../templates/guides/*.md.tmpl")
	if err != nil || len(guides) == 0 {
		t.Fatalf("no guides, %v", err)
	}
	var text strings.Builder
	for _, guide := range guides {
		text.WriteString(storyRead(t, guide))
		page := "guides/" + strings.TrimSuffix(filepath.Base(guide), ".tmpl")
		for _, front := range []string{"../../README.md", "../../templates/index.md.tmpl"} {
			storyContains(t, storyRead(t, front), page)
		}
	}
	err = filepath.WalkDir(filepath.Join(examplesRoot, "stories"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && slices.Contains([]string{".tf", ".hcl", ".rego"}, filepath.Ext(path)) {
			storyContains(t, text.String(), `"examples/`+strings.TrimPrefix(filepath.ToSlash(path), examplesRoot+"/")+`"`)
		}

		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	// The programs that the guides start exist.
	for _, shown := range regexp.MustCompile(`go run \./\S+`).FindAllString(text.String(), -1) {
		if _, err := os.Stat(filepath.Join("../..", strings.TrimPrefix(shown, "go run "))); err != nil {
			t.Error(err)
		}
	}
}

// newStoryWorkspace returns a workspace with a copy of a directory, and with environment
// variables that lead to the endpoint.
func newStoryWorkspace(t *testing.T, url, directory string) *workspace.Workspace {
	t.Helper()

	w := workspace.NewFrom(t, directory)
	w.Env = append(w.Env, storyEnvironment(url)...)

	return w
}

// storyEnvironment returns environment variables that lead to the endpoint at url.
func storyEnvironment(url string) []string {
	return []string{
		"TF_LOG=",
		"TF_LOG_PATH=",
		"AWS_ENDPOINT_URL_SSM=" + url,
		"AWS_ENDPOINT_URL_STS=" + url,
		"AWS_ACCESS_KEY_ID=" + fakessm.DefaultAccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + fakessm.DefaultSecretAccessKey,
		"AWS_REGION=" + storyRegion,
	}
}

func storyRead(t *testing.T, name string) string {
	t.Helper()

	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}

	return string(content)
}

func storyContains(t *testing.T, text, want string) {
	t.Helper()

	if !strings.Contains(text, want) {
		t.Errorf("%q is missing in:\n%s", want, text)
	}
}

func storyLacks(t *testing.T, text, unwanted string) {
	t.Helper()

	if strings.Contains(text, unwanted) {
		t.Errorf("%q should not be in:\n%s", unwanted, text)
	}
}

// The evidence of the policy module has the request IDs that the endpoint answered with,
// and none for the sessions that it ends one by one.
func TestExamples_sessionPolicyEvidence(t *testing.T) {
	t.Parallel()

	directory := filepath.Join(examplesRoot, "modules", "session-policy")
	fake := fakessm.New(fakessm.WithSessions(exampleSessions(t, filepath.Join(directory, "sessions.json"))...))
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	w := newStoryWorkspace(t, server.URL, directory)

	w.MustRun("apply", "-auto-approve", "-var", "enforce=true", "-var", "max_age=24h", "-var", "max_per_owner=1", "-var", `forbidden_nodes=["i-0471e04240EXAMPLE"]`)

	type session struct {
		SessionID string   `json:"session_id"`
		Owner     string   `json:"owner"`
		Target    string   `json:"target"`
		Rules     []string `json:"rules"`
		Outcome   string   `json:"outcome"`
		RequestID any      `json:"request_id"`
	}
	var evidence struct{ Sessions []session }
	if err := json.Unmarshal(w.Stdout("output", "-raw", "evidence"), &evidence); err != nil {
		t.Fatal(err)
	}
	sent := testSentRequestIDs(fake)
	want := []session{
		{"Mary-Major-07a16060613c408b5", "arn:aws:sts::123456789012:assumed-role/Administrator/Mary-Major", "i-02573cafcfEXAMPLE", []string{"max_age", "max_per_owner"}, "terminated", sent[storyMary]},
		{"Mary-Major-0c1f8be0d2a974e36", "arn:aws:sts::123456789012:assumed-role/Administrator/Mary-Major", "i-07f5e1b6d3EXAMPLE", []string{"max_per_owner"}, "terminated", nil},
		{"timmy-01cd54a0c8322733a", "arn:aws:iam::123456789012:user/timmy", "i-0471e04240EXAMPLE", []string{"forbidden_node"}, "terminated", sent[storyTimmy]},
	}
	if diff := cmp.Diff(want, evidence.Sessions); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
	if sent[storyMary] == nil || sent[storyTimmy] == nil {
		t.Errorf("the endpoint sent %v", sent)
	}
}
