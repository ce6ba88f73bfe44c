// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"errors"
	"fmt"
)

// PortInUseError says that another program listens on the local port.
type PortInUseError struct {
	Port int
	Err  error
}

func (e *PortInUseError) Error() string {
	return fmt.Sprintf("binding 127.0.0.1:%d: the port is in use", e.Port)
}

func (e *PortInUseError) Unwrap() error { return e.Err }

// RefusedError says that the agent could not connect to the target: the target refused the connection,
// did not answer, or its name did not resolve on the node.
type RefusedError struct {
	Target    string
	SessionID string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the agent could not connect to %s", e.Target)
}

// permanentError marks a failure to open a session that no repetition mends.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks an error of Config.Open as one that no repetition mends, such as missing permissions.
// A forward that heals then gives up at once.
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

// Causes of the end of a connection, as events carry them.
var (
	errTooMuchWaits = errors.New("the client has stopped reading and too many bytes wait for it")
	errMemory       = errors.New("the bytes that wait for all clients exceed the limit, and most of them wait for this one")
	errSessionOver  = errors.New("the session is over")
	errClosing      = errors.New("the forward closes")
	errNoSession    = errors.New("no session could be opened")
)
