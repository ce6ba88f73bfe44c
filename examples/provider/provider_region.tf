provider "ssm" {
  region = "us-east-1"
}

# In the provider's Region.
resource "ssm_session_termination" "virginia" {
  session_id = "Mary-Major-07a16060613c408b5"
}

# In another Region, with the same provider and credentials.
resource "ssm_session_termination" "frankfurt" {
  session_id = "Shirley-Rodriguez-0e8b5d1a7f3c24960"
  region     = "eu-central-1"
}
