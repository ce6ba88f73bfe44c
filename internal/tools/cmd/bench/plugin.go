// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// protocolVersion is the version of the plugin protocol that the providers serve.
const protocolVersion = 6

// startProvider starts a provider, requests its schema and ends it. The schema is also
// Terraform's first request. It returns the time until the answer, and the provider's
// peak memory. Terraform makes providers encrypt the connection, for which they create a
// key. Without encryption, the time is almost only the provider's own.
func (l *lab) startProvider(program string, encrypted bool) (took time.Duration, memory float64, err error) {
	cmd := exec.Command(l.bin(program))
	cmd.Env = l.environment()

	start := time.Now()
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			// Shows the provider that it was not started by hand: see tf6server.Serve in
			// terraform-plugin-go.
			MagicCookieKey:   "TF_PLUGIN_MAGIC_COOKIE",
			MagicCookieValue: "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
		},
		VersionedPlugins: map[int]plugin.PluginSet{protocolVersion: {"provider": connection{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         encrypted,
		Cmd:              cmd,
		SkipHostEnv:      true,
		StartTimeout:     30 * time.Second,
		Logger:           hclog.NewNullLogger(),
		SyncStdout:       io.Discard,
		SyncStderr:       io.Discard,
	})
	defer client.Kill()
	started, err := client.Client()
	if err != nil {
		return 0, 0, fmt.Errorf("starting %s: %w", program, err)
	}
	served, err := started.Dispense("provider")
	if err != nil {
		return 0, 0, fmt.Errorf("starting %s: %w", program, err)
	}
	conn, ok := served.(*grpc.ClientConn)
	if !ok {
		return 0, 0, fmt.Errorf("starting %s: it serves %T", program, served)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	// The request has no members, and the content of the answer is not needed.
	err = conn.Invoke(ctx, "/tfplugin6.Provider/GetProviderSchema", &emptypb.Empty{}, &emptypb.Empty{})
	took = time.Since(start)
	if err != nil {
		return 0, 0, fmt.Errorf("asking %s for its schema: %w", program, err)
	}

	return took, peakMemory(strconv.Itoa(cmd.Process.Pid)), nil
}

// connection is a plugin that only provides its connection.
type connection struct {
	plugin.NetRPCUnsupportedPlugin
}

var _ plugin.GRPCPlugin = connection{}

func (connection) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return nil
}

func (connection) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}
