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

// FaultKind is the way in which a request goes wrong.
type FaultKind string

// The kinds of faults. Unless they say otherwise, the work is not done.
const (
	// FaultError answers with the Code, Message and Status of the fault.
	FaultError FaultKind = "error"
	// FaultThrottle answers ThrottlingException.
	FaultThrottle FaultKind = "throttle"
	// FaultInternal answers 500 InternalServerError.
	FaultInternal FaultKind = "internal"
	// FaultDenied answers AccessDeniedException and names caller, action and
	// resource.
	FaultDenied FaultKind = "denied"
	// FaultExpired answers ExpiredTokenException.
	FaultExpired FaultKind = "expired"
	// FaultClockSkew answers InvalidSignatureException, "Signature expired".
	FaultClockSkew FaultKind = "clock-skew"
	// FaultProxy answers 503 with a page of HTML.
	FaultProxy FaultKind = "proxy"
	// FaultResetBefore closes the connection.
	FaultResetBefore FaultKind = "reset-before"
	// FaultResetAfter does the work and closes the connection unanswered.
	FaultResetAfter FaultKind = "reset-after"
	// FaultHang answers nothing until the client leaves or Delay has passed,
	// and then closes the connection.
	FaultHang FaultKind = "hang"
	// FaultEmpty answers 200 with an empty body.
	FaultEmpty FaultKind = "empty"
	// FaultTooMany answers 429 with a page of HTML.
	FaultTooMany FaultKind = "too-many"
	// FaultThrottle503 answers ThrottlingException with the status 503.
	FaultThrottle503 FaultKind = "throttle-503"
	// FaultBare answers 200 with {}.
	FaultBare FaultKind = "bare"
	// FaultMoved answers 200 with a message and none of what was asked for.
	FaultMoved FaultKind = "moved"
	// FaultGarbage answers 200 with a body that is neither JSON nor XML.
	FaultGarbage FaultKind = "garbage"
	// FaultTruncated does the work and sends half of the answer.
	FaultTruncated FaultKind = "truncated"
	// FaultSlow does the work and sends the answer piece by piece over Delay.
	FaultSlow FaultKind = "slow"
	// FaultNoToken makes ResumeSession answer with the session ID only.
	FaultNoToken FaultKind = "no-token"
	// FaultNoURL makes ResumeSession answer without a stream URL.
	FaultNoURL FaultKind = "no-url"
	// FaultWrongSession does the work and names another session in the answer.
	FaultWrongSession FaultKind = "wrong-session"
	// FaultRepeatToken makes DescribeSessions answer with a NextToken that
	// leads to the same page again.
	FaultRepeatToken FaultKind = "repeat-token"
)

var faultKinds = []FaultKind{
	FaultError, FaultThrottle, FaultInternal, FaultDenied, FaultExpired, FaultClockSkew, FaultProxy, FaultResetBefore,
	FaultResetAfter, FaultHang, FaultEmpty, FaultGarbage, FaultTruncated, FaultSlow, FaultNoToken, FaultNoURL,
	FaultWrongSession, FaultRepeatToken, FaultTooMany, FaultThrottle503, FaultBare, FaultMoved,
}

// Fault makes requests go wrong. Operation is one of SSM or of STS; an empty
// Operation, SessionID or Region matches any. A DescribeSessions is about the
// session that its SessionId filter names. In JSON, a delay is text such as "250ms".
type Fault struct {
	Operation string    `json:"operation,omitempty"`
	SessionID string    `json:"sessionId,omitempty"`
	Region    string    `json:"region,omitempty"`
	Kind      FaultKind `json:"kind"`
	Code      string    `json:"code,omitempty"`
	Message   string    `json:"message,omitempty"`
	Status    int       `json:"status,omitempty"`
	// Skip lets so many matching requests pass first.
	Skip int `json:"skip,omitempty"`
	// Times is how many requests to hit: 0 is one, a negative number all.
	Times int `json:"times,omitempty"`
	// Delay comes before the answer. FaultSlow and FaultHang use it otherwise.
	Delay time.Duration `json:"delay,omitempty"`
}

// delay is a duration that JSON has as text.
type delay time.Duration

// MarshalText writes the delay as in "250ms".
func (d delay) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *delay) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = delay(parsed)
	return err
}

// decodeStrict refuses unknown names, as a fault that never strikes makes a test pass
// for no reason.
func decodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

type plainFault Fault

// faultJSON has the delay of the fault as text: of two fields of one name, JSON takes
// the outer one.
type faultJSON struct {
	plainFault
	Delay delay `json:"delay,omitempty"`
}

// MarshalJSON writes the delay as text.
func (f Fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(faultJSON{plainFault(f), delay(f.Delay)})
}

// UnmarshalJSON refuses unknown names and kinds.
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
