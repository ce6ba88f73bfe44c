provider "ssm" {
  region     = "us-east-1"
  access_key = "AKIAIOSFODNN7EXAMPLE"
  secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

  endpoints {
    ssm = "http://127.0.0.1:8008"
    sts = "http://127.0.0.1:8008"
  }
}

resource "ssm_session_termination" "example" {
  session_id = "Mary-Major-07a16060613c408b5"
}
