// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

const (
	summaryPlanResumes = "Session Resumed by Plans"

	streamURLDescription = "WebSocket URL of the data channel, exactly as SSM gave it. Do not decode or re-encode it. " +
		"With the token it gives access to the node."
	tokenValueDescription = "Token that authenticates a client on the data channel. It is valid for a short time, which AWS does not document."
)

// resume calls ResumeSession and stores the result in the model.
func (m *sessionResumeModel) resume(ctx context.Context, meta *providerMeta, diags *diag.Diagnostics) {
	if !meta.prepare(summaryResume, &m.regionModel, diags) {
		return
	}

	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()

	session := m.ref(m.SessionID)
	connection, err := meta.client.Resume(ctx, session)
	if err != nil {
		diags.AddAttributeError(path.Root("session_id"), summaryResume,
			failureDetail(meta.failureSentence(session, "was not resumed", err), err))

		return
	}

	m.StreamURL = types.StringValue(connection.StreamURL)
	m.TokenValue = types.StringValue(connection.TokenValue)
}
