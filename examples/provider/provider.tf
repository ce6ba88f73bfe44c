terraform {
  required_providers {
    ssm = {
      source  = "sessionops/ssm"
      version = "~> 0.1"
    }
  }
}

provider "ssm" {
  region = "us-east-1"
}

# Ends this session for good.
resource "ssm_session_termination" "example" {
  session_id = "Mary-Major-07a16060613c408b5"
}
