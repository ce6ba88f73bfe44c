// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"encoding/json"
	"io"
	"testing"
	"time"
)

func TestOpen_talks(t *testing.T) {
	t.Parallel()
	answers := make(chan wireMessage, 1)
	p := newPeer(t, func(_ int, l *peerLine) {
		answer, ok := l.shake(modernAgent)
		if !ok {
			return
		}
		answers <- answer
		for sequence := int64(2); ; {
			m, ok := l.read()
			if !ok {
				return
			}
			if m.payload == 1 {
				l.send(ackOf(m), outputMessage(sequence, "echo "+string(m.data)))
				sequence++
			}
		}
	})
	c := mustOpen(t, p, nil)
	if n, err := c.Write([]byte("hello\n")); n != 6 || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	got := make([]byte, len("echo hello\n"))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "echo hello\n" {
		t.Fatalf("Read: %q, %v", got, err)
	}
	var answer struct {
		ClientVersion          string
		ProcessedClientActions []struct {
			ActionType   string
			ActionStatus int
		}
	}
	if err := json.Unmarshal((<-answers).data, &answer); err != nil {
		t.Fatal(err)
	}
	if v, err := parseVersion(answer.ClientVersion); err != nil || !v.after(version{1, 2, 331, 0}) {
		t.Errorf("client version %q is not above 1.2.331.0", answer.ClientVersion)
	}
	if got := answer.ProcessedClientActions; len(got) != 1 || got[0].ActionType != "SessionType" || got[0].ActionStatus != 1 {
		t.Errorf("processed actions: %+v", got)
	}
	if a := c.Agent(); !a.Multiplexed || a.NeedsKeepAlive || a.Properties["portNumber"] != "5432" {
		t.Errorf("agent: %+v", a)
	}
	start := time.Now()
	closeNow(c)
	t.Logf("closed after %s", time.Since(start))
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a Write after Close succeeds")
	}
}
