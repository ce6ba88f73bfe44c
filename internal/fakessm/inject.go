// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Inject adds faults. If several match a request, the oldest one hits.
func (s *Server) Inject(faults ...Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults.pending = append(s.faults.pending, f)
	}
}

// ClearFaults removes the pending faults.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.pending = nil
}

// faults are the pending faults. Their Skip and Times count down.
type faults struct {
	mu      sync.Mutex
	pending []Fault
}

func (fs *faults) list() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()

	return slices.Clone(fs.pending)
}

func (fs *faults) take(c *call) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i := range fs.pending {
		f := &fs.pending[i]
		if !f.matches(c) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--

			continue
		}
		taken := *f
		if f.Times--; f.Times == 0 {
			fs.pending = slices.Delete(fs.pending, i, i+1)
		}

		return taken, true
	}

	return Fault{}, false
}

func (f Fault) matches(c *call) bool {
	return (f.Operation == "" || f.Operation == c.operation) &&
		(f.SessionID == "" || f.SessionID == c.sessionID()) &&
		(f.Region == "" || f.Region == c.region)
}

// faultReply answers instead of the operation, if the fault requires it.
func (s *Server) faultReply(ctx context.Context, c *call, f Fault) (reply, bool) {
	switch f.Kind {
	case FaultSlow:
		return reply{}, false
	case FaultHang:
		if f.Delay <= 0 {
			<-ctx.Done()
		}
		wait(ctx, f.Delay)

		return closedConnection(), true
	}
	if !wait(ctx, f.Delay) {
		return closedConnection(), true
	}
	switch f.Kind {
	case FaultError:
		return c.refuse(&apiError{code: f.Code, message: f.Message, status: f.Status}), true
	case FaultThrottle:
		return c.refuse(throttled()), true
	case FaultInternal:
		return c.refuse(&apiError{code: "InternalServerError", message: "An error occurred on the server side."}), true
	case FaultDenied:
		return c.refuse(accessDenied(c)), true
	case FaultExpired:
		return c.refuse(expiredToken()), true
	case FaultClockSkew:
		signed := s.now().Add(-3 * allowedSkew)

		return c.refuse(signatureExpired(signed.UTC().Format(signingTime), s.now())), true
	case FaultProxy:
		return reply{
			status:      http.StatusServiceUnavailable,
			contentType: "text/html",
			body:        []byte("<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"),
		}, true
	case FaultResetBefore:
		return closedConnection(), true
	case FaultEmpty:
		return reply{status: http.StatusOK, contentType: "application/x-amz-json-1.1"}, true
	case FaultTooMany:
		return reply{
			status:      http.StatusTooManyRequests,
			contentType: "text/html",
			body:        []byte("<html><body><h1>429 Too Many Requests</h1></body></html>\n"),
		}, true
	case FaultThrottle503:
		refusal := *throttled()
		refusal.status = http.StatusServiceUnavailable

		return c.refuse(&refusal), true
	case FaultBare:
		return reply{status: http.StatusOK, contentType: "application/x-amz-json-1.1", body: []byte("{}")}, true
	case FaultMoved:
		return reply{status: http.StatusOK, contentType: "application/x-amz-json-1.1", body: []byte(`{"Sessions":null,"message":"moved"}`)}, true
	case FaultGarbage:
		return reply{status: http.StatusOK, contentType: "application/x-amz-json-1.1", body: []byte("It works!\n")}, true
	default:
		return reply{}, false
	}
}

// alterResult changes the result of an operation.
func (f Fault) alterResult(c *call, result any) any {
	const another = "Someone-Else-0fedcba9876543210"
	switch out := result.(type) {
	case *resumeSessionOutput:
		switch f.Kind {
		case FaultNoToken:
			out.TokenValue, out.StreamURL = nil, nil
		case FaultNoURL:
			out.StreamURL = nil
		case FaultWrongSession:
			out.SessionID = another
		}
	case *terminateSessionOutput:
		if f.Kind == FaultWrongSession {
			out.SessionID = another
		}
	case *describeSessionsOutput:
		if f.Kind == FaultWrongSession && len(out.Sessions) > 0 {
			out.Sessions[0].SessionID = another
		}
		if f.Kind == FaultRepeatToken {
			out.NextToken = c.sameToken
		}
	}

	return result
}

// withDelivery sets the way in which the fault sends the reply.
func (r reply) withDelivery(f Fault) reply {
	switch f.Kind {
	case FaultResetAfter:
		return closedConnection()
	case FaultTruncated:
		r.delivery = sendHalf
	case FaultSlow:
		r.delivery = sendSlowly(f.Delay)
	}

	return r
}

// closedConnection returns a reply that closes the connection.
func closedConnection() reply {
	return reply{delivery: resetConnection}
}

// resetConnection closes the connection in a way that the client notices at once, on every kind of
// server.
func resetConnection(w http.ResponseWriter, _ *http.Request, _ reply) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		raw = secure.NetConn()
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}

// sendHalf sends half of the body. Content-Length is the length of the whole body.
func sendHalf(w http.ResponseWriter, _ *http.Request, r reply) {
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body[:len(r.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func sendSlowly(total time.Duration) func(http.ResponseWriter, *http.Request, reply) {
	return func(w http.ResponseWriter, req *http.Request, r reply) {
		const pieces = 8
		w.WriteHeader(r.status)
		for piece := range slices.Chunk(r.body, len(r.body)/pieces+1) {
			_ = http.NewResponseController(w).Flush()
			if !wait(req.Context(), total/pieces) {
				return
			}
			_, _ = w.Write(piece)
		}
	}
}
