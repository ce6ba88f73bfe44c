// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"context"
	"maps"
	"net"
	"strings"
	"time"
)

// Option configures a Server.
type Option func(*Server)

// UnknownAnswer is TerminateSession's answer for an unknown session ID. AWS does not document
// this case.
type UnknownAnswer int

const (
	// UnknownRefused answers DoesNotExistException.
	UnknownRefused UnknownAnswer = iota
	// UnknownAccepted answers with success.
	UnknownAccepted
	// UnknownInvalid answers ValidationException, as for an ended session.
	UnknownInvalid
	// UnknownDenied answers AccessDeniedException, like policies with a condition on a
	// session's tags.
	UnknownDenied
)

// WithClock sets the server's clock. It also determines the age of signatures. If it differs
// much from the client's clock, clients retry once.
func WithClock(now func() time.Time) Option {
	return func(s *Server) { s.now = now }
}

// WithCredentials sets the static key pair that the server accepts.
func WithCredentials(accessKeyID, secretAccessKey string) Option {
	return func(s *Server) { s.accessKeyID, s.secretAccessKey = accessKeyID, secretAccessKey }
}

// WithWebIdentityToken makes AssumeRoleWithWebIdentity reject every other token.
func WithWebIdentityToken(token string) Option {
	return func(s *Server) { s.webIdentityToken = token }
}

// WithPageSize sets the maximum page size of DescribeSessions. A larger MaxResults has no
// effect.
func WithPageSize(n int) Option {
	return func(s *Server) { s.pageSize = max(n, 1) }
}

// WithTerminationLag sets how long a session is Terminating before it is Terminated. By
// default it is Terminated at once.
func WithTerminationLag(d time.Duration) Option {
	return func(s *Server) { s.sessions.lag = d }
}

// WithTerminatingActive keeps a Terminating session in the active list until it is
// Terminated. AWS does not document which list contains it.
func WithTerminatingActive() Option {
	return func(s *Server) { s.sessions.terminatingActive = true }
}

// WithEndedAccepted makes TerminateSession answer 200 for an ended session, like the service
// before 2026.
func WithEndedAccepted() Option {
	return func(s *Server) { s.endedAccepted = true }
}

// WithQuota limits an operation to a number of requests per second in each Region.
func WithQuota(operation string, perSecond float64) Option {
	return func(s *Server) { s.quotas.limits[operation] = perSecond }
}

// WithDefaultQuotas sets the quotas that AWS publishes for Session Manager.
func WithDefaultQuotas() Option {
	return func(s *Server) {
		s.quotas.limits["TerminateSession"] = 6
		s.quotas.limits["ResumeSession"] = 6
		s.quotas.limits["StartSession"] = 3
		s.quotas.limits["DescribeSessions"] = 6
		s.quotas.limits["GetConnectionStatus"] = 50
	}
}

// WithLatency delays every request.
func WithLatency(d time.Duration) Option {
	return func(s *Server) { s.latency = d }
}

// WithFiltersIgnored makes DescribeSessions validate its filters but not apply them.
func WithFiltersIgnored() Option {
	return func(s *Server) { s.filtersIgnored = true }
}

// WithUnknownSession sets TerminateSession's answer for an unknown session ID.
func WithUnknownSession(answer UnknownAnswer) Option {
	return func(s *Server) { s.unknown = answer }
}

// WithEmptyPages adds an empty page with a token before each page.
func WithEmptyPages() Option {
	return func(s *Server) { s.emptyPages = true }
}

// WithDataChannel serves data channels on this server. Stream URLs begin with baseURL, such
// as "ws://127.0.0.1:8008". If it is empty, they use the host of the request that started
// or resumed the session. Without this option, stream URLs point to AWS.
func WithDataChannel(baseURL string) Option {
	return func(s *Server) {
		s.dataChannel.enabled, s.dataChannel.baseURL = true, strings.TrimSuffix(baseURL, "/")
	}
}

// WithReasonsHidden makes DescribeSessions omit the reasons of live sessions, as the service
// sometimes does.
func WithReasonsHidden() Option {
	return func(s *Server) { s.reasonsHidden = true }
}

// WithOldStreamURLsAccepted accepts every stream URL that was issued for a session, not only
// the last one.
func WithOldStreamURLsAccepted() Option {
	return func(s *Server) { s.dataChannel.oldURLsAccepted = true }
}

// WithOldTokensRefused accepts only the last token that was issued for a session. AWS does
// not document whether the service does this.
func WithOldTokensRefused() Option {
	return func(s *Server) { s.dataChannel.oldTokensRefused = true }
}

// WithSignedChannels rejects unsigned requests for a data channel.
func WithSignedChannels() Option {
	return func(s *Server) { s.dataChannel.signed = true }
}

// WithDocuments adds documents, or replaces those of AWS.
func WithDocuments(documents ...Document) Option {
	return func(s *Server) {
		for _, d := range documents {
			s.documents[d.Name] = d
		}
	}
}

// WithHosts sets the hosts that nodes can reach. Each name has a loopback address, with or
// without a port. The empty name is the node itself. Nodes cannot reach other machines.
func WithHosts(hosts map[string]string) Option {
	return func(s *Server) { maps.Copy(s.hosts, hosts) }
}

// WithDialer sets how nodes connect to the hosts that they can reach. In a synctest bubble the
// connections must be in memory.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(s *Server) { s.dial = dial }
}

// WithAgentVersion sets the version of all agents. Their behaviour depends on it.
func WithAgentVersion(version string) Option {
	return func(s *Server) { s.agentVersion = version }
}

// WithAgentStart sets how long agents take after the handshake until they accept data. Real
// agents resolve the remote host in this time. Agents up to 3.0.603.0 acknowledge and drop data
// that arrives earlier. Newer agents do not acknowledge it.
func WithAgentStart(d time.Duration) Option {
	return func(s *Server) { s.agentStart = d }
}

// WithAgentPacing makes agents wait one millisecond after each message to the client, like
// real agents. AgentPauses returns how long they have waited.
func WithAgentPacing() Option {
	return func(s *Server) { s.agentPacing = true }
}

// WithAgentCatchUp makes agents resend all unacknowledged messages at once when the client
// reconnects. Real agents resend ten messages per second. Without pacing thousands are
// unacknowledged, and the transfer would take minutes to continue.
func WithAgentCatchUp() Option {
	return func(s *Server) { s.agentCatchUp = true }
}

// WithSessions adds sessions with AddSessions, after all options are applied.
func WithSessions(sessions ...Session) Option {
	return func(s *Server) { s.initial = append(s.initial, sessions...) }
}
