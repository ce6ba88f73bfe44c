// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// DefaultRegion is the Region of a session without one.
const DefaultRegion = "us-east-1"

// The statuses of a session.
const (
	statusConnected   = "Connected"
	statusTerminating = "Terminating"
	statusTerminated  = "Terminated"
	statusFailed      = "Failed"
)

// Session is one session. Its JSON names are the members of the API.
type Session struct {
	SessionID           string    `json:"SessionId"`
	Region              string    `json:"Region,omitempty"`
	Target              string    `json:"Target,omitempty"`
	Status              string    `json:"Status,omitempty"`
	Owner               string    `json:"Owner,omitempty"`
	DocumentName        string    `json:"DocumentName,omitempty"`
	Reason              string    `json:"Reason,omitempty"`
	Details             string    `json:"Details,omitempty"`
	MaxSessionDuration  string    `json:"MaxSessionDuration,omitempty"`
	AccessType          string    `json:"AccessType,omitempty"`
	S3OutputURL         string    `json:"S3OutputUrl,omitempty"`
	CloudWatchOutputURL string    `json:"CloudWatchOutputUrl,omitempty"`
	StartDate           time.Time `json:"StartDate,omitzero"`
	EndDate             time.Time `json:"EndDate,omitzero"`
	Behaviour           Behaviour `json:"Behaviour,omitempty"`
}

// Behaviour is the way in which one session differs from normal sessions.
type Behaviour string

const (
	// BehaviourTimedOut makes ResumeSession answer without a token.
	BehaviourTimedOut Behaviour = "timed-out"
	// BehaviourEmptyToken makes ResumeSession answer with an empty token.
	BehaviourEmptyToken Behaviour = "empty-token"
	// BehaviourStuck keeps a terminated session Terminating forever.
	BehaviourStuck Behaviour = "stuck"
	// BehaviourUnreachable makes TerminateSession refuse the session because of its
	// state, although the session stays in the active list.
	BehaviourUnreachable Behaviour = "unreachable"
	// BehaviourUnkillable makes TerminateSession succeed without an effect.
	BehaviourUnkillable Behaviour = "unkillable"
	// BehaviourVanishes removes the session from both lists when it ends.
	BehaviourVanishes Behaviour = "vanishes"
	// BehaviourUnlisted keeps the session out of both lists until it ends.
	BehaviourUnlisted Behaviour = "unlisted"
)

var behaviours = []Behaviour{
	"", BehaviourTimedOut, BehaviourEmptyToken, BehaviourStuck, BehaviourUnreachable,
	BehaviourUnkillable, BehaviourVanishes, BehaviourUnlisted,
}

// ReadSessions decodes one session or an array of sessions. It rejects unknown names and
// behaviours.
func ReadSessions(r io.Reader) ([]Session, error) {
	sessions, err := decodeOneOrMany[Session](r)
	if err != nil {
		return nil, fmt.Errorf("reading sessions: %w", err)
	}
	for i, session := range sessions {
		if session.SessionID == "" {
			return nil, fmt.Errorf("reading sessions: session %d has no SessionId", i+1)
		}
		if !slices.Contains(behaviours, session.Behaviour) {
			return nil, fmt.Errorf("reading sessions: session %s has the unknown behaviour %q", session.SessionID, session.Behaviour)
		}
	}

	return sessions, nil
}

func decodeOneOrMany[T any](r io.Reader) ([]T, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	if !bytes.HasPrefix(data, []byte("[")) {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var many []T
	if err := decoder.Decode(&many); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, fmt.Errorf("unexpected data after the JSON value")
	}

	return many, nil
}

func ended(status string) bool {
	return status == statusTerminating || status == statusTerminated || status == statusFailed
}

// entry is a session in the store.
type entry struct {
	Session

	// terminated is the time of the call of TerminateSession. It is zero for a session
	// that was added as Terminating. Such a session stays Terminating.
	terminated time.Time
	tokens     []string
	streamURLs []string
	channels   map[*channel]struct{}

	agent      *agent // Nil unless StartSession started the session.
	endMessage string // The agent's message at the end of the session.
}

func (e *entry) key() key {
	return key{start: e.StartDate.UnixNano(), id: e.SessionID}
}

// state returns the list that contains the session, or "" for none.
func (e *entry) state() string {
	switch over := ended(e.Status); {
	case over && e.Behaviour == BehaviourVanishes, !over && e.Behaviour == BehaviourUnlisted:
		return ""
	case over:
		return stateHistory
	default:
		return stateActive
	}
}

// hasTerminated reports whether a Terminating session has become Terminated.
func (e *entry) hasTerminated(now time.Time, lag time.Duration) bool {
	return e.Status == statusTerminating && e.Behaviour != BehaviourStuck &&
		!e.terminated.IsZero() && !now.Before(e.terminated.Add(lag))
}

func (e *entry) statusAt(now time.Time, lag time.Duration) string {
	if e.hasTerminated(now, lag) {
		return statusTerminated
	}

	return e.Status
}

func (e *entry) sessionAt(now time.Time, lag time.Duration) Session {
	seen := e.Session
	if e.hasTerminated(now, lag) {
		seen.Status = statusTerminated
		seen.EndDate = e.terminated.Add(lag)
	}

	return seen
}
