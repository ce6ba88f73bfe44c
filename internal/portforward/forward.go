// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
)

// Host is the address that forwards listen on.
const Host = "127.0.0.1"

// Session is a session with its open channel. Config.Open returns it.
type Session struct {
	ID      string
	Channel Channel
	// End ends the session and closes the channel, which may have ended already.
	End func(context.Context) error
}

// Config configures a forward.
type Config struct {
	// LocalPort is the port to listen on, or 0 for a free one.
	LocalPort int
	// Open opens a session and returns when its agent is ready. It is called again when that session has ended.
	// It must call onRefused when the agent reports that it could not connect to the target, in order with the
	// data. After an error from Permanent it is not called again.
	Open func(ctx context.Context, onRefused func()) (*Session, error)
	// Probe opens one connection to the target before Listen returns.
	Probe bool
	// KeepAlive prevents the idle time-out of the session.
	KeepAlive bool
	// Target describes the far end in errors and events: "db.internal:5432", for example.
	Target string
	// Observe is called with each event, one at a time. It may be nil.
	Observe func(context.Context, Event)
}

// limits are the times and sizes of a forward. Tests make them smaller.
type limits struct {
	quiet       time.Duration // without a byte from the target after the client's end
	busyQuiet   time.Duration // the same, while other connections keep the session busy
	drain       time.Duration // for the rest of the client's bytes after the target's end
	stall       time.Duration // without a read of the client while streamBytes wait for it
	look        time.Duration // between checks of a client that does not read
	streamBytes int64
	totalBytes  int64
	probe       time.Duration // for a refusal, after a round trip
	patience    time.Duration // how long connections wait for a new session
	attempt     time.Duration // for one attempt to open a session
	firstPause  time.Duration // between attempts; doubles up to lastPause
	lastPause   time.Duration
	shortLived  time.Duration // a session that ends sooner, and unused, counts as a failure
	refusalAge  time.Duration // between the refusal flag and the end of the stream
	flag        time.Duration // for the agent's acknowledgement of a flag
	end         time.Duration // for ending a session that is over
	idleCut     time.Duration // without bytes of a client when the forward closes, and for the agent to send the last ones
	grace       time.Duration // for all clients when the forward closes
}

var defaultLimits = limits{
	quiet:       5 * time.Second,
	busyQuiet:   time.Minute,
	drain:       2 * time.Second,
	stall:       30 * time.Second,
	look:        5 * time.Second,
	streamBytes: 16 << 20,
	totalBytes:  64 << 20,
	probe:       500 * time.Millisecond,
	patience:    5 * time.Minute,
	attempt:     time.Minute,
	firstPause:  time.Second,
	lastPause:   30 * time.Second,
	shortLived:  10 * time.Second,
	refusalAge:  5 * time.Second,
	flag:        10 * time.Second,
	end:         10 * time.Second,
	idleCut:     50 * time.Millisecond,
	grace:       time.Second,
}

// Report summarizes the life of a forward. Close returns it.
type Report struct {
	// Sessions are the IDs of all sessions that were opened, the oldest first.
	Sessions []string
	// Connections is the number of clients that connected.
	Connections uint64
	// Refused is the number of connections that the target refused, and LastRefused the time of the last.
	Refused     uint64
	LastRefused time.Time
	// Stalled is the number of connections that were reset because their clients did not read.
	Stalled uint64
	// Failed is the number of connections for which no session could be opened, and OpenErr the last cause.
	Failed  uint64
	OpenErr error
	// EndErr joins the errors of ending sessions.
	EndErr error
}

// Forward is a local port that leads to a target, through one session at a time.
type Forward struct {
	config   Config
	limits   limits
	listener net.Listener
	port     int
	ledger   *ledger

	// ctx ends when open connections must be reset. It does not end with the context of Listen.
	ctx     context.Context
	cancel  context.CancelCauseFunc
	closing chan struct{} // closed at the beginning of Close

	observe sync.Mutex // one event at a time

	mu       sync.Mutex
	current  *link
	opening  *opening
	failures int // sessions in a row that did not open, or ended soon
	open     map[*connection]struct{}
	accepted uint64
	report   Report

	accepting sync.WaitGroup
	serving   sync.WaitGroup
	opens     sync.WaitGroup
	ends      sync.WaitGroup

	closeOnce sync.Once
	final     Report
	finalErr  error
}

// opening is an attempt to open a session. Connections wait for it.
type opening struct {
	done chan struct{}
	link *link
	err  error
}

// Listen binds the port, opens the first session and then accepts connections until Close. The context limits
// only the opening. The error is a *PortInUseError if the port is in use, a *RefusedError if the target refused
// the probe, or wraps the error of Open.
func Listen(ctx context.Context, config Config) (*Forward, error) {
	return listen(ctx, config, defaultLimits)
}

func listen(ctx context.Context, config Config, l limits) (*Forward, error) {
	listener, err := bind(ctx, config.LocalPort)
	if err != nil {
		return nil, err
	}

	return serve(ctx, listener, config, l)
}

// serve opens the first session and then accepts connections. If the session does not open, it closes the
// listener.
func serve(ctx context.Context, listener net.Listener, config Config, l limits) (*Forward, error) {
	f := &Forward{
		config: config, limits: l, listener: listener, ledger: newLedger(l),
		closing: make(chan struct{}), open: map[*connection]struct{}{},
	}
	if addr, ok := listener.Addr().(*net.TCPAddr); ok {
		f.port = addr.Port
	}
	// Keep the values of ctx for the log.
	f.ctx, f.cancel = context.WithCancelCause(context.WithoutCancel(ctx))

	first, err := f.openOnce(ctx)
	if err == nil {
		f.mu.Lock()
		f.install(first)
		f.mu.Unlock()
		f.emit(Event{Kind: SessionOpened, SessionID: first.session.ID, Attempt: 1})
		if config.Probe {
			err = f.probe(ctx, first)
		}
	}
	if err != nil {
		_ = listener.Close()
		endCtx, done := context.WithTimeout(context.WithoutCancel(ctx), l.end)
		defer done()
		_, endErr := f.Close(endCtx)

		return nil, errors.Join(err, endErr)
	}
	f.accepting.Go(f.accept)

	return f, nil
}

func bind(ctx context.Context, port int) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort(Host, strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE) || isAddressInUse(err):
		return nil, &PortInUseError{Port: port, Err: err}
	case err != nil:
		return nil, fmt.Errorf("binding %s:%d: %w", Host, port, err)
	}

	return listener, nil
}

// isAddressInUse also checks for WSAEADDRINUSE of Windows, which syscall does not map.
func isAddressInUse(err error) bool {
	var errno syscall.Errno

	return errors.As(err, &errno) && errno == 10048
}

// Port returns the local port.
func (f *Forward) Port() int { return f.port }

// SessionID returns the ID of the first session.
func (f *Forward) SessionID() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.report.Sessions) == 0 {
		return ""
	}

	return f.report.Sessions[0]
}

// emit calls the observer with an event, one at a time.
func (f *Forward) emit(e Event) {
	if f.config.Observe == nil {
		return
	}
	// Count under the lock: the counts must follow the order of the events.
	f.observe.Lock()
	defer f.observe.Unlock()
	e.Target = f.config.Target
	if e.Connection != 0 {
		f.mu.Lock()
		e.Open = len(f.open)
		f.mu.Unlock()
	}
	f.config.Observe(context.WithoutCancel(f.ctx), e)
}

// probe opens one stream and checks that the target does not refuse it.
func (f *Forward) probe(ctx context.Context, l *link) error {
	if !l.session.Channel.Agent().Multiplexed {
		// The agent connects at the start of the session, and ends it if the target refuses.
		select {
		case <-time.After(f.limits.probe + l.session.Channel.RoundTrip()):
			return nil
		case <-l.ctx.Done():
			return fmt.Errorf("the session ended while %s was probed: %w", f.config.Target, orOver(l.cause))
		case <-ctx.Done():
			return datachannel.Interruption(context.Cause(ctx))
		}
	}
	st, err := l.carrier.open(ctx)
	if err != nil {
		l.over(err)

		return fmt.Errorf("the session ended while %s was probed: %w", f.config.Target, orOver(l.cause))
	}
	heard := make(chan error, 2)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var got firstByte
		got.heard = heard
		_, err := st.WriteTo(&got)
		if err == nil && !got.any && l.takeRefusal() {
			heard <- &RefusedError{Target: f.config.Target, SessionID: l.session.ID}

			return
		}
		heard <- nil
	}()
	// An agent that resolves the host's name first acknowledges the request late. A refusal follows soon after.
	deliverCtx, stop := context.WithCancel(ctx)
	defer stop()
	taken := make(chan error, 1)
	go func() { taken <- l.deliver(deliverCtx) }()
	var enough <-chan time.Time
	for waiting := true; waiting; {
		waiting = false
		select {
		case err = <-heard:
		case <-enough:
		case <-l.ctx.Done():
		case <-ctx.Done():
			err = fmt.Errorf("waiting for the agent to connect to %s: %w", f.config.Target, datachannel.Interruption(context.Cause(ctx)))
		case takenErr := <-taken:
			if waiting = takenErr == nil; waiting {
				taken, enough = nil, time.After(f.limits.probe+l.session.Channel.RoundTrip())
			} else if l.ctx.Err() == nil {
				err = fmt.Errorf("waiting for the agent to connect to %s: %w", f.config.Target, takenErr)
			}
		}
	}
	closeCtx, done := context.WithTimeout(l.ctx, f.limits.flag)
	defer done()
	if closeErr := st.close(closeCtx); closeErr != nil && err == nil && l.ctx.Err() == nil {
		err = closeErr
	}
	<-ended
	if l.ctx.Err() != nil && err == nil {
		err = fmt.Errorf("the session ended while %s was probed: %w", f.config.Target, orOver(l.cause))
	}

	return err
}

// firstByte signals the first write, and discards the bytes.
type firstByte struct {
	any   bool
	heard chan<- error
}

func (w *firstByte) Write(p []byte) (int, error) {
	if !w.any {
		w.any = true
		w.heard <- nil
	}

	return len(p), nil
}

func orOver(err error) error {
	if err == nil {
		return errSessionOver
	}

	return err
}

func (f *Forward) accept() {
	pause := 5 * time.Millisecond
	for {
		local, err := f.listener.Accept()
		switch {
		case err == nil:
			pause = 5 * time.Millisecond
		case errors.Is(err, net.ErrClosed):
			return
		default:
			// The cause may be temporary, such as too many open files.
			f.emit(Event{Kind: AcceptFailed, Err: err, Pause: pause})
			select {
			case <-time.After(pause):
			case <-f.closing:
				return
			}
			pause = min(2*pause, time.Second)

			continue
		}
		f.mu.Lock()
		f.accepted++
		c := f.newConnection(local, f.accepted)
		f.open[c] = struct{}{}
		f.mu.Unlock()
		f.serving.Go(c.serve)
	}
}

// leave removes an ended connection.
func (f *Forward) leave(c *connection, e Event) {
	f.mu.Lock()
	delete(f.open, c)
	switch {
	case errors.Is(e.Err, errTooMuchWaits), errors.Is(e.Err, errMemory):
		f.report.Stalled++
	case errors.Is(e.Err, errNoSession):
		f.report.Failed++
	}
	f.mu.Unlock()
	f.emit(e)
}

func (f *Forward) noteRefusal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report.Refused++
	f.report.LastRefused = time.Now()
}

// openOnce opens one session.
func (f *Forward) openOnce(ctx context.Context) (*link, error) {
	l := &link{limits: f.limits, onOver: f.sessionOver}
	session, err := f.config.Open(ctx, l.refused)
	if err != nil {
		return nil, err
	}
	l.session, l.started = session, time.Now()
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if session.Channel.Agent().Multiplexed {
		l.carrier, err = newMux(session.Channel, f.config.KeepAlive, l.over)
		if err != nil {
			endCtx, done := context.WithTimeout(context.WithoutCancel(ctx), f.limits.end)
			defer done()

			return nil, errors.Join(err, session.End(endCtx))
		}
	} else {
		l.carrier = newBasic(session.Channel, f.limits.streamBytes, l.over)
	}

	return l, nil
}

// install uses l for new connections. The caller holds the mutex.
func (f *Forward) install(l *link) {
	f.report.Sessions = append(f.report.Sessions, l.session.ID)
	if l.ctx.Err() == nil {
		f.current = l
	} else {
		f.retire(l)
	}
}

// retire ends a session that can no longer be used. The caller holds the mutex.
func (f *Forward) retire(l *link) {
	f.ends.Go(func() {
		ctx, done := context.WithTimeout(context.WithoutCancel(f.ctx), f.limits.end)
		defer done()
		if err := l.end(ctx); err != nil {
			f.mu.Lock()
			f.report.EndErr = errors.Join(f.report.EndErr, err)
			f.mu.Unlock()
		}
	})
}

// sessionOver handles the end of a session. The next connection opens another one.
func (f *Forward) sessionOver(l *link) {
	lived := time.Since(l.started)
	f.mu.Lock()
	if f.isClosing() {
		f.mu.Unlock()

		return
	}
	if lived < f.limits.shortLived && !l.wasUsed() {
		f.failures++
	} else {
		f.failures = 0
	}
	if f.current == l {
		f.current = nil
		f.retire(l)
	}
	f.mu.Unlock()
	f.emit(Event{Kind: SessionOver, SessionID: l.session.ID, Duration: lived, Err: l.cause})
}

// link returns the session for new connections. If there is none, it opens one.
func (f *Forward) link(ctx context.Context) (*link, error) {
	f.mu.Lock()
	if l := f.current; l != nil && (l.ctx.Err() == nil || !f.isClosing()) {
		defer f.mu.Unlock()

		return l, nil
	}
	o := f.opening
	if o == nil {
		if f.isClosing() {
			// While the forward closes, no new session is opened.
			f.mu.Unlock()

			return nil, errClosing
		}
		o = &opening{done: make(chan struct{})}
		f.opening = o
		f.opens.Go(func() { f.reopen(o) })
	}
	f.mu.Unlock()
	select {
	case <-o.done:
		return o.link, o.err
	case <-ctx.Done():
		return nil, datachannel.Interruption(context.Cause(ctx))
	}
}

// reopen tries to open a session, with growing pauses, until limits.patience has passed.
func (f *Forward) reopen(o *opening) {
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	go func() {
		select {
		case <-f.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	f.mu.Lock()
	pause := f.pause(f.failures)
	f.mu.Unlock()
	deadline := time.Now().Add(f.limits.patience)
	for attempt := 1; ; attempt++ {
		var l *link
		err := sleep(ctx, pause)
		if err == nil {
			attemptCtx, done := context.WithTimeout(ctx, f.limits.attempt)
			l, err = f.openOnce(attemptCtx)
			done()
		}
		f.mu.Lock()
		if err == nil {
			f.install(l)
			f.opening = nil
			o.link = l
			f.mu.Unlock()
			f.emit(Event{Kind: SessionOpened, SessionID: l.session.ID, Attempt: attempt})
			close(o.done)

			return
		}
		if ctx.Err() != nil {
			f.opening = nil
			f.mu.Unlock()
			o.err = errClosing
			close(o.done)

			return
		}
		f.failures++
		pause = f.pause(f.failures)
		final := isPermanent(err) || time.Now().Add(pause).After(deadline)
		e := Event{Kind: SessionFailed, Attempt: attempt, Pause: pause, Err: err}
		if final {
			e.Pause = 0
			f.report.OpenErr = err
			f.opening = nil
		}
		f.mu.Unlock()
		f.emit(e)
		if final {
			o.err = fmt.Errorf("%w: %w", errNoSession, err)
			close(o.done)

			return
		}
	}
}

func (f *Forward) isClosing() bool {
	select {
	case <-f.closing:
		return true
	default:
		return false
	}
}

// pause returns the time before the next attempt to open a session.
func (f *Forward) pause(failures int) time.Duration {
	if failures == 0 {
		return 0
	}
	p := f.limits.firstPause
	for range failures - 1 {
		if p *= 2; p >= f.limits.lastPause {
			return f.limits.lastPause
		}
	}

	return p
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return datachannel.Interruption(context.Cause(ctx))
	}
}

// Close stops listening and ends the session. Clients that have closed their side may finish; Close resets the
// others. It waits until ctx ends at most. The report covers the whole life of the forward. The error is about
// ending sessions.
func (f *Forward) Close(ctx context.Context) (Report, error) {
	f.closeOnce.Do(func() {
		f.mu.Lock()
		close(f.closing)
		f.mu.Unlock()
		_ = f.listener.Close()
		f.accepting.Wait()

		f.mu.Lock()
		used := len(f.open) > 0
		for c := range f.open {
			c.wind()
		}
		f.mu.Unlock()
		served := make(chan struct{})
		go func() {
			f.serving.Wait()
			close(served)
		}()
		within(ctx, f.limits.grace, served)
		f.cancel(errClosing)
		// Deliver the bytes and the ends of all streams before the session ends. A connection that waits for a
		// blocked channel ends with the channel.
		within(ctx, f.limits.grace, served)
		f.opens.Wait()
		f.mu.Lock()
		l := f.current
		f.current = nil
		f.mu.Unlock()
		var err error
		if l != nil {
			l.flush(ctx)
			if used && l.ctx.Err() == nil {
				// The agent has the bytes of the clients, but needs a moment to send them to the target.
				_ = sleep(ctx, f.limits.idleCut)
			}
			err = l.end(ctx)
		}
		f.ends.Wait()
		<-served
		f.mu.Lock()
		f.report.Connections = f.accepted
		f.report.EndErr = errors.Join(f.report.EndErr, err)
		f.final, f.finalErr = f.report, f.report.EndErr
		f.mu.Unlock()
	})

	return f.final, f.finalErr
}

// within waits for done, for d at most.
func within(ctx context.Context, d time.Duration, done <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wind lets the client finish, or resets it if it sends nothing.
func (c *connection) wind() {
	c.closing.Store(true)
	_ = c.local.SetReadDeadline(time.Now().Add(c.f.limits.idleCut))
}
