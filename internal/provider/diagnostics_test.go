// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"strings"
	"testing"

	"github.com/sessionops/terraform-provider-ssm/internal/httpclient"
)

// The advice for a cause that only a proxy can have names the settings of proxies.
func TestTransportAdvice_proxy(t *testing.T) {
	t.Parallel()

	for _, cause := range []httpclient.Cause{httpclient.CauseProxy, httpclient.CauseProxyLogin, httpclient.CauseProxyNoHTTP} {
		if advice := transportAdvice(cause); !strings.Contains(advice, "https_proxy") {
			t.Errorf("%s: the advice is %q", cause, advice)
		}
	}
	for _, cause := range []httpclient.Cause{httpclient.CauseScheme, httpclient.CauseNoTLS, httpclient.CauseNoHTTP, httpclient.CauseTooLong} {
		if advice := transportAdvice(cause); strings.Contains(advice, "https_proxy") || !strings.Contains(advice, "endpoint") {
			t.Errorf("%s: the advice is %q", cause, advice)
		}
	}
}
