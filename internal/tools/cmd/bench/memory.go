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

// peakMemory returns the most bytes that a process has held in memory, as far as
// Linux tells; 0 elsewhere, or if the process is gone.
//
// What a parent learns from wait4 would not do: it counts the memory of the parent
// itself, which the process shared before it became another program.
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

// watchMemory looks, a few times a second, at every process that runs the program.
// The system keeps the peak of each, so that only what a process takes in its last
// moments can be missed.
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

// stop returns the highest peak of any of the processes.
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

// totalMemory words the memory of the machine, "unknown" where the system does not
// tell.
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
