// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package provider

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// TestCredentialFiles_pipe checks that a pipe in place of a file is an error at once. A read
// of it would not end.
func TestCredentialFiles_pipe(t *testing.T) { //nolint:paralleltest // It sets the environment.
	variable := func(name string) func(r *canaryRun, pipe string) map[string]any {
		return func(r *canaryRun, pipe string) map[string]any {
			setEnvironment(r.t, map[string]string{
				name: pipe, "AWS_ROLE_ARN": testRoleARN, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1",
			})

			return nil
		}
	}
	argument := func(name string) func(r *canaryRun, pipe string) map[string]any {
		return func(_ *canaryRun, pipe string) map[string]any { return map[string]any{name: []any{pipe}} }
	}
	for name, tc := range map[string]struct {
		use       func(r *canaryRun, pipe string) map[string]any
		attribute string
		from      string
	}{
		"AWS_CONFIG_FILE":                        {variable("AWS_CONFIG_FILE"), "", ", which the environment variable AWS_CONFIG_FILE names,"},
		"AWS_SHARED_CREDENTIALS_FILE":            {variable("AWS_SHARED_CREDENTIALS_FILE"), "", ", which the environment variable AWS_SHARED_CREDENTIALS_FILE names,"},
		"AWS_CA_BUNDLE":                          {variable("AWS_CA_BUNDLE"), "", ", which the environment variable AWS_CA_BUNDLE names,"},
		"AWS_WEB_IDENTITY_TOKEN_FILE":            {variable("AWS_WEB_IDENTITY_TOKEN_FILE"), "", ", which the environment variable AWS_WEB_IDENTITY_TOKEN_FILE names,"},
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": {variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), "", ", which the environment variable AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names,"},
		"shared_config_files":                    {argument("shared_config_files"), "shared_config_files", ", which the argument shared_config_files names,"},
		"shared_credentials_files":               {argument("shared_credentials_files"), "shared_credentials_files", ", which the argument shared_credentials_files names,"},
		"custom_ca_bundle": {func(_ *canaryRun, pipe string) map[string]any {
			return map[string]any{"custom_ca_bundle": pipe}
		}, "custom_ca_bundle", ", which the argument custom_ca_bundle names,"},
		"web_identity_token_file": {func(_ *canaryRun, pipe string) map[string]any {
			return map[string]any{"assume_role_with_web_identity": []any{map[string]any{"role_arn": testRoleARN, "web_identity_token_file": pipe}}}
		}, "assume_role_with_web_identity", ", which the argument assume_role_with_web_identity names,"},
		"web_identity_token_file of a profile": {func(r *canaryRun, pipe string) map[string]any {
			r.config("[default]\nrole_arn = %s\nweb_identity_token_file = %s\n", testRoleARN, pipe)

			return nil
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newCanaryRun(t)
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}

			diags := r.configure(tc.use(r, pipe), false)

			protocol.WantDiagnostic(t, protocol.Error(tc.attribute, "Unable to Configure Provider", "The file "+pipe+tc.from+" is a pipe, a socket or a device."), diags)
			if count := len(r.fake.Requests()); count != 0 {
				t.Errorf("%d requests were sent", count)
			}
		})
	}
}

// TestCredentialFiles_unhelpful checks that the error of missing credentials says which files
// are of no use, and does not blame a service that was never asked.
func TestCredentialFiles_unhelpful(t *testing.T) { //nolint:paralleltest // It sets the environment.
	const keys = "aws_access_key_id = " + fakessm.DefaultAccessKeyID + "\naws_secret_access_key = " + canary + "\n"
	for name, tc := range map[string]struct{ content, want string }{
		"a byte order mark": {"\xef\xbb\xbf[default]\n" + keys, "begins with a byte order mark. Save it without one."},
		"UTF-16":            {"\xff\xfe[\x00d\x00", "is encoded as UTF-16. Save it as UTF-8."},
		"another profile":   {"[standard]\n" + keys, "has no profile \"default\"."},
		"an empty key":      {"[default]\naws_access_key_id =\naws_secret_access_key =\n", "has no keys in its profile \"default\"."},
		"JSON":              {`{"aws_secret_access_key":"` + canary + `"}`, "has no profile \"default\"."},
	} {
		t.Run(name, func(t *testing.T) {
			r := newCanaryRun(t)
			file := testFile(t, "credentials", tc.content)
			setEnvironment(t, map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_EC2_METADATA_DISABLED": "true"})

			r.check(r.configure(nil, false), "the shared files. The instance metadata service is switched off.\n"+
				"The file "+file+", which the environment variable AWS_SHARED_CREDENTIALS_FILE names, "+tc.want+"\nSet profile, assume_role")
		})
	}

	t.Run("a missing file", func(t *testing.T) {
		r := newCanaryRun(t)
		t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
		file := filepath.Join(t.TempDir(), "missing")
		diags := r.configure(map[string]any{"shared_credentials_files": []any{file}}, false)
		protocol.WantDiagnostic(t, protocol.Error("", "No Valid AWS Credentials",
			"is switched off.\nThe file "+file+", which the argument shared_credentials_files names, does not exist.\nSet profile"), diags)
	})
	t.Run("a secret in place of a file", func(t *testing.T) {
		r := newCanaryRun(t)
		setEnvironment(t, map[string]string{"AWS_CONFIG_FILE": canary, "AWS_EC2_METADATA_DISABLED": "true"})
		r.check(r.configure(nil, false), "The file that the environment variable AWS_CONFIG_FILE names does not exist.")
	})
	t.Run("no files at all", func(t *testing.T) {
		r := newCanaryRun(t)
		setEnvironment(t, map[string]string{"AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": "", "AWS_EC2_METADATA_DISABLED": "true"})
		diags := r.configure(nil, false)
		r.check(diags, "is switched off.\nSet profile")
		if strings.Contains(diags[0].Detail, "does not exist") {
			t.Errorf("a file that nobody names is missed: %s", diags[0].Detail)
		}
	})
}

// TestCredentialFiles_namedProfile checks that the error of a missing profile says which files
// are of no use.
func TestCredentialFiles_namedProfile(t *testing.T) { //nolint:paralleltest // It sets the environment.
	r := newCanaryRun(t)
	missing := filepath.Join(t.TempDir(), "missing")
	marked := testFile(t, "config", "\xef\xbb\xbf[profile ops]\nregion = us-east-1\n")
	diags := r.configure(map[string]any{"profile": "ops", "shared_config_files": []any{marked}, "shared_credentials_files": []any{missing}}, false)
	protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "The file "+marked+", which the argument shared_config_files names, begins with a byte order mark. Save it without one.\n"+
		"The file "+missing+", which the argument shared_credentials_files names, does not exist.\nthere is no profile \"ops\""), diags)

	diags = r.configure(map[string]any{"profile": "night", "shared_credentials_files": []any{testFile(t, "credentials", "[ops]\n")}}, false)
	protocol.WantDiagnostic(t, protocol.Error("", summaryConfigure, "which the argument shared_credentials_files names, has no profile \"night\".\nthere is no profile \"night\""), diags)
}

// TestCredentialFiles_nullDevice checks that a link to the null device is an empty file.
func TestCredentialFiles_nullDevice(t *testing.T) { //nolint:paralleltest // It sets the environment.
	r := newCanaryRun(t)
	link := filepath.Join(t.TempDir(), "config")
	if err := os.Symlink(os.DevNull, link); err != nil {
		t.Fatal(err)
	}
	setEnvironment(t, map[string]string{"AWS_CONFIG_FILE": link, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull})

	protocol.WantNoDiagnostics(t, r.configure(map[string]any{"access_key": fakessm.DefaultAccessKeyID, "secret_key": fakessm.DefaultSecretAccessKey}, false))
}
