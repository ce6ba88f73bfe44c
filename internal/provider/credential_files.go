// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	awsbase "github.com/hashicorp/aws-sdk-go-base/v2"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
)

// configuredFile is a file that the SDK reads to configure the provider.
type configuredFile struct {
	path     string
	argument string // The argument that names it, or "".
	variable string // The environment variable that names it, or "".
	profiles bool   // It has profiles.
	keys     bool   // Its profiles have keys, and little else.
}

// from returns what names the file, or "" for a default of the SDK.
func (f configuredFile) from() string {
	switch {
	case f.argument != "":
		return "the argument " + f.argument
	case f.variable != "":
		return "the environment variable " + f.variable
	default:
		return ""
	}
}

// name returns the file for messages. A value without a separator may be a secret that was
// set by mistake.
func (f configuredFile) name() string {
	switch from := f.from(); {
	case from == "":
		return "The file " + printable(f.path)
	case !strings.ContainsAny(f.path, `/\`):
		return "The file that " + from + " names"
	default:
		return "The file " + printable(f.path) + ", which " + from + " names,"
	}
}

// configuredFiles returns the files that the SDK reads, in its order of precedence.
func configuredFiles(c *awsbase.Config) []configuredFile {
	var files []configuredFile
	add := func(argument string, paths []string, variable, fallback string, profiles bool) {
		value := os.Getenv(variable)
		switch {
		case len(paths) > 0:
			for _, path := range paths {
				files = append(files, configuredFile{path: path, argument: argument, profiles: profiles})
			}
		case value != "":
			files = append(files, configuredFile{path: value, variable: variable, profiles: profiles})
		case fallback != "":
			files = append(files, configuredFile{path: fallback, profiles: profiles})
		}
	}
	given := func(value string) []string {
		if value == "" {
			return nil
		}

		return []string{value}
	}

	shared, _ := c.ResolveSharedConfigFiles()
	add("shared_config_files", shared, "AWS_CONFIG_FILE", config.DefaultSharedConfigFilename(), true)
	shared, _ = c.ResolveSharedCredentialsFiles()
	first := len(files)
	add("shared_credentials_files", shared, "AWS_SHARED_CREDENTIALS_FILE", config.DefaultSharedCredentialsFilename(), true)
	for i := first; i < len(files); i++ {
		files[i].keys = true
	}
	add("custom_ca_bundle", given(c.CustomCABundle), "AWS_CA_BUNDLE", "", false)
	token := ""
	if c.AssumeRoleWithWebIdentity != nil {
		token = c.AssumeRoleWithWebIdentity.WebIdentityTokenFile
	}
	if token == os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") {
		token = ""
	}
	add("assume_role_with_web_identity", given(token), "AWS_WEB_IDENTITY_TOKEN_FILE", "", false)
	add("", nil, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "", false)

	return files
}

// checkFiles refuses pipes and devices. The SDK reads most files more than once.
func checkFiles(files []configuredFile) diag.Diagnostics {
	var diags diag.Diagnostics

	for _, file := range files {
		if !neverEnds(file.path) {
			continue
		}
		detail := file.name() + " is a pipe, a socket or a device. The provider reads it more than once.\n\nGive a regular file. A process substitution of a shell, <(command), is a pipe."
		if file.argument != "" {
			diags.AddAttributeError(path.Root(file.argument), summaryConfigure, detail)
		} else {
			diags.AddError(summaryConfigure, detail)
		}
	}

	return diags
}

// neverEnds reports whether a read of a file may never end.
func neverEnds(name string) bool {
	info, err := os.Stat(name)

	null, nullErr := os.Stat(os.DevNull)
	if err == nil && nullErr == nil && os.SameFile(info, null) {
		return false
	}

	return err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeCharDevice) != 0
}

// profileSection returns an expression that matches the section of a profile.
func profileSection(profile string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^\s*\[\s*(profile\s+)?["']?` + regexp.QuoteMeta(profile) + `["']?\s*\]`)
}

// unhelpfulFiles says why the files with profiles gave no credentials for a profile. It
// quotes nothing of their content.
func unhelpfulFiles(files []configuredFile, profile string) string {
	var notes []string
	for _, file := range files {
		if !file.profiles {
			continue
		}
		content, err := beginning(file.path)
		switch {
		case err != nil && file.from() == "":
		case err != nil && os.IsNotExist(err):
			notes = append(notes, file.name()+" does not exist.")
		case err != nil:
			notes = append(notes, file.name()+" could not be read.")
		case bytes.HasPrefix(content, []byte("\xef\xbb\xbf")):
			notes = append(notes, file.name()+" begins with a byte order mark. Save it without one.")
		case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
			notes = append(notes, file.name()+" is encoded as UTF-16. Save it as UTF-8.")
		case len(content) > 0 && !profileSection(profile).Match(content):
			notes = append(notes, fmt.Sprintf("%s has no profile %q.", file.name(), profile))
		case len(content) > 0 && file.keys:
			notes = append(notes, fmt.Sprintf("%s has no keys in its profile %q.", file.name(), profile))
		}
	}

	return strings.Join(notes, "\n")
}

// beginning returns the first megabyte of a file.
func beginning(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // The user names the file.
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // It was only read.

	return io.ReadAll(io.LimitReader(file, 1<<20))
}
