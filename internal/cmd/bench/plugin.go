// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// startProvider starts a provider as Terraform does, asks for its schema, which is
// what Terraform asks first, and ends it. It returns how long the answer took, and
// the most memory that the provider has held by then.
func (l *lab) startProvider(ctx context.Context, program string) (took time.Duration, memory float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()

	cmd := exec.CommandContext(ctx, l.bin(program))
	cmd.Env = l.environment(
		// What tells a plugin that it was not started by hand; see tf6server.Serve of
		// terraform-plugin-go.
		"TF_PLUGIN_MAGIC_COOKIE=d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
		"PLUGIN_PROTOCOL_VERSIONS=6",
	)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, 0, err
	}

	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		cmd.Process.Kill() //nolint:errcheck // Nothing is left to be said.
		cmd.Wait()         //nolint:errcheck // It was killed.
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return 0, 0, fmt.Errorf("starting %s: %w", program, err)
	}
	target, err := plugged(line)
	if err != nil {
		return 0, 0, fmt.Errorf("starting %s: %w", program, err)
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	// The request has no members; what the answer holds is of no interest.
	if err := conn.Invoke(ctx, "/tfplugin6.Provider/GetProviderSchema", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
		return 0, 0, fmt.Errorf("asking %s for its schema: %w", program, err)
	}
	took = time.Since(start)

	return took, peakMemory(strconv.Itoa(cmd.Process.Pid)), nil
}

// plugged returns where a plugin serves, by the line that it prints: the version of
// the plugin system, that of the protocol, the network, the address and the kind.
func plugged(line string) (target string, err error) {
	parts := strings.Split(strings.TrimSpace(line), "|")
	if len(parts) < 5 || parts[4] != "grpc" {
		return "", errors.New("the plugin does not speak gRPC")
	}
	switch parts[2] {
	case "unix":
		return "unix:" + parts[3], nil
	case "tcp":
		return "dns:" + parts[3], nil
	default:
		return "", fmt.Errorf("the plugin serves on an unknown network %q", parts[2])
	}
}
