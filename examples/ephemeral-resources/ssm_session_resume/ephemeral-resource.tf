# terraform.applying is false while Terraform plans: a plan resumes nothing.
ephemeral "ssm_session_resume" "example" {
  session_id = "timmy-01cd54a0c8322733a"
  enabled    = terraform.applying
}

# A client of your own finds both values in its environment. Terraform stores
# them nowhere and hides what the client prints.
resource "terraform_data" "client" {
  provisioner "local-exec" {
    command = "sh ${path.module}/client.sh"

    environment = {
      STREAM_URL  = ephemeral.ssm_session_resume.example.stream_url
      TOKEN_VALUE = ephemeral.ssm_session_resume.example.token_value
    }
  }
}
