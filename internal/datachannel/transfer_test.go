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

// seededBytes returns bytes that never repeat within a test.
func seededBytes(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	_, _ = r.Read(b)

	return b
}

// exchangeBothWays sends data in both directions at once and compares what arrives.
func exchangeBothWays(t *testing.T, c *Channel, n *agentNode, size int) {
	t.Helper()
	up, down := seededBytes(1, size), seededBytes(2, size)
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

// everyNth returns a fault of every nth message of a kind.
func everyNth(n int, v verdict, fits func(out bool, m wireMessage) bool) func() func(bool, wireMessage) verdict {
	return func() func(bool, wireMessage) verdict {
		count := 0

		return func(out bool, m wireMessage) verdict {
			if !fits(out, m) {
				return verdictPass
			}
			if count++; count%n == 0 {
				return v
			}

			return verdictPass
		}
	}
}

// TestChannel_faultsOnTheWay tests the main guarantee of the package: every byte
// arrives once and in order, despite faults between client and agent.
func TestChannel_faultsOnTheWay(t *testing.T) {
	t.Parallel()
	data := func(out bool, m wireMessage) bool { return out && m.kind == "output_stream_data" }
	acks := func(out bool, m wireMessage) bool { return out && m.kind == "acknowledge" }
	up := func(out bool, m wireMessage) bool { return !out && m.kind == "input_stream_data" }
	upAcks := func(out bool, m wireMessage) bool { return !out && m.kind == "acknowledge" }
	none := func(bool, wireMessage) bool { return false }
	for name, fault := range map[string]func() func(bool, wireMessage) verdict{
		"no fault":                                everyNth(1, verdictPass, none),
		"messages of the agent are lost":          everyNth(50, verdictLose, data),
		"messages of the agent are repeated":      everyNth(3, verdictTwice, data),
		"messages of the agent change places":     everyNth(5, verdictDelay, data),
		"messages of the agent are corrupt":       everyNth(50, verdictCorrupt, data),
		"acknowledgements of the agent are lost":  everyNth(20, verdictLose, acks),
		"acknowledgements of the agent are late":  everyNth(5, verdictDelay, acks),
		"messages of the client are lost":         everyNth(50, verdictLose, up),
		"acknowledgements of the client are lost": everyNth(20, verdictLose, upAcks),
		"the socket breaks on the way down":       everyNth(700, verdictHang, data),
		"the socket breaks on the way up":         everyNth(700, verdictHang, up),
		"a broken socket loses acknowledgements":  everyNth(700, verdictHang, acks),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t)
			n.fault = fault()
			p := newPeer(t, n.serve)
			c := mustOpen(t, p, func(c *Config) { c.Resume = resumeTo(p) })
			exchangeBothWays(t, c, n, 512<<10)
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
