// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// session is one that the endpoint is to know. Its members are those of the API.
type session struct {
	SessionID    string    `json:"SessionId"`
	Target       string    `json:"Target,omitempty"`
	Status       string    `json:"Status,omitempty"`
	Owner        string    `json:"Owner,omitempty"`
	DocumentName string    `json:"DocumentName,omitempty"`
	StartDate    time.Time `json:"StartDate,omitzero"`
	EndDate      time.Time `json:"EndDate,omitzero"`
}

// document is what the sessions run, and what a drain selects them by.
const document = "SSM-SessionManagerRunShell"

// owner is whose sessions they are. An ID begins with the session name of the role,
// and ends with 17 characters that SSM gives.
const owner = "arn:aws:sts::123456789012:assumed-role/Admin/mary"

// sessionID returns the ID of a live session, by its number.
func sessionID(number int) string {
	return fmt.Sprintf("mary-0a1b2c3d4e5f%05d", number)
}

// liveSessions returns sessions as an account holds them. Few people give a reason.
func liveSessions(count int) []session {
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	sessions := make([]session, count)
	for i := range sessions {
		sessions[i] = session{
			SessionID:    sessionID(i),
			Target:       fmt.Sprintf("i-0a1b2c3d4e5f%05d", i%100),
			Status:       "Connected",
			Owner:        owner,
			DocumentName: document,
			StartDate:    start.Add(time.Duration(i) * time.Millisecond),
		}
	}

	return sessions
}

// endedSessions returns sessions of the 30 days of history.
func endedSessions(count int) []session {
	const days = 30 * 24 * time.Hour
	now := time.Now().Truncate(time.Second)
	sessions := make([]session, count)
	for i := range sessions {
		start := now.Add(-days + time.Duration(i)*(days/time.Duration(count)) - 2*time.Hour)
		sessions[i] = session{
			SessionID: fmt.Sprintf("john.stiles-0f9e8d7c%07d", i),
			Target:    "i-0a1b2c3d4e5f00000",
			Status:    "Terminated",
			Owner:     "arn:aws:iam::123456789012:user/john.stiles",
			StartDate: start,
			EndDate:   start.Add(time.Hour),
		}
	}

	return sessions
}

// writeSessions writes an array of sessions, without holding all of its text, and
// closes the file.
func writeSessions(file *os.File, sessions []session) (err error) {
	defer func() { err = errors.Join(err, file.Close()) }()

	w := bufio.NewWriter(file)
	encoder := json.NewEncoder(w)
	fmt.Fprint(w, "[")
	for i := range sessions {
		if i > 0 {
			fmt.Fprint(w, ",")
		}
		if err := encoder.Encode(&sessions[i]); err != nil {
			return err
		}
	}
	fmt.Fprint(w, "]")

	return w.Flush()
}
