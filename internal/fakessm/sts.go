// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

var stsOperations = map[string]operation{
	"AssumeRole":                (*Server).assumeRole,
	"AssumeRoleWithWebIdentity": (*Server).assumeRoleWithWebIdentity,
	"GetCallerIdentity":         (*Server).getCallerIdentity,
}

// secretParameters are never recorded.
var secretParameters = map[string]bool{
	"SAMLAssertion":    true,
	"TokenCode":        true,
	"WebIdentityToken": true,
}

var (
	roleARNPattern         = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::(\d{12}):role/(?:[\x21-\x7e]+/)?([\w+=,.@-]{1,64})$`)
	roleSessionNamePattern = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

type responseMetadata struct {
	RequestID string `xml:"RequestId"`
}

type getCallerIdentityResponse struct {
	XMLName  xml.Name         `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	ARN      string           `xml:"GetCallerIdentityResult>Arn"`
	UserID   string           `xml:"GetCallerIdentityResult>UserId"`
	Account  string           `xml:"GetCallerIdentityResult>Account"`
	Metadata responseMetadata `xml:"ResponseMetadata"`
}

type assumeRoleResponse struct {
	XMLName  xml.Name
	Result   assumeRoleResult
	Metadata responseMetadata `xml:"ResponseMetadata"`
}

type assumeRoleResult struct {
	XMLName         xml.Name
	AccessKeyID     string `xml:"Credentials>AccessKeyId"`
	SecretAccessKey string `xml:"Credentials>SecretAccessKey"`
	SessionToken    string `xml:"Credentials>SessionToken"`
	Expiration      string `xml:"Credentials>Expiration"`
	ARN             string `xml:"AssumedRoleUser>Arn"`
	AssumedRoleID   string `xml:"AssumedRoleUser>AssumedRoleId"`
	SourceIdentity  string `xml:"SourceIdentity,omitempty"`
	Subject         string `xml:"SubjectFromWebIdentityToken,omitempty"`
	Provider        string `xml:"Provider,omitempty"`
	Audience        string `xml:"Audience,omitempty"`
}

type stsErrorResponse struct {
	XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func stsError(requestID, code, message string, status int) stsErrorResponse {
	kind := "Sender"
	if status >= http.StatusInternalServerError {
		kind = "Receiver"
	}

	return stsErrorResponse{Type: kind, Code: code, Message: message, RequestID: requestID}
}

func (s *Server) getCallerIdentity(c *call) (any, *apiError) {
	return getCallerIdentityResponse{
		ARN:      c.caller.arn,
		UserID:   c.caller.userID,
		Account:  c.caller.account,
		Metadata: responseMetadata{RequestID: c.requestID},
	}, nil
}

func (s *Server) assumeRole(c *call) (any, *apiError) {
	longest := 12 * time.Hour
	if c.caller.isRoleSession() {
		longest = time.Hour
	}

	return s.issueCredentials(c, longest)
}

func (s *Server) assumeRoleWithWebIdentity(c *call) (any, *apiError) {
	token := c.form.Get("WebIdentityToken")
	switch {
	case token == "":
		var checks checks
		checks.fail("webIdentityToken", "null", "not be null")

		return nil, checks.problem()
	case s.webIdentityToken != "" && token != s.webIdentityToken:
		return nil, &apiError{code: "InvalidIdentityToken", message: "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements"}
	}

	return s.issueCredentials(c, 12*time.Hour)
}

// issueCredentials creates the credentials of a role session.
func (s *Server) issueCredentials(c *call, longest time.Duration) (any, *apiError) {
	var checks checks
	role := roleARNPattern.FindStringSubmatch(c.form.Get("RoleArn"))
	name := c.form.Get("RoleSessionName")
	if !roleSessionNamePattern.MatchString(name) {
		checks.fail("roleSessionName", "'"+name+"'", `satisfy regular expression pattern: [\w+=,.@-]*`)
	}
	seconds := 3600
	if text := c.form.Get("DurationSeconds"); text != "" {
		seconds, _ = strconv.Atoi(text)
		checks.between("durationSeconds", seconds, 900, 43200)
	}
	if problem := checks.problem(); problem != nil {
		return nil, problem
	}
	if role == nil {
		return nil, &apiError{code: "ValidationException", message: c.form.Get("RoleArn") + " is invalid"}
	}
	if time.Duration(seconds)*time.Second > longest {
		return nil, &apiError{code: "ValidationException", message: "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"}
	}

	id := identity{
		accessKeyID:     "ASIA" + base32.StdEncoding.EncodeToString(random(10)),
		secretAccessKey: base64.StdEncoding.EncodeToString(random(30)),
		sessionToken:    base64.StdEncoding.EncodeToString(random(210)),
		account:         role[2],
		arn:             fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", role[1], role[2], role[3], name),
		userID:          roleID(role[0]) + ":" + name,
		expires:         s.now().Add(time.Duration(seconds) * time.Second).Truncate(time.Second),
	}
	s.identities.add(id)
	result := assumeRoleResult{
		XMLName:         xml.Name{Local: c.operation + "Result"},
		AccessKeyID:     id.accessKeyID,
		SecretAccessKey: id.secretAccessKey,
		SessionToken:    id.sessionToken,
		Expiration:      id.expires.UTC().Format(time.RFC3339),
		ARN:             id.arn,
		AssumedRoleID:   id.userID,
		SourceIdentity:  c.form.Get("SourceIdentity"),
	}
	if c.operation == "AssumeRoleWithWebIdentity" {
		result.Subject = "system:serviceaccount:default:terraform"
		result.Provider = "arn:aws:iam::" + role[2] + ":oidc-provider/oidc.example.com"
		result.Audience = "sts.amazonaws.com"
	}

	return assumeRoleResponse{
		XMLName:  xml.Name{Space: stsNamespace, Local: c.operation + "Response"},
		Result:   result,
		Metadata: responseMetadata{RequestID: c.requestID},
	}, nil
}

// roleID returns the unique ID of a role. It depends on the ARN only.
func roleID(arn string) string {
	sum := sha256.Sum256([]byte(arn))

	return "AROA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)

	return b
}
