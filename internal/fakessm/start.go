// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"cmp"
	"encoding/hex"
	"strings"
)

// startSession starts a session on a connected node. Nodes are connected by default.
func (s *Server) startSession(c *call) (any, *apiError) {
	var checks checks
	target := c.members.text("Target")
	checks.length("target", target, c.members.has("Target"), 400)
	if c.members.has("Reason") {
		checks.length("reason", c.members.text("Reason"), true, 256)
	}
	if problem := checks.problem(); problem != nil {
		return nil, problem
	}
	s.sessions.mu.RLock()
	told, known := s.sessions.targets[target]
	s.sessions.mu.RUnlock()
	if known && !told {
		return nil, &apiError{code: "TargetNotConnected", message: target + " is not connected."}
	}
	name := cmp.Or(c.members.text("DocumentName"), defaultDocument)
	document, known := s.documents[name]
	if !known {
		return nil, &apiError{code: "InvalidDocument", message: "Document with name " + name + " does not exist."}
	}
	given, ok := c.members.parameters()
	if !ok {
		return nil, wrongType("Parameters", "Map")
	}
	properties, problem := document.fillProperties(given)
	if problem != nil {
		return nil, problem
	}
	id := newUUID()
	now := s.now()
	session := Session{
		SessionID: c.caller.arn[strings.LastIndex(c.caller.arn, "/")+1:] + "-0" + hex.EncodeToString(id[:8]), Region: c.region, Target: target, Owner: c.caller.arn,
		DocumentName: c.members.text("DocumentName"), Reason: c.members.text("Reason"), StartDate: now,
	}
	s.sessions.add(now, []Session{session})
	token, url := newToken(now), newStreamURL(now, s.dataChannelURL(c.http, session))
	s.sessions.update(c.region, session.SessionID, func(_ *region, e *entry) {
		e.tokens = append(e.tokens, token)
		e.streamURLs = append(e.streamURLs, url)
		e.agent = newAgent(s, session, document.SessionType, properties)
	})

	return &resumeSessionOutput{SessionID: session.SessionID, TokenValue: &token, StreamURL: &url}, nil
}
