// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// Operation is an operation of the SSM API that the Client calls.
type Operation struct {
	name        string
	doing       func(*Error) string
	quota       float64
	iamResource string
}

// What policies grant the operations on. The text follows the word "on".
const (
	anything   = `the resource "*"`
	sessionARN = "the session's ARN"
)

// operations has every operation in the order of definition.
var operations []*Operation

// The operations that the Client calls, with the quota in calls per second for each
// account and Region, and with the resource that IAM policies grant them on.
// See https://docs.aws.amazon.com/general/latest/gr/ssm.html and
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html.
var (
	DescribeSessions = newOperation("DescribeSessions", lookingUp, callsPerSecond, anything)

	GetConnectionStatus = newOperation("GetConnectionStatus",
		func(*Error) string { return "asking for the connection status" }, 50, anything)

	ResumeSession = newOperation("ResumeSession",
		func(e *Error) string { return "resuming session " + e.SessionID }, callsPerSecond, sessionARN)

	StartSession = newOperation("StartSession",
		func(e *Error) string { return "starting a session on " + e.Target }, startsPerSecond, "the target's ARN and on the document's ARN")

	TerminateSession = newOperation("TerminateSession",
		func(e *Error) string { return "terminating session " + e.SessionID }, callsPerSecond, sessionARN)
)

// startsPerSecond is the quota of StartSession per account and Region.
const startsPerSecond = 3

// newOperation adds an operation to the list. The doing function returns the beginning
// of an error message. The quota is in calls per second.
func newOperation(name string, doing func(*Error) string, quota float64, iamResource string) *Operation {
	o := &Operation{name: name, doing: doing, quota: quota, iamResource: iamResource}
	operations = append(operations, o)

	return o
}

// lookingUp is the doing function for lookups of one session or of all sessions.
func lookingUp(e *Error) string {
	if e.SessionID == "" {
		return "looking up sessions"
	}

	return "looking up session " + e.SessionID
}

// Operations returns every operation that the Client can call.
func Operations() []*Operation {
	return slices.Clone(operations)
}

// String returns the operation's name in the API, such as TerminateSession.
func (o *Operation) String() string { return o.name }

// Quota returns the calls per second that AWS grants to each account in each Region.
func (o *Operation) Quota() float64 { return o.quota }

// IAMAction returns the IAM action for the operation, such as ssm:TerminateSession.
func (o *Operation) IAMAction() string { return "ssm:" + o.name }

// IAMResource returns the resource that a policy grants the action on, in words that
// follow "on", for example "the session's ARN".
func (o *Operation) IAMResource() string { return o.iamResource }

// IAMResourceIsSession reports whether a policy can grant the action on single sessions.
func (o *Operation) IAMResourceIsSession() bool { return o.iamResource == sessionARN }

// api has a call for each operation. It holds single functions instead of the
// ssm.Client: the Client is used through interfaces, so the linker would keep every
// operation of Systems Manager, which adds 4 MB to the binary.
type api struct {
	describeSessions    apiCall[ssm.DescribeSessionsInput, ssm.DescribeSessionsOutput]
	getConnectionStatus apiCall[ssm.GetConnectionStatusInput, ssm.GetConnectionStatusOutput]
	resumeSession       apiCall[ssm.ResumeSessionInput, ssm.ResumeSessionOutput]
	startSession        apiCall[ssm.StartSessionInput, ssm.StartSessionOutput]
	terminateSession    apiCall[ssm.TerminateSessionInput, ssm.TerminateSessionOutput]
}

// newAPI returns the calls of a client. The literals have no field names, so the
// compiler rejects an incomplete one.
func newAPI(client *ssm.Client) api {
	return api{
		apiCall[ssm.DescribeSessionsInput, ssm.DescribeSessionsOutput]{DescribeSessions, client.DescribeSessions, missingSessions},
		apiCall[ssm.GetConnectionStatusInput, ssm.GetConnectionStatusOutput]{GetConnectionStatus, client.GetConnectionStatus, missingStatus},
		apiCall[ssm.ResumeSessionInput, ssm.ResumeSessionOutput]{ResumeSession, client.ResumeSession, missingResumed},
		apiCall[ssm.StartSessionInput, ssm.StartSessionOutput]{StartSession, withoutRetries(client.StartSession), missingStarted},
		apiCall[ssm.TerminateSessionInput, ssm.TerminateSessionOutput]{TerminateSession, client.TerminateSession, missingTerminated},
	}
}

// apiCall is an operation and the SDK's function that calls it.
type apiCall[I, O any] struct {
	operation *Operation
	send      sendFunc[I, O]

	// missing says what the answer lacks, empty if it is complete. An endpoint that is
	// not SSM can report success for anything, so an incomplete answer proves nothing.
	missing func(*I, *O) string
}

// sendFunc is one of the SDK's calls.
type sendFunc[I, O any] func(context.Context, *I, ...func(*ssm.Options)) (*O, error)

// missingSessions rejects an answer without the list. SSM always sends a list, even an
// empty one, and the SDK keeps an empty list apart from a missing one.
func missingSessions(_ *ssm.DescribeSessionsInput, out *ssm.DescribeSessionsOutput) string {
	if out.Sessions == nil {
		return "the answer has no list of sessions"
	}

	return ""
}

func missingStatus(in *ssm.GetConnectionStatusInput, out *ssm.GetConnectionStatusOutput) string {
	switch {
	case aws.ToString(out.Target) != aws.ToString(in.Target):
		return "the answer does not name the target"
	case out.Status == "":
		return "the answer has no status"
	default:
		return ""
	}
}

func missingResumed(in *ssm.ResumeSessionInput, out *ssm.ResumeSessionOutput) string {
	switch {
	case out.SessionId == nil:
		return "the answer names no session"
	case *out.SessionId != aws.ToString(in.SessionId):
		return "the answer names another session"
	case aws.ToString(out.TokenValue) != "" && aws.ToString(out.StreamUrl) == "":
		return "the answer has a token but no stream URL"
	default:
		// An answer without a token means that the session has timed out. AWS's own
		// client reads it this way too.
		return ""
	}
}

func missingStarted(_ *ssm.StartSessionInput, out *ssm.StartSessionOutput) string {
	if aws.ToString(out.SessionId) == "" {
		return "the answer names no session"
	}

	// A session without a token or URL is still running, and is ended by its ID.
	return ""
}

func missingTerminated(in *ssm.TerminateSessionInput, out *ssm.TerminateSessionOutput) string {
	if aws.ToString(out.SessionId) != aws.ToString(in.SessionId) {
		return "the answer does not name the session"
	}

	return ""
}
