// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package lifecycle

import "os"

// awaitParent returns a function that waits for the death of the process's parent
// and reports it, or returns false once stop is closed.
//
// Windows keeps the number of a dead parent, but lets a process wait for any other.
func awaitParent() func(stop <-chan struct{}) bool {
	parent, err := os.FindProcess(os.Getppid())

	return func(stop <-chan struct{}) bool {
		if err != nil {
			// There is no such process any more, or it is not ours to wait for.
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
