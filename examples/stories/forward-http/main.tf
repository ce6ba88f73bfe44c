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
  description = "Port on this machine. It is fixed, because the data source cannot use a value of the forward."
  type        = number
  default     = 18080
}

ephemeral "ssm_port_forward" "state" {
  target      = var.node_id
  remote_host = "state.internal"
  remote_port = 80
  local_port  = var.local_port
}

# A data source cannot use an ephemeral value, so the address is written out. With
# depends_on, Terraform opens the forward first and closes it afterwards.
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
