# Mary leaves the team today. Taking her role away ends none of her sessions:
# this configuration does. It also resumes a session of Jane's, who lost her
# connection.
#
# `make demo` runs it against a fake endpoint; README.md shows how to do the
# same by hand.

terraform {
  required_version = ">= 1.10"

  required_providers {
    ssm = {
      source = "sessionops/ssm"
    }
  }
}

# Region, credentials and endpoint come from the environment.
provider "ssm" {}

variable "resume_session_id" {
  description = "A disconnected session to resume in this run. Resuming is for the moment, so that the usual answer is none."
  type        = string
  default     = null
}

# One resource for each session. The plan shows whose session it is, and on
# which node.
resource "ssm_session_termination" "mary" {
  for_each = {
    "mary.major-0a1b2c3d4e5f60001" = "us-east-1"
    "mary.major-0a1b2c3d4e5f60002" = "us-east-1"
    "mary.major-0a1b2c3d4e5f60003" = "eu-central-1"
  }

  session_id = each.key
  region     = each.value
}

# Mary closed this one herself. That is no error: the outcome tells it apart.
resource "ssm_session_termination" "closed_by_mary" {
  session_id = "mary.major-0a1b2c3d4e5f60004"
}

# Token and stream URL exist only while Terraform applies. Neither state nor plan
# keeps them, and a plan alone resumes nothing.
ephemeral "ssm_session_resume" "jane" {
  count = var.resume_session_id == null ? 0 : 1

  session_id = var.resume_session_id
  enabled    = terraform.applying
}

# Somebody would now connect with the token: a provider, a provisioner, an
# argument that is write-only. Here it is enough to see that one came.
check "jane_can_go_on" {
  assert {
    condition = alltrue([
      for session in ephemeral.ssm_session_resume.jane :
      try(length(session.token_value), 0) > 0 && try(length(session.stream_url), 0) > 0
      if session.enabled
    ])
    error_message = "The session was resumed without a token or a stream URL."
  }
}

output "outcomes" {
  description = "What became of each session."
  value = merge(
    { for id, termination in ssm_session_termination.mary : id => termination.outcome },
    { (ssm_session_termination.closed_by_mary.session_id) = ssm_session_termination.closed_by_mary.outcome },
  )
}
