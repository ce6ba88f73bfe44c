// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"sync"
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

func TestServer_concurrentUse(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithPageSize(10))
	client := newClient(t, fake)
	ids := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	for _, id := range ids {
		fake.AddSessions(fakessm.Session{SessionID: id})
	}
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			for range 5 {
				out, err := client.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: &id})
				if err != nil || *out.SessionId != id {
					t.Errorf("resuming %s: %v", id, err)
				}
				if _, err := client.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: "Active"}); err != nil {
					t.Error(err)
				}
				fake.Requests()
			}
			if err := terminateSession(t, client, id); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := fake.Count("ResumeSession"); got != 40 {
		t.Errorf("Count is %d", got)
	}
}
