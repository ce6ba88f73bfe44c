# terraform.applying is false during a plan, so a plan resumes no session.
ephemeral "ssm_session_resume" "example" {
  session_id = "timmy-01cd54a0c8322733a"
  enabled    = terraform.applying
}

# Your own client gets both values as environment variables. Terraform does not
# store them, and hides the client's output.
resource "terraform_data" "client" {
  provisioner "local-exec" {
    command = "sh ${path.module}/client.sh"

    environment = {
      STREAM_URL  = ephemeral.ssm_session_resume.example.stream_url
      TOKEN_VALUE = ephemeral.ssm_session_resume.example.token_value
    }
  }
}
