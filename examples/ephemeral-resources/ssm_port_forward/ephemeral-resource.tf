# A database in a private network, reached through a node that is in there.
ephemeral "ssm_port_forward" "database" {
  target      = "i-0123456789abcdef0"
  remote_host = "db.internal"
  remote_port = 5432
  reason      = "change 4711"

  # Only an apply connects to the database, so a plan opens nothing.
  enabled = terraform.applying
}

# The forward is open for as long as the command runs.
resource "terraform_data" "schema" {
  provisioner "local-exec" {
    command = "sh ${path.module}/migrate.sh"

    environment = {
      PGHOST = ephemeral.ssm_port_forward.database.local_host
      PGPORT = ephemeral.ssm_port_forward.database.local_port
    }
  }
}
