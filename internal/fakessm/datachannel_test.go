// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// openingMessage returns the first message of a client, in the form of AWS's own client.
func openingMessage(token string) string {
	return fmt.Sprintf(`{"MessageSchemaVersion":"1.0","RequestId":"ed3b7d1f-6f5a-4a86-a3b8-0f60b2b5a1c4","TokenValue":%q,`+
		`"ClientId":"6f2a9f1c-52c8-4c0c-8d0e-5d2a7a8f3b11","ClientVersion":"1.2.677.0"}`, token)
}

func resumeSession(t *testing.T, client *ssm.Client, id string) (url, token string) {
	t.Helper()
	out, err := client.ResumeSession(t.Context(), &ssm.ResumeSessionInput{SessionId: &id})
	if err != nil {
		t.Fatal(err)
	}

	return aws.ToString(out.StreamUrl), aws.ToString(out.TokenValue)
}

// dialChannel connects to a data channel. The status is set if the handshake is refused.
func dialChannel(t *testing.T, url string, options ...*websocket.DialOptions) (*websocket.Conn, int) {
	t.Helper()
	conn, res, err := websocket.Dial(t.Context(), url, append(options, nil)[0])
	switch {
	case err == nil:
		t.Cleanup(func() { _ = conn.CloseNow() })

		return conn, http.StatusSwitchingProtocols
	case res == nil:
		t.Fatal("no answer")
	}

	return nil, res.StatusCode
}

// openChannel connects and sends the first message.
func openChannel(t *testing.T, url string, kind websocket.MessageType, first string, options ...*websocket.DialOptions) *websocket.Conn {
	t.Helper()
	conn, status := dialChannel(t, url, options...)
	if conn == nil {
		t.Fatalf("the handshake was answered with %d", status)
	}
	if err := conn.Write(t.Context(), kind, []byte(first)); err != nil {
		t.Fatal(err)
	}

	return conn
}

// agentMessage has the predictable parts of a message of the data channel.
type agentMessage struct {
	Type          string
	SchemaVersion uint32
	Sequence      uint64
	Flags         uint64
	PayloadType   uint32
	Payload       map[string]any
}

// receiveMessage reads a message and checks its unpredictable parts.
func receiveMessage(t *testing.T, conn *websocket.Conn) agentMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	kind, m, err := conn.Read(ctx)
	if err != nil || kind != websocket.MessageBinary || len(m) < 120 {
		t.Fatalf("%d bytes of %v, %v", len(m), kind, err)
	}
	number := binary.BigEndian
	payload := m[120:]
	digest := sha256.Sum256(payload)
	if number.Uint32(m) != 116 || number.Uint32(m[116:]) != uint32(len(payload)) || !slices.Equal(m[80:112], digest[:]) {
		t.Errorf("header and payload do not match in a message of %d bytes", len(m))
	}
	if age := time.Since(time.UnixMilli(int64(number.Uint64(m[40:])))); age < -time.Second || age > time.Minute {
		t.Errorf("created %v ago", age)
	}
	// The second half of the UUID comes first. The version is in the first half.
	id := slices.Concat(m[72:80], m[64:72])
	if id[6]>>4 != 4 || id[8]>>6 != 2 {
		t.Errorf("message ID %x is not a random UUID", id)
	}
	got := agentMessage{
		Type: strings.TrimRight(string(m[4:36]), " "), SchemaVersion: number.Uint32(m[36:]), Sequence: number.Uint64(m[48:]),
		Flags: number.Uint64(m[56:]), PayloadType: number.Uint32(m[112:]),
	}
	if len(payload) > 0 {
		if err := json.Unmarshal(payload, &got.Payload); err != nil {
			t.Fatal(err)
		}
		if got.Payload["MessageId"] != fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]) {
			t.Errorf("the payload is of message %v", got.Payload["MessageId"])
		}
		delete(got.Payload, "MessageId")
		if created := got.Payload["CreatedDate"]; created != fmt.Sprint(number.Uint64(m[40:])) {
			t.Errorf("the payload was created at %v", created)
		}
		delete(got.Payload, "CreatedDate")
	}

	return got
}

func wantMessage(t *testing.T, conn *websocket.Conn, want agentMessage) {
	t.Helper()
	want.SchemaVersion = 1
	if diff := cmp.Diff(want, receiveMessage(t, conn)); diff != "" {
		t.Fatalf("message (-want +got):\n%s", diff)
	}
}

func wantClose(t *testing.T, conn *websocket.Conn, code websocket.StatusCode, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, _, err := conn.Read(ctx)
	if websocket.CloseStatus(err) != code || !strings.Contains(err.Error(), reason) {
		t.Errorf("want the code %d with %q, got %v", code, reason, err)
	}
}

// wantOpened checks the record of the last data channel, and that the request log contains
// no secret.
func wantOpened(t *testing.T, fake *fakessm.Server, status int, code string) {
	t.Helper()
	requests := fake.Requests()
	last := requests[len(requests)-1]
	if last.Operation != fakessm.OpenDataChannel || last.Service != "ssmmessages" || last.Status != status || last.ErrorCode != code {
		t.Errorf("want %d %s, got %+v", status, code, last)
	}
	log, err := json.Marshal(requests)
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range fake.Sessions() {
		for _, secret := range slices.Concat(fake.Tokens(session.SessionID), fake.StreamURLs(session.SessionID)) {
			_, cell, isURL := strings.Cut(secret, "cell-number=")
			if !isURL {
				cell = secret
			}
			if strings.Contains(string(log), cell[:24]) {
				t.Error("the request log contains a secret")
			}
		}
	}
}

var startPublication = agentMessage{Type: "start_publication"}

func channelClosed(session fakessm.Session) agentMessage {
	return agentMessage{Type: "channel_closed", Payload: map[string]any{
		"DestinationId": session.Target, "SessionId": session.SessionID, "MessageType": "channel_closed",
		"SchemaVersion": 1.0, "Output": "",
	}}
}

func TestDataChannel(t *testing.T) {
	t.Parallel()

	cases := map[string]struct {
		end    func(*fakessm.Server, *ssm.Client, string) error
		closed bool // The client gets channel_closed.
	}{
		"the session is terminated": {func(_ *fakessm.Server, client *ssm.Client, id string) error {
			_, err := client.TerminateSession(context.Background(), &ssm.TerminateSessionInput{SessionId: &id})

			return err
		}, true},
		"its user ends the session": {func(fake *fakessm.Server, _ *ssm.Client, id string) error {
			fake.EndSession(id)

			return nil
		}, true},
		"the session is removed": {func(fake *fakessm.Server, _ *ssm.Client, id string) error {
			fake.RemoveSession(id)

			return nil
		}, true},
		"the session is replaced": {func(fake *fakessm.Server, _ *ssm.Client, id string) error {
			fake.AddSessions(fakessm.Session{SessionID: id})

			return nil
		}, true},
		"the service drops its channels": {func(fake *fakessm.Server, _ *ssm.Client, _ string) error {
			fake.CloseDataChannels()

			return nil
		}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session := fakessm.Session{SessionID: "Mary+Major=x,y.z@example-07a16060613c408b5", Target: "i-1", Status: "Disconnected"}
			bystander := fakessm.Session{SessionID: "timmy-01cd54a0c8322733a", Target: "i-1"}
			fake := fakessm.New(fakessm.WithDataChannel(""), fakessm.WithSessions(session, bystander))
			client := newClient(t, fake)

			url, token := resumeSession(t, client, session.SessionID)
			mine := openChannel(t, url, websocket.MessageText, openingMessage(token))
			wantMessage(t, mine, startPublication)
			wantOpened(t, fake, http.StatusSwitchingProtocols, "")
			// A second client has the same rights. Messages from clients have no effect.
			twin := openChannel(t, url, websocket.MessageText, openingMessage(token))
			wantMessage(t, twin, startPublication)
			if err := twin.Write(t.Context(), websocket.MessageBinary, []byte("input")); err != nil {
				t.Error(err)
			}
			otherURL, otherToken := resumeSession(t, client, bystander.SessionID)
			other := openChannel(t, otherURL, websocket.MessageText, openingMessage(otherToken))
			wantMessage(t, other, startPublication)

			if err := tc.end(fake, client, session.SessionID); err != nil {
				t.Fatal(err)
			}
			for _, conn := range []*websocket.Conn{mine, twin} {
				if tc.closed {
					wantMessage(t, conn, channelClosed(session))
				}
				wantClose(t, conn, websocket.StatusNormalClosure, "Bye")
			}
			if !tc.closed {
				wantClose(t, other, websocket.StatusNormalClosure, "Bye")
				wantStatus(t, fake, session.SessionID, "Connected")

				return
			}
			fake.EndSession(bystander.SessionID)
			wantMessage(t, other, channelClosed(bystander))
			if got := fake.Count(fakessm.OpenDataChannel); got != 3 {
				t.Errorf("%d channels in the request log", got)
			}
		})
	}
}

// TestDataChannel_url checks that every session ID survives the conversion to a URL and back.
func TestDataChannel_url(t *testing.T) {
	t.Parallel()

	plain, secure := "ws://", "wss://"
	cases := map[string]struct {
		id     string
		path   string // The ID in the URL. The ID itself if empty.
		scheme string
	}{
		"an ordinary ID":           {id: "Mary-Major-07a16060613c408b5", scheme: plain},
		"every legal character":    {id: "AZaz09_+=,.@-", scheme: plain},
		"a server with TLS":        {id: "s", scheme: secure},
		"a parent folder":          {id: "..", scheme: plain},
		"delimiters of URLs":       {id: "a b/c?d#e%f&g=é", path: "a%20b%2Fc%3Fd%23e%25f&g=%C3%A9", scheme: plain},
		"a line break and a quote": {id: "a\r\n\"", path: "a%0D%0A%22", scheme: plain},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fake := fakessm.New(fakessm.WithDataChannel(""), fakessm.WithSessions(fakessm.Session{SessionID: tc.id, Region: "eu-west-1"}))
			server := httptest.NewUnstartedServer(fake)
			if tc.scheme == secure {
				server.StartTLS()
			} else {
				server.Start()
			}
			t.Cleanup(server.Close)
			client := newClient(t, fake, func(o *ssm.Options) {
				o.BaseEndpoint, o.Region, o.HTTPClient = aws.String(server.URL), "eu-west-1", server.Client()
			})

			url, token := resumeSession(t, client, tc.id)
			path := tc.path
			if path == "" {
				path = tc.id
			}
			want := tc.scheme + server.Listener.Addr().String() + "/v1/data-channel/" + path + "?role=publish_subscribe&cell-number="
			if cell, ok := strings.CutPrefix(url, want); !ok || !strings.ContainsRune(cell, '+') || !strings.ContainsRune(cell, '/') || !strings.HasSuffix(cell, "=") {
				t.Fatalf("the URL does not begin with %q, or lacks an unescaped +, / or =", want)
			}
			conn := openChannel(t, url, websocket.MessageText, openingMessage(token), &websocket.DialOptions{HTTPClient: server.Client()})
			wantMessage(t, conn, startPublication)
			last := fake.Requests()[1]
			if last.SessionID != tc.id || last.Region != "eu-west-1" {
				t.Errorf("the request log has %q in %q", last.SessionID, last.Region)
			}
		})
	}
}

func TestDataChannel_elsewhere(t *testing.T) {
	t.Parallel()

	fake := fakessm.New(fakessm.WithDataChannel("wss://proxy.example/"), fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
	if url, _ := resumeSession(t, newClient(t, fake), "s"); !strings.HasPrefix(url, "wss://proxy.example/v1/data-channel/s?role=") {
		t.Errorf("the URL has another host")
	}
	// Without the option, URLs point to AWS and the server has no data channels.
	fake = fakessm.New(fakessm.WithSessions(fakessm.Session{SessionID: "s"}))
	client := newClient(t, fake)
	url, _ := resumeSession(t, client, "s")
	query, ok := strings.CutPrefix(url, "wss://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/s?")
	if !ok {
		t.Errorf("the URL does not point to AWS")
	}
	here := strings.Replace(aws.ToString(client.Options().BaseEndpoint), "http://", "ws://", 1)
	if _, status := dialChannel(t, here+"/v1/data-channel/s?"+query); status != http.StatusNotFound || fake.Count(fakessm.OpenDataChannel) != 0 {
		t.Errorf("the handshake was answered with %d", status)
	}
}
