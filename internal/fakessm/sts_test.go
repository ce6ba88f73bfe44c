// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func credentialsFrom(c *ststypes.Credentials) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
}

func callerARN(t *testing.T, client *sts.Client, options ...func(*sts.Options)) string {
	t.Helper()
	out, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}, options...)
	if err != nil {
		t.Fatal(err)
	}

	return fmt.Sprintf("%s %s", *out.Account, *out.Arn)
}

func TestSTS_roleChain(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
	client := newSTSClient(t, fake)
	var who []string
	who = append(who, callerARN(t, client))

	first, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::111122223333:role/path/to/Auditor"), RoleSessionName: aws.String("mary@example.com"), ExternalId: aws.String("x-1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	asAuditor := func(o *sts.Options) { o.Credentials = credentialsFrom(first.Credentials) }
	who = append(who, callerARN(t, client, asAuditor))

	second, err := client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::444455556666:role/Operator"), RoleSessionName: aws.String("drain"), DurationSeconds: aws.Int32(900),
	}, asAuditor)
	if err != nil {
		t.Fatal(err)
	}
	who = append(who, callerARN(t, client, func(o *sts.Options) { o.Credentials = credentialsFrom(second.Credentials) }))

	want := []string{
		"123456789012 arn:aws:iam::123456789012:user/terraform",
		"111122223333 arn:aws:sts::111122223333:assumed-role/Auditor/mary@example.com",
		"444455556666 arn:aws:sts::444455556666:assumed-role/Operator/drain",
	}
	if diff := cmp.Diff(want, who); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	if err := terminateSession(t, newClient(t, fake, func(o *ssm.Options) { o.Credentials = credentialsFrom(second.Credentials) }), "s"); err != nil {
		t.Fatal(err)
	}
	var callers []string
	for _, r := range fake.Requests() {
		if r.Operation == "TerminateSession" {
			callers = append(callers, r.Caller)
		}
		if r.Operation == "AssumeRole" && r.Parameters["RoleSessionName"] == "mary@example.com" && r.Parameters["ExternalId"] != "x-1" {
			t.Errorf("parameters are %v", r.Parameters)
		}
	}
	if diff := cmp.Diff([]string{"arn:aws:sts::444455556666:assumed-role/Operator/drain"}, callers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	_, err = client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::444455556666:role/Operator"), RoleSessionName: aws.String("drain"), DurationSeconds: aws.Int32(7200),
	}, asAuditor)
	wantCode(t, err, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
}

func TestSTS_roleExpires(t *testing.T) {
	t.Parallel()

	clock := newClock()
	fake := fakessm.New(fakessm.WithClock(clock.now))
	out, err := newSTSClient(t, fake).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::123456789012:role/Operator"), RoleSessionName: aws.String("x1"), DurationSeconds: aws.Int32(900),
	})
	if err != nil {
		t.Fatal(err)
	}
	clock.advance(15 * time.Minute)
	// The first answers adjust the client's clock.
	_, err = newClient(t, fake, func(o *ssm.Options) {
		o.Credentials = credentialsFrom(out.Credentials)
		o.Retryer = newRetryer()
	}).DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: "Active"})
	wantCode(t, err, "ExpiredTokenException", "The security token included in the request is expired")
}

func TestSTS_webIdentity(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithWebIdentityToken("secret-jwt"))
	client := newSTSClient(t, fake, func(o *sts.Options) { o.Credentials = nil })
	assume := func(token string) (*sts.AssumeRoleWithWebIdentityOutput, error) {
		return client.AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
			RoleArn: aws.String("arn:aws:iam::123456789012:role/CI"), RoleSessionName: aws.String("job-7"), WebIdentityToken: &token,
		})
	}
	out, err := assume("secret-jwt")
	if err != nil {
		t.Fatal(err)
	}
	got := callerARN(t, client, func(o *sts.Options) { o.Credentials = credentialsFrom(out.Credentials) })
	if got != "123456789012 arn:aws:sts::123456789012:assumed-role/CI/job-7" || got != "123456789012 "+*out.AssumedRoleUser.Arn {
		t.Errorf("caller is %s", got)
	}
	_, err = assume("other-jwt")
	wantCode(t, err, "InvalidIdentityToken", "")
	_, err = assume("")
	wantCode(t, err, "ValidationError", "")
	for _, r := range fake.Requests() {
		if _, ok := r.Parameters["WebIdentityToken"]; ok {
			t.Error("the token was recorded")
		}
	}
}

func TestSTS_refused(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		fault        fakessm.Fault
		role, name   string
		options      func(*sts.Options)
		code, detail string
	}{
		"an ARN that is not a role":                {role: "arn:aws:iam::123456789012:user/timmy", name: "ok", code: "ValidationError"},
		"a session name with a space":              {role: "arn:aws:iam::123456789012:role/R", name: "not ok", code: "ValidationError"},
		"a wrong secret":                           {options: withKeys(fakessm.DefaultAccessKeyID, "x", ""), code: "SignatureDoesNotMatch"},
		"an unknown key":                           {options: withKeys("AKIAUNKNOWN", "x", ""), code: "InvalidClientTokenId"},
		"a session token with the static key pair": {options: withKeys(fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, "x"), code: "InvalidClientTokenId"},
		"a role that may not be assumed": {
			fault: fakessm.Fault{Operation: "AssumeRole", Kind: fakessm.FaultDenied},
			role:  "arn:aws:iam::123456789012:role/R", name: "ok", code: "AccessDenied",
			detail: "User: arn:aws:iam::123456789012:user/terraform is not authorized to perform: sts:AssumeRole on resource: " +
				"arn:aws:iam::123456789012:role/R because no identity-based policy allows the sts:AssumeRole action",
		},
		"a custom error": {
			fault: fakessm.Fault{Operation: "AssumeRole", Kind: fakessm.FaultError, Code: "RegionDisabledException", Message: "no", Status: 403},
			role:  "arn:aws:iam::123456789012:role/R", name: "ok", code: "RegionDisabledException", detail: "no",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New()
			if tc.fault.Kind != "" {
				fake.Inject(tc.fault)
			}
			if tc.options == nil {
				tc.options = func(*sts.Options) {}
			}
			_, err := newSTSClient(t, fake).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &tc.role, RoleSessionName: &tc.name}, tc.options)
			wantCode(t, err, tc.code, tc.detail)
			if got := fake.Requests()[0].ErrorCode; got != tc.code {
				t.Errorf("recorded as %s", got)
			}
		})
	}
}

func withKeys(id, secret, token string) func(*sts.Options) {
	return func(o *sts.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, token) }
}
