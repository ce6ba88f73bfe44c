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

// The values of DescribeSessions' State.
const (
	stateActive  = "Active"
	stateHistory = "History"
)

// region holds the sessions of one Region.
type region struct {
	byID    map[string]*entry
	lists   map[string]*ordered
	targets map[string]int

	// terminating holds the sessions that stay in the active list until they are
	// Terminated. It is nil where Terminating sessions move to the history at once.
	terminating map[*entry]bool
}

// state is the list that shows the session, or "" for neither.
func (r *region) state(e *entry) string {
	if r.terminating != nil && e.Status == statusTerminating && e.Behaviour != BehaviourVanishes {
		return stateActive
	}
	return e.state()
}

func (r *region) show(e *entry) {
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

func (r *region) hide(e *entry) {
	state := r.state(e)
	if list := r.lists[state]; list != nil {
		list.remove(e)
	}
	delete(r.terminating, e)
	if state == stateActive {
		r.targets[e.Target]--
	}
}

// change takes the session out of its list, as its list depends on its fields,
// and puts it into the one where it belongs afterwards. Its data channels do
// not outlive it.
func (r *region) change(e *entry, f func(*entry)) {
	r.hide(e)
	f(e)
	r.show(e)
	if ended(e.Status) {
		e.closeChannels(errSessionEnded)
	}
}

// settle moves the sessions that are Terminated by now to the history.
func (r *region) settle(now time.Time, lag time.Duration) {
	for e := range r.terminating {
		if e.settled(now, lag) {
			r.change(e, func(e *entry) { e.Session = e.at(now, lag) })
		}
	}
}

// store holds all sessions.
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
			r.hide(old)
			old.closeChannels(errSessionEnded)
		}
		e := &entry{Session: session}
		r.byID[session.SessionID] = e
		r.show(e)
	}
}

// update calls f, with the session or nil, while no one else looks.
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

// each calls f for the session with this ID in every Region that has one.
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
			all = append(all, e.at(now, s.lag))
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b Session) int {
		return cmp.Or(strings.Compare(a.Region, b.Region), a.StartDate.Compare(b.StartDate), strings.Compare(a.SessionID, b.SessionID))
	})
	return all
}

// connected says whether the agent of a target is there: as it was told, or
// else because the target has an active session.
func (s *store) connected(regionName, target string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if told, ok := s.targets[target]; ok {
		return told
	}
	r := s.regions[regionName]
	return r != nil && r.targets[target] > 0
}

// page returns up to size sessions after a place in a list, and the place of
// the last one if more follow.
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
			page = append(page, e.at(now, s.lag))
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
		page = append(page, e.at(now, s.lag))
	}
	return page, nil
}
