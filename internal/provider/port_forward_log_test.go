// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"bytes"
	"testing"

	"github.com/hashicorp/terraform-plugin-log/tflogtest"

	"github.com/sessionops/terraform-provider-ssm/internal/datachannel"
)

// A channel whose agent acknowledges nothing keeps connections waiting. TF_LOG=WARN shows that.
func TestLogChannel_levels(t *testing.T) {
	t.Parallel()

	for kind, want := range map[datachannel.EventKind]string{
		datachannel.Opened: "debug", datachannel.Broken: "debug", datachannel.Resumed: "debug", datachannel.Paused: "debug",
		datachannel.Stalled: "warn",
	} {
		var log bytes.Buffer
		logChannel(tflogtest.RootLogger(t.Context(), &log), datachannel.Event{Kind: kind, SessionID: "mary-1", Unacknowledged: 7})
		lines, err := tflogtest.MultilineJSONDecode(&log)
		if err != nil || len(lines) != 1 {
			t.Fatalf("%s: got %v, %v", kind, lines, err)
		}
		if line := lines[0]; line["@level"] != want || line["@message"] != "Data channel: "+string(kind) || line["session_id"] != "mary-1" || line["unacknowledged"] != 7.0 {
			t.Errorf("got %v, want the level %q", line, want)
		}
	}
}
