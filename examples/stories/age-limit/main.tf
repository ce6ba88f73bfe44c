terraform {
  required_version = ">= 1.5"

  required_providers {
    ssm = {
      source = "sessionops/ssm"
    }
  }
}

# Region, credentials and endpoint come from the environment.
provider "ssm" {}

variable "limit" {
  description = "How old a session may become."
  type        = string
  default     = "8h"
}

variable "enforce" {
  description = "Whether to end sessions that are older, or only to report them."
  type        = bool
  default     = false
}

locals {
  spared = ["arn:*:sts::*:assumed-role/BreakGlass/*"]
}

resource "ssm_session_drain" "old" {
  count = var.enforce ? 1 : 0

  older_than     = var.limit
  exclude_owners = local.spared
  max_sessions   = 50

  # The time of the plan is another one in each run: each run drains anew.
  triggers = {
    run = plantimestamp()
  }
}

output "ended" {
  description = "What became of each session, and the request ID by which CloudTrail tells of the call."
  value = merge([
    for drain in ssm_session_drain.old : {
      for id, outcome in drain.outcomes : id => { outcome = outcome, request_id = lookup(drain.request_ids, id, null) }
    }
  ]...)
}

check "age_limit" {
  # Read after the drain: what is found then, the drain did not end.
  data "ssm_sessions" "old" {
    older_than     = var.limit
    exclude_owners = local.spared

    depends_on = [ssm_session_drain.old]
  }

  assert {
    condition = length(data.ssm_sessions.old.sessions) == 0
    error_message = join("\n", concat(["Sessions older than ${var.limit}:"], [
      for session in data.ssm_sessions.old.sessions :
      "${session.session_id} of ${coalesce(session.owner, "an unknown owner")}, since ${session.start_date}"
    ]))
  }
}
