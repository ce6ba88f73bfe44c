// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timetypes/timetypes"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

const (
	sessionIDDescription = "ID of the session, 1 to 96 characters, for example `Mary-Major-07a16060613c408b5`."

	// operationTimeout bounds what has no timeouts argument: look-ups and resuming.
	operationTimeout = 2 * time.Minute
)

// sessionIDValidators check a session ID by the API's own constraint, and no more:
// its form has changed before.
func sessionIDValidators() []validator.String {
	return []validator.String{
		stringvalidator.UTF8LengthBetween(1, 96),
		sessionIDLooks{},
	}
}

var (
	nodeIDShape     = regexp.MustCompile(`^(i|mi)-[0-9a-f]{8,17}$`)
	sessionARNShape = regexp.MustCompile(`^arn:[^:]*:ssm:[^:]*:[^:]*:session/`)
)

// sessionIDLooks warns of a value that is probably not a session ID.
type sessionIDLooks struct{}

func (v sessionIDLooks) Description(context.Context) string {
	return "value should be a session ID, not the ID of a node or an ARN"
}

func (v sessionIDLooks) MarkdownDescription(ctx context.Context) string {
	return v.Description(ctx)
}

func (v sessionIDLooks) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	value := req.ConfigValue.ValueString()

	switch {
	case nodeIDShape.MatchString(value):
		resp.Diagnostics.AddAttributeWarning(req.Path, "Node ID Instead of Session ID",
			fmt.Sprintf("%q looks like the ID of a managed node. A session ID looks like \"Mary-Major-07a16060613c408b5\".", value))
	case sessionARNShape.MatchString(value):
		resp.Diagnostics.AddAttributeWarning(req.Path, "ARN Instead of Session ID",
			fmt.Sprintf("%q is a session's ARN. The session ID is what follows \"session/\".", value))
	}
}

// stringOrNull keeps the service's empty strings out of state.
func stringOrNull(s string) types.String {
	if s == "" {
		return types.StringNull()
	}

	return types.StringValue(s)
}

// timeOrNull words a time as RFC 3339, and none as null.
func timeOrNull(t time.Time) timetypes.RFC3339 {
	if t.IsZero() {
		return timetypes.NewRFC3339Null()
	}

	return timetypes.NewRFC3339TimeValue(t)
}
