// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package datachannel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

const (
	// dialTime limits one attempt to open a WebSocket.
	dialTime = 15 * time.Second

	// leaveTime is how long the other side may take to answer a close frame.
	leaveTime = time.Second

	signingName = "ssmmessages"
	emptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// socket is one WebSocket of a channel.
type socket struct {
	*stream
	ws     *websocket.Conn
	buffer []byte        // The message that next returns.
	busy   chan struct{} // Has room for one. Gets a value when the first message waits to be acknowledged.
}

// address is the target of a WebSocket.
type address struct {
	url       string // Path and query are exactly as SSM gave them.
	host      string // The host that the request is signed for, without the default port.
	presigned bool
}

// resolve returns the address for a stream URL. The endpoint, if set, replaces its
// scheme and host.
func resolve(streamURL, endpoint string) (address, error) {
	scheme, rest, ok := strings.Cut(streamURL, "://")
	if !ok {
		return address{}, fmt.Errorf("%w: the stream URL has no scheme", ErrAddress)
	}
	host, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, tail = rest[:i], rest[i:]
	}
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		switch {
		case err != nil || u.Host == "":
			return address{}, fmt.Errorf("%w: the endpoint is not a URL", ErrAddress)
		case u.User != nil:
			return address{}, fmt.Errorf("%w: the endpoint holds a user name", ErrAddress)
		case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
			return address{}, fmt.Errorf("%w: the endpoint has more than a scheme, a host and a port", ErrAddress)
		}
		scheme, host = u.Scheme, u.Host
	}
	switch strings.ToLower(scheme) {
	case "https", "wss":
		scheme = "wss"
	case "http", "ws":
		scheme = "ws"
	default:
		return address{}, fmt.Errorf("%w: its scheme is not wss", ErrAddress)
	}

	full := scheme + "://" + host + tail
	u, err := url.Parse(full)
	switch {
	case err != nil || u.Hostname() == "":
		return address{}, fmt.Errorf("%w: it is not a URL", ErrAddress)
	case u.User != nil:
		return address{}, fmt.Errorf("%w: it holds a user name", ErrAddress)
	case !strings.HasPrefix(tail, "/") || u.RequestURI() != tail:
		return address{}, fmt.Errorf("%w: its path or query cannot be sent unchanged", ErrAddress)
	case scheme == "ws" && !loopback(u.Hostname()):
		return address{}, fmt.Errorf("%w: it is not encrypted, which only loopback addresses may be", ErrAddress)
	}
	target := address{url: full, host: u.Host}
	if port := u.Port(); scheme == "wss" && port == "443" || scheme == "ws" && port == "80" {
		target.host = strings.TrimSuffix(u.Host, ":"+port)
	}
	for name := range u.Query() {
		target.presigned = target.presigned || strings.HasPrefix(strings.ToLower(name), "x-amz-")
	}

	return target, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)

	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// sign returns the headers that sign the request for a WebSocket. It signs a
// separate request, because the signer rewrites the query.
func (c *Channel) sign(ctx context.Context, target address) (http.Header, error) {
	if c.config.Credentials == nil || target.presigned {
		return http.Header{}, nil
	}
	credentials, err := c.config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, &CredentialsError{err: err}
	}
	c.hide(credentials.SessionToken)
	request, err := http.NewRequest(http.MethodGet, "http"+strings.TrimPrefix(target.url, "ws"), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: it is not a URL", ErrAddress)
	}
	request.Host = target.host
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, emptyDigest, signingName, c.config.Region, time.Now()); err != nil {
		return nil, errors.New("signing the request for the data channel failed")
	}

	return request.Header, nil
}

// upgrade is a transport that keeps the status of the answer, and the connection of an
// opened WebSocket.
type upgrade struct {
	base   http.RoundTripper
	status int
	stream *stream
}

// RoundTrip implements http.RoundTripper.
func (u *upgrade) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := u.base.RoundTrip(request)
	if err != nil {
		return response, err
	}
	if u.status = response.StatusCode; u.status != http.StatusSwitchingProtocols {
		return response, nil
	}
	if conn, ok := response.Body.(io.ReadWriteCloser); ok {
		u.stream = newStream(conn)
		response.Body = u.stream
	}

	return response, nil
}

// cellNumber returns the secret part of a stream URL, or nothing if it is too short to be one.
func cellNumber(streamURL string) string {
	const shortest = 4
	_, value, _ := strings.Cut(streamURL, "cell-number=")
	value, _, _ = strings.Cut(value, "&")
	if len(value) < shortest {
		return ""
	}

	return value
}

// dial opens a WebSocket and sends the first message. The service does not answer
// this message.
func (c *Channel) dial(ctx context.Context, access Access) (*socket, error) {
	target, err := resolve(access.StreamURL, c.config.Endpoint)
	if err != nil {
		return nil, err
	}
	c.hide(access.Token, access.StreamURL, target.url, cellNumber(access.StreamURL))
	header, err := c.sign(ctx, target)
	if err != nil {
		return nil, err
	}

	var client http.Client
	if c.config.HTTPClient != nil {
		client = *c.config.HTTPClient
	}
	base := client.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	taken := &upgrade{base: httpclient.Upgrade{RoundTripper: base}}
	client.Transport = taken
	client.Timeout = 0 // It would also end the WebSocket.
	client.Jar = nil
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	dialing, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	ws, _, err := websocket.Dial(dialing, target.url, &websocket.DialOptions{HTTPClient: &client, HTTPHeader: header, Host: target.host})
	if err != nil {
		if taken.stream != nil {
			taken.stream.abort()
		}

		return nil, newDialError(err, taken.status)
	}
	s := &socket{stream: taken.stream, ws: ws, busy: make(chan struct{}, 1)}
	ws.SetReadLimit(maxMessage)
	opening, err := json.Marshal(struct {
		MessageSchemaVersion string
		RequestID            string `json:"RequestId"`
		TokenValue           string
		ClientID             string `json:"ClientId"`
		ClientVersion        string
	}{"1.0", uuid.NewString(), access.Token, c.clientID, clientVersion})
	if err == nil {
		err = ws.Write(context.Background(), websocket.MessageText, opening)
	}
	if err != nil {
		s.abort()

		return nil, &DialError{text: "the first message could not be sent", temporary: true}
	}

	return s, nil
}

// next reads the next message. It is valid until the next call.
func (s *socket) next() (binary bool, data []byte, err error) {
	kind, reader, err := s.ws.Reader(context.Background())
	if err != nil {
		return false, nil, err
	}
	if s.buffer == nil {
		s.buffer = make([]byte, 4<<10)
	}
	n := 0
	for {
		if n == len(s.buffer) {
			s.buffer = append(s.buffer, make([]byte, len(s.buffer))...)
		}
		m, err := reader.Read(s.buffer[n:])
		n += m
		if err == io.EOF {
			return kind == websocket.MessageBinary, s.buffer[:n], nil
		}
		if err != nil {
			return false, nil, err
		}
	}
}

// leave closes the WebSocket with a close frame.
func (s *socket) leave() {
	late := time.AfterFunc(leaveTime, s.abort)
	defer late.Stop()
	_ = s.ws.Close(websocket.StatusNormalClosure, "")
	s.abort()
}
