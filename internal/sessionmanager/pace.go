// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// slowest is the pace below which no throttling brakes a client any further.
	slowest = 0.5 // Calls a second.

	// cut and lift are what a pace is multiplied by when it proved too fast, and
	// to find out whether it could be faster.
	cut  = 0.8
	lift = 1.1

	// cutInterval is how long a cut takes to show: answers to calls that were sent
	// before it say nothing about it.
	cutInterval = time.Second

	// firstLift and lastLift are how long to keep a pace before trying a faster one;
	// the time doubles from the one to the other with each failure.
	firstLift = 5 * time.Second
	lastLift  = 80 * time.Second
)

// quotas are the calls a second that AWS grants an account in a Region, unless it
// was asked for more. See https://docs.aws.amazon.com/general/latest/gr/ssm.html.
var quotas = map[string]float64{
	operationConnectionStatus: 50,
	operationDescribe:         callsPerSecond,
	operationResume:           callsPerSecond,
	operationTerminate:        callsPerSecond,
}

// pacer keeps the calls of each operation in each Region to the pace that the
// service grants. It does not brake before the service has throttled.
type pacer struct {
	fixed float64 // Calls a second that the user wants at most; 0 for none.

	mutex  sync.Mutex
	lanes  map[lane]*pace
	timeOf func() time.Time
}

// lane is what the service counts calls by.
type lane struct {
	region    string
	operation string
}

// pace is the adaptive rate of one lane.
type pace struct {
	limiter *rate.Limiter
	good    float64       // The fastest rate that was not too fast.
	cutAt   time.Time     // When the rate was last lowered.
	liftAt  time.Time     // When to try a higher one.
	wait    time.Duration // How long to keep the next rate.
}

func newPacer(fixed float64) *pacer {
	return &pacer{fixed: fixed, lanes: make(map[lane]*pace), timeOf: time.Now}
}

// admit waits until an attempt may be sent, or the context ends.
func (p *pacer) admit(ctx context.Context, region, operation string) error {
	p.mutex.Lock()
	l := lane{region, operation}
	current := p.lanes[l]
	if current == nil && p.fixed > 0 {
		current = &pace{limiter: rate.NewLimiter(rate.Limit(p.fixed), 1)}
		p.lanes[l] = current
	}
	p.mutex.Unlock()
	if current == nil {
		return nil
	}

	reservation := current.limiter.ReserveN(p.timeOf(), 1)
	if err := sleep(ctx, reservation.DelayFrom(p.timeOf())); err != nil {
		reservation.Cancel()

		return err
	}

	return nil
}

// learn adapts the pace to the answer of an attempt.
func (p *pacer) learn(region, operation string, throttled bool) {
	if p.fixed > 0 {
		return
	}

	p.mutex.Lock()
	defer p.mutex.Unlock()
	var (
		l       = lane{region, operation}
		current = p.lanes[l]
		now     = p.timeOf()
	)

	switch {
	case current == nil && !throttled:
		return
	case current == nil:
		quota := quotas[operation]
		current = &pace{limiter: rate.NewLimiter(rate.Limit(quota), 1), good: quota, cutAt: now, wait: firstLift}
		p.lanes[l] = current
	case throttled && now.Sub(current.cutAt) < cutInterval:
		return
	case throttled && float64(current.limiter.Limit()) > current.good:
		// The higher rate was too much: back to what was good, and wait longer
		// before the next try.
		current.wait = min(2*current.wait, lastLift)
		current.cutAt = now
		current.limiter.SetLimitAt(now, rate.Limit(current.good))
	case throttled:
		// What was good no longer is: others use the quota as well.
		current.good = max(cut*current.good, slowest)
		current.wait = firstLift
		current.cutAt = now
		current.limiter.SetLimitAt(now, rate.Limit(current.good))
	case now.After(current.liftAt):
		current.good = max(current.good, float64(current.limiter.Limit()))
		current.limiter.SetLimitAt(now, rate.Limit(lift*current.good))
	default:
		return
	}
	current.liftAt = now.Add(current.wait)
}
