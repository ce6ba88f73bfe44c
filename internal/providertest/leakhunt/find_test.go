// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package leakhunt_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/leakhunt"
)

func TestFind(t *testing.T) {
	t.Parallel()

	const secret = leakhunt.SecretAccessKey + "&<>\"@"
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.StdEncoding.EncodeToString
	for name, tc := range map[string]struct {
		text string
		lost bool
	}{
		"nothing":               {text: ""},
		"another text":          {text: "the secret access key of " + leakhunt.AccessKeyID},
		"its beginning":         {text: secret[:12]},
		"as it is":              {text: secret, lost: true},
		"cut off":               {text: secret[:24] + "...", lost: true},
		"in JSON":               {text: string(quoted), lost: true},
		"quoted by Go":          {text: strconv.Quote(secret), lost: true},
		"in a query":            {text: url.QueryEscape(secret), lost: true},
		"in a path":             {text: url.PathEscape(secret), lost: true},
		"in HTML":               {text: html.EscapeString(secret), lost: true},
		"in hexadecimal":        {text: hex.EncodeToString([]byte(secret)), lost: true},
		"in base64":             {text: encoded([]byte(secret)), lost: true},
		"in base64, after 1":    {text: encoded([]byte("x" + secret + "yz")), lost: true},
		"in base64, after 2":    {text: encoded([]byte("xy" + secret + "z")), lost: true},
		"in base64 for URLs":    {text: base64.URLEncoding.EncodeToString([]byte("ops:" + secret)), lost: true},
		"in base64, unrelated":  {text: encoded([]byte(strings.Repeat("ops", 20)))},
		"the cell of a session": {text: "cell-number=AAECAwQFBgcICQoLDA0ODw", lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			secrets := []string{"another secret", secret, "wss://ssmmessages.example/v1/data-channel/s?role=publish_subscribe&cell-number=AAECAwQFBgcICQoLDA0ODw"}
			err := leakhunt.Find("before\n"+tc.text+"\nafter", secrets)
			if (err != nil) != tc.lost {
				t.Errorf("found: %v, want %t", err, tc.lost)
			}
			if err != nil && strings.Contains(err.Error(), secret[:12]) {
				t.Errorf("the error shows the secret: %s", err)
			}
		})
	}
}
