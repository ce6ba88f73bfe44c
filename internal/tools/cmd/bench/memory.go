// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// peakMemory returns the peak memory of a process in bytes. It works on Linux only, and
// returns 0 on other systems or if the process has ended.
//
// The result of wait4 is not usable: it includes the memory of the parent, which the
// process shared before exec.
func peakMemory(pid string) float64 {
	content, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err != nil {
				return 0
			}

			return kilobytes * 1024
		}
	}

	return 0
}

// memoryWatch follows the processes of one program.
type memoryWatch struct {
	done chan struct{}
	peak chan float64
}

// watchMemory reads the peak memory of every process of the program a few times a
// second. The system keeps the peak, so only a peak in the last moments can be missed.
func watchMemory(program string) *memoryWatch {
	w := &memoryWatch{done: make(chan struct{}), peak: make(chan float64)}
	go func() {
		peak := 0.0
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-w.done:
				w.peak <- peak

				return
			case <-ticker.C:
				for _, pid := range processes(program) {
					peak = max(peak, peakMemory(pid))
				}
			}
		}
	}()

	return w
}

// stop returns the highest peak of all processes.
func (w *memoryWatch) stop() float64 {
	close(w.done)

	return <-w.peak
}

// processes returns the IDs of the processes that run a program.
func processes(program string) []string {
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return nil
	}
	var pids []string
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == program {
			pids = append(pids, filepath.Base(filepath.Dir(link)))
		}
	}

	return pids
}

// totalMemory returns the memory of the machine as a text, or "unknown".
func totalMemory() string {
	content, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "unknown memory"
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			if err == nil {
				return fmt.Sprintf("%.0f GiB of memory", kilobytes/(1<<20))
			}
		}
	}

	return "unknown memory"
}
