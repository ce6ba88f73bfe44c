// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// ConnectionStatus tells whether a target can take sessions: connected or
// notconnected, or a newer value of the API.
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
