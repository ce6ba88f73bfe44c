// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// The message types that the service itself sends.
const (
	messageChannelClosed    = "channel_closed"
	messageStartPublication = "start_publication"
)

// agentHeaderLength is the length of the header, without the 4 bytes of the payload
// length.
const agentHeaderLength = 116

// agentMessage encodes a message of the data channel. All numbers are big-endian:
//
//	  0  header length    4 bytes
//	  4  type            32 bytes, padded with spaces
//	 36  schema version   4 bytes
//	 40  created          8 bytes, milliseconds
//	 48  sequence number  8 bytes
//	 56  flags            8 bytes
//	 64  message ID      16 bytes, the second half of the UUID first
//	 80  SHA-256         32 bytes, of the payload
//	112  payload type     4 bytes
//	116  payload length   4 bytes
//	120  payload
func agentMessage(now time.Time, kind string, id uuid, payload []byte) []byte {
	digest := sha256.Sum256(payload)
	name := []byte("                                ")
	copy(name, kind)

	m := make([]byte, 0, agentHeaderLength+4+len(payload))
	m = binary.BigEndian.AppendUint32(m, agentHeaderLength)
	m = append(m, name...)
	m = binary.BigEndian.AppendUint32(m, 1)
	m = binary.BigEndian.AppendUint64(m, uint64(now.UnixMilli()))
	m = binary.BigEndian.AppendUint64(m, 0)
	m = binary.BigEndian.AppendUint64(m, 0)
	m = append(m, slices.Concat(id[8:], id[:8], digest[:])...)
	m = binary.BigEndian.AppendUint32(m, 0)
	m = binary.BigEndian.AppendUint32(m, uint32(len(payload)))

	return append(m, payload...)
}

// startPublication returns the message that allows a client to send.
func startPublication(now time.Time) []byte {
	return agentMessage(now, messageStartPublication, newUUID(), nil)
}

// channelClosed returns the message that the session has ended.
func channelClosed(now time.Time, session Session, words string) []byte {
	id := newUUID()
	payload, err := json.Marshal(struct {
		MessageID     string `json:"MessageId"`
		CreatedDate   string
		DestinationID string `json:"DestinationId"`
		SessionID     string `json:"SessionId"`
		MessageType   string
		SchemaVersion int
		Output        string
	}{
		MessageID:     id.String(),
		CreatedDate:   strconv.FormatInt(now.UnixMilli(), 10),
		DestinationID: session.Target,
		SessionID:     session.SessionID,
		MessageType:   messageChannelClosed,
		SchemaVersion: 1,
		Output:        words,
	})
	if err != nil {
		panic(err)
	}

	return agentMessage(now, messageChannelClosed, id, payload)
}
