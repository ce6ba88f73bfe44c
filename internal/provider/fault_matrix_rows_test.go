// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/sessionops/terraform-provider-ssm/internal/fakessm"
	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

// The reasons of failures, in the words that the user sees.
const (
	reasonThrottled   = "the account's request quota for this Region stayed exhausted"
	reasonUnavailable = "the SSM endpoint gave no usable answer"
	reasonCredentials = "SSM did not accept the credentials"
	reasonRefused     = "connection refused"
	reasonUntrusted   = "the TLS certificate of the endpoint, or of a proxy on the way, is not signed by an authority that this machine trusts"
	reasonProxy       = "the proxy refused to connect to the endpoint"
	reasonRenewal     = "the credentials could not be obtained or renewed"
	reasonDenied      = "the credentials do not allow it"
	reasonIncomplete  = "SSM's answer is incomplete"
	reasonCancelled   = "the operation was cancelled"
	reasonUnfiltered  = "SSM did not filter its listing by session ID"
)

// proxyRefusing returns the error of a connection through a proxy that refuses it.
func proxyRefusing() error {
	transport := &http.Transport{}
	httpclient.ObserveProxy(transport)

	return transport.OnProxyConnectResponse(context.Background(), nil, nil, &http.Response{StatusCode: http.StatusForbidden})
}

// untrustedCertificate returns the error of a connection to an endpoint whose
// certificate no known authority has signed.
func untrustedCertificate() error {
	return &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
}

// matrixFaults returns the rows.
func matrixFaults() []matrixFault {
	// The service accepts the first request, and so refuses the second.
	refusedRetry := matrixCell{calls: "active terminate:reset-after terminate:ValidationException history"}
	// If lookups fail, an accepted call counts as done, but not as seen.
	unseen := matrixCell{
		sees:  "warning on session_id: Termination Not Verified: " + testLive,
		says:  "was asked to terminate, but its end could not be seen: {reason}",
		state: "unverified", left: "Terminated",
	}
	// Both sessions are struck, and the listing after them.
	allRefused := func(state, calls string) matrixCell {
		return matrixCell{
			says:  testLive + ": {reason}\n" + matrixSecond + ": {reason}",
			never: "were asked to terminate",
			state: state, left: "Connected", calls: calls,
		}
	}
	// One session takes all of the time, so the other cannot be looked up.
	unseenOther := func(reason string) func(state, calls string) matrixCell {
		return func(state, calls string) matrixCell {
			return matrixCell{
				says:  "could not be seen: " + reason + "\n" + testLive + ": ",
				never: "(1 ended)\nthrough all retries",
				state: state, calls: calls,
			}
		}
	}
	outOfTime, interrupted := unseenOther("the time allowed ran out"), unseenOther(reasonCancelled)
	// A session of the provider's own has ten seconds for its end, and a call five.
	endTooLong := func(kind, state string) matrixCell {
		return matrixCell{
			sees: "warning: Session Possibly Left Behind", says: "was asked to end, but its end could not be confirmed: the time allowed ran out",
			state: state, calls: "terminate:" + kind + "×2",
		}
	}
	lookTooLong := func(kind string) matrixCell {
		return matrixCell{
			sees: "warning: Session Possibly Left Behind", says: "was asked to end, but its end could not be confirmed: the time allowed ran out",
			calls: "terminate history:" + kind,
		}
	}
	planFails := matrixCell{sees: "error: Unable to Drain Sessions", state: "nothing"}
	unfiltered := "active active+×2 history history+×2"
	// Two sessions are missing in a listing of several pages. They are looked up without
	// success, and then found in the history.
	foundInHistory := "list list+×4 history×2 history+×4 active×2 active+×4 list history list history+×4"

	return []matrixFault{
		{
			name: "throttled for a while", kind: fakessm.FaultThrottle, times: 2, class: classRecovers, spent: "2",
		},
		{
			name: "throttled for ever", kind: fakessm.FaultThrottle, times: -1, class: classRefused, spent: "5",
			reason: reasonThrottled, cause: "ThrottlingException: Rate exceeded",
		},
		{
			name: "500 for a while", kind: fakessm.FaultInternal, times: 2, class: classRecovers, spent: "2",
			cells: map[string]matrixCell{"ephemeral start": startOnce(fakessm.FaultInternal, reasonUnavailable)},
		},
		{
			name: "500 for ever", kind: fakessm.FaultInternal, times: -1, class: classLost, spent: "5",
			reason: reasonUnavailable, cause: "InternalServerError",
		},
		{
			name: "503 HTML for a while", kind: fakessm.FaultProxy, times: 2, class: classRecovers, spent: "2",
			cells: map[string]matrixCell{"ephemeral start": startOnce(fakessm.FaultProxy, reasonUnavailable)},
		},
		{
			name: "503 HTML for ever", kind: fakessm.FaultProxy, times: -1, class: classLost, spent: "5",
			reason: reasonUnavailable, cause: "(HTTP status 503)",
		},
		{
			name: "connection refused for a while", refuse: true, times: 2, class: classRecovers, spent: "2",
			cells: map[string]matrixCell{
				"drain create/call":  {calls: "list refused×2 terminate×2 list"},
				"drain destroy/call": {calls: "list refused×2 terminate×2 list"},
				"action drain/call":  {calls: "list×2 refused×2 terminate×2 list"},
			},
		},
		{
			name: "connection refused for ever", refuse: true, times: -1, class: classRefused, spent: "4",
			reason: reasonRefused, cause: "connection refused",
			cells: map[string]matrixCell{
				"ephemeral end/call":  {says: "was not ended: " + reasonUnavailable},
				"ephemeral end/after": {says: "was asked to end, but its end could not be confirmed: " + reasonUnavailable},
				"ephemeral start":     {says: "No session was started on target \"" + testOwnTarget + "\" in Region us-east-1: " + reasonUnavailable + "\nconnection refused", spent: "5"},
				"drain create/call":   allRefused("failed, tainted", "list refused×12"),
				"drain destroy/call":  allRefused("failed", "list refused×12"),
				"action drain/call":   allRefused("says Asked for the end of 0 of 2 sessions, 2 failed", "list×2 refused×12"),
			},
		},
		{
			name: "reset before the work, once", kind: fakessm.FaultResetBefore, times: 1, class: classRecovers, spent: "1",
			cells: map[string]matrixCell{"ephemeral start": startOnce(fakessm.FaultResetBefore, reasonUnavailable)},
		},
		{
			name: "reset before the work, always", kind: fakessm.FaultResetBefore, times: -1, class: classLost, spent: "5",
			reason: reasonUnavailable,
		},
		{
			name: "reset after the work, once", kind: fakessm.FaultResetAfter, times: 1, class: classRecovers, spent: "1",
			cells: map[string]matrixCell{
				"ephemeral end/call":      {calls: "terminate:reset-after terminate:ValidationException history"},
				"ephemeral start":         {sees: "error on target: Unable to Start Session", says: "was asked for, but cannot be used: " + reasonUnavailable + "\nhas ended.", state: "nothing, 0 live", calls: "start:reset-after list terminate"},
				"termination create/call": refusedRetry,
				"action terminate/call":   refusedRetry,
				"drain create/call":       {calls: "list terminate terminate:reset-after terminate:ValidationException list"},
				"drain destroy/call":      {calls: "list terminate terminate:reset-after terminate:ValidationException list"},
				"action drain/call":       {calls: "list×2 terminate terminate:reset-after terminate:ValidationException list"},
			},
		},
		{
			name: "reset after the work, always", kind: fakessm.FaultResetAfter, times: -1, class: classDone, spent: "5",
			reason: reasonUnavailable,
		},
		{
			name: "hang once", kind: fakessm.FaultHang, times: 1, class: classRecovers, spent: "1",
			cells: map[string]matrixCell{
				"ephemeral start":     startOnce(fakessm.FaultHang, reasonUnavailable),
				"ephemeral end/after": lookTooLong("hang"),
			},
		},
		{
			// Three attempts of 20 seconds, so that they end before the total bound does.
			name: "hang for ever", kind: fakessm.FaultHang, times: -1, attempts: 3, class: classLost, spent: "3",
			reason: reasonUnavailable,
			cells: map[string]matrixCell{
				"ephemeral end/call":  endTooLong("hang", "1 live"),
				"ephemeral end/after": lookTooLong("hang"),
			},
		},
		{
			name: "429 for a while", kind: fakessm.FaultTooMany, times: 2, class: classRecovers, spent: "2",
		},
		{
			name: "429 for ever", kind: fakessm.FaultTooMany, times: -1, class: classRefused, spent: "5",
			reason: reasonThrottled, cause: "HTTP status 429, too many requests",
		},
		{
			name: "503 with a throttling code for a while", kind: fakessm.FaultThrottle503, times: 2, class: classRecovers, spent: "2",
		},
		{
			name: "503 with a throttling code for ever", kind: fakessm.FaultThrottle503, times: -1, class: classRefused, spent: "5",
			reason: reasonThrottled, cause: "ThrottlingException: Rate exceeded",
		},
		{
			name: "a proxy that refuses", refuse: true, refusal: proxyRefusing, times: -1, class: classRefused, spent: "1",
			reason: reasonProxy, cause: "HTTP status 403",
			cells: map[string]matrixCell{
				"drain create/call":  allRefused("failed, tainted", "list refused×3"),
				"drain destroy/call": allRefused("failed", "list refused×3"),
				"action drain/call":  allRefused("says Asked for the end of 0 of 2 sessions, 2 failed", "list×2 refused×3"),
			},
		},
		{
			name: "TLS that is not trusted", refuse: true, refusal: untrustedCertificate, times: -1, class: classRefused, spent: "1",
			reason: reasonUntrusted, cause: reasonUntrusted,
			cells: map[string]matrixCell{
				"drain create/call":  allRefused("failed, tainted", "list refused×3"),
				"drain destroy/call": allRefused("failed", "list refused×3"),
				"action drain/call":  allRefused("says Asked for the end of 0 of 2 sessions, 2 failed", "list×2 refused×3"),
			},
		},
		{
			name: "STS refuses a renewal", renewal: true, kind: fakessm.FaultDenied, times: -1, class: classRefused,
			reason: reasonRenewal, cause: "no credentials came from the role " + testRoleARN + ": STS refused", never: "ssm:DescribeSessions",
			cells: map[string]matrixCell{"drain plan": planFails},
		},
		{
			name: "a source of credentials that answers nonsense", renewal: true, kind: fakessm.FaultGarbage, times: -1, class: classRefused,
			reason: reasonRenewal, cause: "no credentials came from the role " + testRoleARN, never: "It works",
			cells: map[string]matrixCell{"drain plan": planFails},
		},
		{
			name: "200 without an answer", kind: fakessm.FaultBare, times: -1, class: classLost, spent: "1",
			reason: reasonIncomplete,
		},
		{
			name: "200 that says something else", kind: fakessm.FaultMoved, times: -1, class: classLost, spent: "1",
			reason: reasonIncomplete,
		},
		{
			name: "empty 200", kind: fakessm.FaultEmpty, times: -1, class: classLost, spent: "1",
			reason: reasonIncomplete, cause: "the answer is empty",
		},
		{
			name: "garbage 200", kind: fakessm.FaultGarbage, times: -1, class: classLost, spent: "1",
			reason: reasonUnavailable, cause: "(HTTP status 200) could not be decoded", never: "through all retries",
		},
		{
			name: "truncated body", kind: fakessm.FaultTruncated, times: -1, attempts: 3, class: classDone, spent: "3",
			reason: reasonUnavailable, cause: "the connection broke before the answer was complete",
		},
		{
			name: "slow body", kind: fakessm.FaultSlow, delay: 8 * time.Second, times: 1, class: classRecovers, spent: "1",
			cells: map[string]matrixCell{
				"ephemeral end/call": {calls: "terminate:slow terminate:ValidationException history"},
			},
		},
		{
			name: "body slower than the bound", kind: fakessm.FaultSlow, delay: time.Hour, times: -1, attempts: 3, class: classDone, spent: "3",
			reason: reasonUnavailable,
			cells: map[string]matrixCell{
				"ephemeral end/call":  endTooLong("slow", "0 live"),
				"ephemeral end/after": lookTooLong("slow"),
			},
		},
		{
			name: "credentials expired", kind: fakessm.FaultExpired, times: -1, sticky: true, class: classRefused, spent: "1",
			reason: reasonCredentials, cause: "ExpiredTokenException",
			cells: map[string]matrixCell{
				"drain create/call":  allRefused("failed, tainted", "list terminate:expired×2 list:expired"),
				"drain destroy/call": allRefused("failed", "list terminate:expired×2 list:expired"),
				"action drain/call":  allRefused("says Asked for the end of 0 of 2 sessions, 2 failed", "list×2 terminate:expired×2 list:expired"),
			},
		},
		{
			name: "DescribeSessions denied", kind: fakessm.FaultDenied, times: -1, operation: "DescribeSessions", class: classRefused, spent: "1",
			reason: reasonDenied, cause: "AccessDeniedException\nRequest ID: \nAllow the IAM action ssm:DescribeSessions ",
			cells: map[string]matrixCell{
				"ephemeral end/after":       {recovers: true, calls: "terminate {history}"},
				"termination create":        unseen,
				"termination create/before": {calls: "{active} terminate"},
				"termination refresh": {
					sees: "warning: Termination Not Verified: " + testLive, says: "and its end remains unverified: {reason}",
				},
				"termination plan":        {sees: "warning on session_id: Session Not Shown", says: "cannot be shown in the plan: {reason}", state: "shows nothing"},
				"action terminate":        unseen,
				"action terminate/before": {state: "says unverified", calls: "{active} terminate"},
				"action terminate/after":  {state: "says unverified"},
			},
		},
		{
			name: "TerminateSession denied", kind: fakessm.FaultDenied, times: -1, operation: "TerminateSession", class: classRefused, spent: "1",
			reason: reasonDenied, cause: "AccessDeniedException\nAllow the IAM action ssm:TerminateSession ",
			cells: map[string]matrixCell{
				"ephemeral end/call": {calls: "terminate:denied active"},
				// SSM may also deny a call for an ended session, so a lookup decides.
				"termination create/call": {calls: "active terminate:denied active"},
				"action terminate/call":   {calls: "active terminate:denied active"},
			},
		},
		{
			name: "ResumeSession denied", kind: fakessm.FaultDenied, times: -1, operation: "ResumeSession", class: classRefused, spent: "1",
			reason: reasonDenied, cause: "AccessDeniedException\nRequest ID: \nAllow the IAM action ssm:ResumeSession ",
		},
		{
			name: "GetConnectionStatus denied", kind: fakessm.FaultDenied, times: -1, operation: "GetConnectionStatus", class: classRefused, spent: "1",
			reason: reasonDenied, cause: "AccessDeniedException\nRequest ID: \nAllow the IAM action ssm:GetConnectionStatus ",
		},
		{
			name: "clock skew of hours", skew: 3 * time.Hour, kind: "InvalidSignatureException", class: classRecovers, spent: "1",
			cells: map[string]matrixCell{
				"ephemeral end/after":      {na: "the first call corrects the clock"},
				"termination create/call":  {na: "the first call corrects the clock"},
				"termination create/after": {na: "the first call corrects the clock"},
				"drain create/call":        {na: "the first call corrects the clock"},
				"drain create/after":       {na: "the first call corrects the clock"},
				"drain destroy/call":       {na: "the first call corrects the clock"},
				"drain destroy/after":      {na: "the first call corrects the clock"},
				"action terminate/call":    {na: "the first call corrects the clock"},
				"action terminate/after":   {na: "the first call corrects the clock"},
				"action drain/before":      {calls: "list:InvalidSignatureException list×2 terminate×2 list"},
				"action drain/call":        {na: "the first call corrects the clock"},
				"action drain/after":       {na: "the first call corrects the clock"},
			},
		},
		{
			name: "clock skew for ever", kind: fakessm.FaultClockSkew, times: -1, sticky: true, class: classRefused, spent: "1",
			reason: reasonCredentials, cause: "Signature expired",
			cells: map[string]matrixCell{
				"drain create/call":  allRefused("failed, tainted", "list terminate:clock-skew×2 list:clock-skew"),
				"drain destroy/call": allRefused("failed", "list terminate:clock-skew×2 list:clock-skew"),
				"action drain/call":  allRefused("says Asked for the end of 0 of 2 sessions, 2 failed", "list×2 terminate:clock-skew×2 list:clock-skew"),
			},
		},
		{
			name: "page token that repeats", kind: fakessm.FaultRepeatToken, times: -1, operation: "DescribeSessions", class: classRefused, spent: "1",
			reason: reasonIncomplete, cause: "a page token repeated itself",
			cells: map[string]matrixCell{
				"ephemeral end/after": {recovers: true, calls: "terminate {history}"},
				// A session that is found needs no further page, and an absent one is looked
				// for in the other list.
				"termination create/before": {recovers: true, calls: "{active} terminate history:repeat-token"},
				"termination create/after":  {recovers: true, calls: "active terminate {history}"},
				"termination refresh/ended": {recovers: true, calls: "{active} active+:repeat-token history:repeat-token"},
				"termination refresh/live":  {recovers: true, calls: "{active}"},
				"termination import":        {recovers: true, calls: "{active} active+:repeat-token history:repeat-token"},
				"termination plan":          {recovers: true},
				"data session":              {recovers: true},
				"action terminate/before":   {recovers: true, calls: "{active} terminate history:repeat-token"},
				"action terminate/after":    {recovers: true, calls: "active terminate {history}"},
				// A listing without an end is not used.
				"drain plan":           {calls: "{list} list+:repeat-token"},
				"drain create/before":  {calls: "{list} list+:repeat-token"},
				"drain create/after":   {calls: "list terminate×2 {list} list+:repeat-token"},
				"drain destroy/before": {calls: "{list} list+:repeat-token"},
				"drain destroy/after":  {calls: "list terminate×2 {list} list+:repeat-token"},
				"data sessions":        {calls: "{list} list+:repeat-token"},
				"action drain/before":  {calls: "list {list} list+:repeat-token"},
				"action drain/after":   {calls: "list×2 terminate×2 {list} list+:repeat-token"},
			},
		},
		{
			name: "filter ignored", ignored: true, operation: "DescribeSessions", class: classRefused,
			reason: reasonUnfiltered,
			cells: map[string]matrixCell{
				"ephemeral end/after":       {recovers: true, calls: "terminate history history+×2 active active+×2"},
				"termination create":        unseen,
				"termination create/before": {calls: unfiltered + " terminate history history+×2 active active+×2"},
				"termination create/after":  {na: "filters are ignored from the start"},
				// A session that was not seen may still be live, so it stays unverified.
				"termination refresh":     {sees: "-", says: "-", state: "unverified", calls: unfiltered},
				"termination import":      {calls: unfiltered},
				"termination plan":        {sees: "warning on session_id: Session Not Shown", says: "cannot be shown in the plan: {reason}", state: "shows nothing", calls: unfiltered},
				"data session":            {calls: unfiltered},
				"action terminate":        unseen,
				"action terminate/before": {state: "says unverified", calls: unfiltered + " terminate history history+×2 active active+×2"},
				"action terminate/after":  {na: "filters are ignored from the start"},
				// A selection does not depend on filters.
				"drain plan":           {recovers: true, calls: "list list+×5"},
				"drain create/before":  {recovers: true, calls: "list list+×5 terminate×2 " + foundInHistory},
				"drain create/after":   {na: "filters are ignored from the start"},
				"drain destroy/before": {recovers: true, calls: "list list+×5 terminate×2 " + foundInHistory},
				"drain destroy/after":  {na: "filters are ignored from the start"},
				"data sessions":        {recovers: true, calls: "list list+×5"},
				"action drain/before":  {recovers: true, calls: "list list+×5 list list+×5 terminate×2 " + foundInHistory},
				"action drain/after":   {na: "filters are ignored from the start"},
			},
		},
		{
			name: "throttled for ever, 25 attempts", kind: fakessm.FaultThrottle, times: -1, attempts: 25, class: classRefused, spent: "9..25",
			// The total bound comes first.
			reason: reasonThrottled, never: "through all retries", cause: "ThrottlingException: Rate exceeded (attempt \n, until the time ran out)",
			cells: map[string]matrixCell{
				"ephemeral end/call":  {says: "was not ended: " + reasonThrottled},
				"ephemeral end/after": {says: "was asked to end, but its end could not be confirmed: " + reasonThrottled},
				"ephemeral start":     {says: "No session was started on target \"" + testOwnTarget + "\" in Region us-east-1: " + reasonThrottled + "\nThrottlingException: Rate exceeded ("},
				"drain create/call":   outOfTime("failed unverified, tainted", "list terminate {terminate}"),
				"drain destroy/call":  outOfTime("failed unverified", "list terminate {terminate}"),
				"data sessions":       {says: "could not be listed: " + reasonThrottled, spent: "25", never: "-"},
				"action drain/call":   outOfTime("says Asked for the end of 1 of 2 sessions, 1 failed", "list×2 terminate {terminate}"),
			},
		},
		{
			name: "connection refused for ever, 25 attempts", refuse: true, times: -1, attempts: 25, class: classRefused, spent: "4",
			reason: reasonRefused, cause: "connection refused",
			cells: map[string]matrixCell{
				"ephemeral end/call":  {says: "was not ended: " + reasonUnavailable},
				"ephemeral end/after": {says: "was asked to end, but its end could not be confirmed: " + reasonUnavailable},
				"ephemeral start":     {says: "No session was started on target \"" + testOwnTarget + "\" in Region us-east-1: " + reasonUnavailable + "\nconnection refused", spent: "9"},
				"drain create/call":   allRefused("failed, tainted", "list refused×12"),
				"drain destroy/call":  allRefused("failed", "list refused×12"),
				"action drain/call":   allRefused("says Asked for the end of 0 of 2 sessions, 2 failed", "list×2 refused×12"),
			},
		},
		{
			name: "hang for ever, 25 attempts", kind: fakessm.FaultHang, times: -1, attempts: 25, class: classLost, spent: "5..8",
			// The total bound comes first.
			cause: "no answer came before the time ran out (attempt ", never: "through all retries",
			cells: map[string]matrixCell{
				"ephemeral end/call":  endTooLong("hang", "1 live"),
				"ephemeral end/after": lookTooLong("hang"),
				// It is not repeated, so the bound of one attempt ends it.
				"ephemeral start":         {says: "was asked for, but cannot be used: " + reasonUnavailable + "\nNone was found"},
				"termination create/call": {calls: "active {terminate}"},
				"action terminate/call":   {calls: "active {terminate}"},
				"drain create/call":       outOfTime("unverified, tainted", "list terminate {terminate}"),
				"drain destroy/call":      outOfTime("unverified", "list terminate {terminate}"),
				"data sessions":           {says: "could not be listed: " + reasonUnavailable, spent: "25", never: "-"},
				"action drain/call":       outOfTime("says Asked for the end of 1 of 2 sessions, 1 failed", "list×2 terminate {terminate}"),
			},
		},
		{
			name: "interrupted while it hangs", kind: fakessm.FaultHang, times: -1, attempts: 1000, interrupt: 10 * time.Second, class: classLost, spent: "1",
			reason: reasonCancelled, never: "through all retries", cause: "no answer came before the operation was cancelled (attempt 1)",
			cells: map[string]matrixCell{
				"ephemeral end":           {na: "the end of a session is not interrupted"},
				"termination create/call": {calls: "active {terminate}"},
				"action terminate/call":   {calls: "active {terminate}"},
				"drain create/call":       interrupted("unverified, tainted", "list terminate {terminate}"),
				"drain destroy/call":      interrupted("unverified", "list terminate {terminate}"),
				"action drain/call":       interrupted("says Asked for the end of 0 of 2 sessions", "list×2 terminate {terminate}"),
			},
		},
		{
			name: "interrupted while throttled", kind: fakessm.FaultThrottle, times: -1, attempts: 1000, interrupt: 10 * time.Second, class: classRefused, spent: "3..10",
			reason: reasonCancelled, never: "through all retries", cause: "until the operation was cancelled)",
			cells: map[string]matrixCell{
				"ephemeral end":      {na: "the end of a session is not interrupted"},
				"drain create/call":  interrupted("failed unverified, tainted", "list terminate {terminate}"),
				"drain destroy/call": interrupted("failed unverified", "list terminate {terminate}"),
				"action drain/call":  interrupted("says Asked for the end of 0 of 2 sessions", "list×2 terminate {terminate}"),
			},
		},
	}
}
