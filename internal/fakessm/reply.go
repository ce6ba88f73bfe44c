// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
)

// apiError is an error with its SSM code. Some errors have other codes in STS.
type apiError struct {
	code    string
	message string
	// status is 0 for the usual status of the code.
	status int
	// page is set for the answer to a request that is not an API request.
	page bool
}

func noSuchPage() *apiError {
	return &apiError{code: "UnknownOperationException", status: http.StatusNotFound, page: true}
}

func throttled() *apiError {
	return &apiError{code: "ThrottlingException", message: "Rate exceeded"}
}

func invalidState() *apiError {
	return &apiError{code: "ValidationException", message: "Session is not in a valid state"}
}

func doesNotExist() *apiError {
	return &apiError{code: "DoesNotExistException", message: "Session does not exist"}
}

// upperCaseMessages has the errors whose text is in the member Message. Errors of the front end use
// message.
var upperCaseMessages = map[string]bool{
	"AccessDeniedException": true,
	"DoesNotExistException": true,
	"InternalServerError":   true,
	"InvalidFilterKey":      true,
	"InvalidNextToken":      true,
}

// stsErrors maps SSM error codes to the code and status of STS.
var stsErrors = map[string]struct {
	code   string
	status int
}{
	"AccessDeniedException":               {"AccessDenied", http.StatusForbidden},
	"ExpiredTokenException":               {"ExpiredToken", http.StatusForbidden},
	"IncompleteSignatureException":        {"IncompleteSignature", http.StatusBadRequest},
	"InternalServerError":                 {"InternalFailure", http.StatusInternalServerError},
	"InvalidSignatureException":           {"SignatureDoesNotMatch", http.StatusForbidden},
	"MissingAuthenticationTokenException": {"MissingAuthenticationToken", http.StatusForbidden},
	"ThrottlingException":                 {"Throttling", http.StatusBadRequest},
	"UnknownOperationException":           {"InvalidAction", http.StatusBadRequest},
	"UnrecognizedClientException":         {"InvalidClientTokenId", http.StatusForbidden},
	"ValidationException":                 {"ValidationError", http.StatusBadRequest},
}

// reply is an answer that has not been sent yet.
type reply struct {
	status      int
	contentType string
	body        []byte
	code        string
	delivery    func(http.ResponseWriter, *http.Request, reply)
}

func (r reply) send(w http.ResponseWriter, req *http.Request) {
	if r.delivery != nil {
		r.delivery(w, req, r)

		return
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body)
}

// accept encodes the result of an operation.
func (c *call) accept(result any) reply {
	if c.service == "sts" {
		return xmlReply(http.StatusOK, result)
	}

	return jsonReply(http.StatusOK, result)
}

// refuse encodes an error.
func (c *call) refuse(e *apiError) reply {
	var r reply
	switch status := e.status; {
	case e.page:
		r = reply{status: status, contentType: "text/xml", body: []byte("<UnknownOperationException/>\n"), code: e.code}
	case c.service == "sts":
		code := e.code
		if sts, ok := stsErrors[code]; ok && status == 0 {
			code, status = sts.code, sts.status
		}
		if status == 0 {
			status = http.StatusBadRequest
		}
		r = xmlReply(status, stsError(c.requestID, code, e.message, status))
		r.code = code
	default:
		if status == 0 {
			status = http.StatusBadRequest
			if e.code == "InternalServerError" {
				status = http.StatusInternalServerError
			}
		}
		body := map[string]string{"__type": e.code}
		switch {
		case e.message == "":
		case upperCaseMessages[e.code]:
			body["Message"] = e.message
		default:
			body["message"] = e.message
		}
		r = jsonReply(status, body)
		r.code = e.code
	}

	return r
}

func jsonReply(status int, value any) reply {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	// The service does not escape the & of a stream URL.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}

	return reply{status: status, contentType: "application/x-amz-json-1.1", body: bytes.TrimSpace(body.Bytes())}
}

func xmlReply(status int, value any) reply {
	body, err := xml.MarshalIndent(value, "", "  ")
	if err != nil {
		panic(err)
	}

	return reply{status: status, contentType: "text/xml", body: body}
}
