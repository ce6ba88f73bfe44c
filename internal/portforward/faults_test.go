// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package portforward

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

var table = flag.Bool("table", false, "print the table of channel faults")

// phase is what a forward does when a fault occurs.
type phase int

const (
	whileOpening phase = iota
	whileCarrying
	whileIdle
	whileClosing
	phases
)

func (p phase) String() string {
	return [phases]string{"opens", "carries data", "is idle", "closes"}[p]
}

// What users of a forward see. Open may also fail with an error text.
const (
	everyByte = "every byte, once and in order"
	wasReset  = "the connection is reset"
	waits     = "the connection waits"
	lost      = "the last bytes of a client are lost"
)

// cell is the effect of a fault in one phase, and on the next connection.
type cell struct {
	sees string        // everyByte if empty.
	in   time.Duration // Maximum duration; 2 s if zero.

	next    string // everyByte if empty.
	starts  int    // One session if zero. With some it depends on the pauses between attempts.
	resumes int    // The same, and none if zero.
	failed  uint64 // Connections without a session.
	stalls  bool   // The log reports that the agent acknowledges nothing.
	tells   string // Why the session ended, for the log.
}

const (
	some      = -1
	anyNumber = -2
)

// row is a fault. It is tested in each phase.
type row struct {
	name   string
	faults []fakessm.ChannelFault
	lasts  time.Duration // Until the faults are removed; forever if zero.
	cells  [phases]cell
	old    map[phase]cell // Exceptions for an agent without multiplexing.
}

func faultRows() []row {
	const (
		down, up   = fakessm.ToClient, fakessm.ToAgent
		refused    = "opening the WebSocket: the answer has HTTP status 503"
		incomplete = "the agent did not complete the handshake"
		words      = "Session was ended by the node."
		never      = time.Hour
	)
	fault := func(kind fakessm.ChannelFaultKind, direction string, times int) fakessm.ChannelFault {
		return fakessm.ChannelFault{Kind: kind, Direction: direction, Times: times}
	}
	all := func(c cell) [phases]cell { return [phases]cell{c, c, c, c} }

	return []row{
		{name: "none"},
		{
			name:   "the connection drops, on the way down",
			faults: []fakessm.ChannelFault{fault(fakessm.ChannelDrop, down, 1)},
			// An agent resends ten messages a second.
			cells: [phases]cell{{resumes: 1}, {resumes: 1, in: time.Minute}, {resumes: 1}, {resumes: anyNumber}},
		},
		{
			name:   "the connection drops, on the way up",
			faults: []fakessm.ChannelFault{fault(fakessm.ChannelDrop, up, 1)},
			cells:  all(cell{resumes: 1, in: time.Minute}),
		},
		{
			name:   "it drops, and the next request is refused",
			faults: []fakessm.ChannelFault{fault(fakessm.ChannelDrop, "", 1), fault(fakessm.ChannelRefuse, "", 1)},
			cells:  all(cell{resumes: 2, in: time.Minute}),
		},
		{
			name:   "it drops, and every request is refused",
			faults: []fakessm.ChannelFault{fault(fakessm.ChannelRefuse, "", -1), fault(fakessm.ChannelDrop, "", 1)},
			cells: [phases]cell{
				{sees: refused, resumes: 3, in: 10 * time.Second},
				{sees: wasReset, in: 6 * time.Minute, next: wasReset, starts: some, resumes: some, failed: 1},
				{sees: wasReset, in: 6 * time.Minute, next: wasReset, starts: some, resumes: some, failed: 1},
				{sees: lost, resumes: some},
			},
			// The waiting connection has sent nothing, so it may use another session, but there is none.
			old: map[phase]cell{whileIdle: {sees: wasReset, in: never, next: wasReset, starts: some, resumes: some, failed: 2}},
		},
		{
			name:   "the service says bye",
			faults: []fakessm.ChannelFault{fault(fakessm.ChannelBye, "", 1)},
			cells:  all(cell{resumes: 1, in: time.Minute}),
		},
		{name: "messages are lost, down", faults: []fakessm.ChannelFault{fault(fakessm.ChannelLose, down, 3)}},
		{name: "messages are lost, up", faults: []fakessm.ChannelFault{fault(fakessm.ChannelLose, up, 3)}, cells: all(cell{in: 5 * time.Second})},
		{name: "acknowledgements are lost, down", faults: []fakessm.ChannelFault{fault(fakessm.ChannelLoseAcks, down, 3)}},
		{name: "acknowledgements are lost, up", faults: []fakessm.ChannelFault{fault(fakessm.ChannelLoseAcks, up, 3)}},
		{name: "messages come twice", faults: []fakessm.ChannelFault{fault(fakessm.ChannelRepeat, "", -1)}},
		{name: "messages change places", faults: []fakessm.ChannelFault{fault(fakessm.ChannelReorder, "", 3)}},
		{
			name:   "messages are late",
			faults: []fakessm.ChannelFault{{Kind: fakessm.ChannelDelay, Delay: 250 * time.Millisecond, Times: 3}},
			cells:  all(cell{in: 5 * time.Second}),
		},
		{name: "messages are corrupt, down", faults: []fakessm.ChannelFault{fault(fakessm.ChannelCorrupt, down, 3)}},
		{name: "messages are corrupt, up", faults: []fakessm.ChannelFault{fault(fakessm.ChannelCorrupt, up, 3)}, cells: all(cell{in: 5 * time.Second})},
		{
			name:   "the agent is silent for 10 s",
			faults: []fakessm.ChannelFault{fault(fakessm.ChannelSilent, "", 0)}, lasts: 10 * time.Second,
			cells: [phases]cell{{in: 15 * time.Second}, {in: time.Minute}, {in: 15 * time.Second}, {resumes: anyNumber}},
		},
		{
			name:   "the agent is silent for good",
			faults: []fakessm.ChannelFault{fault(fakessm.ChannelSilent, "", 0)},
			cells: [phases]cell{
				{sees: incomplete, resumes: some, in: 40 * time.Second},
				{sees: waits, in: never, next: waits, resumes: some, stalls: true},
				{sees: waits, in: never, next: waits, resumes: some, stalls: true},
				{resumes: anyNumber},
			},
			// The end of a connection is not acknowledged. The next one gets another session, but there is none.
			old: map[phase]cell{
				whileCarrying: {sees: waits, in: never, next: wasReset, starts: some, resumes: some, stalls: true, failed: 1},
				whileIdle:     {sees: wasReset, in: never, next: wasReset, starts: some, resumes: some, failed: 2},
			},
		},
		{
			name:   "a pause of 10 s",
			faults: []fakessm.ChannelFault{fault(fakessm.ChannelPause, "", 0)}, lasts: 10 * time.Second,
			cells: [phases]cell{{in: 15 * time.Second}, {in: time.Minute}, {in: 15 * time.Second}, {sees: lost}},
		},
		{
			name:   "a pause without an end",
			faults: []fakessm.ChannelFault{fault(fakessm.ChannelPause, "", 0)},
			cells: [phases]cell{
				{sees: incomplete, resumes: some, in: 40 * time.Second},
				{sees: waits, in: never, next: waits, stalls: true},
				{sees: waits, in: never, next: waits, stalls: true},
				{sees: lost},
			},
			// The end of a connection is not acknowledged. The next one gets another session, but there is none.
			old: map[phase]cell{
				whileCarrying: {sees: waits, in: never, next: wasReset, starts: some, resumes: some, stalls: true, failed: 1},
				whileIdle:     {sees: wasReset, in: never, next: wasReset, starts: some, resumes: some, failed: 2},
			},
		},
		{
			name:   "the node closes the session",
			faults: []fakessm.ChannelFault{{Kind: fakessm.ChannelClose, Words: words}},
			cells: [phases]cell{
				{sees: "the service has closed the data channel: " + words},
				{sees: wasReset, in: 100 * time.Millisecond, starts: 2, tells: words},
				{starts: 2, tells: words},
				{sees: lost},
			},
		},
	}
}

// TestForwardFaults runs each fault of data channels in each phase of a forward. It compares what users see, the
// requests at the endpoint and the remaining sessions with the table.
//
// It does not run in parallel with other tests: smux keeps Go channels in a global pool, and a Go channel from a
// bubble must not be used outside of it.
func TestForwardFaults(t *testing.T) { //nolint:paralleltest // See above.
	defer emptyPools()
	var lines []string
	missing := fakessm.ChannelFaultKinds()
	for _, old := range []bool{false, true} {
		for _, r := range faultRows() {
			for _, f := range r.faults {
				missing = slices.DeleteFunc(missing, func(kind fakessm.ChannelFaultKind) bool { return kind == f.Kind })
			}
			for p := range phases {
				agent, options := "many connections", []fakessm.Option(nil)
				want := r.cells[p]
				if old {
					agent, options = "one connection", []fakessm.Option{fakessm.WithAgentVersion("3.0.196.0")}
					if other, differs := r.old[p]; differs {
						want = other
					}
				}
				if p == whileClosing && want.resumes == 0 {
					// Whether the channel resumes once more before it ends is up to the scheduler.
					want.resumes = anyNumber
				}
				t.Run(fmt.Sprintf("%s/%s/%s", agent, r.name, p), func(t *testing.T) {
					emptyPools()
					synctest.Test(t, func(t *testing.T) {
						got := r.strike(t, newLab(t, options...), p)
						want.compare(t, got, old)
						r.hasStruck(t, got, p)
						lines = append(lines, fmt.Sprintf("| %-16s | %-41s | %-12s | %-72s | %-29s | %6d | %7d | %7.1f |\n",
							agent, r.name, p, got.sees, got.next, got.starts, got.resumes, got.in.Seconds()))
					})
				})
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("no row has the faults %q", missing)
	}
	if *table {
		fmt.Printf("| %-16s | %-41s | %-12s | %-72s | %-29s | starts | resumes | seconds |\n|---|---|---|---|---|---|---|---|\n%s",
			"the agent serves", "fault", "the forward", "what its user sees", "the next connection", strings.Join(lines, ""))
	}
}

// emptyPools empties every sync.Pool, which takes two collections.
func emptyPools() {
	runtime.GC()
	runtime.GC()
}

// strike runs one cell and returns the observations.
func (r row) strike(t *testing.T, l *lab, p phase) seen {
	t.Helper()
	const size, small = 100_000, 10_000
	inject := func() {
		for _, fault := range r.faults {
			if p == whileCarrying && fault.Kind != fakessm.ChannelRefuse {
				fault.After = 30
			}
			if err := l.fake.InjectChannel(fault); err != nil {
				t.Fatal(err)
			}
		}
		if r.lasts > 0 {
			timer := time.AfterFunc(r.lasts, l.fake.ClearChannelFaults)
			t.Cleanup(func() { timer.Stop() })
		}
	}
	if p == whileOpening {
		inject()
	}
	var got seen
	began := time.Now()
	f, err := l.listen(t)
	got.in = time.Since(began)
	if err != nil {
		got.sees, _, _ = strings.Cut(err.Error(), "\n")
		l.count(&got)

		return got
	}
	closeIt := func() {
		report, err := f.Close(t.Context())
		if err != nil {
			t.Errorf("Close: %v", err)
		}
		if got.failed = report.Failed; (got.failed > 0) != (report.OpenErr != nil) {
			t.Errorf("Close reports %d connections without a session, because of %v", got.failed, report.OpenErr)
		}
	}
	switch p {
	case whileOpening:
		got.sees = l.exchange(t, small)
	case whileCarrying:
		inject()
		began = time.Now()
		got.sees = l.exchange(t, size)
		got.in = time.Since(began)
	case whileIdle:
		if sees := l.exchange(t, small); sees != everyByte {
			t.Fatal(sees)
		}
		inject()
		time.Sleep(cmp.Or(r.lasts/2, 2*time.Minute))
		began = time.Now()
		got.sees = l.exchange(t, small)
		got.in = time.Since(began)
	case whileClosing:
		if sees := l.exchange(t, small); sees != everyByte {
			t.Fatal(sees)
		}
		got.sees = l.lastWords(t, small, inject, func() {
			began = time.Now()
			closeIt()
			got.in = time.Since(began)
		})
	}
	if p != whileClosing {
		got.next = l.exchange(t, small)
		closeIt()
	}
	l.count(&got)

	return got
}

// seen holds the observations of a cell.
type seen struct {
	sees, next            string
	in                    time.Duration
	starts, resumes, ends int
	failed                uint64
	stalls                bool
	live                  []string
	over                  []Event
	left                  []fakessm.ChannelFault
}

// count adds the requests and remaining sessions at the endpoint, and the log.
func (l *lab) count(got *seen) {
	got.starts, got.resumes, got.ends = l.fake.Count("StartSession"), l.fake.Count("ResumeSession"), l.fake.Count("TerminateSession")
	got.live, got.over = l.live(), l.all(SessionOver)
	got.left = l.fake.ChannelFaults()
	l.mu.Lock()
	defer l.mu.Unlock()
	got.stalls = l.channel[datachannel.Stalled] > 0
}

// compare compares the observations with the cell.
//
// An old agent does not repeat a lost acknowledgement. The forward then does not know whether the agent got the end
// of a client, so the next client gets another session.
func (want cell) compare(t *testing.T, got seen, old bool) {
	t.Helper()
	want.sees, want.starts, want.in = cmp.Or(want.sees, everyByte), cmp.Or(want.starts, 1), cmp.Or(want.in, 2*time.Second)
	if old {
		// An old agent gets a second for its start.
		want.in += time.Duration(got.starts) * time.Second
	}
	if got.next != "" {
		want.next = cmp.Or(want.next, everyByte)
	}
	if !strings.Contains(got.sees, want.sees) || got.next != want.next {
		t.Errorf("got %q, then %q; want %q, then %q", got.sees, got.next, want.sees, want.next)
	}
	if got.in > want.in {
		t.Errorf("it took %s, want at most %s", got.in, want.in)
	}
	most := want.starts
	if old {
		most += 2
	}
	if want.starts == some && got.starts < 2 || want.starts != some && (got.starts < want.starts || got.starts > most) {
		t.Errorf("%d sessions were started, want %d", got.starts, want.starts)
	}
	if want.resumes == some && got.resumes == 0 || want.resumes >= 0 && got.resumes != want.resumes {
		t.Errorf("sessions were resumed %d times, want %d", got.resumes, want.resumes)
	}
	if got.ends != got.starts || len(got.live) > 0 {
		t.Errorf("%d sessions were started and %d ended; left are %q", got.starts, got.ends, got.live)
	}
	if got.failed != want.failed {
		t.Errorf("%d connections found no session, want %d", got.failed, want.failed)
	}
	if got.stalls != want.stalls && (!old || !got.stalls) {
		t.Errorf("the channel stalls: %t, want %t", got.stalls, want.stalls)
	}
	if want.tells != "" && (len(got.over) != 1 || !strings.Contains(fmt.Sprint(got.over[0].Err), want.tells)) {
		t.Errorf("the log says of the session's end: %+v", got.over)
	}
}

// hasStruck checks that the fault really occurred in a cell.
func (r row) hasStruck(t *testing.T, got seen, p phase) {
	t.Helper()
	for _, fault := range got.left {
		switch {
		case fault.Times < 0:
			return // The fault has occurred at each opportunity, and may leave none for the others.
		case p == whileClosing && (fault.Times < r.faults[0].Times || fault.Kind == fakessm.ChannelLoseAcks):
			// A closing forward sends few messages.
		default:
			t.Errorf("the fault %q has not struck, or not often enough", fault.Kind)
		}
	}
	if p != whileClosing && got.in < r.lasts/2 {
		t.Errorf("it took only %s, and the fault lasts for %s", got.in, r.lasts)
	}
}

// exchange sends bytes through the forward, waits for the echo, and returns what the client saw. The target must get
// exactly the bytes of the client.
func (l *lab) exchange(t *testing.T, size int) string {
	t.Helper()
	before := len(l.target.received())
	conn := l.dial(t)
	defer conn.Close()
	sent := seededBytes(uint64(time.Now().UnixNano()), size)
	wrote := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		wrote <- err
	}()
	var (
		got []byte
		err error
	)
	for buffer := make([]byte, 64<<10); err == nil && len(got) < size; {
		var n int
		n, err = conn.Read(buffer)
		got = append(got, buffer[:n]...)
	}
	if !bytes.HasPrefix(sent, got) {
		return fmt.Sprintf("%d bytes came back, and were changed", len(got))
	}
	if err == nil {
		err = <-wrote
	}
	_ = conn.Close()
	synctest.Wait()
	there := l.target.received()[before:]
	if !bytes.HasPrefix(sent, there) || err == nil && len(there) != size {
		return fmt.Sprintf("the target got %d bytes, or they were changed", len(there))
	}
	switch {
	case err == nil:
		return everyByte
	case isReset(err):
		return wasReset
	case errors.Is(err, os.ErrDeadlineExceeded):
		return waits
	}

	return err.Error()
}

// lastWords closes the forward just after a client has sent bytes and disconnected. It returns whether they arrive.
func (l *lab) lastWords(t *testing.T, size int, inject, closeIt func()) string {
	t.Helper()
	before := len(l.target.received())
	l.target.mute.Store(true)
	conn := l.dial(t)
	l.wait(t, ConnectionOpened, 2)
	inject()
	sent := seededBytes(1, size)
	if _, err := conn.Write(sent); err != nil && !isReset(err) {
		t.Fatal(err)
	}
	_ = conn.Close()
	closeIt()
	if !bytes.Equal(l.target.received()[before:], sent) {
		return lost
	}

	return everyByte
}

// The session ends while a connection waits for its turn. The closing forward opens no other session.
func TestForward_sessionEndsWhileItCloses(t *testing.T) { //nolint:paralleltest // See TestForwardFaults.
	emptyPools()
	defer emptyPools()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, fakessm.WithAgentVersion("3.0.196.0"))
		f, err := l.listen(t)
		if err != nil {
			t.Fatal(err)
		}
		// The first one has the turn before the second one comes.
		one := l.dial(t)
		expectEcho(t, one, "hello")
		two := l.dial(t)
		synctest.Wait()
		if err := l.fake.InjectChannel(fakessm.ChannelFault{Kind: fakessm.ChannelClose}); err != nil {
			t.Fatal(err)
		}
		closed := make(chan error, 1)
		go func() {
			_, err := f.Close(t.Context())
			closed <- err
		}()
		expectReset(t, one)
		expectReset(t, two)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if n := l.fake.Count("StartSession"); n != 1 {
			t.Errorf("%d sessions were started", n)
		}
	})
}
