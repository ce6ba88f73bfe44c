// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"
)

// startFake runs the program and returns the printed variables.
func startFake(t *testing.T, args ...string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	output, stdout := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan error, 1)
	go func() {
		defer stdout.Close()
		done <- run(ctx, args, stdout, &stderr)
	}()
	variables := map[string]string{}
	buffer := make([]byte, 4096)
	n, err := output.Read(buffer)
	if err != nil {
		cancel()
		t.Fatalf("nothing was printed: %v; %v", err, <-done)
	}
	for line := range strings.Lines(string(buffer[:n])) {
		m := regexp.MustCompile(`^export ([A-Z0-9_]+)=(\S*)\n$`).FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("unexpected line %q", line)
		}
		variables[m[1]] = m[2]
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopping: %v", err)
		}
	})

	return variables
}

func newSSMClient(variables map[string]string) *ssm.Client {
	return ssm.New(ssm.Options{
		BaseEndpoint: aws.String(variables["AWS_ENDPOINT_URL_SSM"]),
		Region:       variables["AWS_REGION"],
		Credentials:  credentials.NewStaticCredentialsProvider(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], ""),
		Retryer:      aws.NopRetryer{},
	})
}

func TestRun(t *testing.T) {
	t.Parallel()

	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	variables := startFake(t, "-env-file", file, "-region", "eu-west-1")
	url := variables["AWS_ENDPOINT_URL_SSM"]
	want := map[string]string{
		"AWS_ENDPOINT_URL_SSM": url, "AWS_ENDPOINT_URL_STS": url, "AWS_SESSION_TOKEN": "",
		"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
		"FAKESSM_CONTROL_URL": url + "/_fakessm",
	}
	if diff := cmp.Diff(want, variables); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	written, err := os.ReadFile(file)
	if err != nil || strings.Count(string(written), "\nexport ") != len(want)-1 {
		t.Errorf("the file contains %q, %v", written, err)
	}

	out, err := newSSMClient(variables).DescribeSessions(t.Context(), &ssm.DescribeSessionsInput{State: "Active"})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Sessions) != 5 || *out.Sessions[0].SessionId != "Mary-Major-07a16060613c408b5" {
		t.Errorf("%d initial sessions", len(out.Sessions))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, variables["FAKESSM_CONTROL_URL"]+"/requests", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var requests []map[string]any
	if err := json.NewDecoder(res.Body).Decode(&requests); err != nil || len(requests) != 1 || requests[0]["operation"] != "DescribeSessions" {
		t.Errorf("control answers %v, %v", requests, err)
	}
}

func TestRun_ownSessions(t *testing.T) {
	t.Parallel()

	file := filepath.Join(t.TempDir(), "sessions.json")
	if err := os.WriteFile(file, []byte(`[{"SessionId":"a","StartDate":"2026-11-20T08:00:00Z"},{"SessionId":"b","Region":"eu-west-1"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newSSMClient(startFake(t, "-sessions", file, "-session", "c,i-1,arn:aws:iam::123456789012:user/timmy", "-session", "d,i-1,o,Terminated", "-ended", "accept", "-terminating", "active", "-lag", "1h", "-quotas=false", "-page-size", "1"))
	if _, err := c.TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: aws.String("c")}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for pages := ssm.NewDescribeSessionsPaginator(c, &ssm.DescribeSessionsInput{State: "Active"}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *page.Sessions[0].SessionId)
	}
	if diff := cmp.Diff([]string{"c", "a"}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range 10 {
		if _, err := c.TerminateSession(t.Context(), &ssm.TerminateSessionInput{SessionId: aws.String("d")}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRun_dataChannel(t *testing.T) {
	t.Parallel()

	const id = "timmy-01cd54a0c8322733a"
	for name, tc := range map[string]struct {
		args []string
		want func(variables map[string]string) string
	}{
		"here": {nil, func(variables map[string]string) string {
			return strings.Replace(variables["AWS_ENDPOINT_URL_SSM"], "http://", "ws://", 1)
		}},
		"at AWS": {[]string{"-data-channel=false"}, func(map[string]string) string { return "wss://ssmmessages.us-east-1.amazonaws.com" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables := startFake(t, tc.args...)
			out, err := newSSMClient(variables).ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: aws.String(id)})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(*out.StreamUrl, tc.want(variables)+"/v1/data-channel/"+id+"?") {
				t.Error("the stream URL points elsewhere")
			}
		})
	}
}

func TestRun_refused(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		args []string
		want string
	}{
		"an address of the network":  {[]string{"-listen", "0.0.0.0:0"}, "not a loopback address"},
		"every address":              {[]string{"-listen", ":0"}, "not a loopback address"},
		"no address":                 {[]string{"-listen", "x"}, "reading -listen"},
		"an argument":                {[]string{"x"}, "unexpected argument"},
		"a region with shell syntax": {[]string{"-region", "$(x)"}, "not a region"},
		"an empty page":              {[]string{"-page-size", "0"}, "-page-size"},
		"an unknown value of -ended": {[]string{"-ended", "maybe"}, "neither refuse nor accept"},
		"an unknown list":            {[]string{"-terminating", "both"}, "neither history nor active"},
		"half a session":             {[]string{"-session", "a,b"}, "expected id,target,owner"},
		"a missing file":             {[]string{"-sessions", "/nowhere"}, "reading -sessions"},
		"a missing folder":           {[]string{"-env-file", "/nowhere/env"}, "writing -env-file"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), tc.args, io.Discard, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want an error with %q, got %v", tc.want, err)
			}
		})
	}
	if err := run(t.Context(), []string{"-help"}, io.Discard, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: %v", err)
	}
}

func TestExampleSessions(t *testing.T) {
	t.Parallel()

	now := time.Now()
	for _, session := range exampleSessions(now) {
		if len(session.SessionID) > 96 || session.StartDate.After(now) || session.EndDate.After(now) || session.Owner == "" {
			t.Errorf("unexpected session %+v", session)
		}
	}
}
