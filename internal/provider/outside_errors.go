// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const adviceWay = "Check the network, proxies, certificates and the endpoints that the provider is configured with, and try again."

// transportFailure returns why a request got no usable response, as a clause. It returns
// "" for other errors.
func transportFailure(err error) string {
	var (
		sendErr interface{ ConnectionError() bool }
		urlErr  *url.Error
		opErr   *net.OpError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "the operation was cancelled"
	case errors.As(err, &sendErr) && sendErr.ConnectionError(), errors.As(err, &urlErr), errors.As(err, &opErr):
		return httpclient.Classify(err).Error()
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer came in the time allowed"
	default:
		return ""
	}
}

// awsAnswer quotes an error of AWS: service, operation, code and message. It hides long
// words, because errors of STS and IAM Identity Center may repeat tokens.
func awsAnswer(err error) string { return quotable(sessionmanager.CauseOf(err).Text) }

// awsRequestID returns the request ID of an error of AWS, or "".
func awsRequestID(err error) string { return sessionmanager.CauseOf(err).RequestID }

// awsAnswerLines quotes an error of AWS, with its request ID on a second line. The lines
// end the detail of a diagnostic.
func awsAnswerLines(err error) string {
	lines := "Error: " + awsAnswer(err)
	if id := awsRequestID(err); id != "" {
		lines += "\n" + requestIDLine(id)
	}

	return lines
}

// longestWord is the longest word that quotable shows, unless the word matches
// harmlessWord. Keys and tokens are longer.
const longestWord = 24

// harmlessWord matches ARNs, IAM actions, request IDs, and the names of operations and
// errors with the colon after them, which may be longer.
var harmlessWord = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\W?(arn:aws[a-z-]*:(iam|sts|sso):[a-z0-9-]*:[0-9]{12}:[\w+=,.@/*-]{1,200}|(iam|sts|sso):[A-Za-z*]{1,40}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\W?$|^([A-Z][a-z]+){2,8}:$`)
})

// quotable returns the part of an outside text that is safe to show. It drops everything
// after a line break, where AWS puts the signed text of a rejected signature. It also
// hides long words, which may be secrets.
func quotable(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text, _, _ = strings.Cut(text, "The Canonical String")
	words := strings.Fields(text)
	for i, word := range words {
		if len(word) > longestWord && !harmlessWord().MatchString(word) {
			words[i] = "(not shown)"
		}
	}

	return printable(strings.Join(words, " "))
}

// attemptTimeout limits one attempt to call STS or IAM.
const attemptTimeout = 20 * time.Second

// withTransportErrors returns a configuration whose calls fail with errors of package
// httpclient. The SDK does not retry those that a retry cannot fix.
func withTransportErrors(cfg aws.Config) aws.Config {
	if buildable, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = buildable.WithTransportOptions(httpclient.ObserveProxy).WithTimeout(attemptTimeout)
	}
	cfg.HTTPClient = httpclient.Client{HTTPClient: cfg.HTTPClient}

	return cfg
}
