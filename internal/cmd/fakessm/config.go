// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// regionPattern rejects text that a shell could interpret, because the Region is printed as a
// shell command.
var regionPattern = regexp.MustCompile(`^[a-z0-9-]+$`)

type config struct {
	listen      string
	region      string
	envFile     string
	dataChannel bool
	options     []fakessm.Option
}

func parse(args []string, stderr io.Writer, now time.Time) (config, error) {
	var (
		cfg      config
		sessions []fakessm.Session
		given    bool
	)
	flags := flag.NewFlagSet("fakessm", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: fakessm [flags]\n       fakessm view sessions|requests|reset CONTROL_URL\n\nflags:\n")
		flags.PrintDefaults()
	}
	flags.StringVar(&cfg.listen, "listen", "127.0.0.1:0", "loopback `address` to listen on")
	flags.StringVar(&cfg.region, "region", fakessm.DefaultRegion, "`region` of the clients, and of sessions without one")
	flags.StringVar(&cfg.envFile, "env-file", "", "`file` for a copy of the printed lines")
	flags.BoolVar(&cfg.dataChannel, "data-channel", true, "serve the data channels of sessions; otherwise stream URLs point to AWS")
	file := flags.String("sessions", "", "JSON `file` with an array of sessions")
	pageSize := flags.Int("page-size", 20, "maximum page size of DescribeSessions")
	lag := flags.Duration("lag", 0, "how long a session is Terminating before it is Terminated")
	terminating := flags.String("terminating", "history", "the list of Terminating sessions: history or active")
	latency := flags.Duration("latency", 0, "delay of every request")
	quotas := flags.Bool("quotas", true, "throttle at AWS's published quotas")
	ended := flags.String("ended", "refuse", "TerminateSession's answer for an ended session: refuse, or accept as before 2026")
	flags.Func("session", "`id,target,owner[,status]` of a session; repeatable", func(text string) error {
		session, err := parseSession(text)
		sessions = append(sessions, session)
		given = true

		return err
	})
	hosts := map[string]string{}
	flags.Func("host", "`name=address` a host that nodes can reach, with an address on this machine; repeatable; an empty name is the node itself", func(text string) error {
		name, address, found := strings.Cut(text, "=")
		if !found || !onLoopback(address) {
			return errors.New("expected name=127.0.0.1 or name=127.0.0.1:port")
		}
		hosts[name] = address

		return nil
	})
	agentVersion := flags.String("agent-version", "", "`version` of the agents, which determines their behaviour")
	agentPacing := flags.Bool("agent-pacing", false, "agents send at most 1 KB per millisecond, like real agents")
	documents := flags.String("documents", "", "JSON `file` with an array of documents for sessions")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	if flags.NArg() > 0 {
		return cfg, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if !regionPattern.MatchString(cfg.region) {
		return cfg, fmt.Errorf("reading -region: %q is not a region", cfg.region)
	}
	if *pageSize < 1 {
		return cfg, errors.New("reading -page-size: a page has at least one session")
	}
	switch *ended {
	case "refuse":
	case "accept":
		cfg.options = append(cfg.options, fakessm.WithEndedAccepted())
	default:
		return cfg, fmt.Errorf("reading -ended: %q is neither refuse nor accept", *ended)
	}
	switch *terminating {
	case "history":
	case "active":
		cfg.options = append(cfg.options, fakessm.WithTerminatingActive())
	default:
		return cfg, fmt.Errorf("reading -terminating: %q is neither history nor active", *terminating)
	}
	if *file != "" {
		read, err := readFile("sessions", *file, fakessm.ReadSessions)
		if err != nil {
			return cfg, err
		}
		sessions = append(sessions, read...)
		given = true
	}
	if !given {
		sessions = exampleSessions(now)
	}
	for i := range sessions {
		if sessions[i].Region == "" {
			sessions[i].Region = cfg.region
		}
	}
	cfg.options = append(cfg.options, fakessm.WithHosts(hosts))
	if *agentVersion != "" {
		cfg.options = append(cfg.options, fakessm.WithAgentVersion(*agentVersion))
	}
	if *agentPacing {
		cfg.options = append(cfg.options, fakessm.WithAgentPacing())
	}
	if *documents != "" {
		read, err := readFile("documents", *documents, fakessm.ReadDocuments)
		if err != nil {
			return cfg, err
		}
		cfg.options = append(cfg.options, fakessm.WithDocuments(read...))
	}
	if *quotas {
		cfg.options = append(cfg.options, fakessm.WithDefaultQuotas())
	}
	cfg.options = append(cfg.options, fakessm.WithPageSize(*pageSize), fakessm.WithTerminationLag(*lag),
		fakessm.WithLatency(*latency), fakessm.WithSessions(sessions...))
	if cfg.envFile != "" {
		// A script that waits for the file must not read the one of an earlier run.
		if err := os.Remove(cfg.envFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cfg, fmt.Errorf("removing the old -env-file: %w", err)
		}
	}

	return cfg, nil
}

func parseSession(text string) (fakessm.Session, error) {
	parts := strings.Split(text, ",")
	if len(parts) < 3 || len(parts) > 4 || parts[0] == "" {
		return fakessm.Session{}, errors.New("expected id,target,owner or id,target,owner,status")
	}
	session := fakessm.Session{SessionID: parts[0], Target: parts[1], Owner: parts[2]}
	if len(parts) == 4 {
		session.Status = parts[3]
	}

	return session, nil
}

// onLoopback reports whether an address, with or without a port, is a loopback address.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	parsed, err := netip.ParseAddr(host)

	return err == nil && parsed.IsLoopback()
}

// readFile reads the file of a flag.
func readFile[T any](flagName, name string, read func(io.Reader) (T, error)) (content T, err error) {
	file, err := os.Open(name)
	if err != nil {
		return content, fmt.Errorf("reading -%s: %w", flagName, err)
	}
	defer file.Close()
	content, err = read(file)
	if err != nil {
		return content, fmt.Errorf("%s: %w", name, err)
	}

	return content, nil
}
