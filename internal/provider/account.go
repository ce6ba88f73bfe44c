// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package provider

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/types"
)

// What an account is compared with, as the beginning of a sentence.
const (
	accountOfPlan  = "The plan was made for"
	accountOfDrain = "This drain was created in"
)

// currentAccount returns the account of the provider's credentials. It is null if the
// provider does not know it.
func (m *providerMeta) currentAccount() types.String {
	if !m.ready() {
		return types.StringNull()
	}

	return stringOrNull(m.accountID)
}

// plannedAccount returns the account for a plan. It is unknown if the provider is not
// configured yet.
func (m *providerMeta) plannedAccount() types.String {
	if !m.ready() {
		return types.StringUnknown()
	}

	return m.currentAccount()
}

// accountProblem returns why the provider must not act for an account that is in a plan or in
// state, or "". The beginning says where the account is from. Sessions of another account
// would be ended that no plan has shown.
func (m *providerMeta) accountProblem(beginning, account string) string {
	switch {
	case account == "" || account == m.accountID:
		return ""
	case m.accountID == "":
		return fmt.Sprintf("%s account %s, but the provider does not know the account of its credentials.\n\nRemove skip_requesting_account_id from the provider block.", beginning, account)
	default:
		return fmt.Sprintf("%s account %s, but the provider's credentials belong to account %s.\n\nUse credentials of account %s.", beginning, account, m.accountID, account)
	}
}
