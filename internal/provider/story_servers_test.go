// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package provider

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

// serverPatience is how long a server of a story may take to start. It is no measure
// of anything.
const serverPatience = 2 * time.Minute

// storyProgram returns the path of a program of the far end, and skips the test by
// Name where it is not installed.
func storyProgram(t *testing.T, name string, more ...string) string {
	t.Helper()

	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range more {
		if found, _ := filepath.Glob(filepath.Join(pattern, name)); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	cli.SkipWithout(t, name)

	return ""
}

// storyServer is a server behind the node of a story.
type storyServer struct {
	Port int
	User string
	Dir  string
}

// run starts a server, waits until it accepts connections, and ends it after the test.
func (s *storyServer) run(t *testing.T, cmd *exec.Cmd) {
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
		case <-time.After(serverPatience):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(serverPatience); ; time.Sleep(50 * time.Millisecond) {
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

// startPostgres starts a PostgreSQL server of its own, with a database "app" for a
// user "app" who signs in with a password.
func startPostgres(t *testing.T, password string) *storyServer {
	t.Helper()

	const installed = "/usr/lib/postgresql/*/bin"
	initdb, postgres := storyProgram(t, "initdb", installed), storyProgram(t, "postgres", installed)
	storyProgram(t, "psql")

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

	s := &storyServer{Port: endpoint.FreePort(t), User: "app", Dir: dir}
	var as *syscall.SysProcAttr
	if os.Getuid() == 0 {
		// PostgreSQL refuses to run as root.
		as = &syscall.SysProcAttr{Credential: storyCredential(t, "postgres")}
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
	s.run(t, command(postgres, "-D", data, "-p", strconv.Itoa(s.Port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"))
	s.query(t, "postgres", password, "CREATE DATABASE app")

	return s
}

// query runs a statement on the server itself, without a forward, and returns what
// psql prints.
func (s *storyServer) query(t *testing.T, database, password, statement string) string {
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

// storyCredential returns the user of a name.
func storyCredential(t *testing.T, name string) *syscall.Credential {
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

// startSSHD starts an OpenSSH server of its own, on which the user of this process
// signs in with the key in the file "key". The file "host.pub" has the server's key.
func startSSHD(t *testing.T) *storyServer {
	t.Helper()

	sshd, keygen := storyProgram(t, "sshd", "/usr/sbin"), storyProgram(t, "ssh-keygen")
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &storyServer{Port: endpoint.FreePort(t), User: account.Username, Dir: t.TempDir()}
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
	s.run(t, exec.Command(sshd, "-D", "-e", "-f", config))

	return s
}
