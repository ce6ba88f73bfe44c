// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
)

// testFeature is something that not every Terraform and OpenTofu has, by the name
// that the guide on compatibility gives it.
type testFeature struct {
	name string
	// What configuration that uses it looks like, if it can be told by that.
	pattern string
	// The first Terraform 1.x and the first OpenTofu 1.x with it.
	terraform, openTofu int
}

// never is no version yet.
const never = math.MaxInt

var (
	featureActions         = testFeature{"actions", `(?m)^ *action(_trigger)? .*\{`, 14, never}
	featureDestroyEvents   = testFeature{"before_destroy", `\bbefore_destroy\b`, 16, never}
	featureEphemerals      = testFeature{"ephemeral resources", `(?m)^ephemeral "|\bterraform\.applying\b`, 10, 11}
	featureIdentityImports = testFeature{"import by identity", `(?m)^ +identity += \{`, 12, 12}
	featureMocks           = testFeature{"mock_provider", "", 7, 8}
	featureRemoved         = testFeature{"removed without destroying", `(?m)^removed \{`, 7, 10}
	// OpenTofu 1.12 tells a provider to stop once it is configured, not before.
	featureStopConfigure = testFeature{"stopping a provider that is being configured", "", 0, never}

	testFeatures = []testFeature{featureActions, featureDestroyEvents, featureEphemerals, featureIdentityImports, featureMocks, featureRemoved}
)

// testReads skips a test on a version that cannot read its configuration.
func testReads(t *testing.T, config string) {
	t.Helper()

	for _, feature := range testFeatures {
		if feature.pattern != "" && regexp.MustCompile(feature.pattern).MatchString(config) {
			testNeeds(t, feature)
		}
	}
}

// testNeeds skips a test on a Terraform or an OpenTofu that lacks something, and
// leaves a note of it for scripts/test.sh.
func testNeeds(t *testing.T, feature testFeature) {
	t.Helper()

	program, minor := testProgram(t)
	since := feature.terraform
	if program == openTofu {
		since = feature.openTofu
	}
	if minor >= since {
		return
	}
	if err := noteSkipped(feature.name + ": " + t.Name()); err != nil {
		t.Fatal(err)
	}
	t.Skipf("%s 1.%d lacks %s", program, minor, feature.name)
}

// testListsEphemerals tells whether plans list ephemeral resources even if they change
// nothing, as those of OpenTofu 1.11 do. The testing library then finds no plan empty.
func testListsEphemerals(t *testing.T) bool {
	t.Helper()

	program, minor := testProgram(t)

	return program == openTofu && minor == 11
}

const openTofu = "OpenTofu"

var (
	askVersion     sync.Once
	versionOutput  []byte
	errVersion     error
	versionPattern = regexp.MustCompile(`(?m)^(Terraform|OpenTofu) v1\.(\d+)\.`)
)

// testProgram returns what the tests run, Terraform or OpenTofu, and its 1.x. Its
// file may have any name.
func testProgram(t *testing.T) (name string, minor int) {
	t.Helper()

	cli := testCLI(t)
	askVersion.Do(func() { versionOutput, errVersion = exec.Command(cli, "version").Output() })
	if errVersion != nil {
		t.Fatalf("%s version: %s", cli, errVersion)
	}
	found := versionPattern.FindSubmatch(versionOutput)
	if found == nil {
		t.Fatalf("%s is neither a Terraform 1 nor an OpenTofu 1:\n%s", cli, versionOutput)
	}
	minor, err := strconv.Atoi(string(found[2]))
	if err != nil {
		t.Fatal(err)
	}

	return string(found[1]), minor
}

// noteSkipped adds a line to the file that scripts/test.sh shows at its end.
func noteSkipped(line string) error {
	name := os.Getenv("TEST_SKIPPED_FILE")
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, line)

	return errors.Join(err, file.Close())
}

// TestTemplates_compatibility wants the guide on compatibility to say what these tests
// go by, of the versions that the workflow runs them with.
func TestTemplates_compatibility(t *testing.T) {
	t.Parallel()

	guide := storyRead(t, "../../templates/guides/compatibility.md.tmpl")
	workflow := storyRead(t, "../../.github/workflows/test.yml")
	features := map[string]testFeature{}
	for _, feature := range testFeatures {
		features[feature.name] = feature
	}

	for program, since := range map[string]func(testFeature) int{
		"Terraform": func(f testFeature) int { return f.terraform },
		openTofu:    func(f testFeature) int { return f.openTofu },
	} {
		table := regexp.MustCompile(`(?m)^\| ` + program + ` \|.*\n(?:\|.*\n)+`).FindString(guide)
		rows := strings.Split(strings.TrimSpace(strings.ReplaceAll(table, "`", "")), "\n")
		if len(rows) < 3 {
			t.Fatalf("the guide has no table of %s", program)
		}
		versions := strings.Split(strings.Trim(rows[0], "| "), " | ")[1:]
		matrix := regexp.MustCompile(`(?m)^ +` + strings.ToLower(program) + `: \[.*\]$`).FindString(workflow)
		if diff := cmp.Diff(regexp.MustCompile(`\b1\.\d+`).FindAllString(matrix, -1), versions); diff != "" {
			t.Errorf("the workflow runs other versions of %s (-workflow +guide):\n%s", program, diff)
		}

		told := map[string]bool{}
		for _, row := range rows[2:] {
			cells := strings.Split(strings.Trim(row, "| "), " | ")
			told[cells[0]] = true
			for i, version := range versions {
				minor, err := strconv.Atoi(strings.TrimPrefix(version, "1."))
				if err != nil {
					t.Fatal(err)
				}
				// What is no feature works everywhere.
				want := "–"
				if feature, ok := features[cells[0]]; !ok || minor >= since(feature) {
					want = "yes"
				}
				if cells[i+1] != want {
					t.Errorf("%s %s has %q for %s, want %q", program, version, cells[i+1], cells[0], want)
				}
			}
		}
		for name := range features {
			if !told[name] {
				t.Errorf("the table of %s lacks %s", program, name)
			}
		}
	}
}

// TestSessionDrainResource_letGo replaces a drain by a removed block, which is the way
// out when a drain on destroy must not take place.
func TestSessionDrainResource_letGo(t *testing.T) {
	t.Parallel()
	testNeeds(t, featureRemoved)

	fake, url := testFake(t)
	resource.UnitTest(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: testProviderConfig(url) + fmt.Sprintf("resource \"ssm_session_drain\" \"test\" {\n  targets = [%q]\n  when    = \"destroy\"\n}\n", testTarget),
			},
			{
				Config: testProviderConfig(url) + "removed {\n  from = ssm_session_drain.test\n  lifecycle {\n    destroy = false\n  }\n}\n",
			},
		},
	})
	testStatus(t, fake, testLive, "Connected")
}
