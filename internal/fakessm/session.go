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

// DefaultRegion is the Region of a session that names none.
const DefaultRegion = "us-east-1"

// The states of a session.
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

// Behaviour is the way in which one session departs from the ordinary.
type Behaviour string

const (
	// BehaviourTimedOut makes ResumeSession answer without a token.
	BehaviourTimedOut Behaviour = "timed-out"
	// BehaviourEmptyToken makes ResumeSession answer with an empty token.
	BehaviourEmptyToken Behaviour = "empty-token"
	// BehaviourStuck keeps the session Terminating for ever once terminated.
	BehaviourStuck Behaviour = "stuck"
	// BehaviourUnreachable makes TerminateSession refuse the session, as not in
	// a valid state, although it stays in the active list.
	BehaviourUnreachable Behaviour = "unreachable"
	// BehaviourUnkillable makes TerminateSession succeed without any effect.
	BehaviourUnkillable Behaviour = "unkillable"
	// BehaviourVanishes keeps the session out of both lists once it has ended.
	BehaviourVanishes Behaviour = "vanishes"
	// BehaviourUnlisted keeps the session out of both lists until it has ended.
	BehaviourUnlisted Behaviour = "unlisted"
)

var behaviours = []Behaviour{
	"", BehaviourTimedOut, BehaviourEmptyToken, BehaviourStuck, BehaviourUnreachable,
	BehaviourUnkillable, BehaviourVanishes, BehaviourUnlisted,
}

// ReadSessions decodes one session or an array of them, and refuses names and
// behaviours that it does not know.
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

// entry is a session as the store keeps it.
type entry struct {
	Session

	// terminated is when TerminateSession was called. A session that was added
	// as Terminating has none and stays so.
	terminated time.Time
	tokens     []string
	streamURLs []string
	channels   map[*channel]struct{}

	agent *agent // Of a session that StartSession has started.
	words string // The agent's, at the end of the session.
}

func (e *entry) key() key {
	return key{start: e.StartDate.UnixNano(), id: e.SessionID}
}

// state is the list that shows the session, or "" for neither.
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

// settled says whether a Terminating session is Terminated by now.
func (e *entry) settled(now time.Time, lag time.Duration) bool {
	return e.Status == statusTerminating && e.Behaviour != BehaviourStuck &&
		!e.terminated.IsZero() && !now.Before(e.terminated.Add(lag))
}

func (e *entry) statusAt(now time.Time, lag time.Duration) string {
	if e.settled(now, lag) {
		return statusTerminated
	}
	return e.Status
}

func (e *entry) at(now time.Time, lag time.Duration) Session {
	seen := e.Session
	if e.settled(now, lag) {
		seen.Status = statusTerminated
		seen.EndDate = e.terminated.Add(lag)
	}
	return seen
}
