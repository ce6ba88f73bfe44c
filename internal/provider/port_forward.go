// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-log/tflog"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
	"github.com/sessionops/terraform-provider-ssm/internal/portforward"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// AWS's documents for port sessions, and their parameters.
const (
	documentPort       = "AWS-StartPortForwardingSession"
	documentRemoteHost = "AWS-StartPortForwardingSessionToRemoteHost"
	documentSSH        = "AWS-StartSSHSession"

	parameterHost      = "host"
	parameterPort      = "portNumber"
	parameterLocalPort = "localPortNumber"
)

// awsPortDocuments are AWS's documents, which need a port. A custom document may fix it.
var awsPortDocuments = map[string]bool{documentPort: true, documentRemoteHost: true, documentSSH: true}

// documentBaseName returns the name of a document, given its name or ARN.
func documentBaseName(document string) string {
	if _, name, found := strings.Cut(document, ":document/"); found {
		return name
	}

	return document
}

// remoteHost accepts a host name or an IP address, without scheme, port or path.
func remoteHost() stringCheck {
	return stringCheck{"value must be a host name or an IP address, without scheme and port", func(value string) (summary, detail string) {
		problem := hostProblem(value)
		if problem == "" {
			return "", ""
		}

		return "Invalid Remote Host", fmt.Sprintf("%q %s.\n\nGive the name or the IP address alone, such as \"db.internal\".", value, problem)
	}}
}

// hostProblem returns what is wrong with a host, or "".
func hostProblem(host string) string {
	const longestName = 253
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	switch {
	case host == "":
		return "is empty"
	case strings.Contains(host, "://"):
		return "has a scheme"
	case strings.ContainsAny(host, "/?#"):
		return "has a path"
	case strings.Contains(host, "@"):
		return "has a user name"
	case strings.Contains(host, ":"):
		return "has a port, which belongs to remote_port, or is no IP address"
	case len(host) > longestName:
		return fmt.Sprintf("has more than %d characters", longestName)
	case strings.ContainsFunc(host, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}):
		return "has characters that no host name has"
	default:
		return ""
	}
}

// document returns the document of the session.
func (m *portForwardEphemeralResourceModel) document() string {
	switch {
	case !m.DocumentName.IsNull():
		return m.DocumentName.ValueString()
	case !m.RemoteHost.IsNull():
		return documentRemoteHost
	default:
		return documentPort
	}
}

// farEnd describes the far end of the forward, for errors and logs.
func (m *portForwardEphemeralResourceModel) farEnd() string {
	port := strconv.FormatInt(m.RemotePort.ValueInt64(), 10)
	switch {
	case m.RemotePort.IsNull():
		return "the far end of document " + m.DocumentName.ValueString()
	case m.RemoteHost.IsNull():
		return "port " + port + " of " + m.Target.ValueString()
	default:
		return net.JoinHostPort(m.RemoteHost.ValueString(), port)
	}
}

// forwardOpener opens and ends the sessions of one forward.
type forwardOpener struct {
	meta   *providerMeta
	in     sessionmanager.StartInput
	farEnd string
	hasEnd bool          // Whether remote_port is set.
	wait   time.Duration // How long the first start waits for the node to connect.

	mu     sync.Mutex
	opened bool
	ends   []forwardEnd
}

// forwardEnd is how a session of a forward ended.
type forwardEnd struct {
	ref    sessionmanager.SessionRef
	result sessionmanager.Termination
	err    error
}

func (m *portForwardEphemeralResourceModel) opener(ctx context.Context, meta *providerMeta, diags *diag.Diagnostics) *forwardOpener {
	in := startInput{m.Target, m.DocumentName, m.Parameters, m.Reason}.input(ctx, m.Region.ValueString(), diags)
	in.DocumentName = m.document()
	if in.Parameters == nil {
		in.Parameters = map[string][]string{}
	}
	if !m.RemoteHost.IsNull() {
		in.Parameters[parameterHost] = []string{m.RemoteHost.ValueString()}
	}
	if !m.RemotePort.IsNull() {
		in.Parameters[parameterPort] = []string{strconv.FormatInt(m.RemotePort.ValueInt64(), 10)}
	}
	wait, _ := m.WaitForTarget.ValueGoDuration()

	return &forwardOpener{meta: meta, in: in, farEnd: m.farEnd(), hasEnd: !m.RemotePort.IsNull(), wait: wait}
}

// channelError is a failure after the session started and before its first connection.
type channelError struct {
	ref sessionmanager.SessionRef
	err error
}

func (e *channelError) Error() string {
	return fmt.Sprintf("opening the data channel of session %s: %s", e.ref.SessionID, e.err)
}

func (e *channelError) Unwrap() error { return e.err }

// agentTooOldError reports an agent that ignores the host and connects to its own node.
type agentTooOldError struct{ version string }

func (e *agentTooOldError) Error() string {
	return fmt.Sprintf("agent %s connects to its own node only", e.version)
}

// open starts a session and opens its data channel.
func (o *forwardOpener) open(ctx context.Context, onRefused func()) (*portforward.Session, error) {
	opened, err := o.start(ctx)
	if err != nil {
		if errors.Is(err, sessionmanager.ErrAccessDenied) || errors.Is(err, sessionmanager.ErrInvalidDocument) || errors.Is(err, sessionmanager.ErrInvalidParameters) {
			return nil, portforward.Permanent(err)
		}

		return nil, err
	}

	ref := opened.SessionRef
	channel, err := datachannel.Open(ctx, datachannel.Config{
		SessionID:   ref.SessionID,
		Access:      datachannel.Access{StreamURL: opened.StreamURL, Token: opened.Token},
		Region:      ref.Region,
		Credentials: o.meta.channel.Credentials,
		HTTPClient:  o.meta.channel.HTTPClient,
		Endpoint:    o.meta.channel.Endpoint,
		SessionType: "Port",
		Resume:      func(ctx context.Context) (datachannel.Access, error) { return o.resume(ctx, ref) },
		OnFlag: func(flag datachannel.Flag) {
			if flag == datachannel.FlagConnectToPortError {
				onRefused()
			}
		},
		Observe: logChannel,
	})
	if err != nil {
		o.end(context.WithoutCancel(ctx), ref, nil)
		var dial *datachannel.DialError
		if errors.As(err, &dial) && dial.Permanent() {
			return nil, portforward.Permanent(&channelError{ref, err})
		}

		return nil, &channelError{ref, err}
	}
	o.meta.client.Attach(ref, sessionmanager.Hooks{Terminate: channel.Terminate, Close: channel.Close})
	// An older agent ignores the host, and forwards to the same port of its own node.
	if agent := channel.Agent(); agent.Properties[parameterHost] != "" && !agent.KnowsHost {
		o.end(context.WithoutCancel(ctx), ref, channel)

		return nil, portforward.Permanent(&channelError{ref, &agentTooOldError{agent.Version}})
	}
	o.mu.Lock()
	o.opened = true
	o.mu.Unlock()

	return &portforward.Session{
		ID:      ref.SessionID,
		Channel: channel,
		End: func(ctx context.Context) error {
			o.end(ctx, ref, channel)

			return nil
		},
	}, nil
}

// start starts a session. Only the first start waits for the node to connect.
func (o *forwardOpener) start(ctx context.Context) (sessionmanager.Opened, error) {
	const firstPause, lastPause = time.Second, 10 * time.Second

	o.mu.Lock()
	mayWait := !o.opened && o.wait > 0
	o.mu.Unlock()
	deadline := time.Now().Add(o.wait)
	for pause := firstPause; ; {
		opened, err := o.meta.client.Start(ctx, o.in)
		if err == nil || !mayWait || !errors.Is(err, sessionmanager.ErrTargetNotConnected) {
			return opened, err
		}
		for {
			if time.Now().Add(pause).After(deadline) {
				return opened, err
			}
			if sleep(ctx, pause) != nil {
				return opened, err
			}
			pause = min(2*pause, lastPause)
			status, statusErr := o.meta.client.ConnectionStatus(ctx, o.in.Region, o.in.Target)
			if statusErr != nil {
				return opened, statusErr
			}
			if status == "connected" {
				break
			}
		}
	}
}

// sleep waits for d, or returns the context's error if the context ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// resume returns new access to a session whose connection broke.
func (o *forwardOpener) resume(ctx context.Context, ref sessionmanager.SessionRef) (datachannel.Access, error) {
	connection, err := o.meta.client.Resume(ctx, ref)
	if errors.Is(err, sessionmanager.ErrTimedOut) || errors.Is(err, sessionmanager.ErrEnded) || errors.Is(err, sessionmanager.ErrNotFound) {
		err = fmt.Errorf("%w: %w", datachannel.ErrSessionOver, err)
	}

	return datachannel.Access{StreamURL: connection.StreamURL, Token: connection.TokenValue}, err
}

// end ends a session and its channel, and records the result for reportEnds.
func (o *forwardOpener) end(ctx context.Context, ref sessionmanager.SessionRef, channel *datachannel.Channel) {
	result, err := o.meta.client.EndOwn(ctx, ref)
	if channel != nil {
		// EndOwn has closed the channel, unless the process is ending.
		now, cancel := context.WithCancel(ctx)
		cancel()
		_ = channel.Close(now)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends = append(o.ends, forwardEnd{ref, result, err})
}

// reportEnds warns of ended sessions that may still be live.
func (o *forwardOpener) reportEnds(diags *diag.Diagnostics) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, end := range o.ends {
		reportEnd(end.ref, end.result, end.err, diags)
	}
	o.ends = nil
}

// sessionsSentence returns a sentence about the sessions of a forward that did not open.
func (o *forwardOpener) sessionsSentence() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case len(o.ends) == 0:
		return "No session of it is open."
	case slices.ContainsFunc(o.ends, func(end forwardEnd) bool { return end.err != nil }):
		return "The session may still be live: a warning tells why."
	default:
		return "The session has ended."
	}
}

// reportOpen adds the error for a forward that did not open.
func (o *forwardOpener) reportOpen(err error, diags *diag.Diagnostics) {
	var (
		inUse   *portforward.PortInUseError
		bind    *net.OpError
		failed  *sessionmanager.Error
		channel *channelError
		refused *portforward.RefusedError
	)
	switch {
	case errors.As(err, &inUse):
		diags.AddAttributeError(path.Root("local_port"), summaryForward,
			fmt.Sprintf("Port %d of %s is in use by another program. No session was started.\n\nChoose another local_port, or leave it out for a free one.", inUse.Port, portforward.Host))
	case errors.As(err, &refused):
		diags.AddAttributeError(o.farEndPath(), summaryForward,
			fmt.Sprintf("Session %q in Region %s was started, but the agent on %q cannot connect to %s. %s\n\n"+
				"Check that something listens there, that the node reaches it and resolves its name. If the far end starts later in the run, set probe = false.",
				refused.SessionID, o.in.Region, o.in.Target, o.farEnd, o.sessionsSentence()))
	case errors.As(err, &channel):
		o.reportChannel(channel, diags)
	case errors.As(err, &failed) && failed.Operation == sessionmanager.StartSession:
		reportStart(o.in, failed, diags)
	case errors.As(err, &failed):
		diags.AddAttributeError(path.Root("wait_for_target"), summaryForward,
			failureDetail(fmt.Sprintf("The connection status of target %q in Region %s could not be read: %s.", o.in.Target, o.in.Region, failureReason(err)), failed))
	case errors.As(err, &bind) && bind.Op == "listen":
		diags.AddAttributeError(path.Root("local_port"), summaryForward,
			fmt.Sprintf("This machine does not allow the provider to listen on this port of %s. No session was started.\n\n"+
				"Choose another local_port, above 1023, or leave it out for a free one.\n\nError: %s", portforward.Host, printable(err.Error())))
	default:
		diags.AddAttributeError(o.farEndPath(), summaryForward,
			fmt.Sprintf("The forward to %s through target %q in Region %s could not be opened. %s\n\n%s\n\nError: %s",
				o.farEnd, o.in.Target, o.in.Region, o.sessionsSentence(), channelAdvice(err), printable(err.Error())))
	}
}

// farEndPath returns the argument that sets the far end.
func (o *forwardOpener) farEndPath() path.Path {
	switch {
	case !o.hasEnd:
		return path.Root("document_name")
	case len(o.in.Parameters[parameterHost]) > 0:
		return path.Root("remote_host")
	default:
		return path.Root("remote_port")
	}
}

// reportChannel adds the error for a session that started but cannot be used.
func (o *forwardOpener) reportChannel(err *channelError, diags *diag.Diagnostics) {
	at, why := path.Root("target"), "its data channel did not open"
	var (
		closed      *datachannel.ClosedError
		sessionType *datachannel.SessionTypeError
		encryption  *datachannel.EncryptionError
		dial        *datachannel.DialError
		tooOld      *agentTooOldError
	)
	switch {
	case errors.As(err, &tooOld):
		at, why = path.Root("remote_host"), "the agent on the node is too old to connect to another host"
	case errors.As(err, &sessionType):
		at, why = path.Root("document_name"), "its document is not for port forwards"
	case errors.As(err, &encryption):
		why = "the agent asks for encryption with a KMS key, which the provider does not support for ports"
	case errors.As(err, &closed):
		why = "the agent has ended it"
	case errors.Is(err, context.Canceled):
		why = "the operation was cancelled"
	case errors.Is(err, datachannel.ErrNoHandshake):
		why = "the agent on the node did not answer"
	case errors.As(err, &dial) && dial.Status == http.StatusForbidden:
		why = "the credentials do not allow opening its data channel"
	case errors.As(err, &dial):
		why += ": " + dial.Reason()
	case errors.Is(err, context.DeadlineExceeded):
		why = "the time allowed ran out"
	}
	diags.AddAttributeError(at, summaryForward,
		fmt.Sprintf("Session %q in Region %s on target %q was started, but cannot be used: %s. %s\n\n%s\n\nError: %s",
			err.ref.SessionID, err.ref.Region, o.in.Target, why, o.sessionsSentence(), channelAdvice(err.err), printable(err.err.Error())))
}

// channelAdvice returns what to do about a data channel that failed.
func channelAdvice(err error) string {
	var (
		closed      *datachannel.ClosedError
		sessionType *datachannel.SessionTypeError
		encryption  *datachannel.EncryptionError
		dial        *datachannel.DialError
		credentials *datachannel.CredentialsError
		tooOld      *agentTooOldError
	)
	switch {
	case errors.As(err, &tooOld):
		return "Update the SSM Agent on the node to version 3.1.1188.0 or later."
	case errors.As(err, &sessionType):
		return "Give the name of a document whose sessionType is Port."
	case errors.As(err, &encryption):
		return "Remove the KMS key from the preferences of Session Manager, or from the document."
	case errors.As(err, &closed):
		return "The cause below comes from the agent. Check the far end, the version of the SSM Agent, and that the node's role allows the actions of ssmmessages."
	case errors.As(err, &dial) && dial.Status == http.StatusForbidden:
		return "Allow the IAM action ssmmessages:OpenDataChannel on the ARN of the session, arn:aws:ssm:<region>:<account>:session/<session-id>."
	case errors.As(err, &dial):
		return dialAdvice(dial)
	case errors.As(err, &credentials):
		return "Renew the credentials."
	case errors.Is(err, datachannel.ErrNoHandshake):
		return "Check that the SSM Agent runs on the node, and that the node's role allows ssmmessages:CreateDataChannel and ssmmessages:OpenDataChannel. A busy node may need a longer timeouts.open."
	default:
		return "Check the network, proxies and the SSM Agent of the target, and try again."
	}
}

// dialAdvice returns what to do about a WebSocket that did not open.
func dialAdvice(dial *datachannel.DialError) string {
	var advice string
	switch {
	case dial.Failure != nil && dial.Permanent():
		advice = transportAdvice(dial.Failure.Cause)
	case dial.Failure != nil && dial.Failure.Cause == httpclient.CauseProxyBroken:
		advice = "Check that the proxy of https_proxy, or of the environment variable HTTPS_PROXY, reaches the endpoint."
	default:
		return "Check the network, proxies and the ssmmessages endpoint: data channels are WebSockets on port 443."
	}

	return advice + " The endpoint is that of ssmmessages, and data channels are WebSockets on port 443."
}

// openForwards holds the open forwards of this process by a random ID. The ID is in the
// private data of Open, the only thing that Terraform passes to Close.
type openForwards struct {
	mu   sync.Mutex
	open map[string]openForward
}

// openForward is a forward and the opener of its sessions.
type openForward struct {
	forward *portforward.Forward
	opener  *forwardOpener
}

// forwardKey is the key in private data for the ID of a forward.
const forwardKey = "forward"

// keep stores a forward for Close.
func (f *openForwards) keep(ctx context.Context, opened openForward, setKey func(context.Context, string, []byte) diag.Diagnostics) diag.Diagnostics {
	id := rand.Text()
	diags := setKey(ctx, forwardKey, []byte(strconv.Quote(id)))
	if diags.HasError() {
		return diags
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[string]openForward{}
	}
	f.open[id] = opened

	return diags
}

// take removes and returns the forward that Close must end, if there is one.
func (f *openForwards) take(ctx context.Context, getKey func(context.Context, string) ([]byte, diag.Diagnostics), diags *diag.Diagnostics) (openForward, bool) {
	value, moreDiags := getKey(ctx, forwardKey)
	diags.Append(moreDiags...)
	id, err := strconv.Unquote(string(value))
	if err != nil {
		return openForward{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	opened, ok := f.open[id]
	delete(f.open, id)

	return opened, ok
}

// close closes the forward. Problems are warnings, because Terraform has done its work by
// then.
func (f openForward) close(ctx context.Context, diags *diag.Diagnostics) {
	// The session must be ended even if Terraform cancels the request.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionmanager.EndTime)
	defer cancel()
	report, _ := f.forward.Close(ctx)
	f.opener.reportEnds(diags)

	o := f.opener
	if report.Refused > 0 {
		diags.AddAttributeWarning(o.farEndPath(), "Connections Refused by Far End",
			fmt.Sprintf("The agent on %q in Region %s could not connect to %s for %d of %d connections, the last time at %s. They were reset.\n\n"+
				"Check that something listens there, and that the node reaches it.",
				o.in.Target, o.in.Region, o.farEnd, report.Refused, report.Connections, report.LastRefused.UTC().Format(time.RFC3339)))
	}
	if report.Stalled > 0 {
		diags.AddWarning("Connections Reset for Unread Data",
			fmt.Sprintf("%d of %d connections to %s were reset: their clients did not read what the far end sent, and it would have filled the memory.\n\n"+
				"Check the clients that used %s:%d.", report.Stalled, report.Connections, o.farEnd, portforward.Host, f.forward.Port()))
	}
	if report.Failed > 0 {
		diags.AddAttributeWarning(path.Root("target"), "Connections Without Session",
			fmt.Sprintf("The session of the forward to %s ended early, and no other could be opened on target %q in Region %s: %d of %d connections were reset.\n\n%s",
				o.farEnd, o.in.Target, o.in.Region, report.Failed, report.Connections, reopenDetail(report.OpenErr)))
	}
}

// reopenDetail returns why no other session could be opened, and what to do.
func reopenDetail(err error) string {
	var failed *sessionmanager.Error
	if !errors.As(err, &failed) {
		return channelAdvice(err) + "\n\nError: " + printable(err.Error())
	}

	return failureAdvice(err) + "\n\nError: " + printable(err.Error())
}

// logForward logs an event of a forward. It logs counts and causes, no data.
func logForward(ctx context.Context, e portforward.Event) {
	fields := map[string]any{"session_id": e.SessionID, "far_end": e.Target}
	if e.Connection != 0 {
		fields["connection"], fields["open_connections"] = e.Connection, e.Open
	}
	if e.Attempt != 0 {
		fields["attempt"], fields["pause_ms"] = e.Attempt, e.Pause.Milliseconds()
	}
	if e.Duration != 0 {
		fields["bytes_up"], fields["bytes_down"], fields["duration_ms"] = e.Up, e.Down, e.Duration.Milliseconds()
	}
	if e.Waiting != 0 {
		fields["bytes_waiting"] = e.Waiting
	}
	if e.Err != nil {
		fields["cause"] = printable(e.Err.Error())
	}
	message := "Port forward: " + string(e.Kind)
	switch e.Kind {
	case portforward.SessionOver, portforward.SessionFailed, portforward.TargetRefused, portforward.ConnectionReset, portforward.AcceptFailed:
		tflog.Warn(ctx, message, fields)
	default:
		tflog.Debug(ctx, message, fields)
	}
}

// logChannel logs an event of a data channel.
func logChannel(ctx context.Context, e datachannel.Event) {
	fields := map[string]any{
		"session_id":     e.SessionID,
		"attempt":        e.Attempt,
		"unacknowledged": e.Unacknowledged,
		"resent":         e.Resent,
		"rejected":       e.Rejected,
	}
	if e.Cause != nil {
		fields["cause"] = printable(e.Cause.Error())
	}
	message := "Data channel: " + string(e.Kind)
	if e.Kind == datachannel.Stalled {
		// Connections hang, and no other event gives the reason.
		tflog.Warn(ctx, message, fields)

		return
	}
	tflog.Debug(ctx, message, fields)
}

// forwardGCPercent is the GC percentage while a forward is open. Buffers of a forward
// become garbage soon: with the process's usual setting, 200 connections hold 107 MB.
const forwardGCPercent = 50

// collectOften sets forwardGCPercent at the first forward. GOGC takes precedence.
var collectOften = sync.OnceFunc(func() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(forwardGCPercent)
	}
})
