// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"math"
	"sync"
	"time"
)

// quotas has a token bucket for each limited operation in each Region.
type quotas struct {
	limits map[string]float64

	mu      sync.Mutex
	buckets map[[2]string]*bucket
}

type bucket struct {
	tokens float64
	seen   time.Time
}

// allow takes a token, and reports whether one was left. A bucket has the size of one
// second's quota.
func (q *quotas) allow(now time.Time, region, operation string) bool {
	perSecond, limited := q.limits[operation]
	if !limited {
		return true
	}
	size := math.Max(perSecond, 1)
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.buckets[[2]string{region, operation}]
	if b == nil {
		b = &bucket{tokens: size, seen: now}
		q.buckets[[2]string{region, operation}] = b
	}
	if passed := now.Sub(b.seen); passed > 0 {
		b.tokens = math.Min(size, b.tokens+passed.Seconds()*perSecond)
		b.seen = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--

	return true
}
