// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/sessionops/terraform-provider-ssm/internal/provider"
)

func TestRun_writesToFileOrStandardOutput(t *testing.T) {
	t.Parallel()

	var stdout bytes.Buffer
	if err := run(t.Context(), nil, &stdout); err != nil {
		t.Fatal(err)
	}
	if stdout.Len() == 0 {
		t.Fatal("nothing was written to standard output")
	}

	path := filepath.Join(t.TempDir(), "schema.json")
	var silent bytes.Buffer
	if err := run(t.Context(), []string{"-out", path}, &silent); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stdout.String(), string(content)); diff != "" {
		t.Errorf("file and standard output differ (-stdout +file):\n%s", diff)
	}
	if silent.Len() > 0 {
		t.Errorf("standard output got %q beside the file", silent.String())
	}
}

func TestRun_refusesArguments(t *testing.T) {
	t.Parallel()

	err := run(t.Context(), []string{"schema.json"}, new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), `unexpected argument "schema.json"`) {
		t.Errorf("got error %v, want one that names the argument", err)
	}
}

// TestRun_agreesWithTerraform compares with the output of the installed Terraform
// or OpenTofu. It skips kinds of objects that this version does not know.
func TestRun_agreesWithTerraform(t *testing.T) {
	t.Parallel()

	var stdout bytes.Buffer
	if err := run(t.Context(), nil, &stdout); err != nil {
		t.Fatal(err)
	}
	got := testProviderSchema(t, stdout.Bytes())
	want := testProviderSchema(t, testTerraformSchema(t))

	if _, ok := want["resource_schemas"]; !ok {
		t.Fatal("Terraform wrote no resources: the comparison would prove nothing")
	}
	for kind := range want {
		if diff := cmp.Diff(want[kind], got[kind]); diff != "" {
			t.Errorf("%s differs from Terraform's (-terraform +ours):\n%s", kind, diff)
		}
	}
}

// testProviderSchema returns the schema of the one provider in content.
func testProviderSchema(t *testing.T, content []byte) map[string]any {
	t.Helper()

	var file struct {
		FormatVersion string                    `json:"format_version"`
		Schemas       map[string]map[string]any `json:"provider_schemas"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatalf("decoding the schema: %s", err)
	}
	if file.FormatVersion != "1.0" {
		t.Errorf("format version is %q, want 1.0", file.FormatVersion)
	}
	if len(file.Schemas) != 1 {
		t.Fatalf("got schemas of %d providers, want one", len(file.Schemas))
	}
	for _, schema := range file.Schemas {
		dropDeprecationMessages(schema)

		return schema
	}

	return nil
}

// dropDeprecationMessages removes the messages of attributes and blocks: recent
// versions of Terraform write them, terraform-json does not know them.
func dropDeprecationMessages(value any) {
	switch value := value.(type) {
	case map[string]any:
		delete(value, "deprecation_message")
		for _, nested := range value {
			dropDeprecationMessages(nested)
		}
	case []any:
		for _, nested := range value {
			dropDeprecationMessages(nested)
		}
	}
}

// testTerraformSchema serves the provider to the installed CLI and returns the
// CLI's output.
func testTerraformSchema(t *testing.T) []byte {
	t.Helper()

	cli := testTerraformPath(t)
	dir := t.TempDir()
	config := `terraform {
  required_providers {
    ssm = {
      source = "sessionops/ssm"
    }
  }
}
`
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}

	cmd := exec.CommandContext(t.Context(), cli, "providers", "schema", "-json")
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + dir,
		"TMPDIR=" + os.TempDir(),
		"CHECKPOINT_DISABLE=1",
		"TF_REATTACH_PROVIDERS=" + testServe(t),
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	content, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %s\n%s", cmd, err, stderr.String())
	}

	return content
}

func testTerraformPath(t *testing.T) string {
	t.Helper()

	if path := os.Getenv("TF_ACC_TERRAFORM_PATH"); path != "" {
		return path
	}
	for _, name := range []string{"terraform", "tofu"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("neither terraform nor tofu is on the PATH")

	return ""
}

// testServe serves the provider until the test ends. It returns the address for a
// CLI.
func testServe(t *testing.T) string {
	t.Helper()

	ctx, cancel := context.WithCancel(context.Background())
	configs := make(chan *plugin.ReattachConfig, 1)
	closed := make(chan struct{})
	served := make(chan error, 1)
	go func() {
		served <- tf6server.Serve(
			"registry.terraform.io/sessionops/ssm",
			providerserver.NewProtocol6(provider.New("test", nil, nil)()),
			tf6server.WithDebug(ctx, configs, closed),
			tf6server.WithoutLogStderrOverride(),
		)
	}()
	t.Cleanup(func() {
		cancel()
		<-closed
	})

	var config *plugin.ReattachConfig
	select {
	case config = <-configs:
	case err := <-served:
		t.Fatalf("serving the provider: %v", err)
	case <-time.After(3 * time.Minute):
		t.Fatal("the provider was not served in time")
	}

	attach := fmt.Sprintf(
		`{"Protocol": %q, "ProtocolVersion": %d, "Pid": %d, "Test": true, "Addr": {"Network": %q, "String": %q}}`,
		config.Protocol, config.ProtocolVersion, config.Pid, config.Addr.Network(), config.Addr.String(),
	)
	// Terraform and OpenTofu add different hosts to the short address.
	return fmt.Sprintf(`{"registry.terraform.io/sessionops/ssm": %[1]s, "registry.opentofu.org/sessionops/ssm": %[1]s}`, attach)
}
