// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/coder/websocket"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

func TestDataChannel_refusedURL(t *testing.T) {
	t.Parallel()

	const mine, other, ended, fresh = "timmy-01cd54a0c8322733a", "Mary-Major-07a16060613c408b5", "John-Doe-0402960697c9ac1d2", "Jane-Doe-09a3e7f5d18b6c240"
	replace := func(from, to string) func(string, string) string {
		return func(url, _ string) string { return strings.Replace(url, from, to, 1) }
	}
	query := func(alter func(string) string) func(string, string) string {
		return func(streamURL, _ string) string {
			path, query, _ := strings.Cut(streamURL, "?")

			return path + "?" + alter(query)
		}
	}
	cases := map[string]struct {
		alter  func(url, otherURL string) string
		status int
		code   string
	}{
		"an unknown session":                        {replace("/timmy-", "/Timmy-"), 404, "DoesNotExistException"},
		"no session":                                {replace("/"+mine, "/"), 404, "DoesNotExistException"},
		"the query as a part of the path":           {replace("?", "%3F"), 404, "DoesNotExistException"},
		"a session that has ended":                  {replace(mine, ended), 410, "ValidationException"},
		"a session that was never resumed":          {replace(mine, fresh), 403, "AccessDeniedException"},
		"the URL of another session":                {func(_, otherURL string) string { return strings.Replace(otherURL, other, mine, 1) }, 403, "AccessDeniedException"},
		"another session at this URL":               {replace(mine, other), 403, "AccessDeniedException"},
		"a plus that was escaped":                   {replace("+", "%2B"), 403, "AccessDeniedException"},
		"a plus that was read as a space":           {replace("+", "%20"), 403, "AccessDeniedException"},
		"a plus that became an unescaped space":     {replace("+", " "), 400, ""},
		"a slash that was escaped":                  {query(func(q string) string { return strings.Replace(q, "/", "%2F", 1) }), 403, "AccessDeniedException"},
		"an equals sign that was escaped":           {query(func(q string) string { return q[:len(q)-1] + "%3D" }), 403, "AccessDeniedException"},
		"a query that was parsed and encoded again": {query(reencodeQuery), 403, "AccessDeniedException"},
		"no cell number":                            {query(func(string) string { return "role=publish_subscribe" }), 403, "AccessDeniedException"},
		"an empty cell number":                      {query(func(string) string { return "role=publish_subscribe&cell-number=" }), 403, "AccessDeniedException"},
		"no query":                                  {query(func(string) string { return "" }), 403, "AccessDeniedException"},
		"another role":                              {replace("publish_subscribe", "subscribe"), 403, "AccessDeniedException"},
		"one more parameter":                        {query(func(q string) string { return q + "&x=1" }), 403, "AccessDeniedException"},
		"a cell number without its padding":         {query(func(q string) string { return strings.TrimRight(q, "=") }), 403, "AccessDeniedException"},
		"a cell number with one more character":     {query(func(q string) string { return q + "A" }), 403, "AccessDeniedException"},
		"a truncated cell number":                   {query(func(q string) string { return q[:len(q)-40] }), 403, "AccessDeniedException"},
		"a cell number given a second time":         {query(func(q string) string { return q + q[strings.Index(q, "&"):] }), 403, "AccessDeniedException"},
		"a parameter name with capital letters":     {query(func(q string) string { return strings.Replace(q, "cell-number", "Cell-Number", 1) }), 403, "AccessDeniedException"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(fakessm.WithDataChannel(""), fakessm.WithSessions(
				fakessm.Session{SessionID: mine}, fakessm.Session{SessionID: other},
				fakessm.Session{SessionID: fresh}, fakessm.Session{SessionID: ended, Status: "Terminated"}))
			client := newClient(t, fake)
			mineURL, _ := resumeSession(t, client, mine)
			otherURL, _ := resumeSession(t, client, other)
			altered := tc.alter(mineURL, otherURL)
			if altered == mineURL {
				t.Fatal("the URL was not altered")
			}
			if _, status := dialChannel(t, altered); status != tc.status {
				t.Errorf("answered with %d, want %d", status, tc.status)
			}
			if tc.code == "" {
				// The request line is invalid, so the request does not reach the handler.
				return
			}
			wantOpened(t, fake, tc.status, tc.code)
		})
	}
}

// reencodeQuery parses and encodes a query, like a client that reads it into a map.
func reencodeQuery(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return err.Error()
	}

	return values.Encode()
}

// TestDataChannel_refusedByte checks that a URL with one altered byte is refused.
func TestDataChannel_refusedByte(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithDataChannel(""), fakessm.WithSessions(fakessm.Session{SessionID: "timmy-01cd54a0c8322733a"}))
	streamURL, token := resumeSession(t, newClient(t, fake), "timmy-01cd54a0c8322733a")
	for at := strings.Index(streamURL, "/v1/") + 1; at < len(streamURL); at++ {
		other := byte('Q')
		if streamURL[at] == other {
			other = 'q'
		}
		if _, status := dialChannel(t, streamURL[:at]+string(other)+streamURL[at+1:]); status < 400 || status > 499 {
			t.Errorf("byte %d altered: answered with %d", at, status)
		}
	}
	// The unaltered URL still works.
	wantMessage(t, openChannel(t, streamURL, websocket.MessageText, openingMessage(token)), startPublication)
}

func TestDataChannel_refusedOpening(t *testing.T) {
	t.Parallel()

	denied, invalid := "AccessDeniedException", "ValidationException"
	text, binary := websocket.MessageText, websocket.MessageBinary
	cases := map[string]struct {
		kind   websocket.MessageType
		first  func(token, other string) string
		code   string
		reason string
	}{
		"an altered token":             {text, func(token, _ string) string { return openingMessage(token[:399] + alteredCharacter(token[399:])) }, denied, "was not issued"},
		"half a token":                 {text, func(token, _ string) string { return openingMessage(token[:200]) }, denied, "was not issued"},
		"another session's token":      {text, func(_, other string) string { return openingMessage(other) }, denied, "was not issued"},
		"no token":                     {text, func(string, string) string { return openingMessage("") }, invalid, "TokenValue"},
		"a token that is not a string": {text, func(string, string) string { return strings.Replace(openingMessage("x"), `"x"`, `["x"]`, 1) }, invalid, "TokenValue"},
		"a member in lower case": {text, func(token, _ string) string {
			return strings.Replace(openingMessage(token), "TokenValue", "tokenvalue", 1)
		}, invalid, "TokenValue"},
		"a short request ID": {text, func(token, _ string) string {
			return strings.Replace(openingMessage(token), "ed3b7d1f-6f5a-4a86-a3b8-0f60b2b5a1c4", "ed3b7d1f-6f5a-4", 1)
		}, invalid, "RequestId"},
		"another schema":   {text, func(token, _ string) string { return strings.Replace(openingMessage(token), `"1.0"`, `"2.0"`, 1) }, invalid, "MessageSchemaVersion"},
		"a binary message": {binary, func(token, _ string) string { return openingMessage(token) }, invalid, "not text"},
		"only the token":   {text, func(token, _ string) string { return token }, invalid, "not a JSON object"},
		"an empty message": {text, func(string, string) string { return "" }, invalid, "not a JSON object"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(fakessm.WithDataChannel(""), fakessm.WithSessions(fakessm.Session{SessionID: "a"}, fakessm.Session{SessionID: "b"}))
			client := newClient(t, fake)
			streamURL, token := resumeSession(t, client, "a")
			_, other := resumeSession(t, client, "b")
			wantClose(t, openChannel(t, streamURL, tc.kind, tc.first(token, other)), websocket.StatusPolicyViolation, tc.reason)
			wantOpened(t, fake, http.StatusSwitchingProtocols, tc.code)
		})
	}
}

// TestDataChannel_old checks the handling of old stream URLs and tokens. By default old URLs
// are refused and old tokens are accepted.
func TestDataChannel_old(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		options []fakessm.Option
		url     int // The index of the issued URL.
		token   int
		status  int
		closed  bool
	}{
		"the last of both":                          {nil, 1, 1, 101, false},
		"an old URL":                                {nil, 0, 1, 403, false},
		"an old token":                              {nil, 1, 0, 101, false},
		"an old URL, accepted":                      {[]fakessm.Option{fakessm.WithOldStreamURLsAccepted()}, 0, 1, 101, false},
		"an old URL and an old token, accepted":     {[]fakessm.Option{fakessm.WithOldStreamURLsAccepted()}, 0, 0, 101, false},
		"an old token, refused":                     {[]fakessm.Option{fakessm.WithOldTokensRefused()}, 1, 0, 101, true},
		"the last token, old tokens refused":        {[]fakessm.Option{fakessm.WithOldTokensRefused()}, 1, 1, 101, false},
		"an old URL accepted, an old token refused": {[]fakessm.Option{fakessm.WithOldStreamURLsAccepted(), fakessm.WithOldTokensRefused()}, 0, 0, 101, true},
		"an old URL, with the last token":           {[]fakessm.Option{fakessm.WithOldStreamURLsAccepted(), fakessm.WithOldTokensRefused()}, 0, 1, 101, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(append(tc.options, fakessm.WithDataChannel(""), fakessm.WithSessions(fakessm.Session{SessionID: "s"}))...)
			client := newClient(t, fake)
			var urls, tokens [2]string
			for i := range urls {
				urls[i], tokens[i] = resumeSession(t, client, "s")
			}
			if tc.status != http.StatusSwitchingProtocols {
				if _, status := dialChannel(t, urls[tc.url]); status != tc.status {
					t.Errorf("answered with %d, want %d", status, tc.status)
				}

				return
			}
			conn := openChannel(t, urls[tc.url], websocket.MessageText, openingMessage(tokens[tc.token]))
			if tc.closed {
				wantClose(t, conn, websocket.StatusPolicyViolation, "was not issued")
			} else {
				wantMessage(t, conn, startPublication)
			}
		})
	}
}

// TestDataChannel_refusedHandshake checks requests that are not a WebSocket handshake, or that
// come from a web page.
func TestDataChannel_refusedHandshake(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithDataChannel(""), fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
	streamURL, _ := resumeSession(t, newClient(t, fake), "s")
	for status, header := range map[int]http.Header{
		http.StatusUpgradeRequired: {},
		http.StatusBadRequest:      {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}},
		http.StatusForbidden: {
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Origin": {"https://elsewhere.example"},
		},
	} {
		recorder := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(streamURL, "ws://", "http://", 1), http.NoBody)
		request.Header = header
		fake.ServeHTTP(recorder, request)
		if recorder.Code != status {
			t.Errorf("answered with %d, want %d", recorder.Code, status)
		}
		wantOpened(t, fake, status, "ValidationException")
	}
}

// TestDataChannel_endsMeanwhile ends the session between the handshake and the first message.
func TestDataChannel_endsMeanwhile(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithDataChannel(""), fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
	streamURL, token := resumeSession(t, newClient(t, fake), "s")
	conn, _ := dialChannel(t, streamURL)
	fake.EndSession("s")
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(openingMessage(token))); err != nil {
		t.Fatal(err)
	}
	wantClose(t, conn, websocket.StatusPolicyViolation, "the session has ended")
	wantOpened(t, fake, http.StatusSwitchingProtocols, "ValidationException")
}

// TestDataChannel_leaving checks that a client without a first message is disconnected, and
// that disconnected clients leave no goroutine in the synctest bubble.
func TestDataChannel_leaving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakessm.New(fakessm.WithDataChannel("ws://ssm.test"), fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
		local := fakessm.ServeLocally(fake, nil)
		defer local.Close()
		transport := &http.Transport{DialContext: local.DialContext}
		defer transport.CloseIdleConnections()
		options := &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}}
		client := ssm.New(ssm.Options{
			BaseEndpoint: aws.String("http://ssm.test"), Region: "us-east-1", Credentials: staticCredentials, HTTPClient: options.HTTPClient,
		})
		streamURL, token := resumeSession(t, client, "s")

		start := time.Now()
		silent, _ := dialChannel(t, streamURL, options)
		wantClose(t, silent, websocket.StatusPolicyViolation, "did not arrive in time")
		if took := time.Since(start); took < time.Second || took > 5*time.Second {
			t.Errorf("disconnected after %v", took)
		}
		synctest.Wait()
		wantOpened(t, fake, http.StatusSwitchingProtocols, "ValidationException")

		polite := openChannel(t, streamURL, websocket.MessageText, openingMessage(token), options)
		wantMessage(t, polite, startPublication)
		if err := polite.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Error(err)
		}
		sudden := openChannel(t, streamURL, websocket.MessageText, openingMessage(token), options)
		wantMessage(t, sudden, startPublication)
		if err := sudden.CloseNow(); err != nil {
			t.Error(err)
		}
		gone, _ := dialChannel(t, streamURL, options)
		_ = gone.CloseNow()
		// A client that does not read must not delay the end of its session.
		deaf := openChannel(t, streamURL, websocket.MessageText, openingMessage(token), options)
		wantMessage(t, deaf, startPublication)
		fake.EndSession("s")
		time.Sleep(time.Minute)
		_ = deaf.CloseNow()
	})
}

// alteredCharacter returns a character that differs from the given one.
func alteredCharacter(character string) string {
	if character == "x" {
		return "y"
	}

	return "x"
}
