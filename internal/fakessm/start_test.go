// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func TestStartSession_refused(t *testing.T) {
	t.Parallel()

	custom := fakessm.Document{
		Name: "Custom", SessionType: "Port",
		Parameters: map[string]fakessm.DocumentParameter{"name": {Type: "String", AllowedPattern: "^[a-z]+$"}},
		Properties: map[string]string{"portNumber": "5432", "host": "{{ name }}.internal", "type": "LocalPortForwarding"},
	}
	fake, api := agentServer(t, fakessm.WithDocuments(custom), fakessm.WithQuota("StartSession", 1000))
	fake.AddTargets(map[string]bool{"i-away": false})
	for name, tc := range map[string]struct {
		input ssm.StartSessionInput
		code  string
		words string
	}{
		"a node that is not connected":                {ssm.StartSessionInput{Target: aws.String("i-away")}, "TargetNotConnected", "i-away is not connected."},
		"a document that does not exist":              {ssm.StartSessionInput{Target: aws.String("i-1"), DocumentName: aws.String("Nothing")}, "InvalidDocument", "Nothing"},
		"a parameter that does not exist":             {ssm.StartSessionInput{Target: aws.String("i-1"), DocumentName: aws.String(portDocument), Parameters: map[string][]string{"port": {"1"}}}, "InvalidParameters", "port"},
		"a parameter that is not a port":              {ssm.StartSessionInput{Target: aws.String("i-1"), DocumentName: aws.String(portDocument), Parameters: map[string][]string{"portNumber": {"x"}}}, "InvalidParameters", "pattern"},
		"a parameter with two values":                 {ssm.StartSessionInput{Target: aws.String("i-1"), DocumentName: aws.String(portDocument), Parameters: map[string][]string{"portNumber": {"1", "2"}}}, "InvalidParameters", "one value"},
		"a parameter that does not match the pattern": {ssm.StartSessionInput{Target: aws.String("i-1"), DocumentName: aws.String("Custom"), Parameters: map[string][]string{"name": {"UP"}}}, "InvalidParameters", "^[a-z]+$"},
		"a reason that is too long":                   {ssm.StartSessionInput{Target: aws.String("i-1"), Reason: aws.String(strings.Repeat("x", 257))}, "ValidationException", "256"},
		"a target that is too long":                   {ssm.StartSessionInput{Target: aws.String(strings.Repeat("x", 401))}, "ValidationException", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := api.StartSession(t.Context(), &tc.input)
			var apiErr smithy.APIError
			if !errors.As(err, &apiErr) || apiErr.ErrorCode() != tc.code || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("got %v, want %s with %q", err, tc.code, tc.words)
			}
		})
	}
}

// TestStartSession_recorded checks the recorded parameters of StartSession, and the option
// that hides the reasons of live sessions.
func TestStartSession_recorded(t *testing.T) {
	t.Parallel()

	for name, listed := range map[string]string{"reasons are listed": "CHG-7", "reasons are hidden": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var options []fakessm.Option
			if listed == "" {
				options = append(options, fakessm.WithReasonsHidden())
			}
			fake, api := agentServer(t, options...)
			input := portInput(remoteDocument, "host", "db.internal", "portNumber", "5432")
			input.Target, input.Reason = aws.String("i-1"), aws.String("CHG-7")
			started, err := api.StartSession(t.Context(), input)
			if err != nil {
				t.Fatal(err)
			}
			got := fake.Requests()[0]
			if diff := cmp.Diff(map[string]string{"host": "db.internal", "portNumber": "5432"}, got.Parameters); diff != "" {
				t.Errorf("parameters (-want +got):\n%s", diff)
			}
			if got.Target != "i-1" || got.DocumentName != remoteDocument || got.Reason != "CHG-7" {
				t.Errorf("the log has %+v", got)
			}
			reason := func(state types.SessionState) string {
				out, err := api.DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: state})
				if err != nil || len(out.Sessions) != 1 {
					t.Fatalf("%v sessions, %v", out, err)
				}

				return aws.ToString(out.Sessions[0].Reason)
			}
			if got := reason(types.SessionStateActive); got != listed {
				t.Errorf("the reason of the live session is %q", got)
			}
			fake.EndSession(aws.ToString(started.SessionId))
			if got := reason(types.SessionStateHistory); got != "CHG-7" {
				t.Errorf("the reason of the ended session is %q", got)
			}
		})
	}
}
