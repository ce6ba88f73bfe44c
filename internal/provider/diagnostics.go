// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/aws/smithy-go"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

// Summaries of diagnostics. All kinds of objects use the same summary for the same
// operation.
const (
	summaryTerminate = "Unable to Terminate Session"
	summaryResume    = "Unable to Resume Session"
	summaryStart     = "Unable to Start Session"
	summaryForward   = "Unable to Forward Port"
	summaryRead      = "Unable to Read Session"
	summaryReadAll   = "Unable to Read Sessions"
	summaryNotFound  = "Session Not Found"
	summaryNotShown  = "Session Not Shown"
	summaryImport    = "Unable to Import Session Termination"
	summaryDrain     = "Unable to Drain Sessions"

	summaryPossiblyLeft     = "Session Possibly Left Behind"
	summaryUnverified       = "Termination Not Verified"
	summaryStillLive        = "Session Still Live"
	summaryRegion           = "Invalid AWS Region"
	summaryNoRegion         = "Missing AWS Region"
	summaryConnectionStatus = "Unable to Read Connection Status"
)

// aboutSession returns the summary of a warning about one session. Terraform shows only one
// of the warnings with the same summary.
func aboutSession(summary, sessionID string) string {
	return summary + ": " + printable(sessionID)
}

// failureDetail returns the detail of a diagnostic: the sentence, what to do, the cause
// and the request ID.
func failureDetail(sentence string, err error) string {
	return adviceDetail(sentence, failureAdvice(err), err)
}

// adviceDetail is failureDetail with other advice.
func adviceDetail(sentence, advice string, err error) string {
	detail := sentence
	if advice != "" {
		detail += "\n\n" + advice
	}

	cause := err
	var failed *sessionmanager.Error
	if errors.As(err, &failed) {
		cause = failed.Err
	}
	if cause != nil && cause.Error() == context.Canceled.Error() {
		// The sentence already says that the operation was cancelled.
		cause = nil
	}
	if cause != nil {
		detail += "\n\nError: " + printable(cause.Error())
	}
	if id := requestIDOf(err); id != "" {
		if cause == nil {
			detail += "\n"
		}
		detail += "\n" + requestIDLine(id)
	}

	return detail
}

// requestIDOf returns the request ID in AWS's answer to a failed call, or "" if there
// was no answer. AWS support asks for this ID.
func requestIDOf(err error) string {
	var (
		failed *sessionmanager.Error
		cause  *sessionmanager.Cause
	)
	switch {
	case errors.As(err, &failed) && failed.RequestID != "":
		return failed.RequestID
	case errors.As(err, &cause):
		return cause.RequestID
	default:
		return ""
	}
}

// requestIDLine returns the line for a request ID.
func requestIDLine(id string) string {
	return "Request ID: " + printable(id)
}

// printable escapes control characters in text from outside: session IDs, owners, error
// messages. On a terminal they could forge or hide lines.
func printable(text string) string {
	var out strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			out.WriteRune(r)
		} else {
			quoted := strconv.QuoteRune(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		}
	}

	return out.String()
}

// printableAll returns printable of each text.
func printableAll(texts []string) []string {
	out := make([]string, 0, len(texts))
	for _, text := range texts {
		out = append(out, printable(text))
	}

	return out
}

// failureSentence returns the first sentence of an error about a session. The effect on
// the session is a clause such as "was not terminated".
func (m *providerMeta) failureSentence(session sessionmanager.SessionRef, effect string, err error) string {
	return fmt.Sprintf("Session %q in %s %s: %s.", session.SessionID, m.where(session.Region), effect, failureReason(err))
}

// failureReason returns why an operation failed, as a clause.
func failureReason(err error) string {
	var (
		sent   *httpclient.Error
		source *sessionmanager.CredentialsError
		other  *sessionmanager.OtherCaseError
	)

	switch {
	case errors.Is(err, context.Canceled):
		return "the operation was cancelled"
	case wrongRegion(err):
		return "the endpoint belongs to another Region"
	case errors.Is(err, sessionmanager.ErrAccessDenied):
		return "the credentials do not allow it"
	case errors.Is(err, sessionmanager.ErrNotFound):
		return "SSM knows no such session in this account and Region"
	case errors.As(err, &other):
		return other.Error()
	case errors.Is(err, sessionmanager.ErrUndetermined):
		return "SSM did not filter its listing by session ID, and the state of this session is unknown"
	case errors.Is(err, sessionmanager.ErrEnded):
		return "SSM says that it is not in a valid state, which means that it has been terminated or has ended"
	case errors.Is(err, sessionmanager.ErrStillLive):
		return "it is still live after the time allowed"
	case errors.Is(err, sessionmanager.ErrContradictory):
		return "SSM refuses to end it and says that it has ended, but still lists it as live"
	case errors.Is(err, sessionmanager.ErrTimedOut):
		return "it has timed out (SSM answered without a token)"
	case errors.Is(err, sessionmanager.ErrIncompleteAnswer):
		return "SSM's answer is incomplete"
	case errors.Is(err, sessionmanager.ErrClocks):
		return "the clocks of the endpoint and of this machine differ by more than a day, so that the age of sessions is not known"
	case errors.Is(err, sessionmanager.ErrTargetNotConnected):
		return "the target is not connected to Session Manager"
	case errors.Is(err, sessionmanager.ErrInvalidDocument):
		return "SSM has no such document for sessions"
	case errors.Is(err, sessionmanager.ErrInvalidParameters):
		return "the document does not take these parameters"
	case errors.As(err, &source):
		return "the credentials could not be obtained or renewed" + untilDeadline(err)
	case errors.As(err, &sent) && sent.Permanent():
		return sent.Error()
	case errors.Is(err, sessionmanager.ErrCredentials):
		return "SSM did not accept the credentials"
	case errors.Is(err, sessionmanager.ErrThrottled):
		return "the account's request quota for this Region stayed exhausted" + untilDeadline(err)
	case errors.Is(err, sessionmanager.ErrUnavailable):
		return "the SSM endpoint gave no usable answer" + untilDeadline(err)
	case errors.Is(err, sessionmanager.ErrDeadline):
		return "the time allowed ran out"
	case errorWithoutCode(err):
		return "the endpoint did not answer as SSM does"
	default:
		return "SSM rejected the request"
	}
}

// deniedOn describes the ARN of the resource that ssm:StartSession was denied on: the
// document or the target.
func deniedOn(denied sessionmanager.Denied) string {
	if denied == sessionmanager.DeniedDocument {
		return "the document's ARN, such as arn:aws:ssm:us-east-1:111122223333:document/SSM-SessionManagerRunShell"
	}

	return "the target's ARN, such as arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0"
}

// errorWithoutCode reports whether a request was refused without an error code. SSM always
// returns a code, but a proxy or another service may not.
func errorWithoutCode(err error) bool {
	var api smithy.APIError

	return errors.As(err, &api) && (api.ErrorCode() == "" || api.ErrorCode() == "UnknownError")
}

// wrongRegion reports whether an AWS endpoint rejected a request because it was signed
// for another Region.
func wrongRegion(err error) bool {
	var api smithy.APIError

	return errors.As(err, &api) && strings.Contains(api.ErrorMessage(), "scoped to a valid region")
}

// untilDeadline returns a clause to append if the attempts ended because the time ran
// out. Otherwise it returns "".
func untilDeadline(err error) string {
	var failed *sessionmanager.Error
	if errors.As(err, &failed) && failed.OutOfTime {
		return " until the time allowed ran out"
	}

	return ""
}

// failureAdvice returns what to do about an error: which IAM action to allow, which
// argument to change. It returns "" if there is nothing to do.
func failureAdvice(err error) string {
	var operation *sessionmanager.Operation
	var failed *sessionmanager.Error
	if errors.As(err, &failed) {
		operation = failed.Operation
	}

	var (
		sent   *httpclient.Error
		source *sessionmanager.CredentialsError
		named  *credentialsError
		other  *sessionmanager.OtherCaseError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.As(err, &named):
		return named.advice
	case errors.As(err, &source):
		return "Renew the credentials or sign in again, and check that the source of the credentials works: a profile, a role, a process."
	case errors.As(err, &sent) && sent.Permanent():
		return transportAdvice(sent.Cause)
	case wrongRegion(err):
		return "Remove region, or set it to the Region of the endpoint. Each Region with an endpoint of its own needs a provider block of its own."
	case errors.Is(err, sessionmanager.ErrAccessDenied) && operation == sessionmanager.StartSession && failed.Denied != "":
		return fmt.Sprintf("Allow the IAM action %s on %s.", operation.IAMAction(), deniedOn(failed.Denied))
	case errors.Is(err, sessionmanager.ErrAccessDenied) && operation != nil:
		return accessAdvice(operation)
	case errors.Is(err, sessionmanager.ErrTargetNotConnected):
		return "Check target, region and the account of the credentials, that the node runs, and that its SSM Agent is connected: the data source ssm_connection_status tells. A node that has just been created needs some time."
	case errors.Is(err, sessionmanager.ErrInvalidDocument):
		return "Give the name of a document of the type Session that exists in this account and Region."
	case errors.Is(err, sessionmanager.ErrInvalidParameters):
		return "Give the parameters that the document declares, with values that it allows."
	case errors.Is(err, sessionmanager.ErrNotFound) && operation == sessionmanager.TerminateSession:
		return "Check session_id, region and the account of the credentials. SSM forgets sessions 30 days after their end. " +
			"If a session that is gone is good enough, set if_not_found = \"succeed\"."
	case errors.Is(err, sessionmanager.ErrNotFound):
		return "Check session_id, region and the account of the credentials. SSM forgets sessions 30 days after their end."
	case errors.As(err, &other):
		return "Give the session ID exactly as SSM lists it."
	case errors.Is(err, sessionmanager.ErrUndetermined):
		return "Check the endpoint that the provider is configured with: AWS filters by session ID."
	case errors.Is(err, sessionmanager.ErrEnded):
		return "A session that has ended cannot be brought back; start a new one."
	case errors.Is(err, sessionmanager.ErrStillLive):
		return "Apply again to try once more, with a longer timeout if need be, and check the SSM Agent of the session's target."
	case errors.Is(err, sessionmanager.ErrContradictory):
		return "The session is open. Apply again later; if that does not help, end it on its target: restart the SSM Agent there."
	case errors.Is(err, sessionmanager.ErrTimedOut):
		return "A session that was idle for too long cannot be resumed, even while it is listed as active; start a new one."
	case errors.Is(err, sessionmanager.ErrIncompleteAnswer):
		return "Try again, and check what stands between the provider and SSM: proxies, custom endpoints."
	case errors.Is(err, sessionmanager.ErrClocks):
		return "Check the clock of this machine, and what stands between the provider and SSM: proxies, custom endpoints."
	case errors.Is(err, sessionmanager.ErrCredentials):
		advice := "Renew the credentials, and check that the clock of this machine is right."
		if refusedSignature(err) {
			advice += " White space at an end of the secret key also makes signatures wrong."
		}

		return advice
	case errors.Is(err, sessionmanager.ErrThrottled) && operation != nil:
		return fmt.Sprintf("AWS shares %g calls a second for %s among all users of the account and Region. Try again later, or with a longer timeout; max_requests_per_second in the provider block leaves quota to others.",
			operation.Quota(), operation)
	case errors.Is(err, sessionmanager.ErrUnavailable), errors.Is(err, sessionmanager.ErrDeadline), errorWithoutCode(err):
		return "Check the network, proxies and the endpoint that the provider is configured with, and try again."
	default:
		return ""
	}
}

// accessAdvice returns what an IAM policy must allow for an operation.
func accessAdvice(operation *sessionmanager.Operation) string {
	advice := fmt.Sprintf("Allow the IAM action %s on %s.", operation.IAMAction(), operation.IAMResource())
	if operation.IAMResourceIsSession() {
		advice += " Policies with conditions on session tags also deny sessions that have ended or never existed."
	}

	return advice
}

// refusedSignature reports whether AWS rejected the signature of a request.
func refusedSignature(err error) bool {
	var apiErr smithy.APIError

	return errors.As(err, &apiErr) && strings.Contains(apiErr.ErrorCode(), "Signature")
}

// transportAdvice returns what to do about a request that got no usable response, and
// for which a retry would not help.
func transportAdvice(cause httpclient.Cause) string {
	switch cause {
	case httpclient.CauseToken, httpclient.CauseSignature, httpclient.CauseHeader:
		return "Remove white space and line breaks from the credentials and the Region: a value that is read from a file often ends in one."
	case httpclient.CauseAuthority, httpclient.CauseHostname, httpclient.CauseExpired, httpclient.CauseCertificate, httpclient.CauseHandshake:
		return "Check the endpoint, and the clock of this machine. If a proxy or an endpoint of yours has a certificate of your own authority, set custom_ca_bundle in the provider block."
	case httpclient.CauseProxy, httpclient.CauseProxyLogin, httpclient.CauseProxyNoHTTP:
		return "Check https_proxy and no_proxy in the provider block, or the environment variables HTTPS_PROXY and NO_PROXY, and whether the proxy allows the endpoint."
	case httpclient.CauseNoSuchHost:
		return "Check the Region, the endpoints and the proxies of the provider block, the environment variables HTTPS_PROXY and HTTP_PROXY, and the name servers of this machine."
	case httpclient.CauseRefused:
		return "Check that something listens at the endpoint or the proxy, and that no firewall refuses the connection."
	default:
		return "Check the endpoint that the provider is configured with."
	}
}
