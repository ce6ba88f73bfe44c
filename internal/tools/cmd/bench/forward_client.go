// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm/fakecontrol"
)

// Commands of the far end. Each connection begins with a command and a number of bytes.
const (
	farSink   = 'U' // Reads the bytes, and answers with one.
	farSource = 'D' // Sends the bytes, and closes.
	farEcho   = 'E' // Sends back what it gets, until the client closes.
)

// farEnd serves one side of the benchmark of forwards until the listener is closed.
func farEnd(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			_ = serveFar(connection) // The client detects missing bytes.
		}()
	}
}

func serveFar(connection net.Conn) error {
	var head [9]byte
	if _, err := io.ReadFull(connection, head[:]); err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint64(head[1:])) //nolint:gosec // We wrote it.
	switch head[0] {
	case farSink:
		if _, err := io.CopyN(io.Discard, connection, size); err != nil {
			return err
		}
		_, err := connection.Write([]byte{0})

		return err
	case farSource:
		_, err := io.CopyN(connection, zeros{}, size)

		return err
	default:
		_, err := io.Copy(connection, connection)

		return err
	}
}

// zeros is an endless reader of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)

	return len(p), nil
}

// forwardFigures are the measurements of a client of a forward, in seconds.
type forwardFigures struct {
	Started  time.Time // When the client began.
	Up       float64   // For forwardBytes.
	Down     float64
	Paused   float64 // How long the agent paused during Down.
	Many     float64 // For forwardBytes over forwardMany connections, half of them each way.
	RoundTop float64 // A round trip of one byte, the 99th percentile.
	Round    float64 // The same, the median.
}

const (
	forwardMany   = 50
	forwardIdle   = 200
	forwardRounds = 2000
)

// forwardClient measures the connection to a far end, and writes the figures to a file.
// Terraform runs it as a provisioner.
func forwardClient(ctx context.Context, address string, size int64, out string) error {
	figures := forwardFigures{Started: time.Now()}
	var err error
	if figures.Up, err = transfer(ctx, address, farSink, size); err != nil {
		return fmt.Errorf("up: %w", err)
	}
	before, err := agentPauses(ctx)
	if err != nil {
		return err
	}
	if figures.Down, err = transfer(ctx, address, farSource, size); err != nil {
		return fmt.Errorf("down: %w", err)
	}
	after, err := agentPauses(ctx)
	if err != nil {
		return err
	}
	figures.Paused = after - before
	if figures.Round, figures.RoundTop, err = roundTrips(ctx, address); err != nil {
		return fmt.Errorf("round trips: %w", err)
	}

	start := time.Now()
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range forwardMany {
		direction := byte(farSink)
		if i%2 == 0 {
			direction = farSource
		}
		group.Go(func() error {
			_, err := transfer(groupCtx, address, direction, size/forwardMany)

			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("%d connections: %w", forwardMany, err)
	}
	figures.Many = time.Since(start).Seconds()

	if err := holdOpen(ctx, address); err != nil {
		return fmt.Errorf("%d connections: %w", forwardIdle, err)
	}

	content, err := json.Marshal(figures)
	if err != nil {
		return err
	}

	return os.WriteFile(out, content, 0o600)
}

// agentPauses returns how long the agents of the endpoint have paused. The environment
// has the endpoint's URL. Without a forward the result is 0.
func agentPauses(ctx context.Context) (float64, error) {
	url := os.Getenv("FAKESSM_CONTROL_URL")
	if url == "" {
		return 0, nil
	}

	return fakecontrol.Client{URL: url}.AgentPauses(ctx)
}

// dialFar connects and sends the command.
func dialFar(ctx context.Context, address string, what byte, size int64) (net.Conn, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint64([]byte{what}, uint64(size)) //nolint:gosec // Not negative.
	if _, err := connection.Write(head); err != nil {
		return nil, errors.Join(err, connection.Close())
	}

	return connection, nil
}

// transfer moves a number of bytes in a direction, and returns the time in seconds.
func transfer(ctx context.Context, address string, direction byte, size int64) (float64, error) {
	start := time.Now()
	connection, err := dialFar(ctx, address, direction, size)
	if err != nil {
		return 0, err
	}
	defer connection.Close()

	if direction == farSource {
		got, err := io.Copy(io.Discard, connection)
		if err == nil && got != size {
			err = fmt.Errorf("%d of %d bytes came", got, size)
		}

		return time.Since(start).Seconds(), err
	}
	if _, err := io.CopyN(connection, zeros{}, size); err != nil {
		return 0, err
	}
	_, err = io.ReadFull(connection, make([]byte, 1))

	return time.Since(start).Seconds(), err
}

// roundTrips returns the median and the 99th percentile of round trips of one byte.
func roundTrips(ctx context.Context, address string) (middle, top float64, err error) {
	connection, err := dialFar(ctx, address, farEcho, 0)
	if err != nil {
		return 0, 0, err
	}
	defer connection.Close()

	took := make([]float64, 0, forwardRounds)
	one := make([]byte, 1)
	for range forwardRounds {
		start := time.Now()
		if _, err := connection.Write(one); err != nil {
			return 0, 0, err
		}
		if _, err := io.ReadFull(connection, one); err != nil {
			return 0, 0, err
		}
		took = append(took, time.Since(start).Seconds())
	}
	slices.Sort(took)

	return median(took), took[len(took)*99/100], nil
}

// holdOpen keeps many connections open at the same time and uses each of them.
func holdOpen(ctx context.Context, address string) error {
	group, ctx := errgroup.WithContext(ctx)
	open := make(chan struct{}, forwardIdle)
	release := make(chan struct{})
	for range forwardIdle {
		group.Go(func() error {
			connection, err := dialFar(ctx, address, farEcho, 0)
			if err != nil {
				return err
			}
			defer connection.Close()
			block := make([]byte, 16<<10)
			if _, err := connection.Write(block); err != nil {
				return err
			}
			if _, err := io.ReadFull(connection, block); err != nil {
				return err
			}
			open <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
			}

			return ctx.Err()
		})
	}
	go func() {
		defer close(release)
		for range forwardIdle {
			select {
			case <-open:
			case <-ctx.Done():
				return
			}
		}
		// The memory of the provider is read a few times a second.
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}()

	return group.Wait()
}
