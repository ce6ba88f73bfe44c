// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessionops/terraform-provider-ssm/internal/providertest/endpoint"
	"github.com/sessionops/terraform-provider-ssm/internal/providertest/protocol"
)

// testTransport answers every request with the same body, without a network.
type testTransport struct{ body []byte }

func (a *testTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode:    http.StatusOK,
		Header:        http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body:          io.NopCloser(bytes.NewReader(a.body)),
		ContentLength: int64(len(a.body)),
		Request:       r,
	}, nil
}

// FuzzFlattenSession makes the endpoint describe a session in any way. The data source
// shows what it says, and null for the rest.
func FuzzFlattenSession(f *testing.F) {
	f.Add("Mary", "i-1", "Connected", "60", 1724889600.5, "s3", "")
	f.Add("", "", "", "", 0.0, "", "")
	f.Add("\x00\x1b", "%s", "${x}", "1045", -1.0, "", "cw")
	f.Add("😀", "\"", "\\", "x", 9e9, "\n", "\u2028")
	f.Add("\xff", "\xed\xa0\x80", "Terminated", "", 1e300, "s3", "cw")

	var transport testTransport
	var server *protocol.Server
	f.Fuzz(func(t *testing.T, owner, target, status, duration string, date float64, s3, cloudWatch string) {
		if math.IsNaN(date) || math.IsInf(date, 0) {
			return
		}
		if server == nil {
			server = newServerWithClient(t, &http.Client{Transport: &transport}, testArguments(endpoint.BubbleURL, offlineArguments))
			protocol.WantNoDiagnostics(t, server.Configure())
		}
		s := server.In(t)
		body, err := json.Marshal(map[string]any{"Sessions": []any{map[string]any{
			"SessionId": testLive, "Owner": owner, "Target": target, "Status": status, "MaxSessionDuration": duration, "StartDate": date,
			"OutputUrl": map[string]any{"S3OutputUrl": s3, "CloudWatchOutputUrl": cloudWatch},
		}}})
		s.Must(err)
		transport.body = body

		got, diags := s.ReadDataSource("ssm_session", map[string]any{"session_id": testLive})
		protocol.WantNoDiagnostics(t, diags)

		// JSON is UTF-8, and empty strings are null in state.
		shown := func(text string) any {
			if text == "" {
				return nil
			}

			return text
		}
		want := map[string]any{
			"session_id": testLive, "region": testRegion, "owner": shown(owner), "target": shown(target), "status": shown(status),
			"max_session_duration": shown(duration), "output_url": nil, "start_date": got["start_date"],
			"end_date": nil, "document_name": nil, "reason": nil, "details": nil, "access_type": nil,
		}
		if s3 != "" || cloudWatch != "" {
			want["output_url"] = map[string]any{"s3_output_url": shown(s3), "cloudwatch_output_url": shown(cloudWatch)}
		}
		// The SDK counts nanoseconds in 64 bits, so dates after the year 2262 become
		// arbitrary.
		if math.Abs(date) < math.MaxInt64/1e9 {
			want["start_date"] = time.UnixMilli(int64(date * 1000)).UTC().Truncate(time.Second).Format(time.RFC3339)
		}
		alike := cmp.Comparer(func(a, b string) bool { return oneMark(a) == oneMark(b) })
		if diff := cmp.Diff(want, got, alike); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// oneMark replaces each run of bytes that are not UTF-8, and each run of U+FFFD, with one
// U+FFFD.
func oneMark(text string) string {
	const mark = "\ufffd"
	text = strings.ToValidUTF8(text, mark)
	for strings.Contains(text, mark+mark) {
		text = strings.ReplaceAll(text, mark+mark, mark)
	}

	return text
}
