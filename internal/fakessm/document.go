// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The session types of documents.
const (
	sessionTypePort  = "Port"
	sessionTypeShell = "Standard_Stream"
)

// defaultDocument is the document of a session that does not name one.
const defaultDocument = "SSM-SessionManagerRunShell"

// Document is a session document in schema version 1.0.
type Document struct {
	Name          string                       `json:"name"`
	SchemaVersion string                       `json:"schemaVersion"`
	Description   string                       `json:"description,omitempty"`
	SessionType   string                       `json:"sessionType"`
	Parameters    map[string]DocumentParameter `json:"parameters,omitempty"`
	Properties    map[string]string            `json:"properties,omitempty"`
}

// DocumentParameter is a parameter of a document.
type DocumentParameter struct {
	Type           string `json:"type"`
	Description    string `json:"description,omitempty"`
	Default        string `json:"default,omitempty"`
	AllowedPattern string `json:"allowedPattern,omitempty"`
}

// documents returns the documents that every account has. Their content is known from
// reports, not from AWS.
func documents() map[string]Document {
	port := func(initial string) DocumentParameter {
		return DocumentParameter{Type: "String", Default: initial, AllowedPattern: `^([0-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$`}
	}
	all := []Document{
		{Name: defaultDocument, SessionType: sessionTypeShell},
		{
			Name: "AWS-StartPortForwardingSession", SessionType: sessionTypePort,
			Parameters: map[string]DocumentParameter{"portNumber": port("80"), "localPortNumber": port("0")},
			Properties: map[string]string{"portNumber": "{{ portNumber }}", "type": "LocalPortForwarding", "localPortNumber": "{{ localPortNumber }}"},
		},
		{
			Name: "AWS-StartPortForwardingSessionToRemoteHost", SessionType: sessionTypePort,
			Parameters: map[string]DocumentParameter{
				"host": {Type: "String", Default: "localhost"}, "portNumber": port("80"), "localPortNumber": port("0"),
			},
			Properties: map[string]string{"host": "{{ host }}", "portNumber": "{{ portNumber }}", "type": "LocalPortForwarding", "localPortNumber": "{{ localPortNumber }}"},
		},
		{
			Name: "AWS-StartSSHSession", SessionType: sessionTypePort,
			Parameters: map[string]DocumentParameter{"portNumber": port("22")},
			Properties: map[string]string{"portNumber": "{{ portNumber }}"},
		},
	}
	byName := make(map[string]Document, len(all))
	for _, d := range all {
		d.SchemaVersion = "1.0"
		byName[d.Name] = d
	}

	return byName
}

// ReadDocuments decodes one document or an array of them.
func ReadDocuments(r io.Reader) ([]Document, error) {
	documents, err := decodeOneOrMany[Document](r)
	if err != nil {
		return nil, fmt.Errorf("reading documents: %w", err)
	}
	for _, d := range documents {
		switch {
		case d.Name == "":
			return nil, errors.New("reading documents: a document has no name")
		case d.SessionType != sessionTypePort && d.SessionType != sessionTypeShell:
			return nil, fmt.Errorf("reading documents: %s has the session type %q, which is neither %s nor %s", d.Name, d.SessionType, sessionTypePort, sessionTypeShell)
		}
	}

	return documents, nil
}

var placeholder = regexp.MustCompile(`{{\s*(\w+)\s*}}`)

// fillProperties returns the document's properties with the parameters filled in.
func (d Document) fillProperties(given map[string][]string) (map[string]string, *apiError) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		parameter, known := d.Parameters[name]
		values := given[name]
		switch {
		case !known:
			return nil, invalidParameters(fmt.Sprintf("Parameter %s is not defined in the document %s.", name, d.Name))
		case len(values) != 1:
			return nil, invalidParameters(fmt.Sprintf("Parameter %s takes one value.", name))
		case parameter.AllowedPattern != "" && !regexp.MustCompile(parameter.AllowedPattern).MatchString(values[0]):
			return nil, invalidParameters(fmt.Sprintf("Parameter %s does not match the pattern %s.", name, parameter.AllowedPattern))
		}
	}
	properties := make(map[string]string, len(d.Properties))
	for name, value := range d.Properties {
		properties[name] = placeholder.ReplaceAllStringFunc(value, func(place string) string {
			parameter := strings.Trim(place, "{} \t")
			if values := given[parameter]; len(values) == 1 {
				return values[0]
			}

			return d.Parameters[parameter].Default
		})
	}

	return properties, nil
}

func invalidParameters(message string) *apiError {
	return &apiError{code: "InvalidParameters", message: message}
}

// parameters returns the Parameters of StartSession.
func (m members) parameters() (map[string][]string, bool) {
	if !m.has("Parameters") {
		return nil, true
	}
	var parameters map[string][]string
	err := json.Unmarshal(m["Parameters"], &parameters)

	return parameters, err == nil
}
