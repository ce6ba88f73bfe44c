// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
)

// testAccReason is the reason of sessions that tests start in AWS. The sweeper finds them
// by it.
const testAccReason = "tf-acc-test"

func init() {
	resource.AddTestSweepers("ssm_session_termination", &resource.Sweeper{
		Name: "ssm_session_termination",
		F:    sweepSessions,
	})
}

// sweepSessions ends the sessions that tests have left behind in a Region.
func sweepSessions(region string) error {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return err
	}

	client := ssm.NewFromConfig(cfg)
	pages := ssm.NewDescribeSessionsPaginator(client, &ssm.DescribeSessionsInput{State: types.SessionStateActive})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, session := range page.Sessions {
			if !strings.HasPrefix(aws.ToString(session.Reason), testAccReason) {
				continue
			}
			if _, err := client.TerminateSession(ctx, &ssm.TerminateSessionInput{SessionId: session.SessionId}); err != nil {
				return fmt.Errorf("sweeping session %s: %w", aws.ToString(session.SessionId), err)
			}
		}
	}

	return nil
}

// TestAccSSMSessionTermination_basic ends a session in AWS. It needs credentials, a
// Region, and in SSM_ACC_TARGET a managed node to start the session on.
func TestAccSSMSessionTermination_basic(t *testing.T) {
	if os.Getenv(resource.EnvTfAcc) == "" {
		t.Skip("runs against AWS, with TF_ACC=1 only")
	}
	target := os.Getenv("SSM_ACC_TARGET")
	if target == "" {
		t.Fatal("SSM_ACC_TARGET must name a managed node to start a session on")
	}

	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	started, err := ssm.NewFromConfig(cfg).StartSession(t.Context(), &ssm.StartSessionInput{
		Target: aws.String(target),
		Reason: aws.String(testAccReason),
	})
	if err != nil {
		t.Fatal(err)
	}

	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: testFactories,
		Steps: []resource.TestStep{
			{
				Config: fmt.Sprintf(`
resource "ssm_session_termination" "test" {
  session_id = %q
}
`, aws.ToString(started.SessionId)),
				ConfigStateChecks: []statecheck.StateCheck{
					testValue("outcome", "terminated"),
					testValue("target", target),
				},
			},
		},
	})
}
