# Assumes a role that may end sessions, with the credentials of a profile.
provider "ssm" {
  region  = "us-east-1"
  profile = "operator"

  assume_role {
    role_arn     = "arn:aws:iam::123456789012:role/SessionOperator"
    session_name = "terraform"
  }
}

resource "ssm_session_termination" "example" {
  session_id = "Mary-Major-07a16060613c408b5"
}
