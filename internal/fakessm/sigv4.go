// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	signingAlgorithm = "AWS4-HMAC-SHA256"
	signingTime      = "20060102T150405Z"
	allowedSkew      = 5 * time.Minute
)

// signature is a parsed Authorization header. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
//
// The SDK's signer chooses the signed headers itself, so it cannot verify the signatures of
// other clients.
type signature struct {
	accessKeyID   string
	date          string
	region        string
	service       string
	signedHeaders []string
	value         string
}

func parseAuthorization(header string) *signature {
	rest, ok := strings.CutPrefix(header, signingAlgorithm+" ")
	if !ok {
		return nil
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || parts["SignedHeaders"] == "" || parts["Signature"] == "" {
		return nil
	}

	return &signature{
		accessKeyID:   scope[0],
		date:          scope[1],
		region:        scope[2],
		service:       scope[3],
		signedHeaders: strings.Split(parts["SignedHeaders"], ";"),
		value:         parts["Signature"],
	}
}

// checkDate checks the date of a signature.
func (s *signature) checkDate(c *call, now time.Time) *apiError {
	date := c.http.Header.Get("X-Amz-Date")
	signed, err := time.Parse(signingTime, date)
	if err != nil {
		return &apiError{
			code:    "IncompleteSignatureException",
			message: "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
		}
	}
	switch {
	case now.Sub(signed) > allowedSkew:
		return signatureExpired(date, now)
	case signed.Sub(now) > allowedSkew:
		return invalidSignature(fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 5 min.)",
			date, now.Add(allowedSkew).UTC().Format(signingTime), now.UTC().Format(signingTime)))
	case !strings.HasPrefix(date, s.date+"T"):
		return invalidSignature(fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'.",
			s.date, signed.Format("20060102")))
	}

	return nil
}

// verify checks a signature, and that it covers all required headers.
func (s *signature) verify(c *call, secret string) *apiError {
	if s.service != c.service {
		return invalidSignature("Credential should be scoped to correct service: '" + c.service + "'.")
	}
	required := []string{"host"}
	for name := range c.http.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") {
			required = append(required, name)
		}
	}
	for _, name := range required {
		if !slices.Contains(s.signedHeaders, name) {
			return invalidSignature("'" + name + "' must be a 'SignedHeader' in the AWS Authorization.")
		}
	}
	signingKey := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, "aws4_request"} {
		signingKey = mac(signingKey, part)
	}
	// It is unknown whether the service treats a raw + in a query as a space or a plus.
	for _, query := range []string{c.http.URL.RawQuery, strings.ReplaceAll(c.http.URL.RawQuery, "+", "%2B")} {
		canonical := sha256.Sum256([]byte(s.canonicalRequest(c, query)))
		toSign := strings.Join([]string{
			signingAlgorithm,
			c.http.Header.Get("X-Amz-Date"),
			s.date + "/" + s.region + "/" + s.service + "/aws4_request",
			hex.EncodeToString(canonical[:]),
		}, "\n")
		if hmac.Equal([]byte(s.value), []byte(hex.EncodeToString(mac(signingKey, toSign)))) {
			return nil
		}
	}

	return invalidSignature("The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}

func (s *signature) canonicalRequest(c *call, query string) string {
	var b strings.Builder
	values, _ := url.ParseQuery(query)
	fmt.Fprintf(&b, "%s\n%s\n%s\n", c.http.Method, canonicalPath(c.http.URL), canonicalQuery(values))
	for _, name := range s.signedHeaders {
		fmt.Fprintf(&b, "%s:%s\n", name, canonicalHeader(c.http, name))
	}
	payload := sha256.Sum256(c.body)
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(s.signedHeaders, ";"), hex.EncodeToString(payload[:]))

	return b.String()
}

// canonicalPath escapes the path a second time, as all services except S3 require.
func canonicalPath(u *url.URL) string {
	var b strings.Builder
	for _, c := range []byte(u.EscapedPath()) {
		switch {
		case c == '/', c == '-', c == '_', c == '.', c == '~', '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() == 0 {
		return "/"
	}

	return b.String()
}

func canonicalQuery(query url.Values) string {
	for _, values := range query {
		slices.Sort(values)
	}

	return strings.ReplaceAll(query.Encode(), "+", "%20")
}

func canonicalHeader(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, value := range values {
		values[i] = strings.Join(strings.Fields(value), " ")
	}

	return strings.Join(values, ",")
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))

	return h.Sum(nil)
}

func invalidSignature(message string) *apiError {
	return &apiError{code: "InvalidSignatureException", message: message}
}

func signatureExpired(date string, now time.Time) *apiError {
	return invalidSignature(fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 5 min.)",
		date, now.Add(-allowedSkew).UTC().Format(signingTime), now.UTC().Format(signingTime)))
}
