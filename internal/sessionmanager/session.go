// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// SessionRef identifies a session in a Region. An empty SessionID means no particular
// session.
type SessionRef struct {
	Region    string
	SessionID string
}

// Session is a Session Manager session as DescribeSessions lists it. If the service
// omits a field or sends it empty, the field is the zero value.
type Session struct {
	SessionID           string
	Target              string
	Status              string // A SessionStatus value of the API, or one that it adds later.
	Owner               string // ARN of the identity that started the session.
	DocumentName        string
	Reason              string
	Details             string
	MaxSessionDuration  string // In minutes, as text from the API.
	AccessType          string
	S3OutputURL         string
	CloudWatchOutputURL string
	StartDate           time.Time // UTC, whole seconds.
	EndDate             time.Time // UTC, whole seconds.

	// history tells that the history listed the session, not the active list.
	history bool
}

// newSession converts a listed session.
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

// text returns a string of the service, empty for nil. It replaces bytes that are not
// UTF-8, because Terraform's protocol cannot carry them.
func text(s *string) string {
	return strings.ToValidUTF8(aws.ToString(s), "\uFFFD")
}

// wholeSeconds returns a time in UTC without its fraction of a second. It returns the
// zero time for nil, and for a time that RFC 3339 cannot express.
func wholeSeconds(t *time.Time) time.Time {
	if t == nil || !expressible(*t) {
		return time.Time{}
	}

	return t.UTC().Truncate(time.Second)
}

// expressible reports whether RFC 3339 can express a time.
func expressible(t time.Time) bool {
	return t.UTC().Year() >= 1 && t.UTC().Year() <= 9999
}

// Live reports whether the session can still be used or resumed. A session in the
// history has ended, whatever its status. A session in the active list is live unless it
// is Terminating, Terminated or Failed. An unknown status counts as live.
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

// disconnected reports whether the session is live but no client is connected.
func (s Session) disconnected() bool {
	return s.Status == string(types.SessionStatusDisconnected)
}
