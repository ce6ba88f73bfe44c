// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"errors"
	"fmt"
)

// PortInUseError reports that another program listens on the local port.
type PortInUseError struct {
	Port int
	Err  error
}

func (e *PortInUseError) Error() string {
	return fmt.Sprintf("binding 127.0.0.1:%d: the port is in use", e.Port)
}

func (e *PortInUseError) Unwrap() error { return e.Err }

// RefusedError reports that the agent could not connect to the target: the target refused the connection,
// did not answer, or its name did not resolve on the node.
type RefusedError struct {
	Target    string
	SessionID string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the agent could not connect to %s", e.Target)
}

// permanentError marks a failure to open a session that a retry cannot fix.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks an error of Config.Open that a retry cannot fix, such as a missing permission. The forward
// then does not try again.
func Permanent(err error) error {
	if err == nil {
		return nil
	}

	return &permanentError{err: err}
}

func isPermanent(err error) bool {
	var p *permanentError

	return errors.As(err, &p)
}

// Reasons for the reset of a connection, in events.
var (
	errTooMuchWaits = errors.New("the client has stopped reading, and too many bytes wait for it")
	errMemory       = errors.New("too many bytes wait for all clients, and most of them for this one")
	errSessionOver  = errors.New("the session is over")
	errClosing      = errors.New("the forward closes")
	errNoSession    = errors.New("no session could be opened")
)
