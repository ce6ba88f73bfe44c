// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakeprocess_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/fakessm/fakeprocess"
)

func TestProcess(t *testing.T) {
	t.Parallel()

	program := filepath.Join(t.TempDir(), "fakessm")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/fakessm").CombinedOutput(); err != nil {
		t.Fatalf("%s\n%s", err, output)
	}
	// Go needs a directory for temporary files.
	env := []string{"TMPDIR=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}

	t.Run("an endpoint with sessions", func(t *testing.T) {
		t.Parallel()

		fake, err := fakeprocess.Start(t.Context(), program, env, "-quotas=false")
		if err != nil {
			t.Fatal(err)
		}
		defer fake.Stop()
		if err := fake.AddSessions(t.Context(), []fakessm.Session{{SessionID: "mary-1", Target: "i-1", Status: "Connected"}}); err != nil {
			t.Fatal(err)
		}
		if err := fake.AddSessions(t.Context(), []fakessm.Session{{Target: "i-1"}}); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("a session without an ID was accepted: %v", err)
		}

		variables := make(map[string]string)
		for _, variable := range fake.Env {
			name, value, _ := strings.Cut(variable, "=")
			variables[name] = value
		}
		client := ssm.New(ssm.Options{
			BaseEndpoint: aws.String(variables["AWS_ENDPOINT_URL_SSM"]),
			Region:       variables["AWS_REGION"],
			Credentials:  credentials.NewStaticCredentialsProvider(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], ""),
		})
		output, err := client.TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: aws.String("mary-1")})
		if err != nil {
			t.Fatal(err)
		}

		got, err := fake.Requests(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []fakessm.Request{{Service: "ssm", Operation: "TerminateSession", SessionID: "mary-1", Status: 200}}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(fakessm.Request{}, "Time", "UserAgent", "RequestID", "Region", "Caller", "Attempt")); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if len(got) == 1 && !strings.Contains(got[0].UserAgent, "aws-sdk-go-v2/") {
			t.Errorf("the user agent is %q", got[0].UserAgent)
		}
		if answered, _ := awsmiddleware.GetRequestIDMetadata(output.ResultMetadata); len(got) == 1 && (answered == "" || got[0].RequestID != answered) {
			t.Errorf("the request ID is %q, that of the answer %q", got[0].RequestID, answered)
		}
		if err := fake.Forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err = fake.Requests(t.Context()); err != nil || len(got) > 0 {
			t.Errorf("after Forget: %v, %v", got, err)
		}
	})

	t.Run("an endpoint that does not start", func(t *testing.T) {
		t.Parallel()

		fake, err := fakeprocess.Start(t.Context(), program, env, "-listen", "192.0.2.1:0")
		if err == nil {
			fake.Stop()
			t.Fatal("Start succeeded")
		}
		if !strings.Contains(err.Error(), "not a loopback address") {
			t.Errorf("the error is %q", err)
		}
	})
}
