// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

// The provider writes no log that nobody reads. (The plugin library always writes its
// first line.)
func TestProcess_unreadLogs(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		env    []string
		writes bool
	}{
		"no log is read":                   {},
		"everything is read":               {env: []string{"TF_LOG=TRACE"}, writes: true},
		"the providers' logs are read":     {env: []string{"TF_LOG_PROVIDER=DEBUG"}, writes: true},
		"this provider's own log is asked": {env: []string{"TF_LOG_PROVIDER_SSM=DEBUG"}, writes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			w := workspace.New(t, "").WithoutLog()
			w.Write("cli.tfrc", fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"sessionops/ssm\" = %q\n  }\n  direct {}\n}\n", w.Dir))
			w.Write("terraform-provider-ssm", fmt.Sprintf("#!/bin/sh\nexec %q 2>>%q\n", filepath.Join(workspace.ProviderDir(t), "terraform-provider-ssm"), filepath.Join(w.Dir, "stderr")))
			if err := os.Chmod(filepath.Join(w.Dir, "terraform-provider-ssm"), 0o700); err != nil {
				t.Fatal(err)
			}
			w.Env = append(w.Env, tc.env...)

			w.MustRun("providers", "schema", "-json")

			stderr := w.Read("stderr")
			if !strings.Contains(stderr, "plugin address") {
				t.Fatalf("the provider did not run: %s", stderr)
			}
			if writes := strings.Contains(stderr, `"@module":`); writes != tc.writes {
				t.Errorf("the provider writes: %t, want %t:\n%s", writes, tc.writes, stderr)
			}
		})
	}
}
