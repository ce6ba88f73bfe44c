// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// exampleSessions returns a typical set of sessions.
func exampleSessions(now time.Time) []fakessm.Session {
	const (
		web      = "i-02573cafcfEXAMPLE"
		database = "i-0471e04240EXAMPLE"
		bastion  = "i-07f5e1b6d3EXAMPLE"
		office   = "mi-0a1b2c3d4eEXAMPLE"

		shell   = "SSM-SessionManagerRunShell"
		forward = "AWS-StartPortForwardingSession"
	)
	role := func(name, person string) string {
		return "arn:aws:sts::123456789012:assumed-role/" + name + "/" + person
	}
	ago := func(d time.Duration) time.Time { return now.Add(-d).Truncate(time.Millisecond) }

	return []fakessm.Session{
		{
			SessionID: "Mary-Major-07a16060613c408b5", Target: web, Owner: role("Administrator", "Mary-Major"), DocumentName: shell,
			Reason: "CHG-1042", StartDate: ago(25 * time.Minute), MaxSessionDuration: "60", AccessType: "Standard",
		},
		{
			SessionID: "Mary-Major-0c1f8be0d2a974e36", Target: database, Owner: role("Administrator", "Mary-Major"), DocumentName: forward,
			StartDate: ago(9 * time.Hour), AccessType: "Standard",
		},
		{
			SessionID: "Shirley-Rodriguez-0e8b5d1a7f3c24960", Target: web, Status: "Disconnected", Owner: role("Developer", "Shirley-Rodriguez"),
			DocumentName: shell, StartDate: ago(3 * time.Hour), AccessType: "Standard",
		},
		{
			SessionID: "timmy-01cd54a0c8322733a", Target: bastion, Owner: "arn:aws:iam::123456789012:user/timmy", StartDate: ago(50 * time.Minute),
		},
		{
			SessionID: "john.doe@example.com-4hq7w2k9tz5m8xn3vb6c1jr0ya", Target: office, Owner: role("Operator", "john.doe@example.com"),
			DocumentName: shell, Reason: "INC-77: disk full", StartDate: ago(31 * time.Hour), AccessType: "JustInTime",
			S3OutputURL: "https://s3.amazonaws.com/amzn-s3-demo-bucket/sessions",
		},
		{
			SessionID: "Mary-Major-0d41f2c6b9e8a7350", Target: database, Status: "Terminated", Owner: role("Administrator", "Mary-Major"), DocumentName: shell,
			StartDate: ago(26 * time.Hour), EndDate: ago(25 * time.Hour), AccessType: "Standard",
		},
		{
			SessionID: "timmy-09a3e7f5d18b6c240", Target: bastion, Status: "Terminated", Owner: "arn:aws:iam::123456789012:user/timmy",
			StartDate: ago(6 * 24 * time.Hour), EndDate: ago(6*24*time.Hour - 40*time.Minute),
		},
		{
			SessionID: "Richard-Roe-0b62d9c4e1f7a8350", Target: web, Status: "Failed", Owner: role("Developer", "Richard-Roe"),
			DocumentName: shell, StartDate: ago(4 * time.Hour), EndDate: ago(4 * time.Hour),
		},
	}
}
