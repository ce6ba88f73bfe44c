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
  description = "Node in the private network that reaches the database."
  type        = string
  default     = "i-02573cafcfEXAMPLE"
}

variable "database" {
  description = "Address of the database as seen from the node, its name and the user."
  type = object({
    host = string
    port = number
    name = string
    user = string
  })
  default = {
    host = "db.internal"
    port = 5432
    name = "app"
    user = "app"
  }
}

variable "password" {
  description = "Password of the database user."
  type        = string
  ephemeral   = true
  default     = null
}

# The forward stays open while it is used, and closes at the end of the run.
ephemeral "ssm_port_forward" "database" {
  target      = var.node_id
  remote_host = var.database.host
  remote_port = var.database.port
  reason      = "migrate the schema"

  # A plan does not connect to the database, so it needs no session.
  enabled = terraform.applying
}

resource "terraform_data" "schema" {
  triggers_replace = [filesha256("${path.module}/schema.sql")]

  provisioner "local-exec" {
    command = "psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=${path.module}/schema.sql"

    environment = {
      PGHOST     = ephemeral.ssm_port_forward.database.local_host
      PGPORT     = ephemeral.ssm_port_forward.database.local_port
      PGDATABASE = var.database.name
      PGUSER     = var.database.user
      PGPASSWORD = var.password
    }
  }
}
