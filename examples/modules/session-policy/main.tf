# Finds the sessions that break a policy, and ends them if enforce is true.

terraform {
  required_version = ">= 1.7"

  required_providers {
    ssm = {
      source = "sessionops/ssm"
    }
  }
}

# All sessions that the policy covers.
data "ssm_sessions" "covered" {
  region         = var.region
  exclude_owners = var.exempt_owners
}

data "ssm_sessions" "too_old" {
  count = var.max_age == null ? 0 : 1

  region         = var.region
  older_than     = var.max_age
  exclude_owners = var.exempt_owners
}

data "ssm_sessions" "forbidden_owner" {
  count = length(var.forbidden_owners) == 0 ? 0 : 1

  region         = var.region
  owners         = var.forbidden_owners
  exclude_owners = var.exempt_owners
}

data "ssm_sessions" "forbidden_node" {
  count = length(var.forbidden_nodes) == 0 ? 0 : 1

  region         = var.region
  targets        = var.forbidden_nodes
  exclude_owners = var.exempt_owners
}

locals {
  sessions = { for session in data.ssm_sessions.covered.sessions : session.session_id => session if session.session_id != null }

  # Terminating counts as ended.
  ended = [for id, session in local.sessions : id if contains(["Terminating", "Terminated", "Failed"], coalesce(session.status, "unknown"))]

  # The listing is sorted by start date, so the first sessions of an owner are the oldest.
  by_owner = {
    for id in data.ssm_sessions.covered.session_ids : local.sessions[id].owner => id...
    if try(local.sessions[id].owner, null) != null && !contains(local.ended, id)
  }

  matching = {
    forbidden_node  = flatten(data.ssm_sessions.forbidden_node[*].session_ids)
    forbidden_owner = flatten(data.ssm_sessions.forbidden_owner[*].session_ids)
    max_age         = flatten(data.ssm_sessions.too_old[*].session_ids)
    max_per_owner   = var.max_per_owner == null ? [] : flatten([for ids in local.by_owner : slice(ids, 0, max(0, length(ids) - var.max_per_owner))])
  }
  broken = { for rule, ids in local.matching : rule => sort([for id in ids : id if !contains(local.ended, id)]) }

  violations = {
    for id in distinct(flatten(values(local.broken))) : id => [for rule, ids in local.broken : rule if contains(ids, id)]
  }

  # The selection of each rule's drain. A drain cannot count the sessions of an owner.
  selections = {
    forbidden_node  = { targets = var.forbidden_nodes, owners = null, older_than = null }
    forbidden_owner = { targets = null, owners = var.forbidden_owners, older_than = null }
    max_age         = { targets = null, owners = null, older_than = var.max_age }
  }
}

# One drain per broken rule. It lists the sessions again when it runs, and ends all that
# break the rule at that time.
resource "ssm_session_drain" "violations" {
  for_each = { for rule, selection in local.selections : rule => selection if var.enforce && length(local.broken[rule]) > 0 }

  region         = var.region
  targets        = each.value.targets
  owners         = each.value.owners
  older_than     = each.value.older_than
  exclude_owners = var.exempt_owners
  max_sessions   = var.max_ended

  # Run the drain again when other sessions break the rule.
  triggers = {
    sessions = join(",", local.broken[each.key])
  }

  lifecycle {
    precondition {
      condition     = length(local.violations) <= var.max_ended
      error_message = "${length(local.violations)} sessions break the policy, but max_ended is ${var.max_ended}. No session is ended. Check the output violations first."
    }
  }
}

# One termination per session that breaks only max_per_owner.
resource "ssm_session_termination" "violation" {
  for_each = { for id, rules in local.violations : id => rules if var.enforce && join(",", rules) == "max_per_owner" }

  session_id = each.key
  region     = var.region

  # The session may end and be deleted from the history between plan and apply.
  if_not_found = "succeed"

  lifecycle {
    precondition {
      condition     = length(local.violations) <= var.max_ended
      error_message = "${length(local.violations)} sessions break the policy, but max_ended is ${var.max_ended}. No session is ended. Check the output violations first."
    }
  }
}
