// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"strings"
	"sync"
)

// secrets has the keys and tokens of this process. An endpoint may repeat them in the code,
// the message or the request ID of an error.
var secrets secretStore

// shortestSecret is the length of the shortest text that counts as a secret, in bytes. The
// keys and tokens of AWS are longer. Shorter texts occur in messages by chance.
const shortestSecret = 16

// secretStore is a set of texts that must not be shown.
type secretStore struct {
	mutex sync.RWMutex
	known map[string]bool
}

// add adds texts, except those that are too short.
func (s *secretStore) add(texts ...string) {
	for _, text := range texts {
		if len(text) < shortestSecret || s.has(text) {
			continue
		}
		s.mutex.Lock()
		if s.known == nil {
			s.known = make(map[string]bool)
		}
		s.known[text] = true
		s.mutex.Unlock()
	}
}

func (s *secretStore) has(text string) bool {
	s.mutex.RLock()
	defer s.mutex.RUnlock()

	return s.known[text]
}

// overlaps reports whether a text contains a secret or is a large part of one.
func (s *secretStore) overlaps(text string) bool {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	for secret := range s.known {
		if strings.Contains(text, secret) || len(text) >= shortestSecret && strings.Contains(secret, text) {
			return true
		}
	}

	return false
}

// hide replaces the secrets in a text.
func (s *secretStore) hide(text string) string {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	for secret := range s.known {
		text = strings.ReplaceAll(text, secret, "(sensitive value)")
	}

	return text
}
