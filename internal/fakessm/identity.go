// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"sync"
	"time"
)

// identity is a principal with its credentials: the static key pair, or a role session from
// STS.
type identity struct {
	accessKeyID     string
	secretAccessKey string
	sessionToken    string
	account         string
	arn             string
	userID          string
	expires         time.Time
}

// isRoleSession reports whether the identity is a role session.
func (i identity) isRoleSession() bool {
	return i.sessionToken != ""
}

type identities struct {
	mu    sync.RWMutex
	byKey map[string]identity
}

func (i *identities) add(id identity) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.byKey[id.accessKeyID] = id
}

func (i *identities) find(accessKeyID string) (identity, bool) {
	i.mu.RLock()
	defer i.mu.RUnlock()
	id, ok := i.byKey[accessKeyID]

	return id, ok
}

// authenticate determines who signed the request.
func (s *Server) authenticate(c *call) *apiError {
	if c.service == "sts" && c.operation == "AssumeRoleWithWebIdentity" {
		return nil
	}
	if c.http.Header.Get("Authorization") == "" {
		return &apiError{code: "MissingAuthenticationTokenException", message: "Missing Authentication Token"}
	}
	if c.signature == nil {
		return &apiError{
			code:    "IncompleteSignatureException",
			message: "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
		}
	}
	if problem := c.signature.checkDate(c, s.now()); problem != nil {
		return problem
	}
	id, ok := s.identities.find(c.signature.accessKeyID)
	if !ok || c.http.Header.Get("X-Amz-Security-Token") != id.sessionToken {
		return &apiError{code: "UnrecognizedClientException", message: "The security token included in the request is invalid."}
	}
	if problem := c.signature.verify(c, id.secretAccessKey); problem != nil {
		return problem
	}
	c.caller = id
	if id.isRoleSession() && !s.now().Before(id.expires) {
		return expiredToken()
	}

	return nil
}

func expiredToken() *apiError {
	return &apiError{code: "ExpiredTokenException", message: "The security token included in the request is expired"}
}

// accessDenied returns an error in the words of IAM.
func accessDenied(c *call) *apiError {
	resource := "arn:aws:ssm:" + c.region + ":" + c.caller.account + ":*"
	switch {
	case c.service == "sts":
		resource = c.form.Get("RoleArn")
		if resource == "" {
			resource = "*"
		}
	case c.members.text("SessionId") != "":
		resource = "arn:aws:ssm:" + c.region + ":" + c.caller.account + ":session/" + c.members.text("SessionId")
	}
	caller := c.caller.arn
	if caller == "" {
		caller = "anonymous"
	}
	action := c.service + ":" + c.operation

	return &apiError{
		code: "AccessDeniedException",
		message: "User: " + caller + " is not authorized to perform: " + action + " on resource: " + resource +
			" because no identity-based policy allows the " + action + " action",
	}
}
