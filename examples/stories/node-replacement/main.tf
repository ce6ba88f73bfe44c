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

variable "node_id" {
  description = "ID of the node. A new ID replaces the node, like a new AMI."
  type        = string
  default     = "i-02573cafcfEXAMPLE"
}

# Represents aws_instance, so that the example runs without an AWS account.
resource "terraform_data" "node" {
  input            = var.node_id
  triggers_replace = var.node_id
}

resource "ssm_session_drain" "node" {
  targets = [terraform_data.node.output]
  when    = "destroy"
}
