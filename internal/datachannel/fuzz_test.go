// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
)

// FuzzParse looks for bytes that make the decoder panic, or that it accepts although
// they are inconsistent.
func FuzzParse(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(outputMessage(7, "data").bytes())
	f.Add(ackOf(outputMessage(7, "data")).bytes())
	f.Add(wireMessage{kind: "start_publication"}.bytes())
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(b)
		if err != nil {
			return
		}
		if m.sequence < 0 || len(m.data) > len(b)-headerSize {
			t.Errorf("%+v from %d bytes", m, len(b))
		}
		if m.kind != outputStreamData {
			return
		}
		again := appendMessage(nil, m.kind, time.Now(), 0, m.id, m.payload, m.data)
		setSequence(again, m.sequence)
		back, err := parse(again)
		if err != nil || back.sequence != m.sequence || back.id != m.id || !bytes.Equal(back.data, m.data) {
			t.Errorf("%+v became %+v, %v", m, back, err)
		}
	})
}

// FuzzHandshake looks for requests that cause a panic or a large answer, or that are
// accepted although they request an unsupported action.
func FuzzHandshake(f *testing.F) {
	f.Add(handshakeRequestOf(modernAgent, portActions).data)
	f.Add([]byte(`{"AgentVersion":"3.3.987.0","RequestedClientActions":[{"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"k","Challenge":"AAAA"}}]}`))
	f.Add([]byte(`{"RequestedClientActions":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		answer, agent, refusal, err := answerHandshake(data, "Port")
		if err != nil {
			return
		}
		var response handshakeResponse
		if err := json.Unmarshal(answer, &response); err != nil {
			t.Fatal(err)
		}
		refused := false
		for _, action := range response.ProcessedClientActions {
			refused = refused || action.ActionStatus != actionSuccess
		}
		if refused != (refusal != nil) || !refused && agent.SessionType != "Port" {
			t.Errorf("%s: %v", answer, refusal)
		}
	})
}

func FuzzClean(f *testing.F) {
	f.Add("a\r\nb \x1b[31m//user:pass@host")
	f.Fuzz(func(t *testing.T, text string) {
		if got := clean(text, uuid.Nil.String()); len(got) > 1100 || bytes.ContainsAny([]byte(got), "\r\n\x1b\x00") {
			t.Errorf("%q", got)
		}
	})
}
