// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"archive/zip"
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
)

// module is the path of the provider's module and of its main package.
const module = "github.com/sessionops/terraform-provider-ssm"

// levels are the minimum instruction sets by architecture. A binary that needs more
// would not start on older processors.
var levels = map[string][2]string{
	"386":   {"GO386", "sse2"},
	"amd64": {"GOAMD64", "v1"},
	"arm":   {"GOARM", "6"},
	"arm64": {"GOARM64", "v8.0"},
}

// binary returns the name of the program in the archive.
func (r release) binary(t target) string {
	name := project + "_v" + r.version
	if t.os == "windows" {
		name += ".exe"
	}

	return name
}

// checkTarget checks the archive of a platform, and its bill of materials.
func (r release) checkTarget(t target) problems {
	content, modified, found := r.open(t)
	if len(found) > 0 {
		return found
	}

	where := r.archive(t) + ": " + r.binary(t)
	if err := checkFormat(bytes.NewReader(content), t); err != nil {
		found.add("%s: %s", where, err)
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		found.add("%s: %s", where, err)

		return found
	}
	if diff := checkBuild(info, t, r.commit); diff != "" {
		found.add("%s: was built in another way (-want +got):\n%s", where, diff)
	}
	for name, at := range modified {
		if committed := setting(info, "vcs.time"); at.Format(time.RFC3339) != committed {
			found.add("%s: %s is of %s, want the time of the commit, %s, in UTC", r.archive(t), name, at.Format(time.RFC3339), committed)
		}
	}

	sum, err := sumOf(r.path(r.archive(t)))
	if err != nil {
		found.add("%s", err)
	}
	document, err := os.ReadFile(r.path(r.bill(t)))
	if err != nil {
		found.add("%s", err)
	} else if err := checkBill(document, r.archive(t), sum, info); err != nil {
		found.add("%s: %s", r.bill(t), err)
	}

	return found
}

// open returns the program in the archive, and the times of all files.
func (r release) open(t target) ([]byte, map[string]time.Time, problems) {
	var (
		found    problems
		content  []byte
		modified = map[string]time.Time{}
		got      = map[string]fs.FileMode{}
		// Every user must be able to run the unpacked file.
		want = map[string]fs.FileMode{"LICENSE": 0o644, "THIRD_PARTY_LICENSES.md": 0o644, r.binary(t): 0o755}
	)
	archive, err := zip.OpenReader(r.path(r.archive(t)))
	if err != nil {
		found.add("%s: %s", r.archive(t), err)

		return nil, nil, found
	}
	defer archive.Close()

	for _, file := range archive.File {
		if _, ok := got[file.Name]; ok {
			found.add("%s: holds %s twice", r.archive(t), file.Name)
		}
		got[file.Name] = file.Mode()
		modified[file.Name] = file.Modified
		if file.Name == r.binary(t) {
			if content, err = read(file); err != nil {
				found.add("%s: %s: %s", r.archive(t), file.Name, err)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		found.add("%s: holds other files (-want +got):\n%s", r.archive(t), diff)
	}

	return content, modified, found
}

func read(file *zip.File) ([]byte, error) {
	reader, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer reader.Close()

	return io.ReadAll(reader)
}

var (
	elfMachines = map[string]elf.Machine{
		"386": elf.EM_386, "amd64": elf.EM_X86_64, "arm": elf.EM_ARM, "arm64": elf.EM_AARCH64, "s390x": elf.EM_S390,
	}
	machoMachines = map[string]macho.Cpu{
		"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64,
	}
	peMachines = map[string]uint16{
		"386": pe.IMAGE_FILE_MACHINE_I386, "amd64": pe.IMAGE_FILE_MACHINE_AMD64, "arm64": pe.IMAGE_FILE_MACHINE_ARM64,
	}
)

// checkFormat checks that the platform can load the program, and that the program
// needs no other files.
func checkFormat(program io.ReaderAt, t target) error {
	switch t.os {
	case "darwin":
		file, err := macho.NewFile(program)
		if err != nil {
			return err
		}
		if file.Cpu != machoMachines[t.arch] {
			return fmt.Errorf("is for %s", file.Cpu)
		}
	case "windows":
		file, err := pe.NewFile(program)
		if err != nil {
			return err
		}
		if file.Machine != peMachines[t.arch] {
			return fmt.Errorf("is for the machine %#x", file.Machine)
		}
	default:
		file, err := elf.NewFile(program)
		if err != nil {
			return err
		}
		if file.Machine != elfMachines[t.arch] {
			return fmt.Errorf("is for %s", file.Machine)
		}
		if freebsd := file.OSABI == elf.ELFOSABI_FREEBSD; freebsd != (t.os == "freebsd") {
			return fmt.Errorf("is for %s", file.OSABI)
		}
		for _, segment := range file.Progs {
			if segment.Type == elf.PT_INTERP {
				return fmt.Errorf("needs a dynamic linker")
			}
		}
	}

	return nil
}

// checkBuild returns how the build differs from a release build.
func checkBuild(info *debug.BuildInfo, t target, commit string) string {
	want := map[string]string{
		"path":         module,
		"-tags":        "grpcnotrace",
		"-trimpath":    "true",
		"CGO_ENABLED":  "0",
		"GOOS":         t.os,
		"GOARCH":       t.arch,
		"vcs":          "git",
		"vcs.revision": commit,
		"vcs.modified": "false",
	}
	if level, ok := levels[t.arch]; ok {
		want[level[0]] = level[1]
	}

	got := map[string]string{"path": info.Path}
	for key := range maps.Keys(want) {
		if value := setting(info, key); value != "" {
			got[key] = value
		}
	}

	return cmp.Diff(want, got)
}

// setting returns a build setting of the program.
func setting(info *debug.BuildInfo, key string) string {
	i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == key })
	if i < 0 {
		return ""
	}

	return info.Settings[i].Value
}
