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
	// minRate is the minimum rate, in calls a second.
	minRate = 0.5

	// backoffFactor lowers a rate that is no longer granted.
	backoffFactor = 0.8

	// backoffInterval is how long a lower rate takes to show. Answers to calls that
	// were sent before say nothing about it.
	backoffInterval = time.Second

	// skippedCalls is how many calls to leave out after a throttled one. At its very
	// limit the service throttles a call that comes a little early.
	skippedCalls = 2

	// A rate that was kept for a while is lifted by a step. From lift to lift the steps
	// grow and the waits shrink. A lift that is too much starts them anew, with twice
	// the wait of the last time.
	firstStep = 0.05
	lastStep  = 0.5
	shortWait = 2 * time.Second
	firstWait = 10 * time.Second
	lastWait  = 160 * time.Second
)

// highestQuotas is how many times the usual quota a pace can grow to.
const highestQuotas = 10

// What kept a call from being sent until its time ran out.
var (
	errHeldBack = &Cause{Text: "the calls were held back to the pace that SSM grants"}
	errOwnLimit = &Cause{Text: "the calls were held back to the configured number of calls a second"}
)

// pacer keeps the calls of each operation in each Region to the pace that the
// service grants. It does not brake before the service has throttled, unless the
// user sets a limit.
type pacer struct {
	limit   float64 // Calls a second that the user allows at most; 0 for no limit.
	decided func(context.Context, Decision)

	mutex sync.Mutex
	lanes map[lane]*pace
	// met are the failures of the last attempts, for calls whose time runs out before
	// they make one.
	met map[lane]error
}

// lane is what the service counts calls by.
type lane struct {
	region    string
	operation *Operation
}

// pace is the adaptive rate of one lane.
type pace struct {
	turn    chan struct{} // Held by who waits for the limiter.
	limiter *rate.Limiter
	highest float64       // The rate never exceeds it.
	good    float64       // The fastest rate that was not too fast.
	step    float64       // By how much to lift it next.
	wait    time.Duration // How long to keep the rate before.
	penalty time.Duration // The wait after the next lift that proves too much.
	cutAt   time.Time     // When the rate was last lowered; zero before.
	liftAt  time.Time     // When to lift it.
	held    bool          // A call had to wait since the rate last changed.
}

func newPacer(limit float64, decided func(context.Context, Decision)) *pacer {
	return &pacer{limit: limit, decided: decided, lanes: make(map[lane]*pace), met: make(map[lane]error)}
}

// newPace returns the pace of a lane. A limit of the user's is its highest rate.
func newPace(lane lane, limit float64) *pace {
	highest := highestQuotas * lane.operation.quota
	if limit > 0 {
		highest = limit
	}

	return &pace{
		turn:    make(chan struct{}, 1),
		limiter: rate.NewLimiter(rate.Limit(highest), 1),
		highest: highest,
		good:    min(lane.operation.quota, highest),
		penalty: firstWait,
	}
}

// admit waits until an attempt may be sent, or the context ends. It then returns
// what held the attempt back.
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

	// One waits for the clock, the others for their turn: a pace that changes
	// changes for all of them.
	select {
	case current.turn <- struct{}{}:
		defer func() { <-current.turn }()
	default:
		p.hold(current)
		select {
		case current.turn <- struct{}{}:
			defer func() { <-current.turn }()
		case <-ctx.Done():
			return p.heldBack(lane)
		}
	}

	reservation := current.limiter.Reserve()
	if reservation.Delay() > 0 {
		p.hold(current)
	}
	if err := sleep(ctx, reservation.Delay()); err != nil {
		reservation.Cancel()

		return p.heldBack(lane)
	}

	return nil
}

// hold notes that a pace holds a call back.
func (p *pacer) hold(current *pace) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	current.held = true
}

// heldBack returns what the last attempt of a lane met, or else whose pace held a
// call back.
func (p *pacer) heldBack(lane lane) error {
	if err := p.lastFailure(lane); err != nil {
		return err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.lanes[lane].cutAt.IsZero() {
		return errOwnLimit
	}

	return errHeldBack
}

// lastFailure returns the failure of the last attempt of a lane, nil if it succeeded
// or there was none.
func (p *pacer) lastFailure(lane lane) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	return p.met[lane]
}

// learn adapts the pace to the end of an attempt.
func (p *pacer) learn(ctx context.Context, lane lane, err error) {
	if what, rate := p.adapt(lane, err); what != "" {
		p.decided(ctx, Decision{What: what, Fields: map[string]any{
			"operation": lane.operation.String(), "region": lane.region, "calls_per_second": rate,
		}})
	}
}

// adapt does so, and tells what it decided, with the new rate; empty for nothing.
func (p *pacer) adapt(lane lane, err error) (what string, callsPerSecond float64) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var (
		current     = p.lanes[lane]
		now         = time.Now()
		isThrottled = throttledAnswer(err)
	)
	if err == nil {
		delete(p.met, lane)
	} else {
		p.met[lane] = err
	}

	const lowered = "Lowered the pace of calls"
	switch {
	case p.limit > 0 && p.limit <= lane.operation.quota:
		// The user has chosen a pace that AWS grants.
		return "", 0
	case current == nil && !isThrottled:
		return "", 0
	case current == nil || isThrottled && current.cutAt.IsZero() && current.good < current.highest:
		// The first time: the usual quota is the best guess.
		if current == nil {
			current = newPace(lane, 0)
			p.lanes[lane] = current
		}
		current.slowTo(current.good, now)
		what = lowered
	case isThrottled && now.Sub(current.cutAt) < backoffInterval:
	case isThrottled && float64(current.limiter.Limit()) > current.good:
		// The lift was too much: back to what was good.
		current.slowTo(current.good, now)
		what = lowered
	case isThrottled:
		// What was good no longer is: others use the quota as well.
		current.penalty = firstWait
		current.slowTo(max(backoffFactor*current.good, min(minRate, current.highest)), now)
		what = lowered
	case (err == nil || httpStatus(err) > 0) && current.held && !current.cutAt.IsZero() && now.After(current.liftAt) && float64(current.limiter.Limit()) < current.highest:
		// A pace that held nothing back was not tried: what is granted beyond it is
		// not known.
		current.liftAgain(now)
		what = "Lifted the pace of calls"
	}

	return what, float64(current.limiter.Limit())
}

// slowTo lowers the pace, after a short rest.
func (p *pace) slowTo(callsPerSecond float64, now time.Time) {
	p.good, p.step, p.wait, p.held = callsPerSecond, firstStep, p.penalty, false
	p.penalty = min(2*p.penalty, lastWait)
	p.cutAt, p.liftAt = now, now.Add(p.wait)

	p.limiter.SetLimitAt(now, rate.Limit(callsPerSecond))
	for range 1 + skippedCalls {
		p.limiter.ReserveN(now, 1)
	}
}

// liftAgain takes the present pace for good, and tries a faster one.
func (p *pace) liftAgain(now time.Time) {
	p.good, p.held = float64(p.limiter.Limit()), false
	p.limiter.SetLimitAt(now, rate.Limit(min(p.good*(1+p.step), p.highest)))
	p.step = min(2*p.step, lastStep)
	p.liftAt = now.Add(p.wait)
	p.wait = max(p.wait/2, shortWait)
}
