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

variable "node_id" {
  description = "Node in the private network that reaches the state server."
  type        = string
  default     = "i-02573cafcfEXAMPLE"
}

variable "local_port" {
  description = "Port on this machine. It is fixed, since the data source cannot take it from the forward."
  type        = number
  default     = 18080
}

ephemeral "ssm_port_forward" "state" {
  target      = var.node_id
  remote_host = "state.internal"
  remote_port = 80
  local_port  = var.local_port
}

# A data source takes no ephemeral value. The address is written out, and depends_on
# makes Terraform open the forward first and close it afterwards.
data "terraform_remote_state" "network" {
  backend = "http"

  config = {
    address = "http://127.0.0.1:${var.local_port}/network.tfstate"
  }

  depends_on = [ephemeral.ssm_port_forward.state]
}

output "vpc_id" {
  value = data.terraform_remote_state.network.outputs.vpc_id
}
