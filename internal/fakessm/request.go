// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxRecordedRequests is how many requests are kept. It limits the memory of a program that runs for
// weeks.
const maxRecordedRequests = 200_000

// Request is a recorded request. It contains no credentials and no web identity token.
type Request struct {
	Time      time.Time `json:"time"`
	Service   string    `json:"service,omitempty"`
	Operation string    `json:"operation,omitempty"`
	Region    string    `json:"region,omitempty"`
	// Caller is the ARN of the principal that signed the request.
	Caller string `json:"caller,omitempty"`
	// SessionID and Target are parameters, or the filters of the same name.
	SessionID string `json:"sessionId,omitempty"`
	Target    string `json:"target,omitempty"`
	// State, Filters, MaxResults and NextToken are parameters of DescribeSessions.
	State      string            `json:"state,omitempty"`
	Filters    map[string]string `json:"filters,omitempty"`
	MaxResults int               `json:"maxResults,omitempty"`
	NextToken  bool              `json:"nextToken,omitempty"`
	// Attempt is the client's own count of attempts, from 1.
	Attempt int `json:"attempt,omitempty"`
	// Status is 0 without an answer. For a data channel it is the status of the handshake.
	// 101 with an ErrorCode means that the client's first message was rejected.
	Status    int    `json:"status,omitempty"`
	ErrorCode string `json:"errorCode,omitempty"`
	// RequestID is the one in the answer's header, empty without an answer.
	RequestID string `json:"requestId,omitempty"`
	// Fault is the kind of the fault that hit the request.
	Fault     FaultKind `json:"fault,omitempty"`
	UserAgent string    `json:"userAgent,omitempty"`
	// DocumentName and Reason are parameters of StartSession.
	DocumentName string `json:"documentName,omitempty"`
	Reason       string `json:"reason,omitempty"`
	// Parameters are the form values of an STS request, or the Parameters of StartSession.
	// The values of a list are joined by commas.
	Parameters map[string]string `json:"parameters,omitempty"`
}

var attemptPattern = regexp.MustCompile(`\battempt=(\d+)`)

func attempt(header string) int {
	if m := attemptPattern.FindStringSubmatch(header); m != nil {
		n, err := strconv.Atoi(m[1])
		if err == nil {
			return n
		}
	}

	return 0
}

// requestLog records requests in the order of arrival.
type requestLog struct {
	mu       sync.Mutex
	requests []*Request
	counts   map[string]int
}

// begin records a request. Afterwards only finish may change it.
func (l *requestLog) begin(r Request) *Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.requests) >= maxRecordedRequests {
		l.requests = slices.Delete(l.requests, 0, maxRecordedRequests/10)
	}
	l.requests = append(l.requests, &r)
	l.counts[r.Operation]++

	return &r
}

func (l *requestLog) finish(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *requestLog) list() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]Request, len(l.requests))
	for i, r := range l.requests {
		all[i] = *r
		all[i].Filters = maps.Clone(r.Filters)
		all[i].Parameters = maps.Clone(r.Parameters)
	}

	return all
}

func (l *requestLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = nil
	clear(l.counts)
}

func (l *requestLog) count(operation string) int {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.counts[operation]
}
