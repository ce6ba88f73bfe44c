// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package lifecycle

import (
	"os"
	"time"
)

// parentPoll is how often to look whether the parent is still there.
const parentPoll = time.Second

// awaitParent returns a function that waits for the death of the process's parent
// and reports it, or returns false once stop is closed.
//
// A process whose parent dies gets another one. No signal tells of it on all
// systems: Linux has one, but sends it when the parent's thread ends.
func awaitParent() func(stop <-chan struct{}) bool {
	parent := os.Getppid()

	return func(stop <-chan struct{}) bool {
		ticker := time.NewTicker(parentPoll)
		defer ticker.Stop()
		for os.Getppid() == parent {
			select {
			case <-ticker.C:
			case <-stop:
				return false
			}
		}

		return true
	}
}
