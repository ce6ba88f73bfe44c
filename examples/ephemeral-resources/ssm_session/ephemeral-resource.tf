# terraform.applying is false while Terraform plans: a plan starts nothing.
ephemeral "ssm_session" "example" {
  target  = "i-0123456789abcdef0"
  reason  = "change 4711"
  enabled = terraform.applying
}

# A client of your own finds both values in its environment. Terraform stores
# them nowhere, and hides what the client prints. Then the session ends.
resource "terraform_data" "client" {
  provisioner "local-exec" {
    command = "sh ${path.module}/client.sh"

    environment = {
      STREAM_URL  = ephemeral.ssm_session.example.stream_url
      TOKEN_VALUE = ephemeral.ssm_session.example.token_value
    }
  }
}
