// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A message on the wire has a header of 120 bytes, and then its payload. All
// numbers are big endian. Source: the message packages of amazon-ssm-agent
// and session-manager-plugin.
const (
	offsetType        = 4
	offsetSchema      = 36
	offsetCreated     = 40
	offsetSequence    = 48
	offsetFlags       = 56
	offsetID          = 64
	offsetDigest      = 80
	offsetPayloadType = 112
	offsetLength      = 116
	headerSize        = 120

	// headerLength is the length field of the header. It does not count the four
	// bytes of the payload's length.
	headerLength = headerSize - 4

	// maxMessage is the longest accepted message, in bytes. Agents send 1024 bytes of
	// data in a message at most; a channel_closed may be longer.
	maxMessage = 256 << 10

	// maxPayload is the data in one message, in bytes, as in AWS's plugin and agents.
	maxPayload = 1024
)

// messageType is a type of message.
type messageType uint8

const (
	unknownMessage messageType = iota
	inputStreamData
	outputStreamData
	acknowledge
	channelClosed
	startPublication
	pausePublication
)

// messageTypes are the names of the types on the wire.
var messageTypes = [...]string{
	inputStreamData:  "input_stream_data",
	outputStreamData: "output_stream_data",
	acknowledge:      "acknowledge",
	channelClosed:    "channel_closed",
	startPublication: "start_publication",
	pausePublication: "pause_publication",
}

// payloadType is the type of the payload in stream data.
type payloadType uint32

const (
	payloadOutput            payloadType = 1
	payloadHandshakeRequest  payloadType = 5
	payloadHandshakeResponse payloadType = 6
	payloadHandshakeComplete payloadType = 7
	payloadFlag              payloadType = 10
	payloadStdErr            payloadType = 11
)

// acknowledgeFlags are the flags of every acknowledgement: SYN and FIN.
const acknowledgeFlags = 3

// message is an incoming message.
type message struct {
	kind     messageType
	sequence int64
	id       uuid.UUID
	payload  payloadType
	data     []byte // Shares memory with the parsed bytes.
}

// parse parses a message. It does not trust the other side: an inconsistent message
// is an error, and must not be acknowledged.
func parse(b []byte) (message, error) {
	if len(b) < headerSize {
		return message{}, fmt.Errorf("a message of %d bytes is shorter than its header", len(b))
	}
	var m message
	name := bytes.Trim(b[offsetType:offsetSchema], " \x00")
	if len(name) == 0 {
		return message{}, errors.New("a message has no type")
	}
	for kind, known := range messageTypes {
		if string(name) == known {
			m.kind = messageType(kind)
		}
	}
	if m.kind == startPublication || m.kind == pausePublication {
		return m, nil // The service leaves all other fields empty.
	}

	start := uint64(binary.BigEndian.Uint32(b)) + 4
	if start < headerSize || start > uint64(len(b)) {
		return message{}, fmt.Errorf("a message of %d bytes has a header of %d bytes", len(b), start)
	}
	m.data = b[start:]
	if length := binary.BigEndian.Uint32(b[offsetLength:]); uint64(length) != uint64(len(m.data)) {
		return message{}, fmt.Errorf("a payload has %d bytes, but its length field says %d", len(m.data), length)
	}
	if binary.BigEndian.Uint64(b[offsetCreated:]) == 0 {
		return message{}, errors.New("a message has no date")
	}
	if len(m.data) > 0 && sha256.Sum256(m.data) != [sha256.Size]byte(b[offsetDigest:offsetPayloadType]) {
		return message{}, errors.New("the digest of a payload is wrong")
	}
	m.sequence = int64(binary.BigEndian.Uint64(b[offsetSequence:]))
	if m.sequence < 0 {
		return message{}, errors.New("a sequence number is negative")
	}
	copy(m.id[8:], b[offsetID:])
	copy(m.id[:8], b[offsetID+8:])
	m.payload = payloadType(binary.BigEndian.Uint32(b[offsetPayloadType:]))

	return m, nil
}

// appendMessage appends a message in its wire format.
func appendMessage(b []byte, kind messageType, now time.Time, flags uint64, id uuid.UUID, payload payloadType, data []byte) []byte {
	const spaces = "                                "
	name := messageTypes[kind]
	digest := sha256.Sum256(data)

	b = binary.BigEndian.AppendUint32(b, headerLength)
	b = append(b, name...)
	b = append(b, spaces[len(name):]...)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint64(b, uint64(now.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, 0)
	b = binary.BigEndian.AppendUint64(b, flags)
	b = append(b, id[8:]...)
	b = append(b, id[:8]...)
	b = append(b, digest[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(payload))
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))

	return append(b, data...)
}

// setSequence sets the sequence number of a message. The digest does not cover it, so
// a message can be built before its number is known.
func setSequence(frame []byte, sequence int64) {
	binary.BigEndian.PutUint64(frame[offsetSequence:], uint64(sequence))
}

// receipt is an acknowledgement to send.
type receipt struct {
	id       uuid.UUID
	sequence int64
}

// appendReceipt appends an acknowledgement of stream data in its wire format.
func appendReceipt(b []byte, now time.Time, r receipt) []byte {
	var text [256]byte
	data := append(text[:0], `{"AcknowledgedMessageType":"output_stream_data","AcknowledgedMessageId":"`...)
	data = append(data, r.id.String()...)
	data = append(data, `","AcknowledgedMessageSequenceNumber":`...)
	data = strconv.AppendInt(data, r.sequence, 10)
	data = append(data, `,"IsSequentialMessage":true}`...)

	return appendMessage(b, acknowledge, now, acknowledgeFlags, uuid.New(), 0, data)
}

// parseAcknowledgement returns the acknowledged sequence number. Like agents, this
// package identifies a message only by this number.
func parseAcknowledgement(data []byte) (int64, error) {
	var members struct {
		Sequence *int64 `json:"AcknowledgedMessageSequenceNumber"`
	}
	if err := json.Unmarshal(data, &members); err != nil || members.Sequence == nil {
		return 0, errors.New("an acknowledgement cannot be read")
	}

	return *members.Sequence, nil
}

// failureHeading precedes the reason of a failure in the output of an agent.
const failureHeading = "----------ERROR-------"

// parseChannelClosed returns the other side's reason for closing a channel.
func parseChannelClosed(data []byte) string {
	var members struct{ Output string }
	if json.Unmarshal(data, &members) != nil {
		return ""
	}

	return strings.TrimPrefix(strings.TrimSpace(members.Output), failureHeading)
}
