// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// The message types for data and acknowledgements.
const (
	messageInput       = "input_stream_data"
	messageOutput      = "output_stream_data"
	messageAcknowledge = "acknowledge"
	messagePause       = "pause_publication"
)

// The payload types.
const (
	payloadOutput            = 1
	payloadHandshakeRequest  = 5
	payloadHandshakeResponse = 6
	payloadHandshakeComplete = 7
	payloadFlag              = 10
)

// The flags, which are payloads of four bytes.
const (
	flagDisconnect   = 1
	flagTerminate    = 2
	flagConnectError = 3
)

// frame is one message of a data channel.
type frame struct {
	kind     string
	sequence int64
	flags    uint64
	id       uuid
	payload  uint32
	data     []byte
}

// encode returns the message in the format of agentMessage.
func (f frame) encode(now time.Time) []byte {
	m := agentMessage(now, f.kind, f.id, f.data)
	binary.BigEndian.PutUint64(m[48:], uint64(f.sequence)) //nolint:gosec // It counts from 0.
	binary.BigEndian.PutUint64(m[56:], f.flags)
	binary.BigEndian.PutUint32(m[112:], f.payload)

	return m
}

// decodeFrame parses a message. Like an agent, it rejects an incomplete one.
func decodeFrame(m []byte) (frame, error) {
	if len(m) < agentHeaderLength+4 {
		return frame{}, errors.New("the message is shorter than its header")
	}
	header := binary.BigEndian.Uint32(m)
	if header < agentHeaderLength || int64(header)+4 > int64(len(m)) {
		return frame{}, errors.New("the header length is wrong")
	}
	f := frame{
		kind:     strings.TrimRight(strings.TrimRight(string(m[4:36]), "\x00"), " "),
		sequence: int64(binary.BigEndian.Uint64(m[48:])), //nolint:gosec // The conversion reverses the one in encode.
		flags:    binary.BigEndian.Uint64(m[56:]),
		payload:  binary.BigEndian.Uint32(m[112:]),
		data:     m[header+4:],
	}
	copy(f.id[8:], m[64:72])
	copy(f.id[:8], m[72:80])
	switch digest := sha256.Sum256(f.data); {
	case f.kind == "":
		return frame{}, errors.New("the message has no type")
	case binary.BigEndian.Uint64(m[40:]) == 0:
		return frame{}, errors.New("the message has no date")
	case int64(binary.BigEndian.Uint32(m[header:])) != int64(len(f.data)):
		return frame{}, errors.New("the payload length is wrong")
	case len(f.data) > 0 && !bytes.Equal(digest[:], m[80:112]):
		return frame{}, errors.New("the payload digest is wrong")
	}

	return f, nil
}

// acknowledgement confirms the receipt of a message.
type acknowledgement struct {
	Type       string `json:"AcknowledgedMessageType"`
	ID         string `json:"AcknowledgedMessageId"`
	Sequence   int64  `json:"AcknowledgedMessageSequenceNumber"`
	Sequential bool   `json:"IsSequentialMessage"`
}

// acknowledge returns the acknowledgement of a message.
func acknowledge(now time.Time, f frame) []byte {
	data, err := json.Marshal(acknowledgement{f.kind, f.id.String(), f.sequence, true})
	if err != nil {
		panic(err)
	}

	return frame{kind: messageAcknowledge, flags: 3, id: newUUID(), data: data}.encode(now)
}
