// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package lifecycle

import "os"

// awaitParent returns a function that waits for the death of the parent. The function returns
// true when the parent is dead, and false when stop is closed.
//
// On Windows the parent's process ID stays the same after its death, but a process can wait for
// any other process.
func awaitParent() func(stop <-chan struct{}) bool {
	parent, err := os.FindProcess(os.Getppid())

	return func(stop <-chan struct{}) bool {
		if err != nil {
			// The parent no longer exists, or this process may not wait for it.
			<-stop

			return false
		}
		dead := make(chan bool, 1)
		go func() {
			_, err := parent.Wait()
			dead <- err == nil
		}()
		select {
		case known := <-dead:
			if !known {
				<-stop
			}

			return known
		case <-stop:
			return false
		}
	}
}
