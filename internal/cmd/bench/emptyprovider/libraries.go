// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build libraries

package main

// What the provider is built on is initialised at every start, whatever is made of it.
import (
	_ "github.com/aws/aws-sdk-go-v2/service/ssm"
	_ "github.com/hashicorp/aws-sdk-go-base/v2"
)
