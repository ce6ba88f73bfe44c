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
  description = "Maximum age of a session."
  type        = string
  default     = "8h"
}

variable "enforce" {
  description = "Whether to end older sessions. If false, they are only reported."
  type        = bool
  default     = false
}

locals {
  exempt_owners = ["arn:*:sts::*:assumed-role/BreakGlass/*"]
}

resource "ssm_session_drain" "old" {
  count = var.enforce ? 1 : 0

  older_than     = var.limit
  exclude_owners = local.exempt_owners
  max_sessions   = 50

  # plantimestamp() differs in each run, so each run drains again.
  triggers = {
    run = plantimestamp()
  }
}

output "ended" {
  description = "The outcome of each session, and the request ID of the call in CloudTrail."
  value = merge([
    for drain in ssm_session_drain.old : {
      for id, outcome in drain.outcomes : id => { outcome = outcome, request_id = lookup(drain.request_ids, id, null) }
    }
  ]...)
}

check "age_limit" {
  # Read after the drain, so it contains only sessions that the drain did not end.
  data "ssm_sessions" "old" {
    older_than     = var.limit
    exclude_owners = local.exempt_owners

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
