// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// The values of State in DescribeSessions.
const (
	stateActive  = "Active"
	stateHistory = "History"
)

// region has the sessions of one Region.
type region struct {
	byID    map[string]*entry
	lists   map[string]*ordered
	targets map[string]int

	// terminating has the sessions that stay in the active list until they are Terminated. It
	// is nil if Terminating sessions move to the history at once.
	terminating map[*entry]bool
}

// state returns the list that contains the session, or "" for none.
func (r *region) state(e *entry) string {
	if r.terminating != nil && e.Status == statusTerminating && e.Behaviour != BehaviourVanishes {
		return stateActive
	}

	return e.state()
}

func (r *region) addToList(e *entry) {
	state := r.state(e)
	if list := r.lists[state]; list != nil {
		list.insert(e)
	}
	if r.terminating != nil && e.Status == statusTerminating {
		r.terminating[e] = true
	}
	if state == stateActive {
		r.targets[e.Target]++
	}
}

func (r *region) removeFromList(e *entry) {
	state := r.state(e)
	if list := r.lists[state]; list != nil {
		list.remove(e)
	}
	delete(r.terminating, e)
	if state == stateActive {
		r.targets[e.Target]--
	}
}

// change changes a session. It removes the session from its list first and then adds it to
// the right one, because the list depends on the session's fields. If the session has
// ended, its data channels are closed.
func (r *region) change(e *entry, f func(*entry)) {
	r.removeFromList(e)
	f(e)
	r.addToList(e)
	if ended(e.Status) {
		e.closeChannels(errSessionEnded)
	}
}

// settle moves the sessions that have become Terminated to the history.
func (r *region) settle(now time.Time, lag time.Duration) {
	for e := range r.terminating {
		if e.hasTerminated(now, lag) {
			r.change(e, func(e *entry) { e.Session = e.sessionAt(now, lag) })
		}
	}
}

// store has all sessions.
type store struct {
	mu                sync.RWMutex
	lag               time.Duration
	terminatingActive bool
	regions           map[string]*region
	targets           map[string]bool
}

func newStore() *store {
	return &store{regions: map[string]*region{}, targets: map[string]bool{}}
}

func (s *store) add(now time.Time, sessions []Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range sessions {
		session.Region = cmp.Or(session.Region, DefaultRegion)
		session.Status = cmp.Or(session.Status, statusConnected)
		if session.StartDate.IsZero() {
			session.StartDate = now.Add(-time.Hour)
		}
		r := s.regions[session.Region]
		if r == nil {
			r = &region{
				byID:    map[string]*entry{},
				lists:   map[string]*ordered{stateActive: {}, stateHistory: {}},
				targets: map[string]int{},
			}
			if s.terminatingActive {
				r.terminating = map[*entry]bool{}
			}
			s.regions[session.Region] = r
		}
		if old := r.byID[session.SessionID]; old != nil {
			r.removeFromList(old)
			old.closeChannels(errSessionEnded)
		}
		e := &entry{Session: session}
		r.byID[session.SessionID] = e
		r.addToList(e)
	}
}

// update calls f with the session or nil, under the store's lock.
func (s *store) update(regionName, id string, f func(*region, *entry)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.regions[regionName]
	if r == nil {
		f(nil, nil)

		return
	}
	f(r, r.byID[id])
}

// each calls f for the session with this ID in each Region that has it.
func (s *store) each(id string, f func(*region, *entry)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := false
	for _, r := range s.regions {
		if e := r.byID[id]; e != nil {
			f(r, e)
			found = true
		}
	}

	return found
}

func (s *store) all(now time.Time) []Session {
	s.mu.RLock()
	all := []Session{}
	for _, r := range s.regions {
		for _, e := range r.byID {
			all = append(all, e.sessionAt(now, s.lag))
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b Session) int {
		return cmp.Or(strings.Compare(a.Region, b.Region), a.StartDate.Compare(b.StartDate), strings.Compare(a.SessionID, b.SessionID))
	})

	return all
}

// connected reports whether a target's agent is connected. AddTargets decides, or else
// whether the target has an active session.
func (s *store) connected(regionName, target string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if told, ok := s.targets[target]; ok {
		return told
	}
	r := s.regions[regionName]

	return r != nil && r.targets[target] > 0
}

// page returns up to size sessions after a position in a list. If more sessions follow, it
// also returns the position of the last one.
func (s *store) page(now time.Time, regionName, state string, filters filters, from key, size int) (page []Session, last *key) {
	if s.terminatingActive {
		s.update(regionName, "", func(r *region, _ *entry) {
			if r != nil {
				r.settle(now, s.lag)
			}
		})
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.regions[regionName]
	if r == nil {
		return nil, nil
	}
	if id, ok := filters.value("SessionId"); ok {
		e := r.byID[id]
		if e != nil && r.state(e) == state && e.key().compare(from) > 0 && filters.match(e, e.statusAt(now, s.lag)) {
			page = append(page, e.sessionAt(now, s.lag))
		}

		return page, nil
	}
	from, oldest := filters.window(from)
	for e := range r.lists[state].after(from) {
		if e.key().start < oldest {
			break
		}
		if !filters.match(e, e.statusAt(now, s.lag)) {
			continue
		}
		if len(page) == size {
			at := page[size-1]

			return page, &key{start: at.StartDate.UnixNano(), id: at.SessionID}
		}
		page = append(page, e.sessionAt(now, s.lag))
	}

	return page, nil
}
