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

// protocolVersion is that of the plugin protocol which the providers serve.
const protocolVersion = 6

// startProvider starts a provider, asks for its schema, which is what Terraform
// asks first, and ends it. It returns how long the answer took, and the most memory
// that the provider has held by then. Terraform has providers encrypt what they
// say, for which they make a key; without encryption it is their own work alone
// that is measured.
func (l *lab) startProvider(program string, encrypted bool) (took time.Duration, memory float64, err error) {
	cmd := exec.Command(l.bin(program))
	cmd.Env = l.environment()

	start := time.Now()
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			// What tells a provider that it was not started by hand; see tf6server.Serve of
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
	// The request has no members; what the answer holds is of no interest.
	err = conn.Invoke(ctx, "/tfplugin6.Provider/GetProviderSchema", &emptypb.Empty{}, &emptypb.Empty{})
	took = time.Since(start)
	if err != nil {
		return 0, 0, fmt.Errorf("asking %s for its schema: %w", program, err)
	}

	return took, peakMemory(strconv.Itoa(cmd.Process.Pid)), nil
}

// connection is a plugin of which nothing is wanted but the connection to it.
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
