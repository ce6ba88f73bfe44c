# Mary leaves the team today. Her sessions continue after she has lost her role.
# This configuration ends them. It also resumes a session of Jane, who lost her
# connection.
#
# `make demo` runs it with a fake endpoint. README.md shows how to run it by hand.

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
  description = "A disconnected session to resume in this run. Usually unset."
  type        = string
  default     = null
}

# One resource per session. The plan shows the owner and the node of each session.
resource "ssm_session_termination" "mary" {
  for_each = {
    "mary.major-0a1b2c3d4e5f60001" = "us-east-1"
    "mary.major-0a1b2c3d4e5f60002" = "us-east-1"
    "mary.major-0a1b2c3d4e5f60003" = "eu-central-1"
  }

  session_id = each.key
  region     = each.value
}

# Mary closed this session herself. This is not an error, and the outcome shows it.
resource "ssm_session_termination" "closed_by_mary" {
  session_id = "mary.major-0a1b2c3d4e5f60004"
}

# Token and stream URL exist only during the apply. They are in neither plan nor
# state, and a plan does not resume the session.
ephemeral "ssm_session_resume" "jane" {
  count = var.resume_session_id == null ? 0 : 1

  session_id = var.resume_session_id
  enabled    = terraform.applying
}

# A real configuration would pass the token to a provider, a provisioner or a
# write-only argument. This check only verifies that there is one.
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
  description = "The outcome of each session."
  value = merge(
    { for id, termination in ssm_session_termination.mary : id => termination.outcome },
    { (ssm_session_termination.closed_by_mary.session_id) = ssm_session_termination.closed_by_mary.outcome },
  )
}
