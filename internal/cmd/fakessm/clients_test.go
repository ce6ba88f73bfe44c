// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

// The test sessions, which are among the example sessions.
const (
	connected    = "Mary-Major-07a16060613c408b5"
	disconnected = "Shirley-Rodriguez-0e8b5d1a7f3c24960"
	iamUser      = "timmy-01cd54a0c8322733a"
	unknown      = "nobody-00000000000000000"
)

// program is the running program and the environment of its clients.
type program struct {
	t         *testing.T
	variables map[string]string
	env       []string
}

// startProgram starts the program. The clients' environment has only the printed variables, PATH
// and HOME.
func startProgram(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, variables: startFake(t, args...)}
	p.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	for name, value := range p.variables {
		p.env = append(p.env, name+"="+value)
	}

	return p
}

// run runs a client.
func (p *program) run(name string, args ...string) (stdout []byte, stderr string, err error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.env, p.t.TempDir(), &out, &errOut
	err = cmd.Run()

	return out.Bytes(), errOut.String(), err
}

// needs skips the test if a client is not installed, or does not run without the user's settings.
func (p *program) needs(what, name string, args ...string) {
	p.t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		p.t.Skipf("%s is not installed: there is no %s", what, name)
	}
	stdout, stderr, err := p.run(name, args...)
	if err != nil {
		p.t.Skipf("%s is not installed: %s %s: %v\n%s", what, name, strings.Join(args, " "), err, stderr)
	}
	p.t.Logf("with %s", bytes.TrimSpace(stdout))
}

// aws runs the AWS CLI, which must succeed, and decodes its output.
func (p *program) aws(value any, args ...string) {
	p.t.Helper()
	stdout, stderr, err := p.run("aws", append(args, "--output", "json")...)
	if err != nil {
		p.t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	if err := json.Unmarshal(stdout, value); err != nil {
		p.t.Fatalf("aws %s: %v", strings.Join(args, " "), err)
	}
}

// awsFails runs the AWS CLI, which must fail with this text in its output.
func (p *program) awsFails(want string, args ...string) {
	p.t.Helper()
	stdout, stderr, err := p.run("aws", args...)
	if !errors.As(err, new(*exec.ExitError)) || !strings.Contains(stderr, want) || len(bytes.TrimSpace(stdout)) > 0 {
		p.t.Errorf("aws %s: want %q, got %v\n%s%s", strings.Join(args, " "), want, err, stdout, stderr)
	}
}

// control calls the control API.
func (p *program) control(method, path, body string, value any) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.variables["FAKESSM_CONTROL_URL"]+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		p.t.Fatalf("%s %s: %s", method, path, res.Status)
	}
	if value != nil {
		if err := json.NewDecoder(res.Body).Decode(value); err != nil {
			p.t.Fatal(err)
		}
	}
}

// wantRequests checks the requests since the last check.
func (p *program) wantRequests(want ...string) {
	p.t.Helper()
	var requests []struct {
		Operation  string
		SessionID  string
		State      string
		Filters    map[string]string
		MaxResults int
		NextToken  bool
		Status     int
		ErrorCode  string
	}
	p.control(http.MethodGet, "/requests", "", &requests)
	p.control(http.MethodDelete, "/requests", "", nil)
	var got []string
	for _, r := range requests {
		line := []string{r.Operation, r.State}
		for name, value := range r.Filters {
			line = append(line, name+"="+value)
		}
		if len(r.Filters) == 0 {
			line = append(line, r.SessionID)
		}
		if r.MaxResults > 0 {
			line = append(line, fmt.Sprintf("max=%d", r.MaxResults))
		}
		if r.NextToken {
			line = append(line, "next")
		}
		got = append(got, strings.Join(strings.Fields(strings.Join(append(line, fmt.Sprint(r.Status), r.ErrorCode), " ")), " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// listing and resumption are outputs of the AWS CLI.
type listing struct {
	Sessions []struct {
		SessionID string `json:"SessionId"`
		StartDate any    // A number in version 1, text in version 2.
	}
}

type resumption struct {
	SessionID  string `json:"SessionId"`
	TokenValue string
	StreamURL  string `json:"StreamUrl"`
}

func TestClients_awsCLI(t *testing.T) {
	t.Parallel()
	p := startProgram(t, "-quotas=false")
	p.needs("the AWS CLI", "aws", "--version")

	var identity map[string]string
	p.aws(&identity, "sts", "get-caller-identity")
	if diff := cmp.Diff(map[string]string{
		"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/terraform", "UserId": "AIDACKCEVSQ6C2EXAMPLE",
	}, identity); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	p.wantRequests("GetCallerIdentity 200")

	const owner = "arn:aws:sts::123456789012:assumed-role/Administrator/Mary-Major"
	var active listing
	p.aws(&active, "ssm", "describe-sessions", "--state", "Active", "--filters", "key=Owner,value="+owner, "--page-size", "1")
	if len(active.Sessions) != 2 || active.Sessions[0].SessionID != connected || active.Sessions[0].StartDate == nil {
		t.Errorf("sessions of one owner: %+v", active)
	}
	p.wantRequests("DescribeSessions Active Owner="+owner+" max=1 200", "DescribeSessions Active Owner="+owner+" max=1 next 200")

	// A WebSocket client connects with the CLI's output until the CLI ends the session.
	var resumed resumption
	p.aws(&resumed, "ssm", "resume-session", "--session-id", disconnected)
	if resumed.SessionID != disconnected {
		t.Errorf("resumed %s", resumed.SessionID)
	}
	conn := p.connect(resumed)
	if got := p.message(conn); got != "start_publication" {
		t.Errorf("the data channel begins with %q", got)
	}
	var terminated map[string]string
	p.aws(&terminated, "ssm", "terminate-session", "--session-id", disconnected)
	if diff := cmp.Diff(map[string]string{"SessionId": disconnected}, terminated); diff != "" {
		t.Errorf("termination (-want +got):\n%s", diff)
	}
	if got := p.message(conn); got != "channel_closed" {
		t.Errorf("the data channel ends with %q", got)
	}
	p.wantRequests("ResumeSession "+disconnected+" 200", "OpenDataChannel "+disconnected+" 101", "TerminateSession "+disconnected+" 200")

	p.awsFails("(ValidationException) when calling the TerminateSession operation: Session is not in a valid state",
		"ssm", "terminate-session", "--session-id", disconnected)
	p.awsFails("(DoesNotExistException) when calling the ResumeSession operation", "ssm", "resume-session", "--session-id", unknown)
	p.wantRequests("TerminateSession "+disconnected+" 400 ValidationException", "ResumeSession "+unknown+" 400 DoesNotExistException")

	p.control(http.MethodPost, "/faults", `[{"operation":"TerminateSession","kind":"denied"},{"operation":"TerminateSession","kind":"throttle"}]`, nil)
	p.awsFails("is not authorized to perform: ssm:TerminateSession on resource: arn:aws:ssm:us-east-1:123456789012:session/"+iamUser,
		"ssm", "terminate-session", "--session-id", iamUser)
	p.aws(&terminated, "ssm", "terminate-session", "--session-id", iamUser)
	p.wantRequests("TerminateSession "+iamUser+" 400 AccessDeniedException",
		"TerminateSession "+iamUser+" 400 ThrottlingException", "TerminateSession "+iamUser+" 200")
}

// connect opens a session's data channel.
func (p *program) connect(resumed resumption) *websocket.Conn {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, resumed.StreamURL, nil) //nolint:bodyclose // There is none.
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.CloseNow() })
	first := fmt.Sprintf(`{"MessageSchemaVersion":"1.0","RequestId":"79ba5c2e-4f6f-4b0c-9a53-0a4e3f2b7d55","TokenValue":%q}`, resumed.TokenValue)
	if err := conn.Write(ctx, websocket.MessageText, []byte(first)); err != nil {
		p.t.Fatal(err)
	}

	return conn
}

// message reads a message of a data channel and returns its type.
func (p *program) message(conn *websocket.Conn) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	_, message, err := conn.Read(ctx)
	if err != nil || len(message) < 120 {
		p.t.Fatalf("a message of %d bytes, %v", len(message), err)
	}

	return strings.TrimSpace(string(message[4:36]))
}

// TestClients_boto3 runs testdata/client.py and checks its output.
func TestClients_boto3(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("testdata/client.py")
	if err != nil {
		t.Fatal(err)
	}
	p := startProgram(t, "-quotas=false", "-page-size", "3")
	p.needs("boto3", "python3", "-c", "import boto3; print('boto3', boto3.__version__)")

	stdout, stderr, err := p.run("python3", "-c", string(script), connected, disconnected, iamUser, unknown)
	if err != nil {
		t.Fatalf("client.py: %v\n%s", err, stderr)
	}
	var got map[string]string
	if err := json.Unmarshal(stdout, &got); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	all := "Mary-Major-07a16060613c408b5 timmy-01cd54a0c8322733a / Shirley-Rodriguez-0e8b5d1a7f3c24960 Mary-Major-0c1f8be0d2a974e36 / john.doe@example.com-4hq7w2k9tz5m8xn3vb6c1jr0ya"
	want := map[string]string{
		"identity":               "arn:aws:iam::123456789012:user/terraform",
		"role":                   "arn:aws:sts::123456789012:assumed-role/Operator/boto3",
		"pages of two":           all,
		"default pages":          strings.Replace(strings.ReplaceAll(all, " / ", " "), " Mary-Major-0c1f", " / Mary-Major-0c1f", 1),
		"history":                "Richard-Roe-0b62d9c4e1f7a8350 Mary-Major-0d41f2c6b9e8a7350 timmy-09a3e7f5d18b6c240",
		"of a target":            "Mary-Major-07a16060613c408b5 Shirley-Rodriguez-0e8b5d1a7f3c24960",
		"of an unknown ID":       "",
		"dates":                  "True",
		"resumed":                "a token of 400 characters, a URL with an unescaped plus of this endpoint",
		"connection":             "connected",
		"resume unknown":         "DoesNotExistException Session does not exist",
		"timed out":              "no token",
		"terminated":             disconnected,
		"terminated again":       "ValidationException Session is not in a valid state",
		"resume ended":           "ValidationException Session is not in a valid state",
		"terminate unknown":      "DoesNotExistException Session does not exist",
		"no such filter":         "InvalidFilterKey",
		"denied":                 "AccessDeniedException",
		"throttled for a while":  iamUser,
		"throttled for too long": "ThrottlingException Rate exceeded",
		"a failure of the host":  connected,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	const active = "DescribeSessions Active "
	p.wantRequests(
		"GetCallerIdentity 200", "AssumeRole 200", "GetCallerIdentity 200",
		active+"max=2 200", active+"max=2 next 200", active+"max=2 next 200",
		active+"200", active+"next 200",
		"DescribeSessions History 200",
		active+"Target=i-02573cafcfEXAMPLE 200", active+"SessionId="+unknown+" 200",
		"ResumeSession "+disconnected+" 200", "GetConnectionStatus 200",
		"ResumeSession "+unknown+" 400 DoesNotExistException", "ResumeSession "+connected+" 200",
		"TerminateSession "+disconnected+" 200", "TerminateSession "+disconnected+" 400 ValidationException",
		"ResumeSession "+disconnected+" 400 ValidationException", "TerminateSession "+unknown+" 400 DoesNotExistException",
		active+"Nonsense=x 400 InvalidFilterKey",
		"TerminateSession "+iamUser+" 400 AccessDeniedException",
		"TerminateSession "+iamUser+" 400 ThrottlingException", "TerminateSession "+iamUser+" 200",
		"GetConnectionStatus 400 ThrottlingException", "GetConnectionStatus 400 ThrottlingException",
		"TerminateSession "+connected+" 500 InternalServerError", "TerminateSession "+connected+" 200",
	)
}
