// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	// OpenDataChannel is the operation under which a Request tells of a client
	// that asks for a data channel.
	OpenDataChannel = "OpenDataChannel"

	dataChannelPath = "/v1/data-channel/"

	// openingTimeout is how long a client may take for its first message.
	openingTimeout = 3 * time.Second
)

// Why a data channel that was open comes to its end.
var (
	errSessionEnded = errors.New("the session has ended")
	errBye          = errors.New("the service closes its connections")
)

// dataChannelOptions say where data channels are, and how strict.
type dataChannelOptions struct {
	enabled          bool
	baseURL          string
	oldURLsAccepted  bool
	oldTokensRefused bool
	signed           bool
}

// channelRefusal is the answer to a client that may not open a data channel.
type channelRefusal struct {
	status int
	code   string
	reason string
}

// plainSessionID matches the IDs that may stand in a URL as they are.
var plainSessionID = regexp.MustCompile(`^[\w+=,.@-]+$`)

// dataChannelURL is where the data channel of a session is, without its query.
func (s *Server) dataChannelURL(r *http.Request, session Session) string {
	base := s.dataChannel.baseURL
	switch {
	case !s.dataChannel.enabled:
		return "wss://ssmmessages." + session.Region + ".amazonaws.com" + dataChannelPath + session.SessionID
	case base != "":
	case r.TLS != nil:
		base = "wss://" + r.Host
	default:
		base = "ws://" + r.Host
	}
	id := session.SessionID
	if !plainSessionID.MatchString(id) {
		id = url.PathEscape(id)
	}
	return base + dataChannelPath + id
}

func (s *Server) wantsDataChannel(r *http.Request) bool {
	return s.dataChannel.enabled && r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, dataChannelPath)
}

// serveDataChannel holds the data channel of one client, from its request to
// its end. A signature has to be right. Whether there must be one is an option, as
// not every client signs this request.
func (s *Server) serveDataChannel(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, dataChannelPath)
	admit := func(*entry) *channelRefusal { return nil }
	known, _ := s.findStream(id, r.URL.RawQuery, admit)
	// What the client sent may hold a secret where an ID should be, and so only
	// the ID of a known session is written down.
	record := s.log.begin(Request{
		Time: s.now(), Service: "ssmmessages", Operation: OpenDataChannel,
		Region: known.Region, SessionID: known.SessionID, UserAgent: r.UserAgent(),
	})
	answered := func(status int, refusal *channelRefusal) {
		s.log.finish(func() {
			record.Status = status
			if refusal != nil {
				record.ErrorCode = refusal.code
			}
		})
	}
	if !pause(r.Context(), s.latency) {
		return
	}
	if _, refusal := s.findStream(id, r.URL.RawQuery, admit); refusal != nil {
		answered(refusal.status, refusal)
		http.Error(w, refusal.reason, refusal.status)
		return
	}
	if problem := s.authenticateChannel(r); problem != nil {
		refusal := &channelRefusal{http.StatusForbidden, problem.code, problem.message}
		answered(refusal.status, refusal)
		http.Error(w, refusal.reason, refusal.status)
		return
	}
	if _, struck := s.channelFaults.take(known.SessionID, ToAgent, nil); struck {
		answered(http.StatusServiceUnavailable, &channelRefusal{code: "ServiceUnavailable"})
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
		return
	}
	watched := &statusWriter{ResponseWriter: w}
	conn, err := websocket.Accept(watched, r, nil)
	if err != nil {
		answered(watched.status, invalidOpening("this is no WebSocket handshake"))
		return
	}
	defer conn.CloseNow() //nolint:errcheck // It may be closed already.

	token, refusal := readOpening(conn)
	if refusal == nil {
		channel := newChannel()
		var node *agent
		_, refusal = s.findStream(id, r.URL.RawQuery, func(e *entry) *channelRefusal {
			if e.agent != nil && e.agent.gaveUp(s.now().Sub(e.StartDate)) {
				return &channelRefusal{http.StatusForbidden, "AccessDeniedException", "the token has expired"}
			}
			if !e.accepts(token, s.dataChannel.oldTokensRefused) {
				return &channelRefusal{http.StatusForbidden, "AccessDeniedException", "the token was not issued for this session"}
			}
			e.open(channel)
			node = e.agent
			return nil
		})
		if refusal == nil {
			answered(watched.status, nil)
			s.hold(conn, known, channel, node)
			return
		}
	}
	answered(watched.status, refusal)
	_ = conn.Close(websocket.StatusPolicyViolation, refusal.reason)
}

// authenticateChannel checks the signature of a request for a WebSocket.
func (s *Server) authenticateChannel(r *http.Request) *apiError {
	header := r.Header.Get("Authorization")
	if header == "" && !s.dataChannel.signed {
		return nil
	}
	return s.authenticate(&call{http: r, service: "ssmmessages", operation: OpenDataChannel, signature: parseAuthorization(header)})
}

// findStream calls f with the live session that a stream URL was issued for,
// while no one else looks. The session is returned if there is one of that ID.
func (s *Server) findStream(id, query string, f func(*entry) *channelRefusal) (Session, *channelRefusal) {
	var (
		known   Session
		found   bool
		refusal = &channelRefusal{http.StatusNotFound, "DoesNotExistException", "there is no such session"}
	)
	s.sessions.each(id, func(_ *region, e *entry) {
		switch {
		case found: // The same ID in another Region.
		case ended(e.Status):
			known, refusal = e.Session, &channelRefusal{http.StatusGone, "ValidationException", "the session has ended"}
		case !e.streamsFrom(query, s.dataChannel.oldURLsAccepted):
			known, refusal = e.Session, &channelRefusal{http.StatusForbidden, "AccessDeniedException", "the stream URL was not issued for this session"}
		default:
			known, refusal, found = e.Session, f(e), true
		}
	})
	return known, refusal
}

// streamsFrom compares byte for byte: a client that re-encodes the query of a
// stream URL has altered it.
func (e *entry) streamsFrom(query string, oldAccepted bool) bool {
	issued := e.streamURLs
	if !oldAccepted && len(issued) > 0 {
		issued = issued[len(issued)-1:]
	}
	return slices.ContainsFunc(issued, func(streamURL string) bool {
		_, want, _ := strings.Cut(streamURL, "?")
		return query == want
	})
}

func (e *entry) accepts(token string, oldRefused bool) bool {
	issued := e.tokens
	if oldRefused && len(issued) > 0 {
		issued = issued[len(issued)-1:]
	}
	return slices.Contains(issued, token)
}

// readOpening reads the first message of a client and returns its token.
func readOpening(conn *websocket.Conn) (string, *channelRefusal) {
	late := time.AfterFunc(openingTimeout, func() {
		_ = conn.Close(websocket.StatusPolicyViolation, "there was no first message in time")
	})
	defer late.Stop()
	kind, data, err := conn.Read(context.Background())
	if err != nil {
		return "", invalidOpening("there was no first message")
	}
	if kind != websocket.MessageText {
		return "", invalidOpening("the first message is not text")
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return "", invalidOpening("the first message is no JSON object")
	}
	text := func(name string) (value string) {
		_ = json.Unmarshal(members[name], &value)
		return value
	}
	switch {
	case text("MessageSchemaVersion") != "1.0":
		return "", invalidOpening("MessageSchemaVersion is not 1.0")
	case len(text("RequestId")) < 16:
		return "", invalidOpening("RequestId has less than 16 characters")
	case text("TokenValue") == "":
		return "", invalidOpening("TokenValue is missing")
	}
	return text("TokenValue"), nil
}

func invalidOpening(reason string) *channelRefusal {
	return &channelRefusal{http.StatusBadRequest, "ValidationException", reason}
}

// statusWriter sees the status of an answer that somebody else writes.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the connection be taken over.
func (w *statusWriter) Unwrap() http.ResponseWriter {
	return w.ResponseWriter
}
