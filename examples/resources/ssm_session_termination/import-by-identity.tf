import {
  to = ssm_session_termination.example

  identity = {
    session_id = "John-Doe-0402960697c9ac1d2"
    region     = "us-east-1"
  }
}

resource "ssm_session_termination" "example" {
  session_id = "John-Doe-0402960697c9ac1d2"
}
