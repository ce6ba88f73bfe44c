// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package endpoint

import (
	"cmp"
	"context"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// BubbleURL leads to a Bubble. Its client reaches the endpoint under any host name.
const BubbleURL = "http://ssm.test"

// Bubble is an endpoint in the same synctest bubble as the provider that calls it.
// Everything is real but the network, and waiting takes no time.
type Bubble struct {
	// Refusal returns the error of a refused connection. By default nobody listens.
	Refusal func() error

	t         *testing.T
	fake      *fakessm.Server
	transport *http.Transport

	mu      sync.Mutex
	refuse  fakessm.Fault // Skip and Times count the connections to come.
	refused []time.Time   // When connections were refused.
}

// NewBubble serves the fake until the test ends.
func NewBubble(t *testing.T, fake *fakessm.Server) *Bubble {
	t.Helper()

	local := fakessm.ServeLocally(fake, log.New(t.Output(), "", 0))
	e := &Bubble{t: t, fake: fake}
	e.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if e.refuses() {
				if e.Refusal != nil {
					return nil, e.Refusal()
				}

				return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
			}

			return local.DialContext(ctx, network, address)
		},
	}
	t.Cleanup(func() {
		e.transport.CloseIdleConnections()
		_ = local.Close()
	})

	return e
}

// refuses reports whether the endpoint refuses a connection, and notes it.
func (e *Bubble) refuses() bool {
	e.mu.Lock()
	defer e.mu.Unlock()

	switch {
	case e.refuse.Times == 0:
		return false
	case e.refuse.Skip > 0:
		e.refuse.Skip--

		return false
	}
	e.refuse.Times--
	e.refused = append(e.refused, time.Now())

	return true
}

// RefuseConnections lets skip connections through and refuses the next ones, all of
// them if times is negative. From now on each request makes a connection of its own.
func (e *Bubble) RefuseConnections(skip, times int) {
	e.mu.Lock()
	defer e.mu.Unlock()

	e.refuse = fakessm.Fault{Skip: skip, Times: times}
	e.transport.DisableKeepAlives = true
	e.transport.CloseIdleConnections()
}

// Client returns an HTTP client that reaches the endpoint.
func (e *Bubble) Client() *http.Client {
	return &http.Client{Transport: e.transport}
}

// Calls lists what was asked of SSM, in order:
//
//   - "status", "resume", "start" and "terminate" are the operations of these names.
//   - "active" and "history" look up one session with that State.
//   - "list" and "list history" are DescribeSessions without a session.
//   - "+" asks for a further page.
//   - After a colon follows the fault that struck, or the code of the error.
//   - "refused" is a refused connection.
//
// A call that is repeated, or a pair of calls, is listed once and counted, as in
// "active×3" and "(active list)×2".
func (e *Bubble) Calls() string {
	e.t.Helper()

	synctest.Wait()
	type call struct {
		at   time.Time
		name string
	}
	var calls []call
	for _, r := range e.fake.Requests() {
		if r.Service != "ssm" {
			continue
		}
		if r.Region != fakessm.DefaultRegion {
			e.t.Errorf("%s was sent to Region %s", r.Operation, r.Region)
		}
		name := map[string]string{
			"GetConnectionStatus": "status",
			"ResumeSession":       "resume",
			"StartSession":        "start",
			"TerminateSession":    "terminate",
		}[r.Operation]
		switch {
		case r.Operation != "DescribeSessions":
		case r.SessionID != "":
			name = strings.ToLower(r.State)
		case r.State == "Active":
			name = "list"
		default:
			name = "list " + strings.ToLower(r.State)
		}
		if r.NextToken {
			name += "+"
		}
		switch {
		case r.Fault != "":
			name += ":" + string(r.Fault)
		case r.ErrorCode != "":
			name += ":" + r.ErrorCode
		}
		calls = append(calls, call{r.Time, name})
	}
	for _, at := range e.refused {
		// A request would have taken longer to arrive than the answer to the one before.
		calls = append(calls, call{at.Add(fakessm.LocalLatency / 2), "refused"})
	}
	// Calls that are made at the same time come in any order.
	slices.SortStableFunc(calls, func(a, b call) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.name, b.name))
	})

	names := make([]string, 0, len(calls))
	for _, c := range calls {
		names = append(names, c.name)
	}

	return strings.Join(countRepetitions(names), " ")
}

// ForgetCalls makes Calls list only what comes from now on.
func (e *Bubble) ForgetCalls() {
	e.fake.ResetRequests()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = nil
}

// countRepetitions shortens repetitions: "a a a b c b c" is "a×3 (b c)×2".
func countRepetitions(calls []string) []string {
	var short []string
	for i := 0; i < len(calls); {
		taken := 1
		text := calls[i]
		for size := 1; size <= 2 && taken == 1; size++ {
			if i+size > len(calls) {
				break
			}
			unit, n := calls[i:i+size], 1
			for at := i + size; at+size <= len(calls) && slices.Equal(unit, calls[at:at+size]); at += size {
				n++
			}
			if n > 1 {
				text = strings.Join(unit, " ")
				if size > 1 {
					text = "(" + text + ")"
				}
				text += "×" + strconv.Itoa(n)
				taken = n * size
			}
		}
		short = append(short, text)
		i += taken
	}

	return short
}
