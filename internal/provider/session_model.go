// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/sessionops/terraform-provider-ssm/internal/sessionmanager"
)

const (
	sessionIDDescription = "ID of the session, 1 to 96 characters, for example `Mary-Major-07a16060613c408b5`."

	// operationTimeout limits operations without a timeouts argument, such as lookups.
	operationTimeout = 2 * time.Minute
)

// sessionIDValidators check only the API's own limits: the form of session IDs has
// changed before.
func sessionIDValidators() []validator.String {
	return []validator.String{
		judged{sessionmanager.FieldSessionID},
	}
}

// sessionModel is a session with all of its attributes.
type sessionModel struct {
	SessionID          types.String      `tfsdk:"session_id"`
	Target             types.String      `tfsdk:"target"`
	Status             types.String      `tfsdk:"status"`
	Owner              types.String      `tfsdk:"owner"`
	DocumentName       types.String      `tfsdk:"document_name"`
	Reason             types.String      `tfsdk:"reason"`
	StartDate          timetypes.RFC3339 `tfsdk:"start_date"`
	EndDate            timetypes.RFC3339 `tfsdk:"end_date"`
	MaxSessionDuration types.String      `tfsdk:"max_session_duration"`
	AccessType         types.String      `tfsdk:"access_type"`
	Details            types.String      `tfsdk:"details"`
	OutputURL          types.Object      `tfsdk:"output_url"`
}

var outputURLTypes = map[string]attr.Type{
	"s3_output_url":         types.StringType,
	"cloudwatch_output_url": types.StringType,
}

// sessionAttributes returns the attributes of sessionModel, all computed.
func sessionAttributes() map[string]schema.Attribute {
	text := func(description string) schema.StringAttribute {
		return schema.StringAttribute{Computed: true, MarkdownDescription: description}
	}
	date := func(description string) schema.StringAttribute {
		return schema.StringAttribute{CustomType: timetypes.RFC3339Type{}, Computed: true, MarkdownDescription: description}
	}

	return map[string]schema.Attribute{
		"session_id":           text("ID of the session."),
		"target":               text("Node that the session connects to."),
		"status":               text("Status of the session: " + quoted(sessionmanager.Statuses()) + "."),
		"owner":                text("ARN of who started the session."),
		"document_name":        text("SSM document that the session runs."),
		"reason":               text("Reason that was given for starting the session."),
		"start_date":           date("When the session started, in RFC 3339."),
		"end_date":             date("When the session ended, in RFC 3339."),
		"max_session_duration": text("Maximum duration of the session, in minutes."),
		"access_type":          text("Kind of access that the session was started with: " + quoted(sessionmanager.AccessTypes()) + "."),
		"details":              text("Details, which AWS reserves for future use."),
		"output_url": schema.SingleNestedAttribute{
			Computed:            true,
			MarkdownDescription: "Where the session's output is logged, which AWS reserves for future use.",
			Attributes: map[string]schema.Attribute{
				"s3_output_url":         text("URL in S3."),
				"cloudwatch_output_url": text("URL in CloudWatch Logs."),
			},
		},
	}
}

// flattenSession translates a session for Terraform. Missing values become null.
func flattenSession(session sessionmanager.Session) sessionModel {
	model := sessionModel{
		SessionID:          stringOrNull(session.SessionID),
		Target:             stringOrNull(session.Target),
		Status:             stringOrNull(session.Status),
		Owner:              stringOrNull(session.Owner),
		DocumentName:       stringOrNull(session.DocumentName),
		Reason:             stringOrNull(session.Reason),
		StartDate:          timeOrNull(session.StartDate),
		EndDate:            timeOrNull(session.EndDate),
		MaxSessionDuration: stringOrNull(session.MaxSessionDuration),
		AccessType:         stringOrNull(session.AccessType),
		Details:            stringOrNull(session.Details),
		OutputURL:          types.ObjectNull(outputURLTypes),
	}
	if session.S3OutputURL != "" || session.CloudWatchOutputURL != "" {
		model.OutputURL = types.ObjectValueMust(outputURLTypes, map[string]attr.Value{
			"s3_output_url":         stringOrNull(session.S3OutputURL),
			"cloudwatch_output_url": stringOrNull(session.CloudWatchOutputURL),
		})
	}

	return model
}

// stringOrNull returns null for an empty string: SSM returns those for missing values.
func stringOrNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}

	return types.StringValue(s)
}

// timeOrNull returns a time in RFC 3339, or null for the zero time.
func timeOrNull(t time.Time) timetypes.RFC3339 {
	if t.IsZero() {
		return timetypes.NewRFC3339Null()
	}

	return timetypes.NewRFC3339TimeValue(t)
}
