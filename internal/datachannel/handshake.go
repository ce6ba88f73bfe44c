// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Status of a requested action in the answer to a handshake.
const (
	actionSuccess     = 1
	actionFailed      = 2
	actionUnsupported = 3
)

// maxActions is how many actions a handshake may request. Agents request two.
const maxActions = 32

type handshakeRequest struct {
	AgentVersion           string
	RequestedClientActions []requestedAction
}

type requestedAction struct {
	ActionType       string
	ActionParameters json.RawMessage
}

type handshakeResponse struct {
	ClientVersion          string
	ProcessedClientActions []processedAction
	Errors                 []string
}

type processedAction struct {
	ActionType   string
	ActionStatus int
	ActionResult any
	Error        string
}

// answerHandshake returns the answer to a handshake request. An error means that the
// request is invalid, and no answer is sent. A refusal is part of the answer, and the
// agent then ends the session.
func answerHandshake(data []byte, sessionType string) (answer []byte, agent Agent, refusal, err error) {
	var request handshakeRequest
	if json.Unmarshal(data, &request) != nil {
		return nil, Agent{}, nil, fmt.Errorf("%w: the handshake request cannot be read", ErrProtocol)
	}
	if len(request.RequestedClientActions) > maxActions {
		return nil, Agent{}, nil, fmt.Errorf("%w: the handshake asks for %d actions", ErrProtocol, len(request.RequestedClientActions))
	}

	response := handshakeResponse{ClientVersion: clientVersion, ProcessedClientActions: []processedAction{}, Errors: []string{}}
	var (
		got        string
		properties map[string]string
		asked      bool
	)
	for _, action := range request.RequestedClientActions {
		processed := processedAction{ActionType: action.ActionType, ActionStatus: actionSuccess}
		var problem error
		switch action.ActionType {
		case "SessionType":
			asked = true
			if got, properties, err = readSessionType(action.ActionParameters); err != nil {
				return nil, Agent{}, nil, err
			}
			if got != sessionType {
				processed.ActionStatus, problem = actionFailed, newSessionTypeError(sessionType, got)
			}
		case "KMSEncryption":
			var parameters struct {
				KMSKeyID string `json:"KMSKeyId"`
			}
			_ = json.Unmarshal(action.ActionParameters, &parameters)
			processed.ActionStatus, problem = actionUnsupported, newEncryptionError(parameters.KMSKeyID)
		default:
			processed.ActionStatus = actionUnsupported
			problem = errors.New("the agent asks for an action that this version of the provider does not know")
		}
		if problem != nil {
			processed.Error = problem.Error()
			response.Errors = append(response.Errors, processed.Error)
			refusal = errors.Join(refusal, problem)
		}
		response.ProcessedClientActions = append(response.ProcessedClientActions, processed)
	}
	if !asked {
		return nil, Agent{}, nil, fmt.Errorf("%w: the handshake lacks the type of the session", ErrProtocol)
	}
	if agent, err = newAgent(request.AgentVersion, got, properties); err != nil {
		return nil, Agent{}, nil, err
	}
	if answer, err = json.Marshal(response); err != nil {
		return nil, Agent{}, nil, fmt.Errorf("writing the answer to the handshake: %w", err)
	}

	return answer, agent, refusal, nil
}

// readSessionType returns the type and properties of a session. Properties that are
// not strings keep their JSON form.
func readSessionType(data []byte) (string, map[string]string, error) {
	var parameters struct {
		SessionType string
		Properties  json.RawMessage
	}
	if json.Unmarshal(data, &parameters) != nil || parameters.SessionType == "" {
		return "", nil, fmt.Errorf("%w: the handshake lacks the type of the session", ErrProtocol)
	}
	var raw map[string]json.RawMessage
	_ = json.Unmarshal(parameters.Properties, &raw) // Sessions of shells have other properties.
	properties := make(map[string]string, len(raw))
	for name, value := range raw {
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		properties[name] = text
	}

	return parameters.SessionType, properties, nil
}

// readHandshakeComplete returns the message for the user, which may be empty.
func readHandshakeComplete(data []byte) (string, error) {
	var complete struct{ CustomerMessage string }
	if json.Unmarshal(data, &complete) != nil {
		return "", fmt.Errorf("%w: the end of the handshake cannot be read", ErrProtocol)
	}

	return clean(complete.CustomerMessage), nil
}
