// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/coder/websocket"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
)

// TestChannelFaults applies each kind of fault to an echo session.
func TestChannelFaults(t *testing.T) {
	t.Parallel()

	toClient := func(f fakessm.ChannelFault) fakessm.ChannelFault {
		f.Direction = fakessm.ToClient

		return f
	}
	for name, tc := range map[string]struct {
		fault fakessm.ChannelFault
		check func(t *testing.T, c *agentClient)
	}{
		"lose": {toClient(fakessm.ChannelFault{Kind: fakessm.ChannelLose}), func(t *testing.T, c *agentClient) {
			t.Helper()
			c.wantOutput("ping") // The message is sent again.
		}},
		"repeat": {toClient(fakessm.ChannelFault{Kind: fakessm.ChannelRepeat}), func(t *testing.T, c *agentClient) {
			t.Helper()
			c.wantOutput("ping")
			c.waitUntil("a second copy", func() bool { return c.seen[2] >= 2 })
		}},
		"reorder": {toClient(fakessm.ChannelFault{Kind: fakessm.ChannelReorder}), func(t *testing.T, c *agentClient) {
			t.Helper()
			_, _ = c.Write([]byte("pong"))
			c.wantOutput("pingpong")
		}},
		"delay": {fakessm.ChannelFault{Kind: fakessm.ChannelDelay, Delay: time.Millisecond}, func(t *testing.T, c *agentClient) {
			t.Helper()
			c.wantOutput("ping")
		}},
		"corrupt": {fakessm.ChannelFault{Kind: fakessm.ChannelCorrupt, Direction: fakessm.ToAgent}, func(t *testing.T, c *agentClient) {
			t.Helper()
			c.send(payloadOutput, []byte("after"))
			c.waitUntil("an acknowledgement of the next message", func() bool { return c.acks[2] > 0 })
			if c.acked(1) != 0 {
				t.Error("a corrupt message is acknowledged")
			}
		}},
		"lose acknowledgements": {toClient(fakessm.ChannelFault{Kind: fakessm.ChannelLoseAcks, Times: -1}), func(t *testing.T, c *agentClient) {
			t.Helper()
			c.wantOutput("ping")
			if c.acked(1) != 0 {
				t.Error("an acknowledgement arrived")
			}
		}},
		"drop": {fakessm.ChannelFault{Kind: fakessm.ChannelDrop}, func(t *testing.T, c *agentClient) {
			t.Helper()
			c.waitUntil("the end of the connection", func() bool { return c.done })
			if session, _ := c.fake.Session(c.id); session.Status != "Connected" {
				t.Errorf("the session is %s", session.Status)
			}
		}},
		"bye": {fakessm.ChannelFault{Kind: fakessm.ChannelBye}, func(t *testing.T, c *agentClient) {
			t.Helper()
			c.waitUntil("the end of the connection", func() bool { return c.done })
		}},
		"pause": {fakessm.ChannelFault{Kind: fakessm.ChannelPause}, func(t *testing.T, c *agentClient) {
			t.Helper()
			c.waitUntil("pause_publication", func() bool { return c.kinds["pause_publication"] > 0 })
			c.fake.ClearChannelFaults()
			c.resend(1, payloadOutput, []byte("ping"))
			c.wantOutput("ping")
		}},
		"close": {fakessm.ChannelFault{Kind: fakessm.ChannelClose, Words: "out of order"}, func(t *testing.T, c *agentClient) {
			t.Helper()
			c.wantClosed("out of order")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startAgent(t, &ssm.StartSessionInput{}).handshake(currentClient)
			tc.fault.SessionID = c.id
			if err := c.fake.InjectChannel(fakessm.ChannelFault{Kind: fakessm.ChannelDrop, SessionID: "another"}, tc.fault); err != nil {
				t.Fatal(err)
			}
			if got := c.fake.ChannelFaults(); len(got) != 2 {
				t.Errorf("%d faults are pending", len(got))
			}
			c.send(payloadOutput, []byte("ping"))
			tc.check(t, c)
			if got := c.fake.ChannelFaults(); tc.fault.Times == 0 && len(got) > 1 {
				t.Errorf("the fault has not hit: %+v", got)
			}
		})
	}

	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		fake, api := agentServer(t)
		if err := fake.InjectChannel(fakessm.ChannelFault{Kind: fakessm.ChannelSilent, After: 1}); err != nil {
			t.Fatal(err)
		}
		out, err := api.StartSession(t.Context(), &ssm.StartSessionInput{Target: aws.String("i-1")})
		if err != nil {
			t.Fatal(err)
		}
		conn := openChannel(t, aws.ToString(out.StreamUrl), websocket.MessageText, openingMessage(aws.ToString(out.TokenValue)))
		wantMessage(t, conn, agentMessage{Type: "start_publication"})
		spoke := make(chan struct{})
		go func() {
			defer close(spoke)
			_, _, _ = conn.Read(context.Background())
		}()
		select {
		case <-spoke:
			t.Error("the agent is not silent")
		case <-time.After(500 * time.Millisecond):
		}
		fake.ClearChannelFaults()
		<-spoke // The handshake request is repeated.
	})
	t.Run("refuse", func(t *testing.T) {
		t.Parallel()
		fake, api := agentServer(t)
		if err := fake.InjectChannel(fakessm.ChannelFault{Kind: fakessm.ChannelRefuse}); err != nil {
			t.Fatal(err)
		}
		out, err := api.StartSession(t.Context(), &ssm.StartSessionInput{Target: aws.String("i-1")})
		if err != nil {
			t.Fatal(err)
		}
		if _, status := dialChannel(t, aws.ToString(out.StreamUrl)); status != http.StatusServiceUnavailable {
			t.Errorf("the status is %d", status)
		}
		if conn, _ := dialChannel(t, aws.ToString(out.StreamUrl)); conn == nil {
			t.Error("the fault hit twice")
		}
	})
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		fake := fakessm.New()
		if fake.InjectChannel(fakessm.ChannelFault{Kind: "odd"}) == nil || fake.InjectChannel(fakessm.ChannelFault{Kind: fakessm.ChannelLose, Direction: "up"}) == nil {
			t.Error("an unknown fault was accepted")
		}
	})
}

// TestChannelFaults_control uses the control API, as other programs do.
func TestChannelFaults_control(t *testing.T) {
	t.Parallel()

	fake := fakessm.New()
	server := httptest.NewServer(fake.Control())
	t.Cleanup(server.Close)
	do := func(method, path, body string) (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/_fakessm"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, _ := io.ReadAll(response.Body)

		return response.StatusCode, string(content)
	}

	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/channel-faults", `{"kind":"lose","direction":"to-agent","times":-1}`, 204, ""},
		{"GET", "/channel-faults", "", 200, `"kind": "lose"`},
		{"POST", "/channel-faults", `{"kind":"delay","delay":"250ms"}`, 204, ""},
		{"GET", "/channel-faults", "", 200, `"delay": "250ms"`},
		{"POST", "/channel-faults", `{"kind":"delay","delay":"soon"}`, 400, "soon"},
		{"POST", "/channel-faults", `{"kind":"lose","colour":1}`, 400, "colour"},
		{"POST", "/channel-faults", `{"kind":"odd"}`, 400, "unknown channel fault"},
		{"POST", "/channel-faults", `{`, 400, ""},
		{"DELETE", "/channel-faults", "", 204, ""},
		{"GET", "/channel-faults", "", 200, "[]"},
		{"POST", "/channels/close", "", 204, ""},
		{"GET", "/agent-pauses", "", 200, `"seconds": 0`},
		{"POST", "/targets", `{"i-1": false}`, 204, ""},
		{"POST", "/targets", `[]`, 400, ""},
	} {
		if status, body := do(step.method, step.path, step.body); status != step.status || !strings.Contains(body, step.want) {
			t.Errorf("%s %s answers %d and %q, want %s and %q", step.method, step.path, status, body, strconv.Itoa(step.status), step.want)
		}
	}
}
