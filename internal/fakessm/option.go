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

// Option changes how a Server behaves.
type Option func(*Server)

// UnknownAnswer says how TerminateSession answers for an ID that was never
// seen, which AWS does not document.
type UnknownAnswer int

const (
	// UnknownRefused answers DoesNotExistException.
	UnknownRefused UnknownAnswer = iota
	// UnknownAccepted answers as if the session had just been ended.
	UnknownAccepted
	// UnknownInvalid answers ValidationException, as for an ended session.
	UnknownInvalid
	// UnknownDenied answers AccessDeniedException, as policies with conditions
	// on a session's tags do.
	UnknownDenied
)

// WithClock sets the time that the server lives in. It also judges the age of
// signatures, so a clock far from the clients' own makes them retry once.
func WithClock(now func() time.Time) Option {
	return func(s *Server) { s.now = now }
}

// WithCredentials sets the static key pair that the server accepts.
func WithCredentials(accessKeyID, secretAccessKey string) Option {
	return func(s *Server) { s.accessKeyID, s.secretAccessKey = accessKeyID, secretAccessKey }
}

// WithWebIdentityToken makes AssumeRoleWithWebIdentity refuse any other token.
func WithWebIdentityToken(token string) Option {
	return func(s *Server) { s.webIdentityToken = token }
}

// WithPageSize sets the largest page of DescribeSessions, whatever its
// MaxResults says.
func WithPageSize(n int) Option {
	return func(s *Server) { s.pageSize = max(n, 1) }
}

// WithTerminationLag sets how long a session is Terminating before it is
// Terminated. Without a lag whoever looks sees Terminated.
func WithTerminationLag(d time.Duration) Option {
	return func(s *Server) { s.sessions.lag = d }
}

// WithTerminatingActive keeps a Terminating session in the active list until it
// is Terminated. AWS does not document which list shows it.
func WithTerminatingActive() Option {
	return func(s *Server) { s.sessions.terminatingActive = true }
}

// WithEndedAccepted makes TerminateSession answer 200 for a session that has
// ended, as the service did until 2026.
func WithEndedAccepted() Option {
	return func(s *Server) { s.endedAccepted = true }
}

// WithQuota limits an operation, in each Region, to so many requests a second.
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

// WithLatency makes every request wait before it is worked on.
func WithLatency(d time.Duration) Option {
	return func(s *Server) { s.latency = d }
}

// WithFiltersIgnored makes DescribeSessions check its filters and then list
// every session of the State asked for.
func WithFiltersIgnored() Option {
	return func(s *Server) { s.filtersIgnored = true }
}

// WithUnknownSession sets how TerminateSession answers for an unknown ID.
func WithUnknownSession(answer UnknownAnswer) Option {
	return func(s *Server) { s.unknown = answer }
}

// WithEmptyPages puts an empty page with a token before each page.
func WithEmptyPages() Option {
	return func(s *Server) { s.emptyPages = true }
}

// WithDataChannel gives sessions a data channel on this server, to which their
// stream URLs then lead. It is at baseURL, such as "ws://127.0.0.1:8008", or
// where the request to resume a session was sent if that is empty. Without this
// option stream URLs lead to AWS.
func WithDataChannel(baseURL string) Option {
	return func(s *Server) {
		s.dataChannel.enabled, s.dataChannel.baseURL = true, strings.TrimSuffix(baseURL, "/")
	}
}

// WithReasonsHidden makes DescribeSessions leave out the reasons of live sessions, as
// the service does at times.
func WithReasonsHidden() Option {
	return func(s *Server) { s.reasonsHidden = true }
}

// WithOldStreamURLsAccepted opens a data channel at any stream URL that
// ResumeSession gave out for a session, and not only at the last one.
func WithOldStreamURLsAccepted() Option {
	return func(s *Server) { s.dataChannel.oldURLsAccepted = true }
}

// WithOldTokensRefused opens a data channel for the last token only that
// ResumeSession gave out for a session. Whether the service does so is not
// documented.
func WithOldTokensRefused() Option {
	return func(s *Server) { s.dataChannel.oldTokensRefused = true }
}

// WithSignedChannels refuses clients that do not sign the request for a data channel.
func WithSignedChannels() Option {
	return func(s *Server) { s.dataChannel.signed = true }
}

// WithDocuments adds documents for sessions, or replaces those of AWS.
func WithDocuments(documents ...Document) Option {
	return func(s *Server) {
		for _, d := range documents {
			s.documents[d.Name] = d
		}
	}
}

// WithHosts tells where the hosts are that nodes can reach: an address on this machine
// for each name, with a port or without. The empty name is the node itself. Nodes reach
// no other machine.
func WithHosts(hosts map[string]string) Option {
	return func(s *Server) { maps.Copy(s.hosts, hosts) }
}

// WithDialer sets how nodes connect to the hosts that they can reach. In a bubble of
// testing/synctest the connections have to be in memory.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(s *Server) { s.dial = dial }
}

// WithAgentVersion sets the version of the agents on all nodes, which decides how they
// behave.
func WithAgentVersion(version string) Option {
	return func(s *Server) { s.agentVersion = version }
}

// WithAgentPacing makes agents wait for a millisecond after each message to the client,
// as real ones do. AgentPauses tells how long they have waited.
func WithAgentPacing() Option {
	return func(s *Server) { s.agentPacing = true }
}

// WithAgentCatchUp makes agents send everything again at once when the client is back.
// Real ones send ten messages a second, so that a transfer without pacing, which has
// thousands on their way, would take minutes to go on.
func WithAgentCatchUp() Option {
	return func(s *Server) { s.agentCatchUp = true }
}

// WithSessions adds sessions, as AddSessions does, once all options are known.
func WithSessions(sessions ...Session) Option {
	return func(s *Server) { s.initial = append(s.initial, sessions...) }
}
