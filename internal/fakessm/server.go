// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// The example key pair of AWS's documentation.
const (
	DefaultAccessKeyID     = "AKIAIOSFODNN7EXAMPLE"
	DefaultSecretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// accountID is the account of the static key pair.
const accountID = "123456789012"

var _ http.Handler = (*Server)(nil)

// Server is the service. It is safe for concurrent use.
type Server struct {
	now              func() time.Time
	accessKeyID      string
	secretAccessKey  string
	webIdentityToken string
	pageSize         int
	latency          time.Duration
	endedAccepted    bool
	filtersIgnored   bool
	reasonsHidden    bool
	emptyPages       bool
	unknown          UnknownAnswer
	dataChannel      dataChannelOptions
	initial          []Session
	documents        map[string]Document
	hosts            map[string]string // Loopback addresses by the host names that nodes use.
	dial             func(ctx context.Context, network, address string) (net.Conn, error)
	agentVersion     string
	agentStart       time.Duration
	agentPacing      bool
	agentCatchUp     bool

	agentPauses atomic.Int64 // Nanoseconds.

	sessions   *store
	identities *identities
	faults     *faults
	quotas     *quotas
	log        *requestLog

	channelFaults channelFaults
}

// New returns a Server. By default it accepts AWS's example key pair, has no sessions and no
// quotas, and behaves like the service since 2026.
func New(options ...Option) *Server {
	s := &Server{
		now:             time.Now,
		accessKeyID:     DefaultAccessKeyID,
		secretAccessKey: DefaultSecretAccessKey,
		pageSize:        2,
		sessions:        newStore(),
		identities:      &identities{byKey: map[string]identity{}},
		faults:          &faults{},
		quotas:          &quotas{limits: map[string]float64{}, buckets: map[[2]string]*bucket{}},
		log:             &requestLog{counts: map[string]int{}},
		documents:       documents(),
		hosts:           map[string]string{},
		dial:            new(net.Dialer).DialContext,
		agentVersion:    defaultAgentVersion,
	}
	for _, option := range options {
		option(s)
	}
	s.identities.add(identity{
		accessKeyID:     s.accessKeyID,
		secretAccessKey: s.secretAccessKey,
		account:         accountID,
		arn:             "arn:aws:iam::" + accountID + ":user/terraform",
		userID:          "AIDACKCEVSQ6C2EXAMPLE",
	})
	s.AddSessions(s.initial...)
	s.initial = nil

	return s
}

// AddSessions adds sessions, and replaces those with the same ID and Region. By default a
// session is Connected, is in DefaultRegion and started an hour ago.
func (s *Server) AddSessions(sessions ...Session) {
	s.sessions.add(s.now(), sessions)
}

// AddTargets sets the connection status of targets in every Region. Other targets are
// connected while they have an active session.
func (s *Server) AddTargets(targets map[string]bool) {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	for target, connected := range targets {
		s.sessions.targets[target] = connected
	}
}

// EndSession ends a session as if its user had ended it.
func (s *Server) EndSession(sessionID string) {
	s.endSession(sessionID)
}

func (s *Server) endSession(sessionID string) bool {
	now := s.now()

	return s.sessions.each(sessionID, func(r *region, e *entry) {
		if ended(e.Status) {
			return
		}
		r.change(e, func(e *entry) {
			e.Status = statusTerminated
			e.EndDate = now
		})
	})
}

// RemoveSession removes a session, as the service does with old history.
func (s *Server) RemoveSession(sessionID string) {
	s.sessions.each(sessionID, func(r *region, e *entry) {
		r.removeFromList(e)
		delete(r.byID, sessionID)
		e.closeChannels(errSessionEnded)
	})
}

// Session returns the current state of a session, even if no list contains it.
func (s *Server) Session(sessionID string) (Session, bool) {
	var found Session
	now := s.now()
	ok := s.sessions.each(sessionID, func(_ *region, e *entry) {
		found = e.sessionAt(now, s.sessions.lag)
	})

	return found, ok
}

// Sessions returns all sessions, even unlisted ones, sorted by Region, start date and ID.
func (s *Server) Sessions() []Session {
	return s.sessions.all(s.now())
}

// Tokens returns every token that was issued for a session.
func (s *Server) Tokens(sessionID string) []string {
	var tokens []string
	s.sessions.each(sessionID, func(_ *region, e *entry) { tokens = append(tokens, e.tokens...) })

	return tokens
}

// StreamURLs returns every stream URL that was issued for a session.
func (s *Server) StreamURLs(sessionID string) []string {
	var urls []string
	s.sessions.each(sessionID, func(_ *region, e *entry) { urls = append(urls, e.streamURLs...) })

	return urls
}

// Requests returns the recorded requests in the order of arrival.
func (s *Server) Requests() []Request {
	return s.log.list()
}

// AgentPauses returns how long paced agents have waited so far. See WithAgentPacing.
func (s *Server) AgentPauses() time.Duration {
	return time.Duration(s.agentPauses.Load())
}

// ResetRequests removes the recorded requests.
func (s *Server) ResetRequests() {
	s.log.reset()
}

// Count returns how many requests used the operation, including refused ones.
func (s *Server) Count(operation string) int {
	return s.log.count(operation)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.wantsDataChannel(r) {
		s.serveDataChannel(w, r)

		return
	}
	c := s.parseRequest(w, r)
	c.record = s.log.begin(c.request(s.now()))
	reply := s.answer(r.Context(), c)
	s.log.finish(func() {
		c.record.Caller = c.caller.arn
		c.record.Status = reply.status
		c.record.ErrorCode = reply.code
		c.record.Fault = c.fault
		if reply.status != 0 {
			c.record.RequestID = c.requestID
		}
	})
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-Amzn-Requestid", c.requestID)
	w.Header().Set("Content-Type", reply.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(reply.body)))
	reply.send(w, r)
}

// answer processes a request. Faults come last, because they must only hit requests that
// would have been processed.
func (s *Server) answer(ctx context.Context, c *call) reply {
	if !wait(ctx, s.latency) {
		return closedConnection()
	}
	if c.refusal != nil {
		return c.refuse(c.refusal)
	}
	if problem := s.authenticate(c); problem != nil {
		return c.refuse(problem)
	}
	if !s.quotas.allow(s.now(), c.region, c.operation) {
		return c.refuse(throttled())
	}
	fault, hit := s.faults.take(c)
	if hit {
		c.fault = fault.Kind
		if reply, done := s.faultReply(ctx, c, fault); done {
			return reply
		}
	}
	result, problem := c.work(s, c)
	if problem != nil {
		return c.refuse(problem).withDelivery(fault)
	}

	return c.accept(fault.alterResult(c, result)).withDelivery(fault)
}

// wait waits, and reports whether the request is still active.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
