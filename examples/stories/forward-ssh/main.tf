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
  description = "Node to configure."
  type        = string
  default     = "i-02573cafcfEXAMPLE"
}

variable "ssh" {
  description = "SSH port and user of the node, and the files of the user's private key and of the host's public key."
  type = object({
    port     = number
    user     = string
    key      = string
    host_key = string
  })
}

variable "directory" {
  description = "Directory of the file on the node."
  type        = string
  default     = "/etc/app"
}

# Without remote_host the forward connects to a port of the node itself.
ephemeral "ssm_port_forward" "ssh" {
  target      = var.node_id
  remote_port = var.ssh.port
  reason      = "configure the application"
  enabled     = terraform.applying
}

resource "terraform_data" "configuration" {
  triggers_replace = [filesha256("${path.module}/app.conf")]

  connection {
    type        = "ssh"
    host        = ephemeral.ssm_port_forward.ssh.local_host
    port        = ephemeral.ssm_port_forward.ssh.local_port
    user        = var.ssh.user
    private_key = file(var.ssh.key)
    host_key    = trimspace(file(var.ssh.host_key))
  }

  provisioner "file" {
    source      = "${path.module}/app.conf"
    destination = "${var.directory}/app.conf"
  }

  provisioner "remote-exec" {
    inline = ["cp ${var.directory}/app.conf ${var.directory}/active.conf"]
  }
}
