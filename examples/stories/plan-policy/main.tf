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

variable "session_ids" {
  description = "Sessions to end."
  type        = set(string)
  default     = []
}

variable "targets" {
  description = "Nodes to drain."
  type        = set(string)
  default     = []
}

variable "exempt_owners" {
  description = "Owners whose sessions the drain does not end."
  type        = set(string)
  default     = ["arn:aws:sts::123456789012:assumed-role/BreakGlass/*"]
}

resource "ssm_session_termination" "requested" {
  for_each = var.session_ids

  session_id = each.key
}

resource "ssm_session_drain" "requested" {
  count = length(var.targets) > 0 ? 1 : 0

  targets        = var.targets
  exclude_owners = var.exempt_owners
}
