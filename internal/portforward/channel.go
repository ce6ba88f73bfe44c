// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"context"
	"io"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
)

// Channel is the client's end of a data channel.
type Channel interface {
	// Read returns io.EOF once the other side has closed the channel.
	io.Reader
	// Write blocks while the channel has no room, also while its connection is being replaced.
	io.Writer
	Agent() datachannel.Agent
	// SendFlag returns when the agent has acknowledged the flag, and everything before it.
	SendFlag(ctx context.Context, f datachannel.Flag) error
	// Flush returns when the agent has acknowledged everything that was written.
	Flush(ctx context.Context) error
	// RoundTrip is the time that an acknowledgement takes.
	RoundTrip() time.Duration
	// Err is nil while the channel is open, and after its caller has closed it.
	Err() error
}

var _ Channel = (*datachannel.Channel)(nil)
