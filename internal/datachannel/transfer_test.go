// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// noise returns bytes that never repeat within a test.
func noise(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	_, _ = r.Read(b)

	return b
}

// exchange sends data both ways at once and compares what arrives.
func exchange(t *testing.T, c *Channel, n *node, size int) {
	t.Helper()
	up, down := noise(1, size), noise(2, size)
	var all sync.WaitGroup
	all.Go(func() { n.write(down) })
	all.Go(func() {
		for rest := up; len(rest) > 0; {
			k := min(len(rest), 3000)
			if _, err := c.Write(rest[:k]); err != nil {
				t.Errorf("Write: %v", err)

				return
			}
			rest = rest[k:]
		}
	})
	got := make([]byte, size)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Errorf("Read: %v", err)
		n.stop()
	}
	all.Wait()
	if !bytes.Equal(got, down) {
		t.Error("what the node sent arrived changed")
	}
	waitFor(t, func() bool { return len(n.received()) >= len(up) })
	if !bytes.Equal(n.received(), up) {
		t.Error("what the client sent arrived changed")
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 3000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not come about within 30 s")
}

// every returns a fault that happens to every nth message of a kind.
func every(n int, v verdict, fits func(out bool, m wire) bool) func() func(bool, wire) verdict {
	return func() func(bool, wire) verdict {
		count := 0

		return func(out bool, m wire) verdict {
			if !fits(out, m) {
				return pass
			}
			if count++; count%n == 0 {
				return v
			}

			return pass
		}
	}
}

// TestChannel_faultsOnTheWay is the promise of the package: whatever happens
// between client and agent, every byte arrives once and in order.
func TestChannel_faultsOnTheWay(t *testing.T) {
	t.Parallel()
	data := func(out bool, m wire) bool { return out && m.kind == "output_stream_data" }
	acks := func(out bool, m wire) bool { return out && m.kind == "acknowledge" }
	up := func(out bool, m wire) bool { return !out && m.kind == "input_stream_data" }
	upAcks := func(out bool, m wire) bool { return !out && m.kind == "acknowledge" }
	none := func(bool, wire) bool { return false }
	for name, fault := range map[string]func() func(bool, wire) verdict{
		"no fault":                                every(1, pass, none),
		"messages of the agent are lost":          every(50, lose, data),
		"messages of the agent are repeated":      every(3, twice, data),
		"messages of the agent change places":     every(5, delay, data),
		"messages of the agent are corrupt":       every(50, corrupt, data),
		"acknowledgements of the agent are lost":  every(20, lose, acks),
		"acknowledgements of the agent are late":  every(5, delay, acks),
		"messages of the client are lost":         every(50, lose, up),
		"acknowledgements of the client are lost": every(20, lose, upAcks),
		"the socket breaks on the way down":       every(700, hang, data),
		"the socket breaks on the way up":         every(700, hang, up),
		"a broken socket loses acknowledgements":  every(700, hang, acks),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.fault = fault()
			p := newPeer(t, n.serve)
			c := mustOpen(t, p, func(c *Config) { c.Resume = resumeTo(p) })
			exchange(t, c, n, 512<<10)
		})
	}
}

func TestWrite_lineBreaksStayAsTheyAre(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := newPeer(t, n.serve)
	c := mustOpen(t, p, nil)
	var want []byte
	for _, size := range []int{1, 1017, 1025, 2041, 2049, 3065} {
		part := append(bytes.Repeat([]byte("a"), size-1), '\n')
		if _, err := c.Write(part); err != nil {
			t.Fatal(err)
		}
		want = append(want, part...)
		clear(part) // The channel has a copy.
	}
	waitFor(t, func() bool { return len(n.received()) == len(want) })
	if !bytes.Equal(n.received(), want) {
		t.Error("a line break was changed")
	}
}

func TestWrite_fromManyGoroutines(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.echo = true
	p := newPeer(t, n.serve)
	c := mustOpen(t, p, nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				if _, err := c.Write(bytes.Repeat([]byte{byte('a' + i)}, 2500)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	got := make([]byte, 8*20*2500)
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	for part := got; len(part) > 0; part = part[2500:] {
		if !bytes.Equal(part[:2500], bytes.Repeat(part[:1], 2500)) {
			t.Fatal("two writes were mixed")
		}
	}
}
