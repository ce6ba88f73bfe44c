// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// FaultKind is a kind of failure of a request.
type FaultKind string

// The kinds of faults. The operation has no effect unless stated otherwise.
const (
	// FaultError answers with the Code, Message and Status of the fault.
	FaultError FaultKind = "error"
	// FaultThrottle answers ThrottlingException.
	FaultThrottle FaultKind = "throttle"
	// FaultInternal answers 500 InternalServerError.
	FaultInternal FaultKind = "internal"
	// FaultDenied answers AccessDeniedException with caller, action and resource.
	FaultDenied FaultKind = "denied"
	// FaultExpired answers ExpiredTokenException.
	FaultExpired FaultKind = "expired"
	// FaultClockSkew answers InvalidSignatureException, "Signature expired".
	FaultClockSkew FaultKind = "clock-skew"
	// FaultProxy answers 503 with an HTML page.
	FaultProxy FaultKind = "proxy"
	// FaultResetBefore closes the connection.
	FaultResetBefore FaultKind = "reset-before"
	// FaultResetAfter does the work, then closes the connection without an answer.
	FaultResetAfter FaultKind = "reset-after"
	// FaultHang does not answer. It closes the connection when the client disconnects or
	// after Delay.
	FaultHang FaultKind = "hang"
	// FaultEmpty answers 200 with an empty body.
	FaultEmpty FaultKind = "empty"
	// FaultTooMany answers 429 with an HTML page.
	FaultTooMany FaultKind = "too-many"
	// FaultThrottle503 answers ThrottlingException with the status 503.
	FaultThrottle503 FaultKind = "throttle-503"
	// FaultBare answers 200 with {}.
	FaultBare FaultKind = "bare"
	// FaultMoved answers 200 with a message instead of the result.
	FaultMoved FaultKind = "moved"
	// FaultGarbage answers 200 with a body that is neither JSON nor XML.
	FaultGarbage FaultKind = "garbage"
	// FaultTruncated does the work and sends half of the answer.
	FaultTruncated FaultKind = "truncated"
	// FaultSlow does the work and sends the answer in pieces over Delay.
	FaultSlow FaultKind = "slow"
	// FaultNoToken makes ResumeSession answer with only the session ID.
	FaultNoToken FaultKind = "no-token"
	// FaultNoURL makes ResumeSession answer without a stream URL.
	FaultNoURL FaultKind = "no-url"
	// FaultWrongSession does the work, but the answer has another session's ID.
	FaultWrongSession FaultKind = "wrong-session"
	// FaultRepeatToken makes DescribeSessions answer with a NextToken for the same page.
	FaultRepeatToken FaultKind = "repeat-token"
)

var faultKinds = []FaultKind{
	FaultError, FaultThrottle, FaultInternal, FaultDenied, FaultExpired, FaultClockSkew, FaultProxy, FaultResetBefore,
	FaultResetAfter, FaultHang, FaultEmpty, FaultGarbage, FaultTruncated, FaultSlow, FaultNoToken, FaultNoURL,
	FaultWrongSession, FaultRepeatToken, FaultTooMany, FaultThrottle503, FaultBare, FaultMoved,
}

// Fault makes requests fail. Operation is an operation of SSM or STS. An empty Operation,
// SessionID or Region matches any. For DescribeSessions, SessionID is compared with the
// SessionId filter. In JSON, Delay is a text such as "250ms".
type Fault struct {
	Operation string    `json:"operation,omitempty"`
	SessionID string    `json:"sessionId,omitempty"`
	Region    string    `json:"region,omitempty"`
	Kind      FaultKind `json:"kind"`
	Code      string    `json:"code,omitempty"`
	Message   string    `json:"message,omitempty"`
	Status    int       `json:"status,omitempty"`
	// Skip is how many matching requests pass first.
	Skip int `json:"skip,omitempty"`
	// Times is how many requests to hit. 0 means one, a negative number means all.
	Times int `json:"times,omitempty"`
	// Delay is a wait before the answer. FaultSlow and FaultHang use it differently.
	Delay time.Duration `json:"delay,omitempty"`
}

// delay is a duration that is a text in JSON.
type delay time.Duration

// MarshalText returns a text such as "250ms".
func (d delay) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText parses the format of MarshalText.
func (d *delay) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = delay(parsed)

	return err
}

// decodeStrict rejects unknown names. A fault with a typo would never hit, and its test would
// pass for no reason.
func decodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()

	return decoder.Decode(into)
}

type plainFault Fault

// faultJSON encodes the delay as text. If two fields have the same name, encoding/json uses
// the outer one.
type faultJSON struct {
	plainFault
	Delay delay `json:"delay,omitempty"`
}

// MarshalJSON encodes the delay as text.
func (f Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(faultJSON{plainFault(f), delay(f.Delay)})
}

// UnmarshalJSON rejects unknown names and kinds.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var in faultJSON
	if err := decodeStrict(data, &in); err != nil {
		return err
	}
	if !slices.Contains(faultKinds, in.Kind) {
		return fmt.Errorf("unknown kind of fault %q", in.Kind)
	}
	*f = Fault(in.plainFault)
	f.Delay = time.Duration(in.Delay)

	return nil
}
