// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os/exec"
	"runtime"
)

// version is the version of a program or a module.
type version struct {
	Name, Version string
}

// modules are the modules whose version affects the measurements.
var modules = []string{
	"github.com/aws/aws-sdk-go-v2/service/ssm",
	"github.com/hashicorp/aws-sdk-go-base/v2",
	"github.com/hashicorp/terraform-plugin-framework",
	"github.com/hashicorp/terraform-plugin-go",
	"google.golang.org/grpc",
}

// readVersions reads the versions of every CLI and of the provider's modules.
func (l *lab) readVersions(ctx context.Context) error {
	for _, c := range l.clis {
		cmd := exec.CommandContext(ctx, c.path, "version", "-json")
		cmd.Env = l.environment("CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=/dev/null")
		cmd.Dir = l.dir
		output, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s version: %w", c.name, err)
		}
		var answer struct {
			Version string `json:"terraform_version"`
		}
		if err := json.Unmarshal(output, &answer); err != nil {
			return fmt.Errorf("%s version: %w", c.name, err)
		}
		l.versions = append(l.versions, version{c.name, answer.Version})
	}

	info, err := buildinfo.ReadFile(l.bin("terraform-provider-ssm"))
	if err != nil {
		return err
	}
	l.versions = append(l.versions, version{"Go", info.GoVersion})
	for _, name := range modules {
		for _, module := range info.Deps {
			if module.Path == name {
				l.versions = append(l.versions, version{name, module.Version})
			}
		}
	}

	return nil
}

// thisMachine describes the machine of the benchmarks.
func thisMachine() string {
	return fmt.Sprintf("%d cores, %s, %s/%s", runtime.NumCPU(), totalMemory(), runtime.GOOS, runtime.GOARCH)
}
