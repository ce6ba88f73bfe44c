// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package p521_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/workspace"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := workspace.RemoveProvider(); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// The table saves time only if the provider's key is on this curve, and if the package
// runs before those of the AWS SDK.
func TestProvider(t *testing.T) {
	t.Parallel()

	terraform := httptest.NewTLSServer(nil)
	defer terraform.Close()
	var initialized strings.Builder
	cmd := exec.CommandContext(t.Context(), filepath.Join(workspace.ProviderDir(t), "terraform-provider-ssm"))
	cmd.Env = append(os.Environ(),
		"GODEBUG=inittrace=1",
		"TF_PLUGIN_MAGIC_COOKIE=d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
		"PLUGIN_PROTOCOL_VERSIONS=6",
		"PLUGIN_CLIENT_CERT="+string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: terraform.Certificate().Raw})),
	)
	cmd.Stderr = &initialized
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	handshake, err := bufio.NewReader(stdout).ReadString('\n')
	if killed := cmd.Process.Kill(); err != nil || killed != nil {
		t.Fatal(err, killed)
	}
	cmd.Wait() //nolint:errcheck // It was killed.

	fields := strings.Split(strings.TrimSpace(handshake), "|")
	der, err := base64.RawStdEncoding.DecodeString(fields[len(fields)-1])
	if err != nil {
		t.Fatalf("%s: %s", handshake, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("%s: %s", handshake, err)
	}
	if key, ok := certificate.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P521() {
		t.Errorf("the provider's key is a %T, want one on the curve P-521", certificate.PublicKey)
	}
	before, _, found := strings.Cut(initialized.String(), "/aws-sdk-go-v2/service/")
	if !found || !strings.Contains(before, "terraform-provider-ssm/internal/p521 ") {
		t.Errorf("the AWS SDK comes before this package:\n%s", before)
	}
}
