// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

func TestCheckFormat(t *testing.T) {
	t.Parallel()

	var (
		f       = newFixture(t)
		darwin  = target{"darwin", "arm64"}
		linux   = target{"linux", "amd64"}
		windows = target{"windows", "386"}
	)
	// at returns the program of a platform with two other bytes at an offset.
	at := func(of target, offset int, value uint16) []byte {
		program := bytes.Clone(f.programs[of])
		binary.LittleEndian.PutUint16(program[offset:], value)

		return program
	}
	peHeader := int(binary.LittleEndian.Uint32(f.programs[windows][0x3c:])) + 4
	for name, tc := range map[string]struct {
		program []byte
		target  target
		want    string // Empty if nothing is wrong.
	}{
		"darwin":  {f.programs[darwin], darwin, ""},
		"linux":   {f.programs[linux], linux, ""},
		"windows": {f.programs[windows], windows, ""},

		"darwin, another processor":  {f.programs[darwin], target{"darwin", "amd64"}, "is for CpuArm64"},
		"linux, another processor":   {f.programs[linux], target{"linux", "s390x"}, "is for EM_X86_64"},
		"windows, another processor": {f.programs[windows], target{"windows", "arm64"}, "is for the machine 0x14c"},
		"darwin, cut off":            {f.programs[darwin][:100], darwin, "EOF"},
		"linux, cut off":             {f.programs[linux][:100], linux, "EOF"},
		"windows, cut off":           {f.programs[windows][:100], windows, "invalid PE file signature"},

		"freebsd":           {at(linux, elf.EI_OSABI, uint16(elf.ELFOSABI_FREEBSD)), target{"freebsd", "amd64"}, ""},
		"freebsd for linux": {at(linux, elf.EI_OSABI, uint16(elf.ELFOSABI_FREEBSD)), linux, "is for ELFOSABI_FREEBSD"},
		"linux for freebsd": {f.programs[linux], target{"freebsd", "amd64"}, "is for ELFOSABI_NONE"},
		// The first segment follows the header of 64 bytes.
		"dynamically linked": {at(linux, 64, uint16(elf.PT_INTERP)), linux, "needs a dynamic linker"},

		"linux, 386":     {at(linux, 18, uint16(elf.EM_386)), target{"linux", "386"}, ""},
		"linux, arm":     {at(linux, 18, uint16(elf.EM_ARM)), target{"linux", "arm"}, ""},
		"linux, arm64":   {at(linux, 18, uint16(elf.EM_AARCH64)), target{"linux", "arm64"}, ""},
		"linux, s390x":   {at(linux, 18, uint16(elf.EM_S390)), target{"linux", "s390x"}, ""},
		"darwin, amd64":  {at(darwin, 4, uint16(macho.CpuAmd64&0xffff)), target{"darwin", "amd64"}, ""},
		"windows, amd64": {at(windows, peHeader, pe.IMAGE_FILE_MACHINE_AMD64), target{"windows", "amd64"}, ""},
		"windows, arm64": {at(windows, peHeader, pe.IMAGE_FILE_MACHINE_ARM64), target{"windows", "arm64"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			switch err := checkFormat(bytes.NewReader(tc.program), tc.target); {
			case tc.want == "" && err != nil:
				t.Errorf("unexpected problem: %s", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestCheckBuild(t *testing.T) {
	t.Parallel()

	var (
		arm      = target{"linux", "arm"}
		settings = []debug.BuildSetting{
			{Key: "-buildmode", Value: "exe"},
			{Key: "-tags", Value: "grpcnotrace"},
			{Key: "-trimpath", Value: "true"},
			{Key: "CGO_ENABLED", Value: "0"},
			{Key: "GOARCH", Value: "arm"},
			{Key: "GOOS", Value: "linux"},
			{Key: "GOARM", Value: "6"},
			{Key: "vcs", Value: "git"},
			{Key: "vcs.revision", Value: "c0ffee"},
			{Key: "vcs.time", Value: "2026-03-14T15:09:27Z"},
			{Key: "vcs.modified", Value: "false"},
		}
	)
	if diff := checkBuild(&debug.BuildInfo{Path: module, Settings: settings}, arm, "c0ffee"); diff != "" {
		t.Errorf("unexpected problems (-want +got):\n%s", diff)
	}
	if checkBuild(&debug.BuildInfo{Path: module + "/internal/cmd/fakessm", Settings: settings}, arm, "c0ffee") == "" {
		t.Error("another program is not noticed")
	}
	for i, s := range settings {
		if s.Key == "-buildmode" || s.Key == "vcs.time" {
			continue
		}
		t.Run(s.Key, func(t *testing.T) {
			t.Parallel()

			changed := slices.Clone(settings)
			changed[i].Value = "7"
			for name, got := range map[string][]debug.BuildSetting{
				"is another":  changed,
				"was not set": slices.Delete(slices.Clone(settings), i, i+1),
			} {
				diff := checkBuild(&debug.BuildInfo{Path: module, Settings: got}, arm, "c0ffee")
				if !strings.Contains(diff, s.Key) {
					t.Errorf("%s %s, which is not reported: %s", s.Key, name, diff)
				}
			}
		})
	}
}
