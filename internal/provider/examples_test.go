// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	orderedcmp "cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
)

const (
	examplesRoot = "../../examples"

	// severalCalls means that Terraform makes the call at least once.
	severalCalls = -1

	// maybeCalls means that the call may be missing, because lookups share a listing if
	// they come close together.
	maybeCalls = -2

	exampleFrankfurt = "Shirley-Rodriguez-0e8b5d1a7f3c24960" // Live in eu-central-1.
)

// example is what an example needs, and what it should do.
type example struct {
	// calls counts the requests that reach the endpoint. A listing of all sessions is
	// named by its Region alone.
	calls map[string]int
	// status has the statuses of sessions after the apply.
	status map[string]string
	// destroyed has the statuses after the example is destroyed.
	destroyed map[string]string
	// variables replace the defaults of the example.
	variables config.Variables
	// sessions is a file of the example with the sessions that it needs.
	sessions string
	// restless says that every plan shows a change.
	restless bool
}

// examples has every configuration below examples/, and that of the README. In the
// folders whose files appear on pages of the documentation each file is an example,
// elsewhere each folder. The tests of the stories run examples/stories and
// examples/modules, the demo runs examples/demo/forward.
var examples = map[string]example{
	"actions/ssm_drain_sessions/action.tf": {
		// TestExamples_invoke invokes it.
		status: map[string]string{testLive: "Connected"},
	},
	"actions/ssm_drain_sessions/action_trigger.tf": {
		calls:  exampleDrain(testRegion, "", testLive),
		status: map[string]string{testLive: "Terminated", testAway: "Disconnected"},
	},
	"actions/ssm_terminate_session/action.tf": {
		// TestExamples_invoke invokes it.
		status: map[string]string{testLive: "Connected"},
	},
	"actions/ssm_terminate_session/action_trigger.tf": {
		calls:  exampleTermination(testRegion, testLive),
		status: map[string]string{testLive: "Terminated", testAway: "Disconnected"},
	},
	"data-sources/ssm_connection_status/data-source.tf": {
		calls: map[string]int{"GetConnectionStatus us-east-1 " + testTarget: severalCalls},
		// Terraform reads the data source of a check at each apply.
		restless: true,
	},
	"data-sources/ssm_session/data-source.tf": {
		calls:  map[string]int{"DescribeSessions us-east-1 " + testLive: severalCalls},
		status: map[string]string{testLive: "Connected"},
	},
	"data-sources/ssm_session_resume/data-source.tf": {
		calls:  map[string]int{"ResumeSession us-east-1 " + testAway: severalCalls},
		status: map[string]string{testAway: "Connected"},
		// Each resumption returns another token, which an output of the example shows.
		restless: true,
	},
	"data-sources/ssm_sessions/data-source.tf": {
		calls:  map[string]int{"DescribeSessions us-east-1 " + testTarget: severalCalls},
		status: map[string]string{testLive: "Connected"},
	},
	"data-sources/ssm_sessions/data-source_for_each.tf": {
		calls: exampleCalls(map[string]int{"DescribeSessions us-east-1 ": severalCalls},
			exampleTermination(testRegion, testLive), exampleTermination(testRegion, testAway)),
		status: map[string]string{testLive: "Terminated", testAway: "Terminated", exampleFrankfurt: "Connected"},
		// The listing is empty now, so the records are removed.
		restless: true,
	},
	"data-sources/ssm_sessions/data-source_history.tf": {
		calls:  map[string]int{"DescribeSessions us-east-1 " + testTarget: severalCalls},
		status: map[string]string{testLive: "Connected"},
	},
	"README.md": {
		calls:  exampleTermination(testRegion, testLive),
		status: map[string]string{testLive: "Terminated"},
	},
	"demo": {
		sessions:  "sessions.json",
		variables: config.Variables{"resume_session_id": config.StringVariable("jane.roe-0a1b2c3d4e5f60005")},
		calls: map[string]int{
			"DescribeSessions us-east-1 ":                                maybeCalls,
			"DescribeSessions us-east-1 mary.major-0a1b2c3d4e5f60001":    severalCalls,
			"DescribeSessions us-east-1 mary.major-0a1b2c3d4e5f60002":    severalCalls,
			"DescribeSessions eu-central-1 mary.major-0a1b2c3d4e5f60003": severalCalls,
			"DescribeSessions us-east-1 mary.major-0a1b2c3d4e5f60004":    severalCalls,
			"TerminateSession us-east-1 mary.major-0a1b2c3d4e5f60001":    1,
			"TerminateSession us-east-1 mary.major-0a1b2c3d4e5f60002":    1,
			"TerminateSession eu-central-1 mary.major-0a1b2c3d4e5f60003": 1,
			"ResumeSession us-east-1 jane.roe-0a1b2c3d4e5f60005":         1,
		},
		status: map[string]string{
			"mary.major-0a1b2c3d4e5f60001":  "Terminated",
			"mary.major-0a1b2c3d4e5f60002":  "Terminated",
			"mary.major-0a1b2c3d4e5f60003":  "Terminated",
			"jane.roe-0a1b2c3d4e5f60005":    "Connected",
			"john.stiles-0a1b2c3d4e5f60006": "Connected",
		},
	},
	"ephemeral-resources/ssm_port_forward/ephemeral-resource.tf": {
		calls: map[string]int{
			"StartSession us-east-1 i-0123456789abcdef0":  1,
			"OpenDataChannel us-east-1 what was started":  1,
			"TerminateSession us-east-1 what was started": 1,
			"DescribeSessions us-east-1 what was started": maybeCalls,
		},
	},
	"ephemeral-resources/ssm_session/ephemeral-resource.tf": {
		calls: map[string]int{
			"StartSession us-east-1 i-0123456789abcdef0":  1,
			"TerminateSession us-east-1 what was started": 1,
			"DescribeSessions us-east-1 what was started": 1,
		},
	},
	"ephemeral-resources/ssm_session_resume/ephemeral-resource.tf": {
		calls:  map[string]int{"ResumeSession us-east-1 " + testAway: 1},
		status: map[string]string{testAway: "Connected"},
	},
	"provider/provider.tf": {
		calls:  exampleTermination(testRegion, testLive),
		status: map[string]string{testLive: "Terminated"},
	},
	"provider/provider_assume_role.tf": {
		calls: exampleCalls(exampleTermination(testRegion, testLive), map[string]int{
			"AssumeRole us-east-1 arn:aws:iam::123456789012:role/SessionOperator": severalCalls,
		}),
		status: map[string]string{testLive: "Terminated"},
	},
	"provider/provider_endpoints.tf": {
		calls:  exampleTermination(testRegion, testLive),
		status: map[string]string{testLive: "Terminated"},
	},
	"provider/provider_region.tf": {
		calls:  exampleCalls(exampleTermination(testRegion, testLive), exampleTermination("eu-central-1", exampleFrankfurt)),
		status: map[string]string{testLive: "Terminated", exampleFrankfurt: "Terminated"},
	},
	"resources/ssm_session_drain/resource.tf": {
		calls:  exampleDrain(testRegion, testTarget, testLive),
		status: map[string]string{testLive: "Terminated", testAway: "Disconnected", exampleFrankfurt: "Connected"},
	},
	"resources/ssm_session_drain/resource_destroy.tf": {
		status:    map[string]string{testLive: "Connected"},
		destroyed: map[string]string{testLive: "Terminated", testAway: "Disconnected"},
	},
	"resources/ssm_session_drain/resource_grace_period.tf": {
		variables: config.Variables{"grace_period": config.StringVariable("1s")},
		calls:     exampleDrain(testRegion, "", testLive, testAway),
		status:    map[string]string{testLive: "Terminated", testAway: "Terminated"},
	},
	"resources/ssm_session_termination/import-by-identity.tf": {
		calls:  map[string]int{"DescribeSessions us-east-1 " + testEnded: severalCalls},
		status: map[string]string{testEnded: "Terminated", testLive: "Connected"},
	},
	"resources/ssm_session_termination/import-by-string-id.tf": {
		calls:  map[string]int{"DescribeSessions us-east-1 " + testEnded: severalCalls},
		status: map[string]string{testEnded: "Terminated", testLive: "Connected"},
	},
	"resources/ssm_session_termination/resource.tf": {
		calls:  exampleTermination(testRegion, testLive),
		status: map[string]string{testLive: "Terminated", testAway: "Disconnected"},
	},
	"resources/ssm_session_termination/resource_for_each.tf": {
		calls:  exampleCalls(exampleTermination(testRegion, testLive), exampleTermination("eu-central-1", exampleFrankfurt)),
		status: map[string]string{testLive: "Terminated", exampleFrankfurt: "Terminated", testAway: "Disconnected"},
	},
	"resources/ssm_session_termination/resource_unverified.tf": {
		calls:  map[string]int{"TerminateSession us-east-1 " + testLive: 1},
		status: map[string]string{testLive: "Terminated"},
	},
}

// exampleTermination returns the calls that end a session: the lookup of the plan, one
// before and one after.
func exampleTermination(region, sessionID string) map[string]int {
	return map[string]int{
		"DescribeSessions " + region + " " + sessionID: severalCalls,
		"TerminateSession " + region + " " + sessionID: 1,
	}
}

// exampleDrain returns the calls that end sessions. A target, if any, narrows the
// listing.
func exampleDrain(region, target string, sessionIDs ...string) map[string]int {
	calls := map[string]int{"DescribeSessions " + region + " " + target: severalCalls}
	for _, sessionID := range sessionIDs {
		calls["TerminateSession "+region+" "+sessionID] = 1
	}

	return calls
}

func exampleCalls(parts ...map[string]int) map[string]int {
	all := map[string]int{}
	for _, part := range parts {
		maps.Copy(all, part)
	}

	return all
}

// TestExamples validates and applies every example, and checks what reached the endpoint.
func TestExamples(t *testing.T) {
	t.Parallel()

	found := exampleConfigurations(t)
	found["README.md"] = []string{exampleReadme(t)}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(examples)), slices.Sorted(maps.Keys(found))); diff != "" {
		t.Errorf("the table of this test and the files below examples/ differ (-table +files):\n%s", diff)
	}
	for name, files := range found {
		want, ok := examples[name]
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testExample(t, files, want)
		})
	}
}

func testExample(t *testing.T, files []string, want example) {
	t.Helper()

	var options []fakessm.Option
	if want.sessions != "" {
		options = append(options, fakessm.WithSessions(exampleSessions(t, filepath.Join(filepath.Dir(files[0]), want.sessions))...))
	}
	fake, url := exampleFake(t, options...)
	directory, text := t.TempDir(), ""
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(file) == ".tf" {
			text += string(content)
		}
		exampleWrite(t, filepath.Join(directory, filepath.Base(file)), string(content))
	}
	cli.NeedsFor(t, text)
	exampleWrite(t, filepath.Join(directory, "fake_override.tf"), exampleOverride(t, url))

	step := resource.TestStep{
		ProtoV6ProviderFactories: testFactories,
		ConfigDirectory:          config.StaticDirectory(directory),
		ConfigVariables:          want.variables,
	}
	apply, destroy := step, step
	apply.ExpectNonEmptyPlan = want.restless || strings.Contains(text, "\nephemeral ") && cli.ListsEphemerals(t)
	apply.PostApplyFunc = func() {
		testExampleCalls(t, fake, want.calls)
		endpoint.WantStatuses(t, fake, want.status)
	}
	// The testing library cannot do this by itself after a for_each over strings.
	destroy.Destroy = true
	resource.UnitTest(t, resource.TestCase{Steps: []resource.TestStep{apply, destroy}})
	endpoint.WantStatuses(t, fake, want.destroyed)
}

// testExampleCalls compares the requests that reached the endpoint. It leaves out
// GetCallerIdentity, which every provider calls.
func testExampleCalls(t *testing.T, fake *fakessm.Server, want map[string]int) {
	t.Helper()

	got := map[string]int{}
	for _, request := range fake.Requests() {
		if request.Operation == "GetCallerIdentity" {
			continue
		}
		subject := orderedcmp.Or(request.SessionID, request.Target)
		if strings.HasPrefix(subject, "terraform-") {
			subject = "what was started" // Its ID is random.
		}
		if request.Service == "sts" {
			subject = request.Parameters["RoleArn"]
		}
		call := fmt.Sprintf("%s %s %s", request.Operation, request.Region, subject)
		got[call]++
		if want[call] < 0 {
			got[call] = want[call]
		}
	}
	for call, number := range want {
		if number == maybeCalls {
			got[call] = maybeCalls
		}
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("unexpected requests (-want +got):\n%s", diff)
	}
}

// TestExamples_importCommands runs the commands of every import.sh. An import ends
// nothing.
func TestExamples_importCommands(t *testing.T) {
	t.Parallel()

	scripts, err := filepath.Glob(filepath.Join(examplesRoot, "resources", "*", "import.sh"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no import.sh below examples/resources, %v", err)
	}
	command := regexp.MustCompile(`(?m)^terraform import (\w+)\.(\w+) '?([^'\s]+)'?$`)
	for _, script := range scripts {
		content, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		commands := command.FindAllStringSubmatch(string(content), -1)
		if len(commands) != strings.Count(string(content), "terraform import") {
			t.Errorf("%s has commands of another form", script)
		}
		for _, match := range commands {
			t.Run(match[3], func(t *testing.T) {
				t.Parallel()
				fake, url := exampleFake(t)
				resource.UnitTest(t, resource.TestCase{
					ProtoV6ProviderFactories: testFactories,
					Steps: []resource.TestStep{{
						Config:        testProviderConfig(url) + fmt.Sprintf("resource %q %q {\n  session_id = %q\n}\n", match[1], match[2], testEnded),
						ResourceName:  match[1] + "." + match[2],
						ImportState:   true,
						ImportStateId: match[3],
						ImportStateCheck: func(states []*terraform.InstanceState) error {
							if len(states) != 1 || states[0].Attributes["session_id"] != testEnded || states[0].Attributes["outcome"] != "already_ended" {
								return fmt.Errorf("imported %v", states)
							}

							return nil
						},
					}},
				})
				testExampleCalls(t, fake, map[string]int{"DescribeSessions us-east-1 " + testEnded: severalCalls})
			})
		}
	}
}

// TestExamples_format checks that "terraform fmt" changes no example.
func TestExamples_format(t *testing.T) {
	t.Parallel()

	output, err := exec.CommandContext(t.Context(), cli.Path(t), "fmt", "-check", "-diff", "-recursive", examplesRoot).CombinedOutput()
	if err != nil {
		t.Errorf("%s; run make fmt:\n%s", err, output)
	}
}

// TestTemplates_messages checks that errors in the documentation have the words of the
// provider: the bold text that begins a row of a table, and the text between double
// quotes in such rows. Policies must be JSON.
func TestTemplates_messages(t *testing.T) {
	t.Parallel()

	var source strings.Builder
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, below := range []string{"../httpclient/*.go", "../sessionmanager/*.go"} {
		more, err := filepath.Glob(below)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(content)
	}

	row := regexp.MustCompile(`(?m)^\| \*\*(.+?)\*\*.*$`)
	quoted := regexp.MustCompile(`"([a-z][^"]{20,})"`)
	policies := regexp.MustCompile("(?s)```json\n(.+?)```")
	checked := 0
	err = filepath.WalkDir("../../templates", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, policy := range policies.FindAllSubmatch(content, -1) {
			if !json.Valid(policy[1]) {
				t.Errorf("%s has a policy that is no JSON:\n%s", path, policy[1])
			}
		}
		for _, match := range row.FindAllStringSubmatch(string(content), -1) {
			messages := []string{match[1]}
			for _, quote := range quoted.FindAllStringSubmatch(match[0], -1) {
				messages = append(messages, quote[1])
			}
			for _, message := range messages {
				checked++
				// An ellipsis stands for a value.
				message = strings.TrimSpace(strings.TrimSuffix(message, "…"))
				if !strings.Contains(source.String(), message) {
					t.Errorf("%s has %q, which the provider does not say", path, message)
				}
			}
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 30 {
		t.Errorf("found only %d messages", checked)
	}
}

// exampleConfigurations returns the files of each example.
func exampleConfigurations(t *testing.T) map[string][]string {
	t.Helper()

	// In these folders each file is an example of its own, shown on a page.
	perFile := map[string]bool{
		"actions": true, "data-sources": true, "ephemeral-resources": true, "functions": true,
		"list-resources": true, "provider": true, "resources": true,
	}
	configurations := map[string][]string{}
	err := filepath.WalkDir(examplesRoot, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".terraform" || path == filepath.Join(examplesRoot, "stories") || path == filepath.Join(examplesRoot, "modules") || path == filepath.Join(examplesRoot, "demo", "forward")):
			return filepath.SkipDir
		case filepath.Ext(path) != ".tf":
			return nil
		}
		relative, err := filepath.Rel(examplesRoot, path)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		kind, _, _ := strings.Cut(relative, "/")
		siblings, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
		if err != nil {
			return err
		}
		siblings = slices.DeleteFunc(siblings, func(name string) bool {
			info, err := os.Stat(name)

			return err == nil && info.IsDir()
		})
		if perFile[kind] {
			others := func(name string) bool { return name != path && filepath.Ext(name) == ".tf" }
			configurations[relative] = slices.DeleteFunc(siblings, others)
		} else {
			configurations[relative[:strings.LastIndex(relative, "/")]] = siblings
		}

		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	return configurations
}

// exampleReadme returns a file with the first configuration of the README.
func exampleReadme(t *testing.T) string {
	t.Helper()

	content, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```terraform\n(.+?)```").FindSubmatch(content)
	if block == nil {
		t.Fatal("the README has no configuration")
	}
	name := filepath.Join(t.TempDir(), "main.tf")
	exampleWrite(t, name, string(block[1]))

	return name
}

// exampleFake starts an endpoint with the sessions that the examples name.
func exampleFake(t *testing.T, options ...fakessm.Option) (*fakessm.Server, string) {
	t.Helper()

	farEnd := testFarEnd(t, echoBack)
	options = append(options, fakessm.WithDataChannel(""), fakessm.WithHosts(map[string]string{"db.internal": fmt.Sprintf("127.0.0.1:%d", farEnd)}))

	return testFake(t, append(options, fakessm.WithSessions(fakessm.Session{
		SessionID: exampleFrankfurt, Region: "eu-central-1", Target: "i-0a1b2c3d4e5f67890",
		Owner: "arn:aws:sts::123456789012:assumed-role/Developer/Shirley-Rodriguez",
	}))...)
}

// exampleOverride returns an override file, which Terraform merges into an example. So
// the example itself stays as readers see it.
func exampleOverride(t *testing.T, url string) string {
	t.Helper()

	directory := t.TempDir()
	configFile, credentialsFile := filepath.Join(directory, "config"), filepath.Join(directory, "credentials")
	exampleWrite(t, configFile, fmt.Sprintf("[default]\nregion = %[1]s\n[profile operator]\nregion = %[1]s\n", testRegion))
	keys := fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\n", fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey)
	exampleWrite(t, credentialsFile, "[default]\n"+keys+"[operator]\n"+keys)

	// The source is where the testing library serves the provider.
	return fmt.Sprintf(`
terraform {
  required_providers {
    ssm = {
      source = "hashicorp/ssm"
    }
  }
}

provider "ssm" {
  shared_config_files      = [%[2]q]
  shared_credentials_files = [%[3]q]

  endpoints {
    ssm = %[1]q
    sts = %[1]q
  }
}
`, url, configFile, credentialsFile)
}

func exampleSessions(t *testing.T, name string) []fakessm.Session {
	t.Helper()

	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sessions, err := fakessm.ReadSessions(file)
	if err != nil {
		t.Fatal(err)
	}

	return sessions
}

func exampleWrite(t *testing.T, name, content string) {
	t.Helper()

	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
