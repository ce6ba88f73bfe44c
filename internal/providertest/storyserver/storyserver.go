// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

// Package storyserver runs the servers that the examples of port forwards reach behind
// a node: PostgreSQL and OpenSSH. It answers: do real clients get through a forward to
// a real server?
//
//	server := storyserver.StartPostgres(t, password)
//	fake := fakessm.New(fakessm.WithHosts(map[string]string{
//		"db.internal": fmt.Sprintf("127.0.0.1:%d", server.Port),
//	}))
//
// A test is skipped on a machine without the programs.
package storyserver

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/cli"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
)

// patience is how long a server may take to start or end. It measures nothing.
const patience = 2 * time.Minute

// program returns the path of a program. It also looks into directories that match the
// patterns, and skips the test where the program is not installed.
func program(t *testing.T, name string, patterns ...string) string {
	t.Helper()

	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range patterns {
		if found, _ := filepath.Glob(filepath.Join(pattern, name)); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	cli.SkipWithout(t, name)

	return ""
}

// Server is a running server.
type Server struct {
	Port int    // Of the loopback.
	User string // Who signs in.
	Dir  string // Its files.
}

// start starts the server and waits until it accepts connections. The server ends with
// the test.
func (s *Server) start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()

	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var failure error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failure = cmd.Wait()
	}()
	t.Cleanup(func() {
		// PostgreSQL takes this as "disconnect everybody and end".
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		connection, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
		if err == nil {
			connection.Close()

			return
		}
		select {
		case <-ended:
			t.Fatalf("%s ended: %v\n%s", cmd.Path, failure, output.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", cmd.Path, err)
		}
	}
}

// StartPostgres starts a PostgreSQL server, with a database "app" and a user "app" who
// signs in with the password.
func StartPostgres(t *testing.T, password string) *Server {
	t.Helper()

	const installed = "/usr/lib/postgresql/*/bin"
	initdb, postgres := program(t, "initdb", installed), program(t, "postgres", installed)
	program(t, "psql")

	// The server's own user has to get there, which t.TempDir does not allow.
	dir, err := os.MkdirTemp("", "postgres") //nolint:usetesting
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	passwordFile := filepath.Join(dir, "password")
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	s := &Server{Port: endpoint.FreePort(t), User: "app", Dir: dir}
	var as *syscall.SysProcAttr
	if os.Getuid() == 0 {
		// PostgreSQL refuses to run as root.
		as = &syscall.SysProcAttr{Credential: credential(t, "postgres")}
		for _, path := range []string{dir, passwordFile} {
			if err := os.Chown(path, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	data := filepath.Join(dir, "data")
	command := func(name string, arguments ...string) *exec.Cmd {
		cmd := exec.Command(name, arguments...)
		cmd.Dir, cmd.SysProcAttr = dir, as
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}

		return cmd
	}
	if output, err := command(initdb, "--pgdata="+data, "--username=app", "--pwfile="+passwordFile, "--auth=scram-sha-256", "--no-sync", "--locale=C", "--encoding=UTF8").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	s.start(t, command(postgres, "-D", data, "-p", strconv.Itoa(s.Port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"))
	s.Query(t, "postgres", password, "CREATE DATABASE app")

	return s
}

// Query runs a statement on the server, without a forward, and returns what psql prints.
func (s *Server) Query(t *testing.T, database, password, statement string) string {
	t.Helper()

	cmd := exec.Command("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--command="+statement)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "PGHOST=127.0.0.1", "PGPORT=" + strconv.Itoa(s.Port), "PGUSER=" + s.User, "PGDATABASE=" + database,
		"PGPASSWORD=" + password,
	}
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}

	return strings.TrimSpace(string(output))
}

// credential returns the user of a name.
func credential(t *testing.T, name string) *syscall.Credential {
	t.Helper()

	account, err := user.Lookup(name)
	if err != nil {
		cli.SkipWithout(t, "a user "+name)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}

	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// StartSSHD starts an OpenSSH server. The user of this process signs in with the key in
// the file "key". The file "host.pub" has the server's key.
func StartSSHD(t *testing.T) *Server {
	t.Helper()

	sshd, keygen := program(t, "sshd", "/usr/sbin"), program(t, "ssh-keygen")
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Port: endpoint.FreePort(t), User: account.Username, Dir: t.TempDir()}
	for _, name := range []string{"key", "host"} {
		if output, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(s.Dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
	}
	if os.Getuid() == 0 {
		// As root it needs an empty directory for the part without privileges.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(s.Dir, "config")
	content := fmt.Sprintf(`ListenAddress 127.0.0.1
Port %d
HostKey %[2]s/host
AuthorizedKeysFile %[2]s/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
Subsystem sftp internal-sftp
`, s.Port, s.Dir)
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t, exec.Command(sshd, "-D", "-e", "-f", config))

	return s
}
