// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testControl serves a control API like fakessm's, and records the requests that change something.
func testControl(t *testing.T) (url string, changes *[]string) {
	t.Helper()

	changes = new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body string
		switch r.Method + " " + r.URL.Path {
		case "GET /control/sessions":
			body = `[
				{"SessionId": "a-1", "Owner": "arn:aws:iam::123456789012:user/team/a", "Target": "i-1", "Region": "us-east-1", "Status": "Connected"},
				{"SessionId": "long-name-2", "Owner": "b", "Target": "mi-22", "Region": "eu-central-1", "Status": "Terminated"}
			]`
		case "GET /control/requests":
			body = `[
				{"service": "sts", "operation": "GetCallerIdentity"},
				{"service": "ssm", "operation": "TerminateSession", "sessionId": "a-1", "errorCode": "ThrottlingException"},
				{"service": "ssm", "operation": "TerminateSession", "sessionId": "a-1"},
				{"service": "sts", "operation": "GetCallerIdentity"}
			]`
		case "DELETE /control/requests":
			*changes = append(*changes, r.Method+" "+r.URL.Path)
			w.WriteHeader(http.StatusNoContent)

			return
		default:
			http.NotFound(w, r)

			return
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)

	return server.URL + "/control", changes
}

func TestView_prints(t *testing.T) {
	t.Parallel()

	url, changes := testControl(t)
	tests := map[string]string{
		"sessions": "" +
			"a-1          a  i-1    us-east-1     Connected\n" +
			"long-name-2  b  mi-22  eu-central-1  Terminated\n",
		"requests": "" +
			"1  ssm  TerminateSession   a-1\n" +
			"1  ssm  TerminateSession   a-1  ThrottlingException\n" +
			"2  sts  GetCallerIdentity  \n",
		"reset": "",
	}
	for command, want := range tests {
		var stdout bytes.Buffer
		if err := run(t.Context(), []string{"view", command, url + "/"}, &stdout, io.Discard); err != nil {
			t.Errorf("%s: %s", command, err)
		}
		if diff := cmp.Diff(want, stdout.String()); diff != "" {
			t.Errorf("%s: unexpected output (-want +got):\n%s", command, diff)
		}
	}
	if diff := cmp.Diff([]string{"DELETE /control/requests"}, *changes); diff != "" {
		t.Errorf("unexpected changes (-want +got):\n%s", diff)
	}
}

func TestView_refuses(t *testing.T) {
	t.Parallel()

	url, _ := testControl(t)
	tests := map[string]struct {
		args []string
		want string
	}{
		"no URL":            {[]string{"sessions"}, "usage:"},
		"an unknown word":   {[]string{"faults", url}, `"faults" cannot be viewed`},
		"a flag":            {[]string{"-sessions", url}, "not defined: -sessions"},
		"an unexpected URL": {[]string{"sessions", url + "/elsewhere"}, "404 Not Found"},
		"no endpoint":       {[]string{"reset", "http://127.0.0.1:1"}, "connection refused"},
		"an invalid URL":    {[]string{"sessions", "::"}, "missing protocol scheme"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var stdout bytes.Buffer
			err := run(t.Context(), append([]string{"view"}, test.args...), &stdout, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one with %q", err, test.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("unexpected output %q", stdout.String())
			}
		})
	}
}
