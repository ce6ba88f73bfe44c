# A database in a private network, reached through a node in that network.
ephemeral "ssm_port_forward" "database" {
  target      = "i-0123456789abcdef0"
  remote_host = "db.internal"
  remote_port = 5432
  reason      = "change 4711"

  # A plan does not connect to the database, so it needs no session.
  enabled = terraform.applying
}

# The forward stays open until the command has ended.
resource "terraform_data" "schema" {
  provisioner "local-exec" {
    command = "sh ${path.module}/migrate.sh"

    environment = {
      PGHOST = ephemeral.ssm_port_forward.database.local_host
      PGPORT = ephemeral.ssm_port_forward.database.local_port
    }
  }
}
