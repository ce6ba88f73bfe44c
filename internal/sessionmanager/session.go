// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// SessionRef names a session in a Region. A SessionID that is empty stands for no
// single session.
type SessionRef struct {
	Region    string
	SessionID string
}

// Session is a Session Manager session as DescribeSessions lists it. The service
// omits fields, or sends them empty; both are the zero value here, and nothing is
// made up for them.
type Session struct {
	SessionID           string
	Target              string
	Status              string // One of the API's SessionStatus values, or a newer one.
	Owner               string // ARN that started the session.
	DocumentName        string
	Reason              string
	Details             string
	MaxSessionDuration  string // Minutes, as the API words it.
	AccessType          string
	S3OutputURL         string
	CloudWatchOutputURL string
	StartDate           time.Time // UTC, whole seconds.
	EndDate             time.Time // UTC, whole seconds.

	// history tells that the session was seen in the history, not in the active list.
	history bool
}

// newSession translates a listed session.
func newSession(in types.Session, state State) Session {
	s := Session{
		SessionID:          text(in.SessionId),
		Target:             text(in.Target),
		Status:             text((*string)(&in.Status)),
		Owner:              text(in.Owner),
		DocumentName:       text(in.DocumentName),
		Reason:             text(in.Reason),
		Details:            text(in.Details),
		MaxSessionDuration: text(in.MaxSessionDuration),
		AccessType:         text((*string)(&in.AccessType)),
		StartDate:          wholeSeconds(in.StartDate),
		EndDate:            wholeSeconds(in.EndDate),
		history:            state == StateHistory,
	}
	if in.OutputUrl != nil {
		s.S3OutputURL = text(in.OutputUrl.S3OutputUrl)
		s.CloudWatchOutputURL = text(in.OutputUrl.CloudWatchOutputUrl)
	}

	return s
}

// text returns a string of the service's, empty for none. Bytes that are not
// UTF-8 are replaced, since a caller's protocol may not be able to carry them.
func text(s *string) string {
	return strings.ToValidUTF8(aws.ToString(s), "\uFFFD")
}

// wholeSeconds returns a time in UTC without its fraction, and the zero time for
// none or for one that RFC 3339 cannot express.
func wholeSeconds(t *time.Time) time.Time {
	if t == nil || !expressible(*t) {
		return time.Time{}
	}

	return t.UTC().Truncate(time.Second)
}

// expressible reports whether RFC 3339 has a way to write a time.
func expressible(t time.Time) bool {
	return t.UTC().Year() >= 1 && t.UTC().Year() <= 9999
}

// Live reports whether the session can still be used or resumed. A session in the
// history has ended, whatever its status. One in the active list is live unless it
// is Terminating, Terminated or Failed: a status that is not known counts as live.
func (s Session) Live() bool {
	if s.history {
		return false
	}
	switch types.SessionStatus(s.Status) {
	case types.SessionStatusTerminating, types.SessionStatusTerminated, types.SessionStatusFailed:
		return false
	default:
		return true
	}
}

// disconnected reports whether the session is live without anybody at its client end.
func (s Session) disconnected() bool {
	return s.Status == string(types.SessionStatusDisconnected)
}
