// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func TestQuota(t *testing.T) {
	t.Parallel()

	clock := newClock()
	fake := fakessm.New(fakessm.WithClock(clock.now), fakessm.WithDefaultQuotas(), fakessm.WithQuota("ResumeSession", 0.5))
	client := newClient(t, fake)
	describe := func(region string) error {
		_, err := client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: "Active"}, func(o *ssm.Options) { o.Region = region })

		return err
	}
	for range 6 {
		if err := describe("us-east-1"); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, describe("us-east-1"), "ThrottlingException", "Rate exceeded")
	if err := describe("eu-west-1"); err != nil {
		t.Errorf("another region: %v", err)
	}
	wantCode(t, terminateSession(t, client, "x"), "DoesNotExistException", "")
	clock.advance(170 * time.Millisecond)
	if err := describe("us-east-1"); err != nil {
		t.Errorf("after a sixth of a second: %v", err)
	}
	wantCode(t, describe("us-east-1"), "ThrottlingException", "Rate exceeded")

	resume := func() error {
		_, err := client.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: aws.String("x")})

		return err
	}
	wantCode(t, resume(), "DoesNotExistException", "")
	clock.advance(time.Second)
	wantCode(t, resume(), "ThrottlingException", "")
	clock.advance(time.Second)
	wantCode(t, resume(), "DoesNotExistException", "")
}
