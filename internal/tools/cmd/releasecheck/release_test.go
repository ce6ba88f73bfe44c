// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/google/go-cmp/cmp"
)

func TestTargets(t *testing.T) {
	t.Parallel()

	config, err := os.ReadFile(filepath.Join("..", "..", "..", "..", ".goreleaser.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var built []string
	for _, match := range regexp.MustCompile(`(?m)^      - ([a-z]+_[a-z0-9]+)(_6)?$`).FindAllStringSubmatch(string(config), -1) {
		built = append(built, match[1])
	}
	var checked []string
	for _, target := range targets {
		checked = append(checked, target.String())
	}
	if diff := cmp.Diff(built, checked); diff != "" {
		t.Errorf("the targets of .goreleaser.yml differ from those that are checked (-built +checked):\n%s", diff)
	}
}

func TestRelease_check(t *testing.T) {
	t.Parallel()

	var (
		f         = newFixture(t)
		host      = target{"linux", "amd64"}
		other     = target{"windows", "386"}
		archive   = f.release.archive(host)
		bill      = f.release.bill(host)
		program   = f.release.binary(host)
		manifest  = f.release.name("manifest.json")
		sums      = f.release.name("SHA256SUMS")
		signature = f.release.name("SHA256SUMS.sig")
		inArchive = func(change func([]file) []file) func(target, []file) []file {
			return func(of target, files []file) []file {
				if of == host {
					return change(files)
				}

				return files
			}
		}
		inFile = func(name, before, after string) func(map[string][]byte) {
			return func(files map[string][]byte) {
				if !bytes.Contains(files[name], []byte(before)) {
					t.Errorf("%s does not contain %q", name, before)
				}
				files[name] = bytes.Replace(files[name], []byte(before), []byte(after), 1)
			}
		}
	)
	for name, tc := range map[string]struct {
		pack    func(target, []file) []file // Changes the content of an archive.
		content func(map[string][]byte)     // Changes files before the checksums are computed.
		spoil   func(map[string][]byte)     // Changes files afterwards.
		release func(*release)
		want    string // Empty if nothing is wrong.
	}{
		"all right": {},

		"a version with capital letters": {
			release: func(r *release) { r.version = "0.1.0-SNAPSHOT" }, want: `"0.1.0-SNAPSHOT" is no semantic version in small letters`,
		},
		"no archive for a platform": {
			content: func(files map[string][]byte) { delete(files, archive) }, want: archive + ": is missing",
		},
		"no bill of materials": {
			content: func(files map[string][]byte) { delete(files, bill) }, want: bill + ": is missing",
		},
		"no manifest": {
			content: func(files map[string][]byte) { delete(files, manifest) }, want: manifest + ": is missing",
		},
		"no checksums": {
			spoil: func(files map[string][]byte) { delete(files, sums) }, want: sums + ": is missing",
		},
		"no signature": {
			spoil: func(files map[string][]byte) { delete(files, signature) }, want: signature + ": is missing",
		},
		"another platform": {
			content: func(files map[string][]byte) { files[f.release.archive(target{"plan9", "amd64"})] = files[archive] },
			want:    "_plan9_amd64.zip: does not belong to the release",
		},
		"another file": {
			spoil: func(files map[string][]byte) { files["artifacts.json"] = nil }, want: "artifacts.json: does not belong to the release",
		},

		"an archive without a checksum": {
			spoil: resigned(f, t, func(text string) string {
				return regexp.MustCompile(`(?m)^.*_linux_amd64\.zip\n`).ReplaceAllString(text, "")
			}),
			want: sums + ": lists other files (-want +got):",
		},
		"a checksum of another file": {
			spoil: resigned(f, t, func(text string) string { return text + strings.Repeat("0", 64) + "  " + signature + "\n" }),
			want:  sums + ": lists other files (-want +got):",
		},
		"two checksums of a file": {
			spoil: resigned(f, t, func(text string) string { return text + text[:strings.Index(text, "\n")+1] }),
			want:  "is listed twice",
		},
		"a line that is none": {
			spoil: resigned(f, t, func(text string) string { return text + "\n" }), want: `"\n" is no checksum and name`,
		},
		"a wrong checksum": {
			spoil: inFile(manifest, " ", "  "), want: manifest + ": has another checksum than " + sums + " says",
		},

		"checksums that were not signed": {
			spoil: inFile(sums, "\n", "\n\n"), want: signature + ": openpgp: invalid signature",
		},
		"a signature of somebody else": {
			release: func(r *release) { r.key = publicKey(t, newSigner(t)) }, want: signature + ": openpgp: signature made by unknown entity",
		},
		"an armored signature": {
			spoil: func(files map[string][]byte) {
				var armored bytes.Buffer
				w, err := armor.Encode(&armored, openpgp.SignatureType, nil)
				if err == nil {
					_, err = w.Write(files[signature])
					err = errors.Join(err, w.Close())
				}
				if err != nil {
					t.Error(err)
				}
				files[signature] = armored.Bytes()
			},
			want: signature + ": is armored, and has to be binary",
		},
		"a key that is none": {
			release: func(r *release) { r.key = []byte("x") }, want: "reading the public key: ",
		},

		"another version of the manifest": {
			content: inFile(manifest, "1", "2"), want: manifest + ": says something else (-want +got):",
		},
		"another protocol": {
			content: inFile(manifest, "6.0", "5.0"), want: manifest + ": says something else (-want +got):",
		},
		"two protocols": {
			content: inFile(manifest, `"6.0"`, `"6.0", "5.0"`), want: manifest + ": says something else (-want +got):",
		},
		"an unknown member of the manifest": {
			content: inFile(manifest, "{", `{"x": 1,`), want: manifest + `: json: unknown field "x"`,
		},

		"an archive that is none": {
			content: func(files map[string][]byte) { files[archive] = []byte("x") }, want: archive + ": zip: not a valid zip file",
		},
		"no license": {
			pack: inArchive(func(files []file) []file { return files[1:] }), want: archive + ": holds other files (-want +got):",
		},
		"an additional file": {
			pack: inArchive(func(files []file) []file { return append(files, file{"README.md", 0o644, f.time, nil}) }),
			want: archive + ": holds other files (-want +got):",
		},
		"a file twice": {
			pack: inArchive(func(files []file) []file { return append(files, files[0]) }), want: archive + ": holds LICENSE twice",
		},
		"a program with the name of another version": {
			pack: inArchive(func(files []file) []file {
				files[1].name = project + "_v0.1.0"

				return files
			}), want: archive + ": holds other files (-want +got):",
		},
		"a program that may not be run": {
			pack: inArchive(func(files []file) []file {
				files[1].mode = 0o644

				return files
			}), want: archive + ": holds other files (-want +got):",
		},
		"a license that only its owner may read": {
			pack: inArchive(func(files []file) []file {
				files[0].mode = 0o600

				return files
			}), want: archive + ": holds other files (-want +got):",
		},
		"a time that is not that of the commit": {
			pack: inArchive(func(files []file) []file {
				files[0].time = f.time.Add(time.Minute)

				return files
			}),
			want: archive + ": LICENSE is of 2026-03-14T15:10:27Z, want the time of the commit, 2026-03-14T15:09:27Z, in UTC",
		},
		"a time of another zone": {
			pack: inArchive(func(files []file) []file {
				files[1].time = f.time.In(time.FixedZone("", 3600))

				return files
			}),
			want: archive + ": " + program + " is of 2026-03-14T16:09:27+01:00, want the time of the commit",
		},
		"a program that is none": {
			pack: inArchive(func(files []file) []file {
				files[1].content = []byte("#!/bin/sh")

				return files
			}), want: archive + ": " + program + ": unrecognized file format",
		},
		"the program of another platform": {
			pack: inArchive(func(files []file) []file {
				files[1].content = f.programs[other]

				return files
			}), want: archive + ": " + program + ": bad magic number",
		},
		"another commit": {
			release: func(r *release) { r.commit = strings.Repeat("0", 40) }, want: archive + ": " + program + ": was built in another way (-want +got):",
		},

		"a bill of materials that is none": {
			content: func(files map[string][]byte) { files[bill] = []byte("SPDXVersion: SPDX-2.3") }, want: bill + ": invalid character",
		},
		"a bill of materials of another format": {
			content: inFile(bill, "SPDX-2.3", "SPDX-3.0"), want: bill + `: its format is "SPDX-3.0", want SPDX 2`,
		},
		"a bill of materials of another archive": {
			content: func(files map[string][]byte) { files[bill] = files[f.release.bill(other)] }, want: bill + ": lists something else (-want +got):",
		},
		"a module that is not listed": {
			content: inFile(bill, "pkg:golang/example.com/dependency", "pkg:generic/x"), want: bill + ": lists something else (-want +got):",
		},
		"a module that is listed with another version": {
			content: inFile(bill, `"versionInfo":"v1.2.3"`, `"versionInfo":"v1.2.4"`), want: bill + ": lists something else (-want +got):",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			files := f.files(t, tc.pack)
			if tc.content != nil {
				tc.content(files)
			}
			r := f.write(t, files, tc.spoil)
			if tc.release != nil {
				tc.release(&r)
			}

			found := r.check()
			switch {
			case tc.want == "" && len(found) > 0:
				t.Errorf("unexpected problems:\n%s", strings.Join(found, "\n"))
			case tc.want != "" && !slices.ContainsFunc(found, func(problem string) bool { return strings.Contains(problem, tc.want) }):
				t.Errorf("%q is not reported:\n%s", tc.want, strings.Join(found, "\n"))
			}
		})
	}
}

// resigned changes the checksums, and signs the result.
func resigned(f *fixture, t *testing.T, change func(string) string) func(map[string][]byte) {
	return func(files map[string][]byte) {
		name := f.release.name("SHA256SUMS")
		files[name] = []byte(change(string(files[name])))
		files[name+".sig"] = signatureOf(t, f.signer, files[name])
	}
}
