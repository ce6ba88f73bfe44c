// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func TestReadDocuments(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		`[{"name":"A","schemaVersion":"1.0","sessionType":"Port","properties":{"portNumber":"1"}}]`: "",
		`{"name":"A","sessionType":"Standard_Stream"}`:                                              "",
		`{"sessionType":"Port"}`:             "has no name",
		`{"name":"A","sessionType":"Other"}`: `has the session type "Other"`,
		`{"name":"A","kind":"x"}`:            "unknown field",
	} {
		_, err := fakessm.ReadDocuments(strings.NewReader(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
