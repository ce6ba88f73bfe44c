// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

//go:build unix

package lifecycle

import (
	"os"
	"time"
)

// parentPoll is the interval of the checks whether the parent is alive.
const parentPoll = time.Second

// awaitParent returns a function that waits for the death of the parent. The function returns
// true when the parent is dead, and false when stop is closed.
//
// A process whose parent dies gets a new parent. There is no portable signal for this. Linux
// has one, but sends it when the parent's thread ends.
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
