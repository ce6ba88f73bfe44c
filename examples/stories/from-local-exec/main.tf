terraform {
  required_version = ">= 1.5"

  required_providers {
    ssm = {
      source = "sessionops/ssm"
    }
  }
}

# Region, credentials and endpoint come from the environment, as they did for the CLI.
provider "ssm" {}

variable "node_id" {
  description = "Node whose sessions are ended."
  type        = string
  default     = "i-02573cafcfEXAMPLE"
}

variable "ticket" {
  description = "Reason for ending the sessions. A new ticket ends the sessions that are open at that time."
  type        = string
  default     = "CHG-1042"
}

# Replaces the loop, and the same loop in the destroy-time provisioner.
resource "ssm_session_drain" "node" {
  targets = [var.node_id]
  when    = "both"

  triggers = {
    ticket = var.ticket
  }
}

# Replaces a single "aws ssm terminate-session".
resource "ssm_session_termination" "timmy" {
  session_id = "timmy-01cd54a0c8322733a"
}

# The loop has already ended this session. The import records it and ends nothing.
import {
  to = ssm_session_termination.recorded
  id = "Mary-Major-0d41f2c6b9e8a7350"
}

resource "ssm_session_termination" "recorded" {
  session_id = "Mary-Major-0d41f2c6b9e8a7350"
}

output "outcomes" {
  description = "The outcome of each session."
  value = merge(ssm_session_drain.node.outcomes, {
    for termination in [ssm_session_termination.timmy, ssm_session_termination.recorded] :
    termination.session_id => termination.outcome
  })
}
