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

// remembered is how many requests are kept, so that a program that runs for
// weeks does not grow for weeks.
const remembered = 200_000

// Request is what the server keeps of a request. It holds no credential and no
// web identity token.
type Request struct {
	Time      time.Time `json:"time"`
	Service   string    `json:"service,omitempty"`
	Operation string    `json:"operation,omitempty"`
	Region    string    `json:"region,omitempty"`
	// Caller is the ARN of the principal that signed the request.
	Caller string `json:"caller,omitempty"`
	// SessionID and Target are the parameter or the filter of that name.
	SessionID string `json:"sessionId,omitempty"`
	Target    string `json:"target,omitempty"`
	// State, Filters, MaxResults and NextToken are those of DescribeSessions.
	State      string            `json:"state,omitempty"`
	Filters    map[string]string `json:"filters,omitempty"`
	MaxResults int               `json:"maxResults,omitempty"`
	NextToken  bool              `json:"nextToken,omitempty"`
	// Attempt is what the client says about itself, from 1.
	Attempt int `json:"attempt,omitempty"`
	// Status is 0 as long as there is no answer, and if there never is one. For a
	// data channel it is that of the handshake: 101 with an ErrorCode means that
	// the client's first message was refused.
	Status    int    `json:"status,omitempty"`
	ErrorCode string `json:"errorCode,omitempty"`
	// RequestID is the one that the answer carries in its header. It is empty as long
	// as there is no answer, and if there never is one.
	RequestID string `json:"requestId,omitempty"`
	// Fault is the kind of the fault that hit the request.
	Fault     FaultKind `json:"fault,omitempty"`
	UserAgent string    `json:"userAgent,omitempty"`
	// DocumentName and Reason are those of StartSession.
	DocumentName string `json:"documentName,omitempty"`
	Reason       string `json:"reason,omitempty"`
	// Parameters are the form values of an STS request, or those of StartSession: a
	// list as its values with commas between them.
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

// requestLog remembers requests in the order of their arrival.
type requestLog struct {
	mu       sync.Mutex
	requests []*Request
	counts   map[string]int
}

// begin records a request. From then on it may only be changed by finish.
func (l *requestLog) begin(r Request) *Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.requests) >= remembered {
		l.requests = slices.Delete(l.requests, 0, remembered/10)
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
