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

variable "leaver" {
  description = "Name of the person's role sessions and IAM user."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z_+=,.@-]{2,64}$", var.leaver))
    error_message = "Use a name without wildcards."
  }
}

variable "regions" {
  description = "Regions to search. Each session belongs to one Region."
  type        = set(string)
  default     = ["us-east-1", "eu-central-1"]
}

variable "drain" {
  description = "Whether to end the sessions. If false, they are only shown."
  type        = bool
  default     = false
}

locals {
  # One person: every role, and the IAM user with or without a path.
  owners = [
    "arn:*:sts::*:assumed-role/*/${var.leaver}",
    "arn:*:iam::*:user/${var.leaver}",
    "arn:*:iam::*:user/*/${var.leaver}",
  ]
}

data "ssm_sessions" "leaver" {
  for_each = var.regions

  region = each.key
  owners = local.owners
}

resource "ssm_session_drain" "leaver" {
  for_each = var.drain ? var.regions : []

  region       = each.key
  owners       = local.owners
  max_sessions = 20

  # A new leaver needs a new drain.
  triggers = {
    leaver = var.leaver
  }
}

output "open" {
  description = "The leaver's open sessions at the time of the plan."
  value = merge([
    for found in data.ssm_sessions.leaver : {
      for session in found.sessions : session.session_id => "${session.status} on ${session.target}, as ${session.owner}"
    }
  ]...)
}

output "outcomes" {
  description = "The outcome of each session."
  value       = merge([for drain in ssm_session_drain.leaver : drain.outcomes]...)
}
