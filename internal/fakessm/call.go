// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"crypto/rand"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// bodyLimit is much larger than any request needs.
const bodyLimit = 1 << 20

// operation carries out one operation. The result is encoded in the protocol of the
// request.
type operation func(*Server, *call) (any, *apiError)

// call is a request that is being processed.
type call struct {
	http      *http.Request
	body      []byte
	requestID string
	service   string
	operation string
	region    string
	signature *signature
	caller    identity
	refusal   *apiError
	work      operation

	// members are the parameters of an SSM request. form has those of an STS request.
	members members
	form    url.Values

	// sameToken is a NextToken for the requested page itself.
	sameToken string
	fault     FaultKind
	record    *Request
}

// parseRequest parses a request. A parse error becomes the call's refusal, because refused requests
// are recorded too.
func (s *Server) parseRequest(w http.ResponseWriter, r *http.Request) *call {
	c := &call{http: r, requestID: newUUID().String(), service: "ssm"}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	c.body = body
	if header := r.Header.Get("Authorization"); header != "" {
		c.signature = parseAuthorization(header)
		if c.signature != nil {
			c.region = c.signature.region
		}
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	target, isSSM := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.")
	switch {
	case err != nil:
		c.refusal = &apiError{code: "RequestEntityTooLargeException", message: "Request body is too large.", status: http.StatusRequestEntityTooLarge}
	case r.Method != http.MethodPost || (r.URL.Path != "/" && r.URL.Path != ""):
		c.refusal = noSuchPage()
	case mediaType == "application/x-www-form-urlencoded":
		c.service = "sts"
		c.readForm()
	case mediaType == "application/x-amz-json-1.1" && isSSM:
		c.operation = target
		c.readJSON()
	default:
		c.refusal = noSuchPage()
	}

	return c
}

func (c *call) readJSON() {
	c.work = ssmOperations[c.operation]
	if c.work == nil {
		c.refusal = &apiError{code: "UnknownOperationException"}

		return
	}
	members, problem := parseMembers(c.body)
	c.members = members
	if problem != nil {
		c.work = func(*Server, *call) (any, *apiError) { return nil, problem }
	}
}

func (c *call) readForm() {
	form, err := url.ParseQuery(string(c.body))
	c.form = form
	c.operation = form.Get("Action")
	c.work = stsOperations[c.operation]
	switch {
	case err != nil:
		c.refusal = &apiError{code: "MalformedQueryString", message: "The query string contains a syntax error.", status: http.StatusBadRequest}
	case c.operation == "":
		c.refusal = &apiError{code: "MissingAction", message: "Could not find an action in the request.", status: http.StatusBadRequest}
	case c.work == nil:
		c.refusal = &apiError{
			code:    "UnknownOperationException",
			message: fmt.Sprintf("Could not find operation %s for version %s", c.operation, form.Get("Version")),
		}
	}
}

// sessionID returns the ID of the session that the request is about, if any.
func (c *call) sessionID() string {
	if id := c.members.text("SessionId"); id != "" {
		return id
	}
	id, _ := c.members.filters().value("SessionId")

	return id
}

func (c *call) request(now time.Time) Request {
	record := Request{
		Time:      now,
		Service:   c.service,
		Operation: c.operation,
		Region:    c.region,
		SessionID: c.sessionID(),
		Target:    c.members.text("Target"),
		State:     c.members.text("State"),
		NextToken: c.members.text("NextToken") != "",
		Attempt:   attempt(c.http.Header.Get("Amz-Sdk-Request")),
		UserAgent: c.http.UserAgent(),
	}
	record.MaxResults, _ = c.members.number("MaxResults")
	for _, f := range c.members.filters() {
		if record.Filters == nil {
			record.Filters = map[string]string{}
		}
		record.Filters[f.key] = f.value
		if f.key == "Target" {
			record.Target = f.value
		}
	}
	record.DocumentName, record.Reason = c.members.text("DocumentName"), c.members.text("Reason")
	parameters, _ := c.members.parameters()
	for name, values := range parameters {
		if record.Parameters == nil {
			record.Parameters = map[string]string{}
		}
		record.Parameters[name] = strings.Join(values, ",")
	}
	for name := range c.form {
		if secretParameters[name] {
			continue
		}
		if record.Parameters == nil {
			record.Parameters = map[string]string{}
		}
		record.Parameters[name] = c.form.Get(name)
	}

	return record
}

// uuid identifies a request or a message of the data channel.
type uuid [16]byte

func newUUID() uuid {
	var id uuid
	_, _ = rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80

	return id
}

func (id uuid) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
