// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// fixedHTTPClient is an HTTP client that gives the same answer to every request.
type fixedHTTPClient struct {
	status int
	body   []byte
}

func (a *fixedHTTPClient) Do(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode:    a.status,
		Header:        http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body:          io.NopCloser(bytes.NewReader(a.body)),
		ContentLength: int64(len(a.body)),
	}, nil
}

// client returns a client that makes one attempt and gets this answer.
func (a *fixedHTTPClient) client() *sessionmanager.Client {
	return sessionmanager.New(aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(endpointURL),
		Credentials:  credentials.NewStaticCredentialsProvider(fakessm.DefaultAccessKeyID, fakessm.DefaultSecretAccessKey, ""),
		HTTPClient:   a,
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
	}, sessionmanager.Options{})
}

// bodyTexts has the strings and numbers of a JSON body, up to the first syntax error.
type bodyTexts struct {
	texts   map[string]bool
	numbers []float64
	tokens  int
}

func textsOf(body []byte) bodyTexts {
	s := bodyTexts{texts: map[string]bool{"": true}}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return s
		}
		s.tokens++
		switch token := token.(type) {
		case string:
			s.texts[mergeInvalidBytes(token)] = true
		case json.Number:
			if number, err := token.Float64(); err == nil || math.IsInf(number, 0) {
				s.numbers = append(s.numbers, number)
			}
		}
	}
}

// text reports whether a body contains a text. Bytes that are not UTF-8 count as equal to
// U+FFFD, because decoders keep or replace them in different ways.
func (s bodyTexts) text(text string) bool {
	return s.texts[mergeInvalidBytes(text)]
}

// mergeInvalidBytes replaces each run of bytes that are not UTF-8, and of U+FFFD, with one U+FFFD.
func mergeInvalidBytes(text string) string {
	const mark = "\ufffd"
	text = strings.ToValidUTF8(text, mark)
	for strings.Contains(text, mark+mark) {
		text = strings.ReplaceAll(text, mark+mark, mark)
	}

	return text
}

// date reports whether a body contains a time, except for its fraction. The SDK counts
// nanoseconds in 64 bits, so a time after the year 2262 can become any time.
func (s bodyTexts) date(t time.Time) bool {
	return slices.ContainsFunc(s.numbers, func(number float64) bool {
		return math.Abs(number) > math.MaxInt64/1e9 || math.Abs(math.Floor(number)-float64(t.Unix())) <= 1
	})
}

// FuzzDecodeSession decodes arbitrary answers of DescribeSessions. Each value of a listed
// session must come from the answer, and an unreadable answer must be an error.
func FuzzDecodeSession(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `""`, `0`, `{`, `It works!`, `<html></html>`, "\xff\xfe{}", `{"Sessions":null}`, `{"Sessions":[]}`, `{"Sessions":[null]}`,
		`{"Sessions":[{}]}`, `{"Sessions":{}}`, `{"Sessions":"none"}`, `{"sessions":[{"sessionid":"a"}]}`, `{"Sessions":[{"SessionId":"a"},{"SessionId":"a"}]}`,
		`{"Sessions":[{"SessionId":"a","Status":"Hibernating","AccessType":"Biometric","MaxSessionDuration":"1045"}],"NextToken":""}`,
		`{"Sessions":[{"SessionId":"a","OutputUrl":{"S3OutputUrl":"s3","CloudWatchOutputUrl":null}}],"NextToken":"again"}`,
		`{"Sessions":[{"SessionId":"a","StartDate":1724889600.999,"EndDate":-1}]}`,
		`{"Sessions":[{"SessionId":"a","StartDate":253402300800,"EndDate":-62135596801}]}`,
		`{"Sessions":[{"SessionId":"a","StartDate":1e300,"EndDate":-1e300}]}`,
		`{"Sessions":[{"SessionId":"a","StartDate":9223372036854775807,"EndDate":-9223372036854775808}]}`,
		`{"Sessions":[{"SessionId":"a","StartDate":"2024-08-29T00:00:00Z"}]}`, `{"Sessions":[{"SessionId":"a","StartDate":"NaN","EndDate":"Infinity"}]}`,
		`{"Sessions":[{"SessionId":7}]}`, `{"Sessions":[{"SessionId":"\ud800"}]}`, "{\"Sessions\":[{\"SessionId\":\"\xff\"}]}", `{"Sessions":[{"SessionId":"\u0000\n\u001b[31m"}]}`,
		`{"Sessions":[{"SessionId":"a"}]} trailing`, `{"Sessions":[{"SessionId":"a"}],"Sessions":[{"SessionId":"b"}]}`,
		strings.Repeat(`{"Sessions":[`, 200), `{"__type":"ThrottlingException","message":"Rate exceeded"}`, `{"__type":7,"message":[]}`,
	} {
		f.Add([]byte(body), uint8(0))
		f.Add([]byte(body), uint8(1))
		f.Add([]byte(body), uint8(2))
	}
	f.Fuzz(func(t *testing.T, body []byte, status uint8) {
		synctest.Test(t, func(t *testing.T) {
			defer noPanic(t)
			a := &fixedHTTPClient{status: []int{200, 400, 503}[int(status)%3], body: body}
			answer := textsOf(body)

			listing, err := a.client().List(t.Context(), region, sessionmanager.StateActive, sessionmanager.Selector{}, time.Time{})

			if err != nil {
				checkFuzzed(t, err)
				if len(listing.Sessions) > 0 {
					t.Errorf("%d sessions and an error", len(listing.Sessions))
				}
			}
			if err == nil && (a.status != 200 || answer.tokens == 0) {
				t.Errorf("no error for an answer with status %d and %d JSON tokens", a.status, answer.tokens)
			}
			seen := map[string]bool{}
			for _, s := range listing.Sessions {
				if seen[s.SessionID] {
					t.Errorf("session %q is listed twice", s.SessionID)
				}
				seen[s.SessionID] = true
				checkInAnswer(t, answer, s)
			}

			// A lookup by ID returns the requested session or an error.
			id := sessionID
			if len(listing.Sessions) > 0 {
				id = listing.Sessions[0].SessionID
			}
			session, err := a.client().Find(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: id})
			if err != nil {
				checkFuzzed(t, err)

				return
			}
			if session.SessionID != id {
				t.Errorf("asked for %q, got %q", id, session.SessionID)
			}
			checkInAnswer(t, answer, session)
		})
	})
}

// noPanic turns a panic into a test failure, so other tests continue.
func noPanic(t *testing.T) {
	t.Helper()

	if reason := recover(); reason != nil {
		t.Errorf("panic: %v", reason)
	}
}

// checkInAnswer checks that each value of a session comes from the answer.
func checkInAnswer(t *testing.T, answer bodyTexts, s sessionmanager.Session) {
	t.Helper()

	for name, text := range map[string]string{
		"ID": s.SessionID, "target": s.Target, "status": s.Status, "owner": s.Owner, "document": s.DocumentName, "reason": s.Reason,
		"details": s.Details, "duration": s.MaxSessionDuration, "access type": s.AccessType, "S3 URL": s.S3OutputURL, "CloudWatch URL": s.CloudWatchOutputURL,
	} {
		if !answer.text(text) {
			t.Errorf("the %s %q is not in the answer", name, text)
		}
	}
	for name, date := range map[string]time.Time{"start": s.StartDate, "end": s.EndDate} {
		switch {
		case date.IsZero():
		case date.Nanosecond() != 0, date.Location() != time.UTC, date.Year() < 1, date.Year() > 9999:
			t.Errorf("the %s %s is not in whole seconds of UTC that RFC 3339 can express", name, date)
		case !answer.date(date):
			t.Errorf("the %s %s is not in the answer", name, date)
		}
	}
}

// checkFuzzed checks the properties of every error.
func checkFuzzed(t *testing.T, err error) {
	t.Helper()

	var failed *sessionmanager.Error
	if !errors.As(err, &failed) {
		t.Fatalf("error is %T, want *sessionmanager.Error", err)
	}
	if kind := kindOf(err); kind == "none of the kinds" || strings.Contains(kind, " and also ") {
		t.Errorf("error is %q: %v", kind, err)
	}
}

// resumeErrors are the possible errors of Resume after an answer of success. They contain no
// text of the service.
var resumeErrors = []string{
	"session has timed out",
	"the answer names no session", "the answer names another session", "the answer has a token but no stream URL", "the answer is empty",
	"the answer is not a single JSON object", "the answer has HTTP status 200 but names an error",
	"the answer (HTTP status 200) could not be decoded",
}

// FuzzDecodeResume decodes arbitrary answers of ResumeSession. The result is a complete
// Connection, or an error that quotes nothing of the answer, which may contain secrets.
func FuzzDecodeResume(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `It works!`, `<html></html>`,
		`{"SessionId":"` + sessionID + `","TokenValue":"AAEAAfe+/w==","StreamUrl":"wss://host/v1/data-channel/x?role=publish_subscribe&cell-number=AA+/="}`,
		`{"SessionId":"` + sessionID + `","TokenValue":"AAEAAfe+/w==","StreamUrl":""}`, `{"SessionId":"` + sessionID + `","TokenValue":"AAEAAfe+/w=="}`,
		`{"SessionId":"` + sessionID + `","TokenValue":"","StreamUrl":"wss://host"}`, `{"SessionId":"` + sessionID + `","StreamUrl":"wss://host"}`,
		`{"SessionId":"another","TokenValue":"AAEAAfe+/w==","StreamUrl":"wss://host"}`, `{"TokenValue":"AAEAAfe+/w==","StreamUrl":"wss://host"}`,
		`{"SessionId":"` + sessionID + `","TokenValue":"AAEAAfe+/w==","StreamUrl":"wss://ho`, `{"SessionId":"` + sessionID + `","TokenValue":["AAEAAfe+/w=="],"StreamUrl":7}`,
		`{"SessionId":"` + sessionID + `","TokenValue":"` + strings.Repeat("t", 4000) + `","StreamUrl":"wss://host?a=+&b=%2B \u0000"}`,
		`{"SessionId":"` + sessionID + `","TokenValue":"\ud800","StreamUrl":"\n"}`, "{\"SessionId\":\"" + sessionID + "\",\"TokenValue\":\"\xff\",\"StreamUrl\":\"\xff\"}",
		`{"__type":"AccessDeniedException","Message":"no","TokenValue":"AAEAAfe+/w=="}`,
		`{"sessionId":"` + sessionID + `","tokenValue":"AAEAAfe+/w==","streamUrl":"wss://host"}`,
	} {
		f.Add([]byte(body), uint8(0))
		f.Add([]byte(body), uint8(1))
		f.Add([]byte(body), uint8(2))
	}
	f.Fuzz(func(t *testing.T, body []byte, status uint8) {
		defer noPanic(t)
		a := &fixedHTTPClient{status: []int{200, 400, 503}[int(status)%3], body: body}
		answer := textsOf(body)

		connection, err := a.client().Resume(t.Context(), sessionmanager.SessionRef{Region: region, SessionID: sessionID})

		if err == nil {
			// Failed comparisons do not print values, because they are secrets elsewhere.
			if connection.TokenValue == "" || connection.StreamURL == "" {
				t.Error("no error, but a value is missing")
			}
			if !answer.text(connection.TokenValue) || !answer.text(connection.StreamURL) || !answer.text(sessionID) || a.status != 200 {
				t.Error("a returned value is not in the answer")
			}

			return
		}
		if connection != (sessionmanager.Connection{}) {
			t.Error("a value and an error")
		}
		checkFuzzed(t, err)
		text := strings.TrimPrefix(err.Error(), "resuming session "+sessionID+": ")
		if a.status == 200 && !slices.Contains(resumeErrors, text) {
			t.Errorf("the error may quote the answer: %q", text)
		}
		// The error of a refusal shows its code and message, and nothing else of the answer.
		var refusal map[string]any
		if json.Unmarshal(body, &refusal) == nil {
			for _, member := range []string{"TokenValue", "StreamUrl"} {
				if secret, ok := refusal[member].(string); ok && len(secret) > 5 && !shownAnyway(refusal, secret) && strings.Contains(text, secret) {
					t.Errorf("the %s is shown: %q", member, text)
				}
			}
		}
	})
}

// shownAnyway reports whether a text is part of the code or message of a refusal, or of the
// text that every refusal has.
func shownAnyway(refusal map[string]any, text string) bool {
	const always = "operation error SSM: ResumeSession, https response error StatusCode: 400 503, RequestID: , api error UnknownError: could not be decoded the answer (HTTP status )"
	for name, value := range refusal {
		shown, ok := value.(string)
		if ok && name != "TokenValue" && name != "StreamUrl" && strings.Contains(shown, text) {
			return true
		}
	}

	return strings.Contains(always, text)
}
