# An example of your own module. It drains a node for maintenance.

terraform {
  required_version = ">= 1.7"

  required_providers {
    ssm = {
      source = "sessionops/ssm"
    }
  }
}

variable "node_id" {
  description = "Node to drain."
  type        = string

  validation {
    condition     = can(regex("^m?i-", var.node_id))
    error_message = "Use the ID of a node, such as i-02573cafcfEXAMPLE."
  }
}

resource "ssm_session_drain" "node" {
  targets        = [var.node_id]
  exclude_owners = ["arn:*:sts::*:assumed-role/BreakGlass/*"]
}

output "ended" {
  description = "Number of sessions that the drain ended."
  value       = length([for outcome in values(ssm_session_drain.node.outcomes) : outcome if outcome == "terminated"])
}

output "doubtful" {
  description = "Sessions whose end was not seen."
  value       = [for id, outcome in ssm_session_drain.node.outcomes : id if outcome == "unverified"]
}
