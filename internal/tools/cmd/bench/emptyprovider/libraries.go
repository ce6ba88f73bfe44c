// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build libraries

package main

import (
	"context"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
)

// A provider loads and initialises its libraries at every start. Without a call, the
// linker would remove most of them.
func init() {
	if len(os.Args) == 1 {
		return
	}
	var (
		ctx    = context.Background()
		config awsbase.Config
	)
	_, aws, _ := awsbase.GetAwsConfig(ctx, &config)
	awsbase.GetAwsAccountIDAndPartition(ctx, aws, &config)
	ssm.NewFromConfig(aws).TerminateSession(ctx, &ssm.TerminateSessionInput{}) //nolint:errcheck // Nobody calls this.
}
