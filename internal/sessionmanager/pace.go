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

	// cut is what a pace is multiplied by when it is no longer granted.
	cut = 0.8

	// cutInterval is how long a cut takes to show: answers to calls that were sent
	// before it say nothing about it.
	cutInterval = time.Second

	// slack is how many calls to leave out when the service has throttled: at its
	// very limit, it would throttle whatever comes a little early.
	slack = 2

	// A pace that was kept for a while is lifted by a step. Steps grow, and waits
	// shrink, from lift to lift; a lift that proves too much starts them anew, with
	// twice the wait of the last time.
	firstStep = 0.05
	lastStep  = 0.5
	shortWait = 2 * time.Second
	firstWait = 10 * time.Second
	lastWait  = 160 * time.Second
)

// pacer keeps the calls of each operation in each Region to the pace that the
// service grants. It does not brake before the service has throttled.
type pacer struct {
	fixed   float64 // Calls a second that the user allows at most; 0 for no limit.
	decided func(context.Context, Decision)

	mutex sync.Mutex
	lanes map[lane]*pace
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
	good    float64       // The fastest rate that was not too fast.
	step    float64       // By how much to lift it next.
	wait    time.Duration // How long to keep the rate before.
	penalty time.Duration // The wait after the next lift that proves too much.
	cutAt   time.Time     // When the rate was last lowered.
	liftAt  time.Time     // When to lift it.
}

func newPacer(fixed float64, decided func(context.Context, Decision)) *pacer {
	return &pacer{fixed: fixed, decided: decided, lanes: make(map[lane]*pace)}
}

func newPace(callsPerSecond float64) *pace {
	return &pace{
		turn:    make(chan struct{}, 1),
		limiter: rate.NewLimiter(rate.Limit(callsPerSecond), 1),
		good:    callsPerSecond,
		penalty: firstWait,
	}
}

// admit waits until an attempt may be sent, or the context ends.
func (p *pacer) admit(ctx context.Context, lane lane) error {
	p.mutex.Lock()
	current := p.lanes[lane]
	if current == nil && p.fixed > 0 {
		current = newPace(p.fixed)
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
	case <-ctx.Done():
		return ctx.Err()
	}

	reservation := current.limiter.Reserve()
	if err := sleep(ctx, reservation.Delay()); err != nil {
		reservation.Cancel()

		return err
	}

	return nil
}

// learn adapts the pace to the answer of an attempt.
func (p *pacer) learn(ctx context.Context, lane lane, throttled bool) {
	if p.fixed > 0 {
		return
	}

	p.mutex.Lock()
	defer p.mutex.Unlock()
	var (
		current = p.lanes[lane]
		now     = time.Now()
	)

	switch {
	case current == nil && !throttled:
	case current == nil:
		current = newPace(lane.operation.quota)
		current.slowTo(current.good, now)
		p.lanes[lane] = current
	case throttled && now.Sub(current.cutAt) < cutInterval:
	case throttled && float64(current.limiter.Limit()) > current.good:
		// The lift was too much: back to what was good.
		current.slowTo(current.good, now)
	case throttled:
		// What was good no longer is: others use the quota as well.
		current.penalty = firstWait
		current.slowTo(max(cut*current.good, slowest), now)
	case now.After(current.liftAt):
		current.liftAgain(now)
	}
}

// slowTo lowers the pace, after a short rest.
func (p *pace) slowTo(callsPerSecond float64, now time.Time) {
	p.good, p.step, p.wait = callsPerSecond, firstStep, p.penalty
	p.penalty = min(2*p.penalty, lastWait)
	p.cutAt, p.liftAt = now, now.Add(p.wait)

	p.limiter.SetLimitAt(now, rate.Limit(callsPerSecond))
	for range 1 + slack {
		p.limiter.ReserveN(now, 1)
	}
}

// liftAgain takes the present pace for good, and tries a faster one.
func (p *pace) liftAgain(now time.Time) {
	p.good = float64(p.limiter.Limit())
	p.limiter.SetLimitAt(now, rate.Limit(p.good*(1+p.step)))
	p.step = min(2*p.step, lastStep)
	p.liftAt = now.Add(p.wait)
	p.wait = max(p.wait/2, shortWait)
}
