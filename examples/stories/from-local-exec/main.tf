terraform {
  required_version = ">= 1.5"

  required_providers {
    ssm = {
      source = "sessionops/ssm"
    }
  }
}

# Region, credentials and endpoint come from the environment, as the CLI's did.
provider "ssm" {}

variable "node_id" {
  description = "Node whose sessions end."
  type        = string
  default     = "i-02573cafcfEXAMPLE"
}

variable "ticket" {
  description = "Why they end. Another ticket ends the sessions that there are by then."
  type        = string
  default     = "CHG-1042"
}

# In place of the loop, and of the same loop in the destroy-time provisioner.
resource "ssm_session_drain" "node" {
  targets = [var.node_id]
  when    = "both"

  triggers = {
    ticket = var.ticket
  }
}

# In place of a single "aws ssm terminate-session".
resource "ssm_session_termination" "timmy" {
  session_id = "timmy-01cd54a0c8322733a"
}

# The loop has ended this one. Importing records it, and ends nothing.
import {
  to = ssm_session_termination.recorded
  id = "Mary-Major-0d41f2c6b9e8a7350"
}

resource "ssm_session_termination" "recorded" {
  session_id = "Mary-Major-0d41f2c6b9e8a7350"
}

output "outcomes" {
  description = "What became of each session."
  value = merge(ssm_session_drain.node.outcomes, {
    for termination in [ssm_session_termination.timmy, ssm_session_termination.recorded] :
    termination.session_id => termination.outcome
  })
}
