// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package leakhunt

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// IssuedSecrets returns the tokens and stream URLs that the fake issued for sessions.
func IssuedSecrets(fake *fakessm.Server, sessionIDs ...string) []string {
	var secrets []string
	for _, id := range sessionIDs {
		secrets = append(secrets, fake.Tokens(id)...)
		secrets = append(secrets, fake.StreamURLs(id)...)
	}

	return secrets
}

// Find returns an error if a text holds one of the secrets: as it is, cut off after its
// first part, escaped for JSON, HTML or a URL, in hexadecimal, or in base64 as part of
// something longer. The error has the number of the secret and not its value.
func Find(text string, secrets []string) error {
	if i, line, found := find(text, secrets); found {
		return fmt.Errorf("secret number %d of %d is in line %d", i+1, len(secrets), line)
	}

	return nil
}

// find returns the index of the first of the secrets that the text holds, and its line.
func find(text string, secrets []string) (index, line int, found bool) {
	for i, secret := range secrets {
		// A stream URL is recognised by its secret part, the cell number.
		if _, cell, ok := strings.Cut(secret, "cell-number="); ok {
			secret = cell
		}
		for _, form := range []string{secret, secret[:min(len(secret), 24)]} {
			for _, escaped := range escapedForms(form) {
				if at := strings.Index(text, escaped); at >= 0 {
					return i, strings.Count(text[:at], "\n") + 1, true
				}
			}
		}
	}

	return 0, 0, false
}

// escapedForms returns the forms in which a secret can be written.
func escapedForms(secret string) []string {
	quoted := strconv.Quote(secret)
	forms := []string{
		secret,
		quoted[1 : len(quoted)-1],
		url.QueryEscape(secret),
		url.PathEscape(secret),
		strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(secret),
		strings.NewReplacer("+", `\u002b`, "=", `\u003d`).Replace(secret),
		strings.NewReplacer("&", `\u0026`, "<", `\u003c`, ">", `\u003e`).Replace(secret),
		strings.NewReplacer("+", "&#43;", "=", "&#61;", "/", "&#47;").Replace(secret),
		hex.EncodeToString([]byte(secret)),
	}
	// Base64 writes three bytes as four characters. So the first and the last group of a
	// secret depend on the text around it, and the others on where it begins.
	const group = 4
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for before := range 3 {
			encoded := encoding.EncodeToString([]byte("..."[:before] + secret))
			if len(encoded) >= 4*group {
				forms = append(forms, encoded[group:len(encoded)/group*group-group])
			}
		}
	}

	return forms
}
