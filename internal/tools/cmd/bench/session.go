// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// document is the document of the sessions. A drain selects them by it.
const document = "SSM-SessionManagerRunShell"

// owner is the owner of the sessions. A session ID begins with the role session name and
// ends with 17 characters from SSM.
const owner = "arn:aws:sts::123456789012:assumed-role/Admin/mary"

// sessionID returns the ID of a live session, by its number.
func sessionID(number int) string {
	return fmt.Sprintf("mary-0a1b2c3d4e5f%05d", number)
}

// liveSessions returns sessions like those of a real account. Few have a reason.
func liveSessions(count int) []fakessm.Session {
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	sessions := make([]fakessm.Session, count)
	for i := range sessions {
		sessions[i] = fakessm.Session{
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

// endedSessionID returns the ID of a session that has ended, by its number.
func endedSessionID(number int) string {
	return fmt.Sprintf("john.stiles-0f9e8d7c%07d", number)
}

// endedSessions iterates over sessions of the 30 days of history, to save memory.
func endedSessions(count int) iter.Seq[fakessm.Session] {
	const days = 30 * 24 * time.Hour
	now := time.Now().Truncate(time.Second)

	return func(yield func(fakessm.Session) bool) {
		for i := range count {
			start := now.Add(-days + time.Duration(i)*(days/time.Duration(count)) - 2*time.Hour)
			if !yield(fakessm.Session{
				SessionID: endedSessionID(i),
				Target:    "i-0a1b2c3d4e5f00000",
				Status:    "Terminated",
				Owner:     "arn:aws:iam::123456789012:user/john.stiles",
				StartDate: start,
				EndDate:   start.Add(time.Hour),
			}) {
				return
			}
		}
	}
}

// writeSessions writes an array of sessions in parts, to save memory, and closes the
// file.
func writeSessions(file *os.File, sessions iter.Seq[fakessm.Session]) (err error) {
	defer func() { err = errors.Join(err, file.Close()) }()

	w := bufio.NewWriter(file)
	encoder := json.NewEncoder(w)
	separator := "["
	for session := range sessions {
		fmt.Fprint(w, separator)
		separator = ","
		if err := encoder.Encode(&session); err != nil {
			return err
		}
	}
	if separator == "[" {
		fmt.Fprint(w, separator)
	}
	fmt.Fprint(w, "]")

	return w.Flush()
}
