# Forwards a port during an apply, to a server that only the node can reach.

terraform {
  required_version = ">= 1.10"

  required_providers {
    ssm = {
      source = "sessionops/ssm"
    }
  }
}

# Region, credentials and endpoint come from the environment.
provider "ssm" {}

variable "port" {
  description = "Port of the private server."
  type        = number
}

variable "client" {
  description = "Command that sends an HTTP GET request. Its last argument is the URL."
  type        = string
  default     = "curl --silent --show-error"
}

ephemeral "ssm_port_forward" "private" {
  target      = "i-0d1a2b3c4d5e6f702"
  remote_host = "private.internal"
  remote_port = var.port
  reason      = "demo"
  enabled     = terraform.applying
}

resource "terraform_data" "visit" {
  provisioner "local-exec" {
    # Terraform hides the output of a command that uses an ephemeral value.
    command = "${var.client} http://${ephemeral.ssm_port_forward.private.endpoint}/_fakessm > ${path.module}/answer.txt"
  }
}
