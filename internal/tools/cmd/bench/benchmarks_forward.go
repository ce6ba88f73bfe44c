// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

const (
	forwardBytes = 256_000_000
	pacedBytes   = 8_000_000

	// forwardRate is the target for each direction, in bytes a second.
	forwardRate = 20e6
)

// forwardConfig forwards a port to a far end, and runs the client.
func forwardConfig(program string, port int, size int64, out string) string {
	return fmt.Sprintf(`
terraform {
  required_providers {
    ssm = { source = "sessionops/ssm" }
  }
}
provider "ssm" {}
ephemeral "ssm_port_forward" "far" {
  target      = "i-02573cafcfEXAMPLE"
  remote_port = %d
  probe       = false
  enabled     = terraform.applying
}
resource "terraform_data" "client" {
  provisioner "local-exec" {
    command = "%s forward-client ${ephemeral.ssm_port_forward.far.endpoint} %d %s"
  }
}
`, port, program, size, out)
}

// forwarded holds the measurements of runs with a forward.
type forwarded struct {
	through, plain []forwardFigures
	ready          []float64 // From StartSession to the start of the client, in seconds.
	memory, calls  []float64
}

// forward runs the client with and without a forward.
func (l *lab) forward(ctx context.Context, size int64, arguments ...string) (f forwarded, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return f, err
	}
	defer listener.Close()
	go farEnd(listener)
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return f, errors.New("the far end has no port")
	}
	program, err := os.Executable()
	if err != nil {
		return f, err
	}

	e, err := l.startEndpoint(ctx, noSessions, arguments...)
	if err != nil {
		return f, err
	}
	defer e.Stop()
	figures := filepath.Join(l.dir, "forward.json")
	w, err := l.workspace(forwardConfig(program, address.Port, size, figures), e)
	if err != nil {
		return f, err
	}
	defer w.remove()

	for range l.runs {
		if err := e.renew(ctx, nil); err != nil {
			return f, err
		}
		watch := watchMemory(l.bin("terraform-provider-ssm"))
		_, err := w.apply(ctx)
		memory := watch.stop()
		if err != nil {
			return f, err
		}
		if memory > 0 {
			f.memory = append(f.memory, memory)
		}
		through, err := readFigures(figures)
		if err != nil {
			return f, err
		}
		f.through = append(f.through, through)
		requests, err := e.Requests(ctx)
		if err != nil {
			return f, err
		}
		calls := 0.0
		for _, r := range requests {
			if r.Service != "ssm" {
				continue
			}
			calls++
			if r.Operation == "StartSession" {
				f.ready = append(f.ready, through.Started.Sub(r.Time).Seconds())
			}
		}
		f.calls = append(f.calls, calls)

		if err := forwardClient(ctx, address.String(), size, figures); err != nil {
			return f, err
		}
		plain, err := readFigures(figures)
		if err != nil {
			return f, err
		}
		f.plain = append(f.plain, plain)
	}

	return f, nil
}

func readFigures(path string) (figures forwardFigures, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return figures, err
	}

	return figures, json.Unmarshal(content, &figures)
}

// values returns one figure of all runs.
func values(all []forwardFigures, figure func(forwardFigures) float64) []float64 {
	out := make([]float64, 0, len(all))
	for _, f := range all {
		out = append(out, figure(f))
	}

	return out
}

// inRate returns a text for the time and the rate of a transfer.
func inRate(size float64) func(float64) string {
	return func(seconds float64) string {
		return fmt.Sprintf("%.2f s, %.1f MB/s", seconds, size/seconds/1e6)
	}
}

// benchmarkForward moves bytes through a forward as fast as possible.
func benchmarkForward(ctx context.Context, l *lab) ([]check, error) {
	f, err := l.forward(ctx, forwardBytes)
	if err != nil {
		return nil, err
	}

	up := func(f forwardFigures) float64 { return f.Up }
	down := func(f forwardFigures) float64 { return f.Down }
	many := func(f forwardFigures) float64 { return f.Many }
	round := func(f forwardFigures) float64 { return f.Round }
	top := func(f forwardFigures) float64 { return f.RoundTop }
	l.note("Without a forward, %d MB take %s up and %s down.", forwardBytes/1_000_000,
		inSeconds(median(values(f.plain, up))), inSeconds(median(values(f.plain, down))))

	return []check{
		{quantity: "256 MB up", values: values(f.through, up), unit: inRate(forwardBytes), target: forwardBytes / forwardRate},
		{quantity: "256 MB down", values: values(f.through, down), unit: inRate(forwardBytes), target: forwardBytes / forwardRate},
		{quantity: fmt.Sprintf("256 MB over %d connections, both ways", forwardMany), values: values(f.through, many), unit: inRate(forwardBytes), target: forwardBytes / forwardRate},
		{
			quantity: "round trip of 1 byte, median", values: values(f.through, round), unit: inMilliseconds,
			rule: excess, against: "without a forward", limit: values(f.plain, round), target: 0.001,
		},
		{
			quantity: "round trip of 1 byte, 99th percentile", values: values(f.through, top), unit: inMilliseconds,
			rule: excess, against: "without a forward", limit: values(f.plain, top), untargeted: true,
		},
		{quantity: fmt.Sprintf("memory of the provider, with up to %d connections", forwardIdle), values: f.memory, unit: inMegabytes, target: 60e6},
		{quantity: "from StartSession to the start of the consumer", values: f.ready, unit: inSeconds, target: 0.3},
		{quantity: "calls of Session Manager in the life of a forward", values: f.calls, unit: inCalls, target: 4},
	}, nil
}

// benchmarkForwardPaced is benchmarkForward with an agent that pauses like a real one.
func benchmarkForwardPaced(ctx context.Context, l *lab) ([]check, error) {
	f, err := l.forward(ctx, pacedBytes, "-agent-pacing")
	if err != nil {
		return nil, err
	}

	return []check{
		{
			quantity: "8 MB down", values: values(f.through, func(f forwardFigures) float64 { return f.Down }), unit: inRate(pacedBytes),
			rule: ratio, against: "the agent's pauses meanwhile", limit: values(f.through, func(f forwardFigures) float64 { return f.Paused }), target: 1 / 0.95,
		},
		{quantity: "8 MB up", values: values(f.through, func(f forwardFigures) float64 { return f.Up }), unit: inRate(pacedBytes), target: pacedBytes / forwardRate},
	}, nil
}
