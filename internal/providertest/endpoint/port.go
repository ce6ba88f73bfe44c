// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package endpoint

import (
	"net"
	"testing"
)

// Nobody listens on this port of the loopback, and FreePort never returns it.
const (
	RefusedPort int64 = 1
	RefusedURL        = "http://127.0.0.1:1"
)

// FreePort returns a port of the loopback on which nobody listens at the moment.
func FreePort(t *testing.T) int {
	t.Helper()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("unexpected address %v", listener.Addr())
	}

	return address.Port
}
