// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package workspace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is a directory with the provider, built once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "terraform-provider-ssm-")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "terraform-provider-ssm"), "github.com/sessionops/terraform-provider-ssm")
	if output, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("building the provider: %w\n%s", err, output), os.RemoveAll(dir))
	}
	builtDir = dir

	return dir, nil
})

var builtDir string

// ProviderDir returns a directory with the provider, built from this source. It builds
// it once.
func ProviderDir(t *testing.T) string {
	t.Helper()

	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}

	return dir
}

// RemoveProvider removes the built provider. TestMain calls it at its end.
func RemoveProvider() error {
	return os.RemoveAll(builtDir)
}
