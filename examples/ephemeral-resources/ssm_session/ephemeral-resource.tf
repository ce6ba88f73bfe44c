# terraform.applying is false during a plan, so a plan starts no session.
ephemeral "ssm_session" "example" {
  target  = "i-0123456789abcdef0"
  reason  = "change 4711"
  enabled = terraform.applying
}

# Your own client gets both values as environment variables. Terraform does not
# store them, and hides the client's output. After the client, the session ends.
resource "terraform_data" "client" {
  provisioner "local-exec" {
    command = "sh ${path.module}/client.sh"

    environment = {
      STREAM_URL  = ephemeral.ssm_session.example.stream_url
      TOKEN_VALUE = ephemeral.ssm_session.example.token_value
    }
  }
}
