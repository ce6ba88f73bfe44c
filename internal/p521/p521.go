// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

// Package p521 saves time at the start of the provider.
//
// Terraform encrypts its connection to a provider. For this, go-plugin creates a
// certificate with a key on the curve P-521. The first use of this curve in a process
// computes a table, which takes 5 ms. The packages of the AWS SDK take as long to
// initialize, on one processor. So this package computes the table at the same time on
// another one: the provider starts in 26 ms instead of 29 ms.
//
// Go initializes a package as soon as its imports are ready. This one comes before the
// AWS SDK only because it imports so little.
package p521

import (
	"crypto/ecdh"
	"os"
)

func init() {
	// Terraform's certificate. Without it, go-plugin creates none.
	if os.Getenv("PLUGIN_CLIENT_CERT") == "" {
		return
	}
	go func() {
		one := [66]byte{65: 1}
		// The public key of any private key needs the table.
		ecdh.P521().NewPrivateKey(one[:]) //nolint:errcheck // The table is the result.
	}()
}
