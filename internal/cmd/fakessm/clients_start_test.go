// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// plugin is the program that the AWS CLI passes sessions to.
const plugin = "session-manager-plugin"

// withPath sets PATH for the clients.
func (p *program) withPath(path string) {
	for i, variable := range p.env {
		if strings.HasPrefix(variable, "PATH=") {
			p.env[i] = "PATH=" + path
		}
	}
}

// TestClients_awsCLIStartSession starts a session with the AWS CLI. A script takes the place of
// the plugin and records its arguments.
func TestClients_awsCLIStartSession(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "-quotas=false")
	p.needs("the AWS CLI", "aws", "--version")

	folder := t.TempDir()
	script := "#!/bin/sh\n" +
		`if [ "$1" = --version ]; then echo 1.2.764.0; exit; fi` + "\n" +
		`if [ "$1" = AWS_SSM_START_SESSION_RESPONSE ]; then printf %s "$AWS_SSM_START_SESSION_RESPONSE"; else printf %s "$1"; fi >'` + folder + "/response'\n" +
		`printf '%s\n' "$2" "$3" "$6" >'` + folder + "/arguments'\n"
	if err := os.WriteFile(filepath.Join(folder, plugin), []byte(script), 0o700); err != nil { //nolint:gosec // The file must be executable.
		t.Fatal(err)
	}
	p.withPath(folder + string(os.PathListSeparator) + os.Getenv("PATH"))
	_, stderr, err := p.run("aws", "ssm", "start-session", "--target", "i-02573cafcfEXAMPLE", "--reason", "CHG-7",
		"--document-name", "AWS-StartPortForwardingSessionToRemoteHost", "--parameters", "host=db.internal,portNumber=5432")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	var access resumption
	response, err := os.ReadFile(filepath.Join(folder, "response"))
	if err == nil {
		err = json.Unmarshal(response, &access)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(access.SessionID, "terraform-") || access.TokenValue == "" || !strings.HasPrefix(access.StreamURL, "ws://127.0.0.1:") {
		t.Errorf("the plugin got the session %q, or no token or URL", access.SessionID)
	}
	arguments, err := os.ReadFile(filepath.Join(folder, "arguments"))
	if want := "us-east-1\nStartSession\n" + p.variables["AWS_ENDPOINT_URL_SSM"] + "\n"; err != nil || string(arguments) != want {
		t.Errorf("the plugin got %q, %v", arguments, err)
	}
	conn := p.connect(access)
	if got := p.message(conn); got != "start_publication" {
		t.Errorf("the data channel begins with %q", got)
	}
	if got := p.message(conn); got != "output_stream_data" {
		t.Errorf("the agent begins with %q", got)
	}
	var active struct{ Sessions []map[string]any }
	p.aws(&active, "ssm", "describe-sessions", "--state", "Active", "--filters", "key=SessionId,value="+access.SessionID)
	if len(active.Sessions) != 1 || active.Sessions[0]["Owner"] != "arn:aws:iam::123456789012:user/terraform" || active.Sessions[0]["Reason"] != "CHG-7" ||
		active.Sessions[0]["DocumentName"] != "AWS-StartPortForwardingSessionToRemoteHost" || active.Sessions[0]["Target"] != "i-02573cafcfEXAMPLE" {
		t.Errorf("the session is %v", active.Sessions)
	}
	p.control(http.MethodDelete, "/requests", "", nil)

	p.awsFails("(InvalidDocument)", "ssm", "start-session", "--target", "i-1", "--document-name", "My-Document")
	p.awsFails("(InvalidParameters)", "ssm", "start-session", "--target", "i-1", "--document-name", "AWS-StartSSHSession", "--parameters", "portNumber=70000")
	p.control(http.MethodPost, "/targets", `{"i-1": false}`, nil)
	p.awsFails("(TargetNotConnected) when calling the StartSession operation: i-1 is not connected.", "ssm", "start-session", "--target", "i-1")
	p.wantRequests("StartSession 400 InvalidDocument", "StartSession 400 InvalidParameters", "StartSession 400 TargetNotConnected")
}

// TestClients_awsCLIWithoutPlugin checks that the AWS CLI ends its session if the plugin is missing.
func TestClients_awsCLIWithoutPlugin(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath(plugin); err == nil {
		t.Skipf("%s is installed", plugin)
	}
	p := startProgram(t, "-quotas=false")
	p.needs("the AWS CLI", "aws", "--version")

	p.awsFails("SessionManagerPlugin is not found", "ssm", "start-session", "--target", "i-02573cafcfEXAMPLE")
	var requests []struct{ Operation, SessionID string }
	p.control(http.MethodGet, "/requests", "", &requests)
	var sessions []struct{ SessionID, Status string }
	p.control(http.MethodGet, "/sessions", "", &sessions)
	if len(requests) != 2 || requests[0].Operation != "StartSession" || requests[1].Operation != "TerminateSession" {
		t.Fatalf("requests: %+v", requests)
	}
	for _, session := range sessions {
		if strings.HasPrefix(session.SessionID, "terraform-") && (session.SessionID != requests[1].SessionID || session.Status != "Terminated") {
			t.Errorf("the session is still live: %+v", session)
		}
	}
}

// TestClients_plugin forwards a connection with AWS's plugin to a port behind the fake's agent.
func TestClients_plugin(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "-quotas=false")
	p.needs("the AWS CLI", "aws", "--version")
	p.needs("AWS's plugin for sessions", plugin, "--version")

	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		for {
			conn, err := target.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	_, port, _ := net.SplitHostPort(target.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output := &safeBuffer{}
	cli := exec.CommandContext(ctx, "aws", "ssm", "start-session", "--target", "i-02573cafcfEXAMPLE",
		"--document-name", "AWS-StartPortForwardingSession", "--parameters", "portNumber="+port+",localPortNumber=0")
	cli.Env, cli.Dir, cli.Stdout, cli.Stderr = p.env, t.TempDir(), output, output
	if err := cli.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cli.Wait() }()
	local := ""
	for local == "" {
		select {
		case err := <-done:
			if text := output.String(); strings.Contains(text, "endpoint") {
				t.Skipf("this version of the plugin accepts only AWS addresses: %s", text)
			}
			t.Fatalf("the CLI has ended: %v\n%s", err, output.String())
		case <-time.After(50 * time.Millisecond):
		}
		if _, rest, found := strings.Cut(output.String(), "Port "); found {
			local, _, _ = strings.Cut(rest, " ")
		}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+local)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	want := bytes.Repeat([]byte("0123456789abcde\n"), 4096)
	go func() { _, _ = conn.Write(want) }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the connection carried other data: %v", err)
	}
	var sessions []struct{ SessionID string }
	p.control(http.MethodGet, "/sessions", "", &sessions)
	for _, session := range sessions {
		if strings.HasPrefix(session.SessionID, "terraform-") {
			p.control(http.MethodPost, "/sessions/"+session.SessionID+"/end", "", nil)
		}
	}
	if err := <-done; err != nil {
		t.Errorf("the CLI ends with %v\n%s", err, output.String())
	}
}

// safeBuffer is a buffer for concurrent reads and writes.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.String()
}

// TestClients_boto3StartSession starts and ends a session with boto3.
func TestClients_boto3StartSession(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("testdata/start.py")
	if err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, "-quotas=false")
	p.needs("boto3", "python3", "-c", "import boto3; print('boto3', boto3.__version__)")

	stdout, stderr, err := p.run("python3", "-c", string(script))
	if err != nil {
		t.Fatalf("start.py: %v\n%s", err, stderr)
	}
	var got map[string]string
	if err := json.Unmarshal(stdout, &got); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	want := map[string]string{
		"started":               "terraform, a token, a URL of this endpoint",
		"described":             "arn:aws:iam::123456789012:user/terraform i-02573cafcfEXAMPLE AWS-StartSSHSession CHG-7",
		"a disconnected node":   "TargetNotConnected i-1 is not connected.",
		"no such document":      "InvalidDocument",
		"no such parameter":     "InvalidParameters",
		"a long reason":         "ValidationException",
		"denied":                "AccessDeniedException",
		"throttled for a while": "terraform",
		"ended":                 "Terminated",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
