// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRelease_compare(t *testing.T) {
	t.Parallel()

	var (
		host      = target{"linux", "amd64"}
		r         = release{version: testVersion, targets: []target{host}}
		archive   = r.archive(host)
		bill      = r.bill(host)
		manifest  = r.name("manifest.json")
		signature = r.name("SHA256SUMS.sig")
		files     = map[string]string{
			archive:              "PK",
			bill:                 `{"documentNamespace":"https://example.com/1","creationInfo":{"created":"2026-03-14T15:09:27Z"},"name":"x"}`,
			manifest:             `{"version": 1}`,
			r.name("SHA256SUMS"): "00  x\n",
			signature:            "s",
		}
	)
	lay := func(t *testing.T, change ...string) string {
		t.Helper()

		dir := t.TempDir()
		for name, content := range files {
			if len(change) > 0 && name == change[0] {
				content = strings.NewReplacer(change[1:]...).Replace(content)
			}
			if content != "" {
				write(t, dir+"/"+name, []byte(content))
			}
		}

		return dir
	}
	for name, tc := range map[string]struct {
		change []string // The name of a file, what to replace in it, and by what.
		want   string   // Empty if nothing is wrong.
	}{
		"the same":                {},
		"another time":            {[]string{bill, "2026-03-14", "2026-03-15"}, ""},
		"another name space":      {[]string{bill, "example.com/1", "example.com/2"}, ""},
		"another signature":       {[]string{signature, "s", "t"}, ""},
		"other checksums":         {[]string{r.name("SHA256SUMS"), "00", "01"}, ""},
		"another archive":         {[]string{archive, "PK", "pk"}, archive + ": is another one in "},
		"another manifest":        {[]string{manifest, "1", "2"}, manifest + ": is another one in "},
		"another bill":            {[]string{bill, `"x"`, `"y"`}, bill + ": is another one in "},
		"another order of a bill": {[]string{bill, `"creationInfo":{"created":"2026-03-14T15:09:27Z"},"name":"x"`, `"name":"x","creationInfo":{"created":"2026-03-14T15:09:27Z"}`}, bill + ": is another one in "},
		"no time":                 {[]string{bill, "created", "x"}, bill + ": does not have exactly one time of creation and one name space"},
		"two times":               {[]string{bill, `"name"`, `"created":"x","name"`}, bill + ": does not have exactly one time of creation and one name space"},
		"a missing file":          {[]string{archive, "PK", ""}, archive + ": is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			r := r
			r.dir = lay(t)
			found := strings.Join(r.compare(lay(t, tc.change...)), "\n")
			if tc.want == "" && found != "" || !strings.Contains(found, tc.want) {
				t.Errorf("got %q, want %q", found, tc.want)
			}
		})
	}
}

func TestMask(t *testing.T) {
	t.Parallel()

	got, err := mask([]byte(`{"documentNamespace": "a", "creationInfo": {"created":"b"}, "created by": "c"}`))
	if want := `{"documentNamespace": "", "creationInfo": {"created": ""}, "created by": "c"}`; err != nil || !bytes.Equal(got, []byte(want)) {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
