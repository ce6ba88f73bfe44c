// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// ConnectionStatus returns whether a target can accept sessions: connected,
// notconnected, or a value that the API adds later.
//
// See https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetConnectionStatus.html.
func (c *Client) ConnectionStatus(ctx context.Context, region, target string) (string, error) {
	output, _, err := c.api.getConnectionStatus.call(ctx, SessionRef{Region: region},
		&ssm.GetConnectionStatusInput{Target: aws.String(target)})
	if err != nil {
		return "", err
	}

	return string(output.Status), nil
}
