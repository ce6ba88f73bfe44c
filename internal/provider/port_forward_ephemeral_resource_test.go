// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

const testForwardType = "ssm_port_forward"

// testFarEnd starts a server on this machine, with serve for each connection.
func testFarEnd(t *testing.T, serve func(net.Conn)) (port int64) {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close() //nolint:errcheck // The client may have gone.
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		served.Wait()
	})

	return portOf(listener.Addr())
}

func portOf(addr net.Addr) int64 {
	_, text, _ := net.SplitHostPort(addr.String())
	port, _ := strconv.ParseInt(text, 10, 64)

	return port
}

// echoBack sends back what it receives.
func echoBack(conn net.Conn) { _, _ = io.Copy(conn, conn) }

// testForward is an open port forward.
type testForward struct {
	t      *testing.T
	s      *protocol.Server
	opened *protocol.Opened
	result map[string]any
	closed bool
}

// tryForward validates and opens a forward, and closes it with the test.
func tryForward(t *testing.T, s *protocol.Server, config map[string]any) (*testForward, []protocol.Diagnostic) {
	t.Helper()

	opened, diags := s.Open(testForwardType, config)
	if opened == nil {
		return nil, diags
	}
	f := &testForward{t: t, s: s, opened: opened, result: opened.Values}
	t.Cleanup(func() { f.close() })

	return f, diags
}

// mustOpenForward is tryForward for a forward that has to open.
func mustOpenForward(t *testing.T, s *protocol.Server, config map[string]any) *testForward {
	t.Helper()

	f, diags := tryForward(t, s, config)
	protocol.WantNoDiagnostics(t, diags)

	return f
}

func (f *testForward) close() []protocol.Diagnostic {
	if f.closed {
		return nil
	}
	f.closed = true

	return f.s.CloseEphemeral(f.opened)
}

func (f *testForward) dial() *net.TCPConn {
	f.t.Helper()

	conn, err := net.Dial("tcp", fmt.Sprint(f.result["endpoint"]))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	// A test that hangs fails with its own stack.
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		f.t.Fatalf("%T is no TCP connection", conn)
	}

	return tcp
}

// echoed sends a text and expects it back.
func (f *testForward) echoed(conn net.Conn, text string) {
	f.t.Helper()

	if _, err := io.WriteString(conn, text); err != nil {
		f.t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		f.t.Fatalf("got %q, %v, want %q", got, err, text)
	}
}

// reset expects a reset of the connection, and not an orderly close.
func (f *testForward) reset(conn net.Conn) {
	f.t.Helper()

	if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		f.t.Errorf("the connection ended with %v, want a reset", err)
	}
}

// forwardFake starts a fake whose nodes have agents, and a configured provider.
func forwardFake(t *testing.T, options ...fakessm.Option) (*fakessm.Server, *protocol.Server) {
	t.Helper()

	fake, url := testFake(t, append([]fakessm.Option{fakessm.WithDataChannel("")}, options...)...)

	return fake, newConfiguredServer(t, testArguments(url))
}

// wantEnded checks that every session that was started on the target has ended.
func wantEnded(t *testing.T, fake *fakessm.Server, target string, want int) {
	t.Helper()

	started := 0
	for _, session := range fake.Sessions() {
		if session.Target != target {
			continue
		}
		started++
		if session.Status != "Terminated" && session.Status != "Terminating" {
			t.Errorf("session %s is %s", session.SessionID, session.Status)
		}
	}
	if started != want {
		t.Errorf("%d sessions were started, want %d", started, want)
	}
}

// testForwardTarget is a node on which nobody else has sessions.
const testForwardTarget = "i-0f0f0f0f0f0f0f0f0"

func TestPortForwardEphemeralResource_lifecycle(t *testing.T) {
	t.Parallel()

	port := testFarEnd(t, echoBack)
	fake, s := forwardFake(t)
	before := len(fake.Requests())
	f := mustOpenForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": port, "reason": "a test"})
	endpoint := fmt.Sprintf("127.0.0.1:%v", f.result["local_port"])
	if f.result["local_host"] != "127.0.0.1" || f.result["endpoint"] != endpoint || f.result["region"] != testRegion || f.result["enabled"] != true {
		t.Errorf("got %v", f.result)
	}
	session, found := fake.Session(fmt.Sprint(f.result["session_id"]))
	if !found || session.Target != testForwardTarget || session.Status != "Connected" || !strings.HasPrefix(session.Reason, "a test ") {
		t.Errorf("got %+v, %v", session, found)
	}
	conn := f.dial()
	f.echoed(conn, "hello")
	protocol.WantNoDiagnostics(t, f.close())
	f.reset(conn)
	wantEnded(t, fake, testForwardTarget, 1)

	calls := map[string]int{}
	for _, r := range fake.Requests()[before:] {
		calls[r.Operation]++
	}
	if looks := calls["DescribeSessions"]; looks > 2 {
		t.Errorf("%d look-ups, want at most 2", looks)
	}
	delete(calls, "DescribeSessions")
	if diff := cmp.Diff(map[string]int{"StartSession": 1, "OpenDataChannel": 1, "TerminateSession": 1}, calls); diff != "" {
		t.Errorf("unexpected calls (-want +got):\n%s", diff)
	}
	if _, err := net.Dial("tcp", endpoint); err == nil {
		t.Error("the port is still open")
	}
}

// Each combination of arguments starts its document and reaches its far end.
func TestPortForwardEphemeralResource_documents(t *testing.T) {
	t.Parallel()

	port := testFarEnd(t, echoBack)
	text := strconv.FormatInt(port, 10)
	own := fakessm.Document{
		Name: "Own-Database", SessionType: "Port",
		Parameters: map[string]fakessm.DocumentParameter{"stage": {Type: "String"}},
		Properties: map[string]string{"portNumber": text, "type": "LocalPortForwarding", "host": "{{ stage }}.db.internal"},
	}
	for name, tc := range map[string]struct {
		config   map[string]any
		document string
	}{
		"a port of the node": {map[string]any{"remote_port": port}, documentPort},
		"another host":       {map[string]any{"remote_port": port, "remote_host": "db.internal"}, documentRemoteHost},
		"SSH":                {map[string]any{"remote_port": port, "document_name": documentSSH}, documentSSH},
		"another document": {
			map[string]any{"document_name": "Own-Database", "parameters": map[string]any{"stage": []any{"production"}}}, "Own-Database",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			hosts := map[string]string{"db.internal": "127.0.0.1", "production.db.internal": "127.0.0.1"}
			fake, s := forwardFake(t, fakessm.WithHosts(hosts), fakessm.WithDocuments(own))
			f := mustOpenForward(t, s, mergeConfig(map[string]any{"target": testForwardTarget}, tc.config))
			f.echoed(f.dial(), "hello")
			if session, _ := fake.Session(fmt.Sprint(f.result["session_id"])); session.DocumentName != tc.document {
				t.Errorf("document %q, want %q", session.DocumentName, tc.document)
			}
		})
	}
}

func TestPortForwardEphemeralResource_localPort(t *testing.T) {
	t.Parallel()

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(taken.Addr())
	fake, s := forwardFake(t)
	config := map[string]any{"target": testForwardTarget, "remote_port": testFarEnd(t, echoBack), "local_port": port}
	_, diags := tryForward(t, s, config)
	protocol.WantDiagnostic(t, protocol.Error("local_port", summaryForward, fmt.Sprintf("Port %d of 127.0.0.1 is in use by another program. No session was started.", port)), diags)
	if n := fake.Count("StartSession"); n != 0 {
		t.Errorf("%d sessions were started", n)
	}
	_ = taken.Close()
	f := mustOpenForward(t, s, config)
	if f.result["local_port"] != port {
		t.Errorf("got port %v, want %d", f.result["local_port"], port)
	}
	f.echoed(f.dial(), "hello")
}

func TestPortForwardEphemeralResource_disabled(t *testing.T) {
	t.Parallel()

	fake, s := forwardFake(t)
	f := mustOpenForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": int64(22), "enabled": false})
	for _, name := range []string{"local_host", "local_port", "endpoint", "session_id"} {
		if f.result[name] != nil {
			t.Errorf("%s is %v, want null", name, f.result[name])
		}
	}
	protocol.WantNoDiagnostics(t, f.close())
	if n := fake.Count("StartSession"); n != 0 {
		t.Errorf("%d sessions were started", n)
	}
}

// Bad arguments are refused before anything is started.
func TestPortForwardEphemeralResource_validation(t *testing.T) {
	t.Parallel()

	fake, s := forwardFake(t)
	list := func(text string) []any { return []any{text} }
	for name, tc := range map[string]struct {
		config map[string]any
		want   protocol.Diagnostic
	}{
		"no port":                  {map[string]any{}, protocol.Error("remote_port", "Missing Remote Port", documentPort+" needs to know the port")},
		"no port, a host":          {map[string]any{"remote_host": "db"}, protocol.Error("remote_port", "Missing Remote Port", documentRemoteHost)},
		"port 0":                   {map[string]any{"remote_port": int64(0)}, protocol.Error("remote_port", "Invalid Attribute Value", "between 1 and 65535")},
		"port 65536":               {map[string]any{"remote_port": int64(65536)}, protocol.Error("remote_port", "Invalid Attribute Value", "between 1 and 65535")},
		"local port 70000":         {map[string]any{"remote_port": int64(22), "local_port": int64(70000)}, protocol.Error("local_port", "Invalid Attribute Value", "between 1 and 65535")},
		"a host with a scheme":     {map[string]any{"remote_port": int64(22), "remote_host": "https://db"}, protocol.Error("remote_host", "Invalid Remote Host", `"https://db" has a scheme`)},
		"a host with a port":       {map[string]any{"remote_port": int64(22), "remote_host": "db:5432"}, protocol.Error("remote_host", "Invalid Remote Host", `"db:5432" has a port`)},
		"a host with a path":       {map[string]any{"remote_port": int64(22), "remote_host": "db/app"}, protocol.Error("remote_host", "Invalid Remote Host", "has a path")},
		"a host with a user":       {map[string]any{"remote_port": int64(22), "remote_host": "mary@db"}, protocol.Error("remote_host", "Invalid Remote Host", "has a user name")},
		"a host with a line break": {map[string]any{"remote_port": int64(22), "remote_host": "db\n"}, protocol.Error("remote_host", "Invalid Remote Host", "characters that no host name has")},
		"an empty host":            {map[string]any{"remote_port": int64(22), "remote_host": ""}, protocol.Error("remote_host", "Invalid Remote Host", "is empty")},
		"a host and a port's document": {
			map[string]any{"remote_port": int64(22), "remote_host": "db", "document_name": documentPort},
			protocol.Error("remote_host", "Document Takes No Host", documentPort+" forwards to the node itself"),
		},
		"a host and SSH": {
			map[string]any{"remote_port": int64(22), "remote_host": "db", "document_name": documentSSH}, protocol.Error("remote_host", "Document Takes No Host", documentSSH),
		},
		"the ARN of a port's document": {
			map[string]any{"remote_port": int64(22), "remote_host": "db", "document_name": "arn:aws:ssm:us-east-1::document/" + documentPort},
			protocol.Error("remote_host", "Document Takes No Host", documentPort),
		},
		"a document for hosts without one": {
			map[string]any{"remote_port": int64(22), "document_name": documentRemoteHost}, protocol.Error("remote_host", "Missing Remote Host", documentRemoteHost),
		},
		"a port among the parameters": {
			map[string]any{"remote_port": int64(22), "parameters": map[string]any{"portNumber": list("22")}},
			protocol.Error(`parameters["portNumber"]`, "Parameter Is an Argument", "portNumber is set with remote_port"),
		},
		"a host among the parameters": {
			map[string]any{"document_name": "Own", "parameters": map[string]any{"host": list("db")}},
			protocol.Error(`parameters["host"]`, "Parameter Is an Argument", "host is set with remote_host"),
		},
		"a local port among the parameters": {
			map[string]any{"remote_port": int64(22), "parameters": map[string]any{"localPortNumber": list("22")}},
			protocol.Error(`parameters["localPortNumber"]`, "Parameter Is an Argument", "localPortNumber is set with local_port"),
		},
		"a wait of days":  {map[string]any{"remote_port": int64(22), "wait_for_target": "1d"}, protocol.Error("wait_for_target", "Invalid Duration", "\"1d\" is not a duration")},
		"a negative wait": {map[string]any{"remote_port": int64(22), "wait_for_target": "-1s"}, protocol.Error("wait_for_target", "Invalid Duration", "-1s")},
		"no time":         {map[string]any{"remote_port": int64(22), "timeouts": map[string]any{"open": "0s"}}, protocol.Error("timeouts.open", "Invalid Timeout", "leaves no time")},
		"no target":       {map[string]any{"target": "", "remote_port": int64(22)}, protocol.Error("target", "Empty Value", "no target is.")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, diags := tryForward(t, s, mergeConfig(map[string]any{"target": testForwardTarget}, tc.config))
			protocol.WantDiagnostic(t, tc.want, diags)
		})
	}
	t.Cleanup(func() {
		if n := fake.Count("StartSession"); n != 0 {
			t.Errorf("%d sessions were started", n)
		}
	})
}

func TestHostProblem(t *testing.T) {
	t.Parallel()

	for _, host := range []string{"db", "db.internal", "db-1.abc.eu-central-1.rds.amazonaws.com.", "10.0.0.1", "fd00::1", "my_host", strings.Repeat("a", 253)} {
		if problem := hostProblem(host); problem != "" {
			t.Errorf("%q %s", host, problem)
		}
	}
	for _, host := range []string{"[fd00::1]", "[fd00::1]:22", "10.0.0.1:22", " db", "db internal", "db\x00", "dé", strings.Repeat("a", 254)} {
		if hostProblem(host) == "" {
			t.Errorf("%q is no host", host)
		}
	}
}

// Each failure to open a forward leaves no session behind, and its error says what to do.
func TestPortForwardEphemeralResource_openFails(t *testing.T) {
	t.Parallel()

	port := testFarEnd(t, echoBack)
	denied := func(resource string) fakessm.Fault {
		return fakessm.Fault{Operation: "StartSession", Kind: fakessm.FaultError, Code: "AccessDeniedException", Message: "User: arn:aws:iam::111122223333:user/mary is not authorized to perform: ssm:StartSession on resource: " + resource}
	}
	for name, tc := range map[string]struct {
		config   map[string]any
		options  []fakessm.Option
		prepare  func(*fakessm.Server)
		want     protocol.Diagnostic
		sessions int
	}{
		"not connected": {
			prepare: func(fake *fakessm.Server) { fake.AddTargets(map[string]bool{testForwardTarget: false}) },
			want:    protocol.Error("target", summaryStart, "the target is not connected to Session Manager\nssm_connection_status"),
		},
		"the node is denied": {
			prepare: func(fake *fakessm.Server) { fake.Inject(denied("arn:aws:ec2:us-east-1:111122223333:instance/i-0")) },
			want:    protocol.Error("target", summaryStart, "ssm:StartSession on the target's ARN"),
		},
		"the document is denied": {
			prepare: func(fake *fakessm.Server) { fake.Inject(denied("arn:aws:ssm:us-east-1::document/" + documentPort)) },
			want:    protocol.Error("target", summaryStart, "ssm:StartSession on the document's ARN"),
		},
		"no such document": {
			config: map[string]any{"document_name": "Nobodys-Document"},
			want:   protocol.Error("document_name", summaryStart, "SSM has no such document for sessions"),
		},
		"a document for shells": {
			config: map[string]any{"document_name": "Own-Shell"},
			options: []fakessm.Option{fakessm.WithDocuments(fakessm.Document{
				Name: "Own-Shell", SessionType: "Standard_Stream", Parameters: map[string]fakessm.DocumentParameter{"portNumber": {}},
			})},
			want:     protocol.Error("document_name", summaryForward, "its document is not for port forwards\nsessionType is Port\n\"Standard_Stream\""),
			sessions: 1,
		},
		"the far end refuses": {
			config:   map[string]any{"remote_port": endpoint.RefusedPort},
			want:     protocol.Error("remote_port", summaryForward, fmt.Sprintf("cannot connect to port %d of %s\nThe session has ended.\nset probe = false", endpoint.RefusedPort, testForwardTarget)),
			sessions: 1,
		},
		"the host refuses": {
			config:   map[string]any{"remote_port": endpoint.RefusedPort, "remote_host": "127.0.0.1"},
			want:     protocol.Error("remote_host", summaryForward, fmt.Sprintf("cannot connect to 127.0.0.1:%d", endpoint.RefusedPort)),
			sessions: 1,
		},
		"the name does not resolve": {
			config:   map[string]any{"remote_host": "nowhere.internal"},
			want:     protocol.Error("remote_host", summaryForward, fmt.Sprintf("The forward to nowhere.internal:%d\nCheck the far end\nlookup nowhere.internal: no such host", port)),
			sessions: 1,
		},
		"the agent does not forward there": {
			config:   map[string]any{"remote_host": "169.254.169.254"},
			want:     protocol.Error("", summaryForward, "Forwarding to IP address 169.254.169.254 is forbidden."),
			sessions: 1,
		},
		"an old agent, another host": {
			config:   map[string]any{"remote_host": "127.0.0.1"},
			options:  []fakessm.Option{fakessm.WithAgentVersion("3.1.1080.0")},
			want:     protocol.Error("remote_host", summaryForward, "too old to connect to another host\n3.1.1188.0\nagent 3.1.1080.0"),
			sessions: 1,
		},
		"an old agent, refused": {
			config:   map[string]any{"remote_port": endpoint.RefusedPort},
			options:  []fakessm.Option{fakessm.WithAgentVersion("3.0.161.0")},
			want:     protocol.Error("", summaryForward, "Unable to connect to specified port"),
			sessions: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, s := forwardFake(t, tc.options...)
			if tc.prepare != nil {
				tc.prepare(fake)
			}
			_, diags := tryForward(t, s, mergeConfig(map[string]any{"target": testForwardTarget, "remote_port": port}, tc.config))
			if tc.want.Attribute == "" && len(diags) == 1 {
				tc.want.Attribute = diags[0].Attribute
			}
			protocol.WantDiagnostic(t, tc.want, diags)
			wantEnded(t, fake, testForwardTarget, tc.sessions)
		})
	}
}

// A data channel that somebody on the way refuses: the first sentence says who and why, the advice
// names the argument, a refusal that lasts is not tried again, and no word of it is repeated.
func TestPortForwardEphemeralResource_channelRefused(t *testing.T) {
	t.Parallel()

	const canary = "pw-CANARY"
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	proxy := func(answer string) string {
		port := testFarEnd(t, func(conn net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, answer)
		})

		return fmt.Sprintf("http://u:%s@127.0.0.1:%d", canary, port)
	}
	for name, tc := range map[string]struct {
		proxy    string
		endpoint string
		want     string
		resumes  int
	}{
		"a proxy that asks for a password": {
			proxy: proxy("HTTP/1.1 407 bad login u " + canary + "\r\nContent-Length: 0\r\n\r\n"),
			want:  "cannot be used: its data channel did not open: the proxy did not accept the request without a valid user name and password (HTTP status 407). The session has ended.\nCheck https_proxy and no_proxy\nHTTPS_PROXY\nWebSockets on port 443",
		},
		"a proxy that forbids": {
			proxy: proxy("HTTP/1.1 403 " + canary + "\r\nContent-Length: 0\r\n\r\n"),
			want:  "did not open: the proxy refused to connect to the endpoint (HTTP status 403)\nCheck https_proxy and no_proxy",
		},
		"a proxy that cannot connect": {
			proxy:   proxy("HTTP/1.1 502 " + canary + "\r\nContent-Length: 0\r\n\r\n"),
			want:    "did not open: the proxy could not connect to the endpoint (HTTP status 502)\nhttps_proxy",
			resumes: 3,
		},
		"a certificate that is not trusted": {
			endpoint: strings.Replace(secure.URL, "https", "wss", 1),
			want:     "is not signed by an authority that this machine trusts\ncustom_ca_bundle",
		},
		"an endpoint that does not listen": {
			endpoint: "ws://127.0.0.1:1",
			want:     "did not open: connection refused (127.0.0.1:1)\nthe ssmmessages endpoint",
			resumes:  3,
		},
		"an endpoint that is something else": {
			endpoint: fmt.Sprintf("ws://127.0.0.1:%d", testFarEnd(t, func(conn net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(conn))
				_, _ = io.WriteString(conn, "SSH-2.0-"+canary+"\r\n")
			})),
			want: "did not open: the answer from the endpoint's port is not valid HTTP\nThe endpoint is that of ssmmessages",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, fakessm.WithDataChannel(""))
			channel := tc.endpoint
			if channel == "" {
				channel = "wss://ssmmessages.example.com"
			}
			change := map[string]any{"endpoints": []any{map[string]any{"ssm": url, "sts": url, "ssmmessages": channel}}}
			if tc.proxy != "" {
				change["https_proxy"] = tc.proxy
			}
			s := newConfiguredServer(t, testArguments(url, change))
			_, diags := tryForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": 22})
			protocol.WantDiagnostic(t, protocol.Error("target", summaryForward, tc.want), diags)
			for _, d := range diags {
				for _, quoted := range []string{canary, "malformed", "proxyconnect", "dial tcp"} {
					if strings.Contains(d.Detail, quoted) {
						t.Errorf("the error quotes %q: %s", quoted, d.Detail)
					}
				}
			}
			if got := len(endpoint.Requests(fake, "ResumeSession")); got != tc.resumes {
				t.Errorf("the session is resumed %d times, want %d", got, tc.resumes)
			}
			wantEnded(t, fake, testForwardTarget, 1)
		})
	}
}

// If the session could not be ended, the error does not claim so.
func TestPortForwardEphemeralResource_openAndEndFail(t *testing.T) {
	t.Parallel()

	fake, s := forwardFake(t)
	fake.Inject(fakessm.Fault{Operation: "TerminateSession", Kind: fakessm.FaultDenied, Times: -1})
	if err := fake.InjectChannel(fakessm.ChannelFault{Kind: fakessm.ChannelRefuse, Times: -1}); err != nil {
		t.Fatal(err)
	}
	_, diags := tryForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": 22})
	if len(diags) != 2 {
		t.Fatalf("want an error and a warning, got %+v", diags)
	}
	protocol.WantDiagnostic(t, protocol.Error("target", summaryForward, "cannot be used\nThe session may still be live: a warning tells why."), diags[:1])
	protocol.WantDiagnostic(t, protocol.Warning("", summaryTerminate, "was not ended: the credentials do not allow it\nssm:TerminateSession"), diags[1:])
}

func TestPortForwardEphemeralResource_waitsForTarget(t *testing.T) {
	t.Parallel()

	fake, s := forwardFake(t)
	fake.AddTargets(map[string]bool{testForwardTarget: false})
	config := map[string]any{"target": testForwardTarget, "remote_port": testFarEnd(t, echoBack), "wait_for_target": "1m"}
	go func() {
		for fake.Count("GetConnectionStatus") == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		fake.AddTargets(map[string]bool{testForwardTarget: true})
	}()
	f := mustOpenForward(t, s, config)
	f.echoed(f.dial(), "hello")
	if n := fake.Count("StartSession"); n != 2 {
		t.Errorf("StartSession was called %d times, want 2", n)
	}
	protocol.WantNoDiagnostics(t, f.close())
	wantEnded(t, fake, testForwardTarget, 1)

	// The wait is bounded.
	fake.AddTargets(map[string]bool{testForwardTarget: false})
	config["wait_for_target"] = "1500ms"
	_, diags := tryForward(t, s, config)
	protocol.WantDiagnostic(t, protocol.Error("target", summaryStart, "the target is not connected"), diags)

	fake.Inject(fakessm.Fault{Operation: "GetConnectionStatus", Kind: fakessm.FaultDenied})
	config["wait_for_target"] = "10s"
	_, diags = tryForward(t, s, config)
	protocol.WantDiagnostic(t, protocol.Error("wait_for_target", summaryForward, "could not be read\nssm:GetConnectionStatus"), diags)
}

func TestPortForwardEphemeralResource_refusedLater(t *testing.T) {
	t.Parallel()

	fake, s := forwardFake(t)
	f := mustOpenForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": endpoint.RefusedPort, "probe": false})
	for range 2 {
		conn, err := net.Dial("tcp", fmt.Sprint(f.result["endpoint"]))
		if errors.Is(err, syscall.ECONNRESET) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		f.reset(conn)
	}
	protocol.WantDiagnostic(t, protocol.Warning("remote_port", "Connections Refused by Far End", fmt.Sprintf("could not connect to port %d of %s for 2 of 2 connections", endpoint.RefusedPort, testForwardTarget)), f.close())
	wantEnded(t, fake, testForwardTarget, 1)
}

// A session that somebody ends is replaced for the next connection.
func TestPortForwardEphemeralResource_sessionEndedByOthers(t *testing.T) {
	t.Parallel()

	fake, s := forwardFake(t)
	f := mustOpenForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": testFarEnd(t, echoBack)})
	conn := f.dial()
	f.echoed(conn, "before")
	fake.EndSession(fmt.Sprint(f.result["session_id"]))
	f.reset(conn)
	f.echoed(f.dial(), "after")
	protocol.WantNoDiagnostics(t, f.close())
	wantEnded(t, fake, testForwardTarget, 2)
}

// Without another session the connection is reset, and Close warns.
func TestPortForwardEphemeralResource_noOtherSession(t *testing.T) {
	t.Parallel()

	fake, s := forwardFake(t)
	f := mustOpenForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": testFarEnd(t, echoBack)})
	f.echoed(f.dial(), "before")
	fake.Inject(fakessm.Fault{Operation: "StartSession", Kind: fakessm.FaultDenied, Times: -1})
	fake.EndSession(fmt.Sprint(f.result["session_id"]))
	for {
		// The forward may not know yet that the session has ended.
		conn, err := net.Dial("tcp", fmt.Sprint(f.result["endpoint"]))
		if err != nil {
			break
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, err = io.Copy(io.Discard, conn)
		_ = conn.Close()
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("the connection ended with %v", err)
		}
		if fake.Count("StartSession") > 1 {
			break
		}
	}
	diags := f.close()
	if len(diags) != 1 || diags[0].Summary != "Connections Without Session" || !strings.Contains(diags[0].Detail, "ssm:StartSession") {
		t.Errorf("got %v", diags)
	}
	wantEnded(t, fake, testForwardTarget, 1)
}

// Agents of each age work, with what they can do.
func TestPortForwardEphemeralResource_agents(t *testing.T) {
	t.Parallel()

	for _, version := range []string{"2.3.612.0", "3.0.161.0", "3.0.222.0", "3.1.1374.0", "3.1.1446.0", "3.1.1511.0", "3.2.582.0", "3.3.987.0"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()

			fake, s := forwardFake(t, fakessm.WithAgentVersion(version))
			f := mustOpenForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": testFarEnd(t, echoBack), "keep_alive": true})
			f.echoed(f.dial(), "hello")
			protocol.WantNoDiagnostics(t, f.close())
			wantEnded(t, fake, testForwardTarget, 1)
		})
	}
}

// testForwardBytes is the number of bytes that TestPortForwardEphemeralResource_drops
// sends each way. SSM_FORWARD_MB sets another size, in MB.
const testForwardBytes = 16 << 20

// The connection to the service is dropped ten times while bytes go both ways.
func TestPortForwardEphemeralResource_drops(t *testing.T) {
	t.Parallel()

	const drops = 10
	size := int64(testForwardBytes)
	if mb, err := strconv.ParseInt(os.Getenv("SSM_FORWARD_MB"), 10, 64); err == nil {
		size = mb << 20
	}
	type sum struct {
		n      int64
		digest []byte
	}
	got := make(chan sum, 1)
	far := testFarEnd(t, func(conn net.Conn) {
		// The probe sends nothing.
		digest := sha256.New()
		var sent sync.WaitGroup
		sent.Go(func() { _, _ = io.Copy(conn, io.LimitReader(&seededBytes{seed: 2}, size)) })
		n, _ := io.CopyN(digest, conn, size)
		sent.Wait()
		if n > 0 {
			got <- sum{n, digest.Sum(nil)}
		}
	})
	fake, s := forwardFake(t, fakessm.WithAgentCatchUp())
	f := mustOpenForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": far, "probe": false})
	conn := f.dial()
	_ = conn.SetDeadline(time.Time{})
	start := time.Now()
	var sent sync.WaitGroup
	sent.Go(func() {
		if n, err := io.Copy(conn, io.LimitReader(&seededBytes{seed: 1}, size)); err != nil {
			t.Errorf("after %d bytes up: %v", n, err)
		}
	})
	digest, want := sha256.New(), sha256.New()
	down := &droppingConn{w: digest, every: size / (drops + 1), drops: drops, fake: fake}
	if n, err := io.CopyN(down, conn, size); err != nil {
		t.Fatalf("after %d bytes down: %v", n, err)
	}
	sent.Wait()
	_, _ = io.Copy(want, io.LimitReader(&seededBytes{seed: 2}, size))
	if !bytes.Equal(digest.Sum(nil), want.Sum(nil)) {
		t.Error("the bytes that came down differ")
	}
	up := <-got
	want.Reset()
	_, _ = io.Copy(want, io.LimitReader(&seededBytes{seed: 1}, size))
	if up.n != size || !bytes.Equal(up.digest, want.Sum(nil)) {
		t.Errorf("%d bytes went up, want %d, or they differ", up.n, size)
	}
	seconds := time.Since(start).Seconds()
	t.Logf("%d MB each way, %d drops, %d resumes: %.1f s, %.1f MB/s each way", size>>20, down.dropped, fake.Count("ResumeSession"), seconds, float64(size>>20)/seconds)
	if down.dropped != drops || fake.Count("ResumeSession") < drops {
		t.Errorf("%d drops, %d resumes", down.dropped, fake.Count("ResumeSession"))
	}
	protocol.WantNoDiagnostics(t, f.close())
	wantEnded(t, fake, testForwardTarget, 1)
}

// seededBytes is an endless stream of bytes that is the same for each seed.
type seededBytes struct {
	seed uint32
	next uint32 // In bytes.
}

func (r *seededBytes) Read(p []byte) (int, error) {
	for i := range p {
		x := (r.next>>2 + r.seed*0x9e3779b9) * 0x85ebca6b
		x ^= x >> 13
		p[i] = byte(x >> (8 * (r.next & 3)))
		r.next++
	}

	return len(p), nil
}

// droppingConn drops the connection whenever so many more bytes have been written.
type droppingConn struct {
	w       io.Writer
	every   int64
	drops   int
	fake    *fakessm.Server
	n       int64
	dropped int
}

func (d *droppingConn) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	d.n += int64(n)
	for d.dropped < d.drops && d.n >= d.every*int64(d.dropped+1) {
		d.dropped++
		// The channel may not be back from the last drop.
		for before := d.fake.Count("ResumeSession"); d.fake.Count("ResumeSession") == before; time.Sleep(20 * time.Millisecond) {
			d.fake.CloseDataChannels()
		}
	}

	return n, err
}

// Many clients share the session at once. Each gets its own answer, even if it closes its
// side before the answer comes.
func TestPortForwardEphemeralResource_manyConnections(t *testing.T) {
	t.Parallel()

	const clients = 200
	far := testFarEnd(t, func(conn net.Conn) {
		var head [12]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		seed, up, down := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
		digest := sha256.New()
		if _, err := io.CopyN(digest, conn, int64(up)); err != nil {
			return
		}
		_, _ = conn.Write(digest.Sum(nil))
		_, _ = io.Copy(conn, io.LimitReader(&seededBytes{seed: seed + 1}, int64(down)))
	})
	fake, s := forwardFake(t)
	f := mustOpenForward(t, s, map[string]any{"target": testForwardTarget, "remote_port": far})
	conns := make([]*net.TCPConn, clients)
	for i := range conns {
		conns[i] = f.dial()
	}
	var done sync.WaitGroup
	for i, conn := range conns {
		done.Go(func() {
			seed, up, down := uint32(2*i), uint32(i*7919%150_000), uint32(i*104_729%150_000)
			head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, seed), up), down)
			request, _ := io.ReadAll(io.LimitReader(&seededBytes{seed: seed}, int64(up)))
			if _, err := conn.Write(append(head, request...)); err != nil {
				t.Errorf("client %d: %v", i, err)

				return
			}
			if i%2 == 0 {
				_ = conn.CloseWrite()
			}
			got, err := io.ReadAll(conn)
			digest := sha256.Sum256(request)
			answer, _ := io.ReadAll(io.LimitReader(&seededBytes{seed: seed + 1}, int64(down)))
			if err != nil || !bytes.Equal(got, append(digest[:], answer...)) {
				t.Errorf("client %d got %d bytes and %v, want %d, or they differ", i, len(got), err, len(digest)+len(answer))
			}
		})
	}
	done.Wait()
	protocol.WantNoDiagnostics(t, f.close())
	wantEnded(t, fake, testForwardTarget, 1)
}

// testForwardSecret is what TestPortForwardClient sends. No configuration holds it.
const testForwardSecret = "s3cr3t-row-of-a-table"

// TestPortForwardClient is the client that a provisioner runs.
func TestPortForwardClient(t *testing.T) { //nolint:paralleltest // It runs alone, in a process of its own.
	endpoint := os.Getenv("SSM_TEST_FORWARD_ENDPOINT")
	if endpoint == "" {
		t.Skip("for provisioners of other tests")
	}
	conn, err := net.Dial("tcp", endpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // The process ends.
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	text := strings.Repeat(testForwardSecret, 100)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("got %d bytes, %v, or other ones", len(got), err)
	}
}

// testForwardConsumerConfig returns a configuration whose provisioner talks to the far
// end through a forward, and then runs another command.
func testForwardConsumerConfig(t *testing.T, url, arguments, endpoint, then string) string {
	t.Helper()

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	return testProviderConfig(url) + fmt.Sprintf(`
ephemeral "ssm_port_forward" "test" {
  target = %[1]q
  %[2]s
}
resource "terraform_data" "consumer" {
  provisioner "local-exec" {
    command = "%[3]s -test.run='^TestPortForwardClient$' && %[5]s"
    environment = {
      SSM_TEST_FORWARD_ENDPOINT = %[4]s
    }
  }
}
`, testForwardTarget, arguments, self, endpoint, then)
}

// A real Terraform or OpenTofu opens the forward, a provisioner uses it, and it is
// closed.
func TestPortForwardEphemeralResource_consumer(t *testing.T) {
	t.Parallel()
	cli.Needs(t, cli.Ephemerals)

	port := testFarEnd(t, echoBack)
	fixed := endpoint.FreePort(t)
	for name, tc := range map[string]struct {
		arguments string
		endpoint  string
		then      string
		fails     bool
	}{
		"only in an apply":  {"remote_port = " + strconv.FormatInt(port, 10) + "\n  enabled = terraform.applying", "ephemeral.ssm_port_forward.test.endpoint", "true", false},
		"in plans as well":  {"remote_port = " + strconv.FormatInt(port, 10), "ephemeral.ssm_port_forward.test.endpoint", "true", false},
		"a failing command": {"remote_port = " + strconv.FormatInt(port, 10), "ephemeral.ssm_port_forward.test.endpoint", "false", true},
		"a fixed port": {
			fmt.Sprintf("remote_port = %d\n  local_port = %d", port, fixed),
			`"127.0.0.1:${ephemeral.ssm_port_forward.test.local_port}"`, "true", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			fake, url := testFake(t, fakessm.WithDataChannel(""))
			w := workspace.New(t, testForwardConsumerConfig(t, url, tc.arguments, tc.endpoint, tc.then))
			w.MustRun("plan", "-out=planned")
			planned := fake.Count("StartSession")
			if want := strings.Contains(tc.arguments, "terraform.applying"); (planned == 0) != want {
				t.Errorf("the plan started %d sessions", planned)
			}
			if output, err := w.Run("apply", "planned"); (err != nil) != tc.fails {
				t.Fatalf("%v\n%s", err, output)
			}
			// A provider that is stopped without Close ends the session afterwards.
			for range 200 {
				if live := fake.Count("TerminateSession"); live >= fake.Count("StartSession") {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
			wantEnded(t, fake, testForwardTarget, planned+1)

			log := w.Read("trace.log")
			if strings.Contains(log, testForwardSecret) {
				t.Error("the log holds bytes that went through the forward")
			}
			want := fmt.Sprintf("bytes_up=%d", 100*len(testForwardSecret))
			for line := range strings.Lines(log) {
				if strings.Contains(line, "Port forward: connection closed") && strings.Contains(line, want) && strings.Contains(line, "bytes_down=") {
					return
				}
			}
			if !tc.fails {
				t.Errorf("the log tells nothing of the connection")
			}
		})
	}
}
