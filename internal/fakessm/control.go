// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"encoding/json"
	"net/http"
)

// Control returns a handler with a JSON API for programs that are not written in Go:
//
//	GET    /_fakessm/sessions           all sessions
//	POST   /_fakessm/sessions           adds one session or an array of them
//	POST   /_fakessm/sessions/{id}/end  ends a session like its user
//	DELETE /_fakessm/sessions/{id}      removes a session
//	GET    /_fakessm/requests           the recorded requests
//	DELETE /_fakessm/requests           removes them
//	GET    /_fakessm/faults             the pending faults
//	POST   /_fakessm/faults             adds one fault or an array of them
//	DELETE /_fakessm/faults             removes them
//	GET    /_fakessm/channel-faults     the pending faults of data channels
//	POST   /_fakessm/channel-faults     adds one or an array of them
//	DELETE /_fakessm/channel-faults     removes them
//	POST   /_fakessm/channels/close     closes all data channels, ends no session
//	GET    /_fakessm/agent-pauses       how long paced agents have waited: {"seconds": 1.5}
//	POST   /_fakessm/targets            sets which targets are connected: {"i-1": false}
//
// It does not authenticate requests.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_fakessm/sessions", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, s.Sessions())
	})
	mux.HandleFunc("POST /_fakessm/sessions", func(w http.ResponseWriter, r *http.Request) {
		sessions, err := ReadSessions(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)

			return
		}
		s.AddSessions(sessions...)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_fakessm/sessions/{id}/end", func(w http.ResponseWriter, r *http.Request) {
		if !s.endSession(r.PathValue("id")) {
			http.NotFound(w, r)

			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_fakessm/sessions/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.RemoveSession(r.PathValue("id"))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_fakessm/requests", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, s.Requests())
	})
	mux.HandleFunc("DELETE /_fakessm/requests", func(w http.ResponseWriter, _ *http.Request) {
		s.ResetRequests()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_fakessm/faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, append([]Fault{}, s.faults.list()...))
	})
	mux.HandleFunc("POST /_fakessm/faults", func(w http.ResponseWriter, r *http.Request) {
		faults, err := decodeOneOrMany[Fault](r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)

			return
		}
		s.Inject(faults...)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_fakessm/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_fakessm/channel-faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, s.ChannelFaults())
	})
	mux.HandleFunc("POST /_fakessm/channel-faults", func(w http.ResponseWriter, r *http.Request) {
		faults, err := decodeOneOrMany[ChannelFault](r.Body)
		if err == nil {
			err = s.InjectChannel(faults...)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)

			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_fakessm/channel-faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearChannelFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_fakessm/channels/close", func(w http.ResponseWriter, _ *http.Request) {
		s.CloseDataChannels()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_fakessm/agent-pauses", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, map[string]float64{"seconds": s.AgentPauses().Seconds()})
	})
	mux.HandleFunc("POST /_fakessm/targets", func(w http.ResponseWriter, r *http.Request) {
		var targets map[string]bool
		if err := json.NewDecoder(r.Body).Decode(&targets); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)

			return
		}
		s.AddTargets(targets)
		w.WriteHeader(http.StatusNoContent)
	})

	return mux
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value)
}
