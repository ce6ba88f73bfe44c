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
	// minRate is the minimum rate, in calls per second.
	minRate = 0.5

	// backoffFactor lowers a rate that the service no longer grants.
	backoffFactor = 0.8

	// backoffInterval is how long a lower rate needs to take effect. Answers to calls
	// that were sent before it say nothing about it.
	backoffInterval = time.Second

	// skippedCalls is how many calls to leave out after a throttled one. A service at
	// its limit throttles a call that comes slightly early.
	skippedCalls = 2

	// After a while at one rate, the rate is raised by a step. With each raise the steps
	// grow and the waits shrink. A raise that the service throttles resets both, and
	// doubles the first wait.
	firstStep = 0.05
	lastStep  = 0.5
	shortWait = 2 * time.Second
	firstWait = 10 * time.Second
	lastWait  = 160 * time.Second
)

// maxQuotas limits a pace to this multiple of the usual quota.
const maxQuotas = 10

// Why a call was not sent before its time ran out.
var (
	errPaced    = &Cause{Text: "the calls were slowed down to the rate that SSM grants"}
	errOwnLimit = &Cause{Text: "the calls were slowed down to the configured number of calls per second"}
)

// pacer limits the calls of each operation in each Region to the rate that the service
// grants. Without a limit of the user, it slows nothing down before the service throttles.
type pacer struct {
	limit   float64 // The user's limit in calls per second, 0 for no limit.
	decided func(context.Context, Decision)

	mutex sync.Mutex
	lanes map[lane]*pace
	// lastFailures has the failure of each lane's last attempt. It explains a call whose time
	// runs out before its first attempt.
	lastFailures map[lane]error
}

// lane is what a quota of the service applies to.
type lane struct {
	region    string
	operation *Operation
}

// pace is the adaptive rate of one lane.
type pace struct {
	turn          chan struct{} // Held by the call that waits for the limiter.
	limiter       *rate.Limiter
	maxRate       float64       // The rate never exceeds it.
	goodRate      float64       // The highest rate that was not throttled.
	step          float64       // The fraction of the next raise.
	wait          time.Duration // How long to keep the rate before the raise after next.
	nextFirstWait time.Duration // The wait after the next raise that is throttled.
	loweredAt     time.Time     // When the rate was last lowered. Zero if never.
	raiseAt       time.Time     // When to raise the rate.
	delayed       bool          // A call had to wait since the last change of the rate.
}

func newPacer(limit float64, decided func(context.Context, Decision)) *pacer {
	return &pacer{limit: limit, decided: decided, lanes: make(map[lane]*pace), lastFailures: make(map[lane]error)}
}

// newPace returns the pace of a lane. The user's limit, if set, is its highest rate.
func newPace(lane lane, limit float64) *pace {
	highest := maxQuotas * lane.operation.quota
	if limit > 0 {
		highest = limit
	}

	return &pace{
		turn:          make(chan struct{}, 1),
		limiter:       rate.NewLimiter(rate.Limit(highest), 1),
		maxRate:       highest,
		goodRate:      min(lane.operation.quota, highest),
		nextFirstWait: firstWait,
	}
}

// admit waits until an attempt may be sent. If the context ends first, it returns the
// reason for the delay.
func (p *pacer) admit(ctx context.Context, lane lane) error {
	p.mutex.Lock()
	current := p.lanes[lane]
	if current == nil && p.limit > 0 {
		current = newPace(lane, p.limit)
		p.lanes[lane] = current
	}
	p.mutex.Unlock()
	if current == nil {
		return nil
	}

	// Only one call waits for the limiter. The others wait for their turn, so a new
	// rate applies to them too.
	select {
	case current.turn <- struct{}{}:
		defer func() { <-current.turn }()
	default:
		p.noteDelay(current)
		select {
		case current.turn <- struct{}{}:
			defer func() { <-current.turn }()
		case <-ctx.Done():
			return p.delayReason(lane)
		}
	}

	reservation := current.limiter.Reserve()
	if reservation.Delay() > 0 {
		p.noteDelay(current)
	}
	if err := sleep(ctx, reservation.Delay()); err != nil {
		reservation.Cancel()

		return p.delayReason(lane)
	}

	return nil
}

// noteDelay records that the pace delayed a call.
func (p *pacer) noteDelay(current *pace) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	current.delayed = true
}

// delayReason returns the failure of the lane's last attempt or, if there is none, the
// limit that delayed the call.
func (p *pacer) delayReason(lane lane) error {
	if err := p.lastFailure(lane); err != nil {
		return err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.lanes[lane].loweredAt.IsZero() {
		return errOwnLimit
	}

	return errPaced
}

// lastFailure returns the failure of the lane's last attempt. It returns nil if that
// attempt succeeded or there was none.
func (p *pacer) lastFailure(lane lane) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	return p.lastFailures[lane]
}

// update adapts the pace to the result of an attempt, and reports a change.
func (p *pacer) update(ctx context.Context, lane lane, err error) {
	if what, rate := p.adapt(lane, err); what != "" {
		p.decided(ctx, Decision{What: what, Fields: map[string]any{
			"operation": lane.operation.String(), "region": lane.region, "calls_per_second": rate,
		}})
	}
}

// adapt returns the change and the new rate. It returns an empty text without a change.
func (p *pacer) adapt(lane lane, err error) (what string, callsPerSecond float64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var (
		current     = p.lanes[lane]
		now         = time.Now()
		isThrottled = throttledAnswer(err)
	)
	if err == nil {
		delete(p.lastFailures, lane)
	} else {
		p.lastFailures[lane] = err
	}

	const lowered = "Lowered the pace of calls"
	switch {
	case p.limit > 0 && p.limit <= lane.operation.quota:
		// The user's limit is within the quota of AWS.
		return "", 0
	case current == nil && !isThrottled:
		return "", 0
	case current == nil || isThrottled && current.loweredAt.IsZero() && current.goodRate < current.maxRate:
		// First throttling: the usual quota is the best guess.
		if current == nil {
			current = newPace(lane, 0)
			p.lanes[lane] = current
		}
		current.lower(current.goodRate, now)
		what = lowered
	case isThrottled && now.Sub(current.loweredAt) < backoffInterval:
	case isThrottled && float64(current.limiter.Limit()) > current.goodRate:
		// The raise was too much.
		current.lower(current.goodRate, now)
		what = lowered
	case isThrottled:
		// Other clients use the quota as well, so the good rate is too high now.
		current.nextFirstWait = firstWait
		current.lower(max(backoffFactor*current.goodRate, min(minRate, current.maxRate)), now)
		what = lowered
	case (err == nil || httpStatus(err) > 0) && current.delayed && !current.loweredAt.IsZero() && now.After(current.raiseAt) && float64(current.limiter.Limit()) < current.maxRate:
		// The current rate must have delayed a call. Otherwise calls are slower than the
		// rate, and success says nothing about it.
		current.raise(now)
		what = "Raised the pace of calls"
	}

	return what, float64(current.limiter.Limit())
}

// lower lowers the rate, and leaves out a few calls.
func (p *pace) lower(callsPerSecond float64, now time.Time) {
	p.goodRate, p.step, p.wait, p.delayed = callsPerSecond, firstStep, p.nextFirstWait, false
	p.nextFirstWait = min(2*p.nextFirstWait, lastWait)
	p.loweredAt, p.raiseAt = now, now.Add(p.wait)

	p.limiter.SetLimitAt(now, rate.Limit(callsPerSecond))
	for range 1 + skippedCalls {
		p.limiter.ReserveN(now, 1)
	}
}

// raise records the current rate as good, and tries a higher one.
func (p *pace) raise(now time.Time) {
	p.goodRate, p.delayed = float64(p.limiter.Limit()), false
	p.limiter.SetLimitAt(now, rate.Limit(min(p.goodRate*(1+p.step), p.maxRate)))
	p.step = min(2*p.step, lastStep)
	p.raiseAt = now.Add(p.wait)
	p.wait = max(p.wait/2, shortWait)
}
