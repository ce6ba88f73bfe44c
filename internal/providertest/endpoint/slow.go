// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package endpoint

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// Slow is an endpoint that answers one operation late or never. It also counts
// requests whose clients did not wait for the answer.
type Slow struct {
	Operation string        // The operation that is slow.
	Delay     time.Duration // Until the answer. Negative means that no answer comes.
	Finishes  bool          // The fake handles the request before the delay, and even if the client leaves.
	SignalAt  int32         // The request of the operation that closes Reached, 1 by default.
	Off       atomic.Bool   // Set to be as fast as any endpoint.

	// Set by Start.
	Fake    *fakessm.Server
	URL     string
	Reached chan struct{}

	arrivals atomic.Int32
	slowOnes atomic.Int32
	busy     sync.WaitGroup
}

// Start serves the fake until the test ends, and returns s.
func (s *Slow) Start(t *testing.T, fake *fakessm.Server) *Slow {
	t.Helper()

	s.Fake = fake
	s.Reached = make(chan struct{})
	s.SignalAt = max(s.SignalAt, 1)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL

	return s
}

func (s *Slow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.busy.Add(1)
	defer s.busy.Done()
	s.arrivals.Add(1)

	// A server learns that the client has left only once it has read what it sent.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if operation == "" {
		operation = "GetCallerIdentity"
	}
	if s.Off.Load() || operation != s.Operation {
		s.Fake.ServeHTTP(w, r)

		return
	}
	answer := httptest.NewRecorder()
	if s.Finishes {
		s.Fake.ServeHTTP(answer, r)
	}
	if s.slowOnes.Add(1) == s.SignalAt {
		close(s.Reached)
	}
	patience := time.NewTimer(s.Delay)
	defer patience.Stop()
	if s.Delay < 0 {
		patience.Stop()
	}
	select {
	case <-patience.C:
	case <-r.Context().Done():
		return
	}
	if !s.Finishes {
		s.Fake.ServeHTTP(w, r)

		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// Recover ends the slowness, and waits until all requests are answered or given up.
func (s *Slow) Recover() {
	s.Off.Store(true)
	s.busy.Wait()
}

// WantQuiet checks that no request arrives any more, now that Terraform has ended.
func (s *Slow) WantQuiet(t *testing.T) {
	t.Helper()

	before := s.arrivals.Load()
	time.Sleep(300 * time.Millisecond)
	if after := s.arrivals.Load(); after != before {
		t.Errorf("%d requests came after Terraform had ended", after-before)
	}
}

// Settled returns a channel that is closed once requests have arrived, and then none
// for a while.
func (s *Slow) Settled() <-chan struct{} {
	quiet := make(chan struct{})
	go func() {
		defer close(quiet)
		last, since := s.arrivals.Load(), time.Now()
		for last == 0 || time.Since(since) < 1500*time.Millisecond {
			time.Sleep(20 * time.Millisecond)
			if now := s.arrivals.Load(); now != last {
				last, since = now, time.Now()
			}
		}
	}()

	return quiet
}
