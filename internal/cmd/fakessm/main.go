// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Command fakessm serves a Session Manager in memory, and prints the environment variables that
// direct an AWS client to it:
//
//	fakessm -env-file fakessm.env &
//	. ./fakessm.env
//	aws ssm describe-sessions --state Active
//
// It also prints the sessions of a running fakessm, and how often each operation was called.
// The third form removes the recorded calls.
//
//	fakessm view sessions "$FAKESSM_CONTROL_URL"
//	fakessm view requests "$FAKESSM_CONTROL_URL"
//	fakessm view reset "$FAKESSM_CONTROL_URL"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "fakessm:", err)
		os.Exit(1)
	}
}

// run runs the subcommand view, or serves a fakessm.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "view" {
		return view(ctx, args[1:], stdout, stderr)
	}

	return serve(ctx, args, stdout, stderr)
}

// serve serves until the context ends.
func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := parse(args, stderr, time.Now())
	if err != nil {
		return err
	}
	listener, err := listen(ctx, cfg.listen)
	if err != nil {
		return err
	}
	defer listener.Close()

	if cfg.dataChannel {
		cfg.options = append(cfg.options, fakessm.WithDataChannel("ws://"+listener.Addr().String()))
	}
	fake := fakessm.New(cfg.options...)
	server := &http.Server{Handler: routes(fake), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	url := "http://" + listener.Addr().String()
	lines := exports(url, cfg.region)
	if cfg.envFile != "" {
		if err := writeFile(cfg.envFile, lines); err != nil {
			return errors.Join(err, server.Close())
		}
	}
	fmt.Fprintf(stderr, "fakessm: listening on %s\n", url)
	fmt.Fprint(stdout, lines)

	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// http.Server does not close data channels, because they are hijacked connections.
	fake.CloseDataChannels()
	if server.Shutdown(grace) != nil {
		// A request with a hang fault does not end by itself.
		return server.Close()
	}

	return nil
}

// listen accepts only loopback addresses, because the control API has no authentication.
func listen(ctx context.Context, address string) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("reading -listen: %w", err)
	}
	if !resolved.IP.IsLoopback() {
		return nil, fmt.Errorf("reading -listen: %s is not a loopback address, such as 127.0.0.1:0", address)
	}

	return new(net.ListenConfig).Listen(ctx, "tcp", resolved.String())
}

func routes(fake *fakessm.Server) http.Handler {
	control := fake.Control()

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_fakessm/") {
			control.ServeHTTP(w, r)

			return
		}
		fake.ServeHTTP(w, r)
	})
}

// exports returns lines for a shell. They clear AWS_SESSION_TOKEN, because a leftover token
// would make the key pair invalid.
func exports(url, region string) string {
	var b strings.Builder
	for _, variable := range [][2]string{
		{"AWS_ENDPOINT_URL_SSM", url},
		{"AWS_ENDPOINT_URL_STS", url},
		{"AWS_ACCESS_KEY_ID", fakessm.DefaultAccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", fakessm.DefaultSecretAccessKey},
		{"AWS_SESSION_TOKEN", ""},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region},
		{"AWS_EC2_METADATA_DISABLED", "true"},
		{"FAKESSM_CONTROL_URL", url + "/_fakessm"},
	} {
		fmt.Fprintf(&b, "export %s=%s\n", variable[0], variable[1])
	}

	return b.String()
}

// writeFile creates the file atomically, for scripts that wait for it.
func writeFile(name, text string) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("writing -env-file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name())
			err = fmt.Errorf("writing -env-file: %w", err)
		}
	}()
	_, err = temporary.WriteString(text)
	if err := errors.Join(err, temporary.Close()); err != nil {
		return err
	}

	return os.Rename(temporary.Name(), name)
}
