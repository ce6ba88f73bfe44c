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
	// OpenDataChannel is the Operation of a recorded request for a data channel.
	OpenDataChannel = "OpenDataChannel"

	dataChannelPath = "/v1/data-channel/"

	// openingTimeout limits the wait for a client's first message.
	openingTimeout = 3 * time.Second
)

// The reasons why an open data channel is closed.
var (
	errSessionEnded = errors.New("the session has ended")
	errBye          = errors.New("the service closes its connections")
)

// dataChannelOptions configure data channels.
type dataChannelOptions struct {
	enabled          bool
	baseURL          string
	oldURLsAccepted  bool
	oldTokensRefused bool
	signed           bool
}

// channelRefusal is the answer to a client that must not open a data channel.
type channelRefusal struct {
	status int
	code   string
	reason string
}

// plainSessionID matches IDs that need no escaping in a URL.
var plainSessionID = regexp.MustCompile(`^[\w+=,.@-]+$`)

// dataChannelURL returns the URL of a session's data channel, without its query.
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

// serveDataChannel serves the data channel of one client. A signature, if there is one, must
// be valid. An option makes it required, because not every client signs this request.
func (s *Server) serveDataChannel(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, dataChannelPath)
	admit := func(*entry) *channelRefusal { return nil }
	known, _ := s.findStream(id, r.URL.RawQuery, admit)
	// The client may have sent a secret in place of the ID. Only IDs of known sessions are
	// recorded.
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
	if !wait(r.Context(), s.latency) {
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
		answered(watched.status, invalidOpening("the request is not a WebSocket handshake"))

		return
	}
	defer conn.CloseNow() //nolint:errcheck // It may be closed already.

	token, refusal := readOpening(conn)
	if refusal == nil {
		channel := newChannel()
		var node *agent
		_, refusal = s.findStream(id, r.URL.RawQuery, func(e *entry) *channelRefusal {
			if e.agent != nil && e.agent.handshakeTimedOut(s.now().Sub(e.StartDate)) {
				return &channelRefusal{http.StatusForbidden, "AccessDeniedException", "the token has expired"}
			}
			if !e.issuedToken(token, s.dataChannel.oldTokensRefused) {
				return &channelRefusal{http.StatusForbidden, "AccessDeniedException", "the token was not issued for this session"}
			}
			e.open(channel)
			node = e.agent

			return nil
		})
		if refusal == nil {
			answered(watched.status, nil)
			s.serveChannel(conn, known, channel, node)

			return
		}
	}
	answered(watched.status, refusal)
	_ = conn.Close(websocket.StatusPolicyViolation, refusal.reason)
}

// authenticateChannel checks the signature of a WebSocket request.
func (s *Server) authenticateChannel(r *http.Request) *apiError {
	header := r.Header.Get("Authorization")
	if header == "" && !s.dataChannel.signed {
		return nil
	}

	return s.authenticate(&call{http: r, service: "ssmmessages", operation: OpenDataChannel, signature: parseAuthorization(header)})
}

// findStream calls f, under the store's lock, with the live session that a stream URL
// belongs to. It returns the session with that ID, if there is one.
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
		case !e.issuedStreamURL(query, s.dataChannel.oldURLsAccepted):
			known, refusal = e.Session, &channelRefusal{http.StatusForbidden, "AccessDeniedException", "the stream URL was not issued for this session"}
		default:
			known, refusal, found = e.Session, f(e), true
		}
	})

	return known, refusal
}

// issuedStreamURL reports whether a query belongs to a stream URL of the session. The comparison
// is exact, because a client that re-encodes the query has changed it.
func (e *entry) issuedStreamURL(query string, oldAccepted bool) bool {
	issued := e.streamURLs
	if !oldAccepted && len(issued) > 0 {
		issued = issued[len(issued)-1:]
	}

	return slices.ContainsFunc(issued, func(streamURL string) bool {
		_, want, _ := strings.Cut(streamURL, "?")

		return query == want
	})
}

func (e *entry) issuedToken(token string, oldRefused bool) bool {
	issued := e.tokens
	if oldRefused && len(issued) > 0 {
		issued = issued[len(issued)-1:]
	}

	return slices.Contains(issued, token)
}

// readOpening reads a client's first message, and returns its token.
func readOpening(conn *websocket.Conn) (string, *channelRefusal) {
	late := time.AfterFunc(openingTimeout, func() {
		_ = conn.Close(websocket.StatusPolicyViolation, "the first message did not arrive in time")
	})
	defer late.Stop()
	kind, data, err := conn.Read(context.Background())
	if err != nil {
		return "", invalidOpening("the first message did not arrive")
	}
	if kind != websocket.MessageText {
		return "", invalidOpening("the first message is not text")
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return "", invalidOpening("the first message is not a JSON object")
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

// statusWriter records the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets websocket.Accept hijack the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter {
	return w.ResponseWriter
}
