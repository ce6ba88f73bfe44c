// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"time"
)

var ssmOperations = map[string]operation{
	"DescribeSessions":    (*Server).describeSessions,
	"GetConnectionStatus": (*Server).getConnectionStatus,
	"ResumeSession":       (*Server).resumeSession,
	"StartSession":        (*Server).startSession,
	"TerminateSession":    (*Server).terminateSession,
}

type terminateSessionOutput struct {
	SessionID string `json:"SessionId"`
}

// resumeSessionOutput keeps an empty token apart from a missing one.
type resumeSessionOutput struct {
	SessionID  string  `json:"SessionId"`
	TokenValue *string `json:"TokenValue,omitempty"`
	StreamURL  *string `json:"StreamUrl,omitempty"`
}

type getConnectionStatusOutput struct {
	Target string `json:"Target"`
	Status string `json:"Status"`
}

func (s *Server) terminateSession(c *call) (any, *apiError) {
	id, problem := c.requiredSessionID()
	if problem != nil {
		return nil, problem
	}
	now := s.now()
	s.sessions.update(c.region, id, func(r *region, e *entry) {
		switch {
		case e == nil:
			problem = s.unknownSession(c)
		case ended(e.Status):
			if !s.endedAccepted {
				problem = invalidState()
			}
		case e.Behaviour == BehaviourUnreachable:
			problem = invalidState()
		case e.Behaviour == BehaviourUnkillable:
		default:
			r.change(e, func(e *entry) {
				e.Status = statusTerminating
				e.terminated = now
			})
		}
	})
	if problem != nil {
		return nil, problem
	}

	return &terminateSessionOutput{SessionID: id}, nil
}

func (s *Server) unknownSession(c *call) *apiError {
	switch s.unknown {
	case UnknownAccepted:
		return nil
	case UnknownInvalid:
		return invalidState()
	case UnknownDenied:
		return accessDenied(c)
	default:
		return doesNotExist()
	}
}

func (s *Server) resumeSession(c *call) (any, *apiError) {
	id, problem := c.requiredSessionID()
	if problem != nil {
		return nil, problem
	}
	now := s.now()
	output := &resumeSessionOutput{SessionID: id}
	s.sessions.update(c.region, id, func(_ *region, e *entry) {
		switch {
		case e == nil:
			problem = doesNotExist()
		case ended(e.Status):
			problem = invalidState()
		case e.Behaviour == BehaviourTimedOut:
		case e.Behaviour == BehaviourEmptyToken:
			output.TokenValue = new(string)
			output.StreamURL = new(string)
		default:
			token, url := newToken(now), newStreamURL(now, s.dataChannelURL(c.http, e.Session))
			// A live session stays in the same list, so it does not need region.change.
			e.Status = statusConnected
			e.tokens = append(e.tokens, token)
			e.streamURLs = append(e.streamURLs, url)
			output.TokenValue, output.StreamURL = &token, &url
		}
	})
	if problem != nil {
		return nil, problem
	}

	return output, nil
}

func (s *Server) getConnectionStatus(c *call) (any, *apiError) {
	var checks checks
	target := c.members.text("Target")
	checks.length("target", target, c.members.has("Target"), 400)
	if problem := checks.problem(); problem != nil {
		return nil, problem
	}
	output := &getConnectionStatusOutput{Target: target, Status: "notconnected"}
	if s.sessions.connected(c.region, target) {
		output.Status = "connected"
	}

	return output, nil
}

func (c *call) requiredSessionID() (string, *apiError) {
	var checks checks
	id := c.members.text("SessionId")
	checks.length("sessionId", id, c.members.has("SessionId"), 96)

	return id, checks.problem()
}

// newToken returns 400 characters. The API model allows at most 300, but AWS's examples are
// that long.
func newToken(now time.Time) string {
	return base64.StdEncoding.EncodeToString(blob(now, 300))
}

// newStreamURL returns a URL with an unescaped query. The cell number contains the +, / and =
// of base64.
func newStreamURL(now time.Time, dataChannelURL string) string {
	return dataChannelURL + "?role=publish_subscribe&cell-number=" + base64.StdEncoding.EncodeToString(blob(now, 103))
}

// blob returns random bytes that begin like those of the service. Their base64 has at least
// one + and one /.
func blob(now time.Time, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	copy(b, []byte{0, 1, 0, 1})
	binary.BigEndian.PutUint64(b[36:], uint64(now.Unix()))
	copy(b[60:], []byte{0xfb, 0xef, 0xff})

	return b
}
